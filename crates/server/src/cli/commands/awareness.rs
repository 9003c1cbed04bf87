//! `bailiwick awareness`: the notice on passwords, and who has yet to read it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{need, with_client};

#[derive(Args)]
pub struct Awareness {
    #[command(subcommand)]
    command: AwarenessCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum AwarenessCommand {
    /// The notice in force, and how many acknowledged it
    Show,
    /// Publish a notice; it is mailed to whoever has yet to acknowledge
    Publish {
        #[arg(long)]
        title: String,
        /// A file with the text
        #[arg(long)]
        body: PathBuf,
        /// Everybody reads again: acknowledgements from before count no more
        #[arg(long)]
        renews: bool,
    },
    /// People with access who have yet to acknowledge
    Missing,
    /// Mail the notice again to them
    Remind,
}

impl Awareness {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/awareness", need(&organization, "organization")?);
        let work = async |client: &Client| match command {
            AwarenessCommand::Show => client.get(&base).await,
            AwarenessCommand::Publish { title, body, renews } => {
                let text = std::fs::read_to_string(&body).map_err(|error| {
                    CliError::Failed(format!("cannot read `{}`: {error}", body.display()))
                })?;
                client.post(&base, json!({ "title": title, "body": text, "renews": renews })).await
            }
            AwarenessCommand::Missing => client.all(&format!("{base}/missing")).await.map(Value::Array),
            AwarenessCommand::Remind => client.post(&format!("{base}/reminders"), json!({})).await,
        };
        with_client(&target, work, &["email", "name", "last_at", "told_at"])
    }
}
