//! Inclusion and consistency proofs: made as RFC 6962 §2.1.1 and §2.1.2 define them, checked by the algorithms of
//! RFC 9162 §2.1.3.2 and §2.1.4.2 (the same proofs, with the checking written out).

use crate::tree::{Hash, empty_root, node_hash};

#[cfg(test)]
mod tests;

/// Complete nodes of a tree. Asked only for nodes inside the size that a proof is about.
pub trait NodeSource {
    type Error;

    /// Root of the complete subtree over the leaves `position·2^level .. (position+1)·2^level`.
    fn node(&mut self, level: u8, position: u64) -> Result<Hash, Self::Error>;
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("entry {index} is not in a ledger of {size} entries")]
    BeyondSize { index: u64, size: u64 },
    #[error("a ledger of {new} entries cannot continue one of {old}")]
    Shrunk { old: u64, new: u64 },
    #[error("the proof has {found} hashes, which is not the number that these sizes need")]
    Length { found: usize },
    #[error("the proof leads to another root")]
    Root,
    #[error("the proof leads to another root of the older ledger")]
    OldRoot,
}

/// The audit path of leaf `index` in the tree of `size` leaves. A leaf outside the tree has none: the answer is an
/// empty path, which no verifier accepts.
pub fn inclusion_proof<S: NodeSource>(size: u64, index: u64, source: &mut S) -> Result<Vec<Hash>, S::Error> {
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(range_root(middle, end, source)?);
            end = middle;
        } else {
            path.push(range_root(begin, middle, source)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// That the tree of `old` leaves is the beginning of the tree of `new` leaves. Empty when they are equal, when `old`
/// is 0, and when there is no such proof because `old` is larger.
pub fn consistency_proof<S: NodeSource>(old: u64, new: u64, source: &mut S) -> Result<Vec<Hash>, S::Error> {
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    let (mut begin, mut end) = (0, new);
    while old != end {
        let middle = begin + split(end - begin);
        if old <= middle {
            path.push(range_root(middle, end, source)?);
            end = middle;
        } else {
            path.push(range_root(begin, middle, source)?);
            begin = middle;
        }
    }
    // A subtree that starts at 0 is the old tree itself, whose root the verifier has.
    if begin > 0 {
        path.push(range_root(begin, end, source)?);
    }
    path.reverse();
    Ok(path)
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// Root over the leaves `begin..end`, where `begin` is a multiple of the smallest power of two that holds the range.
fn range_root<S: NodeSource>(begin: u64, end: u64, source: &mut S) -> Result<Hash, S::Error> {
    let mut peaks = Vec::new();
    let mut at = begin;
    while at < end {
        let level = (end - at).ilog2();
        // `level` is at most 63, so it fits.
        peaks.push(source.node(level as u8, at >> level)?);
        at += 1 << level;
    }
    Ok(peaks.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root))
}

/// Checks that `leaf` is the leaf hash at `index` of the tree with this size and root.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::BeyondSize { index, size });
    }
    let wrong_length = ProofError::Length { found: proof.len() };
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for step in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            skip_left_edge(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// A node that is the last of its level and a left child has no sibling: climb until it is a right child.
fn skip_left_edge(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

/// Checks that the tree of `old` leaves with `old_root` is the beginning of the tree of `new` leaves with `new_root`.
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    let wrong_length = ProofError::Length { found: proof.len() };
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == 0 && *old_root != empty_root() {
        return Err(ProofError::OldRoot);
    }
    if old == 0 || old == new {
        return match proof {
            [] if old == new && old_root != new_root => Err(ProofError::Root),
            [] => Ok(()),
            _ => Err(wrong_length),
        };
    }
    // When the old tree is one complete subtree, its root is the first node and not repeated in the proof.
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(wrong_length),
    };
    let shift = (old - 1).trailing_ones();
    let (mut node, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            skip_left_edge(&mut node, &mut last);
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if old_hash != *old_root {
        return Err(ProofError::OldRoot);
    }
    if new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}
