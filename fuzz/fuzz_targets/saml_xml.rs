//! The one XML parser and exclusive canonicalization: any bytes are refused or read; canonical text is its own canonical form,
//! says the same and has the same shape.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saml::Part;
use saml::c14n::exclusive;
use saml::xml::{Document, Limits};

fuzz_target!(|data: &[u8]| {
    let Ok(document) = Document::parse(data, Part::Message, Limits::MESSAGE) else { return };
    let _ = document.ids();
    for prefixes in [&[][..], &["a", "#default"]] {
        let Ok(first) = exclusive(document.root(), None, prefixes) else { continue };
        let again = match Document::parse(&first, Part::Verified, Limits::MESSAGE) {
            Ok(again) => again,
            Err(error) => {
                assert!(first.len() > Limits::MESSAGE.bytes, "canonical text is refused: {error}");
                continue;
            }
        };
        assert_eq!(exclusive(again.root(), None, prefixes).expect("canonical"), first);
        let (before, after) = (document.root().descendants(), again.root().descendants());
        assert!(before.map(|one| (one.namespace(), one.local())).eq(after.map(|one| (one.namespace(), one.local()))));
    }
});
