use platform::access::Role;
use platform::db::{Commit, DbError, Tx};
use platform::events::{self, Event, retention};
use platform::time::DAY;
use serde_json::{Value, json};
use testkit::{Client, Kit};

const AREAS: &[&platform::Area] = &[&crate::AREA];
const AUDIT: &str = "/api/v1/organizations/harbor/audit";
const PAGE: &str = "/o/harbor/audit-log/retention";

/// Every event: whether it has personal fields, whether they are readable, its leaf.
async fn all(owner: &mut Client) -> Vec<Value> {
    let page = owner.get(&format!("{AUDIT}/events?limit=200")).await.expect(200).json();
    assert!(page["next_cursor"].is_null());
    let mut events = page["items"].as_array().unwrap().clone();
    events.reverse();
    events
}

fn readable(event: &Value) -> bool {
    event["personal"].as_object().unwrap().values().any(|value| !value.is_null())
}

/// Writes an event with the address of a person in it.
async fn promote(owner: &mut Client, kit: &Kit, email: &str) {
    let account = kit.member("harbor", email, Role::Member).await;
    let path = format!("/api/v1/organizations/harbor/people/{account}");
    owner.patch(&path, json!({ "role": "admin" })).await.expect(200);
}

#[tokio::test]
async fn old_events_forget_persons_and_every_proof_stays() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            promote(&mut owner, kit, "ann@harbor.example").await;
            let old = all(&mut owner).await;
            assert!(old.iter().any(readable));
            let before = owner.get(&format!("{AUDIT}/checkpoint")).await.expect(200).json();
            kit.advance_settled(40 * DAY, 10 * DAY).await;
            promote(&mut owner, kit, "ben@harbor.example").await;

            let outlook = owner.get(&format!("{AUDIT}/retention/outlook?days=30")).await.expect(200).json();
            assert_eq!(outlook["events"].as_u64(), Some(old.len() as u64));
            let outlook = owner.get(&format!("{AUDIT}/retention/outlook?days=90")).await.expect(200).json();
            assert_eq!(outlook["events"], 0);
            assert_eq!(all(&mut owner).await[..old.len()], old[..], "a look changes nothing");

            owner.put(&format!("{AUDIT}/retention"), json!({ "days": 30 })).await.expect(200);
            kit.advance_settled(2 * platform::time::HOUR, platform::time::HOUR).await;
            let now = all(&mut owner).await;
            for (was, is) in old.iter().zip(&now) {
                assert!(!readable(is), "{is}");
                let same = |name: &str| was[name] == is[name];
                assert!(
                    ["sequence", "at", "action", "actor", "target", "details", "leaf_hash"].map(same)
                        == [true; 7]
                );
            }
            assert!(now.iter().any(|event| event["personal"]["email"] == "ben@harbor.example"));
            let applied = now.iter().find(|event| event["action"] == "audit_retention.applied").unwrap();
            assert_eq!(applied["details"]["days"], "30");

            // Whoever kept the checkpoint of before, and whoever reads the export, finds nothing changed.
            let export = owner.get(&format!("{AUDIT}/export")).await.expect(200).body;
            assert_eq!(ledger::verify_export(export.as_slice()).unwrap().entries, now.len() as u64);
            let path = format!("{AUDIT}/consistency?from={}", before["size"]);
            let proof = owner.get(&path).await.expect(200).json();
            let hash = |value: &Value| -> ledger::Hash {
                hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
            };
            let nodes: Vec<_> = proof["proof"].as_array().unwrap().iter().map(hash).collect();
            let (old_size, size) = (proof["from"].as_u64().unwrap(), proof["to"].as_u64().unwrap());
            let (old_root, root) = (hash(&before["root_hash"]), hash(&proof["head"]["root_hash"]));
            ledger::verify_consistency(old_size, size, &nodes, &old_root, &root).unwrap();

            // It goes on by itself, and ends when it is not wanted any more; what is gone stays gone.
            kit.advance_settled(31 * DAY, DAY).await;
            assert!(
                all(&mut owner).await.iter().all(|event| event["personal"]["email"] != "ben@harbor.example")
            );
            owner.put(&format!("{AUDIT}/retention"), json!({ "days": null })).await.expect(200);
            promote(&mut owner, kit, "cleo@harbor.example").await;
            kit.advance_settled(40 * DAY, 10 * DAY).await;
            let last = all(&mut owner).await;
            assert!(last.iter().any(|event| event["personal"]["email"] == "cleo@harbor.example"));
            assert!(!readable(&last[0]));
        },
        AREAS,
    )
    .await;
}

