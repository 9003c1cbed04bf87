//! Pages of approved domains, and `/account/access`: what stands open to somebody by the domain of their address.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::principals::{self, Membership, MembershipState, Organization};
use platform::web::extract::{Form, Path};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, NavItem, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, ApproveBody, AskBody, JoinBody};
use super::{ApprovedDomain, Mode, Opening};
use crate::access_requests::pages::{LIST as REQUESTS, tabs};
use crate::organizations::pages::{complaints, mendable};

pub(crate) const LIST: &str = "/o/{organization}/approved-domains";
pub(crate) const OPENINGS: &str = "/account/access";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/approved-domains/new";
    const CLOSE: &str = "/o/{organization}/approved-domains/{domain}/close";
    const RECORDS: &str = "approved_domain.";
    let person = Openness::SignedIn;
    Routes::new()
        .add(routes::get(LIST, "approved_domain.list_page", READ, list))
        .add(routes::get(NEW, "approved_domain.approve_page", MANAGE, new_page))
        .add(routes::post(NEW, "approved_domain.approve_form", MANAGE, approve).recent().records(RECORDS))
        .add(routes::post(CLOSE, "approved_domain.remove_form", MANAGE, close).records(RECORDS))
        .add(routes::get(OPENINGS, "opening.page", person, openings))
        .add(routes::post("/account/access/join", "opening.join_form", person, join).records("member."))
        .add(routes::post("/account/access/ask", "opening.ask_form", person, ask).records("access_request."))
        .add(
            routes::post("/account/access/withdraw", "opening.withdraw_form", person, withdraw)
                .records("access_request."),
        )
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, REQUESTS)
}

#[derive(Template)]
#[template(path = "approved_domains/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    tabs: Vec<NavItem>,
    domains: Vec<ApprovedDomain>,
    may_manage: bool,
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    let organization = access.organization_id()?;
    let domains = app.db().read(move |tx| super::list(tx, organization)).await?;
    let slug = access.organization()?.slug.clone();
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Approved domains"),
        tabs: tabs(&slug, "approved-domains"),
        domains,
        may_manage: access.may(Permission::PeopleManage),
        slug,
    })
}

#[derive(Template)]
#[template(path = "approved_domains/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    domain: String,
    modes: Vec<Choice>,
    /// What approving would do; shown once a domain is named.
    run: Option<DryRun>,
    /// The domain's canonical name when it is one for everybody, to be typed as a confirmation.
    public: String,
    /// What is shown, so that nothing else is opened by the next press.
    seen: String,
}

#[derive(Deserialize)]
struct ApproveForm {
    #[serde(default)]
    domain: String,
    #[serde(default)]
    mode: String,
    /// What was shown to the reader, so that nothing is opened unseen.
    #[serde(default)]
    seen: String,
    #[serde(default)]
    confirm: String,
}

/// What approving would do, in words.
async fn dry_run(
    app: &App,
    access: &Access,
    domain: &str,
    public: bool,
    mode: Mode,
) -> Result<DryRun, Problem> {
    let (organization, name) = (access.organization_id()?, domain.to_owned());
    let outside = app.db().read(move |tx| super::count_outside(tx, organization, &name)).await?;
    let acts = match mode {
        Mode::Join => "can join at once, without anybody's decision",
        Mode::Ask => "can ask to join",
    };
    let (tone, summary) = match (public, outside) {
        (true, _) => (
            Tone::Bad,
            format!("Anybody in the world can get a mailbox at {domain}: everybody who does {acts}."),
        ),
        (false, Some(1)) => (Tone::Info, format!("One person with an account at {domain} {acts}.")),
        (false, Some(count)) => {
            (Tone::Info, format!("{count} people with an account at {domain}: each {acts}."))
        }
        (false, None) => (
            Tone::Warn,
            format!(
                "You have not verified {domain}, so how many people that is cannot be told: each {acts}."
            ),
        ),
    };
    Ok(DryRun { tone, summary, sample: Vec::new(), all_href: String::new() })
}

