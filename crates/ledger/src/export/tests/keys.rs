//! Version 2: exports of a ledger whose key was rotated.

use std::sync::Arc;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::handover::tests::signed;
use crate::handover::{HandoverError, Signers};

/// The keys 1, 2 and 3 in turn; `overlapping` sign too.
fn rotated(overlapping: &[u8]) -> Signers {
    let older = overlapping.iter().map(|seed| Arc::new(key(*seed))).collect();
    Signers::new(Arc::new(key(3)), older, vec![signed(2, 1, 2), signed(3, 2, 3)]).unwrap()
}

fn export_by(signers: &Signers, count: u64) -> Vec<u8> {
    let mut writer = ExportWriter::signed_by(Vec::new(), &header(), signers).unwrap();
    entries(count).iter().for_each(|entry| writer.entry(entry).unwrap());
    writer.finish().unwrap()
}

fn lines_by(signers: &Signers, count: u64) -> Vec<String> {
    let text = String::from_utf8(export_by(signers, count)).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn pinned(seed: u8) -> VerifyKey {
    key(seed).verify_key(ORIGIN).unwrap()
}

#[test]
fn whoever_pins_any_key_of_the_history_follows_to_the_one_that_signed() {
    for overlapping in [&[][..], &[2], &[2, 1], &[1]] {
        let verified = verify_export(export_by(&rotated(overlapping), 300).as_slice()).unwrap();
        assert_eq!((verified.entries, &verified.header, &verified.key), (300, &header(), &pinned(3)));
        assert_eq!(verified.trust(&pinned(3)), Trust::Signed);
        assert_eq!(verified.trust(&pinned(2)), Trust::VouchedFor { handovers: 1 });
        assert_eq!(verified.trust(&pinned(1)), Trust::VouchedFor { handovers: 2 });
        assert_eq!(verified.trust(&pinned(4)), Trust::None);
        // The same key under the name of another ledger vouches for nothing here.
        assert_eq!(verified.trust(&key(1).verify_key("cloud.example/ledger/rival").unwrap()), Trust::None);
    }
}

#[test]
fn without_a_rotation_an_export_is_of_version_1_to_the_byte() {
    assert_eq!(export_by(&Signers::first(key(1)), 300), export(&entries(300)));
    let old = verify_export(export(&entries(3)).as_slice()).unwrap();
    assert_eq!((old.trust(&pinned(1)), old.trust(&pinned(2))), (Trust::Signed, Trust::None));
}

/// Files of version 2 exist outside: what writes or reads them may change only together with the version.
#[test]
fn version_2_is_frozen() {
    let hash = sha256(&export_by(&rotated(&[2]), 300));
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "d93bbe0d1321ca0dd74075b45e6e8e96325235e715f90aee27b83c52a03ec40d");
}

#[test]
fn any_flipped_bit_of_a_rotated_export_is_located() {
    let file = export_by(&rotated(&[2]), 1);
    let (mut line, mut line_start) = (1, 0);
    // Each try of a repair checks signatures: one bit of every seventh byte must do.
    for at in 0..file.len() {
        if at % 7 == 0 || file[at] == b'\n' {
            let bit = at / 7 % 8;
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            let (found_line, _, damage) = damage_of(&damaged);
            let place = at - line_start + 1;
            let Damage::Bit { byte, found, written, .. } = damage else {
                panic!("line {line} byte {place} bit {bit}: {damage}")
            };
            assert_eq!((found_line, byte, found, written), (line, place, damaged[at], file[at]));
        }
        if file[at] == b'\n' {
            (line, line_start) = (line + 1, at + 1);
        }
    }
    assert_eq!(line, 6);
}

