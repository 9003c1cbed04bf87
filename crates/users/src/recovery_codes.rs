//! Recovery codes: ten codes on paper for the day the phone is gone.
//!
//! Promises: shown once, when they are made; making new ones kills the old; each works once, and its use is told to
//! its owner by mail; the store keeps a keyed hash, so that the store alone gives nothing to guess at.

use aws_lc_rs::hmac;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::{AccountId, Id};
use platform::secrets::Keyring;
use platform::{Ctx, params};

mod sql;
#[cfg(test)]
mod tests;

pub const COUNT: usize = 10;
/// Without `i`, `l`, `o` and `u`, which are misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 60 bits each.
const LENGTH: usize = 12;
const GROUP: usize = 4;

/// What was typed, in the one form that is hashed; `None` when it cannot be a code.
fn canonical(typed: &str) -> Option<String> {
    let code: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_lowercase() {
            'i' | 'l' => '1',
            'o' => '0',
            c => c,
        })
        .collect();
    (code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(code)
}

fn hash(keyring: &Keyring, account: AccountId, code: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &keyring.derive("recovery codes"));
    let mut message = account.bytes().to_vec();
    message.extend_from_slice(code.as_bytes());
    hmac::sign(&key, &message).as_ref().to_vec()
}

fn generate(ctx: &Ctx) -> String {
    let bytes: [u8; LENGTH] = ctx.random_bytes();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

/// How many still work.
pub fn left(tx: &mut ReadTx, account: AccountId) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::LEFT, params![account])?.unwrap_or(0))
}

/// Makes ten new ones in place of the old; the texts exist only here. The caller records it.
pub fn regenerate(
    ctx: &Ctx,
    tx: &mut Tx,
    keyring: &Keyring,
    account: AccountId,
) -> Result<Vec<String>, DbError> {
    delete(tx, account)?;
    let mut codes = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let code = generate(ctx);
        tx.execute(&sql::INSERT, params![account, hash(keyring, account, &code), ctx.now])?;
        let groups: Vec<&str> = (0..LENGTH).step_by(GROUP).map(|at| &code[at..at + GROUP]).collect();
        codes.push(groups.join("-"));
    }
    Ok(codes)
}

/// Uses a code up: `true` once for each.
pub fn accept(
    ctx: &Ctx,
    tx: &mut Tx,
    keyring: &Keyring,
    account: AccountId,
    typed: &str,
) -> Result<bool, DbError> {
    let Some(code) = canonical(typed) else { return Ok(false) };
    Ok(tx.execute(&sql::USE, params![account, hash(keyring, account, &code), ctx.now])? == 1)
}

pub(crate) fn delete(tx: &mut Tx, account: AccountId) -> Result<u64, DbError> {
    tx.execute(&sql::REMOVE, params![account])
}
