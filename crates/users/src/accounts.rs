//! Accounts: signing up with proof of the address, one's own profile and password.
//!
//! An account comes to life only through a link that was mailed to its address. Before that nothing exists that an
//! attacker could have prepared, so there is nothing to hijack when the owner of the address arrives.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::mail::{self, Message};
use platform::principals::{self, Account, AccountState, Membership, MembershipSource, MembershipState};
use platform::time::HOUR;
use platform::web::guard::limits::network;
use platform::{App, Ctx};

use crate::factors;
use crate::links::{self, Purpose};
use crate::names::Name;
use crate::passwords::strength::{Context, Refusal};
use crate::passwords::{Password, PasswordPool, PoolError, breached, store};
use crate::sessions::{self, Method, SessionId};
use crate::single_sign_on::enforcement;
use crate::throttles::{self, Subject};
use crate::tokens::LinkToken;

pub(crate) mod api;
pub mod email;
pub(crate) mod pages;
#[cfg(test)]
mod tests;

use email::EmailAddress;

/// Mails that one address can be sent by strangers in an hour.
const MAILS_PER_HOUR_MAX: u64 = 5;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Asks for an account: mails a link to the address, whether or not it has an account. The answer to the caller is the
/// same in every case.
pub fn request_sign_up(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    email: &EmailAddress,
    next: &str,
) -> Result<Commit<()>, DbError> {
    let provider = sessions::provider_id(tx)?;
    if links::made_since(tx, Purpose::SignUp, email.key(), ctx.now.minus(HOUR))? >= MAILS_PER_HOUR_MAX {
        return Ok(Commit::unchanged(()));
    }
    let existing = principals::account_by_email(tx, email.key())?;
    let usable = existing.as_ref().filter(|account| account.state != AccountState::Unverified);
    let base = &app.config().public_url;
    let name = &app.provider_name();
    let message = if let Some(account) = usable {
        // Counts against the same limit, so that it cannot be used to flood the address.
        let _unused = links::create(ctx, tx, Purpose::SignUp, Some(account.id), email.key())?;
        links::revoke(tx, Purpose::SignUp, email.key(), ctx.now)?;
        Message::text(
            email.key(),
            &format!("You already have an account at {name}"),
            &format!(
                "Somebody, probably you, asked for an account with this address. You have one already.\n\n\
                 Sign in: {}\nForgot the password? {}\n\nIf this was not you, you need not do anything.\n",
                join(base, "/sign-in"),
                join(base, "/recover")
            ),
        )
    } else {
        let account = existing.as_ref().map(|account| account.id);
        let token = links::create(ctx, tx, Purpose::SignUp, account, email.key())?;
        let mut link = join(base, &format!("/sign-up/{}", token.text()));
        if next.starts_with('/') {
            link.push_str("?next=");
            link.extend(url::form_urlencoded::byte_serialize(next.as_bytes()));
        }
        Message::text(
            email.key(),
            &format!("Confirm your address for {name}"),
            &format!(
                "Somebody, probably you, asked for an account at {name} with this address.\n\n\
                 Open this link to choose a password. It works once, for 24 hours:\n{link}\n\n\
                 If this was not you, ignore this mail: no account is made.\n"
            ),
        )
    };
    mail::enqueue(app.keyring(), ctx, tx, None, &message)?;
    let recorded = tx.record(Event::new(provider, "sign_up.requested").personal("email", email.key()));
    Ok(Commit::changed((), recorded))
}

