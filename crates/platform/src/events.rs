//! Events: what happened, by whom, to what. Each organization's events form an RFC 6962 Merkle log, its *ledger*.
//!
//! A rule records events with [`Tx::record`](crate::db::Tx::record); when its transaction commits they get their place
//! in the ledger in the same transaction. Everything that reacts to changes (matrix, detectors, webhooks) reads them
//! through the change feed ([`crate::feed`]).
//!
//! **Personal data** (addresses, names, IP) goes into personal fields: the leaf commits to a salted hash of each, so
//! that [`redact`] can erase the value and every proof stays valid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ctx::Ctx;
use crate::db::{DbError, EngineKind, EventRef, ReadTx, Recorded, Row, Tx, Value};
use crate::ids::{Id, OrganizationId};
use crate::params;
use crate::time::Timestamp;

pub mod anchor;
pub mod proofs;
pub mod retention;
pub mod search;
pub mod signing;
pub(crate) mod sql;

/// Something that happened to one organization. Built by the rule that did it.
#[derive(Debug, Clone)]
pub struct Event {
    organization: OrganizationId,
    action: &'static str,
    target: (&'static str, String),
    public: BTreeMap<&'static str, String>,
    personal: BTreeMap<&'static str, String>,
}

impl Event {
    /// `action` is `area_thing.verb_past`, e.g. `domain.verified`; evidence subscribes to prefixes of it.
    pub fn new(organization: OrganizationId, action: &'static str) -> Self {
        Self {
            organization,
            action,
            target: ("organization", organization.to_string()),
            public: BTreeMap::new(),
            personal: BTreeMap::new(),
        }
    }

    /// What it happened to; the organization itself when not said.
    #[must_use]
    pub fn target(mut self, kind: &'static str, id: impl ToString) -> Self {
        self.target = (kind, id.to_string());
        self
    }

    /// A detail that is nobody's personal data.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.public.insert(name, value.to_string());
        self
    }

    /// A detail that can be redacted later.
    #[must_use]
    pub fn personal(mut self, name: &'static str, value: impl ToString) -> Self {
        self.personal.insert(name, value.to_string());
        self
    }

    pub fn organization(&self) -> OrganizationId {
        self.organization
    }

    pub fn action(&self) -> &'static str {
        self.action
    }

    pub fn target_id(&self) -> &str {
        &self.target.1
    }

    /// A detail of either kind.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.public.get(name).or_else(|| self.personal.get(name)).map(String::as_str)
    }
}

/// A personal field as stored: clear with its salt, or only the hash once redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Personal {
    Clear { salt: String, value: String },
    Redacted { hash: String },
}

/// An event read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredEvent {
    #[serde(skip)]
    pub cursor: crate::feed::Cursor,
    pub organization: OrganizationId,
    pub sequence: u64,
    pub at: Timestamp,
    pub action: String,
    pub actor_kind: String,
    pub actor_id: String,
    pub target_kind: String,
    pub target_id: String,
    pub public: BTreeMap<String, String>,
    /// `None` where the value was redacted.
    pub personal: BTreeMap<String, Option<String>>,
    #[serde(skip)]
    stored_personal: BTreeMap<String, Personal>,
    #[serde(skip)]
    leaf: [u8; 32],
}

/// The columns of every statement that gives whole events, in order.
pub(crate) fn read_event(row: &Row) -> Result<StoredEvent, DbError> {
    let json = |column: usize| row.get::<String>(column);
    let bad = |what: &str| DbError::Ledger(format!("an event's {what} is not readable"));
    let public = serde_json::from_str(&json(9)?).map_err(|_| bad("public fields"))?;
    let stored: BTreeMap<String, Personal> =
        serde_json::from_str(&json(10)?).map_err(|_| bad("personal fields"))?;
    let personal = stored
        .iter()
        .map(|(name, field)| {
            let value = match field {
                Personal::Clear { value, .. } => Some(value.clone()),
                Personal::Redacted { .. } => None,
            };
            (name.clone(), value)
        })
        .collect();
    Ok(StoredEvent {
        cursor: crate::feed::Cursor { transaction: row.get(0)?, revision: row.get(1)? },
        organization: row.get(2)?,
        sequence: row.get(3)?,
        at: row.get(4)?,
        action: row.get(5)?,
        actor_kind: row.get(6)?,
        actor_id: row.get(7)?,
        target_kind: row.get(8)?,
        public,
        personal,
        stored_personal: stored,
        target_id: row.get(11)?,
        leaf: row.get(12)?,
    })
}

