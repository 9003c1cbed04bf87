//! Sign-out, both ways. Who has signed out at the provider is signed out here, and the provider hears that it was done. Who signs
//! out here is sent on to the provider, which must be told whom in the very words in which it named them; what it answers
//! changes nothing here any more.

use aws_lc_rs::digest::{SHA256, digest};
use platform::time::{MINUTE, Timestamp};
use platform::{App, Ctx};
use saml::logout::{self, LogoutRequest, LogoutResponse, Message, Outcome};
use saml::redirect::{self, Direction};
use saml::{NameId, Trust, names};
use serde::{Deserialize, Serialize};

use super::super::oidc::{Place, Trouble};
use super::super::{Connection, Saml, requests};
use super::{entity_id, message_id, signing_key, skew, slo, time};
use crate::sessions::Upstream;
use crate::tokens::LinkToken;

/// For how long a request of ours counts there.
const ASKED_FOR: std::time::Duration = std::time::Duration::from_secs(5 * MINUTE.as_secs());

/// A NameID without its value, which is the subject.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    format: Option<String>,
    name_qualifier: Option<String>,
    sp_name_qualifier: Option<String>,
}

/// What is kept of a NameID beside its value.
pub(super) fn written(name: &NameId) -> String {
    let written = Written {
        format: name.format.clone(),
        name_qualifier: name.name_qualifier.clone(),
        sp_name_qualifier: name.sp_name_qualifier.clone(),
    };
    // Three texts have no way to fail.
    serde_json::to_string(&written).unwrap_or_default()
}

fn name_of(upstream: &Upstream) -> NameId {
    let kept = upstream.name.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let Written { format, name_qualifier, sp_name_qualifier } = kept.unwrap_or_default();
    NameId { value: upstream.subject.clone(), format, name_qualifier, sp_name_qualifier }
}

/// The ID of the request that goes with a state.
fn request_id(app: &App, state: &LinkToken) -> String {
    format!("_{}", requests::saml_sign_out_id(app, state))
}

/// Where the browser goes to sign out at the provider too; `None`: it has no address for that.
pub(crate) fn sign_out_address(
    app: &App,
    ctx: &Ctx,
    connection: &Connection,
    settings: &Saml,
    upstream: &Upstream,
) -> Result<Option<String>, Trouble> {
    let Some(to) = settings.sign_out_address() else { return Ok(None) };
    let failed = |detail: String| Trouble::new(Place::LogoutToken, "", detail);
    let key = signing_key(app, connection).map_err(|error| failed(error.to_string()))?;
    let state = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let (id, issuer) = (request_id(app, &state), entity_id(app, connection.id));
    let request = LogoutRequest {
        id: &id,
        issued: time(ctx.now),
        destination: to,
        issuer: &issuer,
        name_id: &name_of(upstream),
        session_index: upstream.session.as_deref(),
        not_on_or_after: time(ctx.now.plus(ASKED_FOR)),
    };
    redirect::address(to, Direction::Request, &request.to_xml(), Some(&state.text()), &key)
        .map(Some)
        .map_err(|error| failed(error.to_string()))
}

/// Verifies what the provider answers to a request of ours, by the state that came back with it.
pub(crate) fn read_answer(
    app: &App,
    connection: &Connection,
    settings: &Saml,
    message: &Message<'_>,
    state: Option<&str>,
    now: Timestamp,
) -> Result<(), Trouble> {
    let lost = || Trouble::new(Place::LogoutToken, "RelayState", "it answers no request of ours");
    let state = state.and_then(|text| LinkToken::parse(text).ok()).ok_or_else(lost)?;
    let (destination, certificates) = (slo(app, connection.id), settings.trusted());
    let expected = expected(&destination, &certificates, settings, now);
    logout::read_response(message, &request_id(app, &state), &expected)
        .map(|_| ())
        .map_err(|error| refused(&error))
}

fn expected<'a>(
    destination: &'a str,
    certificates: &'a [saml::Certificate],
    settings: &'a Saml,
    now: Timestamp,
) -> logout::Expected<'a> {
    logout::Expected {
        issuer: &settings.entity_id,
        destination,
        trust: Trust { certificates, sha1: settings.sha1(), now: time(now) },
        skew_seconds: skew(),
    }
}

/// Sessions to end.
pub(crate) struct Asked {
    /// The request's own ID, for the answer.
    pub id: String,
    pub subject: String,
    /// Empty: all of the subject's.
    pub sessions: Vec<String>,
    /// Of the request, for one use.
    pub message: Vec<u8>,
    pub until: Timestamp,
}

fn refused(error: &saml::Error) -> Trouble {
    Trouble::new(Place::LogoutToken, error.reason(), error.to_string())
}

/// Verifies a request to sign somebody out.
pub(crate) fn read_request(
    app: &App,
    connection: &Connection,
    settings: &Saml,
    message: &Message<'_>,
    now: Timestamp,
) -> Result<Asked, Trouble> {
    let (destination, certificates) = (slo(app, connection.id), settings.trusted());
    let expected = expected(&destination, &certificates, settings, now);
    let asked = logout::read_request(message, &expected).map_err(|error| refused(&error))?;
    if asked.name_id.format.as_deref() == Some(names::TRANSIENT) {
        return Err(Trouble::new(
            Place::LogoutToken,
            "NameID",
            "it is transient: nobody here is known by it",
        ));
    }
    let text = format!("logout-request|{}|{}", connection.id, asked.id);
    Ok(Asked {
        id: asked.id,
        subject: asked.name_id.value,
        sessions: asked.session_indexes,
        message: digest(&SHA256, text.as_bytes()).as_ref().to_vec(),
        until: Timestamp::from_micros(asked.until.0),
    })
}

/// Where the browser goes with our answer; `None`: the provider has no address for it.
pub(crate) fn answer_address(
    app: &App,
    ctx: &Ctx,
    connection: &Connection,
    settings: &Saml,
    asked: &Asked,
    relay_state: Option<&str>,
) -> Result<Option<String>, Trouble> {
    let Some(to) = settings.sign_out_answer_address() else { return Ok(None) };
    let failed = |detail: String| Trouble::new(Place::LogoutToken, "", detail);
    let key = signing_key(app, connection).map_err(|error| failed(error.to_string()))?;
    let (id, issuer) = (message_id(ctx), entity_id(app, connection.id));
    let answer = LogoutResponse {
        id: &id,
        issued: time(ctx.now),
        destination: to,
        issuer: &issuer,
        in_response_to: &asked.id,
        outcome: Outcome::Success,
    };
    redirect::address(to, Direction::Response, &answer.to_xml(), relay_state, &key)
        .map(Some)
        .map_err(|error| failed(error.to_string()))
}
