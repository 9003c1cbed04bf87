//! Our own server under measurement. Each function is one operation of a line; one that the server cannot do yet says so
//! as [`BenchError::NotMeasured`], which puts the reason into the table and fails the run.

use std::path::PathBuf;

use crate::error::{BenchError, Result};
use crate::setup::Setup;

/// The release build; a debug build would measure the compiler's mood.
pub fn program(setup: &Setup) -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| setup.root.join("target"), PathBuf::from);
    let program = target.join("release/bailiwick");
    if program.exists() {
        return Ok(program);
    }
    Err(missing("no release build of the server; run `cargo build --release -p bailiwick`"))
}

pub fn missing(why: &str) -> BenchError {
    BenchError::NotMeasured(why.to_owned())
}
