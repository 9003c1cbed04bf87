use platform::access::Role;
use serde_json::json;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const GROUPS: &str = "/api/v1/organizations/harbor/groups";

#[tokio::test]
async fn a_group_lives_from_creation_to_deletion() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let harbor = kit.organization("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let made = admin.post(GROUPS, json!({"name": "Crew"})).await.expect(201).json();
            let one = format!("{GROUPS}/{}", made["id"].as_str().unwrap());
            admin.post(GROUPS, json!({"name": " CREW "})).await.expect(409);
            admin.put(&format!("{one}/members/{ann}"), json!({})).await.expect(204);
            admin.put(&format!("{one}/members/{ann}"), json!({})).await.expect(204);
            let read = admin.get(&one).await.expect(200);
            assert_eq!(read.json()["members"], 1);
            let tag = read.header("etag").unwrap().to_owned();
            let mut fresh = admin.clone().with_header("if-match", &tag);
            let saved = fresh.patch(&one, json!({"description": "On board"})).await.expect(200).json();
            assert_eq!((&saved["name"], &saved["description"]), (&json!("Crew"), &json!("On board")));
            fresh.patch(&one, json!({"name": "Else"})).await.expect(412);
            admin.delete(&format!("{one}/members/{ann}")).await.expect(204);
            admin.delete(&one).await.expect(204);
            admin.delete(&one).await.expect(404);
            let actions = kit.actions(harbor).await;
            let groups: Vec<_> = actions.iter().filter(|action| action.starts_with("group.")).collect();
            assert_eq!(
                groups,
                [
                    "group.created",
                    "group.member_added",
                    "group.updated",
                    "group.member_removed",
                    "group.deleted"
                ]
            );
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_name_that_another_group_has_is_refused() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            admin.post(GROUPS, json!({"name": "Crew"})).await.expect(201);
            let other = admin.post(GROUPS, json!({"name": "Deck"})).await.expect(201).json();
            let one = format!("{GROUPS}/{}", other["id"].as_str().unwrap());
            admin.patch(&one, json!({"name": "crew"})).await.expect(409);
            admin.patch(&one, json!({"name": "DECK"})).await.expect(200);
            // Another organization has names of its own.
            let mut quay = kit.owner_of("quay").await;
            quay.post("/api/v1/organizations/quay/groups", json!({"name": "Crew"})).await.expect(201);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn only_members_of_the_organization_get_in() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let stranger = kit.member("quay", "sue@quay.example", Role::Owner).await;
            let made = admin.post(GROUPS, json!({"name": "Crew"})).await.expect(201).json();
            let id = made["id"].as_str().unwrap();
            admin.put(&format!("{GROUPS}/{id}/members/{stranger}"), json!({})).await.expect(404);
            let page = format!("/o/harbor/groups/{id}");
            let refused = admin.submit(&format!("{page}/members"), &[("email", "sue@quay.example")]).await;
            refused.expect(303);
            let text = admin.get(&page).await.expect(200).text();
            assert!(text.contains("is not a member of this organization"), "{text}");
            let mut other = kit.browser_of(stranger).await;
            other.get(&format!("{GROUPS}/{id}")).await.expect(404);
            other.get(&format!("/api/v1/organizations/quay/groups/{id}")).await.expect(404);
            other.delete(&format!("/api/v1/organizations/quay/groups/{id}")).await.expect(404);
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            auditor.get(&page).await.expect(200);
            auditor.post(GROUPS, json!({"name": "X"})).await.expect(403);
            let mut member = kit.as_role("harbor", Role::Member).await;
            member.get(GROUPS).await.expect(403);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_pages_make_change_and_delete() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            kit.member("harbor", "ann@harbor.example", Role::Member).await;
            assert!(admin.get("/o/harbor/groups").await.expect(200).text().contains("No groups yet"));
            admin.submit("/o/harbor/groups/new", &[("name", "")]).await.expect(422);
            let made = admin.submit("/o/harbor/groups/new", &[("name", "Crew")]).await.expect(303);
            let page = made.location().to_owned();
            admin.submit(&format!("{page}/members"), &[("email", "Ann@harbor.example")]).await.expect(303);
            assert!(admin.get(&page).await.expect(200).text().contains("ann@harbor.example"));
            admin.submit(&format!("{page}/edit"), &[("name", "Deck"), ("description", "")]).await.expect(303);
            let dry = admin.get(&format!("{page}/delete")).await.expect(200).text();
            assert!(dry.contains("1 member loses"), "{dry}");
            admin.submit(&format!("{page}/delete"), &[("confirm", "Crew")]).await.expect(422);
            admin.submit(&format!("{page}/delete"), &[("confirm", "Deck")]).await.expect(303);
            admin.get(&page).await.expect(404);
        },
        AREAS,
    )
    .await;
}
