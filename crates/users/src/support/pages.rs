//! Pages of an organization's people: their tickets, opening one, one with what was written, who may open some.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::time::{MINUTE, Timestamp};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, NewTicketBody, StateQuery};
use super::desk::Settings;
use super::{Message, Severity, Side, State, Ticket, TicketId, hours};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const LIST: &str = "/o/{organization}/support";

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/support/new";
    const ONE: &str = "/o/{organization}/support/{ticket}";
    const REPLY: &str = "/o/{organization}/support/{ticket}/messages";
    const CLOSE: &str = "/o/{organization}/support/{ticket}/close";
    const MEMBERS: &str = "/o/{organization}/support/members";
    const RECORDS: &str = "ticket.";
    let (member, manage) = (Openness::Member, Openness::Organization(Permission::SupportManage));
    Routes::new()
        .add(routes::get(LIST, "ticket.list_page", member, list))
        .add(routes::get(NEW, "ticket.open_page", member, new_page))
        .add(routes::post(NEW, "ticket.open_form", member, open).records(RECORDS))
        .add(routes::get(ONE, "ticket.show_page", member, show))
        .add(routes::post(REPLY, "ticket.reply_form", member, reply).records(RECORDS))
        .add(routes::post(CLOSE, "ticket.close_form", member, close).records(RECORDS))
        .add(routes::post(MEMBERS, "support.choose_form", manage, choose).records("support."))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, LIST)
}

/// What a state means to the side that reads.
pub(super) fn state_words(state: State, reader: Side) -> (&'static str, Tone) {
    match (state, reader) {
        (State::Open, Side::Customer) => ("Waits for an answer", Tone::Info),
        (State::Open, Side::Provider) => ("Open", Tone::Info),
        (State::Answered, Side::Customer) => ("Answered, more follows", Tone::Info),
        (State::Answered, Side::Provider) => ("Answered, more owed", Tone::Info),
        (State::Waiting, Side::Customer) => ("Waits for you", Tone::Warn),
        (State::Waiting, Side::Provider) => ("Waits for them", Tone::Info),
        (State::Resolved, _) => ("Resolved", Tone::Good),
        (State::Closed, _) => ("Closed", Tone::Good),
    }
}

pub(super) fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Urgent => Tone::Bad,
        Severity::High => Tone::Warn,
        Severity::Normal | Severity::Low => Tone::Info,
    }
}

/// What is left of the time for an answer, in words.
pub(super) fn left_words(ticket: &Ticket, now: Timestamp) -> (String, Tone) {
    match ticket.due_at {
        None => (String::new(), Tone::Info),
        Some(due) if due <= now => (format!("past by {}", hours::words(now.since(due))), Tone::Bad),
        Some(due) => {
            let tone = if ticket.is_near(now) { Tone::Warn } else { Tone::Good };
            (format!("{} left", hours::words(due.since(now))), tone)
        }
    }
}

/// Paragraphs of a message.
pub(super) fn paragraphs(body: &str) -> Vec<String> {
    body.split("\n\n").map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

pub(super) fn did_words(did: &str) -> &str {
    match did {
        "opened" => "opened the ticket",
        "replied" => "wrote",
        "answered" => "answered, more follows",
        "waiting" => "answered and asks back",
        "resolved" => "answered: resolved",
        "closed" => "closed the ticket",
        "reopened" => "opened the ticket again",
        "urgent" => "set the severity to urgent",
        "high" => "set the severity to high",
        "normal" => "set the severity to normal",
        "low" => "set the severity to low",
        other => other,
    }
}

struct Line {
    ticket: Ticket,
    state: &'static str,
    tone: Tone,
    severity_tone: Tone,
}

#[derive(Template)]
#[template(path = "support/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    provider: String,
    lines: Vec<Line>,
    q: String,
    states: Vec<Choice>,
    filtered: bool,
    pager: Pager,
    may_open: bool,
    may_manage: bool,
    members_may_open: bool,
    targets: Vec<TargetLine>,
    around_the_clock: bool,
}

