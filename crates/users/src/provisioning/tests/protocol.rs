//! What clients rely on: filters, pages, versions, bulk, errors; conflicts and the log beside them.

use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::Kit;

use super::super::drill;
use super::{CORE, GROUP, Idp, group_members, on_both, verify};

fn names(found: &[Value], name: &str) -> Vec<String> {
    found.iter().map(|one| one[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn records_are_found_by_every_index_and_by_any_filter() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("Ann@x.example", json!({ "externalId": "A-1", "title": "Mate" })).await;
        let bob = idp.user("bob@x.example", json!({ "externalId": "B-1", "active": false })).await;
        let crew = idp.group("Crew", &[&ann, &bob]).await;
        idp.group("Shore", &[&bob]).await;
        let (a, c) = (ann["id"].as_str().unwrap(), crew["id"].as_str().unwrap());
        for (filter, wanted) in [
            ("userName eq \"ANN@X.example\"".to_owned(), vec!["Ann@x.example"]),
            (format!("id eq \"{a}\""), vec!["Ann@x.example"]),
            ("externalId eq \"A-1\"".to_owned(), vec!["Ann@x.example"]),
            ("externalId eq \"a-1\"".to_owned(), vec![]),
            ("userName eq \"ann@x.example\" and title eq \"cook\"".to_owned(), vec![]),
            ("title pr".to_owned(), vec!["Ann@x.example"]),
            ("active eq false".to_owned(), vec!["bob@x.example"]),
            (format!("groups.value eq \"{c}\" and active eq true"), vec!["Ann@x.example"]),
            ("groups.display eq \"Shore\"".to_owned(), vec!["bob@x.example"]),
            ("meta.created gt \"2020-01-01T00:00:00Z\" and not (title pr)".to_owned(), vec!["bob@x.example"]),
            ("userName eq \"nobody\"".to_owned(), vec![]),
        ] {
            assert_eq!(names(&idp.find("Users", &filter).await, "userName"), wanted, "{filter}");
        }
        for (filter, wanted) in [
            ("displayName eq \"crew\"".to_owned(), vec!["Crew"]),
            (format!("members eq \"{a}\""), vec!["Crew"]),
            (format!("id eq \"{c}\" and members eq \"{a}\""), vec!["Crew"]),
            (format!("id eq \"{c}\" and members[value eq \"x\"]"), vec![]),
            ("displayName sw \"S\"".to_owned(), vec!["Shore"]),
        ] {
            assert_eq!(names(&idp.find("Groups", &filter).await, "displayName"), wanted, "{filter}");
        }
        let refused = idp.at("/Users?filter=userName%20xx%20%22a%22");
        let refused = idp.client.get(&refused).await.expect(400);
        assert_eq!(refused.header("content-type"), Some("application/scim+json"));
        assert_eq!(refused.json()["scimType"], "invalidFilter");
        assert!(refused.json()["detail"].as_str().unwrap().contains("position 10"), "{}", refused.text());
        let sorted = idp.get("/Users?sortBy=userName&sortOrder=descending").await;
        let listed = sorted["Resources"].as_array().unwrap();
        assert_eq!(names(listed, "userName"), ["bob@x.example", "Ann@x.example"]);
        let sorted = idp.get("/Users?sortBy=title&count=1").await;
        assert_eq!(names(sorted["Resources"].as_array().unwrap(), "userName"), ["Ann@x.example"]);
        let few = idp.get(&format!("/Groups/{c}?excludedAttributes=members")).await;
        assert_eq!((&few["members"], &few["displayName"]), (&Value::Null, &json!("Crew")));
        let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": ["userName", "displayName"], "startIndex": 2, "count": 2 });
        let path = idp.at("/.search");
        let all = idp.client.post(&path, search).await.expect(200).json();
        assert_eq!((&all["totalResults"], &all["itemsPerPage"]), (&json!(4), &json!(2)));
        // Records of one instant have no order among their kind.
        let person = all["Resources"][0]["userName"].as_str().unwrap();
        assert!(["Ann@x.example", "bob@x.example"].contains(&person), "{person}");
        let group = all["Resources"][1]["displayName"].as_str().unwrap();
        assert!(["Crew", "Shore"].contains(&group), "{group}");
    })
    .await;
}

