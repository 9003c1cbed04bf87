//! The default policy of a directory: for the people whom it provisions or who come through its connection.

use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::params;
use serde_json::{Value, json};
use testkit::{Client, Kit, both_with};

use super::super::{DirectoryId, Rules};
use super::{ALL, TRY};
use crate::kit::believed;
use crate::single_sign_on::tests::{leads_to, on_both, person};

const ANN: &str = "ann@harbor.example";
const MARA: &str = "mara@harbor.example";
const NOWHERE: &str = "0197a1c0-0000-7000-8000-000000000000";

fn hours(hours: u32) -> Value {
    serde_json::to_value(Rules { session_absolute_hours: hours, ..Rules::RECOMMENDED }).unwrap()
}

/// How long a session of theirs lives at most, and which policies say so.
async fn explained(admin: &mut Client, who: &str) -> (Value, String) {
    let told = admin.get(&format!("{ALL}/explain?account={who}")).await.expect(200).json();
    let why =
        told["settings"].as_array().unwrap().iter().find(|one| one["setting"] == "session_absolute_hours");
    (told["rules"]["session_absolute_hours"].clone(), why.unwrap()["because"].as_str().unwrap().to_owned())
}

/// A directory of `harbor` that keeps Ann over SCIM, beside Bob, whom none keeps.
async fn entra(kit: &Kit) -> String {
    let harbor = kit.organization("harbor").await;
    crate::facts::tests::verified_domain(kit, harbor, "harbor.example").await;
    let (mut idp, path) = crate::directories::tests::directory(kit, "harbor", "Entra ID").await;
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": ANN,
        "active": true,
        "emails": [{ "value": ANN, "type": "work", "primary": true }],
    });
    idp.post(&format!("{path}/Users"), user).await.expect(201);
    kit.member("harbor", "bob@harbor.example", Role::Member).await;
    path.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn its_people_are_under_it_instead_of_the_organizations_default() {
    both_with(
        async |kit| {
            let directory = entra(kit).await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            admin.put(super::PATH, hours(100)).await.expect(200);
            let made =
                admin.post(ALL, json!({ "directory": directory, "rules": hours(8) })).await.expect(201);
            let made = made.json();
            assert_eq!(
                (&made["applies_to"], &made["name"]),
                (&json!("directory"), &json!("People of Entra ID"))
            );
            assert_eq!(made["directory"], json!({ "id": directory, "name": "Entra ID" }));
            let (ann, why) = explained(&mut admin, ANN).await;
            assert_eq!(ann, 8);
            assert_eq!(why, "the policy People of Entra ID, as the default of the directory Entra ID");
            assert_eq!(explained(&mut admin, "bob@harbor.example").await.0, 100);
            // A policy that names somebody comes instead of either default.
            let named =
                json!({ "name": "Both", "rules": hours(50), "accounts": [ANN, "bob@harbor.example"] });
            let named = admin.post(ALL, named).await.expect(201).json();
            assert_eq!(explained(&mut admin, ANN).await.0, 50);
            admin.delete(&format!("{ALL}/{}", named["id"].as_str().unwrap())).await.expect(204);
            // Changed, undone, deleted, brought back, deleted and made anew: one policy with one history.
            let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
            let changed = json!({ "name": "Entra", "rules": hours(4) });
            let changed = admin.put(&one, changed).await.expect(200).json();
            assert_eq!(changed["directory"]["id"], json!(directory));
            assert_eq!(explained(&mut admin, ANN).await.0, 4);
            admin.post(&format!("{one}/undo"), json!({})).await.expect(200);
            assert_eq!(explained(&mut admin, ANN).await.0, 8);
            admin.delete(&one).await.expect(204);
            assert_eq!(explained(&mut admin, ANN).await.0, 100);
            admin.post(&format!("{one}/undo"), json!({})).await.expect(200);
            assert_eq!(explained(&mut admin, ANN).await.0, 8);
            admin.delete(&one).await.expect(204);
            let again = json!({ "applies_to": "directory", "directory": directory, "rules": hours(6) });
            let again = admin.post(ALL, again).await.expect(201).json();
            assert_eq!((&again["id"], &again["version"]), (&made["id"], &json!(7)));
            assert_eq!(explained(&mut admin, ANN).await.0, 6);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn the_dry_run_counts_its_people_alone() {
    both_with(
        async |kit| {
            let directory = entra(kit).await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let rules = Rules { factor: crate::factors::Level::Mfa, ..Rules::RECOMMENDED };
            let change = json!({ "directory": directory, "rules": rules });
            let run = admin.post(TRY, json!({ "change": change })).await.expect(200).json();
            assert_eq!((&run["changed"], &run["asked_to_enrol"]), (&json!(1), &json!(1)), "{run}");
            assert_eq!(run["people"][0]["email"], ANN);
            let made = admin.post(ALL, change.clone()).await.expect(201).json();
            // And of the default it leaves them out.
            let default = json!({ "policy": "default", "change": { "rules": rules } });
            let run = admin.post(TRY, default).await.expect(200).json();
            let touched: Vec<&Value> =
                run["people"].as_array().unwrap().iter().map(|one| &one["email"]).collect();
            assert!(!touched.is_empty() && !touched.contains(&&json!(ANN)), "{run}");
            let gone = json!({ "policy": made["id"], "delete": true });
            let run = admin.post(TRY, gone).await.expect(200).json();
            assert_eq!(run["changed"], 1, "{run}");
            admin.post(TRY, json!({ "change": change })).await.expect(422);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn one_for_each_directory_and_only_for_ones_own() {
    both_with(
        async |kit| {
            let directory = entra(kit).await;
            let (_, theirs) = crate::directories::tests::directory(kit, "quay", "Theirs").await;
            let theirs = theirs.rsplit('/').next().unwrap();
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            // Another organization's is told like one that is not there.
            let mut told = Vec::new();
            for elsewhere in [theirs, NOWHERE] {
                for name in ["", "Named"] {
                    let body = json!({ "name": name, "directory": elsewhere, "rules": hours(8) });
                    told.push(admin.post(ALL, body.clone()).await.expect(404).json()["detail"].clone());
                    admin.post(TRY, json!({ "change": body })).await.expect(404);
                }
            }
            assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
            let wrong = [
                json!({ "applies_to": "directory", "rules": hours(8) }),
                json!({ "applies_to": "named", "name": "N", "directory": directory, "rules": hours(8) }),
            ];
            for body in wrong {
                let refused = admin.post(ALL, body).await.expect(422).json();
                assert_eq!(refused["errors"][0]["pointer"], "/directory", "{refused}");
            }
            let body = json!({ "directory": directory, "rules": hours(8) });
            let groups = json!({ "directory": directory, "rules": hours(8), "accounts": [ANN] });
            admin.post(ALL, groups).await.expect(422);
            admin.post(ALL, body.clone()).await.expect(201);
            let second = admin.post(ALL, body).await.expect(422).json();
            assert_eq!(second["errors"][0]["pointer"], "/directory");
            let why = second["errors"][0]["detail"].as_str().unwrap();
            assert!(why.contains("has its policy already"), "{why}");
        },
        believed,
    )
    .await;
}

platform::statements! {
    TAKE_AWAY: Tenant = "delete from directories where organization_id = $1 and id = $2";
}

/// Nothing of the program removes a directory today; what is left of its policy says what holds.
#[tokio::test]
async fn without_its_directory_it_is_nobodys_and_says_so() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let made =
                admin.post("/api/v1/organizations/harbor/directories", json!({ "name": "Paper" })).await;
            let directory: DirectoryId = made.expect(201).json()["id"].as_str().unwrap().parse().unwrap();
            let body = json!({ "directory": directory, "rules": hours(8) });
            let made = admin.post(ALL, body).await.expect(201).json();
            let (harbor, ctx) = (kit.organization("harbor").await, kit.ctx());
            let gone = kit.app.db().write(&ctx, move |tx| {
                tx.execute(&TAKE_AWAY, params![harbor, directory])?;
                let recorded = tx.record(Event::new(harbor, "directory.removed"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            });
            gone.await.unwrap();
            let one = admin.get(&format!("{ALL}/{}", made["id"].as_str().unwrap())).await.expect(200).json();
            assert_eq!(one["directory"]["name"], Value::Null);
            let list = admin.get("/o/harbor/policies").await.expect(200).text();
            assert!(list.contains("its directory is gone, and its people are under the default"), "{list}");
            assert_eq!(explained(&mut admin, "admin@harbor.example").await.0, 720);
        },
        believed,
    )
    .await;
}

/// The form of a policy for the people of `directory`, with what its button stands for.
fn fields<'a>(directory: &'a str, confirmed: &'a str) -> [(&'a str, &'a str); 13] {
    [
        ("applies_to", "directory"),
        ("directory", directory),
        ("name", ""),
        ("factor", "mfa"),
        ("password_min_length", "15"),
        ("password_min_score", "3"),
        ("password_reuse_history", "0"),
        ("session_idle_minutes", "720"),
        ("session_absolute_hours", "720"),
        ("step_up_minutes", "60"),
        ("api_tokens", "on"),
        ("api_token_max_days", "365"),
        ("confirmed", confirmed),
    ]
}

#[tokio::test]
async fn the_console_makes_it_for_a_directory_that_has_none() {
    both_with(
        async |kit| {
            let directory = entra(kit).await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let (list, new) = ("/o/harbor/policies", "/o/harbor/policies/new");
            let link = "/o/harbor/policies/new?for=directory";
            assert!(admin.get(list).await.expect(200).text().contains(link));
            let form = admin.get(link).await.expect(200).text();
            assert!(form.contains(&format!("<option value=\"{directory}\"")), "{form}");
            let refused = admin.submit(new, &fields("", "")).await.expect(422).text();
            assert!(refused.contains("choose the directory"), "{refused}");
            admin.submit(new, &fields(NOWHERE, "")).await.expect(404);
            let tried = admin.submit(new, &fields(&directory, "")).await.expect(200);
            assert!(tried.text().contains("1 of 4 people would be asked"), "{}", tried.text());
            let digest = tried.value_of("confirmed").expect("a button that decides");
            admin.submit(new, &fields(&directory, &digest)).await.expect(303);
            let shown = admin.get(list).await.expect(200).text();
            assert!(shown.contains("the people of the directory Entra ID"), "{shown}");
            assert!(!shown.contains(link), "none is left without one");
            admin.get(link).await.expect(303);
            let all = admin.get(ALL).await.expect(200).json();
            let made = all["items"].as_array().unwrap().iter().find(|one| one["applies_to"] == "directory");
            let page = format!("{list}/{}", made.unwrap()["id"].as_str().unwrap());
            assert!(admin.get(&page).await.expect(200).text().contains("/delete\""));
            let delete = format!("{page}/delete");
            admin.submit(&delete, &[("confirm", "People of Entra ID")]).await.expect(303);
            assert!(admin.get(list).await.expect(200).text().contains(link));
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn who_comes_through_its_connection_is_under_it_and_owners_decide_about_owners() {
    on_both(async |mut world| {
        world.signed_in(&person(MARA)).await;
        let listed = world.owner.get("/api/v1/organizations/harbor/directories").await.expect(200).json();
        let directory = listed["items"][0]["id"].as_str().unwrap().to_owned();
        let mut admin = world.kit.as_role("harbor", Role::Admin).await;
        let body = json!({ "name": "Provider", "directory": directory, "rules": hours(8) });
        let made = admin.post(ALL, body).await.expect(201).json();
        assert_eq!(explained(&mut admin, MARA).await.0, 8);
        assert_eq!(explained(&mut admin, "owner@harbor.example").await.0, 720);
        // Networks that whoever decides is not in bind only the directory's people.
        let rules = json!({ "networks": ["198.51.100.0/24"] });
        let mut strict = hours(8);
        strict["networks"] = rules["networks"].clone();
        let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
        admin.put(&one, json!({ "name": "Provider", "rules": strict })).await.expect(200);
        admin.post(&format!("{one}/undo"), json!({})).await.expect(200);
        // The owner comes through the provider: from now on it concerns an owner.
        let connect = format!("/account/sign-in-methods/{}/connect", world.connection);
        let begun = world.owner.submit(&connect, &[]).await.expect(200);
        let mut owner = world.owner.clone();
        world.back(&mut owner, &leads_to(&begun), &person("owner@harbor.example")).await.expect(303);
        assert_eq!(explained(&mut admin, "owner@harbor.example").await.0, 8);
        let longer = json!({ "name": "Provider", "rules": hours(9) });
        admin.put(&one, longer.clone()).await.expect(403);
        admin.delete(&one).await.expect(403);
        owner.put(&one, longer).await.expect(200);
        let locked = owner.put(&one, json!({ "name": "Provider", "rules": strict })).await.expect(422).json();
        assert_eq!(locked["type"], "/problems/locks-you-out", "{locked}");
    })
    .await;
}
