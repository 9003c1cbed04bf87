//! The keys that sign checkpoints, and their rotation.
//!
//! Key 1 is derived from the root key and stored nowhere. Each later one is random: its seed is sealed in the store, and
//! the key before it vouches for it in a [`ledger::Handover`], which travels in every export. [`rotate`] does all of it
//! in one transaction: from its commit on the new key signs, and until the old key's end both do, so that whoever pinned
//! the old one has the overlap to follow. The end itself is an event of the provider's ledger (`ledger.key_retired`), and
//! with it the old seed is wiped.
//!
//! The store is asked in the transaction that signs, so no node ever signs by a key that another one has ended.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Handover, PublicKey, Signers, SigningKey};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::app::App;
use crate::ctx::Ctx;
use crate::db::{Commit, DbError, ReadTx, Recorded, Tx};
use crate::jobs::{self, JobFuture, JobKind, NewJob, Run};
use crate::params;
use crate::principals::{self, Organization};
use crate::secrets::rotation::{Holding, SealedValue};
use crate::secrets::{Keyring, SecretsError, records};
use crate::time::{DAY, Timestamp};

use super::Event;

const RETIRE: &str = "ledger.retire_key";
pub const JOBS: &[JobKind] = &[JobKind { name: RETIRE, attempts_max: 20, run }];
/// What a seed is sealed for.
const PURPOSE: &str = "ledger key";
/// How long both keys sign when nobody says otherwise.
pub const OVERLAP: Duration = DAY.saturating_mul(30);
pub const OVERLAP_MAX: Duration = DAY.saturating_mul(365);

crate::statements! {
    KEYS: Platform =
        "select number, public, sealed, handover, begins_at, ends_at, retired_at from ledger_keys order by number";
    INSERT: Platform =
        "insert into ledger_keys (number, public, sealed, handover, begins_at, ends_at)
         values ($1, $2, $3, $4, $5, $6) on conflict (number) do nothing";
    /// An end comes earlier, never later than it was said to.
    END: Platform =
        "update ledger_keys set ends_at = $2 where number = $1 and (ends_at is null or ends_at > $2)";
    WIPE: Platform =
        "update ledger_keys set retired_at = $2, sealed = null where number = $1 and retired_at is null";
    CENSUS: Platform =
        "select substr(sealed, 1, 5) as head, count(*) from ledger_keys where sealed is not null
         group by substr(sealed, 1, 5)";
    BEFORE: Platform =
        "select number, sealed from ledger_keys where sealed < $1 and number > $2 order by number limit $3";
    RESEALED: Housekeeping = "update ledger_keys set sealed = $3 where number = $1 and sealed = $2";
}

/// Where a key stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Signs until further notice.
    Current,
    /// Signs beside the current one until its end.
    Overlapping,
    Ended,
}

/// One key that signs or signed checkpoints. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerKey {
    pub number: u32,
    pub public: PublicKey,
    pub begins_at: Timestamp,
    pub ends_at: Option<Timestamp>,
    /// Its end stands in the provider's ledger.
    pub retired_at: Option<Timestamp>,
    /// What the key before said of it; `None` for the first.
    pub handover: Option<String>,
}

impl LedgerKey {
    pub fn state(&self, now: Timestamp) -> State {
        match self.ends_at {
            None => State::Current,
            Some(at) if at > now => State::Overlapping,
            Some(_) => State::Ended,
        }
    }
}

struct Stored {
    key: LedgerKey,
    sealed: Option<Vec<u8>>,
}

/// The name under which keys sign handovers.
pub fn name(public_host: &str) -> String {
    format!("{public_host}/ledger-keys")
}

fn failed(error: impl std::fmt::Display) -> DbError {
    DbError::Ledger(format!("its signing key: {error}"))
}

/// The key that every installation begins with: derived, so that it is stored nowhere.
fn first(keyring: &Keyring) -> Result<SigningKey, DbError> {
    let seed = Zeroizing::new(keyring.derive("ledger checkpoint key"));
    SigningKey::from_seed(&seed).map_err(failed)
}

