//! The joint state of a row: what both halves say together, who must act, since when, and the smallest next step.

use platform::evidence::{NextAction, Side};
use platform::time::Timestamp;
use serde::Serialize;

use super::{Basis, Cell, CellState, MustAct};
use crate::rows::Row;

/// A row with what is known of its halves. A half that was never evaluated is `unknown`.
#[derive(Clone, Copy, Debug)]
pub struct RowCells<'a> {
    pub row: &'static Row,
    pub provider: Option<&'a Cell>,
    pub customer: Option<&'a Cell>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Joint {
    pub state: CellState,
    pub must_act: MustAct,
    /// While somebody must act: since the oldest state that asks for it. Else: since the row stands as it does.
    /// `None` only when nothing was evaluated.
    pub since: Option<Timestamp>,
    /// The step with the least effort among those of the sides that must act.
    pub action: Option<SideAction>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SideAction {
    pub side: Side,
    #[serde(flatten)]
    pub step: NextAction,
}

impl<'a> RowCells<'a> {
    pub fn cell(&self, side: Side) -> Option<&'a Cell> {
        match side {
            Side::Provider => self.provider,
            Side::Customer => self.customer,
        }
    }

    /// The ground of `side`'s cell; `None` when the row does not bind that side.
    pub fn basis(&self, side: Side) -> Option<Basis> {
        let half = self.row.half(side)?;
        let unseen = if half.is_built() { Basis::NeverChecked } else { Basis::NotBuilt };
        Some(self.cell(side).map_or(unseen, |cell| cell.basis))
    }

    pub fn state(&self, side: Side) -> Option<CellState> {
        self.basis(side).map(Basis::state)
    }

    /// Who must act because of `side`'s cell.
    pub fn must_act(&self, side: Side) -> MustAct {
        let has_action = self.cell(side).is_some_and(|cell| cell.action.is_some());
        self.basis(side).map_or(MustAct::Nobody, |basis| basis.must_act(side, has_action))
    }
}

/// Puts the halves of a row together: the more pressing state wins.
pub fn joint(cells: &RowCells<'_>) -> Joint {
    let bound = || Side::BOTH.into_iter().filter(|side| cells.row.half(*side).is_some());
    let state = bound()
        .filter_map(|side| cells.state(side))
        .min_by_key(|state| state.rank())
        .unwrap_or(CellState::Unknown);
    let must_act = bound().map(|side| cells.must_act(side)).fold(MustAct::Nobody, MustAct::and);
    Joint { state, must_act, since: joint_since(cells, state, must_act), action: smallest_action(cells) }
}

fn joint_since(cells: &RowCells<'_>, state: CellState, must_act: MustAct) -> Option<Timestamp> {
    let since = |wanted: &dyn Fn(Side) -> bool| {
        let times = Side::BOTH.into_iter().filter(|side| wanted(*side)).filter_map(|side| cells.cell(side));
        times.map(|cell| cell.since).collect::<Vec<_>>()
    };
    let in_state = since(&|side| cells.state(side) == Some(state));
    match (must_act, state) {
        // A row is held only from the moment its last half came to be held.
        (MustAct::Nobody, CellState::Held | CellState::NotApplicable) => in_state.into_iter().max(),
        (MustAct::Nobody, _) => in_state.into_iter().min(),
        _ => since(&|side| cells.must_act(side) != MustAct::Nobody).into_iter().min(),
    }
}

/// Only the step of a side that must act on its own cell can move the row.
fn smallest_action(cells: &RowCells<'_>) -> Option<SideAction> {
    Side::BOTH
        .into_iter()
        .filter(|side| cells.must_act(*side).includes(*side))
        .filter_map(|side| {
            let step = cells.cell(side)?.action.clone()?;
            Some(SideAction { side, step })
        })
        .min_by_key(|action| action.step.effort_minutes)
}
