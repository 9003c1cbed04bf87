//! The OpenID provider: products sign people in through us, and programs get tokens of their own.
//!
//! OAuth 2.1: the code flow with PKCE (S256, always), refresh tokens that rotate, client credentials and the device flow
//! (RFC 8628); no implicit grant, no passwords. With it pushed requests (RFC 9126), DPoP (RFC 9449), introspection
//! (RFC 7662), revocation (RFC 7009), issuer in every answer (RFC 9207), logout by the product and to all products.
//!
//! It promises:
//! - **A grant is one family.** One sign-in at a product makes one grant ([`grants`]); its code, access tokens and refresh
//!   tokens live and die with it. A code or refresh token that comes twice ends it.
//! - **Every use asks again.** Refresh, introspection and userinfo ask whether the account, its session (unless the grant is
//!   for offline use), the product and its access rules still hold. Nothing is answered from memory that a change could
//!   have made wrong.
//! - **Answers go only to registered addresses.** What is wrong before the address is known to be the product's own is said
//!   on a page of ours.
//! - **Access tokens are signed JWTs** (RFC 9068) of ten minutes: whoever only checks the signature is at most so late.
//!
//! Start with [`grants`], then [`request`] (what is asked), [`authorize`] (what is decided), `token` (what is issued).

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use platform::App;
use platform::db::{DbError, EngineKind};
use platform::time::{DAY, MINUTE, SECOND, Timestamp};

use crate::products::{self, Known, ProductId};

pub(crate) mod account_pages;
pub(crate) mod answer;
pub(crate) mod api;
pub mod authorize;
pub(crate) mod client;
pub(crate) mod device;
pub mod grants;
pub(crate) mod inspect;
pub(crate) mod issue;
pub(crate) mod jobs;
pub mod keys;
pub(crate) mod logout;
pub(crate) mod metadata;
pub mod meter;
pub(crate) mod pages;
pub mod request;
pub(crate) mod sql;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod token;

platform::id! {
    /// One sign-in of a person at a product.
    GrantId,
    /// A signing key.
    KeyId
}

/// A code is changed into tokens at once.
pub const CODE_LIFETIME: Duration = MINUTE;
pub const ACCESS_LIFETIME: Duration = Duration::from_secs(600);
pub const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(600);
/// A refresh token that is not used for so long ends.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * DAY.as_secs());
/// A grant ends after this, however it is used: then the person signs in again.
pub const GRANT_LIFETIME: Duration = Duration::from_secs(180 * DAY.as_secs());
pub const PUSHED_LIFETIME: Duration = MINUTE;
/// How long a request waits for its person.
pub const WAITING_LIFETIME: Duration = Duration::from_secs(1800);
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(900);
/// How far clocks of products may differ from ours, in seconds.
pub(crate) const LEEWAY: i64 = 30;

/// How long a product is kept: a shell on the server's machine changes the store without this process.
const PRODUCT_KEPT: Duration = SECOND;

/// Products as they were read at one version of the store.
#[derive(Default)]
struct Products {
    version: u64,
    known: HashMap<ProductId, (Timestamp, Arc<Known>)>,
}

/// What the provider keeps in memory; a service of the program.
#[derive(Default)]
pub struct State {
    keys: keys::Cache,
    products: RwLock<Products>,
    signatures: inspect::Signatures,
    pub meter: meter::Meter,
}

/// Where there is no such service (a part of the program under test) nothing is kept, and all is read.
pub(crate) fn state(app: &App) -> Arc<State> {
    app.find_service().unwrap_or_default()
}

/// A product with its secrets, to prove a caller by. With SQLite, where every change of a running server passes this
/// process, it is kept until the next recorded change of anything, and a second at most; with PostgreSQL other nodes write
/// too, so it is read each time. What a token is worth is never decided from here.
pub(crate) async fn product(app: &App, id: ProductId) -> Result<Option<Arc<Known>>, DbError> {
    let state = state(app);
    // Taken before the read: a change in between makes the entry stale at once.
    let (version, now) = (*app.db().commits().borrow(), app.clock().now());
    let keeps = app.db().kind() == EngineKind::Sqlite;
    if keeps
        && let Ok(kept) = state.products.read()
        && kept.version == version
        && let Some((read_at, found)) = kept.known.get(&id)
        && now.since(*read_at) < PRODUCT_KEPT
    {
        return Ok(Some(found.clone()));
    }
    let found = app.db().read(move |tx| products::known(tx, id)).await?.map(Arc::new);
    if keeps
        && let Some(found) = &found
        && let Ok(mut kept) = state.products.write()
    {
        if kept.version != version {
            *kept = Products { version, known: HashMap::new() };
        }
        kept.known.insert(id, (now, found.clone()));
    }
    Ok(found)
}

/// The issuer: `iss` of every token, the base of every endpoint.
pub(crate) fn issuer(app: &App) -> String {
    app.config().public_origin()
}

/// Seconds since 1970, as tokens count.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}
