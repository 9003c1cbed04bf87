//! Products as JSON: what the API takes and gives.

use platform::time::Timestamp;
use platform::web::Problem;
use serde::{Deserialize, Serialize};

use crate::products::{AccessId, Authentication, GrantType, Product, ProductId, SecretId, Settings};

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Product)]
pub struct ProductView {
    /// Also its `client_id`.
    #[schema(value_type = String)]
    pub id: ProductId,
    pub name: String,
    /// `active` or `disabled`.
    pub state: &'static str,
    pub authentication: Authentication,
    pub grant_types: Vec<GrantType>,
    pub redirect_uris: Vec<String>,
    pub logout_uris: Vec<String>,
    pub backchannel_logout_uri: String,
    pub scopes: Vec<String>,
    pub audiences: Vec<String>,
    pub resource: String,
    pub everyone: bool,
    pub asks_consent: bool,
    pub requires_dpop: bool,
    pub requires_par: bool,
    pub id_token_algorithm: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl ProductView {
    pub(crate) fn new(product: Product) -> Self {
        let Product { id, settings, active, created_at } = product;
        Self {
            id,
            name: settings.name,
            state: if active { "active" } else { "disabled" },
            authentication: settings.authentication,
            grant_types: settings.grant_types,
            redirect_uris: settings.redirect_uris,
            logout_uris: settings.logout_uris,
            backchannel_logout_uri: settings.backchannel_logout_uri,
            scopes: settings.scopes,
            audiences: settings.audiences,
            resource: settings.resource,
            everyone: settings.everyone,
            asks_consent: settings.asks_consent,
            requires_dpop: settings.requires_dpop,
            requires_par: settings.requires_par,
            id_token_algorithm: settings.id_token_algorithm.as_str(),
            created_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct AccessView {
    #[schema(value_type = String)]
    pub id: AccessId,
    pub organization: String,
    /// Empty: every member.
    pub group: String,
    /// Empty: none.
    pub role: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ProductDetail {
    #[serde(flatten)]
    pub product: ProductView,
    pub access: Vec<AccessView>,
    /// Secrets that work now.
    pub secrets: Vec<SecretLine>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct SecretLine {
    #[schema(value_type = String)]
    pub id: SecretId,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A product just registered.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CreatedProduct {
    #[serde(flatten)]
    pub product: ProductView,
    pub client_id: String,
    /// `bwc_…`; not shown again. Absent where the product has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SecretView {
    /// `bwc_…`; not shown again.
    pub client_secret: String,
}

/// What is not said has its default.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    #[schema(example = "Harbor notebooks")]
    pub name: String,
    pub authentication: Option<Authentication>,
    /// A JWK set of public keys, for `private_key_jwt`.
    pub jwks: Option<String>,
    #[schema(example = json!(["https://notebooks.example/callback"]))]
    pub redirect_uris: Option<Vec<String>>,
    pub logout_uris: Option<Vec<String>>,
    pub backchannel_logout_uri: Option<String>,
    pub grant_types: Option<Vec<GrantType>>,
    pub scopes: Option<Vec<String>>,
    pub audiences: Option<Vec<String>>,
    pub resource: Option<String>,
    /// Whether everybody with an account may use it; else only whom access rules name.
    pub everyone: Option<bool>,
    pub asks_consent: Option<bool>,
    pub requires_dpop: Option<bool>,
    pub requires_par: Option<bool>,
    /// ES256, EdDSA or RS256.
    pub id_token_algorithm: Option<String>,
}

/// What is said is changed, the rest stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductChange {
    pub name: Option<String>,
    pub jwks: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub logout_uris: Option<Vec<String>>,
    pub backchannel_logout_uri: Option<String>,
    pub grant_types: Option<Vec<GrantType>>,
    pub scopes: Option<Vec<String>>,
    pub audiences: Option<Vec<String>>,
    pub resource: Option<String>,
    pub everyone: Option<bool>,
    pub asks_consent: Option<bool>,
    pub requires_dpop: Option<bool>,
    pub requires_par: Option<bool>,
    /// ES256, EdDSA or RS256.
    pub id_token_algorithm: Option<String>,
    /// `active` or `disabled`.
    pub state: Option<String>,
}

impl ProductChange {
    /// The settings with these changes.
    pub(crate) fn over(self, old: Settings) -> Result<Settings, Problem> {
        let algorithm = match self.id_token_algorithm.as_deref() {
            None => old.id_token_algorithm,
            Some(text) => jose::Algorithm::parse(text).map_err(|_| {
                let why = "the algorithm is ES256, EdDSA or RS256";
                Problem::invalid(why).field("id_token_algorithm", why)
            })?,
        };
        let settings = Settings {
            name: self.name.map(|name| name.trim().to_owned()).unwrap_or(old.name),
            authentication: old.authentication,
            jwks: self.jwks.unwrap_or(old.jwks),
            redirect_uris: self.redirect_uris.unwrap_or(old.redirect_uris),
            logout_uris: self.logout_uris.unwrap_or(old.logout_uris),
            backchannel_logout_uri: self.backchannel_logout_uri.unwrap_or(old.backchannel_logout_uri),
            grant_types: self.grant_types.unwrap_or(old.grant_types),
            scopes: self.scopes.unwrap_or(old.scopes),
            audiences: self.audiences.unwrap_or(old.audiences),
            resource: self.resource.unwrap_or(old.resource),
            everyone: self.everyone.unwrap_or(old.everyone),
            asks_consent: self.asks_consent.unwrap_or(old.asks_consent),
            requires_dpop: self.requires_dpop.unwrap_or(old.requires_dpop),
            requires_par: self.requires_par.unwrap_or(old.requires_par),
            id_token_algorithm: algorithm,
        };
        let wrong = settings.check();
        if wrong.is_empty() {
            return Ok(settings);
        }
        let first = wrong.first().map(|(_, why)| why.clone()).unwrap_or_default();
        Err(wrong.into_iter().fold(Problem::invalid(first), |problem, (name, why)| problem.field(name, why)))
    }
}

impl NewProduct {
    pub(crate) fn settings(self) -> Result<Settings, Problem> {
        let start = Settings {
            authentication: self.authentication.unwrap_or(Authentication::Secret),
            ..Settings::default()
        };
        let change = ProductChange {
            name: Some(self.name),
            jwks: self.jwks,
            redirect_uris: self.redirect_uris,
            logout_uris: self.logout_uris,
            backchannel_logout_uri: self.backchannel_logout_uri,
            grant_types: self.grant_types,
            scopes: self.scopes,
            audiences: self.audiences,
            resource: self.resource,
            everyone: self.everyone,
            asks_consent: self.asks_consent,
            requires_dpop: self.requires_dpop,
            requires_par: self.requires_par,
            id_token_algorithm: self.id_token_algorithm,
            state: None,
        };
        change.over(start)
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationRequest {
    /// How long the old secret works beside the new one: 0 to 720 hours, 24 when not said.
    #[serde(default = "overlap_default")]
    pub overlap_hours: u32,
}

fn overlap_default() -> u32 {
    24
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccess {
    /// The organization's slug.
    #[schema(example = "harbor")]
    pub organization: String,
    /// The name of one of its groups; every member when not said.
    #[serde(default)]
    pub group: String,
    /// What the product is told they are.
    #[serde(default)]
    pub role: String,
}
