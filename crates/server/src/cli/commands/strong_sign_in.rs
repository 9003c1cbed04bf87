//! `bailiwick strong-sign-in`: managed accounts under single sign-on or a second factor, and those that are not.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::super::{CliError, Client, Target};
use super::{need, with_client};

#[derive(Args)]
pub struct StrongSignIn {
    #[command(subcommand)]
    command: StrongSignInCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum StrongSignInCommand {
    /// How many managed accounts are bound and enrolled, and how many are not
    Show,
    /// Which accounts are not, with why
    Open,
}

impl StrongSignIn {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/strong-sign-in", need(&organization, "organization")?);
        let work = async |client: &Client| match command {
            StrongSignInCommand::Show => client.get(&base).await,
            StrongSignInCommand::Open => client.all(&format!("{base}/open")).await.map(Value::Array),
        };
        with_client(&target, work, &["email", "name", "gap", "why"])
    }
}
