//! Recovery: a new password for somebody who lost theirs, by a mailed link. One user, one purpose, one use.

use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::AccountId;
use platform::jobs::NewJob;
use platform::mail::{self, Message};
use platform::principals::{self, Account, AccountState};
use platform::time::HOUR;
use platform::{App, Ctx};

use crate::accounts::email::EmailAddress;
use crate::accounts::{join, notice};
use crate::links::{self, Purpose};
use crate::passwords::store;
use crate::second_step::{self, Entered};
use crate::sessions::{self, Method};
use crate::single_sign_on::enforcement;
use crate::tokens::LinkToken;

pub(crate) mod api;
pub(crate) mod jobs;
pub(crate) mod pages;
#[cfg(test)]
mod tests;

const MAILS_PER_HOUR_MAX: u64 = 5;

/// Asks for a link. The caller learns nothing about the address, not by time either: whatever it is, the same is written,
/// and a job looks at it afterwards.
pub fn request(ctx: &Ctx, tx: &mut Tx, email: &EmailAddress) -> Result<Commit<()>, DbError> {
    let provider = sessions::provider_id(tx)?;
    let job = NewJob { kind: jobs::SEND, organization: None, unique_key: None, run_at: ctx.now };
    platform::jobs::enqueue(ctx, tx, &job, &jobs::Asked { email: email.key().to_owned() })?;
    let recorded = tx.record(Event::new(provider, "recovery.requested").personal("email", email.key()));
    Ok(Commit::changed((), recorded))
}

/// Mails the link; only to an active account whose domain, if an organization lost it, is not frozen.
fn send(app: &App, ctx: &Ctx, tx: &mut Tx, email: &EmailAddress) -> Result<Commit<()>, DbError> {
    let provider = sessions::provider_id(tx)?;
    let account = principals::account_by_email(tx, email.key())?
        .filter(|account| account.state == AccountState::Active);
    let frozen = match &account {
        Some(account) => crate::domains::is_frozen(tx, account)?,
        None => false,
    };
    let many =
        links::made_since(tx, Purpose::Recovery, email.key(), ctx.now.minus(HOUR))? >= MAILS_PER_HOUR_MAX;
    let Some(account) = account.filter(|_| !frozen && !many) else { return Ok(Commit::unchanged(())) };
    if enforcement::bars(tx, account.id, None, ctx.now)? {
        return send_to_provider(app, ctx, tx, &account);
    }
    let token = links::create(ctx, tx, Purpose::Recovery, Some(account.id), &account.email)?;
    let link = join(&app.config().public_url, &format!("/recover/{}", token.text()));
    let message = Message::text(
        &account.email,
        "Set a new password",
        &format!(
            "Somebody, probably you, asked for a new password for your account at {}.\n\n\
             Open this link to set one. It works once, for one hour:\n{link}\n\n\
             If this was not you, ignore this mail: your password stays as it is.\n",
            app.provider_name()
        ),
    );
    mail::enqueue(app.keyring(), ctx, tx, None, &message)?;
    let recorded = tx.record(Event::new(provider, "recovery.mailed").target("account", account.id));
    Ok(Commit::changed((), recorded))
}

/// A password would open nothing: says where to sign in instead.
fn send_to_provider(app: &App, ctx: &Ctx, tx: &mut Tx, account: &Account) -> Result<Commit<()>, DbError> {
    let text = format!(
        "Somebody, probably you, asked for a new password for your account at {}.\n\n\
         Your organization signs its people in through its identity provider, so there is no password to set. \
         Sign in with your address and “Single sign-on”:\n{}\n\n\
         If this was not you, ignore this mail.\n",
        app.provider_name(),
        join(&app.config().public_url, "/sign-in"),
    );
    let message = Message::text(&account.email, "How to sign in", &text);
    mail::enqueue(app.keyring(), ctx, tx, None, &message)?;
    // Counts against the same limit, so that it cannot be used to flood the address.
    let _unused = links::create(ctx, tx, Purpose::Recovery, Some(account.id), &account.email)?;
    links::revoke(tx, Purpose::Recovery, &account.email, ctx.now)?;
    let provider = sessions::provider_id(tx)?;
    let event = Event::new(provider, "recovery.refused").target("account", account.id);
    let recorded = tx.record(event.with("reason", "single_sign_on"));
    Ok(Commit::changed((), recorded))
}

/// Takes away a password that somebody else knows: ends everything that it opened, and tells its owner how to set a new one.
/// `false`: the account has none.
pub fn require(app: &App, ctx: &Ctx, tx: &mut Tx, account: AccountId) -> Result<Commit<bool>, DbError> {
    let Some(account) = principals::account_for_update(tx, account)? else {
        return Ok(Commit::unchanged(false));
    };
    if !store::remove(tx, account.id)? {
        return Ok(Commit::unchanged(false));
    }
    sessions::revoke_all(ctx, tx, account.id, None, "password_known")?;
    let text = format!(
        "Somebody else seems to know the password of your account at {}, so it was taken away, and you were signed out \
         everywhere.\n\nAsk for a new one here:\n{}\n\nIf you use the old one elsewhere, change it there, too.\n",
        app.provider_name(),
        join(&app.config().public_url, "/recover"),
    );
    let message = Message::text(&account.email, "Set a new password", &text);
    mail::enqueue(app.keyring(), ctx, tx, None, &message)?;
    let provider = sessions::provider_id(tx)?;
    let recorded = tx.record(Event::new(provider, "password.withdrawn").target("account", account.id));
    Ok(Commit::changed(true, recorded))
}

pub enum Recovered {
    /// A link proves the mailbox, which is no second factor: where there is one, it is asked for.
    Done {
        account: AccountId,
        entered: Entered,
    },
    /// Only an identity provider signs this person in: no password was set.
    SingleSignOn,
    LinkDead,
}

/// Uses the link up: sets the password, ends every session and every other recovery link, goes on as after a
/// password.
pub fn finish(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    token: &LinkToken,
    phc: &str,
) -> Result<Commit<Recovered>, DbError> {
    let dead = || Ok(Commit::unchanged(Recovered::LinkDead));
    let Some(link) = links::find(tx, Purpose::Recovery, token, ctx.now)? else { return dead() };
    let Some(id) = link.account else { return dead() };
    let account = principals::account_for_update(tx, id)?;
    let Some(account) = account.filter(|account| account.state == AccountState::Active) else {
        return dead();
    };
    if account.email != link.email || crate::domains::is_frozen(tx, &account)? {
        return dead();
    }
    if links::consume(tx, Purpose::Recovery, token, ctx.now)?.is_none() {
        return dead();
    }
    let provider = sessions::provider_id(tx)?;
    if enforcement::bars(tx, id, None, ctx.now)? {
        let recorded = tx.record(enforcement::barred(provider, id, Method::Link));
        return Ok(Commit::changed(Recovered::SingleSignOn, recorded));
    }
    store::set(ctx, tx, id, phc)?;
    links::revoke(tx, Purpose::Recovery, &account.email, ctx.now)?;
    links::revoke(tx, Purpose::SignIn, &account.email, ctx.now)?;
    sessions::revoke_all(ctx, tx, id, None, "recovery")?;
    mail::enqueue(app.keyring(), ctx, tx, None, &notice(app, &account.email))?;
    let _recorded = tx.record(Event::new(provider, "password.recovered").target("account", id));
    let entered = second_step::enter(ctx, tx, provider, &account, Method::Link)?;
    Ok(entered.map(|entered| Recovered::Done { account: id, entered }))
}
