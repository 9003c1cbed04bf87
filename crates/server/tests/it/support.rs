//! The desk and the guided set-up in the whole program: the matrix turns with a ticket, the first screen guides.

use bailiwick::demo::prover::Script;
use platform::time::{HOUR, MINUTE};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::shared::whole_program;

async fn on_both<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(test, || {
        let mut options = whole_program(&Script::default());
        options.consumers = vec![responsibility::consumer_step, users::set_up_guide::consumer_step];
        options
    })
    .await;
}

/// USR-P5 as an organization's matrix shows it.
async fn row(client: &mut Client) -> Value {
    let matrix = client.get("/api/v1/organizations/harbor/matrix").await.expect(200).json();
    let found = matrix["rows"].as_array().unwrap().iter().find(|row| row["id"] == "USR-P5").cloned();
    found.expect("a row")
}

#[tokio::test]
async fn the_matrix_turns_with_a_ticket_past_its_target_and_back() {
    on_both(async |kit| {
        let mut staff = kit.owner_of("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        kit.settle().await;
        assert_eq!(row(&mut owner).await["state"], "held");
        let body = json!({ "subject": "Nobody gets in", "severity": "urgent", "body": "Since noon." });
        let made = owner.post("/api/v1/organizations/harbor/tickets", body).await.expect(201).json();
        kit.settle().await;
        assert_eq!(row(&mut owner).await["state"], "held");
        kit.advance(HOUR);
        kit.settle().await;
        let broken = row(&mut owner).await;
        assert_eq!((&broken["state"], &broken["must_act"]), (&json!("gap"), &json!("provider")), "{broken}");
        assert_eq!(broken["reason"], "one support ticket is past its target");
        let id = made["id"].as_str().unwrap();
        let body = json!({ "body": "Try now.", "then": "waiting" });
        staff.post(&format!("/api/v1/provider/tickets/{id}/answers"), body).await.expect(201);
        kit.settle().await;
        assert_eq!(row(&mut owner).await["state"], "held");
        kit.advance(MINUTE);
        kit.settle().await;
    })
    .await;
}

#[tokio::test]
async fn the_first_screen_guides_until_it_is_hidden_or_finished() {
    on_both(async |kit| {
        kit.owner_of("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        kit.settle().await;
        let guide = owner.get("/api/v1/organizations/harbor/set-up").await.expect(200).json();
        assert_eq!(guide["steps"].as_array().unwrap().len(), 9, "contacts are a step where their area is");
        let shown = owner.get("/o/harbor").await.expect(200).text();
        assert!(shown.contains("Set up 0 of 9") && shown.contains("Next: Verify your domain"), "{shown}");
        let hide = |hidden: bool| json!({ "hidden": hidden });
        owner.put("/api/v1/organizations/harbor/set-up", hide(true)).await.expect(204);
        assert!(!owner.get("/o/harbor").await.expect(200).text().contains("Next: Verify"));
        owner.put("/api/v1/organizations/harbor/set-up", hide(false)).await.expect(204);
        assert!(owner.get("/o/harbor").await.expect(200).text().contains("Next: Verify"));
        for step in guide["steps"].as_array().unwrap() {
            let skip = json!({ "step": step["id"], "reason": "We look at it later" });
            owner.post("/api/v1/organizations/harbor/set-up/skips", skip).await.expect(204);
        }
        assert!(!owner.get("/o/harbor").await.expect(200).text().contains("Go on with the set-up"));
        kit.settle().await;
        let row = row(&mut owner).await;
        let facts = row["facts"].to_string();
        assert!(facts.contains("1 of 1 organizations finished"), "{facts}");
    })
    .await;
}
