//! Principals: organizations, accounts, groups and who belongs to what. The only code that writes their tables; the
//! rules that decide *whether* to write stand in `users`.

use serde::Serialize;

use crate::access::Role;
use crate::db::{DbError, ReadTx, Row, Tx, Value};
use crate::ids::{AccountId, GroupId, OrganizationId};
use crate::params;
use crate::time::Timestamp;

pub(crate) mod sql;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }
        impl $name {
            pub fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),+ } }
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! { OrganizationKind { Provider = "provider", Customer = "customer" } }
words! { OrganizationState { Active = "active", Closed = "closed" } }
words! {
    /// `Unverified` until the address is proved: such an account has no rights anywhere.
    AccountState { Unverified = "unverified", Active = "active", Suspended = "suspended", Deleted = "deleted" }
}
words! { MembershipState { Active = "active", Suspended = "suspended" } }
words! {
    /// How somebody became a member.
    MembershipSource {
        Founder = "founder", Invitation = "invitation", Claim = "claim", Import = "import", Operator = "operator",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organization {
    pub id: OrganizationId,
    pub slug: String,
    pub name: String,
    pub kind: OrganizationKind,
    pub state: OrganizationState,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    pub id: AccountId,
    pub email: String,
    pub email_domain: String,
    pub name: String,
    pub state: AccountState,
    pub managed_by: Option<OrganizationId>,
    pub managed_since: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Membership {
    pub organization: OrganizationId,
    pub account: AccountId,
    pub role: Role,
    pub state: MembershipState,
    pub source: MembershipSource,
    pub email: String,
    pub name: String,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
    pub description: String,
    pub members: u64,
    pub created_at: Timestamp,
}

fn read_organization(row: &Row) -> Result<Organization, DbError> {
    Ok(Organization {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        kind: row.parse(3, OrganizationKind::parse)?,
        state: row.parse(4, OrganizationState::parse)?,
        created_at: row.get(5)?,
    })
}

fn read_account(row: &Row) -> Result<Account, DbError> {
    Ok(Account {
        id: row.get(0)?,
        email: row.get(1)?,
        email_domain: row.get(2)?,
        name: row.get(3)?,
        state: row.parse(4, AccountState::parse)?,
        managed_by: row.get(5)?,
        managed_since: row.get(6)?,
        created_at: row.get(7)?,
    })
}

fn read_membership(row: &Row) -> Result<Membership, DbError> {
    Ok(Membership {
        organization: row.get(0)?,
        account: row.get(1)?,
        role: row.parse(2, Role::parse)?,
        state: row.parse(3, MembershipState::parse)?,
        source: row.parse(4, MembershipSource::parse)?,
        email: row.get(5)?,
        name: row.get(6)?,
        created_at: row.get(7)?,
    })
}

fn read_group(row: &Row) -> Result<Group, DbError> {
    Ok(Group {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        members: row.get(3)?,
        created_at: row.get(4)?,
    })
}

// ---- organizations --------------------------------------------------------------------------------------------

/// `false` when the slug (or the provider's place) is taken.
pub fn insert_organization(tx: &mut Tx, new: &Organization) -> Result<bool, DbError> {
    let rows = tx.execute(
        &sql::INSERT_ORGANIZATION,
        params![
            new.id,
            new.slug.as_str(),
            new.name.as_str(),
            new.kind.as_str(),
            new.state.as_str(),
            new.created_at
        ],
    )?;
    Ok(rows == 1)
}

pub fn organization(tx: &mut ReadTx, id: OrganizationId) -> Result<Option<Organization>, DbError> {
    tx.first(&sql::ORGANIZATION, params![id])?.as_ref().map(read_organization).transpose()
}

/// As [`organization`], and nobody else changes it until this transaction ends.
pub fn organization_for_update(tx: &mut Tx, id: OrganizationId) -> Result<Option<Organization>, DbError> {
    tx.first(&sql::ORGANIZATION_FOR_UPDATE, params![id])?.as_ref().map(read_organization).transpose()
}

pub fn organization_by_slug(tx: &mut ReadTx, slug: &str) -> Result<Option<Organization>, DbError> {
    tx.first(&sql::ORGANIZATION_BY_SLUG, params![slug])?.as_ref().map(read_organization).transpose()
}

pub fn provider(tx: &mut ReadTx) -> Result<Option<Organization>, DbError> {
    tx.first(&sql::PROVIDER, &[])?.as_ref().map(read_organization).transpose()
}

/// Organizations by slug, after `after`; for the provider and for jobs that walk all of them.
pub fn organizations(tx: &mut ReadTx, after: &str, limit: u32) -> Result<Vec<Organization>, DbError> {
    tx.list(&sql::ORGANIZATIONS, params![after, limit], read_organization)
}

pub fn rename_organization(tx: &mut Tx, id: OrganizationId, name: &str) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::RENAME_ORGANIZATION, params![id, name])? == 1)
}

