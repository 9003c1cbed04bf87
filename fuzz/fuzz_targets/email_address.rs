//! E-mail addresses: nothing makes the parser panic, and what is accepted has one canonical form.
//!
//! Compiled from its source files: the crate around them brings a database and TLS, minutes to build for the fuzzer.
#![no_main]
#![expect(dead_code, reason = "the crate uses what a target does not")]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/users/src/accounts"]
mod accounts {
    pub mod email;
}
#[path = "../../crates/users/src/domains"]
mod domains {
    pub mod name;
}

use accounts::email::{ADDRESS_OCTETS_MAX, EmailAddress, LOCAL_OCTETS_MAX};

fuzz_target!(|text: &str| {
    let address = match EmailAddress::parse(text) {
        Ok(address) => address,
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.is_empty() && sentence.len() < 2000, "{sentence}");
            return;
        }
    };
    let key = address.key();
    assert!(key.len() <= ADDRESS_OCTETS_MAX && address.local().len() <= LOCAL_OCTETS_MAX);
    assert!(key.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
    assert_eq!(key.matches('@').count(), 1);
    assert_eq!(format!("{}@{}", address.local(), address.domain()), key);
    assert!(address.domain().contains('.'));
    assert_eq!(EmailAddress::parse(key).as_ref(), Ok(&address));
    assert_eq!(EmailAddress::parse(&key.to_uppercase()).as_ref(), Ok(&address));
});