#[tokio::test]
async fn versions_guard_changes_and_spare_reads() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann", json!({})).await;
        let path = idp.at(&format!("/Users/{}", ann["id"].as_str().unwrap()));
        let first = idp.client.get(&path).await.expect(200);
        assert_eq!(first.header("etag"), Some("W/\"1\""));
        assert_eq!(first.json()["meta"]["version"], "W/\"1\"");
        let mut known = idp.client.clone().with_header("if-none-match", "W/\"1\"");
        assert!(known.get(&path).await.expect(304).body.is_empty());
        let body = |title: &str| json!({ "schemas": [CORE], "userName": "ann", "title": title });
        let mut stale = idp.client.clone().with_header("if-match", "W/\"7\"");
        stale.put(&path, body("x")).await.expect(412);
        stale.delete(&path).await.expect(412);
        let mut right = idp.client.clone().with_header("if-match", "W/\"1\"");
        let changed = right.put(&path, body("Mate")).await.expect(200);
        assert_eq!(changed.header("etag"), Some("W/\"2\""));
        // The same again changes nothing, and is no new version.
        let same = idp.client.put(&path, body("Mate")).await.expect(200);
        assert_eq!(same.header("etag"), Some("W/\"2\""));
        right.put(&path, body("Cook")).await.expect(412);
    })
    .await;
}

#[tokio::test]
async fn a_bulk_request_refers_to_what_it_made_and_stops_when_told() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let bulk = |fail: Value, operations: Value| {
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "failOnErrors": fail, "Operations": operations })
        };
        let path = idp.at("/Bulk");
        let user = |name: &str| json!({ "schemas": [CORE], "userName": name });
        let done = idp
            .client
            .post(&path, bulk(Value::Null, json!([
                { "method": "POST", "path": "/Users", "bulkId": "u", "data": user("ann") },
                { "method": "POST", "path": "/Groups", "bulkId": "g",
                  "data": { "schemas": [GROUP], "displayName": "Crew", "members": [{ "value": "bulkId:u" }] } },
                { "method": "PATCH", "path": "/Users/bulkId:u", "data": {
                  "schemas": [super::PATCH], "Operations": [{ "op": "add", "path": "title", "value": "Mate" }] } },
                { "method": "POST", "path": "/Users", "bulkId": "again", "data": user("ANN") },
                { "method": "DELETE", "path": "/Users/bulkId:nobody" },
            ])))
            .await
            .expect(200)
            .json();
        let statuses: Vec<&str> =
            done["Operations"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["201", "201", "200", "409", "409"]);
        let found = idp.find("Groups", "displayName eq \"Crew\"").await;
        assert_eq!(found[0]["members"].as_array().unwrap().len(), 1);
        assert_eq!(idp.find("Users", "userName eq \"ann\"").await[0]["title"], "Mate");
        let done = idp
            .client
            .post(&path, bulk(json!(1), json!([
                { "method": "POST", "path": "/Users", "bulkId": "a", "data": user("ann") },
                { "method": "POST", "path": "/Users", "bulkId": "b", "data": user("bob") },
            ])))
            .await
            .expect(200)
            .json();
        assert_eq!(done["Operations"].as_array().unwrap().len(), 1, "stopped after the first failure");
        assert!(idp.find("Users", "userName eq \"bob\"").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn errors_and_discovery_speak_scim() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        for (path, status) in [
            ("/Nothing", 404),
            ("/Users/nonexistent-id", 404),
            ("/Me", 501),
            ("/Schemas/x", 404),
            ("/a/b/c", 404),
        ] {
            let path = idp.at(path);
            let error = idp.client.get(&path).await.expect(status);
            assert_eq!(error.header("content-type"), Some("application/scim+json"), "{path}");
            assert_eq!(error.json()["status"], status.to_string());
        }
        let path = idp.at("/Users");
        idp.client
            .send(axum::http::Method::POST, &path, Some("text/plain"), b"{}".to_vec())
            .await
            .expect(415);
        let broken =
            idp.client.send(axum::http::Method::POST, &path, Some("application/scim+json"), b"{".to_vec());
        assert_eq!(broken.await.expect(400).json()["scimType"], "invalidSyntax");
        let large = vec![b' '; super::super::api::BODY_BYTES_MAX + 1];
        idp.client
            .send(axum::http::Method::POST, &path, Some("application/scim+json"), large)
            .await
            .expect(413);
        let path = idp.at("/ServiceProviderConfig");
        let refused = idp.client.post(&path, json!({})).await.expect(405);
        assert_eq!(refused.header("content-type"), Some("application/scim+json"));
        assert_eq!(idp.get("/ServiceProviderConfig").await["patch"]["supported"], true);
        assert_eq!(idp.get("/Schemas").await["totalResults"], 3);
        assert_eq!(idp.get(&format!("/Schemas/{CORE}")).await["id"], CORE);
        assert_eq!(idp.get("/ResourceTypes/Group").await["endpoint"], "/Groups");
    })
    .await;
}

