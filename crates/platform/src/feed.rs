//! The change feed: committed events of all organizations, in commit order, to consumers that each keep a cursor.
//!
//! On SQLite revisions are given by the one writer and so are commit-ordered. On PostgreSQL a revision alone is not: a
//! slow transaction may commit a lower one later. There the cursor is (transaction id, revision), and only events of
//! transactions below the oldest one still running are shown, so that nothing is ever passed by.

use std::time::Duration;

use crate::db::{Db, DbError, Tx};
use crate::events::{self, StoredEvent};
use crate::params;

/// A place in the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub transaction: i64,
    pub revision: i64,
}

/// Longest wait before the feed looks by itself: covers commits of other processes on the same SQLite file and lost
/// notifications.
pub const POLL: Duration = Duration::from_millis(500);

crate::statements! {
    CURSOR: Housekeeping = "select transaction_id, revision from feed_cursors where name = $1",
        postgres "select transaction_id, revision from feed_cursors where name = $1 for update";
    CURSOR_NOW: Platform = "select transaction_id, revision from feed_cursors where name = $1";
    SAVE_CURSOR: Housekeeping =
        "insert into feed_cursors (name, transaction_id, revision) values ($1, $2, $3)
         on conflict (name) do update set transaction_id = excluded.transaction_id, revision = excluded.revision";
}

/// Reads up to `limit` events after `cursor`.
pub fn read(tx: &mut crate::db::ReadTx, cursor: Cursor, limit: u32) -> Result<Vec<StoredEvent>, DbError> {
    tx.list(&events::sql::FEED, params![cursor.transaction, cursor.revision, limit], events::read_event)
}

/// Takes the consumer `name` one step further: hands up to `limit` new events to `consume` inside one housekeeping
/// transaction that also moves the cursor, so that each event is consumed exactly once, by one node. Gives how many
/// there were.
pub async fn step<F>(db: &Db, name: &'static str, limit: u32, consume: F) -> Result<usize, DbError>
where
    F: Fn(&mut Tx, &[StoredEvent]) -> Result<(), DbError> + Send + Sync + 'static,
{
    db.housekeeping(move |tx| {
        let row = tx.first(&CURSOR, params![name])?;
        let cursor = match row {
            Some(row) => Cursor { transaction: row.get(0)?, revision: row.get(1)? },
            None => Cursor::default(),
        };
        let events = read(tx, cursor, limit)?;
        let Some(last) = events.last() else {
            return Ok(0);
        };
        consume(tx, &events)?;
        tx.execute(&SAVE_CURSOR, params![name, last.cursor.transaction, last.cursor.revision])?;
        Ok(events.len())
    })
    .await
}

/// Lets a consumer that never ran begin after everything that is there: for one that looks at the state itself before it
/// follows the events, so that an upgrade does not walk through years of them.
pub fn begin_at_end(tx: &mut Tx, name: &'static str) -> Result<(), DbError> {
    if tx.first(&CURSOR, params![name])?.is_some() {
        return Ok(());
    }
    let Some(row) = tx.first(&events::sql::FEED_END, &[])? else { return Ok(()) };
    let (transaction, revision): (i64, i64) = (row.get(0)?, row.get(1)?);
    tx.execute(&SAVE_CURSOR, params![name, transaction, revision])?;
    Ok(())
}

/// Whether `name` has consumed everything that is committed now; tests and the drain wait for it.
pub async fn caught_up(db: &Db, name: &'static str) -> Result<bool, DbError> {
    db.read(move |tx| {
        let cursor = match tx.first(&CURSOR_NOW, params![name])? {
            Some(row) => Cursor { transaction: row.get(0)?, revision: row.get(1)? },
            None => Cursor::default(),
        };
        let end = match tx.first(&events::sql::FEED_END, &[])? {
            Some(row) => Cursor { transaction: row.get(0)?, revision: row.get(1)? },
            None => Cursor::default(),
        };
        Ok(cursor >= end)
    })
    .await
}

/// Waits until something may have been committed after `seen`, or [`POLL`] has passed.
pub async fn wait(commits: &mut tokio::sync::watch::Receiver<u64>) {
    let _ = tokio::time::timeout(POLL, commits.changed()).await;
}
