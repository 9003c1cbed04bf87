//! Directories, their tokens, and what an identity provider does over SCIM.

use serde_json::{Value, json};
use testkit::{Answer, Client};

use super::Story;

const API: &str = "/api/v1/organizations/harbor";
const PAGES: &str = "/o/harbor/directories";

fn text(view: &Value, name: &str) -> String {
    view[name].as_str().unwrap_or_else(|| panic!("no {name}: {view}")).to_owned()
}

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client) {
    owner.get(&format!("{PAGES}/new")).await.expect(200);
    let made = owner.submit(&format!("{PAGES}/new"), &[("name", "Paper")]).await;
    let page =
        story.did("directory.create_form", made).await.location().split('?').next().unwrap().to_owned();
    owner.get(&page).await.expect(200);
    let made = owner.submit(&format!("{page}/scim-tokens"), &[("expires_in_days", "30")]).await;
    story.did("scim_token.create_form", made).await;
    let fields = [("expires_in_days", "30"), ("overlap_days", "1")];
    let made = owner.submit(&format!("{page}/scim-tokens/rotate"), &fields).await;
    story.did("scim_token.rotate_form", made).await;
    let id = page.rsplit('/').next().expect("an id").to_owned();
    let tokens = format!("{API}/directories/{id}/scim-tokens");
    let listed = owner.get(&tokens).await.expect(200).json();
    let token = text(&listed["items"][0], "id");
    let done = owner.submit(&format!("{page}/scim-tokens/{token}/revoke"), &[]).await;
    story.did("scim_token.revoke_form", done).await;
    let made = owner.post(&format!("{tokens}/rotate"), json!({})).await;
    let made = story.did("scim_token.rotate", made).await.json();
    let done = owner.delete(&format!("{tokens}/{}", text(&made, "id"))).await;
    story.did("scim_token.revoke", done).await;

    let made = owner.post(&format!("{API}/directories"), json!({ "name": "Entra ID" })).await;
    let directory = text(&story.did("directory.create", made).await.json(), "id");
    let made = owner.post(&format!("{API}/scim-tokens"), json!({ "directory": directory })).await;
    let issued = story.did("scim_token.create", made).await.json();
    let mut client = story.kit.nobody().with_token(&text(&issued, "token"));
    let base = format!("/scim/v2/{directory}");
    records(story, &mut client, &base).await;
    conflicts(story, owner, &mut client, &base).await;
}

async fn records(story: &mut Story<'_>, client: &mut Client, base: &str) {
    let user = |title: &str| json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "nia", "title": title });
    let patch = |path: &str, value: Value| {
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": path, "value": value }] })
    };
    let id = |answer: Answer| text(&answer.json(), "id");
    let made = client.post(&format!("{base}/Users"), user("Mate")).await;
    let nia = id(story.did("scim.user_create", made).await);
    let one = format!("{base}/Users/{nia}");
    let done = client.put(&one, user("Cook")).await;
    story.did("scim.user_replace", done).await;
    let done = client.patch(&one, patch("active", json!(false))).await;
    story.did("scim.user_patch", done).await;
    let group = |name: &str| json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name });
    let made = client.post(&format!("{base}/Groups"), group("Ropes")).await;
    let ropes = id(story.did("scim.group_create", made).await);
    let other = format!("{base}/Groups/{ropes}");
    let done = client.put(&other, group("Sails")).await;
    story.did("scim.group_replace", done).await;
    let done = client.patch(&other, patch("members", json!([{ "value": nia }]))).await;
    story.did("scim.group_patch", done).await;
    let done = client.delete(&other).await;
    story.did("scim.group_delete", done).await;
    let done = client.delete(&one).await;
    story.did("scim.user_delete", done).await;
    let bulk = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{ "method": "POST", "path": "/Users", "bulkId": "q", "data": user("Mate") }] });
    let done = client.post(&format!("{base}/Bulk"), bulk).await;
    story.did("scim.bulk", done).await;
}

async fn conflicts(story: &mut Story<'_>, owner: &mut Client, client: &mut Client, base: &str) {
    let directory = base.rsplit('/').next().expect("an id").to_owned();
    for (name, form) in [("Anchors", false), ("Buoys", true)] {
        owner.post(&format!("{API}/groups"), json!({ "name": name })).await.expect(201);
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name });
        let record = text(&client.post(&format!("{base}/Groups"), body).await.expect(201).json(), "id");
        story.aside().await;
        if form {
            owner.get(&format!("{PAGES}/{directory}/conflicts")).await.expect(200);
            let path = format!("{PAGES}/{directory}/conflicts/{record}/settle");
            let done = owner.submit(&path, &[("how", "take_over")]).await;
            story.did("directory.conflict_settle_form", done).await;
        } else {
            let path = format!("{API}/directories/{directory}/conflicts/{record}/settle");
            let done = owner.post(&path, json!({ "how": "take_over" })).await;
            story.did("directory.conflict_settle", done).await;
        }
    }
}
