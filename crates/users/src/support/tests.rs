use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use platform::time::{DAY, HOUR, MINUTE};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::kit::{was_told, with_mail};

mod desk;
mod people;

const API: &str = "/api/v1/organizations/harbor/tickets";
const DESK: &str = "/api/v1/provider/tickets";

/// The desk's owner and the owner of a customer.
async fn two_sides(kit: &Kit) -> (Client, Client) {
    let staff = kit.owner_of("northwind").await;
    (staff, kit.owner_of("harbor").await)
}

async fn open(client: &mut Client, subject: &str, severity: &str) -> String {
    let body =
        json!({ "subject": subject, "severity": severity, "body": "It does not work.\n\nSince noon." });
    let made = client.post(API, body).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

async fn answer(staff: &mut Client, id: &str, then: &str) -> testkit::Answer {
    staff.post(&format!("{DESK}/{id}/answers"), json!({ "body": "We look at it.", "then": then })).await
}

async fn reply(client: &mut Client, id: &str) -> testkit::Answer {
    client.post(&format!("{API}/{id}/messages"), json!({ "body": "Here it is." })).await
}

async fn ticket(client: &mut Client, id: &str) -> Value {
    client.get(&format!("{API}/{id}")).await.expect(200).json()
}

async fn judge(kit: &Kit) -> Finding {
    let (provider, now) = (kit.organization("northwind").await, kit.now());
    let evaluate = super::evidence::IN_TIME.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, provider, now)).await.unwrap()
}

