//! `bailiwick job`, `mail` and `secrets`: what only the provider's operators do; and `search`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{days, with_client};

#[derive(Args)]
pub struct Job {
    #[command(subcommand)]
    command: JobCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum JobCommand {
    /// Background work that failed, runs or waits
    List,
    /// One job
    Show { id: String },
    /// Try a job again now
    Retry {
        id: String,
        /// Only say what would be tried
        #[arg(long)]
        dry_run: bool,
    },
    /// Try failed jobs again, 500 at most
    RetryFailed {
        /// Only jobs of this kind, e.g. mail.send
        #[arg(long)]
        kind: Option<String>,
        /// Only say how many
        #[arg(long)]
        dry_run: bool,
    },
    /// Drop a failed job: what it should have done is not done
    Discard {
        id: String,
        /// Only say what would be dropped
        #[arg(long)]
        dry_run: bool,
    },
}

impl Job {
    pub fn run(self) -> Result<(), CliError> {
        const BASE: &str = "/api/v1/provider/jobs";
        let Self { command, target } = self;
        let work = async |client: &Client| match command {
            JobCommand::List => client.get(BASE).await,
            JobCommand::Show { id } => client.get(&format!("{BASE}/{id}")).await,
            JobCommand::Retry { id, dry_run } => {
                let done = client.post(&format!("{BASE}/{id}/retry"), json!({ "dry_run": dry_run })).await?;
                Ok(done["job"].clone())
            }
            JobCommand::RetryFailed { kind, dry_run } => {
                let body = json!({ "kind": kind, "dry_run": dry_run });
                client.post("/api/v1/provider/job-retries", body).await
            }
            JobCommand::Discard { id, dry_run } => {
                let done =
                    client.post(&format!("{BASE}/{id}/discard"), json!({ "dry_run": dry_run })).await?;
                Ok::<Value, CliError>(done["job"].clone())
            }
        };
        let columns = ["id", "kind", "state", "created_at", "run_at", "attempts", "last_error"];
        with_client(&target, work, &columns)
    }
}

#[derive(Args)]
pub struct Mail {
    #[command(subcommand)]
    command: MailCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum MailCommand {
    /// The newest mails in the outbox, without their words
    List {
        /// failed, waiting or sent
        #[arg(long, default_value = "failed")]
        state: String,
    },
    /// Try a mail again now
    Retry { id: String },
}

impl Mail {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, target } = self;
        let work = async |client: &Client| match command {
            MailCommand::List { state } => client.get(&format!("/api/v1/provider/mails?state={state}")).await,
            MailCommand::Retry { id } => {
                client.post(&format!("/api/v1/provider/mails/{id}/retry"), json!({})).await
            }
        };
        with_client(&target, work, &["id", "recipient", "state", "created_at", "attempts", "last_error"])
    }
}

#[derive(Args)]
pub struct Secrets {
    #[command(subcommand)]
    command: SecretsCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Every key: those that seal secrets, those that sign, the master key
    Status,
    /// Seal with a new key; the running server seals anew what older keys sealed
    Rotate {
        /// The key that signs the ledger's checkpoints instead; the old one vouches for the new one
        #[arg(long)]
        ledger_key: bool,
        /// How long both keys sign, 0d to 365d; 0d after a theft: every older key ends now
        #[arg(long, default_value = "30d", requires = "ledger_key")]
        overlap: String,
        /// Only say where things stand
        #[arg(long)]
        dry_run: bool,
    },
    /// Wrap every key by a new master key; stop every server first
    ChangeMasterKey(super::super::master_key::Change),
}

impl Secrets {
    pub fn run(self) -> Result<(), CliError> {
        const BASE: &str = "/api/v1/provider/secrets";
        let Self { command, target } = self;
        let (path, body) = match command {
            SecretsCommand::Status => {
                return with_client(&target, async |client| client.get(BASE).await, &[]);
            }
            SecretsCommand::ChangeMasterKey(change) => return change.run(&target),
            SecretsCommand::Rotate { ledger_key: true, overlap, dry_run } => {
                ("/rotate-ledger-key", json!({ "overlap_days": days(&overlap)?, "dry_run": dry_run }))
            }
            SecretsCommand::Rotate { dry_run, .. } => ("/rotate", json!({ "dry_run": dry_run })),
        };
        let work = async |client: &Client| client.post(&format!("{BASE}{path}"), body).await;
        with_client(&target, work, &[])
    }
}

#[derive(Args)]
pub struct Search {
    /// The beginning of an address, a name or a last name, a row's id, words of a title
    text: String,
    /// The organization's slug; the provider's console when not said
    #[arg(long)]
    organization: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Search {
    pub fn run(self) -> Result<(), CliError> {
        let Self { text, organization, target } = self;
        let base = organization
            .map_or("/api/v1/provider".to_owned(), |slug| format!("/api/v1/organizations/{slug}"));
        let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let work = async |client: &Client| {
            let found = client.get(&format!("{base}/search?q={query}")).await?;
            Ok::<Value, CliError>(found["hits"].clone())
        };
        with_client(&target, work, &["kind", "label", "hint", "href"])
    }
}
