//! Peers that are one small process: started on the server's core, alone there, everything in their memory.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::Result;
use crate::process::{self, Served};
use crate::saml_verify::SamlRun;
use crate::setup::Setup;

#[derive(Deserialize)]
struct Ready {
    url: String,
}

/// A started peer; ends when this goes.
pub struct Peer {
    _served: Served,
    pub url: String,
}

impl Peer {
    fn start(setup: &Setup, script: &str, options: &[&str]) -> Result<Self> {
        let mut command = Command::new(setup.root.join("bench-peers").join(script));
        command.arg("serve").args(options).arg("--core").arg(setup.server_core.to_string());
        let (served, ready) = Served::start::<Ready>(&mut command)?;
        Ok(Self { _served: served, url: ready.url })
    }

    /// npm's oidc-provider; `tokens` is `jwt` or `opaque`.
    pub fn oidc_provider(setup: &Setup, clients: usize, tokens: &str) -> Result<Self> {
        Self::start(setup, "oidc-provider.sh", &["--clients", &clients.to_string(), "--tokens", tokens])
    }

    /// PyPI's scim2-server.
    pub fn scim2_server(setup: &Setup) -> Result<Self> {
        Self::start(setup, "scim2-server.sh", &[])
    }

    /// PostgreSQL, durable.
    pub fn postgres(setup: &Setup) -> Result<Self> {
        Self::start(setup, "postgres.sh", &[])
    }
}

/// How a client of [`Peer::oidc_provider`] proves that it is itself.
pub fn oidc_client(number: usize) -> String {
    let pair = format!("client-{number}:secret-{number}-of-a-throw-away-server");
    format!("Basic {}", STANDARD.encode(pair))
}

/// Line 6: installs both verifiers, on whatever core.
pub fn install_saml(setup: &Setup) -> Result<()> {
    process::output(Command::new(setup.root.join("bench-peers/saml.sh")).arg("install")).map(drop)
}

#[derive(Deserialize)]
pub struct Made {
    /// Of one genuine document.
    pub bytes: u64,
}

/// Line 6: makes the documents.
pub fn make_saml(setup: &Setup, folder: &std::path::Path) -> Result<Made> {
    process::json(Command::new(setup.root.join("bench-peers/saml.sh")).arg("make").arg(folder))
}

/// Line 6: `verifier` is `python3-saml` or `samlify`.
pub fn verify_saml(setup: &Setup, verifier: &str, folder: &std::path::Path) -> Result<SamlRun> {
    let millis = setup.round.as_millis().min(5_000).to_string();
    let mut command = process::pinned(setup.server_core, setup.root.join("bench-peers/saml.sh"));
    process::json(command.arg(verifier).arg(folder).arg(millis))
}
