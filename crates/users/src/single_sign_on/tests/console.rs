use platform::access::Role;
use serde_json::json;

use super::{CLIENT, api, leads_to, new_connection, on_both, person};

#[tokio::test]
async fn the_pages_add_change_test_and_disable() {
    on_both(async |mut world| {
        let list = "/o/harbor/connections";
        world.owner.get(&format!("{list}/new")).await.expect(200);
        let issuer = world.upstream.issuer.clone();
        let fields = [
            ("name", "Second"),
            ("issuer", issuer.as_str()),
            ("client_id", CLIENT),
            ("client_secret", super::SECRET),
            ("client_proof", "secret_basic"),
            ("algorithm", "RS256"),
            ("scopes", "openid email"),
            ("email_claim", "email"),
            ("name_claim", "name"),
            ("groups_claim", "groups"),
            ("creates_accounts", "on"),
            ("roles", "root = admin"),
            ("groups", ""),
            ("domains", ""),
            ("proof", "told"),
        ];
        let mut wrong = fields;
        wrong[1].1 = "not an address";
        let page = world.owner.submit(&format!("{list}/new"), &wrong).await.expect(422).text();
        assert!(page.contains("write the issuer as the provider does"));
        wrong = fields;
        wrong[11].1 = "root = emperor";
        world.owner.submit(&format!("{list}/new"), &wrong).await.expect(422);
        let made = world.owner.submit(&format!("{list}/new"), &fields).await.expect(303);
        let one = made.location().to_owned();
        let page = world.owner.get(&one).await.expect(200).text();
        assert!(page.contains("/callback") && page.contains("Disabled") && page.contains("root = admin"));
        let tested = world.owner.submit(&format!("{one}/test"), &[]).await.expect(200).text();
        assert!(tested.contains("the provider answers"), "{tested}");
        world.owner.submit(&format!("{one}/enable"), &[]).await.expect(303);
        let mut changed = fields;
        changed[0].1 = "Renamed";
        changed[3].1 = "";
        world.owner.submit(&one, &changed).await.expect(303);
        let listed = world.owner.get(list).await.expect(200).text();
        assert!(listed.contains("Renamed") && listed.contains("Harbor ID"));
        world.owner.get(&format!("{one}/disable")).await.expect(200);
        world.owner.submit(&format!("{one}/disable"), &[("confirm", "Second")]).await.expect(422);
        world.owner.submit(&format!("{one}/disable"), &[("confirm", "Renamed")]).await.expect(303);
        // The secret was kept, since the field was left empty.
        let id = one.rsplit('/').next().unwrap();
        let shown = world.owner.get(&format!("{}/{id}", api("harbor"))).await.expect(200).json();
        assert_eq!((&shown["has_secret"], &shown["state"]), (&json!(true), &json!("disabled")));
    })
    .await;
}

#[tokio::test]
async fn a_test_with_a_sign_in_shows_the_claim_and_signs_nobody_in() {
    on_both(async |mut world| {
        let path = format!("/o/harbor/connections/{}/try", world.connection);
        let begun = world.owner.submit(&path, &[]).await.expect(200);
        let mut owner = world.owner.clone();
        let mut who = person("mara@harbor.example");
        who.as_object_mut().unwrap().remove("email_verified");
        let page = world.back(&mut owner, &leads_to(&begun), &who).await.expect(200).text();
        assert!(page.contains("email_verified") && page.contains("mara@harbor.example"), "{page}");
        assert_eq!(world.role_of("mara@harbor.example").await, None);
        let begun = owner.submit(&path, &[]).await.expect(200);
        let page = world.back(&mut owner, &leads_to(&begun), &person("mara@harbor.example")).await;
        assert!(page.expect(200).text().contains("an account would be made"));
        assert_eq!(world.role_of("mara@harbor.example").await, None);
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.remove("iat");
            });
        });
        let begun = owner.submit(&path, &[]).await.expect(200);
        let page = world.back(&mut owner, &leads_to(&begun), &person("mara@harbor.example")).await;
        assert!(page.expect(200).text().contains("the ID token, `iat`"));
    })
    .await;
}

