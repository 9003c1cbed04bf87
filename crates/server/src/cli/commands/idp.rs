//! `bailiwick idp`: connections to identity providers.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::super::{CliError, Client, Target};
use super::{find_named, need, with_client};

#[derive(Args)]
pub struct Idp {
    #[command(subcommand)]
    command: IdpCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum IdpCommand {
    /// Connect an OpenID provider (`--issuer`, `--client-id`) or one of SAML (`--metadata`); nobody comes through it before it is
    /// enabled
    Add {
        #[arg(long)]
        name: String,
        /// As the provider writes it, letter for letter
        #[arg(long, required_unless_present_any = ["metadata", "metadata_url"], conflicts_with_all = ["metadata", "metadata_url"])]
        issuer: Option<String>,
        #[arg(long, required_unless_present_any = ["metadata", "metadata_url"], conflicts_with_all = ["metadata", "metadata_url"])]
        client_id: Option<String>,
        #[command(flatten)]
        saml: Saml,
        /// A file with the client secret; `-` reads it from standard input
        #[arg(long)]
        client_secret_file: Option<PathBuf>,
        /// An existing directory, by id, whose people come through it
        #[arg(long)]
        directory: Option<String>,
        /// For everybody, by this name in policies; the provider's organization alone may say it
        #[arg(long)]
        social: Option<String>,
        #[command(flatten)]
        settings: Settings,
        /// Let people sign in through it at once
        #[arg(long)]
        enable: bool,
    },
    /// Change a connection; what is not said stays
    Update {
        /// The connection's name or id
        connection: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        client_id: Option<String>,
        /// A file with a new client secret; `-` reads it from standard input
        #[arg(long)]
        client_secret_file: Option<PathBuf>,
        #[command(flatten)]
        saml: Saml,
        #[command(flatten)]
        settings: Settings,
    },
    /// All connections of the organization
    List,
    /// Ask the provider and say what is wrong, by field
    Test {
        /// The connection's name or id
        connection: String,
    },
    /// Let people sign in through a connection
    Enable {
        /// The connection's name or id
        connection: String,
    },
    /// Disable a connection: its sessions end at once
    Disable {
        /// The connection's name or id
        connection: String,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
    },
    /// Change our own key of a SAML connection: `prepare` publishes a new one, `switch` signs with it, `retire` takes the other away
    OwnKey {
        /// The connection's name or id
        connection: String,
        /// prepare, switch or retire
        #[arg(long)]
        step: String,
    },
    /// Who is linked through a connection
    Links {
        /// The connection's name or id
        connection: String,
    },
    /// End somebody's link, and the sessions that came through it
    Unlink {
        /// The connection's name or id
        connection: String,
        /// The account, as `links` lists it
        account: String,
    },
}

#[derive(Args)]
struct Settings {
    /// secret_basic, secret_post or none
    #[arg(long)]
    client_proof: Option<String>,
    /// What ID tokens are signed with: RS256, ES256 or EdDSA
    #[arg(long)]
    algorithm: Option<String>,
    /// openid, profile, email, when not said
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// Whether signing out here leads on to the provider's sign-out
    #[arg(long)]
    sign_out_upstream: Option<bool>,
    /// A file with the mapping as JSON, as the API takes it; replaces the one before
    #[arg(long)]
    mapping: Option<PathBuf>,
}

/// What is only of SAML.
#[derive(Args)]
struct Saml {
    /// A file with the metadata of a SAML provider; `-` reads it from standard input
    #[arg(long)]
    metadata: Option<PathBuf>,
    /// Where the metadata of a SAML provider is
    #[arg(long, conflicts_with = "metadata")]
    metadata_url: Option<String>,
    /// Which provider, where the metadata describes several
    #[arg(long)]
    entity_id: Option<String>,
    /// The kind of NameID to ask for
    #[arg(long)]
    name_id_format: Option<String>,
    /// Whether sign-ins that begin at the provider are taken
    #[arg(long)]
    unsolicited: Option<bool>,
    /// Whether the whole Response must be signed
    #[arg(long)]
    signed_response: Option<bool>,
    /// Whether the assertion itself must be signed
    #[arg(long)]
    signed_assertion: Option<bool>,
    /// Take SHA-1 until then (2026-12-31T00:00:00Z), for a provider that knows nothing better; empty ends that
    #[arg(long)]
    sha1_until: Option<String>,
}

impl Saml {
    /// As the API takes it; `None` when nothing of it is said.
    fn body(self) -> Result<Option<Value>, CliError> {
        let metadata = self.metadata.as_ref().map(read).transpose()?;
        let said = [
            ("metadata", metadata.map(Value::from)),
            ("metadata_url", self.metadata_url.map(Value::from)),
            ("entity_id", self.entity_id.map(Value::from)),
            ("name_id_format", self.name_id_format.map(Value::from)),
            ("unsolicited", self.unsolicited.map(Value::from)),
            ("signed_response", self.signed_response.map(Value::from)),
            ("signed_assertion", self.signed_assertion.map(Value::from)),
            ("sha1_until", self.sha1_until.map(Value::from)),
        ];
        let body: Map<String, Value> =
            said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok((!body.is_empty()).then_some(Value::Object(body)))
    }
}

fn read(path: &PathBuf) -> Result<String, CliError> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| CliError::Failed(format!("cannot read standard input: {error}")))?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
        .map_err(|error| CliError::Failed(format!("cannot read `{}`: {error}", path.display())))
}

