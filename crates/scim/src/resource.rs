//! A resource that fits its schema.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::error::{Error, quote};
use crate::filter::values_at;
use crate::path::AttributePath;
use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::value;

/// What a client may set of a resource: its attributes in their schema's spelling, without `schemas`, `id`, `meta` and
/// whatever else is read-only.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub(crate) kind: &'static ResourceType,
    pub(crate) attributes: Map<String, Value>,
}

impl Resource {
    /// Reads what a client sent to create or replace a resource.
    pub fn parse(kind: &'static ResourceType, bytes: &[u8]) -> Result<Self, Error> {
        Self::from_value(kind, crate::json::read(bytes)?)
    }

    pub fn from_value(kind: &'static ResourceType, value: Value) -> Result<Self, Error> {
        let Value::Object(members) = value else {
            return Err(Error::syntax("the body must be a JSON object"));
        };
        check_schemas(kind, &members)?;
        let mut out = Self { kind, attributes: Map::new() };
        for (name, value) in members {
            if let Some(schema) = kind.extension(&name) {
                out.set_extension(schema, value)?;
            } else if let Some(attribute) = kind.core(&name) {
                if attribute.mutability == Mutability::ReadOnly {
                    continue;
                }
                if let Some(value) = value::fit(attribute, value)?
                    && out.attributes.insert(attribute.name.to_owned(), value).is_some()
                {
                    return Err(Error::syntax(format!("`{}` stands twice", quote(&name))));
                }
            }
        }
        out.check()?;
        Ok(out)
    }

    /// From attributes that were checked when they were stored.
    pub fn stored(kind: &'static ResourceType, attributes: Map<String, Value>) -> Self {
        Self { kind, attributes }
    }

    pub(crate) fn set_extension(&mut self, schema: &'static Schema, value: Value) -> Result<(), Error> {
        let members = match value {
            Value::Null => return Ok(()),
            Value::Object(members) => members,
            _ => return Err(Error::value(format!("`{}` must be an object", schema.urn))),
        };
        let mut out = Map::new();
        for (name, value) in members {
            let Some(attribute) = schema.attribute(&name) else { continue };
            if let Some(value) = value::fit(attribute, value)? {
                out.insert(attribute.name.to_owned(), value);
            }
        }
        if !out.is_empty() {
            self.attributes.insert(schema.urn.to_owned(), Value::Object(out));
        }
        Ok(())
    }

    /// Required attributes are there and not blank.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for attribute in self.kind.schema.attributes.iter().filter(|attribute| attribute.required) {
            match self.attributes.get(attribute.name) {
                Some(Value::String(text)) if !text.trim().is_empty() => {}
                _ => return Err(Error::value(format!("`{}` is required", attribute.name))),
            }
        }
        Ok(())
    }

    pub fn kind(&self) -> &'static ResourceType {
        self.kind
    }

    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    pub fn into_attributes(self) -> Map<String, Value> {
        self.attributes
    }

    /// A text attribute of the core schema.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }

    pub fn user_name(&self) -> &str {
        self.text("userName").unwrap_or_default()
    }

    pub fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// A person is active unless said otherwise.
    pub fn active(&self) -> bool {
        self.attributes.get("active").and_then(Value::as_bool).unwrap_or(true)
    }

    /// Mail addresses, the primary one first, then those for work, then in their order.
    pub fn emails(&self) -> Vec<&str> {
        let Some(Value::Array(emails)) = self.attributes.get("emails") else { return Vec::new() };
        let rank = |email: &Value| match (email["primary"].as_bool(), email["type"].as_str()) {
            (Some(true), _) => 0,
            (_, Some(kind)) if kind.eq_ignore_ascii_case("work") => 1,
            _ => 2,
        };
        let mut sorted: Vec<&Value> = emails.iter().collect();
        sorted.sort_by_key(|email| rank(email));
        sorted.into_iter().filter_map(|email| email["value"].as_str()).collect()
    }

    /// What to call the person: the display name, else the parts of the name, else the user name.
    pub fn person_name(&self) -> String {
        let name =
            |part: &str| self.attributes.get("name").and_then(|name| name[part].as_str()).unwrap_or("");
        let joined = format!("{} {}", name("givenName"), name("familyName"));
        let candidates =
            [self.text("displayName").unwrap_or(""), name("formatted"), &joined, self.user_name()];
        candidates.iter().map(|text| text.trim()).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    }

    /// Ids of the members of a group, each once, in their order.
    pub fn members(&self) -> Vec<String> {
        member_ids(self.attributes.get("members"))
    }

    /// The URNs of the schemas in use.
    pub fn schemas(&self) -> Vec<&'static str> {
        let used = self.kind.extensions.iter().filter(|schema| self.attributes.contains_key(schema.urn));
        std::iter::once(self.kind.schema.urn).chain(used.map(|schema| schema.urn)).collect()
    }
}

