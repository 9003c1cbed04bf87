//! A ticket goes from its people to the desk and back; the guided set-up is walked through.

use serde_json::json;
use testkit::Client;

use super::Story;

const API: &str = "/api/v1/organizations/harbor";
const PAGES: &str = "/o/harbor";
const DESK: &str = "/api/v1/provider/tickets";

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client, staff: &mut Client) {
    let body = json!({ "subject": "Help", "severity": "low", "body": "How?" });
    let done = owner.post(&format!("{API}/tickets"), body).await;
    let id = story.did("ticket.open", done).await.json()["id"].as_str().unwrap_or_default().to_owned();
    owner.get(&format!("{PAGES}/support/new")).await.expect(200);
    let fields = [("subject", "Help"), ("severity", "low"), ("body", "How?")];
    let done = owner.submit(&format!("{PAGES}/support/new"), &fields).await;
    story.did("ticket.open_form", done).await;
    let done = owner.post(&format!("{API}/tickets/{id}/messages"), json!({ "body": "So?" })).await;
    story.did("ticket.reply", done).await;
    desk(story, staff, &id).await;
    owner.get(&format!("{PAGES}/support/{id}")).await.expect(200);
    let done = owner.submit(&format!("{PAGES}/support/{id}/messages"), &[("body", "So?")]).await;
    story.did("ticket.reply_form", done).await;
    let done = owner.post(&format!("{API}/tickets/{id}/close"), json!({})).await;
    story.did("ticket.close", done).await;
    let done = owner.submit(&format!("{PAGES}/support/{id}/messages"), &[("body", "Again")]).await;
    story.did("ticket.reply_form", done).await;
    let done = owner.submit(&format!("{PAGES}/support/{id}/close"), &[]).await;
    story.did("ticket.close_form", done).await;
    let done = owner.put(&format!("{API}/support"), json!({ "members_may_open": true })).await;
    story.did("support.choose", done).await;
    let done = owner.submit(&format!("{PAGES}/support/members"), &[]).await;
    story.did("support.choose_form", done).await;
    guide(story, owner).await;
}

async fn desk(story: &mut Story<'_>, staff: &mut Client, id: &str) {
    let done =
        staff.post(&format!("{DESK}/{id}/answers"), json!({ "body": "So.", "then": "answered" })).await;
    story.did("desk.answer", done).await;
    let done = staff.post(&format!("{DESK}/{id}/notes"), json!({ "body": "Hm." })).await;
    story.did("desk.note", done).await;
    let done = staff.put(&format!("{DESK}/{id}/assignee"), json!({ "email": null })).await;
    story.did("desk.assign", done).await;
    let rated = json!({ "severity": "high", "reason": "It is" });
    let done = staff.put(&format!("{DESK}/{id}/severity"), rated).await;
    story.did("desk.rate", done).await;
    let page = format!("/provider/tickets/{id}");
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/notes"), &[("note", "Hm.")]).await;
    story.did("desk.note_form", done).await;
    let fields = [("email", "owner@northwind.example")];
    let done = staff.submit(&format!("{page}/assignee"), &fields).await;
    story.did("desk.assign_form", done).await;
    let fields = [("severity", "low"), ("reason", "It is not")];
    let done = staff.submit(&format!("{page}/severity"), &fields).await;
    story.did("desk.rate_form", done).await;
    let fields = [("body", "So."), ("then", "waiting")];
    let done = staff.submit(&format!("{page}/answers"), &fields).await;
    story.did("desk.answer_form", done).await;
    let shown = staff.get("/api/v1/provider/support").await.expect(200).json();
    let done = staff.put("/api/v1/provider/support", shown["settings"].clone()).await;
    story.did("desk.change", done).await;
    staff.get("/provider/support").await.expect(200);
    let mut fields = vec![("from", "08:00"), ("to", "18:00"), ("offset", "0"), ("mail_to", "")];
    for name in [
        "urgent.first_minutes",
        "urgent.next_minutes",
        "high.first_minutes",
        "high.next_minutes",
        "normal.first_minutes",
        "normal.next_minutes",
        "low.first_minutes",
        "low.next_minutes",
    ] {
        fields.push((name, "600"));
    }
    let done = staff.submit("/provider/support", &fields).await;
    story.did("desk.change_form", done).await;
}

async fn guide(story: &mut Story<'_>, owner: &mut Client) {
    let skip = json!({ "step": "identity_provider", "reason": "We have none" });
    let done = owner.post(&format!("{API}/set-up/skips"), skip).await;
    story.did("set_up_guide.skip", done).await;
    let done = owner.delete(&format!("{API}/set-up/skips/identity_provider")).await;
    story.did("set_up_guide.take_up", done).await;
    let done = owner.put(&format!("{API}/set-up"), json!({ "hidden": true })).await;
    story.did("set_up_guide.hide", done).await;
    owner.get(&format!("{PAGES}/set-up")).await.expect(200);
    let fields = [("step", "identity_provider"), ("reason", "We have none")];
    let done = owner.submit(&format!("{PAGES}/set-up/skip"), &fields).await;
    story.did("set_up_guide.skip_form", done).await;
    let done = owner.submit(&format!("{PAGES}/set-up/take-up"), &[("step", "identity_provider")]).await;
    story.did("set_up_guide.take_up_form", done).await;
    let done = owner.submit(&format!("{PAGES}/set-up/hide"), &[("hidden", "on")]).await;
    story.did("set_up_guide.hide_form", done).await;
}
