//! Line 12, ours: the audit ledger in this process, through the store that the server uses. Durable (`synchronous=FULL`),
//! and nothing is left out: salted personal field, leaf hash, tree, change feed's revision.
//!
//! One write in so many is followed by what somebody would ask for next: the inclusion proof against the head that the
//! write left, checked, and a signed checkpoint of that head. The time from before the write to that is the delay to a proof.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use platform::ctx::{Actor, Ctx, Random};
use platform::db::{Commit, DatabaseUrl, Db, DbError, EventRef};
use platform::events::{Event, proofs};
use platform::ids::OrganizationId;
use platform::principals::{self, Organization, OrganizationKind, OrganizationState};
use platform::time::Clock;
use serde::{Deserialize, Serialize};

use crate::error::{BenchError, Result};
use crate::histogram::Histogram;

/// Makes a leaf of 400 bytes, as the peer's entries are.
const DETAIL_BYTES: usize = 178;
/// One write in so many is followed to its proof, so that the observer is not the cost.
const FOLLOW_ONE_IN: u64 = 64;
const ORIGIN: &str = "bench.example/ledger";

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub events: u64,
    pub writers: u64,
    pub events_per_write: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct AppendRun {
    pub events_per_second: f64,
    pub proof_ms_p50: f64,
    pub proof_ms_p99: f64,
}

/// Appends into a new database in `folder` and proves what it says by counting and checking.
pub fn append(folder: &Path, load: Load) -> Result<AppendRun> {
    let folder = tempfile::tempdir_in(folder).map_err(BenchError::io("making a folder for the ledger"))?;
    // One core is all there is, so one thread: the store has its own besides.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("starting the runtime"))?;
    runtime.block_on(run(&folder.path().join("ledger.db"), load))
}

async fn run(file: &Path, load: Load) -> Result<AppendRun> {
    let (clock, random) = (Clock::System, Random::System);
    let db = Db::open(&DatabaseUrl::Sqlite(file.to_owned())).await?;
    let organization = found(&db, &Ctx::new(Actor::Operator, &clock, &random)).await?;
    let bench = Arc::new(Bench {
        key: ledger::SigningKey::from_seed(&[7; 32]).map_err(|error| wrong("the signing key", error))?,
        db,
        organization,
        clock,
        random,
        load,
        next: AtomicU64::new(0),
    });
    let began = Instant::now();
    let writers: Vec<_> = (0..load.writers).map(|_| tokio::spawn(write_until_done(bench.clone()))).collect();
    let mut delays = Histogram::default();
    for writer in writers {
        delays.merge(&writer.await.map_err(|error| wrong("a writer", error))??);
    }
    let elapsed = began.elapsed();
    let (size, _) = bench.db.read(move |tx| proofs::head(tx, organization)).await?;
    let writes = load.events.div_ceil(load.events_per_write);
    let expected = writes * load.events_per_write + 1;
    if size != expected {
        return Err(BenchError::Answer {
            what: "the ledger's size".to_owned(),
            got: size.to_string(),
            expected: expected.to_string(),
        });
    }
    bench.db.close(Duration::from_secs(5)).await;
    Ok(AppendRun {
        events_per_second: (expected - 1) as f64 / elapsed.as_secs_f64(),
        proof_ms_p50: delays.percentile_ms(0.5),
        proof_ms_p99: delays.percentile_ms(0.99),
    })
}

struct Bench {
    db: Db,
    organization: OrganizationId,
    clock: Clock,
    random: Random,
    key: ledger::SigningKey,
    load: Load,
    next: AtomicU64,
}

async fn found(db: &Db, ctx: &Ctx) -> Result<OrganizationId> {
    let new = Organization {
        id: ctx.id(),
        slug: "bench".to_owned(),
        name: "Bench".to_owned(),
        kind: OrganizationKind::Customer,
        state: OrganizationState::Active,
        created_at: ctx.now,
    };
    let organization = new.id;
    let written = db.write(ctx, move |tx| {
        principals::insert_organization(tx, &new)?;
        let recorded = tx.record(Event::new(organization, "organization.founded"));
        Ok::<_, DbError>(Commit::changed((), recorded))
    });
    written.await?;
    Ok(organization)
}

