//! What of this is sealed, for the rotation of keys. Both tables are keyed by a text, which is what a value is bound to.

use super::{PURPOSE, sql};
use crate::db::{DbError, ReadTx, Statement, Tx};
use crate::params;
use crate::secrets::rotation::{Holding, SealedValue};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn census(tx: &mut ReadTx, statement: &'static Statement) -> Result<Vec<(Vec<u8>, u64)>, DbError> {
    tx.list(statement, &[], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn list(
    tx: &mut ReadTx,
    statement: &'static Statement,
    before: &[u8],
    after: &[u8],
    limit: u32,
) -> Result<Vec<SealedValue>, DbError> {
    tx.list(statement, params![before.to_vec(), text(after), limit], |row| {
        let key = row.get::<String>(0)?.into_bytes();
        Ok(SealedValue { context: key.clone(), row: key, sealed: row.get(1)? })
    })
}

fn replace(
    tx: &mut Tx,
    statement: &'static Statement,
    row: &[u8],
    old: &[u8],
    new: Vec<u8>,
) -> Result<bool, DbError> {
    Ok(tx.execute(statement, params![text(row), old.to_vec(), new])? == 1)
}

crate::holding! { Holding {
    name: "acme_accounts.sealed",
    purpose: PURPOSE,
    census: |tx| census(tx, &sql::ACCOUNTS_CENSUS),
    list: |tx, before, after, limit| list(tx, &sql::ACCOUNTS_BEFORE, before, after, limit),
    replace: |tx, row, old, new| replace(tx, &sql::ACCOUNTS_RESEALED, row, old, new),
} }

crate::holding! { Holding {
    name: "acme_certificates.sealed_key",
    purpose: PURPOSE,
    census: |tx| census(tx, &sql::KEYS_CENSUS),
    list: |tx, before, after, limit| list(tx, &sql::KEYS_BEFORE, before, after, limit),
    replace: |tx, row, old, new| replace(tx, &sql::KEYS_RESEALED, row, old, new),
} }
