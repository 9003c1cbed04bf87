//! What a directory does with groups: create, replace, patch, delete; and how a record fills a group of the
//! organization.
//!
//! A record fills the group that was made for it, or one that an admin let it take over. While another group has its
//! name it fills none: a conflict. A member that this directory does not know is left out, and the request log says so:
//! an id of elsewhere must never get anybody into a group.

use platform::Ctx;
use platform::db::{Commit, DbError, Recorded, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId};
use platform::params;
use platform::principals;
use scim::Resource;
use scim::patch::{GroupChange, Patch};
use serde_json::{Map, Value, json};

use super::{
    Conflict, Group, RecordId, Ruling, Scope, check_version, not_found, refused, ruled, sql, uniqueness,
};

pub(crate) const NAME_CHARS_MAX: usize = 256;

/// A record of a group, and how many of the members asked for are unknown here.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub group: Group,
    pub unknown: u64,
}

/// How a group is to become.
pub(crate) enum Change {
    Replace(Resource),
    Patch(Patch),
}

/// Empty: the record has none. RFC 7643 calls it required in §4.2 and optional in the schema of §8.7.1; clients are
/// checked against the schema, so a group without one is taken and shown under its id.
fn check_name(name: Option<&str>) -> Ruling<String> {
    let Some(name) = name.map(str::trim) else { return Ok(String::new()) };
    let count = name.chars().count();
    if count == 0 || count > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let why =
            format!("`displayName` has 1 to {NAME_CHARS_MAX} characters, none of them a control character");
        return Err(scim::Error::value(why));
    }
    Ok(name.to_owned())
}

pub(crate) fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    resource: &Resource,
) -> Result<Commit<Ruling<Outcome>>, DbError> {
    let name = match check_name(resource.text("displayName")) {
        Ok(name) => name,
        Err(error) => return Ok(refused(error)),
    };
    let mut record = Group {
        id: ctx.id(),
        group: None,
        name,
        external_id: resource.external_id().map(str::to_owned),
        conflict: None,
        version: 1,
        created_at: ctx.now,
        changed_at: ctx.now,
    };
    record.group = make_group(ctx, tx, scope, &record.title())?;
    record.conflict = record.group.is_none().then_some(Conflict::NameTaken);
    let row = params![
        scope.organization,
        scope.directory,
        record.id,
        record.group,
        record.name.as_str(),
        record.name_key(),
        record.external_id.clone(),
        record.conflict.map(Conflict::as_str),
        ctx.now
    ];
    if tx.execute(&sql::INSERT_GROUP, row)? != 1 {
        return Ok(refused(uniqueness("group with this `displayName`")));
    }
    let tally = add(ctx, tx, scope, &record, &resource.members())?;
    let event = event(scope, "directory_group.created", &record).with("members", tally.changed);
    let recorded = tx.record(event);
    Ok(Commit::changed(Ok(Outcome { group: record, unknown: tally.unknown }), recorded))
}

/// A group of the organization for a record; `None` when the name is taken.
pub(crate) fn make_group(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    name: &str,
) -> Result<Option<GroupId>, DbError> {
    let new = principals::Group {
        id: ctx.id(),
        name: name.to_owned(),
        description: String::new(),
        members: 0,
        created_at: ctx.now,
    };
    if !principals::insert_group(tx, scope.organization, &new)? {
        return Ok(None);
    }
    let created = Event::new(scope.organization, "group.created").target("group", new.id);
    let _recorded = tx.record(created.with("name", name).with("directory", scope.directory));
    Ok(Some(new.id))
}

