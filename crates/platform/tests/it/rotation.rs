//! Rotation of the keys that seal: everything is sealed anew, whatever happens in between, and an old key goes only
//! when nothing needs it.

use platform::ctx::Random;
use platform::db::{DbError, Tx};
use platform::jobs;
use platform::mail::{self, MailState, Message};
use platform::params;
use platform::secrets::rotation::{self, Rotating, Status};
use platform::secrets::{Keyring, MasterKey, records, sealed_key_id};
use platform::time::{HOUR, MINUTE};
use testkit::{Kit, both};

use crate::EMPTY;

platform::statements! {
    SEALED: Platform = "select id, recipient, sealed from mail_outbox";
    BREAK: Platform = "update mail_outbox set recipient = 'eve@example.com' where recipient = $1";
}

fn master() -> MasterKey {
    // The one of `Keyring::for_tests`.
    MasterKey::from_bytes([7; 32])
}

/// Mails that cannot be delivered, so that their sealed bodies stay; and the program's keys in its store.
async fn sealed_mails(kit: &Kit, count: usize) {
    kit.organization("northwind").await;
    let records = kit.app.keyring().rewrap(&master(), &Random::System).expect("the keys");
    records::save(kit.app.db(), records).await.expect("stored");
    let folder = kit.app.config().mailbox_dir.clone().expect("a folder");
    std::fs::write(folder, "no folder").expect("a file in its place");
    write_mails(kit, count).await;
    // One try of each: from now on only what the test does is due.
    kit.settle().await;
}

async fn write_mails(kit: &Kit, count: usize) {
    let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
    let one = |n: usize| Message::text(&format!("p{n}@example.com"), "Hello", &format!("secret {n}"));
    let messages: Vec<Message> = (0..count).map(one).collect();
    let write = move |tx: &mut Tx| mail::enqueue_many(&keyring, &ctx, tx, None, &messages);
    kit.app.db().housekeeping::<_, DbError, _>(write).await.expect("written");
}

async fn rotate(kit: &Kit) -> Rotating {
    let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
    let at = ctx.clone();
    let done = kit.app.db().write(&ctx, move |tx| rotation::rotate(&at, tx, &keyring)).await.unwrap().value;
    if let Rotating::Started(key) = &done {
        kit.app.keyring().install(key).expect("a good key");
    }
    done
}

async fn status(kit: &Kit) -> Status {
    kit.app.db().read(rotation::status).await.unwrap()
}

