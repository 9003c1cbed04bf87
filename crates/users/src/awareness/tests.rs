use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use platform::time::{DAY, HOUR};
use serde_json::json;
use testkit::{Client, Kit};

use crate::kit::{was_told, with_mail};

const ONE: &str = "/api/v1/organizations/harbor/awareness";

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = super::evidence::ACKNOWLEDGED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

async fn publish(client: &mut Client, renews: bool) -> u64 {
    let body = json!({ "title": "Passwords", "body": "Use a manager.\n\nTell nobody.", "renews": renews });
    client.post(ONE, body).await.expect(201).json()["version"].as_u64().unwrap()
}

async fn say(client: &mut Client, version: u64) -> testkit::Answer {
    client.post(&format!("{ONE}/acknowledgement"), json!({ "version": version })).await
}

async fn missing(client: &mut Client) -> Vec<String> {
    let page = client.get(&format!("{ONE}/missing")).await.expect(200).json();
    page["items"].as_array().unwrap().iter().map(|one| one["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_person_acknowledges_for_themselves() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            assert_eq!(ann.get(ONE).await.expect(200).json()["notice"], json!(null));
            say(&mut ann, 1).await.expect(409);
            owner.post(&format!("{ONE}/reminders"), json!({})).await.expect(409);
            let version = publish(&mut owner, false).await;
            kit.settle().await;
            assert!(was_told(kit, "ann@harbor.example", "Tell nobody.").await);
            say(&mut ann, version).await.expect(204);
            assert_eq!(missing(&mut owner).await, ["owner@harbor.example"]);
            let shown = ann.get(ONE).await.expect(200).json();
            assert!(!shown["acknowledged_at"].is_null());
            assert_eq!(shown["people"], json!(null), "a member does not count the others");
            // A correction keeps what was said; a new text asks everybody, and an old page says nothing about it.
            publish(&mut owner, false).await;
            assert_eq!(missing(&mut owner).await, ["owner@harbor.example"]);
            kit.advance(HOUR);
            let third = publish(&mut owner, true).await;
            assert_eq!(missing(&mut owner).await.len(), 2);
            say(&mut ann, version).await.expect(409);
            say(&mut ann, third).await.expect(204);
            assert_eq!(missing(&mut owner).await, ["owner@harbor.example"]);
            // Who may what.
            let mut stranger = kit.owner_of("quay").await;
            say(&mut stranger, third).await.expect(404);
            stranger.get(ONE).await.expect(404);
            ann.get(&format!("{ONE}/missing")).await.expect(403);
            ann.post(ONE, json!({ "title": "x", "body": "y" })).await.expect(403);
            let harbor = kit.organization("harbor").await;
            let mut token = kit.token_of(harbor, "people.manage,people.read");
            say(&mut token, third).await.expect(403);
            for wrong in [
                json!({ "title": "", "body": "y" }),
                json!({ "title": "x", "body": "  " }),
                json!({ "title": "x", "body": "a\u{202e}b" }),
                json!({ "title": "x", "body": "a".repeat(5001) }),
            ] {
                owner.post(ONE, wrong).await.expect(422);
            }
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_when_somebody_has_not_read_it_and_back() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let none = judge(kit).await;
            assert_eq!(
                (none.state, none.action.unwrap().href),
                (Verdict::NotMet, "/o/harbor/awareness/publish".to_owned(),)
            );
            let version = publish(&mut owner, true).await;
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            say(&mut owner, version).await.expect(204);
            let held = judge(kit).await;
            assert_eq!((held.state, held.valid_until), (Verdict::Met, Some(kit.now().plus(super::LASTS))));
            // An outsider joins and has not read it.
            kit.settle().await;
            let eve = kit.member("harbor", "eve@outside.example", Role::Member).await;
            let broken = judge(kit).await;
            assert_eq!(broken.state, Verdict::NotMet);
            assert!(broken.reason.contains("one person"), "{broken:?}");
            // The daily job tells her.
            kit.advance_settled(DAY, DAY).await;
            assert!(was_told(kit, "eve@outside.example", "Use a manager.").await);
            let mut eve = kit.browser_of(eve).await;
            say(&mut eve, version).await.expect(204);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // After 12 months it counts no more.
            kit.advance_settled(super::LASTS, DAY * 30).await;
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            say(&mut owner, version).await.expect(204);
            say(&mut eve, version).await.expect(204);
            assert_eq!(judge(kit).await.state, Verdict::Met);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let page = "/o/harbor/awareness";
            assert!(ann.get(page).await.expect(200).text().contains("No notice yet"));
            let form = owner.get(&format!("{page}/publish")).await.expect(200).text();
            assert!(form.contains("password manager") && form.contains("2 of 2"), "{form}");
            let fields = [("title", "Passwords"), ("body", ""), ("renews", "on")];
            owner.submit(&format!("{page}/publish"), &fields).await.expect(422);
            let fields = [("title", "Passwords"), ("body", "One.\r\n\r\nTwo <b>."), ("renews", "on")];
            owner.submit(&format!("{page}/publish"), &fields).await.expect(303);
            let shown = ann.get(page).await.expect(200).text();
            assert!(shown.contains("<p>One.</p><p>Two &#60;b&#62;.</p>"), "{shown}");
            assert!(!shown.contains("Who has yet to"), "{shown}");
            ann.submit(&format!("{page}/acknowledge"), &[("version", "1")]).await.expect(303);
            assert!(ann.get(page).await.expect(200).text().contains("You read it"));
            let listed = owner.get(page).await.expect(200).text();
            assert!(listed.contains("owner@harbor.example") && listed.contains("1 of 2"), "{listed}");
            owner.submit(&format!("{page}/remind"), &[]).await.expect(303);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}
