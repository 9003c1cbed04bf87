//! A whole ledger as one file that anybody can check offline.
//!
//! # Format `bailiwick-ledger-export`, versions 1 and 2
//! UTF-8 text; each line is one JSON object and ends with a newline. There is exactly one way to write each line: the
//! keys below in this order, no spaces, strings escaped as RFC 8785 does, integers without leading zeros, hashes and
//! salts in lower-case hex. So a change anywhere is found, even one that a lenient reader would overlook.
//!
//! ```text
//! {"format":"bailiwick-ledger-export","version":1,"organization":UUID,"slug":S,"origin":S,"key":S,"exported_at_us":N,"check":HASH}
//! {"sequence":0,"at_us":N,"action":S,"actor_kind":S,"actor_id":S,"target_kind":S,"target_id":S,
//!   "public":{NAME:S,…},"personal":{NAME:{"salt":HEX,"value":S},NAME:{"hash":HASH},…},"leaf":HASH}   (one line)
//! {"subtree":0,"hash":HASH}
//! {"checkpoint":S}
//! ```
//!
//! - `check` is the SHA-256 of the header line before `,"check"`.
//! - Entries follow in order of `sequence`, from 0 without gaps; [`entry`](crate::entry) defines `leaf`. Names within
//!   `public` and `personal` are ascending. A personal field that was erased shows its field hash only.
//! - After every 256 entries stands the tree node over them, (level 8, position `subtree`).
//! - The last line is the signed [`checkpoint`](crate::checkpoint) of all entries, by the one key of the header. Its
//!   extension line is `bailiwick-ledger-export ` and the base64 of the SHA-256 of the header line.
//!
//! Version 2 is written once the ledger's key was rotated: the history of the keys travels with the file. Its header
//! says `"version":2` and, after `key`, how many [`handovers`](crate::handover) follow it, one line each, from the first
//! key of the installation to the header's:
//!
//! ```text
//! {"format":"bailiwick-ledger-export","version":2,"organization":UUID,"slug":S,"origin":S,"key":S,"handovers":N,"exported_at_us":N,"check":HASH}
//! {"handover":S}                                                                                     (N lines)
//! ```
//!
//! Its checkpoint is signed by the header's key first, and then by those keys before it whose overlap runs, the newest
//! first.
//!
//! No line is longer than 1 MiB.

use std::io;

use crate::checkpoint::CheckpointError;
use crate::handover::{Handover, HandoverError};
use crate::key::{KeyError, VerifyKey};
use crate::tree::Hash;

mod lines;
mod locate;
#[cfg(test)]
mod tests;
mod text;
mod verifier;
mod writer;

pub use verifier::verify_export;
pub use writer::ExportWriter;

/// Longest line, with its newline.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Entries under one subtree line.
const SUBTREE_ENTRIES: u64 = 256;
const SUBTREE_LEVEL: u8 = 8;

/// Whose ledger the file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHeader {
    pub organization: [u8; 16],
    pub slug: String,
    /// The ledger's name in its checkpoints, and the name of the key.
    pub origin: String,
    pub exported_at_us: i64,
}

/// What a file that verifies says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub header: ExportHeader,
    /// The key that vouches for the file. It comes from the file itself: whoever needs to know *who* vouches compares
    /// it with the key that the provider publishes.
    pub key: VerifyKey,
    /// How the key came to be, from the first one; empty while there was only one.
    pub handovers: Vec<Handover>,
    pub entries: u64,
    pub root: Hash,
    /// Personal fields that were erased.
    pub redacted: u64,
}

/// How a key that somebody trusts stands to the one that signed a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is the one.
    Signed,
    /// It came before: so many handovers lead from it to the one that signed.
    VouchedFor {
        handovers: usize,
    },
    None,
}

impl Verified {
    /// Whether the file can be believed by whoever trusts `pinned`.
    pub fn trust(&self, pinned: &VerifyKey) -> Trust {
        if *pinned == self.key {
            return Trust::Signed;
        }
        let same_name = pinned.name() == self.header.origin;
        match self.handovers.iter().rposition(|handover| same_name && handover.old == pinned.public()) {
            Some(at) => Trust::VouchedFor { handovers: self.handovers.len() - at },
            None => Trust::None,
        }
    }
}

/// Why a file does not verify.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot read line {line} of the export: {source}")]
    Read { line: u64, source: io::Error },
    #[error("line {line}{}: {damage}", .entry.map(|entry| format!(", entry {entry}")).unwrap_or_default())]
    Damaged { line: u64, entry: Option<u64>, damage: Damage },
}

impl ExportError {
    /// The line that is wrong, counted from 1.
    pub fn line(&self) -> u64 {
        match self {
            Self::Read { line, .. } | Self::Damaged { line, .. } => *line,
        }
    }
}

/// What is wrong with a line. Bytes are counted from 1 within the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Proved: with this one bit set right, the line is what was written.
    #[error("one bit is flipped in `{field}`: byte {byte} is 0x{found:02x} and was 0x{written:02x}")]
    Bit { byte: usize, field: String, found: u8, written: u8 },
    #[error("this is not a ledger export of version 1 or 2")]
    Format,
    #[error("byte {byte} is damaged: expected {expected}")]
    Syntax { byte: usize, expected: &'static str },
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    Long,
    #[error("the file is cut off within this line")]
    CutOff,
    #[error("the file ends before its signed checkpoint: it is cut off")]
    Truncated,
    #[error("there is more text after the signed checkpoint, which is the end of an export")]
    Trailing,
    #[error("the header does not match its check hash: one of its fields was changed")]
    HeaderCheck,
    #[error("the header's key is damaged: {0}")]
    HeaderKey(KeyError),
    #[error("the header's key is not named after its origin")]
    HeaderKeyName,
    #[error("{0}")]
    Handover(HandoverError),
    #[error("the last handover leads to another key than the header's, which nobody vouches for")]
    HandoverKey,
    #[error("the fields do not match the leaf hash: something was changed in this line")]
    Leaf,
    #[error("entry {expected} is missing: the line holds entry {found}")]
    Missing { expected: u64, found: u64 },
    #[error("entry {found} stands where entry {expected} belongs: a line was repeated or moved")]
    Repeated { expected: u64, found: u64 },
    #[error("the subtree line of entries {first} to {last} is missing")]
    SubtreeMissing { first: u64, last: u64 },
    #[error("a subtree line stands where an entry or the checkpoint belongs: a line was repeated or moved")]
    SubtreeMoved,
    #[error(
        "the subtree hash is not that of entries {first} to {last}: it was changed, or one of them was replaced"
    )]
    Subtree { first: u64, last: u64 },
    #[error("{0}")]
    Checkpoint(CheckpointError),
    #[error("the checkpoint says it is that of another ledger, `{found}`")]
    CheckpointOrigin { found: String },
    #[error("the checkpoint says {says} entries, the file holds {held}: lines were cut out or added")]
    CheckpointSize { says: u64, held: u64 },
    #[error("the checkpoint's root is not that of the entries: it was changed, or one of them was replaced")]
    CheckpointRoot,
    #[error("the checkpoint is not that of an export with this header")]
    CheckpointHeader,
}