/// An absolute link; the base is the `public_url` setting, never a request's header.
pub fn join(base: &url::Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

/// What a person says of themselves at sign-up.
pub struct NewPerson {
    pub name: String,
    pub phc: String,
}

/// How the end of a sign-up went.
pub enum SignUp {
    Done {
        account: AccountId,
        session: LinkToken,
    },
    /// The account lives now, and its organization signs its people in through an identity provider.
    SingleSignOn,
    /// The link is unknown, used or expired.
    LinkDead,
}

/// Uses the mailed link up: makes the account (or brings an imported one to life) and signs it in.
pub fn finish_sign_up(
    ctx: &Ctx,
    tx: &mut Tx,
    token: &LinkToken,
    new: &NewPerson,
) -> Result<Commit<SignUp>, DbError> {
    let Some(link) = links::consume(tx, Purpose::SignUp, token, ctx.now)? else {
        return Ok(Commit::unchanged(SignUp::LinkDead));
    };
    let provider = sessions::provider_id(tx)?;
    let account = match principals::account_by_email(tx, &link.email)? {
        None => match create(ctx, tx, provider, &link.email, &new.name)? {
            Some(account) => account,
            // By the other of two links, a moment ago.
            None => return Ok(Commit::unchanged(SignUp::LinkDead)),
        },
        // Prepared for whoever had the mailbox before its domain was lost.
        Some(account) if crate::domains::is_frozen(tx, &account)? => {
            return Ok(Commit::unchanged(SignUp::LinkDead));
        }
        Some(account) if account.state == AccountState::Unverified => {
            activate(ctx, tx, provider, account, &new.name)?
        }
        // Made or activated meanwhile by another way: its owner signs in with what was set there.
        Some(_) => return Ok(Commit::unchanged(SignUp::LinkDead)),
    };
    store::set(ctx, tx, account.id, &new.phc)?;
    crate::claims::account_appeared(ctx, tx, &account)?;
    let id = account.id;
    if enforcement::bars(tx, id, None, ctx.now)? {
        let recorded = tx.record(enforcement::barred(provider, id, Method::Link));
        return Ok(Commit::changed(SignUp::SingleSignOn, recorded));
    }
    let started = sessions::start(ctx, tx, provider, &account, Method::Link)?;
    Ok(started.map(|session| SignUp::Done { account: id, session }))
}

/// Makes an active account, or `None` when the address has one. The caller vouches for the address.
pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    email: &str,
    name: &str,
) -> Result<Option<Account>, DbError> {
    let account = Account {
        id: ctx.id(),
        email: email.to_owned(),
        email_domain: email.rsplit('@').next().unwrap_or_default().to_owned(),
        name: name.to_owned(),
        state: AccountState::Active,
        managed_by: None,
        managed_since: None,
        created_at: ctx.now,
    };
    if !principals::insert_account(tx, &account)? {
        return Ok(None);
    }
    let event = Event::new(provider, "account.created").target("account", account.id);
    let _recorded = tx.record(event.personal("email", email).personal("name", name));
    Ok(Some(account))
}

/// Brings an account to life that an organization prepared: whatever credentials or sessions it had are gone.
fn activate(
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    account: Account,
    name: &str,
) -> Result<Account, DbError> {
    principals::account_for_update(tx, account.id)?;
    store::remove(tx, account.id)?;
    crate::factors::forget(tx, account.id)?;
    sessions::revoke_all(ctx, tx, account.id, None, "address_proved")?;
    principals::set_account_state(tx, account.id, AccountState::Active)?;
    principals::rename_account(tx, account.id, name)?;
    let event = Event::new(provider, "account.activated").target("account", account.id);
    let _recorded = tx.record(event.personal("email", &account.email));
    Ok(Account { state: AccountState::Active, name: name.to_owned(), ..account })
}

/// Changes one's own display name.
pub fn rename(ctx: &Ctx, tx: &mut Tx, account: AccountId, name: &str) -> Result<Commit<bool>, DbError> {
    let _ = ctx;
    if !principals::rename_account(tx, account, name)? {
        return Ok(Commit::unchanged(false));
    }
    let provider = sessions::provider_id(tx)?;
    let recorded =
        tx.record(Event::new(provider, "account.renamed").target("account", account).personal("name", name));
    Ok(Commit::changed(true, recorded))
}

