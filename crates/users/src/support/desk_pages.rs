//! Pages of the desk: the queue, a ticket with its notes, targets and hours.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, FieldErrors, NavItem, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::desk_side::{self, QueueQuery};
use super::api::{AnswerBody, SeverityBody};
use super::desk::{self, Settings, Target};
use super::hours::Hours;
use super::pages::{Said, left_words, paragraphs, severity_tone, state_words};
use super::queue::{Asked, Case, Note, Standing, standing};
use super::{Severity, Side, State, Ticket, TicketId, View};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const QUEUE: &str = "/provider/tickets";

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/provider/tickets/{ticket}";
    const ANSWERS: &str = "/provider/tickets/{ticket}/answers";
    const NOTES: &str = "/provider/tickets/{ticket}/notes";
    const ASSIGNEE: &str = "/provider/tickets/{ticket}/assignee";
    const SEVERITY: &str = "/provider/tickets/{ticket}/severity";
    const DESK: &str = "/provider/support";
    const RECORDS: &str = "ticket.";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(routes::get(QUEUE, "desk.queue_page", read, queue))
        .add(routes::get(ONE, "desk.show_page", read, show))
        .add(routes::post(ANSWERS, "desk.answer_form", manage, answer).records(RECORDS))
        .add(routes::post(NOTES, "desk.note_form", manage, note).records(RECORDS))
        .add(routes::post(ASSIGNEE, "desk.assign_form", manage, assign).records(RECORDS))
        .add(routes::post(SEVERITY, "desk.rate_form", manage, rate).records(RECORDS))
        .add(routes::get(DESK, "desk.settings_page", read, settings))
        .add(routes::post(DESK, "desk.change_form", manage, change).records("support."))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Provider, title, QUEUE)
}

struct Line {
    ticket: Ticket,
    organization: String,
    state: &'static str,
    tone: Tone,
    severity_tone: Tone,
    left: (String, Tone),
    percent: u64,
}

impl Line {
    fn new(asked: Asked, now: Timestamp) -> Self {
        let (state, tone) = state_words(asked.ticket.state, Side::Provider);
        Self {
            left: left_words(&asked.ticket, now),
            percent: asked.ticket.left_percent(now),
            severity_tone: severity_tone(asked.ticket.severity),
            organization: asked.organization,
            ticket: asked.ticket,
            state,
            tone,
        }
    }
}

#[derive(Template)]
#[template(path = "support/queue.html")]
struct QueuePage {
    shell: Shell,
    desk: Standing,
    first_words: String,
    tabs: Vec<NavItem>,
    view: &'static str,
    q: String,
    severities: Vec<Choice>,
    assignees: Vec<Choice>,
    filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
}

async fn queue(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<QueueQuery>,
) -> platform::web::Result {
    let (page, now) = (desk_side::page(&app, &access, &query, &asked).await?, access.ctx.now);
    let desk = app.db().read(move |tx| standing(tx, now)).await?;
    let view = asked.view()?.as_str();
    let q = query.q.clone().unwrap_or_default();
    let severity = asked.severity.clone().unwrap_or_default();
    let assigned = asked.assigned.clone().unwrap_or_default();
    let base = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("view", view)
        .append_pair("severity", &severity)
        .append_pair("assigned", &assigned)
        .append_pair("q", &q)
        .finish();
    let mut severities = vec![Choice::new("", "Every severity", &severity)];
    severities.extend(Severity::ALL.map(|one| Choice::new(one.as_str(), one.label(), &severity)));
    let tabs = [(View::Owed, "Owed"), (View::In(State::Waiting), "Wait for them")]
        .into_iter()
        .chain([(View::In(State::Resolved), "Resolved"), (View::In(State::Closed), "Closed")]);
    let mut whose: Vec<(String, String)> = [("", "Anybody's"), ("nobody", "Nobody's"), ("me", "Mine")]
        .map(|(a, b)| (a.into(), b.into()))
        .to_vec();
    if access.principal()?.account.is_none() {
        whose.pop();
    }
    whose.extend(desk_side::runners(&app).await?.into_iter().map(|one| (one.email, one.name)));
    platform::web::html(&QueuePage {
        shell: shell(&app, &access, "Tickets"),
        first_words: match desk.first_due {
            Some(due) if due <= now => "the first is past".to_owned(),
            Some(due) => format!("the first by {}", due.minute_words()),
            None => "nothing runs".to_owned(),
        },
        desk,
        tabs: tabs
            .map(|(one, label)| {
                NavItem::new(label, format!("{QUEUE}?view={}", one.as_str())).current(one.as_str() == view)
            })
            .collect(),
        view,
        filtered: !q.is_empty() || !severity.is_empty() || !assigned.is_empty(),
        q,
        severities,
        assignees: whose.iter().map(|(value, label)| Choice::new(value, label, &assigned)).collect(),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("{QUEUE}?{base}")),
        lines: page.items.into_iter().map(|asked| Line::new(asked, now)).collect(),
    })
}

