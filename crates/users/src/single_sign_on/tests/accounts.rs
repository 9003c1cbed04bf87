use platform::access::Role;
use platform::principals::AccountState;
use serde_json::{Value, json};

use super::upstream::Upstream;
use super::{api, connected, new_connection, on_both, person};
use crate::domains::tests::{Scene, script, verified};
use crate::kit::was_told;

const MARA: &str = "mara@harbor.example";

async fn state_of(world: &super::World<'_>, email: &str) -> Option<AccountState> {
    let email = email.to_owned();
    let read = world.kit.app.db().read(move |tx| platform::principals::account_by_email(tx, &email));
    read.await.expect("a read").map(|account| account.state)
}

#[tokio::test]
async fn an_account_is_made_at_the_first_sign_in_and_known_by_its_subject_from_then_on() {
    on_both(async |world| {
        let mut browser = world.signed_in(&person(MARA)).await;
        assert!(browser.get("/account").await.expect(200).text().contains("Mara Lind"));
        let sessions = browser.get("/api/v1/account/sessions").await.expect(200).json();
        assert_eq!(sessions[0]["method"], "single_sign_on");
        let actions = world.actions().await;
        for action in ["account.created", "single_sign_on.linked", "member.added", "single_sign_on.succeeded"]
        {
            assert!(actions.iter().any(|one| one == action), "{action}: {actions:?}");
        }
        // The same subject with another address is the same person: an address is only data by now.
        let mut moved = person(MARA);
        moved["email"] = json!("somebody.else@harbor.example");
        let mut browser = world.signed_in(&moved).await;
        assert!(browser.get("/account").await.expect(200).text().contains(MARA));
        assert_eq!(state_of(&world, "somebody.else@harbor.example").await, None);
        // Another subject with the same address is somebody else, who gets nothing of it.
        let mut other = person(MARA);
        other["sub"] = json!("another-subject");
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &other).await.expect(403);
        assert_eq!(world.last_failure().await, ("other_person".to_owned(), "sub".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn an_address_counts_only_at_a_domain_that_the_organization_has_verified() {
    on_both(async |world| {
        world.kit.account("eve@elsewhere.example").await;
        for email in ["eve@elsewhere.example", "new@elsewhere.example", "x@harbor.example.evil.example"] {
            let mut browser = world.kit.nobody();
            world.sign_in(&mut browser, &person(email)).await.expect(403);
            assert_eq!(world.last_failure().await, ("foreign_domain".to_owned(), "email".to_owned()));
        }
        assert_eq!(state_of(&world, "new@elsewhere.example").await, None);
    })
    .await;
}

#[tokio::test]
async fn an_address_must_be_verified_unless_the_provider_vouches_for_all() {
    on_both(async |mut world| {
        let refused = async |world: &super::World<'_>, verified: Option<Value>| {
            let mut who = person(MARA);
            who.as_object_mut().unwrap().remove("email_verified");
            if let Some(verified) = verified {
                who["email_verified"] = verified;
            }
            let mut browser = world.kit.nobody();
            let answer = world.sign_in(&mut browser, &who).await;
            if answer.status == 303 {
                return String::new();
            }
            world.last_failure().await.1
        };
        assert_eq!(refused(&world, None).await, "email_verified");
        // What is said of one claim is not said of another.
        let mut elsewhere = person("other@elsewhere.example");
        elsewhere["upn"] = json!(MARA);
        world.change(json!({ "mapping": { "email_claim": "upn" } })).await;
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &elsewhere).await.expect(403);
        assert_eq!(world.last_failure().await.1, "email_verified");
        world.change(json!({ "mapping": {} })).await;
        assert_eq!(refused(&world, Some(json!(false))).await, "email_verified");
        assert_eq!(refused(&world, Some(json!("false"))).await, "email_verified");
        assert_eq!(refused(&world, Some(json!(1))).await, "email_verified");
        world.change(json!({ "mapping": { "vouches_for_addresses": true } })).await;
        assert_eq!(refused(&world, Some(json!(false))).await, "email_verified", "what it says counts");
        assert_eq!(refused(&world, None).await, "");
    })
    .await;
}

#[tokio::test]
async fn the_provider_of_one_organization_never_speaks_for_another() {
    on_both(async |world| {
        // Quay has its own domain, its own people, and connects a provider that says whatever it likes.
        let mut quay = world.kit.owner_of("quay").await;
        verified(world.kit, &mut quay, "quay", "quay.example").await;
        let evil = Upstream::start().await;
        let id = connected(&mut quay, "quay", new_connection(&evil, "Quay ID")).await;
        world.signed_in(&person(MARA)).await;
        let of_quay = super::World { kit: world.kit, upstream: evil, owner: quay, connection: id };
        let mut browser = world.kit.nobody();
        of_quay.sign_in(&mut browser, &person(MARA)).await.expect(403);
        // Not by the subject that the other provider uses either.
        let mut same = person("eve@quay.example");
        same["sub"] = person(MARA)["sub"].clone();
        let mut eve = of_quay.signed_in(&same).await;
        assert!(!eve.get("/account").await.expect(200).text().contains(MARA));
        eve.get("/o/harbor/people").await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_lost_domain_freezes_the_links_of_its_people() {
    on_both(async |world| {
        world.signed_in(&person(MARA)).await;
        script(world.kit).set("harbor.example", Scene::Nothing);
        crate::domains::tests::pass(world.kit, platform::time::DAY * 30).await;
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &person(MARA)).await.expect(403);
        assert_eq!(world.last_failure().await.0, "foreign_domain");
        world.sign_in(&mut browser, &person("new@harbor.example")).await.expect(403);
    })
    .await;
}

#[tokio::test]
async fn an_account_that_there_is_is_linked_and_its_person_told() {
    on_both(async |world| {
        world.kit.member("harbor", MARA, Role::Auditor).await;
        world.signed_in(&person(MARA)).await;
        assert_eq!(world.role_of(MARA).await, Some(Role::Auditor), "no mapping, no change");
        assert!(was_told(world.kit, MARA, "A new way into your account").await);
    })
    .await;
}

#[tokio::test]
async fn owners_and_the_providers_staff_are_not_taken_over_by_address() {
    on_both(async |mut world| {
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &person("owner@harbor.example")).await.expect(403);
        assert_eq!(world.last_failure().await.0, "owners_connect");
        world.kit.member("northwind", "staff@harbor.example", Role::Admin).await;
        world.sign_in(&mut browser, &person("staff@harbor.example")).await.expect(403);
        assert_eq!(world.last_failure().await.0, "not_yours");
        // An owner connects the account themselves; only the identity with the very same address.
        let id = world.connection.clone();
        let connect = format!("/account/sign-in-methods/{id}/connect");
        let begun = world.owner.submit(&connect, &[]).await.expect(200);
        let mut owner = world.owner.clone();
        world.back(&mut owner, &super::leads_to(&begun), &person(MARA)).await.expect(403);
        let begun = owner.submit(&connect, &[]).await.expect(200);
        world.back(&mut owner, &super::leads_to(&begun), &person("owner@harbor.example")).await.expect(303);
        world.signed_in(&person("owner@harbor.example")).await;
        assert_eq!(world.role_of("owner@harbor.example").await, Some(Role::Owner));
    })
    .await;
}

#[tokio::test]
async fn an_account_without_a_proved_address_loses_what_was_prepared() {
    on_both(async |mut world| {
        let csv = format!("email,name\n{MARA},Prepared\n");
        let path = "/api/v1/organizations/harbor/people/imports";
        world.owner.post(path, json!({ "csv": csv })).await.expect(200);
        assert_eq!(state_of(&world, MARA).await, Some(AccountState::Unverified));
        world.signed_in(&person(MARA)).await;
        assert_eq!(state_of(&world, MARA).await, Some(AccountState::Active));
    })
    .await;
}

#[tokio::test]
async fn somebody_deactivated_by_scim_is_neither_made_again_nor_let_in() {
    on_both(async |world| {
        world.signed_in(&person(MARA)).await;
        let (mut scim, path) = crate::directories::tests::directory(world.kit, "harbor", "People").await;
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": MARA, "active": true,
        });
        let made = scim.post(&format!("{path}/Users"), body).await.expect(201).json();
        let mut browser = world.signed_in(&person(MARA)).await;
        let off = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "active", "value": false }],
        });
        let one = format!("{path}/Users/{}", made["id"].as_str().unwrap());
        scim.patch(&one, off).await.expect(200);
        browser.get("/account").await.expect(303);
        world.sign_in(&mut browser, &person(MARA)).await.expect(403);
        assert_eq!(world.last_failure().await.0, "stays_out");
        // Deleted there, under another subject: still out.
        scim.delete(&one).await.expect(204);
        let mut again = person(MARA);
        again["sub"] = json!("a-new-subject");
        for who in [person(MARA), again] {
            world.sign_in(&mut browser, &who).await.expect(403);
            assert_eq!(world.last_failure().await.0, "stays_out");
        }
    })
    .await;
}

