//! Recognises who sends a request: an API token in `Authorization`, or a session's cookie.

use std::sync::Arc;

use axum::http::header;
use axum::http::request::Parts;
use futures_util::future::BoxFuture;
use platform::App;
use platform::ctx::Actor;
use platform::db::{DbError, ReadTx};
use platform::ids::Id;
use platform::web::access::{Credential, Proof, Visit};
use platform::web::browser::{SESSION_COOKIE, cookie};
use platform::web::{Authenticate, Principal, Problem};

use crate::tokens::{ApiToken, LinkToken};

struct Sessions;

/// The program's way to recognise callers.
pub fn authenticator() -> Arc<dyn Authenticate> {
    Arc::new(Sessions)
}

impl Authenticate for Sessions {
    fn authenticate<'a>(
        &'a self,
        app: &'a App,
        parts: &'a Parts,
    ) -> BoxFuture<'a, Result<Option<Principal>, Problem>> {
        Box::pin(async move {
            if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
                return by_token(app, value.to_str().unwrap_or_default()).await.map(Some);
            }
            match cookie(&parts.headers, SESSION_COOKIE) {
                Some(value) => by_session(app, value).await,
                None => Ok(None),
            }
        })
    }

    fn admits(&self, tx: &mut ReadTx, visit: &Visit) -> Result<Option<Problem>, DbError> {
        crate::policies::admit::admits(tx, visit)
    }
}

async fn by_token(app: &App, header: &str) -> Result<Principal, Problem> {
    let refuse = || Problem::sign_in().detail("the API token is unknown, expired or revoked");
    let token = header
        .strip_prefix("Bearer ")
        .and_then(|text| ApiToken::parse(text).ok())
        .ok_or_else(|| refuse().cure("send `Authorization: Bearer bwk_…`"))?;
    let now = app.clock().now();
    let found = app
        .db()
        .look_up(move |tx| crate::api_tokens::find(tx, token.hash(), now))
        .await?
        .ok_or_else(refuse)?;
    if found.last_used_due {
        let id = found.id;
        let noted = app.db().housekeeping(move |tx| crate::api_tokens::touch(tx, id, now)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note the use of an API token");
        }
    }
    Ok(Principal {
        actor: Actor::ApiToken { token: found.id.uuid(), organization: found.organization },
        account: None,
        name: found.name,
        email: String::new(),
        session: None,
        credential: Credential::ApiToken { organization: found.organization, scopes: found.scopes },
        proof: Proof::default(),
    })
}

/// A cookie that fits no live session is no credential at all: the page shows itself as to anybody.
async fn by_session(app: &App, value: &str) -> Result<Option<Principal>, Problem> {
    let Ok(token) = LinkToken::parse(value) else { return Ok(None) };
    let now = app.clock().now();
    let Some(live) = app.db().look_up(move |tx| super::find_live(tx, &token, now)).await? else {
        return Ok(None);
    };
    if live.seen_due {
        let used = live.clone();
        if let Err(error) = app.db().housekeeping(move |tx| super::touch(tx, &used, now)).await {
            tracing::warn!(%error, "cannot note the use of a session");
        }
    }
    Ok(Some(Principal {
        actor: Actor::Account(live.account),
        account: Some(live.account),
        name: live.name,
        email: live.email,
        session: Some(live.id.uuid()),
        credential: Credential::Session,
        proof: Proof { recent_until: live.recent_until, restricted: live.restricted },
    }))
}
