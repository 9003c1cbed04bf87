//! JSON side of API tokens.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::ids::AccountId;
use platform::time::{DAY, Timestamp};
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{ApiTokenId, Creation, NewToken, Token};
use crate::names::Name;
use crate::tokens::ApiToken;

const READ: Openness = Openness::Organization(Permission::TokensRead);
const MANAGE: Openness = Openness::Organization(Permission::TokensManage);
pub(super) const DAYS_DEFAULT: u32 = 90;

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/api-tokens";
    const ONE: &str = "/api/v1/organizations/{organization}/api-tokens/{token}";
    Routes::new()
        .add(
            routes::get(LIST, "api_token.list", READ, list)
                .summary("API tokens of an organization, the newest first")
                .paged()
                .gives::<Page<TokenView>>(200),
        )
        .add(
            routes::post(LIST, "api_token.create", MANAGE, create)
                .recent()
                .summary("Make an API token; its secret is in this answer only. Takes a person, not a token")
                .takes::<NewTokenBody>()
                .gives::<CreatedView>(201)
                .records("api_token."),
        )
        .add(routes::get(ONE, "api_token.show", READ, show).summary("One API token").gives::<TokenView>(200))
        .add(
            routes::delete(ONE, "api_token.revoke", MANAGE, revoke)
                .summary("End an API token at once")
                .gives_nothing(204)
                .records("api_token."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct TokenView {
    #[schema(value_type = String)]
    pub id: ApiTokenId,
    pub name: String,
    pub scopes: Vec<&'static str>,
    /// `live`, `expired` or `revoked`.
    pub state: &'static str,
    #[schema(value_type = Option<String>)]
    pub created_by: Option<AccountId>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

impl TokenView {
    fn new(token: Token, now: Timestamp) -> Self {
        let state = match token.revoked_at {
            Some(_) => "revoked",
            None if token.is_live(now) => "live",
            None => "expired",
        };
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            state,
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A new token with its secret.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CreatedToken)]
pub struct CreatedView {
    #[serde(flatten)]
    pub token: TokenView,
    /// `bwk_…`; not shown again.
    pub secret: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    #[schema(example = "nightly export")]
    pub name: String,
    #[schema(example = json!(["people.read", "audit.read"]))]
    pub scopes: Vec<String>,
    /// 1 to 365; 90 when not said.
    #[serde(default = "days_default")]
    pub expires_in_days: u32,
}

fn days_default() -> u32 {
    DAYS_DEFAULT
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (before, limit) = (before(&query)?, query.limit()?);
    let found = app.db().read(move |tx| super::list(tx, organization, before, limit + 1)).await?;
    let page = Page::of(found, limit, |token| token.id.to_string());
    Ok(Json(page.map(|token| TokenView::new(token, access.ctx.now))).into_response())
}

/// The id in a list's cursor.
pub(super) fn before(query: &PageQuery) -> Result<Option<ApiTokenId>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, ApiTokenId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::get(tx, organization, id)).await?;
    let found = found.ok_or_else(|| Problem::not_found("API token"))?;
    Ok(Json(TokenView::new(found, access.ctx.now)).into_response())
}

const NO_SCOPES: &str = "choose at least one right";

/// Makes a token in the name of the signed-in person.
pub(super) async fn make(
    app: &App,
    access: &Access,
    name: &str,
    scopes: &[String],
    days: u32,
) -> Result<(Token, ApiToken), Problem> {
    // A leaked token must not be able to outlive its revocation by making others.
    let creator = access.person_or_operator()?;
    let name = Name::parse(name).map_err(|error| {
        let problem = Problem::invalid(&error).field("name", &error);
        // Both faults of an empty form at once.
        if scopes.is_empty() { problem.field("scopes", NO_SCOPES) } else { problem }
    })?;
    let scopes = scopes.iter().map(|text| scope(text)).collect::<Result<Vec<_>, _>>()?;
    let new = NewToken { name, scopes, lifetime: Duration::from_secs(u64::from(days) * DAY.as_secs()) };
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::create(&ctx, tx, organization, creator, &new)).await?;
    let field = |name: &str, why: String| Problem::invalid(&why).field(name, why);
    match done.value {
        Creation::Done { token, secret } => Ok((token, secret)),
        Creation::NoScopes => Err(field("scopes", NO_SCOPES.to_owned())),
        Creation::Beyond(scope) => {
            Err(field("scopes", format!("you do not hold `{}` here yourself", scope.as_str())))
        }
        Creation::Lifetime { max_days } => {
            Err(field("expires_in_days", format!("a token lives 1 to {max_days} days here")))
        }
        Creation::NotAllowed => Err(Problem::forbidden("a policy that allows API tokens")
            .cure("ask an admin to allow API tokens in the policy that you are under")),
        Creation::TooMany => {
            Err(Problem::conflict("this organization has too many live tokens").cure("revoke some"))
        }
    }
}

fn scope(text: &str) -> Result<Permission, Problem> {
    Permission::parse(text).ok_or_else(|| {
        Problem::invalid(format!("`{text}` is no scope")).field("scopes", format!("`{text}` is no scope"))
    })
}

async fn create(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewTokenBody>,
) -> platform::web::Result {
    let (token, secret) = make(&app, &access, &body.name, &body.scopes, body.expires_in_days).await?;
    let view =
        CreatedView { token: TokenView::new(token, access.ctx.now), secret: secret.text().to_string() };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(super) async fn end(app: &App, access: &Access, id: ApiTokenId) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::revoke(&ctx, tx, organization, id)).await?;
    if done.value { Ok(()) } else { Err(Problem::not_found("live API token")) }
}

async fn revoke(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, ApiTokenId)>,
) -> platform::web::Result {
    end(&app, &access, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
