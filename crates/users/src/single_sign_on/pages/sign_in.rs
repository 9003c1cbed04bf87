//! The way to a provider and back: `/sign-in/sso`, where an address finds its connection; the start, the answer, and the
//! provider's own sign-out.
//!
//! A form of ours may lead only to ourselves (`form-action 'self'`), and browsers apply that to every redirect behind it.
//! So the way to a provider is a page that moves on by itself.

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::db::DbError;
use platform::ids::AccountId;
use platform::web::extract::{Form, Path, Query};
use platform::web::guard::FormsGoTo;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser, navigation};
use serde::Deserialize;

use super::super::arrival::{self, Arrival, Arriving, Identity};
use super::super::links::{self, Connected};
use super::super::logout::{self, LoggedOut};
use super::super::oidc::{self, Answer, Failure, Trouble};
use super::super::requests::{self, Asked, Asking, Intent};
use super::super::saml::Onward;
use super::super::{Connection, ConnectionId, Settings, realm, saml};
use crate::accounts::email::EmailAddress;
use crate::login::pages::{entered, safe_next};
use crate::tokens::LinkToken;

pub(crate) const FIND: &str = "/sign-in/sso";

pub(super) fn routes() -> Routes {
    const BEGIN: &str = "/sign-in/sso/{connection}";
    const BACK: &str = "/sign-in/sso/{connection}/callback";
    const LOGOUT: &str = "/sign-in/sso/{connection}/backchannel-logout";
    let public = Openness::Public;
    Routes::new()
        .add(routes::get(FIND, "single_sign_on.find", public, find))
        .add(
            routes::post(FIND, "single_sign_on.choose", public, choose)
                .limit(Limit::Credential)
                .records_nothing("it looks which provider an address belongs to"),
        )
        .add(routes::get(BEGIN, "single_sign_on.begin", public, begin).limit(Limit::Credential))
        .add(routes::get(BACK, "single_sign_on.callback", public, callback).limit(Limit::Credential))
        .add(
            routes::post(LOGOUT, "single_sign_on.backchannel_logout", public, backchannel_logout)
                .plain()
                .limit(Limit::Write)
                .records("single_sign_on."),
        )
}

/// Where a sign-in through a connection begins.
pub(crate) fn begin_path(id: ConnectionId) -> String {
    format!("{FIND}/{id}")
}

fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[derive(Template)]
#[template(path = "single_sign_on/hop.html")]
struct HopPage {
    shell: Shell,
    address: String,
    place: String,
}

/// Sends the browser on to a place outside.
pub(crate) fn hop(app: &App, access: &Access, address: String, place: &str) -> web::Result<Response> {
    let shell = navigation::public_shell(app, access, "Going on");
    let mut response = web::html(&HopPage { shell, address, place: place.to_owned() })?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(Template)]
#[template(path = "single_sign_on/hand_over.html")]
struct HandOverPage {
    shell: Shell,
    handover: saml::Handover,
    place: String,
}

/// Has the browser send a form to a provider. Only this page's forms may leave the installation, and only to places of the
/// provider's scheme: browsers hold a policy against every redirect that follows a form, and where those lead is the provider's affair.
fn hand_over(app: &App, access: &Access, handover: saml::Handover, place: &str) -> web::Result<Response> {
    let leaves_by_tls = handover.action.starts_with("https://");
    let shell = navigation::public_shell(app, access, "Going on");
    let mut response = web::html(&HandOverPage { shell, handover, place: place.to_owned() })?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(if leaves_by_tls { FormsGoTo::Https } else { FormsGoTo::Http });
    Ok(response)
}

#[derive(Deserialize, Default)]
struct Start {
    #[serde(default)]
    next: String,
    #[serde(default)]
    email: String,
    /// The provider is to ask anew.
    #[serde(default)]
    again: String,
    /// As a provider's own page begins a sign-in (OpenID Connect Core 1.0 §4).
    #[serde(default)]
    login_hint: String,
    #[serde(default)]
    iss: String,
}

