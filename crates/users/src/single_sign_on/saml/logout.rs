//! The provider's sign-out: who has signed out there is signed out here, and the provider hears that it was done.

use aws_lc_rs::digest::{SHA256, digest};
use platform::time::Timestamp;
use platform::{App, Ctx};
use saml::logout::{self, LogoutResponse, Message, Outcome};
use saml::redirect::{self, Direction};
use saml::{Trust, names};

use super::super::oidc::{Place, Trouble};
use super::super::{Connection, Saml};
use super::{entity_id, message_id, signing_key, skew, slo, time};

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
    let expected = logout::Expected {
        issuer: &settings.entity_id,
        destination: &destination,
        trust: Trust { certificates: &certificates, sha1: settings.sha1(), now: time(now) },
        skew_seconds: skew(),
    };
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
