//! `POST /api/v1/sessions`: signs in and gives the session as a cookie.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::ids::AccountId;
use platform::web::browser::{self, SESSION_COOKIE};
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Error, Outcome};
use crate::passwords::Password;
use crate::second_step::Entered;
use crate::second_step::api::FactorNeeded;
use crate::tokens::LinkToken;

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::post("/api/v1/sessions", "session.create", Openness::Public, create)
            .limit(Limit::Credential)
            .records("session.started")
            .summary("Sign in with a password; the session comes as a cookie. 202: a second factor is needed")
            .takes::<Credentials>()
            .gives::<SignedIn>(201)
            .gives::<FactorNeeded>(202),
    )
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SignedIn {
    /// The account's id.
    account: String,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => error.into(),
            Error::Pool(error) => busy(&error),
        }
    }
}

/// The hash pool's queue is full, or it stops.
pub(crate) fn busy(error: &dyn std::fmt::Display) -> Problem {
    tracing::warn!(%error, "the hash pool refused");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many sign-ins at once")
        .detail("the server is busy with other sign-ins; nothing was counted against you")
        .cure("try again in a few seconds")
        .retry_after(2)
}

/// The answer that carries a new session; the one that this browser had before ends.
pub(crate) async fn started(
    app: &App,
    access: &Access,
    token: &LinkToken,
    account: AccountId,
) -> web::Result<Response> {
    crate::sessions::api::replaced(app, access).await?;
    let answer = SignedIn { account: account.to_string() };
    let mut response: Response = (StatusCode::CREATED, Json(answer)).into_response();
    browser::set_cookie(&mut response, SESSION_COOKIE, &token.text(), None);
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn create(State(app): State<App>, access: Access, Json(body): Json<Credentials>) -> web::Result {
    match super::sign_in(&app, &access.ctx, &body.email, Password::new(body.password)).await? {
        Outcome::Entered { entered: Entered::Session(token), account } => {
            started(&app, &access, &token, account).await
        }
        Outcome::Entered { entered: Entered::Pending(token), .. } => {
            crate::second_step::api::needed(&app, &access, token).await
        }
        Outcome::Entered { entered: Entered::Barred(refusal), .. } => {
            Err(refusal.problem(access.ctx.origin.ip))
        }
        Outcome::Wrong => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong-credentials",
            "This address and password do not fit together",
        )
        .detail("the address or the password is wrong, or the account cannot sign in")
        .cure("check both, or set a new password with `/recover`")),
        Outcome::Barred(barred) => Err(barred.problem(access.ctx.origin.ip)),
        Outcome::Throttled { wait } => {
            Err(Problem::too_many(wait.as_secs()).cure("wait, or set a new password with `/recover`"))
        }
    }
}
