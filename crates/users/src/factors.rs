//! Factors: what somebody proves themselves with, and how much a proof is worth.
//!
//! Proofs form a **ladder** ([`Level`]). A policy names the rung it asks for; a session remembers the rung it reached;
//! whoever cannot reach it yet gets a session that can do nothing but enrol ([`crate::sessions::start`]).
//!
//! Promises: an account with a factor changes its factors only from a session that has proved one, of the rung that a
//! policy asks for where the account reaches it; the last factor
//! that a policy needs cannot be removed by its owner; an admin resets the factors of accounts that the organization
//! manages, no others, and the person is told.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Recorded, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::mail::{self, Message};
use platform::principals::{self, Account, MembershipState};
use platform::time::Timestamp;
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use crate::accounts::join;
use crate::passkeys::attestation::Makes;
use crate::passkeys::{self, Passkey, PasskeyId};
use crate::people::Authority;
use crate::sessions::{self, Method, SessionId};
use crate::{policies, recovery_codes, second_step, totp};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
pub(crate) mod tests;

/// A rung of the ladder; a higher one includes the lower ones.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Whatever signs in: a password alone, too.
    #[default]
    Any,
    /// Two factors: a password and a one-time code, or a passkey.
    Mfa,
    /// A passkey, which no imitated page can ask for.
    Passkey,
    /// A passkey whose authenticator proved its make, and the make is on the installation's list.
    AttestedPasskey,
}

impl Level {
    pub const ALL: [Level; 4] = [Self::Any, Self::Mfa, Self::Passkey, Self::AttestedPasskey];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Mfa => "mfa",
            Self::Passkey => "passkey",
            Self::AttestedPasskey => "attested_passkey",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// How a column keeps it, so that rungs compare there too.
    pub fn rank(self) -> i64 {
        Self::ALL.iter().position(|level| *level == self).and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
    }

    pub fn from_rank(rank: i64) -> Self {
        usize::try_from(rank).ok().and_then(|at| Self::ALL.get(at).copied()).unwrap_or_default()
    }

    /// For sentences and choices on pages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "a password alone",
            Self::Mfa => "two factors",
            Self::Passkey => "a passkey",
            Self::AttestedPasskey => "a passkey of a listed make",
        }
    }
}

/// The factors of one account beside its password.
pub struct State {
    pub totp_since: Option<Timestamp>,
    pub passkeys: Vec<Passkey>,
    pub recovery_codes_left: u64,
}

impl State {
    /// Recovery codes stand in for a factor and are none by themselves.
    pub fn any(&self) -> bool {
        self.totp_since.is_some() || !self.passkeys.is_empty()
    }

    /// The highest rung that the account can reach.
    pub fn reachable(&self, makes: &Makes) -> Level {
        let app = if self.totp_since.is_some() { Level::Mfa } else { Level::Any };
        self.passkeys.iter().map(|passkey| passkey.level(makes)).fold(app, Level::max)
    }
}

pub fn state(tx: &mut ReadTx, account: AccountId) -> Result<State, DbError> {
    Ok(State {
        totp_since: totp::confirmed_at(tx, account)?,
        passkeys: passkeys::list(tx, account)?,
        recovery_codes_left: recovery_codes::left(tx, account)?,
    })
}

/// The highest rung that an account can reach; `makes` as [`passkeys::makes`] gives them.
pub fn reachable_level(tx: &mut ReadTx, makes: &Makes, account: AccountId) -> Result<Level, DbError> {
    Ok(state(tx, account)?.reachable(makes))
}

/// Whether a sign-in of this account asks for a second step.
pub fn has_any(tx: &mut ReadTx, account: AccountId) -> Result<bool, DbError> {
    Ok(tx.first(&sql::HAS_ANY, platform::params![account])?.is_some())
}

/// Records a change of somebody's factors, and tells the organization that manages the account, whose matrix asks.
pub(crate) fn changed(
    tx: &mut Tx,
    account: &Account,
    event: Event,
    twin: &'static str,
) -> Result<Recorded, DbError> {
    let recorded = tx.record(event);
    if let Some(manager) = account.managed_by {
        let _recorded = tx.record(Event::new(manager, twin).target("account", account.id));
    }
    Ok(recorded)
}

/// Whether this session may change factors: it still stands, and where there are some, it must have proved one; and of
/// those, one of the rung that the policies ask for, as far as the account reaches it. Else the weaker factor would buy the
/// stronger one. The caller holds the account ([`principals::account_for_update`]).
pub fn may_change(
    app: &App,
    tx: &mut ReadTx,
    account: AccountId,
    session: Option<SessionId>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let standing = match session {
        Some(session) => sessions::standing(tx, account, session)?,
        None => None,
    };
    if !has_any(tx, account)? {
        return Ok(session.is_none() || standing.is_some());
    }
    let asked = policies::effective(tx, account, now)?.factor;
    let needed = reachable_level(tx, &passkeys::makes(app), account)?.min(asked).max(Level::Mfa);
    Ok(standing.is_some_and(|(level, _)| level >= needed))
}

/// Confirms an authenticator app by its first code. Gives recovery codes when there were none.
pub fn confirm_totp(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
    session: Option<SessionId>,
    typed: &str,
) -> Result<Commit<Option<Vec<String>>>, DbError> {
    if !totp::confirm(ctx, tx, app.keyring(), account.id, typed)? {
        return Ok(Commit::unchanged(None));
    }
    let event = Event::new(sessions::provider_id(tx)?, "factor.totp_enrolled").target("account", account.id);
    let recorded = changed(tx, account, event, "factor.enrolled")?;
    let codes = first_codes(app, ctx, tx, account)?;
    if let Some(session) = session {
        sessions::proved(ctx, tx, account, session, Method::Totp)?;
    }
    tell(app, ctx, tx, account, "An authenticator app was added to your account")?;
    Ok(Commit::changed(Some(codes), recorded))
}