/// The `value` of each member, each once, in their order.
pub(crate) fn member_ids(members: Option<&Value>) -> Vec<String> {
    let Some(Value::Array(members)) = members else { return Vec::new() };
    let mut seen = std::collections::HashSet::new();
    let ids = members.iter().filter_map(|member| member["value"].as_str());
    ids.filter(|id| seen.insert(*id)).map(str::to_owned).collect()
}

fn check_schemas(kind: &ResourceType, members: &Map<String, Value>) -> Result<(), Error> {
    let named = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas"));
    let Some((_, Value::Array(named))) = named else {
        return Err(Error::syntax(format!("`schemas` must be a list with `{}`", kind.schema.urn)));
    };
    let is = |urn: &str| named.iter().filter_map(Value::as_str).any(|text| text.eq_ignore_ascii_case(urn));
    if is(kind.schema.urn) {
        return Ok(());
    }
    Err(Error::syntax(format!("`schemas` must name `{}`", kind.schema.urn)))
}

/// What a list is sorted by: the value of the attribute, or the primary (else first) one of several.
pub fn sort_key(attributes: &Map<String, Value>, path: &AttributePath) -> Option<String> {
    let mut path = *path;
    if path.sub.is_none() {
        path.sub = path.attribute.filter(|found| !found.subs().is_empty()).and_then(Attribute::value_sub);
    }
    let sub = path.sub.take();
    let values = values_at(attributes, &path);
    let chosen = values.iter().find(|value| value["primary"] == Value::Bool(true)).or(values.first())?;
    let value = match sub {
        Some(sub) => chosen.get(sub.name)?,
        None => chosen,
    };
    let exact = sub.or(path.attribute).is_some_and(|leaf| leaf.case_exact);
    match value {
        Value::String(text) if exact => Some(text.clone()),
        Value::String(text) => Some(text.to_lowercase()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// RFC 7644 §3.4.2.3: what has no value comes last when ascending.
pub fn sort_order(left: Option<&str>, right: Option<&str>) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => left.cmp(right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::{Bulk, ListQuery, resolve_bulk_ids};
    use crate::{GROUP, Projection, ScimType, USER};

    const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn read(value: Value) -> Result<Resource, Error> {
        Resource::parse(&USER, value.to_string().as_bytes())
    }

    #[test]
    fn names_are_canonical_and_what_a_client_cannot_set_is_left_out() {
        let out = read(json!({
            "SCHEMAS": [CORE.to_uppercase()], "USERNAME": "ann", "id": "mine", "meta": { "version": "9" },
            "groups": [{ "value": "g" }], "password": "secret", "shoeSize": 41, "active": "False", "title": null,
            "emails": { "VALUE": "a@b.example", "x": 1 }, "phoneNumbers": [],
            ENTERPRISE.to_lowercase(): { "Department": "Deck", "manager": "m" },
        }));
        let wanted = json!({
            "userName": "ann", "active": false, "emails": [{ "value": "a@b.example" }],
            ENTERPRISE: { "department": "Deck", "manager": { "value": "m" } },
        });
        let out = out.unwrap();
        assert_eq!(out.schemas(), [CORE, ENTERPRISE]);
        assert_eq!(Value::Object(out.into_attributes()), wanted);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (value, scim_type, words) in [
            (json!([]), ScimType::InvalidSyntax, "object"),
            (json!({ "not": "a scim resource" }), ScimType::InvalidSyntax, "schemas"),
            (json!({ "schemas": ["x"], "userName": "a" }), ScimType::InvalidSyntax, "schemas"),
            (json!({ "schemas": [CORE] }), ScimType::InvalidValue, "`userName` is required"),
            (json!({ "schemas": [CORE], "userName": " " }), ScimType::InvalidValue, "userName"),
            (json!({ "schemas": [CORE], "userName": ["a", "b"] }), ScimType::InvalidValue, "userName"),
            (json!({ "schemas": [CORE], "userName": "a\0" }), ScimType::InvalidValue, "zero"),
            (json!({ "schemas": [CORE], "userName": "a", "active": 1 }), ScimType::InvalidValue, "active"),
            (json!({ "schemas": [CORE], "userName": "a", "name": "Ann" }), ScimType::InvalidValue, "`name`"),
            (json!({ "schemas": [CORE], "userName": "a".repeat(20_000) }), ScimType::InvalidValue, "bytes"),
            (
                json!({ "schemas": [CORE], "userName": "a", "emails": [{ "value": "a", "primary": true },
                { "value": "b", "primary": true }] }),
                ScimType::InvalidValue,
                "primary",
            ),
            (
                json!({ "schemas": [CORE], "userName": "a", "USERNAME": "b" }),
                ScimType::InvalidSyntax,
                "twice",
            ),
        ] {
            let error = read(value.clone()).expect_err(&value.to_string());
            assert_eq!(error.scim_type, Some(scim_type), "{value}: {error}");
            assert!(error.detail.contains(words), "{value}: {error}");
            assert_eq!(error.document()["status"], "400");
        }
        assert!(Resource::parse(&USER, b"{").is_err());
        assert!(Resource::parse(&USER, "[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn the_address_and_the_name_of_a_person() {
        let out =
            read(json!({ "schemas": [CORE], "userName": "ann", "name": { "givenName": "Ann" }, "emails": [
            { "value": "c@x.example" }, { "value": "b@x.example", "type": "Work" },
            { "value": "a@x.example", "primary": true }] }));
        let out = out.unwrap();
        assert_eq!(out.emails(), ["a@x.example", "b@x.example", "c@x.example"]);
        assert_eq!(out.person_name(), "Ann");
        assert!(out.active());
    }

    #[test]
    fn an_answer_shows_what_was_asked_for() {
        let whole = json!({ "schemas": [CORE], "id": "1", "userName": "ann", "title": "x",
            "emails": [{ "value": "a", "type": "work" }], ENTERPRISE: { "department": "d", "division": "v" } });
        let show = |attributes: &str, excluded: &str| {
            let Value::Object(mut document) = whole.clone() else { unreachable!() };
            Projection::parse(attributes, excluded).unwrap().apply(&USER, &mut document);
            Value::Object(document)
        };
        assert_eq!(show("userName", ""), json!({ "schemas": [CORE], "id": "1", "userName": "ann" }));
        assert_eq!(show("emails.value, nothing", "")["emails"], json!([{ "value": "a" }]));
        assert_eq!(show(&format!("{ENTERPRISE}:division"), "")[ENTERPRISE], json!({ "division": "v" }));
        let without = show("", &format!("id,userName,emails.type,{ENTERPRISE}:division"));
        assert_eq!(without["id"], "1", "always shown");
        assert_eq!((&without["userName"], &without["emails"]), (&Value::Null, &json!([{ "value": "a" }])));
        assert_eq!(without[ENTERPRISE], json!({ "department": "d" }));
        assert!(Projection::parse("a", "b").is_err());
        let shows =
            |attributes, excluded| Projection::parse(attributes, excluded).unwrap().shows(&GROUP, "members");
        assert!(
            shows("", "") && shows("members.value", "") && !shows("displayName", "") && !shows("", "members")
        );
    }

    #[test]
    fn a_page_is_bounded() {
        let query =
            |text: &'static str| ListQuery::parse(text.split('&').filter_map(|pair| pair.split_once('=')));
        let page = |text| query(text).map(|query| (query.start_index, query.count)).unwrap();
        assert_eq!(page(""), (1, 100));
        assert_eq!(page("startIndex=0&count=0"), (1, 0));
        assert_eq!(page("startIndex=-5&count=-1"), (1, 0));
        assert_eq!(page("STARTINDEX=7&Count=100000"), (7, 500));
        assert!(query("count=many").is_err() && query("sortOrder=up").is_err());
        let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 3,
            "attributes": ["userName"], "sortOrder": "descending" });
        let search = ListQuery::from_search(search.to_string().as_bytes()).unwrap();
        assert!(search.count == 3 && search.descending && !search.projection.shows(&USER, "title"));
        assert!(ListQuery::from_search(b"{}").is_err());
    }

    #[test]
    fn a_bulk_request_refers_to_what_it_made() {
        let bulk = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "failOnErrors": 1,
            "Operations": [{ "method": "post", "path": "/Users", "bulkId": "q", "data": {} }] });
        let bulk = Bulk::parse(bulk.to_string().as_bytes()).unwrap();
        assert_eq!((bulk.fail_on_errors, bulk.operations[0].method.as_str()), (Some(1), "POST"));
        let mut data = json!({ "members": [{ "value": "bulkId:q" }] });
        resolve_bulk_ids(&mut data, &|name| (name == "q").then(|| "1".to_owned())).unwrap();
        assert_eq!(data["members"][0]["value"], "1");
        let mut unknown = json!("bulkId:z");
        assert_eq!(resolve_bulk_ids(&mut unknown, &|_| None).unwrap_err().status, 409);
    }
}