impl StoredEvent {
    /// The ledger's form of this event: what its leaf hash commits to.
    pub fn entry(&self) -> Result<ledger::Entry, DbError> {
        let mut personal = Vec::with_capacity(self.stored_personal.len());
        for (name, field) in &self.stored_personal {
            let bad = || DbError::Ledger(format!("personal field `{name}` is damaged"));
            let content = match field {
                Personal::Clear { salt, value } => ledger::FieldContent::Clear {
                    salt: from_hex(salt).ok_or_else(bad)?,
                    value: value.clone(),
                },
                Personal::Redacted { hash } => {
                    ledger::FieldContent::Redacted { hash: from_hex(hash).ok_or_else(bad)? }
                }
            };
            personal.push(ledger::PersonalField { name: name.clone(), content });
        }
        Ok(ledger::Entry {
            organization: self.organization.bytes(),
            sequence: self.sequence,
            at_us: self.at.micros(),
            action: self.action.clone(),
            actor_kind: self.actor_kind.clone(),
            actor_id: self.actor_id.clone(),
            target_kind: self.target_kind.clone(),
            target_id: self.target_id.clone(),
            public: self.public.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            personal,
        })
    }

    pub fn leaf(&self) -> ledger::Hash {
        self.leaf
    }

    /// A detail of either kind; `None` where it was redacted.
    pub fn field(&self, name: &str) -> Option<&str> {
        let personal = || self.personal.get(name).and_then(Option::as_deref);
        self.public.get(name).map(String::as_str).or_else(personal)
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text).ok()?.try_into().ok()
}

/// Appends the events of one transaction to their organizations' ledgers. Heads are locked in the order of their ids,
/// so that two transactions over the same organizations never wait for each other in a circle.
pub(crate) fn append(tx: &mut Tx, ctx: &Ctx, events: Vec<Event>) -> Result<Vec<EventRef>, DbError> {
    let mut order: Vec<(usize, Event)> = events.into_iter().enumerate().collect();
    order.sort_by_key(|(index, event)| (event.organization, *index));
    let mut places: Vec<(usize, EventRef)> = Vec::with_capacity(order.len());
    let mut rest = order.into_iter().peekable();
    while let Some((_, first)) = rest.peek() {
        let organization = first.organization;
        let mut mine = Vec::new();
        while let Some(next) = rest.next_if(|(_, event)| event.organization == organization) {
            mine.push(next);
        }
        append_to(tx, ctx, organization, mine, &mut places)?;
    }
    if tx.kind() == EngineKind::Postgres {
        tx.query(&sql::NOTIFY, &[])?;
    }
    places.sort_by_key(|(index, _)| *index);
    Ok(places.into_iter().map(|(_, place)| place).collect())
}

fn append_to(
    tx: &mut Tx,
    ctx: &Ctx,
    organization: OrganizationId,
    events: Vec<(usize, Event)>,
    places: &mut Vec<(usize, EventRef)>,
) -> Result<(), DbError> {
    let mut frontier = match lock_head(tx, organization)? {
        Some(frontier) => frontier,
        None => {
            let empty = ledger::Frontier::new();
            tx.execute(&sql::INSERT_HEAD, params![organization, 0_i64, empty.to_bytes()])?;
            // Another transaction may have been first: lock and read whatever stands now.
            lock_head(tx, organization)?.unwrap_or(empty)
        }
    };
    let mut rows = Vec::with_capacity(events.len());
    let mut nodes: Vec<Vec<Value>> = Vec::new();
    for (index, event) in events {
        let sequence = frontier.size();
        let (row, leaf) = stored_row(ctx, event, sequence)?;
        frontier.append_with(leaf, &mut |level, position, hash| {
            if level.is_multiple_of(8) && level > 0 {
                nodes.push(params![organization, u32::from(level), position, hash].to_vec());
            }
        });
        rows.push(row);
        places.push((index, EventRef { organization, sequence }));
    }
    tx.execute_many(&sql::INSERT_EVENT, rows)?;
    if !nodes.is_empty() {
        tx.execute_many(&sql::INSERT_NODE, nodes)?;
    }
    tx.execute(&sql::UPDATE_HEAD, params![organization, frontier.size(), frontier.to_bytes()])?;
    Ok(())
}

