//! Where cells are kept: the current one of each side, row and organization, and its bitemporal history.
//!
//! Promises: a change of state and its place in the history are written together; nothing in the history is changed
//! but the open end of what was known; a cell that was not looked at in time is never read as held, even while the
//! engine stands still ([`lapsed`]).

use std::time::Duration;

use platform::db::{DbError, ReadTx, Row as DbRow, Tx, Value};
use platform::evidence::Side;
use platform::ids::OrganizationId;
use platform::params;
use platform::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rows::{self, Row};
use crate::states::history::{self, Period, Version};
use crate::states::{Basis, Cell, CellState, Change};

mod sql;

/// How long the engine may be late before a cell past its time is shown as stale.
pub const GRACE: Duration = MINUTE;
/// A check that failed is tried again after this.
const RETRY: Duration = Duration::from_secs(300);

/// Which cell: one side of one row for one organization.
#[derive(Clone, Copy, Debug)]
pub struct CellKey {
    pub organization: OrganizationId,
    pub row: &'static Row,
    pub side: Side,
}

/// The event that made a cell change its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub action: String,
    /// In whose ledger it stands.
    pub organization: OrganizationId,
    /// Its place there, once it has one.
    pub sequence: Option<u64>,
    pub at: Timestamp,
}

/// A cell that was read, with where it belongs.
#[derive(Clone, Debug)]
pub struct Placed {
    pub row: &'static Row,
    pub side: Side,
    pub cell: Cell,
}

fn unreadable(what: &str) -> DbError {
    DbError::Other { statement: "responsibility::cells", message: format!("{what} is not readable") }
}

fn read_cell(row: &DbRow, column: usize) -> Result<Cell, DbError> {
    serde_json::from_str(&row.get::<String>(column)?).map_err(|_| unreadable("a cell"))
}

/// `None` for a row that this version of the table does not have.
pub(crate) fn read_placed(row: &DbRow) -> Result<Option<Placed>, DbError> {
    let duty: String = row.get(0)?;
    let side = row.parse(1, Side::parse)?;
    let Some(found) = rows::find(&duty).filter(|found| found.half(side).is_some()) else { return Ok(None) };
    Ok(Some(Placed { row: found, side, cell: read_cell(row, 2)? }))
}

/// Every stored cell of one organization, as evaluated.
pub fn of_organization(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Placed>, DbError> {
    let found = tx.list(&sql::OF_ORGANIZATION, params![organization], read_placed)?;
    Ok(found.into_iter().flatten().collect())
}

pub fn one(tx: &mut ReadTx, key: &CellKey) -> Result<Option<Cell>, DbError> {
    let found = tx.first(&sql::ONE, params![key.organization, key.row.id, key.side.as_str()])?;
    found.map(|row| read_cell(&row, 0)).transpose()
}

/// What a cell says now if nobody has looked again although its time is over; `None` while it is good.
pub fn lapsed(cell: &Cell, now: Timestamp) -> Option<Cell> {
    let rests_on_time = matches!(
        cell.state(),
        CellState::Held | CellState::NotApplicable | CellState::Attested | CellState::Accepted
    );
    let ended = cell.stale_at.filter(|end| rests_on_time && end.plus(GRACE) <= now)?;
    Some(Cell {
        basis: Basis::EvidenceOld,
        since: ended,
        reason: format!("last checked {}, too long ago to count", cell.evaluated_at.minute_words()),
        action: None,
        stale_at: None,
        beneath: None,
        changed_by: None,
        ..cell.clone()
    })
}

/// Stores a cell as evaluated, with its history if its state changed. `previous` is what [`one`] gave.
pub(crate) fn save(
    tx: &mut Tx,
    key: &CellKey,
    previous: Option<&Cell>,
    cell: &Cell,
    cause: Option<&Cause>,
) -> Result<Change, DbError> {
    let change = cell.change_from(previous);
    let due = match cell.basis {
        Basis::CheckFailed => Some(cell.evaluated_at.plus(RETRY)),
        _ => cell.stale_at,
    };
    let must_act = cell.must_act(key.side);
    count(tx, key.organization, key.row.id, key.side, Some((cell.state().as_str(), must_act.as_str())))?;
    tx.execute(
        &sql::SAVE,
        params![
            key.organization,
            key.row.id,
            key.side.as_str(),
            cell.state().as_str(),
            must_act.as_str(),
            cell.since,
            cell.evaluated_at,
            due,
            to_json(cell)?
        ],
    )?;
    if matches!(change, Change::State { .. }) {
        record(tx, key, cell, cause, cell.evaluated_at)?;
    }
    if change != Change::Nothing && key.side == Side::Customer {
        tx.execute(&sql::STAND, params![key.organization])?;
    }
    Ok(change)
}

/// Moves a cell, before it is written, from the count it stands in to that of `to`, its new state and who must act.
fn count(
    tx: &mut Tx,
    organization: OrganizationId,
    duty: &str,
    side: Side,
    to: Option<(&str, &str)>,
) -> Result<(), DbError> {
    let stored = tx.first(&sql::STANDS_AS, params![organization, duty, side.as_str()])?;
    let from = stored.map(|row| Ok::<_, DbError>((row.get(0)?, row.get(1)?))).transpose()?;
    let from: Option<(String, String)> = from;
    let from = from.as_ref().map(|(state, who)| (state.as_str(), who.as_str()));
    if from == to {
        return Ok(());
    }
    for ((state, who), cells) in
        from.map(|place| (place, -1_i64)).into_iter().chain(to.map(|place| (place, 1)))
    {
        tx.execute(&sql::COUNT, params![duty, side.as_str(), state, who, cells])?;
    }
    Ok(())
}

/// Counts every cell anew, so that a mistake in the counts does not outlive the night.
pub(crate) fn recount(tx: &mut Tx) -> Result<(), DbError> {
    tx.execute(&sql::DROP_COUNTS, &[])?;
    tx.execute(&sql::COUNT_ALL, &[])?;
    Ok(())
}

/// Forgets a cell whose control is gone from this version; its history stays.
pub(crate) fn forget(
    tx: &mut Tx,
    organization: OrganizationId,
    duty: &str,
    side: Side,
) -> Result<(), DbError> {
    count(tx, organization, duty, side, None)?;
    tx.execute(&sql::FORGET, params![organization, duty, side.as_str()])?;
    Ok(())
}

fn to_json(value: &impl Serialize) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|_| unreadable("a cell"))
}

