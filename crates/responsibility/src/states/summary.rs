//! The figures over a matrix: how many rows stand how, who owes what since when, and what moved this week.

use platform::evidence::Side;
use platform::time::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::CellState;
use super::joint::{Joint, RowCells, joint};
use crate::rows::RowArea;

/// How many stand in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u32; CellState::ALL.len()]);

impl Tally {
    pub fn add(&mut self, state: CellState) {
        self.add_many(state, 1);
    }

    pub fn add_many(&mut self, state: CellState, count: u32) {
        let place = &mut self.0[usize::from(state.rank())];
        *place = place.saturating_add(count);
    }

    pub fn of(&self, state: CellState) -> u32 {
        self.0[usize::from(state.rank())]
    }

    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Proved by fresh facts; attested and accepted are not in it.
    pub fn held(&self) -> u32 {
        self.of(CellState::Held)
    }

    pub fn applicable(&self) -> u32 {
        self.total() - self.of(CellState::NotApplicable)
    }
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(CellState::ALL.len()))?;
        for state in CellState::ALL {
            map.serialize_entry(state.as_str(), &self.of(state))?;
        }
        map.end()
    }
}

/// How many rows wait for one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Owed {
    pub rows: u32,
    pub oldest_since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AreaSummary {
    pub area: RowArea,
    /// Rows by their joint state.
    pub rows: Tally,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Rows by their joint state.
    pub rows: Tally,
    /// Cells of each side.
    pub provider: Tally,
    pub customer: Tally,
    pub provider_must_act: Owed,
    pub customer_must_act: Owed,
    /// In the paper's order; an area without rows in the input stands at zero.
    pub areas: Vec<AreaSummary>,
}

impl Summary {
    pub fn must_act(&self, side: Side) -> Owed {
        match side {
            Side::Provider => self.provider_must_act,
            Side::Customer => self.customer_must_act,
        }
    }
}

/// Counts a matrix, or any part of one.
pub fn summarize<'a>(matrix: impl IntoIterator<Item = RowCells<'a>>) -> Summary {
    let mut summary = Summary {
        rows: Tally::default(),
        provider: Tally::default(),
        customer: Tally::default(),
        provider_must_act: Owed::default(),
        customer_must_act: Owed::default(),
        areas: RowArea::ALL.map(|area| AreaSummary { area, rows: Tally::default() }).to_vec(),
    };
    for cells in matrix {
        let whole = joint(&cells);
        summary.rows.add(whole.state);
        for area in summary.areas.iter_mut().filter(|area| area.area == cells.row.area) {
            area.rows.add(whole.state);
        }
        if let Some(state) = cells.state(Side::Provider) {
            summary.provider.add(state);
        }
        if let Some(state) = cells.state(Side::Customer) {
            summary.customer.add(state);
        }
        owe(&mut summary.provider_must_act, &cells, &whole, Side::Provider);
        owe(&mut summary.customer_must_act, &cells, &whole, Side::Customer);
    }
    summary
}

fn owe(owed: &mut Owed, cells: &RowCells<'_>, whole: &Joint, side: Side) {
    if !whole.must_act.includes(side) {
        return;
    }
    owed.rows += 1;
    let asking = Side::BOTH.into_iter().filter(|cell_side| cells.must_act(*cell_side).includes(side));
    let since = asking.filter_map(|cell_side| cells.cell(cell_side)).map(|cell| cell.since).min();
    owed.oldest_since = match (owed.oldest_since, since) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    };
}

/// What moved between two moments: a cell that was lost and won back counts as neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Cells that are held now and were not.
    pub gained: u32,
    /// Cells that were held and are not now, though they still apply.
    pub lost: u32,
}

/// Counts over pairs (state then, state now) of the same cell; `None` then: the cell did not exist yet.
pub fn moved(pairs: impl IntoIterator<Item = (Option<CellState>, CellState)>) -> Moved {
    let mut moved = Moved::default();
    for (then, now) in pairs {
        let was_held = then.is_some_and(CellState::counts_as_held);
        match (was_held, now) {
            (false, CellState::Held) => moved.gained += 1,
            (true, CellState::Held | CellState::NotApplicable) | (false, _) => {}
            (true, _) => moved.lost += 1,
        }
    }
    moved
}
