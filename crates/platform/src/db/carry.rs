//! Carries a whole installation from one database to another: `bailiwick db move`.
//!
//! What it promises:
//! - **The target is whole or nothing.** PostgreSQL: one transaction. SQLite: a file beside it (`….moving`) that takes the
//!   name at the end. Whoever kills it in between finds no installation there and starts again.
//! - **Nothing is taken for moved that is not there.** Every table is read back from the target and compared with what was
//!   read from the source, by count and by a checksum over all values; then every ledger is computed anew from its entries
//!   and compared with its head. Only then is the target made to stand.
//! - **Nobody writes meanwhile.** It refuses while a program has one of the two open, and locks the source.
//! - The source is only read.

use aws_lc_rs::digest;
use tokio::runtime::Handle;

use super::{DatabaseUrl, DbError, Value, migrate};

mod ledgers;
mod postgres;
mod sqlite;

pub use ledgers::Ledgers;

/// Rows between two words about the progress.
const PROGRESS_ROWS: u64 = 20_000;

#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("there is no installation in the source: name the database that the program runs on")]
    NoSource,
    #[error(
        "the source has schema {found}, older than this program's {known}: start this program on it once, stop it, and move it then"
    )]
    Older { found: i64, known: i64 },
    #[error("a program has the {0} open: stop every server and command that uses it, and move it then")]
    InUse(&'static str),
    #[error("the target is not empty: name a database, or a file, in which nothing is")]
    NotEmpty,
    #[error("table `{0}` cannot be carried: {1}")]
    Table(String, &'static str),
    #[error(
        "table `{table}` differs after it was copied ({there} rows there, {here} here): nothing was kept; report this"
    )]
    Differs { table: String, here: u64, there: u64 },
    #[error(
        "the ledger of organization {organization} {what}: nothing was kept; check the source with `bailiwick audit export` and `verify`"
    )]
    Ledger { organization: String, what: &'static str },
}

/// One table, with its columns in one order for both databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    name: String,
    columns: Vec<String>,
}

/// What was or would be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTable {
    pub name: String,
    pub rows: u64,
    /// Over all values of all rows, in whatever order; none in a dry run.
    pub checksum: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub tables: Vec<MovedTable>,
    /// What the target's ledgers were found to be; none in a dry run.
    pub ledgers: Option<Ledgers>,
}

/// Told while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Copying { table: String, rows: u64, of: u64 },
    Comparing { table: String },
    Ledgers,
}

type Row<'r> = &'r mut dyn FnMut(Vec<Value>) -> Result<(), DbError>;

/// A database on one side of a move.
trait Side {
    /// Numbers and checksums of the migrations that made it; none where there are no tables.
    fn migrations(&mut self) -> Result<Vec<(i64, String)>, DbError>;
    /// Whether there is nothing at all in it.
    fn empty(&mut self) -> Result<bool, DbError>;
    /// Every table but the migrations' own, each after those that it refers to.
    fn tables(&mut self) -> Result<Vec<Table>, DbError>;
    fn count(&mut self, table: &Table) -> Result<u64, DbError>;
    fn read(&mut self, table: &Table, order: &str, each: Row<'_>) -> Result<(), DbError>;
    /// Makes the schema, without a row.
    fn make(&mut self) -> Result<(), DbError>;
    fn put(&mut self, table: &Table, row: Vec<Value>) -> Result<(), DbError>;
    /// Ends the rows of one table.
    fn flush(&mut self) -> Result<(), DbError>;
    /// Makes the target stand.
    fn keep(&mut self) -> Result<(), DbError>;
    /// Whether the order of its events is its own (PostgreSQL's numbers of transactions), not one to carry over.
    fn numbers_events(&self) -> bool;
}

/// Moves what is in `from` to `to`, or with `dry_run` says what it would. Blocks; wants a thread of its own.
pub async fn move_store(
    from: DatabaseUrl,
    to: DatabaseUrl,
    dry_run: bool,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Moved, MoveError> {
    let handle = Handle::current();
    let task = tokio::task::spawn_blocking(move || {
        let mut source = open(&from, &handle, "source")?;
        let mut target = open(&to, &handle, "target")?;
        check(source.as_mut(), target.as_mut())?;
        let mut work = Work { source, target, progress: Box::new(progress) };
        if dry_run { work.dry_run() } else { work.run() }
    });
    task.await.unwrap_or_else(|_| Err(DbError::Panicked.into()))
}

fn open(url: &DatabaseUrl, handle: &Handle, which: &'static str) -> Result<Box<dyn Side>, MoveError> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) if which == "source" => Box::new(sqlite::source(path)?),
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::target(path)?),
        DatabaseUrl::Postgres(dsn) => Box::new(postgres::open(dsn, handle, which)?),
    })
}

