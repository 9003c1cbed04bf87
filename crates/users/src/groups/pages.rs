//! Pages of groups: the list, one group with its members, making, changing and deleting one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::ids::{AccountId, GroupId};
use platform::principals::{self, Group};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{DryRun, FieldErrors, Pager, Shell, Tone, sentence};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, GroupChange};
use super::{Detail, Keeper};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::{pager, role_label};

pub(crate) const LIST: &str = "/o/{organization}/groups";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/groups/new";
    const ONE: &str = "/o/{organization}/groups/{group}";
    const EDIT: &str = "/o/{organization}/groups/{group}/edit";
    const DELETE: &str = "/o/{organization}/groups/{group}/delete";
    const MEMBERS: &str = "/o/{organization}/groups/{group}/members";
    const REMOVE: &str = "/o/{organization}/groups/{group}/members/{account}/remove";
    Routes::new()
        .add(routes::get(LIST, "group.list_page", READ, list))
        .add(routes::get(NEW, "group.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "group.create_form", MANAGE, create).records("group."))
        .add(routes::get(ONE, "group.show_page", READ, show))
        .add(routes::get(EDIT, "group.update_page", MANAGE, edit_page))
        .add(routes::post(EDIT, "group.update_form", MANAGE, edit).records("group."))
        .add(routes::get(DELETE, "group.delete_page", MANAGE, delete_page))
        .add(routes::post(DELETE, "group.delete_form", MANAGE, delete).records("group."))
        .add(routes::post(MEMBERS, "group.member_add_form", MANAGE, add).records("group."))
        .add(routes::post(REMOVE, "group.member_remove_form", MANAGE, remove).records("group."))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, LIST)
}

#[derive(Template)]
#[template(path = "groups/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    groups: Vec<(Group, Option<Keeper>)>,
    pager: Pager,
    may_manage: bool,
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| {
        let mut groups = Vec::new();
        for group in principals::groups(tx, organization, &after, limit + 1)? {
            let keeper = super::keeper(tx, organization, group.id)?;
            groups.push((group, keeper));
        }
        Ok::<_, Problem>(groups)
    });
    let page = Page::of(found.await?, limit, |(group, _)| group.name.clone());
    let slug = access.organization()?.slug.clone();
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Groups"),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/groups")),
        groups: page.items,
        may_manage: access.may(Permission::PeopleManage),
        slug,
    })
}

/// Makes a group or changes one: the same two fields.
#[derive(Template)]
#[template(path = "groups/form.html")]
struct FormPage {
    shell: Shell,
    title: &'static str,
    errors: FieldErrors,
    form: GroupForm,
    back: String,
    back_label: &'static str,
}

#[derive(Default, Deserialize)]
struct GroupForm {
    name: String,
    #[serde(default)]
    description: String,
}

fn form_page(
    app: &App,
    access: &Access,
    title: &'static str,
    back: String,
    form: GroupForm,
    refused: Option<&Problem>,
) -> platform::web::Result {
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let errors = refused.map(complaints).unwrap_or_default();
    let back_label = if back.ends_with("/groups") { "Groups" } else { "The group" };
    let page = FormPage { shell: shell(app, access, title), title, errors, form, back, back_label };
    platform::web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    let back = format!("/o/{}/groups", access.organization()?.slug);
    form_page(&app, &access, "New group", back, GroupForm::default(), None)
}

async fn create(
    State(app): State<App>,
    access: Access,
    Form(form): Form<GroupForm>,
) -> platform::web::Result {
    let back = format!("/o/{}/groups", access.organization()?.slug);
    match api::make(&app, &access, &form.name, &form.description).await {
        Ok(group) => {
            let to = format!("{back}/{}", group.id);
            browser::see_other_with(&to, Tone::Good, "The group is made. Add its members.")
        }
        Err(problem) if mendable(&problem) => {
            form_page(&app, &access, "New group", back, form, Some(&problem))
        }
        Err(problem) => Err(problem),
    }
}

struct MemberLine {
    id: AccountId,
    name: String,
    email: String,
    role: &'static str,
}

#[derive(Template)]
#[template(path = "groups/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    group: Group,
    members: Vec<MemberLine>,
    pager: Pager,
    keeper: Option<Keeper>,
    empty_words: &'static str,
    may_manage: bool,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, GroupId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| {
        let found = super::detail(tx, organization, id, &after, limit + 1)?;
        Ok::<_, Problem>((found, super::keeper(tx, organization, id)?))
    });
    let (found, keeper) = found.await?;
    let Detail { group, members } = found.ok_or_else(|| Problem::not_found("group"))?;
    let page = Page::of(members, limit, |member| member.email.clone());
    let base = format!("/o/{slug}/groups/{id}");
    let pager = pager(page.items.len(), page.next_cursor.as_deref(), &base);
    let line = |member: principals::Membership| MemberLine {
        id: member.account,
        name: if member.name.is_empty() { member.email.clone() } else { member.name },
        email: member.email,
        role: role_label(member.role),
    };
    platform::web::html(&ShowPage {
        shell: shell(&app, &access, &group.name),
        members: page.items.into_iter().map(line).collect(),
        group,
        pager,
        may_manage: access.may(Permission::PeopleManage) && keeper.is_none(),
        empty_words: match keeper {
            Some(_) => "The identity provider has put nobody into it yet.",
            None => "Add members by their address.",
        },
        keeper,
        slug,
    })
}

