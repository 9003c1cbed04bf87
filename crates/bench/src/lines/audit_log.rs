//! Line 13: finding events in a long audit log, and taking a whole one out with its proofs. Beside it PostgreSQL with the
//! same rows, asked by SQL, without HTTP and without proofs: what somebody would build by hand.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use platform::app::App;
use platform::ctx::Actor;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::principals;
use platform::time::Timestamp;

use super::{check, started};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::histogram::Histogram;
use crate::http::{Connection, encode};
use crate::peers::{Peer, Postgres};
use crate::process;
use crate::product::{self, Server, missing};
use crate::report::{Bound, Figure, Row, number, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size, wrong};
use crate::setup::Setup;

/// Events of one write; each write is by one actor.
const EVENTS_A_WRITE: u64 = 250;
/// Writes at once: they share their syncs.
const WRITERS: u64 = 16;
const ACTORS: u64 = 5_000;
const TARGETS: u64 = 20_000;
/// The log of a year.
const SPAN: Duration = Duration::from_secs(365 * 24 * 3600);
/// Events of an answer.
pub const PAGE: usize = 50;
/// The whole log that is taken out has so many times fewer events than the one that is searched.
const SMALLER: u64 = 10;
const MEGABYTE: f64 = 1e6;

const ACTIONS: [&str; 12] = [
    "member.added",
    "member.removed",
    "member.role_changed",
    "group.created",
    "group.member_added",
    "group.member_removed",
    "domain.verified",
    "policy.changed",
    "invitation.sent",
    "api_token.created",
    "session.started",
    "sign_in.failed",
];

/// What is looked for, the same for both.
#[derive(Clone, Copy, Debug)]
pub enum Search<'a> {
    Actor(&'a str),
    Target(&'a str),
    /// The beginning of an action.
    Action(&'a str),
    ActorAndAction(&'a str, &'a str),
    /// Between these two times.
    Between(Timestamp, Timestamp),
}

/// Who acts in the log and whom it is about; the same in both organizations.
struct Cast {
    actors: Vec<AccountId>,
    targets: Vec<AccountId>,
    from: Timestamp,
}

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let size = Size { organizations: 2, users: 20, first: 10, passwords: false };
    let seeded = seed::installation(setup.work(), "audit-log", size, OWASP)?;
    let cast = seed::runtime()?.block_on(fill(&seeded, setup.events))?;
    caught_up(&seeded.database())?;
    let peer = Peer::postgres(setup);
    let peer = started(&peer).and_then(|peer| {
        let mut postgres = Postgres::connect(&peer.url)?;
        postgres.copy_events(&seeded.database())?;
        Ok(postgres)
    });
    let peer = std::cell::RefCell::new(peer);
    let server = Server::start(setup, &seeded.data, OWASP)?;
    let file = setup.work().join("export.jsonl");
    let smaller = setup.events / SMALLER;
    let theirs = |measure: &dyn Fn(&mut Postgres) -> Result<f64>| match &mut *peer.borrow_mut() {
        Ok(postgres) => measure(postgres),
        Err(error) => Err(missing(&error.to_string())),
    };
    let mut subjects = [
        Subject::new("ours, search, p95 ms", || {
            let mut asker = Asker::new(&server, &seeded)?;
            searches(&cast, setup.round, |search| asker.ask(search))
        }),
        Subject::new("PostgreSQL, search, p95 ms", || {
            theirs(&|postgres| searches(&cast, setup.round, |search| postgres.search(&seed::slug(0), search)))
        }),
        Subject::new("ours, export, MB/s", || export(&server, &seeded, &file)),
        Subject::new("PostgreSQL, COPY, MB/s", || {
            theirs(&|postgres| {
                let began = Instant::now();
                let bytes = postgres.copy_out(&seed::slug(1))?;
                Ok(bytes as f64 / MEGABYTE / began.elapsed().as_secs_f64())
            })
        }),
        Subject::new("verify, events/s", || verify(setup, &file, smaller)),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [search, their_search, taken_out, copied, verify] =
        [0, 1, 2, 3, 4].map(|index| median(&figures[index]));
    let row =
        |operation: String, unit: &'static str, ours: &Figure, theirs: Option<&Figure>, bound: Bound| {
            let mut checks = vec![check(unit, ours.clone(), bound)];
            checks.extend(theirs.map(|theirs| check("of PostgreSQL's", ratio(ours, theirs), Bound::Shown)));
            Row {
                line: "13",
                operation,
                checks,
                ours: Some(ours.clone()),
                peer: theirs.map(|theirs| ("PostgreSQL, same rows, by SQL".to_owned(), theirs.clone())),
                limit: None,
                unit,
            }
        };
    let [events, smaller] = [setup.events, smaller].map(|count| number(count as f64));
    let what = format!("audit search over HTTP, p95, {events} events");
    Ok(vec![
        row(what, "ms", &search, Some(&their_search), Bound::AtMost(20.0)),
        row(
            format!("… export with proofs, {smaller} events"),
            "MB/s",
            &taken_out,
            Some(&copied),
            Bound::AtLeast(200.0),
        ),
        row(
            "… `bailiwick verify` of that file".to_owned(),
            "events/s",
            &verify,
            None,
            Bound::AtLeast(1_000_000.0),
        ),
    ])
}

/// Fills the first organization's log with so many events, the second's with fewer.
async fn fill(seeded: &Seeded, events: u64) -> Result<Arc<Cast>> {
    let app = seed::open(&seeded.data, OWASP).await?;
    let ctx = app.ctx(Actor::Operator);
    let cast = Arc::new(Cast {
        actors: (0..ACTORS).map(|_| ctx.id()).collect(),
        targets: (0..TARGETS).map(|_| ctx.id()).collect(),
        from: ctx.now.minus(SPAN),
    });
    for (which, count) in [(0, events), (1, events / SMALLER)] {
        let slug = seed::slug(which);
        let found = app.db().read(move |tx| principals::organization_by_slug(tx, &slug)).await?;
        let home = found.ok_or_else(|| wrong("an organization", "it is not there"))?.id;
        let writes = count.div_ceil(EVENTS_A_WRITE);
        let next = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| tokio::spawn(write_until_done(app.clone(), home, cast.clone(), writes, next.clone())))
            .collect();
        for writer in writers {
            writer.await.map_err(|error| wrong("a writer", error))??;
        }
    }
    app.db().close(Duration::from_secs(300)).await;
    Ok(cast)
}

