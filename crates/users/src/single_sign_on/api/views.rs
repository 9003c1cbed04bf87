//! What goes in and out as JSON.

use platform::App;
use platform::ids::AccountId;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::pages::sign_in::begin_path;
use super::super::{
    ClientProof, Connection, ConnectionId, Effect, Kind, Mapping, Settings, backchannel_logout_uri,
    redirect_uri, saml,
};
use super::{SamlChange, SamlView};
use crate::directories::DirectoryId;

/// An identity provider to connect.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnection {
    #[schema(example = "Entra ID")]
    pub name: String,
    /// `oidc`, which is also what is taken when it is left out, or `saml`.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// As the provider writes it, letter for letter. With SAML its metadata says it: leave it out.
    #[serde(default)]
    #[schema(example = "https://login.example.com/realm")]
    pub issuer: String,
    /// Of OpenID Connect alone, as everything up to `scopes`.
    #[serde(default)]
    #[schema(example = "bailiwick")]
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default)]
    pub client_proof: Option<ClientProof>,
    /// `RS256` when left out, `ES256` or `EdDSA`.
    #[serde(default)]
    pub algorithm: Option<String>,
    /// `openid`, `profile`, `email` when left out.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Signing out here leads on to the provider's sign-out, where it has one; `true` when left out.
    #[serde(default)]
    pub sign_out_upstream: Option<bool>,
    #[serde(default)]
    pub mapping: Option<Mapping>,
    /// An existing directory whose people come through it; a new one is made when it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub directory: Option<DirectoryId>,
    /// For everybody, by this name in policies; the provider's organization alone may say it.
    #[serde(default)]
    pub social: Option<String>,
    /// Of SAML alone; `metadata` or `metadata_url` is needed.
    #[serde(default)]
    pub saml: Option<SamlChange>,
}

/// What is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionChange {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub client_id: Option<String>,
    /// A new secret; an empty one removes it.
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default)]
    pub client_proof: Option<ClientProof>,
    #[serde(default)]
    pub algorithm: Option<String>,
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    #[serde(default)]
    pub sign_out_upstream: Option<bool>,
    #[serde(default)]
    pub mapping: Option<Mapping>,
    /// Of SAML alone.
    #[serde(default)]
    pub saml: Option<SamlChange>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ConnectionView {
    #[schema(value_type = String)]
    pub id: ConnectionId,
    pub name: String,
    pub kind: Kind,
    /// `active` or `disabled`.
    pub state: &'static str,
    /// Null: for the organization's own people.
    pub social: Option<String>,
    #[schema(value_type = Option<String>)]
    pub directory: Option<DirectoryId>,
    pub issuer: String,
    pub client_id: String,
    pub has_secret: bool,
    pub client_proof: ClientProof,
    pub algorithm: String,
    pub scopes: Vec<String>,
    pub sign_out_upstream: bool,
    pub mapping: Mapping,
    /// What the provider must be told: where it sends people back to …
    pub redirect_uri: String,
    /// … where it says that somebody signed out …
    pub backchannel_logout_uri: String,
    /// … and where a sign-in can begin (`initiate_login_uri`).
    pub sign_in_url: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub succeeded_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failed_at: Option<Timestamp>,
    /// Why the last sign-in that failed did.
    pub failure: String,
    /// Of SAML; what is only of OpenID Connect above is empty then.
    pub saml: Option<SamlView>,
}

impl ConnectionView {
    pub(in super::super) fn new(app: &App, connection: Connection) -> Self {
        let oidc = connection.settings.oidc();
        let redirect_uri = match &connection.settings {
            Settings::Oidc(_) => redirect_uri(app, connection.id),
            Settings::Saml(_) => saml::acs(app, connection.id),
        };
        let begin = begin_path(connection.id);
        Self {
            id: connection.id,
            kind: connection.kind(),
            state: if connection.active { "active" } else { "disabled" },
            social: connection.social.clone(),
            directory: connection.directory,
            has_secret: connection.has_secret(),
            issuer: connection.settings.issuer().to_owned(),
            client_id: oidc.map(|oidc| oidc.client_id.clone()).unwrap_or_default(),
            client_proof: oidc.map_or(ClientProof::None, |oidc| oidc.client_proof),
            algorithm: oidc.map(|oidc| oidc.algorithm.clone()).unwrap_or_default(),
            scopes: oidc.map(|oidc| oidc.scopes.clone()).unwrap_or_default(),
            sign_out_upstream: connection.settings.sign_out_upstream(),
            saml: connection.settings.saml().map(|saml| SamlView::new(app, connection.id, saml)),
            mapping: connection.mapping,
            redirect_uri,
            backchannel_logout_uri: backchannel_logout_uri(app, connection.id),
            sign_in_url: crate::accounts::join(&app.config().public_url, &begin),
            created_at: connection.created_at,
            changed_at: connection.changed_at,
            succeeded_at: connection.succeeded_at,
            failed_at: connection.failed_at,
            failure: connection.failure,
            name: connection.name,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionEffect)]
pub struct EffectView {
    /// People who sign in through it.
    pub people: u64,
    /// Live sessions that end.
    pub sessions: u64,
    /// Up to 100 addresses of people with neither a password nor a passkey nor another connection.
    pub stranded: Vec<String>,
    /// Policies that leave their people no other way: change them first.
    pub policies: Vec<String>,
}

impl From<Effect> for EffectView {
    fn from(effect: Effect) -> Self {
        Self {
            people: effect.people,
            sessions: effect.sessions,
            stranded: effect.stranded,
            policies: effect.policies,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionLink)]
pub struct LinkView {
    #[schema(value_type = String)]
    pub account: AccountId,
    pub email: String,
    pub name: String,
    /// The provider's own name for them.
    pub subject: String,
    #[schema(value_type = String, format = DateTime)]
    pub linked_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub used_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = OwnConnection)]
pub struct OwnLinkView {
    #[schema(value_type = String)]
    pub connection: ConnectionId,
    pub name: String,
    /// Whose connection it is.
    pub organization: String,
    pub active: bool,
    #[schema(value_type = String, format = DateTime)]
    pub linked_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub used_at: Timestamp,
}
