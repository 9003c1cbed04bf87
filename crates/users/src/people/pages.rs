//! Pages of people: the list, one person, removal.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::{Permission, Role};
use platform::events;
use platform::ids::AccountId;
use platform::principals::{AccountState, MembershipSource, MembershipState};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, FilterQuery};
use super::{Change, Detail, Person, Place};
use crate::audit_log::{self, Line};
use crate::factors::{self, Level};

pub(crate) const LIST: &str = "/o/{organization}/people";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const PERSON: &str = "/o/{organization}/people/{account}";
    const REMOVE: &str = "/o/{organization}/people/{account}/remove";
    Routes::new()
        .add(routes::get(LIST, "people.list_page", READ, list))
        .add(
            routes::get("/o/{organization}/people.csv", "people.export_page", READ, api::download)
                .limit(Limit::Heavy),
        )
        .add(routes::get(PERSON, "people.show_page", READ, show))
        .add(
            routes::post("/o/{organization}/people/{account}/role", "people.role_form", MANAGE, set_role)
                .records("member."),
        )
        .add(
            routes::post(
                "/o/{organization}/people/{account}/suspend",
                "people.suspend_form",
                MANAGE,
                suspend,
            )
            .records("member."),
        )
        .add(
            routes::post(
                "/o/{organization}/people/{account}/restore",
                "people.restore_form",
                MANAGE,
                restore,
            )
            .records("member."),
        )
        .add(routes::get(REMOVE, "people.remove_page", MANAGE, remove_page))
        .add(routes::post(REMOVE, "people.remove_form", MANAGE, remove).records("member."))
}

/// A role's name and what it may do, for selects and radio buttons.
pub(crate) fn role_choices(chosen: Role, owners: bool) -> Vec<Choice> {
    Role::ALL
        .into_iter()
        .rev()
        .filter(|role| owners || *role != Role::Owner || chosen == Role::Owner)
        .map(|role| Choice::new(role.as_str(), role_label(role), chosen.as_str()).hint(role_hint(role)))
        .collect()
}

pub(crate) fn role_label(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Auditor => "Auditor",
        Role::Member => "Member",
    }
}

fn role_hint(role: Role) -> &'static str {
    match role {
        Role::Owner => "Everything, including who the owners are",
        Role::Admin => "Everything but the organization itself and its owners",
        Role::Auditor => "Sees everything, changes nothing",
        Role::Member => "Uses the products, administers nothing",
    }
}

fn source_words(source: MembershipSource) -> &'static str {
    match source {
        MembershipSource::Founder => "founded it",
        MembershipSource::Invitation => "was invited",
        MembershipSource::Claim => "was claimed",
        MembershipSource::Import => "was imported",
        MembershipSource::Operator => "was added by the operator",
    }
}

/// One person as a line of the list or the head of their page.
pub(crate) struct PersonLine {
    pub id: AccountId,
    pub href: String,
    pub name: String,
    pub email: String,
    pub role: &'static str,
    pub state: &'static str,
    pub tone: Tone,
    pub managed: bool,
    pub source: &'static str,
    pub joined_at: platform::time::Timestamp,
}

