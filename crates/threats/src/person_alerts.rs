//! What an organization sees of alerts: which of its people were tried, how far somebody got, and how the provider judges it.
//!
//! Whose person somebody is: the organization's that manages the account; where none does, each's that they belong to. From
//! where the tries came is told only to who manages the account: to the others the network may be somebody's home.

use std::time::Duration;

use platform::Ctx;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::{AccountId, Id, OrganizationId};
use platform::params;
use platform::principals::{self, Account, MembershipState};
use platform::time::{MINUTE, Timestamp};

use crate::alerts::{Alert, Outcome, Sight, State, Verdict};
use crate::detectors;
use crate::guessing::End;

pub(crate) mod api;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

pub(crate) use sql::FORGET;

platform::id! {
    /// One person in one alert.
    PersonAlertId
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonAlert {
    pub id: PersonAlertId,
    pub account: AccountId,
    pub email: String,
    pub outcome: Outcome,
    /// Where all tries came from; empty: from several networks, or it is not the organization's to know.
    pub network: String,
    pub networks: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The detector's name.
    pub kind: String,
    /// Where the provider stands with it.
    pub state: State,
    pub verdict: Option<Verdict>,
    /// Whether they belong to the organization still.
    pub is_member: bool,
}

/// On PostgreSQL events come in the order of their commits, so one may say an earlier time than what was seen before it.
const LATE_MAX: Duration = MINUTE;

/// Adds what a detector saw since `since` to what the organizations of those people see.
pub(crate) fn keep(
    ctx: &Ctx,
    tx: &mut Tx,
    alert: &Alert,
    sights: &[Sight],
    since: Option<Timestamp>,
) -> Result<(), DbError> {
    match detectors::find(&alert.kind).map(|rule| rule.end) {
        Some(End::Network) => {
            let since = since.map(|since| since.minus(LATE_MAX));
            for sight in sights.iter().filter(|sight| since.is_none_or(|since| sight.at >= since)) {
                let seen =
                    Seen { outcome: sight.outcome, network: &alert.subject, networks: 1, at: sight.at };
                keep_one(ctx, tx, alert, &sight.other, &seen)?;
            }
        }
        Some(End::Account) => {
            let farthest = sights.iter().map(|sight| sight.outcome).max();
            let last = sights.iter().map(|sight| sight.at).max();
            if let (Some(outcome), Some(at)) = (farthest, last) {
                let seen = Seen { outcome, network: "", networks: sights.len(), at };
                keep_one(ctx, tx, alert, &alert.subject, &seen)?;
            }
        }
        None => {}
    }
    Ok(())
}

struct Seen<'s> {
    outcome: Outcome,
    network: &'s str,
    networks: usize,
    at: Timestamp,
}

/// `whom`: an account's id; what is none is nobody's person.
fn keep_one(ctx: &Ctx, tx: &mut Tx, alert: &Alert, whom: &str, seen: &Seen<'_>) -> Result<(), DbError> {
    let Ok(id) = whom.parse::<AccountId>() else { return Ok(()) };
    let Some(account) = principals::account(tx, id)? else { return Ok(()) };
    for organization in organizations(tx, &account)? {
        let network = if account.managed_by == Some(organization) { seen.network } else { "" };
        let row = params![
            organization,
            ctx.id::<PersonAlertId>(),
            alert.organization,
            alert.id,
            id,
            seen.outcome.as_str(),
            network,
            seen.networks,
            seen.at
        ];
        tx.execute(&sql::KEEP, row)?;
    }
    Ok(())
}

fn organizations(tx: &mut ReadTx, account: &Account) -> Result<Vec<OrganizationId>, DbError> {
    if let Some(organization) = account.managed_by {
        return Ok(vec![organization]);
    }
    let memberships = principals::memberships_of(tx, account.id)?;
    let active = memberships.into_iter().filter(|(_, one)| one.state == MembershipState::Active);
    Ok(active.map(|(organization, _)| organization.id).collect())
}

/// Which of them a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The alert's state; `live`: all but resolved ones; empty: all.
    pub state: String,
    /// How far somebody got, or empty.
    pub outcome: String,
}

/// The organization's people in alerts, the newest first; `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    wanted: &Wanted,
    before: Option<PersonAlertId>,
    limit: u32,
) -> Result<Vec<PersonAlert>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Vec::new()) };
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    let row =
        params![organization, provider.id, before, wanted.state.as_str(), wanted.outcome.as_str(), limit];
    tx.list(&sql::LIST, row, |row| {
        Ok(PersonAlert {
            id: row.get(0)?,
            account: row.get(1)?,
            email: row.get(2)?,
            outcome: row.parse(3, Outcome::parse)?,
            network: row.get(4)?,
            networks: row.get(5)?,
            first_at: row.get(6)?,
            last_at: row.get(7)?,
            kind: row.get(8)?,
            state: row.parse(9, State::parse)?,
            verdict: Verdict::parse(&row.get::<String>(10)?),
            is_member: row.get::<u64>(11)? > 0,
        })
    })
}
