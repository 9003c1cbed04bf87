//! SQLite: a pool of read-only connections, and one writer thread that commits in groups.
//!
//! Group commit is what makes durable writes cheap: while one `fsync` runs, the requests that arrive meanwhile queue
//! up and share the next one. Each request keeps its own savepoint, so that a failing one takes nobody with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection as SqliteConnection, OpenFlags, ToSql};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::ctx::Ctx;

use super::statement::{Description, Statement};
use super::transaction::Connection;
use super::{Commit, DbError, EventRef, ReadTx, Row, Tx, Value, Written, migrate};

/// Writes that may wait for the writer; more are pushed back to their callers by the channel.
const QUEUE_WRITES_MAX: usize = 4096;
const GROUP_WRITES_MAX: usize = 64;
const GROUP_TIME_MAX: Duration = Duration::from_millis(5);
const STATEMENTS_CACHED: usize = 512;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Sqlite {
    path: PathBuf,
    readers: Arc<Mutex<Vec<SqliteConnection>>>,
    permits: Arc<Semaphore>,
    writer: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    stopped: watch::Receiver<bool>,
}

impl Sqlite {
    pub(super) async fn open(path: PathBuf, committed: watch::Sender<u64>) -> Result<Self, DbError> {
        let writer = {
            let path = path.clone();
            blocking(move || {
                let mut connection = open_connection(&path, false)?;
                migrate::sqlite(&mut connection)?;
                Ok(connection)
            })
            .await?
        };
        let readers_max = std::thread::available_parallelism().map_or(4, usize::from).max(2) * 4;
        let (sender, receiver) = mpsc::channel(QUEUE_WRITES_MAX);
        let (stop, stopped) = watch::channel(false);
        std::thread::Builder::new()
            .name("db-writer".to_owned())
            .spawn(move || {
                write_loop(writer, receiver, &committed);
                stop.send_replace(true);
            })
            .map_err(|error| DbError::Open(error.to_string()))?;
        Ok(Self {
            path,
            readers: Arc::new(Mutex::new(Vec::new())),
            permits: Arc::new(Semaphore::new(readers_max)),
            writer: Mutex::new(Some(sender)),
            stopped,
        })
    }

