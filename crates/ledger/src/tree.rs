//! The Merkle tree of RFC 6962 §2.1 with SHA-256, and its compact state.
//!
//! A leaf hashes to `SHA-256(0x00 || data)`, an inner node to `SHA-256(0x01 || left || right)`, the empty tree to
//! `SHA-256("")`. Nodes are named by *level* and *position*: node (0, i) is leaf i, and node (l, p) is the root of
//! the complete subtree over the leaves `p·2^l .. (p+1)·2^l`. A complete node never changes as the tree grows.

use aws_lc_rs::digest;

#[cfg(test)]
pub(crate) mod tests;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// No tree grows beyond this: a billion leaves a second would need a century for it, and sizes below never overflow.
pub const SIZE_MAX: u64 = 1 << 62;

pub(crate) fn sha256(data: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    hash
}

/// Hash of a leaf with this content.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut bytes = Vec::with_capacity(1 + data.len());
    bytes.push(0);
    bytes.extend_from_slice(data);
    sha256(&bytes)
}

/// Hash of the inner node over two children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    sha256(&bytes)
}

/// Root of the tree without leaves.
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// A tree seen from its right edge: the roots of the complete subtrees that its size is the sum of, largest first.
/// That is all an append or the root needs, at most 62 hashes.
///
/// ```
/// let mut frontier = ledger::Frontier::new();
/// frontier.append(ledger::leaf_hash(b"first"));
/// frontier.append(ledger::leaf_hash(b"second"));
/// let root = ledger::node_hash(&ledger::leaf_hash(b"first"), &ledger::leaf_hash(b"second"));
/// assert_eq!((frontier.size(), frontier.root()), (2, root));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// The bytes are not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    #[error("the ledger's head is damaged: {found} bytes where at least 8 are needed")]
    Short { found: usize },
    #[error("the ledger's head is damaged: size {size} is beyond what a ledger can hold")]
    Size { size: u64 },
    #[error("the ledger's head is damaged: a tree of {size} leaves needs {needed} bytes, not {found}")]
    Length { size: u64, needed: usize, found: usize },
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn append(&mut self, leaf: Hash) {
        self.append_with(leaf, &mut |_, _, _| {});
    }

    /// Appends a leaf hash and calls `completed(level, position, hash)` for each inner node (level 1 and up) that this
    /// leaf completes, lowest first. A store that keeps the leaves needs only every eighth level: see
    /// [`Tiled`](crate::Tiled).
    pub fn append_with(&mut self, leaf: Hash, completed: &mut impl FnMut(u8, u64, Hash)) {
        let mut hash = leaf;
        let mut level = 0;
        let mut position = self.size;
        while position & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            level += 1;
            position >>= 1;
            completed(level, position, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Root of the tree as it is now.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(lowest) = peaks.next() else { return empty_root() };
        peaks.fold(*lowest, |right, left| node_hash(left, &right))
    }

    /// Size as 8 bytes big-endian, then the peaks, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.peaks.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend(self.peaks.iter().flatten());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; anything else is refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let found = bytes.len();
        let Some((size, peaks)) = bytes.split_first_chunk::<8>() else {
            return Err(FrontierError::Short { found });
        };
        let size = u64::from_be_bytes(*size);
        if size > SIZE_MAX {
            return Err(FrontierError::Size { size });
        }
        let (peaks, rest) = peaks.as_chunks::<32>();
        let count = size.count_ones() as usize;
        if peaks.len() != count || !rest.is_empty() {
            return Err(FrontierError::Length { size, needed: 8 + 32 * count, found });
        }
        Ok(Self { size, peaks: peaks.to_vec() })
    }
}
