//! Reading an export and checking every byte of it, in one pass and constant memory.

use std::cmp::Ordering;
use std::io::{BufRead, BufReader, Read};

use super::lines::{
    CHECKPOINT_START, ENTRY_START, ReadEntry, SUBTREE_START, Scratch, push_subtree, read_checkpoint,
    read_entry, read_handover, read_header,
};
use super::locate::flipped_bit;
use super::writer::header_extension;
use super::{Damage, ExportError, ExportHeader, LINE_BYTES_MAX, SUBTREE_ENTRIES, SUBTREE_LEVEL, Verified};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::handover::{Handover, HandoverError};
use crate::key::{PublicKey, VerifyKey};
use crate::tree::{Frontier, Hash};

/// Checks a whole export. The first thing that is wrong is named with its line; a single flipped bit anywhere is
/// found and, in lines up to 4 KiB, located to the byte.
pub fn verify_export(input: impl Read) -> Result<Verified, ExportError> {
    let mut lines = Lines { input: BufReader::with_capacity(1 << 17, input), line: Vec::new(), number: 0 };
    if !lines.next()? {
        return Err(lines.broken(Damage::Truncated));
    }
    let mut state = match lines.content().and_then(State::start) {
        Ok(state) => state,
        Err(damage) => return Err(lines.located(damage, None, |line| State::start(line).map(|_| None))),
    };
    loop {
        if !lines.next()? {
            return Err(lines.broken(Damage::Truncated));
        }
        match lines.content().and_then(|line| state.read(line)) {
            Ok(Line::Handover(handover)) => state.handovers.push(handover),
            Ok(Line::Entry(entry)) => state.append(&entry),
            Ok(Line::Subtree) => state.subtree = None,
            Ok(Line::Checkpoint) => break,
            Err(damage) => {
                let next = state.frontier.size();
                let looks = lines.line.starts_with(ENTRY_START.as_bytes()).then_some(next);
                let reread =
                    |line: &str| state.read(line).map(|line| matches!(line, Line::Entry(_)).then_some(next));
                return Err(lines.located(damage, looks, reread));
            }
        }
    }
    if lines.next()? {
        return Err(lines.broken(Damage::Trailing));
    }
    let State { header, key, handovers, frontier, redacted, .. } = state;
    Ok(Verified { header, key, handovers, entries: frontier.size(), root: frontier.root(), redacted })
}

struct Lines<R> {
    input: BufReader<R>,
    /// The line with its newline.
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// Goes to the next line; `false` at the end of the file.
    fn next(&mut self) -> Result<bool, ExportError> {
        self.line.clear();
        self.number += 1;
        self.read_on()?;
        Ok(!self.line.is_empty())
    }

    fn read_on(&mut self) -> Result<(), ExportError> {
        let mut input = self.input.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        match input.read_until(b'\n', &mut self.line) {
            Ok(_) => Ok(()),
            Err(source) => Err(ExportError::Read { line: self.number, source }),
        }
    }

    fn content(&self) -> Result<&str, Damage> {
        if self.line.len() > LINE_BYTES_MAX {
            return Err(Damage::Long);
        }
        let content = self.line.strip_suffix(b"\n").ok_or(Damage::CutOff)?;
        std::str::from_utf8(content).map_err(|error| {
            let byte = error.valid_up_to() + 1;
            Damage::Syntax { byte, expected: "UTF-8 text" }
        })
    }

    fn broken(self, damage: Damage) -> ExportError {
        ExportError::Damaged { line: self.number, entry: None, damage }
    }

    /// The error for a line that `reread` refuses; the exact bit where one is to blame. `reread` gives the entry that
    /// a repaired line holds.
    fn located(
        mut self,
        damage: Damage,
        looks: Option<u64>,
        mut reread: impl FnMut(&str) -> Result<Option<u64>, Damage>,
    ) -> ExportError {
        let (line, length) = (self.number, self.line.len());
        let near = if let Damage::Syntax { byte, .. } = damage { byte } else { 0 };
        // The flipped bit may have cut the line in two.
        if let Err(error) = self.read_on() {
            return error;
        }
        let mut entry = looks;
        let accepts = |repaired: &str| reread(repaired).map(|holds| entry = holds).is_ok();
        let bit = flipped_bit(&self.line, length, near, accepts);
        ExportError::Damaged { line, entry, damage: bit.unwrap_or(damage) }
    }
}

enum Line {
    Handover(Handover),
    Entry(ReadEntry),
    Subtree,
    Checkpoint,
}

/// What the lines so far say the next one must be.
struct State {
    header: ExportHeader,
    key: VerifyKey,
    /// How many handovers the header announces, and those read so far.
    handovers_due: u64,
    handovers: Vec<Handover>,
    extension: String,
    frontier: Frontier,
    /// The subtree line that must come next.
    subtree: Option<(u64, Hash)>,
    scratch: Scratch,
    redacted: u64,
}

