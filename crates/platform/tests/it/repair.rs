//! Failed jobs and mails: seen, tried again, dropped, with an event each.

use platform::db::DbError;
use platform::ids::JobId;
use platform::jobs::repair::{self, Counts, Repair};
use platform::jobs::{self, JobState, JobView, NewJob};
use platform::mail::{self, MailState, Message, OutboxEntry, Retrying};
use platform::time::{HOUR, MINUTE};
use testkit::{Kit, both};

use crate::EMPTY;

async fn enqueue(kit: &Kit, key: Option<&'static str>) {
    let ctx = kit.ctx();
    let write = kit.app.db().housekeeping(move |tx| {
        let job = NewJob { kind: "test.unknown", organization: None, unique_key: key, run_at: ctx.now };
        jobs::enqueue(&ctx, tx, &job, &serde_json::json!({}))
    });
    write.await.unwrap();
}

async fn all(kit: &Kit) -> Vec<JobView> {
    let jobs = kit.app.db().read(|tx| jobs::list(tx, 1000)).await.unwrap();
    jobs.into_iter().filter(|job| job.kind == "test.unknown" || job.kind == "mail.send").collect()
}

async fn retry(kit: &Kit, id: JobId) -> Repair {
    let ctx = kit.ctx();
    let at = ctx.clone();
    kit.app.db().write(&ctx, move |tx| repair::retry(&at, tx, id)).await.unwrap().value
}

async fn discard(kit: &Kit, id: JobId) -> Repair {
    kit.app.db().write(&kit.ctx(), move |tx| repair::discard(tx, id)).await.unwrap().value
}

async fn actions(kit: &Kit) -> Vec<String> {
    let provider = kit.organization("northwind").await;
    let mut actions = kit.actions(provider).await;
    actions.retain(|action| action.starts_with("job.") || action.starts_with("mail."));
    actions
}

#[tokio::test]
async fn a_failed_job_is_tried_again_or_dropped() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            enqueue(kit, None).await;
            let id = all(kit).await[0].id;
            assert!(matches!(discard(kit, id).await, Repair::NotFailed), "it may still do its work");
            kit.settle().await;
            let failed = all(kit).await.remove(0);
            assert_eq!((failed.state, failed.attempts), (JobState::Failed, 1));
            assert_eq!(failed.last_error.as_deref(), Some("no area knows this kind of job"));
            assert_eq!(failed.created_at, kit.now());

            assert!(matches!(retry(kit, id).await, Repair::Done(_)));
            let again = all(kit).await.remove(0);
            assert_eq!((again.state, again.run_at), (JobState::Waiting, kit.now()));
            // A node takes it: hands off.
            let now = kit.now();
            kit.app.db().housekeeping(move |tx| jobs::lease_for_test(tx, now)).await.unwrap();
            assert!(matches!(retry(kit, id).await, Repair::Running));
            assert!(matches!(discard(kit, id).await, Repair::NotFailed));
            kit.advance(3 * MINUTE);
            kit.settle().await;

            assert!(matches!(discard(kit, id).await, Repair::Done(_)));
            assert!(all(kit).await.is_empty());
            assert!(matches!(discard(kit, id).await, Repair::NoSuchJob));
            assert!(matches!(retry(kit, id).await, Repair::NoSuchJob));
            assert_eq!(actions(kit).await, ["job.retried", "job.discarded"]);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_failed_job_does_not_keep_its_kind_from_coming_again() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            enqueue(kit, Some("the.key")).await;
            enqueue(kit, Some("the.key")).await;
            assert_eq!(all(kit).await.len(), 1, "one waits");
            kit.settle().await;
            enqueue(kit, Some("the.key")).await;
            assert_eq!(all(kit).await.len(), 2, "the failed one is no obstacle");
            kit.settle().await;
            let counts = kit.app.db().read(repair::counts).await.unwrap();
            assert_eq!(counts.failed, 2, "{counts:?}");
            let ctx = kit.ctx();
            let at = ctx.clone();
            let none = kit.app.db().write(&ctx, move |tx| repair::retry_failed(&at, tx, Some("other"))).await;
            assert_eq!(none.unwrap().value, 0);
            let at = ctx.clone();
            let both = kit.app.db().write(&ctx, move |tx| repair::retry_failed(&at, tx, None)).await;
            assert_eq!(both.unwrap().value, 2);
            let counts: Counts = kit.app.db().read(repair::counts).await.unwrap();
            assert_eq!(counts.failed, 0);
            kit.settle().await;
            for job in all(kit).await {
                discard(kit, job.id).await;
            }
        },
        &[&EMPTY],
    )
    .await;
}

