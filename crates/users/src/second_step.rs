//! The second step of a sign-in: after a right password (or a mailed link) somebody with a factor proves it.
//!
//! Promises: until then there is no session; the waiting sign-in is kept by the server, bound to the browser by its
//! cookie, ends after ten minutes, after five wrong tries, and with its first success. Wrong tries count for the
//! account across sign-ins, and when they are used up its owner is told that somebody knows the password. Nobody
//! learns before the password is right whether an account has factors.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Recorded, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, Account, AccountState};
use platform::time::{MINUTE, Timestamp};
use platform::web::guard::limits::network;
use platform::{App, Ctx};

use crate::factors::{self, State};
use crate::passkeys::{self, Assertion, Proved, RelyingParty};
use crate::policies::{self, NetworkRefusal};
use crate::sessions::{self, Method, Upstream};
use crate::single_sign_on::enforcement;
use crate::tokens::LinkToken;
use crate::{break_glass, recovery_codes, throttles, totp};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

const LIFETIME: Duration = Duration::from_secs(10 * MINUTE.as_secs());
const ATTEMPTS_MAX: u64 = 5;

/// What somebody got for their first proof.
#[derive(Clone)]
pub enum Entered {
    /// The cookie of a session; restricted where a policy asks for more.
    Session(LinkToken),
    /// The cookie of a sign-in that waits for its second step.
    Pending(LinkToken),
    /// The proof was right, and no sign-in is taken from this network.
    Barred(NetworkRefusal),
}

/// Who takes no sign-in of this person from here, recorded.
fn barred_here(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: AccountId,
    method: Method,
) -> Result<Option<(NetworkRefusal, Recorded)>, DbError> {
    let refusal = policies::sign_in_network(tx, account, ctx.origin.ip, ctx.now)?;
    Ok(refusal.map(|refusal| {
        let event = Event::new(provider, "sign_in.barred")
            .target("account", account)
            .with("reason", "network")
            .with("method", method.as_str())
            .personal("network", network(ctx.origin.ip));
        (refusal, tx.record(event))
    }))
}

/// Goes on after a first proof: with a session, or with the second step where the account has a factor. The caller holds
/// the account ([`principals::account_for_update`]).
pub fn enter(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: &Account,
    method: Method,
) -> Result<Commit<Entered>, DbError> {
    if let Some((refusal, recorded)) = barred_here(ctx, tx, provider, account.id, method)? {
        return Ok(Commit::changed(Entered::Barred(refusal), recorded));
    }
    // The door of break-glass: a factor that is lost or broken is what it is for.
    if !factors::has_any(tx, account.id)? || break_glass::lifts_second_step(tx, account.id, ctx.now)? {
        return Ok(sessions::start(ctx, tx, provider, account, method)?.map(Entered::Session));
    }
    wait(ctx, tx, provider, account, method, None)
}

/// Goes on after an identity provider has vouched for somebody. `enough`: its proof counts, and no other is asked for.
pub(crate) fn enter_through(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: &Account,
    method: Method,
    upstream: &Upstream,
    enough: bool,
) -> Result<Commit<Entered>, DbError> {
    if let Some((refusal, recorded)) = barred_here(ctx, tx, provider, account.id, method)? {
        return Ok(Commit::changed(Entered::Barred(refusal), recorded));
    }
    if enough || !factors::has_any(tx, account.id)? {
        let started = sessions::start_through(ctx, tx, provider, account, method, Some(upstream))?;
        return Ok(started.map(Entered::Session));
    }
    wait(ctx, tx, provider, account, method, Some(upstream))
}

fn wait(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: &Account,
    method: Method,
    upstream: Option<&Upstream>,
) -> Result<Commit<Entered>, DbError> {
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let expires = ctx.now.plus(LIFETIME);
    let row = params![
        token.hash(),
        account.id,
        ctx.now,
        expires,
        upstream.map(|one| one.connection),
        upstream.map(|one| one.subject.as_str()),
        upstream.and_then(|one| one.session.as_deref()),
        upstream.and_then(|one| one.name.as_deref())
    ];
    tx.execute(&sql::INSERT, row)?;
    let event = Event::new(provider, "sign_in.second_step_asked")
        .target("account", account.id)
        .with("method", method.as_str())
        .personal("network", network(ctx.origin.ip));
    let recorded = tx.record(event);
    Ok(Commit::changed(Entered::Pending(token), recorded))
}