struct TargetLine {
    label: &'static str,
    meaning: &'static str,
    first: String,
    next: String,
}

fn targets(settings: &Settings) -> Vec<TargetLine> {
    let line = |severity: Severity| {
        let target = settings.target(severity);
        TargetLine {
            label: severity.label(),
            meaning: severity.meaning(),
            first: hours::words(MINUTE * target.first_minutes),
            next: hours::words(MINUTE * target.next_minutes),
        }
    };
    Severity::ALL.into_iter().map(line).collect()
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    let page = api::page(&app, &access, &query, &asked).await?;
    let (desk, members_may_open) = api::terms(&app, &access).await?;
    let slug = access.organization()?.slug.clone();
    let (q, state) = (query.q.clone().unwrap_or_default(), asked.state.unwrap_or_default());
    let base = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &state)
        .append_pair("q", &q)
        .finish();
    let line = |ticket: Ticket| {
        let (words, tone) = state_words(ticket.state, Side::Customer);
        Line { severity_tone: severity_tone(ticket.severity), ticket, state: words, tone }
    };
    let states = [("", "Every state"), ("live", "Not closed"), ("open", "Waits for an answer")]
        .into_iter()
        .chain([("answered", "Answered"), ("waiting", "Waits for you")])
        .chain([("resolved", "Resolved"), ("closed", "Closed")]);
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Support"),
        provider: app.provider_name(),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/support?{base}")),
        lines: page.items.into_iter().map(line).collect(),
        filtered: !q.is_empty() || !state.is_empty(),
        states: states.map(|(value, label)| Choice::new(value, label, &state)).collect(),
        q,
        may_open: api::may_open(&access, members_may_open),
        may_manage: access.may(Permission::SupportManage),
        members_may_open,
        targets: targets(&desk.settings),
        around_the_clock: desk.settings.hours.is_none(),
        slug,
    })
}

#[derive(Template)]
#[template(path = "support/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    form: NewForm,
    severities: Vec<Choice>,
}

#[derive(Default, Deserialize)]
struct NewForm {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    about: String,
}

