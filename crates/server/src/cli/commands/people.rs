//! `bailiwick account` and `bailiwick people`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{need, with_client};

#[derive(Args)]
pub struct Account {
    #[command(subcommand)]
    command: AccountCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make an active account; you vouch for the address
    Create {
        #[arg(long)]
        email: String,
        #[arg(long)]
        name: Option<String>,
        /// Make it a member of this organization
        #[arg(long)]
        organization: Option<String>,
        /// owner, admin, auditor or member
        #[arg(long, default_value = "member")]
        role: String,
    },
    /// Take somebody's factors away; they are told by mail
    ResetFactors {
        #[arg(long)]
        email: String,
    },
    /// Print a link that signs an account in once
    SignInLink {
        #[arg(long)]
        email: String,
    },
}

impl Account {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, target } = self;
        let work = async |client: &Client| match command {
            AccountCommand::Create { email, name, organization, role } => {
                let mut body = json!({ "email": email, "name": name.unwrap_or_else(|| email.clone()) });
                if let Some(organization) = organization {
                    body["organization"] = json!(organization);
                    body["role"] = json!(role);
                }
                client.post("/api/v1/provider/accounts", body).await
            }
            AccountCommand::ResetFactors { email } => {
                client.post("/api/v1/provider/factor-resets", json!({ "email": email })).await?;
                Ok(json!({ "reset": email }))
            }
            AccountCommand::SignInLink { email } => {
                client.post("/api/v1/provider/sign-in-links", json!({ "email": email })).await
            }
        };
        with_client(&target, work, &[])
    }
}

#[derive(Args)]
pub struct People {
    #[command(subcommand)]
    command: PeopleCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum PeopleCommand {
    /// All members of the organization
    List,
    /// Import people from a CSV file (email, name, role, groups); all of it or nothing
    Import {
        file: PathBuf,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Managed accounts without a factor
    NotEnrolled,
    /// What the owner of a managed account can prove
    Factors {
        /// The person's id, as `people list --json` gives it
        account: String,
    },
    /// Take a managed account's factors away; its owner is told
    ResetFactors {
        /// The person's id, as `people list --json` gives it
        account: String,
    },
}

impl People {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}", need(&organization, "organization")?);
        let work = async |client: &Client| match command {
            PeopleCommand::List => client.all(&format!("{base}/people")).await.map(Value::Array),
            PeopleCommand::NotEnrolled => {
                client.all(&format!("{base}/enrolment/missing")).await.map(Value::Array)
            }
            PeopleCommand::Factors { account } => {
                client.get(&format!("{base}/people/{account}/factors")).await
            }
            PeopleCommand::ResetFactors { account } => {
                client.post(&format!("{base}/people/{account}/factor-reset"), json!({})).await?;
                Ok(json!({ "reset": account }))
            }
            PeopleCommand::Import { file, dry_run } => {
                let csv = std::fs::read_to_string(&file).map_err(|error| {
                    CliError::Failed(format!("cannot read `{}`: {error}", file.display()))
                })?;
                client
                    .post(&format!("{base}/people/imports"), json!({ "csv": csv, "dry_run": dry_run }))
                    .await
            }
        };
        with_client(&target, work, &["email", "name", "role", "state", "source"])
    }
}
