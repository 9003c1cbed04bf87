//! The audit log is streamed to a receiver that nobody reaches here.

use serde_json::json;
use testkit::Client;

use super::Story;

const API: &str = "/api/v1/organizations/harbor/audit/streams";
const PAGES: &str = "/o/harbor/audit-streams";

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client) {
    let body =
        json!({ "name": "One", "kind": "webhook", "target": "https://siem.example/", "format": "jsonl" });
    let made = owner.post(API, body).await;
    let id = story.did("audit_stream.create", made).await.json()["id"].as_str().expect("an id").to_owned();
    for (act, action) in [
        ("test", "audit_stream.test"),
        ("pause", "audit_stream.pause"),
        ("resume", "audit_stream.resume"),
        ("secret", "audit_stream.rotate"),
    ] {
        let done = owner.post(&format!("{API}/{id}/{act}"), json!({})).await;
        story.did(action, done).await;
    }
    owner.get(&format!("{PAGES}/{id}")).await.expect(200);
    for (act, action) in [
        ("test", "audit_stream.test_form"),
        ("pause", "audit_stream.pause_form"),
        ("resume", "audit_stream.resume_form"),
        ("secret", "audit_stream.rotate_form"),
    ] {
        let done = owner.submit(&format!("{PAGES}/{id}/{act}"), &[]).await;
        story.did(action, done).await;
    }
    let done = owner.delete(&format!("{API}/{id}")).await;
    story.did("audit_stream.delete", done).await;
    owner.get(&format!("{PAGES}/new")).await.expect(200);
    let fields = [("name", "Two"), ("kind", "syslog"), ("target", "siem.example:6514"), ("format", "cef")];
    let done = owner.submit(&format!("{PAGES}/new"), &fields).await;
    let to = story.did("audit_stream.create_form", done).await.location().to_owned();
    let to = to.split('?').next().unwrap_or_default().to_owned();
    let done = owner.submit(&format!("{to}/delete"), &[("confirm", "Two")]).await;
    story.did("audit_stream.delete_form", done).await;
}
