//! `bailiwick policy`, `bailiwick break-glass` and `bailiwick breached-passwords`.

use std::io::BufReader;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use users::passwords::breached;

use super::super::{CliError, Client, Target};
use super::{find_named, need, with_client};

#[derive(Args)]
pub struct Policy {
    #[command(subcommand)]
    command: PolicyCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

/// What a policy shall be; what is not said stays as it is.
#[derive(Args, Clone)]
struct Change {
    /// A setting and its value, e.g. factor=mfa, session_absolute_hours=12, networks=203.0.113.0/24,2001:db8::/32
    #[arg(long = "set", value_name = "SETTING=VALUE")]
    set: Vec<String>,
    /// Assign it to this group, instead of those of today
    #[arg(long = "group")]
    groups: Vec<String>,
    /// Assign it to this member, instead of those of today
    #[arg(long = "account")]
    accounts: Vec<String>,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Policies in force
    List,
    /// One policy, by name
    Show { name: String },
    /// Make a policy; it begins as a copy of the default
    Create {
        /// May be left out with --outside and --directory
        #[arg(required_unless_present_any = ["outside", "directory"])]
        name: Option<String>,
        /// It is for everybody whose address is outside the verified domains
        #[arg(long)]
        outside: bool,
        /// It is the default of the directory with this id or name: for its people whom no other policy names
        #[arg(long, value_name = "ID", conflicts_with = "outside")]
        directory: Option<String>,
        #[command(flatten)]
        change: Change,
        /// Only say what it would do, and to whom
        #[arg(long)]
        dry_run: bool,
    },
    /// Change a policy
    Set {
        name: String,
        #[command(flatten)]
        change: Change,
        /// Only say what it would do, and to whom
        #[arg(long)]
        dry_run: bool,
    },
    /// Decide a change for later, in stages
    RollOut {
        name: String,
        #[arg(long = "set", value_name = "SETTING=VALUE", required = true)]
        set: Vec<String>,
        /// When, and for whom: 2026-03-03T08:00:00Z=25 (percent) or …=Pilots (a group); the last one says 100
        #[arg(long = "stage", value_name = "TIME=WHOM", required = true)]
        stages: Vec<String>,
    },
    /// Roll-outs
    RollOuts,
    /// Stop a roll-out
    CancelRollOut { id: String },
    /// Put a policy's version before back in force
    Undo { name: String },
    /// Delete a policy, or say with --dry-run whom that would touch
    Delete {
        name: String,
        #[arg(long)]
        dry_run: bool,
    },
    /// Why something is asked of somebody
    Explain {
        /// The person's address or account id
        #[arg(long)]
        account: String,
    },
}

/// `true`, `12`, `null` and lists as JSON; networks by commas; everything else as text.
fn value_of(name: &str, text: &str) -> Value {
    match (name, serde_json::from_str::<Value>(text)) {
        ("networks", Err(_)) => text.split(',').map(str::trim).collect(),
        (_, Ok(value)) => value,
        (_, Err(_)) => json!(text),
    }
}

/// `rules` with the settings that were said.
fn with(mut rules: Value, set: &[String]) -> Result<Value, CliError> {
    for one in set {
        let (name, text) = one
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("`{one}` is no setting: write SETTING=VALUE")))?;
        // `social_login.google=blocked`
        match name.split_once('.') {
            Some((name, inner)) => rules[name][inner] = value_of(inner, text),
            None => rules[name] = value_of(name, text),
        }
    }
    Ok(rules)
}

async fn find(client: &Client, base: &str, name: &str) -> Result<Value, CliError> {
    let wanted = name.to_lowercase();
    let all = client.all(base).await?;
    let found = all.into_iter().find(|one| {
        let named = one["name"].as_str().is_some_and(|name| name.to_lowercase() == wanted);
        named || one["id"] == name || one["applies_to"] == wanted.as_str()
    });
    found.ok_or_else(|| CliError::Failed(format!("the organization has no policy `{name}`")))
}

