//! JSON side of an organization's tickets; the desk's is in `api/desk.rs`.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::desk::{self, Desk};
use super::{
    Acted, BODY_CHARS_MAX, Filter, Message, NewTicket, Opened, SUBJECT_CHARS_MAX, Severity, State, Ticket,
    TicketId, Who,
};
use crate::domains::name::hidden_character;
use crate::names;

pub(crate) mod desk_side;
mod views;

pub(super) use views::{AnswerBody, ChoiceBody, MessageBody, NewTicketBody, SeverityBody};
use views::{MessageView, SupportView, TargetsView, TicketDetailView, TicketView};

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/tickets";
    const ONE: &str = "/api/v1/organizations/{organization}/tickets/{ticket}";
    const MESSAGES: &str = "/api/v1/organizations/{organization}/tickets/{ticket}/messages";
    const CLOSE: &str = "/api/v1/organizations/{organization}/tickets/{ticket}/close";
    const SUPPORT: &str = "/api/v1/organizations/{organization}/support";
    let (member, manage) = (Openness::Member, Openness::Organization(Permission::SupportManage));
    Routes::new()
        .add(
            routes::get(LIST, "ticket.list", member, list)
                .summary("Tickets, the newest first: yours, or all if you may read them")
                .paged()
                .query("state", "open, answered, waiting, resolved, closed, or live for all but closed ones")
                .query("q", "words of the subject, the name of who opened it, or its number as #12")
                .gives::<Page<TicketView>>(200),
        )
        .add(
            routes::post(LIST, "ticket.open", member, open)
                .summary("Open a ticket; the provider answers within the target of its severity")
                .takes::<NewTicketBody>()
                .gives::<TicketView>(201)
                .records("ticket."),
        )
        .add(
            routes::get(ONE, "ticket.show", member, show)
                .summary("One ticket with what both sides wrote")
                .gives::<TicketDetailView>(200),
        )
        .add(
            routes::post(MESSAGES, "ticket.reply", member, reply)
                .summary("Write on a ticket; one that is resolved or closed opens again")
                .takes::<MessageBody>()
                .gives::<TicketView>(201)
                .records("ticket."),
        )
        .add(
            routes::post(CLOSE, "ticket.close", member, close)
                .summary("Close a ticket")
                .gives::<TicketView>(200)
                .records("ticket."),
        )
        .add(
            routes::get(SUPPORT, "support.show", member, support)
                .summary("The provider's targets, and who here may open tickets")
                .gives::<SupportView>(200),
        )
        .add(
            routes::put(SUPPORT, "support.choose", manage, choose)
                .summary("Say whether members may open tickets")
                .takes::<ChoiceBody>()
                .gives_nothing(204)
                .records("support."),
        )
}

pub(super) fn who(access: &Access) -> Result<Who, Problem> {
    let principal = access.principal()?;
    let name = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    Ok(Who { account: principal.account, name, manages: access.may(Permission::SupportManage) })
}

