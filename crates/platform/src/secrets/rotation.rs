//! A new data key for everything that is sealed, without a pause and without losing a value.
//!
//! 1. [`rotate`] stores a new key, enqueues the work and records it, in one transaction; from then on it seals.
//! 2. Two looks of other nodes at the store later ([`HEARD`]), so that they know the key, the job opens what older keys sealed and seals it anew, some rows at a time. Each row is exchanged only if it
//!    still is what was read, so a mail that was delivered meanwhile stays wiped.
//! 3. An old key is dropped when nothing is sealed by it any more, and not before [`SETTLED`] has passed: until then
//!    another node that has not heard of the new key may still seal with the old one.
//!
//! Whatever ends the process in between, every value has a stored key that opens it, and the job goes on from what it
//! finds. Who stores sealed values declares a [`Holding`]; a test looks for columns that nobody declared.

use std::time::Duration;

use serde::Serialize;

use super::{Keyring, SecretsError, WrappedKey, records, sealed_key_id, sql};
use crate::app::App;
use crate::ctx::{Ctx, Random};
use crate::db::{Commit, DbError, ReadTx, Tx};
use crate::events::Event;
use crate::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run};
use crate::params;
use crate::principals;
use crate::time::{HOUR, Timestamp};

pub const RESEAL: &str = "secrets.reseal";
pub const JOBS: &[JobKind] = &[JobKind { name: RESEAL, attempts_max: 20, run }];
/// By then every node has heard of a new key ([`follow`]) or is dead.
pub const SETTLED: Duration = HOUR;
/// How often a node looks for new keys.
const FOLLOW_EVERY: Duration = Duration::from_secs(60);
/// When the nodes that live have heard of a new key; nothing is sealed anew before.
pub const HEARD: Duration = Duration::from_secs(120);
/// Rows in one transaction.
const BATCH: u32 = 200;

/// A sealed value as it is stored, with what it is bound to.
pub struct SealedValue {
    /// Where its row is: what [`Holding::replace`] finds it by.
    pub row: Vec<u8>,
    pub context: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// Of each key, the first five bytes of what it sealed, and how many values that is.
pub type Census = Vec<(Vec<u8>, u64)>;
type CountByKey = fn(&mut ReadTx) -> Result<Census, DbError>;
type ListFrom = fn(&mut ReadTx, before: &[u8], after: &[u8], limit: u32) -> Result<Vec<SealedValue>, DbError>;
type Replace = fn(&mut Tx, row: &[u8], old: &[u8], new: Vec<u8>) -> Result<bool, DbError>;

/// A column of sealed values. Submitted by the feature that owns it with [`holding!`](crate::holding).
pub struct Holding {
    /// `mail_outbox.sealed`.
    pub name: &'static str,
    /// What the values are sealed for.
    pub purpose: &'static str,
    /// How many values each key sealed.
    pub census: CountByKey,
    /// Values whose bytes are below `before`, by row, after the row `after`.
    pub list: ListFrom,
    /// Exchanges a value if it still is what it was; gives whether it was. A housekeeping statement: nothing that
    /// anybody could see changes.
    pub replace: Replace,
}

inventory::collect!(Holding);

/// Declares a [`Holding`].
#[macro_export]
macro_rules! holding {
    ($holding:expr) => {
        $crate::inventory::submit! { $holding }
    };
}

pub fn holdings() -> impl Iterator<Item = &'static Holding> {
    inventory::iter::<Holding>.into_iter()
}

/// One data key and what it still seals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    pub id: u32,
    pub created_at: Timestamp,
    /// Seals from now on.
    pub current: bool,
    pub values: u64,
}

/// Where the rotation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub keys: Vec<KeyStatus>,
    /// Older keys are still stored.
    pub rotating: bool,
    /// Sealed values in all, and those that the current key sealed.
    pub values: u64,
    pub resealed: u64,
    /// The old keys are not dropped before this.
    pub retires_at: Option<Timestamp>,
}

/// How many values each stored key seals, over all holdings.
pub fn status(tx: &mut ReadTx) -> Result<Status, DbError> {
    let mut keys: Vec<KeyStatus> = tx.list(&sql::DATA_KEYS, &[], |row| {
        Ok(KeyStatus { id: row.get(0)?, created_at: row.get(1)?, current: false, values: 0 })
    })?;
    if let Some(newest) = keys.last_mut() {
        newest.current = true;
    }
    let mut values = 0;
    for holding in holdings() {
        for (head, count) in (holding.census)(tx)? {
            values += count;
            let id = sealed_key_id(&head);
            if let Some(key) = keys.iter_mut().find(|key| Some(key.id) == id) {
                key.values += count;
            }
        }
    }
    let newest = keys.last();
    let rotating = keys.len() > 1;
    Ok(Status {
        rotating,
        values,
        resealed: newest.map_or(0, |key| key.values),
        retires_at: newest.filter(|_| rotating).map(|key| key.created_at.plus(SETTLED)),
        keys,
    })
}

/// How asking for a rotation went.
#[derive(Debug, Clone)]
pub enum Rotating {
    Started(WrappedKey),
    /// The one before has not ended: old keys are still there.
    UnderWay(Status),
}

/// Stores a new data key and enqueues the work. [`Keyring::install`] the key once this is committed.
pub fn rotate(ctx: &Ctx, tx: &mut Tx, keyring: &Keyring) -> Result<Commit<Rotating>, DbError> {
    // Refuses when another program has changed the master key: what is wrapped by the old one nothing would open.
    records::learn(tx, keyring)?;
    let standing = status(tx)?;
    if standing.rotating {
        return Ok(Commit::unchanged(Rotating::UnderWay(standing)));
    }
    let fail =
        |error: SecretsError| DbError::Other { statement: "secrets::rotate", message: error.to_string() };
    let key = keyring.rotate(ctx.now, ctx.random()).map_err(fail)?;
    tx.execute(&sql::INSERT, params![key.id, key.wrapped.clone(), key.created_at])?;
    enqueue(ctx, tx, RESEAL, ctx.now.plus(HEARD))?;
    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
    let event = Event::new(provider.id, "secrets.key_rotated").target("data_key", key.id);
    let recorded = tx.record(event.with("values", standing.values));
    Ok(Commit::changed(Rotating::Started(key), recorded))
}

