//! Pages of domains: the list, adding one, its proof step by step, giving it up.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::events;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{DryRun, FieldErrors, Pager, Progress, Shell, Step, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, Act};
use super::proof::{Said, Sight};
use super::{Domain, DomainId, State};
use crate::audit_log::{self, Line};
use crate::claims::{self, Claim};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const LIST: &str = "/o/{organization}/domains";
const READ: Openness = Openness::Organization(Permission::DomainsRead);
const MANAGE: Openness = Openness::Organization(Permission::DomainsManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/domains/new";
    const ONE: &str = "/o/{organization}/domains/{domain}";
    const REMOVE: &str = "/o/{organization}/domains/{domain}/remove";
    Routes::new()
        .add(routes::get(LIST, "domain.list_page", READ, list))
        .add(routes::get(NEW, "domain.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "domain.create_form", MANAGE, create).records("domain."))
        .add(routes::get(ONE, "domain.show_page", READ, show))
        .add(
            routes::post("/o/{organization}/domains/{domain}/check", "domain.check_form", MANAGE, check)
                .limit(Limit::Heavy)
                .records("domain."),
        )
        .add(
            routes::post("/o/{organization}/domains/{domain}/renew", "domain.renew_form", MANAGE, renew)
                .records("domain."),
        )
        .add(
            routes::post(
                "/o/{organization}/domains/{domain}/claim-new",
                "domain.update_form",
                MANAGE,
                claim_new,
            )
            .records("domain."),
        )
        .add(routes::get(REMOVE, "domain.remove_page", MANAGE, remove_page))
        .add(routes::post(REMOVE, "domain.remove_form", MANAGE, remove).records("domain."))
}

pub(crate) fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, LIST)
}

pub(crate) fn state_badge(state: State) -> (&'static str, Tone) {
    match state {
        State::Pending => ("Waits for proof", Tone::Info),
        State::Verified => ("Verified", Tone::Good),
        State::AtRisk => ("At risk", Tone::Warn),
        State::Suspended => ("Suspended", Tone::Bad),
        State::Lost => ("Lost", Tone::Bad),
        State::Removed => ("Removed", Tone::Info),
    }
}

/// A domain as a line of the list or the head of its page.
pub(super) struct DomainLine {
    pub href: String,
    pub name: String,
    pub state: &'static str,
    pub tone: Tone,
    pub since: Timestamp,
    pub what_next: String,
    pub checked_at: Option<Timestamp>,
}

impl DomainLine {
    fn new(domain: &Domain, slug: &str, now: Timestamp) -> Self {
        let (state, tone) = match domain.state {
            State::Verified if domain.misses > 0 => ("Verified, in doubt", Tone::Warn),
            State::Pending if domain.token_expired(now) => ("Token expired", Tone::Warn),
            state => state_badge(state),
        };
        Self {
            href: format!("/o/{slug}/domains/{}", domain.id),
            name: domain.name.clone(),
            state,
            tone,
            since: domain.state_since,
            what_next: domain.what_next(now),
            checked_at: domain.checked_at,
        }
    }
}

#[derive(Template)]
#[template(path = "domains/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    q: String,
    domains: Vec<DomainLine>,
    pager: Pager,
    may_manage: bool,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let (organization, search, now) = (access.organization_id()?, query.search()?, access.ctx.now);
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| super::list(tx, organization, &search, &after, limit + 1)).await?;
    let page = Page::of(found, limit, super::list_key);
    let slug = access.organization()?.slug.clone();
    let q = query.q.unwrap_or_default();
    let base =
        url::form_urlencoded::Serializer::new(format!("/o/{slug}/domains?")).append_pair("q", &q).finish();
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Domains"),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &base),
        domains: page.items.iter().map(|domain| DomainLine::new(domain, &slug, now)).collect(),
        may_manage: access.may(Permission::DomainsManage),
        q,
        slug,
    })
}

#[derive(Template)]
#[template(path = "domains/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    /// What was typed. Not `name`: macros of the templates have parameters of that name.
    typed: String,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct NewForm {
    #[serde(default)]
    name: String,
}

