//! JSON side of people.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::principals::{AccountState, MembershipSource, MembershipState};
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::guard::conditional;
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Authority, Change, Detail, Filter, Found, Outcome, Person, Place, Search, export};

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get("/api/v1/organizations/{organization}/people", "people.list", READ, list)
                .summary("People of an organization, by address; what is found by a name comes behind")
                .paged()
                .query("q", "beginning of the address, of the name or of the last name")
                .query("role", "owner, admin, auditor or member")
                .query("state", "active or suspended")
                .gives::<Page<PersonView>>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/people/export",
                "people.export",
                READ,
                download,
            )
            .summary("People of an organization as CSV")
            .limit(Limit::Heavy)
            .query("q", "beginning of the address, of the name or of the last name")
            .query("role", "owner, admin, auditor or member")
            .query("state", "active or suspended")
            .gives_nothing(200),
        )
        .add(
            routes::get("/api/v1/organizations/{organization}/people/{account}", "people.show", READ, show)
                .summary("One person with their groups")
                .gives::<PersonDetailView>(200),
        )
        .add(
            routes::patch(
                "/api/v1/organizations/{organization}/people/{account}",
                "people.update",
                MANAGE,
                update,
            )
            .summary("Change somebody's role, suspend or restore them; honours `If-Match`")
            .takes::<PersonChange>()
            .gives::<PersonDetailView>(200)
            .records("member."),
        )
        .add(
            routes::delete(
                "/api/v1/organizations/{organization}/people/{account}",
                "people.remove",
                MANAGE,
                remove,
            )
            .summary("Remove somebody from the organization; their account stays")
            .gives_nothing(204)
            .records("member."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PersonView {
    #[schema(value_type = String)]
    pub id: AccountId,
    pub email: String,
    pub name: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// `active` or `suspended` in this organization.
    #[schema(value_type = String)]
    pub state: MembershipState,
    /// `unverified`, `active`, `suspended` or `deleted`: the account's own state.
    #[schema(value_type = String)]
    pub account_state: AccountState,
    /// `founder`, `invitation`, `claim`, `import` or `operator`.
    #[schema(value_type = String)]
    pub source: MembershipSource,
    /// This organization manages the account.
    pub managed: bool,
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            id: person.account,
            email: person.email,
            name: person.name,
            role: person.role,
            state: person.state,
            account_state: person.account_state,
            source: person.source,
            managed: person.managed,
            joined_at: person.joined_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PersonDetailView {
    #[serde(flatten)]
    pub person: PersonView,
    pub groups: Vec<GroupName>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct GroupName {
    #[schema(value_type = String)]
    pub id: GroupId,
    pub name: String,
}

impl From<Detail> for PersonDetailView {
    fn from(detail: Detail) -> Self {
        let groups =
            detail.groups.into_iter().map(|group| GroupName { id: group.id, name: group.name }).collect();
        Self { person: detail.person.into(), groups }
    }
}

/// Say `role`, `state`, or both.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonChange {
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "auditor")]
    pub role: Option<Role>,
    /// `active` or `suspended`.
    #[serde(default)]
    #[schema(example = "suspended")]
    pub state: Option<String>,
}

/// Filters of the list, beside cursor and limit.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct FilterQuery {
    #[serde(default)]
    pub role: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
}

impl FilterQuery {
    /// An empty choice means all, as forms send it.
    pub fn filter(&self, page: &PageQuery) -> Result<Filter, Problem> {
        let wrong = |field: &str, text: &str| {
            Problem::invalid(format!("`{text}` is no {field} of a person")).field(field, "not known")
        };
        let role = match self.role.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Some(Role::parse(text).ok_or_else(|| wrong("role", text))?),
            None => None,
        };
        let state = match self.state.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Some(MembershipState::parse(text).ok_or_else(|| wrong("state", text))?),
            None => None,
        };
        page.search()?;
        Ok(Filter { search: Search::of(page.q.as_deref().unwrap_or_default()), role, state })
    }
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(page): Query<PageQuery>,
    Query(filter): Query<FilterQuery>,
) -> platform::web::Result {
    let (organization, filter) = (access.organization_id()?, filter.filter(&page)?);
    let (after, limit) = (Place::read(&page.after()?), page.limit()?);
    let people = app.db().read(move |tx| super::list(tx, organization, &filter, &after, limit + 1)).await?;
    let page = Page::of(people, limit, |found| found.place().text());
    Ok(Json(page.map(|Found { person, .. }| PersonView::from(person))).into_response())
}

