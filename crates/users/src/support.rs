//! The support desk: people of an organization open tickets, the provider answers within its targets.
//!
//! A ticket is `open` while its people wait, `answered` when the provider wrote and has more to say, `waiting` when the
//! organization has to answer, `resolved`, and `closed` at its people's word or after a week. A clock runs exactly while
//! the provider owes an answer (`open`, `answered`): how long it has is the target of the severity, and the desk is
//! warned before it is over. While a ticket waits for the organization no clock runs. What the provider's people write to
//! each other is a note: another table, which nothing that an organization asks for reads.
//!
//! Who opened a ticket sees it; `support.read` sees all of the organization; members without it open tickets where
//! their admins let them. The desk is the provider's: `provider.read` looks on, `provider.manage` answers.

use std::time::Duration;

use platform::Ctx;
use platform::db::{DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};

mod answering;
pub(crate) mod api;
pub mod desk;
pub(crate) mod desk_pages;
pub(crate) mod evidence;
pub mod hours;
pub(crate) mod jobs;
mod notices;
mod opening;
pub(crate) mod pages;
mod queue;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub use answering::{Answered, Staff, answer, assign, note, rate};
pub use notices::{Runner, staff};
pub use opening::{Acted, NewTicket, Opened, Who, close, open, reply};
pub use queue::{Asked, Assigned, Standing, View, standing};

platform::id! {
    /// A question or a trouble that an organization brought to the desk.
    TicketId
}

pub const SUBJECT_CHARS_MAX: usize = 150;
pub const BODY_CHARS_MAX: usize = 10_000;
/// Tickets of one organization that are not closed.
pub const LIVE_MAX: u64 = 500;
/// Of one person who does not manage support.
pub const LIVE_OWN_MAX: u64 = 10;
pub const MESSAGES_MAX: u32 = 500;
pub const NOTES_MAX: u32 = 500;
/// Of those messages, so many are left to the desk's answers, and of these one to the word that settles the ticket.
const ROOM: u32 = 50;
/// Tickets that one person who does not manage support opens in a day.
pub const OPENED_OWN_MAX: u64 = 20;
/// And all people of an organization together.
pub const OPENED_MAX: u64 = 500;
/// Messages of its people on one ticket in an hour that the desk has a mail of.
const MAILED_MAX: u64 = 5;
/// A resolved ticket closes by itself after so long.
pub const CLOSES_AFTER: Duration = Duration::from_secs(7 * DAY.as_secs());
/// And can be opened again for so long.
pub const REOPENS_FOR: Duration = Duration::from_secs(30 * DAY.as_secs());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Urgent,
    High,
    Normal,
    Low,
}

impl Severity {
    pub const ALL: [Severity; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Urgent => "Urgent",
            Self::High => "High",
            Self::Normal => "Normal",
            Self::Low => "Low",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::Urgent => "Nobody can work, or data is in danger",
            Self::High => "Many people are held up, and there is no way around",
            Self::Normal => "Something does not work as it should",
            Self::Low => "A question, or a wish",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The organization's people wait for an answer.
    Open,
    /// The provider answered, and has more to say.
    Answered,
    /// The organization has to answer.
    Waiting,
    Resolved,
    Closed,
}

impl State {
    pub const ALL: [State; 5] = [Self::Open, Self::Answered, Self::Waiting, Self::Resolved, Self::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Waiting => "waiting",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether the provider owes an answer.
    pub fn owes(self) -> bool {
        matches!(self, Self::Open | Self::Answered)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub organization: OrganizationId,
    pub id: TicketId,
    /// Within the organization, from 1 on.
    pub number: u32,
    pub subject: String,
    pub severity: Severity,
    pub state: State,
    pub state_at: Timestamp,
    turn: u32,
    /// A row of the matrix or a page of the organization; may be empty.
    pub about: String,
    pub opened_by: Option<AccountId>,
    pub opened_name: String,
    pub opened_at: Timestamp,
    pub assigned_to: Option<AccountId>,
    pub assignee: String,
    pub answered_at: Option<Timestamp>,
    pub clock_at: Option<Timestamp>,
    near_at: Option<Timestamp>,
    /// By when the provider owes an answer; `None`: it owes none.
    pub due_at: Option<Timestamp>,
    past_at: Option<Timestamp>,
    missed: u32,
}

fn read_ticket(row: &Row) -> Result<Ticket, DbError> {
    Ok(Ticket {
        organization: row.get(0)?,
        id: row.get(1)?,
        number: row.get(2)?,
        subject: row.get(3)?,
        severity: row.parse(4, Severity::parse)?,
        state: row.parse(5, State::parse)?,
        state_at: row.get(6)?,
        turn: row.get(7)?,
        about: row.get(8)?,
        opened_by: row.get(9)?,
        opened_name: row.get(10)?,
        opened_at: row.get(11)?,
        assigned_to: row.get(12)?,
        assignee: row.get(13)?,
        answered_at: row.get(14)?,
        clock_at: row.get(15)?,
        near_at: row.get(16)?,
        due_at: row.get(17)?,
        past_at: row.get(18)?,
        missed: row.get(19)?,
    })
}

impl Ticket {
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.due_at.is_some_and(|due| due <= now)
    }

    pub fn is_near(&self, now: Timestamp) -> bool {
        self.near_at.is_some_and(|near| near <= now)
    }

    /// Targets that passed, the running one included.
    pub fn missed(&self, now: Timestamp) -> u32 {
        self.missed + u32::from(self.past_at.is_none() && self.is_past(now))
    }

    /// What is left of the time for an answer, in percent.
    pub fn left_percent(&self, now: Timestamp) -> u64 {
        let (Some(from), Some(due)) = (self.clock_at, self.due_at) else { return 0 };
        let whole = due.since(from).as_secs().max(1);
        (due.since(now).as_secs() * 100 / whole).min(100)
    }

    /// `#12`: what people call it.
    pub fn name(&self) -> String {
        format!("#{}", self.number)
    }

    fn set_clock(&mut self, clock: Option<desk::Clock>) {
        self.clock_at = clock.map(|clock| clock.at);
        self.near_at = clock.map(|clock| clock.near);
        self.due_at = clock.map(|clock| clock.due);
        self.past_at = None;
    }

    fn event(&self, action: &'static str) -> Event {
        Event::new(self.organization, action)
            .target("ticket", self.id)
            .with("number", self.number)
            .with("severity", self.severity.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Customer,
    Provider,
}

impl Side {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Provider => "provider",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Customer, Self::Provider].into_iter().find(|one| one.as_str() == text)
    }
}

/// What was written to the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub number: u32,
    pub side: Side,
    pub author: String,
    /// What became of the ticket by it: `opened`, `replied`, `answered`, `waiting`, `resolved`, `closed`, `reopened`,
    /// or the severity that it was given.
    pub did: String,
    pub body: String,
    pub at: Timestamp,
}

pub fn find(tx: &mut ReadTx, organization: OrganizationId, id: TicketId) -> Result<Option<Ticket>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_ticket).transpose()
}

