//! Public keys as authenticators give them (COSE, RFC 9052 §7, RFC 9053, RFC 8812) and the signatures they verify:
//! ES256 on P-256, EdDSA on Ed25519, RS256 from 2048 bits. Nothing else is a key.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::cbor::{self, Value};

/// COSE algorithm identifiers, the preferred first; what the browser is offered.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
pub const ES256: i64 = -7;
pub const EDDSA: i64 = -8;
pub const RS256: i64 = -257;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    #[error("the key is of no kind that is taken here: ES256, EdDSA (Ed25519) or RS256")]
    Key,
    #[error("the signature does not fit")]
    Signature,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// `04 | x | y`
    P256([u8; 65]),
    Ed25519([u8; 32]),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
}

fn exactly<const N: usize>(value: Option<&Value<'_>>) -> Result<[u8; N], CoseError> {
    value.and_then(Value::bytes).and_then(|bytes| bytes.try_into().ok()).ok_or(CoseError::Key)
}

impl PublicKey {
    /// Reads a COSE_Key that is the whole of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, CoseError> {
        Self::from_value(&cbor::read_whole(bytes).map_err(|_| CoseError::Key)?)
    }

    pub fn from_value(key: &Value<'_>) -> Result<Self, CoseError> {
        let number = |label| key.label(label).and_then(Value::integer);
        let kind = match (number(1), number(3), number(-1)) {
            (Some(2), Some(ES256), Some(1)) => {
                let (x, y): ([u8; 32], [u8; 32]) = (exactly(key.label(-2))?, exactly(key.label(-3))?);
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                Kind::P256(point)
            }
            (Some(1), Some(EDDSA), Some(6)) => Kind::Ed25519(exactly(key.label(-2))?),
            (Some(3), Some(RS256), _) => {
                let part = |label| key.label(label).and_then(Value::bytes).map(<[u8]>::to_vec);
                let modulus = part(-1).ok_or(CoseError::Key)?;
                let exponent = part(-2).ok_or(CoseError::Key)?;
                let bounds = (256..=1024).contains(&modulus.len()) && (1..=4).contains(&exponent.len());
                if !bounds || modulus.first() == Some(&0) || exponent.first() == Some(&0) {
                    return Err(CoseError::Key);
                }
                Kind::Rsa { modulus, exponent }
            }
            _ => return Err(CoseError::Key),
        };
        Ok(Self { kind })
    }

    pub fn algorithm(&self) -> i64 {
        match self.kind {
            Kind::P256(_) => ES256,
            Kind::Ed25519(_) => EDDSA,
            Kind::Rsa { .. } => RS256,
        }
    }

    pub fn verify(&self, message: &[u8], signed: &[u8]) -> Result<(), CoseError> {
        let verified = match &self.kind {
            Kind::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).verify(message, signed)
            }
            Kind::Ed25519(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signed),
            Kind::Rsa { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() }.verify(
                    &signature::RSA_PKCS1_2048_8192_SHA256,
                    message,
                    signed,
                )
            }
        };
        verified.map_err(|_| CoseError::Signature)
    }
}
