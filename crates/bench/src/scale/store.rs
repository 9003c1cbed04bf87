//! Bytes on disk, weighed on a real installation: filled by the product's own statements, each change with its event.

use rusqlite::Connection;

use crate::error::Result;
use crate::hashing::OWASP;
use crate::seed::{self, Size, wrong};

const SIZE: Size = Size { organizations: 200, users: 20_000, first: 2_000, passwords: true };

pub fn weigh() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| wrong("a folder for the store", error))?;
    let seeded = seed::installation(folder.path(), "scale", SIZE, OWASP)?;
    let store = Connection::open(seeded.database()).map_err(|error| wrong("the store", error))?;
    let number = |sql: &str| {
        store.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| wrong("the store", error))
    };
    let bytes = number("select page_count * page_size from pragma_page_count(), pragma_page_size()")?;
    let (people, events) = (number("select count(*) from accounts")?, number("select count(*) from events")?);
    println!(
        "store: {bytes} bytes, {people} people, {events} events: {} bytes a person with {:.2} events each",
        bytes / people.max(1),
        ratio(events, people)
    );
    for (what, table) in [("events", "events"), ("accounts", "accounts"), ("memberships", "memberships")] {
        let sql = format!("select coalesce(sum(pgsize), 0) from dbstat where name = '{table}'");
        match number(&sql) {
            Ok(bytes) => println!("  {what}: {bytes} bytes without indexes"),
            Err(_) => println!("  {what}: this SQLite cannot weigh single tables"),
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(some: i64, of: i64) -> f64 {
    some as f64 / of.max(1) as f64
}
