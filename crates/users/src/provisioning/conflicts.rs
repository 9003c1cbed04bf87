//! Records that could not be linked as their directory asks: kept, shown to admins, and settled here.

use platform::db::{Commit, DbError, ReadTx, Recorded, Tx};
use platform::events::Event;
use platform::ids::Id;
use platform::params;
use platform::principals;
use platform::{App, Ctx};
use scim::Resource;

use super::linking::{self, Link, Linking};
use super::{Conflict, Group, Person, RecordId, Scope, groups, people, read_group, read_person, sql};

/// One conflict as admins see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub id: RecordId,
    /// `user` or `group`
    pub kind: &'static str,
    /// The user name, or the name of the group.
    pub name: String,
    pub conflict: Conflict,
}

pub fn count(tx: &mut ReadTx, scope: &Scope) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_CONFLICTS, params![scope.organization, scope.directory])?.unwrap_or(0))
}

/// Conflicts of people and groups, by id, after `after`.
pub fn list(
    tx: &mut ReadTx,
    scope: &Scope,
    after: Option<RecordId>,
    limit: u32,
) -> Result<Vec<Open>, DbError> {
    let after = after.map_or_else(Vec::new, |id| id.bytes().to_vec());
    let params = params![scope.organization, scope.directory, after, limit];
    let people = tx.list(&sql::USER_CONFLICTS, params, read_person)?;
    let groups = tx.list(&sql::GROUP_CONFLICTS, params, read_group)?;
    let person = |person: Person| {
        let name = crate::names::visible(&person.user_name);
        Some(Open { id: person.id, kind: "user", name, conflict: person.conflict? })
    };
    let group = |group: Group| {
        Some(Open { id: group.id, kind: "group", name: group.title(), conflict: group.conflict? })
    };
    let mut all: Vec<Open> =
        people.into_iter().filter_map(person).chain(groups.into_iter().filter_map(group)).collect();
    all.sort_by_key(|open| open.id);
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}

/// How an admin settles a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Something changed since: try again.
    Retry,
    /// The directory's group takes the organization's group of that name over, with the directory's members.
    TakeOver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    Done,
    NoSuchConflict,
    /// Nothing changed: this is still in the way.
    Still(Conflict),
    /// Only a group can be taken over, and only one that no directory fills.
    CannotTakeOver,
}

pub fn settle(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
    how: How,
) -> Result<Commit<Settling>, DbError> {
    if let Some(person) = super::person(tx, scope, id)? {
        let Some(conflict) = person.conflict else { return Ok(Commit::unchanged(Settling::NoSuchConflict)) };
        if how == How::TakeOver {
            return Ok(Commit::unchanged(Settling::CannotTakeOver));
        }
        return Ok(match retry_person(app, ctx, tx, scope, id)? {
            Some(recorded) => Commit::changed(Settling::Done, recorded),
            None => {
                let now = super::person(tx, scope, id)?.and_then(|person| person.conflict);
                Commit::unchanged(Settling::Still(now.unwrap_or(conflict)))
            }
        });
    }
    match super::group(tx, scope, id)? {
        Some(record) if record.conflict.is_some() => settle_group(ctx, tx, scope, record, how),
        _ => Ok(Commit::unchanged(Settling::NoSuchConflict)),
    }
}

/// Tries again to give a record its account or its address; `None` when nothing changed.
pub(crate) fn retry_person(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
) -> Result<Option<Recorded>, DbError> {
    let Some(person) = super::person(tx, scope, id)?.filter(|person| person.conflict.is_some()) else {
        return Ok(None);
    };
    let resource = Resource::stored(&scim::USER, person.attributes.clone());
    let address = linking::address(&resource);
    let name = people::name_of(&resource, address.as_ref());
    let linking = Linking { app, ctx, scope, name: &name, active: person.active };
    let (account, conflict) = match person.account {
        None => match linking.link(tx, address.as_ref())? {
            Link::Done { account, .. } => (Some(account), None),
            Link::Held(conflict) => (None, Some(conflict)),
            Link::Owner => (None, person.conflict),
        },
        Some(account) => {
            let conflict = match principals::account(tx, account)? {
                Some(found) => linking.move_login(tx, &found, address.as_ref())?,
                None => person.conflict,
            };
            (Some(account), conflict)
        }
    };
    if conflict == person.conflict {
        return Ok(None);
    }
    let row = params![scope.organization, scope.directory, id, account, conflict.map(Conflict::as_str)];
    tx.execute(&sql::SET_LINK, row)?;
    if let Some(account) = account.filter(|_| person.account.is_none()) {
        people::join_groups(ctx, tx, scope, id, account)?;
    }
    let mut event = Event::new(scope.organization, "directory_user.conflict_settled")
        .target("directory_user", id)
        .with("directory", scope.directory)
        .personal("user_name", &person.user_name);
    if let Some(account) = account {
        event = event.with("account", account);
    }
    if let Some(conflict) = conflict {
        event = event.with("conflict", conflict.as_str());
    }
    Ok(Some(tx.record(event)))
}

fn settle_group(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    mut record: Group,
    how: How,
) -> Result<Commit<Settling>, DbError> {
    crate::organizations::lock(tx, scope.organization)?;
    let other = principals::group_by_name(tx, scope.organization, &record.title())?;
    match (other, record.group, how) {
        (Some(other), None, How::TakeOver) => {
            if super::fills_group(tx, scope.organization, other.id)?.is_some() {
                return Ok(Commit::unchanged(Settling::CannotTakeOver));
            }
            groups::take_over(ctx, tx, scope, &mut record, other.id)?;
        }
        (_, _, How::TakeOver) => return Ok(Commit::unchanged(Settling::CannotTakeOver)),
        (Some(other), group, How::Retry) if group != Some(other.id) => {
            return Ok(Commit::unchanged(Settling::Still(Conflict::NameTaken)));
        }
        (_, Some(group), How::Retry) => {
            groups::rename_group(tx, scope, group, &record.title())?;
            record.conflict = None;
        }
        (_, None, How::Retry) => {
            if !groups::attach(ctx, tx, scope, &mut record)? {
                return Ok(Commit::unchanged(Settling::Still(Conflict::NameTaken)));
            }
        }
    }
    groups::save(ctx, tx, scope, &mut record)?;
    let mut event = Event::new(scope.organization, "directory_group.conflict_settled")
        .target("directory_group", record.id)
        .with("directory", scope.directory)
        .with("name", record.title())
        .with("how", if how == How::TakeOver { "taken_over" } else { "retried" });
    if let Some(group) = record.group {
        event = event.with("group", group);
    }
    let recorded = tx.record(event);
    Ok(Commit::changed(Settling::Done, recorded))
}