/// Whose sign-in waits behind this cookie.
pub fn find(tx: &mut ReadTx, token: &LinkToken, now: Timestamp) -> Result<Option<Account>, DbError> {
    let found: Option<AccountId> = tx.scalar(&sql::FIND, params![token.hash(), now, ATTEMPTS_MAX])?;
    let Some(id) = found else { return Ok(None) };
    Ok(principals::account(tx, id)?.filter(|account| account.state == AccountState::Active))
}

/// What the owner of a waiting sign-in can prove.
pub fn choices(
    tx: &mut ReadTx,
    token: &LinkToken,
    now: Timestamp,
) -> Result<Option<(Account, State)>, DbError> {
    let Some(account) = find(tx, token, now)? else { return Ok(None) };
    let state = factors::state(tx, account.id)?;
    Ok(Some((account, state)))
}

/// A second factor as it was given.
#[derive(Clone)]
pub enum Given {
    Totp(String),
    RecoveryCode(String),
    /// With the cookie of the browser that asked for the challenge.
    Passkey {
        assertion: Assertion,
        binding: String,
    },
}

pub enum Outcome {
    SignedIn {
        session: LinkToken,
        account: AccountId,
    },
    Wrong,
    /// Right, and no sign-in is taken from this network.
    Barred(NetworkRefusal),
    /// Unknown, over, used up, or tried too often: the password is asked for again.
    Dead,
    Throttled(Duration),
}

/// Judges a second factor of `account`: the method that it proves, or `None`.
pub(crate) fn judge(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
    given: &Given,
) -> Result<Option<Method>, DbError> {
    let keyring = app.keyring();
    Ok(match given {
        Given::Totp(typed) => totp::accept(ctx, tx, keyring, account.id, typed)?.then_some(Method::Totp),
        Given::RecoveryCode(typed) => {
            let right = recovery_codes::accept(ctx, tx, keyring, account.id, typed)?;
            if right {
                used_code(app, ctx, tx, account)?;
            }
            right.then_some(Method::RecoveryCode)
        }
        Given::Passkey { assertion, binding } => {
            match passkeys::prove(&RelyingParty::of(app), ctx, tx, binding, assertion)? {
                Proved::Right { account: proved, method } if proved.id == account.id => Some(method),
                Proved::Right { .. } | Proved::Wrong { .. } => None,
            }
        }
    })
}

fn used_code(app: &App, ctx: &Ctx, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
    let left = recovery_codes::left(tx, account.id)?;
    let event = Event::new(sessions::provider_id(tx)?, "factor.recovery_code_used");
    let _recorded = tx.record(event.target("account", account.id).with("left", left));
    let what = format!("A recovery code was used; {left} are left");
    factors::tell(app, ctx, tx, account, &what)
}

/// Counts and records a wrong second factor; tells the owner when the tries of this quarter of an hour are used up.
pub(crate) fn failed(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
    told: &str,
) -> Result<Recorded, DbError> {
    let last = throttles::failed_second(tx, account.id, ctx.now)?;
    if last {
        factors::tell(app, ctx, tx, account, told)?;
    }
    let event = Event::new(sessions::provider_id(tx)?, "sign_in.second_step_failed")
        .target("account", account.id)
        .with("used_up", last)
        .personal("network", network(ctx.origin.ip));
    Ok(tx.record(event))
}

