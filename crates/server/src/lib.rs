//! Bailiwick: who answers for what between a cloud provider and its customers, and whether it holds right now.
//!
//! This file is the list of areas. [`cli`] reads the command line, [`start`] puts the program together, [`system`]
//! answers for the program itself (health, metrics, the OpenAPI file).

pub mod cli;
pub mod demo;
pub mod start;
pub mod system;

/// Everything the product is made of.
pub const AREAS: &[&platform::Area] =
    &[&system::AREA, &responsibility::AREA, &users::AREA, &compliance::AREA, &threats::AREA];
