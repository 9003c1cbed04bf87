//! Pages of directories: the list, one directory with its tokens and conflicts, the log of SCIM requests.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, Asked, DirectoryView, IssuedView};
use super::{DirectoryId, OVERLAP_DAYS_DEFAULT, ScimTokenId, TOKEN_DAYS_DEFAULT, Token, Which};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;
use crate::provisioning::conflicts::Open;
use crate::provisioning::request_log::Entry;
use crate::provisioning::{Conflict, RecordId};

pub(crate) const LIST: &str = "/o/{organization}/directories";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/directories/new";
    const ONE: &str = "/o/{organization}/directories/{directory}";
    const ISSUE: &str = "/o/{organization}/directories/{directory}/scim-tokens";
    const ROTATE: &str = "/o/{organization}/directories/{directory}/scim-tokens/rotate";
    const REVOKE: &str = "/o/{organization}/directories/{directory}/scim-tokens/{token}/revoke";
    const LOG: &str = "/o/{organization}/directories/{directory}/requests";
    const OPEN: &str = "/o/{organization}/directories/{directory}/conflicts";
    const SETTLE: &str = "/o/{organization}/directories/{directory}/conflicts/{record}/settle";
    Routes::new()
        .add(routes::get(LIST, "directory.list_page", READ, list))
        .add(routes::get(NEW, "directory.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "directory.create_form", MANAGE, create).records("directory."))
        .add(routes::get(ONE, "directory.show_page", READ, show))
        .add(routes::post(ISSUE, "scim_token.create_form", MANAGE, issue).recent().records("scim_token."))
        .add(routes::post(ROTATE, "scim_token.rotate_form", MANAGE, rotate).recent().records("scim_token."))
        .add(routes::post(REVOKE, "scim_token.revoke_form", MANAGE, revoke).records("scim_token."))
        .add(routes::get(LOG, "directory.requests_page", READ, requests))
        .add(routes::get(OPEN, "directory.conflicts_page", READ, conflicts))
        .add(routes::post(SETTLE, "directory.conflict_settle_form", MANAGE, settle).records("directory_"))
}

#[derive(Template)]
#[template(path = "directories/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    directories: Vec<DirectoryView>,
    may_manage: bool,
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    platform::web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Directories", LIST),
        slug: access.organization()?.slug.clone(),
        directories: api::views(&app, &access).await?,
        may_manage: access.may(Permission::PeopleManage),
    })
}

#[derive(Template)]
#[template(path = "directories/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    /// Not `name`: the macros of forms have a parameter of that name, which would hide it.
    typed: String,
}

fn form_page(app: &App, access: &Access, typed: String, refused: Option<&Problem>) -> platform::web::Result {
    let page = NewPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "New directory", LIST),
        slug: access.organization()?.slug.clone(),
        errors: refused.map(complaints).unwrap_or_default(),
        typed,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    form_page(&app, &access, String::new(), None)
}

#[derive(Deserialize)]
struct NewForm {
    #[serde(default)]
    name: String,
}

async fn create(State(app): State<App>, access: Access, Form(form): Form<NewForm>) -> platform::web::Result {
    match api::make(&app, &access, &form.name).await {
        Ok(made) => {
            let slug = &access.organization()?.slug;
            let page = format!("/o/{slug}/directories/{}", made.id);
            browser::see_other_with(
                &page,
                Tone::Good,
                "The directory is made. Make a token for your identity provider.",
            )
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, form.name, Some(&problem)),
        Err(problem) => Err(problem),
    }
}

struct TokenLine {
    id: ScimTokenId,
    state: &'static str,
    tone: Tone,
    live: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl TokenLine {
    fn new(token: Token, now: Timestamp) -> Self {
        let live = token.is_live(now);
        let soon = live && token.expires_at.since(now) <= platform::time::DAY * 30;
        let (state, tone) = match token.revoked_at {
            Some(_) => ("Revoked", Tone::Warn),
            None if soon => ("Ends soon", Tone::Warn),
            None if live => ("Live", Tone::Good),
            None => ("Ran out", Tone::Warn),
        };
        Self {
            id: token.id,
            state,
            tone,
            live,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

#[derive(Template)]
#[template(path = "directories/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    directory: DirectoryView,
    tokens: Vec<TokenLine>,
    live: usize,
    may_manage: bool,
    token_days: u32,
    overlap_days: u32,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, DirectoryId)>,
) -> platform::web::Result {
    let directory = api::one(&app, &access, id).await?;
    let now = access.ctx.now;
    let tokens: Vec<TokenLine> = api::tokens_of(&app, &access, id)
        .await?
        .into_iter()
        .map(|token| TokenLine::new(token, now))
        .collect();
    platform::web::html(&ShowPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, &directory.name, LIST),
        slug: access.organization()?.slug.clone(),
        live: tokens.iter().filter(|token| token.live).count(),
        tokens,
        directory,
        may_manage: access.may(Permission::PeopleManage),
        token_days: TOKEN_DAYS_DEFAULT,
        overlap_days: OVERLAP_DAYS_DEFAULT,
    })
}

#[derive(Template)]
#[template(path = "directories/issued.html")]
struct IssuedPage {
    shell: Shell,
    slug: String,
    issued: IssuedView,
}

#[derive(Deserialize)]
struct TokenForm {
    #[serde(default)]
    expires_in_days: String,
    #[serde(default)]
    overlap_days: String,
}

