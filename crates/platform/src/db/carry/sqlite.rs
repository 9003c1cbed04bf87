//! SQLite as a side of a move. As a target it is a file of another name until it is whole.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::super::lock::FileLock;
use super::super::sqlite::failed;
use super::super::{DbError, Value, migrate};
use super::{MoveError, Row, Side, Table, in_order};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

struct SqliteSide {
    path: PathBuf,
    /// None: a target that is not made yet.
    connection: Option<Connection>,
    /// The `insert` of the table that is being filled.
    insert: Option<(String, String)>,
    _lock: FileLock,
}

pub(super) fn source(path: &Path) -> Result<impl Side + use<>, MoveError> {
    if !path.is_file() {
        return Err(MoveError::NoSource);
    }
    let lock = FileLock::alone(path)?.ok_or(MoveError::InUse("source"))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| DbError::Open(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    // Held to the end: no other program writes meanwhile, not even one that knows nothing of our lock.
    connection.execute_batch("begin immediate; pragma query_only = on").map_err(fail)?;
    Ok(SqliteSide { path: path.to_owned(), connection: Some(connection), insert: None, _lock: lock })
}

pub(super) fn target(path: &Path) -> Result<impl Side + use<>, MoveError> {
    let lock = FileLock::alone(path)?.ok_or(MoveError::InUse("target"))?;
    Ok(SqliteSide { path: path.to_owned(), connection: None, insert: None, _lock: lock })
}

fn fail(error: rusqlite::Error) -> DbError {
    failed("move", &error)
}

/// `name` with more behind it, in the same folder.
fn named(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl SqliteSide {
    fn connection(&mut self) -> Result<&mut Connection, DbError> {
        self.connection.as_mut().ok_or(DbError::Closed)
    }

    fn strings(&mut self, sql: &str, parameter: &str) -> Result<Vec<String>, DbError> {
        let mut select = self.connection()?.prepare(sql).map_err(fail)?;
        let given: &[&str] = if select.parameter_count() == 0 { &[] } else { &[parameter] };
        let found = select.query_map(rusqlite::params_from_iter(given), |row| row.get(0)).map_err(fail)?;
        found.collect::<Result<_, _>>().map_err(fail)
    }

    fn unfinished(&self) -> PathBuf {
        named(&self.path, ".moving")
    }
}

impl Side for SqliteSide {
    fn migrations(&mut self) -> Result<Vec<(i64, String)>, DbError> {
        let exists = self.strings("select name from sqlite_master where name = 'schema_migrations'", "")?;
        if exists.is_empty() {
            return Ok(Vec::new());
        }
        let connection = self.connection()?;
        let mut select =
            connection.prepare("select number, checksum from schema_migrations").map_err(fail)?;
        let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fail)?;
        found.collect::<Result<_, _>>().map_err(fail)
    }

    fn empty(&mut self) -> Result<bool, DbError> {
        match std::fs::metadata(&self.path) {
            Ok(file) => Ok(file.len() == 0),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(DbError::Open(format!("{}: {error}", self.path.display()))),
        }
    }

    fn tables(&mut self) -> Result<Vec<Table>, DbError> {
        let names = self.strings(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'
               and name <> 'schema_migrations' order by name",
            "",
        )?;
        let (mut tables, mut references) = (Vec::new(), Vec::new());
        for name in names {
            // Generated columns are not among them.
            let columns = self.strings("select name from pragma_table_info(?1) order by name", &name)?;
            for other in self.strings("select \"table\" from pragma_foreign_key_list(?1)", &name)? {
                references.push((name.clone(), other));
            }
            tables.push(Table { name, columns });
        }
        in_order(tables, &references)
    }

    fn count(&mut self, table: &Table) -> Result<u64, DbError> {
        let sql = format!("select count(*) from \"{}\"", table.name);
        let count: i64 = self.connection()?.query_row(&sql, [], |row| row.get(0)).map_err(fail)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn read(&mut self, table: &Table, order: &str, each: Row<'_>) -> Result<(), DbError> {
        let order = if order.is_empty() { String::new() } else { format!(" order by {order}") };
        let sql = format!("select {} from \"{}\"{order}", quoted(&table.columns), table.name);
        let mut select = self.connection()?.prepare(&sql).map_err(fail)?;
        let mut rows = select.query([]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let mut values = Vec::with_capacity(table.columns.len());
            for column in 0..table.columns.len() {
                values.push(match row.get_ref(column).map_err(fail)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Int(number),
                    ValueRef::Real(number) => Value::Real(number),
                    ValueRef::Text(text) => Value::Text(
                        std::str::from_utf8(text)
                            .map_err(|_| {
                                DbError::Corrupt(format!("table {} has a text that is none", table.name))
                            })?
                            .to_owned(),
                    ),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                });
            }
            each(values)?;
        }
        Ok(())
    }

    fn make(&mut self) -> Result<(), DbError> {
        let file = self.unfinished();
        for more in ["", "-wal", "-shm", "-journal"] {
            match std::fs::remove_file(named(&file, more)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DbError::Open(format!("{}: {error}", file.display())));
                }
                _ => {}
            }
        }
        let mut connection =
            Connection::open(&file).map_err(|error| DbError::Open(format!("{}: {error}", file.display())))?;
        // Nothing to roll back to and nobody else here: what is killed is begun again, what is whole is synced at the end.
        connection
            .execute_batch(
                "pragma journal_mode = memory; pragma synchronous = off; pragma foreign_keys = off",
            )
            .map_err(fail)?;
        migrate::sqlite(&mut connection)?;
        connection.execute_batch("begin").map_err(fail)?;
        self.connection = Some(connection);
        for table in self.tables()? {
            let sql = format!("delete from \"{}\"", table.name);
            self.connection()?.execute(&sql, []).map_err(fail)?;
        }
        Ok(())
    }

    fn put(&mut self, table: &Table, row: Vec<Value>) -> Result<(), DbError> {
        if self.insert.as_ref().is_none_or(|(name, _)| *name != table.name) {
            let places = (1..=table.columns.len()).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
            let sql =
                format!("insert into \"{}\" ({}) values ({places})", table.name, quoted(&table.columns));
            self.insert = Some((table.name.clone(), sql));
        }
        let (Some((_, sql)), Some(connection)) = (&self.insert, &self.connection) else {
            return Err(DbError::Closed);
        };
        let mut insert = connection.prepare_cached(sql).map_err(fail)?;
        insert.execute(rusqlite::params_from_iter(row)).map_err(fail)?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DbError> {
        self.insert = None;
        Ok(())
    }

    fn keep(&mut self) -> Result<(), DbError> {
        if !self.strings("select distinct \"table\" from pragma_foreign_key_check", "")?.is_empty() {
            return Err(DbError::ForeignKey);
        }
        let connection = self.connection.take().ok_or(DbError::Closed)?;
        connection.execute_batch("commit").map_err(fail)?;
        connection.close().map_err(|(_, error)| fail(error))?;
        let file = self.unfinished();
        let lost = |error: std::io::Error| DbError::Open(format!("{}: {error}", file.display()));
        File::open(&file).and_then(|file| file.sync_all()).map_err(lost)?;
        std::fs::rename(&file, &self.path).map_err(lost)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(lost)
    }

    fn numbers_events(&self) -> bool {
        false
    }
}
