//! JSON side of directories: directories, their tokens, the log of SCIM requests, conflicts.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{
    Creation, Directory, DirectoryId, Issue, OVERLAP_DAYS_DEFAULT, ScimTokenId, TOKEN_DAYS_DEFAULT, Token,
    Which,
};
use crate::names::Name;
use crate::provisioning::conflicts::{self, How, Open, Settling};
use crate::provisioning::request_log::{self, Entry};
use crate::provisioning::{self, RecordId, RequestEntryId, Scope};

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/directories";
    const ONE: &str = "/api/v1/organizations/{organization}/directories/{directory}";
    const TOKENS: &str = "/api/v1/organizations/{organization}/directories/{directory}/scim-tokens";
    const ROTATE: &str = "/api/v1/organizations/{organization}/directories/{directory}/scim-tokens/rotate";
    const TOKEN: &str = "/api/v1/organizations/{organization}/directories/{directory}/scim-tokens/{token}";
    const NEW: &str = "/api/v1/organizations/{organization}/scim-tokens";
    const LOG: &str = "/api/v1/organizations/{organization}/directories/{directory}/requests";
    const OPEN: &str = "/api/v1/organizations/{organization}/directories/{directory}/conflicts";
    const SETTLE: &str =
        "/api/v1/organizations/{organization}/directories/{directory}/conflicts/{record}/settle";
    Routes::new()
        .add(
            routes::get(ALL, "directory.list", READ, list)
                .summary("Directories of an organization, by name")
                .gives::<Page<DirectoryView>>(200),
        )
        .add(
            routes::post(ALL, "directory.create", MANAGE, create)
                .summary("Make a directory")
                .takes::<NewDirectoryBody>()
                .gives::<DirectoryView>(201)
                .records("directory."),
        )
        .add(
            routes::get(ONE, "directory.show", READ, show)
                .summary("One directory")
                .gives::<DirectoryView>(200),
        )
        .add(
            routes::get(TOKENS, "scim_token.list", READ, tokens)
                .summary("SCIM tokens of a directory, the newest first")
                .gives::<Page<ScimTokenView>>(200),
        )
        .add(
            routes::post(NEW, "scim_token.create", MANAGE, issue)
                .recent()
                .summary("Make a SCIM token; the first one makes the organization's first directory")
                .takes::<NewScimTokenBody>()
                .gives::<IssuedView>(201)
                .records("scim_token."),
        )
        .add(
            routes::post(ROTATE, "scim_token.rotate", MANAGE, rotate)
                .recent()
                .summary("Make the SCIM token that replaces the others after an overlap")
                .takes::<RotateBody>()
                .gives::<IssuedView>(201)
                .records("scim_token."),
        )
        .add(
            routes::delete(TOKEN, "scim_token.revoke", MANAGE, revoke)
                .summary("End a SCIM token at once")
                .gives_nothing(204)
                .records("scim_token."),
        )
        .add(
            routes::get(LOG, "directory.requests", READ, requests)
                .summary("What was asked over SCIM, without names and values; the newest first")
                .paged()
                .gives::<Page<RequestView>>(200),
        )
        .add(
            routes::get(OPEN, "directory.conflicts", READ, list_conflicts)
                .summary("Records that could not be linked as the directory asks")
                .paged()
                .gives::<Page<ConflictView>>(200),
        )
        .add(
            routes::post(SETTLE, "directory.conflict_settle", MANAGE, settle)
                .summary("Try to link a record again, or let it take a group over")
                .takes::<SettleBody>()
                .gives_nothing(204)
                .records("directory_"),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DirectoryView {
    #[schema(value_type = String)]
    pub id: DirectoryId,
    pub name: String,
    /// `local`: its people sign in here; `linked`: at an identity provider.
    pub kind: String,
    /// Where SCIM clients find it.
    pub url: String,
    pub people: u64,
    pub groups: u64,
    pub conflicts: u64,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDirectoryBody {
    #[schema(example = "Entra ID")]
    pub name: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ScimTokenView {
    #[schema(value_type = String)]
    pub id: ScimTokenId,
    /// `live`, `expired` or `revoked`.
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

impl ScimTokenView {
    fn new(token: Token, now: Timestamp) -> Self {
        let state = match token.revoked_at {
            Some(_) => "revoked",
            None if token.is_live(now) => "live",
            None => "expired",
        };
        Self {
            id: token.id,
            state,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewScimTokenBody {
    /// A directory's id or name; may be left out where there is one or none yet.
    #[serde(default)]
    pub directory: Option<String>,
    /// 1 to 730; 365 when not said.
    #[serde(default = "days_default")]
    pub expires_in_days: u32,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// 1 to 730; 365 when not said.
    #[serde(default = "days_default")]
    pub expires_in_days: u32,
    /// How many days the older token still works: 0 to 30; 7 when not said.
    #[serde(default = "overlap_default")]
    pub overlap_days: u32,
}

fn days_default() -> u32 {
    TOKEN_DAYS_DEFAULT
}

fn overlap_default() -> u32 {
    OVERLAP_DAYS_DEFAULT
}

/// What an identity provider's form asks for.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = IssuedScimToken)]
pub struct IssuedView {
    /// The directory's SCIM address.
    pub url: String,
    /// `bws_…`; not shown again.
    pub token: String,
    #[schema(value_type = String)]
    pub id: ScimTokenId,
    #[schema(value_type = String)]
    pub directory: DirectoryId,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ScimRequest)]
pub struct RequestView {
    #[schema(value_type = String)]
    pub id: RequestEntryId,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub method: String,
    /// Below the directory's address.
    pub path: String,
    /// Which attributes, filter or operations, without values.
    pub shape: String,
    pub status: u16,
    /// Why it was refused, or what is worth knowing.
    pub detail: String,
    pub microseconds: u64,
}

impl From<Entry> for RequestView {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            method: entry.method,
            path: entry.path,
            shape: entry.shape,
            status: entry.status,
            detail: entry.detail,
            microseconds: entry.micros,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = DirectoryConflict)]
pub struct ConflictView {
    #[schema(value_type = String)]
    pub record: RecordId,
    /// `user` or `group`.
    pub kind: &'static str,
    /// The user name, or the name of the group.
    pub name: String,
    /// `no_address`, `unverified_domain`, `name_taken` …
    pub conflict: &'static str,
    /// What it means and how it is settled.
    pub detail: &'static str,
}

impl From<Open> for ConflictView {
    fn from(open: Open) -> Self {
        Self {
            record: open.id,
            kind: open.kind,
            name: open.name,
            conflict: open.conflict.as_str(),
            detail: open.conflict.words(),
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleBody {
    /// `retry`, or for a group `take_over`.
    #[schema(example = "retry")]
    pub how: String,
}

pub(super) fn scope(app: &App, access: &Access, directory: DirectoryId) -> Result<Scope, Problem> {
    let base = provisioning::api::base(app, directory);
    Ok(Scope { organization: access.organization_id()?, directory, base })
}

fn view(
    tx: &mut platform::db::ReadTx,
    scope: &Scope,
    directory: Directory,
) -> Result<DirectoryView, Problem> {
    let (people, groups) = provisioning::counts(tx, scope.organization, directory.id)?;
    Ok(DirectoryView {
        id: directory.id,
        name: directory.name,
        kind: directory.kind,
        url: scope.base.clone(),
        people,
        groups,
        conflicts: conflicts::count(tx, scope)?,
        created_at: directory.created_at,
    })
}

/// All directories of an organization with their figures.
pub(super) async fn views(app: &App, access: &Access) -> Result<Vec<DirectoryView>, Problem> {
    let organization = access.organization_id()?;
    let app_in = app.clone();
    app.db()
        .read(move |tx| {
            let mut out = Vec::new();
            for directory in super::list(tx, organization)? {
                let base = provisioning::api::base(&app_in, directory.id);
                let scope = Scope { organization, directory: directory.id, base };
                out.push(view(tx, &scope, directory)?);
            }
            Ok(out)
        })
        .await
}

pub(super) async fn one(app: &App, access: &Access, id: DirectoryId) -> Result<DirectoryView, Problem> {
    let scope = scope(app, access, id)?;
    app.db()
        .read(move |tx| {
            let found = super::get(tx, scope.organization, id)?;
            view(tx, &scope, found.ok_or_else(|| Problem::not_found("directory"))?)
        })
        .await
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    let items = views(&app, &access).await?;
    Ok(Json(Page { items, next_cursor: None }).into_response())
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, DirectoryId)>,
) -> platform::web::Result {
    Ok(Json(one(&app, &access, id).await?).into_response())
}

pub(super) async fn make(app: &App, access: &Access, name: &str) -> Result<Directory, Problem> {
    let name = Name::parse(name).map_err(|error| Problem::invalid(&error).field("name", &error))?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::create(&ctx, tx, organization, &name)).await?;
    match done.value {
        Creation::Done(directory) => Ok(directory),
        Creation::NameTaken => {
            let why = "this organization has a directory of that name";
            Err(Problem::conflict(why).field("name", why).cure("choose another name"))
        }
        Creation::TooMany => Err(Problem::conflict("this organization has too many directories")),
    }
}

async fn create(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewDirectoryBody>,
) -> platform::web::Result {
    let made = make(&app, &access, &body.name).await?;
    let view = one(&app, &access, made.id).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

pub(super) async fn tokens_of(app: &App, access: &Access, id: DirectoryId) -> Result<Vec<Token>, Problem> {
    let organization = access.organization_id()?;
    app.db()
        .read(move |tx| {
            super::get(tx, organization, id)?.ok_or_else(|| Problem::not_found("directory"))?;
            Ok(super::tokens(tx, organization, id)?)
        })
        .await
}

async fn tokens(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, DirectoryId)>,
) -> platform::web::Result {
    let now = access.ctx.now;
    let items = tokens_of(&app, &access, id).await?.into_iter().map(|token| ScimTokenView::new(token, now));
    Ok(Json(Page { items: items.collect::<Vec<_>>(), next_cursor: None }).into_response())
}

/// What a console's form or the API asked for.
pub(super) enum Asked {
    Issue { which: Which, days: u32 },
    Rotate { directory: DirectoryId, days: u32, overlap_days: u32 },
}

pub(super) async fn make_token(app: &App, access: &Access, asked: Asked) -> Result<IssuedView, Problem> {
    // A leaked API token must not be able to outlive its revocation by making tokens of another kind.
    let creator = access.person_or_operator()?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| match &asked {
            Asked::Issue { which, days } => super::issue(&ctx, tx, organization, which, creator, *days),
            Asked::Rotate { directory, days, overlap_days } => {
                super::rotate(&ctx, tx, organization, *directory, creator, *days, *overlap_days)
            }
        })
        .await?;
    let field = |name: &str, why: &str| Err(Problem::invalid(why).field(name, why));
    match done.value {
        Issue::Done { directory, token, secret } => Ok(IssuedView {
            url: provisioning::api::base(app, directory.id),
            token: secret.text(),
            id: token.id,
            directory: directory.id,
            expires_at: token.expires_at,
        }),
        Issue::NoSuchDirectory => Err(Problem::not_found("directory")),
        Issue::Several => field("directory", "this organization has several directories: say which one"),
        Issue::TooMany => {
            Err(Problem::conflict("the directory has two live tokens").cure("end one of them first"))
        }
        Issue::Lifetime => field("expires_in_days", "a token lives 1 to 730 days"),
        Issue::Overlap => field("overlap_days", "the older token may work 0 to 30 days more"),
    }
}

pub(super) fn secret_answer(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn issue(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewScimTokenBody>,
) -> platform::web::Result {
    let which = match body.directory {
        None => Which::Only,
        Some(text) => text.parse().map_or_else(|_| Which::Named(text.clone()), Which::Id),
    };
    let made = make_token(&app, &access, Asked::Issue { which, days: body.expires_in_days }).await?;
    Ok(secret_answer((StatusCode::CREATED, Json(made))))
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Path((_, directory)): Path<(String, DirectoryId)>,
    Json(body): Json<RotateBody>,
) -> platform::web::Result {
    let asked = Asked::Rotate { directory, days: body.expires_in_days, overlap_days: body.overlap_days };
    let made = make_token(&app, &access, asked).await?;
    Ok(secret_answer((StatusCode::CREATED, Json(made))))
}

pub(super) async fn end_token(
    app: &App,
    access: &Access,
    directory: DirectoryId,
    id: ScimTokenId,
) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::revoke(&ctx, tx, organization, directory, id)).await?;
    if done.value { Ok(()) } else { Err(Problem::not_found("live SCIM token")) }
}

async fn revoke(
    State(app): State<App>,
    access: Access,
    Path((_, directory, id)): Path<(String, DirectoryId, ScimTokenId)>,
) -> platform::web::Result {
    end_token(&app, &access, directory, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The id in a list's cursor.
pub(super) fn cursor<T: std::str::FromStr>(query: &PageQuery) -> Result<Option<T>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))
}

pub(super) async fn log_page(
    app: &App,
    access: &Access,
    id: DirectoryId,
    query: &PageQuery,
) -> Result<Page<Entry>, Problem> {
    let organization = access.organization_id()?;
    let (before, limit) = (cursor(query)?, query.limit()?);
    request_log::flush(app).await?;
    let found = app
        .db()
        .read(move |tx| {
            super::get(tx, organization, id)?.ok_or_else(|| Problem::not_found("directory"))?;
            Ok::<_, Problem>(request_log::list(tx, organization, id, before, limit + 1)?)
        })
        .await?;
    Ok(Page::of(found, limit, |entry| entry.id.to_string()))
}

async fn requests(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, DirectoryId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    Ok(Json(log_page(&app, &access, id, &query).await?.map(RequestView::from)).into_response())
}

pub(super) async fn conflicts_page(
    app: &App,
    access: &Access,
    id: DirectoryId,
    query: &PageQuery,
) -> Result<Page<Open>, Problem> {
    let scope = scope(app, access, id)?;
    let (after, limit) = (cursor(query)?, query.limit()?);
    let found = app
        .db()
        .read(move |tx| {
            super::get(tx, scope.organization, id)?.ok_or_else(|| Problem::not_found("directory"))?;
            Ok::<_, Problem>(conflicts::list(tx, &scope, after, limit + 1)?)
        })
        .await?;
    Ok(Page::of(found, limit, |open| open.id.to_string()))
}

async fn list_conflicts(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, DirectoryId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    Ok(Json(conflicts_page(&app, &access, id, &query).await?.map(ConflictView::from)).into_response())
}

pub(super) async fn settle_one(
    app: &App,
    access: &Access,
    directory: DirectoryId,
    record: RecordId,
    how: &str,
) -> Result<(), Problem> {
    let how = match how {
        "retry" => How::Retry,
        "take_over" => How::TakeOver,
        _ => return Err(Problem::invalid("`how` is retry or take_over").field("how", "retry or take_over")),
    };
    let (scope, ctx, app_in) = (scope(app, access, directory)?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| conflicts::settle(&app_in, &ctx, tx, &scope, record, how))
        .await?;
    match done.value {
        Settling::Done => Ok(()),
        Settling::NoSuchConflict => Err(Problem::not_found("conflict")),
        Settling::Still(conflict) => Err(Problem::conflict(conflict.words())),
        Settling::CannotTakeOver => {
            Err(Problem::conflict("only a group can be taken over, and only one that no directory fills"))
        }
    }
}

async fn settle(
    State(app): State<App>,
    access: Access,
    Path((_, directory, record)): Path<(String, DirectoryId, RecordId)>,
    Json(body): Json<SettleBody>,
) -> platform::web::Result {
    settle_one(&app, &access, directory, record, &body.how).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
