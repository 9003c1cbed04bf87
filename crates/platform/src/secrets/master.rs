//! The master key file: one line of base64 for 32 bytes, readable by its owner only.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::{Zeroize, Zeroizing};

use super::SecretsError;
use crate::ctx::Random;

/// A key file is one short line; anything longer is another file.
const FILE_BYTES_MAX: u64 = 4096;

/// The key that wraps the data keys. Wiped from memory when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn generate(random: &Random) -> Self {
        Self::from_bytes(random.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells this key from others. The key is 256 random bits, so nothing follows from its hash.
    pub fn id(&self) -> String {
        let mut hashed = Zeroizing::new(b"bailiwick master key id v1\0".to_vec());
        hashed.extend_from_slice(self.bytes());
        let hash = digest::digest(&digest::SHA256, &hashed);
        hex::encode(hash.as_ref().first_chunk::<6>().unwrap_or(&[0; 6]))
    }

    /// Reads the key; refuses a file that others could read.
    pub fn load(path: &Path) -> Result<Self, SecretsError> {
        let unreadable = |reason| SecretsError::Unreadable { path: path.into(), reason };
        let file = File::open(path).map_err(unreadable)?;
        // Looks at the opened file, not at the path, so that nobody can swap it in between.
        let metadata = file.metadata().map_err(unreadable)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretsError::TooOpen { path: path.into(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text).ok_or_else(|| SecretsError::Malformed { path: path.into() })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new(BASE64_STANDARD.decode(text.trim()).ok()?);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok();
        bytes.zeroize();
        key.map(Self::from_bytes)
    }

    /// Writes a new file with mode 0600; never overwrites one. Durable when it returns: keys wrapped by a master key
    /// that a power cut takes away would be lost for good.
    pub fn save(&self, path: &Path) -> Result<(), SecretsError> {
        let unwritable = |reason| SecretsError::Unwritable { path: path.into(), reason };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let line = Zeroizing::new(format!("{}\n", BASE64_STANDARD.encode(self.bytes())));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
        sync_folder(path).map_err(unwritable)
    }
}

/// Makes what was done to the names in a file's folder durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
