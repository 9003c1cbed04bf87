use std::collections::BTreeSet;
use std::time::Duration;

use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::principals;
use platform::time::{HOUR, MINUTE, SECOND, Timestamp};
use proptest::prelude::*;
use testkit::Kit;

use super::*;
use crate::alerts::State;
use crate::kit::{account_id, all, fails, from, gets_in, mails_about, options, people, real_sign_in};
use crate::seams;

/// Small enough that random tries reach its thresholds.
static SMALL: Rule = Rule {
    name: "guessing-many-accounts",
    end: End::Network,
    window: Duration::from_secs(60),
    least: 3,
    many: 6,
};
static SMALL_ACCOUNT: Rule = Rule {
    name: "guessing-one-account",
    end: End::Account,
    window: Duration::from_secs(60),
    least: 3,
    many: 6,
};

/// A try with whether its account had been there before.
type Told = (Try, bool);

fn tries() -> impl Strategy<Value = Vec<Told>> {
    let ending = prop_oneof![
        6 => Just(Ending::Failed),
        1 => Just(Ending::CodeFailed { used_up: false }),
        1 => Just(Ending::CodeFailed { used_up: true }),
        1 => Just(Ending::Known),
        2 => Just(Ending::Entered),
    ];
    let one = (0_u64..12, 0_u8..9, ending, proptest::bool::weighted(0.3));
    proptest::collection::vec(one, 1..120).prop_map(|drawn| {
        let mut at = Timestamp::from_micros(1_000_000_000_000_000);
        let mut told = Vec::new();
        for (seconds, other, ending, home) in drawn {
            at = at.plus(SECOND * u32::try_from(seconds).unwrap());
            let (network, account) = (format!("network-{other}"), format!("account-{other}"));
            told.push((Try { at, network, account, ending }, home));
        }
        told
    })
}

fn other_of<'a>(rule: &Rule, tried: &'a Try) -> &'a str {
    if rule.end == End::Network { &tried.account } else { &tried.network }
}

