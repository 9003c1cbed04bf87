//! In order, at least once, signed.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::time::{DAY, HOUR, MINUTE};
use testkit::receiver::Manner;

use super::*;

/// As a receiver checks it, with its own words.
fn is_signed(one: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let said = format!("{}.{}.{}", one.headers["webhook-id"], one.headers["webhook-timestamp"], one.body);
    one.headers["webhook-signature"].split(' ').any(|signature| {
        let bytes = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, said.as_bytes(), &bytes).is_ok()
    })
}

#[tokio::test]
async fn everything_arrives_in_order_and_signed() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            groups(&mut owner, 0..3).await;
            let (id, secret) = webhook(&mut owner, &receiver.url("/in?token=t"), "start").await;
            kit.settle().await;
            groups(&mut owner, 3..450).await;
            kit.settle().await;
            let size = size(kit).await;
            assert_eq!(in_order(&receiver), (0..size).collect::<Vec<_>>());
            let received = receiver.received();
            let total: usize = received.iter().map(|one| sequences(one).len()).sum();
            assert_eq!(total as u64, size, "nothing came twice");
            assert!(received.iter().all(|one| sequences(one).len() <= 200 && one.path == "/in?token=t"));
            let now = (kit.now().micros() / 1_000_000).to_string();
            for one in &received {
                assert!(is_signed(one, &secret));
                assert!(
                    !is_signed(
                        &Received { body: one.body.replace("Group", "Grape"), ..one.clone() },
                        &secret
                    ) || !one.body.contains("Group")
                );
                assert_eq!(one.headers["webhook-timestamp"], now);
                assert_eq!(one.headers["content-type"], "application/jsonl; charset=utf-8");
            }
            let shown = view(&mut owner, &id).await;
            assert_eq!((&shown["waiting"], &shown["live"]), (&json!(0), &json!(true)));
            assert_eq!(shown["acknowledged_at"], json!(kit.now().rfc3339()));
            // What happens elsewhere is not sent here, and what is in the target's query is in no event.
            let mut other = kit.owner_of("quay").await;
            other.post("/api/v1/organizations/quay/groups", json!({ "name": "Quay" })).await.expect(201);
            kit.settle().await;
            assert_eq!(receiver.received().len(), received.len());
            assert!(received.iter().all(|one| !one.body.contains("token=t")));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn from_now_on_begins_with_what_happens_next() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            groups(&mut owner, 0..2).await;
            let before = size(kit).await;
            webhook(&mut owner, &receiver.url("/"), "now").await;
            kit.settle().await;
            assert_eq!(in_order(&receiver).first(), Some(&before), "its own creation");
            let body = json!({ "name": "B", "kind": "webhook", "target": "https://siem.example/", "format": "cef", "from": "999" });
            owner.post(STREAMS, body).await.expect(422);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_program_that_dies_while_sending_loses_and_reorders_nothing() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let (id, _) = webhook(&mut owner, &receiver.url("/"), "start").await;
            kit.settle().await;
            let acknowledged = in_order(&receiver).len() as u64;
            groups(&mut owner, 0..5).await;
            // It takes the batch and the program is gone before it hears so.
            receiver.set(Manner::Silent);
            let before = receiver.received().len();
            let sending = tokio::spawn(super::super::jobs::step(kit.app.clone()));
            receiver.until(before + 1).await;
            sending.abort();
            assert!(sending.await.unwrap_err().is_cancelled());
            assert_eq!(view(&mut owner, &id).await["next_sequence"], json!(acknowledged));
            receiver.set(Manner::Answers(204));
            groups(&mut owner, 5..8).await;
            // Another node may not send for it yet: the first one could still be alive.
            kit.settle().await;
            assert_eq!(receiver.received().len(), before + 1);
            kit.advance(MINUTE * 3);
            kit.settle().await;
            assert_eq!(in_order(&receiver), (0..size(kit).await).collect::<Vec<_>>());
            assert_eq!(view(&mut owner, &id).await["waiting"], json!(0));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_same_batch_has_the_same_id_when_it_is_sent_again() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            receiver.set(Manner::Breaks);
            let mut owner = kit.owner_of("harbor").await;
            webhook(&mut owner, &receiver.url("/"), "start").await;
            kit.settle().await;
            kit.advance(MINUTE);
            receiver.set(Manner::Answers(200));
            kit.settle().await;
            let received = receiver.received();
            assert_eq!(received[0].headers["webhook-id"], received[1].headers["webhook-id"]);
            assert_eq!(received[0].body, received[1].body);
            assert_ne!(received[0].headers["webhook-timestamp"], received[1].headers["webhook-timestamp"]);
            assert_ne!(received[1].headers["webhook-id"], received[2].headers["webhook-id"]);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_one_for_a_day() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let (id, old) = webhook(&mut owner, &receiver.url("/"), "start").await;
            let answer = owner.post(&format!("{STREAMS}/{id}/secret"), json!({})).await.expect(201);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let new = answer.json()["secret"].as_str().unwrap().to_owned();
            assert_ne!(old, new);
            kit.settle().await;
            let overlap = receiver.received();
            assert!(overlap.iter().all(|one| is_signed(one, &old) && is_signed(one, &new)));
            kit.advance(DAY + HOUR);
            groups(&mut owner, 0..1).await;
            kit.settle().await;
            let after = receiver.received();
            assert!(after.len() > overlap.len());
            assert!(after[overlap.len()..].iter().all(|one| !is_signed(one, &old) && is_signed(one, &new)));
            // At rest it is sealed, and survives a new data key.
            let (keyring, resealed) = (kit.app.keyring(), kit.app.clone());
            keyring.install(&keyring.rotate(kit.now(), kit.app.random()).unwrap()).unwrap();
            let write =
                move |tx: &mut platform::db::Tx| platform::secrets::rotation::reseal_for_test(&resealed, tx);
            kit.app.db().housekeeping::<_, platform::db::DbError, _>(write).await.unwrap();
            groups(&mut owner, 1..2).await;
            kit.settle().await;
            assert!(is_signed(receiver.received().last().unwrap(), &new));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_stream_speaks_the_format_it_was_given() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            for format in ["ocsf", "cef"] {
                let body = json!({ "name": format, "kind": "webhook", "target": receiver.url(&format!("/{format}")), "format": format, "from": "start" });
                owner.post(STREAMS, body).await.expect(201);
            }
            kit.settle().await;
            let received = receiver.received();
            let of = |path: &str| received.iter().filter(|one| one.path == path).map(|one| one.body.clone()).collect::<String>();
            assert!(of("/cef").lines().count() > 3 && of("/cef").lines().all(|line| line.starts_with("CEF:0|")));
            let first: Value = serde_json::from_str(of("/ocsf").lines().next().unwrap()).unwrap();
            assert_eq!(first["metadata"]["sequence"], json!(0));
        },
        options,
    )
    .await;
}
