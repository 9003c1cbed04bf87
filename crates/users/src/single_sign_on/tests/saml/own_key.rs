//! Our own key changes while people sign in.

use platform::access::Role;
use saml::redirect::Received;
use saml::signature::Trust;
use saml::{Certificate, Sha1, Time};
use serde_json::{Value, json};

use super::super::api;
use super::{World, on_both};

async fn step(world: &mut World<'_>, step: &str) -> testkit::Answer {
    let path = format!("{}/{}/own-key", api("harbor"), world.connection);
    world.owner.post(&path, json!({ "step": step })).await
}

/// Role and fingerprint of each key of ours.
fn keys(view: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = view["saml"]["own_certificates"].as_array().unwrap();
    all.iter().map(|one| (text(&one["role"]), text(&one["fingerprint"]))).collect()
}

/// The keys that our metadata publishes to sign with, in their order.
async fn published(world: &World<'_>) -> Vec<Certificate> {
    let xml =
        world.kit.nobody().get(&format!("/saml/{}/metadata", world.connection)).await.expect(200).text();
    let mut found = Vec::new();
    for part in xml.split("use=\"signing\"").skip(1) {
        let text = part.split_once("X509Certificate>").unwrap().1.split_once('<').unwrap().0;
        found.push(Certificate::from_der(&base64(text)).unwrap());
    }
    found
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap()
}

/// The fingerprint of the key that signs our requests now.
async fn signer(world: &World<'_>) -> String {
    let asked = world.begin(&mut world.kit.nobody()).await;
    let received = Received::parse(asked.query().unwrap()).unwrap();
    let certificates = published(world).await;
    let now = Time(world.kit.now().micros());
    let trust = Trust { certificates: &certificates, sha1: Sha1::Refused, now };
    received.verify(&trust).unwrap().certificate
}

#[tokio::test]
async fn a_new_key_takes_the_place_of_the_old_one_in_three_steps() {
    on_both(async |mut world| {
        let first = signer(&world).await;
        step(&mut world, "switch").await.expect(409);
        step(&mut world, "retire").await.expect(409);
        step(&mut world, "begin").await.expect(422);

        let prepared = keys(&step(&mut world, "prepare").await.expect(200).json());
        let second = prepared[1].1.clone();
        assert_eq!(prepared, [("signs".to_owned(), first.clone()), ("new".to_owned(), second.clone())]);
        assert_ne!(first, second);
        assert_eq!(published(&world).await.len(), 2);
        assert_eq!(signer(&world).await, first, "the provider does not know the new one yet");
        step(&mut world, "prepare").await.expect(409);

        // Somebody saves a form that was opened before.
        let connection = format!("{}/{}", api("harbor"), world.connection);
        let renamed = world.owner.patch(&connection, json!({ "name": "Harbor" })).await.expect(200).json();
        assert_eq!(keys(&renamed), prepared);

        let switched = keys(&step(&mut world, "switch").await.expect(200).json());
        assert_eq!(switched, [("signs".to_owned(), second.clone()), ("old".to_owned(), first.clone())]);
        assert_eq!(signer(&world).await, second);
        drop(world.signed_in().await);
        step(&mut world, "switch").await.expect(409);

        let retired = keys(&step(&mut world, "retire").await.expect(200).json());
        assert_eq!(retired, [("signs".to_owned(), second.clone())]);
        assert_eq!(published(&world).await.len(), 1);
        assert_eq!(signer(&world).await, second);

        // A new key that nobody needs after all goes again.
        step(&mut world, "prepare").await.expect(200);
        assert_eq!(keys(&step(&mut world, "retire").await.expect(200).json()), retired);
        assert_eq!(signer(&world).await, second);

        // The console offers what can be done; who may only read is offered nothing.
        let page = format!("/o/harbor/connections/{}", world.connection);
        assert!(world.owner.get(&page).await.expect(200).text().contains("Prepare a new key"));
        world.owner.submit(&format!("{page}/own-key"), &[("step", "prepare")]).await.expect(303);
        let shown = world.owner.get(&page).await.expect(200).text();
        assert!(shown.contains("Sign with the new key") && !shown.contains("Prepare a new key"), "{shown}");
        let mut auditor = world.kit.as_role("harbor", Role::Auditor).await;
        assert!(!auditor.get(&page).await.expect(200).text().contains("Sign with the new key"));
        auditor.post(&format!("{connection}/own-key"), json!({ "step": "switch" })).await.expect(403);
        let mut stranger = world.kit.owner_of("quay").await;
        stranger.post(&format!("{connection}/own-key"), json!({ "step": "switch" })).await.expect(404);
    })
    .await;
}