/// The same judgement, of all tries that ever were, written down as the words at the head of the module say it.
fn oracle(rule: &Rule, told: &[Told], at: Timestamp) -> Option<Severity> {
    let others: BTreeSet<&str> = told.iter().map(|(tried, _)| other_of(rule, tried)).collect();
    let recent = |time: Option<Timestamp>| time.is_some_and(|time| time > at.minus(rule.window));
    let (mut failing, mut entered, mut known, mut used_up) = (0, false, false, false);
    for other in others {
        let last = |holds: &dyn Fn(Ending, bool) -> bool| {
            let of_it = told.iter().filter(|(tried, _)| other_of(rule, tried) == other);
            of_it.filter(|(tried, home)| holds(tried.ending, *home)).map(|(tried, _)| tried.at).max()
        };
        let code = |ending| matches!(ending, Ending::CodeFailed { .. });
        let failed = last(&|ending, _| ending == Ending::Failed || code(ending));
        let got_in = last(&|ending, _| ending == Ending::Entered);
        let proved = last(&|ending, home| code(ending) || (ending == Ending::Known && !home));
        failing += usize::from(recent(failed) && failed > got_in);
        known |= recent(proved) && proved > got_in;
        entered |= recent(last(&|ending, home| ending == Ending::Entered && !home));
        used_up |= recent(last(&|ending, _| ending == Ending::CodeFailed { used_up: true }));
    }
    used_up &= rule.end == End::Account;
    if failing < rule.least && !used_up {
        return None;
    }
    Some(match (entered, known || used_up || failing >= rule.many) {
        (true, _) => Severity::Critical,
        (false, true) => Severity::High,
        (false, false) => Severity::Medium,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_window_judges_as_the_whole_history_would(told in tries()) {
        for rule in [&SMALL, &SMALL_ACCOUNT] {
            let mut window = Window::default();
            for n in 0..told.len() {
                let (tried, home) = &told[n];
                window.take(rule, tried, *home);
                prop_assert_eq!(window.judge(rule, tried.at), oracle(rule, &told[..=n], tried.at));
            }
        }
    }

    #[test]
    fn what_is_out_of_the_window_may_be_forgotten(told in tries()) {
        // As the store does: a pair whose last sign is over is dropped, and read no more.
        let mut window = Window::default();
        for n in 0..told.len() {
            let (tried, home) = &told[n];
            window.pairs.retain(|_, pair| pair.last_at() > tried.at.minus(SMALL.window));
            window.take(&SMALL, tried, *home);
            prop_assert_eq!(window.judge(&SMALL, tried.at), oracle(&SMALL, &told[..=n], tried.at));
        }
    }
}

#[test]
fn random_tries_reach_every_judgement() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let told = tries().new_tree(&mut runner).unwrap().current();
        for n in 0..told.len() {
            seen.insert(oracle(&SMALL, &told[..=n], told[n].0.at));
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn a_network_that_tries_many_accounts_raises_one_alert_that_grows() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 12).await;
            for email in &emails[..9] {
                fails(kit, "203.0.113.7", email).await;
            }
            kit.settle().await;
            assert_eq!(all(kit).await, [], "nine people can mistype");
            // The tenth, within the minute in which the alert must be there; the same account again counts once.
            fails(kit, "203.0.113.7", &emails[0]).await;
            kit.settle().await;
            assert_eq!(all(kit).await, []);
            fails(kit, "203.0.113.7", "nobody@harbor.example").await;
            let began = kit.now();
            kit.settle().await;
            let raised = all(kit).await;
            assert_eq!(raised.len(), 1);
            let alert = &raised[0];
            assert_eq!((alert.kind.as_str(), alert.subject.as_str()), (MANY_ACCOUNTS.name, "203.0.113.7"));
            assert_eq!((alert.severity, alert.state, alert.tries), (Severity::Medium, State::Open, 11));
            assert!(alert.raised_at.since(began) < MINUTE);
            assert_eq!(mails_about(kit, "Medium alert was raised").await, 1);
            // Somebody is got into from there: worse, and named.
            kit.advance(MINUTE);
            assert!(gets_in(kit, "203.0.113.7", &emails[11]).await);
            kit.settle().await;
            let worse = all(kit).await;
            assert_eq!((worse.len(), worse[0].id, worse[0].severity), (1, alert.id, Severity::Critical));
            let named = sightings(kit, &worse[0]).await;
            let victim = account_id(kit, &emails[11]).await.to_string();
            assert_eq!(
                (named[0].other.as_str(), named[0].outcome),
                (victim.as_str(), alerts::Outcome::Entered)
            );
            assert_eq!(named.len(), 11);
            assert_eq!(mails_about(kit, "Critical alert got worse").await, 1);
            // It goes on: the same alert, no further mail, no further event.
            for email in &emails {
                fails(kit, "203.0.113.7", email).await;
            }
            kit.settle().await;
            let grown = all(kit).await;
            assert_eq!((grown.len(), grown[0].tries), (1, 23));
            assert_eq!(mails_about(kit, "alert").await, 2);
            let northwind = kit.organization("northwind").await;
            let actions = kit.actions(northwind).await;
            let told: Vec<&str> =
                actions.iter().map(String::as_str).filter(|one| one.starts_with("alert.")).collect();
            assert_eq!(told, ["alert.raised", "alert.severity_raised"]);
        },
        options,
    )
    .await;
}

async fn sightings(kit: &Kit, alert: &alerts::Alert) -> Vec<alerts::Seen> {
    let alert = alert.clone();
    kit.app.db().read(move |tx| alerts::sightings(tx, &alert)).await.unwrap()
}

