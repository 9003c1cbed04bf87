//! What the provider's operators do about jobs, mails and keys, and how a member leaves.

use platform::access::Role;
use platform::db::DbError;
use platform::jobs::{self, NewJob};
use platform::mail::{self, MailState, Message};
use platform::time::HOUR;
use serde_json::json;
use testkit::Client;

use super::Story;

pub(super) async fn tell(story: &mut Story<'_>, staff: &mut Client) {
    failed_jobs(story, staff).await;
    failed_mail(story, staff).await;
    keys(story, staff).await;
    ledger_key(story, staff).await;
    leaving(story).await;
}

/// The ids of jobs that nobody knows how to do, so they failed.
async fn fail_some(story: &mut Story<'_>, count: usize) -> Vec<String> {
    let ctx = story.kit.ctx();
    let enqueued = story.kit.app.db().housekeeping(move |tx| {
        let job = NewJob { kind: "test.unknown", organization: None, unique_key: None, run_at: ctx.now };
        jobs::enqueue_many(&ctx, tx, &job, &vec![json!({}); count])
    });
    enqueued.await.expect("enqueued");
    story.kit.settle().await;
    story.aside().await;
    let all = story.kit.app.db().read(|tx| jobs::list(tx, 1000)).await.expect("jobs");
    all.into_iter().filter(|job| job.kind == "test.unknown").map(|job| job.id.to_string()).collect()
}

async fn failed_jobs(story: &mut Story<'_>, staff: &mut Client) {
    const API: &str = "/api/v1/provider/jobs";
    let failed = fail_some(story, 2).await;
    let dry = staff.post(&format!("{API}/{}/discard", failed[0]), json!({ "dry_run": true })).await;
    assert_eq!(dry.expect(200).json()["job"]["state"], "failed");
    let done = staff.post(&format!("{API}/{}/retry", failed[0]), json!({})).await;
    story.did("job.retry", done).await;
    story.kit.settle().await;
    let done = staff.post("/api/v1/provider/job-retries", json!({ "kind": "test.unknown" })).await;
    story.did("job.retry_failed", done).await;
    story.kit.settle().await;
    let page = staff.get("/provider/jobs").await.expect(200).text();
    assert!(page.contains("no area knows this kind of job") && page.contains("Retry all failed"), "{page}");
    let done = staff.submit("/provider/jobs/retry-failed", &[]).await;
    story.did("job.retry_failed_form", done).await;
    story.kit.settle().await;
    let done = staff.submit(&format!("/provider/jobs/{}/retry", failed[1]), &[]).await;
    story.did("job.retry_form", done).await;
    story.kit.settle().await;
    let done = staff.post(&format!("{API}/{}/discard", failed[0]), json!({})).await;
    story.did("job.discard", done).await;
    let one = format!("/provider/jobs/{}", failed[1]);
    staff.get(&one).await.expect(200);
    let wrong = staff.submit(&format!("{one}/discard"), &[("confirm", "mail.send")]).await.expect(422);
    assert!(wrong.text().contains("not the job&#39;s kind"), "{}", wrong.text());
    let done = staff.submit(&format!("{one}/discard"), &[("confirm", "test.unknown")]).await;
    story.did("job.discard_form", done).await;
    staff.get(&format!("{API}/{}", failed[1])).await.expect(404);
}

async fn failed_mail(story: &mut Story<'_>, staff: &mut Client) {
    let kit = story.kit;
    kit.settle().await;
    let folder = kit.app.config().mailbox_dir.clone().expect("a folder");
    let aside = folder.with_extension("aside");
    let kept = std::fs::rename(&folder, &aside).is_ok();
    std::fs::write(&folder, "no folder").expect("a file in its place");
    let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
    let messages =
        ["one", "two"].map(|name| Message::text(&format!("{name}@fleet.example"), "Hello", "Hello"));
    let written = kit
        .app
        .db()
        .housekeeping::<_, DbError, _>(move |tx| mail::enqueue_many(&keyring, &ctx, tx, None, &messages));
    written.await.expect("written");
    kit.advance_settled(30 * HOUR, HOUR).await;
    story.aside().await;
    let mut failed = kit.app.db().read(|tx| mail::list(tx, MailState::Failed, 200)).await.expect("mails");
    failed.retain(|mail| mail.recipient.ends_with("@fleet.example"));
    assert_eq!(failed.len(), 2, "{failed:?}");
    let page = staff.get("/provider/mails").await.expect(200).text();
    assert!(page.contains("one@fleet.example") && page.contains("two@fleet.example"), "{page}");
    std::fs::remove_file(&folder).expect("the file goes");
    if kept {
        std::fs::rename(&aside, &folder).expect("the folder is back");
    }
    let done = staff.post(&format!("/api/v1/provider/mails/{}/retry", failed[0].id), json!({})).await;
    story.did("mail.retry", done).await;
    let done = staff.submit(&format!("/provider/mails/{}/retry", failed[1].id), &[]).await;
    story.did("mail.retry_form", done).await;
    // Whatever else was written in these hours.
    staff.post("/api/v1/provider/job-retries", json!({})).await.expect(200);
    story.kit.settle().await;
    story.aside().await;
    let sent = staff.get("/api/v1/provider/mails?state=sent").await.expect(200).text();
    assert!(sent.contains("one@fleet.example") && sent.contains("two@fleet.example"), "{sent}");
    staff.get("/api/v1/provider/mails?state=lost").await.expect(422);
}