// ---- accounts -------------------------------------------------------------------------------------------------

/// `false` when the address is taken.
pub fn insert_account(tx: &mut Tx, new: &Account) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::INSERT_ACCOUNT, &account_row(new))? == 1)
}

/// Many at once; gives how many were inserted: fewer when addresses are taken.
pub fn insert_accounts(tx: &mut Tx, new: &[Account]) -> Result<u64, DbError> {
    tx.execute_many(&sql::INSERT_ACCOUNT, new.iter().map(account_row).collect())
}

fn account_row(new: &Account) -> Vec<Value> {
    params![
        new.id,
        new.email.as_str(),
        new.email_domain.as_str(),
        new.name.as_str(),
        new.state.as_str(),
        new.managed_by,
        new.managed_since,
        new.created_at
    ]
    .to_vec()
}

pub fn account(tx: &mut ReadTx, id: AccountId) -> Result<Option<Account>, DbError> {
    tx.first(&sql::ACCOUNT, params![id])?.as_ref().map(read_account).transpose()
}

/// As [`account`], and until this transaction ends nobody else changes it or does what takes this lock, too: whatever
/// gives a person access (a session, a grant, a factor) and whatever ends it. Taken before anything is read that the
/// other side writes; of several accounts in the order of their ids. SQLite has one writer anyway.
pub fn account_for_update(tx: &mut Tx, id: AccountId) -> Result<Option<Account>, DbError> {
    tx.first(&sql::ACCOUNT_FOR_UPDATE, params![id])?.as_ref().map(read_account).transpose()
}

/// By canonical address (`EmailAddress::key`).
pub fn account_by_email(tx: &mut ReadTx, email: &str) -> Result<Option<Account>, DbError> {
    tx.first(&sql::ACCOUNT_BY_EMAIL, params![email])?.as_ref().map(read_account).transpose()
}

/// Accounts whose address is at `domain`, by id, after `after`.
pub fn accounts_at_domain(
    tx: &mut ReadTx,
    domain: &str,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Account>, DbError> {
    let after = after.map_or_else(|| vec![0_u8; 0], |id| crate::ids::Id::bytes(id).to_vec());
    tx.list(&sql::ACCOUNTS_AT_DOMAIN, params![domain, after, limit], read_account)
}

pub fn set_account_state(tx: &mut Tx, id: AccountId, state: AccountState) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::SET_ACCOUNT_STATE, params![id, state.as_str()])? == 1)
}

/// Renames an account here and in the copies that its memberships carry.
pub fn rename_account(tx: &mut Tx, id: AccountId, name: &str) -> Result<bool, DbError> {
    tx.execute(&sql::RENAME_MEMBERSHIPS, params![id, name])?;
    Ok(tx.execute(&sql::RENAME_ACCOUNT, params![id, name])? == 1)
}