fn id(policy: &Value) -> &str {
    policy["id"].as_str().unwrap_or_default()
}

/// The body of a change to `policy`.
fn changed(policy: &Value, change: &Change) -> Result<Value, CliError> {
    let ids = |items: &Value| -> Value {
        items.as_array().into_iter().flatten().map(|item| item["id"].clone()).collect()
    };
    let kept = |said: &[String], items: &Value| if said.is_empty() { ids(items) } else { json!(said) };
    Ok(json!({
        "name": policy["name"],
        "applies_to": policy["applies_to"],
        "rules": with(policy["rules"].clone(), &change.set)?,
        "groups": kept(&change.groups, &policy["groups"]),
        "accounts": kept(&change.accounts, &policy["accounts"]),
    }))
}

/// The figures, with every person.
async fn try_it(client: &Client, base: &str, body: Value) -> Result<Value, CliError> {
    let mut people = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{base}/dry-run?limit=200{cursor}");
        let mut run = client.post(&path, body.clone()).await?;
        people.extend(run["people"].as_array().cloned().unwrap_or_default());
        match run["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                run["people"] = json!(people);
                return Ok(run);
            }
        }
    }
}

fn stage(text: &str) -> Result<Value, CliError> {
    let wrong = || CliError::Usage(format!("`{text}` is no stage: write 2026-03-03T08:00:00Z=25"));
    let (at, whom) = text.split_once('=').ok_or_else(wrong)?;
    Ok(match whom.parse::<u8>() {
        Ok(percent) => json!({ "at": at, "percent": percent }),
        Err(_) => json!({ "at": at, "percent": 0, "group": whom }),
    })
}

/// Groups are named by people and told by id.
async fn stages(client: &Client, organization: &str, texts: &[String]) -> Result<Value, CliError> {
    let mut stages = texts.iter().map(|text| stage(text)).collect::<Result<Vec<_>, _>>()?;
    let mut groups: Vec<Value> = Vec::new();
    for one in &mut stages {
        let Some(name) = one.as_object_mut().and_then(|stage| stage.remove("group")) else { continue };
        if groups.is_empty() {
            groups = client.all(&format!("{organization}/groups")).await?;
        }
        let found = groups.iter().find(|group| group["name"] == name).map(|group| group["id"].clone());
        let found = found.ok_or_else(|| CliError::Failed(format!("the organization has no group {name}")))?;
        one["groups"] = json!([found]);
    }
    Ok(json!(stages))
}

impl Policy {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let organization = format!("/api/v1/organizations/{}", need(&organization, "organization")?);
        let work = async |client: &Client| act(client, &organization, command).await;
        with_client(&target, work, &["name", "applies_to", "version", "state", "decided_by", "decided_at"])
    }
}

