//! SQLite: a pool of read-only connections, and one writer thread that commits in groups.
//!
//! Group commit is what makes durable writes cheap: while one `fsync` runs, the requests that arrive meanwhile queue
//! up and share the next one. Each request keeps its own savepoint, so that a failing one takes nobody with it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection as SqliteConnection, OpenFlags, ToSql};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::ctx::Ctx;

use super::lock::{Company, FileLock};
use super::statement::{Description, Statement};
use super::transaction::Connection;
use super::{Commit, DbError, ReadTx, Row, Tx, Value, Written, migrate};

mod writer;

use writer::{Job, WriteJob, write_loop};

/// Writes that may wait for the writer; more are pushed back to their callers by the channel.
const QUEUE_WRITES_MAX: usize = 4096;
const STATEMENTS_CACHED: usize = 512;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a reader, or for a place in the writer's queue.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest time for one statement: a runaway one would hold a reader, or the one writer, from everybody.
const STATEMENT_MAX: Duration = Duration::from_secs(60);
/// Steps of SQLite's machine between two looks at the clock; some milliseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000_000;

pub(super) struct Sqlite {
    path: PathBuf,
    readers: Arc<Mutex<Vec<SqliteConnection>>>,
    permits: Arc<Semaphore>,
    writer: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    stopped: watch::Receiver<bool>,
    /// Keeps `db move` away.
    _lock: FileLock,
}

impl Sqlite {
    pub(super) async fn open(
        path: PathBuf,
        company: Company,
        committed: watch::Sender<u64>,
    ) -> Result<Self, DbError> {
        let (writer, lock) = {
            let path = path.clone();
            blocking(move || {
                let lock = FileLock::take(&path, company)?;
                let mut connection = open_connection(&path, false)?;
                migrate::sqlite(&mut connection)?;
                Ok((connection, lock))
            })
            .await?
        };
        let readers_max = std::thread::available_parallelism().map_or(4, usize::from).max(2) * 4;
        let (sender, receiver) = mpsc::channel(QUEUE_WRITES_MAX);
        let (stop, stopped) = watch::channel(false);
        let file = path.clone();
        std::thread::Builder::new()
            .name("db-writer".to_owned())
            .spawn(move || {
                write_loop(&file, writer, receiver, &committed);
                stop.send_replace(true);
            })
            .map_err(|error| DbError::Open(error.to_string()))?;
        Ok(Self {
            path,
            readers: Arc::new(Mutex::new(Vec::new())),
            permits: Arc::new(Semaphore::new(readers_max)),
            writer: Mutex::new(Some(sender)),
            stopped,
            _lock: lock,
        })
    }

