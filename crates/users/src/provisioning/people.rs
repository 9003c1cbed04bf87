//! What a directory does with people: create, replace, patch, delete.

use platform::db::{Commit, DbError, Recorded, Tx};
use platform::events::Event;
use platform::params;
use platform::principals::{self, AccountState, MembershipState};
use platform::{App, Ctx};
use scim::Resource;
use scim::patch::Patch;
use serde_json::{Map, Value};

use super::linking::{self, Link, Linking};
use super::{
    Conflict, Person, RecordId, Ruling, Scope, check_version, not_found, read_group, refused, ruled, sql,
    uniqueness,
};
use crate::accounts::email::EmailAddress;
use crate::names;

/// Longest user name and external id: they stand in indexes.
const KEY_BYTES_MAX: usize = 1024;

fn check_keys(resource: &Resource) -> Ruling<()> {
    for (name, text) in [("userName", Some(resource.user_name())), ("externalId", resource.external_id())] {
        if text.is_some_and(|text| text.len() > KEY_BYTES_MAX) {
            return Err(scim::Error::value(format!("`{name}` has up to {KEY_BYTES_MAX} bytes")));
        }
    }
    Ok(())
}

fn json(attributes: &Map<String, Value>) -> Result<String, DbError> {
    serde_json::to_string(attributes).map_err(|error| DbError::Check(error.to_string()))
}

/// What the person is called in lists and mails: a name like any other. The record keeps what the directory says.
pub(crate) fn name_of(resource: &Resource, address: Option<&EmailAddress>) -> String {
    let cleaned = |text: &str| names::cleaned(text, names::CHARS_MAX);
    cleaned(&resource.person_name())
        .or_else(|| cleaned(resource.user_name()))
        .or_else(|| address.map(|address| address.key().to_owned()))
        .unwrap_or_default()
}

/// Makes the record of a person, and their account where that may be.
pub(crate) fn create(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    resource: &Resource,
) -> Result<Commit<Ruling<Person>>, DbError> {
    if let Err(error) = check_keys(resource) {
        return Ok(refused(error));
    }
    let (address, active) = (linking::address(resource), resource.active());
    let name = name_of(resource, address.as_ref());
    let linking = Linking { app, ctx, scope, name: &name, active };
    let (account, made, conflict) = match linking.link(tx, address.as_ref())? {
        Link::Done { account, made } => (Some(account), made, None),
        Link::Held(conflict) => (None, false, Some(conflict)),
        Link::Owner => return Ok(refused(owner())),
    };
    let person = Person {
        id: ctx.id(),
        account,
        user_name: resource.user_name().to_owned(),
        external_id: resource.external_id().map(str::to_owned),
        email: address.as_ref().map(|address| address.key().to_owned()),
        active,
        conflict,
        attributes: resource.attributes().clone(),
        version: 1,
        created_at: ctx.now,
        changed_at: ctx.now,
    };
    let row = params![
        scope.organization,
        scope.directory,
        person.id,
        person.account,
        person.user_name.as_str(),
        person.user_name.to_lowercase(),
        person.external_id.clone(),
        person.email.clone(),
        address.as_ref().map(EmailAddress::domain),
        active,
        conflict.map(Conflict::as_str),
        json(&person.attributes)?,
        ctx.now
    ];
    if tx.execute(&sql::INSERT_USER, row)? != 1 {
        return Ok(refused(uniqueness("user with this `userName`")));
    }
    let mut event = event(scope, "directory_user.created", &person).with("active", active);
    if let Some(account) = account {
        event = event.with("account", account).with("member", if made { "new" } else { "before" });
    }
    let recorded = tx.record(event);
    Ok(Commit::changed(Ok(person), recorded))
}

fn event(scope: &Scope, action: &'static str, person: &Person) -> Event {
    let event = Event::new(scope.organization, action)
        .target("directory_user", person.id)
        .with("directory", scope.directory)
        .personal("user_name", &person.user_name);
    match person.conflict {
        Some(conflict) => event.with("conflict", conflict.as_str()),
        None => event,
    }
}

