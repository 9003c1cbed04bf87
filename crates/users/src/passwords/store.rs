//! Where password hashes are kept. Rules that change a password go through here, so that history and sessions follow.

use platform::Ctx;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::AccountId;
use platform::params;
use platform::time::Timestamp;

platform::statements! {
    FIND: Platform = "select phc, set_at from passwords where account_id = $1";
    SET: Platform =
        "insert into passwords (account_id, phc, set_at) values ($1, $2, $3)
         on conflict (account_id) do update set phc = excluded.phc, set_at = excluded.set_at";
    REHASH: Platform = "update passwords set phc = $3 where account_id = $1 and phc = $2";
    REMOVE: Platform = "delete from passwords where account_id = $1";
    REMEMBER: Platform =
        "insert into password_history (account_id, set_at, phc) values ($1, $2, $3) on conflict do nothing";
    HISTORY: Platform =
        "select phc from password_history where account_id = $1 order by set_at desc limit $2";
    FORGET: Platform =
        "delete from password_history where account_id = $1 and set_at not in
           (select h.set_at from password_history h where h.account_id = $1 order by h.set_at desc limit $2)";
    FORGET_ALL: Platform = "delete from password_history where account_id = $1";
}

use super::strength::REUSE_HISTORY_MAX as HISTORY_MAX;

pub struct Stored {
    pub phc: String,
    pub set_at: Timestamp,
}

pub fn find(tx: &mut ReadTx, account: AccountId) -> Result<Option<Stored>, DbError> {
    tx.first(&FIND, params![account])?
        .map(|row| Ok(Stored { phc: row.get(0)?, set_at: row.get(1)? }))
        .transpose()
}

/// Sets the password and remembers the hash for the "not one of your last N" rule.
pub fn set(ctx: &Ctx, tx: &mut Tx, account: AccountId, phc: &str) -> Result<(), DbError> {
    tx.execute(&SET, params![account, phc, ctx.now])?;
    tx.execute(&REMEMBER, params![account, ctx.now, phc])?;
    tx.execute(&FORGET, params![account, HISTORY_MAX])?;
    Ok(())
}

/// Replaces a hash by one of the same password with today's parameters; nothing when it changed meanwhile.
pub fn rehash(tx: &mut Tx, account: AccountId, old: &str, new: &str) -> Result<bool, DbError> {
    Ok(tx.execute(&REHASH, params![account, old, new])? == 1)
}

/// Takes an account's password away: it can sign in again only after recovery.
pub fn remove(tx: &mut Tx, account: AccountId) -> Result<bool, DbError> {
    tx.execute(&FORGET_ALL, params![account])?;
    Ok(tx.execute(&REMOVE, params![account])? == 1)
}

/// The last `count` hashes, newest first.
pub fn history(tx: &mut ReadTx, account: AccountId, count: u8) -> Result<Vec<String>, DbError> {
    tx.list(&HISTORY, params![account, count.min(HISTORY_MAX)], |row| row.get(0))
}
