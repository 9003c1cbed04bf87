//! The lines of the benchmark: what each measures, beside whom, and the bounds it must meet.

use crate::audit::Load;
use crate::error::Result;
use crate::hashing::{KEYCLOAK, OWASP};
use crate::peers;
use crate::product::missing;
use crate::report::{Bound, Check, Figure, Row, ratio};
use crate::round::{Subject, interleave, median};
use crate::setup::Setup;

pub mod audit_log;
mod client_tokens;
mod flows;
mod footprint;
mod introspection;
mod kill;
mod login;
mod matrix;
mod passkeys;
mod provisioning;
mod saml;

pub const ALL: [u32; 12] = [1, 2, 3, 4, 5, 6, 11, 12, 13, 19, 21, 22];

/// A round of line 12: over two seconds for the peer.
const ENTRIES: u64 = 40_000;
/// Events a write in the batched case, and writers at once in the other: what Tessera is fastest with.
const BATCH: u64 = 256;

pub fn measure(line: u32, setup: &Setup) -> Result<Vec<Row>> {
    match line {
        1 => Ok(vec![login::measure(setup, "1a", OWASP)?, login::measure(setup, "1b", KEYCLOAK)?]),
        2 => client_tokens::measure(setup),
        3 => introspection::measure(setup),
        4 => flows::measure(setup),
        5 => passkeys::measure(setup),
        6 => saml::measure(setup),
        11 => provisioning::measure(setup),
        12 => audit_append(setup),
        13 => audit_log::measure(setup),
        19 => matrix::measure(setup),
        21 => footprint::measure(setup),
        22 => kill::measure(setup),
        other => {
            let known: String = ALL.iter().map(|line| format!(" {line}")).collect();
            Err(missing(&format!("no line `{other}` in this benchmark yet; known:{known}")))
        }
    }
}

/// A peer, or why it did not start: its figure says so, and the others are measured.
fn started<T>(peer: &Result<T>) -> Result<&T> {
    peer.as_ref().map_err(|error| missing(&error.to_string()))
}

fn absent(why: &str) -> Figure {
    Err(why.to_owned())
}

fn check(what: &str, figure: Figure, bound: Bound) -> Check {
    Check { what: what.to_owned(), figure, bound }
}

fn skipped_when_quick(setup: &Setup) -> Option<Figure> {
    setup.quick.then(|| absent("--quick leaves out peers that need a big install"))
}

fn audit_append(setup: &Setup) -> Result<Vec<Row>> {
    if !setup.quick {
        peers::build_tessera(setup)?;
    }
    let (mut our_delays, mut peer_delays) = (Vec::new(), Vec::new());
    let batched = Load { events: ENTRIES * 10, writers: 16, events_per_write: BATCH };
    let single = Load { events: ENTRIES, writers: BATCH, events_per_write: 1 };
    let mut subjects = vec![
        Subject::new("SQLite rows, batched", || setup.sqlite_rows()),
        Subject::new("ours, 256 events a write", || Ok(setup.audit_append(batched)?.events_per_second)),
        Subject::new("ours, one event a write", || {
            let run = setup.audit_append(single)?;
            our_delays.push(run.proof_ms_p99);
            Ok(run.events_per_second)
        }),
    ];
    if !setup.quick {
        subjects.push(Subject::new("Tessera POSIX", || {
            let run = peers::tessera(setup, ENTRIES)?;
            peer_delays.push(run.included_ms_p99);
            Ok(run.entries_per_second)
        }));
    }
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [limit, batched, single] = [0, 1, 2].map(|index| median(&figures[index]));
    let left_out = || skipped_when_quick(setup).unwrap_or_else(|| absent("no round was run"));
    let peer = figures.get(3).map_or_else(left_out, median);
    let row = |operation: &str, ours: &Figure, checks: Vec<Check>| Row {
        line: "12",
        operation: operation.to_owned(),
        checks,
        ours: Some(ours.clone()),
        peer: Some(("Tessera POSIX, 256 at once".to_owned(), peer.clone())),
        limit: Some(("SQLite batched".to_owned(), limit.clone())),
        unit: "/s",
    };
    let beside =
        |what: &str, figure: Figure, bound: Bound| (!setup.quick).then(|| check(what, figure, bound));
    let mut many = vec![check("events/s", batched.clone(), Bound::AtLeast(100_000.0))];
    many.extend(beside("× Tessera", ratio(&batched, &peer), Bound::AtLeast(1.0)));
    let one = beside("× Tessera", ratio(&single, &peer), Bound::AtLeast(1.0)).into_iter().collect();
    let our_delay = median(&Ok(our_delays));
    let peer_delay = skipped_when_quick(setup).unwrap_or_else(|| median(&Ok(peer_delays)));
    let delay = Row {
        line: "12",
        operation: "… from append to a checked proof and signed checkpoint, p99, 256 writers".to_owned(),
        checks: beside("of Tessera's", ratio(&our_delay, &peer_delay), Bound::AtMost(1.0))
            .into_iter()
            .collect(),
        ours: Some(our_delay),
        peer: Some(("Tessera POSIX".to_owned(), peer_delay)),
        limit: Some(("fdatasync p50".to_owned(), median(&setup.fdatasync_ms().map(|figure| vec![figure])))),
        unit: "ms",
    };
    Ok(vec![
        row("audit append with proof, 400-byte events, 256 a write", &batched, many),
        row("… one a write, 256 writers", &single, one),
        delay,
    ])
}

fn ours_alone(line: &'static str, operation: &str, unit: &'static str, ours: Figure, bound: f64) -> Row {
    Row {
        line,
        operation: operation.to_owned(),
        checks: vec![check(unit, ours.clone(), Bound::AtMost(bound))],
        ours: Some(ours),
        peer: None,
        limit: None,
        unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_measured_is_not_met() {
        assert!(!ours_alone("1", "x", "ms", absent("no server"), 5.0).met());
        assert!(ours_alone("1", "x", "ms", Ok(4.0), 5.0).met());
    }

    #[test]
    fn an_unknown_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::new(folder.path().into(), folder.path(), 1, true, (0, 1)).unwrap();
        assert!(measure(99, &setup).is_err());
    }
}
