//! Sessions: how a browser stays signed in, on which devices, and how to end that.
//!
//! A session's cookie is a random token of 256 bits; the store keeps its SHA-256. It ends when it was idle for too
//! long, at its absolute end, when it is revoked, or when its account is no longer active: checked at every request.

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, Account, AccountState};
use platform::time::{DAY, HOUR, MINUTE, Timestamp};
use platform::web::guard::limits::network;

use crate::factors::Level;
use crate::single_sign_on::{ConnectionId, enforcement};
use crate::tokens::LinkToken;

pub(crate) mod api;
pub(crate) mod authenticate;
pub(crate) mod jobs;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub use authenticate::authenticator;

platform::id! {
    /// A session.
    SessionId
}

/// How long sessions last. The authentication policy sets them; these are the platform's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    pub idle: Duration,
    pub absolute: Duration,
}

impl SessionRules {
    pub const DEFAULT: SessionRules =
        SessionRules { idle: Duration::from_secs(12 * 3600), absolute: Duration::from_secs(30 * 86_400) };
}

/// The proof that decided: the second one, where two were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Password,
    Link,
    /// A one-time code, after a password or a mailed link.
    Totp,
    /// A recovery code, after a password or a mailed link.
    RecoveryCode,
    Passkey,
    /// A passkey whose make was proved and is on the list.
    AttestedPasskey,
    /// At the organization's identity provider.
    SingleSignOn,
    /// There, with two proofs.
    SingleSignOnMfa,
    /// With an account of a provider for everybody.
    Social,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Link => "link",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
            Self::AttestedPasskey => "attested_passkey",
            Self::SingleSignOn => "single_sign_on",
            Self::SingleSignOnMfa => "single_sign_on_mfa",
            Self::Social => "social",
        }
    }

    /// Authentication method references (RFC 8176), separated by spaces. A link, a recovery code and
    /// another provider's word have none of their own there.
    pub fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Link => "link",
            Self::Totp => "otp mfa",
            Self::RecoveryCode => "rc mfa",
            Self::Passkey => "swk user mfa",
            Self::AttestedPasskey => "hwk user mfa",
            Self::SingleSignOn | Self::Social => "fed",
            Self::SingleSignOnMfa => "fed mfa",
        }
    }

    pub fn level(self) -> Level {
        match self {
            Self::Password | Self::Link | Self::SingleSignOn | Self::Social => Level::Any,
            Self::Totp | Self::RecoveryCode | Self::SingleSignOnMfa => Level::Mfa,
            Self::Passkey => Level::Passkey,
            Self::AttestedPasskey => Level::AttestedPasskey,
        }
    }
}

/// Through which connection somebody came, and who they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub connection: ConnectionId,
    pub subject: String,
    /// The provider's name for its session.
    pub session: Option<String>,
    /// When they proved themselves there, where it says so: older than the session, if the provider knew them already.
    pub proved_at: Option<Timestamp>,
}

/// The reason of somebody who ends their sessions everywhere else.
pub(crate) const SIGNED_OUT: &str = "signed_out_everywhere";
/// How often the time of last use is written.
const SEEN_EVERY: Duration = MINUTE;
/// Expired sessions stay this long: they show which networks are familiar.
const KEPT: Duration = Duration::from_secs(90 * DAY.as_secs());

/// A signed-in browser as its owner sees it.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub method: String,
    pub network: String,
    pub user_agent: String,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    /// How it was proved, as RFC 8176 names it, separated by spaces.
    pub amr: String,
    pub level: Level,
    /// The last proof.
    pub auth_time: Timestamp,
}

fn read_session(row: &Row) -> Result<Session, DbError> {
    Ok(Session {
        id: row.get(0)?,
        method: row.get(1)?,
        network: row.get(2)?,
        user_agent: row.get(3)?,
        created_at: row.get(4)?,
        last_seen_at: row.get(5)?,
        expires_at: row.get(6)?,
        amr: row.get(7)?,
        level: Level::from_rank(row.get(8)?),
        auth_time: row.get(9)?,
    })
}

/// What the authenticator needs of a session, in one read.
#[derive(Clone)]
pub(crate) struct Live {
    pub id: SessionId,
    pub account: AccountId,
    pub name: String,
    pub email: String,
    pub seen_due: bool,
    pub idle: Duration,
    pub recent_until: Timestamp,
    pub restricted: bool,
    /// In any case.
    pub ends: Timestamp,
}

/// Starts a session and gives its token for the cookie. The caller has checked who it is.
pub fn start(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: &Account,
    method: Method,
) -> Result<Commit<LinkToken>, DbError> {
    start_through(ctx, tx, provider, account, method, None)
}

