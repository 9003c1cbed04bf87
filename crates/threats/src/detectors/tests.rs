use platform::Actor;
use platform::evidence::{Finding, Verdict};
use platform::time::{DAY, MINUTE};
use serde_json::json;
use testkit::{Client, Kit};

use super::*;
use crate::guessing::drill;
use crate::guessing::{MANY_ACCOUNTS, ONE_ACCOUNT, RULES};
use crate::kit::{all as alerts, fails, options, people};

const API: &str = "/api/v1/provider/detectors";

async fn judge(kit: &Kit) -> Finding {
    let (provider, now) = (kit.organization("northwind").await, kit.now());
    let evaluate = evidence::WATCHED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, provider, now)).await.unwrap()
}

async fn set(staff: &mut Client, rule: &Rule, what: &str) -> testkit::Answer {
    staff.post(&format!("{API}/{}/{what}", rule.name), json!({ "reason": "A load test" })).await
}

async fn drill_says(kit: &Kit) -> (bool, String) {
    let report = drill::run(&kit.app, &kit.app.ctx(Actor::System(drill::NAME))).await.unwrap();
    (report.passed, report.detail)
}

#[tokio::test]
async fn a_stopped_detector_turns_the_cell_and_the_drill_and_back() {
    testkit::both_with(
        async |kit| {
            let (mut staff, _) = people(kit, 0).await;
            let held = judge(kit).await;
            assert_eq!((held.state, held.valid_until), (Verdict::Met, Some(kit.now().plus(ALIVE_FOR))));
            assert!(drill_says(kit).await.0);
            for rule in RULES {
                set(&mut staff, rule, "stop").await.expect(200);
                set(&mut staff, rule, "stop").await.expect(409);
                let broken = judge(kit).await;
                assert_eq!(
                    (broken.state, broken.reason.as_str()),
                    (Verdict::NotMet, format!("`{}` is stopped", rule.name).as_str())
                );
                assert_eq!(broken.action.unwrap().href, "/provider/alerts#detectors");
                assert_eq!(drill_says(kit).await, (false, format!("`{}` is stopped", rule.name)));
                // However long its loop runs, it gives no heartbeat.
                kit.advance_settled(MINUTE * 2, MINUTE).await;
                assert_eq!(judge(kit).await.state, Verdict::NotMet);
                set(&mut staff, rule, "start").await.expect(200);
                set(&mut staff, rule, "start").await.expect(409);
                let waits = judge(kit).await;
                assert_eq!(waits.reason, format!("`{}` is not alive yet", rule.name));
                kit.settle().await;
                assert_eq!(judge(kit).await.state, Verdict::Met);
                assert!(drill_says(kit).await.0);
            }
            let northwind = kit.organization("northwind").await;
            let actions = kit.actions(northwind).await;
            let told: Vec<&str> =
                actions.iter().map(String::as_str).filter(|one| one.starts_with("detector.")).collect();
            let once = ["detector.stopped", "detector.started", "detector.alive"];
            assert_eq!(told[..2], ["detector.alive"; 2], "the first heartbeat of each");
            assert_eq!(told[2..], [once, once].concat());
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_detector_without_a_heartbeat_is_not_alive() {
    testkit::both_with(
        async |kit| {
            kit.owner_of("northwind").await;
            assert_eq!(judge(kit).await.reason, format!("`{}` is not alive yet", MANY_ACCOUNTS.name));
            // A heartbeat a minute, however often the loop turns.
            kit.settle().await;
            let first = beat_of(kit).await;
            kit.advance_settled(MINUTE / 2, MINUTE / 2).await;
            assert_eq!(beat_of(kit).await, first);
            kit.advance_settled(MINUTE / 2, MINUTE / 2).await;
            assert_eq!(beat_of(kit).await, Some(kit.now()));
            // Nothing runs any more.
            kit.advance(ALIVE_FOR - platform::time::SECOND);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            kit.advance(platform::time::SECOND);
            let silent = judge(kit).await;
            assert_eq!(
                (silent.state, silent.reason),
                (Verdict::NotMet, format!("`{}` is silent", MANY_ACCOUNTS.name))
            );
            // It comes back, and says so.
            kit.settle().await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let northwind = kit.organization("northwind").await;
            let alive =
                kit.actions(northwind).await.into_iter().filter(|one| one == "detector.alive").count();
            assert_eq!(alive, 4, "the first heartbeats, and those after the silence");
        },
        options,
    )
    .await;
}

async fn beat_of(kit: &Kit) -> Option<Timestamp> {
    kit.app.db().read(|tx| health(tx, &ONE_ACCOUNT)).await.unwrap().beat_at
}

#[tokio::test]
async fn a_detector_that_was_stopped_misses_nothing_and_repeats_nothing() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 10).await;
            for email in &emails[..6] {
                fails(kit, "203.0.113.7", email).await;
            }
            kit.settle().await;
            set(&mut staff, &MANY_ACCOUNTS, "stop").await.expect(200);
            for email in &emails[6..] {
                fails(kit, "203.0.113.7", email).await;
            }
            kit.advance_settled(DAY, DAY / 4).await;
            assert_eq!(alerts(kit).await, []);
            set(&mut staff, &MANY_ACCOUNTS, "start").await.expect(200);
            kit.settle().await;
            let raised = alerts(kit).await;
            assert_eq!((raised.len(), raised[0].tries), (1, 10));
            assert!(kit.now().since(raised[0].last_at) >= DAY, "it says when it was");
            kit.advance_settled(MINUTE * 3, MINUTE).await;
            assert_eq!(alerts(kit).await.len(), 1);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn what_is_out_of_every_window_is_not_kept() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 3).await;
            for email in &emails {
                fails(kit, "203.0.113.7", email).await;
            }
            kit.settle().await;
            let kept =
                || async { kit.app.db().read(|tx| tx.scalar::<i64>(&KEPT, &[])).await.unwrap().unwrap() };
            assert_eq!(kept().await, 6);
            kit.advance_settled(MINUTE * 12, MINUTE * 12).await;
            assert_eq!(kept().await, 3, "an account is looked at for an hour");
            kit.advance_settled(MINUTE * 60, MINUTE * 60).await;
            assert_eq!(kept().await, 0);
        },
        options,
    )
    .await;
}

