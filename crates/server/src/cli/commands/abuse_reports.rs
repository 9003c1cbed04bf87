//! `bailiwick abuse-report`: reports of misuse, of an organization and on the provider's desk.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{need, with_client};

#[derive(Args)]
pub struct AbuseReport {
    #[command(subcommand)]
    command: AbuseReportCommand,
    /// The organization's slug; leave it out to act on the provider's desk
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum AbuseReportCommand {
    /// Report misuse to the organization's admins and to the provider
    Open {
        /// account, sign_in, data, impostor, other
        #[arg(long, default_value = "other")]
        kind: String,
        /// The account, address or thing that is misused
        #[arg(long)]
        about: String,
        /// What happened
        #[arg(long)]
        body: String,
    },
    /// Reports that wait, the newest first; without an organization, those of all of them
    List {
        /// What is finished, too
        #[arg(long)]
        all: bool,
    },
    /// One report with what both sides wrote
    Show {
        id: String,
        /// On the provider's desk: the slug of the organization that it is about
        #[arg(long, default_value = "")]
        customer: String,
    },
    /// Say how a report stands on one's side
    Answer {
        id: String,
        /// working, resolved, dismissed
        #[arg(long)]
        state: String,
        #[arg(long, default_value = "")]
        note: String,
        /// On the provider's desk: the slug of the organization that it is about
        #[arg(long, default_value = "")]
        customer: String,
    },
    /// When the channel was tested, and its public page
    Channel,
    /// Send a marked test report the whole way
    Test,
    /// Open the public page at a new address
    OpenPage,
    /// Close the public page
    ClosePage,
}

/// The reports of an organization, or the desk where none is named.
fn reports(organization: &str) -> String {
    if organization.is_empty() {
        "/api/v1/provider/abuse-reports".to_owned()
    } else {
        format!("/api/v1/organizations/{organization}/abuse-reports")
    }
}

fn one(organization: &str, customer: &str, id: &str) -> Result<String, CliError> {
    let all = reports(organization);
    if organization.is_empty() {
        return Ok(format!("{all}/{}/{id}", need(customer, "customer")?));
    }
    Ok(format!("{all}/{id}"))
}

async fn act(command: AbuseReportCommand, client: &Client, organization: &str) -> Result<Value, CliError> {
    use AbuseReportCommand as C;
    let channel = || {
        let slug = need(organization, "organization")?;
        Ok::<_, CliError>(format!("/api/v1/organizations/{slug}/abuse-report-channel"))
    };
    match command {
        C::Open { kind, about, body } => {
            let slug = need(organization, "organization")?;
            client.post(&reports(slug), json!({ "kind": kind, "about": about, "body": body })).await
        }
        C::List { all } => {
            let state = if all { "all" } else { "open" };
            let found = client.all(&format!("{}?state={state}", reports(organization))).await?;
            Ok(Value::Array(found.into_iter().map(line).collect()))
        }
        C::Show { id, customer } => client.get(&one(organization, &customer, &id)?).await,
        C::Answer { id, state, note, customer } => {
            let path = format!("{}/answers", one(organization, &customer, &id)?);
            client.post(&path, json!({ "state": state, "note": note })).await
        }
        C::Channel => client.get(&channel()?).await,
        C::Test => client.post(&format!("{}/tests", channel()?), json!({})).await,
        C::OpenPage => client.put(&format!("{}/page", channel()?), json!({})).await,
        C::ClosePage => client.delete(&format!("{}/page", channel()?)).await.map(|()| Value::Null),
    }
}

/// A report as a line: of an organization, or of the desk, where it stands beside its organization.
fn line(found: Value) -> Value {
    let (slug, report) = match found.get("report") {
        Some(report) => (found["slug"].clone(), report.clone()),
        None => (Value::Null, found),
    };
    json!({
        "id": report["id"], "customer": slug, "kind": report["kind"], "test": report["test"],
        "about": report["about"], "opened_at": report["opened_at"],
        "organization": report["organization"]["state"], "provider": report["provider"]["state"],
    })
}

impl AbuseReport {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let work = async |client: &Client| act(command, client, &organization).await;
        let columns = ["id", "customer", "kind", "test", "about", "opened_at", "organization", "provider"];
        with_client(&target, work, &columns)
    }
}
