//! Exports: no file makes the verifier panic, and whatever can be written verifies until one bit of it is flipped.
//!
//! Input that starts with `{` is a file; anything else is cut at 0xff into the texts of entries, with a place to flip.
#![no_main]

use ledger::{Entry, ExportHeader, ExportWriter, FieldContent, PersonalField, SigningKey, verify_export};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if data.starts_with(b"{") {
        if let Ok(verified) = verify_export(data) {
            assert!(data.len() as u64 > verified.entries);
            refused_with_a_flipped_bit(data, data.len() / 2);
        }
        return;
    }
    let Some(([high, low], texts)) = data.split_first_chunk() else { return };
    let file = written(texts);
    let verified = verify_export(file.as_slice());
    assert!(verified.is_ok(), "{verified:?}");
    refused_with_a_flipped_bit(&file, usize::from(u16::from_be_bytes([*high, *low])));
});

fn refused_with_a_flipped_bit(file: &[u8], place: usize) {
    let mut damaged = file.to_vec();
    let at = place / 8 % damaged.len();
    damaged[at] ^= 1 << (place % 8);
    let error = verify_export(damaged.as_slice()).expect_err("a bit was flipped");
    let line = 1 + file[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(error.line(), line, "{error}");
}

fn written(texts: &[u8]) -> Vec<u8> {
    let mut texts = texts.split(|byte| *byte == 0xff).map(|text| String::from_utf8_lossy(text).into_owned());
    let mut text = || texts.next();
    let key = SigningKey::from_seed(&[7; 32]).expect("any seed makes a key");
    let header = ExportHeader {
        organization: [5; 16],
        slug: text().unwrap_or_default(),
        origin: "fuzz.example/ledger".to_owned(),
        exported_at_us: 0,
    };
    let mut writer = ExportWriter::new(Vec::new(), &header, &key).expect("the header fits");
    let mut sequence = 0;
    while let Some(action) = text() {
        let name = text().unwrap_or_default();
        let value = text().unwrap_or_default();
        let content = FieldContent::Clear { salt: [3; 16], value: value.clone() };
        let mut entry = Entry {
            organization: [5; 16],
            sequence,
            at_us: action.len() as i64 - 8,
            actor_kind: action.chars().rev().collect(),
            action,
            actor_id: text().unwrap_or_default(),
            target_kind: String::new(),
            target_id: text().unwrap_or_default(),
            public: vec![(name.clone(), value)],
            personal: vec![PersonalField { name: name.clone(), content }],
        };
        let leaf = entry.leaf_hash();
        if !sequence.is_multiple_of(2) {
            assert!(entry.redact(&name));
            assert_eq!(entry.leaf_hash(), leaf);
        }
        writer.entry(&entry).expect("the entry fits");
        sequence += 1;
    }
    writer.finish().expect("a vector takes it all")
}
