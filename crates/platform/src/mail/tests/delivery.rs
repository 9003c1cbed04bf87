//! From the outbox to the mailbox, through the jobs.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::*;
use crate::app::{App, AppBuilder, AppParts};
use crate::ctx::{Actor, Random};
use crate::db::{DatabaseUrl, Db, DbError};
use crate::jobs;
use crate::params;
use crate::secrets::Keyring;
use crate::time::{Clock, DAY, HOUR};
use crate::web::Authenticate;

struct Nobody;

impl Authenticate for Nobody {
    fn authenticate<'a>(
        &'a self,
        _app: &'a App,
        _parts: &'a http::request::Parts,
    ) -> BoxFuture<'a, Result<Option<crate::web::access::Principal>, crate::web::problem::Problem>> {
        Box::pin(async { Ok(None) })
    }
}

crate::statements! {
    SEALED: Platform = "select id, recipient, sealed from mail_outbox";
    READDRESS: Housekeeping = "update mail_outbox set recipient = $1";
}

/// An app on an empty store whose mailbox is `folder/mail`, or that has none.
async fn app(folder: &Path, mailbox: bool) -> App {
    let mut config = Config::for_tests(folder);
    config.mailbox_dir = mailbox.then(|| folder.join("mail"));
    let db = Db::open(&DatabaseUrl::Sqlite(folder.join("test.db"))).await.unwrap();
    AppBuilder::new(AppParts {
        config,
        db,
        clock: Clock::virtual_at(Timestamp::from_micros(1_700_000_000_000_000)),
        random: Random::seeded(3),
        keyring: Keyring::for_tests(),
        areas: Vec::new(),
        authenticate: Arc::new(Nobody),
    })
    .build()
}

async fn enqueue_one(app: &App) -> Result<(), DbError> {
    let ctx = app.ctx(Actor::System("test"));
    let keyring = app.keyring().clone();
    let message = Message::text("ann@example.com", "Your link", "https://x.example/secret-link");
    app.db().housekeeping(move |tx| enqueue(&keyring, &ctx, tx, None, &message)).await
}

async fn entries(app: &App) -> Vec<OutboxEntry> {
    let mut entries = Vec::new();
    for state in [MailState::Waiting, MailState::Sent, MailState::Failed] {
        entries.extend(app.db().read::<_, DbError, _>(move |tx| list(tx, state, 10)).await.unwrap());
    }
    entries
}

fn delivered(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("mail")) else { return Vec::new() };
    entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

async fn sealed_bytes(app: &App) -> Vec<u8> {
    app.db().read::<_, DbError, _>(|tx| tx.first(&SEALED, params![])).await.unwrap().unwrap().get(2).unwrap()
}

#[tokio::test]
async fn a_mail_is_delivered_once_and_its_body_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), true).await;
    enqueue_one(&app).await.unwrap();
    assert!(delivered(folder.path()).is_empty(), "nothing leaves inside of a transaction");
    assert!(app.db().read::<_, DbError, _>(waiting_since).await.unwrap().is_some());
    let stored = sealed_bytes(&app).await;
    assert!(!String::from_utf8_lossy(&stored).contains("secret-link"), "the link is stored readable");

    while jobs::run_due(&app).await.unwrap() > 0 {}
    let mails = delivered(folder.path());
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("https://x.example/secret-link"));
    let entry = entries(&app).await.remove(0);
    assert_eq!((entry.state, entry.attempts), (MailState::Sent, 1));
    assert!(entry.sent_at.is_some());
    assert!(sealed_bytes(&app).await.is_empty());
    assert!(app.db().read::<_, DbError, _>(waiting_since).await.unwrap().is_none());
}

#[tokio::test]
async fn a_rolled_back_transaction_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), true).await;
    let ctx = app.ctx(Actor::System("test"));
    let keyring = app.keyring().clone();
    let result: Result<(), DbError> = app
        .db()
        .housekeeping(move |tx| {
            enqueue(&keyring, &ctx, tx, None, &Message::text("ann@example.com", "x", "y"))?;
            Err(DbError::Full)
        })
        .await;
    assert_eq!(result, Err(DbError::Full));
    while jobs::run_due(&app).await.unwrap() > 0 {}
    assert!(delivered(folder.path()).is_empty() && entries(&app).await.is_empty());
}

#[tokio::test]
async fn a_body_cannot_be_sent_to_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), true).await;
    enqueue_one(&app).await.unwrap();
    app.db()
        .housekeeping::<_, DbError, _>(|tx| tx.execute(&READDRESS, params!["eve@evil.example"]))
        .await
        .unwrap();
    while jobs::run_due(&app).await.unwrap() > 0 {}
    assert!(delivered(folder.path()).is_empty());
    let entry = entries(&app).await.remove(0);
    assert_eq!(entry.state, MailState::Failed);
    assert!(entry.last_error.unwrap().contains("cannot be opened"));
}

#[tokio::test]
async fn mail_waits_while_nothing_is_set_up_and_fails_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), false).await;
    enqueue_one(&app).await.unwrap();
    jobs::run_due(&app).await.unwrap();
    let entry = entries(&app).await.remove(0);
    assert_eq!((entry.state, entry.attempts), (MailState::Waiting, 1));
    assert!(entry.last_error.unwrap().contains("smtp_url"));
    for _ in 0..40 {
        app.clock().advance(HOUR);
        jobs::run_due(&app).await.unwrap();
    }
    let entry = entries(&app).await.remove(0);
    assert_eq!((entry.state, entry.attempts), (MailState::Failed, 22));
}

#[tokio::test]
async fn old_mails_are_purged_and_waiting_ones_kept() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), true).await;
    enqueue_one(&app).await.unwrap();
    while jobs::run_due(&app).await.unwrap() > 0 {}
    app.clock().advance(29 * DAY);
    while jobs::run_due(&app).await.unwrap() > 0 {}
    assert_eq!(entries(&app).await.len(), 1);
    app.clock().advance(2 * DAY);
    while jobs::run_due(&app).await.unwrap() > 0 {}
    assert!(entries(&app).await.is_empty());
}