/// The ids of the keys that seal something, and whether a program that starts now can open all of it.
async fn sealed_by(kit: &Kit) -> Vec<u32> {
    let stored = records::load(kit.app.db()).await.unwrap();
    let restarted = Keyring::from_records(master(), &stored).expect("a restart works");
    let rows = kit.app.db().read(|tx| {
        tx.list(&SEALED, params![], |row| {
            Ok((row.get::<Vec<u8>>(0)?, row.get::<String>(1)?, row.get::<Vec<u8>>(2)?))
        })
    });
    let mut ids = Vec::new();
    for (id, recipient, sealed) in rows.await.unwrap() {
        let context = [id.as_slice(), recipient.as_bytes()].concat();
        assert!(restarted.open("mail", &context, &sealed).is_ok(), "{recipient} is lost");
        ids.extend(sealed_key_id(&sealed));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

async fn actions(kit: &Kit) -> Vec<String> {
    let provider = kit.organization("northwind").await;
    let mut actions = kit.actions(provider).await;
    actions.retain(|action| action.starts_with("secrets."));
    actions
}

async fn mend(kit: &Kit) {
    let folder = kit.app.config().mailbox_dir.clone().expect("a folder");
    std::fs::remove_file(folder).expect("the file goes");
    kit.advance_settled(3 * HOUR, HOUR).await;
    let left = kit.app.db().read(|tx| mail::list(tx, MailState::Waiting, 1000)).await.unwrap();
    assert!(left.is_empty(), "every mail could be opened and sent: {left:?}");
}

#[tokio::test]
async fn everything_is_sealed_anew_and_the_old_key_goes_last() {
    both(
        async |kit| {
            sealed_mails(kit, 450).await;
            assert_eq!(sealed_by(kit).await, [1]);
            assert!(matches!(rotate(kit).await, Rotating::Started(_)));
            let standing = status(kit).await;
            assert!(standing.rotating);
            assert_eq!((standing.values, standing.resealed), (450, 0));
            assert!(matches!(rotate(kit).await, Rotating::UnderWay(_)), "one at a time");
            kit.settle().await;
            assert_eq!(sealed_by(kit).await, [1], "other nodes have not heard yet");
            kit.advance_settled(3 * MINUTE, MINUTE).await;
            assert_eq!(sealed_by(kit).await, [2]);
            let standing = status(kit).await;
            assert_eq!((standing.resealed, standing.keys.len()), (450, 2), "{standing:?}");
            // Not before every node has heard of the new key.
            kit.advance_settled(50 * MINUTE, 10 * MINUTE).await;
            assert_eq!(status(kit).await.keys.len(), 2);
            kit.advance_settled(20 * MINUTE, 10 * MINUTE).await;
            let standing = status(kit).await;
            assert_eq!(standing.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [2]);
            assert!(!standing.rotating);
            assert_eq!(sealed_by(kit).await, [2]);
            assert_eq!(actions(kit).await, ["secrets.key_rotated", "secrets.key_retired"]);
            assert!(matches!(rotate(kit).await, Rotating::Started(_)), "and again, some day");
            kit.advance_settled(2 * HOUR, HOUR).await;
            assert_eq!(sealed_by(kit).await, [3]);
            mend(kit).await;
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_loses_nothing_and_another_goes_on() {
    both(
        async |kit| {
            sealed_mails(kit, 450).await;
            // Stored and killed before the key was taken into use.
            let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
            let at = ctx.clone();
            kit.app.db().write(&ctx, move |tx| rotation::rotate(&at, tx, &keyring)).await.unwrap();
            assert_eq!(sealed_by(kit).await, [1]);
            // The next process learns it from the store, seals some anew and is killed.
            records::refresh(kit.app.db(), kit.app.keyring()).await.unwrap();
            kit.advance_settled(MINUTE, MINUTE).await;
            kit.advance(MINUTE);
            let (now, app) = (kit.now(), kit.app.clone());
            kit.app.db().housekeeping(move |tx| jobs::lease_for_test(tx, now)).await.unwrap();
            kit.app.db().housekeeping(move |tx| rotation::reseal_for_test(&app, tx)).await.unwrap();
            let standing = status(kit).await;
            assert_eq!((standing.values, standing.resealed), (450, 200));
            assert_eq!(sealed_by(kit).await, [1, 2], "both keys open what they sealed");
            // Its lease runs out; another process takes the job.
            kit.advance_settled(10 * MINUTE, MINUTE).await;
            assert_eq!(sealed_by(kit).await, [2]);
            kit.advance_settled(2 * HOUR, HOUR).await;
            assert_eq!(status(kit).await.keys.len(), 1);
            assert_eq!(sealed_by(kit).await, [2]);
            mend(kit).await;
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_node_that_had_not_heard_keeps_the_old_key_alive() {
    both(
        async |kit| {
            sealed_mails(kit, 3).await;
            let late = Keyring::from_records(master(), &records::load(kit.app.db()).await.unwrap()).unwrap();
            rotate(kit).await;
            kit.advance_settled(3 * MINUTE, MINUTE).await;
            assert_eq!(sealed_by(kit).await, [2]);
            kit.advance_settled(50 * MINUTE, 10 * MINUTE).await;
            // Another node still seals with the old key.
            let ctx = kit.ctx();
            let message = Message::text("late@example.com", "Hello", "late");
            let write = move |tx: &mut Tx| mail::enqueue(&late, &ctx, tx, None, &message);
            kit.app.db().housekeeping::<_, DbError, _>(write).await.unwrap();
            assert_eq!(sealed_by(kit).await, [1, 2]);
            kit.advance_settled(2 * HOUR, 10 * MINUTE).await;
            assert_eq!(sealed_by(kit).await, [2], "sealed anew before the key went");
            assert_eq!(status(kit).await.keys.len(), 1);
            mend(kit).await;
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_opened_keeps_its_key_and_is_told() {
    both(
        async |kit| {
            sealed_mails(kit, 5).await;
            let ctx = kit.ctx();
            let provider = kit.organization("northwind").await;
            let moved = kit.app.db().write(&ctx, move |tx| {
                tx.execute(&BREAK, params!["p3@example.com"])?;
                let recorded = tx.record(platform::events::Event::new(provider, "test.broke"));
                Ok::<_, DbError>(platform::db::Commit::changed((), recorded))
            });
            moved.await.unwrap();
            rotate(kit).await;
            kit.advance_settled(3 * MINUTE, MINUTE).await;
            let standing = status(kit).await;
            assert_eq!((standing.values, standing.resealed), (5, 4));
            kit.advance_settled(3 * HOUR, HOUR).await;
            assert_eq!(status(kit).await.keys.len(), 2, "the key stays");
            let all = kit.app.db().read(|tx| jobs::list(tx, 100)).await.unwrap();
            let failed: Vec<_> = all.iter().filter(|job| job.state == jobs::JobState::Failed).collect();
            let told = failed.iter().find(|job| job.kind == rotation::RESEAL).expect("the job says so");
            assert!(
                told.last_error.as_deref().unwrap_or_default().contains("mail_outbox.sealed"),
                "{told:?}"
            );
            // So that the test leaves no failed job behind.
            for job in failed {
                let id = job.id;
                kit.app.db().write(&kit.ctx(), move |tx| jobs::repair::discard(tx, id)).await.unwrap();
            }
            let folder = kit.app.config().mailbox_dir.clone().expect("a folder");
            std::fs::remove_file(folder).expect("the file goes");
            kit.advance_settled(3 * HOUR, HOUR).await;
        },
        &[&EMPTY],
    )
    .await;
}
