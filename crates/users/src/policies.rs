//! Authentication policies: how the people of an organization prove themselves, and how long that lasts.
//!
//! An organization has one default policy. Until an admin decides it, the platform's recommendation is in force and
//! the matrix says that nobody has decided. Where somebody belongs to several organizations, **the strictest value of
//! each setting wins**. Deciding a policy shortens running sessions at once; password rules apply when a password is
//! next set, since a hash does not tell how long its password is. There is no forced rotation (NIST SP 800-63B-4
//! §3.1.1.2 advises against it).

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::params;
use platform::principals::Account;
use platform::time::{HOUR, MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

use crate::factors::Level;
use crate::passwords::strength::{Factors, PasswordRules};
use crate::sessions::SessionRules;

pub(crate) mod api;
pub(crate) mod evidence;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// The platform takes nothing weaker, whatever an organization decides.
pub const MIN_LENGTH_FLOOR: u16 = 8;
/// Without a second factor a password should be this long (NIST SP 800-63B-4); weaker is allowed and shown as a gap.
pub const MIN_LENGTH_RECOMMENDED: u16 = 15;
pub const MIN_SCORE_RECOMMENDED: u8 = 3;
const MIN_LENGTH_MAX: u16 = 64;
const SESSION_IDLE_MINUTES: std::ops::RangeInclusive<u32> = 5..=43_200;
const SESSION_ABSOLUTE_HOURS: std::ops::RangeInclusive<u32> = 1..=2160;

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Characters a new password needs at least.
    pub password_min_length: u16,
    /// How hard to guess it must be: 0 to 4, as zxcvbn scores.
    pub password_min_score: u8,
    /// How many earlier passwords may not come back; 0 turns it off.
    pub password_reuse_history: u8,
    /// A session unused for this long ends.
    pub session_idle_minutes: u32,
    /// A session ends after this long, however it is used.
    pub session_absolute_hours: u32,
}

impl Rules {
    /// In force until an organization decides.
    pub const RECOMMENDED: Rules = Rules {
        password_min_length: MIN_LENGTH_RECOMMENDED,
        password_min_score: MIN_SCORE_RECOMMENDED,
        password_reuse_history: 0,
        session_idle_minutes: 720,
        session_absolute_hours: 720,
    };

    /// What is out of bounds: the member's name and a sentence with the cure.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(MIN_LENGTH_FLOOR..=MIN_LENGTH_MAX).contains(&self.password_min_length) {
            wrong.push((
                "password_min_length",
                format!("the least length must be {MIN_LENGTH_FLOOR} to {MIN_LENGTH_MAX} characters"),
            ));
        }
        if self.password_min_score > 4 {
            wrong.push(("password_min_score", "the score must be 0 to 4".to_owned()));
        }
        if self.password_reuse_history > crate::passwords::strength::REUSE_HISTORY_MAX {
            let max = crate::passwords::strength::REUSE_HISTORY_MAX;
            wrong.push(("password_reuse_history", format!("at most {max} earlier passwords are kept")));
        }
        if !SESSION_IDLE_MINUTES.contains(&self.session_idle_minutes) {
            wrong.push(("session_idle_minutes", "the idle time must be 5 minutes to 30 days".to_owned()));
        }
        if !SESSION_ABSOLUTE_HOURS.contains(&self.session_absolute_hours) {
            wrong.push(("session_absolute_hours", "the session length must be 1 hour to 90 days".to_owned()));
        }
        wrong
    }

    /// Where it is weaker than recommended, in words.
    pub fn weaknesses(&self) -> Vec<String> {
        let mut weak = Vec::new();
        if self.password_min_length < MIN_LENGTH_RECOMMENDED {
            let length = self.password_min_length;
            weak.push(format!(
                "passwords of {length} characters are allowed, {MIN_LENGTH_RECOMMENDED} are recommended"
            ));
        }
        if self.password_min_score < MIN_SCORE_RECOMMENDED {
            let score = self.password_min_score;
            weak.push(format!(
                "a guessability score of {score} is enough, {MIN_SCORE_RECOMMENDED} is recommended"
            ));
        }
        weak
    }

    /// Each setting the stricter of the two.
    fn strictest(self, other: Rules) -> Rules {
        Rules {
            password_min_length: self.password_min_length.max(other.password_min_length),
            password_min_score: self.password_min_score.max(other.password_min_score),
            password_reuse_history: self.password_reuse_history.max(other.password_reuse_history),
            session_idle_minutes: self.session_idle_minutes.min(other.session_idle_minutes),
            session_absolute_hours: self.session_absolute_hours.min(other.session_absolute_hours),
        }
    }

    pub fn session(&self) -> SessionRules {
        SessionRules {
            idle: MINUTE * self.session_idle_minutes,
            absolute: HOUR * self.session_absolute_hours,
        }
    }

    fn password(&self) -> PasswordRules {
        PasswordRules {
            min_length: self.password_min_length,
            min_score: self.password_min_score,
            reuse_history: self.password_reuse_history,
            ..PasswordRules::floor(Factors::Multiple)
        }
    }
}

