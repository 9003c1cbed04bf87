//! JSON side of groups.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::ids::{AccountId, GroupId};
use platform::principals::{self, Group, Membership, MembershipState};
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::guard::conditional;
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Deleted, Membered, Saved};
use crate::names::{self, Name};

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/groups";
    const ONE: &str = "/api/v1/organizations/{organization}/groups/{group}";
    const MEMBERS: &str = "/api/v1/organizations/{organization}/groups/{group}/members";
    const MEMBER: &str = "/api/v1/organizations/{organization}/groups/{group}/members/{account}";
    Routes::new()
        .add(
            routes::get(LIST, "group.list", READ, list)
                .summary("Groups of an organization, by name")
                .paged()
                .gives::<Page<GroupView>>(200),
        )
        .add(
            routes::post(LIST, "group.create", MANAGE, create)
                .summary("Make a group")
                .takes::<NewGroup>()
                .gives::<GroupView>(201)
                .records("group."),
        )
        .add(routes::get(ONE, "group.show", READ, show).summary("One group").gives::<GroupView>(200))
        .add(
            routes::patch(ONE, "group.update", MANAGE, update)
                .summary("Rename or describe a group; honours `If-Match`")
                .takes::<GroupChange>()
                .gives::<GroupView>(200)
                .records("group."),
        )
        .add(
            routes::delete(ONE, "group.delete", MANAGE, delete)
                .summary("Delete a group; its members stay in the organization")
                .gives_nothing(204)
                .records("group."),
        )
        .add(
            routes::get(MEMBERS, "group.members", READ, members)
                .summary("Members of a group, by address")
                .paged()
                .gives::<Page<GroupMemberView>>(200),
        )
        .add(
            routes::put(MEMBER, "group.member_add", MANAGE, add)
                .summary("Put a member of the organization into a group")
                .gives_nothing(204)
                .records("group."),
        )
        .add(
            routes::delete(MEMBER, "group.member_remove", MANAGE, remove)
                .summary("Take somebody out of a group")
                .gives_nothing(204)
                .records("group."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct GroupView {
    #[schema(value_type = String)]
    pub id: GroupId,
    pub name: String,
    pub description: String,
    pub members: u64,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id,
            name: group.name,
            description: group.description,
            members: group.members,
            created_at: group.created_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct GroupMemberView {
    #[schema(value_type = String)]
    pub id: AccountId,
    pub email: String,
    pub name: String,
    #[schema(value_type = String)]
    pub role: Role,
    #[schema(value_type = String)]
    pub state: MembershipState,
}

impl From<Membership> for GroupMemberView {
    fn from(member: Membership) -> Self {
        Self {
            id: member.account,
            email: member.email,
            name: member.name,
            role: member.role,
            state: member.state,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    #[schema(example = "Engineering")]
    pub name: String,
    #[serde(default)]
    pub description: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupChange {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}

pub(super) fn name_of(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| Problem::invalid(&error).field("name", &error))
}

pub(super) fn description_of(text: &str) -> Result<String, Problem> {
    names::description(text).map_err(|error| {
        Problem::invalid(&error).field("description", "up to 500 characters, without control characters")
    })
}

pub(super) fn saved(outcome: Saved) -> Result<Group, Problem> {
    match outcome {
        Saved::Done(group) => Ok(group),
        Saved::NameTaken => {
            Err(Problem::conflict("a group with this name exists")
                .field("name", "a group with this name exists"))
        }
        Saved::NoSuchGroup => Err(Problem::not_found("group")),
        Saved::FromDirectory => Err(from_directory()),
    }
}

pub(super) fn from_directory() -> Problem {
    Problem::conflict("a directory keeps this group").cure("change it at your identity provider")
}

pub(super) fn deleted(outcome: Deleted) -> Result<(), Problem> {
    match outcome {
        Deleted::Done => Ok(()),
        Deleted::NoSuchGroup => Err(Problem::not_found("group")),
        Deleted::FromDirectory => Err(from_directory()),
    }
}

pub(super) fn membered(outcome: Membered) -> Result<(), Problem> {
    match outcome {
        Membered::Done | Membered::Same => Ok(()),
        Membered::NoSuchGroup => Err(Problem::not_found("group")),
        Membered::NoSuchPerson => Err(Problem::not_found("person")),
        Membered::FromDirectory => Err(from_directory()),
    }
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| principals::groups(tx, organization, &after, limit + 1)).await?;
    let page = Page::of(found, limit, |group| group.name.clone());
    Ok(Json(page.map(GroupView::from)).into_response())
}

async fn create(State(app): State<App>, access: Access, Json(new): Json<NewGroup>) -> platform::web::Result {
    let group = make(&app, &access, &new.name, &new.description).await?;
    Ok((StatusCode::CREATED, Json(GroupView::from(group))).into_response())
}

pub(super) async fn make(
    app: &App,
    access: &Access,
    name: &str,
    description: &str,
) -> Result<Group, Problem> {
    let (name, description) = (name_of(name)?, description_of(description)?);
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::create(&ctx, tx, organization, &name, &description))
        .await?;
    saved(done.value)
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, GroupId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| principals::group(tx, organization, id)).await?;
    let found = found.ok_or_else(|| Problem::not_found("group"))?;
    Ok(Json(GroupView::from(found)).into_response())
}

async fn update(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, GroupId)>,
    headers: HeaderMap,
    Json(change): Json<GroupChange>,
) -> platform::web::Result {
    let group = save(&app, &access, id, change, conditional::if_match(&headers)).await?;
    Ok(Json(GroupView::from(group)).into_response())
}

/// Changes what `change` says, if the group is still as `if_match` names it.
pub(super) async fn save(
    app: &App,
    access: &Access,
    id: GroupId,
    change: GroupChange,
    if_match: Option<String>,
) -> Result<Group, Problem> {
    let organization = access.organization_id()?;
    let name = change.name.as_deref().map(name_of).transpose()?;
    let description = change.description.as_deref().map(description_of).transpose()?;
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            crate::organizations::lock(tx, organization)?;
            let now = principals::group(tx, organization, id)?.ok_or_else(|| Problem::not_found("group"))?;
            conditional::check_if_match(if_match.as_deref(), &GroupView::from(now.clone()))?;
            let name = match &name {
                Some(name) => name.clone(),
                None => name_of(&now.name)?,
            };
            let description = description.as_ref().unwrap_or(&now.description);
            Ok::<_, Problem>(super::update(tx, organization, id, &name, description)?)
        })
        .await?;
    saved(done.value)
}

async fn delete(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, GroupId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let done = app.db().write(&access.ctx, move |tx| super::delete(tx, organization, id)).await?;
    deleted(done.value)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn members(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, GroupId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| super::detail(tx, organization, id, &after, limit + 1)).await?;
    let found = found.ok_or_else(|| Problem::not_found("group"))?;
    let page = Page::of(found.members, limit, |member| member.email.clone());
    Ok(Json(page.map(GroupMemberView::from)).into_response())
}

async fn add(
    State(app): State<App>,
    access: Access,
    Path((_, id, account)): Path<(String, GroupId, AccountId)>,
) -> platform::web::Result {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::add_member(&ctx, tx, organization, id, account)).await?;
    membered(done.value)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, id, account)): Path<(String, GroupId, AccountId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let done =
        app.db().write(&access.ctx, move |tx| super::remove_member(tx, organization, id, account)).await?;
    membered(done.value)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
