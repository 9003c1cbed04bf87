//! Importing people from a file: everybody in it or nobody.
//!
//! Start with [`csv`], which reads the file and says everything that is wrong with it at once.

pub mod csv;