async fn write_until_done(
    app: App,
    home: OrganizationId,
    cast: Arc<Cast>,
    writes: u64,
    next: Arc<AtomicU64>,
) -> Result<()> {
    loop {
        let write = next.fetch_add(1, Ordering::Relaxed);
        if write >= writes {
            return Ok(());
        }
        let mut ctx = app.ctx(Actor::Account(cast.actors[(spread(write) % ACTORS) as usize]));
        ctx.now = cast.from.plus(SPAN.mul_f64(write as f64 / writes as f64));
        let cast = cast.clone();
        let written = app.db().write(&ctx, move |tx| {
            let mut recorded = tx.record(event(home, &cast, write, 0));
            for index in 1..EVENTS_A_WRITE {
                recorded = tx.record(event(home, &cast, write, index));
            }
            Ok::<_, DbError>(Commit::changed((), recorded))
        });
        written.await?;
    }
}

fn event(home: OrganizationId, cast: &Cast, write: u64, index: u64) -> Event {
    let number = spread(write * EVENTS_A_WRITE + index);
    Event::new(home, ACTIONS[(number % ACTIONS.len() as u64) as usize])
        .target("account", cast.targets[(number / 16 % TARGETS) as usize])
        .with("role", "member")
        .with("source", "directory")
        .personal("email", format!("person-{}@example.test", number % TARGETS))
}

/// Far from its neighbours.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

/// What follows the events has nothing to do here: what is measured is the log.
fn caught_up(database: &Path) -> Result<()> {
    let store = rusqlite::Connection::open(database)?;
    store.execute("update feed_cursors set revision = (select max(revision) from events)", [])?;
    store.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
    Ok(())
}

