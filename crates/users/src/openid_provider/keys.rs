//! Signing keys: sealed in the store, published before they sign, and for as long as anything they signed can live.
//!
//! A key is made when its algorithm is first needed. A daily job makes a successor for one that has signed for
//! [`ROTATED_AFTER`]; it is published a day before it signs, so that products that keep our keys for a day know it. The
//! old one stays published for [`KEPT_AFTER`]. Somebody who fears that a key leaked rotates by hand: then the new one
//! signs at once and the old ones are gone, and products find the new one by its id.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use jose::{Algorithm, JwkSet, SigningKey};
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::Id;
use platform::params;
use platform::secrets::rotation::{Holding, SealedValue};
use platform::time::{DAY, SECOND, Timestamp};
use platform::{App, Ctx};

use super::answer::Refusal;
use super::{KeyId, sql, state};
use crate::sessions::provider_id;

const PURPOSE: &str = "oauth signing key";
pub const ROTATED_AFTER: Duration = Duration::from_secs(90 * DAY.as_secs());
/// How long before it signs a key is published.
pub const PUBLISHED_BEFORE: Duration = DAY;
pub const KEPT_AFTER: Duration = Duration::from_secs(7 * DAY.as_secs());
/// How long a node goes on with the keys it has read: nothing is revoked by a key.
const REREAD_EVERY: Duration = Duration::from_secs(10 * SECOND.as_secs());

platform::holding! { Holding {
    name: "oauth_keys.sealed",
    purpose: PURPOSE,
    census: |tx| tx.list(&sql::KEYS_CENSUS, &[], |row| Ok((row.get(0)?, row.get(1)?))),
    list: |tx, before, after, limit| {
        tx.list(&sql::KEYS_SEALED_BEFORE, params![before.to_vec(), after.to_vec(), limit], |row| {
            let id: KeyId = row.get(0)?;
            Ok(SealedValue { row: id.bytes().to_vec(), context: id.bytes().to_vec(), sealed: row.get(1)? })
        })
    },
    replace: |tx, row, old, new| {
        Ok(tx.execute(&sql::KEY_RESEALED, params![row.to_vec(), old.to_vec(), new])? == 1)
    },
} }

struct Key {
    id: KeyId,
    signs_from: Timestamp,
    signing: Arc<SigningKey>,
}

/// The keys as they were read; oldest first.
pub(crate) struct Ring {
    read_at: Timestamp,
    keys: Vec<Key>,
}

pub(crate) type Cache = RwLock<Option<Arc<Ring>>>;

impl Ring {
    /// The newest that signs already.
    fn signer(&self, algorithm: Algorithm, now: Timestamp) -> Option<Arc<SigningKey>> {
        let fits = |key: &&Key| key.signing.algorithm() == algorithm && key.signs_from <= now;
        self.keys.iter().rev().find(fits).map(|key| key.signing.clone())
    }

    pub(crate) fn public(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.signing.public().clone()).collect() }
    }

    fn newest(&self, algorithm: Algorithm) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.signing.algorithm() == algorithm)
    }
}

/// A key that cannot be opened is left out and said: with another master key nobody could sign in anywhere otherwise.
fn open(app: &App, tx: &mut ReadTx) -> Result<Vec<Key>, DbError> {
    let mut keys = Vec::new();
    for row in tx.query(&sql::KEYS, params![])? {
        let (id, signs_from): (KeyId, Timestamp) = (row.get(0)?, row.get(3)?);
        let algorithm = row.parse(1, |text| Algorithm::parse(text).ok())?;
        let sealed: Vec<u8> = row.get(2)?;
        let opened = app.keyring().open(PURPOSE, &id.bytes(), &sealed);
        match opened.map(|pkcs8| SigningKey::from_pkcs8(algorithm, pkcs8.expose())) {
            Ok(Ok(signing)) => keys.push(Key { id, signs_from, signing: Arc::new(signing) }),
            Ok(Err(error)) => tracing::error!(%error, key = %id, "a signing key is not readable"),
            Err(error) => tracing::error!(%error, key = %id, "a signing key cannot be opened"),
        }
    }
    Ok(keys)
}

pub(crate) async fn ring(app: &App, now: Timestamp) -> Result<Arc<Ring>, DbError> {
    let state = state(app);
    if let Ok(kept) = state.keys.read()
        && let Some(ring) = kept.as_ref()
        && now.since(ring.read_at) < REREAD_EVERY
    {
        return Ok(ring.clone());
    }
    reread(app, now).await
}

async fn reread(app: &App, now: Timestamp) -> Result<Arc<Ring>, DbError> {
    let opener = app.clone();
    let keys = app.db().read(move |tx| open(&opener, tx)).await?;
    let ring = Arc::new(Ring { read_at: now, keys });
    if let Ok(mut kept) = state(app).keys.write() {
        *kept = Some(ring.clone());
    }
    Ok(ring)
}

