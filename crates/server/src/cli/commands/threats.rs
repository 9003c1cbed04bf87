//! `bailiwick alert` and `detector`: what detectors saw, and whether they are alive.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::support::query;
use super::with_client;

#[derive(Args)]
pub struct Alert {
    #[command(subcommand)]
    command: AlertCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum AlertCommand {
    /// Alerts, the newest first
    List {
        /// open, acknowledged, resolved, or live for all but resolved ones; all when not said
        #[arg(long, default_value = "")]
        state: String,
        /// low, medium, high or critical
        #[arg(long, default_value = "")]
        severity: String,
        /// The name of a detector
        #[arg(long, default_value = "")]
        kind: String,
        /// Part of a network, or the address of an account
        #[arg(long, default_value = "")]
        q: String,
    },
    /// People of an organization in alerts, the newest first: what its admins see
    People {
        /// The organization's short name
        #[arg(long)]
        organization: String,
        /// open, acknowledged, resolved, or live for all but resolved ones; all when not said
        #[arg(long, default_value = "")]
        state: String,
        /// failed, known or entered: how far somebody got
        #[arg(long, default_value = "")]
        outcome: String,
    },
    /// One alert with who was tried, when, and what happened to it
    Show { id: String },
    /// Say that somebody looks at it
    Acknowledge { id: String },
    /// Say what it was
    Resolve {
        id: String,
        /// true_positive (an attack), false_positive (nothing) or benign (on purpose, and allowed)
        #[arg(long)]
        verdict: String,
        /// For whoever looks at the next one
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Give an alert to an owner or admin of the provider; to nobody when no address is said
    Assign {
        id: String,
        #[arg(long)]
        email: Option<String>,
    },
    /// The steps against an alert, with what each would do now
    Play { id: String },
    /// Take one of them: end_sessions, take_passwords or tell_admins
    Act { id: String, step: String },
}

impl Alert {
    pub fn run(self) -> Result<(), CliError> {
        use AlertCommand as C;
        const BASE: &str = "/api/v1/provider/alerts";
        let Self { command, target } = self;
        let columns: &[&str] = match &command {
            C::Play { .. } => &["step", "title", "would"],
            C::People { .. } => &["account", "outcome", "kind", "network", "networks", "last_seen", "state"],
            _ => &["id", "severity", "state", "kind", "subject", "tries", "last_seen", "assigned_to"],
        };
        let work = async |client: &Client| match command {
            C::List { state, severity, kind, q } => {
                let pairs = [("state", state), ("severity", severity), ("kind", kind), ("q", q)];
                let pairs: Vec<(&str, &str)> =
                    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
                client.all(&format!("{BASE}{}", query(&pairs))).await.map(Value::Array)
            }
            C::People { organization, state, outcome } => {
                let pairs = query(&[("state", &state), ("outcome", &outcome)]);
                client
                    .all(&format!("/api/v1/organizations/{organization}/alerts{pairs}"))
                    .await
                    .map(Value::Array)
            }
            C::Show { id } => client.get(&format!("{BASE}/{id}")).await,
            C::Acknowledge { id } => client.post(&format!("{BASE}/{id}/acknowledge"), json!({})).await,
            C::Resolve { id, verdict, note } => {
                let body = json!({ "verdict": verdict, "note": note });
                client.post(&format!("{BASE}/{id}/resolve"), body).await
            }
            C::Assign { id, email } => {
                client.put(&format!("{BASE}/{id}/assignee"), json!({ "email": email })).await
            }
            C::Play { id } => {
                let play = client.get(&format!("{BASE}/{id}/play")).await?;
                Ok(play["steps"].clone())
            }
            C::Act { id, step } => client.post(&format!("{BASE}/{id}/play"), json!({ "step": step })).await,
        };
        with_client(&target, work, columns)
    }
}

#[derive(Args)]
pub struct Detector {
    #[command(subcommand)]
    command: DetectorCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum DetectorCommand {
    /// Detectors, with their heartbeats
    List,
    /// Stop a detector; row USR-P2 is not held meanwhile
    Stop {
        name: String,
        #[arg(long)]
        reason: String,
    },
    /// Start a stopped detector; it first looks at what happened meanwhile
    Start {
        name: String,
        #[arg(long)]
        reason: String,
    },
}

impl Detector {
    pub fn run(self) -> Result<(), CliError> {
        use DetectorCommand as C;
        const BASE: &str = "/api/v1/provider/detectors";
        let Self { command, target } = self;
        let work = async |client: &Client| match command {
            C::List => {
                let listed = client.get(BASE).await?;
                Ok(listed["items"].clone())
            }
            C::Stop { name, reason } => {
                client.post(&format!("{BASE}/{name}/stop"), json!({ "reason": reason })).await
            }
            C::Start { name, reason } => {
                client.post(&format!("{BASE}/{name}/start"), json!({ "reason": reason })).await
            }
        };
        with_client(&target, work, &["name", "alive", "heartbeat_at", "stopped", "threshold"])
    }
}