fn show_new(app: &App, access: &Access, typed: String, errors: FieldErrors) -> platform::web::Result {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let slug = access.organization()?.slug.clone();
    platform::web::html_with(
        status,
        &NewPage { shell: shell(app, access, "Add a domain"), slug, typed, errors },
    )
}

async fn new_page(
    AppState(app): AppState<App>,
    access: Access,
    Query(asked): Query<NewForm>,
) -> platform::web::Result {
    show_new(&app, &access, asked.name, FieldErrors::default())
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Form(form): Form<NewForm>,
) -> platform::web::Result {
    match api::add(&app, &access, &form.name).await {
        Ok(domain) => {
            let to = format!("/o/{}/domains/{}", access.organization()?.slug, domain.id);
            let warnings = api::warnings(&domain.name);
            match warnings.first() {
                Some(warning) => browser::see_other_with(&to, Tone::Warn, &format!("Added. But {warning}.")),
                None => browser::see_other_with(&to, Tone::Good, "Added. Now publish the record below."),
            }
        }
        Err(problem) if mendable(&problem) => show_new(&app, &access, form.name, complaints(&problem)),
        Err(problem) => Err(problem),
    }
}

/// One source of the last check.
struct SaidLine {
    by: String,
    word: &'static str,
    tone: Tone,
    said: String,
}

impl SaidLine {
    fn new(said: &Said, what: &str) -> Self {
        let (word, tone) = match said.sight {
            Sight::Found => ("Found", Tone::Good),
            Sight::Absent => ("Not there", Tone::Warn),
            Sight::Different => ("Something else", Tone::Bad),
            Sight::Wildcard => ("Wildcard", Tone::Bad),
            Sight::Unanswered => ("No answer", Tone::Info),
        };
        let by = if said.by.is_empty() { what.to_owned() } else { format!("{what} {}", said.by) };
        Self { by, word, tone, said: said.said.clone() }
    }
}

#[derive(Template)]
#[template(path = "domains/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    line: DomainLine,
    domain: Domain,
    steps: Vec<Step>,
    said: Vec<SaidLine>,
    warnings: Vec<String>,
    managed: u64,
    claims: Vec<Claim>,
    history: Vec<Line>,
    pending: bool,
    held: bool,
    may_claim: bool,
    may_manage: bool,
    may_read_log: bool,
}

fn steps(domain: &Domain) -> Vec<Step> {
    let step = |label: &str, progress| Step { label: label.to_owned(), href: String::new(), progress };
    let checked = domain.checked_at.is_some();
    match domain.state {
        State::Pending => vec![
            step("Publish the record", if checked { Progress::Done } else { Progress::Current }),
            step("Check", if checked { Progress::Current } else { Progress::Ahead }),
            step("Verified", Progress::Ahead),
        ],
        _ => vec![
            step("Publish the record", Progress::Done),
            step("Check", Progress::Done),
            step("Verified", Progress::Done),
        ],
    }
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    const HISTORY: u32 = 20;
    const CLAIMS: u32 = 20;
    let organization = access.organization_id()?;
    let may_read_log = access.may(Permission::AuditRead);
    let found = app
        .db()
        .read(move |tx| {
            let Some(domain) = super::find(tx, organization, id)? else { return Ok(None) };
            let history = if may_read_log {
                let found = events::about(tx, organization, "domain", &id.to_string(), HISTORY)?;
                audit_log::lines(tx, organization, found)?
            } else {
                Vec::new()
            };
            let managed = claims::count_managed(tx, organization, &domain.name)?;
            let made = claims::list(tx, organization, Some(id), None, CLAIMS)?;
            Ok::<_, Problem>(Some((domain, history, managed, made)))
        })
        .await?;
    let (domain, history, managed, claims) = found.ok_or_else(|| Problem::not_found("domain"))?;
    let report = domain.report.clone().unwrap_or_default();
    let said = report
        .dns
        .iter()
        .map(|said| SaidLine::new(said, "Resolver"))
        .chain(report.https.iter().map(|said| SaidLine::new(said, "Web server")))
        .collect();
    platform::web::html(&ShowPage {
        shell: shell(&app, &access, &domain.name),
        line: DomainLine::new(&domain, &slug, access.ctx.now),
        steps: steps(&domain),
        said,
        warnings: api::warnings(&domain.name),
        managed,
        claims,
        history,
        pending: domain.state == State::Pending,
        held: domain.state.is_held(),
        may_claim: domain.state.may_claim(),
        may_manage: access.may(Permission::DomainsManage),
        may_read_log,
        domain,
        slug,
    })
}