fn stored(tx: &mut ReadTx) -> Result<Vec<Stored>, DbError> {
    tx.list(&KEYS, params![], |row| {
        let public: Vec<u8> = row.get(1)?;
        let public = public.try_into().map_err(|_| failed("a public key is not 32 bytes"))?;
        Ok(Stored {
            key: LedgerKey {
                number: row.get(0)?,
                public: PublicKey::from_bytes(public),
                begins_at: row.get(4)?,
                ends_at: row.get(5)?,
                retired_at: row.get(6)?,
                handover: row.get(3)?,
            },
            sealed: row.get(2)?,
        })
    })
}

/// Every key in its order. Empty before the installation is set up: there is no ledger yet.
pub fn keys(tx: &mut ReadTx, keyring: &Keyring) -> Result<Vec<LedgerKey>, DbError> {
    let stored = stored(tx)?;
    if !stored.is_empty() {
        return Ok(stored.into_iter().map(|stored| stored.key).collect());
    }
    let Some(provider) = principals::provider(tx)? else { return Ok(Vec::new()) };
    Ok(vec![first_key(keyring, &provider)?])
}

fn first_key(keyring: &Keyring, provider: &Organization) -> Result<LedgerKey, DbError> {
    Ok(LedgerKey {
        number: 1,
        public: first(keyring)?.public().map_err(failed)?,
        begins_at: provider.created_at,
        ends_at: None,
        retired_at: None,
        handover: None,
    })
}

fn context(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// The private half.
fn open(tx: &mut ReadTx, keyring: &Keyring, stored: &Stored) -> Result<SigningKey, DbError> {
    let Some(sealed) = &stored.sealed else {
        return if stored.key.number == 1 { first(keyring) } else { Err(failed("its seed is wiped")) };
    };
    let number = context(stored.key.number);
    let seed = match keyring.open(PURPOSE, &number, sealed) {
        // Another node has a data key that this one has not heard of yet.
        Err(SecretsError::UnknownKey(_)) => {
            records::learn(tx, keyring)?;
            keyring.open(PURPOSE, &number, sealed)
        }
        opened => opened,
    };
    let seed = seed.map_err(failed)?;
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.expose().as_slice()).map_err(failed)?);
    let key = SigningKey::from_seed(&seed).map_err(failed)?;
    if key.public().map_err(failed)? == stored.key.public {
        Ok(key)
    } else {
        Err(failed("its seed is not that of its public half"))
    }
}

/// Who signs a checkpoint now.
pub fn signers(tx: &mut ReadTx, keyring: &Keyring, now: Timestamp) -> Result<Signers, DbError> {
    let stored = stored(tx)?;
    let Some(last) = stored.last() else { return Ok(Signers::first(first(keyring)?)) };
    let current = Arc::new(open(tx, keyring, last)?);
    let mut overlapping = Vec::new();
    for older in stored.iter().rev().filter(|older| older.key.state(now) == State::Overlapping) {
        overlapping.push(Arc::new(open(tx, keyring, older)?));
    }
    let handovers = stored.iter().filter_map(|stored| stored.key.handover.clone()).collect();
    Signers::new(current, overlapping, handovers).map_err(failed)
}

/// How asking for a new key went.
#[derive(Debug, Clone)]
pub enum Rotating {
    /// The new key.
    Done(LedgerKey),
    /// An older key still signs: its end comes first, or the rotation is one without overlap.
    Overlapping(LedgerKey),
    /// Another node made a new key in the same moment.
    Raced,
    /// There have been as many as a ledger may have.
    Full,
}

