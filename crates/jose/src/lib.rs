//! Signed JSON: JWS in compact form (RFC 7515), keys (RFC 7517, 7638), claims (RFC 7519), DPoP proofs (RFC 9449).
//!
//! Pure: bytes in, typed values out; the caller gives the time and keeps what was seen. It promises:
//! - **A key has one algorithm.** ES256, EdDSA and RS256 exist, `none` and secrets shared with the verifier do not. A token
//!   whose header names another algorithm than its key is refused, whatever its signature.
//! - **Keys come from the caller**, never from a token's header (`jwk`, `jku`, `x5u` are not looked at); only a DPoP proof
//!   carries its key, and gives back nothing but its thumbprint.
//! - **Absent is refused.** `exp`, `iat`, `iss` and `aud` must be there, and `nonce` where one was sent.
//! - **One reading.** Base64 in its one spelling, no member twice in an object, no `crit` that nobody understands, bounded
//!   sizes. Every parser is fuzzed.

pub mod claims;
pub mod dpop;
pub mod json;
mod jwk;
mod jws;
mod key;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use claims::{Claims, Expected, Nonce};
pub use jwk::{Jwk, JwkSet};
pub use jws::{Header, TOKEN_BYTES_MAX, Token};
pub use key::{Algorithm, SigningKey};

/// Why something is not taken. Never repeats what was given: it may be somebody's credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("it is not three parts of base64url with a dot between them")]
    Shape,
    #[error("its {0} is no JSON object in which each member stands once")]
    Json(&'static str),
    #[error("its `alg` is `none`: it is not signed")]
    None,
    #[error("its `alg` is not one of ES256, EdDSA, RS256")]
    Algorithm,
    #[error("its `alg` is not the one of its key")]
    OtherAlgorithm,
    #[error("its `typ` is not `{0}`")]
    Type(&'static str),
    #[error("it has a `crit` member, and nothing critical is understood here")]
    Critical,
    #[error("no key fits it")]
    NoKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("a key is not usable: {0}")]
    Key(&'static str),
    #[error("its claim `{0}` is missing or not of its type")]
    Claim(&'static str),
    #[error("its `exp` has passed")]
    Expired,
    #[error("it is not valid yet: `{0}` is in the future")]
    Early(&'static str),
    #[error("it is too old: `iat` is too long ago")]
    Old,
    #[error("its claim `{0}` is not what is expected here")]
    Unexpected(&'static str),
}

/// Base64url without padding (RFC 7515 §2).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The one spelling of these bytes, or nothing: no padding, no stray bits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// SHA-256, in base64url: what `ath`, PKCE's S256 and thumbprints are made of.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes.as_ref()))
}
