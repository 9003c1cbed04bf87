//! `bailiwick directory` and `bailiwick scim-token`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::{CliError, Client, Target};
use super::{days, find_named, need, with_client};

#[derive(Args)]
pub struct Directory {
    #[command(subcommand)]
    command: DirectoryCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum DirectoryCommand {
    /// Make a directory
    Create { name: String },
    /// All directories of the organization
    List,
    /// What was asked over SCIM, without names and values; the newest first
    Requests {
        /// The directory's name or id
        directory: String,
    },
    /// Records that could not be linked as the directory asks
    Conflicts {
        /// The directory's name or id
        directory: String,
    },
    /// Settle a conflict
    Settle {
        /// The directory's name or id
        directory: String,
        /// The record, as `conflicts` lists it
        record: String,
        /// Let the directory's group take over the group of that name, instead of trying again
        #[arg(long)]
        take_over: bool,
    },
}

impl Directory {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/directories", need(&organization, "organization")?);
        let columns: &[&str] = match &command {
            DirectoryCommand::Requests { .. } => &["at", "method", "path", "shape", "status", "detail"],
            DirectoryCommand::Conflicts { .. } => &["record", "kind", "name", "conflict", "detail"],
            _ => &["name", "people", "groups", "conflicts", "url"],
        };
        let work = async |client: &Client| match command {
            DirectoryCommand::Create { name } => client.post(&base, json!({ "name": name })).await,
            DirectoryCommand::List => client.all(&base).await.map(Value::Array),
            DirectoryCommand::Requests { directory } => {
                let id = find_named(client, &base, "directory", &directory).await?;
                let page = client.get(&format!("{base}/{id}/requests?limit=200")).await?;
                Ok(page["items"].clone())
            }
            DirectoryCommand::Conflicts { directory } => {
                let id = find_named(client, &base, "directory", &directory).await?;
                client.all(&format!("{base}/{id}/conflicts")).await.map(Value::Array)
            }
            DirectoryCommand::Settle { directory, record, take_over } => {
                let id = find_named(client, &base, "directory", &directory).await?;
                let how = if take_over { "take_over" } else { "retry" };
                client.post(&format!("{base}/{id}/conflicts/{record}/settle"), json!({ "how": how })).await
            }
        };
        with_client(&target, work, columns)
    }
}

#[derive(Args)]
pub struct ScimToken {
    #[command(subcommand)]
    command: ScimTokenCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum ScimTokenCommand {
    /// Make a SCIM token; prints the address and the token, this once
    Create {
        /// The directory's name or id; may be left out where there is one, or none yet
        #[arg(long)]
        directory: Option<String>,
        /// How long it works: 1d to 730d
        #[arg(long, default_value = "365d")]
        expires: String,
    },
    /// Make the token that replaces the others after an overlap
    Rotate {
        /// The directory's name or id
        #[arg(long)]
        directory: String,
        /// How long it works: 1d to 730d
        #[arg(long, default_value = "365d")]
        expires: String,
        /// How long the older one still works: 0d to 30d
        #[arg(long, default_value = "7d")]
        overlap: String,
    },
    /// SCIM tokens of a directory
    List {
        /// The directory's name or id
        #[arg(long)]
        directory: String,
    },
    /// End a SCIM token at once
    Revoke {
        /// The directory's name or id
        #[arg(long)]
        directory: String,
        id: String,
    },
}

/// What scripts rely on: `url` and `token`, and nothing else.
fn issued(made: &Value) -> Value {
    json!({ "url": made["url"], "token": made["token"] })
}

impl ScimToken {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}", need(&organization, "organization")?);
        let directories = format!("{base}/directories");
        let work = async |client: &Client| match command {
            ScimTokenCommand::Create { directory, expires } => {
                let body = json!({ "directory": directory, "expires_in_days": days(&expires)? });
                client.post(&format!("{base}/scim-tokens"), body).await.map(|made| issued(&made))
            }
            ScimTokenCommand::Rotate { directory, expires, overlap } => {
                let id = find_named(client, &directories, "directory", &directory).await?;
                let body = json!({ "expires_in_days": days(&expires)?, "overlap_days": days(&overlap)? });
                let path = format!("{directories}/{id}/scim-tokens/rotate");
                client.post(&path, body).await.map(|made| issued(&made))
            }
            ScimTokenCommand::List { directory } => {
                let id = find_named(client, &directories, "directory", &directory).await?;
                client.all(&format!("{directories}/{id}/scim-tokens")).await.map(Value::Array)
            }
            ScimTokenCommand::Revoke { directory, id } => {
                let of = find_named(client, &directories, "directory", &directory).await?;
                client.delete(&format!("{directories}/{of}/scim-tokens/{id}")).await.map(|()| Value::Null)
            }
        };
        with_client(&target, work, &["id", "state", "expires_at", "last_used_at"])
    }
}