/// A new key signs from now on; the old one beside it for `overlap`. Without overlap every older key ends now.
pub fn rotate(
    ctx: &Ctx,
    tx: &mut Tx,
    keyring: &Keyring,
    name: &str,
    overlap: Duration,
) -> Result<Commit<Rotating>, DbError> {
    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
    let mut standing = stored(tx)?;
    if standing.is_empty() {
        let key = first_key(keyring, &provider)?;
        insert(tx, &key, None)?;
        standing.push(Stored { key, sealed: None });
    }
    let older = standing.iter().find(|older| older.key.state(ctx.now) == State::Overlapping);
    if let Some(older) = older.filter(|_| !overlap.is_zero()) {
        return Ok(Commit::unchanged(Rotating::Overlapping(older.key.clone())));
    }
    let Some(current) = standing.last() else { return Err(failed("there is none")) };
    if standing.len() > ledger::handover::HANDOVERS_MAX {
        return Ok(Commit::unchanged(Rotating::Full));
    }
    let ends_at = ctx.now.plus(overlap.min(OVERLAP_MAX));
    let old = open(tx, keyring, current)?;
    let seed = Zeroizing::new(ctx.random().bytes::<32>());
    let new = SigningKey::from_seed(&seed).map_err(failed)?;
    let number = current.key.number + 1;
    let handover = Handover {
        number: u64::from(number),
        old: current.key.public,
        new: new.public().map_err(failed)?,
        made_at_us: ctx.now.micros(),
        old_ends_at_us: ends_at.micros(),
    };
    let key = LedgerKey {
        number,
        public: handover.new,
        begins_at: ctx.now,
        ends_at: None,
        retired_at: None,
        handover: Some(handover.sign(&old, &new, name).map_err(failed)?),
    };
    let sealed = keyring.seal(PURPOSE, &context(number), &*seed, ctx.random()).map_err(failed)?;
    if !insert(tx, &key, Some(sealed))? {
        return Ok(Commit::unchanged(Rotating::Raced));
    }
    for older in &standing {
        tx.execute(&END, params![older.key.number, ends_at])?;
    }
    let event = Event::new(provider.id, "ledger.key_rotated")
        .target("ledger_key", number)
        .with("public", key.public)
        .with("old_public", current.key.public)
        .with("old_ends_at", ends_at.rfc3339());
    let mut recorded = tx.record(event);
    if overlap.is_zero() {
        recorded = retire(tx, &provider, ctx.now)?.unwrap_or(recorded);
    } else {
        let unique = format!("{RETIRE}:{number}");
        let job = NewJob { kind: RETIRE, organization: None, unique_key: Some(&unique), run_at: ends_at };
        jobs::enqueue(ctx, tx, &job, &serde_json::Value::Null)?;
    }
    Ok(Commit::changed(Rotating::Done(key), recorded))
}

fn insert(tx: &mut Tx, key: &LedgerKey, sealed: Option<Vec<u8>>) -> Result<bool, DbError> {
    let public = key.public.bytes().to_vec();
    let row = params![key.number, public, sealed, key.handover.clone(), key.begins_at, key.ends_at];
    Ok(tx.execute(&INSERT, row)? == 1)
}

/// Puts the end of every key whose time is over into the provider's ledger, and wipes its seed.
fn retire(tx: &mut Tx, provider: &Organization, now: Timestamp) -> Result<Option<Recorded>, DbError> {
    let mut recorded = None;
    for ended in stored(tx)? {
        if ended.key.state(now) != State::Ended || ended.key.retired_at.is_some() {
            continue;
        }
        tx.execute(&WIPE, params![ended.key.number, now])?;
        let event = Event::new(provider.id, "ledger.key_retired")
            .target("ledger_key", ended.key.number)
            .with("public", ended.key.public);
        recorded = Some(tx.record(event));
    }
    Ok(recorded)
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let now = run.ctx.now;
        let retired = app.db().write(&run.ctx, move |tx| {
            let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
            Ok::<_, DbError>(match retire(tx, &provider, now)? {
                Some(recorded) => Commit::changed((), recorded),
                None => Commit::unchanged(()),
            })
        });
        retired.await?;
        Ok(())
    })
}

fn number_of(row: &[u8]) -> u32 {
    row.try_into().map_or(0, u32::from_be_bytes)
}

crate::holding! { Holding {
    name: "ledger_keys.sealed",
    purpose: PURPOSE,
    census: |tx| tx.list(&CENSUS, &[], |row| Ok((row.get(0)?, row.get(1)?))),
    list: |tx, before, after, limit| {
        tx.list(&BEFORE, params![before.to_vec(), number_of(after), limit], |row| {
            let row_at = context(row.get(0)?).to_vec();
            Ok(SealedValue { context: row_at.clone(), row: row_at, sealed: row.get(1)? })
        })
    },
    replace: |tx, row, old, new| {
        Ok(tx.execute(&RESEALED, params![number_of(row), old.to_vec(), new])? == 1)
    },
} }
