//! What a verified assertion says: about whom, for whom, until when, and what else.

use crate::attributes::Attributes;
use crate::error::{Error, Kind};
use crate::names::{BEARER, SAML};
use crate::response::{self, Expected, Flow};
use crate::signature::{self, SignedBy};
use crate::time::Time;
use crate::xml::Element;

const NAME_ID_BYTES_MAX: usize = 1024;
const TEXT_BYTES_MAX: usize = 1024;
/// Issued longer ago, nothing is taken, whatever it says itself: what must be remembered must end.
const AGE_SECONDS_MAX: i64 = 24 * 3600;

/// Who somebody is at the identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameId {
    pub value: String,
    pub format: Option<String>,
    pub name_qualifier: Option<String>,
    pub sp_name_qualifier: Option<String>,
}

/// What makes one use of an assertion one use: refuse what is there already, keep it until its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remember {
    pub assertion: String,
    pub until: Time,
}

/// A sign-in that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub name_id: NameId,
    pub attributes: Attributes,
    pub remember: Remember,
    /// What a logout request names.
    pub session_index: Option<String>,
    /// When the identity provider wants the session ended.
    pub session_ends: Option<Time>,
    pub authenticated: Time,
    /// How, as the identity provider says (`AuthnContextClassRef`).
    pub context: Option<String>,
    pub signed_by: SignedBy,
}

/// Reads an assertion from bytes that were verified.
pub(crate) fn read(assertion: Element<'_>, expected: &Expected<'_>, by: SignedBy) -> Result<Login, Error> {
    if !assertion.is(SAML, "Assertion") {
        return Err(assertion.error(Kind::Root("Assertion")));
    }
    let id = signature::id_of(assertion)?.to_owned();
    if assertion.attribute("Version") != Some("2.0") {
        return Err(assertion.error(Kind::Version));
    }
    response::issuer(assertion.only(SAML, "Issuer")?, expected.issuer)?;
    let issued =
        assertion.time("IssueInstant")?.ok_or_else(|| assertion.error(Kind::Attribute("IssueInstant")))?;
    if !expected.has_begun(issued) {
        return Err(assertion.error(Kind::Early));
    }
    let oldest = issued.plus_seconds(AGE_SECONDS_MAX);
    if !expected.is_before(oldest) {
        return Err(assertion.error(Kind::Expired));
    }
    let subject = assertion.only(SAML, "Subject")?;
    let name_id = name_id_of(subject)?;
    let confirmed = confirmation(subject, expected)?;
    let ends = conditions(assertion.only(SAML, "Conditions")?, expected)?;
    let statement = authn_statement(assertion, expected)?;
    let until = [ends, Some(confirmed), Some(oldest)].into_iter().flatten().min().unwrap_or(oldest);
    Ok(Login {
        name_id,
        attributes: Attributes::read(assertion)?,
        remember: Remember { assertion: id, until: until.plus_seconds(expected.skew_seconds) },
        session_index: statement.session_index,
        session_ends: statement.session_ends,
        authenticated: statement.authenticated,
        context: statement.context,
        signed_by: by,
    })
}

/// The one `NameID` of a subject or of a logout request.
pub(crate) fn name_id_of(parent: Element<'_>) -> Result<NameId, Error> {
    if let Some(sealed) = parent.optional(SAML, "EncryptedID")? {
        return Err(sealed.error(Kind::EncryptedId));
    }
    let element = parent.only(SAML, "NameID")?;
    let value = element.text()?.into_owned();
    let clean = |text: &str| text.len() <= NAME_ID_BYTES_MAX && !text.chars().any(char::is_control);
    let qualifiers = ["Format", "NameQualifier", "SPNameQualifier"].map(|name| element.attribute(name));
    if value.trim().is_empty() || !clean(&value) || !qualifiers.iter().flatten().all(|text| clean(text)) {
        return Err(element.error(Kind::NameId));
    }
    let [format, name_qualifier, sp_name_qualifier] = qualifiers.map(|text| text.map(str::to_owned));
    Ok(NameId { value, format, name_qualifier, sp_name_qualifier })
}

