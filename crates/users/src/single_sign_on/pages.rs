//! `/o/{organization}/connections`: connections in the console; trying one, with and without a person; disabling one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::AccountId;
use platform::principals::{self, OrganizationKind};
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Limit, Routes};
use platform::web::ui::{Choice, FieldErrors, Pager, Shell, Tone};
use platform::web::{self, Access, Problem, browser};

use super::api::{self, ConnectionView, LinkView, MANAGE, READ};
use super::arrival::{self, Identity, Verdict};
use super::oidc::{Failure, Finding};
use super::requests::{Asking, Intent};
use super::{Connection, ConnectionId};
use crate::directories;
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) mod account;
mod fields;
mod own_key;
mod saml;
pub(crate) mod sign_in;
mod switch;

use fields::Typed;
use switch::{disable, disable_page, enable};

/// Metadata grows by a half where a form escapes it.
const METADATA_FORM_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(crate) const LIST: &str = "/o/{organization}/connections";

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/connections/new";
    const NEW_SAML: &str = "/o/{organization}/connections/new-saml";
    const ONE: &str = "/o/{organization}/connections/{connection}";
    const TEST: &str = "/o/{organization}/connections/{connection}/test";
    const TRY: &str = "/o/{organization}/connections/{connection}/try";
    const ENABLE: &str = "/o/{organization}/connections/{connection}/enable";
    const DISABLE: &str = "/o/{organization}/connections/{connection}/disable";
    const UNLINK: &str = "/o/{organization}/connections/{connection}/links/{account}/end";
    Routes::new()
        .add(routes::get(LIST, "connection.list_page", READ, list))
        .add(routes::get(NEW, "connection.create_page", MANAGE, new_page).recent())
        .add(routes::post(NEW, "connection.create_form", MANAGE, create).recent().records("connection."))
        .add(routes::get(NEW_SAML, "connection.create_saml_page", MANAGE, new_saml_page).recent())
        .add(
            routes::post(NEW_SAML, "connection.create_saml_form", MANAGE, create_saml)
                .recent()
                .body_bytes_max(METADATA_FORM_BYTES_MAX)
                .records("connection."),
        )
        .add(routes::get(ONE, "connection.show_page", READ, show))
        .add(
            routes::post(ONE, "connection.update_form", MANAGE, update)
                .recent()
                .body_bytes_max(METADATA_FORM_BYTES_MAX)
                .records("connection."),
        )
        .add(
            routes::post(TEST, "connection.test_form", MANAGE, test)
                .limit(Limit::Heavy)
                .records("connection."),
        )
        .add(
            routes::post(TRY, "connection.try_form", MANAGE, try_sign_in)
                .limit(Limit::Credential)
                .records_nothing("the provider is asked; what comes of it is recorded"),
        )
        .add(
            routes::post(ENABLE, "connection.enable_form", MANAGE, enable)
                .recent()
                .limit(Limit::Heavy)
                .records("connection."),
        )
        .add(routes::get(DISABLE, "connection.disable_page", MANAGE, disable_page))
        .add(
            routes::post(DISABLE, "connection.disable_form", MANAGE, disable).recent().records("connection."),
        )
        .add(
            routes::post(UNLINK, "connection.unlink_form", MANAGE, unlink)
                .recent()
                .records("single_sign_on."),
        )
        .merge(own_key::routes())
        .merge(sign_in::routes())
        .merge(saml::routes())
        .merge(account::routes())
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, LIST)
}

#[derive(Template)]
#[template(path = "single_sign_on/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    lines: Vec<ConnectionView>,
    may_manage: bool,
}

async fn list(State(app): State<App>, access: Access) -> web::Result {
    let found = api::all(&app, &access).await?;
    web::html(&ListPage {
        shell: shell(&app, &access, "Single sign-on"),
        slug: access.organization()?.slug.clone(),
        lines: found.into_iter().map(|one| ConnectionView::new(&app, one)).collect(),
        may_manage: access.may(Permission::PoliciesManage),
    })
}