/// The p95 of searches one after the other, in milliseconds. `ask` gives how many events came.
fn searches(cast: &Cast, lasting: Duration, mut ask: impl FnMut(Search<'_>) -> Result<usize>) -> Result<f64> {
    let mut delays = Histogram::default();
    let began = Instant::now();
    let mut number = 0_u64;
    while began.elapsed() < lasting {
        let actor = cast.actors[(spread(number) % ACTORS) as usize].to_string();
        let target = cast.targets[(spread(number + 7) % TARGETS) as usize].to_string();
        let day = cast.from.plus(SPAN.mul_f64((spread(number) % 300) as f64 / 365.0));
        let search = match number % 6 {
            0 => Search::Actor(&actor),
            1 => Search::Target(&target),
            2 => Search::Action("policy.changed"),
            3 => Search::Action("member."),
            4 => Search::ActorAndAction(&actor, "group."),
            _ => Search::Between(day, day.plus(Duration::from_secs(24 * 3600))),
        };
        let started = Instant::now();
        let found = ask(search)?;
        delays.record(started.elapsed());
        // A search without a hit proves nothing; one by actor or target may have none in a short log.
        if found == 0 && matches!(search, Search::Action(_) | Search::Between(..)) {
            return Err(missing(&format!("{search:?} found nothing")));
        }
        number += 1;
    }
    Ok(delays.percentile_ms(0.95))
}

/// Searches by the API.
struct Asker {
    connection: Connection,
    path: String,
    authorization: String,
}

impl Asker {
    fn new(server: &Server, seeded: &Seeded) -> Result<Self> {
        let (slug, token) = seeded.tokens.first().ok_or_else(|| missing("no API tokens were made"))?;
        Ok(Self {
            connection: Connection::new(&server.url),
            path: format!("/api/v1/organizations/{slug}/audit/events?limit={PAGE}"),
            authorization: format!("Bearer {token}"),
        })
    }

    fn ask(&mut self, search: Search<'_>) -> Result<usize> {
        let query = match search {
            Search::Actor(id) => format!("actor={id}"),
            Search::Target(id) => format!("target={id}"),
            Search::Action(start) => format!("action={start}"),
            Search::ActorAndAction(id, start) => format!("actor={id}&action={start}"),
            Search::Between(since, until) => {
                format!("since={}&until={}", encode(&since.rfc3339()), encode(&until.rfc3339()))
            }
        };
        let path = format!("{}&{query}", self.path);
        let headers = [("Authorization", self.authorization.as_str())];
        let answer = self.connection.get(&path, &headers)?.expect(&path, 200)?;
        let page: Page = serde_json::from_slice(&answer.body)?;
        let fits = page.items.iter().all(|event| match search {
            Search::Actor(id) => event.actor.id == id,
            Search::Target(id) => event.target.id == id,
            Search::Action(start) => event.action.starts_with(start),
            Search::ActorAndAction(id, start) => event.actor.id == id && event.action.starts_with(start),
            Search::Between(since, until) => event.at >= since && event.at < until,
        });
        if fits {
            return Ok(page.items.len());
        }
        Err(BenchError::Answer {
            what: path,
            got: "an event that does not fit".to_owned(),
            expected: "only events that fit".to_owned(),
        })
    }
}

#[derive(serde::Deserialize)]
struct Page {
    items: Vec<Item>,
}

#[derive(serde::Deserialize)]
struct Item {
    at: Timestamp,
    action: String,
    actor: Party,
    target: Party,
}

#[derive(serde::Deserialize)]
struct Party {
    id: String,
}

/// Megabytes a second of the second organization's whole log, into `file`.
fn export(server: &Server, seeded: &Seeded, file: &Path) -> Result<f64> {
    let failed = || BenchError::io(format!("writing {}", file.display()));
    let (slug, token) = seeded.tokens.get(1).ok_or_else(|| missing("no API tokens were made"))?;
    let path = format!("/api/v1/organizations/{slug}/audit/export");
    let authorization = format!("Bearer {token}");
    let mut sink = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(file).map_err(failed())?);
    let began = Instant::now();
    let bytes = Connection::download(&server.url, &path, &[("Authorization", &authorization)], &mut sink)?;
    sink.flush().map_err(failed())?;
    Ok(bytes as f64 / MEGABYTE / began.elapsed().as_secs_f64())
}

/// Events a second that `bailiwick verify` checks, from its start to its end.
fn verify(setup: &Setup, file: &Path, at_least: u64) -> Result<f64> {
    let mut command: Command = process::pinned(setup.server_core, product::program(setup)?);
    command.arg("verify").arg(file).arg("--json");
    let began = Instant::now();
    let said: serde_json::Value = process::json(&mut command)?;
    let elapsed = began.elapsed();
    let entries = said["entries"].as_u64().unwrap_or(0);
    if entries < at_least {
        return Err(BenchError::Answer {
            what: "bailiwick verify".to_owned(),
            got: format!("{entries} entries"),
            expected: format!("at least {at_least}"),
        });
    }
    Ok(entries as f64 / elapsed.as_secs_f64())
}
