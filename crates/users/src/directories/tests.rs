use platform::access::Role;
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit};

const AREAS: &[&platform::Area] = &[&crate::AREA];
const API: &str = "/api/v1/organizations";

async fn issue(owner: &mut Client, slug: &str, body: Value) -> Value {
    owner.post(&format!("{API}/{slug}/scim-tokens"), body).await.expect(201).json()
}

/// The path of an address on this installation.
pub(crate) fn path_of(kit: &Kit, issued: &Value) -> String {
    let base = kit.app.config().public_origin();
    issued["url"].as_str().unwrap().strip_prefix(&base).unwrap().to_owned()
}

/// A client of a new directory of `slug`, and the path under which it stands.
pub(crate) async fn directory(kit: &Kit, slug: &str, name: &str) -> (Client, String) {
    let mut owner = kit.owner_of(slug).await;
    owner.post(&format!("{API}/{slug}/directories"), json!({ "name": name })).await.expect(201);
    let issued = issue(&mut owner, slug, json!({ "directory": name })).await;
    (kit.nobody().with_token(issued["token"].as_str().unwrap()), path_of(kit, &issued))
}

#[tokio::test]
async fn a_token_opens_one_directory_and_is_shown_once() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let issued = issue(&mut owner, "harbor", json!({})).await;
            let token = issued["token"].as_str().unwrap().to_owned();
            assert!(token.starts_with("bws_"));
            let mut client = kit.nobody().with_token(&token);
            let path = path_of(kit, &issued);
            client.get(&format!("{path}/Users")).await.expect(200);
            // The first token made the first directory; a second one belongs to the same.
            let again = issue(&mut owner, "harbor", json!({ "expires_in_days": 30 })).await;
            assert_eq!(again["directory"], issued["directory"]);
            owner.post(&format!("{API}/harbor/scim-tokens"), json!({})).await.expect(409);
            // Another directory, of this organization or of another one, does not exist for the token.
            let (_, other) = directory(kit, "harbor", "Second").await;
            let (_, foreign) = directory(kit, "quay", "Theirs").await;
            let nowhere = "/scim/v2/0197a1c0-0000-7000-8000-000000000000".to_owned();
            for elsewhere in [other, foreign, nowhere] {
                let refused = client.get(&format!("{elsewhere}/Users")).await.expect(404);
                assert_eq!(refused.header("content-type"), Some("application/scim+json"));
            }
            owner.post(&format!("{API}/harbor/scim-tokens"), json!({})).await.expect(422);
            // What lists and shows tokens never shows one again, and an API token is no SCIM token.
            let directory = issued["directory"].as_str().unwrap();
            let listed =
                owner.get(&format!("{API}/harbor/directories/{directory}/scim-tokens")).await.expect(200);
            let page = owner.get(&format!("/o/harbor/directories/{directory}")).await.expect(200);
            assert!(!listed.text().contains(&token[8..]) && !page.text().contains(&token[8..]));
            for wrong in ["", "bws_x", &token.replace("bws_", "bwk_")] {
                let refused = kit.nobody().with_token(wrong).get(&format!("{path}/Users")).await.expect(401);
                assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            }
            kit.nobody().get(&format!("{path}/Users")).await.expect(401);
            // An API token makes no SCIM tokens.
            let harbor = kit.organization("harbor").await;
            let mut api = kit.token_of(harbor, "people.manage,tokens.manage");
            api.post(&format!("{API}/harbor/scim-tokens"), json!({})).await.expect(403);
            let id = issued["id"].as_str().unwrap();
            let one = format!("{API}/harbor/directories/{directory}/scim-tokens/{id}");
            owner.delete(&one).await.expect(204);
            owner.delete(&one).await.expect(404);
            client.get(&format!("{path}/Users")).await.expect(401);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn tokens_rotate_in_pairs_with_an_overlap() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let old = issue(&mut owner, "harbor", json!({})).await;
            let directory = old["directory"].as_str().unwrap().to_owned();
            let rotate = format!("{API}/harbor/directories/{directory}/scim-tokens/rotate");
            owner.post(&rotate, json!({ "overlap_days": 31 })).await.expect(422);
            owner.post(&rotate, json!({ "expires_in_days": 0 })).await.expect(422);
            let new = owner.post(&rotate, json!({ "overlap_days": 2 })).await.expect(201).json();
            owner.post(&rotate, json!({})).await.expect(409);
            let users = format!("{}/Users", path_of(kit, &old));
            let ask = async |token: &Value, status: u16| {
                kit.nobody().with_token(token["token"].as_str().unwrap()).get(&users).await.expect(status);
            };
            ask(&old, 200).await;
            ask(&new, 200).await;
            kit.advance(DAY * 2 + HOUR);
            ask(&old, 401).await;
            ask(&new, 200).await;
            kit.advance(DAY * 365);
            ask(&new, 401).await;
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn admins_are_told_30_7_and_1_days_before_a_token_ends() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            issue(&mut owner, "harbor", json!({ "expires_in_days": 40 })).await;
            let told = async || {
                let mails = kit.mails().await;
                let subjects = mails.iter().filter(|mail| mail.contains("A directory's token ends in"));
                subjects.count()
            };
            assert_eq!(told().await, 0);
            for (day, count) in [(9, 0), (11, 1), (20, 1), (34, 2), (38, 2), (39, 3)] {
                let start = testkit::kit::START.plus(DAY * day + HOUR * 2);
                kit.advance(start.since(kit.now()));
                kit.settle().await;
                kit.settle().await;
                assert_eq!(told().await, count, "day {day}");
            }
            // One that has its successor is nobody's worry.
            let mut quay = kit.owner_of("quay").await;
            let old = issue(&mut quay, "quay", json!({ "expires_in_days": 20 })).await;
            let directory = old["directory"].as_str().unwrap();
            let rotate = format!("{API}/quay/directories/{directory}/scim-tokens/rotate");
            quay.post(&rotate, json!({})).await.expect(201);
            kit.advance(DAY);
            kit.settle().await;
            assert_eq!(told().await, 3);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_console_makes_a_directory_and_shows_its_token_once() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let empty = admin.get("/o/harbor/directories").await.expect(200).text();
            assert!(empty.contains("Make the first directory"), "{empty}");
            admin.get("/o/harbor/directories/new").await.expect(200);
            let refused =
                admin.submit("/o/harbor/directories/new", &[("name", " ")]).await.expect(422).text();
            assert!(refused.contains("a name is needed"), "{refused}");
            let made = admin.submit("/o/harbor/directories/new", &[("name", "Entra ID")]).await.expect(303);
            let page = made.location().to_owned();
            admin.get(&page).await.expect(200);
            let tokens = format!("{page}/scim-tokens");
            admin.submit(&tokens, &[("expires_in_days", "0")]).await.expect(303);
            admin.get(&page).await.expect(200);
            let issued = admin.submit(&tokens, &[("expires_in_days", "90")]).await.expect(201);
            assert_eq!(issued.header("cache-control"), Some("no-store"));
            assert!(issued.text().contains("bws_") && issued.text().contains("/scim/v2/"));
            let shown = admin.get(&page).await.expect(200).text();
            assert!(!shown.contains("bws_") && shown.contains("Make the next token"), "{shown}");
            let fields = [("expires_in_days", "90"), ("overlap_days", "3")];
            admin.submit(&format!("{tokens}/rotate"), &fields).await.expect(201);
            let shown = admin.get(&page).await.expect(200).text();
            assert!(shown.contains("Two tokens are live"), "{shown}");
            let auditor = &mut kit.as_role("harbor", Role::Auditor).await;
            let shown = auditor.get(&page).await.expect(200).text();
            assert!(!shown.contains("Revoke"), "{shown}");
        },
        AREAS,
    )
    .await;
}