fn owner() -> scim::Error {
    scim::Error::new(
        409,
        None,
        "this person is an owner of the organization, about whom no directory decides: let an owner give them another \
         role first",
    )
}

/// How a record is to become.
pub(crate) enum Change {
    Replace(Resource),
    Patch(Patch),
}

/// Replaces or patches a record, in one transaction.
pub(crate) fn change(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
    change: &Change,
    if_match: Option<&str>,
) -> Result<Commit<Ruling<Person>>, DbError> {
    let Some(before) = super::person(tx, scope, id)? else { return Ok(refused(not_found("user"))) };
    let resource = check_version(if_match, before.version).and_then(|()| match change {
        Change::Replace(resource) => Ok(resource.clone()),
        Change::Patch(patch) => patch.apply(&Resource::stored(&scim::USER, before.attributes.clone())),
    });
    let resource = match resource.and_then(|resource| check_keys(&resource).map(|()| resource)) {
        Ok(resource) => resource,
        Err(error) => return Ok(refused(error)),
    };
    if *resource.attributes() == before.attributes {
        return Ok(ruled(before, None));
    }
    let key = resource.user_name().to_lowercase();
    if key != before.user_name.to_lowercase()
        && tx.first(&sql::USER_BY_NAME, params![scope.organization, scope.directory, key.as_str()])?.is_some()
    {
        return Ok(refused(uniqueness("user with this `userName`")));
    }
    // Not said is not changed: who is out stays out.
    let active = resource.attributes().get("active").and_then(Value::as_bool).unwrap_or(before.active);
    let Some(recorded) = write(app, ctx, tx, scope, &before, &resource, active)? else {
        return Ok(refused(owner()));
    };
    let Some(after) = super::person(tx, scope, id)? else { return Ok(refused(not_found("user"))) };
    Ok(Commit::changed(Ok(after), recorded))
}

/// Writes the record and what follows from it; `None` where that would put an owner out.
fn write(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    before: &Person,
    resource: &Resource,
    active: bool,
) -> Result<Option<Recorded>, DbError> {
    let address = linking::address(resource);
    let name = name_of(resource, address.as_ref());
    let linking = Linking { app, ctx, scope, name: &name, active };
    let Some((account, conflict)) = relink(&linking, tx, before, address.as_ref())? else { return Ok(None) };
    let row = params![
        scope.organization,
        scope.directory,
        before.id,
        account,
        resource.user_name(),
        resource.user_name().to_lowercase(),
        resource.external_id().map(str::to_owned),
        address.as_ref().map(|address| address.key().to_owned()),
        address.as_ref().map(|address| address.domain().to_owned()),
        active,
        conflict.map(Conflict::as_str),
        json(resource.attributes())?,
        ctx.now
    ];
    tx.execute(&sql::UPDATE_USER, row)?;
    if let Some(account) = account.filter(|_| before.account.is_none()) {
        join_groups(ctx, tx, scope, before.id, account)?;
    }
    let action = match (before.active, active) {
        (true, false) => "directory_user.deactivated",
        (false, true) => "directory_user.reactivated",
        _ => "directory_user.updated",
    };
    let person = Person { conflict, ..before.clone() };
    let changed = changed_attributes(&before.attributes, resource.attributes());
    let mut event = event(scope, action, &person).with("changed", changed);
    if let Some(account) = account {
        event = event.with("account", account);
    }
    Ok(Some(tx.record(event)))
}

/// The account, and the conflict that keeps the record from another one.
type Relinked = (Option<platform::ids::AccountId>, Option<Conflict>);