async fn act(client: &Client, organization: &str, command: PolicyCommand) -> Result<Value, CliError> {
    let base = format!("{organization}/policies");
    match command {
        PolicyCommand::List => client.all(&base).await.map(Value::Array),
        PolicyCommand::Show { name } => find(client, &base, &name).await,
        PolicyCommand::Create { name, outside, directory, change, dry_run } => {
            let mut policy = client.get(&format!("{base}/default")).await?;
            policy["name"] = json!(name.unwrap_or_default());
            policy["applies_to"] = json!(if outside { "outside" } else { "named" });
            let mut body = changed(&policy, &change)?;
            if let Some(wanted) = directory {
                let all = format!("{organization}/directories");
                body["applies_to"] = json!("directory");
                body["directory"] = json!(find_named(client, &all, "directory", &wanted).await?);
            }
            if dry_run {
                return try_it(client, &base, json!({ "change": body })).await;
            }
            client.post(&base, body).await
        }
        PolicyCommand::Set { name, change, dry_run } => {
            let policy = find(client, &base, &name).await?;
            let body = changed(&policy, &change)?;
            if dry_run {
                return try_it(client, &base, json!({ "policy": id(&policy), "change": body })).await;
            }
            client.put(&format!("{base}/{}", id(&policy)), body).await
        }
        PolicyCommand::RollOut { name, set, stages: texts } => {
            let policy = find(client, &base, &name).await?;
            let rules = with(policy["rules"].clone(), &set)?;
            let body = json!({ "rules": rules, "stages": stages(client, organization, &texts).await? });
            client.post(&format!("{base}/{}/rollouts", id(&policy)), body).await
        }
        PolicyCommand::RollOuts => {
            client.all(&format!("{organization}/policy-rollouts")).await.map(Value::Array)
        }
        PolicyCommand::CancelRollOut { id } => {
            client.post(&format!("{organization}/policy-rollouts/{id}/cancel"), json!({})).await
        }
        PolicyCommand::Undo { name } => {
            let policy = find(client, &base, &name).await?;
            client.post(&format!("{base}/{}/undo", id(&policy)), json!({})).await
        }
        PolicyCommand::Delete { name, dry_run } => {
            let policy = find(client, &base, &name).await?;
            if dry_run {
                return try_it(client, &base, json!({ "policy": id(&policy), "delete": true })).await;
            }
            client.delete(&format!("{base}/{}", id(&policy))).await.map(|()| Value::Null)
        }
        PolicyCommand::Explain { account } => {
            let account: String = url::form_urlencoded::byte_serialize(account.as_bytes()).collect();
            client.get(&format!("{base}/explain?account={account}")).await
        }
    }
}

#[derive(Args)]
pub struct BreakGlass {
    #[command(subcommand)]
    command: BreakGlassCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum BreakGlassCommand {
    /// Which owners have a sealed code, and when it was used
    Status,
    /// Use a sealed code: ask, or join the owner who asked
    Use {
        #[arg(long)]
        email: String,
        #[arg(long)]
        code: String,
        /// Why; everybody who is alarmed reads it
        #[arg(long)]
        reason: String,
        /// How long it may be open: 1 to 8
        #[arg(long, default_value_t = 4)]
        hours: u32,
    },
    /// End what is open or asked for
    End,
}

impl BreakGlass {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let organization = need(&organization, "organization")?.to_owned();
        let base = format!("/api/v1/organizations/{organization}/break-glass");
        let work = async |client: &Client| match command {
            BreakGlassCommand::Status => client.get(&base).await,
            BreakGlassCommand::Use { email, code, reason, hours } => {
                let body = json!({
                    "organization": organization,
                    "email": email,
                    "code": code,
                    "reason": reason,
                    "hours": hours,
                });
                client.post("/api/v1/break-glass", body).await
            }
            BreakGlassCommand::End => {
                client.post(&format!("{base}/end"), json!({})).await.map(|_| Value::Null)
            }
        };
        with_client(&target, work, &[])
    }
}

/// Makes the list of known passwords that the setting `breached_passwords` names
#[derive(Args)]
pub struct BreachedPasswords {
    /// Lines of SHA-1 in hexadecimal, with `:` and a count behind or without, sorted by hash
    from: PathBuf,
    /// Where the list goes
    #[arg(long)]
    to: PathBuf,
}

impl BreachedPasswords {
    pub fn run(self) -> Result<(), CliError> {
        let fail = |path: &PathBuf, error: &dyn std::fmt::Display| {
            CliError::Failed(format!("`{}`: {error}", path.display()))
        };
        let from = std::fs::File::open(&self.from).map_err(|error| fail(&self.from, &error))?;
        let to = std::fs::File::create(&self.to).map_err(|error| fail(&self.to, &error))?;
        let count = breached::build(BufReader::with_capacity(1 << 20, from), to)
            .map_err(|error| fail(&self.from, &error))?;
        println!("{count} passwords");
        Ok(())
    }
}
