//! What a browser sends for a passkey: CBOR, keys, authenticator data, attestation objects and client data are refused or
//! read, never more; nothing that was not signed verifies; another site's origin is never ours.
//!
//! Compiled from the source files: the crate around them brings a database and TLS, minutes to build for the fuzzer.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/users/src/passkeys/cbor.rs"]
mod cbor;
#[path = "../../crates/users/src/passkeys/cose.rs"]
mod cose;
#[path = "../../crates/users/src/passkeys/webauthn.rs"]
mod webauthn;

use cose::PublicKey;
use webauthn::{AttestationObject, AuthenticatorData, Ceremony, Expected};

fuzz_target!(|data: &[u8]| {
    if let Ok((value, rest)) = cbor::read(data) {
        // What was read is the same when it stands alone.
        let own = &data[..data.len() - rest.len()];
        assert_eq!(cbor::read_whole(own), Ok(value));
    }
    if let Ok(key) = PublicKey::parse(data) {
        assert!(key.verify(b"a message", &data[..data.len().min(72)]).is_err());
    }
    if let Ok(found) = AuthenticatorData::parse(data) {
        let _ = found.judge("localhost");
        if let Some(credential) = found.credential {
            assert_eq!(PublicKey::parse(credential.key_bytes).as_ref(), Ok(&credential.key));
        }
    }
    if let Ok(object) = AttestationObject::parse(data) {
        let _ = AuthenticatorData::parse(object.auth_data);
    }
    let origin = url::Url::parse("https://trust.northwind.example").expect("an address");
    let expected = Expected { ceremony: Ceremony::Get, origin: &origin };
    let _ = webauthn::client_data(data, &expected);
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(webauthn::same_origin(&origin, text), text == "https://trust.northwind.example");
    }
});
