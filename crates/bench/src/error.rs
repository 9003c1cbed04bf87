//! Why a figure is missing. [`BenchError::NotMeasured`] is a result (it goes into the table and fails the run);
//! everything else stops the line.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("not measured: {0}")]
    NotMeasured(String),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("the server at `{address}` answered what HTTP/1.1 does not allow: {what}")]
    Protocol { address: String, what: &'static str },
    #[error("`{what}` answered {got}, expected {expected}")]
    Answer { what: String, got: String, expected: String },
    #[error("`{program}` failed: {why}")]
    Program { program: String, why: String },
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("Argon2: {0}")]
    Argon2(String),
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` has no marker pair `{1}`; add the two marker lines where the table belongs")]
    Markers(String, String),
}

impl BenchError {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

pub type Result<T> = std::result::Result<T, BenchError>;
