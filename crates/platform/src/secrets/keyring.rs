//! Data keys, sealing and derivation. Knows nothing of where the wrapped keys are stored.
//!
//! A sealed value is `version (1) | key id (4, big endian) | nonce (12) | ciphertext and tag`; a wrapped key is
//! `version (1) | nonce (12) | ciphertext and tag (48)`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::{MasterKey, Secret, SecretsError, master_change};
use crate::ctx::Random;
use crate::time::Timestamp;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const SEALED_HEADER_BYTES: usize = 1 + 4 + NONCE_BYTES;
const WRAPPED_HEADER_BYTES: usize = 1 + NONCE_BYTES;
/// The record that keys are derived from.
const ROOT_ID: u32 = 0;

/// A key as the store keeps it. `id` 0 is the root of derived keys, the rest are data keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    pub id: u32,
    pub wrapped: Vec<u8>,
    pub created_at: Timestamp,
}

/// Seals, opens and derives. Cheap to clone; clones see each other's rotation.
#[derive(Clone)]
pub struct Keyring {
    inner: Arc<Inner>,
}

struct Inner {
    root: Zeroizing<[u8; 32]>,
    root_created_at: Timestamp,
    keys: RwLock<Keys>,
}

struct Keys {
    master: MasterKey,
    /// Never empty. The highest id is the current key.
    data: BTreeMap<u32, DataKey>,
}

struct DataKey {
    bytes: Zeroizing<[u8; 32]>,
    cipher: LessSafeKey,
    created_at: Timestamp,
}

