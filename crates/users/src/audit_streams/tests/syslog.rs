//! Syslog over TLS.

use platform::time::MINUTE;
use testkit::receiver::Manner;

use super::*;

type Syslog = Receiver<Vec<String>>;

fn body(receiver: &Syslog, name: &str, authorities: &str) -> Value {
    json!({
        "name": name, "kind": "syslog", "target": receiver.address.to_string(), "format": "jsonl", "from": "start",
        "authorities": authorities,
    })
}

async fn add(client: &mut Client, body: Value) -> String {
    let made = client.post(STREAMS, body).await.expect(201).json();
    assert_eq!(made["secret"], Value::Null);
    made["id"].as_str().unwrap().to_owned()
}

fn numbers(receiver: &Syslog) -> Vec<u64> {
    let number = |message: &String| {
        let (_, text) = message.split_once("\"] ").unwrap();
        serde_json::from_str::<Value>(text).unwrap()["sequence"].as_u64().unwrap()
    };
    receiver.received().iter().flatten().map(number).collect()
}

#[tokio::test]
async fn messages_arrive_framed_and_in_order() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::syslog().await;
            let mut owner = kit.owner_of("harbor").await;
            let id = add(&mut owner, body(&receiver, "Syslog", &receiver.authority)).await;
            groups(&mut owner, 0..4).await;
            kit.settle().await;
            assert_eq!(numbers(&receiver), (0..size(kit).await).collect::<Vec<_>>());
            let messages: Vec<String> = receiver.received().concat();
            for (number, message) in messages.iter().enumerate() {
                assert!(message.starts_with("<110>1 2026-03-02T08:00:00Z localhost"), "{message}");
                let id = format!("[meta sequenceId=\"{}\"] {{", number + 1);
                assert!(message.contains(" bailiwick - ") && message.contains(&id), "{message}");
                assert!(!message.contains('\n'));
            }
            assert!(messages[0].contains(" bailiwick - organization.created [origin software=\"Bailiwick\""));
            assert_eq!(view(&mut owner, &id).await["live"], json!(true));
            owner.post(&format!("{STREAMS}/{id}/secret"), json!({})).await.expect(409);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn only_an_orderly_end_counts_as_an_acknowledgement() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::syslog().await;
            receiver.set(Manner::Breaks);
            let mut owner = kit.owner_of("harbor").await;
            let id = add(&mut owner, body(&receiver, "Syslog", &receiver.authority)).await;
            kit.settle().await;
            let shown = view(&mut owner, &id).await;
            assert_eq!((&shown["next_sequence"], &shown["failures"]), (&json!(0), &json!(1)));
            assert!(shown["failure"].as_str().unwrap().contains("did not close in order"), "{shown}");
            receiver.set(Manner::Answers(0));
            kit.advance(MINUTE);
            kit.settle().await;
            let numbers = numbers(&receiver);
            let first: Vec<u64> = receiver.received()[0].iter().map(|_| 0).collect();
            let again = &numbers[first.len()..];
            assert_eq!(again, (0..size(kit).await).collect::<Vec<_>>(), "all of it again, then the rest");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn only_the_authority_that_was_given_vouches() {
    testkit::both_with(
        async |kit| {
            let (receiver, other) = (Receiver::syslog().await, Receiver::syslog().await);
            let mut owner = kit.owner_of("harbor").await;
            for (name, authority) in [("Other", other.authority.as_str()), ("Public", "")] {
                let id = add(&mut owner, body(&receiver, name, authority)).await;
                let tried = owner.post(&format!("{STREAMS}/{id}/test"), json!({})).await.expect(200).json();
                assert_eq!(tried["worked"], json!(false));
                assert!(tried["words"].as_str().unwrap().contains("certificate"), "{tried}");
                owner.delete(&format!("{STREAMS}/{id}")).await.expect(204);
            }
            assert!(receiver.received().is_empty());
            let id = add(&mut owner, body(&receiver, "Right", &receiver.authority)).await;
            let tried = owner.post(&format!("{STREAMS}/{id}/test"), json!({})).await.expect(200).json();
            assert_eq!(
                tried,
                json!({ "worked": true, "words": "the receiver took everything and closed in order" })
            );
            for bad in ["nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
                let answer = owner.post(STREAMS, body(&receiver, "Bad", bad)).await.expect(422).json();
                assert_eq!(answer["errors"][0]["pointer"], "authorities", "{answer}");
            }
            kit.settle().await;
        },
        options,
    )
    .await;
}
