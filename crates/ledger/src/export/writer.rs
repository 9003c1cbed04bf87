//! Writing an export, entry by entry.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::lines::{push_checkpoint, push_entry, push_handover, push_header, push_subtree};
use super::{ExportHeader, LINE_BYTES_MAX, SUBTREE_LEVEL};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::handover::Signers;
use crate::key::{SigningKey, VerifyKey};
use crate::tree::{Frontier, Hash, sha256};

/// Streams a ledger to `W`, one write per entry: give it something buffered. An entry that does not fit (wrong
/// organization, gap in the sequence, names not ascending, too long) is refused as `InvalidInput`.
pub struct ExportWriter<'k, W> {
    out: W,
    keys: Vec<&'k SigningKey>,
    organization: [u8; 16],
    origin: String,
    extension: String,
    frontier: Frontier,
    line: Vec<u8>,
}

/// The extension line that ties a checkpoint to the header of its export.
pub(super) fn header_extension(header_line: &[u8]) -> String {
    format!("bailiwick-ledger-export {}", STANDARD.encode(sha256(header_line)))
}

fn refused(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

impl<'k, W: Write> ExportWriter<'k, W> {
    /// Writes the header of version 1. The key signs under the name of the header's origin.
    pub fn new(out: W, header: &ExportHeader, key: &'k SigningKey) -> io::Result<Self> {
        Self::start(out, header, vec![key], &[])
    }

    /// Writes the header and the history of the keys; of version 1 while there was only one.
    pub fn signed_by(out: W, header: &ExportHeader, signers: &'k Signers) -> io::Result<Self> {
        Self::start(out, header, signers.keys(), signers.handovers())
    }

    fn start(
        out: W,
        header: &ExportHeader,
        keys: Vec<&'k SigningKey>,
        handovers: &[String],
    ) -> io::Result<Self> {
        let key = keys.first().ok_or_else(|| refused("nobody signs"))?;
        let verify_key: VerifyKey = key.verify_key(&header.origin).map_err(refused)?;
        let mut line = Vec::with_capacity(1024);
        push_header(&mut line, header, &verify_key, handovers.len());
        let mut writer = Self {
            out,
            keys,
            organization: header.organization,
            origin: header.origin.clone(),
            extension: header_extension(&line),
            frontier: Frontier::new(),
            line,
        };
        writer.write_line()?;
        for handover in handovers {
            push_handover(&mut writer.line, handover);
            writer.write_line()?;
        }
        Ok(writer)
    }

    /// Writes the next entry.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let expected = self.frontier.size();
        if entry.sequence != expected {
            return Err(refused(format!("entry {} comes where entry {expected} belongs", entry.sequence)));
        }
        if entry.organization != self.organization {
            return Err(refused(format!("entry {expected} is of another organization")));
        }
        let ascending = entry.public.is_sorted_by(|a, b| a.0 < b.0)
            && entry.personal.is_sorted_by(|a, b| a.name < b.name);
        if !ascending {
            return Err(refused(format!("the field names of entry {expected} are not unique and ascending")));
        }
        let leaf = entry.leaf_hash();
        push_entry(&mut self.line, entry, &leaf);
        self.write_line()?;
        let mut subtree: Option<(u64, Hash)> = None;
        self.frontier.append_with(leaf, &mut |level, position, hash| {
            if level == SUBTREE_LEVEL {
                subtree = Some((position, hash));
            }
        });
        if let Some((position, hash)) = subtree {
            push_subtree(&mut self.line, position, &hash);
            self.write_line()?;
        }
        Ok(())
    }

    /// Signs and writes the checkpoint, flushes, and gives the output back. Without it the export does not verify.
    pub fn finish(mut self) -> io::Result<W> {
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        };
        let extensions = std::slice::from_ref(&self.extension);
        let note = checkpoint.sign_with(extensions, &self.keys, &self.origin).map_err(refused)?;
        push_checkpoint(&mut self.line, &note);
        self.write_line()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        let written = if self.line.len() > LINE_BYTES_MAX {
            let next = self.frontier.size();
            Err(refused(format!("a line would be longer than {LINE_BYTES_MAX} bytes, at entry {next}")))
        } else {
            self.out.write_all(&self.line)
        };
        self.line.clear();
        written
    }
}
