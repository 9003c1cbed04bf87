use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Filter;
use crate::error::ScimType;
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX};
use crate::{GROUP, USER};

fn person() -> Map<String, Value> {
    let value = json!({
        "userName": "Ann@Harbor.example",
        "externalId": "X-1",
        "active": true,
        "title": "",
        "name": { "familyName": "O\"Neil", "givenName": "Ann" },
        "emails": [
            { "value": "ann@harbor.example", "type": "work", "primary": true },
            { "value": "ann@home.example", "type": "home" },
        ],
        "meta": { "lastModified": "2026-03-02T08:00:00Z", "resourceType": "User" },
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
            { "department": "Deck", "manager": { "value": "m-1" }, "employeeNumber": "007" },
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[track_caller]
fn fits(text: &str) -> bool {
    Filter::parse(&USER, text).unwrap_or_else(|error| panic!("{text}: {error}")).fits(&person())
}

#[test]
fn the_examples_of_the_standard_and_of_entra_are_understood() {
    for text in [
        "userName eq \"ann@harbor.example\"",
        "USERNAME EQ \"ANN@HARBOR.EXAMPLE\"",
        "name.familyName co \"o\\\"neil\"",
        "userName sw \"Ann\"",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"ann\"",
        "title ne \"x\"",
        "not (title pr)",
        "meta.lastModified gt \"2026-03-02T07:59:59Z\"",
        "meta.lastModified ge \"2026-03-02T09:00:00+01:00\"",
        "meta.lastModified le \"2026-03-02T09:00:00+01:00\"",
        "emails[type eq \"work\" and value co \"@harbor.example\"]",
        "emails.type eq \"home\"",
        "emails co \"home.example\"",
        "emails[type eq \"work\"] and not (emails[value co \"nobody\"])",
        "userName pr and (emails.type eq \"x\" or active eq true)",
        "active eq \"True\"",
        "active ne false",
        "externalId eq \"X-1\"",
        "nickName eq null",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"m-1\"",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"m-1\"",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department sw \"dec\"",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq \"007\"",
    ] {
        assert!(fits(text), "{text}");
    }
    for text in [
        "externalId eq \"x-1\"",
        "title pr",
        "emails[type eq \"home\" and value co \"@harbor.example\"]",
        "userName eq \"ann\"",
        "userName eq \"ann@harbor.example\" and active eq false",
        "userName gt \"z\"",
        // `and` binds closer than `or`.
        "active eq false and userName pr or title pr",
    ] {
        assert!(!fits(text), "{text}");
    }
}

#[test]
fn what_is_indexed_is_recognised() {
    let parse = |text| Filter::parse(&GROUP, text).unwrap();
    let filter = parse("id eq \"g\" and members eq \"u\"");
    let parts = filter.conjuncts();
    assert_eq!(parts[0].equals("id", ""), Some("g"));
    for text in ["members eq \"u\"", "members.value eq \"u\"", "members[value eq \"u\"]"] {
        assert_eq!(parse(text).holds_value("members"), Some("u"), "{text}");
    }
    assert_eq!(parse("members ne \"u\"").holds_value("members"), None);
    assert_eq!(parse("displayName co \"u\"").equals("displayName", ""), None);
    assert_eq!(filter.shape(), "id eq … and members eq …");
}

#[test]
fn a_mistake_is_told_with_its_position() {
    for (text, words) in [
        ("", "expected an attribute at position 1"),
        ("userName", "expected one of eq, ne"),
        ("userName eq", "expected a value"),
        ("userName eq ann", "a text needs quotes at position 13"),
        ("userName eq \"ann", "closing quote at position 13"),
        ("userName eq \"a\\q\"", "wrong escape"),
        ("shoeSize eq \"a\"", "`shoeSize` is no attribute here at position 1"),
        ("userName eq \"a\" nor title pr", "at position 17"),
        ("(userName pr", "expected `)` at position 13"),
        ("emails[type eq \"work\"", "expected `]`"),
        ("emails[type[value pr]]", "value filter inside"),
        ("userName[value pr]", "needs an attribute with sub-attributes"),
        ("name eq \"x\"", "has no value of its own"),
        ("active gt true", "eq or ne"),
        ("active eq \"maybe\"", "true or false"),
        ("meta.created gt \"yesterday\"", "a time is written like"),
        ("meta.created co \"2026-03-02T08:00:00Z\"", "is a time"),
        ("userName eq true", "text in quotes"),
        ("userName gt null", "null is compared"),
    ] {
        let error = Filter::parse(&USER, text).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidFilter)), "{text}");
        assert!(error.detail.contains(words), "{text}: {}", error.detail);
    }
}

