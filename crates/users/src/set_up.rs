//! Setting up an installation: the first provider owner, by a link that the program prints when it starts empty.

use platform::Ctx;
use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::Slug;
use platform::principals::{
    self, Account, AccountState, Membership, MembershipSource, MembershipState, Organization,
    OrganizationKind, OrganizationState,
};

use crate::accounts::email::EmailAddress;
use crate::links::{self, Purpose};
use crate::passwords::store;
use crate::sessions::{self, Method};
use crate::tokens::LinkToken;

pub(crate) mod pages;
#[cfg(test)]
mod tests;

/// Whether this installation has its provider.
pub fn is_done(tx: &mut ReadTx) -> Result<bool, DbError> {
    Ok(principals::provider(tx)?.is_some())
}

/// Makes a set-up link; older ones stop working. There is no ledger yet that could record it: a link is housekeeping
/// until the provider exists.
pub fn create_link(ctx: &Ctx, tx: &mut Tx) -> Result<LinkToken, DbError> {
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    tx.execute(&sql::REVOKE, platform::params![ctx.now])?;
    tx.execute(
        &sql::INSERT,
        platform::params![token.hash(), ctx.now, ctx.now.plus(Purpose::SetUp.lifetime())],
    )?;
    Ok(token)
}

mod sql {
    platform::statements! {
        pub(super) REVOKE: Housekeeping =
            "update links set used_at = $1 where purpose = 'set_up' and used_at is null";
        pub(super) INSERT: Housekeeping =
            "insert into links (token_hash, purpose, email, created_at, expires_at) values ($1, 'set_up', '', $2, $3)";
    }
}

pub struct NewProvider {
    pub provider_name: String,
    pub slug: Slug,
    pub owner_email: EmailAddress,
    pub owner_name: String,
    /// `None`: the owner signs in by link first (the demo).
    pub phc: Option<String>,
}

pub enum SetUp {
    Done { session: LinkToken },
    LinkDead,
    AlreadyDone,
}

/// Uses the link up and makes the provider and its owner.
pub fn finish(
    ctx: &Ctx,
    tx: &mut Tx,
    token: &LinkToken,
    new: &NewProvider,
) -> Result<Commit<SetUp>, DbError> {
    if is_done(tx)? {
        return Ok(Commit::unchanged(SetUp::AlreadyDone));
    }
    if links::consume(tx, Purpose::SetUp, token, ctx.now)?.is_none() {
        return Ok(Commit::unchanged(SetUp::LinkDead));
    }
    let (provider, owner) = create_provider(ctx, tx, new)?;
    let started = sessions::start(ctx, tx, provider.id, &owner, Method::Link)?;
    Ok(started.map(|session| SetUp::Done { session }))
}

/// Makes the provider and its owner without a link: for the demo, and for somebody with a shell on the server.
pub fn create_without_link(ctx: &Ctx, tx: &mut Tx, new: &NewProvider) -> Result<Commit<()>, DbError> {
    let (provider, _) = create_provider(ctx, tx, new)?;
    let recorded = tx.record(Event::new(provider.id, "installation.filled").with("by", ctx.actor.kind()));
    Ok(Commit::changed((), recorded))
}

/// Makes the provider and its owner.
fn create_provider(ctx: &Ctx, tx: &mut Tx, new: &NewProvider) -> Result<(Organization, Account), DbError> {
    let provider = Organization {
        id: ctx.id(),
        slug: new.slug.as_str().to_owned(),
        name: new.provider_name.clone(),
        kind: OrganizationKind::Provider,
        state: OrganizationState::Active,
        created_at: ctx.now,
    };
    let owner = Account {
        id: ctx.id(),
        email: new.owner_email.key().to_owned(),
        email_domain: new.owner_email.domain().to_owned(),
        name: new.owner_name.clone(),
        state: AccountState::Active,
        managed_by: None,
        managed_since: None,
        created_at: ctx.now,
    };
    let membership = Membership {
        organization: provider.id,
        account: owner.id,
        role: Role::Owner,
        state: MembershipState::Active,
        source: MembershipSource::Founder,
        email: owner.email.clone(),
        name: owner.name.clone(),
        created_at: ctx.now,
    };
    let fresh = principals::insert_organization(tx, &provider)?
        && principals::insert_account(tx, &owner)?
        && principals::insert_membership(tx, &membership)?;
    if !fresh {
        return Err(DbError::Unique("provider".to_owned()));
    }
    if let Some(phc) = &new.phc {
        store::set(ctx, tx, owner.id, phc)?;
    }
    let created = Event::new(provider.id, "installation.set_up").with("slug", &provider.slug);
    let _recorded = tx.record(created);
    let account = Event::new(provider.id, "account.created").target("account", owner.id);
    let _recorded = tx.record(account.personal("email", &owner.email).personal("name", &owner.name));
    let joined = Event::new(provider.id, "member.added").target("account", owner.id).with("role", "owner");
    let _recorded = tx.record(joined);
    Ok((provider, owner))
}