/// The folder of mails becomes a file: nothing can be delivered until [`mend`].
fn break_mail(kit: &Kit) {
    let folder = kit.app.config().mailbox_dir.clone().expect("a folder");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::write(folder, "no folder").expect("a file in its place");
}

fn mend_mail(kit: &Kit) {
    let folder = kit.app.config().mailbox_dir.clone().expect("a folder");
    std::fs::remove_file(folder).expect("the file goes");
}

async fn write_mail(kit: &Kit, to: &str) {
    let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
    let message = Message::text(to, "Hello", "https://x.example/link");
    let write = move |tx: &mut platform::db::Tx| mail::enqueue(&keyring, &ctx, tx, None, &message);
    kit.app.db().housekeeping::<_, DbError, _>(write).await.unwrap();
}

async fn mails(kit: &Kit, state: MailState) -> Vec<OutboxEntry> {
    kit.app.db().read(move |tx| mail::list(tx, state, 10)).await.unwrap()
}

#[tokio::test]
async fn failed_mail_is_seen_and_sent_after_all() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            break_mail(kit);
            write_mail(kit, "ann@example.com").await;
            write_mail(kit, "bob@example.com").await;
            write_mail(kit, "cem@example.com").await;
            kit.advance_settled(40 * HOUR, HOUR).await;
            let failed = mails(kit, MailState::Failed).await;
            assert_eq!(failed.len(), 3, "{failed:?}");
            assert!(failed.iter().all(|mail| mail.last_error.is_some() && mail.attempts > 10));
            mend_mail(kit);
            // One by the outbox, one by its job, one is given up.
            let of = |name: &str| failed.iter().find(|mail| mail.recipient.starts_with(name)).unwrap().id;
            let (ann, ctx) = (of("ann"), kit.ctx());
            let at = ctx.clone();
            let done = kit.app.db().write(&ctx, move |tx| mail::retry(&at, tx, ann)).await.unwrap().value;
            assert!(matches!(done, Retrying::Done(_)));
            kit.settle().await;
            assert!(
                kit.mail_to("ann@example.com").await.expect("the mail").contains("https://x.example/link")
            );
            assert!(kit.mail_to("bob@example.com").await.is_none());
            let at = ctx.clone();
            let again = kit.app.db().write(&ctx, move |tx| mail::retry(&at, tx, ann)).await.unwrap().value;
            assert!(matches!(again, Retrying::Sent), "a mail is not sent twice by hand");

            let jobs = all(kit).await;
            assert_eq!(jobs.len(), 2, "the job of the mail that was sent is gone: {jobs:?}");
            assert!(matches!(retry(kit, jobs[0].id).await, Repair::Done(_)));
            kit.settle().await;
            assert_eq!(mails(kit, MailState::Sent).await.len(), 2);
            assert!(matches!(discard(kit, jobs[1].id).await, Repair::Done(_)));
            assert_eq!(mails(kit, MailState::Failed).await.len(), 1);
            assert_eq!(actions(kit).await, ["mail.retried", "job.retried", "job.discarded"]);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_mail_that_waits_for_its_next_try_can_be_sent_now() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            break_mail(kit);
            write_mail(kit, "ann@example.com").await;
            kit.advance_settled(6 * HOUR, HOUR).await;
            let waiting = mails(kit, MailState::Waiting).await.remove(0);
            assert!(waiting.last_error.is_some());
            mend_mail(kit);
            kit.settle().await;
            assert_eq!(mails(kit, MailState::Sent).await.len(), 0, "its next try is in an hour");
            let (ctx, id) = (kit.ctx(), waiting.id);
            let at = ctx.clone();
            kit.app.db().write(&ctx, move |tx| mail::retry(&at, tx, id)).await.unwrap();
            assert!(kit.mail_to("ann@example.com").await.is_some());
            assert!(all(kit).await.is_empty(), "one job took the place of the other");
            let nobody = kit.app.db().write(&ctx, {
                let at = ctx.clone();
                let id = at.id();
                move |tx| mail::retry(&at, tx, id)
            });
            assert!(matches!(nobody.await.unwrap().value, Retrying::NoSuchMail));
        },
        &[&EMPTY],
    )
    .await;
}

/// Every repair is recorded in the provider's ledger, so there must be one.
#[tokio::test]
async fn without_a_provider_nothing_is_repaired() {
    both(
        async |kit| {
            enqueue(kit, None).await;
            let (id, ctx) = (all(kit).await[0].id, kit.ctx());
            let at = ctx.clone();
            let refused = kit.app.db().write(&ctx, move |tx| repair::retry(&at, tx, id)).await;
            assert!(matches!(refused, Err(DbError::NotSetUp)));
            kit.organization("northwind").await;
            kit.settle().await;
            discard(kit, id).await;
        },
        &[&EMPTY],
    )
    .await;
}