/// The account of a changed record, and what stands in the way of what it asks for.
fn relink(
    linking: &Linking<'_>,
    tx: &mut Tx,
    before: &Person,
    address: Option<&EmailAddress>,
) -> Result<Option<Relinked>, DbError> {
    let moved = address.map(EmailAddress::key) != before.email.as_deref();
    let Some(account) = before.account else {
        return Ok(match linking.link(tx, address)? {
            Link::Done { account, .. } => Some((Some(account), None)),
            Link::Held(conflict) => Some((None, Some(conflict))),
            Link::Owner => None,
        });
    };
    let Some(found) = principals::account(tx, account)? else {
        return Ok(Some((Some(account), before.conflict)));
    };
    let owner = linking::is_owner(tx, linking.scope.organization, account)?;
    if owner && before.active && !linking.active {
        return Ok(None);
    }
    let conflict = if moved { linking.move_login(tx, &found, address)? } else { before.conflict };
    if !owner {
        follow(linking, tx, before, &found)?;
    }
    Ok(Some((Some(account), conflict)))
}

/// What a change of the record means for the account that it is linked to.
fn follow(
    linking: &Linking<'_>,
    tx: &mut Tx,
    before: &Person,
    account: &principals::Account,
) -> Result<(), DbError> {
    let organization = linking.scope.organization;
    // An account that its person brought along keeps the name that they gave it.
    let named = !linking.name.is_empty() && account.name != linking.name;
    if account.managed_by == Some(organization) && named {
        principals::rename_account(tx, account.id, linking.name)?;
    }
    match (before.active, linking.active) {
        (true, false) => linking::put_out(linking.ctx, tx, organization, account.id),
        (false, true) => linking::restore(tx, organization, account),
        _ => Ok(()),
    }
}

/// Somebody who got an account is in the groups that their record is in.
pub(crate) fn join_groups(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
    account: platform::ids::AccountId,
) -> Result<(), DbError> {
    let params = params![scope.organization, scope.directory, id];
    for record in tx.list(&sql::GROUPS_OF_USER, params, read_group)? {
        if let Some(group) = record.group {
            super::groups::fill(ctx, tx, scope, group, &[account])?;
        }
    }
    Ok(())
}

/// Names of the attributes in which the two differ.
fn changed_attributes(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let mut names: Vec<&str> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| if name.starts_with("urn:") { "enterprise" } else { name.as_str() })
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}

/// Takes a person out of the directory. Their membership ends, unless an admin suspended it: that outlives the record,
/// or making it anew would undo the suspension. The account of somebody who is nowhere else is
/// deactivated; nobody is deleted.
pub(crate) fn delete(
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    id: RecordId,
    if_match: Option<&str>,
) -> Result<Commit<Ruling<()>>, DbError> {
    let Some(person) = super::person(tx, scope, id)? else { return Ok(refused(not_found("user"))) };
    if let Err(error) = check_version(if_match, person.version) {
        return Ok(refused(error));
    }
    let organization = scope.organization;
    let mut event = event(scope, "directory_user.deleted", &person);
    if let Some(account) = person.account {
        if linking::is_owner(tx, organization, account)? {
            return Ok(refused(owner()));
        }
        let shared = principals::count_memberships_of(tx, account)? > 1;
        let managed =
            principals::account(tx, account)?.is_some_and(|found| found.managed_by == Some(organization));
        let by_directory = tx.execute(&sql::RETURN, params![organization, account])? > 0;
        let member = principals::membership(tx, organization, account)?;
        if by_directory || member.is_some_and(|member| member.state == MembershipState::Active) {
            principals::delete_membership(tx, organization, account)?;
            let removed = Event::new(organization, "member.removed").target("account", account);
            let _recorded = tx.record(removed.with("by", "directory"));
        }
        let deactivated = managed && !shared;
        if deactivated {
            principals::set_account_state(tx, account, AccountState::Suspended)?;
        }
        super::end_access(ctx, tx, organization, account, deactivated)?;
        tx.execute(&sql::DEPART, params![organization, account, ctx.now])?;
        event = event.with("account", account).with("account_deactivated", deactivated);
    }
    tx.execute(&sql::DELETE_USER, params![organization, scope.directory, id])?;
    let recorded = tx.record(event);
    Ok(Commit::changed(Ok(()), recorded))
}
