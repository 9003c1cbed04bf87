//! A filter from a query string: any text is refused or understood, and what is understood can be evaluated.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{Filter, GROUP, USER};
use serde_json::{Map, Value, json};

fn person() -> Map<String, Value> {
    let person = json!({
        "userName": "ann", "active": true, "name": { "familyName": "Lee" },
        "emails": [{ "value": "a@b.example", "type": "work", "primary": true }],
        "meta": { "lastModified": "2026-03-02T08:00:00Z" },
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "manager": { "value": "m" } },
    });
    match person {
        Value::Object(person) => person,
        _ => Map::new(),
    }
}

fuzz_target!(|text: &str| {
    for kind in [&USER, &GROUP] {
        match Filter::parse(kind, text) {
            Ok(filter) => {
                let fits = filter.fits(&person());
                assert_eq!(fits, filter.fits(&person()));
                let _ = (filter.shape(), filter.conjuncts().len(), filter.mentions("members"));
            }
            Err(error) => assert_eq!(error.status, 400),
        }
    }
});
