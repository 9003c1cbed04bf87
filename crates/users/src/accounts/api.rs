//! One's own account as JSON, and asking for one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::ctx::Actor;
use platform::db::{Commit, DbError};
use platform::principals::{self, AccountState};
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::email::EmailAddress;
use super::{Error, PasswordChange, Vouching};
use crate::login::api::busy;
use crate::passwords::Password;
use crate::sessions::api::current;

pub(crate) fn routes() -> Routes {
    let provider = Openness::Provider(Permission::ProviderManage);
    let operator = provider;
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
        .add(
            routes::post("/api/v1/provider/accounts", "account.create", provider, create)
                .records("account.")
                .summary("Make an active account; the provider vouches for the address")
                .takes::<NewAccount>()
                .gives::<CreatedView>(201),
        )
        .add(
            routes::post("/api/v1/provider/sign-in-links", "sign_in_link.create", operator, sign_in_link)
                .records("sign_in_link.")
                .summary("A link that signs an account in once; only for the command line on the server")
                .takes::<Address>()
                .gives::<LinkView>(201),
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
    app.db().write(&access.ctx, move |tx| super::request_sign_up(&inner, &ctx, tx, &email, "/")).await?;
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

async fn change_password(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewPassword>,
) -> web::Result {
    let (here, account) = (current(&access), access.account()?);
    let (old, new) = (Password::new(body.current), Password::new(body.password));
    match super::change_password(&app, &access.ctx, account, here, old, new).await? {
        PasswordChange::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        PasswordChange::WrongCurrent => {
            Err(Problem::forbidden("the current password").field("/current", "not your current password"))
        }
        PasswordChange::NeedsFactor => Err(Problem::step_up()),
        PasswordChange::Throttled { wait } => Err(Problem::too_many(wait.as_secs())),
        PasswordChange::Refused(refusals) => Err(refusals
            .iter()
            .fold(Problem::invalid("the new password is not acceptable"), |problem, refusal| {
                problem.field("/password", refusal)
            })),
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    email: String,
    name: String,
    /// Slug of an organization to make it a member of.
    organization: Option<String>,
    /// Its role there: `owner`, `admin`, `auditor` or `member` (when not said).
    role: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CreatedAccount)]
pub(crate) struct CreatedView {
    id: String,
    email: String,
}

async fn create(State(app): State<App>, access: Access, Json(body): Json<NewAccount>) -> web::Result {
    let email =
        EmailAddress::parse(&body.email).map_err(|error| Problem::invalid(&error).field("/email", error))?;
    let name = super::check_name(&body.name).map_err(|why| Problem::invalid(&why).field("/name", why))?;
    let role = match &body.role {
        None => Role::Member,
        Some(text) => Role::parse(text).ok_or_else(|| {
            let why = format!("`{text}` is no role: use owner, admin, auditor or member");
            Problem::invalid(&why).field("/role", why)
        })?,
    };
    let (ctx, slug) = (access.ctx.clone(), body.organization.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            super::vouch(&ctx, tx, &email, &name, slug.as_deref().map(|slug| (slug, role)))
        })
        .await?;
    match written.value {
        Vouching::Done(account) => {
            let view = CreatedView { id: account.id.to_string(), email: account.email };
            Ok((StatusCode::CREATED, Json(view)).into_response())
        }
        Vouching::Taken => {
            Err(Problem::conflict("an account with this address exists").field("/email", "taken"))
        }
        Vouching::NoSuchOrganization => {
            Err(Problem::not_found("organization").field("/organization", "unknown"))
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LinkView {
    /// Works once, for a day.
    link: String,
}

/// Signing in as somebody else is for whoever has the server's disk anyway; a provider admin's session or token is
/// refused, so that staff cannot become a customer's person.
async fn sign_in_link(State(app): State<App>, access: Access, Json(body): Json<Address>) -> web::Result {
    if access.ctx.actor != Actor::Operator {
        return Err(Problem::forbidden("a shell on the server")
            .cure("run `bailiwick account sign-in-link --data DIR`"));
    }
    let email = body.parse()?;
    let ctx = access.ctx.clone();
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let found = principals::account_by_email(tx, email.key())?;
            match found.filter(|account| account.state == AccountState::Active) {
                Some(account) => Ok(crate::login::create_link(&ctx, tx, &account)?.map(Some)),
                None => Ok::<_, DbError>(Commit::unchanged(None)),
            }
        })
        .await?;
    let token = written.value.ok_or_else(|| Problem::not_found("active account"))?;
    let link = super::join(&app.config().public_url, &format!("/sign-in/link/{}", token.text()));
    Ok((StatusCode::CREATED, Json(LinkView { link })).into_response())
}
