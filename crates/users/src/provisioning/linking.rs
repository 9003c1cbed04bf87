//! Whose account a person's record is: the only place where what a directory says becomes a login.
//!
//! The address is the user name if that is one, else the record's preferred mail address. It must be at a domain that
//! the organization has verified: then the organization is who says who is behind the address. Everything else about
//! the record is data.

use platform::access::Role;
use platform::db::{DbError, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, Account, AccountState, Membership, MembershipSource, MembershipState};
use platform::{App, Ctx};
use scim::Resource;

use super::{Conflict, Scope, sql};
use crate::accounts::email::EmailAddress;
use crate::accounts::join;
use crate::{domains, factors, links, passwords, people, sessions};

/// What the person would sign in with.
pub(crate) fn address(resource: &Resource) -> Option<EmailAddress> {
    let user_name = EmailAddress::parse(resource.user_name()).ok();
    user_name.or_else(|| resource.emails().into_iter().find_map(|text| EmailAddress::parse(text).ok()))
}

/// How linking went.
pub(crate) enum Link {
    /// The account is a member now, and whether that was made here.
    Done {
        account: AccountId,
        made: bool,
    },
    Held(Conflict),
    /// The record is of an owner, and says that they are out.
    Owner,
}

pub(crate) struct Linking<'a> {
    pub app: &'a App,
    pub ctx: &'a Ctx,
    pub scope: &'a Scope,
    pub name: &'a str,
    pub active: bool,
}

impl Linking<'_> {
    /// Finds or makes the account of this address and makes it a member.
    pub(crate) fn link(&self, tx: &mut Tx, address: Option<&EmailAddress>) -> Result<Link, DbError> {
        let Some(address) = address else { return Ok(Link::Held(Conflict::NoAddress)) };
        let organization = self.scope.organization;
        if !domains::may_claim(tx, organization, address.domain())? {
            return Ok(Link::Held(Conflict::UnverifiedDomain));
        }
        match principals::account_by_email(tx, address.key())? {
            None => self.create(tx, address).map(|account| Link::Done { account, made: true }),
            Some(account) => self.adopt(tx, &account),
        }
    }

    fn create(&self, tx: &mut Tx, address: &EmailAddress) -> Result<AccountId, DbError> {
        let account = Account {
            id: self.ctx.id(),
            email: address.key().to_owned(),
            email_domain: address.domain().to_owned(),
            name: self.name.to_owned(),
            state: if self.active { AccountState::Active } else { AccountState::Suspended },
            managed_by: Some(self.scope.organization),
            managed_since: Some(self.ctx.now),
            created_at: self.ctx.now,
        };
        if !principals::insert_account(tx, &account)? {
            // Somebody was faster between the look and the insert: the transaction starts anew.
            return Err(DbError::Serialization);
        }
        self.join(tx, &account)?;
        Ok(account.id)
    }

    fn join(&self, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
        let member = Membership {
            organization: self.scope.organization,
            account: account.id,
            role: Role::Member,
            state: if self.active { MembershipState::Active } else { MembershipState::Suspended },
            source: MembershipSource::Import,
            email: account.email.clone(),
            name: account.name.clone(),
            created_at: self.ctx.now,
        };
        principals::insert_membership(tx, &member)?;
        if !self.active {
            tx.execute(&sql::DEPART, params![self.scope.organization, account.id, self.ctx.now])?;
        }
        let _recorded = tx.record(people::added(&member).with("directory", self.scope.directory));
        Ok(())
    }

    /// Takes an account that exists, unless it is not the organization's to take.
    fn adopt(&self, tx: &mut Tx, account: &Account) -> Result<Link, DbError> {
        let organization = self.scope.organization;
        if account.managed_by.is_some_and(|manager| manager != organization) {
            return Ok(Link::Held(Conflict::ManagedElsewhere));
        }
        if account.managed_by.is_none() && domains::is_frozen(tx, account)? {
            return Ok(Link::Held(Conflict::LeftBehind));
        }
        let provider = sessions::provider_id(tx)?;
        if provider != organization && principals::membership(tx, provider, account.id)?.is_some() {
            return Ok(Link::Held(Conflict::ProviderStaff));
        }
        if tx.first(&sql::USER_OF_ACCOUNT, params![organization, account.id])?.is_some() {
            return Ok(Link::Held(Conflict::SamePerson));
        }
        if is_owner(tx, organization, account.id)? {
            return Ok(match (self.active, account.state) {
                (false, _) => Link::Owner,
                (true, AccountState::Active) => Link::Done { account: account.id, made: false },
                (true, _) => Link::Held(Conflict::Owner),
            });
        }
        if account.state == AccountState::Unverified {
            self.bring_to_life(tx, account)?;
        }
        let returned = tx.execute(&sql::RETURN, params![organization, account.id])? > 0;
        let member = principals::membership(tx, organization, account.id)?;
        let made = member.is_none();
        if made {
            self.join(tx, account)?;
            self.tell(tx, account)?;
        }
        // A member who is suspended although no record was theirs was suspended by an admin, and stays so.
        if returned && self.active {
            restore_account(tx, organization, account)?;
        }
        // Somebody who was here before the directory came is put out when the directory says so.
        if !self.active && !made {
            put_out(self.ctx, tx, organization, account.id)?;
        }
        Ok(Link::Done { account: account.id, made })
    }

    /// Nobody has proved the address: whoever prepared the account is not its owner.
    fn bring_to_life(&self, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
        passwords::store::remove(tx, account.id)?;
        factors::forget(tx, account.id)?;
        let _revoked = sessions::revoke_all(self.ctx, tx, account.id, None, "provisioned")?;
        let state = if self.active { AccountState::Active } else { AccountState::Suspended };
        principals::set_account_state(tx, account.id, state)?;
        principals::manage_account(tx, account.id, self.scope.organization, self.ctx.now)?;
        Ok(())
    }

    /// Whoever had an account before hears that an organization has taken them in.
    fn tell(&self, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
        let organization = principals::organization(tx, self.scope.organization)?;
        let owner = organization.map(|found| found.name).unwrap_or_default();
        let text = format!(
            "{owner} keeps its people in a directory, and has added your account {email} at {provider}.\n\n\
             You are a member of {owner} now; your other organizations are not told.\n\nYour account: {page}\n",
            email = account.email,
            provider = self.app.provider_name(),
            page = join(&self.app.config().public_url, "/account"),
        );
        let message = Message::text(&account.email, &format!("{owner} has added your account"), &text);
        mail::enqueue(self.app.keyring(), self.ctx, tx, Some(self.scope.organization), &message)
    }

    /// Gives a linked account the address that the directory asks for now. `Some`: it keeps the old one, because.
    pub(crate) fn move_login(
        &self,
        tx: &mut Tx,
        account: &Account,
        wanted: Option<&EmailAddress>,
    ) -> Result<Option<Conflict>, DbError> {
        let Some(wanted) = wanted else { return Ok(Some(Conflict::NoAddress)) };
        if wanted.key() == account.email {
            return Ok(None);
        }
        let organization = self.scope.organization;
        if is_owner(tx, organization, account.id)? {
            return Ok(Some(Conflict::Owner));
        }
        if !domains::may_claim(tx, organization, wanted.domain())? {
            return Ok(Some(Conflict::UnverifiedDomain));
        }
        let alone = principals::count_memberships_of(tx, account.id)? <= 1;
        if account.managed_by != Some(organization) || !alone {
            return Ok(Some(Conflict::SharedLogin));
        }
        if principals::account_by_email(tx, wanted.key())?.is_some() {
            return Ok(Some(Conflict::AddressTaken));
        }
        principals::move_account(tx, account.id, wanted.key(), wanted.domain())?;
        // A link that was mailed to the old address opens nothing any more.
        links::revoke(tx, links::Purpose::Recovery, &account.email, self.ctx.now)?;
        let event = Event::new(organization, "account.address_changed").target("account", account.id);
        let _recorded = tx.record(event.personal("from", &account.email).personal("email", wanted.key()));
        self.tell_moved(tx, account, wanted)?;
        Ok(None)
    }

    /// Goes to the old address: whoever reads that one is whom a wrong move would lock out.
    fn tell_moved(&self, tx: &mut Tx, account: &Account, wanted: &EmailAddress) -> Result<(), DbError> {
        let organization = principals::organization(tx, self.scope.organization)?;
        let manager = organization.map(|found| found.name).unwrap_or_default();
        let text = format!(
            "{manager} manages your account at {provider}, and its directory has changed your address from {from} to \
             {to}.\n\nFrom now on you sign in with the new address; mail about your account goes there.\n\n\
             If you did not expect this, tell an admin of {manager} at once.\n",
            provider = self.app.provider_name(),
            from = account.email,
            to = wanted.key(),
        );
        let message = Message::text(&account.email, "The address of your account was changed", &text);
        mail::enqueue(self.app.keyring(), self.ctx, tx, Some(self.scope.organization), &message)
    }
}

