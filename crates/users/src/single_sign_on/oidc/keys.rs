//! The provider's keys, kept, and looked for again when a token names one that is not among them.

use std::sync::Arc;

use jose::JwkSet;
use platform::App;
use platform::outbound::Request;
use platform::time::Timestamp;

use super::{KEYS_AGAIN, KEYS_KEPT, Metadata, Place, Trouble, fetch, recall, remember, state};

fn trouble(detail: impl Into<String>) -> Trouble {
    Trouble::new(Place::Keys, "jwks_uri", detail)
}

/// As they are kept, with the time of the look.
pub(super) async fn keys_of(
    app: &App,
    metadata: &Metadata,
    now: Timestamp,
) -> Result<(Timestamp, Arc<JwkSet>), Trouble> {
    let state = state(app);
    if let Some(kept) = recall(&state.keys, &metadata.jwks_uri, now, KEYS_KEPT) {
        return Ok(kept);
    }
    Ok((now, ask(app, metadata, now).await?))
}

/// The keys as they are now, unless somebody looked within the last minute.
pub(super) async fn keys_again(
    app: &App,
    metadata: &Metadata,
    looked: Timestamp,
    now: Timestamp,
) -> Result<Option<Arc<JwkSet>>, Trouble> {
    if now.since(looked) < KEYS_AGAIN {
        return Ok(None);
    }
    ask(app, metadata, now).await.map(Some)
}

pub(super) async fn ask(app: &App, metadata: &Metadata, now: Timestamp) -> Result<Arc<JwkSet>, Trouble> {
    let answer = fetch(app, Place::Keys, "jwks_uri", Request::get(metadata.jwks_uri.clone())).await?;
    if answer.status.as_u16() != 200 {
        return Err(trouble(format!("it answers {}", answer.status.as_u16())));
    }
    let set = JwkSet::parse(&answer.body).map_err(|error| trouble(error.to_string()))?;
    if set.keys.is_empty() {
        return Err(trouble("it holds no key that signs with ES256, EdDSA or RS256"));
    }
    Ok(remember(&state(app).keys, &metadata.jwks_uri, now, set))
}
