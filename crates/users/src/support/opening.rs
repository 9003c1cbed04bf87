//! What an organization's people do: open a ticket, write on it, close it, open it again.

use platform::db::{Commit, DbError, Tx};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::{DAY, HOUR};
use platform::{App, Ctx};

use super::{
    LIVE_MAX, LIVE_OWN_MAX, MAILED_MAX, OPENED_MAX, OPENED_OWN_MAX, REOPENS_FOR, Severity, Side, State,
    Ticket, TicketId, desk, enter, find, jobs, notices, sql, write,
};
use crate::organizations;

/// Who of the organization acts, as the guard found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// `None`: a token, or the operator.
    pub account: Option<AccountId>,
    pub name: String,
    /// Holds `support.manage`: may write on every ticket.
    pub manages: bool,
}

impl Who {
    fn may_write(&self, ticket: &Ticket) -> bool {
        self.manages || (self.account.is_some() && self.account == ticket.opened_by)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    pub subject: String,
    pub severity: Severity,
    pub body: String,
    /// A row of the matrix or a page of the organization; may be empty.
    pub about: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    Done(Box<Ticket>),
    /// Members may not, unless an admin lets them.
    NotAllowed,
    /// Too many are not closed: of this person, or of all.
    TooMany(u64),
    /// So many were opened in a day, closed or not.
    TooManyToday(u64),
}

pub fn open(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    who: &Who,
    new: &NewTicket,
) -> Result<Commit<Opened>, DbError> {
    organizations::lock(tx, organization)?;
    if !who.manages && (who.account.is_none() || !desk::members_may_open(tx, organization)?) {
        return Ok(Commit::unchanged(Opened::NotAllowed));
    }
    if let Some(row) = tx.first(&sql::COUNT_LIVE, params![organization, who.account])? {
        let (live, own): (u64, u64) = (row.get(0)?, row.get(1)?);
        if live >= LIVE_MAX {
            return Ok(Commit::unchanged(Opened::TooMany(LIVE_MAX)));
        }
        if !who.manages && own >= LIVE_OWN_MAX {
            return Ok(Commit::unchanged(Opened::TooMany(LIVE_OWN_MAX)));
        }
    }
    if let Some(row) = tx.first(&sql::COUNT_OPENED, params![organization, who.account, ctx.now.minus(DAY)])? {
        let (all, own): (u64, u64) = (row.get(0)?, row.get(1)?);
        if !who.manages && own >= OPENED_OWN_MAX {
            return Ok(Commit::unchanged(Opened::TooManyToday(OPENED_OWN_MAX)));
        }
        if all >= OPENED_MAX {
            return Ok(Commit::unchanged(Opened::TooManyToday(OPENED_MAX)));
        }
    }
    let number: u32 = tx.scalar(&sql::NEXT_NUMBER, params![organization])?.unwrap_or(1);
    let ticket = insert(ctx, tx, organization, who, new, number)?;
    write(tx, &ticket, Side::Customer, (who.account, &who.name), ("opened", &new.body), ctx.now)?;
    jobs::schedule(ctx, tx, &ticket)?;
    notices::to_desk(app, ctx, tx, &ticket, &format!("a new {} ticket", ticket.severity.as_str()))?;
    let recorded = tx.record(ticket.event("ticket.opened").with("about", &ticket.about));
    Ok(Commit::changed(Opened::Done(Box::new(ticket)), recorded))
}

fn insert(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    who: &Who,
    new: &NewTicket,
    number: u32,
) -> Result<Ticket, DbError> {
    let settings = desk::desk(tx)?.settings;
    let clock = settings.clock(ctx.now, settings.target(new.severity).first_minutes);
    let ticket = Ticket {
        organization,
        id: ctx.id(),
        number,
        subject: new.subject.clone(),
        severity: new.severity,
        state: State::Open,
        state_at: ctx.now,
        turn: 1,
        about: new.about.clone(),
        opened_by: who.account,
        opened_name: who.name.clone(),
        opened_at: ctx.now,
        assigned_to: None,
        assignee: String::new(),
        answered_at: None,
        clock_at: Some(clock.at),
        near_at: Some(clock.near),
        due_at: Some(clock.due),
        past_at: None,
        missed: 0,
    };
    let search = format!("#{number} {} {}", new.subject, who.name).to_lowercase();
    let (subject, name) = (ticket.subject.as_str(), ticket.opened_name.as_str());
    tx.execute(
        &sql::INSERT,
        params![
            organization,
            ticket.id,
            number,
            subject,
            search,
            new.severity.as_str(),
            ctx.now,
            ticket.about.as_str(),
            who.account,
            name,
            clock.near,
            clock.due
        ],
    )?;
    Ok(ticket)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    Done(Box<Ticket>),
    /// Or one that the caller does not see.
    NoSuchTicket,
    /// They see it, and may not write on it.
    NotYours,
    /// It was closed too long ago, or is closed already.
    Closed,
    /// No further message fits.
    Full,
    /// So many are not closed, and this one would be one more.
    TooMany(u64),
}

/// Writes on a ticket. Where nothing was owed the desk owes an answer from now on; a resolved or closed one opens again.
pub fn reply(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: TicketId,
    (who, body): (&Who, &str),
) -> Result<Commit<Acted>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(mut ticket) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Acted::NoSuchTicket));
    };
    if !who.may_write(&ticket) {
        return Ok(Commit::unchanged(Acted::NotYours));
    }
    if ticket.state == State::Closed && ctx.now.since(ticket.state_at) > REOPENS_FOR {
        return Ok(Commit::unchanged(Acted::Closed));
    }
    if ticket.state == State::Closed && live(tx, organization)? >= LIVE_MAX {
        return Ok(Commit::unchanged(Acted::TooMany(LIVE_MAX)));
    }
    let since = params![organization, id, ctx.now.minus(HOUR)];
    let lately: u64 = tx.scalar(&sql::WRITTEN_SINCE, since)?.unwrap_or(0);
    let again = matches!(ticket.state, State::Resolved | State::Closed);
    let did = if again { "reopened" } else { "replied" };
    if write(tx, &ticket, Side::Customer, (who.account, &who.name), (did, body), ctx.now)?.is_none() {
        return Ok(Commit::unchanged(Acted::Full));
    }
    // A second message does not make the desk's time longer.
    if ticket.state != State::Open {
        enter(ctx, tx, &mut ticket, State::Open)?;
    }
    let words = if again { "was opened again" } else { "has a new message" };
    if lately < MAILED_MAX {
        notices::to_desk(app, ctx, tx, &ticket, words)?;
    }
    let action = if again { "ticket.reopened" } else { "ticket.replied" };
    let recorded = tx.record(ticket.event(action));
    Ok(Commit::changed(Acted::Done(Box::new(ticket)), recorded))
}

/// Tickets of an organization that are not closed.
fn live(tx: &mut Tx, organization: OrganizationId) -> Result<u64, DbError> {
    let nobody: Option<AccountId> = None;
    Ok(tx.scalar(&sql::COUNT_LIVE, params![organization, nobody])?.unwrap_or(0))
}

/// Closes a ticket at its people's word, which is not written down where nothing further fits.
pub fn close(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: TicketId,
    who: &Who,
) -> Result<Commit<Acted>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(mut ticket) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Acted::NoSuchTicket));
    };
    if !who.may_write(&ticket) {
        return Ok(Commit::unchanged(Acted::NotYours));
    }
    if ticket.state == State::Closed {
        return Ok(Commit::unchanged(Acted::Closed));
    }
    write(tx, &ticket, Side::Customer, (who.account, &who.name), ("closed", ""), ctx.now)?;
    enter(ctx, tx, &mut ticket, State::Closed)?;
    let recorded = tx.record(ticket.event("ticket.closed"));
    Ok(Commit::changed(Acted::Done(Box::new(ticket)), recorded))
}
