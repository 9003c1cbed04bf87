//! Cargo.lock: what exactly is compiled, and the digest of each package's archive.

use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Lockfile {
    pub package: Vec<Locked>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Locked {
    pub name: String,
    pub version: String,
    /// `None` for our own packages.
    pub source: Option<String>,
    /// SHA-256 of the `.crate` file, in hex.
    pub checksum: Option<String>,
}

impl Lockfile {
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("Cargo.lock is not readable: {error}"))
    }

    pub fn open() -> Result<Self, String> {
        let path = root().join("Cargo.lock");
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("cannot read Cargo.lock: {error}"))?;
        Self::parse(&text)
    }

    pub fn find(&self, name: &str, version: &str) -> Option<&Locked> {
        self.package.iter().find(|package| package.name == name && package.version == version)
    }
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
