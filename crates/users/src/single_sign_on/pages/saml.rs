//! `/saml/{connection}/…`: our metadata, where answers arrive, and the provider's sign-out.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use platform::App;
use platform::db::DbError;
use platform::web::extract::{Path, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem, browser};
use saml::logout::Message;
use saml::redirect::{Direction, Received};
use serde::Deserialize;

use super::super::logout::{self, LoggedOut};
use super::super::oidc::{Failure, Place, Trouble};
use super::super::requests::{self, Intent};
use super::super::settings::Saml;
use super::super::{Connection, ConnectionId, saml as sso};
use super::sign_in::{connection, finish, is_disabled, over};
use crate::tokens::LinkToken;

/// A Response of half a MiB in Base64, with room for the form around it.
const FORM_BYTES_MAX: usize = 1024 * 1024;
const SIGN_IN: &str = "/sign-in";

pub(super) fn routes() -> Routes {
    const METADATA: &str = "/saml/{connection}/metadata";
    const ACS: &str = "/saml/{connection}/acs";
    const ARRIVED: &str = "/saml/{connection}/arrived";
    const SLO: &str = "/saml/{connection}/slo";
    let public = Openness::Public;
    Routes::new()
        .add(routes::get(METADATA, "single_sign_on.saml_metadata", public, metadata))
        .add(
            routes::post(ACS, "single_sign_on.saml_answer", public, acs)
                .plain()
                .limit(Limit::Credential)
                .body_bytes_max(FORM_BYTES_MAX)
                .records_nothing(
                    "the answer is kept for the browser that asked; what comes of it is recorded",
                ),
        )
        .add(routes::get(ARRIVED, "single_sign_on.saml_arrival", public, arrived).limit(Limit::Credential))
        .add(routes::get(SLO, "single_sign_on.saml_sign_out", public, slo_redirect).limit(Limit::Credential))
        .add(
            routes::post(SLO, "single_sign_on.saml_sign_out_form", public, slo_form)
                .plain()
                .limit(Limit::Credential)
                .body_bytes_max(FORM_BYTES_MAX)
                .records("single_sign_on."),
        )
}

/// The connection, if it speaks SAML.
async fn of_saml(app: &App, id: ConnectionId) -> Result<(Connection, Saml), Problem> {
    let found = connection(app, id).await?;
    let settings = found.settings.saml().cloned();
    let settings = settings.ok_or_else(|| Problem::not_found("connection"))?;
    Ok((found, settings))
}

async fn metadata(State(app): State<App>, Path(id): Path<ConnectionId>) -> web::Result {
    let (connection, settings) = of_saml(&app, id).await?;
    let xml = sso::metadata(&app, &connection, &settings)?;
    let kind = HeaderValue::from_static("application/samlmetadata+xml");
    Ok(([(header::CONTENT_TYPE, kind)], xml).into_response())
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The form is too large")
}

/// A form's fields, each once.
struct Form {
    message: String,
    relay_state: Option<String>,
}

fn form(body: &[u8], direction: Direction) -> Result<Form, Problem> {
    if body.len() > FORM_BYTES_MAX {
        return Err(too_large());
    }
    let mut message = None;
    let mut relay_state = None;
    for (name, value) in url::form_urlencoded::parse(body) {
        let place = match name.as_ref() {
            "RelayState" => &mut relay_state,
            name if name == direction.field() => &mut message,
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(Problem::malformed(format!("`{name}` stands twice")));
        }
    }
    let missing = || Problem::malformed(format!("`{}` is missing", direction.field()));
    Ok(Form { message: message.ok_or_else(missing)?, relay_state })
}

/// Where the answer of a provider arrives. The browser's mark is not sent with a form of another site, so that the answer is
/// only kept here, and taken up by [`arrived`].
async fn acs(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ConnectionId>,
    body: Bytes,
) -> web::Result {
    let (connection, settings) = of_saml(&app, id).await?;
    let form = form(&body, Direction::Response)?;
    let now = access.ctx.now;
    let state = form.relay_state.as_deref().and_then(|text| LinkToken::parse(text).ok());
    let asked = match state.clone() {
        None => None,
        Some(state) => {
            let wanted = state.clone();
            let asked = app.db().read(move |tx| requests::peek(tx, id, &wanted, now)).await?;
            Some((state, asked.ok_or_else(over)?))
        }
    };
    if !connection.active && asked.as_ref().is_none_or(|(_, asked)| asked.intent != Intent::Test) {
        return Err(is_disabled());
    }
    let known = asked.as_ref().map(|(state, asked)| (state, asked));
    let accepted = sso::accept(&app, &connection, &settings, &form.message, known, now);
    let (state, accepted) = match (state, accepted) {
        (None, Err(trouble)) => return Err(nobody_asked(&connection, &trouble)),
        (None, Ok(accepted)) => (LinkToken::generate(&mut |bytes| access.ctx.fill(bytes)), Ok(accepted)),
        (Some(state), accepted) => (state, accepted),
    };
    let (kept, asked) = (state.clone(), asked.is_some());
    let again = app
        .db()
        .housekeeping(move |tx| {
            let wrong = match &accepted {
                Ok(accepted) if sso::answers::keep(tx, id, &kept, accepted, now)? => return Ok(None),
                Ok(_) => Trouble::new(Place::Answer, "assertion_used", "this assertion was used before"),
                Err(trouble) => trouble.clone(),
            };
            if asked {
                sso::answers::keep_trouble(tx, id, &kept, &wrong, now)?;
            }
            Ok::<_, DbError>(Some(wrong))
        })
        .await?;
    match again {
        Some(trouble) if !asked => Err(nobody_asked(&connection, &trouble)),
        // Right or wrong: the browser that asked hears it, on a page of ours.
        _ => Ok(Redirect::to(&format!("/saml/{id}/arrived?state={}", state.text())).into_response()),
    }
}