/// Ends a person's access, and notes whose membership was ended here; an account that the organization manages cannot sign in anywhere any more.
pub(crate) fn put_out(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<(), DbError> {
    let member = principals::membership(tx, organization, account)?;
    if member.is_some_and(|member| member.state == MembershipState::Active) {
        principals::set_membership_state(tx, organization, account, MembershipState::Suspended)?;
        tx.execute(&sql::DEPART, params![organization, account, ctx.now])?;
        let suspended = Event::new(organization, "member.suspended").target("account", account);
        let _recorded = tx.record(suspended.with("by", "directory"));
    }
    let managed =
        principals::account(tx, account)?.is_some_and(|found| found.managed_by == Some(organization));
    if managed {
        principals::set_account_state(tx, account, AccountState::Suspended)?;
    }
    super::end_access(ctx, tx, organization, account, managed)
}

/// The other way: what the directory put out comes back. Somebody whom an admin suspended stays suspended.
pub(crate) fn restore(tx: &mut Tx, organization: OrganizationId, account: &Account) -> Result<(), DbError> {
    let put_out = tx.execute(&sql::RETURN, params![organization, account.id])? > 0
        || crate::seams::is_open(tx, crate::seams::PROVISIONING)?;
    if put_out && principals::set_membership_state(tx, organization, account.id, MembershipState::Active)? {
        let restored = Event::new(organization, "member.restored").target("account", account.id);
        let _recorded = tx.record(restored.with("by", "directory"));
    }
    restore_account(tx, organization, account)
}

/// Only a directory suspends accounts; admins suspend memberships.
fn restore_account(tx: &mut Tx, organization: OrganizationId, account: &Account) -> Result<(), DbError> {
    if account.managed_by == Some(organization) && account.state == AccountState::Suspended {
        principals::set_account_state(tx, account.id, AccountState::Active)?;
    }
    Ok(())
}

/// Whether this person is an owner. Locks the organization: nobody becomes one until the transaction ends.
pub(crate) fn is_owner(
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<bool, DbError> {
    crate::organizations::lock(tx, organization)?;
    let member = principals::membership(tx, organization, account)?;
    Ok(member.is_some_and(|member| member.role == Role::Owner))
}