/// Words on a ticket: plain text that says something and hides nothing.
pub(super) fn words(text: &str, field: &'static str) -> Result<String, Problem> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    let refuse = |why: String| Err(Problem::invalid(&why).field(field, why));
    let seen: String = text.chars().filter(|c| !matches!(c, '\n' | '\t')).collect();
    if hidden_character(&seen).is_some() {
        return refuse("the text has a control, hidden or direction-changing character".to_owned());
    }
    match text.chars().count() {
        0 => refuse("say something".to_owned()),
        long if long > BODY_CHARS_MAX => {
            refuse(format!("a message has up to {BODY_CHARS_MAX} characters; this one has {long}"))
        }
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn severity(text: &str) -> Result<Severity, Problem> {
    Severity::parse(text).ok_or_else(|| {
        let why = format!("`{text}` is no severity: use urgent, high, normal or low");
        Problem::invalid(&why).field("severity", why)
    })
}

/// A row's id, or a page of the organization.
fn about(text: &str, slug: &str) -> Result<String, Problem> {
    const CHARS_MAX: usize = 200;
    let text = text.trim();
    let row = text.len() <= 12
        && text.split_once('-').is_some_and(|(area, rest)| {
            area.len() == 3
                && area.chars().all(|c| c.is_ascii_uppercase())
                && !rest.is_empty()
                && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        });
    let page = text.strip_prefix(&format!("/o/{slug}")).is_some_and(|rest| {
        (rest.is_empty() || rest.starts_with('/'))
            && rest.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.?=&#".contains(c))
    });
    if text.is_empty() || ((row || page) && text.len() <= CHARS_MAX) {
        return Ok(text.to_owned());
    }
    let why = format!("`{text}` is neither a row such as `USR-C5` nor a page that begins with `/o/{slug}`");
    Err(Problem::invalid(&why).field("about", why))
}

fn read_new(body: &NewTicketBody, slug: &str) -> Result<NewTicket, Problem> {
    let field = |why: String| Problem::invalid(&why).field("subject", why);
    let subject = body.subject.trim();
    let long = subject.chars().count();
    if long > SUBJECT_CHARS_MAX {
        return Err(field(format!(
            "a subject has up to {SUBJECT_CHARS_MAX} characters; this one has {long}"
        )));
    }
    if subject.contains(['\n', '\r']) {
        return Err(field("a subject is one line".to_owned()));
    }
    Ok(NewTicket {
        subject: names::sentence(subject).map_err(|error| field(error.to_string()))?,
        severity: severity(&body.severity)?,
        body: words(&body.body, "body")?,
        about: about(&body.about, slug)?,
    })
}

pub(super) async fn make(app: &App, access: &Access, body: &NewTicketBody) -> Result<Ticket, Problem> {
    let (who, new) = (who(access)?, read_new(body, &access.organization()?.slug)?);
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::open(&inside, &ctx, tx, organization, &who, &new))
        .await?;
    match done.value {
        Opened::Done(ticket) => Ok(*ticket),
        Opened::NotAllowed => Err(Problem::forbidden("support.manage")
            .detail("members open no tickets here")
            .cure("ask an admin to open it, or to let members open tickets")),
        Opened::TooMany(max) => Err(Problem::conflict(format!("{max} tickets are not closed yet"))
            .cure("close what is settled, or write on a ticket that is open")),
        Opened::TooManyToday(max) => {
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many tickets")
                .detail(format!("{max} tickets were opened in a day"))
                .cure("write on a ticket that is open, or come again later")
                .retry_after(3600))
        }
    }
}

async fn open(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewTicketBody>,
) -> platform::web::Result {
    let ticket = make(&app, &access, &body).await?;
    Ok((StatusCode::CREATED, Json(TicketView::new(ticket, access.ctx.now))).into_response())
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct StateQuery {
    #[serde(default)]
    pub state: Option<String>,
}

pub(super) async fn page(
    app: &App,
    access: &Access,
    query: &PageQuery,
    asked: &StateQuery,
) -> Result<Page<Ticket>, Problem> {
    let organization = access.organization_id()?;
    let state = asked.state.clone().unwrap_or_default();
    if !matches!(state.as_str(), "" | "live") && State::parse(&state).is_none() {
        return Err(Problem::invalid(format!("`{state}` is no state")).field("state", "not known"));
    }
    let after = query.after()?;
    let before = match after.as_str() {
        "" => u32::MAX,
        text => text.parse().map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))?,
    };
    let reads_all = access.may(Permission::SupportRead);
    let account = access.principal()?.account;
    let limit = query.limit()?;
    if !reads_all && account.is_none() {
        return Err(Problem::forbidden("support.read"));
    }
    let opened_by = account.filter(|_| !reads_all);
    let filter = Filter { opened_by, state, search: query.search()? };
    let found = app.db().read(move |tx| super::list(tx, organization, &filter, before, limit + 1)).await?;
    Ok(Page::of(found, limit, |ticket| ticket.number.to_string()))
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    let found = page(&app, &access, &query, &asked).await?;
    Ok(Json(found.map(|ticket| TicketView::new(ticket, access.ctx.now))).into_response())
}

