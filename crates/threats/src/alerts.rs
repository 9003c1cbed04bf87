//! Alerts: what detectors saw, until somebody of the provider's staff has said what it was.
//!
//! An alert is about one subject (a network, an account) and one kind. It is `open` until somebody takes note of it
//! (`acknowledged`), and `resolved` with a verdict: `true_positive` (it was an attack), `false_positive` (it was nothing) or
//! `benign` (somebody did it on purpose, and may). While it is not resolved, everything further about its subject goes into
//! it: a flood makes one alert, whose figures grow. Its severity only rises.
//!
//! A resolved alert opens again when it goes on within a day; one that was no attack only when it gets worse, so that a load
//! test does not ring all day. After a day a new one is raised.
//!
//! Whom an alert was about is forgotten some time after it was resolved (`alerts/jobs.rs`).
//!
//! What people decide, and what becomes worse, is recorded in the provider's ledger. Figures (tries, times, who was tried)
//! are derived from the events of sign-in, and are kept without an event of their own.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Recorded, Row, Tx};
use platform::events::{self, Event, StoredEvent};
use platform::ids::{AccountId, Id, OrganizationId};
use platform::params;
use platform::principals;
use platform::time::{DAY, MINUTE, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use crate::{alert_notices, person_alerts};

pub(crate) mod api;
pub(crate) mod jobs;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

platform::id! {
    /// Something that a detector saw.
    AlertId
}

pub const NOTE_CHARS_MAX: usize = 2000;
/// How long a resolved alert takes up what goes on.
pub const REOPENS_FOR: Duration = DAY;
/// Of those tried by one network, or networks of one account, so many are kept by name.
pub const SIGHTINGS_MAX: u64 = 500;
const SLOT: Duration = Duration::from_secs(5 * MINUTE.as_secs());
/// A day of slots: what a page draws.
const SLOTS_SHOWN: u32 = 288;
const HISTORY_SHOWN: u32 = 100;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident as $schema:ident { $($(#[$inner:meta])* $variant:ident = $text:literal, $label:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $schema)]
        pub enum $name { $($(#[$inner])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }

            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }
    };
}

words! {
    /// How bad it is; the lowest first.
    Severity as AlertSeverity {
        Low = "low", "Low";
        Medium = "medium", "Medium";
        High = "high", "High";
        Critical = "critical", "Critical";
    }
}

words! {
    State as AlertState {
        Open = "open", "Open";
        Acknowledged = "acknowledged", "Acknowledged";
        Resolved = "resolved", "Resolved";
    }
}

words! {
    Verdict as AlertVerdict {
        TruePositive = "true_positive", "It was an attack";
        FalsePositive = "false_positive", "It was nothing";
        Benign = "benign", "On purpose, and allowed";
    }
}

words! {
    /// How far somebody got; the least first.
    Outcome as AlertOutcome {
        Failed = "failed", "Failed";
        /// The password was right, and the second step stopped it.
        Known = "known", "Password known";
        Entered = "entered", "Got in";
    }
}

/// One of the other end: an account that a network tried, or a network from which an account was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub other: String,
    pub outcome: Outcome,
    pub at: Timestamp,
}

/// Adds a sight; the farthest that somebody got stays.
pub(crate) fn merge(sights: &mut Vec<Sight>, sight: Sight) {
    match sights.iter_mut().find(|known| known.other == sight.other) {
        Some(known) => {
            known.outcome = known.outcome.max(sight.outcome);
            known.at = known.at.max(sight.at);
        }
        None => sights.push(sight),
    }
}

/// What a detector saw of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The detector's name.
    pub kind: &'static str,
    pub subject: String,
    pub severity: Severity,
    pub at: Timestamp,
    pub sights: Vec<Sight>,
    /// Tries that were not counted before.
    pub fresh: u64,
    /// All within the window.
    pub all: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub organization: OrganizationId,
    pub id: AlertId,
    pub kind: String,
    /// A network; or an account's id, or the address that was typed where there is no such account. Empty: forgotten.
    pub subject: String,
    pub severity: Severity,
    pub state: State,
    pub state_at: Timestamp,
    /// The name of who said so; empty: the detector.
    pub state_by: String,
    pub verdict: Option<Verdict>,
    pub note: String,
    pub raised_at: Timestamp,
    pub reopened: u32,
    pub assigned_to: Option<AccountId>,
    pub assignee: String,
    pub tries: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

fn read_alert(row: &Row) -> Result<Alert, DbError> {
    Ok(Alert {
        organization: row.get(0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        subject: row.get(3)?,
        severity: row.parse(4, Severity::parse)?,
        state: row.parse(5, State::parse)?,
        state_at: row.get(6)?,
        state_by: row.get(7)?,
        verdict: Verdict::parse(&row.get::<String>(8)?),
        note: row.get(9)?,
        raised_at: row.get(10)?,
        reopened: row.get(11)?,
        assigned_to: row.get(12)?,
        assignee: row.get(13)?,
        tries: row.get(14)?,
        first_at: row.get(15)?,
        last_at: row.get(16)?,
    })
}

impl Alert {
    pub(crate) fn event(&self, action: &'static str) -> Event {
        Event::new(self.organization, action)
            .target("alert", self.id)
            .with("kind", &self.kind)
            .with("severity", self.severity.as_str())
    }
}

/// Takes up what a detector saw: into the alert that there is, or a new one.
pub(crate) fn see(app: &App, ctx: &Ctx, tx: &mut Tx, seen: &Sighting) -> Result<Option<Recorded>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(None) };
    let last = tx.first(&sql::NEWEST_OF, params![provider.id, seen.kind, seen.subject.as_str()])?;
    let last = last.as_ref().map(read_alert).transpose()?;
    match last {
        Some(alert) if alert.state != State::Resolved => go_on(app, ctx, tx, alert, seen),
        // What was on its way while somebody resolved it.
        Some(alert) if seen.at <= alert.state_at => Ok(None),
        Some(alert) if ctx.now.since(alert.state_at) < REOPENS_FOR => {
            let attack = alert.verdict == Some(Verdict::TruePositive);
            if attack || seen.severity > alert.severity {
                reopen(app, ctx, tx, alert, seen).map(Some)
            } else {
                keep(ctx, tx, &alert, seen, (seen.fresh, Some(alert.last_at)))?;
                Ok(None)
            }
        }
        _ => raise(app, ctx, tx, provider.id, seen).map(Some),
    }
}

fn raise(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    seen: &Sighting,
) -> Result<Recorded, DbError> {
    let first_at = seen.sights.iter().map(|sight| sight.at).fold(seen.at, Ord::min);
    let alert = Alert {
        organization: provider,
        id: ctx.id(),
        kind: seen.kind.to_owned(),
        subject: seen.subject.clone(),
        severity: seen.severity,
        state: State::Open,
        state_at: ctx.now,
        state_by: String::new(),
        verdict: None,
        note: String::new(),
        raised_at: ctx.now,
        reopened: 0,
        assigned_to: None,
        assignee: String::new(),
        tries: seen.all,
        first_at,
        last_at: seen.at,
    };
    let row = params![
        provider,
        alert.id,
        alert.kind.as_str(),
        alert.subject.as_str(),
        alert.severity.as_str(),
        ctx.now
    ];
    tx.execute(&sql::INSERT, row)?;
    tx.execute(&sql::BEGIN_FIGURES, params![provider, alert.id, first_at, seen.at])?;
    keep(ctx, tx, &alert, seen, (seen.all, None))?;
    alert_notices::to_staff(app, ctx, tx, &alert, "was raised")?;
    let event = alert.event("alert.raised").personal("subject", &alert.subject);
    Ok(tx.record(told(event, seen)))
}

/// How many, and how far they got.
fn told(event: Event, seen: &Sighting) -> Event {
    let of = |outcome: Outcome| seen.sights.iter().filter(|sight| sight.outcome == outcome).count();
    event
        .with("tried", seen.sights.len())
        .with("known", of(Outcome::Known))
        .with("entered", of(Outcome::Entered))
}

fn go_on(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    mut alert: Alert,
    seen: &Sighting,
) -> Result<Option<Recorded>, DbError> {
    keep(ctx, tx, &alert, seen, (seen.fresh, Some(alert.last_at)))?;
    if seen.severity <= alert.severity {
        return Ok(None);
    }
    let before = alert.severity;
    alert.severity = seen.severity;
    tx.execute(&sql::SET_SEVERITY, params![alert.organization, alert.id, alert.severity.as_str()])?;
    alert_notices::to_staff(app, ctx, tx, &alert, "got worse")?;
    let event = alert.event("alert.severity_raised").with("before", before.as_str());
    Ok(Some(tx.record(told(event, seen))))
}

fn reopen(app: &App, ctx: &Ctx, tx: &mut Tx, mut alert: Alert, seen: &Sighting) -> Result<Recorded, DbError> {
    keep(ctx, tx, &alert, seen, (seen.fresh, Some(alert.last_at)))?;
    alert.severity = alert.severity.max(seen.severity);
    let row = params![alert.organization, alert.id, alert.severity.as_str(), ctx.now];
    tx.execute(&sql::REOPEN, row)?;
    alert_notices::to_staff(app, ctx, tx, &alert, "goes on")?;
    Ok(tx.record(told(alert.event("alert.reopened"), seen)))
}

/// Adds to the figures of an alert: so many tries, and whom it saw since.
fn keep(
    ctx: &Ctx,
    tx: &mut Tx,
    alert: &Alert,
    seen: &Sighting,
    (tries, since): (u64, Option<Timestamp>),
) -> Result<(), DbError> {
    person_alerts::keep(ctx, tx, alert, &seen.sights, since)?;
    let (organization, id) = (alert.organization, alert.id);
    tx.execute(&sql::ADD, params![organization, id, tries, seen.at])?;
    let slot = i64::try_from(SLOT.as_micros()).unwrap_or(i64::MAX);
    let slot = Timestamp::from_micros(seen.at.micros() - seen.at.micros().rem_euclid(slot));
    tx.execute(&sql::ADD_TO_SLOT, params![organization, id, slot, tries])?;
    let known: u64 = tx.scalar(&sql::COUNT_SIGHTINGS, params![organization, id])?.unwrap_or(0);
    let mut room = SIGHTINGS_MAX.saturating_sub(known);
    // Those who got farthest first: they are never left out for want of room.
    let mut sights: Vec<&Sight> = seen.sights.iter().collect();
    sights.sort_by_key(|sight| std::cmp::Reverse(sight.outcome));
    for sight in sights {
        let row = params![organization, id, sight.other.as_str(), sight.outcome.as_str(), sight.at];
        let grown = tx.execute(&sql::SEE_AGAIN, row)?;
        if grown == 0 && (room > 0 || sight.outcome > Outcome::Failed) {
            tx.execute(&sql::SEE_FIRST, row)?;
            room = room.saturating_sub(1);
        }
    }
    Ok(())
}

pub fn get(tx: &mut ReadTx, id: AlertId) -> Result<Option<Alert>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(None) };
    tx.first(&sql::GET, params![provider.id, id])?.as_ref().map(read_alert).transpose()
}

