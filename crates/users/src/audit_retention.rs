//! For how long the audit log says whom an event was about.
//!
//! An organization may decide that personal fields (addresses, names, networks) of its events are erased after so many
//! days. The events, their place and every proof stay; ids in them stand for nobody once an account is erased. What left
//! the platform before (exports, streams) is not reached. Not decided: for good.

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::events::retention::{self, Swept};
use platform::ids::OrganizationId;
use platform::params;
use platform::time::{DAY, Timestamp};

use crate::organizations;

pub(crate) mod api;
pub(crate) mod jobs;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// Fewer days would leave an incident without names before anybody looks for it.
pub const DAYS_MIN: u32 = 30;
pub const DAYS_MAX: u32 = 3650;
/// Events that one transaction looks at.
const BATCH: u32 = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    pub days: u32,
    pub decided_by: String,
    pub decided_at: Timestamp,
    /// Every event before this sequence has been looked at.
    pub next_sequence: u64,
}

/// `None`: for good.
pub fn get(tx: &mut ReadTx, organization: OrganizationId) -> Result<Option<Retention>, DbError> {
    let row = tx.first(&sql::GET, params![organization])?;
    row.map(|row| {
        Ok(Retention {
            days: row.get(0)?,
            decided_by: row.get(1)?,
            decided_at: row.get(2)?,
            next_sequence: row.get(3)?,
        })
    })
    .transpose()
}

/// The moment before which personal fields go.
fn cut(now: Timestamp, days: u32) -> Timestamp {
    now.minus(Duration::from_secs(DAY.as_secs() * u64::from(days)))
}

/// What keeping for `days` would erase at once: from before when, and in how many events at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    pub before: Timestamp,
    pub events: u64,
}

pub fn outlook(
    tx: &mut ReadTx,
    organization: OrganizationId,
    days: u32,
    now: Timestamp,
) -> Result<Outlook, DbError> {
    let from = get(tx, organization)?.map_or(0, |retention| retention.next_sequence);
    let before = cut(now, days);
    Ok(Outlook { before, events: retention::count_before(tx, organization, from, before)? })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    Done,
    /// It stands so already.
    Same,
    /// Not between [`DAYS_MIN`] and [`DAYS_MAX`].
    Days,
}

/// `days` `None`: for good from now on; what is erased stays erased.
pub fn decide(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    days: Option<u32>,
) -> Result<Commit<Decided>, DbError> {
    organizations::lock(tx, organization)?;
    if days.is_some_and(|days| !(DAYS_MIN..=DAYS_MAX).contains(&days)) {
        return Ok(Commit::unchanged(Decided::Days));
    }
    if get(tx, organization)?.map(|before| before.days) == days {
        return Ok(Commit::unchanged(Decided::Same));
    }
    let event = match days {
        Some(days) => {
            tx.execute(&sql::PUT, params![organization, days, by, ctx.now])?;
            Event::new(organization, "audit_retention.decided").with("days", days)
        }
        None => {
            tx.execute(&sql::DELETE, params![organization])?;
            Event::new(organization, "audit_retention.ended")
        }
    };
    let recorded = tx.record(event);
    Ok(Commit::changed(Decided::Done, recorded))
}

/// Erases what a batch of old events says about persons; `None` where nothing is to be erased any more. Where the batch
/// held nothing to erase, how far it came is for [`keep_progress`].
fn sweep(ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<Commit<Option<Swept>>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(found) = get(tx, organization)? else { return Ok(Commit::unchanged(None)) };
    let (from, before) = (found.next_sequence, cut(ctx.now, found.days));
    let swept = retention::redact_before(tx, organization, from, before, BATCH)?;
    if swept.redacted == 0 {
        return Ok(Commit::unchanged(Some(swept)));
    }
    keep_progress(tx, organization, swept, ctx.now)?;
    let event = Event::new(organization, "audit_retention.applied")
        .with("first", from)
        .with("last", swept.next - 1)
        .with("events", swept.redacted)
        .with("days", found.days);
    let recorded = tx.record(event);
    Ok(Commit::changed(Some(swept), recorded))
}

/// While more is left it stays due, so that another run goes on where this one was ended.
fn keep_progress(
    tx: &mut Tx,
    organization: OrganizationId,
    swept: Swept,
    now: Timestamp,
) -> Result<(), DbError> {
    let due = if swept.done { now.plus(DAY) } else { now };
    tx.execute(&sql::SET_PROGRESS, params![organization, swept.next, due]).map(drop)
}
