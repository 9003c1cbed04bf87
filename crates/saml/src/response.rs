//! A sign-in: a `Response` by HTTP-POST, verified and read. What it says about a person is read from bytes whose digest was
//! verified, from nothing else.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::algorithms::Sha1;
use crate::assertion::{self, Login};
use crate::certificate::Certificate;
use crate::encryption::{self, DecryptionKey};
use crate::error::{Error, Kind, Part};
use crate::names::{ENTITY, SAML, SAMLP, SUCCESS};
use crate::shape::{self, ResponseShape};
use crate::signature::{self, SignedBy, Trust, Verified};
use crate::time::Time;
use crate::xml::{Document, Element, Limits};

/// How the sign-in began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow<'a> {
    /// Here: the ID of the request, kept by the caller under the RelayState.
    Requested { id: &'a str },
    /// At the identity provider. Only for a connection that opted in.
    Unsolicited,
}

/// What must be signed beyond the least, which is: whatever says who somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    pub signed_response: bool,
    pub signed_assertion: bool,
}

/// What this connection expects.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The identity provider's entity id.
    pub issuer: &'a str,
    /// This service's entity id for the connection.
    pub audience: &'a str,
    /// The address that the response came to, as configured, never as the request named it.
    pub acs: &'a str,
    pub flow: Flow<'a>,
    /// When the identity provider must have seen the person again (`ForceAuthn`).
    pub authenticated_after: Option<Time>,
    pub certificates: &'a [Certificate],
    pub decryption: &'a [DecryptionKey],
    pub demands: Demands,
    pub sha1: Sha1,
    pub now: Time,
    /// By how much clocks may differ.
    pub skew_seconds: i64,
}

impl Expected<'_> {
    fn trust(&self) -> Trust<'_> {
        Trust { certificates: self.certificates, sha1: self.sha1, now: self.now }
    }

    /// Not before `from`, with the skew.
    pub(crate) fn has_begun(&self, from: Time) -> bool {
        from <= self.now.plus_seconds(self.skew_seconds)
    }

    /// Before `end`, with the skew.
    pub(crate) fn is_before(&self, end: Time) -> bool {
        self.now.minus_seconds(self.skew_seconds) < end
    }
}

/// Verifies a Response and reads who signed in. `xml` is the decoded `SAMLResponse` (see [`crate::post::decode`]).
///
/// The caller must still: refuse a [`crate::Remember`] that it has seen, keep it until its end, and hold the person's e-mail domain
/// against those that the connection's organization has verified.
pub fn verify(xml: &[u8], expected: &Expected<'_>) -> Result<Login, Error> {
    let document = Document::parse(xml, Part::Message, Limits::MESSAGE)?;
    let shape = ResponseShape::of(&document)?;
    let ids = document.ids()?;
    status(shape.response)?;
    let outer = match shape.signature {
        Some(found) => Some(signature::verify(shape.response, found, &expected.trust())?),
        None if expected.demands.signed_response => {
            return Err(shape.response.error(Kind::ResponseUnsigned));
        }
        None => None,
    };
    let Some(outer) = outer else {
        envelope(shape.response, expected, false)?;
        let found = shape.assertion.ok_or_else(|| shape.response.error(Kind::Missing("Assertion")))?;
        return read(found, found, None, &ids, expected);
    };
    // From here on the message as it came is only looked at for the signature inside it.
    let verified = Document::parse(&outer.bytes, Part::Verified, Limits::MESSAGE)?;
    let inside = ResponseShape::of(&verified)?;
    status(inside.response)?;
    envelope(inside.response, expected, true)?;
    match (shape.assertion, inside.assertion) {
        (Some(came), Some(found)) => read(came, found, Some(&outer), &ids, expected),
        _ => Err(inside.response.error(Kind::Missing("Assertion"))),
    }
}

/// `came` is the assertion in the message; `found` the same in the verified bytes of the Response, if that is signed.
fn read(
    came: Element<'_>,
    found: Element<'_>,
    outer: Option<&Verified>,
    ids: &HashSet<String>,
    expected: &Expected<'_>,
) -> Result<Login, Error> {
    if found.local() == "Assertion" {
        // Its own signature is verified where the namespaces are that it was made among.
        return read_plain(came, found, outer, expected);
    }
    let plain = encryption::decrypt(found, expected.decryption, outer.is_some())?;
    let document = plain.parse()?;
    let inner = encryption::Plain::assertion(&document)?;
    if let Some(twice) = document.ids()?.iter().find(|id| ids.contains(*id)) {
        let bearer = inner.descendants().find(|one| one.attribute("ID") == Some(twice)).unwrap_or(inner);
        return Err(bearer.error(Kind::DuplicateId));
    }
    read_plain(inner, inner, outer, expected)
}

