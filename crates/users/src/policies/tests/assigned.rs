//! Named policies over the API and in the console: assigned, tried, explained, undone.

use platform::access::Role;
use serde_json::{Value, json};
use testkit::{Client, Kit, both_with};

use super::super::Rules;
use super::{ALL, PATH, TRY};
use crate::kit::believed;

fn with(change: impl Fn(&mut Rules)) -> Value {
    let mut rules = Rules::RECOMMENDED;
    change(&mut rules);
    serde_json::to_value(rules).unwrap()
}

async fn explained(admin: &mut Client, who: &str) -> Value {
    admin.get(&format!("{ALL}/explain?account={who}")).await.expect(200).json()
}

fn why<'a>(told: &'a Value, setting: &str) -> &'a str {
    let all = told["settings"].as_array().unwrap();
    all.iter().find(|one| one["setting"] == setting).unwrap()["because"].as_str().unwrap()
}

async fn admins_policy(kit: &Kit, admin: &mut Client) -> String {
    let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
    let made = admin.post("/api/v1/organizations/harbor/groups", json!({"name": "Admins"})).await;
    let group = made.expect(201).json()["id"].as_str().unwrap().to_owned();
    let member = format!("/api/v1/organizations/harbor/groups/{group}/members/{ann}");
    assert!(admin.put(&member, json!({})).await.status.is_success());
    let body = json!({
        "name": "Administrators",
        "rules": with(|r| r.session_absolute_hours = 8),
        "groups": ["admins"],
        "accounts": ["bob@harbor.example"],
    });
    let made = admin.post(ALL, body).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_policy_reaches_its_groups_and_people_and_nobody_else() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            kit.member("harbor", "bob@harbor.example", Role::Member).await;
            kit.member("harbor", "cem@harbor.example", Role::Member).await;
            admins_policy(kit, &mut admin).await;
            let ann = explained(&mut admin, "ann@harbor.example").await;
            assert_eq!(ann["rules"]["session_absolute_hours"], 8);
            assert!(why(&ann, "session_absolute_hours").contains("through the group Admins"), "{ann}");
            let bob = explained(&mut admin, "bob@harbor.example").await;
            assert_eq!(bob["rules"]["session_absolute_hours"], 8);
            assert!(why(&bob, "session_absolute_hours").contains("assigned by name"), "{bob}");
            let cem = explained(&mut admin, "cem@harbor.example").await;
            assert_eq!(cem["rules"]["session_absolute_hours"], 720);
            assert!(why(&cem, "session_absolute_hours").contains("recommendation"), "{cem}");
            let page = admin.get("/o/harbor/policies/explain?account=ann%40harbor.example").await.expect(200);
            assert!(page.text().contains("through the group Admins"), "{}", page.text());
            admin.get("/o/harbor/policies/explain?account=zoe%40harbor.example").await.expect(404);
            admin.get(&format!("{ALL}/explain?account=zoe@harbor.example")).await.expect(404);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn outside_people_are_under_their_own_policy_too() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            kit.member("harbor", "ann@harbor.example", Role::Member).await;
            kit.member("harbor", "fay@elsewhere.example", Role::Member).await;
            let harbor = kit.organization("harbor").await;
            crate::facts::tests::verified_domain(kit, harbor, "harbor.example").await;
            let body = json!({"applies_to": "outside", "rules": with(|r| r.step_up_minutes = 10)});
            admin.post(ALL, body.clone()).await.expect(201);
            admin.post(ALL, body).await.expect(422);
            let fay = explained(&mut admin, "fay@elsewhere.example").await;
            assert_eq!(fay["rules"]["step_up_minutes"], 10);
            assert!(why(&fay, "step_up_minutes").contains("outside people"), "{fay}");
            assert_eq!(explained(&mut admin, "ann@harbor.example").await["rules"]["step_up_minutes"], 60);
            // Deleted and made anew, it is the same policy with a longer history.
            admin.delete(&format!("{ALL}/outside")).await.expect(204);
            assert_eq!(explained(&mut admin, "fay@elsewhere.example").await["rules"]["step_up_minutes"], 60);
            let body = json!({"applies_to": "outside", "rules": with(|r| r.step_up_minutes = 20)});
            assert_eq!(admin.post(ALL, body).await.expect(201).json()["version"], 3);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn undo_brings_back_rules_assignments_and_deleted_policies() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            kit.member("harbor", "bob@harbor.example", Role::Member).await;
            let one = format!("{ALL}/{}", admins_policy(kit, &mut admin).await);
            let body = json!({"name": "Administrators", "rules": with(|r| r.session_absolute_hours = 4)});
            let changed = admin.put(&one, body).await.expect(200).json();
            assert_eq!((&changed["groups"], &changed["accounts"]), (&json!([]), &json!([])));
            let back = admin.post(&format!("{one}/undo"), json!({})).await.expect(200).json();
            assert_eq!(back["rules"]["session_absolute_hours"], 8);
            assert_eq!(back["groups"][0]["name"], "Admins");
            assert_eq!(back["accounts"][0]["email"], "bob@harbor.example");
            admin.delete(&one).await.expect(204);
            let bob = explained(&mut admin, "bob@harbor.example").await;
            assert_eq!(bob["rules"]["session_absolute_hours"], 720);
            assert_eq!(admin.get(ALL).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
            admin.post(&format!("{one}/undo"), json!({})).await.expect(200);
            let bob = explained(&mut admin, "bob@harbor.example").await;
            assert_eq!(bob["rules"]["session_absolute_hours"], 8);
            let versions = admin.get(&format!("{one}/versions")).await.expect(200).json();
            let said: Vec<_> =
                versions["items"].as_array().unwrap().iter().map(|v| v["deleted"].clone()).collect();
            assert_eq!(said, [false, true, false, false, false]);
            admin.delete(&format!("{ALL}/default")).await.expect(422);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn what_a_policy_names_must_exist_and_names_are_taken_once() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let body =
                |name: &str, groups: Value| json!({"name": name, "rules": with(|_| ()), "groups": groups});
            let refused = admin.post(ALL, body("A", json!(["nowhere"]))).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "/groups/0");
            admin.post(ALL, body("A", json!([]))).await.expect(201);
            let refused = admin.post(ALL, body("a", json!([]))).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "/name");
            // Nobody could sign in through a provider that is not connected.
            let sso = json!({"name": "S", "rules": with(|r| r.single_sign_on = true)});
            let refused = admin.post(ALL, sso).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "/single_sign_on");
            kit.as_role("harbor", Role::Auditor).await.post(ALL, body("B", json!([]))).await.expect(403);
            kit.owner_of("meridian").await.get(ALL).await.expect(404);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn the_dry_run_lists_everybody_page_by_page_and_changes_nothing() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            for at in 0..7 {
                kit.member("harbor", &format!("p{at}@harbor.example"), Role::Member).await;
            }
            let change = json!({"policy": "default", "change": {"rules": with(|r| r.factor = crate::factors::Level::Mfa)}});
            let run = admin.post(&format!("{TRY}?limit=3"), change.clone()).await.expect(200).json();
            assert_eq!(run["summary"], "8 of 8 people would be asked to set up a stronger factor");
            assert_eq!((&run["members"], &run["asked_to_enrol"], &run["locked_out"]), (&json!(8), &json!(8), &json!(0)));
            let mut all: Vec<String> = Vec::new();
            let mut page = run;
            loop {
                let people = page["people"].as_array().unwrap();
                all.extend(people.iter().map(|one| one["email"].as_str().unwrap().to_owned()));
                let Some(next) = page["next_cursor"].as_str() else { break };
                page = admin.post(&format!("{TRY}?limit=3&cursor={next}"), change.clone()).await.expect(200).json();
            }
            assert_eq!(all.len(), 8, "{all:?}");
            assert!(all.is_sorted());
            assert_eq!(admin.get(PATH).await.expect(200).json()["version"], 0);
            let none = admin.post(&format!("{TRY}?effect=locked_out"), change).await.expect(200).json();
            assert_eq!(none["people"], json!([]));
        },
        believed,
    )
    .await;
}

