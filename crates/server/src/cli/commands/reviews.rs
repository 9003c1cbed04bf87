//! `bailiwick review`: campaigns in which reviewers keep or revoke each grant.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{need, with_client};

#[derive(Args)]
pub struct Review {
    #[command(subcommand)]
    command: ReviewCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum ReviewCommand {
    /// Start a review: who has what is taken down, and the reviewers are told
    Start {
        #[arg(long)]
        name: String,
        /// The address of a member; may be given several times
        #[arg(long = "reviewer", required = true)]
        reviewers: Vec<String>,
        /// role, group, product, token; all of them when not said
        #[arg(long, value_delimiter = ',')]
        kinds: Vec<String>,
        #[arg(long, default_value_t = 14)]
        days: u32,
        /// What becomes of grants that nobody decides: revoke or keep
        #[arg(long, default_value = "revoke")]
        on_silence: String,
    },
    /// All reviews, the newest first
    List,
    /// One review with its reviewers
    Show { id: String },
    /// The grants of a review
    Grants {
        id: String,
        /// keep, revoke or none
        #[arg(long, default_value = "")]
        decision: String,
    },
    /// Keep grants
    Keep {
        id: String,
        #[arg(required = true)]
        grants: Vec<String>,
        #[arg(long, default_value = "")]
        reason: String,
        /// Who decides; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Revoke grants when the review is finished
    Revoke {
        id: String,
        #[arg(required = true)]
        grants: Vec<String>,
        #[arg(long)]
        reason: String,
        /// Who decides; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
    },
    /// Finish a review now: silence decides the rest, revocations take effect
    Finish { id: String },
    /// Stop a review; nothing is revoked
    Cancel { id: String },
    /// Write everything of a review, with proofs that the ledger says so
    Evidence {
        id: String,
        #[arg(long)]
        to: PathBuf,
    },
}

async fn act(command: ReviewCommand, client: &Client, all: &str) -> Result<Value, CliError> {
    use ReviewCommand as C;
    let decide =
        |id: String, decision: &'static str, grants: Vec<String>, reason: String, email: Option<String>| {
            let path = format!("{all}/{id}/decisions");
            let body = json!({ "grants": grants, "decision": decision, "reason": reason, "email": email });
            async move { client.post(&path, body).await }
        };
    match command {
        C::Start { name, reviewers, kinds, days, on_silence } => {
            let body = json!({
                "name": name, "reviewers": reviewers, "kinds": kinds, "days": days, "on_silence": on_silence,
            });
            client.post(all, body).await
        }
        C::List => client.all(all).await.map(Value::Array),
        C::Show { id } => client.get(&format!("{all}/{id}")).await,
        C::Grants { id, decision } => {
            let path = format!("{all}/{id}/grants");
            let path = if decision.is_empty() { path } else { format!("{path}?decision={decision}") };
            client.all(&path).await.map(Value::Array)
        }
        C::Keep { id, grants, reason, email } => decide(id, "keep", grants, reason, email).await,
        C::Revoke { id, grants, reason, email } => decide(id, "revoke", grants, reason, email).await,
        C::Finish { id } => client.post(&format!("{all}/{id}/finish"), json!({})).await,
        C::Cancel { id } => client.post(&format!("{all}/{id}/cancel"), json!({})).await,
        C::Evidence { id, to } => {
            let pack = client.get(&format!("{all}/{id}/evidence")).await?;
            let text = serde_json::to_string_pretty(&pack).unwrap_or_default();
            std::fs::write(&to, text)
                .map_err(|error| CliError::Failed(format!("cannot write `{}`: {error}", to.display())))?;
            Ok(
                json!({ "written": to.display().to_string(), "proofs": pack["proofs"].as_array().map(Vec::len) }),
            )
        }
    }
}

impl Review {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let slug = need(&organization, "organization")?;
        let all = format!("/api/v1/organizations/{slug}/access-reviews");
        let columns: &[&str] = match &command {
            ReviewCommand::Grants { .. } => &["id", "email", "what", "decision", "effect"],
            _ => &["id", "name", "state", "due_at", "grants", "keep", "revoke", "verified"],
        };
        let work = async |client: &Client| act(command, client, &all).await;
        with_client(&target, work, columns)
    }
}