platform::statements! {
    KEPT: Platform = "select count(*) from detector_tries";
}

#[tokio::test]
async fn the_console_stops_and_starts_with_a_reason() {
    testkit::both_with(
        async |kit| {
            let (mut staff, _) = people(kit, 0).await;
            let page = staff.get("/provider/alerts").await.expect(200).text();
            assert!(page.contains("Nothing to work on") && page.contains("2 of 2"), "{page}");
            let one = format!("/provider/detectors/{}", ONE_ACCOUNT.name);
            assert!(staff.get(&one).await.expect(200).text().contains("Stop the detector"));
            let refused = staff.submit(&format!("{one}/stop"), &[("reason", " ")]).await.expect(422).text();
            assert!(refused.contains("say why"), "{refused}");
            staff.submit(&format!("{one}/stop"), &[("reason", "A load test")]).await.expect(303);
            let page = staff.get(&one).await.expect(200).text();
            assert!(page.contains("A load test") && page.contains("Start the detector"), "{page}");
            let page = staff.get("/provider/alerts").await.expect(200).text();
            assert!(page.contains("1 of 2") && page.contains("Stopped"), "{page}");
            let listed = staff.get(API).await.expect(200).json();
            assert_eq!(listed["items"][1]["stopped"]["reason"], "A load test");
            staff.submit(&format!("{one}/start"), &[("reason", "It is over")]).await.expect(303);
            kit.settle().await;
            assert_eq!(staff.get(API).await.expect(200).json()["items"][1]["alive"], true);
            staff.get("/provider/detectors/nothing").await.expect(404);
            staff.post(&format!("{API}/nothing/stop"), json!({ "reason": "x" })).await.expect(404);
        },
        options,
    )
    .await;
}

/// Whoever finds a session open neither blinds the platform nor takes people's passwords away.
#[test]
fn stopping_a_detector_and_taking_a_step_ask_for_a_recent_proof() {
    let routes = (crate::AREA.routes)().infos();
    let mut asking: Vec<&str> =
        routes.iter().filter(|route| route.recent).map(|route| route.action).collect();
    asking.sort_unstable();
    assert_eq!(asking, ["alert.take_step", "alert.take_step_form", "detector.stop", "detector.stop_form"]);
}
