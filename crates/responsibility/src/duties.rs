//! One duty in full: what both halves say and why, how they got there, and what a person may declare about them.

pub(crate) mod pages;
