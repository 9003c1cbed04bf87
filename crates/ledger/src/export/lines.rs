//! The five kinds of lines, each with its writer and its reader. Lines are without their newline here.

use std::io::Write;
use std::ops::Range;

use super::text::{Cursor, push_hex, push_hex_digits, push_string};
use super::{Damage, ExportHeader};
use crate::entry::{Entry, FieldContent, LeafWriter, start_field};
use crate::handover::HANDOVERS_MAX;
use crate::key::VerifyKey;
use crate::tree::{Hash, sha256};

const HEADER_START_1: &str = r#"{"format":"bailiwick-ledger-export","version":1"#;
const HEADER_START_2: &str = r#"{"format":"bailiwick-ledger-export","version":2"#;
const HANDOVER_START: &str = r#"{"handover":"#;
pub(super) const ENTRY_START: &str = r#"{"sequence":"#;
pub(super) const SUBTREE_START: &str = r#"{"subtree":"#;
pub(super) const CHECKPOINT_START: &str = r#"{"checkpoint":"#;
const CHECK: &str = r#","check":"#;
/// Lengths of the groups of a UUID's text, in bytes.
const UUID_GROUPS: [Range<usize>; 5] = [0..4, 4..6, 6..8, 8..10, 10..16];

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn push_number(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    // Writing to a vector cannot fail.
    let _infallible = write!(out, "{number}");
}