async fn keys(story: &mut Story<'_>, staff: &mut Client) {
    const API: &str = "/api/v1/provider/secrets";
    staff.get(API).await.expect(200);
    let done = staff.post(&format!("{API}/rotate"), json!({})).await;
    story.did("secrets.rotate", done).await;
    staff.get("/provider/secrets").await.expect(200);
    let done = staff.submit("/provider/secrets/rotate", &[]).await;
    story.did("secrets.rotate_form", done).await;
    // The second one is under way until its hour is over.
    staff.post(&format!("{API}/rotate"), json!({})).await.expect(409);
    assert!(staff.get("/provider/secrets").await.expect(200).text().contains("A rotation is under way"));
    story.kit.advance_settled(2 * HOUR, HOUR).await;
    story.aside().await;
    let ended = staff.get(API).await.expect(200).json();
    assert_eq!(
        (&ended["rotating"], ended["keys"].as_array().map(Vec::len)),
        (&json!(false), Some(1)),
        "{ended}"
    );
}

async fn ledger_key(story: &mut Story<'_>, staff: &mut Client) {
    const API: &str = "/api/v1/provider/secrets/rotate-ledger-key";
    const PAGE: &str = "/provider/secrets/ledger-key";
    let dry = staff.post(API, json!({ "dry_run": true })).await.expect(200).json();
    assert_eq!(dry["keys"].as_array().map(Vec::len), Some(1), "{dry}");
    let done = staff.post(API, json!({ "overlap_days": 7 })).await;
    story.did("ledger_keys.rotate", done).await;
    // The old one signs for a week, and only a rotation without overlap ends it before.
    staff.post(API, json!({})).await.expect(409);
    staff.post(API, json!({ "dry_run": true })).await.expect(409);
    staff.post(API, json!({ "overlap_days": 366 })).await.expect(422);
    let page = staff.get(PAGE).await.expect(200).text();
    assert!(page.contains("Key 1 still signs beside key 2"), "{page}");
    staff.submit(PAGE, &[("confirm", "yes"), ("overlap_days", "0")]).await.expect(422);
    let done = staff.submit(PAGE, &[("confirm", "rotate"), ("overlap_days", "0")]).await;
    story.did("ledger_keys.rotate_form", done).await;
    let page = staff.get("/provider/secrets").await.expect(200).text();
    assert!(page.contains("Keys that sign the ledger") && page.contains("less than a day"), "{page}");
    let nobody = story.kit.client().get("/api/v1/ledger-keys").await.expect(200).json();
    let states: Vec<_> = nobody["keys"].as_array().expect("keys").iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["ended", "ended", "current"], "{nobody}");
    assert!(!nobody.to_string().contains("sealed"), "{nobody}");
    let standing = staff.get("/api/v1/provider/secrets").await.expect(200).json();
    assert_eq!(standing["ledger_keys"], nobody["keys"]);
    assert_eq!(standing["master_key"]["id"].as_str().map(str::len), Some(12), "{standing}");
    // The job of the first rotation is due in a week and finds nothing left to do.
    story.kit.advance_settled(8 * 24 * HOUR, 24 * HOUR).await;
    story.aside().await;
}

async fn leaving(story: &mut Story<'_>) {
    let kit = story.kit;
    let gil = kit.member("harbor", "gil@harbor.example", Role::Member).await;
    let hal = kit.member("harbor", "hal@harbor.example", Role::Auditor).await;
    let (mut gil, mut hal) = (kit.browser_of(gil).await, kit.browser_of(hal).await);
    story.aside().await;
    let done = gil.post("/api/v1/organizations/harbor/leave", json!({})).await;
    story.did("member.leave", done).await;
    let page = "/account/organizations/harbor/leave";
    hal.get(page).await.expect(200);
    let done = hal.submit(page, &[("confirm", "harbor")]).await;
    story.did("member.leave_form", done).await;
}
