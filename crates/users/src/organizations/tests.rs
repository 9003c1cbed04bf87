use platform::access::Role;
use platform::ctx::Actor;
use platform::ids::Slug;
use serde_json::json;
use testkit::Kit;

use super::Founding;
use crate::names::Name;

const AREAS: &[&platform::Area] = &[&crate::AREA];

#[test]
fn reserved_slugs_are_slugs_in_order() {
    assert!(super::RESERVED.iter().all(|text| Slug::parse(text).is_ok()));
    assert!(super::RESERVED.is_sorted());
}

#[tokio::test]
async fn a_founder_becomes_owner() {
    testkit::both(
        async |kit| {
            let ann = kit.account("ann@harbor.example").await;
            let mut browser = kit.browser_of(ann).await;
            let made = browser
                .post("/api/v1/organizations", json!({"name": "Harbor Logistics"}))
                .await
                .expect(201)
                .json();
            assert_eq!(made["slug"], "harbor-logistics");
            assert_eq!(made["kind"], "customer");
            let mine = browser.get("/api/v1/organizations").await.expect(200).json();
            assert_eq!(mine["items"][0]["role"], "owner");
            assert_eq!(mine["items"][0]["slug"], "harbor-logistics");
            let id = made["id"].as_str().unwrap().parse().unwrap();
            assert_eq!(kit.actions(id).await, ["organization.created", "member.added"]);
            // The same name once more gets another slug.
            let second =
                browser.post("/api/v1/organizations", json!({"name": "Harbor Logistics"})).await.expect(201);
            assert_eq!(second.json()["slug"], "harbor-logistics-2");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn slugs_are_unique_and_some_are_reserved() {
    testkit::both(
        async |kit| {
            kit.organization("harbor").await;
            let mut ann = kit.browser_of(kit.account("ann@harbor.example").await).await;
            let path = "/api/v1/organizations";
            ann.post(path, json!({"name": "X", "slug": "harbor"})).await.expect(409);
            ann.post(path, json!({"name": "X", "slug": "provider"})).await.expect(409);
            ann.post(path, json!({"name": "X", "slug": "No Slug"})).await.expect(422);
            ann.post(path, json!({"name": "", "slug": "fine"})).await.expect(422);
            ann.post(path, json!({"name": "\u{202e}evil", "slug": "fine"})).await.expect(422);
            ann.post(path, json!({"name": "企業"})).await.expect(422);
            ann.post(path, json!({"name": "X", "slug": "fine", "kind": "provider"})).await.expect(422);
            kit.nobody().post(path, json!({"name": "X"})).await.expect(401);
            let page =
                ann.submit("/organizations/new", &[("name", "X"), ("slug", "harbor")]).await.expect(422);
            assert!(page.text().contains("this short name is taken"));
            let done = ann.submit("/organizations/new", &[("name", "X"), ("slug", "xx")]).await.expect(303);
            assert_eq!(done.location(), "/o/xx");
        },
        AREAS,
    )
    .await;
}

async fn found(kit: &Kit, account: platform::ids::AccountId, slug: &str) -> Founding {
    let ctx = kit.app.ctx(Actor::Account(account));
    let (name, slug, inside) = (Name::parse("X").unwrap(), Slug::parse(slug).unwrap(), ctx.clone());
    kit.app
        .db()
        .write(&ctx, move |tx| super::create(&inside, tx, Some(account), &name, &slug))
        .await
        .unwrap()
        .value
}

#[tokio::test]
async fn founding_is_capped_per_day() {
    testkit::both(
        async |kit| {
            let ann = kit.account("ann@harbor.example").await;
            for n in 0..super::FOUNDED_PER_DAY_MAX {
                assert!(matches!(found(kit, ann, &format!("org-{n}")).await, Founding::Done(_)), "{n}");
            }
            assert_eq!(found(kit, ann, "one-more").await, Founding::TooMany);
            kit.advance(platform::time::DAY + platform::time::MINUTE);
            assert!(matches!(found(kit, ann, "one-more").await, Founding::Done(_)));
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn owners_rename_and_nobody_else() {
    testkit::both(
        async |kit| {
            let path = "/api/v1/organizations/harbor";
            let mut owner = kit.owner_of("harbor").await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut stranger = kit.owner_of("quay").await;
            stranger.get(path).await.expect(404);
            stranger.patch(path, json!({"name": "Mine"})).await.expect(404);
            member.get(path).await.expect(403);
            admin.patch(path, json!({"name": "Mine"})).await.expect(403);
            let before = owner.get(path).await.expect(200);
            let tag = before.header("etag").unwrap().to_owned();
            let stale = owner.clone().with_header("if-match", "\"stale\"");
            stale.clone().patch(path, json!({"name": "Harbor & Co"})).await.expect(412);
            let mut fresh = owner.clone().with_header("if-match", &tag);
            let after = fresh.patch(path, json!({"name": "Harbor & Co"})).await.expect(200).json();
            assert_eq!(after["name"], "Harbor & Co");
            // The version read before is old now.
            fresh.patch(path, json!({"name": "Again"})).await.expect(412);
            let page = owner.get("/o/harbor/settings").await.expect(200).text();
            assert!(page.contains("value=\"Harbor &#38; Co\""), "{page}");
            assert!(admin.get("/o/harbor/settings").await.expect(200).text().contains("Only owners"));
            let answer = owner.submit("/o/harbor/settings", &[("name", "")]).await.expect(422);
            assert!(answer.text().contains("a name is needed"));
        },
        AREAS,
    )
    .await;
}
