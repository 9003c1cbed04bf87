//! Confirmations as JSON.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use platform::App;
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::Deserialize;

use super::{Asked, Confirmed};
use crate::passkeys::api::AssertionBody;
use crate::passwords::Password;
use crate::second_step::api::FactorBody;
use crate::sessions::api::current;

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::post(
            "/api/v1/account/confirmations",
            "confirmation.create",
            Openness::SignedIn,
            create,
        )
        .while_restricted()
        .limit(Limit::Credential)
        .records("session.")
        .summary("Confirm that it is you: a passkey, the password with a code, or the password where there is no factor")
        .takes::<ConfirmationBody>()
        .gives_nothing(204),
    )
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmationBody {
    password: Option<String>,
    totp: Option<String>,
    recovery_code: Option<String>,
    passkey: Option<AssertionBody>,
}

/// Confirms the session that asks.
pub(crate) async fn confirm_for(app: &App, access: &Access, asked: Asked) -> Result<Confirmed, Problem> {
    let account = access.account()?;
    let session = current(access).ok_or_else(|| Problem::forbidden("a session"))?;
    Ok(super::confirm(app, &access.ctx, account, session, asked).await?)
}

async fn create(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(body): Json<ConfirmationBody>,
) -> web::Result {
    let factor = FactorBody { totp: body.totp, recovery_code: body.recovery_code, passkey: body.passkey };
    let asked = Asked { password: body.password.map(Password::new), factor: factor.given(&headers)? };
    match confirm_for(&app, &access, asked).await? {
        Confirmed::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Confirmed::Wrong => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-confirmed",
            "This does not confirm that it is you",
        )
        .detail(
            "something is wrong or missing; an account with a factor needs a passkey, or password and code",
        )
        .cure("send `passkey`, or `password` with `totp` or `recovery_code`")),
        Confirmed::Throttled(wait) => Err(Problem::too_many(wait.as_secs())),
    }
}