fn enqueue(ctx: &Ctx, tx: &mut Tx, key: &str, run_at: Timestamp) -> Result<(), DbError> {
    let job = NewJob { kind: RESEAL, organization: None, unique_key: Some(key), run_at };
    jobs::enqueue(ctx, tx, &job, &serde_json::Value::Null)
}

/// Below this are the bytes of every value that an older key sealed.
fn head_of(id: u32) -> Vec<u8> {
    let mut head = vec![1];
    head.extend_from_slice(&id.to_be_bytes());
    head
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let keyring = app.keyring();
        // Another process may have made the key.
        records::refresh(app.db(), keyring).await.map_err(JobError::retry)?;
        let Some((current, since)) = keyring.current() else { return Ok(()) };
        let mut stuck = Vec::new();
        for holding in holdings() {
            let mut after = Vec::new();
            while let Some(step) = reseal(&app, holding, current, after).await? {
                after = step.last;
                stuck.extend(step.stuck);
            }
        }
        if !stuck.is_empty() {
            return Err(JobError::permanent(format!(
                "{} sealed values cannot be opened, so their key is kept: {}",
                stuck.len(),
                stuck.iter().take(5).cloned().collect::<Vec<_>>().join("; ")
            )));
        }
        if run.ctx.now < since.plus(SETTLED) {
            let (ctx, key) = (run.ctx.clone(), format!("{RESEAL}:{}", run.id));
            app.db().housekeeping(move |tx| enqueue(&ctx, tx, &key, since.plus(SETTLED))).await?;
            return Ok(());
        }
        retire(&app, &run.ctx, current).await
    })
}

struct Step {
    /// The last row looked at.
    last: Vec<u8>,
    /// What could not be opened.
    stuck: Vec<String>,
}

/// Seals up to [`BATCH`] values anew that a key older than `current` sealed; `None` when there are no more.
async fn reseal(
    app: &App,
    holding: &'static Holding,
    current: u32,
    after: Vec<u8>,
) -> Result<Option<Step>, JobError> {
    let (keyring, random) = (app.keyring().clone(), app.random().clone());
    let step = app.db().housekeeping(move |tx| reseal_some(tx, &keyring, &random, holding, current, &after));
    Ok(step.await?)
}

fn reseal_some(
    tx: &mut Tx,
    keyring: &Keyring,
    random: &Random,
    holding: &Holding,
    current: u32,
    after: &[u8],
) -> Result<Option<Step>, DbError> {
    let values = (holding.list)(tx, &head_of(current), after, BATCH)?;
    let Some(last) = values.last() else { return Ok(None) };
    let mut step = Step { last: last.row.clone(), stuck: Vec::new() };
    for value in &values {
        let opened = keyring.open(holding.purpose, &value.context, &value.sealed);
        let anew =
            opened.and_then(|plain| keyring.seal(holding.purpose, &value.context, plain.expose(), random));
        match anew {
            Ok(anew) => {
                (holding.replace)(tx, &value.row, &value.sealed, anew)?;
            }
            Err(error) => step.stuck.push(format!("{} {}: {error}", holding.name, hex::encode(&value.row))),
        }
    }
    Ok(Some(step))
}

/// One batch of the job and no more, as a process does it that is killed then: for the test of going on.
#[doc(hidden)]
pub fn reseal_for_test(app: &App, tx: &mut Tx) -> Result<(), DbError> {
    let Some((current, _)) = app.keyring().current() else { return Ok(()) };
    for holding in holdings() {
        reseal_some(tx, app.keyring(), app.random(), holding, current, &[])?;
    }
    Ok(())
}

/// Drops the keys that nothing uses. Counted in the transaction that drops them.
async fn retire(app: &App, ctx: &Ctx, current: u32) -> Result<(), JobError> {
    let at = ctx.clone();
    let written = app
        .db()
        .write(ctx, move |tx| {
            let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
            let (mut recorded, mut retired, mut used) = (None, Vec::new(), false);
            for key in status(tx)?.keys {
                if key.id >= current {
                    continue;
                }
                if key.values > 0 {
                    used = true;
                    continue;
                }
                tx.execute(&sql::RETIRE, params![key.id])?;
                let event = Event::new(provider.id, "secrets.key_retired").target("data_key", key.id);
                recorded = Some(tx.record(event));
                retired.push(key.id);
            }
            if used {
                // Sealed by a node that had not heard: once more.
                enqueue(&at, tx, &format!("{RESEAL}:{}", at.request), at.now.plus(FOLLOW_EVERY))?;
            }
            Ok::<_, DbError>(match recorded {
                Some(recorded) => Commit::changed((retired, false), recorded),
                None => Commit::unchanged((retired, used)),
            })
        })
        .await?;
    let (retired, again) = written.value;
    for id in retired {
        app.keyring().forget(id);
    }
    if again {
        return Err(JobError::retry("an old key is still in use; looking again"));
    }
    Ok(())
}

/// Learns keys that other nodes made, until the program drains.
pub async fn follow(app: App) {
    while !app.draining() {
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
            () = app.drained() => return,
        }
        if let Err(error) = records::refresh(app.db(), app.keyring()).await {
            tracing::warn!(%error, "cannot look for new keys");
        }
    }
}