/// A refusal as a message on the group's page: there is where its cure stands.
fn told(slug: &str, id: GroupId, problem: &Problem) -> platform::web::Result {
    let mut words = sentence(&problem.detail);
    if let Some(cure) = &problem.cure {
        words = format!("{words}: {cure}.");
    }
    browser::see_other_with(&format!("/o/{slug}/groups/{id}"), Tone::Bad, &words)
}

/// A page that would change a group which a directory keeps leads back to it.
async fn kept(app: &App, access: &Access, id: GroupId) -> Result<bool, Problem> {
    let organization = access.organization_id()?;
    Ok(app.db().read(move |tx| super::keeper(tx, organization, id)).await?.is_some())
}

async fn group_of(app: &App, access: &Access, id: GroupId) -> Result<Group, Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| principals::group(tx, organization, id)).await?;
    found.ok_or_else(|| Problem::not_found("group"))
}

async fn edit_page(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, GroupId)>,
) -> platform::web::Result {
    let group = group_of(&app, &access, id).await?;
    if kept(&app, &access, id).await? {
        return told(&slug, id, &api::from_directory());
    }
    let form = GroupForm { name: group.name, description: group.description };
    form_page(&app, &access, "Change group", format!("/o/{slug}/groups/{id}"), form, None)
}

async fn edit(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, GroupId)>,
    Form(form): Form<GroupForm>,
) -> platform::web::Result {
    let back = format!("/o/{slug}/groups/{id}");
    let change = GroupChange { name: Some(form.name.clone()), description: Some(form.description.clone()) };
    match api::save(&app, &access, id, change, None).await {
        Ok(_) => browser::see_other_with(&back, Tone::Good, "The group is saved."),
        Err(problem) if mendable(&problem) => {
            form_page(&app, &access, "Change group", back, form, Some(&problem))
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "groups/delete.html")]
struct DeletePage {
    shell: Shell,
    slug: String,
    group: Group,
    run: DryRun,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct DeleteForm {
    #[serde(default)]
    confirm: String,
}

async fn delete_page(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, GroupId)>,
) -> platform::web::Result {
    let group = group_of(&app, &access, id).await?;
    if kept(&app, &access, id).await? {
        return told(&slug, id, &api::from_directory());
    }
    show_deletion(&app, &access, group, StatusCode::OK, FieldErrors::default()).await
}

async fn show_deletion(
    app: &App,
    access: &Access,
    group: Group,
    status: StatusCode,
    errors: FieldErrors,
) -> platform::web::Result {
    const SAMPLE: u32 = 5;
    let (organization, id) = (access.organization_id()?, group.id);
    let first = app.db().read(move |tx| principals::group_members(tx, organization, id, "", SAMPLE)).await?;
    let slug = access.organization()?.slug.clone();
    let people = match group.members {
        1 => "1 member loses what the group gives and stays".to_owned(),
        many => format!("{many} members lose what the group gives them and stay"),
    };
    let page = DeletePage {
        shell: shell(app, access, "Delete a group"),
        run: DryRun {
            tone: Tone::Warn,
            summary: format!("{people} in the organization."),
            sample: first.into_iter().map(|member| member.email).collect(),
            all_href: if group.members > u64::from(SAMPLE) {
                format!("/o/{slug}/groups/{id}")
            } else {
                String::new()
            },
        },
        slug,
        group,
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn delete(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, GroupId)>,
    Form(form): Form<DeleteForm>,
) -> platform::web::Result {
    let group = group_of(&app, &access, id).await?;
    if form.confirm.trim() != group.name {
        let errors = FieldErrors::default().with("confirm", "this is not the group's name");
        return show_deletion(&app, &access, group, StatusCode::UNPROCESSABLE_ENTITY, errors).await;
    }
    let organization = access.organization_id()?;
    let done = app.db().write(&access.ctx, move |tx| super::delete(tx, organization, id)).await?;
    match api::deleted(done.value) {
        Ok(()) => {}
        Err(problem) if mendable(&problem) => return told(&slug, id, &problem),
        Err(problem) => return Err(problem),
    }
    browser::see_other_with(&format!("/o/{slug}/groups"), Tone::Good, "The group is deleted.")
}

#[derive(Deserialize)]
struct AddForm {
    email: String,
}

async fn add(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, GroupId)>,
    Form(form): Form<AddForm>,
) -> platform::web::Result {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let back = format!("/o/{slug}/groups/{id}");
    let email = form.email.trim().to_lowercase();
    let wanted = email.clone();
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            let Some(account) = principals::account_by_email(tx, &wanted)? else {
                return Ok(platform::db::Commit::unchanged(super::Membered::NoSuchPerson));
            };
            super::add_member(&ctx, tx, organization, id, account.id)
        })
        .await?;
    match done.value {
        super::Membered::NoSuchPerson => {
            let words = format!("{email} is not a member of this organization. Invite them first.");
            browser::see_other_with(&back, Tone::Bad, &words)
        }
        other => match api::membered(other) {
            Ok(()) => browser::see_other_with(&back, Tone::Good, &format!("{email} is in the group.")),
            Err(problem) if mendable(&problem) => told(&slug, id, &problem),
            Err(problem) => Err(problem),
        },
    }
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((slug, id, account)): Path<(String, GroupId, AccountId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let done =
        app.db().write(&access.ctx, move |tx| super::remove_member(tx, organization, id, account)).await?;
    match api::membered(done.value) {
        Ok(()) => {
            let to = format!("/o/{slug}/groups/{id}");
            browser::see_other_with(&to, Tone::Good, "Taken out of the group.")
        }
        Err(problem) if mendable(&problem) => told(&slug, id, &problem),
        Err(problem) => Err(problem),
    }
}
