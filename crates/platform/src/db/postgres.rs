//! PostgreSQL 15+: pooled connections, retry of serialization failures, `LISTEN`/`NOTIFY` for the change feed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use futures_util::future;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_postgres::AsyncMessage;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ctx::Ctx;

use super::lock::Company;
use super::transaction::Connection;
use super::wall::{self, SecondWall};
use super::{Commit, DbError, ReadTx, Tx, Written, lock, migrate};

mod connection;
mod errors;
mod values;

pub(super) use connection::PgConnection;
pub(super) use errors::failed;
use errors::unavailable;
pub(super) use values::value_of;

/// A transaction that loses this many races in a row is given up; each retry starts from a fresh snapshot.
const ATTEMPTS_MAX: u32 = 12;
/// Retries that wait for nothing; later ones wait longer and longer, so that those who collide get apart.
const ATTEMPTS_AT_ONCE: u32 = 3;
const RECONNECT_WAIT: Duration = Duration::from_secs(1);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A connection whose other end is silent is taken for dead after about this long.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often the drain looks whether the last connection was given back.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Limits of every session, where the URL, the role or the server set none: a stuck statement, a lock that nobody gives
/// back and a transaction that nobody ends each hold a connection of the pool, and the pool is all there is.
const LIMITS: &str = "
    select set_config(name, wanted, false)
    from (values ('statement_timeout', '60s'), ('lock_timeout', '20s'),
                 ('idle_in_transaction_session_timeout', '300s')) as limits (name, wanted)
    where current_setting(name) = '0'";

const BEGIN: &str = "begin";
const BEGIN_READ: &str = "begin isolation level repeatable read read only";

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
    wall: SecondWall,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The URL with limits for the network, where it sets none.
pub(super) fn config(dsn: &str) -> Result<tokio_postgres::Config, DbError> {
    let mut config: tokio_postgres::Config =
        dsn.parse().map_err(|error| DbError::Open(errors::describe(&error)))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_MAX);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE_MAX);
    }
    if config.get_keepalives_idle() > Duration::from_secs(600) {
        config
            .keepalives_idle(SILENCE_MAX)
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3);
    }
    if config.get_application_name().is_none() {
        config.application_name("bailiwick");
    }
    Ok(config)
}

