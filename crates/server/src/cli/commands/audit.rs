//! `bailiwick audit`: the audit log of an organization.

use std::io::Write;
use std::path::PathBuf;

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target, block_on};
use super::audit_streams::{COLUMNS, StreamCommand};
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
    /// The newest events that fit
    List {
        #[command(flatten)]
        filter: Filter,
        /// So many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Write the whole ledger to a file that `bailiwick verify` checks
    Export {
        #[arg(long)]
        to: PathBuf,
    },
    /// Write the events that fit to a file for another program, the newest first
    Download {
        /// jsonl, csv, ocsf or cef
        #[arg(long, default_value = "jsonl")]
        format: String,
        #[command(flatten)]
        filter: Filter,
        #[arg(long)]
        to: PathBuf,
    },
    /// For how long events say whom they were about
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Where the log is streamed to: add, list, test, pause, resume, rotate, delete
    #[command(subcommand)]
    Stream(StreamCommand),
}

#[derive(Subcommand)]
enum RetentionCommand {
    /// What is decided, and how far it was applied
    Show,
    /// What keeping for so many days would erase at once; changes nothing
    Try {
        /// 30 to 3650
        #[arg(long)]
        days: u32,
    },
    /// Erase personal fields of events that are older than so many days, now and from now on
    Set {
        /// 30 to 3650
        #[arg(long)]
        days: u32,
    },
    /// Keep personal fields for good from now on
    Clear,
}

impl RetentionCommand {
    async fn run(self, client: &Client, path: &str) -> Result<Value, CliError> {
        match self {
            Self::Show => client.get(path).await,
            Self::Try { days } => client.get(&format!("{path}/outlook?days={days}")).await,
            Self::Set { days } => client.put(path, json!({ "days": days })).await,
            Self::Clear => client.put(path, json!({ "days": null })).await,
        }
    }
}

#[derive(Args)]
struct Filter {
    /// Beginning of the action, e.g. `member.`
    #[arg(long)]
    action: Option<String>,
    /// Who did it: an e-mail address, an id, `kind:id`, `operator` or `anonymous`
    #[arg(long)]
    actor: Option<String>,
    /// What it happened to: an e-mail address, an id or `kind:id`
    #[arg(long)]
    about: Option<String>,
    /// Not before this day or time
    #[arg(long)]
    since: Option<String>,
    /// Up to the end of this day, or before this time
    #[arg(long)]
    until: Option<String>,
}

impl Filter {
    /// As the query of a request, with what else it says.
    fn query(&self, also: (&str, &str)) -> String {
        let parts = [
            ("action", &self.action),
            ("actor", &self.actor),
            ("target", &self.about),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let given = parts.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair(also.0, also.1)
            .extend_pairs(given)
            .finish()
    }
}

impl Audit {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/audit", need(&organization, "organization")?);
        match command {
            AuditCommand::List { filter, limit } => {
                let path = format!("{base}/events?{}", filter.query(("limit", &limit.to_string())));
                let flat = !target.json;
                let work = async |client: &Client| {
                    let page = client.get(&path).await?;
                    let items = page["items"].as_array().cloned().unwrap_or_default();
                    let shown = if flat { items.iter().map(flattened).collect() } else { items };
                    Ok::<Value, CliError>(Value::Array(shown))
                };
                with_client(&target, work, &["sequence", "at", "action", "actor", "about"])
            }
            AuditCommand::Export { to } => {
                fetch(&target, &format!("{base}/export"), &to)?;
                println!("check it with: bailiwick verify {}", to.display());
                Ok(())
            }
            AuditCommand::Download { format, filter, to } => {
                fetch(&target, &format!("{base}/download?{}", filter.query(("format", &format))), &to)
            }
            AuditCommand::Retention(command) => {
                let path = format!("{base}/retention");
                let work = async |client: &Client| command.run(client, &path).await;
                with_client(
                    &target,
                    work,
                    &["days", "decided_by", "decided_at", "next_sequence", "before", "events"],
                )
            }
            AuditCommand::Stream(command) => {
                let streams = format!("{base}/streams");
                let work = async |client: &Client| command.run(client, &streams).await;
                with_client(&target, work, COLUMNS)
            }
        }
    }
}

/// An event in one line of a table.
fn flattened(event: &Value) -> Value {
    let party = |name: &str| {
        let text = |part: &str| event[name][part].as_str().unwrap_or_default();
        format!("{} {}", text("kind"), text("id")).trim_end().to_owned()
    };
    json!({
        "sequence": event["sequence"],
        "at": event["at"],
        "action": event["action"],
        "actor": party("actor"),
        "about": party("target"),
    })
}

fn fetch(target: &Target, path: &str, to: &std::path::Path) -> Result<(), CliError> {
    let answer = block_on(async {
        let client = Client::open(target).await?;
        let answer = client.call(Method::GET, path, None).await;
        client.close().await?;
        answer
    })?;
    write_whole(to, &answer.body)?;
    println!("wrote {} bytes to {}", answer.body.len(), to.display());
    Ok(())
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
