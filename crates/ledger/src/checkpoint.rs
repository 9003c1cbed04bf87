//! Checkpoints: signed tree heads as C2SP `tlog-checkpoint` inside a C2SP `signed-note`, version 1 of both.
//!
//! ```text
//! cloud.example/ledger/0197a1c0-…          origin
//! 20852163                                 size
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=   root, base64
//!
//! — cloud.example/ledger/0197a1c0-… Az3grl…       name, base64(key id || signature)
//! ```
//!
//! The signature covers everything up to the empty line. Signatures by other keys (witnesses; the key before, while a
//! rotation overlaps) are ignored, extension lines after the root are allowed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::handover::Signers;
use crate::key::{KeyError, SigningKey, VerifyKey};
use crate::tree::Hash;

#[cfg(test)]
pub(crate) mod tests;

/// Longer texts are refused before they are read.
const NOTE_BYTES_MAX: usize = 64 * 1024;
/// An empty line ends the body; a signature line starts with an em dash and a space.
const SIGNATURE_START: &str = "\u{2014} ";

/// The state of a ledger at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger: a URL without its scheme.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// Why a checkpoint cannot be made or believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the checkpoint's origin must be one line of text without control characters")]
    Origin,
    #[error("the checkpoint is longer than {NOTE_BYTES_MAX} bytes")]
    Long,
    #[error("the checkpoint is not a signed note: {0}")]
    Note(&'static str),
    #[error("the checkpoint's size is not a plain decimal number")]
    Size,
    #[error("the checkpoint's root is not the base64 of 32 bytes")]
    Root,
    #[error(
        "the checkpoint has no signature by the expected key; was it made by another installation or key?"
    )]
    Unsigned,
    #[error("the checkpoint's signature does not verify: it was changed after it was signed")]
    Signature,
}

impl Checkpoint {
    /// The signed text. `name` is the key's name, by convention the origin.
    pub fn sign(&self, key: &SigningKey, name: &str) -> Result<String, CheckpointError> {
        self.sign_with(&[], &[key], name)
    }

    /// As [`Checkpoint::sign`], by every key that signs now; whoever trusts any of them believes it.
    pub fn sign_by(&self, signers: &Signers, name: &str) -> Result<String, CheckpointError> {
        self.sign_with(&[], &signers.keys(), name)
    }

    pub(crate) fn sign_with(
        &self,
        extensions: &[String],
        keys: &[&SigningKey],
        name: &str,
    ) -> Result<String, CheckpointError> {
        sign_note(self.body(extensions)?, keys, name)
    }

    /// The text that is signed. Each extension must be one line that is not empty.
    pub(crate) fn body(&self, extensions: &[String]) -> Result<String, CheckpointError> {
        let lines = || std::iter::once(&self.origin).chain(extensions);
        if lines().any(|line| line.is_empty() || line.contains(|c: char| c.is_ascii_control())) {
            return Err(CheckpointError::Origin);
        }
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        for extension in extensions {
            text.push_str(extension);
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads a checkpoint and checks that `key` has signed it.
    pub fn verify(text: &str, key: &VerifyKey) -> Result<Self, CheckpointError> {
        Self::parse(open(text, key)?)
    }

    pub(crate) fn parse(body: &str) -> Result<Self, CheckpointError> {
        let mut lines = body.split_terminator('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Note("its body has fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(CheckpointError::Note("its body has an empty line"));
        }
        let canonical = |number: &u64| number.to_string() == size;
        let size = size.parse().ok().filter(canonical).ok_or(CheckpointError::Size)?;
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        Ok(Self { origin: origin.to_owned(), size, root: root.ok_or(CheckpointError::Root)? })
    }
}

/// A note of `body`, signed by each key in turn under one name.
pub(crate) fn sign_note(body: String, keys: &[&SigningKey], name: &str) -> Result<String, CheckpointError> {
    let mut text = body.clone();
    text.push('\n');
    for key in keys {
        let mut signature = key.verify_key(name)?.id().to_vec();
        signature.extend_from_slice(&key.sign(body.as_bytes())?);
        text.push_str(SIGNATURE_START);
        text.push_str(name);
        text.push(' ');
        STANDARD.encode_string(signature, &mut text);
        text.push('\n');
    }
    if text.len() > NOTE_BYTES_MAX {
        return Err(CheckpointError::Long);
    }
    Ok(text)
}

/// The names and key ids of a note's signatures, in their order.
pub(crate) fn signed_by(text: &str) -> Result<Vec<(&str, [u8; 4])>, CheckpointError> {
    let (_, signatures) = parts(text)?;
    let line = |line| {
        let (name, signature) = signature_line(line)?;
        let id = signature.first_chunk::<4>().ok_or(CheckpointError::Note("a signature is too short"))?;
        Ok((name, *id))
    };
    signatures.split('\n').map(line).collect()
}

/// The body with its last newline, and the signature lines without theirs.
fn parts(text: &str) -> Result<(&str, &str), CheckpointError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(CheckpointError::Long);
    }
    if text.contains(|c: char| c < ' ' && c != '\n') {
        return Err(CheckpointError::Note("it holds a control character"));
    }
    let Some(gap) = text.rfind("\n\n") else {
        return Err(CheckpointError::Note("no empty line parts its body from its signatures"));
    };
    let (body, signatures) = (&text[..=gap], &text[gap + 2..]);
    let Some(signatures) = signatures.strip_suffix('\n') else {
        return Err(CheckpointError::Note("it does not end with a signature line"));
    };
    Ok((body, signatures))
}

/// The body of a signed note that `key` has signed, with its last newline.
pub(crate) fn open<'t>(text: &'t str, key: &VerifyKey) -> Result<&'t str, CheckpointError> {
    let (body, signatures) = parts(text)?;
    let mut signed = false;
    for line in signatures.split('\n') {
        let (name, signature) = signature_line(line)?;
        let Some((id, signature)) = signature.split_first_chunk::<4>() else {
            return Err(CheckpointError::Note("a signature is too short"));
        };
        if name == key.name() && *id == key.id() {
            if !key.accepts(body.as_bytes(), signature) {
                return Err(CheckpointError::Signature);
            }
            signed = true;
        }
    }
    if signed { Ok(body) } else { Err(CheckpointError::Unsigned) }
}

fn signature_line(line: &str) -> Result<(&str, Vec<u8>), CheckpointError> {
    line.strip_prefix(SIGNATURE_START)
        .and_then(|line| line.split_once(' '))
        .filter(|(name, _)| !name.is_empty() && !name.contains('+'))
        .and_then(|(name, signature)| Some((name, STANDARD.decode(signature).ok()?)))
        .ok_or(CheckpointError::Note("a signature line is not `— name base64`"))
}
