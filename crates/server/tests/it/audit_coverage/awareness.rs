//! A notice on passwords is published and acknowledged.

use serde_json::json;
use testkit::Client;

use super::Story;

const API: &str = "/api/v1/organizations/harbor/awareness";
const PAGES: &str = "/o/harbor/awareness";

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client) {
    let body = json!({ "title": "Passwords", "body": "Use a manager.", "renews": true });
    let done = owner.post(API, body).await;
    story.did("awareness.publish", done).await;
    let done = owner.post(&format!("{API}/acknowledgement"), json!({ "version": 1 })).await;
    story.did("awareness.acknowledge", done).await;
    let done = owner.post(&format!("{API}/reminders"), json!({})).await;
    story.did("awareness.remind", done).await;
    owner.get(&format!("{PAGES}/publish")).await.expect(200);
    let fields = [("title", "Passwords"), ("body", "Use a manager for them."), ("renews", "on")];
    let done = owner.submit(&format!("{PAGES}/publish"), &fields).await;
    story.did("awareness.publish_form", done).await;
    let done = owner.submit(&format!("{PAGES}/acknowledge"), &[("version", "2")]).await;
    story.did("awareness.acknowledge_form", done).await;
    let done = owner.submit(&format!("{PAGES}/remind"), &[]).await;
    story.did("awareness.remind_form", done).await;
}
