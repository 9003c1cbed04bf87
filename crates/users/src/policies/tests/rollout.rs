//! Roll-outs: stages begin by themselves, people are told, cancelling puts everybody back.

use platform::access::Role;
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit, both_with};

use super::super::Rules;
use super::{ALL, PATH};
use crate::factors::Level;
use crate::kit::believed;

const ROLLOUTS: &str = "/api/v1/organizations/harbor/policies/default/rollouts";

fn mfa() -> Value {
    serde_json::to_value(Rules { factor: Level::Mfa, ..Rules::RECOMMENDED }).unwrap()
}

async fn level(admin: &mut Client, who: &str) -> Value {
    let told = admin.get(&format!("{ALL}/explain?account={who}@harbor.example")).await.expect(200).json();
    told["rules"]["factor"].clone()
}

async fn scene(kit: &Kit) -> Client {
    let mut admin = kit.as_role("harbor", Role::Admin).await;
    let made = admin.post("/api/v1/organizations/harbor/groups", json!({"name": "Pilots"})).await;
    let group = made.expect(201).json()["id"].as_str().unwrap().to_owned();
    let pia = kit.member("harbor", "pia@harbor.example", Role::Member).await;
    kit.member("harbor", "bob@harbor.example", Role::Member).await;
    let member = format!("/api/v1/organizations/harbor/groups/{group}/members/{pia}");
    assert!(admin.put(&member, json!({})).await.status.is_success());
    admin.put(PATH, serde_json::to_value(Rules::RECOMMENDED).unwrap()).await.expect(200);
    let (first, last) = (kit.now().plus(DAY).rfc3339(), kit.now().plus(DAY * 3).rfc3339());
    let stages = json!([{"at": first, "percent": 0, "groups": [group]}, {"at": last, "percent": 100}]);
    admin.post(ROLLOUTS, json!({"rules": mfa(), "stages": stages})).await.expect(201);
    admin
}

