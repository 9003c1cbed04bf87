//! What a rule holds: [`ReadTx`] to look, [`Tx`] to look and change.

use std::ops::{Deref, DerefMut};

use crate::ctx::Ctx;
use crate::events::Event;

use super::postgres::PgConnection;
use super::statement::{self, Description, Scope, Statement};
use super::{DbError, EngineKind, FromValue, Row, Value, sqlite, wall};

pub(super) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

/// One consistent snapshot of the store.
pub struct ReadTx {
    pub(super) connection: Connection,
    writable: bool,
    /// What the database refused. PostgreSQL refuses the rest of the transaction, too, and answers `commit` with a
    /// rollback that looks like success: so both engines go no further, and nothing of it is kept.
    failed: Option<DbError>,
}

impl ReadTx {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, writable: false, failed: None }
    }

    pub fn kind(&self) -> EngineKind {
        match self.connection {
            Connection::Sqlite(_) => EngineKind::Sqlite,
            Connection::Postgres(_) => EngineKind::Postgres,
        }
    }

    pub fn query(&mut self, statement: &'static Statement, params: &[Value]) -> Result<Vec<Row>, DbError> {
        if statement.writes() && !self.writable {
            return Err(DbError::WriteInRead(statement.name));
        }
        wall::binding(statement, params)?;
        self.run(|connection| match connection {
            Connection::Sqlite(connection) => sqlite::query(connection, statement, params),
            Connection::Postgres(connection) => connection.query(statement, params),
        })
    }

    fn run<T>(&mut self, ask: impl FnOnce(&mut Connection) -> Result<T, DbError>) -> Result<T, DbError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let answer = ask(&mut self.connection);
        self.failed = answer.as_ref().err().cloned();
        answer
    }

    /// The first row, if there is one.
    pub fn first(&mut self, statement: &'static Statement, params: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.query(statement, params)?.into_iter().next())
    }

    /// Column 0 of the first row.
    pub fn scalar<T: FromValue>(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
    ) -> Result<Option<T>, DbError> {
        self.first(statement, params)?.map(|row| row.get(0)).transpose()
    }

    /// Every row through `read`, e.g. `tx.list(&LIST, params![org], |row| Domain::read(row))`.
    pub fn list<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
        read: impl Fn(&Row) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        self.query(statement, params)?.iter().map(read).collect()
    }

    pub(super) fn describe_all(&mut self) -> Result<Vec<Description>, DbError> {
        statement::all()
            .into_iter()
            .map(|statement| match &mut self.connection {
                Connection::Sqlite(connection) => sqlite::describe(connection, statement),
                Connection::Postgres(connection) => connection.describe(statement),
            })
            .collect()
    }
}

/// A transaction that may change state. Reads as [`ReadTx`] does.
pub struct Tx {
    read: ReadTx,
    ctx: Option<Ctx>,
    pending: Vec<Event>,
    wrote: Option<&'static str>,
}

/// Proof that the transaction recorded an event; only [`Tx::record`] makes one.
#[derive(Debug, Clone, Copy)]
#[must_use = "end the rule with `Commit::changed(value, recorded)`"]
pub struct Recorded(());

/// How a write ends.
#[derive(Debug)]
pub struct Commit<T> {
    value: T,
    keep: bool,
}

impl<T> Commit<T> {
    /// Commits what was written, with its events.
    pub fn changed(value: T, recorded: Recorded) -> Self {
        let Recorded(()) = recorded;
        Self { value, keep: true }
    }

    /// Rolls back: nothing was changed, and `value` says why.
    pub fn unchanged(value: T) -> Self {
        Self { value, keep: false }
    }

    pub(super) fn housekeeping(value: T) -> Self {
        Self { value, keep: true }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Commit<U> {
        Commit { value: f(self.value), keep: self.keep }
    }

    pub fn value(&self) -> &T {
        &self.value
    }

    /// What it gave, for a rule that called another and ends the transaction itself.
    pub fn into_value(self) -> T {
        self.value
    }

    pub fn is_change(&self) -> bool {
        self.keep
    }

    pub(super) fn into_parts(self) -> (T, bool) {
        (self.value, self.keep)
    }
}

impl Tx {
    pub(super) fn new(connection: Connection, ctx: Option<Ctx>) -> Self {
        Self {
            read: ReadTx { connection, writable: true, failed: None },
            ctx,
            pending: Vec::new(),
            wrote: None,
        }
    }

    /// What the database refused, if it did.
    pub(super) fn failure(&self) -> Option<DbError> {
        self.read.failed.clone()
    }

    /// Gives the connection back for the next transaction.
    pub(super) fn into_connection(self) -> Connection {
        self.read.connection
    }

    /// Runs an `insert`, `update` or `delete`; gives the number of rows it touched.
    pub fn execute(&mut self, statement: &'static Statement, params: &[Value]) -> Result<u64, DbError> {
        if statement.scope != Scope::Housekeeping {
            if self.ctx.is_none() {
                return Err(DbError::NoEvent(statement.name));
            }
            self.wrote = Some(statement.name);
        }
        self.execute_unchecked(statement, params)
    }

    fn execute_unchecked(&mut self, statement: &'static Statement, params: &[Value]) -> Result<u64, DbError> {
        wall::binding(statement, params)?;
        self.read.run(|connection| match connection {
            Connection::Sqlite(connection) => sqlite::execute(connection, statement, params),
            Connection::Postgres(connection) => connection.execute(statement, params),
        })
    }

    /// The same statement for many rows: prepared once, pipelined on PostgreSQL.
    pub fn execute_many(
        &mut self,
        statement: &'static Statement,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, DbError> {
        if statement.scope != Scope::Housekeeping {
            if self.ctx.is_none() {
                return Err(DbError::NoEvent(statement.name));
            }
            self.wrote = Some(statement.name);
        }
        for row in &rows {
            wall::binding(statement, row)?;
        }
        self.read.run(|connection| match connection {
            Connection::Sqlite(connection) => sqlite::execute_many(connection, statement, &rows),
            Connection::Postgres(connection) => connection.execute_many(statement, &rows),
        })
    }

    /// Records what happened. Appended to its organization's ledger when the transaction commits.
    pub fn record(&mut self, event: Event) -> Recorded {
        self.pending.push(event);
        Recorded(())
    }

    /// Events recorded so far; for rules that call other rules.
    pub fn recorded(&self) -> usize {
        self.pending.len()
    }

    /// The events recorded so far, for a drill whose transaction is rolled back: nobody else ever sees them.
    pub fn pending(&self) -> &[Event] {
        &self.pending
    }

    /// Appends pending events to their ledgers. Called once by the engine, before the commit.
    pub(super) fn flush(&mut self) -> Result<Vec<super::EventRef>, DbError> {
        if let Some(error) = &self.read.failed {
            return Err(error.clone());
        }
        let events = std::mem::take(&mut self.pending);
        if events.is_empty() {
            return match self.wrote {
                Some(name) => Err(DbError::NoEvent(name)),
                None => Ok(Vec::new()),
            };
        }
        let Some(ctx) = self.ctx.clone() else {
            return Err(DbError::NoEvent("housekeeping"));
        };
        crate::events::append(self, &ctx, events)
    }

    /// Forgets everything of a failed attempt, before the next one.
    pub(super) fn reset(&mut self) {
        self.pending.clear();
        self.read.failed = None;
        self.wrote = None;
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.read.connection
    }
}

impl Deref for Tx {
    type Target = ReadTx;
    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.read
    }
}