#[tokio::test]
async fn an_office_behind_one_address_stays_quiet() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 30).await;
            // Everybody mistypes, and gets in on the second try.
            for email in &emails {
                fails(kit, "198.51.100.9", email).await;
                assert!(gets_in(kit, "198.51.100.9", email).await);
            }
            kit.settle().await;
            assert_eq!(all(kit).await, []);
            // A week later somebody attacks from there: who is at home there is not named when they get in.
            kit.advance(HOUR * 24 * 7);
            for email in &emails[..10] {
                fails(kit, "198.51.100.9", email).await;
            }
            gets_in(kit, "198.51.100.9", &emails[20]).await;
            kit.settle().await;
            let raised = all(kit).await;
            assert_eq!((raised.len(), raised[0].severity), (1, Severity::Medium));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn an_account_that_is_tried_from_many_networks_raises_an_alert() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 2).await;
            let network = |n: u8| format!("2001:db8:0:{n:x}::1");
            for n in 0..4 {
                fails(kit, &network(n), &emails[0]).await;
                // The same /64 is the same network.
                fails(kit, &network(n).replace("::1", "::2"), &emails[0]).await;
            }
            kit.settle().await;
            assert_eq!(all(kit).await, []);
            kit.advance(MINUTE * 30);
            fails(kit, &network(4), &emails[0]).await;
            kit.settle().await;
            let raised = all(kit).await;
            let victim = account_id(kit, &emails[0]).await.to_string();
            assert_eq!((raised.len(), raised[0].subject.as_str()), (1, victim.as_str()));
            assert_eq!((raised[0].kind.as_str(), raised[0].severity), (ONE_ACCOUNT.name, Severity::Medium));
            // An address without an account is guessed at in vain.
            for n in 0..5 {
                fails(kit, &network(n), "nobody@harbor.example").await;
            }
            // An hour is the window.
            for n in 0..5 {
                kit.advance(MINUTE * 16);
                fails(kit, &network(n), &emails[1]).await;
            }
            kit.settle().await;
            let low = all(kit).await;
            assert_eq!((low.len(), low[0].severity), (2, Severity::Low));
            assert_eq!(low[0].subject, "nobody@harbor.example");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_second_factor_tried_to_the_end_raises_an_alert() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 1).await;
            let account = account_id(kit, &emails[0]).await;
            for used_up in [false, true] {
                kit.settle().await;
                assert_eq!(all(kit).await.len(), 0);
                let ctx = from(kit, "203.0.113.80");
                let written = kit.app.db().write(&ctx, move |tx| {
                    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
                    let event =
                        Event::new(provider.id, "sign_in.second_step_failed").target("account", account);
                    let event = event.with("used_up", used_up).personal("network", "203.0.113.80");
                    let recorded = tx.record(event);
                    Ok::<_, DbError>(Commit::changed((), recorded))
                });
                written.await.unwrap();
            }
            kit.settle().await;
            let raised = all(kit).await;
            assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn sign_in_itself_records_what_the_detectors_read() {
    testkit::both_with(
        async |kit| {
            people(kit, 0).await;
            for n in 0..11 {
                let mut browser = kit.nobody().from_ip("203.0.113.9");
                browser.get("/sign-in").await.expect(200);
                let email = format!("guessed-{n}@harbor.example");
                browser
                    .submit("/sign-in", &[("email", &email), ("password", "winter-2026!")])
                    .await
                    .expect(422);
            }
            kit.settle().await;
            let raised = all(kit).await;
            assert_eq!((raised.len(), raised[0].subject.as_str()), (1, "203.0.113.9"));
            assert_eq!(raised[0].tries, 11);
            let sighted = sightings(kit, &raised[0]).await;
            assert!(sighted.iter().any(|one| one.other == "guessed-3@harbor.example"));
        },
        real_sign_in,
    )
    .await;
}

/// Tries by a few networks at a few accounts, over some hours, as drawn by a small generator.
fn story(seed: u64) -> Vec<(Timestamp, Try)> {
    let mut state = seed;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut at = testkit::kit::START;
    (0..150)
        .map(|_| {
            at = at.plus(SECOND * u32::try_from(draw(40)).unwrap());
            let ending = match draw(10) {
                0 => Ending::Entered,
                1 => Ending::Known,
                _ => Ending::Failed,
            };
            let (network, account) = (draw(3), draw(14));
            let network = format!("203.0.113.{network}");
            (at, Try { at, network, account: format!("person-{account}@harbor.example"), ending })
        })
        .collect()
}

