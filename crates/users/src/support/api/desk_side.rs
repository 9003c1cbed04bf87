//! JSON side of the desk: the provider's people over all organizations.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::ids::AccountId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::super::desk::{self, Settings};
use super::super::notices::{self, Runner};
use super::super::queue::{self, Asked, Case, Place, Wanted, case, place_of};
use super::super::{Answered, Assigned, Staff, State, Ticket, TicketId, View, answering};
use super::views::{
    AnswerBody, AskedView, AssigneeBody, CaseView, DeskView, MessageBody, SeverityBody, TicketView,
};
use super::{severity, who, words};
use crate::accounts::email::EmailAddress;
use crate::names;

const READ: Openness = Openness::Provider(Permission::ProviderRead);
const MANAGE: Openness = Openness::Provider(Permission::ProviderManage);

pub(crate) fn routes() -> Routes {
    const QUEUE: &str = "/api/v1/provider/tickets";
    const ONE: &str = "/api/v1/provider/tickets/{ticket}";
    const ANSWERS: &str = "/api/v1/provider/tickets/{ticket}/answers";
    const NOTES: &str = "/api/v1/provider/tickets/{ticket}/notes";
    const ASSIGNEE: &str = "/api/v1/provider/tickets/{ticket}/assignee";
    const SEVERITY: &str = "/api/v1/provider/tickets/{ticket}/severity";
    const DESK: &str = "/api/v1/provider/support";
    Routes::new()
        .add(
            routes::get(QUEUE, "desk.queue", READ, list)
                .summary(
                    "Tickets of all organizations that the provider owes an answer on, least time left first",
                )
                .paged()
                .query("view", "owed, or a state: open, answered, waiting, resolved, closed")
                .query("severity", "urgent, high, normal or low")
                .query("assigned", "me, nobody, or the address of one of the provider's owners and admins")
                .query("q", "words of the subject, who opened it, #number, or the organization's slug")
                .gives::<Page<AskedView>>(200),
        )
        .add(
            routes::get(ONE, "desk.show", READ, show)
                .summary("One ticket with what both sides wrote and the provider's notes")
                .gives::<CaseView>(200),
        )
        .add(
            routes::post(ANSWERS, "desk.answer", MANAGE, answer)
                .summary("Answer a ticket, and say what comes next")
                .takes::<AnswerBody>()
                .gives::<TicketView>(201)
                .records("ticket."),
        )
        .add(
            routes::post(NOTES, "desk.note", MANAGE, note)
                .summary("Write a note that only the provider's people read")
                .takes::<MessageBody>()
                .gives_nothing(204)
                .records("ticket."),
        )
        .add(
            routes::put(ASSIGNEE, "desk.assign", MANAGE, assign)
                .summary("Give a ticket to one of the provider's owners and admins, or to nobody")
                .takes::<AssigneeBody>()
                .gives::<TicketView>(200)
                .records("ticket."),
        )
        .add(
            routes::put(SEVERITY, "desk.rate", MANAGE, rate)
                .summary("Give a ticket another severity; no running target gets longer by it")
                .takes::<SeverityBody>()
                .gives::<TicketView>(200)
                .records("ticket."),
        )
        .add(
            routes::get(DESK, "desk.settings", READ, settings)
                .summary("Targets, hours and address of the desk")
                .gives::<DeskView>(200),
        )
        .add(
            routes::put(DESK, "desk.change", MANAGE, change)
                .summary("Change them; targets that run keep the promise under which they began")
                .takes::<Settings>()
                .gives::<DeskView>(200)
                .records("support."),
        )
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct QueueQuery {
    #[serde(default)]
    pub view: Option<String>,
    #[serde(default)]
    pub severity: Option<String>,
    #[serde(default)]
    pub assigned: Option<String>,
}

impl QueueQuery {
    pub fn view(&self) -> Result<View, Problem> {
        let text = self.view.clone().unwrap_or_default();
        View::parse(&text).ok_or_else(|| {
            Problem::invalid(format!("`{text}` is no view of the desk")).field("view", "not known")
        })
    }
}

async fn assigned(app: &App, access: &Access, text: &str) -> Result<Assigned, Problem> {
    match text {
        "" => Ok(Assigned::Anybody),
        "nobody" => Ok(Assigned::Nobody),
        "me" => Ok(Assigned::One(access.account()?)),
        email => Ok(Assigned::One(runner(app, email, "assigned").await?)),
    }
}

pub(crate) async fn runners(app: &App) -> Result<Vec<Runner>, Problem> {
    Ok(app.db().read(notices::staff).await?)
}

async fn runner(app: &App, email: &str, field: &'static str) -> Result<AccountId, Problem> {
    let refuse = |why: String| Problem::invalid(&why).field(field, why);
    let email = EmailAddress::parse(email).map_err(|error| refuse(error.to_string()))?;
    let found = runners(app).await?.into_iter().find(|one| one.email == email.key());
    let found = found.map(|one| one.account);
    found.ok_or_else(|| refuse(format!("`{}` is no owner or admin of the provider", email.key())))
}

fn place(query: &PageQuery) -> Result<Option<Place>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Problem::invalid("`cursor` is not one that this list gave");
    let (at, id) = text.split_once(' ').ok_or_else(wrong)?;
    let at = Timestamp::from_micros(at.parse().map_err(|_| wrong())?);
    Ok(Some((at, id.parse().map_err(|_| wrong())?)))
}

