//! The change feed: committed events of all organizations, in commit order, to consumers that each keep a cursor.
//!
//! On SQLite revisions are given by the one writer and so are commit-ordered. On PostgreSQL a revision alone is not: a
//! slow transaction may commit a lower one later. There the cursor is (transaction id, revision), and only events of
//! transactions below the oldest one still running are shown, so that nothing is ever passed by.

use std::time::Duration;

use crate::ctx::Ctx;
use crate::db::{Db, DbError, ReadTx, Recorded, Row, Tx};
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
    FIRST_CURSOR: Housekeeping =
        "insert into feed_cursors (name, transaction_id, revision) values ($1, 0, 0) on conflict (name) do nothing";
    SAVE_CURSOR: Housekeeping =
        "insert into feed_cursors (name, transaction_id, revision) values ($1, $2, $3)
         on conflict (name) do update set transaction_id = excluded.transaction_id, revision = excluded.revision";
}

/// Reads up to `limit` events after `cursor`.
pub fn read(tx: &mut ReadTx, cursor: Cursor, limit: u32) -> Result<Vec<StoredEvent>, DbError> {
    tx.list(&events::sql::FEED, params![cursor.transaction, cursor.revision, limit], events::read_event)
}

/// Takes the consumer `name` one step further: hands up to `limit` new events to `consume` inside one housekeeping
/// transaction that also moves the cursor, so that each event is consumed exactly once, by one node. Gives how many
/// there were.
pub async fn step<F>(db: &Db, name: &'static str, limit: u32, consume: F) -> Result<usize, DbError>
where
    F: Fn(&mut Tx, &[StoredEvent]) -> Result<(), DbError> + Send + Sync + 'static,
{
    db.housekeeping(move |tx| advance(tx, name, limit, &consume)).await
}

/// As [`step`], for a consumer that looks long: `look` reads in a snapshot, while others write, and `keep` writes what it
/// found. When another node took these events meanwhile, nothing is kept, and the answer is 0.
pub async fn step_looking<T, L, K>(
    db: &Db,
    name: &'static str,
    limit: u32,
    look: L,
    keep: K,
) -> Result<usize, DbError>
where
    T: Send + Sync + 'static,
    L: FnOnce(&mut ReadTx, &[StoredEvent]) -> Result<T, DbError> + Send + 'static,
    K: Fn(&mut Tx, &[StoredEvent], &T) -> Result<(), DbError> + Send + Sync + 'static,
{
    let seen = db
        .read(move |tx| {
            let from = position(tx, name)?;
            let events = read(tx, from, limit)?;
            let Some(last) = events.last() else { return Ok::<_, DbError>(None) };
            let until = last.cursor;
            let found = look(tx, &events)?;
            Ok(Some((from, until, events, found)))
        })
        .await?;
    let Some((from, until, events, found)) = seen else { return Ok(0) };
    db.housekeeping(move |tx| {
        if cursor(tx, name)? != from {
            return Ok(0);
        }
        keep(tx, &events, &found)?;
        save(tx, name, until)?;
        Ok(events.len())
    })
    .await
}

/// As [`step`], for a consumer that also changes state: what it writes besides counters ends with the event it recorded,
/// in the same transaction as the cursor.
pub async fn step_recording<F>(
    db: &Db,
    ctx: &Ctx,
    name: &'static str,
    limit: u32,
    consume: F,
) -> Result<usize, DbError>
where
    F: Fn(&mut Tx, &[StoredEvent]) -> Result<Option<Recorded>, DbError> + Send + Sync + 'static,
{
    // The store refuses what was written and not recorded.
    let consume = move |tx: &mut Tx, events: &[StoredEvent]| consume(tx, events).map(drop);
    db.kept(ctx, move |tx| advance(tx, name, limit, &consume)).await
}

/// What a consumer writes beside its steps: counters, and what it records.
pub async fn beside<F>(db: &Db, ctx: &Ctx, note: F) -> Result<(), DbError>
where
    F: Fn(&mut Tx) -> Result<(), DbError> + Send + Sync + 'static,
{
    db.kept(ctx, note).await
}

fn advance<F>(tx: &mut Tx, name: &'static str, limit: u32, consume: &F) -> Result<usize, DbError>
where
    F: Fn(&mut Tx, &[StoredEvent]) -> Result<(), DbError>,
{
    let from = cursor(tx, name)?;
    let events = read(tx, from, limit)?;
    let Some(last) = events.last() else {
        return Ok(0);
    };
    consume(tx, &events)?;
    save(tx, name, last.cursor)?;
    Ok(events.len())
}

/// Where the consumer stands; on PostgreSQL other nodes wait for it until this transaction ends. A row that is not there
/// cannot be waited for, so the first step makes it.
fn cursor(tx: &mut Tx, name: &str) -> Result<Cursor, DbError> {
    if let Some(row) = tx.first(&CURSOR, params![name])? {
        return place(Some(&row));
    }
    tx.execute(&FIRST_CURSOR, params![name])?;
    place(tx.first(&CURSOR, params![name])?.as_ref())
}

fn save(tx: &mut Tx, name: &str, cursor: Cursor) -> Result<(), DbError> {
    tx.execute(&SAVE_CURSOR, params![name, cursor.transaction, cursor.revision])?;
    Ok(())
}

/// Lets a consumer that never ran begin after everything that is there: for one that looks at the state itself before it
/// follows the events, so that an upgrade does not walk through years of them.
pub fn begin_at_end(tx: &mut Tx, name: &'static str) -> Result<(), DbError> {
    if tx.first(&CURSOR, params![name])?.is_some() {
        return Ok(());
    }
    let end = end(tx)?;
    save(tx, name, end)
}

/// Whether `name` has consumed everything that is committed now; tests and the drain wait for it.
pub async fn caught_up(db: &Db, name: &'static str) -> Result<bool, DbError> {
    db.read(move |tx| Ok(position(tx, name)? >= end(tx)?)).await
}

/// How far `name` has come.
pub fn position(tx: &mut ReadTx, name: &str) -> Result<Cursor, DbError> {
    place(tx.first(&CURSOR_NOW, params![name])?.as_ref())
}

/// Where the feed ends now.
pub fn end(tx: &mut ReadTx) -> Result<Cursor, DbError> {
    place(tx.first(&events::sql::FEED_END, &[])?.as_ref())
}

fn place(row: Option<&Row>) -> Result<Cursor, DbError> {
    row.map_or_else(
        || Ok(Cursor::default()),
        |row| Ok(Cursor { transaction: row.get(0)?, revision: row.get(1)? }),
    )
}

/// How a consumer shares the store with everybody else. Each step is a commit of its own, so after one that took all there
/// was, the consumer lets more come together; after a long one the others have the store to themselves; and while more happens
/// than small batches take, batches grow, so that what many events concern is looked at once.
pub struct Pace {
    limit: u32,
    rests: u32,
    rest_min: Duration,
    rest_max: Duration,
}

impl Pace {
    /// Small enough that a batch keeps other writers waiting for milliseconds only, where what it concerns is small.
    const EVENTS: u32 = 100;
    const EVENTS_MAX: u32 = 3_200;
    const STEP_SHORT: Duration = Duration::from_millis(20);

    /// A consumer that rests so many times as long as its last step took, within these bounds. What happens while it sleeps
    /// is seen at once, what happens after a step waits for `rest_min`.
    pub const fn new(rests: u32, rest_min: Duration, rest_max: Duration) -> Self {
        Self { limit: Self::EVENTS, rests, rest_min, rest_max }
    }

    /// The size of the next batch.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// After a step with so many events that took so long: how long to rest.
    pub fn after(&mut self, events: usize, step: Duration) -> Duration {
        let full = u32::try_from(events).is_ok_and(|events| events >= self.limit);
        self.limit = if full { (self.limit * 4).min(Self::EVENTS_MAX) } else { Self::EVENTS };
        let least = if full || events == 0 { Duration::ZERO } else { self.rest_min };
        let rest = if step > Self::STEP_SHORT { step * self.rests } else { Duration::ZERO };
        rest.min(self.rest_max).max(least)
    }
}

/// Waits until something may have been committed after `seen`, or [`POLL`] has passed.
pub async fn wait(commits: &mut tokio::sync::watch::Receiver<u64>) {
    let _ = tokio::time::timeout(POLL, commits.changed()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_full_and_others_have_their_turn() {
        let mut pace = Pace::new(9, Duration::from_millis(40), Duration::from_millis(500));
        let mut after = |events, ms| {
            let rest = pace.after(events, Duration::from_millis(ms));
            (rest.as_millis(), pace.limit())
        };
        assert_eq!([after(99, 5), after(1, 5)], [(40, 100); 2], "more may come together");
        assert_eq!(
            [after(100, 20), after(400, 30), after(1_600, 60)],
            [(0, 400), (270, 1_600), (500, 3_200)]
        );
        assert_eq!([after(3_200, 900), after(3_199, 1), after(0, 0)], [(500, 3_200), (40, 100), (0, 100)]);
    }
}
