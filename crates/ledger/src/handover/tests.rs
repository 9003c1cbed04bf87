use proptest::prelude::*;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::tests::key;
use crate::key::VerifyKey;

const NAME: &str = "cloud.example/ledger-keys";

pub(crate) fn handover(number: u64, old: u8, new: u8) -> Handover {
    Handover {
        number,
        old: key(old).public().unwrap(),
        new: key(new).public().unwrap(),
        made_at_us: 1_780_000_000_000_000,
        old_ends_at_us: 1_782_592_000_000_000,
    }
}

pub(crate) fn signed(number: u64, old: u8, new: u8) -> String {
    handover(number, old, new).sign(&key(old), &key(new), NAME).unwrap()
}

#[test]
fn a_handover_is_laid_out_as_written_and_reads_back() {
    let note = signed(2, 1, 2);
    let lines: Vec<&str> = note.split('\n').collect();
    assert_eq!(lines[0], "bailiwick-ledger-key-handover/v1");
    assert_eq!(lines[1], "number 2");
    assert_eq!(lines[2], format!("old {}", key(1).public().unwrap()));
    assert_eq!(lines[3], format!("new {}", key(2).public().unwrap()));
    assert_eq!(lines[4..7], ["made_at_us 1780000000000000", "old_ends_at_us 1782592000000000", ""]);
    assert!(lines[7].starts_with(&format!("— {NAME} ")) && lines[8].starts_with("— ") && lines.len() == 10);
    assert_eq!(Handover::verify(&note), Ok(handover(2, 1, 2)));
    // What a verifier key ends with is what a handover says.
    let named: VerifyKey = key(2).verify_key("cloud.example/ledger/harbor").unwrap();
    assert!(named.to_string().ends_with(&lines[3]["new ".len()..]));
}

#[test]
fn any_flipped_bit_of_a_handover_is_refused() {
    let note = signed(2, 1, 2);
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let believed = String::from_utf8(bytes).is_ok_and(|note| Handover::verify(&note).is_ok());
            assert!(!believed, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_forged_handover_is_refused() {
    let refused = |statement: &Handover, keys: &[u8]| {
        let keys: Vec<SigningKey> = keys.iter().map(|seed| key(*seed)).collect();
        let keys: Vec<&SigningKey> = keys.iter().collect();
        Handover::verify(&sign_note(statement.body(), &keys, NAME).unwrap()).unwrap_err()
    };
    let statement = handover(2, 1, 2);
    // The new key vouches for itself, somebody else does, or nobody.
    assert_eq!(refused(&statement, &[2, 2]), HandoverError::Old);
    assert_eq!(refused(&statement, &[3, 2]), HandoverError::Old);
    assert_eq!(refused(&statement, &[2]), HandoverError::Signatures);
    assert!(matches!(refused(&statement, &[]), HandoverError::Note(_)));
    // The old key names a key whose holder knows nothing of it.
    assert_eq!(refused(&statement, &[1, 1]), HandoverError::New);
    assert_eq!(refused(&statement, &[1, 3]), HandoverError::New);
    assert_eq!(refused(&statement, &[1]), HandoverError::Signatures);
    assert_eq!(refused(&statement, &[2, 1]), HandoverError::Old);
    assert_eq!(refused(&statement, &[1, 2, 3]), HandoverError::Signatures);
    assert_eq!(refused(&handover(2, 1, 1), &[1, 1]), HandoverError::Signatures);
    // A right id in front of a wrong signature.
    let (good, other) = (signed(2, 1, 2), signed(3, 1, 2));
    let line = |note: &str| note.rsplit('\n').nth(2).unwrap().to_owned();
    assert_eq!(Handover::verify(&good.replace(&line(&good), &line(&other))), Err(HandoverError::Old));
    // Two names.
    let renamed = good.replacen(NAME, "rival.example/keys", 1);
    assert!(Handover::verify(&renamed).is_err());
    // It signs only what it is.
    assert_eq!(statement.sign(&key(3), &key(2), NAME), Err(HandoverError::Old));
}

#[test]
fn a_handover_is_no_checkpoint_and_a_checkpoint_no_handover() {
    let named = key(1).verify_key(NAME).unwrap();
    assert_eq!(Checkpoint::verify(&signed(2, 1, 2), &named), Err(CheckpointError::Size));
    let checkpoint = Checkpoint { origin: NAME.to_owned(), size: 0, root: [0; 32] };
    let both = checkpoint.sign_with(&[], &[&key(1), &key(2)], NAME).unwrap();
    assert_eq!(Handover::verify(&both), Err(HandoverError::Form));
}

#[test]
fn a_chain_leads_from_the_first_key_to_the_last() {
    let chain = |notes: &[String]| verify_handovers(notes.iter().map(String::as_str));
    let notes = [signed(2, 1, 2), signed(3, 2, 3), signed(4, 3, 4)];
    assert_eq!(chain(&notes).unwrap().last().unwrap().new, key(4).public().unwrap());
    assert_eq!(chain(&[]).unwrap(), []);
    for broken in [
        vec![notes[1].clone()],
        vec![notes[0].clone(), notes[2].clone()],
        vec![notes[0].clone(), notes[0].clone()],
        vec![notes[1].clone(), notes[0].clone()],
        vec![notes[0].clone(), signed(3, 9, 3)],
        vec![notes[0].clone(), signed(4, 2, 3)],
    ] {
        assert_eq!(chain(&broken), Err(HandoverError::Chain));
    }
}

#[test]
fn signers_that_nobody_vouches_for_are_refused() {
    let arc = |seed| Arc::new(key(seed));
    let notes = || vec![signed(2, 1, 2), signed(3, 2, 3)];
    assert!(Signers::new(arc(3), vec![arc(2), arc(1)], notes()).is_ok());
    assert!(Signers::new(arc(3), vec![arc(1)], notes()).is_ok());
    assert!(Signers::new(arc(1), Vec::new(), Vec::new()).is_ok());
    for (current, overlapping) in
        [(2, vec![]), (3, vec![arc(4)]), (3, vec![arc(1), arc(2)]), (3, vec![arc(3)])]
    {
        let refused = Signers::new(arc(current), overlapping, notes()).err();
        assert_eq!(refused, Some(HandoverError::Chain));
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "(\\PC|\n|— |number 2|old |new ){0,200}") {
        prop_assert!(Handover::verify(&text).is_err());
    }

    #[test]
    fn any_times_read_back(made in any::<i64>(), ends in any::<i64>(), number in any::<u64>()) {
        let statement = Handover { number, made_at_us: made, old_ends_at_us: ends, ..handover(2, 1, 2) };
        let note = statement.sign(&key(1), &key(2), NAME).unwrap();
        prop_assert_eq!(Handover::verify(&note), Ok(statement));
    }
}