#[derive(Template)]
#[template(path = "support/case.html")]
struct CasePage {
    shell: Shell,
    provider: String,
    organization: String,
    ticket: Ticket,
    state: &'static str,
    tone: Tone,
    severity_tone: Tone,
    left: (String, Tone),
    percent: u64,
    missed: u32,
    said: Vec<Said>,
    may_manage: bool,
    errors: FieldErrors,
    body: String,
    note: String,
    thens: Vec<Choice>,
    runners: Vec<Choice>,
    severities: Vec<Choice>,
}

/// What was written and refused, to be mended.
#[derive(Default)]
struct Draft {
    body: String,
    then: String,
    note: String,
}

/// Messages and notes in the order in which they were written.
fn said(case_messages: Vec<super::Message>, notes: Vec<Note>) -> Vec<Said> {
    let mut all: Vec<Said> = case_messages.into_iter().map(Said::new).collect();
    all.extend(notes.into_iter().map(|note| Said {
        author: note.author,
        words: "left a note".to_owned(),
        provider: true,
        note: true,
        paragraphs: paragraphs(&note.body),
        at: note.at,
    }));
    all.sort_by_key(|one| one.at);
    all
}

async fn one(
    app: &App,
    access: &Access,
    id: TicketId,
    (draft, refused): (Draft, Option<&Problem>),
) -> platform::web::Result {
    let Case { asked, messages, notes } = desk_side::look(app, id).await?;
    let staff = desk_side::runners(app).await?;
    let (now, ticket) = (access.ctx.now, asked.ticket);
    let (state, tone) = state_words(ticket.state, Side::Provider);
    let assigned = staff.iter().find(|one| Some(one.account) == ticket.assigned_to);
    let assigned = assigned.map(|one| one.email.clone()).unwrap_or_default();
    let mut runners = vec![Choice::new("", "Nobody", &assigned)];
    runners.extend(staff.iter().map(|one| Choice::new(&one.email, &one.name, &assigned)));
    let then = if draft.then.is_empty() { "waiting" } else { draft.then.as_str() };
    let page = CasePage {
        shell: shell(app, access, &format!("Ticket {}", ticket.name())),
        provider: app.provider_name(),
        organization: asked.organization,
        left: left_words(&ticket, now),
        percent: ticket.left_percent(now),
        missed: ticket.missed(now),
        said: said(messages, notes),
        may_manage: access.may(Permission::ProviderManage),
        errors: refused.map(complaints).unwrap_or_default(),
        thens: vec![
            Choice::new("waiting", "They answer", then).hint("No time runs until they do"),
            Choice::new("answered", "We say more", then).hint("The time for the next answer runs from now"),
            Choice::new("resolved", "It is resolved", then).hint("Closes in a week, unless they write"),
        ],
        severities: Severity::ALL
            .map(|one| Choice::new(one.as_str(), one.label(), ticket.severity.as_str()))
            .to_vec(),
        severity_tone: severity_tone(ticket.severity),
        runners,
        ticket,
        state,
        tone,
        body: draft.body,
        note: draft.note,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
) -> platform::web::Result {
    one(&app, &access, id, (Draft::default(), None)).await
}

/// Back to the ticket with what was done, or with what has to be mended.
async fn back<T>(
    app: &App,
    access: &Access,
    id: TicketId,
    (done, words): (Result<T, Problem>, &str),
    draft: Draft,
) -> platform::web::Result {
    match done {
        Ok(_) => browser::see_other_with(&format!("{QUEUE}/{id}"), Tone::Good, words),
        Err(problem) if mendable(&problem) => one(app, access, id, (draft, Some(&problem))).await,
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct AnswerForm {
    #[serde(default)]
    body: String,
    #[serde(default)]
    then: String,
}

async fn answer(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Form(form): Form<AnswerForm>,
) -> platform::web::Result {
    let body = AnswerBody { body: form.body.clone(), then: form.then.clone() };
    let done = desk_side::give_answer(&app, &access, id, &body).await;
    let draft = Draft { body: form.body, then: form.then, note: String::new() };
    back(&app, &access, id, (done, "Sent. They get a mail."), draft).await
}

#[derive(Deserialize)]
struct NoteForm {
    #[serde(default)]
    note: String,
}

async fn note(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Form(form): Form<NoteForm>,
) -> platform::web::Result {
    let done = desk_side::leave_note(&app, &access, id, &form.note).await;
    back(&app, &access, id, (done, "The note is left."), Draft { note: form.note, ..Draft::default() }).await
}

#[derive(Deserialize)]
struct AssignForm {
    #[serde(default)]
    email: String,
}

async fn assign(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Form(form): Form<AssignForm>,
) -> platform::web::Result {
    let done = desk_side::give_to(&app, &access, id, Some(&form.email)).await;
    back(&app, &access, id, (done, "Assigned."), Draft::default()).await
}

#[derive(Deserialize)]
struct SeverityForm {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    reason: String,
}

async fn rate(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Form(form): Form<SeverityForm>,
) -> platform::web::Result {
    let body = SeverityBody { severity: form.severity, reason: form.reason };
    let done = desk_side::set_severity(&app, &access, id, &body).await;
    back(&app, &access, id, (done, "The severity is changed. They get a mail."), Draft::default()).await
}

struct TargetCard {
    label: &'static str,
    meaning: &'static str,
    fields: [Field; 2],
}

struct Field {
    name: String,
    label: &'static str,
    value: String,
    error: String,
}

impl TargetCard {
    fn new(severity: Severity, sent: &Sent, errors: &FieldErrors) -> Self {
        let field = |kind: &str, label: &'static str| {
            let name = format!("{}.{kind}", severity.as_str());
            Field { value: sent.get(&name).to_owned(), error: errors.of(&name).to_owned(), label, name }
        };
        let fields = [
            field("first_minutes", "First answer, in minutes"),
            field("next_minutes", "Next answer, in minutes"),
        ];
        Self { label: severity.label(), meaning: severity.meaning(), fields }
    }
}

#[derive(Template)]
#[template(path = "support/desk.html")]
struct DeskPage {
    shell: Shell,
    errors: FieldErrors,
    changed: Option<(String, Timestamp)>,
    targets: Vec<TargetCard>,
    business: bool,
    days: Vec<(&'static str, &'static str, bool)>,
    opens: String,
    closes: String,
    offset: String,
    mail_to: String,
    may_manage: bool,
}

const DAYS: [(&str, &str); 7] = [
    ("1", "Monday"),
    ("2", "Tuesday"),
    ("3", "Wednesday"),
    ("4", "Thursday"),
    ("5", "Friday"),
    ("6", "Saturday"),
    ("7", "Sunday"),
];

/// The form's fields as they were sent.
#[derive(Default)]
struct Sent(Vec<(String, String)>);

impl Sent {
    fn of(settings: &Settings) -> Self {
        let mut fields = Vec::new();
        for severity in Severity::ALL {
            let target = settings.target(severity);
            let name = severity.as_str();
            fields.push((format!("{name}.first_minutes"), target.first_minutes.to_string()));
            fields.push((format!("{name}.next_minutes"), target.next_minutes.to_string()));
        }
        let hours = settings.hours.clone().unwrap_or(Hours {
            days: vec![1, 2, 3, 4, 5],
            from_minute: 8 * 60,
            to_minute: 18 * 60,
            offset_minutes: 0,
        });
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        fields.extend(hours.days.iter().map(|day| ("days".to_owned(), day.to_string())));
        fields.push(("from".to_owned(), clock(hours.from_minute)));
        fields.push(("to".to_owned(), clock(hours.to_minute)));
        fields.push(("offset".to_owned(), hours.offset_minutes.to_string()));
        fields.push(("mail_to".to_owned(), settings.mail_to.clone()));
        if settings.hours.is_some() {
            fields.push(("business".to_owned(), "on".to_owned()));
        }
        Self(fields)
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Minutes after midnight; what is no time is refused later.
    fn minute(&self, name: &str) -> u16 {
        let read = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours <= 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        read(self.get(name)).unwrap_or(u16::MAX)
    }

    fn settings(&self) -> Settings {
        let target = |severity: Severity| {
            let minutes =
                |kind: &str| self.get(&format!("{}.{kind}", severity.as_str())).trim().parse().unwrap_or(0);
            Target { first_minutes: minutes("first_minutes"), next_minutes: minutes("next_minutes") }
        };
        let hours = (self.get("business") == "on").then(|| Hours {
            days: self.all("days").iter().map(|day| day.parse().unwrap_or(0)).collect(),
            from_minute: self.minute("from"),
            to_minute: self.minute("to"),
            offset_minutes: self.get("offset").trim().parse().unwrap_or(i16::MAX),
        });
        Settings {
            urgent: target(Severity::Urgent),
            high: target(Severity::High),
            normal: target(Severity::Normal),
            low: target(Severity::Low),
            hours,
            mail_to: self.get("mail_to").to_owned(),
        }
    }
}

async fn desk_page(
    app: &App,
    access: &Access,
    sent: Option<Sent>,
    errors: FieldErrors,
) -> platform::web::Result {
    let stored = app.db().read(desk::desk).await?;
    let sent = sent.unwrap_or_else(|| Sent::of(&stored.settings));
    let days = sent.all("days");
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = DeskPage {
        shell: shell(app, access, "Targets and hours"),
        changed: stored.changed,
        targets: Severity::ALL
            .map(|severity| TargetCard::new(severity, &sent, &errors))
            .into_iter()
            .collect(),
        business: sent.get("business") == "on",
        days: DAYS.map(|(day, label)| (day, label, days.contains(&day))).to_vec(),
        opens: sent.get("from").to_owned(),
        closes: sent.get("to").to_owned(),
        offset: sent.get("offset").to_owned(),
        mail_to: sent.get("mail_to").to_owned(),
        may_manage: access.may(Permission::ProviderManage),
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn settings(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    desk_page(&app, &access, None, FieldErrors::default()).await
}

async fn change(
    AppState(app): AppState<App>,
    access: Access,
    Form(fields): Form<Vec<(String, String)>>,
) -> platform::web::Result {
    let sent = Sent(fields);
    match desk_side::set(&app, &access, sent.settings()).await {
        Ok(()) => {
            browser::see_other_with("/provider/support", Tone::Good, "Saved. It counts for the next clocks.")
        }
        Err(problem) if mendable(&problem) => {
            desk_page(&app, &access, Some(sent), complaints(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}
