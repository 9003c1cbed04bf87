use proptest::prelude::*;

use super::*;
use crate::tree::leaf_hash;

pub(crate) fn sample(sequence: u64) -> Entry {
    let clear = |name: &str, value: &str| PersonalField {
        name: name.to_owned(),
        content: FieldContent::Clear { salt: [sequence as u8; 16], value: value.to_owned() },
    };
    Entry {
        organization: *b"0123456789abcdef",
        sequence,
        at_us: 1_770_000_000_000_000 + sequence as i64,
        action: "domain.verified".to_owned(),
        actor_kind: "account".to_owned(),
        actor_id: format!("actor-{sequence}"),
        target_kind: "domain".to_owned(),
        target_id: "harbor.example".to_owned(),
        public: vec![("method".to_owned(), "dns".to_owned())],
        personal: vec![clear("email", "ana@harbor.example"), clear("ip", "192.0.2.7")],
    }
}

#[test]
fn the_leaf_bytes_are_those_of_the_table() {
    let text = |text: &str| [&(text.len() as u64).to_be_bytes()[..], text.as_bytes()].concat();
    let entry = sample(1);
    let field =
        |name: &str, value: &str| sha256(&[&[2][..], &[1; 16], &text(name), &text(value)].concat()).to_vec();
    let wanted = [
        vec![1],
        b"0123456789abcdef".to_vec(),
        1_u64.to_be_bytes().to_vec(),
        1_770_000_000_000_001_i64.to_be_bytes().to_vec(),
        text("domain.verified"),
        text("account"),
        text("actor-1"),
        text("domain"),
        text("harbor.example"),
        1_u64.to_be_bytes().to_vec(),
        text("method"),
        text("dns"),
        2_u64.to_be_bytes().to_vec(),
        text("email"),
        field("email", "ana@harbor.example"),
        text("ip"),
        field("ip", "192.0.2.7"),
    ]
    .concat();
    assert_eq!(entry.leaf_bytes(), wanted);
    assert_eq!(entry.leaf_hash(), leaf_hash(&wanted));
}

#[test]
fn redaction_erases_the_value_and_keeps_the_leaf() {
    let mut entry = sample(3);
    let (before, bytes) = (entry.leaf_hash(), entry.leaf_bytes());
    assert!(entry.redact("email"));
    assert!(!format!("{entry:?}").contains("ana@"));
    assert!(matches!(entry.personal[0].content, FieldContent::Redacted { .. }));
    assert!(matches!(entry.personal[1].content, FieldContent::Clear { .. }));
    assert_eq!((entry.leaf_hash(), entry.leaf_bytes()), (before, bytes));
    assert!(!entry.redact("email"), "it is erased already");
    assert!(!entry.redact("phone"), "there is no such field");
    assert!(!entry.redact("method"), "a public field cannot be erased");
    assert!(entry.redact("ip"));
    assert_eq!(entry.leaf_hash(), before);
}

#[test]
fn moving_a_byte_across_any_border_changes_the_leaf() {
    let base = sample(0);
    let mut variants = vec![base.clone()];
    let mut vary = |change: &dyn Fn(&mut Entry)| {
        let mut entry = base.clone();
        change(&mut entry);
        variants.push(entry);
    };
    vary(&|e| e.organization[0] ^= 1);
    vary(&|e| e.sequence = 1);
    vary(&|e| e.at_us = -e.at_us);
    vary(&|e| (e.action, e.actor_kind) = ("domain.verifieda".into(), "ccount".into()));
    vary(&|e| (e.actor_kind, e.actor_id) = ("accountactor-0".into(), String::new()));
    vary(&|e| std::mem::swap(&mut e.actor_id, &mut e.target_id));
    vary(&|e| (e.target_kind, e.target_id) = ("domainh".into(), "arbor.example".into()));
    vary(&|e| e.public[0] = ("methodd".into(), "ns".into()));
    vary(&|e| e.public.push((String::new(), String::new())));
    vary(&|e| e.public.clear());
    vary(&|e| drop(e.personal.pop()));
    vary(&|e| e.personal[0].name = "emai".into());
    vary(&|e| e.personal.swap(0, 1));
    vary(&|e| {
        let FieldContent::Clear { salt, .. } = &mut e.personal[1].content else { unreachable!() };
        salt[15] ^= 1;
    });
    vary(&|e| {
        let FieldContent::Clear { value, .. } = &mut e.personal[1].content else { unreachable!() };
        value.push(' ');
    });
    let mut hashes: Vec<Hash> = variants.iter().map(Entry::leaf_hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), variants.len());
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab]{0,2}", 5..12)
}

fn from_texts(texts: &[String]) -> Entry {
    let (five, rest) = texts.split_at(5);
    let mut entry = sample(0);
    [entry.action, entry.actor_kind, entry.actor_id, entry.target_kind, entry.target_id] =
        <[String; 5]>::try_from(five.to_vec()).unwrap();
    entry.public = rest.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    entry
}

proptest! {
    #[test]
    fn equal_bytes_mean_equal_entries(one in texts(), two in texts()) {
        let (one, two) = (from_texts(&one), from_texts(&two));
        prop_assert_eq!(one == two, one.leaf_bytes() == two.leaf_bytes());
    }
}
