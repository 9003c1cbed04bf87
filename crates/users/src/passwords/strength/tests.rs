use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn ann() -> Context {
    Context {
        email: "ann.marlowe@harbor-logistics.com".to_owned(),
        words: vec!["Harbor Logistics".to_owned()],
    }
}

fn refusals(factors: Factors, text: &str) -> Vec<Refusal> {
    PasswordRules::floor(factors).check(&password(text), &ann())
}

#[test]
fn the_floor_is_15_alone_and_8_beside_a_second_factor() {
    assert_eq!(refusals(Factors::PasswordOnly, "vivid otter 42"), [Refusal::Short { min: 15, chars: 14 }]);
    assert_eq!(refusals(Factors::PasswordOnly, "vivid otter 421"), []);
    assert_eq!(refusals(Factors::Multiple, "q7#zVk2m"), []);
    assert_eq!(refusals(Factors::Multiple, "q7#zVk2"), [Refusal::Short { min: 8, chars: 7 }]);
    // Counted as people count: 15 characters of several bytes each.
    assert_eq!(refusals(Factors::PasswordOnly, "雨に濡れた古い鐘楼の上で踊る狐"), []);
}

#[test]
fn no_composition_rules() {
    for text in ["mountain lamp carrot violin", "1029 3847 5610 9382", "ÄÖÜ kräht der bunte Hahn"] {
        assert_eq!(refusals(Factors::PasswordOnly, text), [], "{text}");
    }
}

#[test]
fn guessable_passwords_are_refused_however_long() {
    for text in [
        "aaaaaaaaaaaaaaaaaaaa",
        "abcdefghijklmnopqrst",
        "passwordpassword",
        "qwertyuiopasdfgh",
        "1234567890123456",
    ] {
        assert!(!refusals(Factors::PasswordOnly, text).is_empty(), "{text}");
    }
    assert_eq!(refusals(Factors::PasswordOnly, &"z".repeat(CHARS_MAX)), [Refusal::Guessable]);
    assert_eq!(refusals(Factors::PasswordOnly, &"z".repeat(CHARS_MAX + 1)), [Refusal::Long]);
}

#[test]
fn known_passwords_are_refused() {
    for text in ["password", "P@ssw0rd", "drowssap", "iloveyou", "trustno1"] {
        assert!(refusals(Factors::Multiple, text).contains(&Refusal::Breached), "{text}");
    }
    let off = PasswordRules { breached: false, min_score: 0, ..PasswordRules::floor(Factors::Multiple) };
    assert_eq!(off.check(&password("password"), &ann()), []);

    struct Filter;
    impl BreachedList for Filter {
        fn contains(&self, password: &Password) -> bool {
            password.text() == "vivid otter 4217"
        }
    }
    let floor = PasswordRules::floor(Factors::PasswordOnly);
    assert_eq!(floor.check_with(&password("vivid otter 4217"), &ann(), &Filter), [Refusal::Breached]);
    assert_eq!(floor.check_with(&password("vivid otter 4218"), &ann(), &Filter), []);
}

#[test]
fn context_words_may_be_in_a_password_but_not_carry_it() {
    for text in [
        "HarborLogistics2025!",
        "bailiwickbailiwick1",
        "ann.marlowe12345",
        "Marlowe-Harbor-1!",
        "logisticsharbor99",
    ] {
        let found = refusals(Factors::PasswordOnly, text);
        assert!(matches!(&found[..], [.., Refusal::ContextWord(_)]), "{text}: {found:?}");
    }
    assert_eq!(refusals(Factors::PasswordOnly, "harbor under violet umbrellas"), []);
    let off = PasswordRules {
        refuse_context_words: false,
        min_score: 0,
        ..PasswordRules::floor(Factors::PasswordOnly)
    };
    assert_eq!(off.check(&password("HarborLogistics2025!"), &ann()), []);
    // Three letters are no word: nearly everything has some.
    let short = Context { email: "ann@abc.com".to_owned(), words: vec!["IT".to_owned()] };
    assert_eq!(short.all_words(), ["bailiwick"]);
}

#[test]
fn a_policy_is_compared_with_the_floor_rule_by_rule() {
    let floor = PasswordRules {
        reuse_history: 3,
        max_age_days: Some(365),
        ..PasswordRules::floor(Factors::PasswordOnly)
    };
    assert_eq!(floor.weaker_than(&floor), []);
    let stricter = PasswordRules {
        min_length: 20,
        min_score: 4,
        reuse_history: 24,
        max_age_days: Some(90),
        ..floor.clone()
    };
    assert_eq!(stricter.weaker_than(&floor), []);
    let none = PasswordRules {
        min_length: 14,
        min_score: 1,
        refuse_context_words: false,
        reuse_history: 2,
        breached: false,
        max_age_days: None,
    };
    let all = [
        Weakness::MinLength(15),
        Weakness::MinScore(2),
        Weakness::ContextWords,
        Weakness::ReuseHistory(3),
        Weakness::Breached,
        Weakness::MaxAgeDays(365),
    ];
    assert_eq!(none.weaker_than(&floor), all);
    assert_eq!(
        PasswordRules { max_age_days: Some(366), ..floor.clone() }.weaker_than(&floor),
        [Weakness::MaxAgeDays(365)]
    );
    // A shorter age than "never" is no weakness and no strength.
    assert_eq!(
        floor.weaker_than(&PasswordRules { reuse_history: 0, ..PasswordRules::floor(Factors::Multiple) }),
        []
    );
}

#[test]
fn impossible_rules_are_named() {
    let floor = PasswordRules::floor(Factors::PasswordOnly);
    assert_eq!(floor.out_of_range(), []);
    let bad = PasswordRules {
        min_length: 129,
        min_score: 5,
        reuse_history: 25,
        max_age_days: Some(0),
        ..floor.clone()
    };
    assert_eq!(
        bad.out_of_range(),
        [
            RangeError::MinLength(129),
            RangeError::MinScore(5),
            RangeError::ReuseHistory(25),
            RangeError::MaxAgeDays
        ]
    );
    let json = serde_json::to_string(&floor).unwrap();
    assert_eq!(serde_json::from_str::<PasswordRules>(&json).unwrap(), floor);
    assert!(serde_json::from_str::<PasswordRules>(&json.replace("breached", "breach")).is_err());
}

/// The estimate runs on the threads that answer requests, so it must stay quick for the worst text somebody can send.
#[test]
fn measure_the_estimate() {
    let texts = [
        "vivid otter 4217 umbrella".to_owned(),
        "p4ssw0rd@1!".repeat(90),
        "4@({<69!1|70$5+%2".repeat(60),
        "4@1|!7$5".repeat(128),
        "4@({<69!1|70$5+%2".repeat(2)[..24].to_owned(),
        "ab12".repeat(256),
    ];
    for text in &texts {
        let started = Instant::now();
        let _ = refusals(Factors::PasswordOnly, text);
        println!("{} characters: {:?}", text.len(), started.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_stricter_policy_refuses_whatever_the_floor_refuses(text in "\\PC{0,40}", length in 15..40_u16, score in 2..=4_u8) {
        let floor = PasswordRules::floor(Factors::PasswordOnly);
        let stricter = PasswordRules { min_length: length, min_score: score, ..floor.clone() };
        prop_assert!(stricter.weaker_than(&floor).is_empty());
        let password = Password::new(text);
        if !floor.check(&password, &ann()).is_empty() {
            prop_assert!(!stricter.check(&password, &ann()).is_empty());
        }
    }
}
