//! Bearer tokens: any text is refused or is the only spelling of its secret, and any secret comes back.
//!
//! Compiled from the one source file: the crate around it brings a database and TLS, minutes to build for the fuzzer.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/users/src/tokens.rs"]
mod tokens;

use tokens::{ApiToken, LinkToken};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(token) = ApiToken::parse(text) {
            assert_eq!(token.text(), text);
            assert!(token.matches(&token.hash()));
        }
        if let Ok(token) = LinkToken::parse(text) {
            assert_eq!(token.text(), text);
            assert!(token.matches(&token.hash()));
        }
    }
    let mut secret = |bytes: &mut [u8]| {
        for (to, from) in bytes.iter_mut().zip(data) {
            *to = *from;
        }
    };
    let (link, api) = (LinkToken::generate(&mut secret), ApiToken::generate(&mut secret));
    assert!(LinkToken::parse(&link.text()).is_ok_and(|again| again.text() == link.text()));
    let text = api.text();
    assert!(ApiToken::parse(&text).is_ok_and(|again| again.text() == text));
    // The checksum catches any single changed character.
    let at = data.first().map_or(0, |byte| usize::from(*byte) % text.len());
    let mut changed = text.clone().into_bytes();
    changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(ApiToken::parse(&changed).is_err(), "{changed}");
});
