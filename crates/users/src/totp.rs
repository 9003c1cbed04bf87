//! One-time codes of an authenticator app (TOTP, RFC 6238): SHA-1, 6 digits, steps of 30 s, which is what every app
//! reads.
//!
//! Promises: the secret is sealed in the store and shown only to the session that asked for it, until the first code was
//! typed; a code works once, and
//! none older than the newest accepted one works again; the step before and after the current one are taken, for
//! clocks that differ.

use aws_lc_rs::hmac;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::{AccountId, Id};
use platform::secrets::rotation::{Holding, SealedValue};
use platform::secrets::{Keyring, Secret};
use platform::time::Timestamp;
use platform::{Ctx, params};
use subtle::ConstantTimeEq;

use crate::sessions::SessionId;

mod sql;
#[cfg(test)]
mod tests;

const STEP_SECONDS: i64 = 30;
const DRIFT_STEPS: i64 = 1;
const DIGITS: usize = 6;
/// 160 bits, as RFC 4226 §4 recommends.
const SECRET_BYTES: usize = 20;
const PURPOSE: &str = "totp";

platform::holding! { Holding {
    name: "totp_factors.secret",
    purpose: PURPOSE,
    census: |tx| tx.list(&sql::CENSUS, &[], |row| Ok((row.get(0)?, row.get(1)?))),
    list: |tx, before, after, limit| {
        tx.list(&sql::SEALED_BEFORE, params![before.to_vec(), after.to_vec(), limit], |row| {
            let account: AccountId = row.get(0)?;
            let row_bytes = account.bytes().to_vec();
            Ok(SealedValue { context: row_bytes.clone(), row: row_bytes, sealed: row.get(1)? })
        })
    },
    replace: |tx, row, old, new| {
        Ok(tx.execute(&sql::RESEALED, params![row.to_vec(), old.to_vec(), new])? == 1)
    },
} }

/// An authenticator app as stored.
pub struct Totp {
    secret: Secret<Vec<u8>>,
    /// Who asked for it; sealed behind the secret.
    session: Vec<u8>,
    pub created_at: Timestamp,
    pub confirmed_at: Option<Timestamp>,
    last_step: i64,
}

/// What is shown while enrolling.
pub struct Enrolment {
    /// In base 32, for those who type it.
    pub secret: String,
    /// `otpauth://…`, for the QR code.
    pub uri: String,
}

fn step_of(now: Timestamp) -> i64 {
    now.micros().div_euclid(STEP_SECONDS * 1_000_000)
}

/// The code of one step (RFC 4226 §5.3).
pub fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let word = tag.iter().skip(at).take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    format!("{:0DIGITS$}", (word & 0x7fff_ffff) % 1_000_000)
}

/// The step this code belongs to: near now, and after `last_step`.
fn matching_step(secret: &[u8], typed: &str, now: Timestamp, last_step: i64) -> Option<i64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let here = step_of(now);
    (here - DRIFT_STEPS..=here + DRIFT_STEPS)
        .filter(|step| *step > last_step)
        .find(|step| bool::from(code(secret, *step).as_bytes().ct_eq(typed.as_bytes())))
}

/// Base 32 (RFC 4648 §6) without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut word = [0_u8; 8];
        word[3..3 + chunk.len()].copy_from_slice(chunk);
        let word = u64::from_be_bytes(word);
        let digits = (chunk.len() * 8).div_ceil(5);
        out.extend((0..digits).map(|n| char::from(ALPHABET[((word >> (35 - 5 * n)) & 31) as usize])));
    }
    out
}

pub fn find(tx: &mut ReadTx, keyring: &Keyring, account: AccountId) -> Result<Option<Totp>, DbError> {
    let Some(row) = tx.first(&sql::FIND, params![account])? else { return Ok(None) };
    let sealed: Vec<u8> = row.get(0)?;
    let secret = keyring
        .open(PURPOSE, &account.bytes(), &sealed)
        .map_err(|error| DbError::Check(format!("the secret of an authenticator app: {error}")))?;
    let (secret, session) = secret
        .expose()
        .split_at_checked(SECRET_BYTES)
        .ok_or_else(|| DbError::Check("the secret of an authenticator app is too short".to_owned()))?;
    let (secret, session) = (Secret::new(secret.to_vec()), session.to_vec());
    let (created_at, confirmed_at, last_step) = (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(Some(Totp { secret, session, created_at, confirmed_at, last_step }))
}

/// When an app was confirmed; `None` without one.
pub fn confirmed_at(tx: &mut ReadTx, account: AccountId) -> Result<Option<Timestamp>, DbError> {
    match tx.first(&sql::FIND, params![account])? {
        Some(row) => row.get(2),
        None => Ok(None),
    }
}

fn session_bytes(session: Option<SessionId>) -> Vec<u8> {
    session.map_or_else(Vec::new, |session| session.bytes().to_vec())
}

/// Makes a secret to be confirmed, for `session` to see; `false` when an app is confirmed already.
pub fn begin(
    ctx: &Ctx,
    tx: &mut Tx,
    keyring: &Keyring,
    account: AccountId,
    session: Option<SessionId>,
) -> Result<bool, DbError> {
    let random = zeroize::Zeroizing::new(ctx.random_bytes::<SECRET_BYTES>());
    let secret = zeroize::Zeroizing::new([random.as_slice(), &session_bytes(session)].concat());
    let sealed = keyring
        .seal(PURPOSE, &account.bytes(), secret.as_slice(), ctx.random())
        .map_err(|error| DbError::Check(error.to_string()))?;
    Ok(tx.execute(&sql::BEGIN, params![account, sealed, ctx.now])? == 1)
}

impl Totp {
    /// What the app needs; only while it is not confirmed, and only for the session that began: another one could
    /// belong to whoever must not have this factor.
    pub fn enrolment(&self, session: Option<SessionId>, issuer: &str, email: &str) -> Option<Enrolment> {
        if self.confirmed_at.is_some() || self.session != session_bytes(session) {
            return None;
        }
        let secret = base32(self.secret.expose());
        let encode = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
        };
        let (issuer, label) = (encode(issuer), encode(email));
        let uri = format!("otpauth://totp/{issuer}:{label}?secret={secret}&issuer={issuer}");
        Some(Enrolment { secret, uri })
    }
}

/// Confirms an app by its first code.
pub fn confirm(
    ctx: &Ctx,
    tx: &mut Tx,
    keyring: &Keyring,
    account: AccountId,
    typed: &str,
) -> Result<bool, DbError> {
    let Some(totp) = find(tx, keyring, account)? else { return Ok(false) };
    let Some(step) = matching_step(totp.secret.expose(), typed, ctx.now, totp.last_step) else {
        return Ok(false);
    };
    Ok(tx.execute(&sql::CONFIRM, params![account, ctx.now, step])? == 1)
}

/// Takes a code: `true` once for each. Of two requests with the same code at once only one changes the row.
pub fn accept(
    ctx: &Ctx,
    tx: &mut Tx,
    keyring: &Keyring,
    account: AccountId,
    typed: &str,
) -> Result<bool, DbError> {
    let Some(totp) = find(tx, keyring, account)?.filter(|totp| totp.confirmed_at.is_some()) else {
        return Ok(false);
    };
    let Some(step) = matching_step(totp.secret.expose(), typed, ctx.now, totp.last_step) else {
        return Ok(false);
    };
    Ok(tx.execute(&sql::ACCEPT, params![account, step])? == 1)
}

pub(crate) fn delete(tx: &mut Tx, account: AccountId) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::REMOVE, params![account])? > 0)
}
