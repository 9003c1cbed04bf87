//! PostgreSQL 15+: pooled connections, retry of serialization failures, `LISTEN`/`NOTIFY` for the change feed.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::future;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{AsyncMessage, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ctx::Ctx;

use super::statement::{Description, Statement};
use super::transaction::Connection;
use super::{Commit, DbError, ReadTx, Row, Tx, Value, Written, migrate};

/// A transaction that loses this many races in a row is given up; each retry starts from a fresh snapshot.
const ATTEMPTS_MAX: u32 = 12;
const RECONNECT_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct PostgresOptions {
    pub dsn: String,
    pub connections_max: usize,
    pub wait_max: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { dsn: String::new(), connections_max: 24, wait_max: Duration::from_secs(10) }
    }
}

pub(super) struct Postgres {
    pool: Pool,
    committed: watch::Sender<u64>,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// One pooled client, driven from a blocking thread.
pub(super) struct PgConnection {
    client: Object,
    handle: Handle,
}

impl Postgres {
    pub(super) async fn open(
        options: &PostgresOptions,
        committed: watch::Sender<u64>,
    ) -> Result<Self, DbError> {
        let config: tokio_postgres::Config =
            options.dsn.parse().map_err(|error| DbError::Open(describe_error(&error)))?;
        let tls = tls_connector()?;
        let manager = Manager::from_config(
            config.clone(),
            tls.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(options.connections_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(options.wait_max))
            .create_timeout(Some(options.wait_max))
            .build()
            .map_err(|error| DbError::Open(error.to_string()))?;
        let mut client = pool.get().await.map_err(|error| unavailable(&error))?;
        migrate::postgres(&mut client).await?;
        drop(client);
        let listener = tokio::spawn(listen(config, tls, committed.clone()));
        Ok(Self { pool, committed, listener })
    }

    pub(super) async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        let client = self.pool.get().await.map_err(|error| unavailable(&error))?;
        let handle = Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let connection = PgConnection { client, handle };
            connection.batch("begin isolation level repeatable read read only")?;
            let mut tx = ReadTx::new(Connection::Postgres(connection));
            let result = catch_unwind(AssertUnwindSafe(|| rule(&mut tx)));
            end(tx.connection, "rollback");
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
        let client = self.pool.get().await.map_err(|error| unavailable(&error))?;
        let handle = Handle::current();
        let committed = self.committed.clone();
        let task = tokio::task::spawn_blocking(move || {
            let connection = PgConnection { client, handle };
            let mut tx = Tx::new(Connection::Postgres(connection), ctx);
            let mut attempt = 1;
            loop {
                let result = attempt_write(&mut tx, &rule);
                let collided = matches!(&result, Err((_, true)));
                if collided && attempt < ATTEMPTS_MAX {
                    attempt += 1;
                    metrics::counter!("bailiwick_db_retries_total").increment(1);
                    continue;
                }
                if matches!(&result, Ok(written) if !written.events.is_empty()) {
                    committed.send_modify(|count| *count += 1);
                }
                return result.map_err(|(error, _)| error);
            }
        });
        task.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }
}

/// One try; the flag of an error says whether another one may succeed.
fn attempt_write<T, E, F>(tx: &mut Tx, rule: &F) -> Result<Written<T>, (E, bool)>
where
    E: From<DbError>,
    F: Fn(&mut Tx) -> Result<Commit<T>, E>,
{
    tx.reset();
    COLLIDED.set(false);
    let fail = |error: DbError| {
        let collided = error == DbError::Serialization;
        (E::from(error), collided)
    };
    pg(tx).batch("begin").map_err(fail)?;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let commit = rule(tx)?;
        let events = if commit.is_change() { tx.flush()? } else { Vec::new() };
        Ok::<_, E>((commit, events))
    }));
    let collided = pg(tx).take_collision();
    match result {
        Ok(Ok((commit, events))) => {
            let (value, keep) = commit.into_parts();
            let done = pg(tx).batch(if keep { "commit" } else { "rollback" });
            if done.is_err() {
                let _ = pg(tx).batch("rollback");
            }
            done.map_err(fail)?;
            Ok(Written { value, events })
        }
        Ok(Err(error)) => {
            let _ = pg(tx).batch("rollback");
            Err((error, collided))
        }
        Err(_) => {
            let _ = pg(tx).batch("rollback");
            Err((DbError::Panicked.into(), false))
        }
    }
}

