//! One entry of the ledger and the bytes its leaf commits to.
//!
//! # Leaf bytes, version 1
//! Integers are big-endian. A *text* is its length in bytes as 8 bytes, then its UTF-8. A *list* is its number of
//! items as 8 bytes, then the items.
//!
//! | part | bytes |
//! |---|---|
//! | version | 1 byte, `0x01` |
//! | organization | 16 bytes |
//! | sequence | 8 bytes |
//! | at, microseconds since 1970-01-01 UTC | 8 bytes, two's complement |
//! | action, actor kind, actor id, target kind, target id | 5 texts |
//! | public fields | list of (text name, text value) |
//! | personal fields | list of (text name, 32 bytes field hash) |
//!
//! Every part is of fixed length or carries it, so two different entries never have the same bytes. The leaf hash is
//! that of RFC 6962, `SHA-256(0x00 || leaf bytes)`.
//!
//! A *field hash* is `SHA-256(0x02 || 16 bytes salt || text name || text value)`; the first byte keeps it apart from
//! leaves (`0x00`) and nodes (`0x01`). The leaf holds only this hash, so erasing salt and value leaves every proof
//! valid, and the random salt keeps an erased value from being guessed.

use crate::tree::{Hash, sha256};

#[cfg(test)]
pub(crate) mod tests;

const VERSION: u8 = 1;
const LEAF: u8 = 0;
const FIELD: u8 = 2;

/// Something that happened, as the ledger keeps it. Field names are unique and in ascending byte order within
/// `public` and within `personal`; an export refuses an entry where they are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub organization: [u8; 16],
    pub sequence: u64,
    pub at_us: i64,
    pub action: String,
    pub actor_kind: String,
    pub actor_id: String,
    pub target_kind: String,
    pub target_id: String,
    pub public: Vec<(String, String)>,
    pub personal: Vec<PersonalField>,
}

/// A field that can be erased later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalField {
    pub name: String,
    pub content: FieldContent,
}

/// What is left of a personal field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldContent {
    Clear { salt: [u8; 16], value: String },
    Redacted { hash: Hash },
}

impl Entry {
    /// What the leaf commits to; see the module's table.
    pub fn leaf_bytes(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.encode(&mut buffer);
        buffer.split_off(1)
    }

    /// The leaf hash; the same before and after redaction.
    pub fn leaf_hash(&self) -> Hash {
        let mut buffer = Vec::with_capacity(512);
        self.encode(&mut buffer);
        sha256(&buffer)
    }

    /// Erases the personal field of this name; `false` when there is none or it is erased already.
    pub fn redact(&mut self, name: &str) -> bool {
        let mut changed = false;
        for field in self.personal.iter_mut().filter(|field| field.name == name) {
            if matches!(field.content, FieldContent::Clear { .. }) {
                field.content = FieldContent::Redacted { hash: field.hash() };
                changed = true;
            }
        }
        changed
    }

    fn encode(&self, buffer: &mut Vec<u8>) {
        let mut leaf = LeafWriter::start(buffer, &self.organization, self.sequence, self.at_us);
        for text in [&self.action, &self.actor_kind, &self.actor_id, &self.target_kind, &self.target_id] {
            leaf.text(text);
        }
        leaf.count(self.public.len());
        for (name, value) in &self.public {
            leaf.text(name);
            leaf.text(value);
        }
        leaf.count(self.personal.len());
        for field in &self.personal {
            leaf.text(&field.name);
            leaf.hash(&field.hash());
        }
    }
}

impl PersonalField {
    /// What the leaf holds of this field.
    pub fn hash(&self) -> Hash {
        match &self.content {
            FieldContent::Clear { salt, value } => {
                let mut buffer = Vec::with_capacity(128);
                start_field(&mut buffer, salt, self.name.as_bytes());
                push_text(&mut buffer, value.as_bytes());
                sha256(&buffer)
            }
            FieldContent::Redacted { hash } => *hash,
        }
    }
}

/// Everything that a field hash covers before the value.
pub(crate) fn start_field(buffer: &mut Vec<u8>, salt: &[u8; 16], name: &[u8]) {
    buffer.clear();
    buffer.push(FIELD);
    buffer.extend_from_slice(salt);
    push_text(buffer, name);
}

fn push_text(buffer: &mut Vec<u8>, text: &[u8]) {
    buffer.extend_from_slice(&(text.len() as u64).to_be_bytes());
    buffer.extend_from_slice(text);
}

/// Writes the prefix of RFC 6962 and the leaf bytes after it, so that the hash is one pass over one buffer.
pub(crate) struct LeafWriter<'b>(&'b mut Vec<u8>);

impl<'b> LeafWriter<'b> {
    pub(crate) fn start(buffer: &'b mut Vec<u8>, organization: &[u8; 16], sequence: u64, at_us: i64) -> Self {
        buffer.clear();
        buffer.extend_from_slice(&[LEAF, VERSION]);
        buffer.extend_from_slice(organization);
        buffer.extend_from_slice(&sequence.to_be_bytes());
        buffer.extend_from_slice(&at_us.to_be_bytes());
        Self(buffer)
    }

    fn count(&mut self, count: usize) {
        self.0.extend_from_slice(&(count as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        push_text(self.0, text.as_bytes());
    }

    fn hash(&mut self, hash: &Hash) {
        self.0.extend_from_slice(hash);
    }
}
