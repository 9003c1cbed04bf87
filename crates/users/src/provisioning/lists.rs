//! Reads: one record as a document, and lists with filter, sort and page.
//!
//! A filter that names one record, a person, a member or a client's id is answered from an index; what is left of it
//! is evaluated on what the index gave. Anything else reads the directory record by record, up to [`SCAN_MAX`]: beyond
//! that it is refused (`tooMany`) rather than cut short.

use platform::db::{DbError, ReadTx};
use platform::ids::Id;
use platform::params;
use platform::time::Timestamp;
use scim::message::ListQuery;
use scim::{AttributePath, Error, Filter, Projection, ResourceType, ScimType, sort_key, sort_order};
use serde_json::{Map, Value, json};

use super::{Group, Person, RecordId, Ruling, Scope, etag, groups, read_group, read_person, sql};

/// Records that an unindexed filter or sort may read.
pub const SCAN_MAX: u64 = 50_000;
const CHUNK: u32 = 500;

/// A record of either kind.
pub(crate) enum Record {
    Person(Person),
    Group(Group),
}

impl Record {
    fn id(&self) -> RecordId {
        match self {
            Self::Person(person) => person.id,
            Self::Group(group) => group.id,
        }
    }
}

fn time(at: Timestamp) -> String {
    scim::time::format(at.micros())
}

fn meta(
    scope: &Scope,
    kind: &ResourceType,
    id: RecordId,
    version: u64,
    created: Timestamp,
    changed: Timestamp,
) -> Value {
    json!({
        "resourceType": kind.name,
        "created": time(created),
        "lastModified": time(changed),
        "location": format!("{}/{}/{id}", scope.base, kind.endpoint),
        "version": etag(version),
    })
}

/// Every attribute of a person that a filter or an answer can name; groups only when `with_groups`.
pub(crate) fn person_document(
    tx: &mut ReadTx,
    scope: &Scope,
    person: &Person,
    with_groups: bool,
) -> Result<Map<String, Value>, DbError> {
    let kind = &scim::USER;
    let mut out = person.attributes.clone();
    let used = scim::Resource::stored(kind, Map::new());
    let mut schemas = used.schemas();
    schemas.extend(kind.extensions.iter().map(|schema| schema.urn).filter(|urn| out.contains_key(*urn)));
    out.insert("schemas".to_owned(), json!(schemas));
    out.insert("id".to_owned(), json!(person.id));
    let meta = meta(scope, kind, person.id, person.version, person.created_at, person.changed_at);
    out.insert("meta".to_owned(), meta);
    if with_groups {
        let params = params![scope.organization, scope.directory, person.id];
        let groups = tx.list(&sql::GROUPS_OF_USER, params, read_group)?;
        if !groups.is_empty() {
            let groups: Vec<Value> = groups
                .iter()
                .map(|group| {
                    let location = format!("{}/Groups/{}", scope.base, group.id);
                    json!({ "value": group.id, "$ref": location, "display": group.name, "type": "direct" })
                })
                .collect();
            out.insert("groups".to_owned(), Value::Array(groups));
        }
    }
    Ok(out)
}

pub(crate) fn group_document(
    tx: &mut ReadTx,
    scope: &Scope,
    group: &Group,
    with_members: bool,
) -> Result<Map<String, Value>, DbError> {
    let kind = &scim::GROUP;
    let mut out = Map::new();
    out.insert("schemas".to_owned(), json!([kind.schema.urn]));
    out.insert("id".to_owned(), json!(group.id));
    if !group.name.is_empty() {
        out.insert("displayName".to_owned(), json!(group.name));
    }
    if let Some(external_id) = &group.external_id {
        out.insert("externalId".to_owned(), json!(external_id));
    }
    out.insert(
        "meta".to_owned(),
        meta(scope, kind, group.id, group.version, group.created_at, group.changed_at),
    );
    if with_members {
        let members: Vec<Value> = groups::member_ids(tx, scope, group.id)?
            .into_iter()
            .map(|id| Value::Object(groups::member_attributes(scope, id)))
            .collect();
        if !members.is_empty() {
            out.insert("members".to_owned(), Value::Array(members));
        }
    }
    Ok(out)
}

/// The record as an answer shows it.
pub(crate) fn shown(
    tx: &mut ReadTx,
    scope: &Scope,
    record: &Record,
    projection: &Projection,
) -> Result<Value, DbError> {
    let (kind, mut document) = match record {
        Record::Person(person) => {
            let kind = &scim::USER;
            (kind, person_document(tx, scope, person, projection.shows(kind, "groups"))?)
        }
        Record::Group(group) => {
            let kind = &scim::GROUP;
            (kind, group_document(tx, scope, group, projection.shows(kind, "members"))?)
        }
    };
    projection.apply(kind, &mut document);
    Ok(Value::Object(document))
}