pub(crate) fn get_for_update(tx: &mut Tx, id: AlertId) -> Result<Option<Alert>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(None) };
    if tx.first(&sql::LOCK, params![provider.id, id])?.is_none() {
        return Ok(None);
    }
    tx.first(&sql::GET, params![provider.id, id])?.as_ref().map(read_alert).transpose()
}

/// Which alerts a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A state; `live`: all but resolved ones; empty: all.
    pub state: String,
    /// A severity, or empty.
    pub severity: String,
    /// A kind, or empty.
    pub kind: String,
    /// Part of a network; or the address of an account, whole.
    pub search: String,
}

/// Alerts, the newest first; `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    wanted: &Wanted,
    before: Option<AlertId>,
    limit: u32,
) -> Result<Vec<Alert>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Vec::new()) };
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    // An account stands in its alert by its id.
    let account = match wanted.search.contains('@') {
        true => principals::account_by_email(tx, &wanted.search)?,
        false => None,
    };
    let search = account.map_or_else(|| wanted.search.clone(), |account| account.id.to_string());
    let escaped: String = search
        .chars()
        .flat_map(|c| if matches!(c, '%' | '_' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    let row = params![
        provider.id,
        before,
        wanted.state.as_str(),
        wanted.severity.as_str(),
        wanted.kind.as_str(),
        format!("%{escaped}%"),
        limit
    ];
    tx.list(&sql::LIST, row, read_alert)
}

/// How many there are to work on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub open: u64,
    pub acknowledged: u64,
    /// Of both, those that are high or critical.
    pub grave: u64,
}