/// What a version keeps, as stored.
#[derive(Clone)]
struct Kept {
    state: String,
    cell: String,
    cause: Option<String>,
}

/// From `cell.since` on the cell was this, as we learn at `at`.
pub(crate) fn record(
    tx: &mut Tx,
    key: &CellKey,
    cell: &Cell,
    cause: Option<&Cause>,
    at: Timestamp,
) -> Result<(), DbError> {
    let (duty, side) = (key.row.id, key.side.as_str());
    let open = tx.list(&sql::OPEN_VERSIONS, params![key.organization, duty, side, cell.since], |row| {
        let kept = Kept { state: row.get(3)?, cell: row.get(4)?, cause: row.get(5)? };
        let valid = Period { from: row.get(1)?, to: row.get(2)? };
        Ok(Version { valid, known: Period::since(row.get(0)?), value: kept })
    })?;
    let kept = Kept {
        state: cell.state().as_str().to_owned(),
        cell: to_json(cell)?,
        cause: cause.map(to_json).transpose()?,
    };
    // A clock that went back is read as standing still.
    let at = open.iter().map(|version| version.known.from).fold(at, Ord::max);
    let plan = history::plan(&open, Period::since(cell.since), kept, at)
        .map_err(|error| DbError::Other { statement: "responsibility::cells", message: error.to_string() })?;
    for version in plan.close.iter().filter_map(|index| open.get(*index)) {
        let place = params![key.organization, duty, side, version.known.from, version.valid.from];
        if version.known.from == plan.at {
            // Nobody could have known it for any time at all.
            tx.execute(&sql::DROP_VERSION, place)?;
        } else {
            let mut place = place.to_vec();
            place.push(Value::from(plan.at));
            tx.execute(&sql::CLOSE_VERSION, &place)?;
        }
    }
    for version in plan.insert {
        let Kept { state, cell, cause } = version.value;
        tx.execute(
            &sql::ADD_VERSION,
            params![
                key.organization,
                duty,
                side,
                version.known.from,
                version.valid.from,
                version.valid.to,
                state,
                cell,
                cause
            ],
        )?;
    }
    Ok(())
}

/// Up to `limit` cells whose time to be evaluated has come, the most overdue first.
pub(crate) fn due(
    tx: &mut ReadTx,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(OrganizationId, String, Side)>, DbError> {
    tx.list(&sql::DUE, params![now, limit], |row| Ok((row.get(0)?, row.get(1)?, row.parse(2, Side::parse)?)))
}

/// When the next cell is due.
pub(crate) fn next_due(tx: &mut ReadTx) -> Result<Option<Timestamp>, DbError> {
    Ok(tx.scalar::<Option<Timestamp>>(&sql::NEXT_DUE, &[])?.flatten())
}

/// Makes the cells of one half due in every organization: all of them, or those that wait or lack something.
pub(crate) fn raise(
    tx: &mut Tx,
    duty: &str,
    side: Side,
    only_unmet: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    let statement = if only_unmet { &sql::RAISE_UNMET } else { &sql::RAISE };
    tx.execute(statement, params![duty, side.as_str(), now])?;
    Ok(())
}
