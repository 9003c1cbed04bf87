//! Tests of the crate as a whole, and what the tests of its modules share.

pub mod fixtures;
mod wrapping;
