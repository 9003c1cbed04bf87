//! `bailiwick audit stream`: where the audit log is sent on to.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::super::{CliError, Client};

#[derive(Subcommand)]
pub(super) enum StreamCommand {
    /// Streams, and how far each has come
    List,
    /// Stream the audit log to a receiver; prints the secret of a webhook once
    Add {
        #[arg(long)]
        name: String,
        /// webhook or syslog
        #[arg(long, default_value = "webhook")]
        kind: String,
        /// A URL, or host:port for syslog
        #[arg(long)]
        target: String,
        /// A file with the authorities that vouch for a syslog receiver (PEM)
        #[arg(long)]
        ca: Option<PathBuf>,
        /// jsonl, ocsf or cef
        #[arg(long, default_value = "jsonl")]
        format: String,
        /// now, start, or the number of the first event
        #[arg(long, default_value = "now")]
        from: String,
        /// Send nothing until it is resumed
        #[arg(long)]
        paused: bool,
    },
    /// One stream
    Show { id: String },
    /// Send the newest event once more, and say what the receiver answered
    Test { id: String },
    /// Send nothing more until it is resumed
    Pause { id: String },
    /// Go on with the first event that was not acknowledged
    Resume { id: String },
    /// A new secret; the one before signs beside it for 24 hours
    Rotate { id: String },
    /// End a stream
    Delete { id: String },
}

pub(super) const COLUMNS: &[&str] =
    &["id", "name", "kind", "state", "live", "waiting", "acknowledged_at", "failure"];

impl StreamCommand {
    /// `base` is the path of the organization's streams.
    pub(super) async fn run(self, client: &Client, base: &str) -> Result<Value, CliError> {
        match self {
            Self::List => client.all(base).await.map(Value::Array),
            Self::Add { name, kind, target, ca, format, from, paused } => {
                let authorities = match &ca {
                    Some(path) => std::fs::read_to_string(path).map_err(|error| {
                        CliError::Failed(format!("cannot read `{}`: {error}", path.display()))
                    })?,
                    None => String::new(),
                };
                let body = json!({
                    "name": name, "kind": kind, "target": target, "authorities": authorities,
                    "format": format, "from": from, "paused": paused,
                });
                client.post(base, body).await
            }
            Self::Show { id } => client.get(&format!("{base}/{id}")).await,
            Self::Test { id } => client.post(&format!("{base}/{id}/test"), json!({})).await,
            Self::Pause { id } => client.post(&format!("{base}/{id}/pause"), json!({})).await,
            Self::Resume { id } => client.post(&format!("{base}/{id}/resume"), json!({})).await,
            Self::Rotate { id } => client.post(&format!("{base}/{id}/secret"), json!({})).await,
            Self::Delete { id } => client.delete(&format!("{base}/{id}")).await.map(|()| Value::Null),
        }
    }
}