/// A decided policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// 0: nobody has decided.
    pub version: u64,
    pub rules: Rules,
    pub decided: Option<Decision>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub by: String,
    pub at: Timestamp,
}

fn read_rules(text: &str) -> Result<Rules, DbError> {
    serde_json::from_str(text).map_err(|_| DbError::Check("a stored policy is not readable".to_owned()))
}

/// The policy in force in an organization.
pub fn current(tx: &mut ReadTx, organization: OrganizationId) -> Result<Policy, DbError> {
    let Some(row) = tx.first(&sql::CURRENT, params![organization])? else {
        return Ok(Policy { version: 0, rules: Rules::RECOMMENDED, decided: None });
    };
    Ok(Policy {
        version: row.get(0)?,
        rules: read_rules(&row.get::<String>(1)?)?,
        decided: Some(Decision { by: row.get(2)?, at: row.get(3)? }),
    })
}

/// One organization's part in what applies to a person.
#[derive(Clone, Debug)]
pub struct Contribution {
    pub organization: OrganizationId,
    pub name: String,
    pub rules: Rules,
    pub decided: bool,
}

/// Which organizations set what for this person: those it is an active member of.
pub fn contributions(tx: &mut ReadTx, account: &Account) -> Result<Vec<Contribution>, DbError> {
    tx.query(&sql::CONTRIBUTIONS, params![account.id])?
        .iter()
        .map(|row| {
            let rules: Option<String> = row.get(2)?;
            Ok(Contribution {
                organization: row.get(0)?,
                name: row.get(1)?,
                decided: rules.is_some(),
                rules: rules.as_deref().map_or(Ok(Rules::RECOMMENDED), read_rules)?,
            })
        })
        .collect()
}

/// The strictest of everything that applies to this person.
pub fn effective(tx: &mut ReadTx, account: &Account) -> Result<Rules, DbError> {
    let all = contributions(tx, account)?;
    Ok(all.iter().map(|one| one.rules).reduce(Rules::strictest).unwrap_or(Rules::RECOMMENDED))
}

pub fn session_rules(tx: &mut ReadTx, account: &Account) -> Result<SessionRules, DbError> {
    Ok(effective(tx, account)?.session())
}

/// What a sign-in of this person must reach. No setting asks for more than a password yet.
pub fn required_level(_: &mut ReadTx, _: &Account) -> Result<Level, DbError> {
    Ok(Level::Any)
}

/// How recent a proof must be for acts that change credentials and policies.
pub fn step_up_window(_: &mut ReadTx, _: &Account) -> Result<Duration, DbError> {
    Ok(crate::sessions::RECENT)
}

/// `None`: somebody who has no account yet.
pub fn password_rules(tx: &mut ReadTx, account: Option<&Account>) -> Result<PasswordRules, DbError> {
    let rules = match account {
        Some(account) => effective(tx, account)?,
        None => Rules::RECOMMENDED,
    };
    Ok(rules.password())
}

