//! The desk's view over all organizations: what is owed, the least time left first.

use platform::db::{DbError, ReadTx, Row};
use platform::ids::{AccountId, Id};
use platform::params;
use platform::time::Timestamp;

use super::answering::organization_of;
use super::{Message, NOTES_MAX, State, Ticket, TicketId, find, messages, pattern, read_ticket, sql};

/// A ticket with whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub ticket: Ticket,
    pub slug: String,
    pub organization: String,
}

/// Which tickets the desk looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The provider owes an answer: by the time that is left.
    Owed,
    /// In one state: what changed last first.
    In(State),
}

impl View {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::In(state) => state.as_str(),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "owed" => Some(Self::Owed),
            other => State::parse(other).map(Self::In),
        }
    }
}

/// Whose work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Assigned {
    #[default]
    Anybody,
    Nobody,
    One(AccountId),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// A severity, or empty.
    pub severity: String,
    pub assigned: Assigned,
    pub search: String,
}

fn read_asked(row: &Row) -> Result<Asked, DbError> {
    Ok(Asked { ticket: read_ticket(row)?, slug: row.get(20)?, organization: row.get(21)? })
}

/// What a page goes on behind: the view's time and the id.
pub type Place = (Timestamp, TicketId);

pub fn place_of(view: View, ticket: &Ticket) -> Place {
    let at = match view {
        View::Owed => ticket.due_at.unwrap_or_default(),
        View::In(_) => ticket.state_at,
    };
    (at, ticket.id)
}

pub fn queue(
    tx: &mut ReadTx,
    view: View,
    wanted: &Wanted,
    after: Option<Place>,
    limit: u32,
) -> Result<Vec<Asked>, DbError> {
    let (words, account) = match wanted.assigned {
        Assigned::Anybody => ("", None),
        Assigned::Nobody => ("nobody", None),
        Assigned::One(account) => ("one", Some(account)),
    };
    let pattern = pattern(&wanted.search);
    let severity = wanted.severity.as_str();
    match view {
        View::Owed => {
            let (at, id) = after.map_or((0, vec![0; 16]), |(at, id)| (at.micros(), id.bytes().to_vec()));
            let row = params![at, id, severity, words, account, pattern, limit];
            tx.list(&sql::OWED, row, read_asked)
        }
        View::In(state) => {
            let end = (i64::MAX, vec![0xff; 16]);
            let (at, id) = after.map_or(end, |(at, id)| (at.micros(), id.bytes().to_vec()));
            let row = params![at, id, severity, words, account, pattern, limit, state.as_str()];
            tx.list(&sql::IN_STATE, row, read_asked)
        }
    }
}

/// How the desk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Tickets on which the provider owes an answer.
    pub owed: u64,
    /// Of those, past their target.
    pub past: u64,
    /// The first of all targets, past ones included.
    pub first_due: Option<Timestamp>,
    /// The first that is not past yet.
    pub next_due: Option<Timestamp>,
    /// Tickets that wait for the organization.
    pub waiting: u64,
}

pub fn standing(tx: &mut ReadTx, now: Timestamp) -> Result<Standing, DbError> {
    let waiting = tx.scalar(&sql::COUNT_WAITING, &[])?.unwrap_or(0);
    let Some(row) = tx.first(&sql::STANDING, params![now])? else { return Ok(Standing::default()) };
    Ok(Standing {
        owed: row.get(0)?,
        past: row.get(1)?,
        first_due: row.get(2)?,
        next_due: row.get(3)?,
        waiting,
    })
}

/// What only the provider's people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub number: u32,
    pub author: String,
    pub body: String,
    pub at: Timestamp,
}

/// A ticket as the desk sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub asked: Asked,
    pub messages: Vec<Message>,
    pub notes: Vec<Note>,
}

pub fn case(tx: &mut ReadTx, id: TicketId) -> Result<Option<Case>, DbError> {
    let Some(organization) = organization_of(tx, id)? else { return Ok(None) };
    let Some(ticket) = find(tx, organization, id)? else { return Ok(None) };
    let Some(whose) = platform::principals::organization(tx, organization)? else { return Ok(None) };
    let notes = tx.list(&sql::NOTES, params![organization, id, NOTES_MAX], |row| {
        Ok(Note { number: row.get(0)?, author: row.get(1)?, body: row.get(2)?, at: row.get(3)? })
    })?;
    let messages = messages(tx, organization, id)?;
    Ok(Some(Case { asked: Asked { ticket, slug: whose.slug, organization: whose.name }, messages, notes }))
}
