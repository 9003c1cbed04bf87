//! An exported ledger, checked with nothing but the file: whole it is good, with one bit flipped it is found and located.

use testkit::program::Ended;

use crate::bad_start::Place;

const EXPORT: [&str; 7] =
    ["audit", "export", "--data", "data", "--organization", "northwind", "--to=ledger.jsonl"];

async fn verify(place: &Place, file: &str) -> Ended {
    place.run(&["verify", file]).await
}

#[tokio::test]
async fn one_flipped_bit_in_an_export_is_found_and_located() {
    let place = Place::new();
    place.set_up().await.stop().await;
    for name in ["Deck", "Shore", "Office", "Yard"] {
        let scopes = ["--scopes", "people.read", "--name", name];
        let token =
            [&["token", "create", "--data", "data", "--organization", "northwind"][..], &scopes].concat();
        let made = place.run(&token).await;
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let exported = place.run(&EXPORT).await;
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let good = verify(&place, "ledger.jsonl").await;
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.starts_with("good: "), "{good:?}");

    // As the provider publishes it: without name and id.
    let signer = good.stdout.lines().find_map(|line| line.strip_prefix("signed by ")).expect("the signer");
    let public = signer.splitn(3, '+').nth(2).expect("its public half");
    let pinned = place.run(&["verify", "ledger.jsonl", "--key", public]).await;
    assert_eq!(pinned.code, Some(0), "{pinned:?}");
    let stranger = "AUOC7mjeSaG4zoNrpkdHBG5JrIfBZcWZ3rFgO6J9yTdR";
    let pinned = place.run(&["verify", "ledger.jsonl", "--key", stranger]).await;
    assert_eq!(pinned.code, Some(3), "{pinned:?}");

    let path = place.folder.path().join("ledger.jsonl");
    let whole = std::fs::read(&path).expect("the export");
    let lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
    // A bit in the middle of every line: header, entries and the signed end.
    let mut start = 0;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let mut damaged = whole.clone();
        damaged[start + line.len() / 2] ^= 1;
        std::fs::write(place.folder.path().join("damaged.jsonl"), damaged).unwrap();
        let found = verify(&place, "damaged.jsonl").await;
        assert_eq!(found.code, Some(3), "line {}: {found:?}", index + 1);
        assert!(found.stderr.contains("is not what was exported"), "{found:?}");
        let located = found.stderr.contains(&format!("line {}", index + 1)) || found.stderr.contains("entry");
        assert!(located || index == 0 || index + 2 >= lines.len(), "line {}: {found:?}", index + 1);
        start += line.len() + 1;
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(verify(&place, "ledger.jsonl").await.code, Some(3), "a file that is cut off");
}
