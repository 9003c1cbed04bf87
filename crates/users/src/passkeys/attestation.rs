//! Who made an authenticator: attestation statements, and the makes that count as attested.
//!
//! A make is on the list with its AAGUID **and** the certificates its maker signs with: an AAGUID alone is only a claim.
//! Taken: `none` (nothing is claimed) and `packed` (WebAuthn Level 3 §8.2). A packed statement that does not hold is
//! refused; statements of other formats are not read and prove nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use pki_types::pem::PemObject;
use pki_types::{CertificateDer, UnixTime};
use platform::time::Timestamp;
use serde::Deserialize;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::cbor::Value;
use super::cose::{EDDSA, ES256, RS256};
use super::webauthn::{AttestationObject, AttestedCredential, Refusal, sha256};

/// id-fido-gen-ce-aaguid: the extension in which a maker writes the AAGUID.
const AAGUID_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.4";
const CHAIN_MAX: usize = 6;

/// The makes of authenticators that count as attested. Without a list, none does.
#[derive(Default)]
pub struct Makes {
    by_aaguid: BTreeMap<[u8; 16], Make>,
}

struct Make {
    name: String,
    roots: Vec<CertificateDer<'static>>,
}

#[derive(Debug, thiserror::Error)]
pub enum MakesError {
    #[error("cannot read the list of passkey makes `{path}`: {reason}", path = path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error(
        "the list of passkey makes is not a JSON list of {{\"aaguid\", \"name\", \"roots\": [PEM, …]}}: {0}"
    )]
    Shape(String),
    #[error("the make `{name}` in the list of passkey makes: {wrong}")]
    Make { name: String, wrong: &'static str },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    aaguid: String,
    name: String,
    roots: Vec<String>,
}

impl Makes {
    pub fn load(path: &Path) -> Result<Self, MakesError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| MakesError::Unreadable { path: path.to_owned(), reason })?;
        Self::parse(&text)
    }

    pub fn parse(text: &str) -> Result<Self, MakesError> {
        let listed: Vec<Listed> =
            serde_json::from_str(text).map_err(|error| MakesError::Shape(error.to_string()))?;
        let mut by_aaguid = BTreeMap::new();
        for one in listed {
            let bad = |wrong| MakesError::Make { name: one.name.clone(), wrong };
            let aaguid = uuid::Uuid::parse_str(&one.aaguid).map_err(|_| bad("the AAGUID is no UUID"))?;
            if aaguid.is_nil() {
                return Err(bad("the AAGUID is zero, which many authenticators say that do not tell theirs"));
            }
            let mut roots = Vec::new();
            for pem in &one.roots {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|_| bad("a root is not a PEM certificate"))?;
                    webpki::anchor_from_trusted_cert(&certificate)
                        .map_err(|_| bad("a root is not a certificate that can sign others"))?;
                    roots.push(certificate.into_owned());
                }
            }
            if roots.is_empty() {
                return Err(bad("it has no root certificate, so that nothing could prove it"));
            }
            by_aaguid.insert(*aaguid.as_bytes(), Make { name: one.name.clone(), roots });
        }
        Ok(Self { by_aaguid })
    }

    pub fn is_empty(&self) -> bool {
        self.by_aaguid.is_empty()
    }

    pub fn name(&self, aaguid: &[u8]) -> Option<&str> {
        let aaguid: [u8; 16] = aaguid.try_into().ok()?;
        self.by_aaguid.get(&aaguid).map(|make| make.name.as_str())
    }

    /// Whether `chain`, the authenticator's certificate first, leads to a root of this make.
    fn holds(&self, aaguid: &[u8; 16], chain: &[CertificateDer<'_>], now: Timestamp) -> bool {
        let (Some(make), Some((leaf, between))) = (self.by_aaguid.get(aaguid), chain.split_first()) else {
            return false;
        };
        let anchors: Vec<_> =
            make.roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
        let Ok(leaf) = webpki::EndEntityCert::try_from(leaf) else { return false };
        let since = Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            between,
            UnixTime::since_unix_epoch(since),
            webpki::KeyUsage::client_auth(),
            None,
            None,
        )
        .is_ok()
    }
}

/// Judges an attestation statement; `true` when it proves a make on the list.
pub fn judge(
    makes: &Makes,
    object: &AttestationObject<'_>,
    credential: &AttestedCredential<'_>,
    client_data_json: &[u8],
    now: Timestamp,
) -> Result<bool, Refusal> {
    match object.format {
        "none" => {
            let empty = object.statement == Value::Map(Vec::new());
            if empty { Ok(false) } else { Err(Refusal::Attestation) }
        }
        "packed" => packed(makes, object, credential, client_data_json, now),
        _ => Ok(false),
    }
}

fn packed(
    makes: &Makes,
    object: &AttestationObject<'_>,
    credential: &AttestedCredential<'_>,
    client_data_json: &[u8],
    now: Timestamp,
) -> Result<bool, Refusal> {
    let bad = || Refusal::Attestation;
    let statement = &object.statement;
    let algorithm = statement.member("alg").and_then(Value::integer).ok_or_else(bad)?;
    let signature = statement.member("sig").and_then(Value::bytes).ok_or_else(bad)?;
    let mut message = object.auth_data.to_vec();
    message.extend_from_slice(&sha256(client_data_json));
    let Some(chain) = statement.member("x5c") else {
        // Signed with the passkey's own key: consistent, and no proof of a make.
        if algorithm != credential.key.algorithm() {
            return Err(bad());
        }
        credential.key.verify(&message, signature).map_err(|_| bad())?;
        return Ok(false);
    };
    let chain = chain.array().filter(|chain| (1..=CHAIN_MAX).contains(&chain.len())).ok_or_else(bad)?;
    let chain: Vec<CertificateDer<'_>> = chain
        .iter()
        .map(|one| one.bytes().map(CertificateDer::from))
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    let leaf = chain.first().and_then(|leaf| Certificate::from_der(leaf).ok()).ok_or_else(bad)?;
    verify_by_certificate(&leaf, algorithm, &message, signature)?;
    let told = aaguid_of(&leaf)?;
    if told.is_some_and(|told| told != credential.aaguid) {
        return Err(bad());
    }
    let subject = leaf.tbs_certificate.subject.to_string();
    let of_authenticator = subject.split(',').any(|part| part.trim() == "OU=Authenticator Attestation");
    Ok(of_authenticator && makes.holds(&credential.aaguid, &chain, now))
}

fn verify_by_certificate(
    leaf: &Certificate,
    algorithm: i64,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    let by: &'static dyn VerificationAlgorithm = match algorithm {
        ES256 => &ECDSA_P256_SHA256_ASN1,
        EDDSA => &ED25519,
        RS256 => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Refusal::Attestation),
    };
    let key = leaf.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
    UnparsedPublicKey::new(by, key).verify(message, signature).map_err(|_| Refusal::Attestation)
}

/// The AAGUID in the certificate, if its maker writes one; the value is an octet string inside the extension's.
fn aaguid_of(leaf: &Certificate) -> Result<Option<[u8; 16]>, Refusal> {
    const INNER: [u8; 2] = [0x04, 16];
    let extensions = leaf.tbs_certificate.extensions.as_deref().unwrap_or_default();
    let Some(found) = extensions.iter().find(|one| one.extn_id.to_string() == AAGUID_EXTENSION) else {
        return Ok(None);
    };
    let value = found.extn_value.as_bytes().strip_prefix(&INNER).ok_or(Refusal::Attestation)?;
    value.try_into().map(Some).map_err(|_| Refusal::Attestation)
}
