//! People of an organization: who belongs to it, in which role, and how somebody's access ends.
//!
//! Three promises: an organization never loses its last active owner; only owners change who is an owner; a suspended
//! or removed person has no access from the next request on (the guard reads the membership every time).

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Recorded, Row, Tx};
use platform::events::{self, Event};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, AccountState, Group, Membership, MembershipSource, MembershipState};
use platform::time::Timestamp;

use crate::organizations;

pub(crate) mod api;
pub(crate) mod drill;
pub(crate) mod evidence;
pub(crate) mod export;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

/// A member as the organization sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub state: MembershipState,
    pub source: MembershipSource,
    pub joined_at: Timestamp,
    /// The account's own state: somebody imported has not signed up yet.
    pub account_state: AccountState,
    /// This organization claimed the account.
    pub managed: bool,
}

fn read_person(row: &Row) -> Result<Person, DbError> {
    Ok(Person {
        account: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        role: row.parse(3, Role::parse)?,
        state: row.parse(4, MembershipState::parse)?,
        source: row.parse(5, MembershipSource::parse)?,
        joined_at: row.get(6)?,
        account_state: row.parse(7, AccountState::parse)?,
        managed: row.get(8)?,
    })
}

/// Which people a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Beginning of the address, lower case.
    pub search: String,
    pub role: Option<Role>,
    pub state: Option<MembershipState>,
}

/// People by address, after `after`.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    filter: &Filter,
    after: &str,
    limit: u32,
) -> Result<Vec<Person>, DbError> {
    // Prefix search as a range, so that the index carries it on both engines.
    let until = format!("{}\u{10ffff}", filter.search);
    let role = filter.role.map(Role::as_str);
    let state = filter.state.map(MembershipState::as_str);
    let params = params![organization, filter.search.as_str(), until, after, role, state, limit];
    tx.list(&sql::LIST, params, read_person)
}

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<Person>, DbError> {
    tx.first(&sql::FIND, params![organization, account])?.as_ref().map(read_person).transpose()
}

/// A person with the groups they are in.
#[derive(Debug, Clone)]
pub struct Detail {
    pub person: Person,
    pub groups: Vec<Group>,
}

pub fn detail(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<Detail>, DbError> {
    let Some(person) = find(tx, organization, account)? else { return Ok(None) };
    let groups = principals::groups_of(tx, organization, account)?;
    Ok(Some(Detail { person, groups }))
}

/// What the caller may decide about roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// `organization.manage` gives it.
    pub over_owners: bool,
    /// The highest role that they give: the one whose rights they hold all.
    pub up_to: Role,
}

impl Authority {
    /// Somebody with a shell on the server, or the program itself.
    pub const OPERATOR: Authority = Authority { over_owners: true, up_to: Role::Owner };

    /// Roles are in order, the highest first.
    pub fn gives(self, role: Role) -> bool {
        role >= self.up_to
    }
}

/// What was asked to change about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Role(Role),
    Suspend,
    Restore,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was so already.
    Same,
    NoSuchPerson,
    /// The organization would have no active owner.
    LastOwner,
    /// Only an owner decides about owners.
    OwnersOnly,
    /// Nobody gives a role with rights that they do not hold themselves; an API token has only its scopes.
    BeyondYours,
    /// Nobody suspends themselves: they could not undo it.
    Yourself,
}

/// The event of somebody becoming a member.
pub(crate) fn added(member: &Membership) -> Event {
    Event::new(member.organization, "member.added")
        .target("account", member.account)
        .with("role", member.role.as_str())
        .with("source", member.source.as_str())
        .personal("email", &member.email)
}

/// Changes one membership.
pub fn change(
    ctx: &platform::Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    authority: Authority,
    account: AccountId,
    change: Change,
) -> Result<Commit<Outcome>, DbError> {
    // Two owners who demote each other at the same moment must not both succeed.
    organizations::lock(tx, organization)?;
    let Some(member) = principals::membership(tx, organization, account)? else {
        return Ok(Commit::unchanged(Outcome::NoSuchPerson));
    };
    let owners = member.role == Role::Owner || change == Change::Role(Role::Owner);
    if owners && !authority.over_owners {
        return Ok(Commit::unchanged(Outcome::OwnersOnly));
    }
    if let Change::Role(role) = change
        && !authority.gives(role)
    {
        return Ok(Commit::unchanged(Outcome::BeyondYours));
    }
    if change == Change::Suspend && ctx.actor.account() == Some(account) {
        return Ok(Commit::unchanged(Outcome::Yourself));
    }
    let owners_before = principals::count_owners(tx, organization)?;
    let Some(recorded) = apply(tx, &member, change)? else {
        return Ok(Commit::unchanged(Outcome::Same));
    };
    if matches!(change, Change::Suspend | Change::Remove) {
        // Products that were theirs through this organization: dead now, and still when they come back.
        crate::openid_provider::grants::end_unallowed_of(tx, account, ctx.now)?;
    }
    if owners_before > 0 && principals::count_owners(tx, organization)? == 0 {
        return Ok(Commit::unchanged(Outcome::LastOwner));
    }
    Ok(Commit::changed(Outcome::Done, recorded))
}

/// Writes the change; `None` when there is nothing to write.
fn apply(tx: &mut Tx, member: &Membership, change: Change) -> Result<Option<Recorded>, DbError> {
    let (organization, account) = (member.organization, member.account);
    let event =
        |action| Event::new(organization, action).target("account", account).personal("email", &member.email);
    let event = match change {
        Change::Role(role) if role == member.role => return Ok(None),
        Change::Role(role) => {
            principals::set_role(tx, organization, account, role)?;
            event("member.role_changed").with("from", member.role.as_str()).with("role", role.as_str())
        }
        Change::Suspend if member.state == MembershipState::Suspended => return Ok(None),
        Change::Suspend => {
            principals::set_membership_state(tx, organization, account, MembershipState::Suspended)?;
            crate::provisioning::decided_by_hand(tx, organization, account)?;
            event("member.suspended")
        }
        Change::Restore if member.state == MembershipState::Active => return Ok(None),
        Change::Restore => {
            principals::set_membership_state(tx, organization, account, MembershipState::Active)?;
            crate::provisioning::decided_by_hand(tx, organization, account)?;
            event("member.restored")
        }
        Change::Remove => {
            principals::delete_membership(tx, organization, account)?;
            event("member.removed").with("role", member.role.as_str())
        }
    };
    Ok(Some(tx.record(event)))
}

/// Whether somebody else ended this person's last membership, by the ledger.
pub(crate) fn was_removed(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<bool, DbError> {
    const LOOKED_AT_MAX: u32 = 200;
    let history = events::about(tx, organization, "account", &account.to_string(), LOOKED_AT_MAX)?;
    let last = history.iter().find(|event| matches!(event.action.as_str(), "member.removed" | "member.left"));
    Ok(last.is_some_and(|event| event.action == "member.removed"))
}