impl PersonLine {
    pub(crate) fn new(person: Person, slug: &str) -> Self {
        let (state, tone) = match (person.state, person.account_state) {
            (MembershipState::Suspended, _) => ("Suspended", Tone::Warn),
            (_, AccountState::Active) => ("Active", Tone::Good),
            (_, AccountState::Unverified) => ("Not signed up yet", Tone::Info),
            (_, AccountState::Suspended) => ("Account suspended", Tone::Warn),
            (_, AccountState::Deleted) => ("Account deleted", Tone::Bad),
        };
        Self {
            href: format!("/o/{slug}/people/{}", person.account),
            id: person.account,
            name: if person.name.is_empty() { person.email.clone() } else { person.name },
            email: person.email,
            role: role_label(person.role),
            state,
            tone,
            managed: person.managed,
            source: source_words(person.source),
            joined_at: person.joined_at,
        }
    }
}

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    q: String,
    roles: Vec<Choice>,
    states: Vec<Choice>,
    people: Vec<PersonLine>,
    pager: Pager,
    may_manage: bool,
    export_href: String,
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<FilterQuery>,
) -> platform::web::Result {
    let (organization, filter) = (access.organization_id()?, asked.filter(&query)?);
    let (after, limit) = (Place::read(&query.after()?), query.limit()?);
    let people = app.db().read(move |tx| super::list(tx, organization, &filter, &after, limit + 1)).await?;
    let page = Page::of(people, limit, |found| found.place().text());
    let slug = access.organization()?.slug.clone();
    let q = query.q.clone().unwrap_or_default();
    let (role, state) = (asked.role.unwrap_or_default(), asked.state.unwrap_or_default());
    let filters = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &q)
        .append_pair("role", &role)
        .append_pair("state", &state)
        .finish();
    let mut roles = vec![Choice::new("", "Every role", &role)];
    roles.extend(Role::ALL.into_iter().map(|one| Choice::new(one.as_str(), role_label(one), &role)));
    let page = ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "People", LIST),
        roles,
        states: vec![
            Choice::new("", "Every state", &state),
            Choice::new("active", "Active", &state),
            Choice::new("suspended", "Suspended", &state),
        ],
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/people?{filters}")),
        people: page.items.into_iter().map(|found| PersonLine::new(found.person, &slug)).collect(),
        may_manage: access.may(Permission::PeopleManage),
        export_href: format!("/o/{slug}/people.csv?{filters}"),
        q,
        slug,
    };
    platform::web::html(&page)
}

/// The foot of a list that is read by cursor; `base` carries the filters.
pub(crate) fn pager(shown: usize, next_cursor: Option<&str>, base: &str) -> Pager {
    let joint = if base.contains('?') { '&' } else { '?' };
    Pager {
        shown: if shown == 1 { "1 shown".to_owned() } else { format!("{shown} shown") },
        previous: None,
        next: next_cursor.map(|cursor| format!("{base}{joint}cursor={cursor}")),
    }
}

#[derive(Template)]
#[template(path = "people/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    person: PersonLine,
    groups: Vec<platform::principals::Group>,
    roles: Vec<Choice>,
    history: Vec<Line>,
    /// What the account reaches, has, and is asked for; `None` unless it is managed.
    factors: Option<(Level, factors::State, Level)>,
    suspended: bool,
    may_change: bool,
    may_read_log: bool,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> platform::web::Result {
    const HISTORY: u32 = 20;
    let organization = access.organization_id()?;
    let may_read_log = access.may(Permission::AuditRead);
    let found = app
        .db()
        .read(move |tx| {
            let Some(detail) = super::detail(tx, organization, account)? else { return Ok(None) };
            let history = if may_read_log {
                let found = events::about(tx, organization, "account", &account.to_string(), HISTORY)?;
                audit_log::lines(tx, organization, found)?
            } else {
                Vec::new()
            };
            Ok::<_, Problem>(Some((detail, history)))
        })
        .await?;
    let (Detail { person, groups }, history) = found.ok_or_else(|| Problem::not_found("person"))?;
    let owners = access.may(Permission::OrganizationManage);
    let slug = access.organization()?.slug.clone();
    let factors = factors::api::of_member(&app, &access, account).await?;
    let title = if person.name.is_empty() { &person.email } else { &person.name };
    let page = ShowPage {
        factors,
        shell: navigation::shell(&app, &access, NavConsole::Organization, title, LIST),
        groups,
        roles: role_choices(person.role, owners),
        history,
        suspended: person.state == MembershipState::Suspended,
        may_change: access.may(Permission::PeopleManage) && (owners || person.role != Role::Owner),
        may_read_log,
        person: PersonLine::new(person, &slug),
        slug,
    };
    platform::web::html(&page)
}

