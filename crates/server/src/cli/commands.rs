//! Commands that act on an installation, each a twin of a console's act.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliError, Client, Target, block_on, output};

mod abuse_reports;
mod access;
mod audit;
mod audit_streams;
mod awareness;
mod directories;
mod idp;
mod insights;
mod operator;
mod people;
mod policies;
mod product;
mod reviews;
mod strong_sign_in;
mod support;
mod threats;

#[derive(Subcommand)]
pub enum Act {
    /// Organizations: create, list, show
    Organization(Organization),
    /// Accounts on the server's machine: create, one-time sign-in link
    Account(people::Account),
    /// People of an organization: list, import
    People(people::People),
    /// Access by request: offers, requests, decisions, approved domains
    Access(access::Access),
    /// Access reviews: start, list, decide, finish, evidence
    Review(reviews::Review),
    /// Awareness: the notice on passwords, and who has yet to read it
    Awareness(awareness::Awareness),
    /// Insights: how people use the platform, history, growth, export
    Insights(insights::Insights),
    /// Tickets of an organization: list, open, reply, close
    Ticket(support::Ticket),
    /// The provider's support desk: queue, answers, notes, targets
    Desk(support::Desk),
    /// Guided set-up: steps, skips, how far everybody is
    SetUp(support::SetUp),
    /// Reports of misuse: open, list, answer, test the channel
    AbuseReport(abuse_reports::AbuseReport),
    /// Alerts of the provider's detectors: list, look, resolve, act
    Alert(threats::Alert),
    /// Detectors: heartbeats, stop, start
    Detector(threats::Detector),
    /// Strong sign-in: managed accounts under single sign-on or a second factor, and those that are not
    StrongSignIn(strong_sign_in::StrongSignIn),
    /// Domains: add, list, check, remove
    Domain(Domain),
    /// Sign-in policies: list, change, try, roll out, explain, undo
    Policy(policies::Policy),
    /// Break-glass: sealed codes of owners for the day when nobody gets in
    BreakGlass(policies::BreakGlass),
    /// Make the list of known passwords of the setting breached_passwords
    BreachedPasswords(policies::BreachedPasswords),
    /// API tokens: create, list, revoke
    Token(Token),
    /// Products that sign people in through this installation
    Product(product::Product),
    /// Directories: create, list, requests, conflicts, settle
    Directory(directories::Directory),
    /// Identity providers that sign people in: add, test, enable
    Idp(idp::Idp),
    /// SCIM tokens of a directory: create, rotate, list, revoke
    ScimToken(directories::ScimToken),
    /// The audit log: find events, export, stream
    Audit(audit::Audit),
    /// The matrix of an organization
    Matrix(Matrix),
    /// Drills: probes that attack a control and must fail to get through
    Drill(Drill),
    /// Background jobs: list, retry, discard
    Job(operator::Job),
    /// The mail outbox: list, retry
    Mail(operator::Mail),
    /// The keys that seal secrets at rest: status, rotate
    Secrets(operator::Secrets),
    /// Find people, rows, pages, groups, domains; for the provider, organizations
    Search(operator::Search),
}

