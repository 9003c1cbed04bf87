//! Misuse is reported, answered on both sides, and the channel is tested.

use serde_json::json;
use testkit::Client;

use super::Story;

const API: &str = "/api/v1/organizations/harbor/abuse-reports";
const CHANNEL: &str = "/api/v1/organizations/harbor/abuse-report-channel";
const DESK: &str = "/api/v1/provider/abuse-reports/harbor";
const PAGES: &str = "/o/harbor/abuse-reports";

const FIELDS: [(&str, &str); 3] =
    [("kind", "data"), ("about", "the price list"), ("body", "Somebody outside has it.")];

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client, staff: &mut Client) {
    let body = json!({ "kind": "account", "about": "ann@harbor.example", "body": "She asked for no code." });
    let done = owner.post(API, body).await;
    let made = story.did("abuse_report.open", done).await.json();
    let id = made["id"].as_str().expect("an id").to_owned();
    let done = owner.post(&format!("{API}/{id}/answers"), json!({ "state": "working" })).await;
    story.did("abuse_report.answer", done).await;
    let done = staff.post(&format!("{DESK}/{id}/answers"), json!({ "state": "working" })).await;
    story.did("abuse_report.desk_answer", done).await;
    owner.get(&format!("{PAGES}/{id}")).await.expect(200);
    let done =
        owner.submit(&format!("{PAGES}/{id}/answer"), &[("state", "resolved"), ("note", "Done.")]).await;
    story.did("abuse_report.answer_form", done).await;
    staff.get(&format!("/provider/abuse-reports/harbor/{id}")).await.expect(200);
    let done =
        staff.submit(&format!("/provider/abuse-reports/harbor/{id}/answer"), &[("state", "resolved")]).await;
    story.did("abuse_report.desk_answer_form", done).await;
    owner.get(&format!("{PAGES}/new")).await.expect(200);
    let done = owner.submit(&format!("{PAGES}/new"), &FIELDS).await;
    story.did("abuse_report.open_form", done).await;
    let done = owner.post(&format!("{CHANNEL}/tests"), json!({})).await;
    story.did("abuse_report.test", done).await;
    let done = owner.submit(&format!("{PAGES}/test"), &[]).await;
    story.did("abuse_report.test_form", done).await;
    let done = owner.put(&format!("{CHANNEL}/page"), json!({})).await;
    let opened = story.did("abuse_report.open_page", done).await.json();
    let address = opened["public_page"].as_str().expect("an address").to_owned();
    let path = address[story.kit.app.config().public_origin().len()..].to_owned();
    let mut stranger = story.kit.nobody();
    stranger.get(&path).await.expect(200);
    let done = stranger.submit(&path, &FIELDS).await;
    story.did("abuse_report.public_form", done).await;
    let done = owner.delete(&format!("{CHANNEL}/page")).await;
    story.did("abuse_report.close_page", done).await;
    let done = owner.submit(&format!("{PAGES}/page"), &[("open", "on")]).await;
    story.did("abuse_report.page_form", done).await;
}
