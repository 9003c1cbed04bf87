//! `/sign-in`, `/sign-in/link/{token}`, `/sign-out`.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use platform::App;
use platform::db::DbError;
use platform::web::browser::{self, SESSION_COOKIE};
use platform::web::extract::{Form, Path, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell};
use platform::web::{self, Access, Problem, navigation};
use serde::Deserialize;

use super::Outcome;
use crate::links::{self, Purpose};
use crate::passwords::Password;
use crate::second_step::Entered;
use crate::sessions;
use crate::single_sign_on;
use crate::tokens::LinkToken;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get("/sign-in", "sign_in.show", Openness::Public, show))
        .add(
            routes::post("/sign-in", "sign_in.try", Openness::Public, sign_in)
                .limit(Limit::Credential)
                .records("session.started"),
        )
        .add(
            routes::get("/sign-in/link/{token}", "sign_in_link.show", Openness::Public, show_link)
                .limit(Limit::Credential),
        )
        .add(
            routes::post("/sign-in/link/{token}", "sign_in_link.use", Openness::Public, use_link)
                .limit(Limit::Credential)
                .records("session."),
        )
        .add(
            routes::post("/sign-out", "session.sign_out", Openness::SignedIn, sign_out)
                .while_restricted()
                .records("session."),
        )
}

#[derive(Template)]
#[template(path = "login/sign_in.html")]
struct SignInPage {
    shell: Shell,
    email: String,
    next: String,
    sign_up: String,
    /// Whether browsers offer passkeys at this address.
    passkeys: bool,
    /// Providers for everybody.
    social: Vec<Social>,
    errors: FieldErrors,
}

struct Social {
    label: String,
    href: String,
}

#[derive(Deserialize, Default)]
struct Next {
    #[serde(default)]
    next: String,
    #[serde(default)]
    email: String,
    /// Shows the page to somebody who is signed in too: a product wants them to sign in again.
    #[serde(default)]
    again: String,
}

/// Only a path of this installation: an open redirect would lend our name to a phishing page.
pub(crate) fn safe_next(next: &str) -> String {
    let inside = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/\\")
        && !next.contains(|c: char| c.is_control() || c == '\\');
    if inside { next.to_owned() } else { "/".to_owned() }
}

async fn page(
    app: &App,
    access: &Access,
    email: &str,
    next: &str,
    errors: FieldErrors,
) -> Result<SignInPage, Problem> {
    let next = safe_next(next);
    let escaped: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let sign_up = if next == "/" { "/sign-up".to_owned() } else { format!("/sign-up?next={escaped}") };
    let social = app.db().read(single_sign_on::social).await?;
    let social = social.into_iter().map(|one| Social {
        href: format!("{}?next={escaped}", single_sign_on::pages::sign_in::begin_path(one.id)),
        label: one.name,
    });
    Ok(SignInPage {
        social: social.collect(),
        shell: navigation::public_shell(app, access, "Sign in"),
        email: email.to_owned(),
        next,
        sign_up,
        passkeys: crate::passkeys::RelyingParty::of(app).id().is_some(),
        errors,
    })
}

async fn show(State(app): State<App>, access: Access, Query(query): Query<Next>) -> web::Result {
    if access.principal.is_some() && query.again.is_empty() {
        return web::see_other(&safe_next(&query.next));
    }
    web::html(&page(&app, &access, &query.email, &query.next, FieldErrors::default()).await?)
}

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(State(app): State<App>, access: Access, Form(form): Form<SignInForm>) -> web::Result {
    let outcome = super::sign_in(&app, &access.ctx, &form.email, Password::new(form.password)).await;
    let (status, message) = match outcome.map_err(Problem::from)? {
        Outcome::Entered { entered: found, .. } => {
            return entered(&app, &access, &found, &safe_next(&form.next)).await;
        }
        Outcome::Wrong => {
            (StatusCode::UNPROCESSABLE_ENTITY, "This address and password do not fit together.".to_owned())
        }
        Outcome::Barred(barred) => (StatusCode::FORBIDDEN, barred.sentence()),
        Outcome::Throttled { wait } => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many tries. Wait {} minutes, or set a new password.", wait.as_secs().div_ceil(60)),
        ),
    };
    let errors = FieldErrors::default().with("email", message);
    web::html_with(status, &page(&app, &access, &form.email, &form.next, errors).await?)
}

