//! One-time codes: RFC 6238's vectors, and what is accepted when.

use platform::time::Timestamp;
use proptest::prelude::*;

use super::{base32, code, matching_step, step_of};

/// The secret of RFC 6238, appendix B.
const RFC_SECRET: &[u8] = b"12345678901234567890";

fn decode(text: &str) -> Vec<u8> {
    let mut bits = String::new();
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).expect("base 32");
        bits.push_str(&format!("{value:05b}"));
    }
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

/// Appendix B has eight digits; the last six of them are the six-digit code.
#[test]
fn the_vectors_of_rfc_6238() {
    for (seconds, eight) in [
        (59_i64, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ] {
        let now = Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(code(RFC_SECRET, step_of(now)), &eight[2..], "{seconds}");
    }
}

/// RFC 4226, appendix D.
#[test]
fn the_vectors_of_rfc_4226() {
    let expected =
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    for (counter, expected) in (0..).zip(expected) {
        assert_eq!(code(RFC_SECRET, counter), expected);
    }
}

#[test]
fn base_32_as_apps_read_it() {
    assert_eq!(base32(RFC_SECRET), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    for (bytes, text) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ")] {
        assert_eq!(base32(bytes.as_bytes()), text);
    }
}

#[test]
fn one_step_of_drift_is_taken_and_no_step_twice() {
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    let here = step_of(at(3000));
    for (drift, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let found = matching_step(RFC_SECRET, &code(RFC_SECRET, here + drift), at(3000), -1);
        assert_eq!(found, taken.then_some(here + drift), "{drift}");
    }
    assert_eq!(matching_step(RFC_SECRET, &code(RFC_SECRET, here), at(3000), here), None, "a replay");
    let late = code(RFC_SECRET, here - 1);
    assert_eq!(matching_step(RFC_SECRET, &late, at(3000), here), None, "older than the last");
    let typed = code(RFC_SECRET, here);
    let spaced = format!(" {} {}", &typed[..3], &typed[3..]);
    assert_eq!(matching_step(RFC_SECRET, &spaced, at(3000), -1), Some(here));
}

proptest! {
    #[test]
    fn nothing_but_a_code_of_these_steps_is_taken(typed in "[0-9a-z ]{0,8}", seconds in 0_i64..4_000_000_000) {
        let now = Timestamp::from_micros(seconds * 1_000_000);
        let plain: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let codes: Vec<String> = (-1..=1).map(|n| code(RFC_SECRET, step_of(now) + n)).collect();
        let taken = matching_step(RFC_SECRET, &typed, now, i64::MIN).is_some();
        prop_assert_eq!(taken, codes.contains(&plain));
    }

    #[test]
    fn secrets_come_back(secret in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(decode(&base32(&secret)), secret);
    }
}
