//! The two times of a certificate: no bytes make the reader panic, and what it reads lies in the years that the form has.
#![no_main]

#[path = "../../crates/platform/src/web/tls/validity.rs"]
mod validity;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((from, to)) = validity::of(bytes) {
        for seconds in [from, to] {
            assert!((-62_200_000_000..=253_402_300_799).contains(&seconds), "{seconds}");
        }
    }
});