pub(super) async fn download(
    State(app): State<App>,
    access: Access,
    Query(page): Query<PageQuery>,
    Query(filter): Query<FilterQuery>,
) -> platform::web::Result {
    let filter = filter.filter(&page)?;
    let organization = access.organization()?;
    Ok(export::answer(app, organization.id, &organization.slug, filter))
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::detail(tx, organization, account)).await?;
    let found = found.ok_or_else(|| Problem::not_found("person"))?;
    Ok(Json(PersonDetailView::from(found)).into_response())
}

/// What the caller may decide about roles.
pub(crate) fn authority(access: &Access) -> Authority {
    Authority { over_owners: access.may(Permission::OrganizationManage), up_to: access.holds_role() }
}

/// 403 to who would give a role with more rights than their own.
pub(crate) fn beyond_yours() -> Problem {
    Problem::forbidden("all rights of the role")
        .detail("nobody gives a role with rights that they do not hold; an API token holds its scopes alone")
        .cure("let a person do it, or use an API token with all rights of that role")
}

/// Says why a change of a membership was refused.
pub(super) fn refusal(outcome: Outcome) -> Result<(), Problem> {
    match outcome {
        Outcome::Done | Outcome::Same => Ok(()),
        Outcome::NoSuchPerson => Err(Problem::not_found("person")),
        Outcome::LastOwner => {
            Err(Problem::conflict("this is the only active owner").cure("make somebody else an owner first"))
        }
        Outcome::OwnersOnly => Err(Problem::forbidden("organization.manage")
            .detail("only owners decide who is an owner, and about owners")),
        Outcome::BeyondYours => Err(beyond_yours()),
        Outcome::Yourself => Err(Problem::conflict("you cannot suspend yourself")
            .cure("ask another admin, or leave the organization")),
    }
}

async fn update(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
    headers: HeaderMap,
    Json(asked): Json<PersonChange>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let changes = changes_of(&asked)?;
    let if_match = conditional::if_match(&headers);
    let (ctx, authority) = (access.ctx.clone(), authority(&access));
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            crate::organizations::lock(tx, organization)?;
            let before = view(tx, organization, account)?;
            conditional::check_if_match(if_match.as_deref(), &before)?;
            let mut last = platform::db::Commit::unchanged(Outcome::Same);
            for change in &changes {
                let done = super::change(&ctx, tx, organization, authority, account, *change)?;
                refusal(*done.value())?;
                if done.is_change() {
                    last = done;
                }
            }
            let after = view(tx, organization, account)?;
            Ok::<_, Problem>(last.map(|_| after))
        })
        .await?;
    Ok(Json(done.value).into_response())
}

fn view(
    tx: &mut platform::db::ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<PersonDetailView, Problem> {
    let found = super::detail(tx, organization, account)?;
    found.map(PersonDetailView::from).ok_or_else(|| Problem::not_found("person"))
}

fn changes_of(asked: &PersonChange) -> Result<Vec<Change>, Problem> {
    let mut changes: Vec<Change> = asked.role.map(Change::Role).into_iter().collect();
    match asked.state.as_deref() {
        None => {}
        Some("active") => changes.push(Change::Restore),
        Some("suspended") => changes.push(Change::Suspend),
        Some(other) => {
            let problem =
                Problem::invalid(format!("`{other}` is no state of a member: use `active` or `suspended`"));
            return Err(problem.field("state", "not known"));
        }
    }
    if changes.is_empty() {
        return Err(Problem::invalid("nothing to change").cure("send `role`, `state`, or both"));
    }
    Ok(changes)
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> platform::web::Result {
    apply(&app, &access, account, Change::Remove).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Changes one membership, for the API and the forms alike.
pub(super) async fn apply(
    app: &App,
    access: &Access,
    account: AccountId,
    change: Change,
) -> Result<Outcome, Problem> {
    let (organization, authority, ctx) = (access.organization_id()?, authority(access), access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::change(&ctx, tx, organization, authority, account, change))
        .await?;
    refusal(done.value)?;
    Ok(done.value)
}
