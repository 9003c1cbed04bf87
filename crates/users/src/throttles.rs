//! Throttles of password tries: they stop a guesser without locking the victim out.
//!
//! Failures are counted per quarter of an hour for three subjects: the network, the account from that network, and the
//! account from anywhere. When the last one is full, the account can still sign in from networks where it did so
//! successfully in the last 90 days; a stranger's guesses never shut out its owner.

use std::time::Duration;

use platform::db::{DbError, ReadTx, Tx};
use platform::ids::AccountId;
use platform::params;
use platform::time::{DAY, MINUTE, Timestamp};

mod sql;

const WINDOW: Duration = Duration::from_secs(15 * 60);
pub const NETWORK_FAILURES_MAX: u64 = 50;
pub const PAIR_FAILURES_MAX: u64 = 10;
pub const ACCOUNT_FAILURES_MAX: u64 = 100;
/// A network stays familiar to an account for this long after its last session there.
const FAMILIAR: Duration = Duration::from_secs(90 * DAY.as_secs());

/// Who tries, from where. The same for addresses that have no account, so that nothing tells them apart.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Canonical address as typed.
    pub email: String,
    pub network: String,
}

impl Subject {
    fn keys(&self) -> [(String, u64); 3] {
        [
            (format!("network:{}", self.network), NETWORK_FAILURES_MAX),
            (format!("pair:{}:{}", self.email, self.network), PAIR_FAILURES_MAX),
            (format!("account:{}", self.email), ACCOUNT_FAILURES_MAX),
        ]
    }
}

fn window_of(now: Timestamp) -> Timestamp {
    let length = i64::try_from(WINDOW.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.micros() - now.micros().rem_euclid(length))
}

/// `Some(wait)` when this try is refused before the password is looked at.
pub fn refuses(
    tx: &mut ReadTx,
    subject: &Subject,
    account: Option<AccountId>,
    now: Timestamp,
) -> Result<Option<Duration>, DbError> {
    let window = window_of(now);
    let [network, pair, everywhere] = subject.keys();
    let mut full = |(key, max): &(String, u64)| -> Result<bool, DbError> {
        let failures: u64 = tx.scalar(&sql::FAILURES, params![key.as_str(), window])?.unwrap_or(0);
        Ok(failures >= *max)
    };
    let here = full(&network)? | full(&pair)?;
    let strange = full(&everywhere)?;
    let familiar = match account {
        Some(account) => is_familiar(tx, account, &subject.network, now)?,
        None => false,
    };
    let refused = here || (strange && !familiar);
    Ok(refused.then(|| window.plus(WINDOW).since(now).max(MINUTE)))
}

/// Whether the account had signed in from this network in the 90 days before `at`.
pub fn is_familiar(
    tx: &mut ReadTx,
    account: AccountId,
    network: &str,
    at: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.first(&sql::FAMILIAR, params![account, network, at.minus(FAMILIAR), at])?.is_some())
}

/// Counts a failed try.
pub fn failed(tx: &mut Tx, subject: &Subject, now: Timestamp) -> Result<(), DbError> {
    for (key, _) in subject.keys() {
        tx.execute(&sql::COUNT, params![key, window_of(now)])?;
    }
    Ok(())
}

/// Forgets the failures of this account from this network: its owner is here.
pub fn succeeded(tx: &mut Tx, subject: &Subject, now: Timestamp) -> Result<(), DbError> {
    let [_, (pair, _), _] = subject.keys();
    tx.execute(&sql::FORGET, params![pair, window_of(now)])?;
    Ok(())
}

/// Wrong second factors after a right password, per account and window: from anywhere, since whoever gets this far
/// knows the password already.
pub const SECOND_FAILURES_MAX: u64 = 10;

fn second_key(account: AccountId) -> String {
    format!("second:{account}")
}

/// As [`refuses`], for the second step.
pub fn refuses_second(
    tx: &mut ReadTx,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<Duration>, DbError> {
    let window = window_of(now);
    let failures: u64 = tx.scalar(&sql::FAILURES, params![second_key(account), window])?.unwrap_or(0);
    Ok((failures >= SECOND_FAILURES_MAX).then(|| window.plus(WINDOW).since(now).max(MINUTE)))
}

/// Counts a wrong second factor; `true` when it was the last that this window takes.
pub fn failed_second(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<bool, DbError> {
    let (key, window) = (second_key(account), window_of(now));
    tx.execute(&sql::COUNT, params![key.as_str(), window])?;
    let failures: u64 = tx.scalar(&sql::FAILURES, params![key, window])?.unwrap_or(0);
    Ok(failures == SECOND_FAILURES_MAX)
}

/// Drops counters of windows that are over.
pub fn clean(tx: &mut Tx, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::CLEAN, params![window_of(now)])
}
