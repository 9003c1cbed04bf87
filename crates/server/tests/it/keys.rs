//! The keys of an installation, with the real program: the key that signs the ledger is rotated and whoever pinned the
//! first one follows; the master key is changed, and whenever that is killed the next start finds one that works.

use std::path::Path;

use serde_json::Value;
use testkit::program::{Ended, Program};

use crate::bad_start::{Place, sign_in};

#[track_caller]
fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

async fn secrets(place: &Place, arguments: &[&str]) -> Ended {
    place.run(&[&["secrets"][..], arguments, &["--data", "data", "--json"]].concat()).await
}

async fn export(place: &Place, to: &str) {
    let export = ["audit", "export", "--data", "data", "--organization", "northwind", "--to", to];
    let ended = place.run(&export).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn the_key_that_signs_the_ledger_is_rotated_and_an_auditor_who_pinned_the_first_one_follows() {
    let place = Place::new();
    let running = place.set_up().await;
    export(&place, "old.jsonl").await;
    let first = json(&place.run(&["verify", "old.jsonl", "--json"]).await);
    let pinned = first["verifier_key"].as_str().expect("a key").to_owned();
    let dry = json(&secrets(&place, &["rotate", "--ledger-key", "--dry-run"]).await);
    assert_eq!(dry["keys"].as_array().map(Vec::len), Some(1), "{dry}");
    let done = json(&secrets(&place, &["rotate", "--ledger-key", "--overlap", "7d"]).await);
    assert_eq!(
        (&done["keys"][0]["state"], &done["keys"][1]["state"]),
        (&"overlapping".into(), &"current".into())
    );
    let again = secrets(&place, &["rotate", "--ledger-key"]).await;
    assert!(again.code == Some(1) && again.stderr.contains("overlap of 0 days"), "{again:?}");
    let wrong = secrets(&place, &["rotate", "--overlap", "7d"]).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("--ledger-key"), "{wrong:?}");
    let wrong = secrets(&place, &["rotate", "--ledger-key", "--overlap", "a week"]).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("days"), "{wrong:?}");
    // The server that ran all the while signs by the new key, too.
    export(&place, "new.jsonl").await;
    let plain = json(&place.run(&["verify", "new.jsonl", "--json"]).await);
    let signer = plain["verifier_key"].as_str().expect("a key").to_owned();
    assert_ne!(signer, pinned);
    let followed = place.run(&["verify", "new.jsonl", "--key", &pinned]).await;
    assert!(
        followed.code == Some(0) && followed.stdout.contains("vouches for it: 1 handover"),
        "{followed:?}"
    );
    let direct = json(&place.run(&["verify", "new.jsonl", "--json", "--key", &signer]).await);
    assert_eq!((&direct["handovers_followed"], &direct["key_number"]), (&0.into(), &2.into()));
    let old = json(&place.run(&["verify", "old.jsonl", "--json", "--key", &pinned]).await);
    assert_eq!((&old["handovers_followed"], &old["key_number"]), (&0.into(), &1.into()));
    // Nobody signed the old file by the new key, and a stranger's key vouches for neither.
    let backwards = place.run(&["verify", "old.jsonl", "--key", &signer]).await;
    assert!(backwards.code == Some(3) && backwards.stderr.contains("nor vouches for it"), "{backwards:?}");
    let origin = plain["origin"].as_str().expect("an origin");
    let stranger =
        ledger::SigningKey::from_seed(&[9; 32]).and_then(|key| key.verify_key(origin)).expect("a key");
    let refused = place.run(&["verify", "new.jsonl", "--key", &stranger.to_string()]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let typo = place.run(&["verify", "new.jsonl", "--key", &pinned[1..]]).await;
    assert!(typo.code == Some(2) && typo.stderr.contains("--key"), "{typo:?}");
    // One bit of the history of the keys.
    let mut bytes = std::fs::read(place.folder.path().join("new.jsonl")).expect("the export");
    let line = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    bytes[line + 60] ^= 2;
    std::fs::write(place.folder.path().join("damaged.jsonl"), bytes).expect("written");
    let damaged = place.run(&["verify", "damaged.jsonl"]).await;
    assert!(
        damaged.code == Some(3) && damaged.stderr.contains("line 2: one bit is flipped in `handover`"),
        "{damaged:?}"
    );
    assert_eq!(running.stop().await.code, Some(0));
}

