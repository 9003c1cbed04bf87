//! `POST /api/v1/organizations/{organization}/leave`.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::db::DbError;
use platform::ids::AccountId;
use platform::principals;
use platform::web::extract::Json;
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Outcome, Preview};
use crate::accounts::email::EmailAddress;

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::post("/api/v1/organizations/{organization}/leave", "member.leave", Openness::Member, leave)
            .summary("Leave the organization; not for its last owner, nor for accounts that it manages")
            .while_restricted()
            .takes::<LeaveRequest>()
            .gives::<Left>(200)
            .records("member.left"),
    )
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaveRequest {
    /// Only say what would end.
    #[serde(default)]
    dry_run: bool,
    /// Who leaves; only the operator on the server's machine says so, everybody else leaves themselves.
    #[serde(default)]
    email: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Left {
    dry_run: bool,
    /// The role that ends.
    role: String,
    /// The groups that are left with it.
    groups: Vec<String>,
}

/// Why somebody cannot leave.
pub(super) fn refusal(outcome: Outcome) -> Result<(), Problem> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::NotMember => Err(Problem::not_found("member")),
        Outcome::LastOwner => {
            Err(Problem::conflict("you are the only active owner").cure("make somebody else an owner first"))
        }
        Outcome::Managed => Err(Problem::conflict("this organization manages the account")
            .cure("ask one of its admins to remove you or to release the account")),
    }
}

pub(super) async fn look(app: &App, access: &Access, account: AccountId) -> Result<Preview, Problem> {
    let organization = access.organization()?.clone();
    let found = app.db().read(move |tx| super::preview(tx, &organization, account)).await?;
    found.ok_or_else(|| Problem::not_found("member"))
}

pub(super) async fn apply(app: &App, access: &Access, account: AccountId) -> Result<(), Problem> {
    let (app_in, ctx, organization) = (app.clone(), access.ctx.clone(), access.organization()?.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| super::leave(&app_in, &ctx, tx, &organization, account))
        .await?;
    refusal(written.value)
}

/// Whose membership ends: the caller's own, or the one that the operator names.
async fn who(app: &App, access: &Access, email: Option<String>) -> Result<AccountId, Problem> {
    let own = access.person_or_operator()?;
    match (own, email) {
        (Some(account), None) => Ok(account),
        (Some(_), Some(_)) => {
            Err(Problem::invalid("only the operator says who leaves; everybody else leaves themselves")
                .field("/email", "leave it out"))
        }
        (None, None) => Err(Problem::invalid("the operator is no member").field("/email", "say who leaves")),
        (None, Some(email)) => {
            let address = EmailAddress::parse(&email)
                .map_err(|error| Problem::invalid("this is no address").field("/email", error))?;
            let key = address.key().to_owned();
            let found =
                app.db().read::<_, DbError, _>(move |tx| principals::account_by_email(tx, &key)).await?;
            found.map(|account| account.id).ok_or_else(|| Problem::not_found("member"))
        }
    }
}

async fn leave(State(app): State<App>, access: Access, Json(asked): Json<LeaveRequest>) -> web::Result {
    let account = who(&app, &access, asked.email).await?;
    let preview = look(&app, &access, account).await?;
    refusal(preview.outcome)?;
    if !asked.dry_run {
        apply(&app, &access, account).await?;
    }
    let left =
        Left { dry_run: asked.dry_run, role: preview.role.as_str().to_owned(), groups: preview.groups };
    Ok(Json(left).into_response())
}
