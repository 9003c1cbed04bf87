//! Keys and key sets: any bytes are refused or read; what is read is written and read again as the same key.
#![no_main]

use jose::{Jwk, JwkSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = Jwk::parse(data) {
        let again = Jwk::parse(key.to_value().to_string().as_bytes()).expect("its own words");
        assert_eq!(again, key);
        assert_eq!(again.thumbprint(), key.thumbprint());
    }
    if let Ok(set) = JwkSet::parse(data) {
        assert_eq!(JwkSet::parse(set.to_value().to_string().as_bytes()).expect("its own words"), set);
    }
});
