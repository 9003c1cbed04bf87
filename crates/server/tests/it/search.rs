//! Search finds what its caller may open, and nothing else.

use bailiwick::demo::prover::Script;
use platform::access::Role;
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::shared::whole_program;

async fn on_both<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(test, || whole_program(&Script::default())).await;
}

async fn hits(client: &mut Client, base: &str, q: &str) -> Vec<(String, String, String)> {
    let found: Value = client.get(&format!("{base}/search?q={q}")).await.expect(200).json();
    let text = |hit: &Value, name: &str| hit[name].as_str().expect("text").to_owned();
    let all = found["hits"].as_array().expect("hits").clone();
    all.iter().map(|hit| (text(hit, "kind"), text(hit, "label"), text(hit, "href"))).collect()
}

fn labels(hits: &[(String, String, String)], kind: &str) -> Vec<String> {
    hits.iter().filter(|hit| hit.0 == kind).map(|hit| hit.1.clone()).collect()
}

const HARBOR: &str = "/api/v1/organizations/harbor";

#[tokio::test]
async fn an_owner_finds_pages_rows_people_groups_and_domains() {
    on_both(async |kit| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        kit.member("harbor", "mara@harbor.example", Role::Member).await;
        kit.member("quay", "marvin@quay.example", Role::Member).await;
        owner.post(&format!("{HARBOR}/groups"), json!({ "name": "Marketing" })).await.expect(201);
        owner.post(&format!("{HARBOR}/domains"), json!({ "name": "maritime-harbor.dev" })).await.expect(201);
        let found = hits(&mut owner, HARBOR, "mar").await;
        assert_eq!(
            labels(&found, "person").len(),
            1,
            "another organization's people stay its own: {found:?}"
        );
        assert_eq!(labels(&found, "group"), ["Marketing"]);
        assert_eq!(labels(&found, "domain"), ["maritime-harbor.dev"]);
        assert!(labels(&found, "organization").is_empty());
        let found = hits(&mut owner, HARBOR, "usr-c1").await;
        assert_eq!(found.first().map(|hit| hit.2.as_str()), Some("/o/harbor/rows/USR-C1"), "{found:?}");
        let found = hits(&mut owner, HARBOR, "audit").await;
        assert!(labels(&found, "page").contains(&"Audit log".to_owned()), "{found:?}");
        // Every hit leads to a page.
        for q in ["mar", "usr-c", "audit", "pe"] {
            for (_, label, href) in hits(&mut owner, HARBOR, q).await {
                let page = owner.get(&href).await;
                assert_eq!(page.status, 200, "{label}: {href}");
            }
        }
        assert!(hits(&mut owner, HARBOR, "").await.is_empty());
        assert!(hits(&mut owner, HARBOR, "%25").await.is_empty(), "no pattern language");
        owner.get(&format!("{HARBOR}/search?q={}", "x".repeat(101))).await.expect(422);
        owner.get(&format!("{HARBOR}/search?q=%00")).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn people_are_found_by_name_and_last_name_too_and_once() {
    on_both(async |kit| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        let csv = "email,name\nzed@harbor.example,Ingrid Moor\ningrid@harbor.example,Ingrid Holm\n";
        let body = json!({ "csv": csv, "dry_run": false });
        owner.post(&format!("{HARBOR}/people/imports"), body).await;
        let mut names = labels(&hits(&mut owner, HARBOR, "INGRID").await, "person");
        names.sort();
        assert_eq!(names, ["Ingrid Holm", "Ingrid Moor"]);
        assert_eq!(labels(&hits(&mut owner, HARBOR, "ingrid%20m").await, "person"), ["Ingrid Moor"]);
        assert_eq!(labels(&hits(&mut owner, HARBOR, "moor").await, "person"), ["Ingrid Moor"]);
    })
    .await;
}

#[tokio::test]
async fn nobody_finds_what_they_may_not_open() {
    on_both(async |kit| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        owner.post(&format!("{HARBOR}/groups"), json!({ "name": "Owners' table" })).await.expect(201);
        let mut member = kit.as_role("harbor", Role::Member).await;
        for q in ["owner", "usr-c1", "people", "a"] {
            let mut found = hits(&mut member, HARBOR, q).await;
            // Pages of every member's own.
            found.retain(|(_, _, href)| !matches!(href.as_str(), "/o/harbor/access" | "/o/harbor/awareness"));
            assert!(found.is_empty(), "{q}: {found:?}");
        }
        let harbor = kit.organization("harbor").await;
        let mut token = kit.token_of(harbor, "domains.read");
        assert!(hits(&mut token, HARBOR, "owner").await.is_empty());
        let mut token = kit.token_of(harbor, "people.read");
        let found = hits(&mut token, HARBOR, "owner").await;
        assert_eq!((labels(&found, "person").len(), labels(&found, "group").len()), (1, 1), "{found:?}");
        assert!(hits(&mut token, HARBOR, "usr-c1").await.is_empty());
        let mut stranger = kit.owner_of("quay").await;
        stranger.get(&format!("{HARBOR}/search?q=owner")).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn the_provider_finds_organizations_and_only_the_provider() {
    on_both(async |kit| {
        let mut staff = kit.owner_of("northwind").await;
        kit.owner_of("harbor").await;
        kit.owner_of("harvest").await;
        let found = hits(&mut staff, "/api/v1/provider", "har").await;
        assert_eq!(labels(&found, "organization").len(), 2, "{found:?}");
        assert!(labels(&found, "person").is_empty(), "nothing inside of a customer: {found:?}");
        for (_, label, href) in hits(&mut staff, "/api/v1/provider", "usr-p3").await.into_iter().chain(found)
        {
            assert_eq!(staff.get(&href).await.status, 200, "{label}: {href}");
        }
        let mut owner = kit.owner_of("harbor").await;
        assert!(labels(&hits(&mut owner, HARBOR, "harvest").await, "organization").is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_page_works_as_a_plain_form_and_feeds_the_palette() {
    on_both(async |kit| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        kit.member("harbor", "mara@harbor.example", Role::Member).await;
        let any = owner.get("/o/harbor/people").await.expect(200).text();
        assert!(any.contains("href=\"/o/harbor/search\""), "a link without JavaScript");
        assert!(any.contains("hx-get=\"/o/harbor/search/hits\""), "and the palette's field");
        let page = owner.get("/o/harbor/search?q=mara").await.expect(200).text();
        assert!(page.contains("mara@harbor.example") && page.contains("name=\"q\""), "{page}");
        assert!(owner.get("/o/harbor/search").await.expect(200).text().contains("Type something"));
        let nothing = owner.get("/o/harbor/search?q=%3Cscript%3E").await.expect(200).text();
        assert!(nothing.contains("Nothing found") && !nothing.contains("<script>\""), "{nothing}");
        let list = owner.get("/o/harbor/search/hits?q=mara").await.expect(200).text();
        assert!(list.trim().starts_with("<li><a href=\"/o/harbor/people/"), "{list}");
        assert!(!list.contains("<html"), "a list alone: {list}");
    })
    .await;
}
