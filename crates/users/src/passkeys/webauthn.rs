//! What a browser and an authenticator say in a WebAuthn ceremony (Level 3, W3C), read strictly and judged. Pure:
//! bytes and expectations in, a verdict out.
//!
//! Compared exactly: the type, the challenge, the origin (scheme, host label by label, port), the hash of our name,
//! the flags "present" and "verified". A ceremony inside a frame of another site is refused.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::cbor::{self, Value};
use super::cose::{CoseError, PublicKey};

/// WebAuthn Level 3 §4: what a credential id may have at most.
const CREDENTIAL_ID_MAX: usize = 1023;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("what the browser sent cannot be read")]
    Unreadable,
    #[error("the answer is for another kind of question")]
    Type,
    #[error("the answer is to another question, or came too late")]
    Challenge,
    #[error("the answer was given to another site")]
    Origin,
    #[error("the authenticator signed for another site")]
    RelyingParty,
    #[error("the authenticator did not see that somebody is there")]
    NotPresent,
    #[error("the authenticator did not check who is there: use one with a PIN, a finger or a face")]
    NotVerified,
    #[error("the flags of the authenticator contradict each other")]
    Flags,
    #[error(transparent)]
    Key(#[from] CoseError),
    #[error("the attestation does not hold")]
    Attestation,
    #[error("the passkey's counter went back: it may have been copied")]
    Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony {
    Create,
    Get,
}

/// What is expected of an answer.
pub struct Expected<'a> {
    pub ceremony: Ceremony,
    /// Scheme, host and port of this installation.
    pub origin: &'a url::Url,
}

#[derive(Deserialize)]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

/// Judges `clientDataJSON`; gives the challenge that was answered, whose own check is the caller's.
pub fn client_data(json: &[u8], expected: &Expected<'_>) -> Result<Vec<u8>, Refusal> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Refusal::Unreadable)?;
    let wanted = match expected.ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if data.r#type != wanted {
        return Err(Refusal::Type);
    }
    if data.cross_origin || data.top_origin.is_some() || !same_origin(expected.origin, &data.origin) {
        return Err(Refusal::Origin);
    }
    URL_SAFE_NO_PAD.decode(&data.challenge).map_err(|_| Refusal::Challenge)
}

/// Whether `origin`, as a browser writes it, is exactly ours: the same scheme, the same labels of the host in the same
/// number, the same port. What merely begins or ends alike is another site.
pub fn same_origin(ours: &url::Url, origin: &str) -> bool {
    let Ok(theirs) = url::Url::parse(origin) else { return false };
    if theirs.origin().ascii_serialization() != origin {
        return false;
    }
    let (Some(our_host), Some(their_host)) = (ours.host_str(), theirs.host_str()) else { return false };
    ours.scheme() == theirs.scheme()
        && our_host.split('.').eq(their_host.split('.'))
        && ours.port_or_known_default() == theirs.port_or_known_default()
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Authenticator data (§6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorData<'a> {
    pub rp_id_hash: [u8; 32],
    pub flags: u8,
    pub sign_count: u32,
    pub credential: Option<AttestedCredential<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedCredential<'a> {
    pub aaguid: [u8; 16],
    pub id: &'a [u8],
    /// The COSE_Key as it stands there, and read.
    pub key_bytes: &'a [u8],
    pub key: PublicKey,
}

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

impl<'a> AuthenticatorData<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let bad = || Refusal::Unreadable;
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or_else(bad)?;
        let ([flags], rest) = rest.split_first_chunk::<1>().ok_or_else(bad)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
        let mut credential = None;
        if flags & ATTESTED != 0 {
            let (aaguid, after) = rest.split_first_chunk::<16>().ok_or_else(bad)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or_else(bad)?;
            let length = usize::from(u16::from_be_bytes(*length));
            if length == 0 || length > CREDENTIAL_ID_MAX {
                return Err(bad());
            }
            let (id, after) = after.split_at_checked(length).ok_or_else(bad)?;
            let (key, left) = cbor::read(after).map_err(|_| bad())?;
            let key_bytes = &after[..after.len() - left.len()];
            credential = Some(AttestedCredential {
                aaguid: *aaguid,
                id,
                key_bytes,
                key: PublicKey::from_value(&key)?,
            });
            rest = left;
        }
        if flags & EXTENSIONS != 0 {
            let (extensions, left) = cbor::read(rest).map_err(|_| bad())?;
            if !matches!(extensions, Value::Map(_)) {
                return Err(bad());
            }
            rest = left;
        }
        if !rest.is_empty() {
            return Err(bad());
        }
        let sign_count = u32::from_be_bytes(*count);
        Ok(Self { rp_id_hash: *rp_id_hash, flags: *flags, sign_count, credential })
    }

    /// For us, with somebody there whom the authenticator verified.
    pub fn judge(&self, rp_id: &str) -> Result<(), Refusal> {
        if self.rp_id_hash != sha256(rp_id.as_bytes()) {
            return Err(Refusal::RelyingParty);
        }
        if self.flags & PRESENT == 0 {
            return Err(Refusal::NotPresent);
        }
        if self.flags & VERIFIED == 0 {
            return Err(Refusal::NotVerified);
        }
        if self.flags & BACKED_UP != 0 && !self.may_be_copied() {
            return Err(Refusal::Flags);
        }
        Ok(())
    }

    /// A passkey that its maker syncs between devices.
    pub fn may_be_copied(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }
}

/// An attestation object (§6.5.4).
pub struct AttestationObject<'a> {
    pub format: &'a str,
    pub statement: Value<'a>,
    pub auth_data: &'a [u8],
}

impl<'a> AttestationObject<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let object = cbor::read_whole(bytes).map_err(|_| Refusal::Unreadable)?;
        let member = |name| object.member(name).ok_or(Refusal::Unreadable);
        let statement = member("attStmt")?.clone();
        if !matches!(statement, Value::Map(_)) {
            return Err(Refusal::Unreadable);
        }
        Ok(Self {
            format: member("fmt")?.text().ok_or(Refusal::Unreadable)?,
            auth_data: member("authData")?.bytes().ok_or(Refusal::Unreadable)?,
            statement,
        })
    }
}

/// Verifies an assertion's signature (§7.2, steps 20 and 21) and its counter; gives the counter to keep.
pub fn verify_assertion(
    key: &PublicKey,
    stored_count: u32,
    auth_data: &[u8],
    client_data_json: &[u8],
    signature: &[u8],
    rp_id: &str,
) -> Result<u32, Refusal> {
    let data = AuthenticatorData::parse(auth_data)?;
    data.judge(rp_id)?;
    let mut message = auth_data.to_vec();
    message.extend_from_slice(&sha256(client_data_json));
    key.verify(&message, signature)?;
    // Synced passkeys do not count; one that counts must go on counting.
    if (data.sign_count != 0 || stored_count != 0) && data.sign_count <= stored_count {
        return Err(Refusal::Counter);
    }
    Ok(data.sign_count)
}
