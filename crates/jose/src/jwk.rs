//! Public keys as JSON (RFC 7517), and their thumbprints (RFC 7638).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value, json};

use crate::{Algorithm, Error, decode, encode, json, sha256};

/// Keys that a set may hold; more is no set of a client.
const KEYS_MAX: usize = 32;
const SET_BYTES_MAX: usize = 64 * 1024;
const ID_MAX: usize = 256;
/// Of an RSA modulus: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// A public key with its one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`
    pub id: Option<String>,
    pub(crate) material: Material,
}

impl Material {
    /// From an uncompressed point: 4, x, y.
    pub(crate) fn p256_from_point(point: &[u8]) -> Result<Self, Error> {
        let wrong = Error::Key("it is no point of P-256");
        let (Some(&4), 65) = (point.first(), point.len()) else { return Err(wrong) };
        let x = point[1..33].try_into().map_err(|_| wrong.clone())?;
        let y = point[33..].try_into().map_err(|_| wrong)?;
        Ok(Self::P256 { x, y })
    }

    /// From `RSAPublicKey` (RFC 8017 A.1.1): a sequence of two integers.
    pub(crate) fn rsa_from_der(der: &[u8]) -> Result<Self, Error> {
        let wrong = || Error::Key("it is no RSA key");
        let (body, rest) = der_value(der, 0x30).ok_or_else(wrong)?;
        let (n, more) = der_value(body, 2).ok_or_else(wrong)?;
        let (e, end) = der_value(more, 2).ok_or_else(wrong)?;
        if !rest.is_empty() || !end.is_empty() {
            return Err(wrong());
        }
        let bare = |integer: &[u8]| integer.strip_prefix(&[0]).unwrap_or(integer).to_vec();
        Ok(Self::Rsa { n: bare(n), e: bare(e) })
    }
}

/// The content of the DER element with this tag at the front, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (&[high, low], rest) = rest.split_first_chunk::<2>()?;
            (usize::from(high) << 8 | usize::from(low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

impl Jwk {
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256 { .. } => Algorithm::Es256,
            Material::Ed25519 { .. } => Algorithm::EdDsa,
            Material::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Reads one key from JSON text.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > SET_BYTES_MAX {
            return Err(Error::TooLarge(SET_BYTES_MAX));
        }
        Self::from_object(&json::object(bytes).ok_or(Error::Json("key"))?)
    }

    pub fn from_object(object: &Map<String, Value>) -> Result<Self, Error> {
        const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        if PRIVATE.iter().any(|name| object.contains_key(*name)) {
            return Err(Error::Key("it holds a private part: publish only the public key"));
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        if object.contains_key("use") && text("use") != Some("sig") {
            return Err(Error::Key("its `use` is not `sig`"));
        }
        if let Some(operations) = object.get("key_ops") {
            let verifies =
                operations.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some("verify")));
            if !verifies {
                return Err(Error::Key("its `key_ops` do not say `verify`"));
            }
        }
        let material = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => Material::P256 { x: fixed(object, "x")?, y: fixed(object, "y")? },
            (Some("OKP"), Some("Ed25519")) => Material::Ed25519 { x: fixed(object, "x")? },
            (Some("RSA"), None) => rsa(object)?,
            _ => return Err(Error::Key("it is neither of P-256, Ed25519 nor RSA")),
        };
        let id = match object.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= ID_MAX => Some(id.clone()),
            Some(_) => return Err(Error::Key("its `kid` is no short text")),
        };
        let key = Self { id, material };
        match object.get("alg") {
            None => Ok(key),
            Some(Value::String(name)) if Algorithm::parse(name) == Ok(key.algorithm()) => Ok(key),
            Some(_) => Err(Error::Key("its `alg` is not the one of its kind")),
        }
    }

    /// The public key as a JSON object with `kid`, `alg` and `use`.
    pub fn to_value(&self) -> Value {
        let mut value = self.required();
        if let Some(id) = &self.id {
            value["kid"] = json!(id);
        }
        value["alg"] = json!(self.algorithm().as_str());
        value["use"] = json!("sig");
        value
    }

    /// The members that a thumbprint is made of.
    fn required(&self) -> Value {
        match &self.material {
            Material::P256 { x, y } => {
                json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Material::Ed25519 { x } => json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(x) }),
            Material::Rsa { n, e } => json!({ "e": encode(e), "kty": "RSA", "n": encode(n) }),
        }
    }

    /// RFC 7638: SHA-256 over the required members in lexical order, in base64url.
    pub fn thumbprint(&self) -> String {
        let text = match &self.material {
            Material::P256 { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
            Material::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x)),
            Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n)),
        };
        sha256(text)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::P256 { x, y } => {
                let point = [&[4][..], x, y].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Material::Ed25519 { x } => UnparsedPublicKey::new(&ED25519, x).verify(message, signature).is_ok(),
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

fn bytes_of(object: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Error> {
    let text = object.get(name).and_then(Value::as_str);
    text.and_then(decode).ok_or(Error::Key("one of its numbers is missing or no base64url"))
}

fn fixed(object: &Map<String, Value>, name: &str) -> Result<[u8; 32], Error> {
    bytes_of(object, name)?.try_into().map_err(|_| Error::Key("one of its numbers is not 32 bytes long"))
}

fn rsa(object: &Map<String, Value>) -> Result<Material, Error> {
    let (n, e) = (bytes_of(object, "n")?, bytes_of(object, "e")?);
    let sound = MODULUS_BYTES.contains(&n.len()) && n[0] != 0 && (1..=4).contains(&e.len()) && e[0] != 0;
    // Even or tiny exponents have no use but to weaken.
    if !sound || e[e.len() - 1] % 2 == 0 || e == [1] {
        return Err(Error::Key("its RSA modulus must have 2048 to 8192 bits, and its exponent be odd"));
    }
    Ok(Material::Rsa { n, e })
}

/// The keys of one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Reads `{"keys": […]}`. Keys of kinds that are not known here are left out (RFC 7517 §5); a private key is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > SET_BYTES_MAX {
            return Err(Error::TooLarge(SET_BYTES_MAX));
        }
        let object = json::object(bytes).ok_or(Error::Json("key set"))?;
        let list = object.get("keys").and_then(Value::as_array).ok_or(Error::Json("key set"))?;
        if list.len() > KEYS_MAX {
            return Err(Error::Key("the set holds too many keys"));
        }
        let mut keys = Vec::new();
        for item in list {
            let item = item.as_object().ok_or(Error::Json("key"))?;
            match Jwk::from_object(item) {
                Ok(key) => keys.push(key),
                Err(error) if item.contains_key("d") || item.contains_key("k") => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Self { keys })
    }

    pub fn to_value(&self) -> Value {
        json!({ "keys": self.keys.iter().map(Jwk::to_value).collect::<Vec<_>>() })
    }
}