/// Finishes a waiting sign-in. Each try is counted before it is judged, one after the other for an account: of codes that
/// come at once no more are looked at than of codes that come in turn.
pub fn finish(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    token: &LinkToken,
    given: &Given,
) -> Result<Commit<Outcome>, DbError> {
    let dead = || Ok(Commit::unchanged(Outcome::Dead));
    let Some(account) = find(tx, token, ctx.now)? else { return dead() };
    let account = principals::account_for_update(tx, account.id)?;
    let Some(account) = account.filter(|account| account.state == AccountState::Active) else {
        return dead();
    };
    // Ended, used or tried too often meanwhile: there is nothing left to count.
    if tx.execute(&sql::TRY, params![token.hash(), ctx.now, ATTEMPTS_MAX])? != 1 {
        return dead();
    }
    if let Some(wait) = throttles::refuses_second(tx, account.id, ctx.now)? {
        return Ok(Commit::unchanged(Outcome::Throttled(wait)));
    }
    let Some(method) = judge(app, ctx, tx, &account, given)? else {
        let told = "Somebody seems to know your password";
        let recorded = failed(app, ctx, tx, &account, told)?;
        return Ok(Commit::changed(Outcome::Wrong, recorded));
    };
    // Of two right answers at once only one finds the sign-in unused.
    if tx.execute(&sql::CONSUME, params![token.hash(), ctx.now])? != 1 {
        return dead();
    }
    let provider = sessions::provider_id(tx)?;
    let upstream = match way(tx, token)? {
        Way::Here => None,
        Way::Through(organization, upstream) => Some((organization, upstream)),
        Way::Disabled => return dead(),
    };
    let through = upstream.as_ref().map(|(organization, upstream)| (*organization, upstream.connection));
    if enforcement::bars(tx, account.id, through, ctx.now)? {
        let recorded = tx.record(enforcement::barred(provider, account.id, method));
        return Ok(Commit::changed(Outcome::Dead, recorded));
    }
    if let Some((refusal, recorded)) = barred_here(ctx, tx, provider, account.id, method)? {
        return Ok(Commit::changed(Outcome::Barred(refusal), recorded));
    }
    let upstream = upstream.as_ref().map(|(_, upstream)| upstream);
    let started = sessions::start_through(ctx, tx, provider, &account, method, upstream)?;
    Ok(started.map(|session| Outcome::SignedIn { session, account: account.id }))
}

/// How a waiting sign-in came.
enum Way {
    Here,
    Through(OrganizationId, Upstream),
    /// Through a connection that is disabled by now.
    Disabled,
}

fn way(tx: &mut ReadTx, token: &LinkToken) -> Result<Way, DbError> {
    let Some(row) = tx.first(&sql::UPSTREAM, params![token.hash()])? else { return Ok(Way::Here) };
    if row.get::<String>(4)? != "active" {
        return Ok(Way::Disabled);
    }
    let upstream = Upstream {
        connection: row.get(0)?,
        subject: row.get(1)?,
        session: row.get(2)?,
        name: row.get(5)?,
        proved_at: None,
    };
    Ok(Way::Through(row.get(3)?, upstream))
}

/// How a sign-in with a passkey alone ended.
pub enum ByPasskey {
    SignedIn {
        session: LinkToken,
        account: AccountId,
    },
    /// Right, and no sign-in is taken from this network.
    Barred(NetworkRefusal),
    Refused,
}

/// Signs in with a passkey alone: no address, no password.
pub fn by_passkey(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    assertion: &Assertion,
    binding: &str,
) -> Result<Commit<ByPasskey>, DbError> {
    let provider = sessions::provider_id(tx)?;
    match passkeys::prove(&RelyingParty::of(app), ctx, tx, binding, assertion)? {
        Proved::Right { account, method } => {
            if enforcement::bars(tx, account.id, None, ctx.now)? {
                let recorded = tx.record(enforcement::barred(provider, account.id, method));
                return Ok(Commit::changed(ByPasskey::Refused, recorded));
            }
            if let Some((refusal, recorded)) = barred_here(ctx, tx, provider, account.id, method)? {
                return Ok(Commit::changed(ByPasskey::Barred(refusal), recorded));
            }
            let started = sessions::start(ctx, tx, provider, &account, method)?;
            Ok(started.map(|session| ByPasskey::SignedIn { session, account: account.id }))
        }
        // A passkey that nobody has is noise; a known one that fails is worth a record.
        Proved::Wrong { account: None, .. } => Ok(Commit::unchanged(ByPasskey::Refused)),
        Proved::Wrong { account: Some(account), refusal } => {
            let event = Event::new(provider, "sign_in.failed").target("account", account);
            let event = event.personal("network", network(ctx.origin.ip));
            let recorded = tx.record(event.with("step", "passkey").with("reason", refusal));
            Ok(Commit::changed(ByPasskey::Refused, recorded))
        }
    }
}

/// Ends what waits for this account.
pub(crate) fn forget(tx: &mut Tx, account: AccountId) -> Result<u64, DbError> {
    tx.execute(&sql::FORGET, params![account])
}

pub(crate) fn clean(tx: &mut Tx, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::CLEAN, params![now])
}
