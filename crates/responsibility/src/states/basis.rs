//! The grounds of a cell, and what each asks of whom.

use platform::evidence::Side;
use serde::{Deserialize, Serialize};

use super::CellState;

/// The ground on which a cell says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    Met,
    Attested,
    Accepted,
    DoesNotApply,
    NotBuilt,
    /// The facts say that the duty is not met.
    Unmet,
    /// Somebody got through the control in a drill.
    DrillFailed,
    /// Unmet, and the other side's control is missing or broken.
    WaitsForOther,
    /// What the facts rest on has run out, e.g. a yearly confirmation.
    ValidityEnded,
    /// The evidence has not been read again in time.
    EvidenceOld,
    DrillOld,
    DrillNeverRun,
    NeverChecked,
    CheckFailed,
    /// The evidence was read and could not tell.
    Inconclusive,
    ApplicabilityUnknown,
}

impl Basis {
    pub const ALL: [Basis; 16] = [
        Self::Met,
        Self::Attested,
        Self::Accepted,
        Self::DoesNotApply,
        Self::NotBuilt,
        Self::Unmet,
        Self::DrillFailed,
        Self::WaitsForOther,
        Self::ValidityEnded,
        Self::EvidenceOld,
        Self::DrillOld,
        Self::DrillNeverRun,
        Self::NeverChecked,
        Self::CheckFailed,
        Self::Inconclusive,
        Self::ApplicabilityUnknown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Attested => "attested",
            Self::Accepted => "accepted",
            Self::DoesNotApply => "does_not_apply",
            Self::NotBuilt => "not_built",
            Self::Unmet => "unmet",
            Self::DrillFailed => "drill_failed",
            Self::WaitsForOther => "waits_for_other",
            Self::ValidityEnded => "validity_ended",
            Self::EvidenceOld => "evidence_old",
            Self::DrillOld => "drill_old",
            Self::DrillNeverRun => "drill_never_run",
            Self::NeverChecked => "never_checked",
            Self::CheckFailed => "check_failed",
            Self::Inconclusive => "inconclusive",
            Self::ApplicabilityUnknown => "applicability_unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == text)
    }

    pub const fn state(self) -> CellState {
        match self {
            Self::Met => CellState::Held,
            Self::Attested => CellState::Attested,
            Self::Accepted => CellState::Accepted,
            Self::DoesNotApply => CellState::NotApplicable,
            Self::Unmet | Self::DrillFailed => CellState::Gap,
            Self::WaitsForOther => CellState::Blocked,
            Self::ValidityEnded | Self::EvidenceOld | Self::DrillOld => CellState::Stale,
            Self::NotBuilt
            | Self::DrillNeverRun
            | Self::NeverChecked
            | Self::CheckFailed
            | Self::Inconclusive
            | Self::ApplicabilityUnknown => CellState::Unknown,
        }
    }

    /// Who must act on a cell of `side`. The provider runs checks and drills, so what they did not do is the
    /// provider's to mend; a control that is not built asks nothing of anybody who uses this version.
    pub const fn must_act(self, side: Side, has_action: bool) -> MustAct {
        match self {
            Self::Met | Self::Attested | Self::Accepted | Self::DoesNotApply | Self::NotBuilt => {
                MustAct::Nobody
            }
            Self::Unmet | Self::DrillFailed | Self::ValidityEnded => MustAct::only(side),
            Self::WaitsForOther => MustAct::only(side.other()),
            Self::Inconclusive if has_action => MustAct::only(side),
            Self::Inconclusive
            | Self::EvidenceOld
            | Self::DrillOld
            | Self::DrillNeverRun
            | Self::NeverChecked
            | Self::CheckFailed
            | Self::ApplicabilityUnknown => MustAct::Provider,
        }
    }
}

/// Who has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MustAct {
    Nobody,
    Provider,
    Customer,
    Both,
}

impl MustAct {
    pub const ALL: [MustAct; 4] = [Self::Nobody, Self::Provider, Self::Customer, Self::Both];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Provider => "provider",
            Self::Customer => "customer",
            Self::Both => "both",
        }
    }

    pub const fn only(side: Side) -> Self {
        match side {
            Side::Provider => Self::Provider,
            Side::Customer => Self::Customer,
        }
    }

    pub const fn includes(self, side: Side) -> bool {
        match side {
            Side::Provider => matches!(self, Self::Provider | Self::Both),
            Side::Customer => matches!(self, Self::Customer | Self::Both),
        }
    }

    pub const fn and(self, other: Self) -> Self {
        let provider = self.includes(Side::Provider) || other.includes(Side::Provider);
        let customer = self.includes(Side::Customer) || other.includes(Side::Customer);
        match (provider, customer) {
            (true, true) => Self::Both,
            (true, false) => Self::Provider,
            (false, true) => Self::Customer,
            (false, false) => Self::Nobody,
        }
    }
}

impl std::fmt::Display for MustAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
