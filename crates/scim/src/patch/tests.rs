use proptest::prelude::*;
use serde_json::{Value, json};

use super::{GroupChange, Patch, URN};
use crate::error::ScimType;
use crate::resource::Resource;
use crate::{GROUP, USER};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn ann() -> Resource {
    let value = json!({
        "schemas": [CORE],
        "userName": "ann@harbor.example",
        "title": "Mate",
        "active": true,
        "name": { "givenName": "Ann", "familyName": "Lee" },
        "emails": [
            { "value": "ann@harbor.example", "type": "work", "primary": true },
            { "value": "ann@home.example", "type": "home" },
        ],
        ENTERPRISE: { "department": "Deck" },
    });
    Resource::from_value(&USER, value).unwrap()
}

fn patch(operations: Value) -> Result<Resource, crate::Error> {
    Patch::from_value(&USER, json!({ "schemas": [URN], "Operations": operations }))?.apply(&ann())
}

#[track_caller]
fn done(operations: Value) -> Value {
    let changed = patch(operations.clone()).unwrap_or_else(|error| panic!("{operations}: {error}"));
    Value::Object(changed.into_attributes())
}

#[test]
fn add_replace_and_remove_do_what_the_standard_says() {
    let out = done(json!([{ "op": "replace", "path": "title", "value": "Captain" }]));
    assert_eq!(out["title"], "Captain");
    let out = done(json!([{ "op": "add", "path": "name", "value": { "middleName": "M" } }]));
    assert_eq!(out["name"], json!({ "givenName": "Ann", "familyName": "Lee", "middleName": "M" }));
    let out = done(json!([{ "op": "remove", "path": "name.givenName" }]));
    assert_eq!(out["name"], json!({ "familyName": "Lee" }));
    let out = done(json!([{ "op": "remove", "path": "emails" }]));
    assert_eq!(out["emails"], Value::Null);
    let more = json!({ "value": "a@x.example", "primary": true });
    let out = done(json!([{ "op": "add", "path": "emails", "value": [more] }]));
    assert_eq!(out["emails"].as_array().unwrap().len(), 3);
    assert_eq!(out["emails"][0]["primary"], false, "one primary");
    let same = json!({ "value": "ann@home.example", "type": "home" });
    let out = done(json!([{ "op": "add", "path": "emails", "value": same }]));
    assert_eq!(out["emails"].as_array().unwrap().len(), 2, "no value twice");
    let out = done(json!([{ "op": "replace", "path": "emails", "value": [{ "value": "b@x.example" }] }]));
    assert_eq!(out["emails"], json!([{ "value": "b@x.example" }]));
    let out = done(json!([{ "op": "remove", "path": "emails[type eq \"home\"]" }]));
    assert_eq!(out["emails"].as_array().unwrap().len(), 1);
    let out =
        done(json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "c@x.example" }]));
    assert_eq!(out["emails"][0]["value"], "c@x.example");
    let out = done(json!([{ "op": "remove", "path": ENTERPRISE }]));
    assert_eq!(out[ENTERPRISE], Value::Null);
    let path = format!("{ENTERPRISE}:costCenter");
    let out = done(json!([{ "op": "add", "path": path, "value": "7" }]));
    assert_eq!(out[ENTERPRISE], json!({ "department": "Deck", "costCenter": "7" }));
    let out = done(json!([{ "op": "replace", "path": "title", "value": null }]));
    assert_eq!(out["title"], Value::Null);
}

