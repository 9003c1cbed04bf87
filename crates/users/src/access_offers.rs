//! Offers: what members of an organization may ask for, who decides about it, and how fast.
//!
//! Nothing can be asked for until somebody who manages people offers it: a member without rights learns of no group,
//! role or product from here that was not opened to all members. Whoever manages people may decide about every request;
//! an offer may name a group that decides, too. Roles are decided by those who manage people alone, since nobody gives
//! more than they hold, and the role of an admin by two of them. Owners are named by owners, never by a request.

use std::time::Duration;

use platform::Ctx;
use platform::access::{Permission, Role};
use platform::db::{Commit, DbError, ReadTx, Row, Tx, Value};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals::{self, Membership, MembershipState};
use platform::time::{HOUR, Timestamp};

use crate::products::AccessId;
use crate::{organizations, product_members, provisioning};

pub(crate) mod api;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

platform::id! {
    /// Something that members may ask for.
    OfferId
}

pub const DAYS_MAX: u32 = 365;
pub const DAYS_DEFAULT: u32 = 90;
pub const HOURS_MAX: u32 = 720;
pub const HOURS_DEFAULT: u32 = 72;
/// Offers of one organization.
pub const OFFERS_MAX: u64 = 500;

/// What somebody gets when a request is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Group(GroupId),
    Product(AccessId),
    Role(Role),
    /// Of the organization itself: for people of an approved domain, never an offer.
    Membership,
}

impl Wanted {
    pub fn kind(self) -> &'static str {
        match self {
            Self::Group(_) => "group",
            Self::Product(_) => "product",
            Self::Role(_) => "role",
            Self::Membership => "membership",
        }
    }

    /// Kind and target in one word.
    pub fn key(self) -> String {
        match self {
            Self::Group(id) => format!("group:{id}"),
            Self::Product(id) => format!("product:{id}"),
            Self::Role(role) => format!("role:{}", role.as_str()),
            Self::Membership => "membership".to_owned(),
        }
    }

    pub fn role(self) -> Option<Role> {
        match self {
            Self::Role(role) => Some(role),
            _ => None,
        }
    }

    pub(crate) fn target(self) -> Value {
        match self {
            Self::Group(id) => id.into(),
            Self::Product(id) => id.into(),
            Self::Role(_) | Self::Membership => Value::Null,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub id: OfferId,
    pub wanted: Wanted,
    /// What it is called now.
    pub name: String,
    /// The product of it is not disabled.
    pub live: bool,
    pub approvers: Option<GroupId>,
    /// The name of that group; `None` when there is none, or it is gone.
    pub approvers_name: Option<String>,
    /// How many people must approve.
    pub approvals: u32,
    pub days_max: u32,
    pub hours_to_decide: u32,
    pub created_at: Timestamp,
}

impl Offer {
    pub fn target_time(&self) -> Duration {
        HOUR * self.hours_to_decide
    }
}

fn read_offer(row: &Row) -> Result<Offer, DbError> {
    let (group, access): (Option<GroupId>, Option<AccessId>) = (row.get(1)?, row.get(2)?);
    let role = row.get::<Option<String>>(3)?.as_deref().and_then(Role::parse);
    let (wanted, name) = match (group, access, role) {
        (Some(group), ..) => (Wanted::Group(group), row.get::<Option<String>>(4)?.unwrap_or_default()),
        (_, Some(access), _) => {
            let product = row.get::<Option<String>>(5)?.unwrap_or_default();
            let role = row.get::<Option<String>>(6)?.unwrap_or_default();
            let name = if role.is_empty() { product } else { format!("{product} as {role}") };
            (Wanted::Product(access), name)
        }
        (_, _, Some(role)) => (Wanted::Role(role), role_name(role)),
        _ => return Err(DbError::Check("an offer of nothing".to_owned())),
    };
    Ok(Offer {
        id: row.get(0)?,
        wanted,
        name,
        live: row.get::<Option<String>>(7)?.is_none_or(|state| state == "active"),
        approvers: row.get(8)?,
        approvers_name: row.get(9)?,
        approvals: row.get(10)?,
        days_max: row.get(11)?,
        hours_to_decide: row.get(12)?,
        created_at: row.get(13)?,
    })
}

pub(crate) fn role_name(role: Role) -> String {
    format!("The role {}", role.as_str())
}

/// What an offer says, beside what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub approvers: Option<GroupId>,
    pub approvals: u32,
    pub days_max: u32,
    pub hours_to_decide: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    Done(Offer),
    NoSuchOffer,
    /// It is offered already.
    Taken,
    /// No such group or rule of a product here.
    NoSuchTarget,
    NoSuchApprovers,
    /// A directory fills the group.
    FromDirectory,
    /// The rule lets every member in.
    EverybodyHasIt,
    /// Only the roles of admins and auditors are asked for.
    NoSuchRole,
    /// A role is decided by those who manage people.
    ManagersOnly,
    /// The role of an admin needs two.
    TwoNeeded,
    TooMany,
}

