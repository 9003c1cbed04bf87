//! The lines of the benchmark: what each measures, beside whom, and the bounds it must meet.

use std::time::Duration;

use crate::audit::Load;
use crate::error::Result;
use crate::hashing::{HashCost, KEYCLOAK, OWASP};
use crate::peers::{self, Keycloak};
use crate::process;
use crate::product::{self, missing};
use crate::report::{Bound, Check, Figure, Row, ratio};
use crate::round::{Subject, interleave, median};
use crate::setup::Setup;

pub const ALL: [u32; 5] = [1, 12, 19, 21, 22];

const USERS: u64 = 10_000;
/// Log-ins at once: enough to keep one core busy through the waits for the disk.
const LOGIN_WORKERS: usize = 4;
const WARM_UP: Duration = Duration::from_secs(40);
/// A round of line 12: over two seconds for the peer.
const ENTRIES: u64 = 40_000;
/// Events a write in the batched case, and writers at once in the other: what Tessera is fastest with.
const BATCH: u64 = 256;

pub fn measure(line: u32, setup: &Setup) -> Result<Vec<Row>> {
    match line {
        1 => Ok(vec![login(setup, "1a", OWASP)?, login(setup, "1b", KEYCLOAK)?]),
        12 => audit_append(setup),
        19 => Ok(matrix()),
        21 => footprint(setup),
        22 => Ok(kill_minus_nine()),
        other => Err(missing(&format!("no line `{other}` in this benchmark yet; known: 1 12 19 21 22"))),
    }
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

fn login(setup: &Setup, line: &'static str, cost: HashCost) -> Result<Row> {
    let keycloak = match setup.quick {
        true => None,
        false => Some(Keycloak::start(setup, USERS, cost)?),
    };
    let mut subjects = vec![
        Subject::new(format!("Argon2id {}", cost.label), || setup.argon2(cost)),
        Subject::new("ours", || {
            product::program(setup)?;
            Err(missing("the server's sign-in is not wired into the benchmark yet"))
        }),
    ];
    if let Some(keycloak) = &keycloak {
        // The Java compiler needs its time: unmeasured load first, as for every peer that has one.
        keycloak.form_logins(LOGIN_WORKERS, WARM_UP / 2)?;
        keycloak.grant_logins(LOGIN_WORKERS, WARM_UP / 2)?;
        subjects.push(Subject::new("Keycloak, form", || keycloak.form_logins(LOGIN_WORKERS, setup.round)));
        subjects.push(Subject::new("Keycloak, direct grant", || {
            keycloak.grant_logins(LOGIN_WORKERS, setup.round)
        }));
    }
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let (limit, ours) = (median(&figures[0]), median(&figures[1]));
    // The peer's better way counts.
    let (way, peer) = match (figures.get(2).map(median), figures.get(3).map(median)) {
        (Some(Ok(form)), Some(Ok(grant))) if grant > form => ("direct grant", Ok(grant)),
        (Some(form), _) => ("form", form),
        (None, _) => ("form", skipped_when_quick(setup).unwrap_or_else(|| absent("no round was run"))),
    };
    Ok(Row {
        line,
        operation: format!("password log-in end to end, Argon2id {}, {USERS} users", cost.label),
        checks: vec![
            check("of the limit", ratio(&ours, &limit), Bound::AtLeast(0.85)),
            check("× Keycloak", ratio(&ours, &peer), Bound::AtLeast(5.0)),
            check("p99 ms of token traffic meanwhile", absent("no token endpoint yet"), Bound::AtMost(20.0)),
        ],
        ours: Some(ours),
        peer: Some((format!("Keycloak ({way})"), peer)),
        limit: Some(("hash alone".to_owned(), limit)),
        unit: "/s",
    })
}

fn audit_append(setup: &Setup) -> Result<Vec<Row>> {
    peers::build_tessera(setup)?;
    let (mut our_delays, mut peer_delays) = (Vec::new(), Vec::new());
    let batched = Load { events: ENTRIES * 10, writers: 16, events_per_write: BATCH };
    let single = Load { events: ENTRIES, writers: BATCH, events_per_write: 1 };
    let mut subjects = [
        Subject::new("SQLite rows, batched", || setup.sqlite_rows()),
        Subject::new("ours, 256 events a write", || Ok(setup.audit_append(batched)?.events_per_second)),
        Subject::new("ours, one event a write", || {
            let run = setup.audit_append(single)?;
            our_delays.push(run.proof_ms_p99);
            Ok(run.events_per_second)
        }),
        Subject::new("Tessera POSIX", || {
            let run = peers::tessera(setup, ENTRIES)?;
            peer_delays.push(run.included_ms_p99);
            Ok(run.entries_per_second)
        }),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [limit, batched, single, peer] = [0, 1, 2, 3].map(|index| median(&figures[index]));
    let row = |operation: &str, ours: &Figure, checks: Vec<Check>| Row {
        line: "12",
        operation: operation.to_owned(),
        checks,
        ours: Some(ours.clone()),
        peer: Some(("Tessera POSIX, 256 at once".to_owned(), peer.clone())),
        limit: Some(("SQLite batched".to_owned(), limit.clone())),
        unit: "/s",
    };
    let many = vec![
        check("events/s", batched.clone(), Bound::AtLeast(100_000.0)),
        check("× Tessera", ratio(&batched, &peer), Bound::AtLeast(1.0)),
    ];
    let one = vec![check("× Tessera", ratio(&single, &peer), Bound::AtLeast(1.0))];
    let (our_delay, peer_delay) = (median(&Ok(our_delays)), median(&Ok(peer_delays)));
    let delay = Row {
        line: "12",
        operation: "… from append to a checked proof and signed checkpoint, p99, 256 writers".to_owned(),
        checks: vec![check("of Tessera's", ratio(&our_delay, &peer_delay), Bound::AtMost(1.0))],
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

fn matrix() -> Vec<Row> {
    let why = "the matrix is not wired into the benchmark yet";
    [
        ("10,000 organizations × 47 rows: an event to its cells, p99", "ms", 1_000.0),
        ("… full recompute on one core", "s", 60.0),
        ("… one page", "ms", 10.0),
    ]
    .map(|(operation, unit, bound)| ours_alone("19", operation, unit, absent(why), bound))
    .into()
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

fn footprint(setup: &Setup) -> Result<Vec<Row>> {
    let keycloak = match setup.quick {
        true => None,
        false => Some(Keycloak::start(setup, USERS, OWASP)?),
    };
    setup.look_around()?;
    let why = "the server is not wired into the benchmark yet";
    let beside = |figure: Option<Figure>| {
        let figure = figure.or_else(|| skipped_when_quick(setup));
        Some(("Keycloak".to_owned(), figure.unwrap_or_else(|| absent("no round was run"))))
    };
    let memory = keycloak
        .as_ref()
        .map(|keycloak| process::resident_mib(keycloak.pid).map_err(|error| error.to_string()));
    let mut idle = ours_alone("21", "idle memory, 10,000 users, 100 organizations", "MiB", absent(why), 80.0);
    idle.peer = beside(memory);
    let mut start = ours_alone("21", "start to first answer, same data", "ms", absent(why), 300.0);
    start.peer = beside(keycloak.as_ref().map(|keycloak| Ok(keycloak.start_ms)));
    let list = "slowest console list, 1 M users, 10,000 organizations";
    Ok(vec![idle, start, ours_alone("21", list, "ms", absent(why), 50.0)])
}

fn kill_minus_nine() -> Vec<Row> {
    let why = "the server is not wired into the benchmark yet";
    vec![
        ours_alone("22", "kill -9 under writes, SQLite: acknowledged writes lost", "lost", absent(why), 0.0),
        ours_alone("22", "… restart, slowest", "s", absent(why), 1.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_measured_is_not_met() {
        for row in matrix().iter().chain(&kill_minus_nine()) {
            assert!(!row.met(), "{}", row.operation);
        }
    }

    #[test]
    fn an_unknown_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::new(folder.path().into(), folder.path(), 1, true, (0, 1)).unwrap();
        assert!(measure(99, &setup).is_err());
    }
}