#[derive(Deserialize)]
struct RoleForm {
    role: Role,
}

async fn set_role(
    State(app): State<App>,
    access: Access,
    Path((slug, account)): Path<(String, AccountId)>,
    Form(form): Form<RoleForm>,
) -> platform::web::Result {
    let words = format!("The role is now {}.", role_label(form.role));
    changed(&app, &access, &slug, account, Change::Role(form.role), &words).await
}

async fn suspend(
    State(app): State<App>,
    access: Access,
    Path((slug, account)): Path<(String, AccountId)>,
) -> platform::web::Result {
    changed(&app, &access, &slug, account, Change::Suspend, "Suspended: no access from now on.").await
}

async fn restore(
    State(app): State<App>,
    access: Access,
    Path((slug, account)): Path<(String, AccountId)>,
) -> platform::web::Result {
    changed(&app, &access, &slug, account, Change::Restore, "Restored: access as before.").await
}

/// Back to the person's page with what happened, or why it did not.
async fn changed(
    app: &App,
    access: &Access,
    slug: &str,
    account: AccountId,
    change: Change,
    words: &str,
) -> platform::web::Result {
    let to = format!("/o/{slug}/people/{account}");
    match api::apply(app, access, account, change).await {
        Ok(_) => browser::see_other_with(&to, Tone::Good, words),
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            let cure = problem.cure.unwrap_or_default();
            browser::see_other_with(&to, Tone::Bad, &format!("Not changed: {}. {cure}", problem.detail))
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "people/remove.html")]
struct RemovePage {
    shell: Shell,
    slug: String,
    person: PersonLine,
    run: DryRun,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct RemoveForm {
    #[serde(default)]
    confirm: String,
}

async fn remove_page(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> platform::web::Result {
    show_removal(&app, &access, account, StatusCode::OK, FieldErrors::default()).await
}

async fn detail_of(app: &App, access: &Access, account: AccountId) -> Result<Detail, Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::detail(tx, organization, account)).await?;
    found.ok_or_else(|| Problem::not_found("person"))
}

async fn show_removal(
    app: &App,
    access: &Access,
    account: AccountId,
    status: StatusCode,
    errors: FieldErrors,
) -> platform::web::Result {
    let detail = detail_of(app, access, account).await?;
    let slug = access.organization()?.slug.clone();
    let groups = detail.groups.len();
    let summary = match groups {
        0 => "Their access ends at once. Their account and what they made stay.".to_owned(),
        1 => "Their access ends at once and they leave 1 group. Their account and what they made stay."
            .to_owned(),
        many => format!(
            "Their access ends at once and they leave {many} groups. Their account and what they made stay."
        ),
    };
    let page = RemovePage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Remove a person", LIST),
        run: DryRun {
            tone: Tone::Warn,
            summary,
            sample: detail.groups.into_iter().take(10).map(|group| group.name).collect(),
            all_href: String::new(),
        },
        person: PersonLine::new(detail.person, &slug),
        slug,
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((slug, account)): Path<(String, AccountId)>,
    Form(form): Form<RemoveForm>,
) -> platform::web::Result {
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    let detail = detail_of(&app, &access, account).await?;
    if form.confirm.trim() != detail.person.email {
        let errors = FieldErrors::default().with("confirm", "this is not the address");
        return show_removal(&app, &access, account, refused, errors).await;
    }
    match api::apply(&app, &access, account, Change::Remove).await {
        Ok(_) => {
            let words = format!("{} was removed.", detail.person.email);
            browser::see_other_with(&format!("/o/{slug}/people"), Tone::Good, &words)
        }
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            let errors = FieldErrors::default()
                .with("", format!("{}: {}", problem.detail, problem.cure.unwrap_or_default()));
            show_removal(&app, &access, account, refused, errors).await
        }
        Err(problem) => Err(problem),
    }
}
