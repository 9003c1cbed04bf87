//! `bailiwick audit`: the audit log of an organization.

use std::io::Write;
use std::path::PathBuf;

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::super::{CliError, Client, Target, block_on};
use super::{need, with_client};

#[derive(Args)]
pub struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// The newest events
    List,
    /// Write the whole ledger to a file that `bailiwick verify` checks
    Export {
        #[arg(long)]
        to: PathBuf,
    },
}

impl Audit {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/audit", need(&organization, "organization")?);
        let AuditCommand::Export { to } = command else {
            let work = async |client: &Client| {
                let page = client.get(&format!("{base}/events?limit=50")).await?;
                Ok::<Value, CliError>(page["items"].clone())
            };
            return with_client(
                &target,
                work,
                &["sequence", "at", "action", "actor_kind", "target_kind", "target_id"],
            );
        };
        let answer = block_on(async {
            let client = Client::open(&target).await?;
            let answer = client.call(Method::GET, &format!("{base}/export"), None).await;
            client.close().await?;
            answer
        })?;
        write_whole(&to, &answer.body)?;
        println!("wrote {} bytes to {}", answer.body.len(), to.display());
        println!("check it with: bailiwick verify {}", to.display());
        Ok(())
    }
}

/// Writes beside the file first, so that a full disk leaves no half of one.
pub(super) fn write_whole(path: &std::path::Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed =
        |error: std::io::Error| CliError::Failed(format!("cannot write `{}`: {error}", path.display()));
    let beside = path.with_extension("part");
    let mut file = std::fs::File::create(&beside).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}
