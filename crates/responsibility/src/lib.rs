//! The matrix: who answers for what between the provider and an organization, and whether it holds right now.
//!
//! Start reading at [`rows`] (the duties) and [`states`] (what a cell can say and on what ground).

pub mod rows;
pub mod states;
