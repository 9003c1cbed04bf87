//! What the provider promises: targets by severity, the desk's hours, where its mail goes; and what each organization
//! chose about its members.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

use super::hours::{self, Hours};
use super::{Severity, sql};

/// 30 days.
pub const TARGET_MINUTES_MAX: u32 = 30 * 24 * 60;

/// Within how many minutes the provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SupportTarget)]
pub struct Target {
    /// After a ticket was opened.
    #[schema(example = 60)]
    pub first_minutes: u32,
    /// After each further message, and after an answer that leaves something open.
    #[schema(example = 120)]
    pub next_minutes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SupportSettings)]
pub struct Settings {
    pub urgent: Target,
    pub high: Target,
    pub normal: Target,
    pub low: Target,
    /// When clocks run; null: around the clock.
    pub hours: Option<Hours>,
    /// Who is told of what no one is assigned to; empty: the provider's owners and admins.
    #[serde(default)]
    pub mail_to: String,
}

const fn target(first_hours: u32, next_hours: u32) -> Target {
    Target { first_minutes: first_hours * 60, next_minutes: next_hours * 60 }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            urgent: target(1, 2),
            high: target(4, 8),
            normal: target(24, 48),
            low: target(72, 120),
            hours: None,
            mail_to: String::new(),
        }
    }
}

/// From when to when the provider owes an answer, and when it is warned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub at: Timestamp,
    pub near: Timestamp,
    pub due: Timestamp,
}

impl Settings {
    pub fn target(&self, severity: Severity) -> Target {
        match severity {
            Severity::Urgent => self.urgent,
            Severity::High => self.high,
            Severity::Normal => self.normal,
            Severity::Low => self.low,
        }
    }

    /// A clock that starts at `at`; three quarters of it are over when the desk is warned.
    pub(super) fn clock(&self, at: Timestamp, minutes: u32) -> Clock {
        let end = |work| hours::end(self.hours.as_ref(), at, work);
        Clock { at, near: end(MINUTE * minutes * 3 / 4), due: end(MINUTE * minutes) }
    }

    /// What is wrong, with the field.
    pub fn check(&self) -> Result<(), (String, String)> {
        for severity in Severity::ALL {
            let target = self.target(severity);
            for (name, minutes) in
                [("first_minutes", target.first_minutes), ("next_minutes", target.next_minutes)]
            {
                if !(1..=TARGET_MINUTES_MAX).contains(&minutes) {
                    let why = format!("`{minutes}` minutes is no target: use 1 to {TARGET_MINUTES_MAX}");
                    return Err((format!("{}.{name}", severity.as_str()), why));
                }
            }
        }
        if let Some(hours) = &self.hours {
            hours.check().map_err(|(field, why)| (format!("hours.{field}"), why))?;
        }
        let address = !self.mail_to.contains(['<', ' ']) && platform::mail::is_mailbox(&self.mail_to);
        if !self.mail_to.is_empty() && !address {
            return Err(("mail_to".to_owned(), format!("`{}` is no mail address", self.mail_to)));
        }
        Ok(())
    }
}

/// The desk with who changed it last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desk {
    pub settings: Settings,
    pub changed: Option<(String, Timestamp)>,
}

pub fn desk(tx: &mut ReadTx) -> Result<Desk, DbError> {
    let Some(row) = tx.first(&sql::DESK, &[])? else { return Ok(Desk::default()) };
    let text: String = row.get(0)?;
    let settings = serde_json::from_str(&text)
        .map_err(|error| DbError::Check(format!("the settings of the desk are not readable: {error}")))?;
    Ok(Desk { settings, changed: Some((row.get(1)?, row.get(2)?)) })
}

/// Changes the desk. Clocks that run keep the promise under which they began.
pub fn change(ctx: &Ctx, tx: &mut Tx, by: &str, settings: &Settings) -> Result<Commit<bool>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Commit::unchanged(false)) };
    let before = desk(tx)?.settings;
    let text = serde_json::to_string(settings).map_err(|error| DbError::Check(error.to_string()))?;
    tx.execute(&sql::SET_DESK, params![text, by, ctx.now])?;
    let mut event = Event::new(provider.id, "support.desk_changed")
        .with("around_the_clock", settings.hours.is_none())
        .with("mail_changed", settings.mail_to != before.mail_to);
    for (severity, name) in Severity::ALL.into_iter().zip(["urgent", "high", "normal", "low"]) {
        let target = settings.target(severity);
        event = event.with(name, format!("{}/{}", target.first_minutes, target.next_minutes));
    }
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Whether members without `support.manage` may open tickets.
pub fn members_may_open(tx: &mut ReadTx, organization: OrganizationId) -> Result<bool, DbError> {
    Ok(tx.scalar(&sql::CHOICE, params![organization])?.unwrap_or(false))
}

pub fn let_members_open(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    allowed: bool,
) -> Result<Commit<()>, DbError> {
    tx.execute(&sql::CHOOSE, params![organization, allowed, by, ctx.now])?;
    let event = Event::new(organization, "support.members_set").with("members_may_open", allowed);
    let recorded = tx.record(event);
    Ok(Commit::changed((), recorded))
}
