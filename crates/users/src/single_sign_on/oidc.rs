//! The OpenID Connect relying party: authorization code with PKCE (S256), state and nonce, always.
//!
//! What it takes and refuses (OpenID Connect Core 1.0 §3.1, RFC 9207, RFC 9700):
//! - Everything is asked through the guarded client; the issuer's own document must name the issuer letter for letter.
//! - `iss` in the answer must be there when the provider announces it, and be right when it is there.
//! - An ID token is signed with the one algorithm that the connection names, by a key of the provider's set; `exp`, `iat`,
//!   `aud`, `nonce`, `sub` must be there and right, `azp` must be us where it is there, `at_hash` right where it is there.
//! - Userinfo counts only for the subject of the ID token.
//! - Keys are kept for an hour and looked for again when a token names one that is not among them, but not more often than
//!   once a minute: a roll-over is noticed at once, and nobody makes us hammer a provider.
//!
//! Whatever is wrong is a [`Trouble`]: where, which field or claim, and what to do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platform::App;
use platform::db::DbError;
use platform::outbound::{Outbound, OutboundError, Request, Response};
use platform::time::{HOUR, MINUTE, Timestamp};
use url::Url;

use super::requests;
use super::{Connection, Oidc};
use crate::tokens::LinkToken;

mod answer;
mod exchange;
mod id_token;
mod keys;
mod metadata;
mod probe;

pub use answer::Answer;
pub(crate) use answer::{finish, vouched};
pub(crate) use id_token::{LogoutToken, logout_token};
pub use metadata::Metadata;
pub use probe::{Finding, Report};
pub(crate) use probe::{finding, probe};

/// How far the provider's clock may differ from ours.
pub(crate) const LEEWAY: Duration = Duration::from_secs(60);
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
const METADATA_KEPT: Duration = HOUR;
const KEYS_KEPT: Duration = HOUR;
/// Between two looks for a key that is not known.
const KEYS_AGAIN: Duration = MINUTE;
/// Providers that are remembered; beyond, all are asked anew.
const KEPT_MAX: usize = 2000;

/// Where something went wrong at a provider, in which field or claim, and what that means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}: {detail}", field_words(.field))]
pub struct Trouble {
    pub place: Place,
    /// A member of the document, a claim or a parameter; empty where it is none.
    pub field: String,
    pub detail: String,
}

fn field_words(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!(", `{field}`") }
}

/// A step on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Discovery,
    Keys,
    Answer,
    Token,
    IdToken,
    Userinfo,
    LogoutToken,
}

impl Place {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::Answer => "answer",
            Self::Token => "token",
            Self::IdToken => "id_token",
            Self::Userinfo => "userinfo",
            Self::LogoutToken => "logout_token",
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Discovery => "the provider's configuration",
            Self::Keys => "the provider's keys",
            Self::Answer => "the provider's answer",
            Self::Token => "the token endpoint",
            Self::IdToken => "the ID token",
            Self::Userinfo => "userinfo",
            Self::LogoutToken => "the logout token",
        })
    }
}

impl Trouble {
    pub(crate) fn new(place: Place, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { place, field: field.into(), detail: detail.into() }
    }
}

/// Why a step did not lead on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error(transparent)]
    Db(#[from] DbError),
}

struct Kept<T> {
    read_at: Timestamp,
    value: Arc<T>,
}

/// What is remembered of providers; a service of the program. Public documents, by their addresses.
#[derive(Default)]
pub struct State {
    /// A test has taken the check of signatures away.
    #[cfg(test)]
    pub(crate) unchecked: std::sync::atomic::AtomicBool,
    metadata: Mutex<HashMap<String, Kept<Metadata>>>,
    keys: Mutex<HashMap<String, Kept<jose::JwkSet>>>,
}

/// Where there is no such service (a part of the program under test) nothing is kept, and all is asked.
fn state(app: &App) -> Arc<State> {
    app.find_service().unwrap_or_default()
}

fn recall<T>(
    store: &Mutex<HashMap<String, Kept<T>>>,
    address: &str,
    now: Timestamp,
    kept_for: Duration,
) -> Option<(Timestamp, Arc<T>)> {
    let store = store.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let kept = store.get(address).filter(|kept| now.since(kept.read_at) < kept_for)?;
    Some((kept.read_at, kept.value.clone()))
}

fn remember<T>(store: &Mutex<HashMap<String, Kept<T>>>, address: &str, now: Timestamp, value: T) -> Arc<T> {
    let value = Arc::new(value);
    let mut store = store.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if store.len() >= KEPT_MAX && !store.contains_key(address) {
        store.clear();
    }
    store.insert(address.to_owned(), Kept { read_at: now, value: value.clone() });
    value
}

/// Asks through the guarded client.
async fn fetch(app: &App, place: Place, field: &str, mut request: Request) -> Result<Response, Trouble> {
    request.bytes_max = DOCUMENT_BYTES_MAX;
    fetch_whole(app, place, field, request).await
}

/// As `fetch`, with the request's own limit.
pub(super) async fn fetch_whole(
    app: &App,
    place: Place,
    field: &str,
    request: Request,
) -> Result<Response, Trouble> {
    let client = app.find_service::<Outbound>();
    let client =
        client.ok_or_else(|| Trouble::new(place, field, "this program has no client for requests"))?;
    client.fetch(request).await.map_err(|error| match error {
        OutboundError::Refused(refusal) => {
            Trouble::new(place, field, format!("the address is refused: {refusal}"))
        }
        other => Trouble::new(place, field, other.to_string()),
    })
}

/// A word of the provider's, fit to be shown: short and printable.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

pub(crate) use metadata::metadata_of;

/// Where to send somebody, to prove themselves to the provider.
pub(crate) fn address(
    app: &App,
    connection: &Connection,
    metadata: &Metadata,
    state: &LinkToken,
    fresh: bool,
    hint: &str,
) -> Result<String, Trouble> {
    let settings = settings_of(connection, Place::Discovery)?;
    let wrong = || Trouble::new(Place::Discovery, "authorization_endpoint", "it is no address");
    let mut url = Url::parse(&metadata.authorization_endpoint).map_err(|_| wrong())?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &super::redirect_uri(app, connection.id))
            .append_pair("scope", &settings.scopes.join(" "))
            .append_pair("state", &state.text())
            .append_pair("nonce", &requests::nonce(app, state))
            .append_pair("code_challenge", &jose::sha256(requests::verifier(app, state)))
            .append_pair("code_challenge_method", "S256");
        if fresh {
            query.append_pair("prompt", "login").append_pair("max_age", "0");
        }
        if !hint.is_empty() {
            query.append_pair("login_hint", hint);
        }
    }
    Ok(url.to_string())
}

/// What is set for an OpenID provider.
fn settings_of(connection: &Connection, place: Place) -> Result<&Oidc, Trouble> {
    let other = || Trouble::new(place, "kind", "this connection speaks SAML, not OpenID Connect");
    connection.settings.oidc().ok_or_else(other)
}

/// Seconds since 1970, as tokens count.
fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

fn leeway() -> i64 {
    i64::try_from(LEEWAY.as_secs()).unwrap_or(60)
}