/// As [`shown`], for a person who was made this moment and so is in no group.
pub(crate) fn shown_new(
    tx: &mut ReadTx,
    scope: &Scope,
    person: &Person,
    projection: &Projection,
) -> Result<Value, DbError> {
    let mut document = person_document(tx, scope, person, false)?;
    projection.apply(&scim::USER, &mut document);
    Ok(Value::Object(document))
}

pub(crate) fn find(
    tx: &mut ReadTx,
    scope: &Scope,
    kind: &ResourceType,
    id: RecordId,
) -> Result<Option<Record>, DbError> {
    if kind.name == scim::USER.name {
        Ok(super::person(tx, scope, id)?.map(Record::Person))
    } else {
        Ok(super::group(tx, scope, id)?.map(Record::Group))
    }
}

/// A page of records, and how many fit in all.
pub(crate) struct Listed {
    pub total: u64,
    pub records: Vec<Record>,
}

/// Which index answers the filter.
enum Index {
    Id(String),
    Name(String),
    ExternalId(String),
    /// Groups that hold this person, people of this group.
    Other(String),
}

fn index(kind: &ResourceType, filter: &Filter) -> Option<Index> {
    let (name, other) =
        if kind.name == scim::USER.name { ("userName", "groups") } else { ("displayName", "members") };
    let parts = filter.conjuncts();
    let find = |wanted: &dyn Fn(&Filter) -> Option<Index>| parts.iter().find_map(|part| wanted(part));
    find(&|part| part.equals("id", "").map(|id| Index::Id(id.to_owned())))
        .or_else(|| find(&|part| part.equals(name, "").map(|text| Index::Name(text.to_lowercase()))))
        .or_else(|| {
            find(&|part| part.equals("externalId", "").map(|text| Index::ExternalId(text.to_owned())))
        })
        .or_else(|| find(&|part| part.holds_value(other).map(|id| Index::Other(id.to_owned()))))
}

fn by_index(
    tx: &mut ReadTx,
    scope: &Scope,
    kind: &ResourceType,
    index: &Index,
) -> Result<Vec<Record>, DbError> {
    let (organization, directory) = (scope.organization, scope.directory);
    let users = kind.name == scim::USER.name;
    let text = match index {
        Index::Id(id) => {
            return match id.parse() {
                Ok(id) => Ok(find(tx, scope, kind, id)?.into_iter().collect()),
                Err(_) => Ok(Vec::new()),
            };
        }
        Index::Other(id) => {
            let Ok(id) = id.parse::<RecordId>() else { return Ok(Vec::new()) };
            let params = params![organization, directory, id];
            return if users {
                people(tx, &sql::USERS_IN_GROUP, params)
            } else {
                of_groups(tx, &sql::GROUPS_OF_USER, params)
            };
        }
        Index::Name(text) | Index::ExternalId(text) => text.as_str(),
    };
    let params = params![organization, directory, text];
    match (index, users) {
        (Index::Name(_), true) => people(tx, &sql::USER_BY_NAME, params),
        (Index::Name(_), false) => of_groups(tx, &sql::GROUP_BY_NAME, params),
        (_, true) => people(tx, &sql::USERS_BY_EXTERNAL_ID, params),
        (_, false) => of_groups(tx, &sql::GROUPS_BY_EXTERNAL_ID, params),
    }
}

type Statement = &'static platform::db::Statement;

fn people(
    tx: &mut ReadTx,
    statement: Statement,
    params: &[platform::db::Value],
) -> Result<Vec<Record>, DbError> {
    Ok(tx.list(statement, params, read_person)?.into_iter().map(Record::Person).collect())
}

fn of_groups(
    tx: &mut ReadTx,
    statement: Statement,
    params: &[platform::db::Value],
) -> Result<Vec<Record>, DbError> {
    Ok(tx.list(statement, params, read_group)?.into_iter().map(Record::Group).collect())
}

/// What a filter needs to see of a record. Who is in a group is read only when the filter asks.
fn seen(
    tx: &mut ReadTx,
    scope: &Scope,
    record: &Record,
    filter: Option<&Filter>,
) -> Result<Map<String, Value>, DbError> {
    match record {
        Record::Person(person) => {
            person_document(tx, scope, person, filter.is_some_and(|filter| filter.mentions("groups")))
        }
        Record::Group(group) => {
            group_document(tx, scope, group, filter.is_some_and(|filter| filter.mentions("members")))
        }
    }
}