fn master(place: &Place) -> Option<String> {
    std::fs::read_to_string(place.folder.path().join("data/master.key")).ok()
}

fn id(status: &Value) -> String {
    status["master_key"]["id"].as_str().expect("an id").to_owned()
}

async fn serves(place: &Place) {
    let mut program = Program::start(place.serve(&[]));
    program.ready(place.port).await;
    sign_in(place.port).await;
    assert_eq!(program.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_master_key_is_changed_while_nothing_runs_and_the_old_file_opens_nothing_any_more() {
    let place = Place::new();
    let change = ["change-master-key"];
    let nowhere = secrets(&place, &change).await;
    assert!(nowhere.code == Some(1) && nowhere.stderr.contains("no installation"), "{nowhere:?}");
    assert!(!place.folder.path().join("data").exists(), "nothing was made");
    let running = place.set_up().await;
    let refused = secrets(&place, &change).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("stop every server"), "{refused:?}");
    let before = id(&json(&secrets(&place, &["status"]).await));
    assert_eq!(running.stop().await.code, Some(0));
    let afar = place.run(&["secrets", "change-master-key", "--url", "http://localhost:1"]).await;
    assert!(afar.code == Some(2) && afar.stderr.contains("on the server's machine"), "{afar:?}");
    let (old, dry) = (master(&place), json(&secrets(&place, &["change-master-key", "--dry-run"]).await));
    assert_eq!((&dry["state"], &dry["keys"]), (&"possible".into(), &2.into()));
    assert_eq!(master(&place), old, "nothing was done");
    let done = json(&secrets(&place, &change).await);
    assert_eq!((&done["state"], &done["old_id"]), (&"changed".into(), &before.clone().into()));
    let after = json(&secrets(&place, &["status"]).await);
    assert_eq!(done["id"].as_str(), Some(id(&after).as_str()));
    assert_ne!(master(&place), old);
    serves(&place).await;
    let log = ["audit", "list", "--data", "data", "--organization", "northwind"];
    let told = place.run(&log).await;
    assert!(told.stdout.contains("secrets.master_key_changed"), "{told:?}");
    // A key of the operator's own, which the setting must name afterwards.
    let to = json(&secrets(&place, &["change-master-key", "--to", "vault.key"]).await);
    assert_eq!((&to["set_master_key"], &to["file"]), (&true.into(), &"vault.key".into()));
    let wrong = Program::start(place.serve(&[])).end().await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("wrapped by another master key"), "{wrong:?}");
    let mut program = Program::start(place.serve(&["--set", "master_key=vault.key"]));
    program.ready(place.port).await;
    sign_in(place.port).await;
    assert_eq!(program.stop().await.code, Some(0));
    // The first file, kept under another name, opens nothing.
    let kept = format!("data/master.key.replaced-{before}");
    let useless = Program::start(place.serve(&["--set", &format!("master_key={kept}")])).end().await;
    assert!(
        useless.code == Some(1) && useless.stderr.contains("wrapped by another master key"),
        "{useless:?}"
    );
}

#[tokio::test]
async fn killed_at_any_moment_of_a_change_of_the_master_key_the_next_start_works() {
    let place = Place::new();
    assert_eq!(place.set_up().await.stop().await.code, Some(0));
    let mut ids = vec![id(&json(&secrets(&place, &["status"]).await))];
    let mut interrupted = 0;
    // Each round lives a little longer than the one before, until one comes to its end.
    for round in 0..400_u64 {
        let mut killed = Program::start(place.command(&["secrets", "change-master-key", "--data", "data"]));
        // real time: another process works.
        tokio::time::sleep(std::time::Duration::from_millis(15 * round)).await;
        let ended = killed.stdout().contains("are wrapped by");
        killed.kill();
        let now = id(&json(&secrets(&place, &["status"]).await));
        if ids.last() != Some(&now) {
            ids.push(now);
        }
        if ended {
            break;
        }
        interrupted += 1;
    }
    assert!(ids.len() > 1, "no change ever came to its end");
    assert!(interrupted > 1, "it was never killed at work");
    serves(&place).await;
    // Every key but the one in force is kept for old backups, and none twice.
    let kept = std::fs::read_dir(place.folder.path().join("data")).expect("the folder");
    let kept = kept.filter(|file| is_replaced(&file.as_ref().expect("a file").path())).count();
    assert_eq!(kept, ids.len() - 1);
}

fn is_replaced(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("replaced"))
}