#[derive(Template)]
#[template(path = "single_sign_on/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    typed: Typed,
    algorithms: Vec<Choice>,
    client_proofs: Vec<Choice>,
    proofs: Vec<Choice>,
    directories: Vec<Choice>,
    /// The provider's organization may offer it to everybody.
    is_provider: bool,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "single_sign_on/new_saml.html")]
struct NewSamlPage {
    shell: Shell,
    slug: String,
    typed: Typed,
    proofs: Vec<Choice>,
    directories: Vec<Choice>,
    errors: FieldErrors,
}

/// Directories whose people may come through a new connection.
async fn free_directories(app: &App, access: &Access, typed: &Typed) -> Result<Vec<Choice>, Problem> {
    let id = access.organization_id()?;
    let (known, taken) =
        app.db().read(move |tx| Ok::<_, DbError>((directories::list(tx, id)?, super::list(tx, id)?))).await?;
    let mut choices = vec![Choice::new("", "A new one, called like the connection", &typed.directory)];
    for one in known {
        if taken.iter().all(|connection| connection.directory != Some(one.id)) {
            choices.push(Choice::new(&one.id.to_string(), &one.name, &typed.directory));
        }
    }
    Ok(choices)
}

async fn saml_form_page(app: &App, access: &Access, typed: Typed, refused: Option<&Problem>) -> web::Result {
    let page = NewSamlPage {
        shell: shell(app, access, "Connect an identity provider"),
        slug: access.organization()?.slug.clone(),
        proofs: typed.proofs(),
        directories: free_directories(app, access, &typed).await?,
        errors: refused.map(complaints).unwrap_or_default(),
        typed,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

async fn new_saml_page(State(app): State<App>, access: Access) -> web::Result {
    saml_form_page(&app, &access, Typed::fresh_saml(), None).await
}

async fn create_saml(State(app): State<App>, access: Access, Form(typed): Form<Typed>) -> web::Result {
    let made = match typed.new_saml(&app, &access).await {
        Ok(new) => api::add(&app, &access, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(connection) => was_made(&access, &connection),
        Err(problem) if mendable(&problem) => saml_form_page(&app, &access, typed, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

fn was_made(access: &Access, connection: &Connection) -> web::Result {
    let to = format!("/o/{}/connections/{}", access.organization()?.slug, connection.id);
    let words = "The connection is made. Tell the provider the addresses below, then test it.";
    browser::see_other_with(&to, Tone::Good, words)
}

async fn form_page(app: &App, access: &Access, typed: Typed, refused: Option<&Problem>) -> web::Result {
    let organization = access.organization()?.clone();
    let choices = free_directories(app, access, &typed).await?;
    let page = NewPage {
        shell: shell(app, access, "Connect an identity provider"),
        slug: organization.slug,
        algorithms: typed.algorithms(),
        client_proofs: typed.client_proofs(),
        proofs: typed.proofs(),
        directories: choices,
        is_provider: organization.kind == OrganizationKind::Provider,
        errors: refused.map(complaints).unwrap_or_default(),
        typed,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> web::Result {
    form_page(&app, &access, Typed::fresh(), None).await
}

async fn create(State(app): State<App>, access: Access, Form(typed): Form<Typed>) -> web::Result {
    let made = match typed.new_connection(&app, &access).await {
        Ok(new) => api::add(&app, &access, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(connection) => was_made(&access, &connection),
        Err(problem) if mendable(&problem) => form_page(&app, &access, typed, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

/// A finding as the page shows it.
struct Line {
    tone: Tone,
    word: &'static str,
    field: String,
    detail: String,
}

impl From<Finding> for Line {
    fn from(finding: Finding) -> Self {
        let (tone, word) = match finding.verdict {
            "good" => (Tone::Good, "Good"),
            "warn" => (Tone::Warn, "Could be better"),
            _ => (Tone::Bad, "Wrong"),
        };
        Self { tone, word, field: finding.field, detail: finding.detail }
    }
}

#[derive(Template)]
#[template(path = "single_sign_on/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    view: ConnectionView,
    active: bool,
    typed: Typed,
    algorithms: Vec<Choice>,
    client_proofs: Vec<Choice>,
    proofs: Vec<Choice>,
    links: Vec<LinkView>,
    pager: Pager,
    lines: Vec<Line>,
    in_vain: Vec<String>,
    /// Said before somebody presses anything.
    no_domain: bool,
    may_manage: bool,
    errors: FieldErrors,
}

/// What the page of one connection shows besides it.
#[derive(Default)]
struct Shown {
    typed: Option<Typed>,
    refused: Option<Problem>,
    findings: Vec<Finding>,
    /// Why it was not enabled.
    in_vain: Vec<String>,
    query: PageQuery,
}

/// The rules about groups as they are typed, with the groups' names.
async fn group_lines(app: &App, access: &Access, view: &ConnectionView) -> Result<String, Problem> {
    let (organization, rules) = (access.organization_id()?, view.mapping.groups.clone());
    app.db()
        .read(move |tx| {
            let mut lines = Vec::new();
            for rule in rules {
                if let Some(group) = principals::group(tx, organization, rule.group)? {
                    lines.push(format!("{} = {}", rule.value, group.name));
                }
            }
            Ok(lines.join("\n"))
        })
        .await
}

async fn show_page(app: &App, access: &Access, id: ConnectionId, shown: Shown) -> web::Result {
    let connection = api::one(app, access, id).await?;
    let no_domain = !api::has_people(app, access, &connection).await?;
    let view = ConnectionView::new(app, connection);
    let slug = access.organization()?.slug.clone();
    let refused = shown.refused.is_some() || !shown.in_vain.is_empty();
    let links = api::linked(app, access, id, &shown.query).await?;
    let typed = match shown.typed {
        Some(typed) => typed,
        None => Typed::of(&view, &group_lines(app, access, &view).await?),
    };
    let page = ShowPage {
        shell: shell(app, access, &view.name),
        active: view.state == "active",
        algorithms: typed.algorithms(),
        client_proofs: typed.client_proofs(),
        proofs: typed.proofs(),
        pager: pager(links.items.len(), links.next_cursor.as_deref(), &format!("/o/{slug}/connections/{id}")),
        links: links.items,
        lines: shown.findings.into_iter().map(Line::from).collect(),
        in_vain: shown.in_vain,
        no_domain,
        may_manage: access.may(Permission::PoliciesManage),
        errors: shown.refused.as_ref().map(complaints).unwrap_or_default(),
        typed,
        slug,
        view,
    };
    let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

type OnePath = Path<(String, ConnectionId)>;

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): OnePath,
    Query(query): Query<PageQuery>,
) -> web::Result {
    show_page(&app, &access, id, Shown { query, ..Shown::default() }).await
}

async fn update(
    State(app): State<App>,
    access: Access,
    Path((_, id)): OnePath,
    Form(typed): Form<Typed>,
) -> web::Result {
    let old = api::one(&app, &access, id).await?;
    let change = match old.settings.saml() {
        None => typed.change(&app, &access).await,
        Some(settings) => {
            let before = settings.sha1_until.map(|end| end.rfc3339()).unwrap_or_default();
            typed.saml_change(&app, &access, &before).await
        }
    };
    let changed = match change {
        Ok(change) => api::change(&app, &access, id, change).await.map(drop),
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => {
            let slug = &access.organization()?.slug;
            browser::see_other_with(&format!("/o/{slug}/connections/{id}"), Tone::Good, "Saved.")
        }
        Err(problem) if mendable(&problem) => {
            let shown = Shown { typed: Some(typed), refused: Some(problem), ..Shown::default() };
            show_page(&app, &access, id, shown).await
        }
        Err(problem) => Err(problem),
    }
}

async fn test(State(app): State<App>, access: Access, Path((_, id)): OnePath) -> web::Result {
    let report = api::try_out(&app, &access, id).await?;
    show_page(&app, &access, id, Shown { findings: report.findings, ..Shown::default() }).await
}

async fn try_sign_in(
    State(app): State<App>,
    access: Access,
    headers: axum::http::HeaderMap,
    Path((_, id)): OnePath,
) -> web::Result {
    let connection = api::one(&app, &access, id).await?;
    let asking = Asking {
        connection: id,
        intent: Intent::Test,
        account: Some(access.account()?),
        fresh: false,
        next: String::new(),
    };
    sign_in::lead(&app, &access, &headers, &connection, asking, "").await
}

struct Claim {
    name: String,
    value: String,
}

#[derive(Template)]
#[template(path = "single_sign_on/tried.html")]
struct TriedPage {
    shell: Shell,
    place: String,
    tone: Tone,
    verdict: String,
    /// What the mapping gives, in words.
    means: Vec<String>,
    claims: Vec<Claim>,
}

/// What a test sign-in showed. Nobody is signed in by it, and nothing is linked.
pub(super) async fn tried(
    app: &App,
    access: &Access,
    connection: &Connection,
    found: Result<Identity, Failure>,
) -> web::Result {
    let (works, tone, verdict, means, claims) = match found {
        Err(Failure::Db(error)) => return Err(error.into()),
        Err(Failure::Trouble(trouble)) => (false, Tone::Bad, trouble.to_string(), Vec::new(), Vec::new()),
        Ok(identity) => {
            let (of, who) = (connection.clone(), identity.clone());
            let verdict = app.db().read(move |tx| arrival::judge(tx, &of, &who)).await?;
            let (works, tone, words) = words_of(&verdict);
            (works, tone, words, meaning(connection, &identity), claim_lines(&identity))
        }
    };
    let of = connection.clone();
    app.db()
        .write(&access.ctx, move |tx| {
            let event = Event::new(of.organization, "connection.tested")
                .target("connection", of.id)
                .with("name", &of.name)
                .with("works", works)
                .with("by", "sign_in");
            let recorded = tx.record(event);
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    web::html(&TriedPage {
        shell: navigation::public_shell(app, access, "Test of a connection"),
        place: connection.name.clone(),
        tone,
        verdict,
        means,
        claims,
    })
}

fn words_of(verdict: &Verdict) -> (bool, Tone, String) {
    match verdict {
        Verdict::Known(account) => {
            (true, Tone::Good, format!("It works: this is {}, who is linked already.", account.email))
        }
        Verdict::Adopt(account) => {
            (true, Tone::Good, format!("It works: {} would be linked and signed in.", account.email))
        }
        Verdict::Create(address) => {
            (true, Tone::Good, format!("It works: an account would be made for {}.", address.key()))
        }
        Verdict::Refused(refusal) => (false, Tone::Bad, refusal.sentence()),
    }
}

fn meaning(connection: &Connection, identity: &Identity) -> Vec<String> {
    let who = connection.mapping.who(&identity.claims);
    let mut lines = vec![format!("subject: {}", identity.subject)];
    lines.extend(who.email.map(|email| format!("address: {email}")));
    lines.extend(who.name.map(|name| format!("name: {name}")));
    if !who.groups.is_empty() {
        lines.push(format!("groups there: {}", who.groups.join(", ")));
    }
    if let Some(role) = connection.mapping.role_for(&who.groups) {
        lines.push(format!("role here: {}", role.as_str()));
    }
    let proofs = if identity.two_proofs { "two" } else { "one, or it does not say" };
    lines.push(format!("proofs there: {proofs}"));
    lines
}

fn claim_lines(identity: &Identity) -> Vec<Claim> {
    let short = |value: &serde_json::Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.chars().take(300).collect()
    };
    identity.claims.iter().map(|(name, value)| Claim { name: name.clone(), value: short(value) }).collect()
}

async fn unlink(
    State(app): State<App>,
    access: Access,
    Path((_, id, account)): Path<(String, ConnectionId, AccountId)>,
) -> web::Result {
    api::end_link(&app, &access, id, account).await?;
    let to = format!("/o/{}/connections/{id}", access.organization()?.slug);
    browser::see_other_with(&to, Tone::Good, "The link has ended, and the sessions that came through it.")
}

/// When it was used, for lists.
impl ConnectionView {
    fn used(&self) -> Option<Timestamp> {
        self.succeeded_at
    }
}
