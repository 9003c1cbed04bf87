//! What access requests write to people: those who decide, and those who asked.

use platform::db::{DbError, ReadTx, Tx};
use platform::ids::OrganizationId;
use platform::mail::{self, Message};
use platform::principals;
use platform::{App, Ctx};

use crate::access_offers::Wanted;
use crate::access_requests::{Request, State};
use crate::accounts::join;

/// The organization's name, and the page of a request.
fn place(
    app: &App,
    tx: &mut ReadTx,
    organization: OrganizationId,
    request: &Request,
) -> Result<(String, String), DbError> {
    let found = principals::organization(tx, organization)?;
    let (name, slug) = found.map(|found| (found.name, found.slug)).unwrap_or_default();
    // Somebody who is no member yet has no page in the organization's console.
    let path = if request.wanted == Wanted::Membership && request.state != State::Granted {
        "/account/access".to_owned()
    } else {
        format!("/o/{slug}/access/requests/{}", request.id)
    };
    Ok((name, join(&app.config().public_url, &path)))
}

fn who(request: &Request) -> String {
    if request.name.is_empty() {
        request.email.clone()
    } else {
        format!("{} ({})", request.name, request.email)
    }
}

fn span(request: &Request) -> String {
    match request.days {
        0 => "without end".to_owned(),
        1 => "for one day".to_owned(),
        days => format!("for {days} days"),
    }
}

/// To those who decide: the same words to each.
fn to_deciders(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    (told, subject, first): (&[String], &str, &str),
) -> Result<(), DbError> {
    let found = principals::organization(tx, organization)?;
    let (name, slug) = found.map(|found| (found.name, found.slug)).unwrap_or_default();
    let page = join(&app.config().public_url, &format!("/o/{slug}/access/requests/{}", request.id));
    let text = format!(
        "{first}\n\n{} asks for: {} ({}).\nReason: {}\n\n\
         Decide here, at the latest on {}:\n{page}\n",
        who(request),
        request.target_name,
        span(request),
        request.reason,
        request.due_at.minute_words(),
    );
    let subject = format!("{name}: {subject}");
    let messages: Vec<Message> = told.iter().map(|to| Message::text(to, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(organization), &messages)
}

pub(crate) fn asked(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    told: &[String],
) -> Result<(), DbError> {
    let first = if request.approvals > 1 {
        "Somebody asks for access, and two people must approve it."
    } else {
        "Somebody asks for access, and you can decide about it."
    };
    to_deciders(app, ctx, tx, organization, request, (told, "a request for access waits", first))
}

pub(crate) fn second_needed(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    told: &[String],
) -> Result<(), DbError> {
    let first = "One person approved this request. A second one, who is not the same, must agree.";
    let subject = "a request for access needs a second approval";
    to_deciders(app, ctx, tx, organization, request, (told, subject, first))
}

pub(crate) fn waits(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    told: &[String],
) -> Result<(), DbError> {
    let (subject, first) = if request.due_at <= ctx.now {
        (
            "a request for access is past its target",
            "This request waits longer than your organization promised.",
        )
    } else {
        ("a request for access still waits", "Half of the time to decide about this request is over.")
    };
    to_deciders(app, ctx, tx, organization, request, (told, subject, first))
}

fn to_asker(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    (subject, first): (&str, String),
) -> Result<(), DbError> {
    let (name, page) = place(app, tx, organization, request)?;
    let text = format!("{first}\n\nYour request for: {}, at {name}.\n{page}\n", request.target_name);
    let message = Message::text(&request.email, &format!("{name}: {subject}"), &text);
    mail::enqueue(app.keyring(), ctx, tx, Some(organization), &message)
}

pub(crate) fn decided(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
) -> Result<(), DbError> {
    let (subject, first) = match (request.state, request.expires_at) {
        (State::Granted, Some(at)) => {
            ("your request was granted", format!("You have it until {}.", at.minute_words()))
        }
        (State::Granted, None) => ("your request was granted", "You have it.".to_owned()),
        (State::Lapsed, _) => (
            "nobody decided about your request",
            "Nobody decided in time, so the request ended. Ask again if you still need it.".to_owned(),
        ),
        _ => ("your request was refused", "Your request was refused.".to_owned()),
    };
    to_asker(app, ctx, tx, organization, request, (subject, first))
}

pub(crate) fn ends_soon(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
) -> Result<(), DbError> {
    let at = request.expires_at.unwrap_or(ctx.now).minute_words();
    let first = format!("What you were granted ends on {at}. When it has ended you can ask for it again.");
    to_asker(app, ctx, tx, organization, request, ("your access ends soon", first))
}

pub(crate) fn ended(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
) -> Result<(), DbError> {
    let why = request.ended_why.as_deref().unwrap_or("over");
    to_asker(app, ctx, tx, organization, request, ("your access ended", format!("It is {why}.")))
}