#[test]
fn a_history_that_was_changed_is_refused() {
    let lines = lines_by(&rotated(&[]), 2);
    let told = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        verify_export(lines.concat().as_bytes()).unwrap_err()
    };
    let damage = |change: &dyn Fn(&mut Vec<String>)| match told(change) {
        ExportError::Damaged { damage, line, .. } => (line, damage),
        other @ ExportError::Read { .. } => panic!("{other}"),
    };
    let line_of = |number, old, new| {
        let mut line = Vec::new();
        lines::push_handover(&mut line, &signed(number, old, new));
        format!("{}\n", String::from_utf8(line).unwrap())
    };
    assert_eq!(damage(&|lines| lines.swap(1, 2)), (2, Damage::Handover(HandoverError::Chain)));
    assert_eq!(damage(&|lines| drop(lines.remove(1))), (2, Damage::Handover(HandoverError::Chain)));
    assert!(matches!(damage(&|lines| drop(lines.remove(2))), (3, Damage::Syntax { .. })));
    assert!(matches!(damage(&|lines| lines.insert(2, lines[2].clone())).0, 4));
    // Another key took the place: the chain leads elsewhere than to the header's key.
    assert_eq!(damage(&|lines| lines[2] = line_of(3, 2, 9)), (3, Damage::HandoverKey));
    // A first key of the forger's own gives a file that is consistent, and that no pinned key vouches for.
    let mut forged = lines.clone();
    forged[1] = line_of(2, 9, 2);
    let verified = verify_export(forged.concat().as_bytes()).unwrap();
    assert_eq!(
        (verified.trust(&pinned(1)), verified.trust(&pinned(2))),
        (Trust::None, Trust::VouchedFor { handovers: 1 })
    );
    // A header of version 2 without a history, and one of version 1 with it.
    for (from, to) in [("\"handovers\":2", "\"handovers\":0"), ("\"handovers\":2", "\"handovers\":1001")] {
        let (line, damage) = damage(&|lines| lines[0] = lines[0].replace(from, to));
        assert!(line == 1 && matches!(damage, Damage::Syntax { .. } | Damage::Bit { .. }), "{damage}");
    }
}

#[test]
fn a_forger_with_a_key_of_his_own_is_not_believed_by_whoever_pinned_one() {
    // He knows the whole history and signs a file by another key that nobody vouched for.
    let mut line = Vec::new();
    let name = pinned(9);
    lines::push_header(&mut line, &header(), &name, 2);
    let mut file = [&line[..], b"\n"].concat();
    for note in rotated(&[]).handovers() {
        line.clear();
        lines::push_handover(&mut line, note);
        file.extend_from_slice(&[&line[..], b"\n"].concat());
    }
    assert_eq!(damage_of(&file), (3, None, Damage::HandoverKey));
    // Or he leaves the history out, as a file of version 1: consistent, and of nobody.
    let mut writer = ExportWriter::new(Vec::new(), &header(), Box::leak(Box::new(key(9)))).unwrap();
    writer.entry(&entries(1)[0]).unwrap();
    let verified = verify_export(writer.finish().unwrap().as_slice()).unwrap();
    assert!((1..=3).all(|seed| verified.trust(&pinned(seed)) == Trust::None));
}

#[test]
fn only_keys_of_the_history_sign_an_export_each_once_and_the_newest_first() {
    let lines = lines_by(&rotated(&[2]), 1);
    let with = |signers: &[u8], lines: &[String]| {
        let mut lines = lines.to_vec();
        let last = lines.len() - 1;
        let note = lines::read_checkpoint(lines[last].trim_end()).unwrap();
        let (body, _) = note.rsplit_once("\n\n").unwrap();
        let keys: Vec<_> = signers.iter().map(|seed| key(*seed)).collect();
        let signed =
            crate::checkpoint::sign_note(format!("{body}\n"), &keys.iter().collect::<Vec<_>>(), ORIGIN);
        let mut line = Vec::new();
        lines::push_checkpoint(&mut line, &signed.unwrap());
        lines[last] = format!("{}\n", String::from_utf8(line).unwrap());
        verify_export(lines.concat().as_bytes()).is_ok()
    };
    for good in [&[3][..], &[3, 2], &[3, 1], &[3, 2, 1]] {
        assert!(with(good, &lines), "{good:?}");
    }
    for bad in [&[2][..], &[2, 3], &[3, 3], &[3, 1, 2], &[3, 2, 2], &[3, 9], &[9], &[3, 2, 1, 1]] {
        assert!(!with(bad, &lines), "{bad:?}");
    }
    // The old key alone no longer signs, not even during the overlap.
    let old = Checkpoint { origin: ORIGIN.to_owned(), size: 1, root: [0; 32] }.sign(&key(2), ORIGIN);
    assert!(Checkpoint::verify(&old.unwrap(), &pinned(3)).is_err());
}

#[test]
fn a_checkpoint_of_the_overlap_is_believed_by_whoever_trusts_either_key() {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 7, root: [7; 32] };
    let note = checkpoint.sign_by(&rotated(&[2]), ORIGIN).unwrap();
    for seed in [3, 2] {
        assert_eq!(Checkpoint::verify(&note, &pinned(seed)).as_ref(), Ok(&checkpoint));
    }
    assert!(Checkpoint::verify(&note, &pinned(1)).is_err());
    let after = checkpoint.sign_by(&rotated(&[]), ORIGIN).unwrap();
    assert!(
        Checkpoint::verify(&after, &pinned(3)).is_ok() && Checkpoint::verify(&after, &pinned(2)).is_err()
    );
}
