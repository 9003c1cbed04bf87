//! Row USR-C6, broken and restored.

use platform::evidence::{Finding, Verdict};
use platform::time::{DAY, HOUR, MINUTE};
use testkit::receiver::Manner;

use super::*;

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = super::super::evidence::STREAMED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

#[tokio::test]
async fn the_cell_turns_when_the_receiver_stops_and_back() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let none = judge(kit).await;
            assert_eq!(none.state, Verdict::NotMet);
            assert_eq!(none.action.unwrap().href, "/o/harbor/audit-streams/new");
            let (id, _) = webhook(&mut owner, &receiver.url("/"), "start").await;
            let waiting = judge(kit).await;
            assert_eq!(
                (waiting.state, waiting.action.unwrap().label),
                (Verdict::NotMet, "Test the stream".to_owned())
            );
            kit.settle().await;
            let held = judge(kit).await;
            assert_eq!((held.state, held.valid_until), (Verdict::Met, Some(kit.now().plus(DAY))), "{held:?}");
            // The matrix hears of it: becoming live is an event.
            let harbor = kit.organization("harbor").await;
            assert!(kit.actions(harbor).await.contains(&"audit_stream.live".to_owned()));
            // The receiver stops.
            receiver.set(Manner::Answers(500));
            groups(&mut owner, 0..1).await;
            kit.advance_settled(MINUTE * 2, MINUTE / 6).await;
            let broken = judge(kit).await;
            assert_eq!(broken.state, Verdict::NotMet);
            assert!(broken.reason.contains("`SIEM` fails: the receiver answered 500"), "{}", broken.reason);
            assert!(kit.actions(harbor).await.contains(&"audit_stream.failing".to_owned()));
            // It is back.
            receiver.set(Manner::Answers(200));
            kit.advance_settled(MINUTE * 5, MINUTE).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // Paused by hand it is no longer live.
            owner.post(&format!("{STREAMS}/{id}/pause"), json!({})).await.expect(204);
            let paused = judge(kit).await;
            assert_eq!(
                (paused.state, paused.action.unwrap().label),
                (Verdict::NotMet, "Resume the stream".to_owned())
            );
            owner.post(&format!("{STREAMS}/{id}/resume"), json!({})).await.expect(204);
            kit.settle().await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_quiet_organization_stays_live_and_a_dead_receiver_is_noticed() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let (id, _) = webhook(&mut owner, &receiver.url("/"), "start").await;
            kit.settle().await;
            let before = size(kit).await;
            kit.advance_settled(DAY * 3, HOUR).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let made = size(kit).await - before;
            assert!((4..=7).contains(&made), "two a day say that it was quiet, not {made}");
            assert_eq!(in_order(&receiver), (0..size(kit).await).collect::<Vec<_>>());
            // Nothing happens, and the receiver is gone: that is noticed all the same.
            receiver.set(Manner::Answers(404));
            kit.advance_settled(DAY, HOUR).await;
            let broken = judge(kit).await;
            assert_eq!(broken.state, Verdict::NotMet, "{broken:?}");
            assert!(view(&mut owner, &id).await["failure"].as_str().unwrap().contains("404"));
        },
        options,
    )
    .await;
}