pub fn standing(tx: &mut ReadTx) -> Result<Standing, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Standing::default()) };
    let Some(row) = tx.first(&sql::STANDING, params![provider.id])? else { return Ok(Standing::default()) };
    Ok(Standing { open: row.get(0)?, acknowledged: row.get(1)?, grave: row.get(2)? })
}

/// One of the other end with how far somebody got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub other: String,
    pub outcome: Outcome,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Who or what was tried, those first who got farthest.
pub fn sightings(tx: &mut ReadTx, alert: &Alert) -> Result<Vec<Seen>, DbError> {
    tx.list(&sql::SIGHTINGS, params![alert.organization, alert.id], |row| {
        Ok(Seen {
            other: row.get(0)?,
            outcome: row.parse(1, Outcome::parse)?,
            first_at: row.get(2)?,
            last_at: row.get(3)?,
        })
    })
}

/// Tries in each five minutes, oldest first.
pub fn slots(tx: &mut ReadTx, alert: &Alert) -> Result<Vec<(Timestamp, u64)>, DbError> {
    let mut slots = tx.list(&sql::SLOTS, params![alert.organization, alert.id, SLOTS_SHOWN], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    slots.reverse();
    Ok(slots)
}

/// What happened to an alert, newest first.
pub fn history(tx: &mut ReadTx, alert: &Alert) -> Result<Vec<StoredEvent>, DbError> {
    events::about(tx, alert.organization, "alert", &alert.id.to_string(), HISTORY_SHOWN)
}

/// The account behind a subject or another end, where it is one: its address as people know it.
pub fn name_of(tx: &mut ReadTx, text: &str) -> Result<String, DbError> {
    let Ok(id) = text.parse::<AccountId>() else { return Ok(text.to_owned()) };
    Ok(principals::account(tx, id)?.map_or_else(|| text.to_owned(), |account| account.email))
}

/// How a change of an alert ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    Done(Box<Alert>),
    /// It is so already.
    Unchanged(Box<Alert>),
    NoSuchAlert,
    /// It is resolved: nothing further is decided about it, unless it goes on.
    Resolved,
    /// They are no owner or admin of the provider.
    NoSuchStaff,
}

