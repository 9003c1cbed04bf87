use platform::access::Role;
use platform::evidence::Side;
use platform::time::DAY;
use serde_json::json;
use testkit::both_with;

use crate::fixtures::{options, say, seen_of};

const PATH: &str = "/api/v1/provider/drills";

#[tokio::test]
async fn a_drill_that_gets_through_turns_the_cell_red_whatever_the_facts_say() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("northwind").await;
            let northwind = kit.organization("northwind").await;
            let passed = owner.post(PATH, json!({ "rows": ["USR-P3"] })).await.expect(200).json();
            assert_eq!(passed["drills"][0]["row"], "USR-P3");
            assert_eq!(passed["drills"][0]["passed"], true);
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "held met");

            say(kit, northwind, "fake.drill", "drill", &[("verdict", "not_met".to_owned())]).await;
            let failed = owner.post(PATH, json!({})).await.expect(200).json();
            assert_eq!(failed["drills"][0]["passed"], false);
            assert_eq!(failed["drills"][0]["detail"], "a shortened token got through");
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "gap drill_failed");
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_pass_gets_old_and_the_schedule_renews_it() {
    both_with(
        async |kit| {
            let northwind = kit.organization("northwind").await;
            kit.settle().await;
            // The schedules ran with the first look.
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "held met");
            // A day without jobs.
            kit.advance(DAY);
            crate::consumer_step(kit.app.clone()).await.unwrap();
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "stale drill_old");
            kit.settle().await;
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "held met");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn results_count_only_from_the_providers_ledger() {
    both_with(
        async |kit| {
            let northwind = kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            let forged = [("row", "USR-P3".to_owned()), ("detail", "forged".to_owned())];
            say(kit, harbor, "drill.failed", "drill", &forged).await;
            kit.settle().await;
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "held met");
            say(kit, northwind, "drill.failed", "other", &forged).await;
            kit.settle().await;
            assert_eq!(seen_of(kit, northwind, "USR-P3", Side::Provider).await, "gap drill_failed");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn only_the_providers_managers_run_drills() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            kit.nobody().post(PATH, json!({})).await.expect(401);
            kit.owner_of("harbor").await.post(PATH, json!({})).await.expect(404);
            kit.as_role("northwind", Role::Auditor).await.post(PATH, json!({})).await.expect(404);
            let mut owner = kit.owner_of("northwind").await;
            for bad in [json!({ "rows": ["USR-X9"] }), json!({ "rows": ["USR-C1"] }), json!({ "row": [] })] {
                owner.post(PATH, bad).await.expect(422);
            }
            kit.settle().await;
        },
        options,
    )
    .await;
}
