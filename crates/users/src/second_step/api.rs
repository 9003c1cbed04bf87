//! The second step of a sign-in as JSON.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use platform::App;
use platform::web::browser::{self, cookie};
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Given, LIFETIME, Outcome};
use crate::factors::State as Factors;
use crate::passkeys::api::{AssertionBody, binding};
use crate::tokens::LinkToken;

/// Carries the waiting sign-in.
pub(crate) const PENDING_COOKIE: &str = "__Host-bailiwick-pending";

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::post("/api/v1/sessions/second-step", "session.second_step", Openness::Public, finish)
            .limit(Limit::Credential)
            .records("session.started")
            .summary("Finish a sign-in that waits for its second factor")
            .takes::<FactorBody>()
            .gives::<crate::login::api::SignedIn>(201),
    )
}

/// The password is right, and a second factor is asked for. The waiting sign-in is in the cookie.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FactorNeeded {
    /// `passkey`, `totp`, `recovery_code`: what this account can prove.
    factors: Vec<&'static str>,
    expires_in_seconds: u64,
}

pub(crate) fn names(state: &Factors) -> Vec<&'static str> {
    let mut names = Vec::new();
    if !state.passkeys.is_empty() {
        names.push("passkey");
    }
    if state.totp_since.is_some() {
        names.push("totp");
    }
    if state.recovery_codes_left > 0 {
        names.push("recovery_code");
    }
    names
}

/// 202: what is needed, with the cookie of the waiting sign-in.
pub(crate) async fn needed(app: &App, access: &Access, token: LinkToken) -> web::Result {
    let (found, now) = (token.clone(), access.ctx.now);
    let (_, state) = app.db().read(move |tx| super::choices(tx, &found, now)).await?.ok_or_else(dead)?;
    let body = FactorNeeded { factors: names(&state), expires_in_seconds: LIFETIME.as_secs() };
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    browser::set_cookie(&mut response, PENDING_COOKIE, &token.text(), Some(LIFETIME.as_secs()));
    Ok(response)
}

/// The sign-in that waits in this browser's cookie.
pub(crate) fn pending(headers: &HeaderMap) -> Result<LinkToken, Problem> {
    cookie(headers, PENDING_COOKIE).and_then(|text| LinkToken::parse(text).ok()).ok_or_else(dead)
}

pub(crate) fn dead() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "sign-in-over", "This sign-in is over")
        .detail("no sign-in waits in this browser: it is done, took too long, or was tried too often")
        .cure("start again with address and password")
}

/// One of the three.
#[derive(Deserialize, utoipa::ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactorBody {
    /// The code that the authenticator app shows.
    pub totp: Option<String>,
    pub recovery_code: Option<String>,
    /// The answer to `POST /api/v1/passkey-options`.
    pub passkey: Option<AssertionBody>,
}

impl FactorBody {
    pub(crate) fn given(self, headers: &HeaderMap) -> Result<Option<Given>, Problem> {
        Ok(match (self.totp, self.recovery_code, self.passkey) {
            (None, None, None) => None,
            (Some(code), None, None) => Some(Given::Totp(code)),
            (None, Some(code), None) => Some(Given::RecoveryCode(code)),
            (None, None, Some(body)) => {
                Some(Given::Passkey { assertion: body.decode()?, binding: binding(headers) })
            }
            _ => return Err(Problem::invalid("give one of `totp`, `recovery_code` and `passkey`")),
        })
    }
}

async fn finish(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(body): Json<FactorBody>,
) -> web::Result {
    let none = || Problem::invalid("give one of `totp`, `recovery_code` and `passkey`");
    let given = body.given(&headers)?.ok_or_else(none)?;
    match finish_for(&app, &access, &headers, given).await? {
        Outcome::SignedIn { session, account } => {
            let mut response = crate::login::api::started(&app, &access, &session, account).await?;
            browser::clear_cookie(&mut response, PENDING_COOKIE);
            Ok(response)
        }
        Outcome::Wrong => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong-factor", "This second factor is wrong")
                .detail("the code or passkey does not fit this account, or was used already")
                .cure("try the next code, another factor, or a recovery code"))
        }
        Outcome::Barred(refusal) => Err(refusal.problem(access.ctx.origin.ip)),
        Outcome::Dead => Err(dead()),
        Outcome::Throttled(wait) => Err(Problem::too_many(wait.as_secs())),
    }
}

pub(crate) async fn finish_for(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    given: Given,
) -> Result<Outcome, Problem> {
    let token = pending(headers)?;
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let written =
        app.db().write(&access.ctx, move |tx| super::finish(&inner, &ctx, tx, &token, &given)).await?;
    Ok(written.value)
}
