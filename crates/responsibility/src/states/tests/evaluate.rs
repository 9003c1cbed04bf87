//! The evaluator against a naive oracle, and the promises that matter one by one.

use std::time::Duration;

use proptest::prelude::*;

use super::super::evaluate::{Input, OtherHalf, evaluate};
use super::super::*;
use super::at;
use crate::rows::{Applicability, Control, DrillSpec, Half, Page, Wording};
use platform::evidence::Verdict;

const TTL: i64 = 100;
const DRILL_TTL: i64 = 60;

/// A half and all it can be judged by, as plain data.
#[derive(Clone, Debug)]
struct World {
    built: bool,
    attestable: bool,
    drilled: bool,
    waits: bool,
    applies: u8,
    /// When seen, the verdict (`None`: the check failed), and how long it is valid.
    seen: Option<(i64, Option<Verdict>, Option<i64>)>,
    drill: Option<(i64, bool)>,
    attested: Option<(i64, i64)>,
    accepted: Option<(i64, i64)>,
    other: Option<(bool, CellState)>,
}

impl World {
    fn half(&self) -> Half {
        let wording = Wording { control: "Does.", met_when: "done", break_hint: "undo" };
        let control = match self.built {
            true => Control::Built { page: Page("/o/{organization}/domains"), not_yet: None },
            false => Control::NotBuilt { planned: "later" },
        };
        let mut half = Half::new(control, wording);
        half.attestable = self.attestable;
        half.time_to_live = Duration::from_micros(TTL as u64);
        half.waits_for = self.waits.then_some("USR-P3");
        let day = Duration::from_micros(DRILL_TTL as u64);
        half.drill = self.drilled.then_some(DrillSpec {
            id: "canary",
            attack: "tries",
            every: day / 2,
            time_to_live: day,
        });
        half
    }

    fn evaluate(&self, now: i64, previous: Option<&Cell>) -> Cell {
        let observation = self.seen.map(|(when, verdict, valid)| {
            let result = verdict.map(|verdict| {
                let finding = Finding::new(verdict, "so it is").with_action("Do it", "/x", 1);
                valid.map_or(finding.clone(), |end| finding.with_valid_until(at(when + end)))
            });
            Observation { at: at(when), result: result.ok_or_else(|| "the disk is full".to_owned()) }
        });
        let drill =
            self.drill.map(|(when, passed)| DrillRun { ran_at: at(when), passed, detail: "tried".into() });
        let word = |span: Option<(i64, i64)>| {
            span.map(|(from, length)| {
                Declaration::new("M. Lind", "why", at(from), at(from + length)).unwrap()
            })
        };
        let (attestation, acceptance) = (word(self.attested), word(self.accepted));
        let input = Input {
            now: at(now),
            previous,
            applies: match self.applies {
                0 => Applicability::DoesNotApply("no domain".into()),
                1 => Applicability::CannotTell("unreadable".into()),
                _ => Applicability::Applies,
            },
            observation: observation.as_ref(),
            drill: drill.as_ref(),
            attestation: attestation.as_ref(),
            acceptance: acceptance.as_ref(),
            other: self.other.map(|(built, state)| OtherHalf { built, state }),
            trigger: Some("domain.lost"),
        };
        evaluate(Side::Customer, &self.half(), &input)
    }

    fn fresh(&self, now: i64) -> Option<Verdict> {
        let (when, verdict, valid) = self.seen?;
        let verdict = verdict?;
        let good = matches!(verdict, Verdict::Met | Verdict::NotApplicable);
        let end = if good { valid.map_or(when + TTL, |valid| when + valid.min(TTL)) } else { when + TTL };
        (now < end).then_some(verdict)
    }

    fn in_force(span: Option<(i64, i64)>, now: i64) -> bool {
        span.is_some_and(|(from, length)| (from..from + length).contains(&now))
    }

