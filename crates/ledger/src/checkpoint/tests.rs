use proptest::prelude::*;

use super::*;
use crate::tree::tests::{ROOTS, hash};

/// The key, text and signature that the Go reference implementation of signed notes tests itself with.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SEED: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
const GO_TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_SIGNATURE: &str =
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

const NAME: &str = "cloud.example/ledger/harbor";

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: NAME.to_owned(), size: 8, root: hash(ROOTS[8]) }
}

fn signed() -> String {
    checkpoint().sign(&key(1), NAME).unwrap()
}

fn verify_key() -> VerifyKey {
    key(1).verify_key(NAME).unwrap()
}

#[test]
fn the_key_and_note_of_the_reference_implementation_are_reproduced() {
    let seed: [u8; 32] = STANDARD.decode(GO_SEED).unwrap().try_into().unwrap();
    let signing = SigningKey::from_seed(&seed).unwrap();
    let verify_key: VerifyKey = GO_KEY.parse().unwrap();
    assert_eq!(signing.verify_key("PeterNeumann").unwrap(), verify_key);
    assert_eq!(verify_key.to_string(), GO_KEY);
    let note = format!("{GO_TEXT}\n— PeterNeumann {GO_SIGNATURE}\n");
    assert_eq!(open(&note, &verify_key), Ok(GO_TEXT));
    let signature = [&verify_key.id()[..], &signing.sign(GO_TEXT.as_bytes()).unwrap()].concat();
    assert_eq!(STANDARD.encode(signature), GO_SIGNATURE);
    assert_eq!(open(&note.replace("answer", "Answer"), &verify_key), Err(CheckpointError::Signature));
}

#[test]
fn a_damaged_verifier_key_is_refused_everywhere() {
    for length in 0..GO_KEY.len() {
        assert!(GO_KEY[..length].parse::<VerifyKey>().is_err(), "first {length} bytes");
        assert!(GO_KEY[length + 1..].parse::<VerifyKey>().is_err(), "from byte {}", length + 1);
        for bit in 0..8 {
            let mut bytes = GO_KEY.as_bytes().to_vec();
            bytes[length] ^= 1 << bit;
            let flipped = String::from_utf8(bytes).is_ok_and(|text| text.parse::<VerifyKey>().is_ok());
            assert!(!flipped, "byte {length} bit {bit}");
        }
    }
    // Wrong length and unknown type, each with a matching id; from the reference implementation's tests.
    for bad in [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(bad.parse::<VerifyKey>().is_err());
    }
}

#[test]
fn a_checkpoint_is_laid_out_as_c2sp_says_and_reads_back() {
    let text = signed();
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines[..4], [NAME, "8", "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=", ""]);
    assert!(lines[4].starts_with(&format!("— {NAME} ")) && lines[5].is_empty() && lines.len() == 6);
    assert_eq!(Checkpoint::verify(&text, &verify_key()), Ok(checkpoint()));
}

#[test]
fn another_key_or_name_is_not_believed() {
    assert_eq!(
        Checkpoint::verify(&signed(), &key(2).verify_key(NAME).unwrap()),
        Err(CheckpointError::Unsigned)
    );
    assert_eq!(
        Checkpoint::verify(&signed(), &key(1).verify_key("other.example").unwrap()),
        Err(CheckpointError::Unsigned)
    );
}

#[test]
fn witnesses_may_sign_too_and_extensions_are_allowed() {
    let witnessed = checkpoint().sign(&key(2), "witness.example").unwrap();
    let (_, line) = witnessed.split_once("\n\n").unwrap();
    assert_eq!(Checkpoint::verify(&format!("{}{line}", signed()), &verify_key()), Ok(checkpoint()));
    let extended = checkpoint().sign_with(&["more".to_owned()], &[&key(1)], NAME).unwrap();
    assert_eq!(Checkpoint::verify(&extended, &verify_key()), Ok(checkpoint()));
}

#[test]
fn names_and_origins_that_would_break_the_lines_are_refused() {
    for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b"] {
        assert!(
            matches!(checkpoint().sign(&key(1), name), Err(CheckpointError::Key(KeyError::Name))),
            "{name:?}"
        );
    }
    for origin in ["", "evil\n999", "tab\t"] {
        let bad = Checkpoint { origin: origin.to_owned(), ..checkpoint() };
        assert_eq!(bad.sign(&key(1), NAME), Err(CheckpointError::Origin));
    }
    let long = Checkpoint { origin: "o".repeat(NOTE_BYTES_MAX), ..checkpoint() };
    assert_eq!(long.sign(&key(1), NAME), Err(CheckpointError::Long));
}

/// Signs a body that `Checkpoint::sign` would not make.
fn sign_body(body: &str) -> String {
    let signature = [&verify_key().id()[..], &key(1).sign(body.as_bytes()).unwrap()].concat();
    format!("{body}\n— {NAME} {}\n", STANDARD.encode(signature))
}

#[test]
fn signed_text_that_is_no_checkpoint_is_refused() {
    let root = STANDARD.encode(hash(ROOTS[8]));
    assert!(Checkpoint::verify(&sign_body(&format!("o\n8\n{root}\n")), &verify_key()).is_ok());
    for size in ["", "08", "+8", "-8", "8 ", "18446744073709551616", "0x8"] {
        let note = sign_body(&format!("o\n{size}\n{root}\n"));
        assert!(Checkpoint::verify(&note, &verify_key()).is_err(), "size {size:?}");
    }
    for body in [
        format!("o\n8\n{}\n", &root[..43]),
        format!("o\n8\n{root}=\n"),
        format!("o\n8\n{}\n", root.replace("yg=", "yh=")),
        format!("o\n8\n{root}\n\nlate\n"),
        "o\n8\n".to_owned(),
        format!("\n8\n{root}\n"),
    ] {
        assert!(Checkpoint::verify(&sign_body(&body), &verify_key()).is_err(), "{body:?}");
    }
    for junk in ["", "\n", "\n\n", "\n\n\n", "a\n\n— b\n", "a\n\n—  \n"] {
        assert!(Checkpoint::verify(junk, &verify_key()).is_err(), "{junk:?}");
    }
    assert_eq!(
        Checkpoint::verify(&"a".repeat(NOTE_BYTES_MAX + 1), &verify_key()),
        Err(CheckpointError::Long)
    );
}

#[test]
fn any_flipped_bit_is_refused() {
    let text = signed();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let believed =
                String::from_utf8(bytes).is_ok_and(|text| Checkpoint::verify(&text, &verify_key()).is_ok());
            assert!(!believed, "byte {at} bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn any_size_and_root_read_back(size in any::<u64>(), root in any::<Hash>(), origin in "[^\\x00-\\x1f\\x7f]{1,40}") {
        let checkpoint = Checkpoint { origin, size, root };
        let text = checkpoint.sign(&key(1), NAME).unwrap();
        prop_assert_eq!(Checkpoint::verify(&text, &verify_key()), Ok(checkpoint));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(\\PC|\n|— ){0,200}") {
        prop_assert!(Checkpoint::verify(&text, &verify_key()).is_err());
    }
}
