//! From facts to a cell. One pure function; every rule of what may count as held is here.
//!
//! In this order:
//! 1. a duty that does not bind is `not_applicable`; a control that is not built is `unknown`, whatever else is said;
//! 2. a drill that got through is a gap, whatever the facts say;
//! 3. evidence that failed, is missing or cannot tell is `unknown`; evidence past its time is `stale`;
//! 4. facts that say "not met" are a gap, or `blocked` while the other side's control is missing or broken;
//! 5. facts that say "met" hold the cell only together with a drill, where there is one, that passed in time;
//! 6. what is not held may be covered by a declaration in force: an attestation where the half allows it (never over
//!    a failed drill), else an accepted risk.

use platform::evidence::{Finding, NextAction, Side, Verdict};
use platform::time::Timestamp;

use super::{Basis, Beneath, Cell, CellState, Declaration, DrillRun, Observation, RecordedFact};
use crate::rows::{Applicability, Control, DrillSpec, Half};

/// Everything a cell is judged by.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    pub now: Timestamp,
    pub previous: Option<&'a Cell>,
    pub applies: Applicability,
    pub observation: Option<&'a Observation>,
    /// The last finished run of the half's drill.
    pub drill: Option<&'a DrillRun>,
    pub attestation: Option<&'a Declaration>,
    pub acceptance: Option<&'a Declaration>,
    /// The cell this half waits for, if the half names one.
    pub other: Option<OtherHalf>,
    /// The event that caused this evaluation, e.g. `domain.lost`.
    pub trigger: Option<&'a str>,
}

/// How the provider's half stands on which a customer's half depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherHalf {
    pub built: bool,
    pub state: CellState,
}

impl OtherHalf {
    /// Only a certain failure holds the other side back; doubt about it does not shift the duty.
    pub const fn holds_back(self) -> bool {
        !self.built || matches!(self.state, CellState::Gap | CellState::Blocked)
    }
}

struct Judged {
    basis: Basis,
    reason: String,
    /// When time alone may change the basis.
    until: Option<Timestamp>,
}

impl Judged {
    fn new(basis: Basis, reason: impl Into<String>, until: Option<Timestamp>) -> Self {
        Self { basis, reason: reason.into(), until }
    }
}

/// Judges one half for one organization. A clock that went back is read as standing still.
pub fn evaluate(side: Side, half: &Half, input: &Input<'_>) -> Cell {
    let now = input.previous.map_or(input.now, |cell| cell.evaluated_at.max(input.now));
    let bare = judge(side, half, input, now);
    let (judged, beneath) = cover(half, input, now, bare);
    let state = judged.basis.state();
    let finding = input.observation.and_then(|seen| seen.result.as_ref().ok());
    let (since, changed_by) = match input.previous {
        Some(cell) if cell.state() == state => (cell.since, cell.changed_by.clone()),
        _ => (now, input.trigger.map(str::to_owned)),
    };
    Cell {
        basis: judged.basis,
        since,
        evaluated_at: now,
        reason: judged.reason,
        facts: finding.map_or_else(Vec::new, |found| found.facts.iter().map(RecordedFact::from).collect()),
        action: next_action(judged.basis, finding),
        stale_at: judged.until,
        beneath,
        changed_by,
    }
}

/// A step is offered only where taking it could help: not on a control that is not built, and not while waiting.
fn next_action(basis: Basis, finding: Option<&Finding>) -> Option<NextAction> {
    match basis {
        Basis::NotBuilt | Basis::DoesNotApply | Basis::WaitsForOther => None,
        _ => finding.and_then(|found| found.action.clone()),
    }
}

fn judge(side: Side, half: &Half, input: &Input<'_>, now: Timestamp) -> Judged {
    if let Applicability::DoesNotApply(reason) = &input.applies {
        return Judged::new(Basis::DoesNotApply, reason, None);
    }
    if let Control::NotBuilt { planned } = half.control {
        return Judged::new(Basis::NotBuilt, format!("not built; planned: {planned}"), None);
    }
    if let Applicability::CannotTell(reason) = &input.applies {
        return Judged::new(Basis::ApplicabilityUnknown, reason, None);
    }
    let judged = judge_evidence(half, input.observation, now);
    let judged = match half.drill {
        Some(spec) => judge_drill(&spec, input.drill, now, judged),
        None => judged,
    };
    match (half.waits_for, input.other) {
        (Some(row), Some(other)) if judged.basis == Basis::Unmet && other.holds_back() => {
            let reason = format!("waits for the {}'s half of {row}: {}", side.other(), judged.reason);
            Judged::new(Basis::WaitsForOther, reason, judged.until)
        }
        _ => judged,
    }
}

