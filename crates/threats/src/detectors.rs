//! Detectors: who looks at the feed, whether they are alive, and who stopped one.
//!
//! Each detector follows the feed for itself, in a task of its own: one that fails or is stopped holds up no other. What it
//! writes stands in one transaction with how far it has come, so a restart neither repeats an alert nor misses one.
//!
//! A **heartbeat** says: at this time the detector had seen everything that was committed then. A loop that runs but does
//! not come along gives none, nor does one that is stopped. A detector is alive while its last heartbeat is less than five
//! minutes old; when one comes back, that is recorded, and the matrix looks again.
//!
//! Whoever may run the installation can stop a detector, with a reason. It keeps its place: started again, it first looks at
//! what happened meanwhile.

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::params;
use platform::principals;
use platform::time::{MINUTE, Timestamp};

use crate::guessing::{self, Rule};

pub(crate) mod api;
pub(crate) mod evidence;
pub mod jobs;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// Older, a heartbeat does not say that the detector is alive.
pub const ALIVE_FOR: Duration = Duration::from_secs(5 * MINUTE.as_secs());
pub const BEATS_EVERY: Duration = MINUTE;
pub const REASON_CHARS_MAX: usize = 500;

/// What it looks for, as people read it.
pub fn title(detector: &str) -> &'static str {
    match detector {
        "guessing-many-accounts" => "one network guesses at many accounts",
        "guessing-one-account" => "one account is guessed at from many networks",
        _ => "a detector of another version",
    }
}

/// From when on it raises an alert, as people read it.
pub fn threshold(rule: &Rule) -> String {
    let minutes = rule.window.as_secs() / 60;
    match rule.end {
        guessing::End::Network => {
            format!("{} accounts that did not get in, within {minutes} minutes", rule.least)
        }
        guessing::End::Account => format!(
            "failures from {} networks within {minutes} minutes, or a second factor tried to the end",
            rule.least
        ),
    }
}

/// Why and since when somebody stopped a detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
}

/// How a detector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub rule: &'static Rule,
    pub stopped: Option<Stopped>,
    /// The last heartbeat since it was started.
    pub beat_at: Option<Timestamp>,
}

impl Health {
    pub fn alive_until(&self) -> Option<Timestamp> {
        self.beat_at.filter(|_| self.stopped.is_none()).map(|at| at.plus(ALIVE_FOR))
    }

    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.alive_until().is_some_and(|until| now < until)
    }

    /// In one clause.
    pub fn words(&self, now: Timestamp) -> String {
        match (&self.stopped, self.beat_at) {
            (Some(stopped), _) => format!("stopped by {} since {}", stopped.by, stopped.at.minute_words()),
            (None, None) => "has not come along since it was started".to_owned(),
            (None, Some(at)) if self.is_alive(now) => format!("alive, seen {}", at.minute_words()),
            (None, Some(at)) => format!("silent since {}", at.minute_words()),
        }
    }
}

fn stopped(tx: &mut ReadTx, rule: &Rule) -> Result<Option<Stopped>, DbError> {
    let Some(row) = tx.first(&sql::STOPPED, params![rule.name])? else { return Ok(None) };
    Ok(Some(Stopped { reason: row.get(0)?, by: row.get(1)?, at: row.get(2)? }))
}

pub fn health(tx: &mut ReadTx, rule: &'static Rule) -> Result<Health, DbError> {
    let beat_at = tx.scalar(&sql::BEAT, params![rule.name])?;
    Ok(Health { rule, stopped: stopped(tx, rule)?, beat_at })
}

/// Every detector of this program.
pub fn all(tx: &mut ReadTx) -> Result<Vec<Health>, DbError> {
    guessing::RULES.into_iter().map(|rule| health(tx, rule)).collect()
}

pub fn find(name: &str) -> Option<&'static Rule> {
    guessing::RULES.into_iter().find(|rule| rule.name == name)
}

fn event(tx: &mut ReadTx, rule: &Rule, action: &'static str) -> Result<Event, DbError> {
    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
    Ok(Event::new(provider.id, action).target("detector", rule.name))
}

/// Stops a detector; `false`: it was stopped already.
pub fn stop(
    ctx: &Ctx,
    tx: &mut Tx,
    rule: &'static Rule,
    by: &str,
    reason: &str,
) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::STOP, params![rule.name, reason, by, ctx.now])? == 0 {
        return Ok(Commit::unchanged(false));
    }
    let event = event(tx, rule, "detector.stopped")?.with("reason", reason);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Starts a stopped detector; `false`: it was not stopped. It counts as alive with its next heartbeat.
pub fn start(tx: &mut Tx, rule: &'static Rule, reason: &str) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::START, params![rule.name])? == 0 {
        return Ok(Commit::unchanged(false));
    }
    tx.execute(&sql::FORGET_BEAT, params![rule.name])?;
    let event = event(tx, rule, "detector.started")?.with("reason", reason);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Writes a heartbeat; tells when the detector was not alive before.
fn beat(tx: &mut Tx, rule: &'static Rule, seen_at: Timestamp, now: Timestamp) -> Result<(), DbError> {
    let before = health(tx, rule)?;
    if before.stopped.is_some() {
        return Ok(());
    }
    tx.execute(&sql::SET_BEAT, params![rule.name, seen_at])?;
    guessing::clean(tx, rule, seen_at)?;
    if !before.is_alive(now) && principals::provider(tx)?.is_some() {
        let mut event = event(tx, rule, "detector.alive")?;
        if let Some(at) = before.beat_at {
            event = event.with("silent_since", at.rfc3339());
        }
        let _recorded = tx.record(event);
    }
    Ok(())
}
