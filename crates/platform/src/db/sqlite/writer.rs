//! The one writer: a thread that runs requests in groups and answers them once their group is on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection as SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ctx::Ctx;

use super::super::transaction::Connection;
use super::super::{Commit, DbError, EventRef, Tx, Written};
use super::{open_connection, run};

const GROUP_WRITES_MAX: usize = 64;
const GROUP_TIME_MAX: Duration = Duration::from_millis(5);

/// One request's transaction, in two steps: run it inside the group, answer it once the group is on disk.
pub(super) trait Job: Send {
    /// Runs the rule; `true` when its savepoint is to be kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    fn ctx(&mut self) -> Option<Ctx>;
    /// Whether it put events into a ledger.
    fn recorded(&self) -> bool;
    fn finish(self: Box<Self>, group: Result<(), DbError>);
}

pub(super) struct WriteJob<T, E, F> {
    ctx: Option<Ctx>,
    rule: F,
    done: Option<Result<(T, bool), E>>,
    events: Vec<EventRef>,
    reply: oneshot::Sender<Result<Written<T>, E>>,
}

impl<T, E, F> WriteJob<T, E, F> {
    pub(super) fn new(ctx: Option<Ctx>, rule: F, reply: oneshot::Sender<Result<Written<T>, E>>) -> Self {
        Self { ctx, rule, done: None, events: Vec::new(), reply }
    }
}

impl<T, E, F> Job for WriteJob<T, E, F>
where
    T: Send,
    E: From<DbError> + Send,
    F: Fn(&mut Tx) -> Result<Commit<T>, E> + Send,
{
    fn run(&mut self, tx: &mut Tx) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let commit = (self.rule)(tx)?;
            let events = if commit.is_change() { tx.flush()? } else { Vec::new() };
            Ok::<_, E>((commit, events))
        }));
        let (done, keep) = match result {
            Ok(Ok((commit, events))) => {
                self.events = events;
                let (value, keep) = commit.into_parts();
                (Ok((value, keep)), keep)
            }
            Ok(Err(error)) => (Err(error), false),
            Err(_) => (Err(DbError::Panicked.into()), false),
        };
        self.done = Some(done);
        keep
    }

    fn ctx(&mut self) -> Option<Ctx> {
        self.ctx.take()
    }

    fn recorded(&self) -> bool {
        !self.events.is_empty()
    }

    fn finish(self: Box<Self>, group: Result<(), DbError>) {
        let answer = match (self.done, group) {
            (Some(Ok((value, false))), _) => Ok(Written { value, events: Vec::new() }),
            (Some(Ok((value, true))), Ok(())) => Ok(Written { value, events: self.events }),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(DbError::Closed.into()),
        };
        // The caller may have gone away; what was committed stays committed.
        let _ = self.reply.send(answer);
    }
}

pub(super) fn write_loop(
    path: &Path,
    mut connection: SqliteConnection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    committed: &watch::Sender<u64>,
) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = Vec::with_capacity(GROUP_WRITES_MAX);
        let outcome = match run(&connection, "begin immediate") {
            Err(error) => {
                group.push(first);
                // Those that came meanwhile would each wait as long, one after the other, for the same answer.
                group.extend(std::iter::from_fn(|| jobs.try_recv().ok()));
                Err(error)
            }
            Ok(()) => {
                let broken;
                (connection, broken) = run_group(connection, first, &mut jobs, &mut group);
                match broken {
                    Some(error) => Err(error),
                    None => run(&connection, "commit"),
                }
            }
        };
        if outcome.is_err() {
            connection = recover(path, connection);
        }
        metrics::histogram!("bailiwick_db_group_size")
            .record(f64::from(u32::try_from(group.len()).unwrap_or(0)));
        // Housekeeping wakes nobody: a consumer's own cursor would wake it for ever.
        let news = outcome.is_ok() && group.iter().any(|job| job.recorded());
        // Before the answers: whoever was told that a change is done must find no older one in a cache.
        if news {
            committed.send_modify(|count| *count += 1);
        }
        for job in group {
            job.finish(outcome.clone());
        }
    }
    // Fold the log into the main file, so that a copy of it alone is whole.
    let _ = connection.execute_batch("pragma wal_checkpoint(truncate)");
}

/// After a group that failed (full disk, I/O error): its transaction is ended, on a new connection if need be.
fn recover(path: &Path, connection: SqliteConnection) -> SqliteConnection {
    if !connection.is_autocommit() {
        let _ = run(&connection, "rollback");
    }
    if connection.is_autocommit() {
        return connection;
    }
    tracing::error!("the writer cannot end its transaction and opens the database again");
    open_connection(path, false).unwrap_or(connection)
}

/// Runs jobs until the group is full; gives the error that took the whole group with it, if one did.
fn run_group(
    mut connection: SqliteConnection,
    first: Box<dyn Job>,
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> (SqliteConnection, Option<DbError>) {
    let started = Instant::now();
    let mut next = Some(first);
    while let Some(mut job) = next {
        let broken;
        (connection, broken) = run_one(connection, job.as_mut());
        group.push(job);
        if broken.is_some() {
            return (connection, broken);
        }
        let more = group.len() < GROUP_WRITES_MAX && started.elapsed() < GROUP_TIME_MAX;
        next = if more { next_of(jobs) } else { None };
    }
    (connection, None)
}

/// The next that waits. When none does, whoever else wants this core goes first, once: on a busy one those are requests
/// that are about to write, and share this group's sync; on an idle one it costs nothing.
fn next_of(jobs: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
    jobs.try_recv().ok().or_else(|| {
        std::thread::yield_now();
        jobs.try_recv().ok()
    })
}

/// Runs one job in its savepoint. What cannot be undone alone, or was undone by SQLite together with everything before it
/// (it rolls back whole transactions when the disk is full), breaks the group: going on would commit a part of it.
fn run_one(connection: SqliteConnection, job: &mut dyn Job) -> (SqliteConnection, Option<DbError>) {
    if let Err(error) = run(&connection, "savepoint request") {
        return (connection, Some(error));
    }
    let mut tx = Tx::new(Connection::Sqlite(connection), job.ctx());
    let keep = job.run(&mut tx);
    let failed = tx.failure();
    let Connection::Sqlite(connection) = tx.into_connection() else {
        unreachable!("the writer of SQLite holds an SQLite connection");
    };
    if connection.is_autocommit() {
        return (connection, Some(failed.unwrap_or(DbError::Full)));
    }
    let undone = if keep { Ok(()) } else { run(&connection, "rollback to request") };
    let ended = undone.and_then(|()| run(&connection, "release request"));
    (connection, ended.err())
}
