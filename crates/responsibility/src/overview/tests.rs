use platform::access::Role;
use testkit::{Kit, both_with};

use crate::fixtures::{keep, options, set};

async fn start(kit: &Kit) {
    kit.organization("northwind").await;
    for (slug, broken) in [("alpha", 0), ("beta", 2), ("gamma", 1), ("delta", 2)] {
        let organization = kit.organization(slug).await;
        for row in ["USR-C1", "USR-C2"].into_iter().take(broken) {
            set(kit, organization, row, "not_met").await;
        }
    }
    kit.settle().await;
}

/// The order in which names stand on a page.
fn order<'a>(page: &str, names: &[&'a str]) -> Vec<&'a str> {
    let mut found: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|name| Some((page.find(&format!("<small>{name}</small>"))?, *name)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

#[tokio::test]
async fn those_who_owe_the_most_come_first() {
    both_with(
        async |kit| {
            start(kit).await;
            let mut staff = kit.owner_of("northwind").await;
            kit.settle().await;
            let page = staff.get("/provider").await.expect(200).text();
            keep("provider", &page);
            let seen = order(&page, &["alpha", "beta", "gamma", "delta", "northwind"]);
            let mut first = [seen[0], seen[1]];
            first.sort_unstable();
            assert_eq!((first, seen[2]), (["beta", "delta"], "gamma"));
            assert_eq!(seen.len(), 5);
            let named = staff.get("/provider?sort=name&columns=all").await.expect(200).text();
            assert_eq!(
                order(&named, &["alpha", "beta", "gamma", "delta"]),
                ["alpha", "beta", "delta", "gamma"]
            );
            let found = staff.get("/provider?q=ga").await.expect(200).text();
            assert_eq!(order(&found, &["alpha", "beta", "gamma", "delta"]), ["gamma"]);
            assert!(staff.get("/provider?q=zeta").await.expect(200).text().contains("Nobody matches"));
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_provider_sees_states_and_no_facts() {
    both_with(
        async |kit| {
            start(kit).await;
            let mut staff = kit.owner_of("northwind").await;
            let across = staff.get("/provider/rows/USR-C1").await.expect(200).text();
            keep("provider-row", &across);
            assert!(across.contains("<small>beta</small>") && across.contains("Gap"));
            let gaps = staff.get("/provider/rows/USR-C1?state=gap").await.expect(200).text();
            let mut gaps_of = order(&gaps, &["alpha", "beta", "gamma", "delta"]);
            gaps_of.sort_unstable();
            assert_eq!(gaps_of, ["beta", "delta", "gamma"], "in any order: they were founded in one instant");
            let rows = staff.get("/provider/rows").await.expect(200).text();
            keep("provider-rows", &rows);
            for page in [across, gaps, rows, staff.get("/provider").await.text()] {
                assert!(!page.contains("it is broken"), "a reason may name people or domains");
            }
            let own = staff.get("/provider/rows/USR-P3").await.expect(200).text();
            keep("provider-own-row", &own);
            assert!(own.contains("11 forged proofs were refused") && own.contains("Run the drill now"));
            let ran = staff.submit("/provider/rows/USR-P3/drill", &[]).await.expect(303);
            assert_eq!(ran.location(), "/provider/rows/USR-P3");
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn lists_are_paged_to_their_end() {
    both_with(
        async |kit| {
            start(kit).await;
            let mut staff = kit.owner_of("northwind").await;
            for path in ["/api/v1/provider/organizations", "/api/v1/provider/overview"] {
                let mut slugs = Vec::new();
                let mut next = format!("{path}?limit=2");
                loop {
                    let page = staff.get(&next).await.expect(200).json();
                    slugs.extend(
                        page["items"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|item| item["slug"].as_str().unwrap().to_owned()),
                    );
                    match page["next_cursor"].as_str() {
                        Some(cursor) => next = format!("{path}?limit=2&cursor={cursor}"),
                        None => break,
                    }
                }
                assert_eq!(slugs, ["alpha", "beta", "delta", "gamma", "northwind"], "{path}");
            }
            let overview = staff.get("/api/v1/provider/overview").await.json();
            assert_eq!(overview["items"][1]["owes"], 2);
            assert_eq!(overview["items"][1]["cells"]["USR-C1"], "gap");
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn only_staff_opens_the_providers_console() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            for path in [
                "/provider",
                "/provider/rows",
                "/provider/rows/USR-C1",
                "/api/v1/provider/overview",
                "/api/v1/provider/organizations",
            ] {
                kit.owner_of("harbor").await.get(path).await.expect(404);
                kit.as_role("northwind", Role::Auditor).await.get(path).await.expect(200);
                kit.as_role("northwind", Role::Member).await.get(path).await.expect(404);
            }
            kit.as_role("northwind", Role::Auditor)
                .await
                .submit("/provider/rows/USR-P3/drill", &[])
                .await
                .expect(404);
            kit.settle().await;
        },
        options,
    )
    .await;
}
