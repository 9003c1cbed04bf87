//! The pages, and who may what.

use platform::access::Role;
use testkit::receiver::Manner;

use super::*;

const PAGE: &str = "/o/harbor/audit-streams";

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            assert!(owner.get(PAGE).await.expect(200).text().contains("Nothing is streamed"));
            owner.get(&format!("{PAGE}/new")).await.expect(200);
            let target = receiver.url("/in");
            let fields = [
                ("name", "SIEM"),
                ("kind", "webhook"),
                ("target", "https://10.0.0.1/"),
                ("format", "ocsf"),
                ("from", "start"),
            ];
            let refused = owner.submit(&format!("{PAGE}/new"), &fields).await.expect(422).text();
            assert!(
                refused.contains("not on the public internet") && refused.contains("value=\"SIEM\""),
                "{refused}"
            );
            let fields = [
                ("name", "SIEM"),
                ("kind", "webhook"),
                ("target", &target),
                ("format", "ocsf"),
                ("from", "start"),
            ];
            let made = owner.submit(&format!("{PAGE}/new"), &fields).await.expect(201);
            assert_eq!(made.header("cache-control"), Some("no-store"));
            assert!(made.text().contains("whsec_"));
            let id =
                owner.get(STREAMS).await.expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
            let one = format!("{PAGE}/{id}");
            assert!(owner.get(&one).await.expect(200).text().contains("Waits for its first acknowledgement"));
            owner.submit(&format!("{one}/test"), &[]).await.expect(303);
            assert!(
                owner.get(&one).await.expect(200).text().contains("It works: the receiver answered 200.")
            );
            receiver.set(Manner::Answers(403));
            owner.submit(&format!("{one}/test"), &[]).await.expect(303);
            assert!(owner.get(&one).await.expect(200).text().contains("does it know the secret"));
            kit.settle().await;
            let shown = owner.get(&one).await.expect(200).text();
            assert!(shown.contains("The last try failed") && shown.contains("Fails"), "{shown}");
            receiver.set(Manner::Answers(200));
            owner.submit(&format!("{one}/pause"), &[]).await.expect(303);
            owner.submit(&format!("{one}/resume"), &[]).await.expect(303);
            kit.settle().await;
            let list = owner.get(PAGE).await.expect(200).text();
            assert!(list.contains("SIEM") && list.contains("Live"), "{list}");
            let secret = owner.submit(&format!("{one}/secret"), &[]).await.expect(201).text();
            assert!(secret.contains("whsec_") && secret.contains("for 24 hours"));
            owner.get(&format!("{one}/delete")).await.expect(200);
            owner.submit(&format!("{one}/delete"), &[("confirm", "other")]).await.expect(422);
            owner.submit(&format!("{one}/delete"), &[("confirm", "SIEM")]).await.expect(303);
            owner.get(&one).await.expect(404);
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn admins_manage_auditors_look_and_nobody_else_learns_of_it() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let (id, secret) = webhook(&mut owner, "https://siem.example/in?key=k", "now").await;
            let one = format!("{STREAMS}/{id}");
            let mut stranger = kit.owner_of("quay").await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            kit.nobody().get(STREAMS).await.expect(401);
            for path in [STREAMS, &one] {
                stranger.get(path).await.expect(404);
                member.get(path).await.expect(403);
                let seen = auditor.get(path).await.expect(200).text();
                assert!(!seen.contains("whsec_") && !seen.contains(&secret));
            }
            let foreign = format!("/api/v1/organizations/quay/audit/streams/{id}");
            stranger.get(&foreign).await.expect(404);
            stranger.delete(&foreign).await.expect(404);
            for act in ["test", "pause", "resume", "secret"] {
                stranger.post(&foreign.replace(&id, &format!("{id}/{act}")), json!({})).await.expect(404);
                auditor.post(&format!("{one}/{act}"), json!({})).await.expect(403);
                member.post(&format!("{one}/{act}"), json!({})).await.expect(403);
            }
            kit.token_of(harbor, "audit.read").post(&format!("{one}/pause"), json!({})).await.expect(403);
            kit.token_of(harbor, "audit.manage").post(&format!("{one}/pause"), json!({})).await.expect(204);
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            admin.delete(&one).await.expect(204);
            // The secret and what stands behind the question mark are in no event.
            let log = owner.get("/api/v1/organizations/harbor/audit/events?action=audit_stream.").await.expect(200).text();
            assert!(log.contains("https://siem.example/in") && !log.contains("key=k") && !log.contains(&secret[6..]), "{log}");
            for n in 0..10 {
                let body = json!({ "name": format!("S{n}"), "kind": "webhook", "target": "https://siem.example/", "format": "cef", "paused": true });
                admin.post(STREAMS, body.clone()).await.expect(201);
                admin.post(STREAMS, body).await.expect(409);
            }
            let body = json!({ "name": "One more", "kind": "webhook", "target": "https://siem.example/", "format": "cef" });
            admin.post(STREAMS, body).await.expect(409);
        },
        || with(false, "10.20.30.40"),
    )
    .await;
}

#[tokio::test]
async fn what_may_be_a_token_in_an_address_is_shown_to_nobody() {
    testkit::both_with(
        async |kit| {
            let receiver = Receiver::http().await;
            let mut owner = kit.owner_of("harbor").await;
            let (id, _) = webhook(&mut owner, &receiver.url("/in?token=hunter2"), "start").await;
            kit.settle().await;
            assert!(
                receiver.received().iter().all(|one| one.path == "/in?token=hunter2"),
                "sent all the same"
            );
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            for path in
                [STREAMS.to_owned(), format!("{STREAMS}/{id}"), PAGE.to_owned(), format!("{PAGE}/{id}")]
            {
                let shown = auditor.get(&path).await.expect(200).text();
                assert!(!shown.contains("hunter2"), "{path}: {shown}");
            }
            assert_eq!(view(&mut auditor, &id).await["target"], receiver.url("/in?…"));
        },
        options,
    )
    .await;
}
