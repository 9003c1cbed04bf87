//! The Ed25519 keys of a ledger, named as in signed notes (C2SP signed-note v1).
//!
//! A verifier key is written `name+id+base64(0x01 || public key)`, where `id` is the first four bytes of
//! `SHA-256(name || 0x0A || 0x01 || public key)` in hex: enough to see a damaged or mistaken key at once.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::tree::sha256;

/// Signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 1;

/// Why something is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the signing key is not a usable Ed25519 seed")]
    Seed,
    #[error("a key's name must not be empty nor hold spaces, control characters or `+`")]
    Name,
    #[error("the verifier key is not of the form `name+id+base64`; copy it whole")]
    Form,
    #[error("the verifier key is not an Ed25519 key")]
    Kind,
    #[error("the verifier key's id does not match its name and key: it is damaged or was mistyped")]
    Id,
}

/// The private key that signs checkpoints. It has no `Debug` and no way back to its seed.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of this seed; 32 fresh random bytes make a new key.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeyError::Seed)
    }

    /// The public half.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        self.0.public_key().as_ref().try_into().map(PublicKey).map_err(|_| KeyError::Seed)
    }

    /// What others need to check this key's signatures under `name`.
    pub fn verify_key(&self, name: &str) -> Result<VerifyKey, KeyError> {
        self.public()?.named(name)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.0.try_sign(message).map_err(|_| KeyError::Seed)?;
        signature.as_ref().try_into().map_err(|_| KeyError::Seed)
    }
}

/// The public half without a name. Written as the last part of a verifier key, `base64(0x01 || public key)`, so that the
/// two can be compared by eye.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// This key under a name, as signatures carry it.
    pub fn named(&self, name: &str) -> Result<VerifyKey, KeyError> {
        VerifyKey::new(name, self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = [ED25519_TYPE; 33];
        typed[1..].copy_from_slice(&self.0);
        f.write_str(&STANDARD.encode(typed))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let typed = STANDARD.decode(text).map_err(|_| KeyError::Form)?;
        let Some((&ED25519_TYPE, public)) = typed.split_first() else { return Err(KeyError::Kind) };
        Ok(Self(public.try_into().map_err(|_| KeyError::Kind)?))
    }
}

/// The public half with its name. Parse it with [`str::parse`], write it with `to_string`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyKey {
    name: String,
    public: [u8; 32],
}

impl VerifyKey {
    fn new(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        let forbidden = |c: char| c == '+' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.contains(forbidden) {
            return Err(KeyError::Name);
        }
        Ok(Self { name: name.to_owned(), public })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.public)
    }

    /// The four bytes by which a signature names its key.
    pub(crate) fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.clone().into_bytes();
        bytes.extend_from_slice(&[b'\n', ED25519_TYPE]);
        bytes.extend_from_slice(&self.public);
        let [a, b, c, d, ..] = sha256(&bytes);
        [a, b, c, d]
    }

    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), self.public())
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyKey({self})")
    }
}

impl std::str::FromStr for VerifyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The key's base64 may itself hold `+`; name and id may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let parsed = key.parse::<PublicKey>()?.named(name)?;
        // One text per key: this also refuses an id in capitals or of another length.
        if parsed.to_string() == text { Ok(parsed) } else { Err(KeyError::Id) }
    }
}