/// Recovery codes for whoever enrols a first factor; nothing for the others.
pub(crate) fn first_codes(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
) -> Result<Vec<String>, DbError> {
    if recovery_codes::left(tx, account.id)? > 0 {
        return Ok(Vec::new());
    }
    Ok(make_codes(app, ctx, tx, account)?.0)
}

/// New recovery codes in place of the old.
pub fn make_codes(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
) -> Result<(Vec<String>, Recorded), DbError> {
    let codes = recovery_codes::regenerate(ctx, tx, app.keyring(), account.id)?;
    let event = Event::new(sessions::provider_id(tx)?, "factor.recovery_codes_made");
    let recorded = tx.record(event.target("account", account.id).with("codes", codes.len()));
    Ok((codes, recorded))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Totp,
    Passkey(PasskeyId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    Done,
    NoSuch,
    /// A policy asks for this rung, and nothing else that is enrolled reaches it.
    Needed(Level),
}

/// Removes one of one's own factors.
pub fn remove(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
    which: Which,
) -> Result<Commit<Removed>, DbError> {
    let makes = passkeys::makes(app);
    // What could never be reached keeps nothing: who is asked for it by a stranger may still clean up.
    let before = reachable_level(tx, &makes, account.id)?;
    let (gone, action, words) = match which {
        Which::Totp => {
            let confirmed = totp::confirmed_at(tx, account.id)?.is_some();
            let gone = totp::delete(tx, account.id)?;
            // One that was only shown is nothing to tell about; the next set-up replaces it.
            (gone && confirmed, "factor.totp_removed", "The authenticator app was removed from your account")
        }
        Which::Passkey(id) => (
            passkeys::delete(tx, account.id, id)?,
            "factor.passkey_removed",
            "A passkey was removed from your account",
        ),
    };
    if !gone {
        return Ok(Commit::unchanged(Removed::NoSuch));
    }
    let left = state(tx, account.id)?;
    let required = policies::required_level(tx, account, ctx.now)?.min(before);
    if left.reachable(&makes) < required {
        return Ok(Commit::unchanged(Removed::Needed(required)));
    }
    if !left.any() {
        recovery_codes::delete(tx, account.id)?;
    }
    let event = Event::new(sessions::provider_id(tx)?, action).target("account", account.id);
    let recorded = changed(tx, account, event, "factor.removed")?;
    tell(app, ctx, tx, account, words)?;
    Ok(Commit::changed(Removed::Done, recorded))
}

/// Tells somebody by mail what happened to their factors.
pub(crate) fn tell(app: &App, ctx: &Ctx, tx: &mut Tx, account: &Account, what: &str) -> Result<(), DbError> {
    let message = Message::text(
        &account.email,
        what,
        &format!(
            "{what}.\n\nThis is about your account at {}. If it was not you, look at your factors and devices now: {}\n\
             Then set a new password: {}\n",
            app.provider_name(),
            join(&app.config().public_url, "/account/factors"),
            join(&app.config().public_url, "/recover"),
        ),
    );
    mail::enqueue(app.keyring(), ctx, tx, None, &message)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    Done,
    NoSuchPerson,
    /// The account is the person's own or another organization's.
    NotManaged,
    /// Only an owner decides about owners.
    OwnersOnly,
    /// They run the installation; no organization decides about them.
    ProviderStaff,
    /// There is nothing to reset.
    Nothing,
}

/// Takes a member's factors away, for somebody who lost them. Their sessions end, and they are told.
pub fn reset(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    authority: Authority,
    account: AccountId,
) -> Result<Commit<Reset>, DbError> {
    let refuse = |why| Ok(Commit::unchanged(why));
    let Some(member) = principals::membership(tx, organization, account)? else {
        return refuse(Reset::NoSuchPerson);
    };
    let Some(person) = principals::account(tx, account)? else { return refuse(Reset::NoSuchPerson) };
    if person.managed_by != Some(organization) {
        return refuse(Reset::NotManaged);
    }
    if member.role == Role::Owner && !authority.over_owners {
        return refuse(Reset::OwnersOnly);
    }
    let provider = sessions::provider_id(tx)?;
    let staff = principals::membership(tx, provider, account)?
        .is_some_and(|staff| staff.state == MembershipState::Active && staff.role != Role::Member);
    if staff && organization != provider {
        return refuse(Reset::ProviderStaff);
    }
    reset_account(app, ctx, tx, &person)
}

/// Takes everything away, waiting sign-ins too; gives how much there was. The caller records it.
pub(crate) fn forget(tx: &mut Tx, account: AccountId) -> Result<u64, DbError> {
    second_step::forget(tx, account)?;
    let app = u64::from(totp::delete(tx, account)?);
    Ok(app + passkeys::delete_all(tx, account)? + recovery_codes::delete(tx, account)?)
}

/// The same for any account, by whoever runs the installation.
pub fn reset_account(app: &App, ctx: &Ctx, tx: &mut Tx, account: &Account) -> Result<Commit<Reset>, DbError> {
    principals::account_for_update(tx, account.id)?;
    if forget(tx, account.id)? == 0 {
        return Ok(Commit::unchanged(Reset::Nothing));
    }
    sessions::revoke_all(ctx, tx, account.id, None, "factors_reset")?;
    let event = Event::new(sessions::provider_id(tx)?, "factor.reset").target("account", account.id);
    let recorded = changed(tx, account, event, "factor.reset")?;
    tell(app, ctx, tx, account, "Your factors were reset by an administrator")?;
    Ok(Commit::changed(Reset::Done, recorded))
}
