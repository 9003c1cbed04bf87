//! Cells of the matrix: what a cell can say, on what basis, and who must act.
//!
//! Promises: only [`CellState::Held`] counts as held; a state is always derived from its [`Basis`], so no cell can
//! claim a state it has no ground for; nothing here reads a clock or a database. [`evaluate`](evaluate::evaluate)
//! makes a cell, [`joint`](joint::joint) puts the two halves of a row together, [`summary`] counts, and [`history`]
//! keeps what was so and what was known.

use platform::evidence::{Fact, FactValue, Finding, NextAction, Side};
use platform::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

mod basis;
pub mod evaluate;
pub mod history;
pub mod joint;
pub mod summary;

#[cfg(test)]
mod tests;

pub use basis::{Basis, MustAct};

/// The longest time for which somebody may attest a duty or accept a risk.
pub const DECLARATION_DAYS_MAX: u32 = 366;

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    Held,
    Gap,
    Stale,
    Blocked,
    Accepted,
    Attested,
    NotApplicable,
    Unknown,
}

impl CellState {
    /// From the most pressing to the least: the order of [`CellState::rank`].
    pub const ALL: [CellState; 8] = [
        Self::Gap,
        Self::Blocked,
        Self::Stale,
        Self::Unknown,
        Self::Accepted,
        Self::Attested,
        Self::Held,
        Self::NotApplicable,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Gap => "gap",
            Self::Stale => "stale",
            Self::Blocked => "blocked",
            Self::Accepted => "accepted",
            Self::Attested => "attested",
            Self::NotApplicable => "not_applicable",
            Self::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// 0 is the most pressing; the joint state of two halves is the one with the lower rank.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Gap => 0,
            Self::Blocked => 1,
            Self::Stale => 2,
            Self::Unknown => 3,
            Self::Accepted => 4,
            Self::Attested => 5,
            Self::Held => 6,
            Self::NotApplicable => 7,
        }
    }

    /// Nothing but proof counts; attested and accepted cells are counted on their own.
    pub const fn counts_as_held(self) -> bool {
        matches!(self, Self::Held)
    }

    /// One plain sentence for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Held => "The duty is met: fresh facts prove it.",
            Self::Gap => "The duty is not met.",
            Self::Stale => "The last proof is too old to count.",
            Self::Blocked => "The duty is not met, and the other side has to move first.",
            Self::Accepted => "The duty is not proved; somebody accepted the risk for a time.",
            Self::Attested => "A named person vouches for it; no program here can see it.",
            Self::NotApplicable => "The duty does not bind this organization at present.",
            Self::Unknown => "Nothing here can tell whether the duty is met.",
        }
    }
}

impl std::fmt::Display for CellState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<CellState> for platform::web::ui::State {
    fn from(state: CellState) -> Self {
        match state {
            CellState::Held => Self::Held,
            CellState::Gap => Self::Gap,
            CellState::Stale => Self::Stale,
            CellState::Blocked => Self::Blocked,
            CellState::Accepted => Self::Accepted,
            CellState::Attested => Self::Attested,
            CellState::NotApplicable => Self::NotApplicable,
            CellState::Unknown => Self::Unknown,
        }
    }
}

/// A [`Fact`] as a cell keeps it: the same, but readable back from storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedFact {
    pub name: String,
    pub value: FactValue,
    pub sentence: String,
}

impl From<&Fact> for RecordedFact {
    fn from(fact: &Fact) -> Self {
        Self { name: fact.name.to_owned(), value: fact.value.clone(), sentence: fact.sentence.clone() }
    }
}

/// One side of one row for one organization, as last evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub basis: Basis,
    /// Since when the state is what it is; moves only when the state changes.
    pub since: Timestamp,
    pub evaluated_at: Timestamp,
    /// One clause for people, without a full stop.
    pub reason: String,
    pub facts: Vec<RecordedFact>,
    pub action: Option<NextAction>,
    /// The state is good up to this moment if nothing happens before; evaluate again then at the latest. `None`:
    /// time alone does not change it.
    pub stale_at: Option<Timestamp>,
    /// What the cell would say without its attestation or acceptance.
    pub beneath: Option<Beneath>,
    /// What led to the last change of state, e.g. the event `domain.lost`; `None` when it was time or the first look.
    pub changed_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beneath {
    pub basis: Basis,
    pub reason: String,
}

impl Cell {
    pub const fn state(&self) -> CellState {
        self.basis.state()
    }

    pub const fn must_act(&self, side: Side) -> MustAct {
        self.basis.must_act(side, self.action.is_some())
    }

    /// How this cell differs from the one before it: a new version in the history, new details, or nothing.
    pub fn change_from(&self, previous: Option<&Cell>) -> Change {
        match previous {
            None => Change::State { from: None },
            Some(before) if before.state() != self.state() => Change::State { from: Some(before.state()) },
            Some(before)
                if before.basis != self.basis
                    || before.reason != self.reason
                    || before.facts != self.facts
                    || before.action != self.action
                    || before.beneath != self.beneath =>
            {
                Change::Details
            }
            Some(_) => Change::Nothing,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `from` is `None` for the first version of a cell.
    State { from: Option<CellState> },
    /// Same state on other grounds, or with other facts.
    Details,
    /// At most `evaluated_at` and `stale_at` moved.
    Nothing,
}

/// What reading the evidence gave, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub at: Timestamp,
    /// `Err` carries what went wrong, in words.
    pub result: Result<Finding, String>,
}

/// The last run of a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRun {
    pub ran_at: Timestamp,
    pub passed: bool,
    /// What happened, one clause.
    pub detail: String,
}

/// A named person's word with a reason and an end: an attestation of a duty, or the acceptance of a risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    by: String,
    reason: String,
    from: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    #[error("name the person who declares this")]
    Nobody,
    #[error("give a reason: others will have to judge it")]
    NoReason,
    #[error("the declaration ends before it begins: choose a later end")]
    EndsFirst,
    #[error("a declaration lasts at most {DECLARATION_DAYS_MAX} days: choose an earlier end")]
    TooLong,
}

impl Declaration {
    pub fn new(by: &str, reason: &str, from: Timestamp, until: Timestamp) -> Result<Self, DeclarationError> {
        let (by, reason) = (by.trim(), reason.trim());
        if by.is_empty() {
            return Err(DeclarationError::Nobody);
        }
        if reason.is_empty() {
            return Err(DeclarationError::NoReason);
        }
        if until <= from {
            return Err(DeclarationError::EndsFirst);
        }
        if until > from.plus(DAY * DECLARATION_DAYS_MAX) {
            return Err(DeclarationError::TooLong);
        }
        Ok(Self { by: by.to_owned(), reason: reason.to_owned(), from, until })
    }

    pub fn in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    pub fn by(&self) -> &str {
        &self.by
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub const fn from(&self) -> Timestamp {
        self.from
    }

    pub const fn until(&self) -> Timestamp {
        self.until
    }
}
