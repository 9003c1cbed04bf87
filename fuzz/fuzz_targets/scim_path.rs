//! The path of a patch operation: refused, or it says where something stands.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{AttributePath, GROUP, PatchPath, USER};

fuzz_target!(|text: &str| {
    for kind in [&USER, &GROUP] {
        if let Ok(path) = PatchPath::parse(kind, text) {
            // What it says of itself resolves to the same place.
            let written = path.path.to_string();
            assert_eq!(AttributePath::resolve(kind, &written), Some(path.path), "{text} {written}");
        }
    }
});