/// A ticket as the caller sees it with what was written; 404 where it is none of their business.
pub(super) async fn look(
    app: &App,
    access: &Access,
    id: TicketId,
) -> Result<(Ticket, Vec<Message>), Problem> {
    let organization = access.organization_id()?;
    let (account, reads) = (access.principal()?.account, access.may(Permission::SupportRead));
    let found = app
        .db()
        .read(move |tx| {
            let Some(ticket) = super::seen_by(tx, organization, id, account, reads)? else { return Ok(None) };
            let messages = super::messages(tx, organization, id)?;
            Ok::<_, Problem>(Some((ticket, messages)))
        })
        .await?;
    found.ok_or_else(|| Problem::not_found("ticket"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, TicketId)>,
) -> platform::web::Result {
    let (ticket, messages) = look(&app, &access, id).await?;
    let view = TicketDetailView {
        ticket: TicketView::new(ticket, access.ctx.now),
        messages: messages.into_iter().map(MessageView::from).collect(),
    };
    Ok(Json(view).into_response())
}

fn acted(outcome: Acted) -> Result<Ticket, Problem> {
    match outcome {
        Acted::Done(ticket) => Ok(*ticket),
        Acted::NoSuchTicket => Err(Problem::not_found("ticket")),
        Acted::NotYours => Err(Problem::forbidden("support.manage")
            .detail("you read this ticket; who opened it and those who manage support write on it")),
        Acted::Closed => Err(Problem::conflict("this ticket is closed").cure("open a new one")),
        Acted::TooMany(max) => Err(Problem::conflict(format!("{max} tickets are not closed yet"))
            .cure("close what is settled, or write on a ticket that is open")),
        Acted::Full => Err(Problem::conflict("no further message fits").cure("open a new ticket")),
    }
}

pub(super) async fn say(app: &App, access: &Access, id: TicketId, text: &str) -> Result<Ticket, Problem> {
    look(app, access, id).await?;
    let (who, body) = (who(access)?, words(text, "body")?);
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::reply(&inside, &ctx, tx, organization, id, (&who, &body)))
        .await?;
    acted(done.value)
}

async fn reply(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, TicketId)>,
    Json(body): Json<MessageBody>,
) -> platform::web::Result {
    let ticket = say(&app, &access, id, &body.body).await?;
    Ok((StatusCode::CREATED, Json(TicketView::new(ticket, access.ctx.now))).into_response())
}

pub(super) async fn end(app: &App, access: &Access, id: TicketId) -> Result<Ticket, Problem> {
    look(app, access, id).await?;
    let who = who(access)?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::close(&ctx, tx, organization, id, &who)).await?;
    acted(done.value)
}

async fn close(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, TicketId)>,
) -> platform::web::Result {
    let ticket = end(&app, &access, id).await?;
    Ok(Json(TicketView::new(ticket, access.ctx.now)).into_response())
}

/// The desk's promises, and whether members may open tickets.
pub(super) async fn terms(app: &App, access: &Access) -> Result<(Desk, bool), Problem> {
    let organization = access.organization_id()?;
    let found = app
        .db()
        .read(move |tx| Ok::<_, Problem>((desk::desk(tx)?, desk::members_may_open(tx, organization)?)))
        .await?;
    Ok(found)
}

/// Whether the caller may open a ticket, given whether members may.
pub(super) fn may_open(access: &Access, members: bool) -> bool {
    let person = access.principal.as_ref().is_some_and(|principal| principal.account.is_some());
    access.may(Permission::SupportManage) || (members && person)
}

async fn support(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let (desk, members) = terms(&app, &access).await?;
    let view = SupportView {
        members_may_open: members,
        you_may_open: may_open(&access, members),
        targets: TargetsView::from(&desk.settings),
    };
    Ok(Json(view).into_response())
}

pub(super) async fn set_choice(app: &App, access: &Access, allowed: bool) -> Result<(), Problem> {
    let by = who(access)?.name;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    app.db()
        .write(&access.ctx, move |tx| desk::let_members_open(&ctx, tx, organization, &by, allowed))
        .await?;
    Ok(())
}

async fn choose(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<ChoiceBody>,
) -> platform::web::Result {
    set_choice(&app, &access, body.members_may_open).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
