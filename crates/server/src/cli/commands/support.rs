//! `bailiwick ticket`, `desk` and `set-up`: support from both sides, and the guided set-up.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{need, with_client};

/// Words of a message: said, or in a file.
#[derive(Args)]
struct Words {
    /// What to say
    #[arg(long, default_value = "", conflicts_with = "file")]
    text: String,
    /// A file with what to say
    #[arg(long)]
    file: Option<PathBuf>,
}

impl Words {
    fn read(self) -> Result<String, CliError> {
        match self.file {
            None => need(&self.text, "text").map(str::to_owned),
            Some(path) => std::fs::read_to_string(&path)
                .map_err(|error| CliError::Failed(format!("cannot read `{}`: {error}", path.display()))),
        }
    }
}

/// `?a=b&c=d` of those that are said.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        written.append_pair(name, value);
    }
    let written = written.finish();
    if written.is_empty() { written } else { format!("?{written}") }
}

#[derive(Args)]
pub struct Ticket {
    #[command(subcommand)]
    command: TicketCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum TicketCommand {
    /// Tickets of the organization, the newest first
    List {
        /// open, answered, waiting, resolved, closed, or live for all but closed ones
        #[arg(long, default_value = "")]
        state: String,
        /// Words of the subject, who opened it, or #number
        #[arg(long, default_value = "")]
        q: String,
    },
    /// One ticket with what both sides wrote
    Show { id: String },
    /// Open a ticket
    Open {
        #[arg(long)]
        subject: String,
        /// urgent, high, normal or low
        #[arg(long, default_value = "normal")]
        severity: String,
        /// A row such as USR-C5, or a page such as /o/harbor/policies
        #[arg(long, default_value = "")]
        about: String,
        #[command(flatten)]
        words: Words,
    },
    /// Write on a ticket; a resolved or closed one opens again
    Reply {
        id: String,
        #[command(flatten)]
        words: Words,
    },
    /// Close a ticket
    Close { id: String },
    /// The provider's targets, and who here may open tickets
    Targets,
    /// Let members open tickets, or no longer
    Members {
        #[arg(long, action = clap::ArgAction::Set)]
        may_open: bool,
    },
}

impl Ticket {
    pub fn run(self) -> Result<(), CliError> {
        use TicketCommand as C;
        let Self { command, organization, target } = self;
        let here = format!("/api/v1/organizations/{}", need(&organization, "organization")?);
        let base = format!("{here}/tickets");
        let work = async |client: &Client| match command {
            C::List { state, q } => {
                let asked = query(&[("state", &state), ("q", &q)]);
                client.all(&format!("{base}{asked}")).await.map(Value::Array)
            }
            C::Show { id } => client.get(&format!("{base}/{id}")).await,
            C::Open { subject, severity, about, words } => {
                let body = json!({ "subject": subject, "severity": severity, "about": about, "body": words.read()? });
                client.post(&base, body).await
            }
            C::Reply { id, words } => {
                client.post(&format!("{base}/{id}/messages"), json!({ "body": words.read()? })).await
            }
            C::Close { id } => client.post(&format!("{base}/{id}/close"), json!({})).await,
            C::Targets => client.get(&format!("{here}/support")).await,
            C::Members { may_open } => {
                client.put(&format!("{here}/support"), json!({ "members_may_open": may_open })).await
            }
        };
        with_client(&target, work, &["id", "number", "state", "severity", "subject", "opened_by", "due_at"])
    }
}

#[derive(Args)]
pub struct Desk {
    #[command(subcommand)]
    command: DeskCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum DeskCommand {
    /// Tickets of all organizations that wait for an answer, the least time left first
    Queue {
        /// owed, or a state: open, answered, waiting, resolved, closed
        #[arg(long, default_value = "")]
        view: String,
        /// urgent, high, normal or low
        #[arg(long, default_value = "")]
        severity: String,
        /// me, nobody, or an address
        #[arg(long, default_value = "")]
        assigned: String,
        /// Words of the subject, who opened it, #number, or the organization's slug
        #[arg(long, default_value = "")]
        q: String,
    },
    /// One ticket with what both sides wrote and the provider's notes
    Show { id: String },
    /// Answer a ticket
    Answer {
        id: String,
        /// What comes next: answered (more follows), waiting (they answer) or resolved
        #[arg(long, default_value = "waiting")]
        then: String,
        #[command(flatten)]
        words: Words,
    },
    /// Leave a note that no organization sees
    Note {
        id: String,
        #[command(flatten)]
        words: Words,
    },
    /// Give a ticket to an owner or admin of the provider; to nobody when no address is said
    Assign {
        id: String,
        #[arg(long)]
        email: Option<String>,
    },
    /// Give a ticket another severity
    Severity {
        id: String,
        #[arg(long)]
        severity: String,
        /// The organization reads it
        #[arg(long)]
        reason: String,
    },
    /// Targets, hours and address of the desk
    Settings,
    /// Change them, from a file with what `settings --json` prints under `settings`
    Change { file: PathBuf },
}

impl Desk {
    pub fn run(self) -> Result<(), CliError> {
        use DeskCommand as C;
        const BASE: &str = "/api/v1/provider/tickets";
        const DESK: &str = "/api/v1/provider/support";
        let Self { command, target } = self;
        let work = async |client: &Client| match command {
            C::Queue { view, severity, assigned, q } => {
                let pairs = [("view", view), ("severity", severity), ("assigned", assigned), ("q", q)];
                let pairs: Vec<(&str, &str)> =
                    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
                client.all(&format!("{BASE}{}", query(&pairs))).await.map(Value::Array)
            }
            C::Show { id } => client.get(&format!("{BASE}/{id}")).await,
            C::Answer { id, then, words } => {
                let body = json!({ "body": words.read()?, "then": then });
                client.post(&format!("{BASE}/{id}/answers"), body).await
            }
            C::Note { id, words } => {
                client.post(&format!("{BASE}/{id}/notes"), json!({ "body": words.read()? })).await
            }
            C::Assign { id, email } => {
                client.put(&format!("{BASE}/{id}/assignee"), json!({ "email": email })).await
            }
            C::Severity { id, severity, reason } => {
                let body = json!({ "severity": severity, "reason": reason });
                client.put(&format!("{BASE}/{id}/severity"), body).await
            }
            C::Settings => client.get(DESK).await,
            C::Change { file } => {
                let text = std::fs::read_to_string(&file).map_err(|error| {
                    CliError::Failed(format!("cannot read `{}`: {error}", file.display()))
                })?;
                let body: Value = serde_json::from_str(&text)
                    .map_err(|error| CliError::Failed(format!("`{}` is no JSON: {error}", file.display())))?;
                client.put(DESK, body).await
            }
        };
        with_client(
            &target,
            work,
            &["id", "organization", "number", "state", "severity", "subject", "due_at", "assigned_to"],
        )
    }
}

#[derive(Args)]
pub struct SetUp {
    #[command(subcommand)]
    command: SetUpCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum SetUpCommand {
    /// The steps, each judged by what is there
    Show,
    /// Leave a step out
    Skip {
        step: String,
        #[arg(long)]
        reason: String,
    },
    /// Take a step up again
    TakeUp { step: String },
    /// Take the guide off the first screen
    Hide,
    /// Put it back there
    Unhide,
    /// How far all organizations are; for the provider
    All {
        /// under_way or finished
        #[arg(long, default_value = "")]
        state: String,
    },
}

impl SetUp {
    pub fn run(self) -> Result<(), CliError> {
        use SetUpCommand as C;
        let Self { command, organization, target } = self;
        let base = || -> Result<String, CliError> {
            Ok(format!("/api/v1/organizations/{}/set-up", need(&organization, "organization")?))
        };
        let columns: &[&str] = match &command {
            C::All { .. } => &["organization", "done", "skipped", "steps", "next", "finished_at"],
            _ => &["id", "state", "row", "seen", "reason"],
        };
        let work = async |client: &Client| match command {
            C::Show => client.get(&base()?).await.map(|view| match target.json {
                true => view,
                false => view["steps"].clone(),
            }),
            C::Skip { step, reason } => {
                client.post(&format!("{}/skips", base()?), json!({ "step": step, "reason": reason })).await
            }
            C::TakeUp { step } => {
                client.delete(&format!("{}/skips/{step}", base()?)).await.map(|()| Value::Null)
            }
            C::Hide => client.put(&base()?, json!({ "hidden": true })).await,
            C::Unhide => client.put(&base()?, json!({ "hidden": false })).await,
            C::All { state } => {
                let asked = query(&[("state", &state)]);
                client.all(&format!("/api/v1/provider/set-ups{asked}")).await.map(Value::Array)
            }
        };
        with_client(&target, work, columns)
    }
}
