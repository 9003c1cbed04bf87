//! What was asked over SCIM, for admins who wonder why somebody is not where they should be.
//!
//! Redacted: method, path with the record's id, the shape of filters and patches, the answer; no names, addresses or
//! values. Entries are gathered in memory and written together, so that a request does not wait for its entry: what a
//! crash loses is the last moment of this log, never of the ledger. Bounded: [`KEEP_FOR`] and [`KEEP_MAX`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use platform::App;
use platform::db::{DbError, ReadTx, Value};
use platform::ids::{Id, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};

use super::{RequestEntryId, sql};
use crate::directories::DirectoryId;

pub const KEEP_FOR: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Entries of one directory.
pub const KEEP_MAX: u64 = 20_000;
/// Entries that wait to be written; beyond it they are dropped and counted.
const WAITING_MAX: usize = 50_000;
const TEXT_CHARS_MAX: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: RequestEntryId,
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    pub shape: String,
    pub status: u16,
    pub detail: String,
    pub micros: u64,
}

struct Waiting {
    organization: OrganizationId,
    directory: DirectoryId,
    entry: Entry,
}

#[derive(Default)]
struct Buffer {
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever writes holds it, so that a reader can wait for what was gathered before.
    writing: tokio::sync::Mutex<()>,
    scheduled: AtomicBool,
}

/// One for each app of the process (tests run several).
static BUFFERS: LazyLock<Mutex<HashMap<usize, Arc<Buffer>>>> = LazyLock::new(Mutex::default);

fn buffer(app: &App) -> Arc<Buffer> {
    let mut all = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(app.instance()).or_default().clone()
}

/// Texts in quotes are values: they go.
fn without_values(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('"').enumerate() {
        out.push_str(if index % 2 == 0 { part } else { "…" });
    }
    out.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
}

/// Notes a request.
pub(crate) fn note(app: &App, organization: OrganizationId, directory: DirectoryId, mut entry: Entry) {
    entry.shape = without_values(&entry.shape);
    entry.detail = without_values(&entry.detail);
    let buffer = buffer(app);
    {
        let mut waiting = buffer.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            metrics_dropped();
            return;
        }
        waiting.push(Waiting { organization, directory, entry });
    }
    if buffer.scheduled.swap(true, Ordering::AcqRel) {
        return;
    }
    let app = app.clone();
    tokio::spawn(async move {
        loop {
            if let Err(error) = flush(&app).await {
                tracing::warn!(%error, "cannot write the log of SCIM requests");
            }
            buffer.scheduled.store(false, Ordering::Release);
            let empty = buffer.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            if empty || buffer.scheduled.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    });
}

fn metrics_dropped() {
    tracing::warn!("too many SCIM requests wait to be logged: an entry was dropped");
}

/// Writes what waits.
pub(crate) async fn flush(app: &App) -> Result<(), DbError> {
    let buffer = buffer(app);
    let _writing = buffer.writing.lock().await;
    let waiting = std::mem::take(&mut *buffer.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    if waiting.is_empty() {
        return Ok(());
    }
    let rows: Vec<Vec<Value>> = waiting
        .into_iter()
        .map(|one| {
            let entry = one.entry;
            params![
                one.organization,
                one.directory,
                entry.id,
                entry.at,
                entry.method,
                entry.path,
                entry.shape,
                u32::from(entry.status),
                entry.detail,
                entry.micros
            ]
            .to_vec()
        })
        .collect();
    app.db().housekeeping(move |tx| tx.execute_many(&sql::INSERT_REQUEST, rows.clone()).map(drop)).await
}

/// Requests of a directory, the newest first; `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    directory: DirectoryId,
    before: Option<RequestEntryId>,
    limit: u32,
) -> Result<Vec<Entry>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    tx.list(&sql::REQUESTS, params![organization, directory, before, limit], |row| {
        Ok(Entry {
            id: row.get(0)?,
            at: row.get(1)?,
            method: row.get(2)?,
            path: row.get(3)?,
            shape: row.get(4)?,
            status: row.get::<u32>(5)?.try_into().unwrap_or(0),
            detail: row.get(6)?,
            micros: row.get(7)?,
        })
    })
}

/// Forgets what is older than [`KEEP_FOR`] or beyond [`KEEP_MAX`].
pub(crate) async fn clean(app: &App, now: Timestamp) -> Result<(), DbError> {
    app.db()
        .housekeeping(move |tx| tx.execute(&sql::FORGET_REQUESTS, params![now.minus(KEEP_FOR)]).map(drop))
        .await?;
    let (mut organization, mut directory) = (Vec::new(), Vec::new());
    loop {
        const PAGE: u32 = 200;
        let (after, id) = (organization.clone(), directory.clone());
        let page = app
            .db()
            .read(move |tx| {
                tx.list(&sql::DIRECTORIES, params![after, id, PAGE], |row| {
                    Ok((row.get::<OrganizationId>(0)?, row.get::<DirectoryId>(1)?))
                })
            })
            .await?;
        let Some((last, of)) = page.last().copied() else { return Ok(()) };
        (organization, directory) = (last.bytes().to_vec(), of.bytes().to_vec());
        for (organization, directory) in page {
            app.db()
                .housekeeping(move |tx| {
                    let nth: Option<RequestEntryId> =
                        tx.scalar(&sql::NTH_REQUEST, params![organization, directory, KEEP_MAX - 1])?;
                    if let Some(nth) = nth {
                        tx.execute(&sql::FORGET_REQUESTS_BELOW, params![organization, directory, nth])?;
                    }
                    Ok::<_, DbError>(())
                })
                .await?;
        }
    }
}
