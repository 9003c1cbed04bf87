//! One pooled connection through one transaction, driven from a blocking thread.
//!
//! `begin`, and what binds the transaction to an organization ([`wall`]), are sent ahead of the statement that needs them
//! and not waited for: a transaction costs as many round trips as it has statements, and one for `commit`.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use futures_util::{FutureExt, future};
use tokio::runtime::Handle;
use tokio_postgres::Error as PgError;

use super::super::statement::{Description, Statement};
use super::super::wall::{self, Binding};
use super::super::{DbError, Row, Value};
use super::errors::{failed, lost, unavailable};
use super::values::{references, value_of};

/// Longest wait for one answer. The server gives up sooner (`statement_timeout`); this is for a server that is gone.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Connections tried for the start of a transaction, more than a pool has: those that died unnoticed in it are put away
/// on the way, and the end of it is a new one, or none.
const CONNECTIONS_TRIED_MAX: u32 = 32;

pub(in super::super) struct PgConnection {
    pool: Pool,
    handle: Handle,
    /// None once it was lost; the rest of the transaction fails.
    client: Option<Object>,
    begin: &'static str,
    begun: bool,
    bound: Option<Binding>,
    /// Not to be used for another transaction.
    spent: bool,
}

impl PgConnection {
    pub(super) fn new(pool: Pool, client: Object, handle: Handle, begin: &'static str) -> Self {
        Self { pool, handle, client: Some(client), begin, begun: false, bound: None, spent: false }
    }

    /// Sends `send` what it asked for, after what must come before it. Nothing has happened yet when the first exchange
    /// of a transaction finds its connection dead, so it is tried again on another.
    fn exchange<T>(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
        send: impl AsyncFn(&ClientWrapper, &tokio_postgres::Statement) -> Result<T, PgError>,
    ) -> Result<T, DbError> {
        let binding = wall::binding(statement, params)?;
        let mut tried = 1;
        loop {
            let error = match self.try_exchange(statement, binding, &send) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Failed::Database(error, before) = error else {
                self.discard();
                return Err(DbError::Unavailable("it did not answer in time".to_owned()));
            };
            if !(before && lost(&error) && tried < CONNECTIONS_TRIED_MAX) {
                let error = failed(statement.name, &error);
                self.spent |= error == DbError::ReadOnly;
                return Err(error);
            }
            tried += 1;
            self.renew()?;
        }
    }

    fn try_exchange<T>(
        &mut self,
        statement: &'static Statement,
        binding: Binding,
        send: &impl AsyncFn(&ClientWrapper, &tokio_postgres::Statement) -> Result<T, PgError>,
    ) -> Result<T, Failed> {
        let Some(client) = &self.client else { return Err(Failed::Time) };
        let client: &ClientWrapper = client;
        let before = !self.begun;
        let bind = binding.text().filter(|_| self.bound != Some(binding));
        let ahead = match (self.begun, bind) {
            (true, bind) => bind,
            (false, Some(bind)) => Some(format!("{}; {bind}", self.begin)),
            (false, None) => Some(self.begin.to_owned()),
        };
        let exchanged = self.handle.block_on(tokio::time::timeout(ANSWER_MAX, async {
            let prepared = client.prepare_cached(statement.postgres()).await.map_err(|e| (e, false))?;
            let Some(ahead) = &ahead else { return send(client, &prepared).await.map_err(|e| (e, true)) };
            // Polled in this order, which is the order on the wire.
            let (opened, answer) = future::join(client.batch_execute(ahead), send(client, &prepared)).await;
            opened.and(answer).map_err(|e| (e, true))
        }));
        match exchanged {
            Ok(Ok(answer)) => {
                self.begun = true;
                if binding != Binding::Any {
                    self.bound = Some(binding);
                }
                Ok(answer)
            }
            Ok(Err((error, sent))) => {
                // Sent: the transaction was begun and is to be ended, unless its connection is gone.
                self.begun |= sent;
                Err(Failed::Database(error, before))
            }
            Err(_) => Err(Failed::Time),
        }
    }

