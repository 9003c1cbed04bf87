//! `/sign-in/second-step`: the page between the password and the session; `/sign-in/passkey`: the form of a sign-in
//! with a passkey alone.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use platform::App;
use platform::web::browser;
use platform::web::extract::{Form, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell};
use platform::web::{self, Access, Problem, navigation};
use serde::Deserialize;

use super::api::{PENDING_COOKIE, dead, finish_for, pending};
use super::{ByPasskey, Given, LIFETIME, Outcome};
use crate::factors::State as Factors;
use crate::login::pages::{safe_next, signed_in};
use crate::passkeys::api::{AssertionBody, binding, refused};
use crate::tokens::LinkToken;

const PATH: &str = "/sign-in/second-step";

pub(crate) fn routes() -> Routes {
    let public = Openness::Public;
    Routes::new()
        .add(routes::get(PATH, "sign_in.second_step_page", public, show))
        .add(
            routes::post(PATH, "sign_in.second_step", public, finish)
                .limit(Limit::Credential)
                .records("session.started"),
        )
        .add(
            routes::post("/sign-in/passkey", "sign_in.by_passkey", public, by_passkey)
                .limit(Limit::Credential)
                .records("session.started"),
        )
}

fn escaped(next: &str) -> String {
    url::form_urlencoded::byte_serialize(next.as_bytes()).collect()
}

/// Goes to this page with the waiting sign-in in its cookie.
pub(crate) fn begin(token: &LinkToken, next: &str) -> web::Result<Response> {
    let mut response = web::see_other(&format!("{PATH}?next={}", escaped(next)))?;
    browser::set_cookie(&mut response, PENDING_COOKIE, &token.text(), Some(LIFETIME.as_secs()));
    Ok(response)
}

#[derive(Template)]
#[template(path = "second_step/step.html")]
struct StepPage {
    shell: Shell,
    email: String,
    next: String,
    passkey: bool,
    totp: bool,
    recovery: bool,
    errors: FieldErrors,
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    next: String,
}

async fn page(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    next: &str,
    status: StatusCode,
    errors: FieldErrors,
) -> web::Result {
    let (token, now) = (pending(headers)?, access.ctx.now);
    let found = app.db().read(move |tx| super::choices(tx, &token, now)).await?;
    let (account, Factors { totp_since, passkeys, recovery_codes_left }) = found.ok_or_else(dead)?;
    web::html_with(
        status,
        &StepPage {
            shell: navigation::public_shell(app, access, "Second step"),
            email: account.email,
            next: safe_next(next),
            passkey: !passkeys.is_empty(),
            totp: totp_since.is_some(),
            recovery: recovery_codes_left > 0,
            errors,
        },
    )
}

/// Without a waiting sign-in the way leads back to the start.
fn or_start(answer: web::Result, next: &str) -> web::Result {
    match answer {
        Err(problem) if problem.kind == "sign-in-over" => {
            let to = format!("/sign-in?next={}", escaped(&safe_next(next)));
            let words = "That sign-in is over. Start again with address and password.";
            browser::see_other_with(&to, platform::web::ui::Tone::Info, words)
        }
        other => other,
    }
}

async fn show(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Query(query): Query<Asked>,
) -> web::Result {
    let shown = page(&app, &access, &headers, &query.next, StatusCode::OK, FieldErrors::default()).await;
    or_start(shown, &query.next)
}

#[derive(Deserialize)]
struct StepForm {
    #[serde(default)]
    code: String,
    #[serde(default)]
    recovery_code: String,
    #[serde(default)]
    credential: String,
    #[serde(default)]
    next: String,
}

/// A passkey's answer as the script puts it into a form.
pub(crate) fn assertion_of(text: &str, headers: &HeaderMap) -> Result<Given, Problem> {
    let body: AssertionBody = serde_json::from_str(text).map_err(|_| refused())?;
    Ok(Given::Passkey { assertion: body.decode().map_err(|_| refused())?, binding: binding(headers) })
}

async fn finish(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Form(form): Form<StepForm>,
) -> web::Result {
    let (field, given) = if !form.credential.is_empty() {
        ("", assertion_of(&form.credential, &headers)?)
    } else if !form.recovery_code.trim().is_empty() {
        ("recovery_code", Given::RecoveryCode(form.recovery_code))
    } else {
        ("code", Given::Totp(form.code))
    };
    let outcome = match finish_for(&app, &access, &headers, given).await {
        Ok(outcome) => outcome,
        Err(problem) => return or_start(Err(problem), &form.next),
    };
    let (status, words) = match outcome {
        Outcome::SignedIn { session, .. } => {
            let mut response = signed_in(&app, &access, &session, &safe_next(&form.next)).await?;
            browser::clear_cookie(&mut response, PENDING_COOKIE);
            return Ok(response);
        }
        Outcome::Dead => return or_start(Err(dead()), &form.next),
        Outcome::Barred(refusal) => return Err(refusal.problem(access.ctx.origin.ip)),
        Outcome::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, wrong_words(field).to_owned()),
        Outcome::Throttled(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many tries. Wait {} minutes.", wait.as_secs().div_ceil(60)),
        ),
    };
    let errors = FieldErrors::default().with(field, words);
    or_start(page(&app, &access, &headers, &form.next, status, errors).await, &form.next)
}

fn wrong_words(field: &str) -> &'static str {
    match field {
        "code" => "This code does not fit, or was used already. Wait for the next one.",
        "recovery_code" => "This is no recovery code of yours that still works.",
        _ => "This passkey does not belong to this account.",
    }
}

#[derive(Deserialize)]
struct PasskeyForm {
    #[serde(default)]
    credential: String,
    #[serde(default)]
    next: String,
}

async fn by_passkey(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Form(form): Form<PasskeyForm>,
) -> web::Result {
    let Given::Passkey { assertion, binding } = assertion_of(&form.credential, &headers)? else {
        return Err(refused());
    };
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let rule = move |tx: &mut platform::db::Tx| super::by_passkey(&inner, &ctx, tx, &assertion, &binding);
    match app.db().write(&access.ctx, rule).await?.value {
        ByPasskey::SignedIn { session, .. } => {
            signed_in(&app, &access, &session, &safe_next(&form.next)).await
        }
        ByPasskey::Barred(refusal) => Err(refusal.problem(access.ctx.origin.ip)),
        ByPasskey::Refused => Err(refused()),
    }
}
