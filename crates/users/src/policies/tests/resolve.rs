//! Strictest wins, compared with an oracle that looks at each setting by itself.

use std::collections::{BTreeMap, BTreeSet};

use platform::ids::{AccountId, GroupId, Id};
use platform::time::Timestamp;
use proptest::prelude::*;

use super::super::networks::Networks;
use super::super::resolve::{InForce, Landscape, Placement, Staged, share_of};
use super::super::rules::SETTINGS;
use super::super::{AppliesTo, PolicyId, Rules, Social};
use crate::factors::Level;

fn id<T: Id>(number: u8) -> T {
    let mut bytes = [7; 16];
    bytes[0] = number;
    // Where somebody stands in a roll-out.
    bytes[14] = number.wrapping_mul(37);
    T::from_uuid(platform::uuid::Uuid::from_bytes(bytes))
}

fn networks() -> impl Strategy<Value = Option<Networks>> {
    let lists = ["10.0.0.0/8", "10.1.0.0/16, 192.0.2.0/24", "192.0.2.7", "2001:db8::/32"];
    prop_oneof![
        Just(None),
        (0..lists.len()).prop_map(move |at| Some(Networks::parse_list(lists[at]).unwrap()))
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let first = (0..4_usize, any::<bool>(), 0..3_usize, 8..20_u16, 0..5_u8, 0..4_u8, any::<bool>());
    let second = (
        proptest::option::of(30..90_u16),
        5..60_u32,
        1..40_u32,
        5..90_u32,
        any::<bool>(),
        1..365_u32,
        networks(),
    );
    (first, second).prop_map(|(a, b)| Rules {
        factor: Level::ALL[a.0],
        single_sign_on: a.1,
        single_sign_on_connection: None,
        social_login: match Social::ALL[a.2] {
            Social::Undecided => BTreeMap::new(),
            decided => BTreeMap::from([("google".to_owned(), decided)]),
        },
        password_min_length: a.3,
        password_min_score: a.4,
        password_reuse_history: a.5,
        password_breached: a.6,
        password_max_age_days: b.0,
        session_idle_minutes: b.1,
        session_absolute_hours: b.2,
        step_up_minutes: b.3,
        api_tokens: b.4,
        api_token_max_days: b.5,
        networks: b.6,
    })
}

#[derive(Clone, Debug)]
struct Drawn {
    applies_to: AppliesTo,
    directory: Option<u8>,
    rules: Rules,
    groups: BTreeSet<u8>,
    accounts: BTreeSet<u8>,
    staged: Option<(Rules, u8, BTreeSet<u8>)>,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let few = || proptest::collection::btree_set(0..4_u8, 0..3);
    let staged = proptest::option::of((rules(), 0..=100_u8, few()));
    let one =
        (0..5_usize, rules(), few(), few(), staged).prop_map(|(kind, rules, groups, accounts, staged)| {
            const KINDS: [AppliesTo; 5] = [
                AppliesTo::Default,
                AppliesTo::Outside,
                AppliesTo::Named,
                AppliesTo::Directory,
                AppliesTo::Directory,
            ];
            Drawn {
                applies_to: KINDS[kind],
                directory: u8::try_from(kind).ok().filter(|kind| *kind >= 3),
                rules,
                groups,
                accounts,
                staged,
            }
        });
    proptest::collection::vec(one, 0..6).prop_map(|all| {
        let mut seen = BTreeSet::new();
        // One default, one for outside people, one for each of two directories.
        all.into_iter()
            .filter(|one| one.applies_to == AppliesTo::Named || seen.insert((one.applies_to, one.directory)))
            .collect()
    })
}

fn landscape(all: &[Drawn]) -> Landscape {
    let mut out = Landscape::default();
    for (at, one) in all.iter().enumerate() {
        let policy: PolicyId = id(u8::try_from(at).unwrap());
        out.policies.push(InForce {
            id: policy,
            name: at.to_string(),
            applies_to: one.applies_to,
            directory: one.directory.map(id),
            version: 1,
            rules: one.rules.clone(),
            decided_by: String::new(),
            decided_at: Timestamp::EPOCH,
            staged: one.staged.as_ref().map(|(rules, percent, groups)| Staged {
                rules: rules.clone(),
                percent: *percent,
                groups: groups.iter().map(|group| id(*group)).collect(),
            }),
        });
        out.groups.insert(policy, one.groups.iter().map(|group| id::<GroupId>(*group)).collect());
        out.accounts.insert(policy, one.accounts.iter().map(|account| id::<AccountId>(*account)).collect());
    }
    out
}

/// Whose rules count, spelled out.
fn by_hand(
    all: &[Drawn],
    account: u8,
    groups: &BTreeSet<u8>,
    outside: bool,
    directory: Option<u8>,
) -> Vec<Rules> {
    let mut counting = Vec::new();
    for one in all {
        let counts = match one.applies_to {
            AppliesTo::Named => one.accounts.contains(&account) || !one.groups.is_disjoint(groups),
            AppliesTo::Outside => outside,
            _ => false,
        };
        if counts {
            counting.push(one);
        }
    }
    if counting.is_empty() {
        counting = all.iter().filter(|one| one.directory.is_some() && one.directory == directory).collect();
    }
    if counting.is_empty() {
        counting = all.iter().filter(|one| one.applies_to == AppliesTo::Default).collect();
    }
    let share = share_of(id(account));
    let mut found: Vec<Rules> = counting
        .into_iter()
        .map(|one| match &one.staged {
            Some((rules, percent, reached)) if share < *percent || !reached.is_disjoint(groups) => {
                rules.clone()
            }
            _ => one.rules.clone(),
        })
        .collect();
    if found.is_empty() {
        found.push(Rules::RECOMMENDED);
    }
    found
}

proptest! {
    #[test]
    fn each_setting_is_the_strictest_of_what_applies(
        all in drawn(),
        account in 0..4_u8,
        groups in proptest::collection::btree_set(0..4_u8, 0..3),
        outside in any::<bool>(),
        directory in proptest::option::of(3..6_u8),
        ips in proptest::collection::vec(prop_oneof![
            Just("10.1.2.3"), Just("10.9.9.9"), Just("192.0.2.7"), Just("192.0.2.8"), Just("2001:db8::1"), Just("8.8.8.8")
        ], 3),
    ) {
        let person = Placement {
            account: id(account),
            groups: groups.iter().map(|group| id(*group)).collect(),
            outside,
            directory: directory.map(id),
        };
        let mut scene = landscape(&all);
        let got = scene.rules_for(&person);
        let counting = by_hand(&all, account, &groups, outside, directory);
        let most = |of: fn(&Rules) -> u64| counting.iter().map(of).max().unwrap();
        let least = |of: fn(&Rules) -> u64| counting.iter().map(of).min().unwrap();
        prop_assert_eq!(got.factor as u64, most(|r| r.factor as u64));
        prop_assert_eq!(got.single_sign_on, counting.iter().any(|r| r.single_sign_on));
        prop_assert_eq!(u64::from(got.password_min_length), most(|r| r.password_min_length.into()));
        prop_assert_eq!(u64::from(got.password_min_score), most(|r| r.password_min_score.into()));
        prop_assert_eq!(u64::from(got.password_reuse_history), most(|r| r.password_reuse_history.into()));
        prop_assert_eq!(got.password_breached, counting.iter().any(|r| r.password_breached));
        let age = |r: &Rules| u64::from(r.password_max_age_days.unwrap_or(u16::MAX));
        prop_assert_eq!(age(&got), counting.iter().map(age).min().unwrap());
        prop_assert_eq!(u64::from(got.session_idle_minutes), least(|r| r.session_idle_minutes.into()));
        prop_assert_eq!(u64::from(got.session_absolute_hours), least(|r| r.session_absolute_hours.into()));
        prop_assert_eq!(u64::from(got.step_up_minutes), least(|r| r.step_up_minutes.into()));
        prop_assert_eq!(got.api_tokens, counting.iter().all(|r| r.api_tokens));
        prop_assert_eq!(u64::from(got.api_token_max_days), least(|r| r.api_token_max_days.into()));
        for ip in ips {
            let ip = ip.parse().unwrap();
            let in_all = counting.iter().all(|r| r.networks.as_ref().is_none_or(|list| list.allow(ip)));
            prop_assert_eq!(got.networks.as_ref().is_none_or(|list| list.allow(ip)), in_all);
        }
        let social = |r: &Rules| r.social_login.get("google").copied();
        let google = social(&got);
        if counting.iter().any(|r| social(r) == Some(Social::Blocked)) {
            prop_assert_eq!(google, Some(Social::Blocked));
        } else if counting.iter().any(|r| social(r).is_none()) {
            prop_assert_eq!(google, None, "undecided somewhere");
        } else {
            prop_assert_eq!(google, Some(Social::Allowed));
        }
        // In whichever order they come.
        scene.policies.reverse();
        prop_assert_eq!(&scene.rules_for(&person), &got);
        prop_assert_eq!(got.strictest(&got), got.clone());
    }

    /// Strictest-wins can only take away: nothing that applies is weaker afterwards.
    #[test]
    fn rules_survive_storage_and_old_ones_are_completed(rules in rules()) {
        prop_assert_eq!(&Rules::read(&rules.text().unwrap()).unwrap(), &rules);
    }
}

#[test]
fn what_an_older_version_stored_is_completed() {
    let old = r#"{"password_min_length":16,"password_min_score":3,"password_reuse_history":5,
        "session_idle_minutes":60,"session_absolute_hours":24}"#;
    let expected = Rules {
        password_min_length: 16,
        password_reuse_history: 5,
        session_idle_minutes: 60,
        session_absolute_hours: 24,
        ..Rules::RECOMMENDED
    };
    assert_eq!(Rules::read(old).unwrap(), expected);
    assert!(Rules::read(r#"{"password_min_length":"x"}"#).is_err());
}

#[test]
fn every_setting_can_be_explained() {
    let rules = serde_json::to_value(Rules::RECOMMENDED).unwrap();
    let members: BTreeSet<&str> = rules.as_object().unwrap().keys().map(String::as_str).collect();
    let explained: BTreeSet<&str> = SETTINGS.iter().map(|one| one.name).collect();
    // Told together with the setting they belong to.
    let with_others = BTreeSet::from(["api_token_max_days", "single_sign_on_connection"]);
    assert_eq!(&members - &explained, with_others);
}

#[test]
fn eight_characters_are_enough_beside_a_second_factor() {
    let rules = |factor, length| Rules { factor, password_min_length: length, ..Rules::RECOMMENDED };
    assert!(!rules(Level::Any, 14).weaknesses().is_empty());
    assert!(rules(Level::Any, 15).weaknesses().is_empty());
    assert!(rules(Level::Mfa, 8).weaknesses().is_empty());
    assert!(!rules(Level::Mfa, 7).check().is_empty(), "the floor");
}