fn pg(tx: &mut Tx) -> &mut PgConnection {
    match tx.connection() {
        Connection::Postgres(connection) => connection,
        Connection::Sqlite(_) => unreachable!("PostgreSQL's transactions hold its own connections"),
    }
}

/// Ends a transaction; a connection that cannot even roll back is not returned to the pool.
fn end(connection: Connection, how: &'static str) {
    if let Connection::Postgres(connection) = connection
        && connection.batch(how).is_err()
    {
        drop(Object::take(connection.client));
    }
}

thread_local! {
    /// Set when a statement of the running transaction failed with 40001 or 40P01: rules wrap errors in their own
    /// types, and the retry must not depend on them passing it on.
    static COLLIDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl PgConnection {
    fn batch(&self, sql: &'static str) -> Result<(), DbError> {
        self.handle.block_on(self.client.batch_execute(sql)).map_err(|e| failed(sql, &e))
    }

    fn take_collision(&self) -> bool {
        COLLIDED.replace(false)
    }

    pub(super) fn query(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let client = &self.client;
        let rows = self.handle.block_on(async {
            let prepared = client.prepare_cached(statement.postgres()).await?;
            client.query(&prepared, &references(params)).await
        });
        rows.map_err(|e| failed(statement.name, &e))?
            .iter()
            .map(|row| {
                let values = (0..row.len())
                    .map(|column| value_of(row, column).map_err(|e| failed(statement.name, &e)))
                    .collect::<Result<_, _>>()?;
                Ok(Row { statement: statement.name, values })
            })
            .collect()
    }

    pub(super) fn execute(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
    ) -> Result<u64, DbError> {
        let client = &self.client;
        self.handle
            .block_on(async {
                let prepared = client.prepare_cached(statement.postgres()).await?;
                client.execute(&prepared, &references(params)).await
            })
            .map_err(|e| failed(statement.name, &e))
    }

    pub(super) fn execute_many(
        &mut self,
        statement: &'static Statement,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        /// Requests in flight at once: enough to hide the round trip, few enough to bound memory.
        const PIPELINE: usize = 256;
        let client = &self.client;
        self.handle
            .block_on(async {
                let prepared = client.prepare_cached(statement.postgres()).await?;
                let mut touched = 0;
                for chunk in rows.chunks(PIPELINE) {
                    let lists: Vec<_> = chunk.iter().map(|row| references(row)).collect();
                    let sent = lists.iter().map(|list| client.execute(&prepared, list));
                    touched += future::try_join_all(sent).await?.into_iter().sum::<u64>();
                }
                Ok(touched)
            })
            .map_err(|e: tokio_postgres::Error| failed(statement.name, &e))
    }

    pub(super) fn describe(&mut self, statement: &'static Statement) -> Result<Description, DbError> {
        let prepared = self
            .handle
            .block_on(self.client.prepare(statement.postgres()))
            .map_err(|e| failed(statement.name, &e))?;
        Ok(Description {
            name: statement.name,
            columns: prepared.columns().iter().map(|column| column.name().to_owned()).collect(),
            parameters: prepared.params().len(),
            plan: Vec::new(),
        })
    }
}

fn references(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

type BoxError = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => match *ty {
                Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
                Type::BOOL => (*number != 0).to_sql(ty, out),
                _ => number.to_sql(&Type::INT8, out),
            },
            Self::Real(number) => number.to_sql(&Type::FLOAT8, out),
            Self::Text(text) => text.to_sql(&Type::TEXT, out),
            Self::Blob(bytes) => bytes.to_sql(&Type::BYTEA, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    /// A value of another kind than its column would be stored wrongly in PostgreSQL's binary format: refused here.
    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let fits = match self {
            Self::Null => true,
            Self::Int(_) => matches!(*ty, Type::INT8 | Type::INT4 | Type::INT2 | Type::BOOL),
            Self::Real(_) => *ty == Type::FLOAT8,
            Self::Text(_) => matches!(*ty, Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN),
            Self::Blob(_) => *ty == Type::BYTEA,
        };
        if fits { self.to_sql(ty, out) } else { Err(format!("a parameter does not fit type {ty}").into()) }
    }
}

fn value_of(row: &tokio_postgres::Row, column: usize) -> Result<Value, tokio_postgres::Error> {
    let ty = row.columns()[column].type_();
    Ok(match *ty {
        Type::INT8 => row.try_get::<_, Option<i64>>(column)?.map_or(Value::Null, Value::Int),
        Type::INT4 => row.try_get::<_, Option<i32>>(column)?.map_or(Value::Null, |n| Value::Int(n.into())),
        Type::INT2 => row.try_get::<_, Option<i16>>(column)?.map_or(Value::Null, |n| Value::Int(n.into())),
        Type::BOOL => row.try_get::<_, Option<bool>>(column)?.map_or(Value::Null, |b| Value::Int(b.into())),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(column)?.map_or(Value::Null, Value::Real),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column)?.map_or(Value::Null, Value::Blob),
        _ => row.try_get::<_, Option<String>>(column)?.map_or(Value::Null, Value::Text),
    })
}

