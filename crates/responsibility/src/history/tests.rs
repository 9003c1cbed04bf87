use platform::time::{DAY, HOUR};
use testkit::both_with;

use crate::fixtures::{keep, options, set};

#[tokio::test]
async fn what_was_so_then_and_what_was_known_of_it() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            let start = kit.now();
            kit.advance_settled(DAY, HOUR * 6).await;
            let broken = kit.now();
            set(kit, harbor, "USR-C1", "not_met").await;
            kit.settle().await;
            kit.advance_settled(DAY, HOUR * 6).await;
            let mended = kit.now();
            set(kit, harbor, "USR-C1", "met").await;
            kit.settle().await;
            let mut state = async |query: String| {
                let path = format!("/api/v1/organizations/harbor/matrix?{query}");
                let matrix = owner.get(&path).await.expect(200).json();
                let rows = matrix["rows"].as_array().unwrap().clone();
                assert_eq!(rows.len(), 53);
                let cell = rows.into_iter().find(|row| row["id"] == "USR-C1").unwrap();
                cell["state"].as_str().unwrap().to_owned()
            };
            assert_eq!(state(format!("at={}", start.plus(HOUR))).await, "held");
            assert_eq!(state(format!("at={broken}")).await, "gap");
            assert_eq!(state(format!("at={}", mended.minus(HOUR))).await, "gap");
            assert_eq!(state(format!("at={mended}")).await, "held");
            // Before the second change was known, the gap was believed to go on.
            assert_eq!(state(format!("at={mended}&known={}", mended.minus(HOUR))).await, "gap");
            assert_eq!(state(format!("known={}", broken.minus(HOUR))).await, "held");
            assert_eq!(state(format!("at={}", start.minus(DAY))).await, "unknown", "before the first look");
            owner.get("/api/v1/organizations/harbor/matrix?at=yesterday").await.expect(422);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_course_of_a_row_names_the_events_that_moved_it() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            for verdict in ["not_met", "met"] {
                kit.advance(HOUR);
                set(kit, harbor, "USR-C1", verdict).await;
                kit.settle().await;
            }
            let history =
                owner.get("/api/v1/organizations/harbor/matrix/USR-C1/history").await.expect(200).json();
            let entries = history["entries"].as_array().unwrap();
            let states: Vec<&str> = entries.iter().map(|entry| entry["state"].as_str().unwrap()).collect();
            assert_eq!(states, ["held", "gap", "held"]);
            assert_eq!(entries[1]["caused_by"], "fake.c1");
            assert_eq!(entries[1]["to"], entries[0]["from"]);
            assert!(entries[1]["sequence"].is_u64());
            let page = owner.get("/o/harbor/changes").await.expect(200).text();
            keep("changes", &page);
            assert!(page.contains("fake.c1") && page.contains("first look"));
            let empty = owner.get("/o/harbor/changes?before=1000000").await.expect(200).text();
            assert!(empty.contains("Nothing changed"));
            kit.owner_of("other").await.get("/o/harbor/changes").await.expect(404);
        },
        options,
    )
    .await;
}