/// Makes `organization` the manager of an account that nobody manages; `false` when somebody does.
pub fn manage_account(
    tx: &mut Tx,
    id: AccountId,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::MANAGE_ACCOUNT, params![organization, id, now])? == 1)
}

/// Takes an account out of use for good and frees its address: `email` and its domain replace it here and in the copies
/// that its memberships carry.
pub fn retire_account(tx: &mut Tx, id: AccountId, email: &str, email_domain: &str) -> Result<bool, DbError> {
    tx.execute(&sql::RENAME_ADDRESSES, params![id, email])?;
    Ok(tx.execute(&sql::RETIRE_ACCOUNT, params![id, email, email_domain])? == 1)
}

/// Gives an account another address, here and in the copies that its memberships carry; the caller has looked that
/// nobody else has it.
pub fn move_account(tx: &mut Tx, id: AccountId, email: &str, email_domain: &str) -> Result<bool, DbError> {
    tx.execute(&sql::RENAME_ADDRESSES, params![id, email])?;
    Ok(tx.execute(&sql::MOVE_ACCOUNT, params![id, email, email_domain])? == 1)
}

pub fn release_account(tx: &mut Tx, id: AccountId, organization: OrganizationId) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::RELEASE_ACCOUNT, params![organization, id])? == 1)
}

// ---- memberships ----------------------------------------------------------------------------------------------

/// `false` when the account is a member already.
pub fn insert_membership(tx: &mut Tx, new: &Membership) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::INSERT_MEMBERSHIP, &membership_row(new))? == 1)
}

/// Many at once; gives how many were inserted: fewer when some are members already.
pub fn insert_memberships(tx: &mut Tx, new: &[Membership]) -> Result<u64, DbError> {
    tx.execute_many(&sql::INSERT_MEMBERSHIP, new.iter().map(membership_row).collect())
}

fn membership_row(new: &Membership) -> Vec<Value> {
    params![
        new.organization,
        new.account,
        new.role.as_str(),
        new.state.as_str(),
        new.source.as_str(),
        new.email.as_str(),
        new.name.as_str(),
        new.created_at
    ]
    .to_vec()
}

pub fn membership(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<Membership>, DbError> {
    tx.first(&sql::MEMBERSHIP, params![organization, account])?.as_ref().map(read_membership).transpose()
}

/// Members by address; `search` is a prefix of the address (empty: all); `after` an address.
pub fn members(
    tx: &mut ReadTx,
    organization: OrganizationId,
    search: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Membership>, DbError> {
    // Prefix search as a range, so that the index carries it on both engines.
    let until = format!("{search}\u{10ffff}");
    tx.list(&sql::MEMBERS, params![organization, search, until, after, limit], read_membership)
}

pub fn count_members(tx: &mut ReadTx, organization: OrganizationId) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_MEMBERS, params![organization])?.unwrap_or(0))
}

/// Active owners; an organization never loses its last one.
pub fn count_owners(tx: &mut ReadTx, organization: OrganizationId) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_OWNERS, params![organization])?.unwrap_or(0))
}

/// Where an account belongs, with the organization of each membership.
pub fn memberships_of(
    tx: &mut ReadTx,
    account: AccountId,
) -> Result<Vec<(Organization, Membership)>, DbError> {
    let memberships = tx.list(&sql::MEMBERSHIPS_OF, params![account], read_membership)?;
    let mut out = Vec::with_capacity(memberships.len());
    for membership in memberships {
        if let Some(found) = organization(tx, membership.organization)? {
            out.push((found, membership));
        }
    }
    Ok(out)
}

/// An organization that somebody can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub slug: String,
    pub kind: OrganizationKind,
    pub role: Role,
}