async fn page(
    app: &App,
    access: &Access,
    form: &ApproveForm,
    run: Option<DryRun>,
    errors: FieldErrors,
) -> platform::web::Result {
    let chosen = if form.mode.is_empty() { "ask" } else { form.mode.as_str() };
    let (mut public, mut seen) = (String::new(), String::new());
    if let (Ok((name, for_all)), true) = (api::name(app, &form.domain), run.is_some()) {
        seen = format!("{name} {chosen}");
        public = if for_all { name } else { String::new() };
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = NewPage {
        shell: shell(app, access, "Approve a domain"),
        slug: access.organization()?.slug.clone(),
        errors,
        domain: form.domain.clone(),
        modes: vec![
            Choice::new("ask", "They ask to join", chosen).hint("Somebody who manages people decides"),
            Choice::new("join", "They join by themselves", chosen)
                .hint("As members, with nothing to administer"),
        ],
        run,
        public,
        seen,
    };
    platform::web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    let form = ApproveForm {
        domain: String::new(),
        mode: String::new(),
        seen: String::new(),
        confirm: String::new(),
    };
    page(&app, &access, &form, None, FieldErrors::default()).await
}

/// First shows what it would do, then does it.
async fn approve(
    State(app): State<App>,
    access: Access,
    Form(form): Form<ApproveForm>,
) -> platform::web::Result {
    let read = api::name(&app, &form.domain).and_then(|name| Ok((name, api::mode(&form.mode)?)));
    let ((domain, public), mode) = match read {
        Ok(read) => read,
        Err(problem) => return page(&app, &access, &form, None, complaints(&problem)).await,
    };
    let run = dry_run(&app, &access, &domain, public, mode).await?;
    if form.seen != format!("{domain} {}", mode.as_str()) {
        return page(&app, &access, &form, Some(run), FieldErrors::default()).await;
    }
    if public && form.confirm.trim() != domain {
        let errors = FieldErrors::default().with("confirm", "type the domain to say that this is meant");
        return page(&app, &access, &form, Some(run), errors).await;
    }
    let body = ApproveBody { domain, mode: mode.as_str().to_owned(), accept_public: public };
    match api::open(&app, &access, &body).await {
        Ok(found) => {
            let to = format!("/o/{}/approved-domains", access.organization()?.slug);
            browser::see_other_with(&to, Tone::Good, &format!("{} is approved.", found.domain))
        }
        Err(problem) if mendable(&problem) => {
            page(&app, &access, &form, Some(run), complaints(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}

async fn close(
    State(app): State<App>,
    access: Access,
    Path((slug, domain)): Path<(String, String)>,
) -> platform::web::Result {
    api::shut(&app, &access, &domain).await?;
    browser::see_other_with(
        &format!("/o/{slug}/approved-domains"),
        Tone::Good,
        "Closed: nobody joins by it any more. Whoever joined stays.",
    )
}

#[derive(Template)]
#[template(path = "approved_domains/openings.html")]
struct OpeningsPage {
    shell: Shell,
    openings: Vec<Opening>,
    memberships: Vec<(Organization, Membership)>,
    email: String,
}

async fn openings(State(app): State<App>, access: Access) -> platform::web::Result {
    let openings = api::look(&app, &access).await?;
    let account = access.account()?;
    let memberships = app.db().read(move |tx| principals::memberships_of(tx, account)).await?;
    platform::web::html(&OpeningsPage {
        shell: navigation::shell(&app, &access, NavConsole::Account, "Access", OPENINGS),
        openings,
        memberships: memberships
            .into_iter()
            .filter(|(_, member)| member.state == MembershipState::Active)
            .collect(),
        email: access.principal()?.email.clone(),
    })
}

#[derive(Deserialize)]
struct OpeningForm {
    organization: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    days: String,
}

impl OpeningForm {
    fn join(&self) -> JoinBody {
        JoinBody { organization: self.organization.clone(), email: None }
    }
}

/// Back to the page with what is wrong.
fn refused(problem: Problem) -> platform::web::Result {
    if mendable(&problem) || problem.status == StatusCode::NOT_FOUND {
        browser::see_other_with(OPENINGS, Tone::Bad, &format!("Not done: {}.", problem.detail))
    } else {
        Err(problem)
    }
}

async fn join(
    State(app): State<App>,
    access: Access,
    Form(form): Form<OpeningForm>,
) -> platform::web::Result {
    match api::enter(&app, &access, &form.join()).await {
        Ok(organization) => {
            browser::see_other_with(OPENINGS, Tone::Good, &format!("Welcome to {}.", organization.name))
        }
        Err(problem) => refused(problem),
    }
}

async fn ask(State(app): State<App>, access: Access, Form(form): Form<OpeningForm>) -> platform::web::Result {
    let days = form.days.trim().parse().unwrap_or(0);
    let body = AskBody { organization: form.organization, reason: form.reason, days, email: None };
    match api::request(&app, &access, &body).await {
        Ok(_) => browser::see_other_with(OPENINGS, Tone::Good, "Asked. Those who decide have a mail."),
        Err(problem) => refused(problem),
    }
}

async fn withdraw(
    State(app): State<App>,
    access: Access,
    Form(form): Form<OpeningForm>,
) -> platform::web::Result {
    match api::take_back(&app, &access, &form.join()).await {
        Ok(_) => browser::see_other_with(OPENINGS, Tone::Good, "Taken back."),
        Err(problem) => refused(problem),
    }
}