    /// Puts this connection away and takes another.
    fn renew(&mut self) -> Result<(), DbError> {
        self.discard();
        self.begun = false;
        // Given back first: waiting for one while holding one is how a pool ends.
        let client = self.handle.block_on(self.pool.get()).map_err(|error| unavailable(&error))?;
        self.client = Some(client);
        Ok(())
    }

    fn discard(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
        self.bound = None;
    }

    /// Makes it fit for another try of the same transaction.
    pub(super) fn again(&mut self) -> Result<(), DbError> {
        if self.client.is_none() || self.begun {
            return self.renew();
        }
        Ok(())
    }

    /// Ends the transaction; a transaction that did nothing has nothing to end.
    pub(super) fn end(&mut self, how: &'static str) -> Result<(), DbError> {
        self.bound = None;
        if !std::mem::take(&mut self.begun) {
            return Ok(());
        }
        let Some(client) = &self.client else {
            return Err(DbError::Unavailable("the connection was lost".to_owned()));
        };
        let ended = self.handle.block_on(tokio::time::timeout(ANSWER_MAX, client.batch_execute(how)));
        let ended = match ended {
            Ok(ended) => ended.map_err(|error| failed(how, &error)),
            Err(_) => Err(DbError::Unavailable("it did not answer in time".to_owned())),
        };
        if ended.is_err() {
            // Whatever state it is in, nobody else shall have it.
            self.discard();
        }
        ended
    }

    /// Ends a read without waiting for the answer: what comes after on this connection comes after the rollback, too.
    pub(super) fn leave(mut self) {
        if self.begun
            && let Some(client) = &self.client
        {
            let _ = client.batch_execute("rollback").now_or_never();
        }
        self.begun = false;
    }

    pub(in super::super) fn query(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
    ) -> Result<Vec<Row>, DbError> {
        let rows = self.exchange(statement, params, async |client, prepared| {
            client.query(prepared, &references(params)).await
        })?;
        rows.iter()
            .map(|row| {
                let values = (0..row.len())
                    .map(|column| value_of(row, column).map_err(|e| failed(statement.name, &e)))
                    .collect::<Result<_, _>>()?;
                Ok(Row { statement: statement.name, values })
            })
            .collect()
    }

    pub(in super::super) fn execute(
        &mut self,
        statement: &'static Statement,
        params: &[Value],
    ) -> Result<u64, DbError> {
        self.exchange(statement, params, async |client, prepared| {
            client.execute(prepared, &references(params)).await
        })
    }

    pub(in super::super) fn execute_many(
        &mut self,
        statement: &'static Statement,
        rows: &[Vec<Value>],
    ) -> Result<u64, DbError> {
        /// Requests in flight at once: enough to hide the round trip, few enough to bound memory.
        const PIPELINE: usize = 256;
        let mut touched = 0;
        // Rows of one organization at a time: each is another binding.
        for mine in rows.chunk_by(|one, next| one.first() == next.first() || !statement.scope.is_of_tenant())
        {
            for chunk in mine.chunks(PIPELINE) {
                let Some(first) = chunk.first() else { continue };
                touched += self.exchange(statement, first, async |client, prepared| {
                    let lists: Vec<_> = chunk.iter().map(|row| references(row)).collect();
                    let sent = lists.iter().map(|list| client.execute(prepared, list));
                    Ok(future::try_join_all(sent).await?.into_iter().sum::<u64>())
                })?;
            }
        }
        Ok(touched)
    }

    pub(in super::super) fn describe(
        &mut self,
        statement: &'static Statement,
    ) -> Result<Description, DbError> {
        let client = self.client.as_ref().ok_or(DbError::Closed)?;
        let prepared = self
            .handle
            .block_on(client.prepare(statement.postgres()))
            .map_err(|e| failed(statement.name, &e))?;
        Ok(Description {
            name: statement.name,
            columns: prepared.columns().iter().map(|column| column.name().to_owned()).collect(),
            parameters: prepared.params().len(),
            plan: Vec::new(),
        })
    }
}

impl Drop for PgConnection {
    fn drop(&mut self) {
        // Still inside a transaction (a path that ended without `end`), or not to be used again.
        if self.begun || self.spent {
            self.discard();
        }
    }
}

enum Failed {
    /// What the database said, and whether the transaction had not begun before.
    Database(PgError, bool),
    Time,
}