/// A ticket as somebody of its organization sees it: their own, or any if they read all.
pub fn seen_by(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: TicketId,
    account: Option<AccountId>,
    reads_all: bool,
) -> Result<Option<Ticket>, DbError> {
    let found = find(tx, organization, id)?;
    Ok(found.filter(|ticket| reads_all || (account.is_some() && ticket.opened_by == account)))
}

/// What a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only those that this person opened.
    pub opened_by: Option<AccountId>,
    /// A state, `live` for all but closed ones, or empty for all.
    pub state: String,
    pub search: String,
}

/// An organization's tickets before `before`, the newest first.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    filter: &Filter,
    before: u32,
    limit: u32,
) -> Result<Vec<Ticket>, DbError> {
    let row = params![
        organization,
        before,
        filter.opened_by,
        filter.state.as_str(),
        pattern(&filter.search),
        limit
    ];
    tx.list(&sql::LIST, row, read_ticket)
}

/// Everything that holds `text`, whatever is in it.
fn pattern(text: &str) -> String {
    let mut out = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('%');
    out
}

/// What both sides wrote, the oldest first.
pub fn messages(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: TicketId,
) -> Result<Vec<Message>, DbError> {
    tx.list(&sql::MESSAGES, params![organization, id, MESSAGES_MAX], |row| {
        Ok(Message {
            number: row.get(0)?,
            side: row.parse(1, Side::parse)?,
            author: row.get(2)?,
            did: row.get(3)?,
            body: row.get(4)?,
            at: row.get(5)?,
        })
    })
}

/// How many messages may stand before one that does this: whatever one side writes, the other can answer and settle.
fn room(side: Side, did: &str) -> u32 {
    match (side, did) {
        (_, "resolved" | "closed") => MESSAGES_MAX,
        (Side::Provider, _) => MESSAGES_MAX - 1,
        (Side::Customer, _) => MESSAGES_MAX - ROOM,
    }
}

/// One more message; `None` when there are too many.
fn write(
    tx: &mut Tx,
    ticket: &Ticket,
    side: Side,
    (author, name): (Option<AccountId>, &str),
    (did, body): (&str, &str),
    at: Timestamp,
) -> Result<Option<u32>, DbError> {
    let count: u32 = tx.scalar(&sql::COUNT_MESSAGES, params![ticket.organization, ticket.id])?.unwrap_or(0);
    if count >= room(side, did) {
        return Ok(None);
    }
    let number = count + 1;
    let row = params![ticket.organization, ticket.id, number, side.as_str(), author, name, did, body, at];
    tx.execute(&sql::INSERT_MESSAGE, row)?;
    Ok(Some(number))
}

/// Gives the ticket a state, and its clock what belongs to that; jobs see to the end of both. What its people write
/// while the desk owes something moves nothing: neither do they wait longer for it, nor is it owed earlier.
fn enter(ctx: &Ctx, tx: &mut Tx, ticket: &mut Ticket, state: State) -> Result<(), DbError> {
    let goes_on = ticket.state == State::Answered && state == State::Open;
    ticket.state = state;
    ticket.state_at = ctx.now;
    if !goes_on {
        ticket.missed = ticket.missed(ctx.now);
        ticket.turn += 1;
        let settings = desk::desk(tx)?.settings;
        let next = settings.target(ticket.severity).next_minutes;
        ticket.set_clock(state.owes().then(|| settings.clock(ctx.now, next)));
    }
    tx.execute(
        &sql::SET_STATE,
        params![
            ticket.organization,
            ticket.id,
            state.as_str(),
            ctx.now,
            ticket.turn,
            ticket.answered_at,
            ticket.clock_at,
            ticket.near_at,
            ticket.due_at,
            ticket.past_at,
            ticket.missed
        ],
    )?;
    if goes_on { Ok(()) } else { jobs::schedule(ctx, tx, ticket) }
}