fn event(scope: &Scope, action: &'static str, record: &Group) -> Event {
    let mut event = Event::new(scope.organization, action)
        .target("directory_group", record.id)
        .with("directory", scope.directory)
        .with("name", record.title());
    if let Some(group) = record.group {
        event = event.with("group", group);
    }
    match record.conflict {
        Some(conflict) => event.with("conflict", conflict.as_str()),
        None => event,
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    changed: u64,
    unknown: u64,
}

impl Tally {
    fn and(self, other: Tally) -> Self {
        Self { changed: self.changed + other.changed, unknown: self.unknown + other.unknown }
    }
}

fn add(ctx: &Ctx, tx: &mut Tx, scope: &Scope, record: &Group, ids: &[String]) -> Result<Tally, DbError> {
    let (mut tally, mut rows, mut accounts) = (Tally::default(), Vec::new(), Vec::new());
    for text in ids {
        let known = match text.parse::<RecordId>() {
            Ok(id) => tx.first(&sql::LINK_OF, params![scope.organization, scope.directory, id])?,
            Err(_) => None,
        };
        let Some(known) = known else {
            tally.unknown += 1;
            continue;
        };
        let id: RecordId = known.get(0)?;
        rows.push(params![scope.organization, scope.directory, record.id, id].to_vec());
        accounts.extend(known.get::<Option<AccountId>>(1)?);
    }
    tally.changed = tx.execute_many(&sql::INSERT_MEMBER, rows)?;
    if let Some(group) = record.group {
        fill(ctx, tx, scope, group, &accounts)?;
    }
    Ok(tally)
}

fn remove(tx: &mut Tx, scope: &Scope, record: &Group, ids: &[RecordId]) -> Result<Tally, DbError> {
    let mut tally = Tally::default();
    for id in ids {
        let params = params![scope.organization, scope.directory, record.id, *id];
        if tx.execute(&sql::DELETE_MEMBER, params)? == 0 {
            continue;
        }
        tally.changed += 1;
        let link = tx.first(&sql::LINK_OF, params![scope.organization, scope.directory, *id])?;
        let account = match link {
            Some(link) => link.get::<Option<AccountId>>(1)?,
            None => None,
        };
        if let (Some(group), Some(account)) = (record.group, account) {
            empty(tx, scope, group, account)?;
        }
    }
    Ok(tally)
}

/// Puts accounts into a group of the organization.
pub(crate) fn fill(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    group: GroupId,
    accounts: &[AccountId],
) -> Result<(), DbError> {
    for account in accounts {
        if principals::insert_group_member(tx, scope.organization, group, *account, ctx.now)? {
            let _recorded = tx.record(moved(scope, "group.member_added", group, *account));
        }
    }
    Ok(())
}

fn empty(tx: &mut Tx, scope: &Scope, group: GroupId, account: AccountId) -> Result<(), DbError> {
    if principals::delete_group_member(tx, scope.organization, group, account)? {
        let _recorded = tx.record(moved(scope, "group.member_removed", group, account));
    }
    Ok(())
}

fn moved(scope: &Scope, action: &'static str, group: GroupId, account: AccountId) -> Event {
    Event::new(scope.organization, action)
        .target("group", group)
        .with("account", account)
        .with("directory", scope.directory)
}

pub(crate) fn member_ids(
    tx: &mut platform::db::ReadTx,
    scope: &Scope,
    id: RecordId,
) -> Result<Vec<RecordId>, DbError> {
    tx.list(&sql::MEMBER_IDS, params![scope.organization, scope.directory, id], |row| row.get(0))
}

/// Whether a group has more than `count` members.
pub(crate) fn is_larger(
    tx: &mut platform::db::ReadTx,
    scope: &Scope,
    id: RecordId,
    count: u32,
) -> Result<bool, DbError> {
    let params = params![scope.organization, scope.directory, id, count];
    Ok(tx.first(&sql::MEMBER_BEYOND, params)?.is_some())
}

/// These members and no others.
fn set(ctx: &Ctx, tx: &mut Tx, scope: &Scope, record: &Group, ids: &[String]) -> Result<Tally, DbError> {
    let have = member_ids(tx, scope, record.id)?;
    let wanted: std::collections::HashSet<RecordId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let gone: Vec<RecordId> = have.iter().copied().filter(|id| !wanted.contains(id)).collect();
    let have: std::collections::HashSet<RecordId> = have.into_iter().collect();
    let new: Vec<String> = ids
        .iter()
        .filter(|id| id.parse().is_ok_and(|id| !have.contains(&id)) || id.parse::<RecordId>().is_err())
        .cloned()
        .collect();
    Ok(remove(tx, scope, record, &gone)?.and(add(ctx, tx, scope, record, &new)?))
}

/// Replaces or patches a record, in one transaction.
pub(crate) fn change(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
    change: &Change,
    if_match: Option<&str>,
) -> Result<Commit<Ruling<Outcome>>, DbError> {
    let Some(before) = super::group(tx, scope, id)? else { return Ok(refused(not_found("group"))) };
    if let Err(error) = check_version(if_match, before.version) {
        return Ok(refused(error));
    }
    let steps = match change {
        Change::Replace(resource) => Ok(vec![
            GroupChange::Name(resource.text("displayName").map(str::to_owned)),
            GroupChange::ExternalId(resource.external_id().map(str::to_owned)),
            GroupChange::Set(resource.members()),
        ]),
        Change::Patch(patch) => patch.group_changes(),
    };
    let steps = match steps {
        Ok(steps) => steps,
        Err(error) => return Ok(refused(error)),
    };
    let (mut record, mut tally) = (before.clone(), Tally::default());
    for step in steps {
        let done = match step {
            GroupChange::Name(name) => match check_name(name.as_deref()) {
                Ok(name) => {
                    record.name = name;
                    Tally::default()
                }
                Err(error) => return Ok(refused(error)),
            },
            GroupChange::ExternalId(external_id) => {
                record.external_id = external_id;
                Tally::default()
            }
            GroupChange::Add(ids) => add(ctx, tx, scope, &record, &ids)?,
            GroupChange::Remove(ids) => {
                let ids: Vec<RecordId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
                remove(tx, scope, &record, &ids)?
            }
            GroupChange::RemoveWhere(filter) => {
                let fitting = |id: &RecordId| filter.fits(&member_attributes(scope, *id));
                let ids: Vec<RecordId> = member_ids(tx, scope, id)?.into_iter().filter(fitting).collect();
                remove(tx, scope, &record, &ids)?
            }
            GroupChange::Set(ids) => set(ctx, tx, scope, &record, &ids)?,
        };
        tally = tally.and(done);
    }
    finish(ctx, tx, scope, &before, record, tally)
}

/// Writes what changed about the record itself.
fn finish(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    before: &Group,
    mut record: Group,
    tally: Tally,
) -> Result<Commit<Ruling<Outcome>>, DbError> {
    let same = record.name == before.name && record.external_id == before.external_id;
    if same && tally.changed == 0 {
        let outcome = Outcome { group: record, unknown: tally.unknown };
        return Ok(ruled(outcome, None));
    }
    if record.name != before.name
        && let Some(error) = rename(ctx, tx, scope, before, &mut record)?
    {
        return Ok(refused(error));
    }
    save(ctx, tx, scope, &mut record)?;
    let event = event(scope, "directory_group.updated", &record)
        .with("members_changed", tally.changed)
        .with("from", &before.name);
    let recorded: Recorded = tx.record(event);
    Ok(Commit::changed(Ok(Outcome { group: record, unknown: tally.unknown }), recorded))
}

pub(crate) fn save(ctx: &Ctx, tx: &mut Tx, scope: &Scope, record: &mut Group) -> Result<(), DbError> {
    let row = params![
        scope.organization,
        scope.directory,
        record.id,
        record.group,
        record.name.as_str(),
        record.name_key(),
        record.external_id.clone(),
        record.conflict.map(Conflict::as_str),
        ctx.now
    ];
    tx.execute(&sql::UPDATE_GROUP, row)?;
    record.version += 1;
    record.changed_at = ctx.now;
    Ok(())
}

/// Gives the record's group its new name, or parts them while another group has it.
fn rename(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    before: &Group,
    record: &mut Group,
) -> Result<Option<scim::Error>, DbError> {
    let key = record.name_key();
    if key != before.name_key()
        && tx
            .first(&sql::GROUP_BY_NAME, params![scope.organization, scope.directory, key.as_str()])?
            .is_some()
    {
        return Ok(Some(uniqueness("group with this `displayName`")));
    }
    if record.name.is_empty() && record.group.is_some() {
        // The organization's group keeps the name that people know it by.
        record.conflict = None;
        return Ok(None);
    }
    let other = principals::group_by_name(tx, scope.organization, &record.title())?;
    let taken = other.is_some_and(|other| Some(other.id) != record.group);
    match record.group {
        None if taken => {}
        None => {
            attach(ctx, tx, scope, record)?;
        }
        // The members keep what the group gives them; only its name waits.
        Some(_) if taken => record.conflict = Some(Conflict::NameTaken),
        Some(group) => {
            rename_group(tx, scope, group, &record.title())?;
            record.conflict = None;
            let renamed = Event::new(scope.organization, "group.updated").target("group", group);
            let _recorded = tx.record(renamed.with("from", before.title()).with("name", record.title()));
        }
    }
    Ok(None)
}

/// Gives a group another name and leaves its description.
pub(crate) fn rename_group(tx: &mut Tx, scope: &Scope, group: GroupId, name: &str) -> Result<(), DbError> {
    let description = principals::group(tx, scope.organization, group)?.map(|found| found.description);
    principals::update_group(tx, scope.organization, group, name, &description.unwrap_or_default())?;
    Ok(())
}

/// Makes a group for a record that had none, and fills it. `false` when its name is still taken.
pub(crate) fn attach(ctx: &Ctx, tx: &mut Tx, scope: &Scope, record: &mut Group) -> Result<bool, DbError> {
    let Some(group) = make_group(ctx, tx, scope, &record.title())? else { return Ok(false) };
    record.group = Some(group);
    record.conflict = None;
    let accounts = linked_accounts(tx, scope, record.id)?;
    fill(ctx, tx, scope, group, &accounts)?;
    Ok(true)
}

fn linked_accounts(tx: &mut Tx, scope: &Scope, id: RecordId) -> Result<Vec<AccountId>, DbError> {
    tx.list(&sql::LINKED_MEMBERS, params![scope.organization, scope.directory, id], |row| row.get(0))
}

/// Lets a record fill a group that was made by hand: its members become those of the record.
pub(crate) fn take_over(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    record: &mut Group,
    group: GroupId,
) -> Result<(), DbError> {
    let have: Vec<AccountId> =
        tx.list(&sql::GROUP_ACCOUNTS, params![scope.organization, group], |row| row.get(0))?;
    let wanted = linked_accounts(tx, scope, record.id)?;
    for account in have.into_iter().filter(|account| !wanted.contains(account)) {
        empty(tx, scope, group, account)?;
    }
    fill(ctx, tx, scope, group, &wanted)?;
    record.group = Some(group);
    record.conflict = None;
    Ok(())
}

pub(crate) fn delete(
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
    if_match: Option<&str>,
) -> Result<Commit<Ruling<()>>, DbError> {
    let Some(record) = super::group(tx, scope, id)? else { return Ok(refused(not_found("group"))) };
    if let Err(error) = check_version(if_match, record.version) {
        return Ok(refused(error));
    }
    tx.execute(&sql::DELETE_GROUP, params![scope.organization, scope.directory, id])?;
    if let Some(group) = record.group {
        principals::delete_group(tx, scope.organization, group)?;
        let deleted = Event::new(scope.organization, "group.deleted").target("group", group);
        let _recorded = tx.record(deleted.with("name", &record.name).with("directory", scope.directory));
    }
    let recorded = tx.record(event(scope, "directory_group.deleted", &record));
    Ok(Commit::changed(Ok(()), recorded))
}

/// A member as an answer shows it.
pub(crate) fn member_attributes(scope: &Scope, id: RecordId) -> Map<String, Value> {
    let member = json!({ "value": id, "$ref": format!("{}/Users/{id}", scope.base), "type": "User" });
    match member {
        Value::Object(member) => member,
        _ => Map::new(),
    }
}