struct Choice {
    name: String,
    href: String,
}

#[derive(Template)]
#[template(path = "single_sign_on/find.html")]
struct FindPage {
    shell: Shell,
    email: String,
    next: String,
    choices: Vec<Choice>,
    errors: FieldErrors,
}

fn find_page(
    app: &App,
    access: &Access,
    start: &Start,
    found: &[Connection],
    errors: FieldErrors,
) -> FindPage {
    let next = safe_next(&start.next);
    let more = format!("next={}&email={}", escaped(&next), escaped(&start.email));
    FindPage {
        shell: navigation::public_shell(app, access, "Single sign-on"),
        choices: found
            .iter()
            .map(|one| Choice { name: one.name.clone(), href: format!("{}?{more}", begin_path(one.id)) })
            .collect(),
        email: start.email.clone(),
        next,
        errors,
    }
}

async fn find(State(app): State<App>, access: Access, Query(start): Query<Start>) -> web::Result {
    web::html(&find_page(&app, &access, &start, &[], FieldErrors::default()))
}

async fn choose(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Form(start): Form<Start>,
) -> web::Result {
    let wrong = |error: String| {
        let errors = FieldErrors::default().with("email", error);
        web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &find_page(&app, &access, &start, &[], errors))
    };
    let address = match EmailAddress::parse(&start.email) {
        Ok(address) => address,
        Err(error) => return wrong(error.to_string()),
    };
    let domain = address.domain().to_owned();
    let found = app.db().read(move |tx| realm::connections_for(tx, &address)).await?;
    match found.as_slice() {
        [] => wrong(format!("No single sign-on is set up for addresses at {domain}.")),
        [one] => {
            let asking = Asking {
                connection: one.id,
                intent: Intent::SignIn,
                account: None,
                fresh: false,
                next: safe_next(&start.next),
            };
            lead(&app, &access, &headers, one, asking, &start.email).await
        }
        _ => web::html(&find_page(&app, &access, &start, &found, FieldErrors::default())),
    }
}

fn unknown() -> Problem {
    Problem::not_found("connection").cure("begin at the sign-in page")
}

pub(super) fn is_disabled() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "connection-disabled", "This way in is closed")
        .detail("the connection to this identity provider is disabled")
        .cure("sign in another way, or ask the admins of your organization")
}

pub(super) async fn connection(app: &App, id: ConnectionId) -> Result<Connection, Problem> {
    app.db().read(move |tx| super::super::by_id(tx, id)).await?.ok_or_else(unknown)
}

async fn begin(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Path(id): Path<ConnectionId>,
    Query(start): Query<Start>,
) -> web::Result {
    let connection = connection(&app, id).await?;
    if !connection.active {
        return Err(is_disabled());
    }
    if !start.iss.is_empty() && start.iss != connection.settings.issuer() {
        return Err(Problem::malformed("`iss` is not the issuer of this connection"));
    }
    let asking = Asking {
        connection: id,
        intent: Intent::SignIn,
        account: None,
        fresh: !start.again.is_empty(),
        next: safe_next(&start.next),
    };
    let hint = if start.login_hint.is_empty() { start.email } else { start.login_hint };
    lead(&app, &access, &headers, &connection, asking, &hint).await
}

