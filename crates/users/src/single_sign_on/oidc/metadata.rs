//! The provider's own document (OpenID Connect Discovery 1.0 §3): read, checked, kept for an hour.

use jose::json;
use platform::App;
use platform::outbound::Request;
use platform::time::Timestamp;
use serde_json::{Map, Value};
use url::Url;

use super::{METADATA_KEPT, Place, Trouble, fetch, recall, remember, shown, state};

/// What is needed of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    pub end_session_endpoint: Option<String>,
    /// `iss` stands in every answer (RFC 9207).
    pub says_issuer: bool,
    /// Empty where it is not said.
    pub algorithms: Vec<String>,
    pub client_proofs: Vec<String>,
    pub challenge_methods: Vec<String>,
    pub scopes: Vec<String>,
    pub response_types: Vec<String>,
    pub backchannel_logout: bool,
}

/// Where an issuer's document is.
pub(super) fn document_address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

fn trouble(field: &str, detail: impl Into<String>) -> Trouble {
    Trouble::new(Place::Discovery, field, detail)
}

/// As it is kept, or asked anew after an hour.
pub(crate) async fn metadata_of(
    app: &App,
    issuer: &str,
    now: Timestamp,
) -> Result<std::sync::Arc<Metadata>, Trouble> {
    let state = state(app);
    if let Some((_, kept)) = recall(&state.metadata, issuer, now, METADATA_KEPT) {
        return Ok(kept);
    }
    let fresh = ask(app, issuer).await?;
    Ok(remember(&state.metadata, issuer, now, fresh))
}

/// Asks the provider now, and keeps what it says.
pub(super) async fn ask_anew(app: &App, issuer: &str, now: Timestamp) -> Result<Metadata, Trouble> {
    let fresh = ask(app, issuer).await?;
    remember(&state(app).metadata, issuer, now, fresh.clone());
    Ok(fresh)
}

async fn ask(app: &App, issuer: &str) -> Result<Metadata, Trouble> {
    let address = document_address(issuer);
    let answer = fetch(app, Place::Discovery, "issuer", Request::get(address.clone())).await?;
    if answer.status.as_u16() != 200 {
        let status = answer.status.as_u16();
        let detail =
            format!("`{address}` answers {status}: is the issuer written as the provider writes it?");
        return Err(trouble("issuer", detail));
    }
    Metadata::read(&answer.body, issuer, app.config().outbound_allow_loopback)
}

fn list(document: &Map<String, Value>, name: &str) -> Vec<String> {
    let texts = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    document.get(name).and_then(Value::as_array).map(texts).unwrap_or_default()
}

/// An address of the provider. Whether it is asked, and whether it is public, is the guarded client's to say; people's
/// browsers are only sent where this says so.
fn address(
    document: &Map<String, Value>,
    name: &str,
    allow_loopback: bool,
) -> Result<Option<String>, Trouble> {
    let text = match document.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(trouble(name, "it is no text")),
    };
    let url = Url::parse(text).map_err(|_| trouble(name, "it is no address"))?;
    let loopback = allow_loopback && matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(trouble(name, "it must be an `https` address"));
    }
    if url.fragment().is_some() {
        return Err(trouble(name, "an address of a provider has no `#`"));
    }
    Ok(Some(text.clone()))
}

impl Metadata {
    pub fn read(bytes: &[u8], issuer: &str, allow_loopback: bool) -> Result<Self, Trouble> {
        let document = json::object(bytes)
            .ok_or_else(|| trouble("", "it is no JSON object in which each member stands once"))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let said = text("issuer").ok_or_else(|| trouble("issuer", "it is missing"))?;
        if said != issuer {
            let detail = format!(
                "the provider calls itself `{}`; the connection says `{}`. They must be the same, letter for letter",
                shown(said),
                shown(issuer)
            );
            return Err(trouble("issuer", detail));
        }
        let needed = |name: &'static str| {
            address(&document, name, allow_loopback)?
                .ok_or_else(|| trouble(name, "it is missing: is this an OpenID provider?"))
        };
        let yes = |name: &str| document.get(name) == Some(&Value::Bool(true));
        Ok(Self {
            issuer: said.to_owned(),
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            jwks_uri: needed("jwks_uri")?,
            userinfo_endpoint: address(&document, "userinfo_endpoint", allow_loopback)?,
            end_session_endpoint: address(&document, "end_session_endpoint", allow_loopback)?,
            says_issuer: yes("authorization_response_iss_parameter_supported"),
            algorithms: list(&document, "id_token_signing_alg_values_supported"),
            client_proofs: list(&document, "token_endpoint_auth_methods_supported"),
            challenge_methods: list(&document, "code_challenge_methods_supported"),
            scopes: list(&document, "scopes_supported"),
            response_types: list(&document, "response_types_supported"),
            backchannel_logout: yes("backchannel_logout_supported"),
        })
    }
}