impl Keyring {
    /// The keys of a new installation, with the records to store before anything is sealed.
    pub fn create(
        master: MasterKey,
        now: Timestamp,
        random: &Random,
    ) -> Result<(Self, Vec<WrappedKey>), SecretsError> {
        let records = (ROOT_ID..=1)
            .map(|id| {
                let key = Zeroizing::new(random.bytes::<32>());
                wrap(&master, id, &key, now, random)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok((Self::from_records(master, &records)?, records))
    }

    /// The keys of an existing installation.
    pub fn from_records(master: MasterKey, records: &[WrappedKey]) -> Result<Self, SecretsError> {
        let mut root = None;
        let mut data = BTreeMap::new();
        for record in records {
            let bytes = unwrap(&master, record)?;
            if record.id == ROOT_ID {
                root = Some((bytes, record.created_at));
            } else {
                data.insert(record.id, DataKey::new(bytes, record.created_at)?);
            }
        }
        match root {
            Some((root, root_created_at)) if !data.is_empty() => {
                let keys = RwLock::new(Keys { master, data });
                Ok(Self { inner: Arc::new(Inner { root, root_created_at, keys }) })
            }
            _ => Err(SecretsError::NoKeys),
        }
    }

    /// A keyring for tests: always the same keys.
    #[doc(hidden)]
    #[expect(clippy::expect_used, reason = "fixed keys; only tests call it")]
    pub fn for_tests() -> Self {
        Self::create(MasterKey::from_bytes([7; 32]), Timestamp::EPOCH, &Random::seeded(7))
            .expect("fixed keys are good")
            .0
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.inner.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Seals `plaintext` for `purpose` (a constant, such as `"mail"`) and `context` (organization, row: whatever the
    /// value must not be moved away from). Refuses a purpose that no [`Holding`](super::rotation::Holding) declares: a
    /// rotation would not find the value, and drop the key that opens it.
    pub fn seal(
        &self,
        purpose: &str,
        context: &[u8],
        plaintext: &[u8],
        random: &Random,
    ) -> Result<Vec<u8>, SecretsError> {
        if !super::rotation::holdings().any(|holding| holding.purpose == purpose) {
            return Err(SecretsError::Undeclared(purpose.to_owned()));
        }
        self.seal_undeclared(purpose, context, plaintext, random)
    }

    /// As [`Keyring::seal`], for tests of what nothing stores.
    #[doc(hidden)]
    pub fn seal_undeclared(
        &self,
        purpose: &str,
        context: &[u8],
        plaintext: &[u8],
        random: &Random,
    ) -> Result<Vec<u8>, SecretsError> {
        let keys = self.keys();
        let (id, key) = keys.data.last_key_value().ok_or(SecretsError::NoKeys)?;
        let nonce: [u8; NONCE_BYTES] = random.bytes();
        let mut sealed = Vec::with_capacity(SEALED_HEADER_BYTES + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        let mut body = plaintext.to_vec();
        key.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(seal_aad(*id, purpose, context)),
                &mut body,
            )
            .map_err(|_| SecretsError::Refused)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Keyring::seal`] gave for the same purpose and context.
    pub fn open(
        &self,
        purpose: &str,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Secret<Vec<u8>>, SecretsError> {
        let id = sealed_key_id(sealed).ok_or(SecretsError::Refused)?;
        let (header, body) = sealed.split_at_checked(SEALED_HEADER_BYTES).ok_or(SecretsError::Refused)?;
        let nonce = Nonce::try_assume_unique_for_key(&header[5..]).map_err(|_| SecretsError::Refused)?;
        let keys = self.keys();
        let key = keys.data.get(&id).ok_or(SecretsError::UnknownKey(id))?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = key
            .cipher
            .open_in_place(nonce, Aad::from(seal_aad(id, purpose, context)), &mut body)
            .map_err(|_| SecretsError::Refused)?
            .len();
        body.truncate(length);
        Ok(Secret::new(std::mem::take(&mut *body)))
    }

    /// A key of its own for `purpose`: the same after rotations, restarts and a new master key.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bailiwick derived keys v1");
        let mut key = [0; 32];
        #[expect(clippy::expect_used, reason = "32 bytes is within HKDF-SHA256's limit of 255 blocks")]
        salt.extract(&*self.inner.root)
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("32 bytes can be derived");
        key
    }

    /// A new data key, wrapped. Store it, then [`Keyring::install`] it: a key in use that is not stored would take
    /// what it sealed with it.
    pub fn rotate(&self, now: Timestamp, random: &Random) -> Result<WrappedKey, SecretsError> {
        let keys = self.keys();
        let id = keys.data.last_key_value().map_or(1, |(id, _)| id.saturating_add(1));
        let key = Zeroizing::new(random.bytes::<32>());
        wrap(&keys.master, id, &key, now, random)
    }

    /// Takes a stored key into use: the newest one seals from now on.
    pub fn install(&self, record: &WrappedKey) -> Result<(), SecretsError> {
        let mut keys = self.inner.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bytes = unwrap(&keys.master, record)?;
        if record.id != ROOT_ID {
            keys.data.insert(record.id, DataKey::new(bytes, record.created_at)?);
        }
        Ok(())
    }

    /// Drops an old key whose record is gone. The newest stays, whatever is asked: without it nothing could be sealed.
    pub fn forget(&self, id: u32) {
        let mut keys = self.inner.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if keys.data.last_key_value().is_some_and(|(newest, _)| *newest != id) {
            keys.data.remove(&id);
        }
    }

    /// All keys wrapped by a new master key. [`super::master_change`] stores them in place of the old ones.
    pub fn rewrap(&self, master: &MasterKey, random: &Random) -> Result<Vec<WrappedKey>, SecretsError> {
        let keys = self.keys();
        let Inner { root, root_created_at, .. } = &*self.inner;
        let mut records = vec![wrap(master, ROOT_ID, root, *root_created_at, random)?];
        for (id, key) in &keys.data {
            records.push(wrap(master, *id, &key.bytes, key.created_at, random)?);
        }
        Ok(records)
    }

    /// Says which master key wraps, and nothing about it.
    pub fn master_id(&self) -> String {
        self.keys().master.id()
    }

    /// When the installation's keys were first made.
    pub fn root_created_at(&self) -> Timestamp {
        self.inner.root_created_at
    }

    /// The id of the key that seals now, and since when it exists: what a page shows and a rotation job looks at.
    pub fn current(&self) -> Option<(u32, Timestamp)> {
        self.keys().data.last_key_value().map(|(id, key)| (*id, key.created_at))
    }
}

impl DataKey {
    fn new(bytes: Zeroizing<[u8; 32]>, created_at: Timestamp) -> Result<Self, SecretsError> {
        Ok(Self { cipher: cipher(&bytes)?, bytes, created_at })
    }
}

/// The data key that sealed this value, `None` when it is no sealed value. Lets a job find what an old key still seals.
pub fn sealed_key_id(sealed: &[u8]) -> Option<u32> {
    match sealed {
        [VERSION, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// Opens the keyring of an installation at its start: loads the master key, or makes one when both the file and the
/// records are missing. The second value is what must be stored, empty for an existing installation.
pub fn open_keyring(
    path: &Path,
    records: &[WrappedKey],
    now: Timestamp,
    random: &Random,
) -> Result<(Keyring, Vec<WrappedKey>), SecretsError> {
    let master = match MasterKey::load(path) {
        Err(SecretsError::Unreadable { reason, .. }) if reason.kind() == ErrorKind::NotFound => {
            if !records.is_empty() {
                return Err(SecretsError::Missing { path: path.into() });
            }
            let master = MasterKey::generate(random);
            master.save(path)?;
            master
        }
        other => other?,
    };
    if records.is_empty() {
        return Keyring::create(master, now, random);
    }
    let keyring = match Keyring::from_records(master.clone(), records) {
        Err(SecretsError::WrongMasterKey) => {
            master_change::resume(path, &master, records).ok_or(SecretsError::WrongMasterKey)?
        }
        other => other?,
    };
    Ok((keyring, Vec::new()))
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, SecretsError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SecretsError::Refused)?;
    Ok(LessSafeKey::new(key))
}

/// What a sealed value is bound to. Lengths stand before the parts, so that no two pairs give the same bytes.
fn seal_aad(id: u32, purpose: &str, context: &[u8]) -> Vec<u8> {
    let mut aad = b"bailiwick sealed v1\0".to_vec();
    aad.extend_from_slice(&id.to_be_bytes());
    aad.extend_from_slice(&(purpose.len() as u64).to_be_bytes());
    aad.extend_from_slice(purpose.as_bytes());
    aad.extend_from_slice(context);
    aad
}

fn wrap_aad(id: u32) -> Vec<u8> {
    let mut aad = b"bailiwick data key v1\0".to_vec();
    aad.extend_from_slice(&id.to_be_bytes());
    aad
}

fn wrap(
    master: &MasterKey,
    id: u32,
    key: &[u8; 32],
    created_at: Timestamp,
    random: &Random,
) -> Result<WrappedKey, SecretsError> {
    let nonce: [u8; NONCE_BYTES] = random.bytes();
    let mut wrapped = vec![VERSION];
    wrapped.extend_from_slice(&nonce);
    let mut body = key.to_vec();
    cipher(master.bytes())?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(wrap_aad(id)), &mut body)
        .map_err(|_| SecretsError::Refused)?;
    wrapped.extend_from_slice(&body);
    Ok(WrappedKey { id, wrapped, created_at })
}

fn unwrap(master: &MasterKey, record: &WrappedKey) -> Result<Zeroizing<[u8; 32]>, SecretsError> {
    let wrong = |_| SecretsError::WrongMasterKey;
    let (header, body) =
        record.wrapped.split_at_checked(WRAPPED_HEADER_BYTES).ok_or(SecretsError::WrongMasterKey)?;
    if header[0] != VERSION {
        return Err(SecretsError::WrongMasterKey);
    }
    let nonce = Nonce::try_assume_unique_for_key(&header[1..]).map_err(wrong)?;
    let mut body = Zeroizing::new(body.to_vec());
    let key = cipher(master.bytes())?
        .open_in_place(nonce, Aad::from(wrap_aad(record.id)), &mut body)
        .map_err(wrong)?;
    <[u8; 32]>::try_from(&*key).map(Zeroizing::new).map_err(|_| SecretsError::WrongMasterKey)
}