/// Notes what is asked and sends the browser to the provider.
pub(super) async fn lead(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    connection: &Connection,
    asking: Asking,
    hint: &str,
) -> web::Result {
    let now = access.ctx.now;
    // What an OpenID provider says of itself is asked for before anything is noted.
    let metadata = match connection.settings.oidc() {
        None => None,
        Some(settings) => match oidc::metadata_of(app, &settings.issuer, now).await {
            Ok(metadata) => Some(metadata),
            Err(trouble) => return Err(troubled(app, access, connection, None, &trouble).await?),
        },
    };
    let (mark, new) = requests::mark(&access.ctx, headers);
    let (ctx, kept, fresh) = (access.ctx.clone(), mark.clone(), asking.fresh);
    let state = app.db().housekeeping(move |tx| requests::begin(&ctx, tx, &asking, &kept)).await?;
    let onward = match (&connection.settings, metadata) {
        (Settings::Saml(settings), _) => saml::sign_on(app, connection, settings, &state, fresh, now),
        (Settings::Oidc(_), Some(metadata)) => {
            oidc::address(app, connection, &metadata, &state, fresh, hint).map(Onward::Address)
        }
        (Settings::Oidc(_), None) => return Err(over()),
    };
    let mut response = match onward {
        Ok(Onward::Address(address)) => hop(app, access, address, &connection.name)?,
        Ok(Onward::Form(handover)) => hand_over(app, access, handover, &connection.name)?,
        Err(trouble) => return Err(troubled(app, access, connection, None, &trouble).await?),
    };
    if new {
        browser::set_cookie(&mut response, requests::COOKIE, &mark.text(), Some(86_400));
    }
    Ok(response)
}

/// Records what went wrong at a provider; gives what the person is told.
async fn troubled(
    app: &App,
    access: &Access,
    connection: &Connection,
    account: Option<AccountId>,
    trouble: &Trouble,
) -> Result<Problem, Problem> {
    let (ctx, of, kept) = (access.ctx.clone(), connection.clone(), trouble.clone());
    app.db()
        .write(&access.ctx, move |tx| {
            let told = kept.to_string();
            let word = kept.place.as_str();
            let recorded = arrival::failed(&ctx, tx, &of, account, word, &kept.field, &told)?;
            Ok::<_, DbError>(platform::db::Commit::changed((), recorded))
        })
        .await?;
    Ok(Problem::new(
        StatusCode::BAD_GATEWAY,
        "identity-provider",
        "The identity provider could not sign you in",
    )
    .detail(trouble)
    .cure("try again; if it stays, tell the admins of your organization"))
}

pub(super) fn over() -> Problem {
    Problem::new(StatusCode::GONE, "sign-in-over", "This sign-in is over")
        .detail("it was finished, has expired, or was begun in another browser")
        .cure("begin at the sign-in page")
}

async fn callback(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Path(id): Path<ConnectionId>,
    Query(answer): Query<Answer>,
) -> web::Result {
    let connection = connection(&app, id).await?;
    let state = LinkToken::parse(&answer.state).map_err(|_| over())?;
    let mark = browser::cookie(&headers, requests::COOKIE).and_then(|text| LinkToken::parse(text).ok());
    let (kept, now) = (state.clone(), access.ctx.now);
    let asked = app.db().housekeeping(move |tx| requests::take(tx, id, &kept, mark.as_ref(), now)).await?;
    let asked = asked.ok_or_else(over)?;
    // A test is what shows that a connection may be enabled.
    if !connection.active && asked.intent != Intent::Test {
        return Err(is_disabled());
    }
    may_finish(&access, &asked)?;
    let found = oidc::finish(&app, &connection, &state, &answer, now).await;
    finish(&app, &access, connection, asked, found).await
}

/// Who connects or tests is who asked, still signed in.
fn may_finish(access: &Access, asked: &Asked) -> Result<(), Problem> {
    let whose = access.principal.as_ref().and_then(|principal| principal.account);
    if asked.intent != Intent::SignIn && (whose.is_none() || whose != asked.account) {
        return Err(over());
    }
    Ok(())
}