/// What the alerts say in the end, whatever their ids are.
type Ended = Vec<(String, String, Severity, u64, Vec<(String, alerts::Outcome)>)>;

async fn told_by(kit: &Kit, seed: u64, batches: impl Fn(usize) -> usize) -> Ended {
    let story = story(seed);
    let mut rest: &[(Timestamp, Try)] = &story;
    let mut turn = 0;
    while !rest.is_empty() {
        let size = batches(turn).clamp(1, rest.len());
        turn += 1;
        let (now, later) = rest.split_at(size);
        rest = later;
        for rule in RULES {
            let (app, tries) =
                (kit.app.clone(), now.iter().map(|(_, tried)| tried.clone()).collect::<Vec<_>>());
            let ctx = kit.ctx();
            let at = ctx.clone();
            let taken = platform::feed::beside(kit.app.db(), &ctx, move |tx| {
                take(&app, &at, tx, rule, tries.clone()).map(drop)
            });
            taken.await.unwrap();
        }
    }
    let mut told = Vec::new();
    for alert in all(kit).await {
        let mut seen: Vec<_> =
            sightings(kit, &alert).await.into_iter().map(|one| (one.other, one.outcome)).collect();
        seen.sort();
        told.push((alert.kind, alert.subject, alert.severity, alert.tries, seen));
    }
    told.sort();
    told
}

#[tokio::test]
async fn it_does_not_matter_where_the_feed_was_cut() {
    for seed in [3, 11, 29] {
        let mut first: Option<Ended> = None;
        for cut in [1, 7, 150] {
            let known = std::sync::Mutex::new(Vec::new());
            testkit::both_with(
                async |kit| {
                    people(kit, 0).await;
                    let told = told_by(kit, seed, |turn| cut + turn % cut).await;
                    known.lock().unwrap().push(told);
                    kit.settle().await;
                },
                options,
            )
            .await;
            for told in known.into_inner().unwrap() {
                assert!(!told.is_empty(), "a story without an alert shows nothing");
                assert_eq!(*first.get_or_insert_with(|| told.clone()), told, "seed {seed}, cut {cut}");
            }
        }
    }
}

#[tokio::test]
async fn the_drill_passes_and_nothing_of_it_remains() {
    testkit::both_with(
        async |kit| {
            people(kit, 0).await;
            let before = kit.mails().await.len();
            let report =
                drill::run(&kit.app, &kit.app.ctx(platform::Actor::System(drill::NAME))).await.unwrap();
            assert!(report.passed, "{}", report.detail);
            kit.settle().await;
            assert_eq!(all(kit).await, []);
            assert_eq!(kit.mails().await.len(), before);
            let counted: Option<i64> = kit.app.db().read(|tx| tx.scalar(&COUNTED, &[])).await.unwrap();
            assert_eq!(counted, Some(0), "no throttle counts a canary");
            let harbor = kit.organization("northwind").await;
            assert_eq!(kit.actions(harbor).await.last().map(String::as_str), Some("drill.passed"));
        },
        options,
    )
    .await;
}

platform::statements! {
    COUNTED: Platform = "select (select count(*) from sign_in_failures) + (select count(*) from detector_tries) as rows";
}

#[tokio::test]
async fn the_drill_notices_each_detector_that_is_blind() {
    testkit::both_with(
        async |kit| {
            people(kit, 0).await;
            for rule in RULES {
                seams::set(kit, rule.name, true).await;
                let ctx = kit.app.ctx(platform::Actor::System(drill::NAME));
                let report = drill::run(&kit.app, &ctx).await.unwrap();
                assert_eq!(
                    (report.passed, report.detail),
                    (false, format!("`{}` raised no alert", rule.name))
                );
                seams::set(kit, rule.name, false).await;
                assert!(drill::run(&kit.app, &ctx).await.unwrap().passed);
            }
            kit.settle().await;
            let mut owner = kit.owner_of("harbor").await;
            kit.member("harbor", "ann@harbor.example", Role::Member).await;
            owner.get("/api/v1/provider/alerts").await.expect(404);
        },
        options,
    )
    .await;
}
