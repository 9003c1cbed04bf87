//! The drill of USR-P4, the part of SCIM: a canary directory of the provider gets a person and a group the way an
//! identity provider sends them; each step must show, and another directory must see nothing of it.
//!
//! The canary lives only inside a transaction that is rolled back. The row's drill `federation` also has parts of
//! sign-on; it calls this one and records how all of them ended.

use platform::db::{Commit, DbError, Tx};
use platform::evidence::DrillReport;
use platform::ids::OrganizationId;
use platform::principals;
use platform::{App, Ctx};
use scim::Resource;
use scim::message::ListQuery;
use scim::patch::Patch;
use serde_json::json;

use super::{RecordId, Scope, groups, lists, people};
use crate::directories::{self, Creation};
use crate::names::Name;

/// Whether a person and a group make the round trip. Gives a report and records nothing: the row's drill does.
pub async fn run(app: &App, ctx: &Ctx) -> Result<DrillReport, DbError> {
    let Some(provider) = app.db().read(principals::provider).await? else {
        return Ok(DrillReport { passed: false, detail: "this installation is not set up".to_owned() });
    };
    let (app_in, at) = (app.clone(), ctx.clone());
    let tried = app
        .db()
        .write(ctx, move |tx| Ok::<_, DbError>(Commit::unchanged(round_trip(&app_in, &at, tx, provider.id)?)))
        .await?;
    Ok(match tried.value {
        Ok(()) => DrillReport {
            passed: true,
            detail: "a person and a group made the round trip over SCIM, unseen by another directory"
                .to_owned(),
        },
        Err(wrong) => DrillReport { passed: false, detail: wrong },
    })
}

type Step<T> = Result<T, String>;

fn directory(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &str,
) -> Result<Step<Scope>, DbError> {
    let Ok(name) = Name::parse(&format!("{name} {}", ctx.request)) else {
        return Ok(Err("the canary has no name".to_owned()));
    };
    let made = directories::create(ctx, tx, organization, &name)?;
    Ok(match made.value() {
        Creation::Done(directory) => {
            Ok(Scope { organization, directory: directory.id, base: "https://canary.invalid".to_owned() })
        }
        _ => Err("no canary directory could be made".to_owned()),
    })
}

fn round_trip(app: &App, ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<Step<()>, DbError> {
    let (here, there) = match (
        directory(ctx, tx, organization, "drill")?,
        directory(ctx, tx, organization, "other drill")?,
    ) {
        (Ok(here), Ok(there)) => (here, there),
        (Err(wrong), _) | (_, Err(wrong)) => return Ok(Err(wrong)),
    };
    let person = json!({
        "schemas": [scim::USER.schema.urn], "userName": "canary", "externalId": "c-1", "active": true,
    });
    let Ok(resource) = Resource::from_value(&scim::USER, person) else {
        return Ok(Err("a person as Entra sends it is not understood".to_owned()));
    };
    let made = people::create(app, ctx, tx, &here, &resource)?;
    let Ok(made) = made.value() else { return Ok(Err("a person could not be created".to_owned())) };
    let id = made.id;
    if !finds(tx, &here, "externalId eq \"c-1\"", id)? {
        return Ok(Err("the person is not found by its external id".to_owned()));
    }
    if finds(tx, &there, "externalId eq \"c-1\"", id)? || super::person(tx, &there, id)?.is_some() {
        return Ok(Err("another directory sees the person".to_owned()));
    }
    let off = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    let Some(patch) = patch(&scim::USER, off) else { return Ok(Err("a patch is not understood".to_owned())) };
    people::change(app, ctx, tx, &here, id, &people::Change::Patch(patch), None)?;
    if super::person(tx, &here, id)?.is_none_or(|person| person.active) {
        return Ok(Err("a deactivated person is still active".to_owned()));
    }
    if let Err(wrong) = group(ctx, tx, &here, &there, id)? {
        return Ok(Err(wrong));
    }
    people::delete(ctx, tx, &here, id, None)?;
    if super::person(tx, &here, id)?.is_some() {
        return Ok(Err("a deleted person is still there".to_owned()));
    }
    Ok(Ok(()))
}

fn group(ctx: &Ctx, tx: &mut Tx, here: &Scope, there: &Scope, member: RecordId) -> Result<Step<()>, DbError> {
    let name = format!("canary {}", ctx.request);
    let group =
        json!({ "schemas": [scim::GROUP.schema.urn], "displayName": name, "members": [{ "value": member }] });
    let Ok(resource) = Resource::from_value(&scim::GROUP, group) else {
        return Ok(Err("a group as Entra sends it is not understood".to_owned()));
    };
    let made = groups::create(ctx, tx, here, &resource)?;
    let Ok(made) = made.value() else { return Ok(Err("a group could not be created".to_owned())) };
    let id = made.group.id;
    if groups::member_ids(tx, here, id)? != [member] {
        return Ok(Err("the group does not hold its member".to_owned()));
    }
    if super::group(tx, there, id)?.is_some() || !groups::member_ids(tx, there, id)?.is_empty() {
        return Ok(Err("another directory sees the group".to_owned()));
    }
    let out = json!([{ "op": "Remove", "path": "members", "value": [{ "value": member }] }]);
    let Some(patch) = patch(&scim::GROUP, out) else {
        return Ok(Err("a patch is not understood".to_owned()));
    };
    groups::change(ctx, tx, here, id, &groups::Change::Patch(patch), None)?;
    if !groups::member_ids(tx, here, id)?.is_empty() {
        return Ok(Err("a removed member is still in the group".to_owned()));
    }
    Ok(Ok(()))
}

fn patch(kind: &'static scim::ResourceType, operations: serde_json::Value) -> Option<Patch> {
    Patch::from_value(kind, json!({ "schemas": [scim::patch::URN], "Operations": operations })).ok()
}

fn finds(tx: &mut Tx, scope: &Scope, filter: &str, id: RecordId) -> Result<bool, DbError> {
    let query =
        ListQuery { filter: Some(filter.to_owned()), start_index: 1, count: 2, ..ListQuery::default() };
    let listed = lists::list(tx, scope, &scim::USER, &query)?;
    Ok(listed.is_ok_and(
        |listed| matches!(listed.records.as_slice(), [lists::Record::Person(one)] if one.id == id),
    ))
}