/// The key that signs with this algorithm now; made when there is none.
pub(crate) async fn signer(app: &App, ctx: &Ctx, algorithm: Algorithm) -> Result<Arc<SigningKey>, Refusal> {
    if let Some(key) = ring(app, ctx.now).await?.signer(algorithm, ctx.now) {
        return Ok(key);
    }
    // Another node may have made it since.
    if let Some(key) = reread(app, ctx.now).await?.signer(algorithm, ctx.now) {
        return Ok(key);
    }
    make(app, ctx, algorithm, ctx.now, "first").await?;
    let made = reread(app, ctx.now).await?.signer(algorithm, ctx.now);
    made.ok_or_else(|| {
        DbError::Other { statement: "oauth_keys", message: "a new key is not there".into() }.into()
    })
}

/// Makes a key that signs from `signs_from` on.
async fn make(
    app: &App,
    ctx: &Ctx,
    algorithm: Algorithm,
    signs_from: Timestamp,
    reason: &'static str,
) -> Result<(), Refusal> {
    // RSA takes a tenth of a second, and none of it inside of a transaction.
    let pkcs8 = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    let pkcs8 = pkcs8.map_err(|_| jose::Error::Key("its maker panicked"))??;
    let signing = SigningKey::from_pkcs8(algorithm, &pkcs8)?;
    let id: KeyId = ctx.id();
    let sealed = app.keyring().seal(PURPOSE, &id.bytes(), &pkcs8, app.random());
    let sealed = sealed.map_err(|error| {
        tracing::error!(%error, "a signing key cannot be sealed");
        jose::Error::Key("it cannot be sealed")
    })?;
    let (at, public) = (ctx.now, signing.public().to_value().to_string());
    app.db()
        .write(ctx, move |tx| {
            let row = params![id, algorithm.as_str(), public.as_str(), sealed.clone(), signs_from, at];
            tx.execute(&sql::INSERT_KEY, row)?;
            let made = Event::new(provider_id(tx)?, "oauth_key.created")
                .target("oauth_key", id)
                .with("algorithm", algorithm.as_str())
                .with("signs_from", signs_from)
                .with("reason", reason);
            let recorded = tx.record(made);
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    Ok(())
}

/// Makes successors where they are due and forgets what nothing needs any more; gives how many changed.
pub(crate) async fn maintain(app: &App, ctx: &Ctx) -> Result<usize, Refusal> {
    let ring = reread(app, ctx.now).await?;
    let mut changes = 0;
    for algorithm in Algorithm::ALL {
        let Some(newest) = ring.newest(algorithm) else { continue };
        if ctx.now.since(newest.signs_from) >= ROTATED_AFTER {
            make(app, ctx, algorithm, ctx.now.plus(PUBLISHED_BEFORE), "schedule").await?;
            changes += 1;
        }
    }
    let gone: Vec<KeyId> =
        ring.keys.iter().filter(|key| outlived(&ring, key, ctx.now)).map(|key| key.id).collect();
    changes += gone.len();
    if !gone.is_empty() {
        app.db().write(ctx, move |tx| forget(tx, &gone, "outlived")).await?;
    }
    if changes > 0 {
        reread(app, ctx.now).await?;
    }
    Ok(changes)
}

/// A successor has signed for so long that nothing of this key can still be valid.
fn outlived(ring: &Ring, key: &Key, now: Timestamp) -> bool {
    let successor = |other: &&Key| {
        other.signing.algorithm() == key.signing.algorithm() && other.signs_from > key.signs_from
    };
    ring.keys.iter().find(successor).is_some_and(|other| other.signs_from.plus(KEPT_AFTER) < now)
}

fn forget(tx: &mut Tx, gone: &[KeyId], reason: &'static str) -> Result<Commit<()>, DbError> {
    let provider = provider_id(tx)?;
    let mut recorded = None;
    for id in gone {
        tx.execute(&sql::DELETE_KEY, params![*id])?;
        let event = Event::new(provider, "oauth_key.deleted").target("oauth_key", id).with("reason", reason);
        recorded = Some(tx.record(event));
    }
    Ok(match recorded {
        Some(recorded) => Commit::changed((), recorded),
        None => Commit::unchanged(()),
    })
}

/// New keys sign at once and the old ones are published no longer: for a leak. Products find the new ones by id.
pub(crate) async fn replace_all(app: &App, ctx: &Ctx) -> Result<usize, Refusal> {
    let ring = reread(app, ctx.now).await?;
    let old: Vec<KeyId> = ring.keys.iter().map(|key| key.id).collect();
    let mut made = 0;
    for algorithm in Algorithm::ALL {
        if ring.newest(algorithm).is_some() || algorithm == Algorithm::Es256 {
            make(app, ctx, algorithm, ctx.now, "replaced").await?;
            made += 1;
        }
    }
    if !old.is_empty() {
        app.db().write(ctx, move |tx| forget(tx, &old, "replaced")).await?;
    }
    reread(app, ctx.now).await?;
    Ok(made)
}