async fn ann_of(kit: &Kit) -> platform::ids::AccountId {
    super::account(kit, "ann@harbor.example").await.expect("an account").id
}

#[tokio::test]
async fn a_name_conflict_is_kept_shown_and_settled() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let harbor = kit.organization("harbor").await;
        let mut owner = kit.owner_of("harbor").await;
        let api = "/api/v1/organizations/harbor/groups";
        let local = owner.post(api, json!({ "name": "Crew" })).await.expect(201).json();
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann@harbor.example", json!({})).await;
        let crew = idp.group("crew", &[&ann]).await;
        assert_eq!(crew["members"][0]["value"], ann["id"], "kept as sent");
        assert_eq!(group_members(kit, harbor, "Crew").await, Some(Vec::new()), "and fills nothing yet");
        let path = idp.at("/Groups");
        let twice = json!({ "schemas": [GROUP], "displayName": "CREW" });
        assert_eq!(idp.client.post(&path, twice).await.expect(409).json()["scimType"], "uniqueness");
        let listed = owner.get(&idp.api("harbor", "/conflicts")).await.expect(200).json();
        assert_eq!(listed["items"][0]["conflict"], "name_taken");
        let directory = idp.path.rsplit('/').next().unwrap().to_owned();
        let page = format!("/o/harbor/directories/{directory}/conflicts");
        let shown = owner.get(&page).await.expect(200).text();
        assert!(shown.contains("Take over") && shown.contains("crew"), "{shown}");
        let settle = format!("/conflicts/{}/settle", crew["id"].as_str().unwrap());
        let settle = idp.api("harbor", &settle);
        owner.post(&settle, json!({ "how": "retry" })).await.expect(409);
        owner.post(&settle, json!({ "how": "take_over" })).await.expect(204);
        owner.post(&settle, json!({ "how": "retry" })).await.expect(404);
        assert_eq!(group_members(kit, harbor, "Crew").await, Some(vec!["ann@harbor.example".to_owned()]));
        // What a directory fills is not changed by hand.
        let group = format!("{api}/{}", local["id"].as_str().unwrap());
        owner.patch(&group, json!({ "name": "Deck" })).await.expect(409);
        owner.delete(&group).await.expect(409);
        // Its page says so, offers nothing that cannot work, and tells whoever tries all the same.
        let shown = format!("/o/harbor/groups/{}", local["id"].as_str().unwrap());
        let page_of_group = owner.get(&shown).await.expect(200).text();
        assert!(
            page_of_group.contains("keeps this group") && page_of_group.contains(&directory),
            "{page_of_group}"
        );
        assert!(!page_of_group.contains("Take out") && !page_of_group.contains("Delete…"), "{page_of_group}");
        assert!(owner.get("/o/harbor/groups").await.expect(200).text().contains("Kept by"));
        let member = ann_of(kit).await;
        for (way, fields) in [
            ("members".to_owned(), [("email", "ann@harbor.example")]),
            (format!("members/{member}/remove"), [("none", "")]),
            ("delete".to_owned(), [("confirm", "Crew")]),
        ] {
            let told = owner.submit(&format!("{shown}/{way}"), &fields).await.expect(303);
            assert_eq!(told.location(), shown, "{way}");
            let told = owner.get(&shown).await.expect(200).text();
            assert!(told.contains("A directory keeps this group"), "{way}: {told}");
        }
        owner.get(&format!("{shown}/edit")).await.expect(303);
        owner.get(&format!("{shown}/delete")).await.expect(303);
        assert_eq!(group_members(kit, harbor, "Crew").await.map(|all| all.len()), Some(1));
        // The other way: the hand-made group gives its name up.
        let local = owner.post(api, json!({ "name": "Shore" })).await.expect(201).json();
        let shore = idp.group("Shore", &[&ann]).await;
        let group = format!("{api}/{}", local["id"].as_str().unwrap());
        owner.patch(&group, json!({ "name": "Old shore" })).await.expect(200);
        let settle = format!("{page}/{}/settle", shore["id"].as_str().unwrap());
        owner.get(&page).await.expect(200);
        owner.submit(&settle, &[("how", "retry")]).await.expect(303);
        assert_eq!(group_members(kit, harbor, "Shore").await, Some(vec!["ann@harbor.example".to_owned()]));
        // A rename follows, and a delete takes the group away.
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "Land" }]);
        idp.patch("Groups", &shore, rename).await.expect(200);
        assert!(group_members(kit, harbor, "Shore").await.is_none());
        assert_eq!(group_members(kit, harbor, "Land").await.unwrap().len(), 1);
        idp.delete("Groups", &shore).await.expect(204);
        assert!(group_members(kit, harbor, "Land").await.is_none());
    })
    .await;
}

