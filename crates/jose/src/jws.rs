//! Tokens: read, then verified with keys that the caller trusts.

use serde_json::{Map, Value};

use crate::{Algorithm, Claims, Error, Jwk, decode, json};

/// No token of ours or of a client is near this.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a token says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    pub typ: Option<String>,
    members: Map<String, Value>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let members = json::object(bytes).ok_or(Error::Json("header"))?;
        if members.contains_key("crit") {
            return Err(Error::Critical);
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Error::Json("header")),
        };
        let algorithm = Algorithm::parse(&text("alg")?.ok_or(Error::Algorithm)?)?;
        Ok(Self { algorithm, key_id: text("kid")?, typ: text("typ")?, members })
    }

    /// Whether `typ` is `wanted`, with or without `application/` before it (RFC 7515 §4.1.9).
    fn is(&self, wanted: &str) -> bool {
        let Some(typ) = self.typ.as_deref() else { return false };
        let bare = typ.get(..12).filter(|head| head.eq_ignore_ascii_case("application/"));
        typ[bare.map_or(0, str::len)..].eq_ignore_ascii_case(wanted)
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }
}

/// A token that was read and not yet verified: it gives its header, to find the key, and nothing else.
pub struct Token<'a> {
    pub header: Header,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Error::TooLarge(TOKEN_BYTES_MAX));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Error::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(Error::Shape)?;
        let part = |text: &str| decode(text).ok_or(Error::Shape);
        Ok(Self {
            header: Header::parse(&part(header)?)?,
            signed,
            payload: part(payload)?,
            signature: part(signature)?,
        })
    }

    /// Refuses other types of token: one made for another use never passes here.
    pub fn of_type(self, typ: &'static str) -> Result<Self, Error> {
        if self.header.is(typ) { Ok(self) } else { Err(Error::Type(typ)) }
    }

    /// As [`Token::of_type`], or with no type at all: what older clients send.
    pub fn of_type_or_none(self, typ: &'static str) -> Result<Self, Error> {
        if self.header.typ.is_none() { Ok(self) } else { self.of_type(typ) }
    }

    /// The claims of a token whose very bytes the caller has verified before, and remembers.
    pub fn verified_before(&self) -> Result<Claims, Error> {
        Claims::parse(&self.payload)
    }

    /// The claims, if one of `keys` signed them: one with the token's `kid` where it names one, and of its `alg`.
    pub fn verify(&self, keys: &[Jwk]) -> Result<Claims, Error> {
        let named = |key: &&Jwk| match (&self.header.key_id, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        let mut outcome = Error::NoKey;
        for key in keys.iter().filter(named) {
            if key.algorithm() != self.header.algorithm {
                outcome = Error::OtherAlgorithm;
            } else if key.verifies(self.signed.as_bytes(), &self.signature) {
                return Claims::parse(&self.payload);
            } else {
                outcome = Error::Signature;
            }
        }
        Err(outcome)
    }
}