#[tokio::test]
async fn a_ticket_goes_its_way() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let id = open(&mut owner, "Nobody gets in", "high").await;
            let made = ticket(&mut owner, &id).await;
            assert_eq!((&made["number"], &made["state"]), (&json!(1), &json!("open")));
            assert_eq!(made["due_at"], kit.now().plus(HOUR * 4).rfc3339());
            assert!(was_told(kit, "owner@northwind.example", "a new high ticket").await);
            // Another message makes the desk's time no longer.
            kit.advance(HOUR);
            reply(&mut owner, &id).await.expect(201);
            assert_eq!(ticket(&mut owner, &id).await["due_at"], made["due_at"]);
            // Answered with more to say: the next target runs. Asked back: none does.
            assert_eq!(answer(&mut staff, &id, "answered").await.expect(201).json()["state"], "answered");
            assert_eq!(ticket(&mut owner, &id).await["due_at"], kit.now().plus(HOUR * 8).rfc3339());
            assert!(was_told(kit, "owner@harbor.example", "was answered").await);
            reply(&mut owner, &id).await.expect(201);
            let again = ticket(&mut owner, &id).await;
            assert_eq!(again["state"], "open");
            assert_eq!(again["due_at"], kit.now().plus(HOUR * 8).rfc3339(), "the promise stays");
            answer(&mut staff, &id, "waiting").await.expect(201);
            let asked = ticket(&mut owner, &id).await;
            assert_eq!((&asked["state"], &asked["due_at"]), (&json!("waiting"), &Value::Null));
            kit.advance_settled(DAY * 20, DAY * 5).await;
            assert_eq!(ticket(&mut owner, &id).await["targets_missed"], 0, "it waited for the organization");
            reply(&mut owner, &id).await.expect(201);
            assert_eq!(ticket(&mut owner, &id).await["due_at"], kit.now().plus(HOUR * 8).rfc3339());
            // Resolved, it closes by itself, unless its people write.
            answer(&mut staff, &id, "resolved").await.expect(201);
            kit.advance_settled(DAY * 6, DAY).await;
            reply(&mut owner, &id).await.expect(201);
            assert_eq!(ticket(&mut owner, &id).await["state"], "open");
            answer(&mut staff, &id, "resolved").await.expect(201);
            kit.advance_settled(DAY * 2, DAY).await;
            assert_eq!(ticket(&mut owner, &id).await["state"], "resolved", "the first job is late");
            kit.advance_settled(DAY * 6, DAY).await;
            let closed = ticket(&mut owner, &id).await;
            assert_eq!((&closed["state"], &closed["targets_missed"]), (&json!("closed"), &json!(0)));
            answer(&mut staff, &id, "answered").await.expect(409);
            // Opened again, closed by hand, and left for too long.
            reply(&mut owner, &id).await.expect(201);
            owner.post(&format!("{API}/{id}/close"), json!({})).await.expect(200);
            owner.post(&format!("{API}/{id}/close"), json!({})).await.expect(409);
            kit.advance(DAY * 31);
            reply(&mut owner, &id).await.expect(409);
            let did: Vec<String> = ticket(&mut owner, &id).await["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| message["did"].as_str().unwrap().to_owned())
                .collect();
            let words = "opened replied answered replied waiting replied resolved reopened resolved closed reopened closed";
            assert_eq!(did.join(" "), words);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_when_a_ticket_passes_its_target_and_back() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let id = open(&mut owner, "Nobody gets in", "urgent").await;
            let held = judge(kit).await;
            assert_eq!((held.state, held.valid_until), (Verdict::Met, Some(kit.now().plus(HOUR))));
            // The desk is warned when three quarters are over, and told when the target passed, once each.
            kit.advance_settled(MINUTE * 44, MINUTE * 44).await;
            assert!(!was_told(kit, "owner@northwind.example", "is near its target").await);
            kit.advance_settled(MINUTE, MINUTE).await;
            assert!(was_told(kit, "owner@northwind.example", "is near its target").await);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // The evidence does not wait for a job: it is past at the moment itself.
            kit.advance(MINUTE * 15);
            let broken = judge(kit).await;
            assert_eq!((broken.state, broken.valid_until), (Verdict::NotMet, None));
            assert_eq!(broken.action.unwrap().href, "/provider/tickets");
            kit.settle().await;
            assert!(was_told(kit, "owner@northwind.example", "is past its target").await);
            kit.advance_settled(HOUR * 3, HOUR).await;
            let harbor = kit.organization("harbor").await;
            let actions = kit.actions(harbor).await;
            for action in ["ticket.near_target", "ticket.past_target"] {
                assert_eq!(actions.iter().filter(|one| *one == action).count(), 1, "{action}");
            }
            assert_eq!(ticket(&mut owner, &id).await["targets_missed"], 1);
            // An answer brings it back; what was missed stays written.
            answer(&mut staff, &id, "waiting").await.expect(201);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let after = ticket(&mut owner, &id).await;
            assert_eq!((&after["targets_missed"], &after["past_target"]), (&json!(1), &json!(false)));
            // A second organization's ticket turns the same cell.
            let mut quay = kit.owner_of("quay").await;
            let body = json!({ "subject": "Help", "severity": "urgent", "body": "Please." });
            let other = quay.post("/api/v1/organizations/quay/tickets", body).await.expect(201).json();
            kit.advance_settled(HOUR * 2, HOUR).await;
            let broken = judge(kit).await;
            assert_eq!(broken.reason, "one support ticket is past its target");
            answer(&mut staff, other["id"].as_str().unwrap(), "resolved").await.expect(201);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_severity_never_makes_the_time_longer() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let id = open(&mut owner, "Nobody gets in", "high").await;
            let due = ticket(&mut owner, &id).await["due_at"].clone();
            let path = format!("{DESK}/{id}/severity");
            let rate = |severity: &str| json!({ "severity": severity, "reason": "It looks like it" });
            staff.put(&path, rate("low")).await.expect(200);
            assert_eq!(ticket(&mut owner, &id).await["due_at"], due, "no way out of a target");
            let sooner = staff.put(&path, rate("urgent")).await.expect(200).json();
            assert_eq!(sooner["due_at"], kit.now().plus(HOUR).rfc3339());
            assert!(was_told(kit, "owner@harbor.example", "is now of urgent severity").await);
            // Past, it stays past whatever it is called.
            kit.advance_settled(HOUR * 2, HOUR).await;
            let still = staff.put(&path, rate("low")).await.expect(200).json();
            assert_eq!((&still["past_target"], &still["targets_missed"]), (&json!(true), &json!(1)));
            staff.put(&path, json!({ "severity": "low", "reason": "" })).await.expect(422);
            staff.put(&path, rate("dire")).await.expect(422);
            // The next clock has the new severity's target.
            answer(&mut staff, &id, "answered").await.expect(201);
            let next = ticket(&mut owner, &id).await;
            assert_eq!(next["due_at"], kit.now().plus(HOUR * 120).rfc3339());
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}