    /// The state, found by overwriting from the weakest rule to the strongest.
    fn oracle(&self, now: i64) -> CellState {
        let verdict = self.fresh(now);
        let read = matches!(self.seen, Some((_, Some(_), _)));
        let drill_failed = self.drilled && self.drill.is_some_and(|(_, passed)| !passed);
        let drill_fresh = self.drill.is_some_and(|(when, passed)| passed && now < when + DRILL_TTL);
        let held_back = self
            .other
            .is_some_and(|(built, state)| !built || matches!(state, CellState::Gap | CellState::Blocked));

        let mut state = CellState::Unknown;
        if read && verdict.is_none() {
            state = CellState::Stale;
        }
        if verdict == Some(Verdict::NotMet) {
            state = if self.waits && held_back { CellState::Blocked } else { CellState::Gap };
        }
        if verdict == Some(Verdict::Met) {
            state = match (self.drilled, self.drill.is_some(), drill_fresh) {
                (false, _, _) | (true, true, true) => CellState::Held,
                (true, true, false) => CellState::Stale,
                (true, false, _) => CellState::Unknown,
            };
        }
        if drill_failed {
            state = CellState::Gap;
        }
        if verdict == Some(Verdict::NotApplicable) {
            state = CellState::NotApplicable;
        }
        if self.applies == 1 {
            state = CellState::Unknown;
        }
        if !matches!(state, CellState::Held | CellState::NotApplicable) {
            if Self::in_force(self.accepted, now) {
                state = CellState::Accepted;
            }
            let vouch = self.attestable && (self.applies == 1 || !drill_failed);
            if vouch && Self::in_force(self.attested, now) {
                state = CellState::Attested;
            }
        }
        if !self.built {
            state = CellState::Unknown;
        }
        if self.applies == 0 {
            state = CellState::NotApplicable;
        }
        state
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let verdict = prop_oneof![
        4 => Just(Some(Verdict::Met)),
        3 => Just(Some(Verdict::NotMet)),
        1 => Just(Some(Verdict::NotApplicable)),
        1 => Just(Some(Verdict::Unknown)),
        1 => Just(None),
    ];
    let seen = prop::option::weighted(0.9, (0..200i64, verdict, prop::option::of(1..150i64)));
    let drill = prop::option::weighted(0.8, (0..200i64, prop::bool::weighted(0.8)));
    let span = || prop::option::of((0..250i64, 1..150i64));
    let other = prop::option::of((prop::bool::weighted(0.8), prop::sample::select(CellState::ALL.to_vec())));
    let flags = (prop::bool::weighted(0.9), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, prop::sample::select(vec![0u8, 1, 2, 2, 2, 2, 2, 2]), seen, drill, span(), span(), other)
        .prop_map(|((built, attestable, drilled, waits), applies, seen, drill, attested, accepted, other)| {
            World { built, attestable, drilled, waits, applies, seen, drill, attested, accepted, other }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_oracle(world in worlds(), now in 0..400i64) {
        prop_assert_eq!(world.evaluate(now, None).state(), world.oracle(now));
    }

    #[test]
    fn held_needs_everything_fresh(world in worlds(), now in 0..400i64) {
        if world.evaluate(now, None).state().counts_as_held() {
            prop_assert!(world.built && world.applies == 2);
            prop_assert_eq!(world.fresh(now), Some(Verdict::Met));
            prop_assert!(!world.drilled || world.drill.is_some_and(|(when, passed)| passed && now < when + DRILL_TTL));
        }
    }

    #[test]
    fn nothing_out_of_force_shields(world in worlds(), now in 0..400i64) {
        let cell = world.evaluate(now, None);
        match cell.state() {
            CellState::Accepted => prop_assert!(World::in_force(world.accepted, now)),
            CellState::Attested => prop_assert!(world.attestable && World::in_force(world.attested, now)),
            _ => prop_assert!(cell.beneath.is_none()),
        }
    }

    #[test]
    fn a_state_is_good_until_it_says(world in worlds(), now in 0..400i64, later in 0..400i64) {
        let cell = world.evaluate(now, None);
        if let Some(end) = cell.stale_at {
            prop_assert!(end.micros() > now, "the next look lies ahead");
        }
        if later >= now && cell.stale_at.is_none_or(|end| later < end.micros()) {
            prop_assert_eq!(world.evaluate(later, None).basis, cell.basis);
        }
    }

    #[test]
    fn since_moves_only_with_the_state(worlds in prop::collection::vec((worlds(), -20..80i64), 1..12)) {
        let mut now = 0i64;
        let mut previous: Option<Cell> = None;
        for (world, pause) in worlds {
            now += pause;
            let cell = world.evaluate(now, previous.as_ref());
            prop_assert!(cell.since <= cell.evaluated_at);
            if let Some(before) = &previous {
                prop_assert!(cell.evaluated_at >= before.evaluated_at, "a clock that went back stands still");
                prop_assert!(cell.since >= before.since);
                prop_assert_eq!(cell.since == before.since && cell.state() == before.state(), cell.state() == before.state());
                if cell.state() != before.state() {
                    prop_assert_eq!(cell.since, cell.evaluated_at);
                    prop_assert_eq!(cell.changed_by.as_deref(), Some("domain.lost"));
                } else {
                    prop_assert_eq!(&cell.changed_by, &before.changed_by);
                }
            }
            previous = Some(cell);
        }
    }
}

fn met() -> World {
    World {
        built: true,
        attestable: false,
        drilled: false,
        waits: false,
        applies: 2,
        seen: Some((0, Some(Verdict::Met), None)),
        drill: None,
        attested: None,
        accepted: None,
        other: None,
    }
}

#[test]
fn a_control_that_is_not_built_is_never_held_nor_covered() {
    let world =
        World { built: false, accepted: Some((0, 100)), attested: Some((0, 100)), attestable: true, ..met() };
    let cell = world.evaluate(1, None);
    assert_eq!((cell.basis, cell.state()), (Basis::NotBuilt, CellState::Unknown));
    assert!(cell.reason.starts_with("not built"), "{}", cell.reason);
    assert_eq!((cell.action.is_none(), cell.must_act(Side::Customer)), (true, MustAct::Nobody));
}

#[test]
fn an_accepted_risk_ends_on_its_day_and_shows_what_lies_beneath() {
    let world = World { seen: Some((0, Some(Verdict::NotMet), None)), accepted: Some((0, 50)), ..met() };
    let covered = world.evaluate(10, None);
    assert_eq!(covered.state(), CellState::Accepted);
    assert_eq!(covered.stale_at, Some(at(50)));
    assert_eq!(covered.beneath.as_ref().map(|beneath| beneath.basis), Some(Basis::Unmet));
    assert!(covered.reason.contains("M. Lind"), "{}", covered.reason);
    let open = world.evaluate(50, Some(&covered));
    assert_eq!((open.state(), open.since), (CellState::Gap, at(50)));
}

#[test]
fn nobody_can_vouch_over_a_failed_drill() {
    let world =
        World { attestable: true, drilled: true, drill: Some((0, false)), attested: Some((0, 100)), ..met() };
    assert_eq!(world.evaluate(1, None).basis, Basis::DrillFailed);
}

#[test]
fn a_gap_that_waits_for_the_other_side_offers_no_step() {
    let gap = World { seen: Some((0, Some(Verdict::NotMet), None)), waits: true, ..met() };
    for (other, state, who) in [
        (Some((true, CellState::Held)), CellState::Gap, MustAct::Customer),
        (Some((true, CellState::Unknown)), CellState::Gap, MustAct::Customer),
        (Some((true, CellState::Gap)), CellState::Blocked, MustAct::Provider),
        (Some((false, CellState::Unknown)), CellState::Blocked, MustAct::Provider),
        (None, CellState::Gap, MustAct::Customer),
    ] {
        let cell = World { other, ..gap.clone() }.evaluate(1, None);
        assert_eq!((cell.state(), cell.must_act(Side::Customer)), (state, who), "{other:?}");
        assert_eq!(cell.action.is_some(), state == CellState::Gap);
    }
}

#[test]
fn a_failing_check_is_not_held_for_a_moment() {
    let held = met().evaluate(0, None);
    assert_eq!(held.state(), CellState::Held);
    let failed = World { seen: Some((1, None, None)), ..met() }.evaluate(1, Some(&held));
    assert_eq!((failed.state(), failed.since), (CellState::Unknown, at(1)));
    assert!(failed.reason.contains("the disk is full"), "{}", failed.reason);
    assert_eq!(failed.must_act(Side::Customer), MustAct::Provider);
}