/// RFC 7643 §8.7.1 does not require a name, and conformance testers make groups without one.
#[tokio::test]
async fn a_group_without_a_name_is_shown_under_its_id() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let harbor = kit.organization("harbor").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann@harbor.example", json!({})).await;
        let path = idp.at("/Groups");
        let body = json!({ "schemas": [GROUP], "members": [{ "value": ann["id"] }] });
        let made = idp.client.post(&path, body.clone()).await.expect(201).json();
        assert_eq!(made["displayName"], Value::Null);
        let title = format!("Group {}", made["id"].as_str().unwrap().rsplit('-').next().unwrap());
        assert_eq!(group_members(kit, harbor, &title).await.unwrap().len(), 1);
        idp.client.post(&path, body).await.expect(201);
        let named = json!([{ "op": "add", "path": "displayName", "value": "Crew" }]);
        assert_eq!(idp.patch("Groups", &made, named).await.expect(200).json()["displayName"], "Crew");
        assert!(group_members(kit, harbor, &title).await.is_none());
        let unnamed = json!([{ "op": "remove", "path": "displayName" }]);
        assert_eq!(idp.patch("Groups", &made, unnamed).await.expect(200).json()["displayName"], Value::Null);
        assert_eq!(group_members(kit, harbor, "Crew").await.unwrap().len(), 1, "people know it as Crew");
        let blank = json!({ "schemas": [GROUP], "displayName": " " });
        idp.client.post(&path, blank).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn the_request_log_says_what_was_asked_without_names_and_values() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann.secret@x.example", json!({ "title": "Hidden title" })).await;
        idp.find("Users", "userName eq \"ann.secret@x.example\"").await;
        let operations = json!([{ "op": "add", "path": "emails[value eq \"ann.secret@y.example\"].type", "value": "Hidden" }]);
        idp.patch("Users", &ann, operations).await.expect(200);
        let missing = idp.at("/ann.secret@x.example/x");
        idp.client.get(&missing).await.expect(404);
        let path = idp.at("/Users?filter=userName%20eq%20%22ann.secret%22%20nor");
        idp.client.get(&path).await.expect(400);
        let mut owner = kit.owner_of("harbor").await;
        let log = owner.get(&idp.api("harbor", "/requests")).await.expect(200);
        assert!(!log.text().contains("secret") && !log.text().to_lowercase().contains("hidden"), "{}", log.text());
        let log = log.json();
        let lines: Vec<String> = log["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| {
                format!("{} {} {}", line["method"].as_str().unwrap(), line["status"], line["shape"].as_str().unwrap())
            })
            .collect();
        assert!(lines.contains(&"POST 201 active title userName".to_owned()), "{lines:?}");
        assert!(lines.contains(&"GET 200 userName eq …".to_owned()), "{lines:?}");
        assert!(lines.contains(&"PATCH 200 add emails.type".to_owned()), "{lines:?}");
        assert_eq!(lines.len(), 5);
        let directory = idp.path.rsplit('/').next().unwrap();
        let page = owner.get(&format!("/o/harbor/directories/{directory}/requests")).await.expect(200).text();
        assert!(page.contains("userName eq …") && !page.contains("secret"), "{page}");
        // Kept for 30 days.
        kit.advance(DAY * 30 + HOUR);
        kit.settle().await;
        let log = owner.get(&idp.api("harbor", "/requests")).await.expect(200).json();
        assert_eq!(log["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn the_drill_makes_the_round_trip_and_leaves_nothing() {
    on_both(async |kit| {
        let northwind = kit.organization("northwind").await;
        let ctx = kit.app.ctx(platform::ctx::Actor::System("drill"));
        let report = drill::run(&kit.app, &ctx).await.unwrap();
        assert!(report.passed, "{}", report.detail);
        let left = kit.app.db().read(move |tx| crate::directories::list(tx, northwind)).await.unwrap();
        assert!(left.is_empty());
    })
    .await;
}