/// What comes of an answer, whatever kind of provider gave it.
pub(super) async fn finish(
    app: &App,
    access: &Access,
    connection: Connection,
    asked: Asked,
    found: Result<Identity, Failure>,
) -> web::Result {
    may_finish(access, &asked)?;
    if !connection.active && asked.intent != Intent::Test {
        return Err(is_disabled());
    }
    match (asked.intent, found) {
        (_, Err(Failure::Db(error))) => Err(error.into()),
        (Intent::Test, found) => super::tried(app, access, &connection, found).await,
        (_, Err(Failure::Trouble(trouble))) => {
            Err(troubled(app, access, &connection, asked.account, &trouble).await?)
        }
        (Intent::SignIn, Ok(identity)) => sign_in(app, access, connection, identity, asked).await,
        (Intent::Connect, Ok(identity)) => connect(app, access, connection, identity, asked).await,
    }
}

fn turned_away(refusal: &arrival::Refusal) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "single-sign-on-refused", "You could not be signed in")
        .detail(refusal.sentence())
}

async fn sign_in(
    app: &App,
    access: &Access,
    connection: Connection,
    identity: Identity,
    asked: Asked,
) -> web::Result {
    let (inner, ctx, fresh) = (app.clone(), access.ctx.clone(), asked.fresh);
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let at = Arriving { app: &inner, ctx: &ctx, connection: &connection, identity: &identity, fresh };
            arrival::arrive(&at, tx)
        })
        .await?;
    match written.value {
        Arrival::Entered { entered: found, .. } => {
            entered(app, access, &found, &safe_next(&asked.next)).await
        }
        Arrival::Refused(refusal) => Err(turned_away(&refusal)),
    }
}

async fn connect(
    app: &App,
    access: &Access,
    connection: Connection,
    identity: Identity,
    asked: Asked,
) -> web::Result {
    let account = asked.account.ok_or_else(over)?;
    let (inner, ctx, place) = (app.clone(), access.ctx.clone(), connection.name.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let at = Arriving {
                app: &inner,
                ctx: &ctx,
                connection: &connection,
                identity: &identity,
                fresh: false,
            };
            links::connect(&at, tx, account)
        })
        .await?;
    match written.value {
        Connected::Done | Connected::Same => {
            let words = format!("{place} signs you in from now on.");
            browser::see_other_with(super::account::PATH, Tone::Good, &words)
        }
        Connected::Refused(refusal) => Err(turned_away(&refusal)),
    }
}

#[derive(Deserialize, Default)]
struct Logout {
    #[serde(default)]
    logout_token: String,
}

/// Answers as Back-Channel Logout 1.0 §2.8 says: 200, or 400 with what is wrong.
async fn backchannel_logout(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ConnectionId>,
    body: Bytes,
) -> Response {
    let refused = |status: StatusCode, why: &str| {
        let error = serde_json::json!({ "error": "invalid_request", "error_description": why });
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (status, headers, error.to_string()).into_response()
    };
    if body.len() > 64 * 1024 {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    }
    let form: Logout =
        url::form_urlencoded::parse(&body).fold(Logout::default(), |mut form, (name, value)| {
            if name == "logout_token" {
                form.logout_token = value.into_owned();
            }
            form
        });
    let connection = match connection(&app, id).await {
        Ok(connection) if connection.active => connection,
        Ok(_) | Err(_) => return refused(StatusCode::BAD_REQUEST, "there is no such active connection"),
    };
    let ctx = access.ctx.clone();
    let token = match oidc::logout_token(&app, &connection, &form.logout_token, ctx.now).await {
        Ok(token) => token,
        Err(trouble) => return refused(StatusCode::BAD_REQUEST, &trouble.to_string()),
    };
    let done = app.db().write(&access.ctx, move |tx| logout::take(&ctx, tx, &connection, &token)).await;
    match done.map(|written| written.value) {
        Ok(LoggedOut::Done { .. }) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Ok(LoggedOut::Again) => refused(StatusCode::BAD_REQUEST, "this logout token was used before"),
        Err(error) => {
            tracing::error!(%error, "a provider's sign-out failed");
            refused(StatusCode::SERVICE_UNAVAILABLE, "the store is not available; try again")
        }
    }
}