async fn check(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    let told = api::check_now(&app, &access, id).await?;
    let tone = if told.proved { Tone::Good } else { Tone::Warn };
    browser::see_other_with(&format!("/o/{slug}/domains/{id}"), tone, &told.words)
}

/// Back to the domain's page with what happened, or why it did not.
async fn changed(
    app: &App,
    access: &Access,
    slug: &str,
    id: DomainId,
    act: Act,
    words: &str,
) -> platform::web::Result {
    let to = format!("/o/{slug}/domains/{id}");
    match api::change(app, access, id, act).await {
        Ok(_) => browser::see_other_with(&to, Tone::Good, words),
        Err(problem) if mendable(&problem) => {
            browser::see_other_with(&to, Tone::Bad, &format!("Not changed: {}.", problem.detail))
        }
        Err(problem) => Err(problem),
    }
}

async fn renew(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    let words = "A new token: replace the old record by the one below.";
    changed(&app, &access, &slug, id, Act::Renew, words).await
}

#[derive(Deserialize)]
struct ClaimNewForm {
    #[serde(default)]
    on: String,
}

async fn claim_new(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
    Form(form): Form<ClaimNewForm>,
) -> platform::web::Result {
    let on = form.on == "on";
    let words = if on { "New accounts are claimed as they appear." } else { "New accounts are left alone." };
    changed(&app, &access, &slug, id, Act::ClaimNew(on), words).await
}

#[derive(Template)]
#[template(path = "domains/remove.html")]
struct RemovePage {
    shell: Shell,
    line: DomainLine,
    run: DryRun,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct RemoveForm {
    #[serde(default)]
    confirm: String,
}

async fn remove_page(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    show_removal(&app, &access, id, FieldErrors::default()).await
}

fn removal_words(domain: &Domain, managed: u64) -> String {
    match domain.state {
        State::Pending => "Nothing is held yet; the token becomes worthless.".to_owned(),
        State::Verified if domain.misses == 0 => format!(
            "{managed} managed accounts become their people's own again, and each is told by mail. Another organization \
             can prove the domain from then on."
        ),
        _ => format!(
            "The proof is gone, so giving the domain up counts as losing it: {managed} managed accounts can no longer be \
             recovered by mail."
        ),
    }
}

async fn show_removal(
    app: &App,
    access: &Access,
    id: DomainId,
    errors: FieldErrors,
) -> platform::web::Result {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let organization = access.organization_id()?;
    let domain = api::one(app, access, id).await?;
    let name = domain.name.clone();
    let managed = app.db().read(move |tx| claims::count_managed(tx, organization, &name)).await?;
    let slug = access.organization()?.slug.clone();
    let page = RemovePage {
        shell: shell(app, access, "Give a domain up"),
        line: DomainLine::new(&domain, &slug, access.ctx.now),
        run: DryRun {
            tone: Tone::Warn,
            summary: removal_words(&domain, managed),
            sample: Vec::new(),
            all_href: String::new(),
        },
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn remove(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
    Form(form): Form<RemoveForm>,
) -> platform::web::Result {
    let domain = api::one(&app, &access, id).await?;
    if form.confirm.trim() != domain.name {
        let errors = FieldErrors::default().with("confirm", "this is not the name of the domain");
        return show_removal(&app, &access, id, errors).await;
    }
    match api::change(&app, &access, id, Act::Remove).await {
        Ok(_) => {
            let words = format!("{} was given up.", domain.name);
            browser::see_other_with(&format!("/o/{slug}/domains"), Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => show_removal(&app, &access, id, complaints(&problem)).await,
        Err(problem) => Err(problem),
    }
}
