//! Rotation of the key that signs checkpoints: who pinned the old one follows, the end of a key is in the ledger, and no
//! half of a rotation is ever stored.

use std::time::Duration;

use ledger::{Checkpoint, Trust, VerifyKey, verify_export, verify_handovers};
use platform::ctx::Random;
use platform::db::{DbError, ReadTx, Tx};
use platform::events::proofs::{self, ExportIdentity};
use platform::events::signing::{self, LedgerKey, OVERLAP, Rotating, State};
use platform::params;
use platform::secrets::rotation as sealing;
use platform::secrets::{Keyring, MasterKey, records, sealed_key_id};
use platform::time::{DAY, HOUR};
use testkit::{Kit, both};

use crate::EMPTY;

const NAME: &str = "localhost/ledger-keys";
const ORIGIN: &str = "localhost/ledger/northwind";

platform::statements! {
    SEALED: Platform = "select number, sealed from ledger_keys order by number";
    SET_SEALED: Housekeeping = "update ledger_keys set sealed = $2 where number = $1";
    SET_HANDOVER: Housekeeping = "update ledger_keys set handover = $2 where number = $1";
    SET_PUBLIC: Housekeeping = "update ledger_keys set public = $2 where number = $1";
}

async fn keys(kit: &Kit) -> Vec<LedgerKey> {
    let keyring = kit.app.keyring().clone();
    kit.app.db().read(move |tx| signing::keys(tx, &keyring)).await.unwrap()
}

async fn states(kit: &Kit) -> Vec<State> {
    keys(kit).await.iter().map(|key| key.state(kit.now())).collect()
}

async fn rotate(kit: &Kit, overlap: Duration) -> Rotating {
    let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
    let at = ctx.clone();
    let rotating = move |tx: &mut Tx| signing::rotate(&at, tx, &keyring, NAME, overlap);
    kit.app.db().write::<_, DbError, _>(&ctx, rotating).await.unwrap().value
}

async fn done(kit: &Kit, overlap: Duration) -> LedgerKey {
    match rotate(kit, overlap).await {
        Rotating::Done(key) => key,
        other => panic!("not done: {other:?}"),
    }
}

async fn sealed(kit: &Kit) -> Vec<(u32, Option<Vec<u8>>)> {
    let read = |tx: &mut ReadTx| tx.list(&SEALED, params![], |row| Ok((row.get(0)?, row.get(1)?)));
    kit.app.db().read(read).await.unwrap()
}

/// A checkpoint and an export of the provider's ledger, as a program with this keyring makes them now.
async fn made_by(kit: &Kit, keyring: &Keyring) -> Result<(String, Vec<u8>), DbError> {
    let (keyring, now, id) = (keyring.clone(), kit.now(), kit.organization("northwind").await);
    let make = move |tx: &mut ReadTx| {
        let signers = signing::signers(tx, &keyring, now)?;
        let (size, root) = proofs::head(tx, id)?;
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root };
        let note = checkpoint.sign_by(&signers, ORIGIN).unwrap();
        let mut out = Vec::new();
        let (slug, origin) = ("northwind", ORIGIN);
        let identity = ExportIdentity { organization: id, slug, origin, signers: &signers, exported_at: now };
        proofs::export(tx, &identity, &mut out).map_err(|error| DbError::Ledger(error.to_string()))?;
        Ok((note, out))
    };
    kit.app.db().read(make).await
}

async fn made(kit: &Kit) -> (String, Vec<u8>) {
    made_by(kit, kit.app.keyring()).await.unwrap()
}

fn believed(note: &str, key: &VerifyKey) -> bool {
    Checkpoint::verify(note, key).is_ok()
}

fn trust(export: &[u8], key: &VerifyKey) -> Trust {
    verify_export(export).unwrap().trust(key)
}

fn named(key: &LedgerKey) -> VerifyKey {
    key.public.named(ORIGIN).unwrap()
}

async fn actions(kit: &Kit) -> Vec<String> {
    let provider = kit.organization("northwind").await;
    let mut actions = kit.actions(provider).await;
    actions.retain(|action| action.starts_with("ledger.key_"));
    actions
}

