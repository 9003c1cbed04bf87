//! The outbox and the wrapped keys on both databases.

use platform::ctx::Random;
use platform::db::DbError;
use platform::mail::{self, MailState, Message};
use platform::secrets::{Keyring, MasterKey, records};
use platform::time::DAY;
use platform::{Actor, mail::OutboxEntry};
use testkit::{Kit, both};

async fn in_state(kit: &Kit, state: MailState) -> Vec<OutboxEntry> {
    kit.app.db().read::<_, DbError, _>(move |tx| mail::list(tx, state, 10)).await.expect("mails are listed")
}

#[tokio::test]
async fn a_mail_is_delivered_and_purged() {
    both(
        async |kit| {
            let ctx = kit.app.ctx(Actor::System("test"));
            let keyring = kit.app.keyring().clone();
            let message = Message::text("ann@example.com", "Hello", "https://x.example/link");
            kit.app
                .db()
                .housekeeping::<_, DbError, _>(move |tx| mail::enqueue(&keyring, &ctx, tx, None, &message))
                .await
                .expect("the mail is enqueued");
            let since = kit.app.db().read::<_, DbError, _>(mail::waiting_since).await.expect("a time");
            assert_eq!(since, Some(kit.now()));
            assert_eq!(in_state(kit, MailState::Waiting).await.len(), 1);

            let mail = kit.mail_to("ann@example.com").await.expect("the mail is delivered");
            assert!(mail.contains("https://x.example/link"));
            assert_eq!(in_state(kit, MailState::Sent).await[0].sent_at, Some(kit.now()));
            assert_eq!(kit.app.db().read::<_, DbError, _>(mail::waiting_since).await, Ok(None));

            kit.advance(31 * DAY);
            kit.settle().await;
            assert!(in_state(kit, MailState::Sent).await.is_empty());
        },
        &[&crate::EMPTY],
    )
    .await;
}

#[tokio::test]
async fn keys_are_stored_and_rotated() {
    both(
        async |kit| {
            let (db, random) = (kit.app.db(), Random::System);
            let old = MasterKey::from_bytes([1; 32]);
            let (keyring, new) = Keyring::create(old.clone(), kit.now(), &random).expect("keys");
            records::save(db, new.clone()).await.expect("the keys are saved");
            assert_eq!(records::load(db).await.as_ref(), Ok(&new));
            assert!(matches!(records::save(db, new).await, Err(DbError::Unique(_))));
            assert_eq!(records::rotate(db, &keyring, kit.now(), &random).await.expect("rotates"), 2);
            let sealed = keyring.seal("mail", b"place", b"value", &random).expect("seals");

            let stored = records::load(db).await.expect("loads");
            let restarted = Keyring::from_records(old, &stored).expect("the master key opens them");
            let Ok(opened) = restarted.open("mail", b"place", &sealed) else { panic!("it opens") };
            assert_eq!(opened.expose(), b"value");
        },
        &[&crate::EMPTY],
    )
    .await;
}