/// Sets the session's cookie, ends the one that it replaces, and goes on to `next`.
pub(crate) async fn signed_in(
    app: &App,
    access: &Access,
    token: &LinkToken,
    next: &str,
) -> web::Result<Response> {
    sessions::api::replaced(app, access).await?;
    let mut response = web::see_other(next)?;
    let days = sessions::SessionRules::DEFAULT.absolute.as_secs();
    browser::set_cookie(&mut response, SESSION_COOKIE, &token.text(), Some(days));
    Ok(response)
}

/// Sets the cookie of what was reached and goes on: to `next`, or to the second step and then there.
pub(crate) async fn entered(
    app: &App,
    access: &Access,
    found: &Entered,
    next: &str,
) -> web::Result<Response> {
    match found {
        Entered::Session(token) => signed_in(app, access, token, next).await,
        Entered::Pending(token) => crate::second_step::pages::begin(token, next),
        Entered::Barred(refusal) => Err(refusal.problem(access.ctx.origin.ip)),
    }
}

#[derive(Template)]
#[template(path = "login/link.html")]
struct LinkPage {
    shell: Shell,
    email: String,
}

/// What a dead link of any purpose answers.
pub(crate) fn link_dead() -> Problem {
    Problem::new(StatusCode::GONE, "link-dead", "This link does not work any more")
        .detail("it was used, has expired, or was replaced by a newer one")
        .cure("ask for a new one")
}

async fn show_link(State(app): State<App>, access: Access, Path(token): Path<String>) -> web::Result {
    let token = LinkToken::parse(&token).map_err(|_| link_dead())?;
    let now = access.ctx.now;
    let link = app
        .db()
        .read(move |tx| links::find(tx, Purpose::SignIn, &token, now))
        .await?
        .ok_or_else(link_dead)?;
    web::html(&LinkPage { shell: navigation::public_shell(&app, &access, "Sign in"), email: link.email })
}

async fn use_link(State(app): State<App>, access: Access, Path(token): Path<String>) -> web::Result {
    let token = LinkToken::parse(&token).map_err(|_| link_dead())?;
    let ctx = access.ctx.clone();
    let written = app.db().write(&access.ctx, move |tx| super::use_link(&ctx, tx, &token)).await?;
    entered(&app, &access, &written.value.ok_or_else(link_dead)?, "/").await
}

async fn sign_out(State(app): State<App>, access: Access) -> web::Result {
    let account = access.account()?;
    let session = access.principal()?.session;
    let current = sessions::api::current(&access);
    let came = app.db().read(move |tx| single_sign_on::links::of_session(tx, current)).await?;
    let ctx = access.ctx.clone();
    app.db()
        .write(&access.ctx, move |tx| {
            let Some(id) = session.map(platform::ids::Id::from_uuid) else {
                return Ok::<_, DbError>(platform::db::Commit::unchanged(false));
            };
            sessions::revoke(&ctx, tx, account, id)
        })
        .await?;
    let upstream = match &came {
        Some((connection, upstream)) => {
            single_sign_on::logout::upstream_address(&app, &access.ctx, connection, upstream).await
        }
        None => None,
    };
    let mut response = match (upstream, &came) {
        (Some(address), Some((connection, _))) => {
            single_sign_on::pages::sign_in::hop(&app, &access, address, &connection.name)?
        }
        _ => web::see_other("/sign-in")?,
    };
    browser::clear_cookie(&mut response, SESSION_COOKIE);
    browser::forget_pages(&mut response);
    Ok(response)
}