/// A display name, as [`Name`] takes it; the error says what is wrong with it.
pub fn check_name(name: &str) -> Result<String, String> {
    Name::parse(name).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// How an account that the operator or the provider vouches for came to be.
#[derive(Debug)]
pub enum Vouching {
    Done(Account),
    Taken,
    NoSuchOrganization,
}

/// Makes an active account without proof of its address, for which the caller vouches; and a member, if asked.
pub fn vouch(
    ctx: &Ctx,
    tx: &mut Tx,
    email: &EmailAddress,
    name: &str,
    join: Option<(&str, Role)>,
) -> Result<Commit<Vouching>, DbError> {
    let organization = match join {
        None => None,
        Some((slug, role)) => match principals::organization_by_slug(tx, slug)? {
            Some(found) => Some((found, role)),
            None => return Ok(Commit::unchanged(Vouching::NoSuchOrganization)),
        },
    };
    if principals::account_by_email(tx, email.key())?.is_some() {
        return Ok(Commit::unchanged(Vouching::Taken));
    }
    let provider = sessions::provider_id(tx)?;
    let created = create(ctx, tx, provider, email.key(), name)?;
    let account = created.ok_or_else(|| DbError::Unique("email".to_owned()))?;
    let mut recorded = tx.record(Event::new(provider, "account.vouched").target("account", account.id));
    if let Some((organization, role)) = organization {
        let new = Membership {
            organization: organization.id,
            account: account.id,
            role,
            state: MembershipState::Active,
            source: MembershipSource::Operator,
            email: account.email.clone(),
            name: account.name.clone(),
            created_at: ctx.now,
        };
        principals::insert_membership(tx, &new)?;
        let joined = Event::new(organization.id, "member.added").target("account", account.id);
        recorded = tx.record(joined.with("role", role.as_str()).with("source", "operator"));
    }
    Ok(Commit::changed(Vouching::Done(account), recorded))
}

/// Checks a new password against the rules in force for `account` (the platform's own when there is none yet) and
/// against its history, and hashes it.
pub async fn prepare_password(
    app: &App,
    ctx: &Ctx,
    account: Option<AccountId>,
    email: &str,
    password: Password,
) -> Result<Result<String, Vec<Refusal>>, Error> {
    let now = ctx.now;
    let (rules, history) = app
        .db()
        .read(move |tx| {
            let found = match account {
                Some(account) => principals::account(tx, account)?,
                None => None,
            };
            let rules = crate::policies::password_rules(tx, found.as_ref(), now)?;
            let history = match account {
                Some(account) if rules.reuse_history > 0 => store::history(tx, account, rules.reuse_history)?,
                _ => Vec::new(),
            };
            Ok::<_, DbError>((rules, history))
        })
        .await?;
    let context = Context { email: email.to_owned(), words: vec![app.provider_name()] };
    let known = breached::lists(app);
    let mut refusals = rules.check_with(&password, &context, &known);
    let pool = app.service::<PasswordPool>();
    if refusals.is_empty() {
        for old in &history {
            if pool.verify(password.clone(), old).await? {
                refusals.push(Refusal::Reused);
                break;
            }
        }
    }
    if !refusals.is_empty() {
        return Ok(Err(refusals));
    }
    Ok(Ok(pool.hash(password, &ctx.random_bytes()).await?))
}

/// How a change of one's own password went.
pub enum PasswordChange {
    Done,
    WrongCurrent,
    /// The account has a factor, and this session has proved none.
    NeedsFactor,
    Refused(Vec<Refusal>),
    /// Too many wrong ones; the password was not looked at.
    Throttled {
        wait: std::time::Duration,
    },
}

/// Changes one's own password; needs the current one, and ends all other sessions. Whoever took a session over guesses
/// at the current one no faster than at the door; where there are factors, the password alone does not change itself.
pub async fn change_password(
    app: &App,
    ctx: &Ctx,
    account: AccountId,
    keep: Option<SessionId>,
    current: Password,
    new: Password,
) -> Result<PasswordChange, Error> {
    let (network, now) = (network(ctx.origin.ip), ctx.now);
    let (found, stored, refused) = app
        .db()
        .read(move |tx| {
            let found = principals::account(tx, account)?.map(|person| {
                let subject = Subject { email: person.email.clone(), network: network.clone() };
                (person, subject)
            });
            let refused = match &found {
                Some((_, subject)) => throttles::refuses(tx, subject, Some(account), now)?,
                None => None,
            };
            Ok::<_, DbError>((found, store::find(tx, account)?, refused))
        })
        .await?;
    let Some((person, subject)) = found else { return Ok(PasswordChange::WrongCurrent) };
    if let Some(wait) = refused {
        return Ok(PasswordChange::Throttled { wait });
    }
    let pool = app.service::<PasswordPool>();
    let right = match &stored {
        Some(stored) => pool.verify(current, &stored.phc).await?,
        None => {
            pool.verify_dummy(current).await?;
            false
        }
    };
    if !right {
        wrong_current(app, ctx, account, subject).await?;
        return Ok(PasswordChange::WrongCurrent);
    }
    let phc = match prepare_password(app, ctx, Some(account), &person.email, new).await? {
        Ok(phc) => phc,
        Err(refusals) => return Ok(PasswordChange::Refused(refusals)),
    };
    let (at, link_mail) = (ctx.clone(), notice(app, &person.email));
    let inner = app.clone();
    let seen = stored.map(|stored| stored.phc);
    let written = app
        .db()
        .write(ctx, move |tx| {
            principals::account_for_update(tx, account)?;
            // Set anew meanwhile, by its owner through a mailed link: the password that was given here counts no more.
            if store::find(tx, account)?.map(|stored| stored.phc) != seen {
                return Ok::<_, DbError>(Commit::unchanged(PasswordChange::WrongCurrent));
            }
            if !factors::may_change(&inner, tx, account, keep, at.now)? {
                return Ok(Commit::unchanged(PasswordChange::NeedsFactor));
            }
            store::set(&at, tx, account, &phc)?;
            let provider = sessions::provider_id(tx)?;
            sessions::revoke_all(&at, tx, account, keep, "password_changed")?;
            links::revoke(tx, Purpose::Recovery, &person.email, at.now)?;
            links::revoke(tx, Purpose::SignIn, &person.email, at.now)?;
            mail::enqueue(inner.keyring(), &at, tx, None, &link_mail)?;
            let recorded = tx.record(Event::new(provider, "password.changed").target("account", account));
            Ok(Commit::changed(PasswordChange::Done, recorded))
        })
        .await?;
    Ok(written.value)
}

async fn wrong_current(app: &App, ctx: &Ctx, account: AccountId, subject: Subject) -> Result<(), DbError> {
    let at = ctx.clone();
    app.db()
        .write(ctx, move |tx| {
            throttles::failed(tx, &subject, at.now)?;
            let provider = sessions::provider_id(tx)?;
            let refused = Event::new(provider, "password.change_refused").target("account", account);
            let recorded = tx.record(refused.personal("network", &subject.network));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    Ok(())
}

/// The notice that a password was changed.
pub fn notice(app: &App, email: &str) -> Message {
    Message::text(
        email,
        "Your password was changed",
        &format!(
            "The password of your account at {} was changed and all other devices were signed out.\n\n\
             If this was not you, set a new one now: {}\n",
            app.provider_name(),
            join(&app.config().public_url, "/recover")
        ),
    )
}

/// One's own account, with where one belongs.
pub fn profile(tx: &mut ReadTx, account: AccountId) -> Result<Option<Profile>, DbError> {
    let Some(found) = principals::account(tx, account)? else { return Ok(None) };
    let memberships = principals::memberships_of(tx, account)?;
    let manager = match found.managed_by {
        Some(id) => principals::organization(tx, id)?.map(|organization| organization.name),
        None => None,
    };
    Ok(Some(Profile { account: found, memberships, manager }))
}

pub struct Profile {
    pub account: Account,
    pub memberships: Vec<(principals::Organization, principals::Membership)>,
    /// The organization that claimed this account, by name.
    pub manager: Option<String>,
}

impl Profile {
    /// Whoever manages an account decides whether its person stays.
    pub fn may_leave(&self, organization: &principals::Organization) -> bool {
        self.account.managed_by != Some(organization.id)
    }
}
