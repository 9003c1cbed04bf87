//! Checkpoints, verifier keys and stored frontiers: nothing makes their readers panic, each accepted text is the only
//! way to write what it says, and what can be signed can be verified.
#![no_main]

use ledger::{Checkpoint, Frontier, SIZE_MAX, SigningKey, VerifyKey};
use libfuzzer_sys::fuzz_target;

const NAME: &str = "fuzz.example/ledger";

fuzz_target!(|data: &[u8]| {
    if let Ok(frontier) = Frontier::from_bytes(data) {
        assert_eq!(frontier.to_bytes(), data);
        // A tree of the largest size is readable and full.
        if frontier.size() < SIZE_MAX {
            let mut grown = frontier.clone();
            grown.append(frontier.root());
            assert_eq!(grown.size(), frontier.size() + 1);
            assert_eq!(Frontier::from_bytes(&grown.to_bytes()).as_ref(), Ok(&grown));
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<VerifyKey>() {
        assert_eq!(key.to_string(), text);
    }
    let key = SigningKey::from_seed(&[7; 32]).expect("any seed makes a key");
    let verify_key = key.verify_key(NAME).expect("the name is good");
    if let Ok(checkpoint) = Checkpoint::verify(text, &verify_key) {
        let again = checkpoint.sign(&key, NAME).expect("what was read can be written");
        assert_eq!(Checkpoint::verify(&again, &verify_key), Ok(checkpoint));
    }
    let checkpoint = Checkpoint { origin: text.to_owned(), size: data.len() as u64, root: [9; 32] };
    if let Ok(signed) = checkpoint.sign(&key, NAME) {
        assert_eq!(Checkpoint::verify(&signed, &verify_key), Ok(checkpoint));
    }
});
