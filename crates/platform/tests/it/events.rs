//! The ledger: proofs hold, redaction keeps them, one flipped bit in an export is found.

use ledger::{Checkpoint, verify_consistency, verify_inclusion};
use platform::db::{Commit, DbError};
use platform::events::proofs::{self, ExportIdentity};
use platform::events::{self, Event, signing};
use platform::ids::OrganizationId;
use testkit::{Kit, both};

use crate::EMPTY;

async fn record_many(kit: &Kit, organization: OrganizationId, count: usize) {
    kit.app
        .db()
        .write(&kit.ctx(), move |tx| {
            let mut recorded =
                tx.record(Event::new(organization, "test.counted").personal("who", "mara@harbor.example"));
            for n in 1..count {
                recorded = tx.record(Event::new(organization, "test.counted").with("n", n));
            }
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn every_event_can_be_proved_included_and_every_size_consistent() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            record_many(kit, id, 600).await;
            kit.app
                .db()
                .read(move |tx| {
                    let (size, root) = proofs::head(tx, id)?;
                    assert_eq!(size, 601);
                    for event in events::range(tx, id, 0, 700)? {
                        if event.sequence % 37 == 0 || event.sequence > 590 {
                            let proof = proofs::inclusion(tx, id, event.sequence, size)?;
                            verify_inclusion(event.leaf(), event.sequence, size, &proof, &root).unwrap();
                        }
                    }
                    let mut frontier = ledger::Frontier::new();
                    for event in events::range(tx, id, 0, 257)? {
                        frontier.append(event.leaf());
                    }
                    let proof = proofs::consistency(tx, id, 257, size)?;
                    verify_consistency(257, size, &proof, &frontier.root(), &root).unwrap();
                    Ok::<_, DbError>(())
                })
                .await
                .unwrap();
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn redaction_erases_the_value_and_keeps_the_proof() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            record_many(kit, id, 5).await;
            kit.app
                .db()
                .write(&kit.ctx(), move |tx| {
                    assert!(events::redact(tx, id, 1, "who")?.is_some());
                    let recorded = tx.record(Event::new(id, "test.after"));
                    Ok::<_, DbError>(Commit::changed((), recorded))
                })
                .await
                .unwrap();
            kit.app
                .db()
                .read(move |tx| {
                    let event = events::range(tx, id, 1, 1)?.remove(0);
                    assert_eq!(event.personal["who"], None);
                    assert!(!format!("{event:?}").contains("mara@harbor"), "the value is gone");
                    assert_eq!(event.entry()?.leaf_hash(), event.leaf());
                    let (size, root) = proofs::head(tx, id)?;
                    let proof = proofs::inclusion(tx, id, 1, size)?;
                    verify_inclusion(event.leaf(), 1, size, &proof, &root).unwrap();
                    Ok::<_, DbError>(())
                })
                .await
                .unwrap();
            let actions = kit.actions(id).await;
            assert!(actions.contains(&"event.redacted".to_owned()), "{actions:?}");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn an_export_verifies_offline_and_a_flipped_bit_is_located() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            record_many(kit, id, 300).await;
            let (app, now) = (kit.app.clone(), kit.now());
            let export = kit
                .app
                .db()
                .read(move |tx| {
                    let mut out = Vec::new();
                    let signers = signing::signers(tx, app.keyring(), now)?;
                    let identity = ExportIdentity {
                        organization: id,
                        slug: "harbor",
                        origin: "localhost/ledger/harbor",
                        signers: &signers,
                        exported_at: now,
                    };
                    proofs::export(tx, &identity, &mut out)?;
                    Ok::<_, proofs::ExportError>(out)
                })
                .await
                .unwrap();
            let good = ledger::verify_export(&export[..]).unwrap();
            assert_eq!(good.entries, 301);
            let line_of = |at: usize| export[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            for at in (0..export.len()).step_by(export.len() / 40) {
                let mut bad = export.clone();
                bad[at] ^= 0x04;
                let error = ledger::verify_export(&bad[..]).unwrap_err().to_string();
                assert!(error.contains(&format!("line {}", line_of(at))), "byte {at}: {error}");
            }
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_checkpoint_is_signed_by_the_installation() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let (size, root) = kit.app.db().read(move |tx| proofs::head(tx, id)).await.unwrap();
            let origin = proofs::origin("localhost", id);
            let (keyring, now) = (kit.app.keyring().clone(), kit.now());
            let signers = kit.app.db().read(move |tx| signing::signers(tx, &keyring, now)).await.unwrap();
            let text = Checkpoint { origin: origin.clone(), size, root }.sign_by(&signers, &origin).unwrap();
            let key = signers.current().verify_key(&origin).unwrap();
            let read = Checkpoint::verify(&text, &key).unwrap();
            assert_eq!((read.size, read.root), (size, root));
        },
        &[&EMPTY],
    )
    .await;
}
