//! Any node of a tree from a store that keeps only the leaves and every eighth level (8, 16, 24 …): 0.4 % more
//! hashes than the leaves themselves, and at most 128 stored hashes read for one node.

use crate::proof::NodeSource;
use crate::tree::{Hash, empty_root, node_hash};

/// What the store keeps. Every answer must be complete: a hash that is missing is an error of the source, because a
/// proof made around the gap would only fail much later, at the verifier.
pub trait TileSource {
    type Error;

    /// The leaf hashes `start .. start + count`, in order; `count` is at most 128.
    fn leaves(&mut self, start: u64, count: u64) -> Result<Vec<Hash>, Self::Error>;

    /// A complete node at a level that is a multiple of 8 and not 0.
    fn node(&mut self, level: u8, position: u64) -> Result<Hash, Self::Error>;

    /// A run of such nodes; worth its own query where one is cheaper than `count` of them.
    fn nodes(&mut self, level: u8, start: u64, count: u64) -> Result<Vec<Hash>, Self::Error> {
        (start..start + count).map(|position| self.node(level, position)).collect()
    }
}

/// A [`NodeSource`] over a [`TileSource`].
#[derive(Debug)]
pub struct Tiled<S>(S);

impl<S: TileSource> Tiled<S> {
    pub fn new(source: S) -> Self {
        Self(source)
    }
}

impl<S: TileSource> NodeSource for Tiled<S> {
    type Error = S::Error;

    fn node(&mut self, level: u8, position: u64) -> Result<Hash, S::Error> {
        let above = level % 8;
        let stored = level - above;
        let (start, count) = (position << above, 1_u64 << above);
        let hashes = match (stored, above) {
            (0, _) => self.0.leaves(start, count)?,
            (_, 0) => return self.0.node(level, position),
            _ => self.0.nodes(stored, start, count)?,
        };
        Ok(complete_root(hashes))
    }
}

/// Root of a complete subtree from all hashes of one of its levels.
fn complete_root(mut hashes: Vec<Hash>) -> Hash {
    while hashes.len() > 1 {
        let (pairs, _) = hashes.as_chunks::<2>();
        hashes = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    hashes.pop().unwrap_or_else(empty_root)
}
