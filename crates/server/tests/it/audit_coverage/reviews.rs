//! A review of access is started, decided, finished, and another one cancelled.

use serde_json::{Value, json};
use testkit::{Answer, Client};

use super::Story;

const API: &str = "/api/v1/organizations/harbor/access-reviews";
const PAGES: &str = "/o/harbor/access-reviews";

fn id(view: &Answer) -> String {
    let view: Value = view.json();
    view["id"].as_str().unwrap_or_else(|| panic!("no id: {view}")).to_owned()
}

/// A group's membership, which nobody misses.
async fn one_grant(owner: &mut Client, review: &str) -> String {
    let page = owner.get(&format!("{API}/{review}/grants?kind=group")).await.expect(200).json();
    page["items"][0]["id"].as_str().unwrap_or_else(|| panic!("no grant: {page}")).to_owned()
}

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client) {
    let bea = story.kit.member("harbor", "bea@harbor.example", platform::access::Role::Member).await;
    let group = owner.post("/api/v1/organizations/harbor/groups", json!({ "name": "Reviewed" })).await;
    let group = id(&group.expect(201));
    let member = format!("/api/v1/organizations/harbor/groups/{group}/members/{bea}");
    owner.put(&member, json!({})).await.expect(204);
    story.aside().await;
    let reviewers = json!(["owner@harbor.example", "ann@harbor.example"]);
    let body = json!({ "name": "Spring", "kinds": ["group"], "reviewers": reviewers });
    let started = owner.post(API, body.clone()).await;
    let review = id(&story.did("access_review.start", started).await);
    story.kit.settle().await;
    story.aside().await;
    let grant = one_grant(owner, &review).await;
    let decision = json!({ "grants": [grant], "decision": "keep" });
    let done = owner.post(&format!("{API}/{review}/decisions"), decision).await;
    story.did("access_review.decide", done).await;
    let page = format!("{PAGES}/{review}");
    owner.get(&page).await.expect(200);
    let fields = [("grants", grant.as_str()), ("decision", "revoke"), ("reason", "left the group")];
    let done = owner.submit(&format!("{page}/decisions"), &fields).await;
    story.did("access_review.decide_form", done).await;
    let done = owner.post(&format!("{API}/{review}/finish"), json!({})).await;
    story.did("access_review.finish", done).await;
    story.kit.settle().await;
    story.aside().await;

    owner.get(&format!("{PAGES}/new")).await.expect(200);
    let fields = [
        ("name", "Summer"),
        ("kinds", "token"),
        ("reviewers", "owner@harbor.example ann@harbor.example"),
        ("days", "5"),
        ("on_silence", "keep"),
        ("seen", "token/keep"),
    ];
    let started =
        story.did("access_review.start_form", owner.submit(&format!("{PAGES}/new"), &fields).await).await;
    let page = started.location().split('?').next().expect("a page").to_owned();
    story.kit.settle().await;
    story.aside().await;
    let done = owner.submit(&format!("{page}/finish"), &[("confirm", "Summer")]).await;
    story.did("access_review.finish_form", done).await;
    story.kit.settle().await;
    story.aside().await;
    for cancelled_by in ["access_review.cancel", "access_review.cancel_form"] {
        let review = id(&owner.post(API, body.clone()).await.expect(201));
        story.kit.settle().await;
        story.aside().await;
        let done = if cancelled_by == "access_review.cancel" {
            owner.post(&format!("{API}/{review}/cancel"), json!({})).await
        } else {
            owner.submit(&format!("{PAGES}/{review}/cancel"), &[]).await
        };
        story.did(cancelled_by, done).await;
    }
}