/// As [`start`], for somebody who came through a connection to an identity provider.
pub fn start_through(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: &Account,
    method: Method,
    upstream: Option<&Upstream>,
) -> Result<Commit<LinkToken>, DbError> {
    let effective = crate::policies::for_session(tx, account.id, ctx.now)?;
    // Whoever has yet to enrol what the managing organization asks for can do nothing but that.
    let restricted = method.level() < effective.session_factor;
    let rules = effective.rules;
    let window = micros(MINUTE * rules.step_up_minutes);
    let rules = rules.session();
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let id: SessionId = ctx.id();
    let expires = ctx.now.plus(rules.absolute);
    // A second step taken here is a proof of now, whatever the provider said.
    let of_provider = matches!(method, Method::SingleSignOn | Method::SingleSignOnMfa | Method::Social);
    let proved_at = upstream.and_then(|one| one.proved_at).filter(|_| of_provider);
    let proved_at = proved_at.unwrap_or(ctx.now).min(ctx.now);
    tx.execute(
        &sql::INSERT,
        params![
            id,
            account.id,
            token.hash(),
            method.as_str(),
            network(ctx.origin.ip),
            ctx.origin.user_agent.clone().unwrap_or_default(),
            ctx.now,
            ctx.now.plus(rules.idle).min(expires),
            expires,
            micros(rules.idle),
            method.amr(),
            method.level().rank(),
            window,
            restricted,
            proved_at,
            upstream.map(|one| one.connection),
            upstream.map(|one| one.subject.as_str()),
            upstream.and_then(|one| one.session.as_deref()),
        ],
    )?;
    let mut event = Event::new(provider, "session.started")
        .target("account", account.id)
        .with("session", id)
        .with("method", method.as_str())
        .with("level", method.level().as_str())
        .personal("network", network(ctx.origin.ip));
    if let Some(upstream) = upstream {
        event = event.with("connection", upstream.connection);
    }
    if let Some(agent) = &ctx.origin.user_agent {
        event = event.personal("user_agent", agent);
    }
    let recorded = tx.record(event);
    Ok(Commit::changed(token, recorded))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The session of this token, if it lives and its account is active.
pub(crate) fn find_live(tx: &mut ReadTx, token: &LinkToken, now: Timestamp) -> Result<Option<Live>, DbError> {
    let Some(row) = tx.first(&sql::LIVE, params![token.hash(), now])? else {
        return Ok(None);
    };
    let state = row.parse(4, AccountState::parse)?;
    if state != AccountState::Active && !crate::seams::is_open(tx, crate::seams::SESSION)? {
        return Ok(None);
    }
    let seen: Timestamp = row.get(5)?;
    let mut live = Live {
        id: row.get(0)?,
        account: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        seen_due: now.since(seen) >= SEEN_EVERY,
        idle: Duration::from_micros(row.get(6)?),
        recent_until: row.get(7)?,
        restricted: row.get(8)?,
        ends: row.get(10)?,
    };
    if live.seen_due {
        // Somebody may have come under other rules since: by a group, a stage of a roll-out, another organization.
        let effective = crate::policies::for_session(tx, live.account, now)?;
        let rules = effective.rules;
        let (created, proved): (Timestamp, Timestamp) = (row.get(9)?, row.get(12)?);
        live.ends = live.ends.min(created.plus(rules.session().absolute));
        live.idle = live.idle.min(rules.session().idle);
        live.recent_until = live.recent_until.min(proved.plus(MINUTE * rules.step_up_minutes));
        live.restricted = Level::from_rank(row.get(11)?) < effective.session_factor;
        if live.ends <= now || seen.plus(live.idle) <= now {
            return Ok(None);
        }
        let through = match (row.get::<Option<OrganizationId>>(13)?, row.get::<Option<ConnectionId>>(14)?) {
            (Some(organization), Some(connection)) => Some((organization, connection)),
            _ => None,
        };
        if rules.single_sign_on && enforcement::bars(tx, live.account, through, now)? {
            return Ok(None);
        }
    }
    Ok(Some(live))
}

/// What a running session has proved, and whether a policy asks for more; `None` when it has ended.
pub fn standing(
    tx: &mut ReadTx,
    account: AccountId,
    id: SessionId,
) -> Result<Option<(Level, bool)>, DbError> {
    let row = tx.first(&sql::STANDING, params![account, id])?;
    row.map(|row| Ok((Level::from_rank(row.get(0)?), row.get(1)?))).transpose()
}

/// Notes a later proof in a running session: it is recent again, and reaches what it proved.
pub fn proved(
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
    id: SessionId,
    method: Method,
) -> Result<Commit<bool>, DbError> {
    let Some((level, _)) = standing(tx, account.id, id)? else { return Ok(Commit::unchanged(false)) };
    let reached = level.max(method.level());
    let restricted = reached < crate::policies::session_factor(tx, account.id, ctx.now)?;
    let window = micros(crate::policies::step_up_window(tx, account, ctx.now)?);
    tx.execute(
        &sql::PROVED,
        params![
            account.id,
            id,
            method.as_str(),
            method.amr(),
            method.level().rank(),
            ctx.now,
            window,
            restricted
        ],
    )?;
    let event = Event::new(provider_id(tx)?, "session.confirmed")
        .target("account", account.id)
        .with("session", id)
        .with("method", method.as_str());
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Holds the running sessions of this account against what its policies ask for. The caller records the event.
pub fn recheck(tx: &mut Tx, account: AccountId, required: Level) -> Result<u64, DbError> {
    tx.execute(&sql::RECHECK, params![account, required.rank()])
}

/// Notes that a session is in use.
pub(crate) fn touch(tx: &mut Tx, live: &Live, now: Timestamp) -> Result<(), DbError> {
    let idle_ends = now.plus(live.idle).min(live.ends);
    tx.execute(&sql::TOUCH, params![live.id, now, idle_ends, live.ends, micros(live.idle), live.restricted])?;
    Ok(())
}

/// Live sessions of an account, the newest first.
pub fn list(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Vec<Session>, DbError> {
    tx.list(&sql::LIST, params![account, now], read_session)
}

/// Ends one session of this account; `false` when there is no such live one.
pub fn revoke(ctx: &Ctx, tx: &mut Tx, account: AccountId, id: SessionId) -> Result<Commit<bool>, DbError> {
    principals::account_for_update(tx, account)?;
    if tx.execute(&sql::REVOKE, params![account, id, ctx.now])? == 0 {
        return Ok(Commit::unchanged(false));
    }
    let provider = provider_id(tx)?;
    crate::openid_provider::logout::session_ended(ctx, tx, id)?;
    let event = Event::new(provider, "session.revoked").target("account", account).with("session", id);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// As [`revoke`], for a session that was made through a connection: what products hold from it ends, too, also what is
/// for offline use.
pub(crate) fn revoke_with_grants(
    ctx: &Ctx,
    tx: &mut Tx,
    account: AccountId,
    id: SessionId,
) -> Result<bool, DbError> {
    principals::account_for_update(tx, account)?;
    crate::openid_provider::grants::end_all_of_session(tx, id, ctx.now)?;
    Ok(*revoke(ctx, tx, account, id)?.value())
}

/// Live sessions of an account with the connection each came through, and whose that is; `None`: made here.
#[expect(clippy::type_complexity, reason = "a list of pairs, taken apart at once")]
pub(crate) fn came_through(
    tx: &mut ReadTx,
    account: AccountId,
    now: Timestamp,
) -> Result<Vec<(SessionId, Option<(OrganizationId, ConnectionId)>)>, DbError> {
    tx.list(&sql::CAME_THROUGH, params![account, now], |row| {
        let through = match (row.get::<Option<OrganizationId>>(1)?, row.get::<Option<ConnectionId>>(2)?) {
            (Some(organization), Some(connection)) => Some((organization, connection)),
            _ => None,
        };
        Ok((row.get(0)?, through))
    })
}

/// The connection that a live session was made through.
pub(crate) fn connection_of(tx: &mut ReadTx, id: SessionId) -> Result<Option<ConnectionId>, DbError> {
    Ok(tx.scalar::<Option<ConnectionId>>(&sql::CONNECTION_OF, params![id])?.flatten())
}

/// Ends every live session of this account but `except`, and what waits for a second step; gives how many sessions there
/// were.
pub fn revoke_all(
    ctx: &Ctx,
    tx: &mut Tx,
    account: AccountId,
    except: Option<SessionId>,
    reason: &'static str,
) -> Result<Commit<u64>, DbError> {
    // Whoever begins something for this account at this moment has done so, and it ends here, or waits and finds it ended.
    principals::account_for_update(tx, account)?;
    crate::second_step::forget(tx, account)?;
    let count = tx.execute(&sql::REVOKE_ALL, params![account, except, ctx.now])?;
    // Signing out leaves what is for offline use; whatever says that the account was in wrong hands does not.
    if reason != SIGNED_OUT {
        crate::openid_provider::grants::end_all_of_account(tx, account, reason, ctx.now)?;
    }
    crate::openid_provider::logout::sessions_ended(ctx, tx, account)?;
    if count == 0 {
        return Ok(Commit::unchanged(0));
    }
    let provider = provider_id(tx)?;
    let event = Event::new(provider, "session.all_revoked")
        .target("account", account)
        .with("sessions", count)
        .with("reason", reason);
    let recorded = tx.record(event);
    Ok(Commit::changed(count, recorded))
}

/// Drops sessions that ended long ago.
pub fn clean(tx: &mut Tx, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::CLEAN, params![now.minus(KEPT)])
}

/// The provider's organization, in whose ledger events about people stand that belong to no customer.
pub(crate) fn provider_id(tx: &mut ReadTx) -> Result<OrganizationId, DbError> {
    match principals::provider(tx)? {
        Some(provider) => Ok(provider.id),
        None => Err(DbError::NotSetUp),
    }
}

/// An hour, for "recently signed in" checks of pages that change credentials.
pub const RECENT: Duration = HOUR;
