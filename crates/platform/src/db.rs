//! The store: one thin layer over SQLite and PostgreSQL. The only module that knows which database runs.
//!
//! What it promises:
//! - **A rule is synchronous and sees one consistent state.** [`Db::read`] gives it a [`ReadTx`], [`Db::write`] a
//!   [`Tx`]. On PostgreSQL a write may run twice (serialization failure, deadlock), hence `Fn`: touch nothing but `tx`.
//! - **No change of state without an audit event.** A write closure returns a [`Commit`]; the only way to make one that
//!   commits is the [`Recorded`] token that [`Tx::record`] gives. [`Commit::unchanged`] rolls back.
//! - **Acknowledged means durable.** SQLite: WAL, `synchronous=FULL`, one writer thread that commits in groups (each
//!   request's transaction a savepoint; a failing or panicking one rolls back alone). PostgreSQL: `COMMIT` returned.
//! - **An organization's statements see its rows alone**: the text says so, and on PostgreSQL row-level security holds it
//!   to that (`wall`).
//! - **One SQL text** with `$1` placeholders for both; see [`statement`] for how a statement is declared and checked.
//!
//! After an error the rest of the transaction is refused and nothing of it is kept, so a rule never goes on after one:
//! write `insert … on conflict do nothing` and look at the number of rows instead of catching a unique violation.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::ctx::Ctx;

use lock::Company;

pub mod carry;
mod error;
mod lock;
pub mod migrate;
mod postgres;
mod probe;
mod sqlite;
pub mod statement;
mod transaction;
mod value;
mod wall;

pub use error::DbError;
pub use postgres::PostgresOptions;
pub use probe::{Probe, probe};
pub use statement::{Scope, Sql, Statement};
pub use transaction::{Commit, ReadTx, Recorded, Tx};
pub use value::{FromValue, Row, Value};
pub use wall::{POLICY, SecondWall};

/// Which engine runs; only for messages and for tests that compare the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    Sqlite,
    Postgres,
}

/// Where the store lives. Has no `Debug`: it may carry a password.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(std::path::PathBuf),
    /// A libpq URL; may carry a password, so it is never printed.
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads `sqlite:PATH` or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, DbError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err(DbError::Url)
    }
}

/// Where an event of a finished write stands in its organization's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRef {
    pub organization: crate::ids::OrganizationId,
    pub sequence: u64,
}

