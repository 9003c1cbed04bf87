use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::tiles::{TileSource, Tiled};
use crate::tree::tests::{LEAVES, ROOTS, grown, hash, numbered, oracle, unhex};
use crate::tree::{Frontier, leaf_hash};

/// Computes each node from the leaves; fails the test when asked for one that is not complete.
struct Whole<'l>(&'l [Hash]);

impl NodeSource for Whole<'_> {
    type Error = Infallible;
    fn node(&mut self, level: u8, position: u64) -> Result<Hash, Infallible> {
        let start = (position as usize) << level;
        Ok(oracle(&self.0[start..start + (1 << level)]))
    }
}

/// As a database keeps it: leaves, and the nodes that `append_with` told on levels 8, 16, …
struct Stored {
    leaves: Vec<Hash>,
    nodes: BTreeMap<(u8, u64), Hash>,
}

impl Stored {
    fn new(leaves: Vec<Hash>) -> Self {
        let mut nodes = BTreeMap::new();
        let mut frontier = Frontier::new();
        for leaf in &leaves {
            frontier.append_with(*leaf, &mut |level, position, hash| {
                if level.is_multiple_of(8) {
                    nodes.insert((level, position), hash);
                }
            });
        }
        Self { leaves, nodes }
    }
}

impl TileSource for &Stored {
    type Error = Infallible;
    fn leaves(&mut self, start: u64, count: u64) -> Result<Vec<Hash>, Infallible> {
        assert!(count <= 128);
        Ok(self.leaves[start as usize..(start + count) as usize].to_vec())
    }
    fn node(&mut self, level: u8, position: u64) -> Result<Hash, Infallible> {
        Ok(self.nodes[&(level, position)])
    }
}

/// PATH(m, D[n]) as RFC 6962 §2.1.1 defines it.
fn oracle_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut path, other) = if index < middle {
        (oracle_path(index, left), right)
    } else {
        (oracle_path(index - middle, right), left)
    };
    path.push(oracle(other));
    path
}

/// SUBPROOF(m, D[n], b) as RFC 6962 §2.1.2 defines it.
fn oracle_subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known { Vec::new() } else { vec![oracle(leaves)] };
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut path, other) = if old <= middle {
        (oracle_subproof(old, left, known), right)
    } else {
        (oracle_subproof(old - middle, right, false), left)
    };
    path.push(oracle(other));
    path
}

fn ct_leaves() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| leaf_hash(&unhex(leaf))).collect()
}

#[test]
fn inclusion_proofs_are_those_of_certificate_transparency() {
    let leaves = ct_leaves();
    let vectors: [(u64, u64, &[&str]); 3] = [
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (0, 1, &[]),
    ];
    for (index, size, wanted) in vectors {
        let wanted: Vec<Hash> = wanted.iter().map(|text| hash(text)).collect();
        assert_eq!(inclusion_proof(size, index, &mut Whole(&leaves)).unwrap(), wanted);
        let root = hash(ROOTS[size as usize]);
        assert_eq!(verify_inclusion(leaves[index as usize], index, size, &wanted, &root), Ok(()));
    }
}

#[test]
fn consistency_proofs_are_those_of_certificate_transparency() {
    let leaves = ct_leaves();
    let vectors: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (old, new, wanted) in vectors {
        let wanted: Vec<Hash> = wanted.iter().map(|text| hash(text)).collect();
        assert_eq!(consistency_proof(old, new, &mut Whole(&leaves)).unwrap(), wanted);
        let (old_root, new_root) = (hash(ROOTS[old as usize]), hash(ROOTS[new as usize]));
        assert_eq!(verify_consistency(old, new, &wanted, &old_root, &new_root), Ok(()));
    }
}

#[test]
fn every_proof_up_to_130_entries_is_that_of_the_definition_and_verifies() {
    let leaves = numbered(130);
    let stored = Stored::new(leaves.clone());
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = oracle(tree);
        for (index, leaf) in tree.iter().enumerate() {
            let (index, size) = (index as u64, size as u64);
            let proof = inclusion_proof(size, index, &mut Tiled::new(&stored)).unwrap();
            assert_eq!(proof, oracle_path(index as usize, tree), "entry {index} of {size}");
            assert_eq!(verify_inclusion(*leaf, index, size, &proof, &root), Ok(()));
        }
        for old in 1..=size {
            let proof = consistency_proof(old as u64, size as u64, &mut Tiled::new(&stored)).unwrap();
            assert_eq!(proof, oracle_subproof(old, tree, true), "{old} to {size}");
            let old_root = oracle(&leaves[..old]);
            assert_eq!(verify_consistency(old as u64, size as u64, &proof, &old_root, &root), Ok(()));
        }
    }
}