/// One confirmation of method bearer must hold in all its parts; gives its end. What the first one lacks is what is said.
fn confirmation(subject: Element<'_>, expected: &Expected<'_>) -> Result<Time, Error> {
    let mut refused = None;
    for one in subject.named(SAML, "SubjectConfirmation") {
        if one.attribute("Method") != Some(BEARER) {
            continue;
        }
        match bearer(one, expected) {
            Ok(end) => return Ok(end),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| subject.error(Kind::Bearer)))
}

fn bearer(confirmation: Element<'_>, expected: &Expected<'_>) -> Result<Time, Error> {
    let data = confirmation
        .optional(SAML, "SubjectConfirmationData")?
        .ok_or_else(|| confirmation.error(Kind::Bearer))?;
    if data.attribute("Recipient") != Some(expected.acs) {
        return Err(data.error(Kind::Recipient));
    }
    let end = data.time("NotOnOrAfter")?.ok_or_else(|| data.error(Kind::Bearer))?;
    if !expected.is_before(end) {
        return Err(data.error(Kind::Expired));
    }
    if data.time("NotBefore")?.is_some_and(|from| !expected.has_begun(from)) {
        return Err(data.error(Kind::Early));
    }
    match (expected.flow, data.attribute("InResponseTo")) {
        (Flow::Requested { id }, Some(found)) if found == id => Ok(end),
        (Flow::Requested { .. }, _) => Err(data.error(Kind::InResponseTo)),
        (Flow::Unsolicited, None) => Ok(end),
        (Flow::Unsolicited, Some(_)) => Err(data.error(Kind::Unsolicited)),
    }
}

/// All conditions hold; gives the end, if one is set.
fn conditions(conditions: Element<'_>, expected: &Expected<'_>) -> Result<Option<Time>, Error> {
    if conditions.time("NotBefore")?.is_some_and(|from| !expected.has_begun(from)) {
        return Err(conditions.error(Kind::Early));
    }
    let end = conditions.time("NotOnOrAfter")?;
    if end.is_some_and(|end| !expected.is_before(end)) {
        return Err(conditions.error(Kind::Expired));
    }
    let mut restricted = false;
    for one in conditions.children() {
        if one.is(SAML, "AudienceRestriction") {
            restricted = true;
            let mut found = false;
            for audience in one.named(SAML, "Audience") {
                found |= audience.text()? == expected.audience;
            }
            if !found {
                return Err(one.error(Kind::Audience));
            }
        } else if !one.is(SAML, "OneTimeUse") && !one.is(SAML, "ProxyRestriction") {
            // What is not understood cannot be said to hold (core §2.5.1.1).
            return Err(one.error(Kind::Condition));
        }
    }
    if restricted { Ok(end) } else { Err(conditions.error(Kind::Missing("AudienceRestriction"))) }
}

struct Statement {
    authenticated: Time,
    session_index: Option<String>,
    session_ends: Option<Time>,
    context: Option<String>,
}

/// The first statement names the session; all of them must hold.
fn authn_statement(assertion: Element<'_>, expected: &Expected<'_>) -> Result<Statement, Error> {
    let mut first = None;
    for one in assertion.named(SAML, "AuthnStatement") {
        let authenticated =
            one.time("AuthnInstant")?.ok_or_else(|| one.error(Kind::Attribute("AuthnInstant")))?;
        if !expected.has_begun(authenticated) {
            return Err(one.error(Kind::Early));
        }
        let wanted = expected.authenticated_after.map(|at| at.minus_seconds(expected.skew_seconds));
        if wanted.is_some_and(|at| authenticated < at) {
            return Err(one.error(Kind::StaleLogin));
        }
        let session_ends = one.time("SessionNotOnOrAfter")?;
        if session_ends.is_some_and(|end| !expected.is_before(end)) {
            return Err(one.error(Kind::Expired));
        }
        let context = one.optional(SAML, "AuthnContext")?;
        let class =
            context.map(|context| context.optional(SAML, "AuthnContextClassRef")).transpose()?.flatten();
        let class = class.map(|class| class.text()).transpose()?;
        let short = |text: &str| (text.len() <= TEXT_BYTES_MAX).then(|| text.to_owned());
        let statement = Statement {
            authenticated,
            session_index: one.attribute("SessionIndex").and_then(short),
            session_ends,
            context: class.as_deref().map(str::trim).and_then(short),
        };
        first = first.or(Some(statement));
    }
    first.ok_or_else(|| assertion.error(Kind::Missing("AuthnStatement")))
}
