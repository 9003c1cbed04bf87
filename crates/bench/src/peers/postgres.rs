//! Line 13's peer: the same events in a table of PostgreSQL, with the indexes that the searches want.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

use crate::error::{BenchError, Result};
use crate::lines::audit_log::{PAGE, Search};
use crate::seed;

const TABLE: &str = "
    create table events (
      organization text collate \"C\" not null, sequence bigint not null, at bigint not null,
      action text collate \"C\" not null, actor_kind text not null, actor_id text collate \"C\" not null,
      target_kind text not null, target_id text collate \"C\" not null, public text not null, personal text not null,
      leaf bytea not null
    )";
const INDEXES: &str = "
    alter table events add primary key (organization, sequence);
    create index on events (organization, action, sequence);
    create index on events (organization, actor_id, sequence);
    create index on events (organization, target_id, sequence);
    create index on events (organization, at);
    vacuum analyze events";
/// Bytes of one message of COPY.
const CHUNK: usize = 1 << 20;
const COLUMNS: &str =
    "sequence, at, action, actor_kind, actor_id, target_kind, target_id, public, personal, leaf";

pub struct Postgres {
    runtime: tokio::runtime::Runtime,
    client: Client,
    /// By their condition: prepared once, as a program that asks often does.
    prepared: BTreeMap<&'static str, Statement>,
}

fn wrong(error: tokio_postgres::Error) -> BenchError {
    seed::wrong("PostgreSQL", error)
}

impl Postgres {
    pub fn connect(url: &str) -> Result<Self> {
        let runtime = seed::runtime()?;
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(wrong)?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    eprintln!("PostgreSQL's connection broke: {error}");
                }
            });
            Ok::<_, BenchError>(client)
        })?;
        Ok(Self { runtime, client, prepared: BTreeMap::new() })
    }

    /// All events of our store.
    pub fn copy_events(&mut self, database: &Path) -> Result<()> {
        let store = rusqlite::Connection::open(database)?;
        let Self { runtime, client, .. } = self;
        runtime.block_on(async {
            client.batch_execute(TABLE).await.map_err(wrong)?;
            let copy = client.copy_in::<_, std::io::Cursor<Vec<u8>>>("copy events from stdin");
            let mut sink = Box::pin(copy.await.map_err(wrong)?);
            let mut rows = store.prepare(
                "select o.slug, e.sequence, e.at, e.action, e.actor_kind, e.actor_id, e.target_kind, e.target_id,
                   e.public, e.personal, hex(e.leaf)
                 from events e join organizations o on o.id = e.organization_id",
            )?;
            let mut rows = rows.query([])?;
            let mut text = String::with_capacity(2 * CHUNK);
            while let Some(row) = rows.next()? {
                line(row, &mut text)?;
                if text.len() >= CHUNK {
                    let chunk = std::mem::replace(&mut text, String::with_capacity(2 * CHUNK));
                    sink.send(std::io::Cursor::new(chunk.into_bytes())).await.map_err(wrong)?;
                }
            }
            sink.send(std::io::Cursor::new(text.into_bytes())).await.map_err(wrong)?;
            sink.as_mut().finish().await.map_err(wrong)?;
            for statement in INDEXES.split(';') {
                client.batch_execute(statement).await.map_err(wrong)?;
            }
            Ok(())
        })
    }

    /// How many events came, read whole.
    pub fn search(&mut self, slug: &str, search: Search<'_>) -> Result<usize> {
        let micros = |at: platform::time::Timestamp| at.micros();
        // The end of a prefix: no action has a letter after `~`.
        let end = |start: &str| format!("{start}~");
        let (condition, values): (&'static str, Vec<Box<dyn ToSql + Sync>>) = match search {
            Search::Actor(id) => ("actor_id = $2", vec![Box::new(id.to_owned())]),
            Search::Target(id) => ("target_id = $2", vec![Box::new(id.to_owned())]),
            Search::Action(start) => {
                ("action >= $2 and action < $3", vec![Box::new(start.to_owned()), Box::new(end(start))])
            }
            Search::ActorAndAction(id, start) => (
                "actor_id = $2 and action >= $3 and action < $4",
                vec![Box::new(id.to_owned()), Box::new(start.to_owned()), Box::new(end(start))],
            ),
            Search::Between(since, until) => {
                ("at >= $2 and at < $3", vec![Box::new(micros(since)), Box::new(micros(until))])
            }
        };
        let sql = format!(
            "select {COLUMNS} from events where organization = $1 and {condition} order by sequence desc limit {PAGE}"
        );
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&slug];
        parameters.extend(values.iter().map(|value| &**value));
        let Self { runtime, client, prepared } = self;
        let rows: Vec<Row> = runtime.block_on(async {
            if !prepared.contains_key(condition) {
                prepared.insert(condition, client.prepare(&sql).await.map_err(wrong)?);
            }
            client.query(&prepared[condition], &parameters).await.map_err(wrong)
        })?;
        // Read, as whoever asked would.
        for row in &rows {
            let (at, action, public): (i64, &str, &str) = (row.get(1), row.get(2), row.get(7));
            std::hint::black_box((at, action, public));
        }
        Ok(rows.len())
    }

    /// A whole log as text, in order; gives its bytes.
    pub fn copy_out(&mut self, slug: &str) -> Result<u64> {
        let sql = format!(
            "copy (select {COLUMNS} from events where organization = '{slug}' order by sequence) to stdout"
        );
        let Self { runtime, client, .. } = self;
        runtime.block_on(async {
            let mut stream = Box::pin(client.copy_out(&sql).await.map_err(wrong)?);
            let mut bytes = 0;
            while let Some(chunk) = stream.next().await {
                bytes += chunk.map_err(wrong)?.len() as u64;
            }
            Ok(bytes)
        })
    }
}

/// A row in COPY's text format.
fn line(row: &rusqlite::Row<'_>, text: &mut String) -> Result<()> {
    for column in 0..11 {
        if column > 0 {
            text.push('\t');
        }
        match row.get_ref(column)? {
            rusqlite::types::ValueRef::Integer(number) => text.push_str(&number.to_string()),
            other => {
                if column == 10 {
                    text.push_str("\\\\x");
                }
                let value = other.as_str().map_err(|error| seed::wrong("a column", error))?;
                for character in value.chars() {
                    match character {
                        '\\' => text.push_str("\\\\"),
                        '\t' => text.push_str("\\t"),
                        '\n' => text.push_str("\\n"),
                        '\r' => text.push_str("\\r"),
                        other => text.push(other),
                    }
                }
            }
        }
    }
    text.push('\n');
    Ok(())
}