/// Anybody can send a form that nobody asked for: it fills no ledger.
fn nobody_asked(connection: &Connection, trouble: &Trouble) -> Problem {
    tracing::info!(connection = %connection.id, %trouble, "a sign-in that nobody asked for is refused");
    Problem::new(StatusCode::FORBIDDEN, "single-sign-on-refused", "You could not be signed in")
        .detail(trouble)
        .cure("begin at the sign-in page")
}

#[derive(Deserialize)]
struct Arrived {
    #[serde(default)]
    state: String,
}

/// The browser takes up what its provider's form brought.
async fn arrived(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Path(id): Path<ConnectionId>,
    Query(query): Query<Arrived>,
) -> web::Result {
    let (connection, settings) = of_saml(&app, id).await?;
    let state = LinkToken::parse(&query.state).map_err(|_| over())?;
    let mark = browser::cookie(&headers, requests::COOKIE).and_then(|text| LinkToken::parse(text).ok());
    let now = access.ctx.now;
    let unsolicited = settings.unsolicited && connection.active;
    let taken = app
        .db()
        .housekeeping(move |tx| {
            let asked = match requests::take(tx, id, &state, mark.as_ref(), now)? {
                Some(asked) => asked,
                // Nobody asked; and it is not the answer to somebody else's request either.
                None if unsolicited && requests::peek(tx, id, &state, now)?.is_none() => {
                    requests::unasked(now)
                }
                None => return Ok(None),
            };
            let found = sso::answers::take(tx, id, &state, now)?;
            Ok::<_, DbError>(found.map(|found| (asked, found)))
        })
        .await?;
    let (asked, found) = taken.ok_or_else(over)?;
    finish(&app, &access, connection, asked, found.map_err(Failure::from)).await
}

async fn slo_redirect(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ConnectionId>,
    RawQuery(query): RawQuery,
) -> web::Result {
    let (connection, settings) = of_saml(&app, id).await?;
    let refused = |error: &saml::Error| {
        sign_out_refused(&Trouble::new(Place::LogoutToken, error.reason(), error.to_string()))
    };
    let received = Received::parse(query.as_deref().unwrap_or_default()).map_err(|error| refused(&error))?;
    let state = received.relay_state.clone();
    if received.direction == Direction::Response {
        return signed_out(&app, &access, &connection, &settings, &Message::Redirect(&received), state);
    }
    sign_out(&app, &access, &connection, &settings, &Message::Redirect(&received), state).await
}

async fn slo_form(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ConnectionId>,
    body: Bytes,
) -> web::Result {
    let (connection, settings) = of_saml(&app, id).await?;
    let is_answer = url::form_urlencoded::parse(&body).any(|(name, _)| name == Direction::Response.field());
    let direction = if is_answer { Direction::Response } else { Direction::Request };
    let form = form(&body, direction)?;
    let xml = saml::post::decode(&form.message).map_err(|error| Problem::malformed(error.to_string()))?;
    if is_answer {
        return signed_out(&app, &access, &connection, &settings, &Message::Post(&xml), form.relay_state);
    }
    sign_out(&app, &access, &connection, &settings, &Message::Post(&xml), form.relay_state).await
}

fn sign_out_refused(trouble: &Trouble) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "sign-out-refused", "The sign-out was not taken").detail(trouble)
}

/// Ends the sessions that a provider names, and sends the browser back with our answer.
async fn sign_out(
    app: &App,
    access: &Access,
    connection: &Connection,
    settings: &Saml,
    message: &Message<'_>,
    relay_state: Option<String>,
) -> web::Result {
    if !connection.active {
        return Err(is_disabled());
    }
    let asked = sso::read_request(app, connection, settings, message, access.ctx.now)
        .map_err(|trouble| sign_out_refused(&trouble))?;
    let state = relay_state.filter(|state| state.len() <= saml::redirect::RELAY_STATE_BYTES_MAX);
    let answer = sso::answer_address(app, &access.ctx, connection, settings, &asked, state.as_deref())
        .map_err(|trouble| sign_out_refused(&trouble))?;
    let (ctx, of) = (access.ctx.clone(), connection.clone());
    let done = app.db().write(&access.ctx, move |tx| logout::take_saml(&ctx, tx, &of, &asked)).await?;
    match (done.value, answer) {
        (LoggedOut::Again, _) => {
            let again = Trouble::new(Place::LogoutToken, "request_used", "this request was used before");
            Err(sign_out_refused(&again))
        }
        // No page of ours between: many providers load this address in a frame, where no page of ours is shown.
        (LoggedOut::Done { .. }, Some(address)) => web::see_other(&address),
        (LoggedOut::Done { .. }, None) => web::see_other(SIGN_IN),
    }
}

/// Back from the provider's sign-out, which was asked for here. The session here had ended before; this is for its person.
fn signed_out(
    app: &App,
    access: &Access,
    connection: &Connection,
    settings: &Saml,
    message: &Message<'_>,
    relay_state: Option<String>,
) -> web::Result {
    let now = access.ctx.now;
    match sso::read_answer(app, connection, settings, message, relay_state.as_deref(), now) {
        Ok(()) => web::see_other(SIGN_IN),
        Err(trouble) => Err(Problem::new(
            StatusCode::BAD_GATEWAY,
            "sign-out-unfinished",
            "You are signed out here, but perhaps not at your provider",
        )
        .detail(&trouble)
        .cure("sign out at the provider, or close all windows of the browser")),
    }
}
