//! The ledger: an append-only Merkle log of events whose every statement can be checked by somebody who trusts
//! neither the server nor its database. Pure: bytes in, typed values out; no clock, database, network or randomness.
//!
//! - [`tree`]: RFC 6962 hashing and the [`Frontier`] to which leaves are appended.
//! - [`proof`]: inclusion and consistency proofs, made from stored nodes ([`NodeSource`]) and checked.
//! - [`tiles`]: [`Tiled`], which answers any node from leaves and every eighth level.
//! - [`entry`]: what one leaf commits to; personal fields can be erased while the leaf hash stays.
//! - [`checkpoint`] and [`key`]: signed tree heads in the C2SP `tlog-checkpoint` format, Ed25519.
//! - [`handover`]: how a signing key vouches for the next one.
//! - [`export`]: a whole ledger as one file, and its verifier that finds and locates a single flipped bit.
//!
//! Not here: where entries are stored, when a checkpoint is made, who may read what.

pub mod checkpoint;
pub mod entry;
pub mod export;
pub mod handover;
pub mod key;
pub mod proof;
pub mod tiles;
pub mod tree;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entry::{Entry, FieldContent, PersonalField};
pub use export::{Damage, ExportError, ExportHeader, ExportWriter, Trust, Verified, verify_export};
pub use handover::{Handover, HandoverError, Signers, verify_handovers};
pub use key::{KeyError, PublicKey, SigningKey, VerifyKey};
pub use proof::{
    NodeSource, ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};
pub use tiles::{TileSource, Tiled};
pub use tree::{Frontier, FrontierError, Hash, SIZE_MAX, empty_root, leaf_hash, node_hash};
