//! The matrix of one organization: every half of every row with its cell, what both halves say together, and the
//! figures over them.
//!
//! Cells whose control is not built are not stored for each organization: they are the same for everybody and follow
//! from the table of rows (`assemble` computes them). Everything else was evaluated by the engine.

use platform::db::{DbError, ReadTx};
use platform::evidence::{ReadFacts, Side};
use platform::ids::OrganizationId;
use platform::principals::{self, Organization};
use platform::time::{DAY, Timestamp};

use crate::cells::{self, Placed};
use crate::engine;
use crate::history;
use crate::rows::{self, Applicability, Half, OrganizationFacts, Row, RowArea};
use crate::states::evaluate::{Input, evaluate};
use crate::states::joint::{Joint, RowCells, joint};
use crate::states::summary::{Moved, Summary, summarize};
use crate::states::{Basis, Cell, CellState, MustAct};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;

#[cfg(test)]
mod tests;

/// The guided set-up of an organization that has not finished it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    /// Steps that are done or left out.
    pub settled: u32,
    pub steps: u32,
    /// The first step that is open.
    pub next: String,
}

/// What the first screen says of the guided set-up; `None`: it is finished, hidden, or nobody looked yet.
pub fn guide(tx: &mut ReadTx, organization: OrganizationId) -> Result<Option<Guide>, DbError> {
    let Some(row) = tx.first(&sql::GUIDE, platform::params![organization])? else { return Ok(None) };
    let (done, skipped): (u32, u32) = (row.get(0)?, row.get(1)?);
    Ok(Some(Guide { settled: done + skipped, steps: row.get(2)?, next: row.get(3)? }))
}

/// One half of one row with what it says.
#[derive(Clone, Debug)]
pub struct Line {
    pub row: &'static Row,
    pub side: Side,
    pub half: &'static Half,
    pub cell: Cell,
    /// Whether somebody looked at it: `false` where the control is not built or the first look is still to come.
    pub evaluated: bool,
}

impl Line {
    pub fn state(&self) -> CellState {
        self.cell.state()
    }

    pub fn must_act(&self) -> MustAct {
        self.cell.must_act(self.side)
    }

    pub fn title(&self) -> &'static str {
        self.row.title_of(self.side)
    }

    pub fn not_built(&self) -> bool {
        self.cell.basis == Basis::NotBuilt
    }
}

#[derive(Clone, Debug)]
pub struct Matrix {
    pub organization: Organization,
    /// In the paper's order, the provider's half first.
    pub lines: Vec<Line>,
}

impl Matrix {
    pub fn row_cells(&self, row: &'static Row) -> RowCells<'_> {
        let of = |side: Side| {
            self.lines.iter().find(|line| line.row.id == row.id && line.side == side).map(|line| &line.cell)
        };
        RowCells { row, provider: of(Side::Provider), customer: of(Side::Customer) }
    }

    pub fn joint(&self, row: &'static Row) -> Joint {
        joint(&self.row_cells(row))
    }

    pub fn summary(&self) -> Summary {
        summarize(rows::all().map(|row| self.row_cells(row)))
    }

    pub fn lines_of(&self, area: RowArea, side: Side) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.row.area == area && line.side == side)
    }

    /// What waits for `side`, the most pressing and then the quickest first.
    pub fn waiting_for(&self, side: Side) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.iter().filter(|line| line.must_act().includes(side)).collect();
        lines.sort_by_key(|line| {
            let effort = line.cell.action.as_ref().map_or(u16::MAX, |action| action.effort_minutes);
            (line.state().rank(), effort, line.cell.since)
        });
        lines
    }

    /// What moved in the last seven days, and how many changes the page of changes lists.
    pub fn this_week(&self, tx: &mut ReadTx, now: Timestamp) -> Result<(Moved, usize), DbError> {
        let since = now.minus(DAY * 7);
        let states: Vec<_> = self.lines.iter().map(|line| (line.row, line.side, line.state())).collect();
        let moved = history::moved_since(tx, &self.organization, since, now, &states)?;
        let changes = history::recent(tx, &self.organization, since, now.plus(DAY), history::pages::LIMIT)?;
        Ok((moved, changes.len()))
    }
}

/// The matrix as it stands now.
pub fn load(
    tx: &mut ReadTx,
    organization: &Organization,
    facts: Option<ReadFacts>,
    now: Timestamp,
) -> Result<Matrix, DbError> {
    let mut stored = cells::of_organization(tx, organization.id)?;
    let provider = principals::provider(tx)?.map(|found| found.id).filter(|id| *id != organization.id);
    if let Some(provider) = provider {
        stored.retain(|placed| !shared(placed));
        stored.extend(cells::of_organization(tx, provider)?.into_iter().filter(shared));
    }
    for placed in &mut stored {
        if let Some(lapsed) = cells::lapsed(&placed.cell, now) {
            placed.cell = lapsed;
        }
    }
    let facts = engine::facts_of(facts, tx, organization.id)?;
    Ok(assemble(organization, stored, &facts))
}

/// The matrix as it stood at `at`, by what was known at `known`.
pub fn load_as_of(
    tx: &mut ReadTx,
    organization: &Organization,
    at: Timestamp,
    known: Timestamp,
) -> Result<Matrix, DbError> {
    // What bound the organization then is not kept apart from the cells: those that were evaluated carry it.
    let facts = OrganizationFacts::default();
    Ok(assemble(organization, history::both(tx, organization, at, known)?, &facts))
}

fn shared(placed: &Placed) -> bool {
    placed.row.half(placed.side).is_some_and(|half| half.is_shared(placed.side))
}

/// Puts stored cells in their places and fills the others from the table.
fn assemble(organization: &Organization, stored: Vec<Placed>, facts: &OrganizationFacts) -> Matrix {
    let lines = rows::all_cells()
        .map(|(row, side, half)| {
            let found = stored.iter().find(|placed| placed.row.id == row.id && placed.side == side);
            Line {
                row,
                side,
                half,
                cell: match found {
                    Some(placed) => placed.cell.clone(),
                    None => unseen(side, half, facts, organization.created_at),
                },
                evaluated: found.is_some(),
            }
        })
        .collect();
    Matrix { organization: organization.clone(), lines }
}

/// What a cell says that nobody stored, since the organization exists.
fn unseen(side: Side, half: &Half, facts: &OrganizationFacts, since: Timestamp) -> Cell {
    let applies = match half.applies.decide(facts) {
        // Without a look at the organization nothing is known of it; that its control is not built is.
        Applicability::CannotTell(_) => Applicability::Applies,
        decided => decided,
    };
    let input = Input {
        now: since,
        previous: None,
        applies,
        observation: None,
        drill: None,
        attestation: None,
        acceptance: None,
        other: None,
        trigger: None,
    };
    evaluate(side, half, &input)
}
