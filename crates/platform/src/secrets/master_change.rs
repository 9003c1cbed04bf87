//! A new master key, in an order in which nothing is lost wherever the process is killed:
//!
//! 1. [`Change::prepare`] puts the new key into a file beside the old one. The store still says the old.
//! 2. [`rewrap`] wraps every key in the store anew, in one transaction. From its commit on the old file opens nothing.
//! 3. [`Change::finish`] keeps the old file under another name and gives the new one its place.
//!
//! Killed before 2, the installation starts with the old file and the new one waits to be used again. Killed after it,
//! [`super::open_keyring`] finds that the waiting file is the right one, and does 3.
//!
//! The data keys and the root stay what they are, so nothing that is sealed or derived changes, and nothing else is
//! wrapped by the master key.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Keyring, MasterKey, SecretsError, WrappedKey, records, sql};
use crate::ctx::{Ctx, Random};
use crate::db::{Commit, DbError, ReadTx, Tx};
use crate::events::{self, Event};
use crate::params;
use crate::principals;
use crate::time::Timestamp;

const CHANGED: &str = "secrets.master_key_changed";

/// The master key in use, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MasterStatus {
    /// Says which key it is and nothing about it.
    pub id: String,
    pub since: Timestamp,
}

/// Which master key this program uses, and since when the installation does.
pub fn status(tx: &mut ReadTx, keyring: &Keyring) -> Result<MasterStatus, DbError> {
    let id = keyring.master_id();
    let mut since = keyring.root_created_at();
    if let Some(provider) = principals::provider(tx)? {
        let told = events::about(tx, provider.id, "master_key", &id, 1)?;
        since = told.first().filter(|event| event.action == CHANGED).map_or(since, |event| event.at);
    }
    Ok(MasterStatus { id, since })
}

/// Where a new key waits until the store is wrapped by it.
pub(super) fn waiting(path: &Path) -> PathBuf {
    beside(path, ".new")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A change of the master key that is prepared: both files are there.
pub struct Change {
    path: PathBuf,
    /// The file of the new key.
    file: PathBuf,
    old: MasterKey,
    new: MasterKey,
}

impl Change {
    /// Makes the new key's file: `to`, or one that waits beside `path`. A file that is there already is used: it is of
    /// the operator, or of a change that was killed.
    pub fn prepare(path: &Path, to: Option<&Path>, random: &Random) -> Result<Self, SecretsError> {
        let old = MasterKey::load(path)?;
        let file = to.map_or_else(|| waiting(path), Path::to_owned);
        if !file.exists() {
            MasterKey::generate(random).save(&file)?;
        }
        let new = MasterKey::load(&file)?;
        if new.id() == old.id() {
            return Err(SecretsError::SameMasterKey { path: file });
        }
        Ok(Self { path: path.to_owned(), file, old, new })
    }

    pub fn new_key(&self) -> &MasterKey {
        &self.new
    }

    /// The keys of `records` by the old master key.
    pub fn keyring(&self, records: &[WrappedKey]) -> Result<Keyring, SecretsError> {
        Keyring::from_records(self.old.clone(), records)
    }

    /// Gives the new key the old one's place once the store is wrapped by it. Gives the file of the key in force, and
    /// that of the old one.
    pub fn finish(self) -> Result<(PathBuf, PathBuf), SecretsError> {
        if self.file != waiting(&self.path) {
            return Ok((self.file, self.path));
        }
        let kept = promote(&self.path, &self.old)?;
        Ok((self.path, kept))
    }
}

/// Keeps the old key, which backups made until now need, and puts the waiting file in its place.
fn promote(path: &Path, old: &MasterKey) -> Result<PathBuf, SecretsError> {
    let kept = beside(path, &format!(".replaced-{}", old.id()));
    // A change that was killed here has kept it already.
    if !kept.exists() {
        old.save(&kept)?;
    }
    let replaced = std::fs::rename(waiting(path), path).and_then(|()| super::master::sync_folder(path));
    replaced.map_err(|reason| SecretsError::Unwritable { path: path.into(), reason })?;
    Ok(kept)
}

/// The keyring of a change that was killed after the store was wrapped anew: the waiting file opens it. `None` when
/// there is none, or it does not.
pub(super) fn resume(path: &Path, old: &MasterKey, records: &[WrappedKey]) -> Option<Keyring> {
    let keyring = MasterKey::load(&waiting(path)).and_then(|new| Keyring::from_records(new, records)).ok()?;
    match promote(path, old) {
        Ok(kept) => tracing::warn!(
            file = %path.display(), old = %kept.display(),
            "a change of the master key that was interrupted is finished"
        ),
        // It opens the store, and that is what counts now.
        Err(error) => tracing::warn!(%error, "the new master key stays in the file that ends in `.new`"),
    }
    Some(keyring)
}

/// Wraps every stored key by `new`; gives how many. For whoever has the store alone: another node would go on wrapping by
/// the old one.
pub fn rewrap(ctx: &Ctx, tx: &mut Tx, keyring: &Keyring, new: &MasterKey) -> Result<Commit<usize>, DbError> {
    let fail = |message: String| DbError::Other { statement: sql::REWRAP.name, message };
    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
    records::learn(tx, keyring)?;
    let stored = records::list(tx)?;
    let wrapped = keyring.rewrap(new, ctx.random()).map_err(|error| fail(error.to_string()))?;
    for key in &stored {
        let anew = wrapped.iter().find(|anew| anew.id == key.id);
        let anew = anew.ok_or_else(|| fail(format!("key {} is not known", key.id)))?;
        tx.execute(&sql::REWRAP, params![key.id, anew.wrapped.clone()])?;
    }
    // What is stored now must be readable by the new key alone before the old one may go.
    Keyring::from_records(new.clone(), &records::list(tx)?).map_err(|error| fail(error.to_string()))?;
    let event = Event::new(provider.id, CHANGED)
        .target("master_key", new.id())
        .with("old", keyring.master_id())
        .with("keys", stored.len());
    let recorded = tx.record(event);
    Ok(Commit::changed(stored.len(), recorded))
}
