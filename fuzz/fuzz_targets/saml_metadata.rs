//! Metadata of identity providers: refused or read; what is read can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saml::Time;
use saml::metadata::{IdentityProvider, Reading};

fuzz_target!(|data: &[u8]| {
    let reading = Reading { entity_id: None, now: Time(1_772_366_400_000_000), allow_http: false };
    let Ok(found) = IdentityProvider::parse(data, &reading) else { return };
    assert!(!found.entity_id.is_empty() && !found.signing.is_empty() && !found.single_sign_on.is_empty());
    assert!(found.valid_until.is_none_or(|end| end > reading.now));
    for endpoint in found.single_sign_on.iter().chain(&found.single_logout) {
        for address in [Some(&endpoint.location), endpoint.response_location.as_ref()].into_iter().flatten() {
            assert!(address.starts_with("https://") && address.chars().all(|c| c.is_ascii_graphic()));
        }
    }
});
