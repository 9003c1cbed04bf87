//! Certificates of metadata: refused or read, the same way each time.
#![no_main]

use saml::Certificate;
use saml::certificate::KeyKind;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = Certificate::from_der(bytes) {
        assert_eq!(found.der(), bytes);
        assert_eq!(found.fingerprint().len(), 64);
        if let KeyKind::Rsa { bits } = found.kind() {
            assert!((2048..=8192).contains(&bits));
        }
    }
});