/// Of version 2 when handovers follow it.
pub(super) fn push_header(out: &mut Vec<u8>, header: &ExportHeader, key: &VerifyKey, handovers: usize) {
    push(out, if handovers == 0 { HEADER_START_1 } else { HEADER_START_2 });
    push(out, r#","organization":""#);
    for (index, group) in UUID_GROUPS.into_iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        push_hex_digits(out, &header.organization[group]);
    }
    push(out, r#"","slug":"#);
    push_string(out, &header.slug);
    push(out, r#","origin":"#);
    push_string(out, &header.origin);
    push(out, r#","key":"#);
    push_string(out, &key.to_string());
    if handovers > 0 {
        push(out, r#","handovers":"#);
        push_number(out, handovers);
    }
    push(out, r#","exported_at_us":"#);
    push_number(out, header.exported_at_us);
    let check = sha256(out);
    push(out, CHECK);
    push_hex(out, &check);
    out.push(b'}');
}

/// The header, its key, and how many handovers follow.
pub(super) fn read_header(line: &str) -> Result<(ExportHeader, VerifyKey, u64), Damage> {
    let second = line.starts_with(HEADER_START_2);
    if !second && !line.starts_with(HEADER_START_1) {
        return Err(Damage::Format);
    }
    let mut cursor = Cursor::new(line);
    cursor.literal(if second { HEADER_START_2 } else { HEADER_START_1 })?;
    cursor.literal(r#","organization":""#)?;
    let mut organization = [0; 16];
    for (index, group) in UUID_GROUPS.into_iter().enumerate() {
        if index > 0 {
            cursor.literal("-")?;
        }
        for byte in &mut organization[group] {
            [*byte] = cursor.hex_digits()?;
        }
    }
    cursor.literal(r#"","slug":"#)?;
    let slug = cursor.string()?;
    cursor.literal(r#","origin":"#)?;
    let origin = cursor.string()?;
    cursor.literal(r#","key":"#)?;
    let key = cursor.string()?;
    let handovers = if second {
        cursor.literal(r#","handovers":"#)?;
        let wrong = cursor.expected("a number of handovers from 1 to 1000");
        cursor.unsigned().ok().filter(|count| (1..=HANDOVERS_MAX as u64).contains(count)).ok_or(wrong)?
    } else {
        0
    };
    cursor.literal(r#","exported_at_us":"#)?;
    let exported_at_us = cursor.signed()?;
    let checked = line.as_bytes().get(..cursor.at()).unwrap_or_default();
    cursor.literal(CHECK)?;
    let check: Hash = cursor.hex()?;
    cursor.literal("}")?;
    cursor.end()?;
    if sha256(checked) != check {
        return Err(Damage::HeaderCheck);
    }
    let key: VerifyKey = key.parse().map_err(Damage::HeaderKey)?;
    Ok((ExportHeader { organization, slug, origin, exported_at_us }, key, handovers))
}

pub(super) fn push_handover(out: &mut Vec<u8>, note: &str) {
    push_note(out, HANDOVER_START, note);
}

pub(super) fn read_handover(line: &str) -> Result<String, Damage> {
    read_note(line, HANDOVER_START)
}

pub(super) fn push_entry(out: &mut Vec<u8>, entry: &Entry, leaf: &Hash) {
    push(out, ENTRY_START);
    push_number(out, entry.sequence);
    push(out, r#","at_us":"#);
    push_number(out, entry.at_us);
    let texts = [
        (r#","action":"#, &entry.action),
        (r#","actor_kind":"#, &entry.actor_kind),
        (r#","actor_id":"#, &entry.actor_id),
        (r#","target_kind":"#, &entry.target_kind),
        (r#","target_id":"#, &entry.target_id),
    ];
    for (key, text) in texts {
        push(out, key);
        push_string(out, text);
    }
    push(out, r#","public":{"#);
    for (index, (name, value)) in entry.public.iter().enumerate() {
        push_name(out, index, name);
        push_string(out, value);
    }
    push(out, r#"},"personal":{"#);
    for (index, field) in entry.personal.iter().enumerate() {
        push_name(out, index, &field.name);
        match &field.content {
            FieldContent::Clear { salt, value } => {
                push(out, r#"{"salt":"#);
                push_hex(out, salt);
                push(out, r#","value":"#);
                push_string(out, value);
            }
            FieldContent::Redacted { hash } => {
                push(out, r#"{"hash":"#);
                push_hex(out, hash);
            }
        }
        out.push(b'}');
    }
    push(out, r#"},"leaf":"#);
    push_hex(out, leaf);
    out.push(b'}');
}

fn push_name(out: &mut Vec<u8>, index: usize, name: &str) {
    if index > 0 {
        out.push(b',');
    }
    push_string(out, name);
    out.push(b':');
}

/// What the verifier needs of an entry line.
pub(super) struct ReadEntry {
    pub sequence: u64,
    /// Hash of the fields as they stand in the line.
    pub leaf: Hash,
    /// Hash that the line says it has.
    pub stated: Hash,
    pub redacted: u64,
}

/// Buffers used again from line to line.
#[derive(Default)]
pub(super) struct Scratch {
    leaf: Vec<u8>,
    field: Vec<u8>,
}

/// Reads an entry line straight into the bytes its leaf commits to.
pub(super) fn read_entry(
    line: &str,
    organization: &[u8; 16],
    scratch: &mut Scratch,
) -> Result<ReadEntry, Damage> {
    let mut cursor = Cursor::new(line);
    cursor.literal(ENTRY_START)?;
    let sequence = cursor.unsigned()?;
    cursor.literal(r#","at_us":"#)?;
    let at_us = cursor.signed()?;
    let Scratch { leaf, field } = scratch;
    LeafWriter::start(leaf, organization, sequence, at_us);
    for key in
        [r#","action":"#, r#","actor_kind":"#, r#","actor_id":"#, r#","target_kind":"#, r#","target_id":"#]
    {
        cursor.literal(key)?;
        read_text(&mut cursor, leaf)?;
    }
    cursor.literal(r#","public":{"#)?;
    read_object(&mut cursor, leaf, |cursor, leaf, _| read_text(cursor, leaf).map(drop))?;
    cursor.literal(r#","personal":{"#)?;
    let mut redacted = 0;
    read_object(&mut cursor, leaf, |cursor, leaf, name| {
        cursor.literal(r#"{""#)?;
        let hash = if cursor.take(b's') {
            cursor.literal(r#"alt":"#)?;
            let salt = cursor.hex()?;
            cursor.literal(r#","value":"#)?;
            start_field(field, &salt, leaf.get(name).unwrap_or_default());
            read_text(cursor, field)?;
            sha256(field)
        } else {
            redacted += 1;
            cursor.literal(r#"hash":"#)?;
            cursor.hex()?
        };
        leaf.extend_from_slice(&hash);
        cursor.literal("}")
    })?;
    let hash = sha256(leaf);
    cursor.literal(r#","leaf":"#)?;
    let stated = cursor.hex()?;
    cursor.literal("}")?;
    cursor.end()?;
    Ok(ReadEntry { sequence, leaf: hash, stated, redacted })
}

/// A string, as a *text* of the leaf encoding; gives where its bytes are.
fn read_text(cursor: &mut Cursor<'_>, leaf: &mut Vec<u8>) -> Result<Range<usize>, Damage> {
    let length_at = leaf.len();
    leaf.extend_from_slice(&[0; 8]);
    let start = leaf.len();
    cursor.string_into(leaf)?;
    let end = leaf.len();
    set_count(leaf, length_at, end - start);
    Ok(start..end)
}

fn set_count(leaf: &mut [u8], at: usize, count: usize) {
    if let Some(place) = leaf.get_mut(at..at + 8) {
        place.copy_from_slice(&(count as u64).to_be_bytes());
    }
}

/// The members of an object whose `{` is read, up to its `}`, as a *list* of the leaf encoding.
fn read_object(
    cursor: &mut Cursor<'_>,
    leaf: &mut Vec<u8>,
    mut value: impl FnMut(&mut Cursor<'_>, &mut Vec<u8>, Range<usize>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let count_at = leaf.len();
    leaf.extend_from_slice(&[0; 8]);
    let mut count = 0;
    let mut previous: Option<Range<usize>> = None;
    while !cursor.take(b'}') {
        if count > 0 {
            cursor.literal(",")?;
        }
        let misplaced = cursor.expected("a name after the one before it");
        let name = read_text(cursor, leaf)?;
        if previous.is_some_and(|previous| leaf.get(previous) >= leaf.get(name.clone())) {
            return Err(misplaced);
        }
        cursor.literal(":")?;
        value(cursor, leaf, name.clone())?;
        previous = Some(name);
        count += 1;
    }
    set_count(leaf, count_at, count);
    Ok(())
}

pub(super) fn push_subtree(out: &mut Vec<u8>, position: u64, hash: &Hash) {
    push(out, SUBTREE_START);
    push_number(out, position);
    push(out, r#","hash":"#);
    push_hex(out, hash);
    out.push(b'}');
}

pub(super) fn push_checkpoint(out: &mut Vec<u8>, note: &str) {
    push_note(out, CHECKPOINT_START, note);
}

pub(super) fn read_checkpoint(line: &str) -> Result<String, Damage> {
    read_note(line, CHECKPOINT_START)
}

fn push_note(out: &mut Vec<u8>, start: &str, note: &str) {
    push(out, start);
    push_string(out, note);
    out.push(b'}');
}

fn read_note(line: &str, start: &'static str) -> Result<String, Damage> {
    let mut cursor = Cursor::new(line);
    cursor.literal(start)?;
    let note = cursor.string()?;
    cursor.literal("}")?;
    cursor.end()?;
    Ok(note)
}