/// Batches of any size, from wherever the last one came to, do what one look over all of it would.
#[tokio::test]
async fn batches_erase_what_one_look_would() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            for n in 0..23_u32 {
                let ctx = kit.ctx();
                let make = move |tx: &mut Tx| {
                    let event = Event::new(harbor, "test.made");
                    let event =
                        if n % 3 == 0 { event } else { event.personal("email", n).personal("network", n) };
                    let recorded = tx.record(event);
                    Ok::<_, DbError>(Commit::changed((), recorded))
                };
                kit.app.db().write(&ctx, make).await.unwrap();
                kit.advance(DAY);
            }
            let cut = kit.now().minus(DAY * 9);
            for (days, limit) in [(6, 1), (4, 2), (1, 5), (0, 40)] {
                erase(kit, harbor, cut.minus(DAY * days), limit).await;
            }
            let found = kit.app.db().read(move |tx| events::range(tx, harbor, 0, 200)).await.unwrap();
            assert!(found.len() > 23);
            for event in found.iter().filter(|event| event.action == "test.made") {
                let clear = event.personal.values().filter(|value| value.is_some()).count();
                let kept = event.at >= cut && !event.personal.is_empty();
                assert_eq!(clear, if kept { 2 } else { 0 }, "event {}", event.sequence);
                assert_eq!(event.entry().unwrap().leaf_hash(), event.leaf());
            }
        },
        AREAS,
    )
    .await;
}

/// Erases what is older than `cut`, `limit` events at a time.
async fn erase(
    kit: &Kit,
    organization: platform::ids::OrganizationId,
    cut: platform::time::Timestamp,
    limit: u32,
) {
    let mut from = 0;
    loop {
        let ctx = kit.ctx();
        let step = move |tx: &mut Tx| {
            let swept = retention::redact_before(tx, organization, from, cut, limit)?;
            let recorded = tx.record(Event::new(organization, "test.swept"));
            Ok::<_, DbError>(Commit::changed(swept, recorded))
        };
        let swept = kit.app.db().write(&ctx, step).await.unwrap().value;
        assert!(swept.next - from <= u64::from(limit));
        from = swept.next;
        if swept.done {
            return;
        }
    }
}

#[tokio::test]
async fn an_owner_decides_after_a_look() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let (mut admin, mut auditor) =
                (kit.as_role("harbor", Role::Admin).await, kit.as_role("harbor", Role::Auditor).await);
            let path = format!("{AUDIT}/retention");
            assert!(auditor.get(&path).await.expect(200).json()["days"].is_null());
            assert!(auditor.get(PAGE).await.expect(200).text().contains("An owner decides this"));
            for client in [&mut admin, &mut auditor] {
                client.put(&path, json!({ "days": 60 })).await.expect(403);
            }
            kit.owner_of("quay").await.get(&path).await.expect(404);
            for days in [json!(0), json!(29), json!(3651), json!(-1), json!("60"), json!(1e12)] {
                let refused = owner.put(&path, json!({ "days": days })).await;
                assert!([400, 422].contains(&refused.status.as_u16()), "{days}");
            }
            owner.get(&format!("{path}/outlook?days=29")).await.expect(422);
            owner.submit(PAGE, &[("keep", "days"), ("days", "7")]).await.expect(422);
            owner.submit(PAGE, &[("keep", "never")]).await.expect(422);

            kit.advance(100 * DAY);
            let asked = [("keep", "days"), ("days", "60")];
            let shown = owner.submit(PAGE, &asked).await.expect(200).text();
            assert!(shown.contains("erased for good") && shown.contains("Type <code>60</code>"), "{shown}");
            // The next press decides what was shown and nothing else, and only at the typed word.
            let other = [("keep", "days"), ("days", "30"), ("seen", "days 60"), ("confirm", "60")];
            owner.submit(PAGE, &other).await.expect(200);
            let unsaid = [("keep", "days"), ("days", "60"), ("seen", "days 60")];
            owner.submit(PAGE, &unsaid).await.expect(422);
            assert!(owner.get(&path).await.expect(200).json()["days"].is_null());
            let meant = [("keep", "days"), ("days", "60"), ("seen", "days 60"), ("confirm", "60")];
            owner.submit(PAGE, &meant).await.expect(303);
            let found = owner.get(&path).await.expect(200).json();
            assert_eq!((&found["days"], &found["next_sequence"]), (&json!(60), &json!(0)));
            assert!(owner.get(PAGE).await.expect(200).text().contains("kept for 60 days"));
            kit.settle().await;
        },
        AREAS,
    )
    .await;
}