#[test]
fn tiles_answer_every_complete_node_above_level_eight() {
    let leaves = numbered(70_000);
    let stored = Stored::new(leaves.clone());
    for (level, position) in [(7, 3), (8, 0), (9, 7), (12, 16), (15, 1), (16, 0)] {
        let node = Tiled::new(&stored).node(level, position).unwrap();
        assert_eq!(node, Whole(&leaves).node(level, position).unwrap(), "level {level}");
    }
}

#[test]
fn what_is_not_in_the_tree_has_no_proof() {
    let leaves = numbered(7);
    let root = oracle(&leaves);
    assert!(inclusion_proof(7, 7, &mut Whole(&leaves)).unwrap().is_empty());
    let beyond = ProofError::BeyondSize { index: 7, size: 7 };
    assert_eq!(verify_inclusion(leaves[0], 7, 7, &[], &root), Err(beyond));
    assert!(consistency_proof(7, 6, &mut Whole(&leaves)).unwrap().is_empty());
    let shrunk = ProofError::Shrunk { old: 7, new: 6 };
    assert_eq!(verify_consistency(7, 6, &[], &root, &root), Err(shrunk));
}

#[test]
fn the_empty_ledger_is_the_beginning_of_every_ledger() {
    let root = oracle(&numbered(3));
    assert_eq!(verify_consistency(0, 3, &[], &empty_root(), &root), Ok(()));
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()), Ok(()));
    assert_eq!(verify_consistency(0, 3, &[], &root, &root), Err(ProofError::OldRoot));
    assert_eq!(verify_consistency(0, 3, &[root], &empty_root(), &root), Err(ProofError::Length { found: 1 }));
    assert_eq!(verify_consistency(3, 3, &[], &root, &empty_root()), Err(ProofError::Root));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn larger_trees_prove_what_is_there_and_nothing_else(
        size in 1_u64..5000, index in any::<u64>(), old in any::<u64>(), bit in any::<u32>(),
    ) {
        let (index, old) = (index % size, old % size + 1);
        let leaves = numbered(size);
        let root = oracle(&leaves);
        let old_root = grown(&leaves[..old as usize]).root();
        let stored = Stored::new(leaves.clone());
        let path = inclusion_proof(size, index, &mut Tiled::new(&stored)).unwrap();
        prop_assert_eq!(&path, &oracle_path(index as usize, &leaves));
        let consistency = consistency_proof(old, size, &mut Tiled::new(&stored)).unwrap();
        prop_assert_eq!(&consistency, &oracle_subproof(old as usize, &leaves, true));
        let leaf = leaves[index as usize];
        prop_assert_eq!(verify_inclusion(leaf, index, size, &path, &root), Ok(()));
        prop_assert_eq!(verify_consistency(old, size, &consistency, &old_root, &root), Ok(()));

        let flip = |hash: &mut Hash| hash[bit as usize / 8 % 32] ^= 1 << (bit % 8);
        let mut other_leaf = leaf;
        flip(&mut other_leaf);
        prop_assert!(verify_inclusion(other_leaf, index, size, &path, &root).is_err());
        let mut other_root = root;
        flip(&mut other_root);
        prop_assert!(verify_inclusion(leaf, index, size, &path, &other_root).is_err());
        prop_assert!(verify_consistency(old, size, &consistency, &old_root, &other_root).is_err());
        for (proof, check) in [(path, true), (consistency, false)] {
            let holds = |proof: &[Hash]| if check {
                verify_inclusion(leaf, index, size, proof, &root).is_ok()
            } else {
                verify_consistency(old, size, proof, &old_root, &root).is_ok()
            };
            if !proof.is_empty() {
                let mut changed = proof.clone();
                flip(&mut changed[bit as usize % proof.len()]);
                prop_assert!(!holds(&changed));
                prop_assert!(!holds(&proof[1..]));
            }
            let mut longer = proof.clone();
            longer.push(root);
            prop_assert!(!holds(&longer));
        }
    }

    #[test]
    fn verifiers_take_any_numbers(
        index in any::<u64>(), size in any::<u64>(), proof in prop::collection::vec(any::<Hash>(), 0..70),
    ) {
        let root = [7; 32];
        prop_assert!(verify_inclusion([0; 32], index, size, &proof, &root).is_err());
        if index != size {
            prop_assert!(verify_consistency(index, size, &proof, &[1; 32], &root).is_err());
        }
    }
}
