//! What was so, and what was known of it: the history of cells as people and programs read it.
//!
//! Two times stand beside each other (`states::history` has the model): *valid*, when it was so, and *known*, when we
//! believed it. A cell that is the same for everybody has its history under the provider and is shown to all.

use platform::db::{DbError, ReadTx, Row as DbRow};
use platform::evidence::Side;
use platform::ids::OrganizationId;
use platform::params;
use platform::principals::{self, Organization};
use platform::time::Timestamp;

use crate::cells::{self, Cause, Placed};
use crate::rows::Row;
use crate::states::summary::{Moved, moved};
use crate::states::{Cell, CellState};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;

#[cfg(test)]
mod tests;

/// One stretch of a cell's history.
#[derive(Clone, Debug)]
pub struct Entry {
    pub row: &'static Row,
    pub side: Side,
    pub cell: Cell,
    pub from: Timestamp,
    pub to: Option<Timestamp>,
    /// The event that led here; `None`: time did, or it was the first look.
    pub cause: Option<Cause>,
    pub known_from: Timestamp,
    /// What stood before; only in [`recent`]. `None` there: the first look.
    pub before: Option<CellState>,
}

fn read_entry(row: &DbRow) -> Result<Option<Entry>, DbError> {
    let Some(Placed { row: duty, side, cell }) = cells::read_placed(row)? else { return Ok(None) };
    let cause = row.get::<Option<String>>(5)?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Some(Entry {
        row: duty,
        side,
        cell,
        from: row.get(3)?,
        to: row.get(4)?,
        cause,
        known_from: row.get(6)?,
        before: None,
    }))
}

/// Under which organization a cell of `organization` is stored; `None` before there is a provider.
pub fn home_of(
    tx: &mut ReadTx,
    organization: &Organization,
    row: &Row,
    side: Side,
) -> Result<Option<OrganizationId>, DbError> {
    match row.half(side) {
        Some(half) if half.is_shared(side) => Ok(principals::provider(tx)?.map(|found| found.id)),
        _ => Ok(Some(organization.id)),
    }
}

/// The cells of one organization's own rows as they stood at `at`, by what was known at `known`.
pub fn as_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    at: Timestamp,
    known: Timestamp,
) -> Result<Vec<Placed>, DbError> {
    let found = tx.list(&sql::AS_OF, params![organization, at, known], cells::read_placed)?;
    Ok(found.into_iter().flatten().collect())
}

/// The course of one cell as known at `known`, newest first.
pub fn timeline(
    tx: &mut ReadTx,
    organization: &Organization,
    row: &Row,
    side: Side,
    known: Timestamp,
    limit: u32,
) -> Result<Vec<Entry>, DbError> {
    let Some(home) = home_of(tx, organization, row, side)? else { return Ok(Vec::new()) };
    let found = tx.list(&sql::TIMELINE, params![home, row.id, side.as_str(), known, limit], read_entry)?;
    Ok(found.into_iter().flatten().collect())
}

/// Changes of state in `[from, before)` that concern an organization, newest first: its own and the shared ones.
pub fn recent(
    tx: &mut ReadTx,
    organization: &Organization,
    from: Timestamp,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Entry>, DbError> {
    let mut entries = changes_of(tx, organization.id, from, before, limit)?;
    let provider = principals::provider(tx)?.map(|found| found.id).filter(|id| *id != organization.id);
    if let Some(provider) = provider {
        let theirs = changes_of(tx, provider, from, before, limit)?;
        entries.extend(
            theirs
                .into_iter()
                .filter(|one| one.row.half(one.side).is_some_and(|half| half.is_shared(one.side))),
        );
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.from));
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(entries)
}

fn changes_of(
    tx: &mut ReadTx,
    home: OrganizationId,
    from: Timestamp,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Entry>, DbError> {
    let found = tx.list(&sql::RECENT, params![home, from, before, limit], |row| {
        let state: Option<String> = row.get(7)?;
        Ok(read_entry(row)?
            .map(|entry| Entry { before: state.as_deref().and_then(CellState::parse), ..entry }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// What moved in an organization's matrix since `then`; `now` are its cells.
pub fn moved_since(
    tx: &mut ReadTx,
    organization: &Organization,
    then: Timestamp,
    known: Timestamp,
    now: &[(&'static Row, Side, CellState)],
) -> Result<Moved, DbError> {
    let before = both(tx, organization, then, known)?;
    let state_then = |row: &Row, side: Side| {
        before.iter().find(|one| one.row.id == row.id && one.side == side).map(|one| one.cell.state())
    };
    // A cell that was never looked at before this week did not move in it.
    let pairs = now.iter().filter_map(|(row, side, state)| Some((Some(state_then(row, *side)?), *state)));
    Ok(moved(pairs))
}

/// As [`as_of`], with the shared cells.
pub fn both(
    tx: &mut ReadTx,
    organization: &Organization,
    at: Timestamp,
    known: Timestamp,
) -> Result<Vec<Placed>, DbError> {
    let mut own = as_of(tx, organization.id, at, known)?;
    let shared =
        |placed: &Placed| placed.row.half(placed.side).is_some_and(|half| half.is_shared(placed.side));
    let provider = principals::provider(tx)?.map(|found| found.id).filter(|id| *id != organization.id);
    if let Some(provider) = provider {
        own.retain(|placed| !shared(placed));
        own.extend(as_of(tx, provider, at, known)?.into_iter().filter(|placed| shared(placed)));
    }
    Ok(own)
}