impl Act {
    pub fn run(self) -> Result<(), CliError> {
        match self {
            Self::Organization(command) => command.run(),
            Self::Account(command) => command.run(),
            Self::People(command) => command.run(),
            Self::Access(command) => command.run(),
            Self::Review(command) => command.run(),
            Self::Awareness(command) => command.run(),
            Self::Insights(command) => command.run(),
            Self::Ticket(command) => command.run(),
            Self::Desk(command) => command.run(),
            Self::SetUp(command) => command.run(),
            Self::AbuseReport(command) => command.run(),
            Self::Alert(command) => command.run(),
            Self::Detector(command) => command.run(),
            Self::StrongSignIn(command) => command.run(),
            Self::Domain(command) => command.run(),
            Self::Policy(command) => command.run(),
            Self::BreakGlass(command) => command.run(),
            Self::BreachedPasswords(command) => command.run(),
            Self::Token(command) => command.run(),
            Self::Product(command) => command.run(),
            Self::Directory(command) => command.run(),
            Self::Idp(command) => command.run(),
            Self::ScimToken(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Matrix(command) => command.run(),
            Self::Drill(command) => command.run(),
            Self::Job(command) => command.run(),
            Self::Mail(command) => command.run(),
            Self::Secrets(command) => command.run(),
            Self::Search(command) => command.run(),
        }
    }
}

/// Opens the target, runs `work`, prints what it gives.
pub fn with_client<F>(target: &Target, work: F, columns: &[&str]) -> Result<(), CliError>
where
    F: AsyncFnOnce(&Client) -> Result<Value, CliError>,
{
    let value = block_on(async {
        let client = Client::open(target).await?;
        let value = work(&client).await;
        client.close().await?;
        value
    })?;
    if target.json {
        println!("{}", serde_json::to_string_pretty(&value).unwrap_or_default());
        return Ok(());
    }
    match value {
        Value::Array(items) => output::table(&items, columns),
        Value::Null => println!("done"),
        item => output::facts(&item),
    }
    Ok(())
}

#[derive(Args)]
pub struct Organization {
    #[command(subcommand)]
    command: OrganizationCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum OrganizationCommand {
    /// Make a customer organization
    Create {
        #[arg(long)]
        name: String,
        /// Its short name in addresses; made of the name when not said
        #[arg(long)]
        slug: Option<String>,
    },
    /// All organizations
    List,
    /// One organization
    Show { slug: String },
    /// End a membership as the person would
    Leave {
        slug: String,
        /// Who leaves; said only on the server's machine
        #[arg(long)]
        email: Option<String>,
        /// Only say what would end
        #[arg(long)]
        dry_run: bool,
    },
}

impl Organization {
    fn run(self) -> Result<(), CliError> {
        let Self { command, target } = self;
        let work = async |client: &Client| match command {
            OrganizationCommand::Create { name, slug } => {
                let mut body = json!({ "name": name });
                if let Some(slug) = slug {
                    body["slug"] = json!(slug);
                }
                client.post("/api/v1/organizations", body).await
            }
            OrganizationCommand::List => client.all("/api/v1/provider/organizations").await.map(Value::Array),
            OrganizationCommand::Show { slug } => client.get(&format!("/api/v1/organizations/{slug}")).await,
            OrganizationCommand::Leave { slug, email, dry_run } => {
                let body = json!({ "email": email, "dry_run": dry_run });
                client.post(&format!("/api/v1/organizations/{slug}/leave"), body).await
            }
        };
        with_client(&target, work, &["slug", "name", "kind", "state", "created_at"])
    }
}

#[derive(Args)]
pub struct Domain {
    #[command(subcommand)]
    command: DomainCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum DomainCommand {
    /// Add a domain; prints the record to publish
    Add { name: String },
    /// All domains of the organization
    List,
    /// Look for the proof now
    Check { name: String },
    /// Claim the accounts at a verified domain, or say with --dry-run whom that would touch
    Claim {
        name: String,
        /// Only these addresses, instead of all
        #[arg(long = "address")]
        addresses: Vec<String>,
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a domain
    Remove { name: String },
}

/// Refuses a command without the option it needs.
pub fn need<'a>(value: &'a str, option: &str) -> Result<&'a str, CliError> {
    if value.is_empty() { Err(CliError::Usage(format!("say which one with --{option}"))) } else { Ok(value) }
}

impl Domain {
    fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/domains", need(&organization, "organization")?);
        let work = async |client: &Client| match command {
            DomainCommand::Add { name } => client.post(&base, json!({ "name": name })).await,
            DomainCommand::List => client.all(&base).await.map(Value::Array),
            DomainCommand::Check { name } => {
                let id = find_domain(client, &base, &name).await?;
                client.post(&format!("{base}/{id}/check"), json!({})).await
            }
            DomainCommand::Claim { name, addresses, dry_run } => {
                let id = find_domain(client, &base, &name).await?;
                let mode = if addresses.is_empty() { "all" } else { "chosen" };
                let body = json!({ "mode": mode, "addresses": addresses, "dry_run": dry_run });
                client.post(&format!("{base}/{id}/claims"), body).await
            }
            DomainCommand::Remove { name } => {
                let id = find_domain(client, &base, &name).await?;
                client.delete(&format!("{base}/{id}")).await.map(|()| Value::Null)
            }
        };
        with_client(&target, work, &["name", "state", "state_since", "checked_at"])
    }
}

/// The id of the thing of the list at `base` that has this id or name.
async fn find_named(client: &Client, base: &str, kind: &str, wanted: &str) -> Result<String, CliError> {
    let all = client.all(base).await?;
    let same = |one: &&Value| {
        let name = one["name"].as_str().unwrap_or_default();
        one["id"] == wanted || name.to_lowercase() == wanted.to_lowercase()
    };
    all.iter()
        .find(same)
        .and_then(|one| one["id"].as_str().map(str::to_owned))
        .ok_or_else(|| CliError::Failed(format!("there is no {kind} `{wanted}`; name it or give its id")))
}

async fn find_domain(client: &Client, base: &str, name: &str) -> Result<String, CliError> {
    let wanted = name.to_lowercase();
    client
        .all(base)
        .await?
        .iter()
        .find(|domain| domain["name"] == wanted.as_str())
        .and_then(|domain| domain["id"].as_str().map(str::to_owned))
        .ok_or_else(|| CliError::Failed(format!("the organization has no domain `{name}`")))
}

#[derive(Args)]
pub struct Token {
    #[command(subcommand)]
    command: TokenCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make an API token; it is shown this once
    Create {
        #[arg(long, default_value = "command line")]
        name: String,
        /// What it may do, e.g. responsibilities.read,domains.manage
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// How long it works: 1d to 365d
        #[arg(long, default_value = "90d")]
        expires: String,
    },
    /// All API tokens of the organization
    List,
    /// End a token
    Revoke { id: String },
}

/// `90d` in days.
pub(super) fn days(text: &str) -> Result<u32, CliError> {
    text.strip_suffix('d')
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| CliError::Usage(format!("`{text}` is no number of days: write 1d to 365d")))
}

