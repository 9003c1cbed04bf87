//! PostgreSQL as a side of a move. As a target everything happens in one transaction.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::runtime::Handle;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error as PgError};

use super::super::postgres::{config, failed, tls_connector, value_of};
use super::super::{DbError, Value, lock, migrate, wall};
use super::{MoveError, Row, Side, Table, in_order};

struct PostgresSide {
    client: Client,
    handle: Handle,
    /// The table that is being filled.
    copy: Option<Pin<Box<BinaryCopyInWriter>>>,
}

const TABLES: &str = "
    select c.relname::text, array(select a.attname::text from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      order by a.attname::text collate \"C\")
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
      and not exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by 1";
const REFERENCES: &str = "
    select f.conrelid::regclass::text, f.confrelid::regclass::text from pg_constraint f
    where f.contype = 'f' and f.connamespace = current_schema()::regnamespace";
const IDENTITIES: &str = "
    select table_name::text, column_name::text from information_schema.columns
    where table_schema = current_schema() and is_identity = 'YES'";
const MIGRATIONS: &str = "schema_migrations";

fn fail(error: PgError) -> DbError {
    failed("move", &error)
}

pub(super) fn open(dsn: &str, handle: &Handle, which: &'static str) -> Result<impl Side + use<>, MoveError> {
    let client = handle.block_on(connect(dsn))?;
    let side = PostgresSide { client, handle: handle.clone(), copy: None };
    side.say(
        "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '10s'",
    )?;
    let alone: bool = side.wait(async |client| client.query_one(lock::ALONE, &[]).await)?.get(0);
    if !alone {
        return Err(MoveError::InUse(which));
    }
    if which == "target" {
        // Whoever starts a server on it meanwhile waits for its migrations, and finds everything then.
        side.say("begin; select pg_advisory_xact_lock(8480)")?;
    } else {
        let tables: Vec<String> = side.all_tables()?.into_iter().map(|table| quoted(&[table.name])).collect();
        side.say("begin isolation level repeatable read")?;
        if !tables.is_empty() {
            // Before the first look: nobody writes from here to the end.
            side.say(&format!("lock table {} in share mode", tables.join(", ")))?;
        }
    }
    side.say(wall::BIND_ALL)?;
    Ok(side)
}

async fn connect(dsn: &str) -> Result<Client, DbError> {
    let (client, connection) =
        config(dsn)?.connect(tls_connector()?).await.map_err(|error| failed("connect", &error))?;
    tokio::spawn(connection);
    Ok(client)
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl PostgresSide {
    fn wait<T>(&self, ask: impl AsyncFnOnce(&Client) -> Result<T, PgError>) -> Result<T, DbError> {
        self.handle.block_on(ask(&self.client)).map_err(fail)
    }

    fn say(&self, sql: &str) -> Result<(), DbError> {
        self.wait(async |client| client.batch_execute(sql).await)
    }

    fn all_tables(&self) -> Result<Vec<Table>, DbError> {
        let rows = self.wait(async |client| client.query(TABLES, &[]).await)?;
        Ok(rows.iter().map(|row| Table { name: row.get(0), columns: row.get(1) }).collect())
    }

    fn start(&mut self, table: &Table) -> Result<(), DbError> {
        let (name, columns) = (&table.name, quoted(&table.columns));
        let (select, copy) = (
            format!("select {columns} from \"{name}\""),
            format!("copy \"{name}\" ({columns}) from stdin (format binary)"),
        );
        let writer = self.wait(async |client| {
            let types: Vec<Type> = client
                .prepare(&select)
                .await?
                .columns()
                .iter()
                .map(|column| column.type_().clone())
                .collect();
            let sink = client.copy_in::<_, Bytes>(copy.as_str()).await?;
            Ok(BinaryCopyInWriter::new(sink, &types))
        })?;
        self.copy = Some(Box::pin(writer));
        Ok(())
    }
}

impl Side for PostgresSide {
    fn migrations(&mut self) -> Result<Vec<(i64, String)>, DbError> {
        if !self.all_tables()?.iter().any(|table| table.name == MIGRATIONS) {
            return Ok(Vec::new());
        }
        let sql = "select number, checksum from schema_migrations";
        let rows = self.wait(async |client| client.query(sql, &[]).await)?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn empty(&mut self) -> Result<bool, DbError> {
        Ok(self.all_tables()?.is_empty())
    }

    fn tables(&mut self) -> Result<Vec<Table>, DbError> {
        let mut tables = self.all_tables()?;
        tables.retain(|table| table.name != MIGRATIONS);
        let rows = self.wait(async |client| client.query(REFERENCES, &[]).await)?;
        let references: Vec<_> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        in_order(tables, &references)
    }

    fn count(&mut self, table: &Table) -> Result<u64, DbError> {
        let sql = format!("select count(*) from \"{}\"", table.name);
        let count: i64 = self.wait(async |client| client.query_one(&sql, &[]).await)?.get(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn read(&mut self, table: &Table, order: &str, each: Row<'_>) -> Result<(), DbError> {
        let order = if order.is_empty() { String::new() } else { format!(" order by {order}") };
        let sql = format!("select {} from \"{}\"{order}", quoted(&table.columns), table.name);
        let rows = self.wait(async |client| {
            let prepared = client.prepare(&sql).await?;
            client.query_raw(&prepared, std::iter::empty::<&(dyn ToSql + Sync)>()).await
        })?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = self.handle.block_on(rows.try_next()).map_err(fail)? {
            let values = (0..row.len())
                .map(|column| value_of(&row, column))
                .collect::<Result<_, _>>()
                .map_err(fail)?;
            each(values)?;
        }
        Ok(())
    }

    fn make(&mut self) -> Result<(), DbError> {
        self.handle.block_on(migrate::postgres_in(&self.client))?;
        let tables = self.tables()?;
        for table in tables.iter().rev() {
            self.say(&format!("delete from \"{}\"", table.name))?;
        }
        Ok(())
    }

    fn put(&mut self, table: &Table, row: Vec<Value>) -> Result<(), DbError> {
        if self.copy.is_none() {
            self.start(table)?;
        }
        let Some(writer) = &mut self.copy else { return Err(DbError::Closed) };
        let values: Vec<&(dyn ToSql + Sync)> = row.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.handle.block_on(writer.as_mut().write(&values)).map_err(fail)
    }

    fn flush(&mut self) -> Result<(), DbError> {
        let Some(mut writer) = self.copy.take() else { return Ok(()) };
        self.handle.block_on(writer.as_mut().finish()).map(drop).map_err(fail)
    }

    fn keep(&mut self) -> Result<(), DbError> {
        for row in self.wait(async |client| client.query(IDENTITIES, &[]).await)? {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            self.say(&format!(
                "select setval(pg_get_serial_sequence('\"{table}\"', '{column}'), coalesce(max(\"{column}\"), 0) + 1, false)
                 from \"{table}\""
            ))?;
        }
        self.handle.block_on(wall::raise(&self.client)).map_err(fail)?;
        self.say("commit")?;
        // What the planner knows of the tables; it would find out by itself, later.
        let _ = self.say("analyze");
        Ok(())
    }

    fn numbers_events(&self) -> bool {
        true
    }
}
