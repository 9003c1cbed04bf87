//! Enforced single sign-on: where a policy says so, only an identity provider signs people in.
//!
//! It binds whom an organization can speak for: members whose address is at a domain that it has verified. For others its
//! policy says nothing here, or a stranger could lock somebody out of everything by making them a member; it can ask them
//! for stronger factors. A domain has one holder, so at most one organization binds somebody.
//!
//! Asked before every session that starts, and of running ones within a minute of their use. Break-glass lifts it
//! ([`crate::break_glass`]), since the policies are asked first what they say. A policy that enforces it can only be
//! decided where a connection works, by somebody who has come through it themselves.

use std::time::Duration;

use platform::Ctx;
use platform::db::{DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};

use super::{Connection, ConnectionId, sql};
use crate::policies;
use crate::sessions::{self, Method, SessionId};

/// How long ago somebody may have come through a connection to show that it works for them.
const SHOWN_FOR: Duration = DAY;

/// What an organization insists on for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    pub organization: OrganizationId,
    /// `None`: any of its connections.
    pub connection: Option<ConnectionId>,
}

impl Enforced {
    fn takes(self, through: Option<(OrganizationId, ConnectionId)>) -> bool {
        through.is_some_and(|(organization, connection)| {
            organization == self.organization && self.connection.is_none_or(|wanted| wanted == connection)
        })
    }
}

/// Who insists that this person comes through an identity provider.
pub fn enforced(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Vec<Enforced>, DbError> {
    let all = policies::contributions(tx, account, now)?;
    let binding = all.into_iter().filter(|one| one.rules.single_sign_on && !one.person.outside);
    Ok(binding
        .map(|one| Enforced {
            organization: one.organization,
            connection: one.rules.single_sign_on_connection,
        })
        .collect())
}

/// How many people of an organization it lets in through an identity provider alone: as [`enforced`] says of each.
pub fn count(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<u64, DbError> {
    let all = policies::landscape(tx, organization)?;
    let insists = all.policies.iter().any(|policy| {
        policy.rules.single_sign_on
            || policy.staged.as_ref().is_some_and(|staged| staged.rules.single_sign_on)
    });
    if !insists {
        return Ok(0);
    }
    let lifted = crate::break_glass::lifted(tx, organization, now)?;
    let (mut bound, mut after) = (0, String::new());
    while let Some((until, places)) = policies::places(tx, organization, &after)? {
        let binds = places.iter().filter(|place| {
            !place.outside && all.rules_for(place).single_sign_on && !lifted.contains(&place.account)
        });
        bound += u64::try_from(binds.count()).unwrap_or(u64::MAX);
        after = until;
    }
    Ok(bound)
}

/// Whether a sign-in that came this way (`None`: here, without a provider) is barred for this person.
pub fn bars(
    tx: &mut ReadTx,
    account: AccountId,
    through: Option<(OrganizationId, ConnectionId)>,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(enforced(tx, account, now)?.into_iter().any(|one| !one.takes(through)))
}

/// The event of a proof that was right and not enough.
pub(crate) fn barred(provider: OrganizationId, account: AccountId, method: Method) -> Event {
    Event::new(provider, "sign_in.barred")
        .target("account", account)
        .with("reason", "single_sign_on")
        .with("method", method.as_str())
}

/// Why a policy that enforces single sign-on cannot be decided now, if it cannot.
pub(crate) fn cannot_enforce(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    connection: Option<ConnectionId>,
    actor: Option<AccountId>,
) -> Result<Option<&'static str>, DbError> {
    if tx.first(&sql::WORKING, params![organization, connection])?.is_none() {
        return Ok(Some(
            "nobody has signed in through an active connection yet: connect an identity provider and sign in through it first",
        ));
    }
    let Some(actor) = actor else { return Ok(None) };
    let come: Option<Timestamp> = tx.scalar(&sql::HAS_COME, params![organization, actor, connection])?;
    if come.is_some_and(|at| ctx.now.since(at) <= SHOWN_FOR) {
        return Ok(None);
    }
    Ok(Some(
        "you have not come through the identity provider within a day, so this would lock you out: sign in through it first",
    ))
}

/// Policies of the organization that send their people to this connection and would have no other one, by name.
pub(crate) fn policies_that_need(
    tx: &mut ReadTx,
    organization: OrganizationId,
    connection: &Connection,
) -> Result<Vec<String>, DbError> {
    if !connection.active || connection.social.is_some() {
        return Ok(Vec::new());
    }
    let others = super::list(tx, organization)?
        .into_iter()
        .any(|one| one.id != connection.id && one.active && one.social.is_none());
    let mut names = Vec::new();
    for policy in policies::landscape(tx, organization)?.policies {
        let staged = policy.staged.iter().map(|staged| &staged.rules);
        let needs = std::iter::once(&policy.rules).chain(staged).any(|rules| {
            rules.single_sign_on
                && match rules.single_sign_on_connection {
                    Some(wanted) => wanted == connection.id,
                    None => !others,
                }
        });
        if needs {
            names.push(policy.name);
        }
    }
    Ok(names)
}

/// Ends this person's running sessions that came another way than a policy now asks for; gives how many.
pub(crate) fn end_others(ctx: &Ctx, tx: &mut Tx, account: AccountId) -> Result<u64, DbError> {
    let binding = enforced(tx, account, ctx.now)?;
    if binding.is_empty() {
        return Ok(0);
    }
    let mut ended = 0;
    for (id, through) in sessions::came_through(tx, account, ctx.now)? {
        if binding.iter().any(|one| !one.takes(through)) {
            let id: SessionId = id;
            ended += u64::from(sessions::revoke_with_grants(ctx, tx, account, id)?);
        }
    }
    Ok(ended)
}
