//! The provider's view: where each customer stands, and where we owe.
//!
//! The provider sees states, not facts: what a control saw in an organization (names of people, domains, documents) is
//! that organization's own. Pages of organizations read a derived table of standings and a handful of cells each, so
//! that ten thousand organizations cost no more than fifty.

use platform::db::{DbError, ReadTx, Row as DbRow};
use platform::evidence::Side;
use platform::ids::{Id, OrganizationId};
use platform::params;
use platform::principals::OrganizationKind;
use platform::time::Timestamp;

use crate::cells::GRACE;
use crate::rows::{self, Half, Row};
use crate::states::summary::Tally;
use crate::states::{CellState, MustAct};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;

#[cfg(test)]
mod tests;

/// How one organization stands.
#[derive(Clone, Debug)]
pub struct Standing {
    pub id: OrganizationId,
    pub slug: String,
    pub name: String,
    pub kind: OrganizationKind,
    pub created_at: Timestamp,
    /// Cells that wait for the organization.
    pub owes: u64,
    /// Cells of the organization that wait for the provider.
    pub waits: u64,
    pub held: u64,
    pub oldest_since: Option<Timestamp>,
    /// Whether it was looked at.
    pub evaluated: bool,
}

fn read_standing(row: &DbRow) -> Result<Standing, DbError> {
    let owes: Option<u64> = row.get(5)?;
    Ok(Standing {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        kind: row.parse(3, OrganizationKind::parse)?,
        created_at: row.get(4)?,
        owes: owes.unwrap_or(0),
        waits: row.get::<Option<u64>>(6)?.unwrap_or(0),
        held: row.get::<Option<u64>>(7)?.unwrap_or(0),
        oldest_since: row.get(8)?,
        evaluated: owes.is_some(),
    })
}

/// Organizations by slug after `after`; `search` is a beginning of the slug.
pub fn by_name(tx: &mut ReadTx, search: &str, after: &str, limit: u32) -> Result<Vec<Standing>, DbError> {
    let until = format!("{search}\u{10ffff}");
    tx.list(&sql::BY_NAME, params![after, search, until, limit], read_standing)
}

/// Organizations that owe the most first; `after` is the last one of the page before.
pub fn by_owes(
    tx: &mut ReadTx,
    after: Option<(u64, OrganizationId)>,
    limit: u32,
) -> Result<Vec<Standing>, DbError> {
    let (owes, id) = after.map_or((u64::MAX, vec![0xff_u8; 16]), |(owes, id)| (owes, id.bytes().to_vec()));
    tx.list(&sql::BY_OWES, params![owes, id, limit], read_standing)
}

/// The states of an organization's own cells, by row.
pub fn states_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Vec<(&'static Row, CellState)>, DbError> {
    let found = tx.list(&sql::STATES_OF, params![organization], |row| {
        let (duty, due): (String, Option<Timestamp>) = (row.get(0)?, row.get(2)?);
        let state = fresh(row.parse(1, CellState::parse)?, due, now);
        Ok(rows::find(&duty).map(|found| (found, state)))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// A good state that nobody looked at in time is stale (`cells::lapsed` says the same of whole cells).
fn fresh(state: CellState, due: Option<Timestamp>, now: Timestamp) -> CellState {
    let rests_on_time = matches!(
        state,
        CellState::Held | CellState::NotApplicable | CellState::Attested | CellState::Accepted
    );
    let over = due.is_some_and(|due| due.plus(GRACE) <= now);
    if rests_on_time && over { CellState::Stale } else { state }
}

/// How one half stands over all organizations.
#[derive(Clone, Debug)]
pub struct Across {
    pub row: &'static Row,
    pub side: Side,
    pub half: &'static Half,
    pub states: Tally,
    /// Cells that wait for the customer, and for the provider.
    pub customers_act: u32,
    pub provider_acts: u32,
}

/// Every half of every row with how it stands over all organizations.
pub fn across(tx: &mut ReadTx) -> Result<Vec<Across>, DbError> {
    let counts = tx.list(&sql::COUNTS, &[], |row| {
        let (duty, count): (String, u64) = (row.get(0)?, row.get(4)?);
        let who: String = row.get(3)?;
        Ok((duty, row.parse(1, Side::parse)?, row.parse(2, CellState::parse)?, who, count))
    })?;
    let mut halves: Vec<Across> = rows::all_cells()
        .map(|(row, side, half)| Across {
            row,
            side,
            half,
            states: Tally::default(),
            customers_act: 0,
            provider_acts: 0,
        })
        .collect();
    for (duty, side, state, who, count) in counts {
        let Some(half) = halves.iter_mut().find(|half| half.row.id == duty && half.side == side) else {
            continue;
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        half.states.add_many(state, count);
        let who = MustAct::ALL.into_iter().find(|one| one.as_str() == who).unwrap_or(MustAct::Nobody);
        if who.includes(Side::Customer) {
            half.customers_act = half.customers_act.saturating_add(count);
        }
        if who.includes(Side::Provider) {
            half.provider_acts = half.provider_acts.saturating_add(count);
        }
    }
    Ok(halves)
}

/// The figures at the head of the provider's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub customers: u64,
    pub owing: u64,
}

pub fn figures(tx: &mut ReadTx) -> Result<Figures, DbError> {
    Ok(Figures {
        customers: tx.scalar(&sql::COUNT_CUSTOMERS, &[])?.unwrap_or(0),
        owing: tx.scalar(&sql::COUNT_OWING, &[])?.unwrap_or(0),
    })
}

/// One organization's cell of a half that is shown across organizations.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    pub id: OrganizationId,
    pub slug: String,
    pub name: String,
    pub state: CellState,
    pub must_act: MustAct,
    pub since: Timestamp,
}

/// One half across organizations, the oldest organization first; `state` filters.
pub fn elsewhere(
    tx: &mut ReadTx,
    row: &Row,
    side: Side,
    state: Option<CellState>,
    after: Option<OrganizationId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Elsewhere>, DbError> {
    let after = after.map_or_else(Vec::new, |id| id.bytes().to_vec());
    let wanted = state.map_or("", CellState::as_str);
    tx.list(&sql::ACROSS, params![row.id, side.as_str(), wanted, after, limit], |row| {
        let who: String = row.get(4)?;
        Ok(Elsewhere {
            id: row.get(0)?,
            slug: row.get(1)?,
            name: row.get(2)?,
            state: fresh(row.parse(3, CellState::parse)?, row.get(6)?, now),
            must_act: MustAct::ALL.into_iter().find(|one| one.as_str() == who).unwrap_or(MustAct::Nobody),
            since: row.get(5)?,
        })
    })
}
