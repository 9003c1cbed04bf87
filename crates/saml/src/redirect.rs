//! The HTTP-Redirect binding with deflate (bindings §3.4): a message in the query of an address. Its signature covers the letters
//! of the query as they were sent, so the raw query is read, not one that a framework has decoded.

use std::fmt::Write as _;

use flate2::{Decompress, FlushDecompress, Status};

use crate::algorithms::SignatureMethod;
use crate::error::{Error, Kind};
use crate::signature::{self, SignedBy, SigningKey, Trust};
use crate::xml::Limits;

const QUERY_BYTES_MAX: usize = 64 * 1024;
/// What a deflated message may become: more than any message of a redirect has.
const INFLATED_BYTES_MAX: usize = 128 * 1024;
pub const RELAY_STATE_BYTES_MAX: usize = 80;

/// Which of the two a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

impl Direction {
    /// The name of the query parameter, and of the form field.
    pub fn field(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// An address that carries a message, signed. `endpoint` may have a query of its own.
pub fn address(
    endpoint: &str,
    direction: Direction,
    xml: &str,
    relay_state: Option<&str>,
    key: &SigningKey,
) -> Result<String, Error> {
    let mut query = format!("{}={}", direction.field(), escape(&crate::base64::encode(deflate(xml))));
    if let Some(state) = relay_state {
        if state.len() > RELAY_STATE_BYTES_MAX {
            return Err(Kind::RelayState.into());
        }
        query.push_str(&format!("&RelayState={}", escape(state)));
    }
    query.push_str(&format!("&SigAlg={}", escape(key.method().name())));
    let signature = key.signature(query.as_bytes())?;
    query.push_str(&format!("&Signature={}", escape(&crate::base64::encode(signature))));
    let between = if endpoint.contains('?') { '&' } else { '?' };
    Ok(format!("{endpoint}{between}{query}"))
}

fn deflate(xml: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory does not fail.
    let _ = encoder.write_all(xml.as_bytes());
    encoder.finish().unwrap_or_default()
}

/// A message that came in a query.
pub struct Received {
    pub direction: Direction,
    pub xml: Vec<u8>,
    pub relay_state: Option<String>,
    signature: Option<QuerySignature>,
}

struct QuerySignature {
    method: SignatureMethod,
    value: Vec<u8>,
    /// What it covers.
    octets: String,
}

impl Received {
    /// Reads the query of an address, without its `?`. Parameters of other names are left alone; a name twice is refused.
    pub fn parse(query: &str) -> Result<Self, Error> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(Kind::TooLarge(QUERY_BYTES_MAX).into());
        }
        let raw = |name: &'static str| only(query, name);
        let (direction, message) = match (raw("SAMLRequest")?, raw("SAMLResponse")?) {
            (Some(message), None) => (Direction::Request, message),
            (None, Some(message)) => (Direction::Response, message),
            _ => return Err(Kind::Query("SAMLRequest").into()),
        };
        let encoding = raw("SAMLEncoding")?.map(|value| decoded(value, "SAMLEncoding")).transpose()?;
        if encoding.is_some_and(|name| name != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE") {
            return Err(Kind::Query("SAMLEncoding").into());
        }
        let state = raw("RelayState")?;
        let relay_state = state.map(|value| decoded(value, "RelayState")).transpose()?;
        if relay_state.as_ref().is_some_and(|state| state.len() > RELAY_STATE_BYTES_MAX) {
            return Err(Kind::RelayState.into());
        }
        let signature = match (raw("SigAlg")?, raw("Signature")?) {
            (None, None) => None,
            (Some(algorithm), Some(value)) => {
                let method = SignatureMethod::parse(&decoded(algorithm, "SigAlg")?)?;
                let value = decode_base64(&decoded(value, "Signature")?)?;
                let mut octets = format!("{}={message}", direction.field());
                if let Some(state) = state {
                    let _ = write!(octets, "&RelayState={state}");
                }
                let _ = write!(octets, "&SigAlg={algorithm}");
                Some(QuerySignature { method, value, octets })
            }
            (Some(_), None) => return Err(Kind::Query("Signature").into()),
            (None, Some(_)) => return Err(Kind::Query("SigAlg").into()),
        };
        let xml = inflate(&decode_base64(&decoded(message, direction.field())?)?)?;
        Ok(Self { direction, xml, relay_state, signature })
    }

    /// Whether a trusted key signed the query; who did.
    pub fn verify(&self, trust: &Trust<'_>) -> Result<SignedBy, Error> {
        let found = self.signature.as_ref().ok_or(Kind::Unsigned)?;
        if found.method.is_sha1() {
            trust.sha1.check(trust.now)?;
        }
        signature::signed_by(found.method, found.octets.as_bytes(), &found.value, trust)
            .ok_or_else(|| Kind::Signature.into())
    }
}

/// The raw value of the parameter of this name, which stands there once at most, under any spelling of its name.
fn only<'a>(query: &'a str, name: &'static str) -> Result<Option<&'a str>, Error> {
    let mut found = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key == name {
            if found.replace(value).is_some() {
                return Err(Kind::Query(name).into());
            }
        } else if decoded(key, name).is_ok_and(|key| key == name) {
            return Err(Kind::Query(name).into());
        }
    }
    Ok(found)
}

fn decode_base64(text: &str) -> Result<Vec<u8>, Error> {
    crate::base64::decode_wrapped(text).ok_or_else(|| Kind::Base64.into())
}

/// Percent-decoded, `+` as a space, as forms are.
fn decoded(value: &str, name: &'static str) -> Result<String, Error> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let pair = digit().zip(digit());
                let (high, low) = pair.ok_or(Kind::Query(name))?;
                out.push(u8::try_from(high * 16 + low).map_err(|_| Kind::Query(name))?);
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| Kind::Query(name).into())
}

/// As forms are encoded: receivers that encode anew what they decoded, before they verify, do it like this.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else if byte == b' ' {
            out.push('+');
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Never more than the limit, however much a few bytes promise.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let limit = INFLATED_BYTES_MAX.min(Limits::MESSAGE.bytes);
    let mut out = Vec::with_capacity(limit.min(bytes.len() * 8 + 256));
    let mut inflater = Decompress::new(false);
    loop {
        let (read, written) = (inflater.total_in(), out.len());
        let rest = usize::try_from(read).ok().and_then(|read| bytes.get(read..)).unwrap_or_default();
        let status =
            inflater.decompress_vec(rest, &mut out, FlushDecompress::None).map_err(|_| Kind::Inflate)?;
        if out.len() > limit {
            return Err(Kind::TooLarge(limit).into());
        }
        if status == Status::StreamEnd {
            break;
        }
        if out.len() == out.capacity() {
            // One byte over the limit is enough to know.
            out.reserve_exact((limit + 1 - out.len()).min(out.capacity().max(256)));
        } else if inflater.total_in() == read && out.len() == written {
            return Err(Kind::Inflate.into());
        }
    }
    if inflater.total_in() == bytes.len() as u64 { Ok(out) } else { Err(Kind::Inflate.into()) }
}

#[cfg(test)]
mod tests;