fn read_plain(
    came: Element<'_>,
    found: Element<'_>,
    outer: Option<&Verified>,
    expected: &Expected<'_>,
) -> Result<Login, Error> {
    match (shape::assertion(came)?, outer) {
        (Some(own), outer) => {
            let inner = signature::verify(came, own, &expected.trust())?;
            let verified = Document::parse(&inner.bytes, Part::Verified, Limits::MESSAGE)?;
            let by = strictest(inner.by, outer.map(|outer| outer.by.clone()));
            assertion::read(verified.root(), expected, by)
        }
        (None, _) if expected.demands.signed_assertion => Err(came.error(Kind::AssertionUnsigned)),
        (None, Some(outer)) => assertion::read(found, expected, outer.by.clone()),
        (None, None) => Err(came.error(Kind::Unsigned)),
    }
}

/// Both signatures stand for the sign-in, so that SHA-1 in either is said.
fn strictest(inner: SignedBy, outer: Option<SignedBy>) -> SignedBy {
    let sha1 = inner.sha1 || outer.is_some_and(|outer| outer.sha1);
    SignedBy { sha1, ..inner }
}

/// What the Response says about itself.
fn envelope(response: Element<'_>, expected: &Expected<'_>, signed: bool) -> Result<(), Error> {
    header(response, expected.issuer, expected)?;
    match response.attribute("Destination") {
        Some(destination) if destination == expected.acs => {}
        // A signed message names its destination (bindings §3.5.5.2), so that nobody can carry it elsewhere.
        None if !signed => {}
        _ => return Err(response.error(Kind::Destination)),
    }
    match (expected.flow, response.attribute("InResponseTo")) {
        (Flow::Requested { id }, Some(found)) if found == id => Ok(()),
        // Without a signature its absence says nothing; the assertion's confirmation is held to it.
        (Flow::Requested { .. }, None) if !signed => Ok(()),
        (Flow::Requested { .. }, _) => Err(response.error(Kind::InResponseTo)),
        (Flow::Unsolicited, None) => Ok(()),
        (Flow::Unsolicited, Some(_)) => Err(response.error(Kind::Unsolicited)),
    }
}

/// Version, time and issuer, which every message has.
fn header(message: Element<'_>, issuer: &str, expected: &Expected<'_>) -> Result<(), Error> {
    signature::id_of(message)?;
    if message.attribute("Version") != Some("2.0") {
        return Err(message.error(Kind::Version));
    }
    let issued =
        message.time("IssueInstant")?.ok_or_else(|| message.error(Kind::Attribute("IssueInstant")))?;
    if !expected.has_begun(issued) {
        return Err(message.error(Kind::Early));
    }
    match message.optional(SAML, "Issuer")? {
        Some(found) => self::issuer(found, issuer),
        None => Ok(()),
    }
}

/// Compared byte for byte.
pub(crate) fn issuer(element: Element<'_>, expected: &str) -> Result<(), Error> {
    let format = element.attribute("Format");
    if format.is_some_and(|format| format != ENTITY) || element.text()? != expected {
        return Err(element.error(Kind::Issuer));
    }
    Ok(())
}

/// Success, or the codes that the other side gave.
pub(crate) fn status(response: Element<'_>) -> Result<(), Error> {
    let status = response.only(SAMLP, "Status")?;
    let code = status.only(SAMLP, "StatusCode")?;
    let top = code.required("Value")?;
    if top == SUCCESS {
        return Ok(());
    }
    // The second level says more (`NoPassive`, `AuthnFailed`), but only of names that the standard gives.
    let inner = code.optional(SAMLP, "StatusCode")?.and_then(|inner| inner.attribute("Value"));
    Err(code.error(Kind::Status(
        short(inner.unwrap_or(top)).or_else(|| short(top)).unwrap_or("Unknown").to_owned(),
    )))
}

fn short(code: &str) -> Option<&str> {
    let name = code.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:")?;
    (name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(name)
}