#[tokio::test]
async fn a_connection_has_a_linked_directory_and_names_are_taken_once() {
    on_both(async |mut world| {
        let all = world.owner.get("/api/v1/organizations/harbor/directories").await.expect(200).json();
        let linked = &all["items"][0];
        assert_eq!((&linked["name"], &linked["kind"]), (&json!("Harbor ID"), &json!("linked")));
        let again = new_connection(&world.upstream, "Harbor ID");
        world.owner.post(&api("harbor"), again).await.expect(409);
        // One that a provider fills already becomes the connection's.
        let made = world
            .owner
            .post("/api/v1/organizations/harbor/directories", json!({ "name": "Filled" }))
            .await
            .expect(201)
            .json();
        let mut body = new_connection(&world.upstream, "Second");
        body["directory"] = made["id"].clone();
        let second = world.owner.post(&api("harbor"), body.clone()).await.expect(201).json();
        assert_eq!(second["directory"], made["id"]);
        body["name"] = json!("Third");
        world.owner.post(&api("harbor"), body).await.expect(409);
        let refused = json!({ "issuer": "x" });
        let path = format!("{}/{}", api("harbor"), world.connection);
        world.owner.patch(&path, refused).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn only_who_decides_policies_connects_providers() {
    on_both(async |world| {
        let path = format!("{}/{}", api("harbor"), world.connection);
        let mut auditor = world.kit.as_role("harbor", Role::Auditor).await;
        auditor.get(&path).await.expect(200);
        auditor.post(&format!("{path}/disable"), json!({})).await.expect(403);
        let mut member = world.kit.as_role("harbor", Role::Member).await;
        member.get(&path).await.expect(403);
        let mut stranger = world.kit.owner_of("quay").await;
        stranger.get(&path).await.expect(404);
        let elsewhere = format!("{}/{}", api("quay"), world.connection);
        stranger.get(&elsewhere).await.expect(404);
        stranger.patch(&elsewhere, json!({ "name": "Mine" })).await.expect(404);
        stranger.post(&format!("{elsewhere}/enable"), json!({})).await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_could_come_through_is_not_enabled_without_a_word() {
    on_both(async |mut world| {
        let mut second = super::Upstream::start().await;
        second.issuer.push('/');
        let made =
            world.owner.post(&api("harbor"), new_connection(&second, "Slash")).await.expect(201).json();
        let page = format!("/o/harbor/connections/{}", made["id"].as_str().unwrap());
        let told = world.owner.submit(&format!("{page}/enable"), &[]).await.expect(422).text();
        assert!(
            told.contains("It is not enabled") && told.contains("Its test found what is wrong"),
            "{told}"
        );
        assert!(told.contains("letter for letter") && !told.contains("no verified domain"), "{told}");
        world.owner.submit(&format!("{page}/enable"), &[("anyway", "on")]).await.expect(303);
        assert!(world.owner.get(&page).await.expect(200).text().contains("is enabled, although"));
        // It works, and the organization has no domain: nobody's address fits.
        let mut quay = world.kit.owner_of("quay").await;
        let made =
            quay.post(&api("quay"), new_connection(&world.upstream, "Quay ID")).await.expect(201).json();
        let page = format!("/o/quay/connections/{}", made["id"].as_str().unwrap());
        assert!(quay.get(&page).await.expect(200).text().contains("Verify one first"));
        let told = quay.submit(&format!("{page}/enable"), &[]).await.expect(422).text();
        assert!(told.contains("/o/quay/domains") && !told.contains("Its test found"), "{told}");
        crate::domains::tests::verified(world.kit, &mut quay, "quay", "quay.example").await;
        quay.submit(&format!("{page}/enable"), &[]).await.expect(303);
        let told = quay.get(&page).await.expect(200).text();
        assert!(told.contains("Nobody has come through it yet"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn an_issuer_inside_of_the_providers_network_is_refused_in_the_form() {
    on_both(async |mut world| {
        for issuer in ["https://10.1.2.3/realm", "http://login.example.com/realm", "https://intranet/realm"] {
            let mut body = new_connection(&world.upstream, "Inside");
            body["issuer"] = json!(issuer);
            let refused = world.owner.post(&api("harbor"), body).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "issuer", "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_empty_form_is_told_of_all_that_it_lacks() {
    on_both(async |mut world| {
        let body = json!({ "name": "", "issuer": "", "client_id": "" });
        let refused = world.owner.post(&api("harbor"), body).await.expect(422).json();
        let fields: Vec<_> =
            refused["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
        assert_eq!(fields, ["name", "issuer", "client_id", "client_secret"], "{refused}");
    })
    .await;
}