impl State {
    fn start(line: &str) -> Result<Self, Damage> {
        let (header, key, handovers_due) = read_header(line)?;
        if key.name() != header.origin {
            return Err(Damage::HeaderKeyName);
        }
        Ok(Self {
            header,
            key,
            handovers_due,
            handovers: Vec::new(),
            extension: header_extension(line.as_bytes()),
            frontier: Frontier::new(),
            subtree: None,
            scratch: Scratch::default(),
            redacted: 0,
        })
    }

    /// Checks that this is the right next line, and changes nothing.
    fn read(&mut self, line: &str) -> Result<Line, Damage> {
        if (self.handovers.len() as u64) < self.handovers_due {
            return self.expect_handover(&read_handover(line)?);
        }
        if let Some((position, hash)) = &self.subtree {
            return expect_subtree(line, *position, hash);
        }
        if line.starts_with(CHECKPOINT_START) {
            self.expect_checkpoint(&read_checkpoint(line)?)?;
            return Ok(Line::Checkpoint);
        }
        if line.starts_with(SUBTREE_START) {
            return Err(Damage::SubtreeMoved);
        }
        let entry = read_entry(line, &self.header.organization, &mut self.scratch)?;
        if entry.leaf != entry.stated {
            return Err(Damage::Leaf);
        }
        let (expected, found) = (self.frontier.size(), entry.sequence);
        match found.cmp(&expected) {
            Ordering::Greater => Err(Damage::Missing { expected, found }),
            Ordering::Less => Err(Damage::Repeated { expected, found }),
            Ordering::Equal => Ok(Line::Entry(entry)),
        }
    }

    fn append(&mut self, entry: &ReadEntry) {
        self.redacted += entry.redacted;
        let subtree = &mut self.subtree;
        self.frontier.append_with(entry.leaf, &mut |level, position, hash| {
            if level == SUBTREE_LEVEL {
                *subtree = Some((position, hash));
            }
        });
    }

    fn expect_handover(&self, note: &str) -> Result<Line, Damage> {
        let handover = Handover::verify(note).map_err(Damage::Handover)?;
        if !handover.follows(self.handovers.last()) {
            return Err(Damage::Handover(HandoverError::Chain));
        }
        let last = self.handovers.len() as u64 + 1 == self.handovers_due;
        if last && handover.new != self.key.public() {
            return Err(Damage::HandoverKey);
        }
        Ok(Line::Handover(handover))
    }

    fn expect_checkpoint(&self, note: &str) -> Result<(), Damage> {
        let expected = Checkpoint {
            origin: self.header.origin.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        let body = expected.body(std::slice::from_ref(&self.extension)).map_err(Damage::Checkpoint)?;
        if !note.strip_prefix(&body).is_some_and(|rest| rest.starts_with('\n')) {
            return Err(difference(note, &expected));
        }
        checkpoint::open(note, &self.key).map_err(Damage::Checkpoint)?;
        self.expect_signatures(note).map_err(Damage::Checkpoint)
    }

    /// The header's key signs first, then keys that it came from, the newest first, and nobody else: another signature
    /// would be a place where nothing notices a change.
    fn expect_signatures(&self, note: &str) -> Result<(), CheckpointError> {
        let stray = if self.handovers.is_empty() {
            CheckpointError::Note("in an export it has exactly one signature")
        } else {
            CheckpointError::Note("in an export only the header's key and keys that it came from sign it")
        };
        let mut signatures = checkpoint::signed_by(note)?.into_iter();
        if signatures.next() != Some((self.header.origin.as_str(), self.key.id())) {
            return Err(stray);
        }
        let mut older = self.handovers.iter().rev().map(|handover| handover.old);
        for (name, id) in signatures {
            let named = |key: PublicKey| key.named(&self.header.origin).ok();
            let Some(key) = older.by_ref().filter_map(named).find(|key| key.name() == name && key.id() == id)
            else {
                return Err(stray);
            };
            checkpoint::open(note, &key)?;
        }
        Ok(())
    }
}

fn expect_subtree(line: &str, position: u64, hash: &Hash) -> Result<Line, Damage> {
    let mut expected = Vec::with_capacity(128);
    push_subtree(&mut expected, position, hash);
    if line.as_bytes() == expected {
        return Ok(Line::Subtree);
    }
    let (first, last) = (position * SUBTREE_ENTRIES, (position + 1) * SUBTREE_ENTRIES - 1);
    if line.starts_with(ENTRY_START) || line.starts_with(CHECKPOINT_START) {
        Err(Damage::SubtreeMissing { first, last })
    } else {
        Err(Damage::Subtree { first, last })
    }
}

/// In what a checkpoint differs from the one that these entries need.
fn difference(note: &str, expected: &Checkpoint) -> Damage {
    let body = note.rfind("\n\n").and_then(|gap| note.get(..=gap)).unwrap_or(note);
    let found = match Checkpoint::parse(body) {
        Ok(found) => found,
        Err(error) => return Damage::Checkpoint(error),
    };
    if found.origin != expected.origin {
        Damage::CheckpointOrigin { found: found.origin }
    } else if found.size != expected.size {
        Damage::CheckpointSize { says: found.size, held: expected.size }
    } else if found.root != expected.root {
        Damage::CheckpointRoot
    } else {
        Damage::CheckpointHeader
    }
}
