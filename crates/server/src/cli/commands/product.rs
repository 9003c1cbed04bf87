//! `bailiwick product`: the registry of products, and the keys that sign for them.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::super::{CliError, Client, Target};
use super::{find_named, with_client};

const BASE: &str = "/api/v1/provider/products";

#[derive(Args)]
pub struct Product {
    #[command(subcommand)]
    command: ProductCommand,
    #[command(flatten)]
    target: Target,
}

/// What a product may do; what is not said stays, or has its default.
#[derive(Args)]
struct Settings {
    /// Where answers go; may be given several times
    #[arg(long = "redirect-uri")]
    redirect_uris: Vec<String>,
    /// Where people go after sign-out; may be given several times
    #[arg(long = "logout-uri")]
    logout_uris: Vec<String>,
    /// Where it is told about sign-out
    #[arg(long)]
    backchannel_logout_uri: Option<String>,
    /// authorization_code, refresh_token, client_credentials, device_code
    #[arg(long, value_delimiter = ',')]
    grant_types: Vec<String>,
    /// openid, profile, email, offline_access, roles, groups, organizations, and its own
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// A resource its tokens may be for; may be given several times
    #[arg(long = "audience")]
    audiences: Vec<String>,
    /// The resource it is itself
    #[arg(long)]
    resource: Option<String>,
    /// Whether everybody with an account may use it
    #[arg(long)]
    everyone: Option<bool>,
    /// Whether people are asked before their first sign-in
    #[arg(long)]
    asks_consent: Option<bool>,
    /// Whether its tokens must be bound to a key
    #[arg(long)]
    requires_dpop: Option<bool>,
    /// Whether it must push its requests
    #[arg(long)]
    requires_par: Option<bool>,
    /// ES256, EdDSA or RS256
    #[arg(long)]
    id_token_algorithm: Option<String>,
    /// A file with its public keys (a JWK set)
    #[arg(long)]
    jwks: Option<std::path::PathBuf>,
}

#[derive(Subcommand)]
enum ProductCommand {
    /// Register a product; prints its client id and, this once, its secret
    Create {
        #[arg(long)]
        name: String,
        /// secret, private_key_jwt or none
        #[arg(long, default_value = "secret")]
        authentication: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// All products
    List,
    /// One product with its access rules
    Show {
        /// Its name or id
        product: String,
    },
    /// Change a product
    Set {
        /// Its name or id
        product: String,
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Give a product a new secret; prints it this once
    RotateSecret {
        /// Its name or id
        product: String,
        /// How long the old one works beside it
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
    },
    /// End everything a product holds, at once and for good
    Disable {
        /// Its name or id
        product: String,
    },
    /// Let people sign in to it again
    Enable {
        /// Its name or id
        product: String,
    },
    /// Let members of an organization, or of one of its groups, use a product
    Allow {
        /// Its name or id
        product: String,
        /// The organization's slug
        #[arg(long)]
        organization: String,
        /// The name of a group; every member when not said
        #[arg(long, default_value = "")]
        group: String,
        /// What the product is told they are
        #[arg(long, default_value = "")]
        role: String,
    },
    /// Take such a rule away
    Disallow {
        /// Its name or id
        product: String,
        /// The rule's id, as `show` prints it
        rule: String,
    },
    /// Replace all signing keys at once, because one may have leaked
    RotateKeys,
}

impl Settings {
    /// What was said, as the API takes it.
    fn body(self) -> Result<Map<String, Value>, CliError> {
        let mut body = Map::new();
        let lists = [
            ("redirect_uris", self.redirect_uris),
            ("logout_uris", self.logout_uris),
            ("grant_types", self.grant_types),
            ("scopes", self.scopes),
            ("audiences", self.audiences),
        ];
        for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            body.insert(name.to_owned(), json!(values));
        }
        let texts = [
            ("backchannel_logout_uri", self.backchannel_logout_uri),
            ("resource", self.resource),
            ("id_token_algorithm", self.id_token_algorithm),
        ];
        for (name, text) in texts {
            body.extend(text.map(|text| (name.to_owned(), json!(text))));
        }
        let flags = [
            ("everyone", self.everyone),
            ("asks_consent", self.asks_consent),
            ("requires_dpop", self.requires_dpop),
            ("requires_par", self.requires_par),
        ];
        for (name, flag) in flags {
            body.extend(flag.map(|flag| (name.to_owned(), json!(flag))));
        }
        if let Some(path) = self.jwks {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| CliError::Failed(format!("cannot read `{}`: {error}", path.display())))?;
            body.insert("jwks".to_owned(), json!(text));
        }
        Ok(body)
    }
}

async fn act(command: ProductCommand, client: &Client) -> Result<Value, CliError> {
    let at = async |product: &str| -> Result<String, CliError> {
        Ok(format!("{BASE}/{}", find_named(client, BASE, "product", product).await?))
    };
    match command {
        ProductCommand::Create { name, authentication, settings } => {
            let mut body = settings.body()?;
            body.insert("name".to_owned(), json!(name));
            body.insert("authentication".to_owned(), json!(authentication));
            client.post(BASE, Value::Object(body)).await
        }
        ProductCommand::List => client.all(BASE).await.map(Value::Array),
        ProductCommand::Show { product } => client.get(&at(&product).await?).await,
        ProductCommand::Set { product, name, settings } => {
            let mut body = settings.body()?;
            body.extend(name.map(|name| ("name".to_owned(), json!(name))));
            client.patch(&at(&product).await?, Value::Object(body)).await
        }
        ProductCommand::RotateSecret { product, overlap_hours } => {
            client
                .post(&format!("{}/secrets", at(&product).await?), json!({ "overlap_hours": overlap_hours }))
                .await
        }
        ProductCommand::Disable { product } => {
            client.patch(&at(&product).await?, json!({ "state": "disabled" })).await
        }
        ProductCommand::Enable { product } => {
            client.patch(&at(&product).await?, json!({ "state": "active" })).await
        }
        ProductCommand::Allow { product, organization, group, role } => {
            let body = json!({ "organization": organization, "group": group, "role": role });
            client.post(&format!("{}/access", at(&product).await?), body).await
        }
        ProductCommand::Disallow { product, rule } => {
            client.delete(&format!("{}/access/{rule}", at(&product).await?)).await.map(|()| Value::Null)
        }
        ProductCommand::RotateKeys => client.post("/api/v1/provider/oauth-keys/rotate", json!({})).await,
    }
}

impl Product {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, target } = self;
        let work = async |client: &Client| act(command, client).await;
        with_client(&target, work, &["id", "name", "state", "authentication", "everyone"])
    }
}