#[tokio::test]
async fn somebody_suspended_stays_out() {
    on_both(async |mut world| {
        let mut browser = world.signed_in(&person(MARA)).await;
        let account = world.kit.account(MARA).await;
        let path = format!("/api/v1/organizations/harbor/people/{account}");
        world.owner.patch(&path, json!({ "state": "suspended" })).await.expect(200);
        world.sign_in(&mut browser, &person(MARA)).await.expect(403);
        assert_eq!(world.last_failure().await.0, "suspended");
    })
    .await;
}

#[tokio::test]
async fn groups_there_give_role_and_groups_here_and_take_them_again() {
    on_both(async |mut world| {
        let made = world
            .owner
            .post("/api/v1/organizations/harbor/groups", json!({ "name": "Engineers" }))
            .await
            .expect(201)
            .json();
        let group = made["id"].as_str().unwrap().to_owned();
        world
            .change(json!({ "mapping": {
                "groups_claim": "realm.groups",
                "roles": [{ "value": "ops", "role": "auditor" }, { "value": "root", "role": "admin" }],
                "groups": [{ "value": "dev", "group": group }],
            } }))
            .await;
        let with = |groups: Value| {
            let mut who = person(MARA);
            who["realm"] = json!({ "groups": groups });
            who
        };
        let members = async |world: &mut super::World<'_>| {
            let path = format!("/api/v1/organizations/harbor/groups/{group}");
            let shown = world.owner.get(&path).await.expect(200).json();
            shown["members"].as_u64().unwrap_or(0)
        };
        world.signed_in(&with(json!(["ops", "root", "dev"]))).await;
        assert_eq!(world.role_of(MARA).await, Some(Role::Admin), "the highest of several");
        assert_eq!(members(&mut world).await, 1);
        world.signed_in(&with(json!(["ops"]))).await;
        assert_eq!(world.role_of(MARA).await, Some(Role::Auditor));
        assert_eq!(members(&mut world).await, 0);
        world.signed_in(&with(json!([]))).await;
        assert_eq!(world.role_of(MARA).await, Some(Role::Member));
        // Nobody becomes an owner, and a mapping to it is refused.
        let bad = json!({ "mapping": { "roles": [{ "value": "x", "role": "owner" }] } });
        let path = format!("{}/{}", api("harbor"), world.connection);
        let refused = world.owner.patch(&path, bad).await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "roles");
    })
    .await;
}

