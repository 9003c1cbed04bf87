//! Plays: what to do about an alert, in order. Steps that the program can take are offered with what they would do, and
//! change what they say; the others are written down for people.
//!
//! The steps call the rules that everybody calls: ending sessions, taking a password away, writing to admins. What a step
//! did stands in the ledger beside the alert, with the rule's own events.

use std::collections::BTreeMap;

use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, Account};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};
use users::passwords::store;
use users::{recovery, sessions};

use crate::alerts::{self, Alert, AlertId, Outcome, State};
use crate::detectors;
use crate::guessing::{End, Rule};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// Why sessions end that a step ends.
const REASON: &str = "alert";
/// Admins of one organization who are written to.
const ADMINS_MAX: u32 = 20;

/// What the program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlertPlayStep)]
pub enum Step {
    /// Signs out, everywhere, those who were got into.
    EndSessions,
    /// Takes away passwords that whoever attacks knows; their owners set new ones by mail.
    TakePasswords,
    /// Writes to the admins of the organizations whose people were got into, or whose password is known.
    TellAdmins,
}

impl Step {
    pub const ALL: [Step; 3] = [Self::EndSessions, Self::TakePasswords, Self::TellAdmins];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndSessions => "end_sessions",
            Self::TakePasswords => "take_passwords",
            Self::TellAdmins => "tell_admins",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::EndSessions => "End the sessions",
            Self::TakePasswords => "Take the passwords away",
            Self::TellAdmins => "Tell the organizations’ admins",
        }
    }
}

/// One step of a play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// With what it would do now, one line each; none: it would change nothing.
    Program { step: Step, would: Vec<String> },
    /// For people.
    Written { title: &'static str, text: &'static str },
}

/// Whom the alert is about: got into, or their password is known to whoever tried.
struct Affected {
    account: Account,
    outcome: Outcome,
}

fn affected(tx: &mut ReadTx, alert: &Alert) -> Result<Vec<Affected>, DbError> {
    let mut found = Vec::new();
    let sightings = alerts::sightings(tx, alert)?;
    let mut add = |tx: &mut ReadTx, id: &str, outcome: Outcome| -> Result<(), DbError> {
        let Ok(id) = id.parse::<AccountId>() else { return Ok(()) };
        if let Some(account) = principals::account(tx, id)?.filter(|_| outcome > Outcome::Failed) {
            found.push(Affected { account, outcome });
        }
        Ok(())
    };
    match end_of(alert) {
        Some(End::Network) => {
            for seen in &sightings {
                add(tx, &seen.other, seen.outcome)?;
            }
        }
        Some(End::Account) => {
            let worst = sightings.iter().map(|seen| seen.outcome).max().unwrap_or(Outcome::Failed);
            add(tx, &alert.subject, worst)?;
        }
        None => {}
    }
    Ok(found)
}

fn end_of(alert: &Alert) -> Option<End> {
    detectors::find(&alert.kind).map(|rule: &Rule| rule.end)
}

/// The steps against this alert, in order, with what each would do now.
pub fn play(tx: &mut ReadTx, ctx: &Ctx, alert: &Alert) -> Result<Vec<Line>, DbError> {
    let affected = affected(tx, alert)?;
    let mut lines = Vec::new();
    for step in Step::ALL {
        let would = match step {
            Step::EndSessions => would_end(tx, ctx, &affected)?,
            Step::TakePasswords => would_take(tx, &affected)?,
            Step::TellAdmins => would_tell(tx, &affected)?,
        };
        lines.push(Line::Program { step, would });
    }
    lines.extend(written(end_of(alert)));
    Ok(lines)
}

fn written(end: Option<End>) -> Vec<Line> {
    let mut lines = Vec::new();
    if end == Some(End::Network) {
        lines.push(Line::Written {
            title: "Block the network in front of the server",
            text: "The throttles slow a network down and never block it: an address may be a whole office. If the tries go \
                   on, block it at your proxy or firewall, and write down when to lift that.",
        });
        lines.push(Line::Written {
            title: "Write to whoever runs the network",
            text: "Its abuse contact stands in the registry of addresses (RDAP). Say from when to when, and how many tries.",
        });
    }
    if end == Some(End::Account) {
        lines.push(Line::Written {
            title: "Ask the account’s owner",
            text: "By telephone or in person, not by the mailbox that may be in other hands: which of these networks are theirs?",
        });
    }
    lines.push(Line::Written {
        title: "Look at the second factor",
        text: "Whoever was got into with a password alone is under a policy that asks for no second factor. Ask their \
               organization to change that.",
    });
    lines
}

fn would_end(tx: &mut ReadTx, ctx: &Ctx, affected: &[Affected]) -> Result<Vec<String>, DbError> {
    let mut would = Vec::new();
    for one in affected.iter().filter(|one| one.outcome == Outcome::Entered) {
        let count = sessions::list(tx, one.account.id, ctx.now)?.len();
        if count > 0 {
            would.push(format!(
                "{}: {count} {}",
                one.account.email,
                if count == 1 { "session" } else { "sessions" }
            ));
        }
    }
    Ok(would)
}