/// Opens something to requests.
pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    wanted: Wanted,
    terms: &Terms,
) -> Result<Commit<Saved>, DbError> {
    organizations::lock(tx, organization)?;
    if let Some(refused) = wrong_target(tx, organization, wanted)? {
        return Ok(Commit::unchanged(refused));
    }
    if let Some(refused) = wrong_terms(tx, organization, wanted, terms)? {
        return Ok(Commit::unchanged(refused));
    }
    if tx.scalar::<u64>(&sql::COUNT, params![organization])?.unwrap_or(0) >= OFFERS_MAX {
        return Ok(Commit::unchanged(Saved::TooMany));
    }
    let id: OfferId = ctx.id();
    let (group, access) = match wanted {
        Wanted::Group(group) => (Some(group), None),
        Wanted::Product(access) => (None, Some(access)),
        Wanted::Role(_) | Wanted::Membership => (None, None),
    };
    let row = params![
        organization,
        id,
        wanted.kind(),
        group,
        access,
        wanted.role().map(Role::as_str),
        terms.approvers,
        terms.approvals,
        terms.days_max,
        terms.hours_to_decide,
        ctx.now
    ];
    if tx.execute(&sql::INSERT, row)? != 1 {
        return Ok(Commit::unchanged(Saved::Taken));
    }
    saved(tx, organization, id, "access_offer.created")
}

fn saved(
    tx: &mut Tx,
    organization: OrganizationId,
    id: OfferId,
    action: &'static str,
) -> Result<Commit<Saved>, DbError> {
    let Some(offer) = find(tx, organization, id)? else { return Ok(Commit::unchanged(Saved::NoSuchOffer)) };
    let event = Event::new(organization, action)
        .target("access_offer", id)
        .with("what", offer.wanted.key())
        .with("name", &offer.name)
        .with("approvals", offer.approvals)
        .with("approvers", offer.approvers_name.as_deref().unwrap_or("who manages people"))
        .with("days_max", offer.days_max)
        .with("hours_to_decide", offer.hours_to_decide);
    let recorded = tx.record(event);
    Ok(Commit::changed(Saved::Done(offer), recorded))
}

fn wrong_target(
    tx: &mut ReadTx,
    organization: OrganizationId,
    wanted: Wanted,
) -> Result<Option<Saved>, DbError> {
    Ok(match wanted {
        Wanted::Group(group) if principals::group(tx, organization, group)?.is_none() => {
            Some(Saved::NoSuchTarget)
        }
        Wanted::Group(group) => {
            provisioning::fills_group(tx, organization, group)?.map(|_| Saved::FromDirectory)
        }
        Wanted::Product(rule) => match product_members::rule(tx, organization, rule)? {
            None => Some(Saved::NoSuchTarget),
            Some(rule) => rule.group.is_none().then_some(Saved::EverybodyHasIt),
        },
        Wanted::Role(Role::Admin | Role::Auditor) => None,
        Wanted::Role(_) | Wanted::Membership => Some(Saved::NoSuchRole),
    })
}

fn wrong_terms(
    tx: &mut ReadTx,
    organization: OrganizationId,
    wanted: Wanted,
    terms: &Terms,
) -> Result<Option<Saved>, DbError> {
    if wanted == Wanted::Role(Role::Admin) && terms.approvals < 2 {
        return Ok(Some(Saved::TwoNeeded));
    }
    let Some(group) = terms.approvers else { return Ok(None) };
    if wanted.role().is_some() {
        return Ok(Some(Saved::ManagersOnly));
    }
    Ok(principals::group(tx, organization, group)?.is_none().then_some(Saved::NoSuchApprovers))
}

