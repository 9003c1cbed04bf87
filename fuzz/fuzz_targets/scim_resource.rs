//! A resource as a client sends it, a search and a bulk request: refused or read; what is read reads back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::message::{Bulk, ListQuery};
use scim::{GROUP, Resource, USER};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    for kind in [&USER, &GROUP] {
        if let Ok(resource) = Resource::parse(kind, bytes) {
            let mut again = resource.attributes().clone();
            again.insert("schemas".to_owned(), json!(resource.schemas()));
            let Ok(again) = Resource::from_value(kind, Value::Object(again)) else {
                panic!("does not read back")
            };
            assert_eq!(again, resource);
            let _ = (resource.emails().len(), resource.person_name(), resource.members().len());
        }
    }
    let _ = (ListQuery::from_search(bytes), Bulk::parse(bytes));
});