fn would_take(tx: &mut ReadTx, affected: &[Affected]) -> Result<Vec<String>, DbError> {
    let mut would = Vec::new();
    for one in affected {
        if store::find(tx, one.account.id)?.is_some() {
            would.push(one.account.email.clone());
        }
    }
    Ok(would)
}

/// The organizations that manage whom the alert is about; where nobody does, those they belong to.
fn organizations(
    tx: &mut ReadTx,
    affected: &[Affected],
) -> Result<BTreeMap<OrganizationId, (String, Vec<String>)>, DbError> {
    let mut found: BTreeMap<OrganizationId, (String, Vec<String>)> = BTreeMap::new();
    for one in affected {
        let of = match one.account.managed_by {
            Some(id) => principals::organization(tx, id)?.into_iter().collect(),
            None => {
                let memberships = principals::memberships_of(tx, one.account.id)?;
                memberships.into_iter().map(|(organization, _)| organization).collect::<Vec<_>>()
            }
        };
        for organization in of {
            let entry = found.entry(organization.id).or_insert_with(|| (organization.name, Vec::new()));
            entry.1.push(format!("{} ({})", one.account.email, one.outcome.label().to_lowercase()));
        }
    }
    Ok(found)
}

fn admins(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<String>, DbError> {
    tx.list(&sql::ADMINS, params![organization, ADMINS_MAX], |row| row.get(0))
}

fn would_tell(tx: &mut ReadTx, affected: &[Affected]) -> Result<Vec<String>, DbError> {
    let mut would = Vec::new();
    for (id, (name, people)) in organizations(tx, affected)? {
        let count = admins(tx, id)?.len();
        if count > 0 {
            let mails = if count == 1 { "one mail".to_owned() } else { format!("{count} mails") };
            would.push(format!("{name}: {mails} about {}", people.join(", ")));
        }
    }
    Ok(would)
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// How many accounts, or mails.
    Done(u64),
    /// There is nothing that it would change.
    Nothing,
    NoSuchAlert,
    /// Steps are taken while somebody works on it.
    Resolved,
}

/// Takes a step.
pub fn run(app: &App, ctx: &Ctx, tx: &mut Tx, id: AlertId, step: Step) -> Result<Commit<Ran>, DbError> {
    let Some(alert) = alerts::get_for_update(tx, id)? else {
        return Ok(Commit::unchanged(Ran::NoSuchAlert));
    };
    if alert.state == State::Resolved {
        return Ok(Commit::unchanged(Ran::Resolved));
    }
    let affected = affected(tx, &alert)?;
    let count = match step {
        Step::EndSessions => {
            let mut ended = 0;
            for one in affected.iter().filter(|one| one.outcome == Outcome::Entered) {
                ended += u64::from(*sessions::revoke_all(ctx, tx, one.account.id, None, REASON)?.value() > 0);
            }
            ended
        }
        Step::TakePasswords => {
            let mut taken = 0;
            for one in &affected {
                taken += u64::from(*recovery::require(app, ctx, tx, one.account.id)?.value());
            }
            taken
        }
        Step::TellAdmins => tell(app, ctx, tx, &alert, &affected)?,
    };
    if count == 0 {
        return Ok(Commit::unchanged(Ran::Nothing));
    }
    let event = alert.event("alert.step_taken").with("step", step.as_str()).with("count", count);
    let recorded = tx.record(event);
    Ok(Commit::changed(Ran::Done(count), recorded))
}

/// Writes to admins about their own people.
fn tell(app: &App, ctx: &Ctx, tx: &mut Tx, alert: &Alert, affected: &[Affected]) -> Result<u64, DbError> {
    let mut sent = 0;
    for (id, (name, people)) in organizations(tx, affected)? {
        let to = admins(tx, id)?;
        if to.is_empty() {
            continue;
        }
        let text = format!(
            "At {} somebody guessed passwords, and knows those of people of {name}:\n\n{}\n\nFirst seen: {}.\n\
             Ask them whether they signed in themselves, see that they set a new password, and look whether your policy \
             asks for a second factor.\n",
            app.provider_name(),
            people.join("\n"),
            alert.first_at.minute_words(),
        );
        let messages: Vec<Message> = to
            .iter()
            .map(|email| Message::text(email, "Somebody guessed passwords of your people", &text))
            .collect();
        mail::enqueue_many(app.keyring(), ctx, tx, Some(id), &messages)?;
        sent += u64::try_from(messages.len()).unwrap_or(u64::MAX);
        if id != alert.organization {
            let event = Event::new(id, "alert.organization_told").target("alert", alert.id);
            let _recorded = tx.record(event.with("kind", &alert.kind).with("accounts", people.len()));
        }
    }
    Ok(sent)
}