fn check(source: &mut dyn Side, target: &mut dyn Side) -> Result<(), MoveError> {
    let applied = source.migrations()?;
    let Some(found) = applied.iter().map(|(number, _)| *number).max() else {
        return Err(MoveError::NoSource);
    };
    let due = migrate::due(&applied)?;
    if due > 0 {
        return Err(MoveError::Older { found, known: migrate::newest() });
    }
    if !target.empty()? {
        return Err(MoveError::NotEmpty);
    }
    Ok(())
}

struct Work {
    source: Box<dyn Side>,
    target: Box<dyn Side>,
    progress: Box<dyn FnMut(Progress) + Send>,
}

/// The order of the change feed on PostgreSQL.
const FEED_ORDER: &str = "transaction_id, revision";

impl Work {
    fn dry_run(&mut self) -> Result<Moved, MoveError> {
        let mut tables = Vec::new();
        for table in self.tables()? {
            let rows = self.source.count(&table)?;
            tables.push(MovedTable { name: table.name, rows, checksum: None });
        }
        Ok(Moved { tables, ledgers: None })
    }

    fn tables(&mut self) -> Result<Vec<Table>, MoveError> {
        let tables = self.source.tables()?;
        for table in &tables {
            let ordered = table.columns.iter().any(|column| column == "transaction_id");
            if ordered && !["events", "feed_cursors"].contains(&table.name.as_str()) {
                return Err(MoveError::Table(table.name.clone(), "it keeps places of the change feed"));
            }
        }
        Ok(tables)
    }

    fn run(&mut self) -> Result<Moved, MoveError> {
        let tables = self.tables()?;
        self.target.make()?;
        let theirs = self.target.tables()?;
        let mut moved = Vec::new();
        for table in &tables {
            let same = theirs.iter().any(|other| other == table);
            if !same {
                return Err(MoveError::Table(table.name.clone(), "the target's has other columns"));
            }
            moved.push(self.copy(table)?);
        }
        for (table, copied) in tables.iter().zip(&moved) {
            (self.progress)(Progress::Comparing { table: table.name.clone() });
            let mut there = Checksum::default();
            self.target.read(table, "", &mut |row| {
                there.add(&row);
                Ok(())
            })?;
            if copied.checksum.as_ref() != Some(&there.hex()) || copied.rows != there.rows {
                let (here, there) = (copied.rows, there.rows);
                return Err(MoveError::Differs { table: table.name.clone(), here, there });
            }
        }
        (self.progress)(Progress::Ledgers);
        let find = |name: &str| tables.iter().find(|table| table.name == name);
        let (Some(events), Some(heads)) = (find("events"), find("ledger_heads")) else {
            return Err(MoveError::NoSource);
        };
        let ledgers = ledgers::verify(self.target.as_mut(), events, heads)?;
        self.target.keep()?;
        Ok(Moved { tables: moved, ledgers: Some(ledgers) })
    }

    /// Copies one table. Where the source numbers its events in its own way, they get their places in the feed instead,
    /// and cursors the place of the last event that they had passed.
    fn copy(&mut self, table: &Table) -> Result<MovedTable, MoveError> {
        let of = self.source.count(table)?;
        let Self { source, target, progress, .. } = self;
        let own = source.numbers_events();
        let at = |name: &str| table.columns.iter().position(|column| column == name);
        let places = match (table.name.as_str(), at("transaction_id"), at("revision")) {
            ("events" | "feed_cursors", Some(transaction), Some(revision)) if own => {
                Some((transaction, revision))
            }
            _ => None,
        };
        let feed = if places.is_some() && table.name == "feed_cursors" {
            feed(source.as_mut())?
        } else {
            Vec::new()
        };
        let order = if places.is_some() && table.name == "events" { FEED_ORDER } else { "" };
        let mut sum = Checksum::default();
        source.read(table, order, &mut |mut row| {
            if let Some((transaction, revision)) = places {
                let place = match table.name.as_str() {
                    "events" => sum.rows + 1,
                    _ => passed(&feed, &row[transaction], &row[revision]),
                };
                row[transaction] = Value::Int(0);
                row[revision] = Value::from(place);
            }
            sum.add(&row);
            if sum.rows.is_multiple_of(PROGRESS_ROWS) && sum.rows < of {
                progress(Progress::Copying { table: table.name.clone(), rows: sum.rows, of });
            }
            target.put(table, row)
        })?;
        target.flush()?;
        progress(Progress::Copying { table: table.name.clone(), rows: sum.rows, of });
        if sum.rows != of {
            return Err(MoveError::Differs { table: table.name.clone(), here: of, there: sum.rows });
        }
        Ok(MovedTable { name: table.name.clone(), rows: sum.rows, checksum: Some(sum.hex()) })
    }
}

