//! What the provider's people do at the desk: answer, note, assign, rate.

use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals;
use platform::{App, Ctx};

use super::{
    NOTES_MAX, Severity, Side, State, Ticket, TicketId, desk, enter, find, jobs, notices, sql, write,
};
use crate::organizations;

/// Who of the provider acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// `None`: a token, or the operator.
    pub account: Option<AccountId>,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    Done(Box<Ticket>),
    NoSuchTicket,
    /// Nobody writes on what is closed, until its people open it again.
    Closed,
    /// Nothing further fits.
    Full,
    /// They do not run the desk.
    NoSuchStaff,
    /// It is so already.
    Unchanged(Box<Ticket>),
}

/// The ticket with this id, whichever organization's it is; locks that organization's tickets.
fn take(tx: &mut Tx, id: TicketId) -> Result<Option<Ticket>, DbError> {
    let Some(organization) = organization_of(tx, id)? else { return Ok(None) };
    organizations::lock(tx, organization)?;
    find(tx, organization, id)
}

pub(super) fn organization_of(tx: &mut ReadTx, id: TicketId) -> Result<Option<OrganizationId>, DbError> {
    tx.scalar(&sql::ORGANIZATION_OF, params![id])
}

/// Answers. `then` is `answered` when there is more to say, `waiting` when the organization has to answer, or
/// `resolved`; a ticket nobody is assigned to is whose who answers.
pub fn answer(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    id: TicketId,
    (by, body): (&Staff, &str),
    then: State,
) -> Result<Commit<Answered>, DbError> {
    let Some(mut ticket) = take(tx, id)? else { return Ok(Commit::unchanged(Answered::NoSuchTicket)) };
    if ticket.state == State::Closed || !matches!(then, State::Answered | State::Waiting | State::Resolved) {
        return Ok(Commit::unchanged(Answered::Closed));
    }
    let did = then.as_str();
    if write(tx, &ticket, Side::Provider, (by.account, &by.name), (did, body), ctx.now)?.is_none() {
        return Ok(Commit::unchanged(Answered::Full));
    }
    ticket.answered_at.get_or_insert(ctx.now);
    enter(ctx, tx, &mut ticket, then)?;
    if ticket.assigned_to.is_none() && by.account.is_some() {
        set_assignee(tx, &mut ticket, by.account, &by.name)?;
    }
    let (action, words) = match then {
        State::Waiting => ("ticket.waiting", "waits for your answer"),
        State::Resolved => ("ticket.resolved", "was resolved"),
        _ => ("ticket.answered", "was answered"),
    };
    notices::to_people(app, ctx, tx, &ticket, words)?;
    let recorded = tx.record(ticket.event(action).with("missed", ticket.missed));
    Ok(Commit::changed(Answered::Done(Box::new(ticket)), recorded))
}

/// Writes down what only the provider's people read. It stands in the provider's ledger alone.
pub fn note(
    ctx: &Ctx,
    tx: &mut Tx,
    id: TicketId,
    (by, body): (&Staff, &str),
) -> Result<Commit<Answered>, DbError> {
    let Some(ticket) = take(tx, id)? else { return Ok(Commit::unchanged(Answered::NoSuchTicket)) };
    let count: u32 = tx.scalar(&sql::COUNT_NOTES, params![ticket.organization, id])?.unwrap_or(0);
    if count >= NOTES_MAX {
        return Ok(Commit::unchanged(Answered::Full));
    }
    let row = params![ticket.organization, id, count + 1, by.account, by.name.as_str(), body, ctx.now];
    tx.execute(&sql::INSERT_NOTE, row)?;
    let event = of_provider(tx, &ticket, "ticket.noted")?;
    let recorded = tx.record(event);
    Ok(Commit::changed(Answered::Done(Box::new(ticket)), recorded))
}

/// An event that is nobody's business but the provider's.
fn of_provider(tx: &mut ReadTx, ticket: &Ticket, action: &'static str) -> Result<Event, DbError> {
    let provider = principals::provider(tx)?.map_or(ticket.organization, |provider| provider.id);
    let event = Event::new(provider, action).target("ticket", ticket.id);
    Ok(event.with("number", ticket.number).with("organization", ticket.organization))
}