fn judge_evidence(half: &Half, observation: Option<&Observation>, now: Timestamp) -> Judged {
    let Some(seen) = observation else {
        return Judged::new(Basis::NeverChecked, "not checked yet", None);
    };
    let finding = match &seen.result {
        Ok(finding) => finding,
        Err(error) => return Judged::new(Basis::CheckFailed, format!("could not be checked: {error}"), None),
    };
    let old_at = seen.at.plus(half.time_to_live);
    if now >= old_at {
        let reason = format!("last checked {}, too long ago to count", seen.at.minute_words());
        return Judged::new(Basis::EvidenceOld, reason, None);
    }
    let basis = match finding.state {
        Verdict::Met => Basis::Met,
        Verdict::NotMet => Basis::Unmet,
        Verdict::NotApplicable => Basis::DoesNotApply,
        Verdict::Unknown => Basis::Inconclusive,
    };
    // A validity bounds what is good: a gap does not expire because a yearly confirmation did.
    let validity = finding.valid_until.filter(|_| matches!(basis, Basis::Met | Basis::DoesNotApply));
    match validity {
        Some(end) if now >= end => {
            let reason = format!("was good until {}: {}", end.minute_words(), finding.reason);
            Judged::new(Basis::ValidityEnded, reason, Some(old_at))
        }
        Some(end) => Judged::new(basis, &finding.reason, Some(end.min(old_at))),
        None => Judged::new(basis, &finding.reason, Some(old_at)),
    }
}

fn judge_drill(spec: &DrillSpec, run: Option<&DrillRun>, now: Timestamp, evidence: Judged) -> Judged {
    if evidence.basis == Basis::DoesNotApply {
        return evidence;
    }
    match run {
        Some(run) if !run.passed => {
            let when = run.ran_at.minute_words();
            let reason = format!("drill `{}` got through on {when}: {}", spec.id, run.detail);
            Judged::new(Basis::DrillFailed, reason, None)
        }
        _ if evidence.basis != Basis::Met => evidence,
        None => {
            let reason =
                format!("drill `{}` has not run yet; the facts alone say: {}", spec.id, evidence.reason);
            Judged::new(Basis::DrillNeverRun, reason, evidence.until)
        }
        Some(run) => {
            let old_at = run.ran_at.plus(spec.time_to_live);
            if now >= old_at {
                let when = run.ran_at.minute_words();
                let reason = format!("drill `{}` last passed on {when}, too long ago to count", spec.id);
                return Judged::new(Basis::DrillOld, reason, evidence.until);
            }
            Judged::new(Basis::Met, evidence.reason, earlier(evidence.until, Some(old_at)))
        }
    }
}

fn cover(half: &Half, input: &Input<'_>, now: Timestamp, bare: Judged) -> (Judged, Option<Beneath>) {
    let open = matches!(
        bare.basis.state(),
        CellState::Gap | CellState::Stale | CellState::Unknown | CellState::Blocked
    );
    if !open || bare.basis == Basis::NotBuilt {
        return (bare, None);
    }
    let attestation = input.attestation.filter(|_| half.attestable && bare.basis != Basis::DrillFailed);
    let offers =
        [(Basis::Attested, "attested", attestation), (Basis::Accepted, "risk accepted", input.acceptance)];
    let mut until = bare.until;
    for (basis, verb, declaration) in offers {
        let Some(declaration) = declaration else { continue };
        if declaration.in_force(now) {
            let end = declaration.until().day_words();
            let reason = format!("{verb} by {} until {end}: {}", declaration.by(), declaration.reason());
            let beneath = Beneath { basis: bare.basis, reason: bare.reason };
            return (Judged::new(basis, reason, earlier(until, Some(declaration.until()))), Some(beneath));
        }
        if declaration.from() > now {
            until = earlier(until, Some(declaration.from()));
        }
    }
    (Judged { until, ..bare }, None)
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}
