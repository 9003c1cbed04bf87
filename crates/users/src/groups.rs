//! Groups: named sets of members of one organization, for policies and grants.
//!
//! A group holds members only (the database refuses anybody else), and somebody who leaves the organization leaves its
//! groups with the same row. Names are unique without regard to case. A group that a directory fills changes there and
//! not here ([`provisioning`]): what would be done by hand, the next sync would not know.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::principals::{self, Group, Membership};

use crate::names::Name;
use crate::{directories, organizations, provisioning};

pub(crate) mod api;
pub(crate) mod pages;
#[cfg(test)]
mod tests;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    Done(Group),
    NameTaken,
    NoSuchGroup,
    /// A directory fills it: it changes there.
    FromDirectory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Done,
    NoSuchGroup,
    FromDirectory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membered {
    Done,
    /// It was so already.
    Same,
    NoSuchGroup,
    /// Not a member of the organization.
    NoSuchPerson,
    FromDirectory,
}

pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &Name,
    description: &str,
) -> Result<Commit<Saved>, DbError> {
    let new = Group {
        id: ctx.id(),
        name: name.as_str().to_owned(),
        description: description.to_owned(),
        members: 0,
        created_at: ctx.now,
    };
    if !principals::insert_group(tx, organization, &new)? {
        return Ok(Commit::unchanged(Saved::NameTaken));
    }
    let created = Event::new(organization, "group.created").target("group", new.id).with("name", name);
    let recorded = tx.record(created);
    Ok(Commit::changed(Saved::Done(new), recorded))
}

/// Gives a group another name and description.
pub fn update(
    tx: &mut Tx,
    organization: OrganizationId,
    id: GroupId,
    name: &Name,
    description: &str,
) -> Result<Commit<Saved>, DbError> {
    // The lock makes the look at the name below hold until the update.
    organizations::lock(tx, organization)?;
    let Some(mut group) = principals::group(tx, organization, id)? else {
        return Ok(Commit::unchanged(Saved::NoSuchGroup));
    };
    if provisioning::fills_group(tx, organization, id)?.is_some() {
        return Ok(Commit::unchanged(Saved::FromDirectory));
    }
    let other = principals::group_by_name(tx, organization, name.as_str())?;
    if other.is_some_and(|other| other.id != id) {
        return Ok(Commit::unchanged(Saved::NameTaken));
    }
    if group.name == name.as_str() && group.description == description {
        return Ok(Commit::unchanged(Saved::Done(group)));
    }
    principals::update_group(tx, organization, id, name.as_str(), description)?;
    let updated = Event::new(organization, "group.updated")
        .target("group", id)
        .with("from", &group.name)
        .with("name", name);
    let recorded = tx.record(updated);
    group.name = name.as_str().to_owned();
    group.description = description.to_owned();
    Ok(Commit::changed(Saved::Done(group), recorded))
}

/// Deletes a group; its members stay in the organization.
pub fn delete(tx: &mut Tx, organization: OrganizationId, id: GroupId) -> Result<Commit<Deleted>, DbError> {
    let Some(group) = principals::group(tx, organization, id)? else {
        return Ok(Commit::unchanged(Deleted::NoSuchGroup));
    };
    if provisioning::fills_group(tx, organization, id)?.is_some() {
        return Ok(Commit::unchanged(Deleted::FromDirectory));
    }
    if !principals::delete_group(tx, organization, id)? {
        return Ok(Commit::unchanged(Deleted::NoSuchGroup));
    }
    let deleted = Event::new(organization, "group.deleted")
        .target("group", id)
        .with("name", group.name)
        .with("members", group.members);
    let recorded = tx.record(deleted);
    Ok(Commit::changed(Deleted::Done, recorded))
}

/// The event of somebody getting into or out of a group.
pub(crate) fn moved(
    organization: OrganizationId,
    action: &'static str,
    group: GroupId,
    person: &Membership,
) -> Event {
    Event::new(organization, action)
        .target("group", group)
        .with("account", person.account)
        .personal("email", &person.email)
}

pub fn add_member(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: GroupId,
    account: AccountId,
) -> Result<Commit<Membered>, DbError> {
    // Neither the group nor the membership may go away before the insert that refers to them.
    organizations::lock(tx, organization)?;
    if principals::group(tx, organization, id)?.is_none() {
        return Ok(Commit::unchanged(Membered::NoSuchGroup));
    }
    if provisioning::fills_group(tx, organization, id)?.is_some() {
        return Ok(Commit::unchanged(Membered::FromDirectory));
    }
    let Some(person) = principals::membership(tx, organization, account)? else {
        return Ok(Commit::unchanged(Membered::NoSuchPerson));
    };
    if !principals::insert_group_member(tx, organization, id, account, ctx.now)? {
        return Ok(Commit::unchanged(Membered::Same));
    }
    let recorded = tx.record(moved(organization, "group.member_added", id, &person));
    Ok(Commit::changed(Membered::Done, recorded))
}

pub fn remove_member(
    tx: &mut Tx,
    organization: OrganizationId,
    id: GroupId,
    account: AccountId,
) -> Result<Commit<Membered>, DbError> {
    if principals::group(tx, organization, id)?.is_none() {
        return Ok(Commit::unchanged(Membered::NoSuchGroup));
    }
    if provisioning::fills_group(tx, organization, id)?.is_some() {
        return Ok(Commit::unchanged(Membered::FromDirectory));
    }
    let Some(person) = principals::membership(tx, organization, account)? else {
        return Ok(Commit::unchanged(Membered::NoSuchPerson));
    };
    if !principals::delete_group_member(tx, organization, id, account)? {
        return Ok(Commit::unchanged(Membered::Same));
    }
    let recorded = tx.record(moved(organization, "group.member_removed", id, &person));
    Ok(Commit::changed(Membered::Done, recorded))
}

/// The directory that fills a group: nothing else changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    pub id: directories::DirectoryId,
    pub name: String,
}

pub fn keeper(tx: &mut ReadTx, organization: OrganizationId, id: GroupId) -> Result<Option<Keeper>, DbError> {
    let Some(directory) = provisioning::fills_group(tx, organization, id)? else { return Ok(None) };
    let found = directories::get(tx, organization, directory)?;
    Ok(found.map(|found| Keeper { id: found.id, name: found.name }))
}

/// A group with the first of its members.
#[derive(Debug, Clone)]
pub struct Detail {
    pub group: Group,
    pub members: Vec<Membership>,
}

pub fn detail(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: GroupId,
    after: &str,
    limit: u32,
) -> Result<Option<Detail>, DbError> {
    let Some(group) = principals::group(tx, organization, id)? else { return Ok(None) };
    let members = principals::group_members(tx, organization, id, after, limit)?;
    Ok(Some(Detail { group, members }))
}