impl Token {
    fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/api-tokens", need(&organization, "organization")?);
        if let TokenCommand::Create { name, scopes, expires } = command {
            let body = json!({ "name": name, "scopes": scopes, "expires_in_days": days(&expires)? });
            let json = target.json;
            let made = block_on(async {
                let client = Client::open(&target).await?;
                let made = client.post(&base, body).await;
                client.close().await?;
                made
            })?;
            if json {
                println!("{}", serde_json::to_string_pretty(&made).unwrap_or_default());
            } else {
                println!("{}", made["secret"].as_str().unwrap_or_default());
            }
            return Ok(());
        }
        let work = async |client: &Client| match command {
            TokenCommand::Revoke { id } => client.delete(&format!("{base}/{id}")).await.map(|()| Value::Null),
            _ => client.all(&base).await.map(Value::Array),
        };
        with_client(&target, work, &["id", "name", "scopes", "expires_at", "last_used_at"])
    }
}

#[derive(Args)]
pub struct Matrix {
    /// The organization's slug
    #[arg(long)]
    organization: String,
    #[command(flatten)]
    target: Target,
}

impl Matrix {
    fn run(self) -> Result<(), CliError> {
        let Self { organization, target } = self;
        let work = async |client: &Client| {
            let matrix = client.get(&format!("/api/v1/organizations/{organization}/matrix")).await?;
            // An array of rows, as scripts expect it; the summary stands in the API's answer.
            Ok(matrix["rows"].clone())
        };
        with_client(&target, work, &["id", "side", "state", "since", "must_act", "title"])
    }
}

#[derive(Args)]
pub struct Drill {
    #[command(subcommand)]
    command: DrillCommand,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum DrillCommand {
    /// Run the drills of these rows, or all of them
    Run { rows: Vec<String> },
}

impl Drill {
    fn run(self) -> Result<(), CliError> {
        let Self { command: DrillCommand::Run { rows }, target } = self;
        let work = async |client: &Client| {
            let report = client.post("/api/v1/provider/drills", json!({ "rows": rows })).await?;
            Ok(report["drills"].clone())
        };
        with_client(&target, work, &["row", "passed", "detail"])
    }
}