#[tokio::test]
async fn a_second_proof_there_counts_where_the_connection_says_so() {
    on_both(async |mut world| {
        let level = async |world: &super::World<'_>, who: &Value| {
            let mut browser = world.signed_in(who).await;
            let found = browser.get("/api/v1/account/sessions").await.expect(200).json();
            let current =
                found.as_array().unwrap().iter().find(|one| one["current"] == true).unwrap().clone();
            current["level"].as_str().unwrap().to_owned()
        };
        let mut two = person(MARA);
        two["amr"] = json!(["pwd", "mfa"]);
        assert_eq!(level(&world, &person(MARA)).await, "any");
        assert_eq!(level(&world, &two).await, "mfa");
        world.change(json!({ "mapping": { "proof": "any" } })).await;
        assert_eq!(level(&world, &two).await, "any");
        world.change(json!({ "mapping": { "proof": "mfa" } })).await;
        assert_eq!(level(&world, &person(MARA)).await, "mfa");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_makes_no_accounts_lets_in_whom_there_is() {
    on_both(async |mut world| {
        world.change(json!({ "mapping": { "creates_accounts": false } })).await;
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &person(MARA)).await.expect(403);
        assert_eq!(world.last_failure().await.0, "no_accounts");
        world.kit.member("harbor", MARA, Role::Member).await;
        world.signed_in(&person(MARA)).await;
        // At this one domain alone.
        world.change(json!({ "mapping": { "domains": ["other.example"] } })).await;
        world.sign_in(&mut browser, &person(MARA)).await.expect(403);
        assert_eq!(world.last_failure().await.0, "foreign_domain");
    })
    .await;
}

/// By an admin over the API and in the console, and by the person in both ways: the link goes, and what came through it.
#[tokio::test]
async fn a_link_ends_with_the_sessions_that_came_through_it() {
    on_both(async |mut world| {
        let id = world.connection.clone();
        let links = format!("{}/{id}/links", api("harbor"));
        for (at, email) in ["ann@harbor.example", "bob@harbor.example"].into_iter().enumerate() {
            let mut browser = world.signed_in(&with_subject(email)).await;
            browser.get("/account").await.expect(200);
            let all = world.owner.get(&links).await.expect(200).json();
            assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
            let account = all["items"][0]["account"].as_str().unwrap();
            if at == 0 {
                world.owner.delete(&format!("{links}/{account}")).await.expect(204);
                world.owner.delete(&format!("{links}/{account}")).await.expect(404);
            } else {
                let page = format!("/o/harbor/connections/{id}");
                world.owner.get(&page).await.expect(200);
                world.owner.submit(&format!("{page}/links/{account}/end"), &[]).await.expect(303);
            }
            browser.get("/account").await.expect(303);
            assert!(world.owner.get(&links).await.expect(200).json()["items"].as_array().unwrap().is_empty());
        }
        let own = format!("/api/v1/account/connections/{id}");
        // Whom the provider alone lets in stays connected.
        let mut only = world.signed_in(&with_subject("only@harbor.example")).await;
        only.get("/account").await.expect(200);
        only.delete(&own).await.expect(409);
        only.get("/account").await.expect(200);
        for (at, email) in ["cem@harbor.example", "dora@harbor.example"].into_iter().enumerate() {
            crate::kit::sign_up(world.kit, email).await;
            let mut through = world.signed_in(&with_subject(email)).await;
            through.get("/account").await.expect(200);
            if at == 0 {
                through.delete(&own).await.expect(204);
            } else {
                let form = format!("/account/sign-in-methods/{id}/disconnect");
                through.submit(&form, &[]).await.expect(303);
            }
            through.get("/account").await.expect(303);
        }
        let ended = world.actions().await.into_iter().filter(|one| one == "single_sign_on.unlinked").count();
        assert_eq!(ended, 4);
    })
    .await;
}

fn with_subject(email: &str) -> Value {
    let mut who = person(email);
    who["sub"] = json!(format!("subject of {email}"));
    who
}