/// The form of a policy for Bob, with what its button stands for.
fn fields(confirmed: &str) -> [(&str, &str); 13] {
    [
        ("name", "Bobs"),
        ("accounts", "bob@harbor.example"),
        ("factor", "mfa"),
        ("password_min_length", "15"),
        ("password_min_score", "3"),
        ("password_reuse_history", "0"),
        ("password_breached", "on"),
        ("session_idle_minutes", "720"),
        ("session_absolute_hours", "720"),
        ("step_up_minutes", "60"),
        ("api_tokens", "on"),
        ("api_token_max_days", "365"),
        ("confirmed", confirmed),
    ]
}

#[tokio::test]
async fn the_console_tries_before_it_decides() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            kit.member("harbor", "bob@harbor.example", Role::Member).await;
            admin.get("/o/harbor/policies/new").await.expect(200);
            let answer = admin.submit("/o/harbor/policies/new", &fields("")).await.expect(200);
            let (tried, digest) =
                (answer.text(), answer.value_of("confirmed").expect("a button that decides"));
            assert!(tried.contains("1 of 2 people would be asked to set up a stronger factor"), "{tried}");
            assert!(tried.contains("bob@harbor.example"));
            assert_eq!(admin.get(ALL).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
            // What was changed since it was shown is shown again, not decided.
            let mut changed = fields(&digest);
            changed[3].1 = "20";
            let again = admin.submit("/o/harbor/policies/new", &changed).await.expect(200);
            assert!(again.text().contains("changed since its dry run"), "{}", again.text());
            assert_ne!(again.value_of("confirmed").expect("a button that decides"), digest);
            admin.submit("/o/harbor/policies/new", &fields("yes")).await.expect(200);
            assert_eq!(admin.get(ALL).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
            admin.submit("/o/harbor/policies/new", &fields(&digest)).await.expect(303);
            let list = admin.get("/o/harbor/policies").await.expect(200).text();
            assert!(list.contains("Bobs") && list.contains("two factors"), "{list}");
            let wrong = [("name", "X"), ("password_min_length", "many")];
            let refused = admin.submit("/o/harbor/policies/new", &wrong).await.expect(422).text();
            assert!(refused.contains("write a whole number"), "{refused}");
        },
        believed,
    )
    .await;
}