#[tokio::test]
async fn whoever_pinned_the_first_key_follows_through_rotations_and_every_end_is_in_the_ledger() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let first = keys(kit).await;
            assert_eq!((first.len(), first[0].number, first[0].ends_at), (1, 1, None));
            let (before, old_export) = made(kit).await;
            let second = done(kit, OVERLAP).await;
            assert_eq!(states(kit).await, [State::Overlapping, State::Current]);
            // Both sign: whoever trusts either believes it.
            let (during, export) = made(kit).await;
            let (one, two) = (named(&first[0]), named(&second));
            assert!(believed(&before, &one) && !believed(&before, &two));
            assert!(believed(&during, &one) && believed(&during, &two));
            assert_eq!(trust(&export, &one), Trust::VouchedFor { handovers: 1 });
            assert_eq!(trust(&export, &two), Trust::Signed);
            // A second rotation waits for the end of the overlap.
            kit.advance_settled(OVERLAP - HOUR, 10 * DAY).await;
            assert!(matches!(rotate(kit, OVERLAP).await, Rotating::Overlapping(key) if key.number == 1));
            assert_eq!(actions(kit).await, ["ledger.key_rotated"]);
            kit.advance_settled(2 * HOUR, HOUR).await;
            assert_eq!(states(kit).await, [State::Ended, State::Current]);
            assert_eq!(actions(kit).await, ["ledger.key_rotated", "ledger.key_retired"]);
            let (after, _) = made(kit).await;
            assert!(!believed(&after, &one) && believed(&after, &two));
            let third = done(kit, OVERLAP).await;
            kit.advance_settled(OVERLAP + HOUR, 10 * DAY).await;
            let (_, export) = made(kit).await;
            assert_eq!(trust(&export, &one), Trust::VouchedFor { handovers: 2 });
            assert_eq!(trust(&export, &two), Trust::VouchedFor { handovers: 1 });
            assert_eq!(trust(&export, &named(&third)), Trust::Signed);
            // What was exported before is what it was.
            assert_eq!((trust(&old_export, &one), trust(&old_export, &two)), (Trust::Signed, Trust::None));
            // The seeds of ended keys are gone; the published notes are a chain.
            let left: Vec<bool> = sealed(kit).await.iter().map(|(_, sealed)| sealed.is_some()).collect();
            assert_eq!(left, [false, false, true]);
            let listed = keys(kit).await;
            let notes: Vec<&str> = listed.iter().filter_map(|key| key.handover.as_deref()).collect();
            let chain = verify_handovers(notes).unwrap();
            assert_eq!((chain[0].old, chain[1].new), (first[0].public, third.public));
            for (handover, key) in chain.iter().zip(&listed) {
                assert_eq!(Some(handover.old_ends_at_us), key.ends_at.map(|at| at.micros()));
            }
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn without_overlap_every_older_key_ends_at_once() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let first = named(&keys(kit).await[0]);
            let second = done(kit, OVERLAP).await;
            let third = done(kit, Duration::ZERO).await;
            assert_eq!(states(kit).await, [State::Ended, State::Ended, State::Current]);
            let (note, export) = made(kit).await;
            assert!(believed(&note, &named(&third)));
            assert!(!believed(&note, &named(&second)) && !believed(&note, &first));
            assert_eq!(trust(&export, &first), Trust::VouchedFor { handovers: 2 });
            let told = ["key_rotated", "key_rotated", "key_retired", "key_retired"];
            assert_eq!(actions(kit).await, told.map(|verb| format!("ledger.{verb}")));
            assert!(sealed(kit).await[..2].iter().all(|(_, sealed)| sealed.is_none()), "the seeds are wiped");
            // The job of the first rotation finds nothing left to end.
            kit.advance_settled(OVERLAP + HOUR, 10 * DAY).await;
            assert_eq!(actions(kit).await.len(), 4);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_rotation_that_does_not_commit_leaves_nothing_and_one_that_does_is_whole() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let (note, _) = made(kit).await;
            let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
            let at = ctx.clone();
            // Everything is written, and the process is gone before the commit.
            let killed = kit.app.db().write::<(), DbError, _>(&ctx, move |tx| {
                signing::rotate(&at, tx, &keyring, NAME, OVERLAP)?;
                Err(DbError::Closed)
            });
            assert_eq!(killed.await.map(drop), Err(DbError::Closed));
            assert_eq!((keys(kit).await.len(), sealed(kit).await.len()), (1, 0));
            assert_eq!((made(kit).await.0, actions(kit).await), (note, Vec::new()));
            kit.advance_settled(OVERLAP + DAY, 10 * DAY).await;
            // And gone right after it: the next process knows all of it from the store.
            let second = done(kit, OVERLAP).await;
            let restarted = Keyring::for_tests();
            let (note, export) = made_by(kit, &restarted).await.unwrap();
            assert!(believed(&note, &named(&second)) && believed(&note, &named(&keys(kit).await[0])));
            assert_eq!(trust(&export, &named(&second)), Trust::Signed);
            kit.advance_settled(OVERLAP + DAY, 10 * DAY).await;
            assert_eq!(actions(kit).await, ["ledger.key_rotated", "ledger.key_retired"]);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn of_two_rotations_at_once_one_is_done() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let (one, two) = tokio::join!(rotate(kit, OVERLAP), rotate(kit, OVERLAP));
            let count = [&one, &two].iter().filter(|made| matches!(made, Rotating::Done(_))).count();
            assert_eq!(count, 1, "{one:?} {two:?}");
            assert_eq!(keys(kit).await.len(), 2);
            made(kit).await;
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_key_that_was_changed_in_the_store_signs_nothing() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let key = done(kit, OVERLAP).await;
            let genuine = sealed(kit).await[1].1.clone().unwrap();
            let set = async |statement, value: platform::db::Value| {
                let write =
                    move |tx: &mut Tx| tx.execute(statement, &[2_u32.into(), value.clone()]).map(drop);
                kit.app.db().housekeeping::<_, DbError, _>(write).await.unwrap();
            };
            let refused = async |what: &str| {
                let error = made_by(kit, kit.app.keyring()).await.unwrap_err();
                assert!(matches!(&error, DbError::Ledger(_)), "{what}: {error}");
            };
            for at in [0, 5, genuine.len() / 2, genuine.len() - 1] {
                let mut flipped = genuine.clone();
                flipped[at] ^= 1;
                set(&SET_SEALED, flipped.into()).await;
                refused("a flipped bit").await;
            }
            // A seed of the attacker's own, sealed by one who has the keyring, under the key's public half.
            let forged =
                kit.app.keyring().seal("ledger key", &2_u32.to_be_bytes(), &[9; 32], &Random::System);
            set(&SET_SEALED, forged.unwrap().into()).await;
            refused("another seed").await;
            set(&SET_SEALED, genuine.into()).await;
            let note = key.handover.clone().unwrap();
            set(&SET_HANDOVER, note.replacen("number 2", "number 3", 1).into()).await;
            refused("another handover").await;
            set(&SET_HANDOVER, note.into()).await;
            set(&SET_PUBLIC, vec![7_u8; 32].into()).await;
            refused("another public half").await;
            set(&SET_PUBLIC, key.public.bytes().to_vec().into()).await;
            made(kit).await;
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_new_data_key_seals_the_seed_anew_and_a_node_that_had_not_heard_of_it_still_signs() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let master = MasterKey::from_bytes([7; 32]);
            let stored = kit.app.keyring().rewrap(&master, &Random::System).unwrap();
            records::save(kit.app.db(), stored).await.unwrap();
            let late = Keyring::from_records(master, &records::load(kit.app.db()).await.unwrap()).unwrap();
            let key = done(kit, OVERLAP).await;
            let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
            let at = ctx.clone();
            let rotating = move |tx: &mut Tx| sealing::rotate(&at, tx, &keyring);
            let rotated = kit.app.db().write::<_, DbError, _>(&ctx, rotating).await.unwrap().value;
            let sealing::Rotating::Started(data_key) = rotated else { panic!("under way") };
            kit.app.keyring().install(&data_key).unwrap();
            kit.advance_settled(2 * HOUR, HOUR / 2).await;
            let by: Vec<_> =
                sealed(kit).await.iter().filter_map(|(_, s)| sealed_key_id(s.as_ref()?)).collect();
            assert_eq!(by, [2]);
            let (note, _) = made_by(kit, &late).await.unwrap();
            assert!(believed(&note, &named(&key)));
        },
        &[&EMPTY],
    )
    .await;
}
