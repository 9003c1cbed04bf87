//! Connections to identity providers, as far as they go without one.

use serde_json::json;
use testkit::Client;

use super::Story;

const API: &str = "/api/v1/organizations/harbor/connections";
const PAGES: &str = "/o/harbor/connections";

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client) {
    let body = json!({
        "name": "Harbor ID", "issuer": "https://login.harbor-logistics.dev", "client_id": "bailiwick",
        "client_secret": "only for this test",
    });
    let made = owner.post(API, body).await;
    let made = story.did("connection.create", made).await.json();
    let one = format!("{API}/{}", made["id"].as_str().expect("an id"));
    let done = owner.patch(&one, json!({ "name": "Company login" })).await;
    story.did("connection.update", done).await;
    // Nobody answers there: the report says so, and that is recorded.
    let done = owner.post(&format!("{one}/test"), json!({})).await;
    story.did("connection.test", done).await;
    let done = owner.post(&format!("{one}/enable"), json!({})).await;
    story.did("connection.enable", done).await;
    let done = owner.post(&format!("{one}/disable"), json!({})).await;
    story.did("connection.disable", done).await;
    pages(story, owner).await;
}

async fn pages(story: &mut Story<'_>, owner: &mut Client) {
    owner.get(&format!("{PAGES}/new")).await.expect(200);
    let fields = [
        ("name", "Second"),
        ("issuer", "https://second.harbor-logistics.dev"),
        ("client_id", "bailiwick"),
        ("client_secret", "only for this test"),
        ("client_proof", "secret_basic"),
        ("algorithm", "RS256"),
        ("scopes", "openid email"),
        ("email_claim", "email"),
        ("name_claim", "name"),
        ("groups_claim", "groups"),
        ("proof", "told"),
    ];
    let made = owner.submit(&format!("{PAGES}/new"), &fields).await;
    let page = story.did("connection.create_form", made).await.location().to_owned();
    owner.get(&page).await.expect(200);
    let mut changed = fields;
    changed[0].1 = "Third";
    let done = owner.submit(&page, &changed).await;
    story.did("connection.update_form", done).await;
    let done = owner.submit(&format!("{page}/test"), &[]).await;
    story.did("connection.test_form", done).await;
    let done = owner.submit(&format!("{page}/enable"), &[("anyway", "on")]).await;
    story.did("connection.enable_form", done).await;
    owner.get(&format!("{page}/disable")).await.expect(200);
    let done = owner.submit(&format!("{page}/disable"), &[("confirm", "Third")]).await;
    story.did("connection.disable_form", done).await;
}
