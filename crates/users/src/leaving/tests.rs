use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::AccountId;
use platform::principals;
use serde_json::json;
use testkit::Kit;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const LEAVE: &str = "/api/v1/organizations/harbor/leave";
const PAGE: &str = "/account/organizations/harbor/leave";

async fn is_member(kit: &Kit, slug: &str, account: AccountId) -> bool {
    let organization = kit.organization(slug).await;
    let found = kit.app.db().read(move |tx| principals::membership(tx, organization, account)).await;
    found.unwrap().is_some()
}

#[tokio::test]
async fn a_member_leaves_and_the_admins_are_told() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@outside.example", Role::Member).await;
            let groups = "/api/v1/organizations/harbor/groups";
            let crew = owner.post(groups, json!({ "name": "Crew" })).await.expect(201).json();
            let seat = format!("{groups}/{}/members/{ann}", crew["id"].as_str().unwrap());
            owner.put(&seat, json!({})).await;
            let mut browser = kit.browser_of(ann).await;
            let asked = browser.post(LEAVE, json!({ "dry_run": true })).await.expect(200).json();
            assert_eq!(asked, json!({ "dry_run": true, "role": "member", "groups": ["Crew"] }));
            assert!(is_member(kit, "harbor", ann).await, "a dry run ends nothing");
            browser.post(LEAVE, json!({})).await.expect(200);
            assert!(!is_member(kit, "harbor", ann).await);
            // Gone like a stranger, from the next request on.
            browser.post(LEAVE, json!({})).await.expect(404);
            browser.get(PAGE).await.expect(404);
            let crew = owner.get(&format!("{groups}/{}", crew["id"].as_str().unwrap())).await.expect(200);
            assert_eq!(crew.json()["members"], 0, "{}", crew.text());
            let organization = kit.organization("harbor").await;
            assert!(kit.actions(organization).await.contains(&"member.left".to_owned()));
            let mail = kit.mail_to("owner@harbor.example").await.expect("a notice");
            assert!(mail.contains("ann@outside.example") && mail.contains("by themselves"), "{mail}");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_last_owner_stays() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            kit.member("harbor", "admin@harbor.example", Role::Admin).await;
            let refused = owner.post(LEAVE, json!({})).await.expect(409).json();
            assert_eq!(refused["cure"], "make somebody else an owner first");
            let page = owner.get(PAGE).await.expect(200).text();
            assert!(page.contains("You cannot leave"), "{page}");
            assert!(
                page.contains("</strong> T") || page.contains("</strong> Y"),
                "a sentence begins large: {page}"
            );
            owner.submit(PAGE, &[("confirm", "harbor")]).await.expect(422);
            let second = kit.member("harbor", "second@harbor.example", Role::Owner).await;
            owner.post(LEAVE, json!({})).await.expect(200);
            let mut second = kit.browser_of(second).await;
            second.post(LEAVE, json!({})).await.expect(409);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_managed_account_leaves_others_but_not_its_manager() {
    testkit::both(
        async |kit| {
            kit.owner_of("harbor").await;
            kit.owner_of("quay").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            kit.member("quay", "ann@harbor.example", Role::Member).await;
            let harbor = kit.organization("harbor").await;
            let ctx = kit.ctx();
            let at = ctx.now;
            let managed = kit.app.db().write(&ctx, move |tx| {
                assert!(principals::manage_account(tx, ann, harbor, at)?);
                let recorded = tx.record(Event::new(harbor, "account.claimed").target("account", ann));
                Ok::<_, DbError>(Commit::changed((), recorded))
            });
            managed.await.unwrap();
            let mut browser = kit.browser_of(ann).await;
            let refused = browser.post(LEAVE, json!({})).await.expect(409).json();
            assert!(refused["detail"].as_str().unwrap().contains("manages"), "{refused}");
            assert!(browser.get(PAGE).await.expect(200).text().contains("You cannot leave"));
            browser.submit(PAGE, &[("confirm", "harbor")]).await.expect(422);
            assert!(is_member(kit, "harbor", ann).await);
            browser.post("/api/v1/organizations/quay/leave", json!({})).await.expect(200);
            assert!(!is_member(kit, "quay", ann).await);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_page_asks_for_the_name_and_leads_back() {
    testkit::both(
        async |kit| {
            kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Auditor).await;
            let mut browser = kit.browser_of(ann).await;
            assert!(browser.get("/account").await.expect(200).text().contains(PAGE));
            browser.get(PAGE).await.expect(200);
            let wrong = browser.submit(PAGE, &[("confirm", "quay")]).await.expect(422).text();
            assert!(wrong.contains("short name"), "{wrong}");
            assert!(is_member(kit, "harbor", ann).await);
            let done = browser.submit(PAGE, &[("confirm", "harbor")]).await.expect(303);
            assert_eq!(done.location(), "/account");
            assert!(!is_member(kit, "harbor", ann).await);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_token_leaves_nothing_and_nobody_sends_others_away() {
    testkit::both(
        async |kit| {
            kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.token_of(harbor, "people.manage").post(LEAVE, json!({})).await.expect(403);
            kit.member("harbor", "bob@harbor.example", Role::Member).await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut browser = kit.browser_of(ann).await;
            browser.post(LEAVE, json!({ "email": "bob@harbor.example" })).await.expect(422);
            browser.post(LEAVE, json!([])).await.expect(422);
            assert!(is_member(kit, "harbor", ann).await);
        },
        AREAS,
    )
    .await;
}
