//! The decisions, without an authority; the conversation is tested against a real one by the whole-system tests.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn standing_at(next: i64) -> Standing {
    Standing { validity: None, failures: 0, last_error: None, next_try_at: at(next) }
}

#[test]
fn renewal_is_due_at_two_thirds_of_the_life() {
    let day = 86_400;
    let validity = Validity { not_before: at(0), not_after: at(90 * day) };
    assert_eq!(renew_at(validity), at(60 * day));
    // A certificate of six days leaves two.
    assert_eq!(renew_at(Validity { not_before: at(0), not_after: at(6 * day) }), at(4 * day));
    // One that ends before it begins is due at once.
    assert_eq!(renew_at(Validity { not_before: at(10), not_after: at(0) }), at(10));
}

#[test]
fn it_is_due_when_there_is_none_or_its_time_has_come() {
    assert!(due(None, at(0)));
    assert!(!due(Some(&standing_at(100)), at(99)));
    assert!(due(Some(&standing_at(100)), at(100)));
}

#[test]
fn failures_wait_longer_and_never_for_days() {
    let minutes: Vec<u64> = (1..=7).map(|failures| wait(failures).as_secs() / 60).collect();
    assert_eq!(minutes, [1, 4, 16, 64, 256, 720, 720]);
    assert_eq!(wait(u32::MAX), WAIT_MAX);
    // Let's Encrypt takes five failed proofs of a name in an hour.
    let tries_in_an_hour = (1..)
        .scan(0, |sum, n| {
            *sum += wait(n).as_secs();
            Some(*sum)
        })
        .take_while(|sum| *sum < 3600)
        .count();
    assert!(tries_in_an_hour < 5, "{tries_in_an_hour}");
}

#[test]
fn the_answer_to_an_authority_is_one_certificate_with_the_digest() {
    let config = order::challenge_config("trust.example", "token.thumbprint").unwrap();
    assert_eq!(config.alpn_protocols, [ALPN.to_vec()]);
}