/// Changes who decides, how fast, and for how long access is given. What waits is decided by the new terms, but needs
/// as many approvals as when it was asked.
pub fn change(
    tx: &mut Tx,
    organization: OrganizationId,
    id: OfferId,
    terms: &Terms,
) -> Result<Commit<Saved>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(offer) = find(tx, organization, id)? else { return Ok(Commit::unchanged(Saved::NoSuchOffer)) };
    if let Some(refused) = wrong_terms(tx, organization, offer.wanted, terms)? {
        return Ok(Commit::unchanged(refused));
    }
    let row =
        params![organization, id, terms.approvers, terms.approvals, terms.days_max, terms.hours_to_decide];
    tx.execute(&sql::UPDATE, row)?;
    saved(tx, organization, id, "access_offer.changed")
}

/// Ends an offer: what was granted stays until its end, what waits can only be refused. `false`: there is none.
pub fn remove(tx: &mut Tx, organization: OrganizationId, id: OfferId) -> Result<Commit<bool>, DbError> {
    let Some(offer) = find(tx, organization, id)? else { return Ok(Commit::unchanged(false)) };
    tx.execute(&sql::DELETE, params![organization, id])?;
    let event = Event::new(organization, "access_offer.ended")
        .target("access_offer", id)
        .with("what", offer.wanted.key())
        .with("name", &offer.name);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

pub fn find(tx: &mut ReadTx, organization: OrganizationId, id: OfferId) -> Result<Option<Offer>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_offer).transpose()
}

/// Offers, the oldest first; `after` is the id to go on behind.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: Option<OfferId>,
    limit: u32,
) -> Result<Vec<Offer>, DbError> {
    let after = after.map_or_else(|| vec![0; 16], |id| platform::ids::Id::bytes(id).to_vec());
    tx.list(&sql::LIST, params![organization, after, limit], read_offer)
}

// ---- who decides ----------------------------------------------------------------------------------------------

/// Whether `member` decides, by what they are now: whoever manages people, and the members of the offer's group.
pub fn decides(
    tx: &mut ReadTx,
    organization: OrganizationId,
    approvers: Option<GroupId>,
    account: AccountId,
) -> Result<bool, DbError> {
    let member = principals::membership(tx, organization, account)?;
    let Some(member) = member.filter(|member| member.state == MembershipState::Active) else {
        return Ok(false);
    };
    let active = principals::account(tx, account)?
        .is_some_and(|account| account.state == principals::AccountState::Active);
    if !active {
        return Ok(false);
    }
    if member.role.may(Permission::PeopleManage) {
        return Ok(true);
    }
    let Some(group) = approvers else { return Ok(false) };
    Ok(principals::groups_of(tx, organization, account)?.iter().any(|found| found.id == group))
}

/// Whom a request is mailed to: the offer's group, or, when it has nobody but the asker, who manages people.
pub fn told(
    tx: &mut ReadTx,
    organization: OrganizationId,
    approvers: Option<GroupId>,
    asker: AccountId,
) -> Result<Vec<String>, DbError> {
    const TOLD_MAX: u32 = 50;
    if let Some(group) = approvers {
        let members = principals::group_members(tx, organization, group, "", TOLD_MAX)?;
        let others = |member: &Membership| member.account != asker && member.state == MembershipState::Active;
        let found: Vec<String> = members.into_iter().filter(others).map(|member| member.email).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    tx.list(&sql::MANAGERS, params![organization, asker], |row| row.get(0))
}

/// How many people could approve a request of `asker`; for a warning where a second one is missing.
pub fn count_deciding(
    tx: &mut ReadTx,
    organization: OrganizationId,
    approvers: Option<GroupId>,
    asker: Option<AccountId>,
) -> Result<u64, DbError> {
    let asker = asker.map_or_else(|| vec![0; 16], |id| platform::ids::Id::bytes(id).to_vec());
    Ok(tx.scalar(&sql::COUNT_DECIDING, params![organization, asker, approvers])?.unwrap_or(0))
}