#[test]
fn a_filter_is_bounded_in_length_depth_and_nodes() {
    let long = format!("userName eq \"{}\"", "a".repeat(FILTER_BYTES_MAX));
    assert!(Filter::parse(&USER, &long).is_err());
    let nest = |depth: usize| format!("{}userName pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&USER, &nest(FILTER_DEPTH_MAX)).is_ok());
    assert!(Filter::parse(&USER, &nest(FILTER_DEPTH_MAX + 1)).unwrap_err().detail.contains("nested"));
    assert!(Filter::parse(&USER, &"not(".repeat(1000)).is_err());
    // n conditions and n - 1 connectives
    let wide = |count: usize| vec!["title pr"; count].join(" or ");
    assert!(Filter::parse(&USER, &wide(FILTER_NODES_MAX / 2)).is_ok());
    assert!(Filter::parse(&USER, &wide(FILTER_NODES_MAX / 2 + 1)).unwrap_err().detail.contains("more than"));
}

/// A filter as a tree of its own, with the plainest meaning, to compare with.
#[derive(Clone, Debug)]
enum Tree {
    Text(&'static str, &'static str, String),
    Active(bool, bool),
    Present(&'static str),
    Work(String),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Text(name, op, value) => format!("{name} {op} {}", json!(value)),
            Self::Active(eq, value) => format!("active {} {value}", if *eq { "eq" } else { "ne" }),
            Self::Present(name) => format!("{name} pr"),
            Self::Work(value) => format!("emails[type eq \"work\" and value co {}]", json!(value)),
            Self::And(left, right) => format!("({}) and ({})", left.text(), right.text()),
            Self::Or(left, right) => format!("({}) or ({})", left.text(), right.text()),
            Self::Not(inner) => format!("not ({})", inner.text()),
        }
    }

    fn holds(&self, person: &Value) -> bool {
        let low = |value: &Value| value.as_str().map(str::to_lowercase);
        match self {
            Self::Text(name, op, wanted) => {
                let (have, wanted) = (low(&person[*name]), wanted.to_lowercase());
                match (*op, have) {
                    ("ne", have) => have.as_deref() != Some(&wanted),
                    (_, None) => false,
                    ("eq", Some(have)) => have == wanted,
                    ("co", Some(have)) => have.contains(&wanted),
                    ("sw", Some(have)) => have.starts_with(&wanted),
                    ("ew", Some(have)) => have.ends_with(&wanted),
                    ("gt", Some(have)) => have > wanted,
                    ("ge", Some(have)) => have >= wanted,
                    ("lt", Some(have)) => have < wanted,
                    (_, Some(have)) => have <= wanted,
                }
            }
            Self::Active(eq, wanted) => (person["active"].as_bool() == Some(*wanted)) == *eq,
            Self::Present(name) => person[*name].as_str().is_some_and(|text| !text.is_empty()),
            Self::Work(wanted) => person["emails"].as_array().into_iter().flatten().any(|email| {
                low(&email["type"]).as_deref() == Some("work")
                    && low(&email["value"]).is_some_and(|value| value.contains(&wanted.to_lowercase()))
            }),
            Self::And(left, right) => left.holds(person) && right.holds(person),
            Self::Or(left, right) => left.holds(person) || right.holds(person),
            Self::Not(inner) => !inner.holds(person),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let name = || prop_oneof![Just("userName"), Just("title"), Just("nickName"), Just("displayName")];
    let op = prop_oneof![
        Just("eq"),
        Just("ne"),
        Just("co"),
        Just("sw"),
        Just("ew"),
        Just("gt"),
        Just("ge"),
        Just("lt"),
        Just("le")
    ];
    let leaf = prop_oneof![
        (name(), op, "[aAbB\"\\\\ é]{0,2}").prop_map(|(name, op, value)| Tree::Text(name, op, value)),
        (any::<bool>(), any::<bool>()).prop_map(|(eq, value)| Tree::Active(eq, value)),
        name().prop_map(Tree::Present),
        "[ab]{0,2}".prop_map(Tree::Work),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Tree::And(Box::new(l), Box::new(r))),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Tree::Or(Box::new(l), Box::new(r))),
            inner.prop_map(|inner| Tree::Not(Box::new(inner))),
        ]
    })
}

fn people() -> impl Strategy<Value = Value> {
    let text = || proptest::option::of("[aAbB\"\\\\ é]{0,3}");
    let email = (prop_oneof![Just("work"), Just("home"), Just("WORK")], "[abAB]{1,3}");
    let emails = proptest::collection::vec(email, 0..3);
    (text(), text(), text(), proptest::option::of(any::<bool>()), emails).prop_map(
        |(user, title, nick, active, emails)| {
            let emails: Vec<Value> =
                emails.into_iter().map(|(kind, value)| json!({ "type": kind, "value": value })).collect();
            json!({ "userName": user, "title": title, "nickName": nick, "active": active, "emails": emails })
        },
    )
}

proptest! {
    #[test]
    fn a_filter_means_what_the_plain_reading_says(tree in tree(), person in people()) {
        let text = tree.text();
        let Ok(filter) = Filter::parse(&USER, &text) else {
            // The only reason why a well-formed one is refused.
            prop_assert!(text.matches(" and ").count() + text.matches(" or ").count() > FILTER_NODES_MAX / 4);
            return Ok(());
        };
        let Value::Object(attributes) = &person else { unreachable!() };
        // What is null is not stored.
        let attributes: Map<String, Value> =
            attributes.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        prop_assert_eq!(filter.fits(&attributes), tree.holds(&person), "{}", text);
    }

    #[test]
    fn any_text_is_refused_or_understood(text in "[a-zN. \"\\[\\]()\\\\:0-9é]{0,60}") {
        if let Ok(filter) = Filter::parse(&USER, &text) {
            let _ = (filter.fits(&person()), filter.shape());
        }
    }
}
