//! Where wrapped data keys are kept. Housekeeping: the first key exists before any organization whose ledger could
//! record it, and a rotation records its event in the rule that calls this.

use crate::db::{Db, DbError};
use crate::params;

use super::WrappedKey;

crate::statements! {
    ALL: Platform = "select id, wrapped, created_at from secret_keys order by id";
    SAVE: Housekeeping =
        "insert into secret_keys (id, wrapped, created_at) values ($1, $2, $3)
         on conflict (id) do update set wrapped = excluded.wrapped";
}

pub async fn load(db: &Db) -> Result<Vec<WrappedKey>, DbError> {
    db.read(|tx| {
        tx.list(&ALL, &[], |row| {
            Ok(WrappedKey { id: row.get(0)?, wrapped: row.get(1)?, created_at: row.get(2)? })
        })
    })
    .await
}

pub async fn save(db: &Db, records: Vec<WrappedKey>) -> Result<(), DbError> {
    db.housekeeping(move |tx| {
        for record in &records {
            tx.execute(&SAVE, params![record.id, record.wrapped.clone(), record.created_at])?;
        }
        Ok(())
    })
    .await
}
