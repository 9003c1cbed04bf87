//! A whole patch: refused as one, or applied as one; the result still fits its schema, and the start stays as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::patch::Patch;
use scim::{GROUP, Resource, USER};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let start = json!({
        "schemas": [USER.schema.urn], "userName": "ann", "title": "Mate", "name": { "givenName": "Ann" },
        "emails": [{ "value": "a@b.example", "type": "work", "primary": true }, { "value": "c@d.example" }],
    });
    let Ok(start) = Resource::from_value(&USER, start) else { panic!("the start fits") };
    if let Ok(patch) = Patch::parse(&USER, bytes) {
        let _ = patch.shape();
        if let Ok(changed) = patch.apply(&start) {
            let mut again = changed.attributes().clone();
            again.insert("schemas".to_owned(), json!([USER.schema.urn]));
            let Ok(again) = Resource::from_value(&USER, Value::Object(again)) else {
                panic!("it fits no more")
            };
            assert_eq!(again.attributes(), changed.attributes());
        }
    }
    if let Ok(patch) = Patch::parse(&GROUP, bytes) {
        let _ = patch.group_changes();
    }
});
