//! Handovers: how a ledger's signing key vouches for the one after it, so that whoever knows the first key follows to
//! the one that signs today.
//!
//! A handover is a C2SP `signed-note` with exactly two signatures, by the key that goes and by the key that comes:
//!
//! ```text
//! bailiwick-ledger-key-handover/v1
//! number 2                          of the key that comes; the first key is 1
//! old AQ5x…                         base64(0x01 || public key)
//! new AVt0…
//! made_at_us 1780000000000000
//! old_ends_at_us 1782592000000000   from then on the old key signs no checkpoint
//!
//! — cloud.example/ledger-keys q83v…
//! — cloud.example/ledger-keys 7xpK…
//! ```
//!
//! There is one way to write it, and its second line is no number, so it can never be taken for a checkpoint.
//!
//! What it does not do: tell a handover by the owner from one by a thief of the old key. Whoever was told of a theft
//! pins the new key by another way.

use std::sync::Arc;

use crate::checkpoint::{CheckpointError, open, sign_note, signed_by};
use crate::key::{PublicKey, SigningKey};

#[cfg(test)]
pub(crate) mod tests;

const FORMAT: &str = "bailiwick-ledger-key-handover/v1";
/// More keys one ledger never has.
pub const HANDOVERS_MAX: usize = 1000;

/// What the old key said about the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Of the new key; the first key of an installation is 1.
    pub number: u64,
    pub old: PublicKey,
    pub new: PublicKey,
    pub made_at_us: i64,
    /// From then on the old key signs no checkpoint.
    pub old_ends_at_us: i64,
}

/// Why a handover cannot be made or believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    #[error(transparent)]
    Note(#[from] CheckpointError),
    #[error("the handover is not written as one of version 1")]
    Form,
    #[error("the handover must carry two signatures under one name: of the old key, then of the new one")]
    Signatures,
    #[error("the handover is not signed by the key that it says went: the new key is not vouched for")]
    Old,
    #[error("the handover is not signed by the key that it says came")]
    New,
    #[error("the handover does not go on where the one before ended: the chain of keys is broken")]
    Chain,
    #[error("a ledger has at most {HANDOVERS_MAX} handovers")]
    Many,
}

impl Handover {
    fn body(&self) -> String {
        format!(
            "{FORMAT}\nnumber {}\nold {}\nnew {}\nmade_at_us {}\nold_ends_at_us {}\n",
            self.number, self.old, self.new, self.made_at_us, self.old_ends_at_us
        )
    }

    /// The signed text. The keys must be those that it names.
    pub fn sign(&self, old: &SigningKey, new: &SigningKey, name: &str) -> Result<String, HandoverError> {
        let note = sign_note(self.body(), &[old, new], name)?;
        Self::verify(&note)?;
        Ok(note)
    }

    /// Reads a handover and checks both signatures.
    pub fn verify(note: &str) -> Result<Self, HandoverError> {
        let signatures = signed_by(note)?;
        let [(name, old_id), (other, new_id)] = signatures.as_slice() else {
            return Err(HandoverError::Signatures);
        };
        let body = note.split_once("\n\n").map_or(note, |(body, _)| body);
        let handover = Self::parse(body).ok_or(HandoverError::Form)?;
        if !note.strip_prefix(&handover.body()).is_some_and(|rest| rest.starts_with('\n')) {
            return Err(HandoverError::Form);
        }
        let named = |key: &PublicKey| key.named(name).map_err(CheckpointError::Key);
        let (old, new) = (named(&handover.old)?, named(&handover.new)?);
        if name != other || handover.old == handover.new {
            return Err(HandoverError::Signatures);
        }
        if *old_id != old.id() || open(note, &old).is_err() {
            return Err(HandoverError::Old);
        }
        if *new_id != new.id() || open(note, &new).is_err() {
            return Err(HandoverError::New);
        }
        Ok(handover)
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.split('\n');
        if lines.next()? != FORMAT {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        Some(Self {
            number: value("number")?.parse().ok()?,
            old: value("old")?.parse().ok()?,
            new: value("new")?.parse().ok()?,
            made_at_us: value("made_at_us")?.parse().ok()?,
            old_ends_at_us: value("old_ends_at_us")?.parse().ok()?,
        })
    }

    /// Whether this one goes on where `before` ended; the first begins at key 1.
    pub(crate) fn follows(&self, before: Option<&Self>) -> bool {
        match before {
            Some(before) => self.old == before.new && Some(self.number) == before.number.checked_add(1),
            None => self.number == 2,
        }
    }
}

/// Checks that each handover is signed and goes on where the one before ended.
pub fn verify_handovers<'n>(
    notes: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Handover>, HandoverError> {
    let mut chain: Vec<Handover> = Vec::new();
    for note in notes {
        let next = Handover::verify(note)?;
        if !next.follows(chain.last()) {
            return Err(HandoverError::Chain);
        }
        if chain.len() == HANDOVERS_MAX {
            return Err(HandoverError::Many);
        }
        chain.push(next);
    }
    Ok(chain)
}

/// The keys that sign checkpoints now, and how they came to be.
#[derive(Clone)]
pub struct Signers {
    current: Arc<SigningKey>,
    overlapping: Vec<Arc<SigningKey>>,
    handovers: Vec<String>,
}

impl Signers {
    /// The only key that a ledger ever had.
    pub fn first(key: SigningKey) -> Self {
        Self { current: Arc::new(key), overlapping: Vec::new(), handovers: Vec::new() }
    }

    /// `current` signs, and so does each of `overlapping` (the newest first) until its end. The handovers must lead to
    /// `current` and name the overlapping keys.
    pub fn new(
        current: Arc<SigningKey>,
        overlapping: Vec<Arc<SigningKey>>,
        handovers: Vec<String>,
    ) -> Result<Self, HandoverError> {
        let chain = verify_handovers(handovers.iter().map(String::as_str))?;
        let public = |key: &SigningKey| key.public().map_err(CheckpointError::Key);
        if let Some(last) = chain.last()
            && last.new != public(&current)?
        {
            return Err(HandoverError::Chain);
        }
        // Newest first, as the signatures of an export must stand.
        let mut older = chain.iter().rev().map(|handover| handover.old);
        for key in &overlapping {
            let wanted = public(key)?;
            older.find(|old| *old == wanted).ok_or(HandoverError::Chain)?;
        }
        Ok(Self { current, overlapping, handovers })
    }

    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The notes that lead from the first key to the current one.
    pub fn handovers(&self) -> &[String] {
        &self.handovers
    }

    pub(crate) fn keys(&self) -> Vec<&SigningKey> {
        std::iter::once(&self.current).chain(&self.overlapping).map(|key| &**key).collect()
    }
}