/// Reads a page of one kind.
pub(crate) fn list(
    tx: &mut ReadTx,
    scope: &Scope,
    kind: &'static ResourceType,
    query: &ListQuery,
) -> Result<Ruling<Listed>, DbError> {
    let filter = match query.filter.as_deref().map(|text| Filter::parse(kind, text)).transpose() {
        Ok(filter) => filter,
        Err(error) => return Ok(Err(error)),
    };
    // An unknown attribute to sort by is left alone (RFC 7644 §3.4.2.3).
    let sort = query.sort_by.as_deref().and_then(|text| AttributePath::resolve(kind, text));
    let sort = sort.filter(|path| path.attribute.is_some());
    if filter.is_none()
        && let Some(listed) = straight(tx, scope, kind, query, sort.as_ref())?
    {
        return Ok(Ok(listed));
    }
    let found = match filter.as_ref().and_then(|filter| index(kind, filter)) {
        Some(index) => {
            let mut fitting = Vec::new();
            for record in by_index(tx, scope, kind, &index)? {
                let document = seen(tx, scope, &record, filter.as_ref())?;
                if filter.as_ref().is_none_or(|filter| filter.fits(&document)) {
                    fitting.push((key(&document, sort.as_ref()), record.id()));
                }
            }
            fitting
        }
        None => match scan(tx, scope, kind, filter.as_ref(), sort.as_ref())? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        },
    };
    page(tx, scope, kind, query, found, sort.is_some()).map(Ok)
}

fn key(document: &Map<String, Value>, sort: Option<&AttributePath>) -> Option<String> {
    sort.and_then(|path| sort_key(document, path))
}

type Found = Vec<(Option<String>, RecordId)>;

fn page(
    tx: &mut ReadTx,
    scope: &Scope,
    kind: &ResourceType,
    query: &ListQuery,
    mut found: Found,
    sorted: bool,
) -> Result<Listed, DbError> {
    if sorted {
        found.sort_by(|left, right| {
            let order = sort_order(left.0.as_deref(), right.0.as_deref());
            let order = if query.descending { order.reverse() } else { order };
            order.then(left.1.cmp(&right.1))
        });
    }
    let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let start = usize::try_from(query.start_index - 1).unwrap_or(usize::MAX);
    let count = usize::try_from(query.count).unwrap_or(0);
    let mut records = Vec::new();
    for (_, id) in found.into_iter().skip(start).take(count) {
        records.extend(find(tx, scope, kind, id)?);
    }
    Ok(Listed { total, records })
}

/// A list without a filter, in the order of an index.
fn straight(
    tx: &mut ReadTx,
    scope: &Scope,
    kind: &ResourceType,
    query: &ListQuery,
    sort: Option<&AttributePath>,
) -> Result<Option<Listed>, DbError> {
    let users = kind.name == scim::USER.name;
    let by_name = sort.is_some_and(|path| path.is("userName", "") || path.is("displayName", "") && !users);
    let by_id = sort.is_none_or(|path| path.is("id", "")) && !(sort.is_some() && query.descending);
    let statement: Statement = match (users, by_id, by_name, query.descending) {
        (true, true, ..) => &sql::USERS_PAGE,
        (false, true, ..) => &sql::GROUPS_PAGE,
        (true, _, true, false) => &sql::USERS_BY_NAME_PAGE,
        (true, _, true, true) => &sql::USERS_BY_NAME_DESCENDING_PAGE,
        (false, _, true, false) => &sql::GROUPS_BY_NAME_PAGE,
        (false, _, true, true) => &sql::GROUPS_BY_NAME_DESCENDING_PAGE,
        _ => return Ok(None),
    };
    let offset = i64::try_from(query.start_index - 1).unwrap_or(i64::MAX);
    let params = params![scope.organization, scope.directory, query.count, offset];
    let records = match (query.count, users) {
        (0, _) => Vec::new(),
        (_, true) => people(tx, statement, params)?,
        (_, false) => of_groups(tx, statement, params)?,
    };
    Ok(Some(Listed { total: count(tx, scope, users)?, records }))
}

fn count(tx: &mut ReadTx, scope: &Scope, users: bool) -> Result<u64, DbError> {
    let statement = if users { &sql::COUNT_USERS } else { &sql::COUNT_GROUPS };
    Ok(tx.scalar(statement, params![scope.organization, scope.directory])?.unwrap_or(0))
}

fn scan(
    tx: &mut ReadTx,
    scope: &Scope,
    kind: &ResourceType,
    filter: Option<&Filter>,
    sort: Option<&AttributePath>,
) -> Result<Ruling<Found>, DbError> {
    let users = kind.name == scim::USER.name;
    let total = count(tx, scope, users)?;
    if total > SCAN_MAX {
        let why = format!(
            "this directory has {total} of these, too many for this filter or sort: use id, userName, displayName, \
             externalId or members with eq"
        );
        return Ok(Err(Error::bad(ScimType::TooMany, why)));
    }
    let (mut found, mut after) = (Vec::new(), Vec::new());
    loop {
        let params = params![scope.organization, scope.directory, after.clone(), CHUNK];
        let records = if users {
            people(tx, &sql::USERS_AFTER, params)?
        } else {
            of_groups(tx, &sql::GROUPS_AFTER, params)?
        };
        let Some(last) = records.last() else { return Ok(Ok(found)) };
        after = last.id().bytes().to_vec();
        for record in &records {
            let document = seen(tx, scope, record, filter)?;
            if filter.is_none_or(|filter| filter.fits(&document)) {
                found.push((key(&document, sort), record.id()));
            }
        }
    }
}