/// The places of all events in the order of the feed.
fn feed(source: &mut dyn Side) -> Result<Vec<(i64, i64)>, DbError> {
    let columns = vec!["transaction_id".to_owned(), "revision".to_owned()];
    let mut places = Vec::new();
    source.read(&Table { name: "events".to_owned(), columns }, FEED_ORDER, &mut |row| {
        places.push((int(&row[0]), int(&row[1])));
        Ok(())
    })?;
    Ok(places)
}

/// How many events a cursor has passed.
fn passed(feed: &[(i64, i64)], transaction: &Value, revision: &Value) -> u64 {
    let cursor = (int(transaction), int(revision));
    u64::try_from(feed.partition_point(|place| *place <= cursor)).unwrap_or(u64::MAX)
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        _ => 0,
    }
}

/// Orders tables so that each comes after those it refers to; `references` are (table, what it refers to).
fn in_order(mut tables: Vec<Table>, references: &[(String, String)]) -> Result<Vec<Table>, DbError> {
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let waits = |table: &Table| {
            references.iter().any(|(from, to)| {
                *from == table.name && to != from && tables.iter().any(|other| other.name == *to)
            })
        };
        let (later, now): (Vec<_>, Vec<_>) = tables.iter().cloned().partition(waits);
        if now.is_empty() {
            return Err(DbError::Check("tables refer to each other in a circle".to_owned()));
        }
        ordered.extend(now);
        tables = later;
    }
    Ok(ordered)
}

/// Over rows in any order: the sum, modulo 2^256, of the SHA-256 of each.
#[derive(Default)]
struct Checksum {
    rows: u64,
    sum: [u64; 4],
}

impl Checksum {
    fn add(&mut self, row: &[Value]) {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut put = |tag: u8, bytes: &[u8]| {
            context.update(&[tag]);
            context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(bytes);
        };
        for value in row {
            match value {
                Value::Null => put(0, &[]),
                Value::Int(number) => put(1, &number.to_be_bytes()),
                Value::Real(number) => put(2, &number.to_bits().to_be_bytes()),
                Value::Text(text) => put(3, text.as_bytes()),
                Value::Blob(bytes) => put(4, bytes),
            }
        }
        let digest = context.finish();
        let mut carry = false;
        for (limb, bytes) in self.sum.iter_mut().zip(digest.as_ref().chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            let (sum, one) = limb.overflowing_add(u64::from_be_bytes(word));
            let (sum, two) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, one || two);
        }
        self.rows += 1;
    }

    fn hex(&self) -> String {
        self.sum.iter().rev().map(|limb| format!("{limb:016x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[Vec<Value>]) -> (u64, String) {
        let mut sum = Checksum::default();
        for row in rows {
            sum.add(row);
        }
        (sum.rows, sum.hex())
    }

    #[test]
    fn a_checksum_is_of_rows_in_any_order_and_of_nothing_else() {
        let (a, b) = (vec![Value::Int(1), Value::Text("x".to_owned())], vec![Value::Null, Value::Real(0.5)]);
        assert_eq!(sum(&[a.clone(), b.clone()]), sum(&[b.clone(), a.clone()]));
        assert_ne!(sum(std::slice::from_ref(&a)), sum(&[a.clone(), a.clone()]));
        assert_ne!(sum(&[a.clone(), a.clone()]), sum(&[b.clone(), b]), "twice does not cancel");
        let split = |one: &str, two: &str| sum(&[vec![Value::from(one), Value::from(two)]]);
        assert_ne!(split("ab", "c"), split("a", "bc"));
        assert_ne!(sum(&[vec![Value::Text("1".to_owned())]]), sum(&[vec![Value::Blob(b"1".to_vec())]]));
    }

    #[test]
    fn tables_come_after_what_they_refer_to() {
        let table = |name: &str| Table { name: name.to_owned(), columns: Vec::new() };
        let refer = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let all = vec![table("a"), table("b"), table("c")];
        let references = [refer("a", "b"), refer("b", "c"), refer("c", "c"), refer("a", "elsewhere")];
        let names: Vec<String> =
            in_order(all.clone(), &references).unwrap().into_iter().map(|table| table.name).collect();
        assert_eq!(names, ["c", "b", "a"]);
        assert!(in_order(all, &[refer("a", "b"), refer("b", "a")]).is_err());
    }

    #[test]
    fn a_cursor_has_passed_the_events_up_to_it() {
        let feed = [(3, 1), (3, 2), (5, 9), (7, 4)];
        let at =
            |transaction: i64, revision: i64| passed(&feed, &Value::Int(transaction), &Value::Int(revision));
        assert_eq!(
            [at(0, 0), at(3, 1), at(3, 2), at(4, 0), at(5, 9), at(6, 1), at(7, 4)],
            [0, 1, 2, 2, 3, 3, 4]
        );
    }
}