fn secret(path: Option<&PathBuf>) -> Result<Option<String>, CliError> {
    path.map(|path| read(path).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())).transpose()
}

impl Settings {
    fn put(self, body: &mut Map<String, Value>) -> Result<(), CliError> {
        let mut say = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        say("client_proof", self.client_proof.map(Value::from));
        say("algorithm", self.algorithm.map(Value::from));
        say("scopes", (!self.scopes.is_empty()).then(|| json!(self.scopes)));
        say("sign_out_upstream", self.sign_out_upstream.map(Value::from));
        if let Some(path) = &self.mapping {
            let wrong = |error| CliError::Failed(format!("`{}` is no JSON: {error}", path.display()));
            say("mapping", Some(serde_json::from_str(&read(path)?).map_err(wrong)?));
        }
        Ok(())
    }
}

impl Idp {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        let base = format!("/api/v1/organizations/{}/connections", need(&organization, "organization")?);
        let columns: &[&str] = match &command {
            IdpCommand::Test { .. } => &["verdict", "field", "detail"],
            IdpCommand::Links { .. } => &["account", "email", "subject", "used_at"],
            IdpCommand::Disable { dry_run: true, .. } => &["people", "sessions", "stranded", "policies"],
            _ => &["id", "name", "state", "issuer", "redirect_uri"],
        };
        let json_wanted = target.json;
        let work = async |client: &Client| work(client, &base, command, json_wanted).await;
        with_client(&target, work, columns)
    }
}

async fn work(client: &Client, base: &str, command: IdpCommand, whole: bool) -> Result<Value, CliError> {
    match command {
        IdpCommand::Add { enable, .. } => {
            let made = client.post(base, new(command)?).await?;
            match (enable, made["id"].as_str()) {
                (true, Some(id)) => client.post(&format!("{base}/{id}/enable"), json!({})).await,
                _ => Ok(made),
            }
        }
        IdpCommand::Update { connection, name, client_id, client_secret_file, saml, settings } => {
            let id = find_named(client, base, "connection", &connection).await?;
            let mut body = Map::new();
            settings.put(&mut body)?;
            body.extend(saml.body()?.map(|saml| ("saml".to_owned(), saml)));
            let words = [
                ("name", name),
                ("client_id", client_id),
                ("client_secret", secret(client_secret_file.as_ref())?),
            ];
            for (member, value) in words {
                if let Some(value) = value {
                    body.insert(member.to_owned(), Value::from(value));
                }
            }
            client.patch(&format!("{base}/{id}"), Value::Object(body)).await
        }
        IdpCommand::List => client.all(base).await.map(Value::Array),
        IdpCommand::Test { connection } => {
            let id = find_named(client, base, "connection", &connection).await?;
            let report = client.post(&format!("{base}/{id}/test"), json!({})).await?;
            Ok(if whole { report } else { report["findings"].clone() })
        }
        IdpCommand::OwnKey { connection, step } => {
            let id = find_named(client, base, "connection", &connection).await?;
            client.post(&format!("{base}/{id}/own-key"), json!({ "step": step })).await
        }
        IdpCommand::Enable { connection } => {
            let id = find_named(client, base, "connection", &connection).await?;
            client.post(&format!("{base}/{id}/enable"), json!({})).await
        }
        IdpCommand::Disable { connection, dry_run } => {
            let id = find_named(client, base, "connection", &connection).await?;
            if dry_run {
                return client.get(&format!("{base}/{id}/disabling")).await;
            }
            client.post(&format!("{base}/{id}/disable"), json!({})).await
        }
        IdpCommand::Links { connection } => {
            let id = find_named(client, base, "connection", &connection).await?;
            client.all(&format!("{base}/{id}/links")).await.map(Value::Array)
        }
        IdpCommand::Unlink { connection, account } => {
            let id = find_named(client, base, "connection", &connection).await?;
            client.delete(&format!("{base}/{id}/links/{account}")).await.map(|()| Value::Null)
        }
    }
}

/// The body that makes a connection.
fn new(command: IdpCommand) -> Result<Value, CliError> {
    let IdpCommand::Add {
        name,
        issuer,
        client_id,
        client_secret_file,
        saml,
        directory,
        social,
        settings,
        ..
    } = command
    else {
        return Ok(Value::Null);
    };
    let mut body = Map::new();
    settings.put(&mut body)?;
    if issuer.is_none() {
        body.insert("kind".to_owned(), Value::from("saml"));
        body.extend(saml.body()?.map(|saml| ("saml".to_owned(), saml)));
    }
    let words = [
        ("name", Some(name)),
        ("issuer", issuer),
        ("client_id", client_id),
        ("client_secret", secret(client_secret_file.as_ref())?),
        ("directory", directory),
        ("social", social),
    ];
    for (member, value) in words {
        if let Some(value) = value {
            body.insert(member.to_owned(), Value::from(value));
        }
    }
    Ok(Value::Object(body))
}