/// Says that somebody looks at it.
pub fn acknowledge(ctx: &Ctx, tx: &mut Tx, id: AlertId, by: &str) -> Result<Commit<Changed>, DbError> {
    let Some(mut alert) = get_for_update(tx, id)? else { return Ok(Commit::unchanged(Changed::NoSuchAlert)) };
    match alert.state {
        State::Resolved => return Ok(Commit::unchanged(Changed::Resolved)),
        State::Acknowledged => return Ok(Commit::unchanged(Changed::Unchanged(Box::new(alert)))),
        State::Open => {}
    }
    tx.execute(&sql::ACKNOWLEDGE, params![alert.organization, id, by, ctx.now])?;
    alert.state = State::Acknowledged;
    alert.state_at = ctx.now;
    by.clone_into(&mut alert.state_by);
    let recorded = tx.record(alert.event("alert.acknowledged"));
    Ok(Commit::changed(Changed::Done(Box::new(alert)), recorded))
}

/// Says what it was.
pub fn resolve(
    ctx: &Ctx,
    tx: &mut Tx,
    id: AlertId,
    by: &str,
    (verdict, note): (Verdict, &str),
) -> Result<Commit<Changed>, DbError> {
    let Some(mut alert) = get_for_update(tx, id)? else { return Ok(Commit::unchanged(Changed::NoSuchAlert)) };
    if alert.state == State::Resolved {
        return Ok(Commit::unchanged(Changed::Resolved));
    }
    tx.execute(&sql::RESOLVE, params![alert.organization, id, verdict.as_str(), note, by, ctx.now])?;
    alert.state = State::Resolved;
    alert.state_at = ctx.now;
    alert.verdict = Some(verdict);
    by.clone_into(&mut alert.state_by);
    note.clone_into(&mut alert.note);
    let event = alert.event("alert.resolved").with("verdict", verdict.as_str());
    let recorded = tx.record(event);
    Ok(Commit::changed(Changed::Done(Box::new(alert)), recorded))
}

/// Gives the alert to one of the provider's owners and admins, or to nobody. Who gets it is told, unless they took it.
pub fn assign(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    id: AlertId,
    to: Option<AccountId>,
) -> Result<Commit<Changed>, DbError> {
    let Some(mut alert) = get_for_update(tx, id)? else { return Ok(Commit::unchanged(Changed::NoSuchAlert)) };
    if alert.state == State::Resolved {
        return Ok(Commit::unchanged(Changed::Resolved));
    }
    let staff = users::support::staff(tx)?;
    let found = to.and_then(|account| staff.into_iter().find(|one| one.account == account));
    if to.is_some() && found.is_none() {
        return Ok(Commit::unchanged(Changed::NoSuchStaff));
    }
    if alert.assigned_to == to {
        return Ok(Commit::unchanged(Changed::Unchanged(Box::new(alert))));
    }
    tx.execute(&sql::ASSIGN, params![alert.organization, id, to])?;
    alert.assigned_to = to;
    alert.assignee = found.as_ref().map(|one| one.name.clone()).unwrap_or_default();
    if let Some(one) = found.filter(|one| ctx.actor.account() != Some(one.account)) {
        alert_notices::to_assignee(app, ctx, tx, &alert, &one.email)?;
    }
    let mut event = alert.event("alert.assigned");
    if let Some(account) = to {
        event = event.with("account", account);
    }
    let recorded = tx.record(event);
    Ok(Commit::changed(Changed::Done(Box::new(alert)), recorded))
}