/// What a decision would do, counted before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DryRun {
    /// Sessions of members that end at once.
    pub sessions_ending: u64,
    /// Sessions of members that will end earlier than they would have.
    pub sessions_shortened: u64,
    /// Members for whom the password rules change when they next set a password.
    pub people: u64,
    /// Where it is weaker than recommended; the row USR-C7 becomes a gap.
    pub weaknesses: Vec<String>,
}

pub fn dry_run(
    tx: &mut ReadTx,
    organization: OrganizationId,
    rules: &Rules,
    now: Timestamp,
) -> Result<DryRun, DbError> {
    let session = rules.session();
    let counts = tx.first(
        &sql::SESSIONS_TOUCHED,
        params![organization, now, micros(session.idle), micros(session.absolute)],
    )?;
    let (ending, shortened) = match counts {
        Some(row) => (row.get::<Option<u64>>(0)?.unwrap_or(0), row.get::<Option<u64>>(1)?.unwrap_or(0)),
        None => (0, 0),
    };
    let people = platform::principals::count_members(tx, organization)?;
    Ok(DryRun {
        sessions_ending: ending,
        sessions_shortened: shortened.saturating_sub(ending),
        people,
        weaknesses: rules.weaknesses(),
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// How a decision ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    Done(Policy),
    /// Members out of bounds, by name.
    Refused(Vec<(&'static str, String)>),
    /// Somebody decided meanwhile; the caller looked at an older version.
    ChangedMeanwhile,
}

/// Puts `rules` in force. `seen` is the version the caller decided on.
pub fn decide(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    seen: Option<u64>,
    rules: Rules,
) -> Result<Commit<Decided>, DbError> {
    let wrong = rules.check();
    if !wrong.is_empty() {
        return Ok(Commit::unchanged(Decided::Refused(wrong)));
    }
    let now = current(tx, organization)?;
    if seen.is_some_and(|seen| seen != now.version) {
        return Ok(Commit::unchanged(Decided::ChangedMeanwhile));
    }
    put(ctx, tx, organization, by, now.version + 1, rules, "policy.decided")
}

fn put(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    version: u64,
    rules: Rules,
    action: &'static str,
) -> Result<Commit<Decided>, DbError> {
    let text = serde_json::to_string(&rules).map_err(|error| DbError::Check(error.to_string()))?;
    // Of two decisions on the same version the second finds the row taken.
    let rows = tx.execute(&sql::INSERT, params![organization, version, text.as_str(), by, ctx.now])?;
    if rows == 0 {
        return Ok(Commit::unchanged(Decided::ChangedMeanwhile));
    }
    let session = rules.session();
    let shortened = tx.execute(
        &sql::SHORTEN_SESSIONS,
        params![organization, micros(session.idle), micros(session.absolute)],
    )?;
    let event = Event::new(organization, action)
        .target("policy", version)
        .with("rules", &text)
        .with("sessions_shortened", shortened)
        .personal("by", by);
    let recorded = tx.record(event);
    let decided = Some(Decision { by: by.to_owned(), at: ctx.now });
    Ok(Commit::changed(Decided::Done(Policy { version, rules, decided }), recorded))
}

/// Puts the version before back in force, as a new version. `None` when there is none. Sessions that were shortened
/// stay so.
pub fn undo(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
) -> Result<Commit<Option<Decided>>, DbError> {
    let now = current(tx, organization)?;
    let before: Option<String> =
        tx.scalar(&sql::VERSION, params![organization, now.version.saturating_sub(1)])?;
    let Some(before) = before.filter(|_| now.version > 1) else {
        return Ok(Commit::unchanged(None));
    };
    let rules = read_rules(&before)?;
    Ok(put(ctx, tx, organization, by, now.version + 1, rules, "policy.undone")?.map(Some))
}
