//! Single logout in both directions: requests and answers, sent and received, by redirect or by form. Unsigned ones are refused.

use std::fmt::Write as _;

#[cfg(test)]
mod tests;

use crate::assertion::{NameId, name_id_of};
use crate::error::{Error, Kind, Part};
use crate::names::{SAML, SAMLP, SUCCESS};
use crate::redirect::{Direction, Received};
use crate::signature::{self, SignedBy, Trust};
use crate::time::Time;
use crate::xml::{Document, Element, Limits};
use crate::{response, shape, writer};

/// Of one request; a session of more than these has no meaning.
const SESSIONS_MAX: usize = 64;
/// A request without an end is taken for this long after it was issued.
const AGE_SECONDS_MAX: i64 = 600;

/// A request that this service sends.
#[derive(Clone, Copy, Debug)]
pub struct LogoutRequest<'a> {
    pub id: &'a str,
    pub issued: Time,
    pub destination: &'a str,
    pub issuer: &'a str,
    pub name_id: &'a NameId,
    pub session_index: Option<&'a str>,
    pub not_on_or_after: Time,
}

/// How this service answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// Sessions here ended, or there were none, but not everything that was asked could be done.
    Partial,
}

/// An answer that this service sends.
#[derive(Clone, Copy, Debug)]
pub struct LogoutResponse<'a> {
    pub id: &'a str,
    pub issued: Time,
    pub destination: &'a str,
    pub issuer: &'a str,
    pub in_response_to: &'a str,
    pub outcome: Outcome,
}

impl LogoutRequest<'_> {
    pub fn to_xml(&self) -> String {
        let mut xml = head("LogoutRequest", self.id, self.issued, self.destination);
        let _ = write!(
            xml,
            " NotOnOrAfter=\"{}\"><saml:Issuer>{}</saml:Issuer><saml:NameID{}{}{}>{}</saml:NameID>",
            self.not_on_or_after.to_text(),
            writer::text(self.issuer),
            writer::optional("Format", self.name_id.format.as_deref()),
            writer::optional("NameQualifier", self.name_id.name_qualifier.as_deref()),
            writer::optional("SPNameQualifier", self.name_id.sp_name_qualifier.as_deref()),
            writer::text(&self.name_id.value),
        );
        if let Some(index) = self.session_index {
            let _ = write!(xml, "<samlp:SessionIndex>{}</samlp:SessionIndex>", writer::text(index));
        }
        xml.push_str("</samlp:LogoutRequest>");
        xml
    }
}

impl LogoutResponse<'_> {
    pub fn to_xml(&self) -> String {
        let mut xml = head("LogoutResponse", self.id, self.issued, self.destination);
        let _ = write!(
            xml,
            " InResponseTo=\"{}\"><saml:Issuer>{}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\">",
            writer::attribute(self.in_response_to),
            writer::text(self.issuer),
        );
        if self.outcome == Outcome::Partial {
            xml.push_str(
                "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"></samlp:StatusCode>",
            );
        }
        xml.push_str("</samlp:StatusCode></samlp:Status></samlp:LogoutResponse>");
        xml
    }
}

fn head(name: &str, id: &str, issued: Time, destination: &str) -> String {
    format!(
        "<samlp:{name} xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\"",
        writer::attribute(id),
        issued.to_text(),
        writer::attribute(destination),
    )
}

/// How a message came: its signature stands in another place for each.
pub enum Message<'a> {
    /// The decoded form field.
    Post(&'a [u8]),
    Redirect(&'a Received),
}

/// What a connection expects of messages about logout.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    /// This service's address for logout, as configured.
    pub destination: &'a str,
    pub trust: Trust<'a>,
    pub skew_seconds: i64,
}

/// A verified request of an identity provider to end sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub id: String,
    pub name_id: NameId,
    /// Empty: every session of this person.
    pub session_indexes: Vec<String>,
    /// The request works once: refuse its ID until then.
    pub until: Time,
    pub signed_by: SignedBy,
}

/// Verifies and reads a `LogoutRequest`.
pub fn read_request(message: &Message<'_>, expected: &Expected<'_>) -> Result<Asked, Error> {
    open(message, "LogoutRequest", Direction::Request, expected, |root, signed_by| {
        let issued = root.time("IssueInstant")?.ok_or_else(|| root.error(Kind::Attribute("IssueInstant")))?;
        let end = root.time("NotOnOrAfter")?.unwrap_or(issued.plus_seconds(AGE_SECONDS_MAX));
        if expected.trust.now.minus_seconds(expected.skew_seconds) >= end {
            return Err(root.error(Kind::Expired));
        }
        let mut session_indexes = Vec::new();
        for index in root.named(SAMLP, "SessionIndex").take(SESSIONS_MAX + 1) {
            session_indexes.push(index.text()?.into_owned());
        }
        if session_indexes.len() > SESSIONS_MAX {
            return Err(root.error(Kind::Nodes));
        }
        Ok(Asked {
            id: signature::id_of(root)?.to_owned(),
            name_id: name_id_of(root)?,
            session_indexes,
            until: end.plus_seconds(expected.skew_seconds),
            signed_by,
        })
    })
}

/// Verifies the answer to the request with this ID. An answer that is no success is [`Kind::Status`].
pub fn read_response(
    message: &Message<'_>,
    request: &str,
    expected: &Expected<'_>,
) -> Result<SignedBy, Error> {
    open(message, "LogoutResponse", Direction::Response, expected, |root, signed_by| {
        if root.attribute("InResponseTo") != Some(request) {
            return Err(root.error(Kind::InResponseTo));
        }
        response::status(root)?;
        Ok(signed_by)
    })
}

/// Verifies the signature where this binding has it, and hands over the root of what was signed.
fn open<T>(
    message: &Message<'_>,
    name: &'static str,
    direction: Direction,
    expected: &Expected<'_>,
    read: impl FnOnce(Element<'_>, SignedBy) -> Result<T, Error>,
) -> Result<T, Error> {
    let xml = match message {
        Message::Post(xml) => xml,
        Message::Redirect(received) => received.xml.as_slice(),
    };
    let document = Document::parse(xml, Part::Message, Limits::MESSAGE)?;
    let (root, found) = shape::message(&document, SAMLP, name)?;
    match message {
        Message::Redirect(received) => {
            if received.direction != direction {
                return Err(Kind::Query(direction.field()).into());
            }
            if let Some(found) = found {
                return Err(found.error(Kind::SignatureInside));
            }
            let by = received.verify(&expected.trust)?;
            common(root, expected)?;
            read(root, by)
        }
        Message::Post(_) => {
            let found = found.ok_or_else(|| root.error(Kind::Unsigned))?;
            let verified = signature::verify(root, found, &expected.trust)?;
            let canonical = Document::parse(&verified.bytes, Part::Verified, Limits::MESSAGE)?;
            common(canonical.root(), expected)?;
            read(canonical.root(), verified.by)
        }
    }
}

fn common(root: Element<'_>, expected: &Expected<'_>) -> Result<(), Error> {
    signature::id_of(root)?;
    if root.attribute("Version") != Some("2.0") {
        return Err(root.error(Kind::Version));
    }
    response::issuer(root.only(SAML, "Issuer")?, expected.issuer)?;
    if root.attribute("Destination") != Some(expected.destination) {
        return Err(root.error(Kind::Destination));
    }
    let issued = root.time("IssueInstant")?.ok_or_else(|| root.error(Kind::Attribute("IssueInstant")))?;
    if issued > expected.trust.now.plus_seconds(expected.skew_seconds) {
        return Err(root.error(Kind::Early));
    }
    Ok(())
}
