//! Line 22, the SQLite half: the server is killed in the middle of writes, again and again. What it had acknowledged must
//! be there afterwards, in the table and in the ledger.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::OptionalExtension as _;

use super::ours_alone;
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::Connection;
use crate::load::pause;
use crate::product::{Server, missing};
use crate::report::{Row, number};
use crate::seed::{self, Seeded, Size};
use crate::setup::Setup;

const WRITERS: usize = 4;
const KILLS: u64 = 1_000;
const KILLS_QUICK: u64 = 10;

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let size = Size { organizations: 10, users: 1_000, first: 100, passwords: false };
    let seeded = seed::installation(setup.work(), "kill", size, OWASP)?;
    let kills = if setup.quick { KILLS_QUICK } else { KILLS };
    let (mut acknowledged, mut lost, mut slowest) = (0, 0, 0.0_f64);
    for kill in 0..kills {
        let server = Server::start(setup, &seeded.data, OWASP)?;
        if kill > 0 {
            slowest = slowest.max(server.start_ms);
        }
        // Another moment each time: within a group, between two, during a checkpoint.
        let moment = Duration::from_millis(100 + kill * 97 % 400);
        let names = write_until_killed(server, &seeded, kill, moment)?;
        if names.is_empty() {
            return Err(missing("nothing was written before a kill"));
        }
        acknowledged += names.len();
        // Opened as the next start finds it: the log of the killed process is read by whoever comes first.
        lost += missing_names(&seeded.database(), &names)?;
    }
    let server = Server::start(setup, &seeded.data, OWASP)?;
    slowest = slowest.max(server.start_ms);
    drop(server);
    check_ledgers(&seeded.database())?;
    let writes = number(acknowledged as f64);
    let what = format!("{kills} × kill -9 under writes, SQLite: lost of {writes} acknowledged writes");
    Ok(vec![
        ours_alone("22", &what, "lost", Ok(lost as f64), 0.0),
        ours_alone("22", "… restart to first answer, slowest", "s", Ok(slowest / 1e3), 1.0),
    ])
}

/// Names of the groups whose creation was answered with 201.
fn write_until_killed(server: Server, seeded: &Seeded, kill: u64, after: Duration) -> Result<Vec<String>> {
    let Some((slug, token)) = seeded.tokens.first() else {
        return Err(missing("no API tokens were made"));
    };
    let path = format!("/api/v1/organizations/{slug}/groups");
    let authorization = format!("Bearer {token}");
    let url = server.url.clone();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (path, authorization, url) = (&path, &authorization, &url);
                scope.spawn(move || write(url, path, authorization, &format!("{kill} {writer}")))
            })
            .collect();
        let began = Instant::now();
        pause(after.saturating_sub(began.elapsed()));
        let killed = server.kill_minus_nine();
        let mut names = Vec::new();
        for writer in writers {
            names.extend(writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        killed.map(|()| names)
    })
}

/// Writes until the connection breaks, which is how a writer learns of the kill; any other answer than 201 is an error.
fn write(url: &str, path: &str, authorization: &str, prefix: &str) -> Result<Vec<String>> {
    let mut connection = Connection::new(url);
    let mut names = Vec::new();
    let headers = [("Content-Type", "application/json"), ("Authorization", authorization)];
    for number in 0.. {
        let name = format!("{prefix} {number}");
        let body = serde_json::json!({ "name": name }).to_string();
        match connection.send("POST", path, &headers, body.as_bytes()) {
            Ok(answer) => drop(answer.expect(path, 201)?),
            Err(_) => break,
        }
        names.push(name);
    }
    Ok(names)
}

fn missing_names(database: &Path, names: &[String]) -> Result<usize> {
    let store = rusqlite::Connection::open(database)?;
    let mut look = store.prepare(
        "select 1 from groups where organization_id = (select id from organizations where slug = ?1)
         and name_key = ?2",
    )?;
    let slug = seed::slug(0);
    let mut lost = 0;
    for name in names {
        let found: Option<i64> = look.query_row([slug.as_str(), name], |row| row.get(0)).optional()?;
        lost += usize::from(found.is_none());
    }
    Ok(lost)
}

/// Each ledger's head counts exactly the events that are there, and the file itself is whole.
fn check_ledgers(database: &Path) -> Result<()> {
    let store = rusqlite::Connection::open(database)?;
    let wrong: i64 = store.query_row(
        "select count(*) from ledger_heads h
         where h.size <> (select count(*) from events e where e.organization_id = h.organization_id)",
        [],
        |row| row.get(0),
    )?;
    let whole: String = store.query_row("pragma quick_check", [], |row| row.get(0))?;
    if wrong == 0 && whole == "ok" {
        return Ok(());
    }
    Err(BenchError::Answer {
        what: "the store after the kills".to_owned(),
        got: format!("{wrong} ledgers that differ from their events, file {whole}"),
        expected: "none, file ok".to_owned(),
    })
}