/// What a write gave back, with the places of its events.
#[derive(Debug)]
pub struct Written<T> {
    pub value: T,
    pub events: Vec<EventRef>,
}

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    /// Counts commits seen by this node; the change feed sleeps on it.
    committed: watch::Sender<u64>,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Db {
    /// Opens the store and brings its schema up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        Self::open_with(url, Company::Shared).await
    }

    /// As [`Db::open`], with no other program on it: [`DbError::InUse`] while there is one, and until this handle is
    /// dropped the others are refused.
    pub async fn open_alone(url: &DatabaseUrl) -> Result<Self, DbError> {
        Self::open_with(url, Company::Alone).await
    }

    async fn open_with(url: &DatabaseUrl, company: Company) -> Result<Self, DbError> {
        let path = match url {
            DatabaseUrl::Sqlite(path) => path.clone(),
            DatabaseUrl::Postgres(dsn) => {
                let options = PostgresOptions { dsn: dsn.clone(), ..PostgresOptions::default() };
                return Self::open_postgres_with(&options, company).await;
            }
        };
        let (committed, _) = watch::channel(0);
        let engine = Engine::Sqlite(sqlite::Sqlite::open(path, company, committed.clone()).await?);
        Ok(Self { inner: Arc::new(Inner { engine, committed }) })
    }

    /// As [`Db::open`], with limits of its own.
    pub async fn open_postgres(options: &PostgresOptions) -> Result<Self, DbError> {
        Self::open_postgres_with(options, Company::Shared).await
    }

    async fn open_postgres_with(options: &PostgresOptions, company: Company) -> Result<Self, DbError> {
        let (committed, _) = watch::channel(0);
        let engine = Engine::Postgres(postgres::Postgres::open(options, company, committed.clone()).await?);
        let db = Self { inner: Arc::new(Inner { engine, committed }) };
        let stands = if db.second_wall() == SecondWall::Stands { 1.0 } else { 0.0 };
        metrics::gauge!("bailiwick_db_second_wall").set(stands);
        Ok(db)
    }

    pub fn kind(&self) -> EngineKind {
        match self.inner.engine {
            Engine::Sqlite(_) => EngineKind::Sqlite,
            Engine::Postgres(_) => EngineKind::Postgres,
        }
    }

    /// What stands between organizations beside the statements themselves.
    pub fn second_wall(&self) -> SecondWall {
        match &self.inner.engine {
            Engine::Sqlite(_) => SecondWall::None,
            Engine::Postgres(engine) => engine.wall().clone(),
        }
    }

    /// Wakes whenever something was committed, here or (PostgreSQL) on another node.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.committed.subscribe()
    }

    /// Runs `rule` on one consistent snapshot.
    pub async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        match &self.inner.engine {
            Engine::Sqlite(engine) => engine.read(rule).await,
            Engine::Postgres(engine) => engine.read(rule).await,
        }
    }

    /// As [`Db::read`], for rules that find a few rows by their keys and nothing else. On SQLite it runs on the thread that
    /// asks, which saves two switches between threads, more than the rule itself costs; a rule that reads lists or
    /// searches would keep that thread from everybody else.
    pub async fn look_up<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        match &self.inner.engine {
            Engine::Sqlite(engine) => engine.look_up(rule).await,
            Engine::Postgres(engine) => engine.read(rule).await,
        }
    }

    /// Runs `rule` in a transaction of its own and commits what it [`Commit`]s, durably, with its events.
    pub async fn write<T, E, F>(&self, ctx: &Ctx, rule: F) -> Result<Written<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<Commit<T>, E> + Send + Sync + 'static,
    {
        self.run_write(Some(ctx.clone()), rule).await
    }

    /// Runs a write that is no change of state in the audited sense (leases, counters, last-seen times): only
    /// statements declared [`Scope::Housekeeping`] may write in it.
    pub async fn housekeeping<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<T, E> + Send + Sync + 'static,
    {
        let kept = self.run_write(None, move |tx| rule(tx).map(Commit::housekeeping)).await?;
        Ok(kept.value)
    }

    /// Runs `rule` and keeps what it wrote, recorded events and all; only counters may go without one.
    pub(crate) async fn kept<T, E, F>(&self, ctx: &Ctx, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<T, E> + Send + Sync + 'static,
    {
        let kept = self.run_write(Some(ctx.clone()), move |tx| rule(tx).map(Commit::housekeeping)).await?;
        Ok(kept.value)
    }

    async fn run_write<T, E, F>(&self, ctx: Option<Ctx>, rule: F) -> Result<Written<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<Commit<T>, E> + Send + Sync + 'static,
    {
        let started = std::time::Instant::now();
        let result = match &self.inner.engine {
            Engine::Sqlite(engine) => engine.write(ctx, rule).await,
            Engine::Postgres(engine) => engine.write(ctx, rule).await,
        };
        metrics::histogram!("bailiwick_db_write_seconds").record(started.elapsed().as_secs_f64());
        result
    }

    /// Whether writes can be taken at all; reads may go well when they cannot.
    pub fn takes_writes(&self) -> bool {
        match &self.inner.engine {
            Engine::Sqlite(engine) => engine.writes(),
            Engine::Postgres(_) => true,
        }
    }

    /// Stops taking writes and waits for those under way; used by the graceful drain.
    pub async fn close(&self, within: Duration) {
        match &self.inner.engine {
            Engine::Sqlite(engine) => engine.close(within).await,
            Engine::Postgres(engine) => engine.close(within).await,
        }
    }

    /// Every registered statement prepared on this engine, with its columns: what the statement test compares.
    pub async fn describe_statements(&self) -> Result<Vec<statement::Description>, DbError> {
        match &self.inner.engine {
            Engine::Sqlite(engine) => engine.read(|tx| tx.describe_all()).await,
            Engine::Postgres(engine) => engine.read(|tx| tx.describe_all()).await,
        }
    }
}