fn pool(options: &PostgresOptions, config: tokio_postgres::Config) -> Result<Pool, DbError> {
    let manager = Manager::from_config(
        config,
        tls_connector()?,
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let limit = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
        Box::pin(async move { client.batch_execute(LIMITS).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(options.connections_max)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.wait_max))
        .create_timeout(Some(options.wait_max))
        .post_create(limit)
        .build()
        .map_err(|error| DbError::Open(error.to_string()))
}

impl Postgres {
    pub(super) async fn open(
        options: &PostgresOptions,
        company: Company,
        committed: watch::Sender<u64>,
    ) -> Result<Self, DbError> {
        let config = config(&options.dsn)?;
        let pool = pool(options, config.clone())?;
        let mut client = pool.get().await.map_err(|error| unavailable(&error))?;
        migrate::postgres(&mut client).await?;
        let bypassed = wall::bypassed_by(&client).await.map_err(|error| failed("second wall", &error))?;
        drop(client);
        let wall = match bypassed {
            Some(role) => SecondWall::Bypassed { role },
            None => SecondWall::Stands,
        };
        let (tell, told) = oneshot::channel();
        let listener = tokio::spawn(listen(config, tls_connector()?, company, committed.clone(), tell));
        let engine = Self { pool, committed, wall, listener };
        // It holds what keeps `db move` away; a listener that needs longer than this is tried again beside the work.
        match tokio::time::timeout(CONNECT_MAX, told).await {
            Ok(Ok(true)) => Ok(engine),
            Ok(Ok(false)) if company == Company::Alone => Err(DbError::InUse),
            Ok(Ok(false)) => Err(DbError::Locked),
            _ if company == Company::Alone => {
                Err(DbError::Unavailable("it does not answer in time whether it is in use".to_owned()))
            }
            _ => Ok(engine),
        }
    }

    pub(super) fn wall(&self) -> &SecondWall {
        &self.wall
    }

    pub(super) async fn read<T, E, F>(&self, rule: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut ReadTx) -> Result<T, E> + Send + 'static,
    {
        let connection = self.connection(BEGIN_READ).await?;
        let task = tokio::task::spawn_blocking(move || {
            let mut tx = ReadTx::new(Connection::Postgres(connection));
            let result = catch_unwind(AssertUnwindSafe(|| rule(&mut tx)));
            if let Connection::Postgres(connection) = tx.connection {
                connection.leave();
            }
            result.unwrap_or_else(|_| Err(DbError::Panicked.into()))
        });
        task.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    async fn connection(&self, begin: &'static str) -> Result<PgConnection, DbError> {
        let client = self.pool.get().await.map_err(|error| unavailable(&error))?;
        Ok(PgConnection::new(self.pool.clone(), client, Handle::current(), begin))
    }

    pub(super) async fn write<T, E, F>(&self, ctx: Option<Ctx>, rule: F) -> Result<Written<T>, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: Fn(&mut Tx) -> Result<Commit<T>, E> + Send + Sync + 'static,
    {
        let connection = self.connection(BEGIN).await?;
        let handle = Handle::current();
        let committed = self.committed.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut tx = Tx::new(Connection::Postgres(connection), ctx);
            let mut attempt = 1;
            loop {
                let result = attempt_write(&mut tx, &rule);
                let collided = matches!(&result, Err((_, true)));
                if collided && attempt < ATTEMPTS_MAX && pg(&mut tx).again().is_ok() {
                    attempt += 1;
                    metrics::counter!("bailiwick_db_retries_total").increment(1);
                    if attempt > ATTEMPTS_AT_ONCE {
                        let wait = Duration::from_millis(1 << (attempt - ATTEMPTS_AT_ONCE).min(6));
                        handle.block_on(tokio::time::sleep(wait));
                    }
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

    /// Gives out no more connections, and waits for those in use.
    pub(super) async fn close(&self, within: Duration) {
        self.pool.close();
        let last = async {
            while self.pool.status().size > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(within, last).await;
    }
}

/// One try; the flag of an error says whether another one may succeed.
fn attempt_write<T, E, F>(tx: &mut Tx, rule: &F) -> Result<Written<T>, (E, bool)>
where
    E: From<DbError>,
    F: Fn(&mut Tx) -> Result<Commit<T>, E>,
{
    tx.reset();
    errors::forget_collision();
    let fail = |error: DbError| {
        let collided = error == DbError::Serialization;
        (E::from(error), collided)
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        let commit = rule(tx)?;
        let events = if commit.is_change() { tx.flush()? } else { Vec::new() };
        Ok::<_, E>((commit, events))
    }));
    let collided = errors::take_collision();
    match result {
        Ok(Ok((commit, events))) => {
            let (value, keep) = commit.into_parts();
            let done = pg(tx).end(if keep { "commit" } else { "rollback" });
            // What was never to be kept is gone with its connection, too.
            if keep {
                done.map_err(fail)?;
            }
            Ok(Written { value, events })
        }
        Ok(Err(error)) => {
            let _ = pg(tx).end("rollback");
            Err((error, collided))
        }
        Err(_) => {
            let _ = pg(tx).end("rollback");
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

// ---- connections ----------------------------------------------------------------------------------------------

pub(super) fn tls_connector() -> Result<MakeRustlsConnect, DbError> {
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

/// Wakes the feed when another node commits, and says for as long as it is connected that a program runs here. Runs until
/// the process ends; a lost connection is opened again, and the feed polls anyway, so nothing is missed meanwhile. `tell`
/// hears once whether this program may run.
async fn listen(
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    company: Company,
    committed: watch::Sender<u64>,
    tell: oneshot::Sender<bool>,
) {
    let mut tell = Some(tell);
    loop {
        if let Ok((client, mut connection)) = config.connect(tls.clone()).await {
            let (gone, mut closed) = oneshot::channel::<()>();
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
            let lock = match company {
                Company::Shared => lock::SHARE,
                Company::Alone => lock::ALONE,
            };
            let shares = client.query_one(lock, &[]).await.map(|row| row.get::<_, bool>(0));
            if let (Ok(shares), Some(tell)) = (&shares, tell.take_if(|_| shares.is_ok())) {
                let _ = tell.send(*shares);
            }
            if shares.is_ok_and(|shares| shares)
                && client.batch_execute("listen bailiwick_events").await.is_ok()
            {
                committed.send_modify(|count| *count += 1);
                let _ = (&mut closed).await;
            }
            pump.abort();
        }
        tokio::time::sleep(RECONNECT_WAIT).await;
    }
}
