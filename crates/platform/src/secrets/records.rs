//! The wrapped keys in the store.

use super::{Keyring, SecretsError, WrappedKey, sql};
use crate::ctx::Random;
use crate::db::{Db, DbError, ReadTx, Tx};
use crate::params;
use crate::time::Timestamp;

/// Why a change of keys failed. The keyring in use is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// All keys, the root first.
pub async fn load(db: &Db) -> Result<Vec<WrappedKey>, DbError> {
    db.read(list).await
}

pub(super) fn list(tx: &mut ReadTx) -> Result<Vec<WrappedKey>, DbError> {
    tx.list(&sql::LOAD, params![], |row| {
        Ok(WrappedKey { id: row.get(0)?, wrapped: row.get(1)?, created_at: row.get(2)? })
    })
}

/// Adds keys. Fails when another node was faster with the same ids: then load again.
pub async fn save(db: &Db, records: Vec<WrappedKey>) -> Result<(), DbError> {
    db.housekeeping(move |tx| insert(tx, &records)).await
}

/// Makes a new data key, stores it and takes it into use.
pub async fn rotate(
    db: &Db,
    keyring: &Keyring,
    now: Timestamp,
    random: &Random,
) -> Result<u32, RecordsError> {
    let record = keyring.rotate(now, random)?;
    save(db, vec![record.clone()]).await?;
    keyring.install(&record)?;
    Ok(record.id)
}

/// Learns the keys that other nodes have stored since.
pub async fn refresh(db: &Db, keyring: &Keyring) -> Result<(), RecordsError> {
    for record in load(db).await? {
        keyring.install(&record)?;
    }
    Ok(())
}

/// As [`refresh`], within a transaction. Also tells whether the keyring's master key is still that of the store.
pub fn learn(tx: &mut ReadTx, keyring: &Keyring) -> Result<(), DbError> {
    for record in list(tx)? {
        let learned = keyring.install(&record);
        learned.map_err(|error| DbError::Other { statement: sql::LOAD.name, message: error.to_string() })?;
    }
    Ok(())
}

fn insert(tx: &mut Tx, records: &[WrappedKey]) -> Result<(), DbError> {
    for record in records {
        tx.execute(&sql::INSERT, params![record.id, record.wrapped.clone(), record.created_at])?;
    }
    Ok(())
}
