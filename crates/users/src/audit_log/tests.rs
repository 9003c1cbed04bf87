use platform::access::Role;
use serde_json::{Value, json};

mod finding;
mod formats;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const AUDIT: &str = "/api/v1/organizations/harbor/audit";

fn hash(value: &Value) -> ledger::Hash {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<ledger::Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

/// An owner of `harbor` with `count` groups made.
async fn owner_with_groups(kit: &testkit::Kit, count: usize) -> testkit::Client {
    let mut owner = kit.owner_of("harbor").await;
    for n in 0..count {
        let body = json!({"name": format!("Group {n}")});
        owner.post("/api/v1/organizations/harbor/groups", body).await.expect(201);
    }
    owner
}

#[tokio::test]
async fn a_proof_leads_from_the_event_to_the_signed_checkpoint() {
    testkit::both(
        async |kit| {
            let mut owner = owner_with_groups(kit, 7).await;
            for sequence in 0..9 {
                let path = format!("{AUDIT}/events/{sequence}/proof");
                let proof = owner.get(&path).await.expect(200).json();
                let head = &proof["head"];
                let key: ledger::VerifyKey = head["verify_key"].as_str().unwrap().parse().unwrap();
                let checkpoint =
                    ledger::Checkpoint::verify(head["checkpoint"].as_str().unwrap(), &key).unwrap();
                assert_eq!((checkpoint.size, checkpoint.root), (9, hash(&head["root_hash"])));
                let leaf = ledger::leaf_hash(&hex::decode(proof["leaf"].as_str().unwrap()).unwrap());
                assert_eq!(leaf, hash(&proof["leaf_hash"]));
                let path = hashes(&proof["audit_path"]);
                ledger::verify_inclusion(leaf, sequence, 9, &path, &checkpoint.root).unwrap();
                let wrong = ledger::verify_inclusion([7; 32], sequence, 9, &path, &checkpoint.root);
                assert!(wrong.is_err());
            }
            owner.get(&format!("{AUDIT}/events/9/proof")).await.expect(404);
            owner.get(&format!("{AUDIT}/events/18446744073709551615/proof")).await.expect(404);
            owner.get(&format!("{AUDIT}/events/-1")).await.expect(404);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn consistency_holds_between_any_two_sizes() {
    testkit::both(
        async |kit| {
            let mut owner = owner_with_groups(kit, 3).await;
            let before = owner.get(&format!("{AUDIT}/checkpoint")).await.expect(200).json();
            let (old, old_root) = (before["size"].as_u64().unwrap(), hash(&before["root_hash"]));
            owner.post("/api/v1/organizations/harbor/groups", json!({"name": "Late"})).await.expect(201);
            let path = format!("{AUDIT}/consistency?from={old}");
            let proof = owner.get(&path).await.expect(200).json();
            let root = hash(&proof["head"]["root_hash"]);
            let new = proof["to"].as_u64().unwrap();
            assert_eq!(new, old + 1);
            ledger::verify_consistency(old, new, &hashes(&proof["proof"]), &old_root, &root).unwrap();
            owner.get(&format!("{AUDIT}/consistency?from=0")).await.expect(200);
            owner.get(&format!("{AUDIT}/consistency?from=3&to=2")).await.expect(422);
            owner.get(&format!("{AUDIT}/consistency?from=0&to=99")).await.expect(422);
            owner.get(&format!("{AUDIT}/consistency")).await.expect(400);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    testkit::both(
        async |kit| {
            let mut owner = owner_with_groups(kit, 5).await;
            let all = owner.get(&format!("{AUDIT}/events")).await.expect(200).json();
            assert_eq!(all["items"].as_array().unwrap().len(), 7);
            assert!(all["next_cursor"].is_null());
            assert_eq!(all["items"][0]["details"]["name"], "Group 4");
            assert_eq!(all["items"][0]["actor"]["kind"], "account");
            let first = owner.get(&format!("{AUDIT}/events?action=group.&limit=3")).await.expect(200).json();
            let cursor = first["next_cursor"].as_str().unwrap();
            let path = format!("{AUDIT}/events?action=group.&limit=3&cursor={cursor}");
            let second = owner.get(&path).await.expect(200).json();
            assert_eq!(second["items"].as_array().unwrap().len(), 2);
            assert!(second["next_cursor"].is_null());
            owner.get(&format!("{AUDIT}/events?action=a'b")).await.expect(422);
            let page = owner.get("/o/harbor/audit-log?action=group.").await.expect(200).text();
            assert!(page.contains("group.created") && page.contains("owner@harbor.example"), "{page}");
            let empty = owner.get("/o/harbor/audit-log?action=zzz").await.expect(200).text();
            assert!(empty.contains("No such events"));
            assert!(owner.get("/o/harbor/audit-log/3").await.expect(200).text().contains("Leaf hash"));
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn redaction_erases_and_the_proof_stays() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let person = format!("/api/v1/organizations/harbor/people/{ann}");
            owner.patch(&person, json!({"role": "auditor"})).await.expect(200);
            let list = owner.get(&format!("{AUDIT}/events?action=member.role")).await.expect(200).json();
            let event = &list["items"][0];
            assert_eq!(event["personal"]["email"], "ann@harbor.example");
            let path = format!("{AUDIT}/events/{}", event["sequence"]);
            let before = owner.get(&format!("{path}/proof")).await.expect(200).json();
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            admin.post(&format!("{path}/redact"), json!({"field": "email"})).await.expect(403);
            owner.post(&format!("{path}/redact"), json!({"field": "shoe_size"})).await.expect(422);
            let page = format!("/o/harbor/audit-log/{}/redact", event["sequence"]);
            owner.submit(&page, &[("field", "email"), ("confirm", "no")]).await.expect(422);
            owner.post(&format!("{path}/redact"), json!({"field": "email"})).await.expect(204);
            owner.post(&format!("{path}/redact"), json!({"field": "email"})).await.expect(422);
            let after = owner.get(&path).await.expect(200).json();
            assert!(after["personal"]["email"].is_null());
            let proof = owner.get(&format!("{path}/proof")).await.expect(200).json();
            assert_eq!(proof["leaf"], before["leaf"]);
            let size = proof["head"]["size"].as_u64().unwrap();
            let sequence = event["sequence"].as_u64().unwrap();
            let (leaf, root) = (hash(&proof["leaf_hash"]), hash(&proof["head"]["root_hash"]));
            ledger::verify_inclusion(leaf, sequence, size, &hashes(&proof["audit_path"]), &root).unwrap();
            let text = owner.get(&format!("/o/harbor/audit-log/{sequence}")).await.expect(200).text();
            assert!(text.contains("redacted") && !text.contains("Redact…"), "{text}");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_export_verifies_offline_and_a_flipped_bit_is_found() {
    testkit::both(
        async |kit| {
            let mut owner = owner_with_groups(kit, 4).await;
            let answer = owner.get(&format!("{AUDIT}/export")).await.expect(200);
            let verified = ledger::verify_export(answer.body.as_slice()).unwrap();
            assert_eq!((verified.entries, verified.header.slug.as_str()), (6, "harbor"));
            let mut damaged = answer.body.clone();
            let at = answer.text().find("Group 2").unwrap();
            damaged[at] ^= 1;
            assert!(ledger::verify_export(damaged.as_slice()).is_err());
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn after_a_rotation_of_the_key_whoever_pinned_the_first_one_follows_and_old_exports_verify() {
    use platform::events::signing;
    testkit::both(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = owner_with_groups(kit, 2).await;
            let before = owner.get(&format!("{AUDIT}/checkpoint")).await.expect(200).json();
            let pinned: ledger::VerifyKey = before["verify_key"].as_str().unwrap().parse().unwrap();
            let old_export = owner.get(&format!("{AUDIT}/export")).await.expect(200).body;
            let (ctx, keyring) = (kit.ctx(), kit.app.keyring().clone());
            let at = ctx.clone();
            let rotate = move |tx: &mut platform::db::Tx| {
                signing::rotate(&at, tx, &keyring, "localhost/ledger-keys", signing::OVERLAP)
            };
            kit.app.db().write::<_, platform::db::DbError, _>(&ctx, rotate).await.unwrap();
            let during = owner.get(&format!("{AUDIT}/checkpoint")).await.expect(200).json();
            let key: ledger::VerifyKey = during["verify_key"].as_str().unwrap().parse().unwrap();
            assert_ne!(key, pinned);
            let note = during["checkpoint"].as_str().unwrap();
            for key in [&key, &pinned] {
                assert!(ledger::Checkpoint::verify(note, key).is_ok());
            }
            let proof = owner.get(&format!("{AUDIT}/events/1/proof")).await.expect(200).json();
            assert_eq!(proof["head"]["verify_key"], during["verify_key"]);
            for step in [0, 31] {
                kit.advance_settled(step * platform::time::DAY, platform::time::DAY).await;
                let export = owner.get(&format!("{AUDIT}/export")).await.expect(200).body;
                let verified = ledger::verify_export(export.as_slice()).unwrap();
                assert_eq!((verified.entries, &verified.key), (4, &key));
                assert_eq!(verified.trust(&pinned), ledger::Trust::VouchedFor { handovers: 1 });
                let old = ledger::verify_export(old_export.as_slice()).unwrap();
                assert_eq!(
                    (old.trust(&pinned), old.trust(&key)),
                    (ledger::Trust::Signed, ledger::Trust::None)
                );
            }
            let after = owner.get(&format!("{AUDIT}/checkpoint")).await.expect(200).json();
            let note = after["checkpoint"].as_str().unwrap();
            assert!(ledger::Checkpoint::verify(note, &key).is_ok());
            assert!(ledger::Checkpoint::verify(note, &pinned).is_err(), "its overlap is over");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_log_longer_than_a_page_is_exported_whole() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let ctx = kit.ctx();
            kit.app
                .db()
                .write(&ctx, move |tx| {
                    let mut last = tx.record(platform::events::Event::new(harbor, "test.made"));
                    for n in 0..1200 {
                        last = tx.record(platform::events::Event::new(harbor, "test.made").with("n", n));
                    }
                    Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), last))
                })
                .await
                .unwrap();
            let answer = owner.get(&format!("{AUDIT}/export")).await.expect(200);
            assert_eq!(ledger::verify_export(answer.body.as_slice()).unwrap().entries, 1203);
            // A rare action far back is found, in bounded steps.
            let found = owner.get(&format!("{AUDIT}/events?action=organization.")).await.expect(200).json();
            assert_eq!(found["items"][0]["action"], "organization.created");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn who_may_read_the_log() {
    testkit::both(
        async |kit| {
            kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let quay = kit.organization("quay").await;
            let mut stranger = kit.owner_of("quay").await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            for path in [
                "events",
                "events/0",
                "events/0/proof",
                "checkpoint",
                "consistency?from=0",
                "export",
                "download?format=cef",
            ] {
                let path = format!("{AUDIT}/{path}");
                kit.nobody().get(&path).await.expect(401);
                stranger.get(&path).await.expect(404);
                member.get(&path).await.expect(403);
                auditor.get(&path).await.expect(200);
                kit.token_of(harbor, "audit.read").get(&path).await.expect(200);
                kit.token_of(harbor, "people.read").get(&path).await.expect(403);
                kit.token_of(quay, "audit.read").get(&path).await.expect(404);
            }
        },
        AREAS,
    )
    .await;
}