#[tokio::test]
async fn stages_begin_by_themselves_and_end_as_a_decision() {
    both_with(
        async |kit| {
            let mut admin = scene(kit).await;
            let mail = kit.mail_to("pia@harbor.example").await.expect("told beforehand");
            assert!(mail.contains("stronger proof") && mail.contains("3 Mar 2026"), "{mail}");
            let mail = kit.mail_to("bob@harbor.example").await.expect("told beforehand");
            assert!(mail.contains("5 Mar 2026"), "{mail}");
            assert_eq!(level(&mut admin, "pia").await, "any");
            kit.advance_settled(DAY + HOUR, HOUR * 5).await;
            assert_eq!(level(&mut admin, "pia").await, "mfa", "the first stage");
            assert_eq!(level(&mut admin, "bob").await, "any");
            let told =
                admin.get(&format!("{ALL}/explain?account=pia@harbor.example")).await.expect(200).text();
            assert!(told.contains("roll-out has reached this person"), "{told}");
            admin.put(PATH, mfa()).await.expect(409);
            admin.post(&format!("{PATH}/undo"), json!({})).await.expect(409);
            kit.advance_settled(DAY * 2, HOUR * 5).await;
            assert_eq!(level(&mut admin, "bob").await, "mfa", "everybody");
            let policy = admin.get(PATH).await.expect(200).json();
            assert_eq!((&policy["version"], &policy["rollout"]), (&json!(2), &Value::Null));
            let one = admin.get("/api/v1/organizations/harbor/policy-rollouts").await.expect(200).json();
            assert_eq!(one["items"][0]["state"], "done");
            admin.post(&format!("{PATH}/undo"), json!({})).await.expect(200);
            assert_eq!(level(&mut admin, "bob").await, "any");
            let actions = kit.actions(kit.organization("harbor").await).await;
            for action in [
                "policy.rollout_planned",
                "policy.rollout_noticed",
                "policy.rollout_advanced",
                "policy.rollout_done",
            ] {
                assert!(actions.iter().any(|one| one == action), "{action}: {actions:?}");
            }
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn a_cancelled_roll_out_puts_everybody_back_and_does_not_go_on() {
    both_with(
        async |kit| {
            let mut admin = scene(kit).await;
            kit.advance_settled(DAY + HOUR, HOUR * 5).await;
            let all = admin.get("/api/v1/organizations/harbor/policy-rollouts").await.expect(200).json();
            let one = format!(
                "/api/v1/organizations/harbor/policy-rollouts/{}",
                all["items"][0]["id"].as_str().unwrap()
            );
            let left = admin.get(&one).await.expect(200).json();
            assert_eq!(left["dry_run"]["asked_to_enrol"], 3);
            admin.post(&format!("{one}/cancel"), json!({})).await.expect(200);
            assert_eq!(level(&mut admin, "pia").await, "any");
            kit.advance_settled(DAY * 5, DAY).await;
            assert_eq!(level(&mut admin, "bob").await, "any");
            admin.post(&format!("{one}/cancel"), json!({})).await.expect(404);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn stages_that_make_no_sense_are_refused() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let at = |days: u32| kit.now().plus(DAY * days).rfc3339();
            let plan = |stages: Value| json!({"rules": mfa(), "stages": stages});
            // Nobody has decided what it would be a change of.
            admin.post(ROLLOUTS, plan(json!([{"at": at(1), "percent": 100}]))).await.expect(422);
            admin.put(PATH, serde_json::to_value(Rules::RECOMMENDED).unwrap()).await.expect(200);
            for stages in [
                json!([]),
                json!([{"at": at(1), "percent": 50}]),
                json!([{"at": at(2), "percent": 50}, {"at": at(1), "percent": 100}]),
                json!([{"at": at(1), "percent": 60}, {"at": at(2), "percent": 50}, {"at": at(3), "percent": 100}]),
                json!([{"at": "2020-01-01T00:00:00Z", "percent": 100}]),
                json!([{"at": at(400), "percent": 100}]),
                json!([{"at": at(1), "percent": 101}]),
            ] {
                let refused = admin.post(ROLLOUTS, plan(stages.clone())).await.expect(422).json();
                assert_eq!(refused["errors"][0]["pointer"], "/stages", "{stages}");
            }
            admin.post(ROLLOUTS, plan(json!([{"at": at(1), "percent": 100}]))).await.expect(201);
            admin.post(ROLLOUTS, plan(json!([{"at": at(1), "percent": 100}]))).await.expect(409);
            kit.advance_settled(DAY * 2, DAY).await;
            assert_eq!(admin.get(PATH).await.expect(200).json()["rules"]["factor"], "mfa");
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn the_page_of_a_policy_under_roll_out_leads_to_its_end_and_takes_nothing() {
    both_with(
        async |kit| {
            let mut admin = scene(kit).await;
            let page = admin.get("/o/harbor/policies/default").await.expect(200).text();
            assert!(page.contains("<fieldset class=\"form bare\" disabled>"), "{page}");
            assert!(!page.contains("Show what it would do") && !page.contains(">Decide<"), "{page}");
            let at = page.find("/o/harbor/policy-rollouts/").expect("a link to its end");
            let cancel = page[at..].split('"').next().unwrap().to_owned();
            let listed = admin.get("/o/harbor/policies").await.expect(200).text();
            assert!(listed.contains(&cancel) && listed.contains("Cancel the roll-out…"), "{listed}");
            // It asks first, and nothing has happened yet.
            let asked = admin.get(&cancel).await.expect(200).text();
            assert!(asked.contains("No stage has begun") && asked.contains("Leave it running"), "{asked}");
            assert!(admin.get("/o/harbor/policies/default").await.expect(200).text().contains(&cancel));
            admin.submit(&cancel, &[]).await.expect(303);
            assert_eq!(admin.get(&cancel).await.expect(303).location(), "/o/harbor/policies");
            let page = admin.get("/o/harbor/policies/default").await.expect(200).text();
            assert!(
                page.contains("Show what it would do")
                    && !page.contains("<fieldset class=\"form bare\" disabled")
            );
            let mut stranger = kit.owner_of("quay").await;
            stranger.get(&cancel.replace("/o/harbor", "/o/quay")).await.expect(404);
            kit.settle().await;
        },
        believed,
    )
    .await;
}
