//! Somebody guesses passwords; the provider's staff looks at the alert, acts on it, and stops a detector for a while.

use serde_json::json;
use testkit::{Client, Kit};
use users::login;
use users::throttles::Subject;

use super::Story;

const API: &str = "/api/v1/provider";
const DETECTOR: &str = "guessing-one-account";

/// One account is tried from many networks, and somebody gets in: an alert with everything in it.
async fn attack(kit: &Kit, email: &'static str) {
    for n in 0..6 {
        let mut ctx = kit.app.ctx(platform::ctx::Actor::Anonymous);
        ctx.origin.ip = Some(std::net::IpAddr::from([203, 0, 113, n]));
        let at = ctx.clone();
        let written = kit.app.db().write(&ctx, move |tx| {
            let provider = platform::principals::provider(tx)?.expect("a provider").id;
            let account = platform::principals::account_by_email(tx, email)?.expect("an account");
            let network = platform::web::guard::limits::network(at.origin.ip);
            let subject = Subject { email: email.to_owned(), network };
            if n == 5 {
                let started =
                    users::sessions::start(&at, tx, provider, &account, users::sessions::Method::Password)?;
                return Ok::<_, platform::db::DbError>(started.map(drop));
            }
            login::note_failure(&at, tx, provider, Some(account.id), &subject)
        });
        written.await.expect("a try");
    }
    ::threats::consumer_step(kit.app.clone()).await.expect("detectors");
}

async fn alert_of(staff: &mut Client) -> String {
    let listed = staff.get(&format!("{API}/alerts?state=live")).await.expect(200).json();
    listed["items"][0]["id"].as_str().expect("an alert").to_owned()
}

pub(super) async fn tell(story: &mut Story<'_>, staff: &mut Client) {
    attack(story.kit, "owner@harbor.example").await;
    story.aside().await;
    let id = alert_of(staff).await;
    let one = format!("{API}/alerts/{id}");
    let done = staff.post(&format!("{one}/acknowledge"), json!({})).await;
    story.did("alert.acknowledge", done).await;
    let done = staff.put(&format!("{one}/assignee"), json!({ "email": "owner@northwind.example" })).await;
    story.did("alert.assign", done).await;
    let done = staff.post(&format!("{one}/play"), json!({ "step": "tell_admins" })).await;
    story.did("alert.take_step", done).await;
    let page = format!("/provider/alerts/{id}");
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/assignee"), &[("email", "")]).await;
    story.did("alert.assign_form", done).await;
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/play"), &[("step", "end_sessions")]).await;
    story.did("alert.take_step_form", done).await;
    let done = staff.post(&format!("{one}/resolve"), json!({ "verdict": "true_positive" })).await;
    story.did("alert.resolve", done).await;
    story.kit.advance(platform::time::MINUTE);
    attack(story.kit, "owner@harbor.example").await;
    story.aside().await;
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/acknowledge"), &[]).await;
    story.did("alert.acknowledge_form", done).await;
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/resolve"), &[("verdict", "benign"), ("note", "A test")]).await;
    story.did("alert.resolve_form", done).await;
    detectors(story, staff).await;
}

async fn detectors(story: &mut Story<'_>, staff: &mut Client) {
    let reason = json!({ "reason": "A load test" });
    let done = staff.post(&format!("{API}/detectors/{DETECTOR}/stop"), reason.clone()).await;
    story.did("detector.stop", done).await;
    let done = staff.post(&format!("{API}/detectors/{DETECTOR}/start"), reason).await;
    story.did("detector.start", done).await;
    let page = format!("/provider/detectors/{DETECTOR}");
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/stop"), &[("reason", "A load test")]).await;
    story.did("detector.stop_form", done).await;
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/start"), &[("reason", "It is over")]).await;
    story.did("detector.start_form", done).await;
}
