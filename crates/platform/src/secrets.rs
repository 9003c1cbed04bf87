//! Secrets: values that never show themselves, and the keyring that seals what must be stored.
//!
//! What it promises:
//! - A [`Secret`] has neither `Debug` nor `Display` nor `Serialize`, and its memory is wiped when it goes.
//! - What [`Keyring::seal`] gives can be opened only by the same installation, for the same purpose and in the same
//!   context (the organization, the row): moving a sealed value to another row makes it unreadable.
//! - Losing the store alone, or the master key file alone, gives nothing away.
//!
//! Envelope encryption: the **master key** lives in a file beside the store, never in it ([`MasterKey`]). It wraps the
//! **data keys**, which live in the store as [`WrappedKey`]s and do the sealing (AES-256-GCM, NIST SP 800-38D, random
//! 96-bit nonces: a data key must be rotated long before 2^32 seals). Record 0 is the **root** of derived keys (HKDF,
//! RFC 5869); it is never rotated, so that what [`Keyring::derive`] gives is the same for ever.
//!
//! - Rotation ([`rotation`]): a new data key is stored, then sealed with. Older keys still open, until everything they
//!   sealed is sealed anew and they are dropped.
//! - New master key ([`master_change`]): all keys are wrapped anew; nothing that is sealed changes.

mod keyring;
mod master;
pub mod master_change;
pub mod records;
pub mod rotation;
mod sql;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use zeroize::Zeroize;

pub use keyring::{Keyring, WrappedKey, open_keyring, sealed_key_id};
pub use master::MasterKey;

/// A value that must not reach a log, a page or an error message.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. The name is long enough to be seen in review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("cannot read the master key file `{path}`: {reason}; give another path with `master_key`")]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error(
        "the master key file `{path}` is missing, but the store holds secrets that it protects: put the file back from your backup"
    )]
    Missing { path: PathBuf },
    #[error(
        "the master key file `{path}` can be read by others (mode {mode:03o}): run `chmod 600 {path}` and, if others had access, change the master key"
    )]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("the master key file `{path}` is not one line of base64 for 32 bytes: put the right file back")]
    Malformed { path: PathBuf },
    #[error(
        "the file `{path}` holds the master key that is in use: name one that does not exist, or one with another key"
    )]
    SameMasterKey { path: PathBuf },
    #[error("cannot write the master key file `{path}`: {reason}")]
    Unwritable { path: PathBuf, reason: std::io::Error },
    #[error(
        "the keys in the store were wrapped by another master key: use the master key file of this installation"
    )]
    WrongMasterKey,
    #[error("the store holds no key to seal with: its table of keys was emptied; restore it from a backup")]
    NoKeys,
    #[error(
        "nothing declares where values sealed for `{0}` are stored, so a rotation would lose them: declare a holding"
    )]
    Undeclared(String),
    #[error("data key {0} is not known here: load the keys of the store again")]
    UnknownKey(u32),
    #[error("a sealed value cannot be opened: it was changed, or belongs to another purpose or place")]
    Refused,
}
