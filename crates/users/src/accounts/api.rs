//! One's own account as JSON, and asking for one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::email::EmailAddress;
use super::{Error, PasswordChange};
use crate::login::api::busy;
use crate::passwords::Password;
use crate::sessions::api::current;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::post("/api/v1/sign-ups", "sign_up.create", Openness::Public, sign_up)
                .limit(Limit::Credential)
                .records("sign_up.")
                .summary("Ask for an account: a link is mailed to the address")
                .takes::<Address>()
                .gives_nothing(202),
        )
        .add(
            routes::get("/api/v1/account", "account.get", Openness::SignedIn, get)
                .summary("Your account and where you belong")
                .gives::<AccountView>(200),
        )
        .add(
            routes::put("/api/v1/account/password", "password.change", Openness::SignedIn, change_password)
                .limit(Limit::Credential)
                .records("password.")
                .summary("Change your password; all other sessions end")
                .takes::<NewPassword>()
                .gives_nothing(204),
        )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => error.into(),
            Error::Pool(error) => busy(&error),
        }
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    pub email: String,
}

impl Address {
    pub fn parse(&self) -> Result<EmailAddress, Problem> {
        EmailAddress::parse(&self.email).map_err(|error| Problem::invalid(&error).field("/email", error))
    }
}

async fn sign_up(State(app): State<App>, access: Access, Json(body): Json<Address>) -> web::Result {
    let email = body.parse()?;
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    app.db()
        .write(&access.ctx, move |tx| super::request_sign_up(&inner, &ctx, tx, &email, "/"))
        .await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccountView {
    id: String,
    email: String,
    name: String,
    /// The organization that claimed the account, by name.
    managed_by: Option<String>,
    memberships: Vec<MembershipView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MembershipView {
    organization: String,
    name: String,
    role: String,
}

async fn get(State(app): State<App>, access: Access) -> web::Result {
    let account = access.account()?;
    let profile = app
        .db()
        .read(move |tx| super::profile(tx, account))
        .await?
        .ok_or_else(|| Problem::not_found("account"))?;
    let memberships = profile
        .memberships
        .into_iter()
        .map(|(organization, membership)| MembershipView {
            organization: organization.slug,
            name: organization.name,
            role: membership.role.as_str().to_owned(),
        })
        .collect();
    let view = AccountView {
        id: profile.account.id.to_string(),
        email: profile.account.email,
        name: profile.account.name,
        managed_by: profile.manager,
        memberships,
    };
    Ok(Json(view).into_response())
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    current: String,
    password: String,
}

async fn change_password(State(app): State<App>, access: Access, Json(body): Json<NewPassword>) -> web::Result {
    let (here, account) = (current(&access), access.account()?);
    let (old, new) = (Password::new(body.current), Password::new(body.password));
    match super::change_password(&app, &access.ctx, account, here, old, new).await? {
        PasswordChange::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        PasswordChange::WrongCurrent => {
            Err(Problem::forbidden("the current password").field("/current", "not your current password"))
        }
        PasswordChange::Refused(refusals) => Err(refusals.iter().fold(
            Problem::invalid("the new password is not acceptable"),
            |problem, refusal| problem.field("/password", refusal),
        )),
    }
}
