//! A look at a database that changes nothing: whether it answers, which schema it has, who the program is there.

use rusqlite::{Connection, OpenFlags};

use super::wall::{self, SecondWall};
use super::{DatabaseUrl, DbError, postgres, sqlite};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The newest migration applied; none where no program has run yet.
    pub schema: Option<i64>,
    pub wall: SecondWall,
}

/// Asks once. A file that does not exist yet is no error: the first start makes it.
pub async fn probe(url: &DatabaseUrl) -> Result<Probe, DbError> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            if !path.exists() {
                return Ok(Probe { schema: None, wall: SecondWall::None });
            }
            let fail = |error: rusqlite::Error| sqlite::failed("probe", &error);
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
            let tables = "select count(*) from sqlite_master where name = 'schema_migrations'";
            let known: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(fail)?;
            let newest = "select max(number) from schema_migrations";
            let schema = match known {
                0 => None,
                _ => connection.query_row(newest, [], |row| row.get(0)).map_err(fail)?,
            };
            Ok(Probe { schema, wall: SecondWall::None })
        }
        DatabaseUrl::Postgres(dsn) => {
            let fail = |error: tokio_postgres::Error| postgres::failed("probe", &error);
            let (client, connection) =
                postgres::config(dsn)?.connect(postgres::tls_connector()?).await.map_err(fail)?;
            let connection = tokio::spawn(connection);
            let wall = match wall::bypassed_by(&client).await.map_err(fail)? {
                Some(role) => SecondWall::Bypassed { role },
                None => SecondWall::Stands,
            };
            let known = "select to_regclass('schema_migrations') is not null";
            let schema = match client.query_one(known, &[]).await.map_err(fail)?.get(0) {
                false => None,
                true => {
                    let newest = "select max(number) from schema_migrations";
                    client.query_one(newest, &[]).await.map_err(fail)?.get(0)
                }
            };
            connection.abort();
            Ok(Probe { schema, wall })
        }
    }
}
