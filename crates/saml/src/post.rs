//! The HTTP-POST binding (bindings §3.5): a message as Base64 in a form field.

use crate::error::{Error, Kind};
use crate::signature::{self, SigningKey};
use crate::xml::Limits;

/// The text of a `SAMLResponse` or `SAMLRequest` field; line breaks in it count for nothing.
pub fn decode(field: &str) -> Result<Vec<u8>, Error> {
    // Four letters for three bytes, and a line break for every 64 letters.
    if field.len() / 3 * 2 > Limits::MESSAGE.bytes {
        return Err(Kind::TooLarge(Limits::MESSAGE.bytes).into());
    }
    crate::base64::decode_wrapped(field).ok_or_else(|| Kind::Base64.into())
}

/// A message of this service, signed in itself, as the value of the form field. `certificate` is the DER form of the one whose
/// key signs.
pub fn encode(xml: &str, key: &SigningKey, certificate: &[u8]) -> Result<String, Error> {
    Ok(crate::base64::encode(signature::sign(xml, key, Some(certificate))?))
}