fn set_assignee(tx: &mut Tx, ticket: &mut Ticket, who: Option<AccountId>, name: &str) -> Result<(), DbError> {
    tx.execute(&sql::SET_ASSIGNEE, params![ticket.organization, ticket.id, who])?;
    ticket.assigned_to = who;
    name.clone_into(&mut ticket.assignee);
    Ok(())
}

/// Gives the ticket to one of the desk, or to nobody. Who gets it is told, unless they took it themselves.
pub fn assign(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    id: TicketId,
    to: Option<AccountId>,
) -> Result<Commit<Answered>, DbError> {
    let Some(mut ticket) = take(tx, id)? else { return Ok(Commit::unchanged(Answered::NoSuchTicket)) };
    let staff = notices::staff(tx)?;
    let found = to.and_then(|account| staff.iter().find(|one| one.account == account));
    if to.is_some() && found.is_none() {
        return Ok(Commit::unchanged(Answered::NoSuchStaff));
    }
    if ticket.assigned_to == to {
        return Ok(Commit::unchanged(Answered::Unchanged(Box::new(ticket))));
    }
    let name = found.map(|one| one.name.clone()).unwrap_or_default();
    set_assignee(tx, &mut ticket, to, &name)?;
    if to.is_some() && ctx.actor.account() != to {
        notices::to_desk(app, ctx, tx, &ticket, "was assigned to you")?;
    }
    let mut event = of_provider(tx, &ticket, "ticket.assigned")?;
    if let Some(account) = to {
        event = event.with("account", account);
    }
    let recorded = tx.record(event);
    Ok(Commit::changed(Answered::Done(Box::new(ticket)), recorded))
}

/// The clock by the ticket's severity, if it ends earlier than the running one: no promise gets longer afterwards.
fn sooner(tx: &mut ReadTx, ticket: &Ticket) -> Result<Option<desk::Clock>, DbError> {
    let Some((at, due)) = ticket.clock_at.zip(ticket.due_at) else { return Ok(None) };
    let settings = desk::desk(tx)?.settings;
    let target = settings.target(ticket.severity);
    let first = ticket.answered_at.is_none();
    let clock = settings.clock(at, if first { target.first_minutes } else { target.next_minutes });
    Ok(Some(clock).filter(|clock| clock.due < due))
}

/// Gives the ticket another severity, with the reason to its people. A higher one shortens the clock that runs; a lower
/// one counts from the next clock on, so that nobody escapes a target by it.
pub fn rate(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    id: TicketId,
    by: &Staff,
    (severity, reason): (Severity, &str),
) -> Result<Commit<Answered>, DbError> {
    let Some(mut ticket) = take(tx, id)? else { return Ok(Commit::unchanged(Answered::NoSuchTicket)) };
    if ticket.state == State::Closed {
        return Ok(Commit::unchanged(Answered::Closed));
    }
    if ticket.severity == severity {
        return Ok(Commit::unchanged(Answered::Unchanged(Box::new(ticket))));
    }
    let before = ticket.severity;
    let did = severity.as_str();
    if write(tx, &ticket, Side::Provider, (by.account, &by.name), (did, reason), ctx.now)?.is_none() {
        return Ok(Commit::unchanged(Answered::Full));
    }
    ticket.severity = severity;
    let sooner = sooner(tx, &ticket)?;
    if sooner.is_some() {
        ticket.turn += 1;
        // What passed under the clock before is the same answer: it is not missed again.
        let past_at = ticket.past_at;
        ticket.set_clock(sooner);
        ticket.past_at = past_at;
    }
    let row = params![
        ticket.organization,
        id,
        severity.as_str(),
        ticket.turn,
        ticket.near_at,
        ticket.due_at,
        ticket.past_at
    ];
    tx.execute(&sql::SET_SEVERITY, row)?;
    if sooner.is_some() {
        jobs::schedule(ctx, tx, &ticket)?;
    }
    notices::to_people(app, ctx, tx, &ticket, &format!("is now of {} severity", severity.as_str()))?;
    let event = ticket.event("ticket.severity_changed").with("before", before.as_str());
    let recorded = tx.record(event);
    Ok(Commit::changed(Answered::Done(Box::new(ticket)), recorded))
}