pub(crate) async fn page(
    app: &App,
    access: &Access,
    query: &PageQuery,
    asked: &QueueQuery,
) -> Result<Page<Asked>, Problem> {
    let (view, after, limit) = (asked.view()?, place(query)?, query.limit()?);
    let severity = match asked.severity.as_deref().unwrap_or_default() {
        "" => String::new(),
        text => severity(text)?.as_str().to_owned(),
    };
    let assigned = assigned(app, access, asked.assigned.as_deref().unwrap_or_default()).await?;
    let wanted = Wanted { severity, assigned, search: query.search()? };
    let found = app.db().read(move |tx| queue::queue(tx, view, &wanted, after, limit + 1)).await?;
    let key = |asked: &Asked| {
        let (at, id) = place_of(view, &asked.ticket);
        format!("{} {id}", at.micros())
    };
    Ok(Page::of(found, limit, key))
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<QueueQuery>,
) -> platform::web::Result {
    let found = page(&app, &access, &query, &asked).await?;
    Ok(Json(found.map(|asked| AskedView::new(asked, access.ctx.now))).into_response())
}

pub(crate) async fn look(app: &App, id: TicketId) -> Result<Case, Problem> {
    app.db().read(move |tx| case(tx, id)).await?.ok_or_else(|| Problem::not_found("ticket"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
) -> platform::web::Result {
    Ok(Json(CaseView::new(look(&app, id).await?, access.ctx.now)).into_response())
}

fn staff(access: &Access) -> Result<Staff, Problem> {
    let who = who(access)?;
    Ok(Staff { account: who.account, name: who.name })
}

fn answered(outcome: Answered) -> Result<Ticket, Problem> {
    match outcome {
        Answered::Done(ticket) | Answered::Unchanged(ticket) => Ok(*ticket),
        Answered::NoSuchTicket => Err(Problem::not_found("ticket")),
        Answered::Closed => Err(Problem::conflict("this ticket is closed")
            .cure("its people open it again by writing on it; a note can still be left")),
        Answered::Full => Err(Problem::conflict("nothing further fits on this ticket")),
        Answered::NoSuchStaff => Err(Problem::invalid("only owners and admins of the provider run the desk")
            .field("email", "not one of them")),
    }
}

pub(crate) async fn give_answer(
    app: &App,
    access: &Access,
    id: TicketId,
    body: &AnswerBody,
) -> Result<Ticket, Problem> {
    let then = State::parse(&body.then)
        .filter(|state| matches!(state, State::Answered | State::Waiting | State::Resolved))
        .ok_or_else(|| {
            let why = "say `answered`, `waiting` or `resolved`";
            Problem::invalid(why).field("then", why)
        })?;
    let (by, text) = (staff(access)?, words(&body.body, "body")?);
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| answering::answer(&inside, &ctx, tx, id, (&by, &text), then))
        .await?;
    answered(done.value)
}

async fn answer(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Json(body): Json<AnswerBody>,
) -> platform::web::Result {
    let ticket = give_answer(&app, &access, id, &body).await?;
    Ok((StatusCode::CREATED, Json(TicketView::new(ticket, access.ctx.now))).into_response())
}

pub(crate) async fn leave_note(app: &App, access: &Access, id: TicketId, text: &str) -> Result<(), Problem> {
    let (by, text) = (staff(access)?, words(text, "note")?);
    let ctx = access.ctx.clone();
    let done = app.db().write(&access.ctx, move |tx| answering::note(&ctx, tx, id, (&by, &text))).await?;
    answered(done.value).map(drop)
}

async fn note(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Json(body): Json<MessageBody>,
) -> platform::web::Result {
    leave_note(&app, &access, id, &body.body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn give_to(
    app: &App,
    access: &Access,
    id: TicketId,
    email: Option<&str>,
) -> Result<Ticket, Problem> {
    let to = match email.filter(|email| !email.is_empty()) {
        None => None,
        Some(email) => Some(runner(app, email, "email").await?),
    };
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app.db().write(&access.ctx, move |tx| answering::assign(&inside, &ctx, tx, id, to)).await?;
    answered(done.value)
}

async fn assign(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Json(body): Json<AssigneeBody>,
) -> platform::web::Result {
    let ticket = give_to(&app, &access, id, body.email.as_deref()).await?;
    Ok(Json(TicketView::new(ticket, access.ctx.now)).into_response())
}

pub(crate) async fn set_severity(
    app: &App,
    access: &Access,
    id: TicketId,
    body: &SeverityBody,
) -> Result<Ticket, Problem> {
    let (by, severity) = (staff(access)?, severity(&body.severity)?);
    let reason =
        names::sentence(&body.reason).map_err(|error| Problem::invalid(&error).field("reason", error))?;
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| answering::rate(&inside, &ctx, tx, id, &by, (severity, &reason)))
        .await?;
    answered(done.value)
}

async fn rate(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<TicketId>,
    Json(body): Json<SeverityBody>,
) -> platform::web::Result {
    let ticket = set_severity(&app, &access, id, &body).await?;
    Ok(Json(TicketView::new(ticket, access.ctx.now)).into_response())
}

async fn settings(AppState(app): AppState<App>) -> platform::web::Result {
    Ok(Json(DeskView::from(app.db().read(desk::desk).await?)).into_response())
}

pub(crate) async fn set(app: &App, access: &Access, mut settings: Settings) -> Result<(), Problem> {
    settings.mail_to = settings.mail_to.trim().to_owned();
    settings.check().map_err(|(field, why)| Problem::invalid(&why).field(field, why))?;
    let (by, ctx) = (staff(access)?.name, access.ctx.clone());
    app.db().write(&access.ctx, move |tx| desk::change(&ctx, tx, &by, &settings)).await?;
    Ok(())
}

async fn change(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<Settings>,
) -> platform::web::Result {
    set(&app, &access, body).await?;
    settings(AppState(app)).await
}
