//! Names of domains: nothing makes the parser panic, and whatever spelling is accepted has one canonical form.
//!
//! Compiled from the one source file: the crate around it brings a database and TLS, minutes to build for the fuzzer.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/users/src/domains"]
mod domains {
    pub mod name;
}

use domains::name::{DomainName, LABEL_OCTETS_MAX, NAME_OCTETS_MAX, Reserved};

fuzz_target!(|text: &str| {
    let parsed = DomainName::parse_with(text, Reserved::Allow);
    let strict = DomainName::parse(text);
    assert!(strict.is_err() || strict == parsed, "reserving names only refuses more");
    let Ok(domain) = parsed else { return };
    let ascii = domain.as_str();
    assert!(ascii.len() <= NAME_OCTETS_MAX);
    for label in ascii.split('.') {
        assert!((1..=LABEL_OCTETS_MAX).contains(&label.len()));
        assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
    }
    let again = |text: &str| DomainName::parse_with(text, Reserved::Allow);
    assert_eq!(again(ascii).as_ref(), Ok(&domain));
    assert_eq!(again(&domain.unicode()).as_ref(), Ok(&domain));
    assert_eq!(again(&ascii.to_uppercase()).as_ref(), Ok(&domain));
    assert!(ascii.ends_with(domain.registrable()) && domain.registrable().contains('.'));
    assert!(domain.covers(ascii) && !domain.covers(&format!("a.{ascii}")));
    for warning in domain.warnings() {
        assert!(!warning.to_string().is_empty());
    }
});