    pub(super) async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| DbError::Closed)?;
        let readers = self.readers.clone();
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let pooled = readers.lock().ok().and_then(|mut pool| pool.pop());
            let connection = match pooled {
                Some(connection) => connection,
                None => open_connection(&path, true)?,
            };
            run(&connection, "begin deferred")?;
            let mut tx = ReadTx::new(Connection::Sqlite(connection));
            let result = catch_unwind(AssertUnwindSafe(|| rule(&mut tx)));
            if let Connection::Sqlite(connection) = tx.connection
                && run(&connection, "rollback").is_ok()
                && let Ok(mut pool) = readers.lock()
            {
                pool.push(connection);
            }
            drop(permit);
            result.unwrap_or_else(|_| Err(DbError::Panicked.into()))
        });
        task.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    pub(super) async fn write<T, E, F>(&self, ctx: Option<Ctx>, rule: F) -> Result<Written<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<Commit<T>, E> + Send + Sync + 'static,
    {
        let sender = self.writer.lock().ok().and_then(|guard| guard.clone()).ok_or(DbError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(WriteJob { ctx, rule, done: None, events: Vec::new(), reply });
        sender.send(job).await.map_err(|_| DbError::Closed)?;
        answer.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    pub(super) async fn close(&self, within: Duration) {
        if let Ok(mut writer) = self.writer.lock() {
            writer.take();
        }
        let mut stopped = self.stopped.clone();
        let _ = tokio::time::timeout(within, stopped.wait_for(|stopped| *stopped)).await;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, DbError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(DbError::Panicked))
}

fn open_connection(path: &Path, read_only: bool) -> Result<SqliteConnection, DbError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = SqliteConnection::open_with_flags(path, flags)
        .map_err(|error| DbError::Open(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|e| failed("pragma", &e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    let pragmas = if read_only {
        "pragma foreign_keys = on; pragma query_only = on; pragma cache_size = -8192; pragma mmap_size = 268435456;"
    } else {
        "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
         pragma wal_autocheckpoint = 4000; pragma journal_size_limit = 67108864; pragma cache_size = -32768;
         pragma temp_store = memory;"
    };
    connection.execute_batch(pragmas).map_err(|e| failed("pragma", &e))?;
    Ok(connection)
}

fn run(connection: &SqliteConnection, sql: &'static str) -> Result<(), DbError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| failed(sql, &e))?;
    statement.execute([]).map(|_| ()).map_err(|e| failed(sql, &e))
}

// ---- the writer -----------------------------------------------------------------------------------------------

/// One request's transaction, in two steps: run it inside the group, answer it once the group is on disk.
trait Job: Send {
    /// Runs the rule; `true` when its savepoint is to be kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    fn ctx(&mut self) -> Option<Ctx>;
    /// Whether it put events into a ledger.
    fn recorded(&self) -> bool;
    fn finish(self: Box<Self>, group: Result<(), DbError>);
}

struct WriteJob<T, E, F> {
    ctx: Option<Ctx>,
    rule: F,
    done: Option<Result<(T, bool), E>>,
    events: Vec<EventRef>,
    reply: oneshot::Sender<Result<Written<T>, E>>,
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

fn write_loop(
    mut connection: SqliteConnection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    committed: &watch::Sender<u64>,
) {
    while let Some(first) = jobs.blocking_recv() {
        let mut group = Vec::with_capacity(GROUP_WRITES_MAX);
        let outcome = match run(&connection, "begin immediate") {
            Err(error) => {
                group.push(first);
                Err(error)
            }
            Ok(()) => {
                connection = run_group(connection, first, &mut jobs, &mut group);
                let outcome = run(&connection, "commit");
                if outcome.is_err() {
                    // A failed commit (full disk, I/O error) leaves the transaction open: end it.
                    let _ = run(&connection, "rollback");
                }
                outcome
            }
        };
        metrics::histogram!("bailiwick_db_group_size")
            .record(f64::from(u32::try_from(group.len()).unwrap_or(0)));
        // Housekeeping wakes nobody: a consumer's own cursor would wake it for ever.
        let news = outcome.is_ok() && group.iter().any(|job| job.recorded());
        for job in group {
            job.finish(outcome.clone());
        }
        if news {
            committed.send_modify(|count| *count += 1);
        }
    }
    // Fold the log into the main file, so that a copy of it alone is whole.
    let _ = connection.execute_batch("pragma wal_checkpoint(truncate)");
}

fn run_group(
    mut connection: SqliteConnection,
    first: Box<dyn Job>,
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> SqliteConnection {
    let started = Instant::now();
    let mut next = Some(first);
    while let Some(mut job) = next {
        connection = run_one(connection, job.as_mut());
        group.push(job);
        let more = group.len() < GROUP_WRITES_MAX && started.elapsed() < GROUP_TIME_MAX;
        next = if more { jobs.try_recv().ok() } else { None };
    }
    connection
}

fn run_one(connection: SqliteConnection, job: &mut dyn Job) -> SqliteConnection {
    let opened = run(&connection, "savepoint request").is_ok();
    let mut tx = Tx::new(Connection::Sqlite(connection), job.ctx());
    let keep = job.run(&mut tx);
    let Connection::Sqlite(connection) = tx.into_connection() else {
        unreachable!("the writer of SQLite holds an SQLite connection");
    };
    if opened {
        if !keep {
            let _ = run(&connection, "rollback to request");
        }
        let _ = run(&connection, "release request");
    }
    connection
}

// ---- statements -----------------------------------------------------------------------------------------------

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

pub(super) fn query(
    connection: &SqliteConnection,
    statement: &'static Statement,
    params: &[Value],
) -> Result<Vec<Row>, DbError> {
    let fail = |error: rusqlite::Error| failed(statement.name, &error);
    let mut prepared = connection.prepare_cached(statement.sqlite()).map_err(fail)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query(rusqlite::params_from_iter(params)).map_err(fail)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(fail)? {
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            values.push(match row.get_ref(column).map_err(fail)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) => Value::Text(
                    std::str::from_utf8(text)
                        .map_err(|_| DbError::Type { statement: statement.name, column })?
                        .to_owned(),
                ),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
            });
        }
        out.push(Row { statement: statement.name, values });
    }
    Ok(out)
}

pub(super) fn execute(
    connection: &SqliteConnection,
    statement: &'static Statement,
    params: &[Value],
) -> Result<u64, DbError> {
    let fail = |error: rusqlite::Error| failed(statement.name, &error);
    let mut prepared = connection.prepare_cached(statement.sqlite()).map_err(fail)?;
    let touched = prepared.execute(rusqlite::params_from_iter(params)).map_err(fail)?;
    Ok(u64::try_from(touched).unwrap_or(0))
}

pub(super) fn execute_many(
    connection: &SqliteConnection,
    statement: &'static Statement,
    rows: &[Vec<Value>],
) -> Result<u64, DbError> {
    let fail = |error: rusqlite::Error| failed(statement.name, &error);
    let mut prepared = connection.prepare_cached(statement.sqlite()).map_err(fail)?;
    let mut touched = 0;
    for row in rows {
        let count = prepared.execute(rusqlite::params_from_iter(row)).map_err(fail)?;
        touched += u64::try_from(count).unwrap_or(0);
    }
    Ok(touched)
}

pub(super) fn describe(
    connection: &SqliteConnection,
    statement: &'static Statement,
) -> Result<Description, DbError> {
    let fail = |error: rusqlite::Error| failed(statement.name, &error);
    let prepared = connection.prepare(statement.sqlite()).map_err(fail)?;
    let mut plan = Vec::new();
    let mut explain =
        connection.prepare(&format!("explain query plan {}", statement.sqlite())).map_err(fail)?;
    let nulls = vec![Value::Null; explain.parameter_count()];
    let mut rows = explain.query(rusqlite::params_from_iter(nulls)).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        plan.push(row.get::<_, String>(3).map_err(fail)?);
    }
    Ok(Description {
        name: statement.name,
        columns: prepared.column_names().map(str::to_owned).collect(),
        parameters: prepared.parameter_count(),
        plan,
    })
}

/// Translates SQLite's codes (<https://sqlite.org/rescode.html>).
pub(super) fn failed(statement: &'static str, error: &rusqlite::Error) -> DbError {
    use rusqlite::ErrorCode as Code;
    let rusqlite::Error::SqliteFailure(failure, message) = error else {
        return DbError::Other { statement, message: error.to_string() };
    };
    let message = message.clone().unwrap_or_default();
    let after_colon = || message.rsplit(": ").next().unwrap_or_default().to_owned();
    match failure.code {
        Code::DatabaseBusy | Code::DatabaseLocked => DbError::Locked,
        Code::ReadOnly | Code::PermissionDenied => DbError::ReadOnly,
        Code::DiskFull => DbError::Full,
        Code::DatabaseCorrupt | Code::NotADatabase => DbError::Corrupt(message),
        Code::CannotOpen | Code::SystemIoFailure => DbError::Unavailable(message),
        Code::ConstraintViolation => match failure.extended_code {
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                DbError::Unique(after_colon())
            }
            rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => DbError::ForeignKey,
            _ => DbError::Check(after_colon()),
        },
        _ => DbError::Other { statement, message },
    }
}
