//! Break-glass as JSON.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::ids::AccountId;
use platform::time::Timestamp;
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{By, HOURS_DEFAULT, Holder, Knock, Knocked, Opening, OpeningId, OpeningState, SealedCode};

const READ: Openness = Openness::Organization(Permission::PoliciesRead);
/// Owners alone.
pub(super) const OWNERS: Openness = Openness::Organization(Permission::OrganizationManage);

pub(crate) fn routes() -> Routes {
    const CODE: &str = "/api/v1/organizations/{organization}/break-glass/code";
    Routes::new()
        .add(
            routes::get("/api/v1/organizations/{organization}/break-glass", "break_glass.show", READ, show)
                .summary("Which owners have a sealed code, and when break-glass was used")
                .gives::<BreakGlassView>(200),
        )
        .add(
            routes::post(CODE, "break_glass.seal", OWNERS, seal)
                .recent()
                .summary("Make one's own sealed code; it is shown this once")
                .records("break_glass.")
                .gives::<CodeView>(201),
        )
        .add(
            routes::delete(CODE, "break_glass.unseal", OWNERS, unseal)
                .summary("Take one's own sealed code out of use")
                .records("break_glass.")
                .gives_nothing(204),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/break-glass/end",
                "break_glass.end",
                OWNERS,
                end,
            )
            .summary("End an open break-glass, or a request for one")
            .records("break_glass.")
            .gives_nothing(204),
        )
        .add(
            routes::post("/api/v1/break-glass", "break_glass.knock", Openness::Public, knock)
                .limit(Limit::Credential)
                .summary("Ask for break-glass, or join somebody who did, with a sealed code")
                .records("break_glass.")
                .takes::<KnockBody>()
                .gives::<KnockedView>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BreakGlassView {
    owners: Vec<OwnerView>,
    /// The newest first, up to 50.
    openings: Vec<OpeningView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OwnerView {
    #[schema(value_type = String)]
    account: AccountId,
    email: String,
    name: String,
    /// When the sealed code in use was made; null: there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    sealed_at: Option<Timestamp>,
}

impl From<Holder> for OwnerView {
    fn from(holder: Holder) -> Self {
        Self { account: holder.account, email: holder.email, name: holder.name, sealed_at: holder.sealed_at }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OpeningView {
    #[schema(value_type = String)]
    id: OpeningId,
    /// `asked`, `open`, `lapsed` or `closed`.
    #[schema(value_type = String)]
    state: OpeningState,
    reason: String,
    hours: u32,
    #[schema(value_type = String)]
    asked_by: AccountId,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    #[schema(value_type = Option<String>)]
    joined_by: Option<AccountId>,
    #[schema(value_type = Option<String>, format = DateTime)]
    opened_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<Opening> for OpeningView {
    fn from(one: Opening) -> Self {
        Self {
            id: one.id,
            state: one.state,
            reason: one.reason,
            hours: one.hours,
            asked_by: one.asked_by,
            asked_at: one.asked_at,
            joined_by: one.joined_by,
            opened_at: one.opened_at,
            expires_at: one.expires_at,
            ended_at: one.ended_at,
        }
    }
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let (owners, openings) = app
        .db()
        .read(move |tx| Ok::<_, DbError>((super::holders(tx, id)?, super::openings(tx, id, None, 50)?)))
        .await?;
    let view = BreakGlassView {
        owners: owners.into_iter().map(OwnerView::from).collect(),
        openings: openings.into_iter().map(OpeningView::from).collect(),
    };
    Ok(Json(view).into_response())
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CodeView {
    /// Not shown again: write it down and seal it.
    code: String,
}

/// Makes the caller's code.
pub(super) async fn make(app: &App, access: &Access) -> Result<SealedCode, Problem> {
    let (id, account) = (access.organization_id()?, access.account()?);
    let (inside, ctx) = (app.clone(), access.ctx.clone());
    let written = app.db().write(&access.ctx, move |tx| super::seal(&inside, &ctx, tx, id, account)).await?;
    written.value.ok_or_else(|| Problem::forbidden("to be an owner"))
}

async fn seal(State(app): State<App>, access: Access) -> web::Result {
    let code = make(&app, &access).await?;
    let mut response = (StatusCode::CREATED, Json(CodeView { code: code.text() })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(super) async fn take_out(app: &App, access: &Access) -> Result<bool, Problem> {
    let (id, account, ctx) = (access.organization_id()?, access.account()?, access.ctx.clone());
    Ok(app.db().write(&access.ctx, move |tx| super::unseal(&ctx, tx, id, account)).await?.value)
}

async fn unseal(State(app): State<App>, access: Access) -> web::Result {
    if take_out(&app, &access).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Problem::not_found("sealed code"))
    }
}

pub(super) async fn stop(app: &App, access: &Access) -> Result<bool, Problem> {
    let (id, by) = (access.organization_id()?, access.person_or_operator()?.map_or(By::Operator, By::Owner));
    let (inside, ctx) = (app.clone(), access.ctx.clone());
    let ended = app.db().write(&access.ctx, move |tx| super::end(&inside, &ctx, tx, id, by));
    Ok(ended.await?.value)
}

async fn end(State(app): State<App>, access: Access) -> web::Result {
    if stop(&app, &access).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Problem::not_found("open break-glass"))
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnockBody {
    /// The organization's slug.
    pub organization: String,
    /// The owner's address.
    pub email: String,
    /// The owner's sealed code.
    pub code: String,
    /// Why, for everybody who is alarmed: 10 to 500 characters.
    pub reason: String,
    /// 1 to 8; only the first one's counts.
    #[serde(default = "hours_default")]
    pub hours: u32,
}

fn hours_default() -> u32 {
    HOURS_DEFAULT
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KnockedView {
    /// `asked`: a second owner has to join; `open`: both may sign in.
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

pub(super) async fn try_code(app: &App, access: &Access, knock: Knock) -> Result<Knocked, Problem> {
    let (inside, ctx) = (app.clone(), access.ctx.clone());
    Ok(app.db().write(&access.ctx, move |tx| super::knock(&inside, &ctx, tx, &knock)).await?.value)
}

async fn knock(State(app): State<App>, access: Access, Json(body): Json<KnockBody>) -> web::Result {
    let knock = Knock {
        organization: body.organization,
        email: body.email,
        code: body.code,
        reason: body.reason,
        hours: body.hours,
    };
    match try_code(&app, &access, knock).await? {
        Knocked::Asked { until } => Ok(Json(KnockedView { state: "asked", until }).into_response()),
        Knocked::Open { until } => Ok(Json(KnockedView { state: "open", until }).into_response()),
        Knocked::Already => Err(Problem::conflict("break-glass was asked for or opened already")
            .cure("let the second owner use their own code, or sign in")),
        Knocked::Wrong => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong-code", "These do not fit together")
                .detail("the organization, the address or the code is wrong, or the code was used")
                .cure("check all three against the sealed paper"))
        }
        Knocked::Refused(why) => Err(Problem::invalid(why)),
    }
}