    pub(super) async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        let permit = tokio::time::timeout(WAIT_MAX, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| DbError::Unavailable("too many reads are under way".to_owned()))?
            .map_err(|_| DbError::Closed)?;
        let readers = self.readers.clone();
        let path = self.path.clone();
        let task = tokio::task::spawn_blocking(move || {
            let pooled = readers.lock().ok().and_then(|mut pool| pool.pop());
            let connection = match pooled {
                Some(connection) => connection,
                None => open_connection(&path, true)?,
            };
            let result = read_by(connection, &readers, rule);
            drop(permit);
            result
        });
        task.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    /// On this thread when a reader waits in the pool; otherwise as [`Sqlite::read`].
    pub(super) async fn look_up<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        let pooled = {
            let permit = self.permits.try_acquire().ok();
            permit.and_then(|permit| {
                let connection = self.readers.lock().ok().and_then(|mut pool| pool.pop())?;
                Some((permit, connection))
            })
        };
        match pooled {
            Some((_permit, connection)) => read_by(connection, &self.readers, rule),
            None => self.read(rule).await,
        }
    }

    pub(super) async fn write<T, E, F>(&self, ctx: Option<Ctx>, rule: F) -> Result<Written<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<Commit<T>, E> + Send + Sync + 'static,
    {
        let sender = self.writer.lock().ok().and_then(|guard| guard.clone()).ok_or(DbError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(WriteJob::new(ctx, rule, reply));
        sender.send_timeout(job, WAIT_MAX).await.map_err(|refused| match refused {
            SendTimeoutError::Timeout(_) => DbError::Unavailable("too many writes wait".to_owned()),
            SendTimeoutError::Closed(_) => DbError::Closed,
        })?;
        answer.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    /// Whether the writer works: without it every write is refused, however well reads go.
    pub(super) fn writes(&self) -> bool {
        !*self.stopped.borrow()
    }

    pub(super) async fn close(&self, within: Duration) {
        if let Ok(mut writer) = self.writer.lock() {
            writer.take();
        }
        let mut stopped = self.stopped.clone();
        let _ = tokio::time::timeout(within, stopped.wait_for(|stopped| *stopped)).await;
    }
}

/// Runs `rule` on one snapshot of `connection`, which goes (back) into the pool unless its transaction cannot be ended.
fn read_by<T, E: From<DbError>>(
    connection: SqliteConnection,
    readers: &Mutex<Vec<SqliteConnection>>,
    rule: impl FnOnce(&mut ReadTx) -> Result<T, E>,
) -> Result<T, E> {
    run(&connection, "begin deferred")?;
    let mut tx = ReadTx::new(Connection::Sqlite(connection));
    let result = catch_unwind(AssertUnwindSafe(|| rule(&mut tx)));
    if let Connection::Sqlite(connection) = tx.connection
        && run(&connection, "rollback").is_ok()
        && let Ok(mut pool) = readers.lock()
    {
        pool.push(connection);
    }
    result.unwrap_or_else(|_| Err(DbError::Panicked.into()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, DbError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(DbError::Panicked))
}

fn open_connection(path: &Path, read_only: bool) -> Result<SqliteConnection, DbError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // A reader that made an empty file where the database was would say that everything is gone.
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, !read_only);
    let mut connection = SqliteConnection::open_with_flags(path, flags)
        .map_err(|error| DbError::Open(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|e| failed("pragma", &e))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Otherwise a plan may hang on what is bound, and a statement that comes back into the cache, where rusqlite clears what
    // was bound, is parsed and planned anew at its next use: half of the time of a transaction.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(|e| failed("query planner stability guarantee", &e))?;
    let pragmas = if read_only {
        "pragma foreign_keys = on; pragma query_only = on; pragma cache_size = -8192; pragma mmap_size = 268435456;"
    } else {
        "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
         pragma wal_autocheckpoint = 4000; pragma journal_size_limit = 67108864; pragma cache_size = -32768;
         pragma temp_store = memory;"
    };
    connection.execute_batch(pragmas).map_err(|e| failed("pragma", &e))?;
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(overdue)).map_err(|e| failed("pragma", &e))?;
    Ok(connection)
}

thread_local! {
    /// When the statement that this thread runs is to be stopped.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn overdue() -> bool {
    DEADLINE.get().is_some_and(|deadline| Instant::now() > deadline)
}

/// Runs one statement within its time.
fn in_time<T>(statement: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
    DEADLINE.set(Instant::now().checked_add(STATEMENT_MAX));
    let result = statement();
    DEADLINE.set(None);
    result
}

fn run(connection: &SqliteConnection, sql: &'static str) -> Result<(), DbError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| failed(sql, &e))?;
    statement.execute([]).map(|_| ()).map_err(|e| failed(sql, &e))
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
    in_time(|| query_all(connection, statement, params))
}

fn query_all(
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
    let touched = in_time(|| prepared.execute(rusqlite::params_from_iter(params)).map_err(fail))?;
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
        let count = in_time(|| prepared.execute(rusqlite::params_from_iter(row)).map_err(fail))?;
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
        Code::OperationInterrupted => DbError::TooSlow(statement),
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

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_that_is_used_again_is_not_planned_again() {
        const SQL: &str = "select name from things where id = ?1 and kind = ?2 limit ?3";
        let folder = tempfile::tempdir().unwrap();
        let connection = open_connection(&folder.path().join("plans.db"), false).unwrap();
        connection
            .execute_batch(
                "create table things (id integer not null, kind text not null, name text not null) strict;
                 create index things_id on things (id);
                 insert into things values (0, 'a', 'zero'), (7, 'a', 'seven');",
            )
            .unwrap();
        for id in [0, 7, 0, 1] {
            let mut statement = connection.prepare_cached(SQL).unwrap();
            let found = statement.exists(rusqlite::params![id, "a", 1]).unwrap();
            assert_eq!(found, id != 1);
        }
        let statement = connection.prepare_cached(SQL).unwrap();
        assert_eq!(statement.get_status(StatementStatus::Run), 4, "it is one statement");
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
