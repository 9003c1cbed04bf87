//! A receiver that is down, refuses, or may not be reached at all.

use platform::time::{DAY, HOUR, MINUTE};
use testkit::receiver::Manner;

use super::*;
use crate::kit::was_told;

#[tokio::test]
async fn a_receiver_that_is_down_gets_everything_once_it_is_back() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let (id, _) = webhook(&mut owner, &receiver.url("/"), "start").await;
            kit.settle().await;
            let before = receiver.received().len();
            receiver.stop().await;
            groups(&mut owner, 0..4).await;
            kit.settle().await;
            let shown = view(&mut owner, &id).await;
            assert_eq!((&shown["failures"], &shown["state"]), (&json!(1), &json!("active")));
            assert!(shown["failure"].as_str().unwrap().contains("cannot reach"), "{shown}");
            assert_eq!(shown["next_try_at"], json!(kit.now().plus(MINUTE / 6).rfc3339()));
            // 10 s, 20 s, 40 s … an hour between tries.
            kit.advance_settled(MINUTE, MINUTE / 12).await;
            assert_eq!(view(&mut owner, &id).await["failures"], json!(3));
            assert!(kit.actions(harbor).await.contains(&"audit_stream.failing".to_owned()));
            kit.advance_settled(HOUR * 6, MINUTE * 5).await;
            let failures = view(&mut owner, &id).await["failures"].as_u64().unwrap();
            assert!((8..20).contains(&failures), "{failures}");
            receiver.start_again().await;
            kit.advance_settled(HOUR, MINUTE * 10).await;
            assert!(receiver.received().len() > before);
            assert_eq!(in_order(&receiver), (0..size(kit).await).collect::<Vec<_>>());
            let shown = view(&mut owner, &id).await;
            assert_eq!(
                (&shown["failures"], &shown["failure"], &shown["waiting"]),
                (&json!(0), &Value::Null, &json!(0))
            );
            let actions = kit.actions(harbor).await;
            let told = |what: &str| actions.iter().filter(|action| *action == what).count();
            assert_eq!((told("audit_stream.failing"), told("audit_stream.recovered")), (1, 1));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_stream_that_fails_for_days_is_halted_and_resumes_where_it_stopped() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            receiver.set(Manner::Answers(503));
            let mut owner = kit.owner_of("harbor").await;
            let (id, _) = webhook(&mut owner, &receiver.url("/"), "start").await;
            kit.settle().await;
            kit.advance_settled(DAY * 3 + HOUR * 2, MINUTE * 30).await;
            let shown = view(&mut owner, &id).await;
            assert_eq!(
                (&shown["state"], &shown["failure"]),
                (&json!("halted"), &json!("the receiver answered 503"))
            );
            assert!(was_told(kit, "owner@harbor.example", "is halted").await);
            let tries = receiver.received().len();
            kit.advance_settled(DAY, HOUR).await;
            assert_eq!(receiver.received().len(), tries, "halted means quiet");
            receiver.set(Manner::Answers(200));
            owner.post(&format!("{STREAMS}/{id}/resume"), json!({})).await.expect(204);
            owner.post(&format!("{STREAMS}/{id}/resume"), json!({})).await.expect(409);
            kit.settle().await;
            assert_eq!(in_order(&receiver), (0..size(kit).await).collect::<Vec<_>>());
            // Whoever wants nothing more is taken at their word.
            receiver.set(Manner::Answers(410));
            groups(&mut owner, 0..1).await;
            kit.settle().await;
            assert_eq!(view(&mut owner, &id).await["state"], json!("halted"));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_paused_stream_waits_and_loses_nothing() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let (id, _) = webhook(&mut owner, &receiver.url("/"), "start").await;
            owner.post(&format!("{STREAMS}/{id}/pause"), json!({})).await.expect(204);
            kit.settle().await;
            assert!(receiver.received().is_empty());
            owner.post(&format!("{STREAMS}/{id}/resume"), json!({})).await.expect(204);
            kit.settle().await;
            assert_eq!(in_order(&receiver), (0..size(kit).await).collect::<Vec<_>>());
            owner.delete(&format!("{STREAMS}/{id}")).await.expect(204);
            owner.get(&format!("{STREAMS}/{id}")).await.expect(404);
            let count = receiver.received().len();
            groups(&mut owner, 0..1).await;
            kit.settle().await;
            assert_eq!(receiver.received().len(), count);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn nothing_inside_the_providers_network_is_reached() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let body = |kind: &str, target: &str| json!({ "name": format!("SIEM by {kind}"), "kind": kind, "target": target, "format": "jsonl" });
            for target in [
                "http://siem.example/", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/",
                "https://localhost/", "https://u:p@siem.example/", "https://0x7f.1/", "ftp://siem.example/", "siem.example:6514", "",
            ] {
                let answer = owner.post(STREAMS, body("webhook", target)).await.expect(422).json();
                assert_eq!(answer["errors"][0]["pointer"], "target", "{target}: {answer}");
            }
            for target in [
                "127.0.0.1:6514", "10.1.2.3:6514", "[::1]:6514", "localhost:6514", "siem.example", "siem.example:0",
                "siem.example:70000", "siem.example/x:6514", "https://siem.example:6514", "a@siem.example:6514", "",
            ] {
                let answer = owner.post(STREAMS, body("syslog", target)).await.expect(422).json();
                assert_eq!(answer["errors"][0]["pointer"], "target", "{target}: {answer}");
            }
            // A good name that means an address in here: refused when it is used, without naming the address.
            for (kind, target) in [("webhook", "https://siem.example/"), ("syslog", "siem.example:6514")] {
                let id = owner.post(STREAMS, body(kind, target)).await.expect(201).json()["id"].as_str().unwrap().to_owned();
                let tried = owner.post(&format!("{STREAMS}/{id}/test"), json!({})).await.expect(200).json();
                assert_eq!(tried["worked"], json!(false));
                let words = tried["words"].as_str().unwrap();
                assert!(words.contains("not on the public internet") && !words.contains("10."), "{words}");
                kit.settle().await;
                let shown = view(&mut owner, &id).await;
                assert!(shown["failure"].as_str().unwrap().contains("not on the public internet"), "{shown}");
            }
        },
        || with(false, "10.20.30.40"),
    )
    .await;
}
