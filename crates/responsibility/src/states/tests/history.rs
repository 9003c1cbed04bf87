//! The history against an oracle that replays the log of what was ever said.

use proptest::prelude::*;

use super::super::history::{History, HistoryError, Period, Version, plan};
use super::at;

/// Something said at `told` about `valid`.
#[derive(Clone, Debug)]
struct Said {
    valid: Period,
    value: u32,
    told: i64,
}

/// The last thing said by `known` about `valid` is what was known of it then.
fn replay(log: &[Said], valid: i64, known: i64) -> Option<u32> {
    log.iter().rev().find(|said| said.told <= known && said.valid.contains(at(valid))).map(|said| said.value)
}

fn logs() -> impl Strategy<Value = Vec<Said>> {
    let entry = (0..6i64, any::<bool>(), 0..60i64, prop::option::of(1..30i64));
    prop::collection::vec(entry, 1..25).prop_map(|entries| {
        let mut told = 0;
        let said = entries.into_iter().zip(1u32..).map(|((pause, append, from, length), value)| {
            told += pause;
            let valid = match (append, length) {
                (true, _) => Period::since(at(told)),
                (false, None) => Period::since(at(from)),
                (false, Some(length)) => Period::between(at(from), at(from + length)),
            };
            Said { valid, value, told }
        });
        said.collect()
    })
}

fn build(log: &[Said]) -> History<u32> {
    let mut history = History::default();
    for said in log {
        let now = at(said.told);
        if said.valid == Period::since(now) {
            history.append(said.value, now).unwrap();
        } else {
            history.correct(said.valid, said.value, now).unwrap();
        }
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_like_a_replay_of_the_log(log in logs()) {
        let history = build(&log);
        for valid in -1..95 {
            for known in -1..160 {
                prop_assert_eq!(
                    history.as_of(at(valid), at(known)).copied(),
                    replay(&log, valid, known),
                    "valid {} known {}", valid, known
                );
            }
        }
    }

    #[test]
    fn at_no_moment_are_two_things_believed(log in logs()) {
        let history = build(&log);
        for known in 0..160 {
            let line = history.timeline(at(known));
            for pair in line.windows(2) {
                prop_assert!(!pair[0].valid.overlaps(&pair[1].valid));
                prop_assert!(pair[0].valid.from < pair[1].valid.from);
            }
        }
    }

    #[test]
    fn old_beliefs_stay_as_they_were(log in logs()) {
        for cut in 1..log.len() {
            let (before, after) = (build(&log[..cut]), build(&log[..=cut]));
            let told = log[cut].told;
            for valid in (0..95).step_by(3) {
                prop_assert_eq!(before.as_of(at(valid), at(told - 1)), after.as_of(at(valid), at(told - 1)));
            }
            prop_assert!(after.versions().len() >= before.versions().len(), "nothing is removed");
        }
    }

    #[test]
    fn a_plan_needs_only_the_current_versions_it_touches(log in logs()) {
        let history = build(&log[..log.len() - 1]);
        let last = &log[log.len() - 1];
        let whole = plan(history.versions(), last.valid, last.value, at(last.told)).unwrap();
        let few: Vec<Version<u32>> = history
            .versions()
            .iter()
            .filter(|one| one.is_current() && one.valid.overlaps(&last.valid))
            .cloned()
            .collect();
        let part = plan(&few, last.valid, last.value, at(last.told)).unwrap();
        prop_assert_eq!(&part.insert, &whole.insert);
        prop_assert_eq!(part.close.len(), few.len());
    }
}

#[test]
fn what_was_it_then_and_what_did_we_know() {
    let mut history = History::default();
    history.append("held", at(10)).unwrap();
    history.append("gap", at(40)).unwrap();
    history.correct(Period::between(at(20), at(40)), "gap", at(50)).unwrap();
    assert_eq!(history.as_of(at(25), at(45)), Some(&"held"), "on day 45 we still believed it held on day 25");
    assert_eq!(history.as_of(at(25), at(50)), Some(&"gap"), "from day 50 on we know better");
    assert_eq!(history.as_of(at(15), at(60)), Some(&"held"));
    assert_eq!(history.as_of(at(5), at(60)), None);
    let line: Vec<_> = history.timeline(at(60)).iter().map(|one| (one.valid.from, one.value)).collect();
    assert_eq!(line, [(at(10), "held"), (at(20), "gap"), (at(40), "gap")]);
}

#[test]
fn neighbours_are_left_alone() {
    let mut history = History::default();
    history.correct(Period::between(at(0), at(10)), 1, at(50)).unwrap();
    history.correct(Period::between(at(20), at(30)), 3, at(50)).unwrap();
    let between = plan(history.versions(), Period::between(at(10), at(20)), 2, at(60)).unwrap();
    assert_eq!((between.close.len(), between.insert.len()), (0, 1));
}

#[test]
fn empty_stretches_and_knowledge_out_of_order_are_refused() {
    let mut history = History::default();
    history.append(1, at(10)).unwrap();
    let empty = Period::between(at(5), at(5));
    assert_eq!(history.correct(empty, 2, at(20)), Err(HistoryError::EmptyPeriod));
    let early = history.correct(Period::since(at(3)), 2, at(9));
    assert_eq!(early, Err(HistoryError::KnowledgeGoesBack { at: at(9), latest: at(10) }));
    assert_eq!(history.versions().len(), 1, "a refusal changes nothing");
}
