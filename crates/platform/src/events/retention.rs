//! Erasing what old events say about persons, in the order of the ledger.

use super::search::first_after;
use super::{Personal, StoredEvent, range, sql};
use crate::db::{DbError, ReadTx, Tx, Value};
use crate::ids::OrganizationId;
use crate::params;
use crate::time::Timestamp;

/// How far a sweep came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// The first sequence that was not looked at, or is not old enough yet.
    pub next: u64,
    /// Events that said something until now.
    pub redacted: u64,
    /// Nothing older is left.
    pub done: bool,
}

/// Redacts every personal field of up to `limit` events from `from` on that happened before `before`. Leaf hashes, and
/// so all proofs, stay. What was done is the caller's to record.
pub fn redact_before(
    tx: &mut Tx,
    organization: OrganizationId,
    from: u64,
    before: Timestamp,
    limit: u32,
) -> Result<Swept, DbError> {
    let found = range(tx, organization, from, limit)?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let mut swept = Swept { next: from, redacted: 0, done: !full };
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for event in found {
        if event.at >= before {
            swept.done = true;
            break;
        }
        swept.next = event.sequence + 1;
        if let Some(stored) = without(&event, |_| true)? {
            rows.push(params![organization, event.sequence, stored].to_vec());
            swept.redacted += 1;
        }
    }
    if !rows.is_empty() {
        tx.execute_many(&sql::SET_PERSONAL, rows)?;
    }
    Ok(swept)
}

/// How many events from `from` on happened before `before`, give or take what overlapping requests disordered.
pub fn count_before(
    tx: &mut ReadTx,
    organization: OrganizationId,
    from: u64,
    before: Timestamp,
) -> Result<u64, DbError> {
    Ok(first_after(tx, organization, before)?.saturating_sub(from))
}

/// An event's personal fields as stored, the named ones erased; `None` when none of those still has its value.
pub(super) fn without(event: &StoredEvent, named: impl Fn(&str) -> bool) -> Result<Option<String>, DbError> {
    let mut entry = event.entry()?;
    let names: Vec<String> =
        entry.personal.iter().map(|field| field.name.clone()).filter(|name| named(name)).collect();
    let erased = names.iter().filter(|name| entry.redact(name)).count();
    if erased == 0 {
        return Ok(None);
    }
    let mut stored = event.stored_personal.clone();
    for kept in &entry.personal {
        if let ledger::FieldContent::Redacted { hash } = &kept.content {
            stored.insert(kept.name.clone(), Personal::Redacted { hash: hex::encode(hash) });
        }
    }
    serde_json::to_string(&stored).map(Some).map_err(|error| DbError::Ledger(error.to_string()))
}
