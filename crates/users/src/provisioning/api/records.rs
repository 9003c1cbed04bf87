//! One request on one record, or a list: used by the endpoints and by bulk requests.

use platform::{App, Ctx};
use scim::message::{self, ListQuery};
use scim::patch::Patch;
use scim::{Error, Filter, Projection, Resource, ResourceType};
use serde_json::Value;

use super::super::lists::{self, Listed, Record};
use super::super::{RecordId, Scope, groups, not_found, people, version_among};
use super::{Answer, Failure};

/// A patch of a larger group answers 204: showing every member after each change would make a sync quadratic.
const SHOWN_AFTER_PATCH_MAX: u32 = 200;

/// What is asked of one endpoint.
pub(crate) struct Ask {
    pub method: String,
    pub kind: &'static ResourceType,
    pub id: Option<String>,
    pub body: Vec<u8>,
    pub projection: Projection,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

/// Does it, in a transaction of its own.
pub(crate) async fn perform(app: &App, ctx: &Ctx, scope: &Scope, ask: Ask) -> Result<Answer, Failure> {
    let missing = || Failure::Refused(not_found(if ask.kind.name == "User" { "user" } else { "group" }));
    let id = match &ask.id {
        None => None,
        Some(text) => Some(text.parse::<RecordId>().map_err(|_| missing())?),
    };
    let user = ask.kind.name == scim::USER.name;
    match (ask.method.as_str(), id) {
        ("GET", Some(id)) => show(app, scope, ask, id).await,
        ("POST", None) => {
            let resource = Resource::parse(ask.kind, &ask.body)?;
            let shape = shape_of(&resource);
            let made = if user {
                save_person(app, ctx, scope, None, people_change(resource), &ask).await?
            } else {
                save_group(app, ctx, scope, None, groups::Change::Replace(resource), &ask).await?
            };
            Ok(Answer { status: 201, shape, ..made })
        }
        ("PUT", Some(id)) => {
            let resource = Resource::parse(ask.kind, &ask.body)?;
            let shape = shape_of(&resource);
            let saved = if user {
                save_person(app, ctx, scope, Some(id), people_change(resource), &ask).await?
            } else {
                save_group(app, ctx, scope, Some(id), groups::Change::Replace(resource), &ask).await?
            };
            Ok(Answer { shape, ..saved })
        }
        ("PATCH", Some(id)) => {
            let patch = Patch::parse(ask.kind, &ask.body)?;
            let shape = patch.shape();
            let saved = if user {
                save_person(app, ctx, scope, Some(id), people::Change::Patch(patch), &ask).await?
            } else {
                save_group(app, ctx, scope, Some(id), groups::Change::Patch(patch), &ask).await?
            };
            Ok(Answer { shape, ..saved })
        }
        ("DELETE", Some(id)) => remove(app, ctx, scope, ask, id).await,
        _ => Err(Error::new(405, None, "this method is not taken here").into()),
    }
}

fn people_change(resource: Resource) -> people::Change {
    people::Change::Replace(resource)
}

/// Which attributes were sent.
fn shape_of(resource: &Resource) -> String {
    let names: Vec<&str> = resource
        .attributes()
        .keys()
        .map(|name| if name.starts_with("urn:") { "enterprise" } else { name.as_str() })
        .collect();
    names.join(" ")
}

async fn show(app: &App, scope: &Scope, ask: Ask, id: RecordId) -> Result<Answer, Failure> {
    let (kind, inner, projection) = (ask.kind, scope.clone(), ask.projection);
    let found = app
        .db()
        .read(move |tx| {
            let Some(record) = lists::find(tx, &inner, kind, id)? else { return Ok(None) };
            let body = lists::shown(tx, &inner, &record, &projection)?;
            Ok::<_, Failure>(Some((version_of(&record), body)))
        })
        .await?;
    let (version, body) = found
        .ok_or_else(|| Failure::Refused(not_found(if kind.name == "User" { "user" } else { "group" })))?;
    let known = ask.if_none_match.is_some_and(|list| version_among(&list, version));
    let mut answer = Answer { version: Some(version), ..Answer::of(200, body) };
    if known {
        answer.status = 304;
        answer.body = None;
    }
    Ok(answer)
}

fn version_of(record: &Record) -> u64 {
    match record {
        Record::Person(person) => person.version,
        Record::Group(group) => group.version,
    }
}

async fn save_person(
    app: &App,
    ctx: &Ctx,
    scope: &Scope,
    id: Option<RecordId>,
    change: people::Change,
    ask: &Ask,
) -> Result<Answer, Failure> {
    let (app_in, at, inner) = (app.clone(), ctx.clone(), scope.clone());
    let (if_match, projection) = (ask.if_match.clone(), ask.projection.clone());
    let done = app
        .db()
        .write(ctx, move |tx| {
            let done = match (id, &change) {
                (None, people::Change::Replace(resource)) => {
                    people::create(&app_in, &at, tx, &inner, resource)?
                }
                (Some(id), change) => {
                    people::change(&app_in, &at, tx, &inner, id, change, if_match.as_deref())?
                }
                (None, people::Change::Patch(_)) => super::super::refused(not_found("user")),
            };
            let shown = match done.value() {
                Ok(person) => {
                    let body = match id {
                        None => lists::shown_new(tx, &inner, person, &projection)?,
                        Some(_) => lists::shown(tx, &inner, &Record::Person(person.clone()), &projection)?,
                    };
                    Ok((person.id, person.version, Some(body)))
                }
                Err(error) => Err(error.clone()),
            };
            Ok::<_, Failure>(done.map(|_| shown))
        })
        .await?;
    saved(scope, "Users", done.value?, String::new())
}

async fn save_group(
    app: &App,
    ctx: &Ctx,
    scope: &Scope,
    id: Option<RecordId>,
    change: groups::Change,
    ask: &Ask,
) -> Result<Answer, Failure> {
    let (at, inner) = (ctx.clone(), scope.clone());
    let (if_match, projection) = (ask.if_match.clone(), ask.projection.clone());
    let quiet = matches!(change, groups::Change::Patch(_)) && projection.shows(ask.kind, "members");
    let done = app
        .db()
        .write(ctx, move |tx| {
            let done = match (id, &change) {
                (None, groups::Change::Replace(resource)) => groups::create(&at, tx, &inner, resource)?,
                (Some(id), change) => groups::change(&at, tx, &inner, id, change, if_match.as_deref())?,
                (None, groups::Change::Patch(_)) => super::super::refused(not_found("group")),
            };
            let shown = match done.value() {
                Ok(outcome) => {
                    let id = outcome.group.id;
                    let whole = !quiet || !groups::is_larger(tx, &inner, id, SHOWN_AFTER_PATCH_MAX)?;
                    let body = match whole {
                        true => {
                            let record = Record::Group(outcome.group.clone());
                            Some(lists::shown(tx, &inner, &record, &projection)?)
                        }
                        false => None,
                    };
                    Ok(((id, outcome.group.version, body), outcome.unknown))
                }
                Err(error) => Err(error.clone()),
            };
            Ok::<_, Failure>(done.map(|_| shown))
        })
        .await?;
    let (shown, unknown) = done.value?;
    let note = match unknown {
        0 => String::new(),
        1 => "1 member is unknown to this directory and was left out".to_owned(),
        count => format!("{count} members are unknown to this directory and were left out"),
    };
    saved(scope, "Groups", shown, note)
}

fn saved(
    scope: &Scope,
    endpoint: &str,
    (id, version, body): (RecordId, u64, Option<Value>),
    note: String,
) -> Result<Answer, Failure> {
    let location = Some(format!("{}/{endpoint}/{id}", scope.base));
    let status = if body.is_some() { 200 } else { 204 };
    Ok(Answer { status, body, version: Some(version), location, shape: String::new(), note })
}

async fn remove(app: &App, ctx: &Ctx, scope: &Scope, ask: Ask, id: RecordId) -> Result<Answer, Failure> {
    let (at, inner) = (ctx.clone(), scope.clone());
    let done = app
        .db()
        .write(ctx, move |tx| {
            let if_match = ask.if_match.as_deref();
            if ask.kind.name == scim::USER.name {
                people::delete(&at, tx, &inner, id, if_match)
            } else {
                groups::delete(tx, &inner, id, if_match)
            }
        })
        .await?;
    done.value?;
    Ok(Answer { body: None, ..Answer::of(204, Value::Null) })
}

/// A page over one kind of record, or over several one after the other.
pub(super) async fn list_all(
    app: &App,
    scope: &Scope,
    kinds: &[&'static ResourceType],
    query: ListQuery,
) -> Result<Answer, Failure> {
    let shape = shape_of_list(kinds, &query);
    let (inner, kinds, start_index) = (scope.clone(), kinds.to_vec(), query.start_index);
    let (total, resources) = app
        .db()
        .read(move |tx| {
            let (mut total, mut out) = (0_u64, Vec::new());
            let mut wrong = None;
            let several = kinds.len() > 1;
            for kind in kinds.iter().copied() {
                let mut part = query.clone();
                let before = query.start_index - 1;
                part.start_index = before.saturating_sub(total) + 1;
                part.count = query.count.saturating_sub(u32::try_from(out.len()).unwrap_or(u32::MAX));
                let Listed { total: here, records } = match lists::list(tx, &inner, kind, &part)? {
                    Ok(listed) => listed,
                    // Not an attribute of this kind: nothing of it fits.
                    Err(error) if several => {
                        wrong = wrong.or(Some(error));
                        continue;
                    }
                    Err(error) => return Err(Failure::Refused(error)),
                };
                total += here;
                for record in &records {
                    out.push(lists::shown(tx, &inner, record, &query.projection)?);
                }
            }
            let nowhere = query
                .filter
                .as_deref()
                .is_some_and(|text| kinds.iter().all(|kind| Filter::parse(kind, text).is_err()));
            match wrong {
                Some(error) if nowhere => Err(Failure::Refused(error)),
                _ => Ok((total, out)),
            }
        })
        .await?;
    Ok(Answer { shape, ..Answer::of(200, message::list(resources, total, start_index)) })
}

fn shape_of_list(kinds: &[&'static ResourceType], query: &ListQuery) -> String {
    let Some(text) = &query.filter else { return String::new() };
    let parsed = kinds.iter().find_map(|kind| Filter::parse(kind, text).ok());
    parsed.map(|filter| filter.shape()).unwrap_or_default()
}