async fn issued(app: &App, access: &Access, directory: DirectoryId, asked: Asked) -> platform::web::Result {
    let slug = access.organization()?.slug.clone();
    match api::make_token(app, access, asked).await {
        Ok(issued) => {
            let page = IssuedPage {
                shell: navigation::shell(app, access, NavConsole::Organization, "New SCIM token", LIST),
                slug,
                issued,
            };
            Ok(api::secret_answer(platform::web::html_with(StatusCode::CREATED, &page)?))
        }
        Err(problem) if mendable(&problem) => {
            let page = format!("/o/{slug}/directories/{directory}");
            let cure = problem.cure.map(|cure| format!(": {cure}")).unwrap_or_default();
            browser::see_other_with(
                &page,
                Tone::Bad,
                &format!("No token was made: {}{cure}.", problem.detail),
            )
        }
        Err(problem) => Err(problem),
    }
}

/// What is no number is no lifetime either: the rule refuses 0 with the same words.
fn number(text: &str) -> u32 {
    text.trim().parse().unwrap_or(0)
}

async fn issue(
    State(app): State<App>,
    access: Access,
    Path((_, directory)): Path<(String, DirectoryId)>,
    Form(form): Form<TokenForm>,
) -> platform::web::Result {
    let asked = Asked::Issue { which: Which::Id(directory), days: number(&form.expires_in_days) };
    issued(&app, &access, directory, asked).await
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Path((_, directory)): Path<(String, DirectoryId)>,
    Form(form): Form<TokenForm>,
) -> platform::web::Result {
    let overlap_days = form.overlap_days.trim().parse().unwrap_or(u32::MAX);
    let asked = Asked::Rotate { directory, days: number(&form.expires_in_days), overlap_days };
    issued(&app, &access, directory, asked).await
}

async fn revoke(
    State(app): State<App>,
    access: Access,
    Path((slug, directory, id)): Path<(String, DirectoryId, ScimTokenId)>,
) -> platform::web::Result {
    api::end_token(&app, &access, directory, id).await?;
    let page = format!("/o/{slug}/directories/{directory}");
    browser::see_other_with(&page, Tone::Good, "The token is revoked: it is dead at once.")
}

struct RequestLine {
    at: Timestamp,
    what: String,
    shape: String,
    status: u16,
    tone: Tone,
    detail: String,
    took: String,
}

impl From<Entry> for RequestLine {
    fn from(entry: Entry) -> Self {
        Self {
            at: entry.at,
            what: format!("{} {}", entry.method, entry.path),
            shape: entry.shape,
            status: entry.status,
            tone: if entry.status < 400 { Tone::Good } else { Tone::Warn },
            detail: entry.detail,
            took: format!("{}.{} ms", entry.micros / 1000, entry.micros / 100 % 10),
        }
    }
}

#[derive(Template)]
#[template(path = "directories/requests.html")]
struct RequestsPage {
    shell: Shell,
    slug: String,
    directory: DirectoryView,
    lines: Vec<RequestLine>,
    pager: Pager,
}

async fn requests(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, DirectoryId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let directory = api::one(&app, &access, id).await?;
    let page = api::log_page(&app, &access, id, &query).await?;
    let base = format!("/o/{slug}/directories/{id}/requests");
    platform::web::html(&RequestsPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "SCIM requests", LIST),
        slug,
        directory,
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &base),
        lines: page.items.into_iter().map(RequestLine::from).collect(),
    })
}

struct ConflictLine {
    id: RecordId,
    name: String,
    kind: &'static str,
    why: &'static str,
    may_take_over: bool,
}

impl From<Open> for ConflictLine {
    fn from(open: Open) -> Self {
        Self {
            id: open.id,
            name: open.name,
            kind: if open.kind == "user" { "Person" } else { "Group" },
            why: open.conflict.words(),
            may_take_over: open.conflict == Conflict::NameTaken,
        }
    }
}

#[derive(Template)]
#[template(path = "directories/conflicts.html")]
struct ConflictsPage {
    shell: Shell,
    slug: String,
    directory: DirectoryView,
    lines: Vec<ConflictLine>,
    pager: Pager,
    may_manage: bool,
}

async fn conflicts(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, DirectoryId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let directory = api::one(&app, &access, id).await?;
    let page = api::conflicts_page(&app, &access, id, &query).await?;
    let base = format!("/o/{slug}/directories/{id}/conflicts");
    platform::web::html(&ConflictsPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Conflicts", LIST),
        slug,
        directory,
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &base),
        lines: page.items.into_iter().map(ConflictLine::from).collect(),
        may_manage: access.may(Permission::PeopleManage),
    })
}

#[derive(Deserialize)]
struct SettleForm {
    #[serde(default)]
    how: String,
}

async fn settle(
    State(app): State<App>,
    access: Access,
    Path((slug, directory, record)): Path<(String, DirectoryId, RecordId)>,
    Form(form): Form<SettleForm>,
) -> platform::web::Result {
    let page = format!("/o/{slug}/directories/{directory}/conflicts");
    match api::settle_one(&app, &access, directory, record, &form.how).await {
        Ok(()) => browser::see_other_with(&page, Tone::Good, "The conflict is settled."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&page, Tone::Warn, &problem.detail),
        Err(problem) => Err(problem),
    }
}
