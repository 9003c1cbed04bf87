//! Line 19: the matrix of many organizations: how fast an event reaches its cell, a full run, a page.

use std::time::Duration;

use platform::time::Clock;
use rusqlite::OptionalExtension as _;

use super::{check, ours_alone};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::histogram::Histogram;
use crate::http::Connection;
use crate::load::{self, pause};
use crate::product::{Server, server_ms};
use crate::report::{Bound, Row, number};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size};
use crate::setup::Setup;

/// Changes a second, each in another organization.
const CHANGES: f64 = 50.0;
const WORKERS: usize = 16;
const WAIT_MAX: Duration = Duration::from_secs(30);
/// What the changes touch: the customer's half of this row rests on the choice of regimes.
const ROW: &str = "POL-C4";
const PAGES: u64 = 400;

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let organizations = if setup.quick { 1_000 } else { 10_000 };
    let size = Size { organizations, users: organizations * 5, first: 5, passwords: false };
    let seeded = seed::installation(setup.work(), "matrix", size, OWASP)?;
    let cells = cells(&seeded)?;
    let mut alone = [Subject::new("full run, s", || setup.matrix(&seeded.data))];
    let full = interleave(setup.rounds, &mut alone, || setup.look_around());
    let server = Server::start(setup, &seeded.data, OWASP)?;
    let mut subjects = [
        Subject::new("event to cell, p99 ms", || changes(&server, &seeded, setup.round)),
        Subject::new("page, p99 ms", || pages(&server, &seeded)),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    let [changed, page] = [0, 1].map(|index| median(&figures[index]));
    let full = median(&full[0]);
    let (homes, kept) = (number(organizations as f64), number(cells as f64));
    let what = format!("{homes} organizations × 47 rows, {kept} cells kept: ");
    let mut run = ours_alone("19", "… full run on one core", "s", full.clone(), 60.0);
    if setup.quick {
        run.checks = vec![check("s (a tenth of the size, a tenth of the bound)", full, Bound::AtMost(6.0))];
    }
    Ok(vec![
        ours_alone("19", &format!("{what}a change to its cell, p99 of {CHANGES}/s"), "ms", changed, 1_000.0),
        run,
        ours_alone("19", "… page of an organization's matrix, the server's time, p99", "ms", page, 10.0),
    ])
}

fn cells(seeded: &Seeded) -> Result<i64> {
    let store = rusqlite::Connection::open(seeded.database())?;
    Ok(store.query_row("select count(*) from cells", [], |row| row.get(0))?)
}

/// From when a change was due to be sent until its cell is in the store, evaluated after it.
fn changes(server: &Server, seeded: &Seeded, lasting: Duration) -> Result<f64> {
    let outcome = load::open(CHANGES, WORKERS, lasting, |_| {
        let mut connection = Connection::new(&server.url);
        let store = rusqlite::Connection::open(seeded.database());
        Box::new(move |number| {
            let store = store.as_ref().map_err(|error| crate::product::missing(&error.to_string()))?;
            let Some((slug, token)) = seeded.tokens.get(number as usize % seeded.tokens.len().max(1)) else {
                return Err(crate::product::missing("no API tokens were made"));
            };
            let sent = Clock::System.now().micros();
            change(&mut connection, slug, token, sent)?;
            await_cell(store, slug, sent)
        })
    });
    outcome.map(|outcome| outcome.delays.percentile_ms(0.99))
}

fn change(connection: &mut Connection, slug: &str, token: &str, unique: i64) -> Result<()> {
    let path = format!("/api/v1/organizations/{slug}/breach-regimes");
    let body = serde_json::json!({ "regimes": [], "reason": format!("none applies, as of {unique}") });
    let authorization = format!("Bearer {token}");
    let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
    connection.send("PUT", &path, &headers, body.to_string().as_bytes())?.expect(&path, 200).map(drop)
}

fn await_cell(store: &rusqlite::Connection, slug: &str, sent: i64) -> Result<()> {
    let mut look = store.prepare_cached(
        "select c.evaluated_at from cells c join organizations o on o.id = c.organization_id
         where o.slug = ?1 and c.duty = ?2 and c.side = 'customer'",
    )?;
    let began = std::time::Instant::now();
    while began.elapsed() < WAIT_MAX {
        let evaluated: Option<i64> = look.query_row([slug, ROW], |row| row.get(0)).optional()?;
        if evaluated.is_some_and(|at| at > sent) {
            return Ok(());
        }
        pause(Duration::from_millis(1));
    }
    Err(BenchError::Answer {
        what: format!("the cell {ROW} of {slug}"),
        got: "not evaluated within half a minute".to_owned(),
        expected: "evaluated after its change".to_owned(),
    })
}

fn pages(server: &Server, seeded: &Seeded) -> Result<f64> {
    let mut connection = Connection::new(&server.url);
    let path = format!("/o/{}", seed::slug(0));
    let mut times = Histogram::default();
    for _ in 0..PAGES {
        let page = connection.get(&path, &[("Cookie", &seeded.member_session)])?.expect(&path, 200)?;
        times.record(Duration::from_secs_f64(server_ms(&page)? / 1e3));
    }
    Ok(times.percentile_ms(0.99))
}