#[test]
fn what_entra_sends_is_understood() {
    let out = done(json!([
        { "op": "Replace", "path": "active", "value": "False" },
        { "op": "Add", "path": "emails[type eq \"other\"].value", "value": "o@x.example" },
        { "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "m-1" },
        { "op": "Replace", "value": {
            "displayName": "Ann Lee", "name.givenName": "Anna",
            format!("{ENTERPRISE}:department"): "Bridge", "emails[type eq \"home\"].value": "h@x.example" } },
    ]));
    assert_eq!(out["active"], false);
    assert_eq!(out["emails"][2], json!({ "type": "other", "value": "o@x.example" }));
    assert_eq!(out["emails"][1]["value"], "h@x.example");
    assert_eq!(out[ENTERPRISE], json!({ "department": "Bridge", "manager": { "value": "m-1" } }));
    assert_eq!((&out["displayName"], &out["name"]["givenName"]), (&json!("Ann Lee"), &json!("Anna")));
    let listed = json!([{ "op": "Remove", "path": "emails", "value": [{ "value": "ann@home.example" }] }]);
    assert_eq!(done(listed)["emails"].as_array().unwrap().len(), 1);
}

#[test]
fn what_okta_sends_is_understood() {
    let out = done(json!([{ "op": "replace", "value": { "active": false } }]));
    assert_eq!(out["active"], false);
    let out = done(
        json!([{ "op": "replace", "value": { "id": "1", "schemas": [], "meta": {}, "title": "Cook" } }]),
    );
    assert_eq!(out["title"], "Cook");
}

#[test]
fn a_refusal_has_its_keyword_and_changes_nothing() {
    for (operations, scim_type) in [
        (json!([]), ScimType::InvalidSyntax),
        (json!([{ "op": "move", "path": "title" }]), ScimType::InvalidSyntax),
        (json!([{ "op": "remove" }]), ScimType::NoTarget),
        (json!([{ "op": "remove", "path": "userName" }]), ScimType::Mutability),
        (json!([{ "op": "replace", "path": "id", "value": "x" }]), ScimType::Mutability),
        (json!([{ "op": "replace", "path": "meta.version", "value": "x" }]), ScimType::Mutability),
        (json!([{ "op": "add", "path": "groups", "value": [{ "value": "g" }] }]), ScimType::Mutability),
        (json!([{ "op": "add", "path": "shoeSize", "value": "x" }]), ScimType::InvalidPath),
        (json!([{ "op": "add", "path": "emails[type eq", "value": "x" }]), ScimType::InvalidPath),
        (json!([{ "op": "add", "path": "emails[type eq \"work\"]x", "value": "x" }]), ScimType::InvalidPath),
        (json!([{ "op": "add", "path": "title[value pr]", "value": "x" }]), ScimType::InvalidPath),
        (
            json!([{ "op": "replace", "path": "emails[type eq \"x\"].value", "value": "x" }]),
            ScimType::NoTarget,
        ),
        (
            json!([{ "op": "add", "path": "emails[type ne \"a\" and type ne \"work\" and type ne \"home\"]",
            "value": "x" }]),
            ScimType::NoTarget,
        ),
        (json!([{ "op": "replace", "path": "active", "value": "maybe" }]), ScimType::InvalidValue),
        (json!([{ "op": "remove", "path": "emails", "value": [7] }]), ScimType::InvalidValue),
        (json!([{ "op": "remove", "path": "emails", "value": [] }]), ScimType::InvalidValue),
        (json!([{ "op": "remove", "path": "emails", "value": [{}] }]), ScimType::InvalidValue),
        (json!([{ "op": "add", "value": "x" }]), ScimType::InvalidValue),
        (json!([{ "op": "replace", "path": "userName", "value": " " }]), ScimType::InvalidValue),
        // The first two would do; the third refuses all.
        (
            json!([{ "op": "replace", "path": "title", "value": "x" }, { "op": "remove", "path": "emails" },
            { "op": "replace", "path": "active", "value": 3 }]),
            ScimType::InvalidValue,
        ),
    ] {
        let error = patch(operations.clone()).expect_err(&operations.to_string());
        assert_eq!((error.status, error.scim_type), (400, Some(scim_type)), "{operations}: {error}");
    }
}

fn group(operations: Value) -> Result<Vec<GroupChange>, crate::Error> {
    Patch::from_value(&GROUP, json!({ "schemas": [URN], "Operations": operations }))?.group_changes()
}

#[test]
fn a_remove_of_one_member_removes_one_member() {
    use GroupChange as G;
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    for (operation, change) in [
        (json!({ "op": "remove", "path": "members[value eq \"a\"]" }), G::Remove(ids(&["a"]))),
        (
            json!({ "op": "Remove", "path": "members", "value": [{ "value": "a" }, { "value": "b" }] }),
            G::Remove(ids(&["a", "b"])),
        ),
        (json!({ "op": "remove", "path": "members", "value": { "value": "a" } }), G::Remove(ids(&["a"]))),
        (
            json!({ "op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]" }),
            G::Remove(ids(&["a", "b"])),
        ),
        (json!({ "op": "remove", "path": "members" }), G::Set(Vec::new())),
        (
            json!({ "op": "replace", "path": "members", "value": [{ "value": "a" }, { "value": "a" }] }),
            G::Set(ids(&["a"])),
        ),
        (json!({ "op": "replace", "value": { "members": [{ "value": "a" }] } }), G::Set(ids(&["a"]))),
        (
            json!({ "op": "add", "path": "members", "value": [{ "value": "a", "display": "Ann" }] }),
            G::Add(ids(&["a"])),
        ),
        (
            json!({ "op": "replace", "path": "displayName", "value": "Crew" }),
            G::Name(Some("Crew".to_owned())),
        ),
        (
            json!({ "op": "replace", "value": { "id": "x", "displayName": "Crew" } }),
            G::Name(Some("Crew".to_owned())),
        ),
        (json!({ "op": "remove", "path": "displayName" }), G::Name(None)),
        (json!({ "op": "remove", "path": "externalId" }), G::ExternalId(None)),
    ] {
        assert_eq!(group(json!([operation])).unwrap(), [change], "{operation}");
    }
    for operation in [
        json!({ "op": "remove", "path": "members", "value": [{ "display": "Ann" }] }),
        json!({ "op": "remove", "path": "members", "value": [] }),
        json!({ "op": "remove", "path": "members", "value": "" }),
        json!({ "op": "remove", "path": "members[value eq]" }),
        json!({ "op": "remove", "path": "members[" }),
        json!({ "op": "add", "path": "members", "value": [{ "type": "User" }] }),
        json!({ "op": "replace", "path": "members[value eq \"a\"].value", "value": "b" }),
    ] {
        if operation["value"] == "" {
            // An empty id is nobody's: it removes nobody.
            assert_eq!(group(json!([operation])).unwrap(), [G::Remove(vec![String::new()])]);
        } else {
            assert_eq!(group(json!([operation])).expect_err(&operation.to_string()).status, 400);
        }
    }
}

/// Operations on one text, one complex and one multi-valued attribute, with the plainest meaning to compare with.
#[derive(Clone, Debug)]
enum Step {
    Title(Option<String>),
    Given(Option<String>),
    AddEmail(String, u8),
    SetEmails(Vec<(String, u8)>),
    DropType(u8),
    DropListed(String),
    SetOfType(u8, String),
}

const TYPES: [&str; 3] = ["work", "home", "other"];

fn email(value: &str, kind: u8) -> Value {
    json!({ "value": value, "type": TYPES[usize::from(kind)] })
}

impl Step {
    fn operation(&self) -> Value {
        match self {
            Self::Title(Some(text)) => json!({ "op": "replace", "path": "title", "value": text }),
            Self::Title(None) => json!({ "op": "remove", "path": "title" }),
            Self::Given(Some(text)) => json!({ "op": "add", "value": { "name.givenName": text } }),
            Self::Given(None) => json!({ "op": "remove", "path": "name.givenName" }),
            Self::AddEmail(value, kind) => {
                json!({ "op": "add", "path": "emails", "value": [email(value, *kind)] })
            }
            Self::SetEmails(all) => {
                let all: Vec<Value> = all.iter().map(|(value, kind)| email(value, *kind)).collect();
                json!({ "op": "replace", "path": "emails", "value": all })
            }
            Self::DropType(kind) => {
                json!({ "op": "remove", "path": format!("emails[type eq \"{}\"]", TYPES[usize::from(*kind)]) })
            }
            Self::DropListed(value) => {
                json!({ "op": "remove", "path": "emails", "value": [{ "value": value }] })
            }
            Self::SetOfType(kind, value) => json!({
                "op": "add", "path": format!("emails[type eq \"{}\"].value", TYPES[usize::from(*kind)]), "value": value }),
        }
    }

    fn apply(&self, title: &mut Option<String>, given: &mut Option<String>, emails: &mut Vec<(String, u8)>) {
        match self {
            Self::Title(text) => title.clone_from(text),
            Self::Given(text) => given.clone_from(text),
            Self::AddEmail(value, kind) => {
                if !emails.contains(&(value.clone(), *kind)) {
                    emails.push((value.clone(), *kind));
                }
            }
            Self::SetEmails(all) => emails.clone_from(all),
            Self::DropType(kind) => emails.retain(|(_, have)| have != kind),
            Self::DropListed(value) => emails.retain(|(have, _)| have != value),
            Self::SetOfType(kind, value) => {
                let mut found = false;
                for (have, of) in emails.iter_mut() {
                    if of == kind {
                        have.clone_from(value);
                        found = true;
                    }
                }
                if !found {
                    emails.push((value.clone(), *kind));
                }
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let text = || "[a-c]{1,2}";
    prop_oneof![
        proptest::option::of(text()).prop_map(Step::Title),
        proptest::option::of(text()).prop_map(Step::Given),
        (text(), 0..3_u8).prop_map(|(value, kind)| Step::AddEmail(value, kind)),
        proptest::collection::vec((text(), 0..3_u8), 0..4).prop_map(Step::SetEmails),
        (0..3_u8).prop_map(Step::DropType),
        text().prop_map(Step::DropListed),
        (0..3_u8, text()).prop_map(|(kind, value)| Step::SetOfType(kind, value)),
    ]
}

proptest! {
    #[test]
    fn a_patch_means_what_the_plain_reading_says(steps in proptest::collection::vec(step(), 1..12)) {
        let start = json!({ "schemas": [CORE], "userName": "a" });
        let start = Resource::from_value(&USER, start).unwrap();
        let operations: Vec<Value> = steps.iter().map(Step::operation).collect();
        let patch = Patch::from_value(&USER, json!({ "schemas": [URN], "Operations": operations })).unwrap();
        let out = Value::Object(patch.apply(&start).unwrap().into_attributes());
        let (mut title, mut given, mut emails) = (None, None, Vec::new());
        for step in &steps {
            step.apply(&mut title, &mut given, &mut emails);
        }
        prop_assert_eq!(out["title"].as_str(), title.as_deref());
        prop_assert_eq!(out["name"]["givenName"].as_str(), given.as_deref());
        let wanted: Vec<Value> = emails.iter().map(|(value, kind)| email(value, *kind)).collect();
        prop_assert_eq!(out["emails"].as_array().cloned().unwrap_or_default(), wanted);
    }
}
