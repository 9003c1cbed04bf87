//! The messages around resources: lists, searches, bulk requests, errors, what the service can do.

use serde_json::{Map, Value, json};

use crate::error::{Error, ScimType, quote};
use crate::projection::Projection;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// Resources of one page of a list.
pub const PAGE_DEFAULT: u32 = 100;
pub const PAGE_MAX: u32 = 500;
/// Operations of one bulk request.
pub const BULK_OPERATIONS_MAX: usize = 1000;

/// Takes a member out of an object, without regard to case.
pub(crate) fn member(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

impl Error {
    /// The error document.
    pub fn document(&self) -> Value {
        let mut out = json!({ "schemas": [ERROR], "status": self.status.to_string(), "detail": self.detail });
        if let Some(scim_type) = self.scim_type {
            out["scimType"] = json!(scim_type.as_str());
        }
        out
    }
}

/// One page of a list.
pub fn list(resources: Vec<Value>, total: u64, start_index: u64) -> Value {
    json!({
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// What a list is asked for, from a query string or a search request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    pub filter: Option<String>,
    pub sort_by: Option<String>,
    pub descending: bool,
    /// From 1.
    pub start_index: u64,
    pub count: u32,
    pub projection: Projection,
}

impl ListQuery {
    /// From name and value pairs of a query string; names without regard to case, unknown ones are left alone.
    pub fn parse<'q>(pairs: impl Iterator<Item = (&'q str, &'q str)>) -> Result<Self, Error> {
        let (mut attributes, mut excluded) = (String::new(), String::new());
        let mut out = Self { start_index: 1, count: PAGE_DEFAULT, ..Self::default() };
        for (name, value) in pairs {
            match name.to_ascii_lowercase().as_str() {
                "filter" => out.filter = some(value),
                "sortby" => out.sort_by = some(value),
                "sortorder" => out.descending = descending(value)?,
                "startindex" => out.start_index = start_index(number(name, value)?),
                "count" => out.count = count(number(name, value)?),
                "attributes" => value.clone_into(&mut attributes),
                "excludedattributes" => value.clone_into(&mut excluded),
                _ => {}
            }
        }
        out.projection = Projection::parse(&attributes, &excluded)?;
        Ok(out)
    }

    /// From the body of a `.search`.
    pub fn from_search(bytes: &[u8]) -> Result<Self, Error> {
        let mut body = object(bytes)?;
        named(&mut body, SEARCH)?;
        let text = |value: Option<Value>, name: &str| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(some(&text)),
            Some(_) => Err(Error::value(format!("`{name}` must be a text"))),
        };
        let integer = |value: Option<Value>, name: &str| match value {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or_else(|| Error::value(format!("`{name}` must be a whole number"))),
        };
        let names = |value: Option<Value>, name: &str| match value {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(Value::Array(items)) => {
                let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                Ok(names.join(","))
            }
            Some(_) => Err(Error::value(format!("`{name}` must be a list of names"))),
        };
        let order = text(member(&mut body, "sortOrder"), "sortOrder")?;
        let attributes = names(member(&mut body, "attributes"), "attributes")?;
        let excluded = names(member(&mut body, "excludedAttributes"), "excludedAttributes")?;
        Ok(Self {
            filter: text(member(&mut body, "filter"), "filter")?,
            sort_by: text(member(&mut body, "sortBy"), "sortBy")?,
            descending: order.is_some_and(|order| descending(&order).unwrap_or(false)),
            start_index: start_index(integer(member(&mut body, "startIndex"), "startIndex")?.unwrap_or(1)),
            count: integer(member(&mut body, "count"), "count")?.map_or(PAGE_DEFAULT, count),
            projection: Projection::parse(&attributes, &excluded)?,
        })
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn descending(text: &str) -> Result<bool, Error> {
    match text {
        text if text.eq_ignore_ascii_case("descending") => Ok(true),
        text if text.eq_ignore_ascii_case("ascending") || text.is_empty() => Ok(false),
        _ => Err(Error::value("`sortOrder` must be ascending or descending")),
    }
}

fn number(name: &str, value: &str) -> Result<i64, Error> {
    value.trim().parse().map_err(|_| Error::value(format!("`{}` must be a whole number", quote(name))))
}

/// RFC 7644 §3.4.2.4: less than 1 means 1.
fn start_index(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(1).max(1)
}

/// Less than 0 means 0; more than a page holds means a page.
fn count(value: i64) -> u32 {
    u32::try_from(value.clamp(0, i64::from(PAGE_MAX))).unwrap_or(0)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    match crate::json::read(bytes)? {
        Value::Object(body) => Ok(body),
        _ => Err(Error::syntax("the body must be a JSON object")),
    }
}

fn named(body: &mut Map<String, Value>, urn: &str) -> Result<(), Error> {
    let schemas = member(body, "schemas");
    let mut names = schemas.iter().flat_map(|value| value.as_array()).flatten().filter_map(Value::as_str);
    if names.any(|name| name.eq_ignore_ascii_case(urn)) {
        return Ok(());
    }
    Err(Error::syntax(format!("`schemas` must name `{urn}`")))
}

/// One operation of a bulk request.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkOperation {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    pub bulk_id: Option<String>,
    pub version: Option<String>,
    /// `/Users/2819…`
    pub path: String,
    pub data: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    /// Stop after so many failures.
    pub fail_on_errors: Option<u64>,
    pub operations: Vec<BulkOperation>,
}

impl Bulk {
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut body = object(bytes)?;
        named(&mut body, BULK_REQUEST)?;
        let fail_on_errors = member(&mut body, "failOnErrors").and_then(|value| value.as_u64());
        let Some(Value::Array(asked)) = member(&mut body, "Operations") else {
            return Err(Error::syntax("`Operations` must be a list"));
        };
        if asked.len() > BULK_OPERATIONS_MAX {
            let why = format!("a bulk request has up to {BULK_OPERATIONS_MAX} operations");
            return Err(Error::new(413, None, why));
        }
        let operations = asked.into_iter().map(Self::one).collect::<Result<_, _>>()?;
        Ok(Self { fail_on_errors, operations })
    }

    fn one(value: Value) -> Result<BulkOperation, Error> {
        let Value::Object(mut one) = value else {
            return Err(Error::syntax("an operation must be an object"));
        };
        let mut text = |name: &str| match member(&mut one, name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let method = text("method").map(|method| method.to_ascii_uppercase());
        let method = method
            .filter(|method| ["POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()))
            .ok_or_else(|| Error::syntax("`method` must be POST, PUT, PATCH or DELETE"))?;
        let path = text("path").ok_or_else(|| Error::syntax("`path` is missing"))?;
        let (bulk_id, version) = (text("bulkId"), text("version"));
        if method == "POST" && bulk_id.is_none() {
            return Err(Error::syntax("a POST needs a `bulkId`"));
        }
        let data = member(&mut one, "data").unwrap_or(Value::Null);
        Ok(BulkOperation { method, bulk_id, version, path, data })
    }
}

/// Puts the ids that earlier operations made in place of `bulkId:…` (RFC 7644 §3.7.2).
pub fn resolve_bulk_ids(value: &mut Value, find: &impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("bulkId:") {
                let id = find(name).ok_or_else(|| {
                    let why = format!("no earlier operation made `{}`", quote(name));
                    Error::new(409, Some(ScimType::InvalidValue), why)
                })?;
                *text = id;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve_bulk_ids(item, find)),
        Value::Object(members) => members.values_mut().try_for_each(|item| resolve_bulk_ids(item, find)),
        _ => Ok(()),
    }
}

pub fn bulk_response(operations: Vec<Value>) -> Value {
    json!({ "schemas": [BULK_RESPONSE], "Operations": operations })
}

/// `/ServiceProviderConfig`.
pub fn service_provider_config(
    base: &str,
    documentation: &str,
    bulk_bytes_max: usize,
    results_max: u32,
) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "documentationUri": documentation,
        "patch": { "supported": true },
        "bulk": { "supported": true, "maxOperations": BULK_OPERATIONS_MAX, "maxPayloadSize": bulk_bytes_max },
        "filter": { "supported": true, "maxResults": results_max },
        "changePassword": { "supported": false },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "a token of this directory in the Authorization header",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}