/// Where somebody is an active member, the first of many.
pub fn places(tx: &mut ReadTx, account: AccountId) -> Result<Vec<Place>, DbError> {
    tx.list(&sql::PLACES, params![account], |row| {
        Ok(Place {
            name: row.get(0)?,
            slug: row.get(1)?,
            kind: row.parse(2, OrganizationKind::parse)?,
            role: row.parse(3, Role::parse)?,
        })
    })
}

/// In how many organizations an account is a member, whatever the state.
pub fn count_memberships_of(tx: &mut ReadTx, account: AccountId) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_MEMBERSHIPS_OF, params![account])?.unwrap_or(0))
}

pub fn set_role(
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
    role: Role,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::SET_ROLE, params![organization, account, role.as_str()])? == 1)
}

pub fn set_membership_state(
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
    state: MembershipState,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::SET_MEMBERSHIP_STATE, params![organization, account, state.as_str()])? == 1)
}

pub fn delete_membership(
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::DELETE_MEMBERSHIP, params![organization, account])? == 1)
}

// ---- groups ---------------------------------------------------------------------------------------------------

/// `false` when the name is taken.
pub fn insert_group(tx: &mut Tx, organization: OrganizationId, new: &Group) -> Result<bool, DbError> {
    let rows = tx.execute(
        &sql::INSERT_GROUP,
        params![
            organization,
            new.id,
            new.name.as_str(),
            new.name.to_lowercase(),
            new.description.as_str(),
            new.created_at
        ],
    )?;
    Ok(rows == 1)
}

pub fn groups(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    limit: u32,
) -> Result<Vec<Group>, DbError> {
    tx.list(&sql::GROUPS, params![organization, after.to_lowercase(), limit], read_group)
}

pub fn group(tx: &mut ReadTx, organization: OrganizationId, id: GroupId) -> Result<Option<Group>, DbError> {
    tx.first(&sql::GROUP, params![organization, id])?.as_ref().map(read_group).transpose()
}

pub fn group_by_name(
    tx: &mut ReadTx,
    organization: OrganizationId,
    name: &str,
) -> Result<Option<Group>, DbError> {
    tx.first(&sql::GROUP_BY_NAME, params![organization, name.to_lowercase()])?
        .as_ref()
        .map(read_group)
        .transpose()
}

pub fn update_group(
    tx: &mut Tx,
    organization: OrganizationId,
    id: GroupId,
    name: &str,
    description: &str,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::UPDATE_GROUP, params![organization, id, name, name.to_lowercase(), description])?
        == 1)
}

pub fn delete_group(tx: &mut Tx, organization: OrganizationId, id: GroupId) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::DELETE_GROUP, params![organization, id])? == 1)
}

/// `false` when the account is in the group already.
pub fn insert_group_member(
    tx: &mut Tx,
    organization: OrganizationId,
    group: GroupId,
    account: AccountId,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::INSERT_GROUP_MEMBER, params![organization, group, account, now])? == 1)
}

/// Many at once; gives how many were inserted.
pub fn insert_group_members(
    tx: &mut Tx,
    organization: OrganizationId,
    new: &[(GroupId, AccountId)],
    now: Timestamp,
) -> Result<u64, DbError> {
    let rows =
        new.iter().map(|(group, account)| params![organization, *group, *account, now].to_vec()).collect();
    tx.execute_many(&sql::INSERT_GROUP_MEMBER, rows)
}

pub fn delete_group_member(
    tx: &mut Tx,
    organization: OrganizationId,
    group: GroupId,
    account: AccountId,
) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::DELETE_GROUP_MEMBER, params![organization, group, account])? == 1)
}

pub fn group_members(
    tx: &mut ReadTx,
    organization: OrganizationId,
    group: GroupId,
    after: &str,
    limit: u32,
) -> Result<Vec<Membership>, DbError> {
    tx.list(&sql::GROUP_MEMBERS, params![organization, group, after, limit], read_membership)
}

pub fn groups_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Vec<Group>, DbError> {
    tx.list(&sql::GROUPS_OF, params![organization, account], read_group)
}
