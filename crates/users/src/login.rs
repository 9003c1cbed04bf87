//! Signing in with a password, or with a link that the operator made.
//!
//! Nothing a stranger can see tells an address with an account from one without: the same reads, a hash of the same
//! cost, one answer for every failure, throttles that count both alike.

use std::time::Duration;

use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::principals::{self, Account, AccountState};
use platform::web::guard::limits::network;
use platform::{App, Ctx};

use crate::accounts::email::EmailAddress;
use crate::links::{self, Purpose};
use crate::passwords::{Password, PasswordPool, PoolError, store};
use crate::policies::{self, Barred};
use crate::seams;
use crate::second_step::{self, Entered};
use crate::sessions::{self, Method};
use crate::single_sign_on::enforcement;
use crate::throttles::{self, Subject};
use crate::tokens::LinkToken;

pub(crate) mod api;
pub(crate) mod pages;
#[cfg(test)]
mod tests;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// How a try ended.
pub enum Outcome {
    /// The password is right: a session, or a sign-in that waits for its second step.
    Entered { entered: Entered, account: AccountId },
    /// Unknown address, wrong password, no password, not active: one answer for all.
    Wrong,
    /// Too many tries; the password was not looked at.
    Throttled { wait: Duration },
    /// The password was right, and the policies that this person is under do not let it sign in.
    Barred(Barred),
}

struct Known {
    provider: OrganizationId,
    account: Option<Account>,
    phc: Option<String>,
    refused: Option<Duration>,
}

/// How often a password is looked at again because another one was stored meanwhile.
const TRIES: usize = 3;

/// Checks a password; what follows depends on what the account has.
pub async fn sign_in(app: &App, ctx: &Ctx, email: &str, password: Password) -> Result<Outcome, Error> {
    let subject = subject_of(ctx, email);
    for _ in 0..TRIES {
        if let Some(outcome) = try_once(app, ctx, subject.clone(), password.clone()).await? {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Wrong)
}

pub(crate) fn subject_of(ctx: &Ctx, email: &str) -> Subject {
    Subject {
        // What is no address still costs the same and is counted.
        email: EmailAddress::parse(email).map_or_else(|_| "-".to_owned(), |email| email.key().to_owned()),
        network: network(ctx.origin.ip),
    }
}

/// `None`: the stored password changed while this one was looked at.
async fn try_once(
    app: &App,
    ctx: &Ctx,
    subject: Subject,
    password: Password,
) -> Result<Option<Outcome>, Error> {
    let known = look_up(app, ctx, subject.clone()).await?;
    if let Some(wait) = known.refused {
        refused(app, ctx, &known, &subject).await?;
        return Ok(Some(Outcome::Throttled { wait }));
    }
    let pool = app.service::<PasswordPool>();
    let usable = known.account.as_ref().is_some_and(|account| account.state == AccountState::Active);
    let (right, rehashed) = match known.phc.as_deref().filter(|_| usable) {
        Some(phc) => {
            let right = pool.verify(password.clone(), phc).await?;
            let renew = right && pool.needs_rehash(phc);
            (right, if renew { Some(pool.hash(password, &ctx.random_bytes()).await?) } else { None })
        }
        None => {
            pool.verify_dummy(password).await?;
            (false, None)
        }
    };
    match (known.account, right) {
        (Some(account), true) => {
            finish(app, ctx, known.provider, account.id, subject, known.phc, rehashed).await
        }
        (account, _) => {
            failed(app, ctx, known.provider, account.map(|account| account.id), subject).await?;
            Ok(Some(Outcome::Wrong))
        }
    }
}

async fn look_up(app: &App, ctx: &Ctx, subject: Subject) -> Result<Known, DbError> {
    let now = ctx.now;
    app.db()
        .look_up(move |tx| {
            let provider = sessions::provider_id(tx)?;
            let account = principals::account_by_email(tx, &subject.email)?;
            let id = account.as_ref().map(|account| account.id);
            let phc = match id {
                Some(id) => store::find(tx, id)?.map(|stored| stored.phc),
                None => None,
            };
            let refused = throttles::refuses(tx, &subject, id, now)?;
            Ok(Known { provider, account, phc, refused })
        })
        .await
}

async fn finish(
    app: &App,
    ctx: &Ctx,
    provider: OrganizationId,
    account: AccountId,
    subject: Subject,
    old: Option<String>,
    rehashed: Option<String>,
) -> Result<Option<Outcome>, Error> {
    let at = ctx.clone();
    let written = app
        .db()
        .write(ctx, move |tx| {
            let right = Right { provider, account, subject: &subject, old: old.as_deref() };
            enter(&at, tx, &right, rehashed.as_deref())
        })
        .await?;
    Ok(match written.value {
        Step::Entered(entered) => Some(Outcome::Entered { entered, account }),
        Step::Barred(barred) => Some(Outcome::Barred(barred)),
        Step::NotActive => Some(Outcome::Wrong),
        Step::ChangedMeanwhile => None,
    })
}

/// Somebody whose password was right.
pub struct Right<'a> {
    pub provider: OrganizationId,
    pub account: AccountId,
    pub subject: &'a Subject,
    /// The hash that it was right against.
    pub old: Option<&'a str>,
}