async fn form(app: &App, access: &Access, form: NewForm, errors: FieldErrors) -> platform::web::Result {
    let (desk, members) = api::terms(app, access).await?;
    if !api::may_open(access, members) {
        return Err(Problem::forbidden("support.manage")
            .detail("members open no tickets here")
            .cure("ask an admin to open it, or to let members open tickets"));
    }
    let chosen = if form.severity.is_empty() { "normal" } else { form.severity.as_str() };
    let choice = |severity: Severity| {
        let first = desk.settings.target(severity).first_minutes;
        let hint = format!("{}. First answer within {}", severity.meaning(), hours::words(MINUTE * first));
        Choice::new(severity.as_str(), severity.label(), chosen).hint(hint)
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = NewPage {
        shell: shell(app, access, "Open a ticket"),
        slug: access.organization()?.slug.clone(),
        severities: Severity::ALL.map(choice).to_vec(),
        form,
        errors,
    };
    platform::web::html_with(status, &page)
}

#[derive(Default, Deserialize)]
struct AboutQuery {
    #[serde(default)]
    about: Option<String>,
}

async fn new_page(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<AboutQuery>,
) -> platform::web::Result {
    let about = query.about.unwrap_or_default().chars().take(200).collect();
    form(&app, &access, NewForm { about, ..NewForm::default() }, FieldErrors::default()).await
}

async fn open(
    AppState(app): AppState<App>,
    access: Access,
    Form(asked): Form<NewForm>,
) -> platform::web::Result {
    let body = NewTicketBody {
        subject: asked.subject.clone(),
        severity: asked.severity.clone(),
        body: asked.body.clone(),
        about: asked.about.clone(),
    };
    match api::make(&app, &access, &body).await {
        Ok(ticket) => {
            let to = format!("/o/{}/support/{}", access.organization()?.slug, ticket.id);
            let words = format!("Ticket {} is open. You get a mail when it is answered.", ticket.name());
            browser::see_other_with(&to, Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => form(&app, &access, asked, complaints(&problem)).await,
        Err(problem) => Err(problem),
    }
}

pub(super) struct Said {
    pub author: String,
    pub words: String,
    pub provider: bool,
    pub note: bool,
    pub paragraphs: Vec<String>,
    pub at: Timestamp,
}

impl Said {
    pub fn new(message: Message) -> Self {
        Self {
            words: did_words(&message.did).to_owned(),
            provider: message.side == Side::Provider,
            note: false,
            paragraphs: paragraphs(&message.body),
            author: message.author,
            at: message.at,
        }
    }
}

#[derive(Template)]
#[template(path = "support/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    provider: String,
    ticket: Ticket,
    state: &'static str,
    tone: Tone,
    severity_tone: Tone,
    left: (String, Tone),
    about: String,
    said: Vec<Said>,
    may_write: bool,
    again: bool,
    errors: FieldErrors,
    body: String,
}

async fn one(
    app: &App,
    access: &Access,
    id: TicketId,
    (body, refused): (String, Option<&Problem>),
) -> platform::web::Result {
    let (ticket, messages) = api::look(app, access, id).await?;
    let slug = access.organization()?.slug.clone();
    let account = access.principal()?.account;
    let (state, tone) = state_words(ticket.state, Side::Customer);
    let own = account.is_some() && account == ticket.opened_by;
    let page = ShowPage {
        shell: shell(app, access, &format!("Ticket {}", ticket.name())),
        provider: app.provider_name(),
        left: left_words(&ticket, access.ctx.now),
        about: if ticket.about.is_empty() || ticket.about.starts_with('/') {
            ticket.about.clone()
        } else {
            format!("/o/{slug}/rows/{}", ticket.about)
        },
        said: messages.into_iter().map(Said::new).collect(),
        may_write: own || access.may(Permission::SupportManage),
        again: matches!(ticket.state, State::Resolved | State::Closed),
        severity_tone: severity_tone(ticket.severity),
        errors: refused.map(complaints).unwrap_or_default(),
        ticket,
        state,
        tone,
        body,
        slug,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, TicketId)>,
) -> platform::web::Result {
    one(&app, &access, id, (String::new(), None)).await
}

#[derive(Deserialize)]
struct ReplyForm {
    #[serde(default)]
    body: String,
}

async fn reply(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, TicketId)>,
    Form(asked): Form<ReplyForm>,
) -> platform::web::Result {
    match api::say(&app, &access, id, &asked.body).await {
        Ok(_) => {
            let words = format!("Sent to {}.", app.provider_name());
            browser::see_other_with(&format!("/o/{slug}/support/{id}"), Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => one(&app, &access, id, (asked.body, Some(&problem))).await,
        Err(problem) => Err(problem),
    }
}

async fn close(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, TicketId)>,
) -> platform::web::Result {
    let to = format!("/o/{slug}/support/{id}");
    match api::end(&app, &access, id).await {
        Ok(_) => browser::see_other_with(&to, Tone::Good, "Closed. Write on it to open it again."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct MembersForm {
    #[serde(default)]
    members_may_open: String,
}

async fn choose(
    AppState(app): AppState<App>,
    access: Access,
    Form(asked): Form<MembersForm>,
) -> platform::web::Result {
    let allowed = !asked.members_may_open.is_empty();
    api::set_choice(&app, &access, allowed).await?;
    let words = if allowed { "Members may open tickets." } else { "Only admins open tickets now." };
    let to = format!("/o/{}/support", access.organization()?.slug);
    browser::see_other_with(&to, Tone::Good, words)
}