// ---- connections and errors -----------------------------------------------------------------------------------

fn tls_connector() -> Result<MakeRustlsConnect, DbError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DbError::Open(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Wakes the feed when another node commits. Runs until the process ends; a lost connection is opened again, and the
/// feed polls anyway, so nothing is missed meanwhile.
async fn listen(config: tokio_postgres::Config, tls: MakeRustlsConnect, committed: watch::Sender<u64>) {
    loop {
        if let Ok((client, mut connection)) = config.connect(tls.clone()).await {
            let (gone, mut closed) = tokio::sync::oneshot::channel::<()>();
            let wake = committed.clone();
            let pump = tokio::spawn(async move {
                while let Some(Ok(message)) =
                    future::poll_fn(|context| connection.poll_message(context)).await
                {
                    if matches!(message, AsyncMessage::Notification(_)) {
                        wake.send_modify(|count| *count += 1);
                    }
                }
                drop(gone);
            });
            if client.batch_execute("listen bailiwick_events").await.is_ok() {
                committed.send_modify(|count| *count += 1);
                let _ = (&mut closed).await;
            }
            pump.abort();
        }
        tokio::time::sleep(RECONNECT_WAIT).await;
    }
}

fn unavailable(error: &deadpool_postgres::PoolError) -> DbError {
    match error {
        deadpool_postgres::PoolError::Backend(error) => failed("connect", error),
        other => DbError::Unavailable(other.to_string()),
    }
}

fn describe_error(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

pub(super) fn failed(statement: &'static str, error: &tokio_postgres::Error) -> DbError {
    let Some(db) = error.as_db_error() else {
        return if error.is_closed()
            || error.code().is_none() && error.source().is_some_and(|s| s.is::<std::io::Error>())
        {
            DbError::Unavailable(describe_error(error))
        } else {
            DbError::Other { statement, message: describe_error(error) }
        };
    };
    let code = db.code();
    let constraint = || db.constraint().unwrap_or("value").to_owned();
    if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
        COLLIDED.set(true);
        return DbError::Serialization;
    }
    match code.code() {
        "23505" => DbError::Unique(constraint()),
        "23503" => DbError::ForeignKey,
        "23514" | "23502" => DbError::Check(constraint()),
        "25006" => DbError::ReadOnly,
        "53100" => DbError::Full,
        "57P01" | "57P02" | "57P03" | "53300" => DbError::Unavailable(db.message().to_owned()),
        "28P01" | "28000" | "3D000" => DbError::Open(db.message().to_owned()),
        _ => DbError::Other { statement, message: db.message().to_owned() },
    }
}