/// What a right password leads to.
pub enum Step {
    Entered(Entered),
    Barred(Barred),
    NotActive,
    /// Another password was stored meanwhile.
    ChangedMeanwhile,
}

/// Judges anew, with the account held, and starts what follows.
pub fn enter(
    ctx: &Ctx,
    tx: &mut Tx,
    right: &Right<'_>,
    rehashed: Option<&str>,
) -> Result<Commit<Step>, DbError> {
    let Right { provider, account, subject, old } = *right;
    // The state may have changed while the hash was computed.
    let Some(person) = principals::account_for_update(tx, account)? else {
        return Ok(Commit::unchanged(Step::NotActive));
    };
    if person.state != AccountState::Active && !seams::is_open(tx, seams::PASSWORD)? {
        return Ok(Commit::unchanged(Step::NotActive));
    }
    // So may the password: who knew the old one must not come in after it was changed.
    if store::find(tx, account)?.map(|stored| stored.phc).as_deref() != old {
        return Ok(Commit::unchanged(Step::ChangedMeanwhile));
    }
    throttles::succeeded(tx, subject, ctx.now)?;
    if let (Some(old), Some(new)) = (old, rehashed) {
        store::rehash(tx, account, old, new)?;
    }
    if let Some(barred) = policies::bars_password(tx, account, ctx.origin.ip, ctx.now)? {
        let event = failure(provider, Some(account), subject, "sign_in.barred");
        let recorded = tx.record(event.with("reason", barred.word()));
        return Ok(Commit::changed(Step::Barred(barred), recorded));
    }
    Ok(second_step::enter(ctx, tx, provider, &person, Method::Password)?.map(Step::Entered))
}

async fn failed(
    app: &App,
    ctx: &Ctx,
    provider: OrganizationId,
    account: Option<AccountId>,
    subject: Subject,
) -> Result<(), DbError> {
    let at = ctx.clone();
    app.db().write(ctx, move |tx| note_failure(&at, tx, provider, account, &subject)).await?;
    Ok(())
}

/// Counts and records a try with a wrong password.
pub fn note_failure(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: Option<AccountId>,
    subject: &Subject,
) -> Result<Commit<()>, DbError> {
    throttles::failed(tx, subject, ctx.now)?;
    let recorded = tx.record(failure(provider, account, subject, "sign_in.failed"));
    Ok(Commit::changed((), recorded))
}

/// A throttled try is recorded too: it is what a detector wants to see.
async fn refused(app: &App, ctx: &Ctx, known: &Known, subject: &Subject) -> Result<(), DbError> {
    let (provider, account) = (known.provider, known.account.as_ref().map(|account| account.id));
    let subject = subject.clone();
    app.db()
        .write(ctx, move |tx| {
            let recorded = tx.record(failure(provider, account, &subject, "sign_in.throttled"));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    Ok(())
}

fn failure(
    provider: OrganizationId,
    account: Option<AccountId>,
    subject: &Subject,
    action: &'static str,
) -> Event {
    Event::new(provider, action)
        .target("account", account.map(|id| id.to_string()).unwrap_or_default())
        .personal("email", &subject.email)
        .personal("network", &subject.network)
}

/// Makes a link that signs `account` in once. For people with a shell on the server, and the demo.
pub fn create_link(ctx: &Ctx, tx: &mut Tx, account: &Account) -> Result<Commit<LinkToken>, DbError> {
    let token = links::create(ctx, tx, Purpose::SignIn, Some(account.id), &account.email)?;
    let provider = sessions::provider_id(tx)?;
    let recorded = tx.record(Event::new(provider, "sign_in_link.created").target("account", account.id));
    Ok(Commit::changed(token, recorded))
}

/// Uses such a link up and goes on as after a password; `None` when it does not work any more.
pub fn use_link(ctx: &Ctx, tx: &mut Tx, token: &LinkToken) -> Result<Commit<Option<Entered>>, DbError> {
    let Some(link) = links::consume(tx, Purpose::SignIn, token, ctx.now)? else {
        return Ok(Commit::unchanged(None));
    };
    let account = match link.account {
        Some(id) => {
            principals::account_for_update(tx, id)?.filter(|account| account.state == AccountState::Active)
        }
        None => None,
    };
    let Some(account) = account else { return Ok(Commit::unchanged(None)) };
    let provider = sessions::provider_id(tx)?;
    if enforcement::bars(tx, account.id, None, ctx.now)? {
        let recorded = tx.record(enforcement::barred(provider, account.id, Method::Link));
        return Ok(Commit::changed(None, recorded));
    }
    Ok(second_step::enter(ctx, tx, provider, &account, Method::Link)?.map(Some))
}