async fn write_until_done(bench: Arc<Bench>) -> Result<Histogram> {
    let mut delays = Histogram::default();
    let writes = bench.load.events.div_ceil(bench.load.events_per_write);
    loop {
        let number = bench.next.fetch_add(1, Ordering::Relaxed);
        if number >= writes {
            return Ok(delays);
        }
        let started = Instant::now();
        let ctx = Ctx::new(Actor::System("bench"), &bench.clock, &bench.random);
        let (organization, events) = (bench.organization, bench.load.events_per_write);
        let written = bench.db.write(&ctx, move |tx| {
            let mut recorded = tx.record(event(organization, number, 0));
            for index in 1..events {
                recorded = tx.record(event(organization, number, index));
            }
            Ok::<_, DbError>(Commit::changed((), recorded))
        });
        let written = written.await?;
        if number.is_multiple_of(FOLLOW_ONE_IN) {
            let place = written.events.first().ok_or_else(|| wrong("a write", "it has no event"))?;
            prove(&bench, place.clone()).await?;
            delays.record(started.elapsed());
        }
    }
}

fn event(organization: OrganizationId, write: u64, index: u64) -> Event {
    Event::new(organization, "session.started")
        .target("account", format!("0197a1c0-0000-7000-8000-{write:012x}"))
        .with("detail", format!("{write:016x}{index:016x}{}", "x".repeat(DETAIL_BYTES - 32)))
        .personal("ip", "2001:db8::7")
}

/// Inclusion of the event in the head as it stands, checked, and the head signed.
async fn prove(bench: &Bench, place: EventRef) -> Result<()> {
    let organization = bench.organization;
    let read = bench.db.read(move |tx| {
        let (size, root) = proofs::head(tx, organization)?;
        let path = proofs::inclusion(tx, organization, place.sequence, size)?;
        let event = platform::events::range(tx, organization, place.sequence, 1)?;
        let leaf = event.first().map(|event| event.entry().map(|entry| entry.leaf_hash())).transpose()?;
        Ok::<_, DbError>((size, root, path, leaf, place.sequence))
    });
    let (size, root, path, leaf, sequence) = read.await?;
    let leaf = leaf.ok_or_else(|| wrong("a written event", "it cannot be read back"))?;
    ledger::verify_inclusion(leaf, sequence, size, &path, &root).map_err(|error| wrong("a proof", error))?;
    let checkpoint = ledger::Checkpoint { origin: ORIGIN.to_owned(), size, root };
    checkpoint.sign(&bench.key, ORIGIN).map(drop).map_err(|error| wrong("a checkpoint", error))
}

fn wrong(what: &str, error: impl ToString) -> BenchError {
    BenchError::Program { program: what.to_owned(), why: error.to_string() }
}

impl From<DbError> for BenchError {
    fn from(error: DbError) -> Self {
        wrong("the store", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_are_counted_and_proved() {
        let folder = tempfile::tempdir().unwrap();
        let load = Load { events: 600, writers: 8, events_per_write: 3 };
        let run = append(folder.path(), load).unwrap();
        assert!(run.events_per_second > 0.0);
        assert!(run.proof_ms_p99 >= run.proof_ms_p50 && run.proof_ms_p50 > 0.0);
    }

    #[test]
    fn a_leaf_has_the_size_of_the_peers_entries() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let db = Db::open(&DatabaseUrl::Sqlite(folder.path().join("l.db"))).await.unwrap();
            let ctx = Ctx::new(Actor::System("bench"), &Clock::System, &Random::System);
            let organization = found(&db, &ctx).await.unwrap();
            let write = db.write(&ctx, move |tx| {
                let recorded = tx.record(event(organization, 1, 2));
                Ok::<_, DbError>(Commit::changed((), recorded))
            });
            write.await.unwrap();
            let events = db.read(move |tx| platform::events::range(tx, organization, 1, 1)).await.unwrap();
            assert_eq!(events[0].entry().unwrap().leaf_bytes().len(), 400);
        });
    }
}