fn lock_head(tx: &mut Tx, organization: OrganizationId) -> Result<Option<ledger::Frontier>, DbError> {
    let Some(row) = tx.first(&sql::LOCK_HEAD, params![organization])? else {
        return Ok(None);
    };
    read_frontier(&row).map(Some)
}

fn read_frontier(row: &Row) -> Result<ledger::Frontier, DbError> {
    let size: u64 = row.get(0)?;
    let bytes: Vec<u8> = row.get(1)?;
    let frontier =
        ledger::Frontier::from_bytes(&bytes).map_err(|error| DbError::Ledger(error.to_string()))?;
    if frontier.size() == size {
        Ok(frontier)
    } else {
        Err(DbError::Ledger("its head is damaged".to_owned()))
    }
}

fn stored_row(ctx: &Ctx, event: Event, sequence: u64) -> Result<(Vec<Value>, ledger::Hash), DbError> {
    let mut stored = BTreeMap::new();
    let mut personal = Vec::with_capacity(event.personal.len());
    for (name, value) in event.personal {
        let salt: [u8; 16] = ctx.random_bytes();
        stored.insert(name, Personal::Clear { salt: hex::encode(salt), value: value.clone() });
        personal.push(ledger::PersonalField {
            name: name.to_owned(),
            content: ledger::FieldContent::Clear { salt, value },
        });
    }
    let json = |error: serde_json::Error| DbError::Ledger(error.to_string());
    let public_json = serde_json::to_string(&event.public).map_err(json)?;
    let personal_json = serde_json::to_string(&stored).map_err(json)?;
    let entry = ledger::Entry {
        organization: event.organization.bytes(),
        sequence,
        at_us: ctx.now.micros(),
        action: event.action.to_owned(),
        actor_kind: ctx.actor.kind().to_owned(),
        actor_id: ctx.actor.id(),
        target_kind: event.target.0.to_owned(),
        target_id: event.target.1,
        public: event.public.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        personal,
    };
    let leaf = entry.leaf_hash();
    // Not `params!`: a row of many is owned, and copying every text again is what an append would spend most on.
    let row = vec![
        event.organization.into(),
        sequence.into(),
        ctx.now.into(),
        event.action.into(),
        entry.actor_kind.into(),
        entry.actor_id.into(),
        entry.target_kind.into(),
        entry.target_id.into(),
        public_json.into(),
        personal_json.into(),
        leaf.into(),
    ];
    Ok((row, leaf))
}

/// A page of an organization's events, newest first; `before` is the sequence to continue below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredEvent>, DbError> {
    let before = before.unwrap_or(u64::MAX >> 1);
    tx.list(&sql::LIST, params![organization, before, limit], read_event)
}

/// Events about one target, newest first: the history shown on its page.
pub fn about(
    tx: &mut ReadTx,
    organization: OrganizationId,
    target_kind: &str,
    target_id: &str,
    limit: u32,
) -> Result<Vec<StoredEvent>, DbError> {
    tx.list(&sql::ABOUT, params![organization, target_kind, target_id, limit], read_event)
}

/// Events in ledger order from `from`, for exports and proofs.
pub fn range(
    tx: &mut ReadTx,
    organization: OrganizationId,
    from: u64,
    limit: u32,
) -> Result<Vec<StoredEvent>, DbError> {
    tx.list(&sql::RANGE, params![organization, from, limit], read_event)
}

/// Erases one personal field of one event; its leaf hash, and so every proof, stays as it was. Gives `None` when the
/// event has no such field or it is gone already.
pub fn redact(
    tx: &mut Tx,
    organization: OrganizationId,
    sequence: u64,
    field: &str,
) -> Result<Option<Recorded>, DbError> {
    let Some(row) = tx.first(&sql::ONE_FOR_REDACTION, params![organization, sequence])? else {
        return Ok(None);
    };
    let event = read_event(&row)?;
    let Some(json) = retention::without(&event, |name| name == field)? else {
        return Ok(None);
    };
    tx.execute(&sql::SET_PERSONAL, params![organization, sequence, json])?;
    let redacted = Event::new(organization, "event.redacted").target("event", sequence).with("field", field);
    Ok(Some(tx.record(redacted)))
}
