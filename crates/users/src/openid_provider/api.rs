//! The protocol's endpoints, and the console's acts as JSON.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::access::Permission;
use platform::db::DbError;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Limit, Method, Openness, Routes};
use platform::web::{self, Access, Problem};
use platform::{App, Ctx};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{self, Refusal, json_with};
use super::request::{self, Params};
use super::{
    DEVICE_LIFETIME, PUSHED_LIFETIME, authorize, client, device, grants, inspect, issuer, keys, metadata,
    token,
};
use crate::products::{GrantType, ProductId};

pub(super) const PAR: &str = "/oauth/par";
const DEVICE: &str = "/oauth/device_authorization";
const APPS: &str = "/api/v1/account/apps";
/// Bytes of a request: the longest that is kept, escaped, and what proves the client.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// What a pushed request is called; behind it stands its token.
pub(super) const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";
const TOKENS: &str = "tokens follow from what a person or the provider decided and recorded; own tokens of products are counted";

pub(crate) fn routes() -> Routes {
    let mut all = Routes::new()
        .add(documented(routes::get(
            "/.well-known/openid-configuration",
            "openid.metadata",
            Openness::Public,
            discovery,
        )))
        .add(documented(routes::get(
            "/.well-known/oauth-authorization-server",
            "openid.metadata_oauth",
            Openness::Public,
            discovery,
        )))
        .add(documented(routes::get("/oauth/jwks", "openid.keys", Openness::Public, jwks)))
        .add(asked(routes::post(token::PATH, "oauth.token", Openness::Public, token_endpoint)))
        .add(asked(routes::post(inspect::INTROSPECT, "oauth.introspect", Openness::Public, introspect)))
        .add(documented(routes::get(inspect::USERINFO, "openid.userinfo", Openness::Public, userinfo_get)))
        .add(asked(routes::post(inspect::USERINFO, "openid.userinfo_post", Openness::Public, userinfo_post)))
        .add(
            routes::post(inspect::REVOKE, "oauth.revoke", Openness::Public, revoke)
                .plain()
                .body_bytes_max(BODY_BYTES_MAX)
                .limit(Limit::None)
                .records("product."),
        )
        .add(
            routes::post(PAR, "oauth.push", Openness::Public, push)
                .plain()
                .body_bytes_max(BODY_BYTES_MAX)
                .records_nothing("a request is kept for a minute; what becomes of it is recorded"),
        )
        .add(
            routes::post(DEVICE, "oauth.device", Openness::Public, device_begin)
                .plain()
                .body_bytes_max(BODY_BYTES_MAX)
                .records_nothing("a code is kept for minutes; what its person decides is recorded"),
        );
    for (path, action) in [
        (token::PATH, "oauth.token_preflight"),
        (inspect::USERINFO, "openid.userinfo_preflight"),
        (inspect::REVOKE, "oauth.revoke_preflight"),
        (PAR, "oauth.push_preflight"),
    ] {
        all = all.add(
            routes::route(Method::OPTIONS, path, action, Openness::Public, preflight)
                .plain()
                .limit(Limit::None)
                .records_nothing("a browser asks what it may send"),
        );
    }
    all.merge(console_routes())
}

fn documented(route: routes::Route) -> routes::Route {
    route.plain().limit(Limit::None)
}

/// Asked by programs as often as they like: they prove themselves by 256 random bits, which nobody guesses.
fn asked(route: routes::Route) -> routes::Route {
    route.plain().limit(Limit::None).body_bytes_max(BODY_BYTES_MAX).records_nothing(TOKENS)
}

fn console_routes() -> Routes {
    Routes::new()
        .add(
            routes::get(APPS, "app.list", Openness::SignedIn, apps)
                .summary("Products you are signed in to")
                .gives::<Vec<AppView>>(200),
        )
        .add(
            routes::delete("/api/v1/account/apps/{product}", "app.revoke", Openness::SignedIn, end_app)
                .summary("Sign out of a product for good: its tokens end, and it must ask again")
                .gives_nothing(204)
                .records("product."),
        )
        .add(
            routes::post(
                "/api/v1/provider/oauth-keys/rotate",
                "oauth_key.rotate",
                Openness::Provider(Permission::ProviderManage),
                rotate_keys,
            )
            .recent()
            .summary("Replace all signing keys at once: for a leak. Tokens signed by the old ones are worth nothing")
            .gives::<RotatedView>(200)
            .records("oauth_key."),
        )
}

async fn preflight() -> Response {
    answer::preflight()
}

fn public_json(value: &Value, seconds: u32) -> Response {
    let mut response = json_with(StatusCode::OK, value);
    if let Ok(kept) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
    }
    response
}

async fn discovery(State(app): State<App>) -> Response {
    public_json(&metadata::document(&app), 300)
}

async fn jwks(State(app): State<App>, access: Access) -> Response {
    let first = keys::signer(&app, &access.ctx, jose::Algorithm::Es256).await;
    if let Err(refusal) = first {
        return refusal.into_response();
    }
    match keys::ring(&app, access.ctx.now).await {
        Ok(ring) => public_json(&ring.public().to_value(), 300),
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// Bodies are forms and nothing else.
fn form(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = kind.split(';').next().unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(Refusal::request("the body must be `application/x-www-form-urlencoded`"))
}

fn given(answer: Result<Response, Refusal>) -> Response {
    answer.unwrap_or_else(IntoResponse::into_response)
}

async fn token_endpoint(State(app): State<App>, access: Access, headers: HeaderMap, body: Bytes) -> Response {
    given(match form(&headers) {
        Ok(()) => token::answer(&app, &access.ctx, &headers, &body).await,
        Err(refusal) => Err(refusal),
    })
}

async fn introspect(State(app): State<App>, access: Access, headers: HeaderMap, body: Bytes) -> Response {
    given(match form(&headers) {
        Ok(()) => inspect::introspect(&app, &access.ctx, &headers, &body).await,
        Err(refusal) => Err(refusal),
    })
}

async fn revoke(State(app): State<App>, access: Access, headers: HeaderMap, body: Bytes) -> Response {
    given(match form(&headers) {
        Ok(()) => inspect::revoke(&app, &access.ctx, &headers, &body).await,
        Err(refusal) => Err(refusal),
    })
}

async fn userinfo_get(State(app): State<App>, access: Access, headers: HeaderMap) -> Response {
    given(inspect::userinfo(&app, &access.ctx, "GET", &headers, b"").await)
}

async fn userinfo_post(State(app): State<App>, access: Access, headers: HeaderMap, body: Bytes) -> Response {
    given(inspect::userinfo(&app, &access.ctx, "POST", &headers, &body).await)
}

async fn push(State(app): State<App>, access: Access, headers: HeaderMap, body: Bytes) -> Response {
    given(pushed(&app, &access.ctx, &headers, &body).await)
}

/// RFC 9126: the request is checked whole before it is kept, so that the product hears at once what is wrong.
async fn pushed(app: &App, ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    form(headers)?;
    let params = Params::parse(body)?;
    let known = client::authenticate(app, headers, &params, PAR).await?;
    let jkt = client::proof(app, headers, "POST", PAR, None).await?;
    if let (Some(jkt), Some(named)) = (&jkt, params.get("dpop_jkt"))
        && jkt != named
    {
        return Err(Refusal::new("invalid_dpop_proof", "`dpop_jkt` is not the key of the proof"));
    }
    request::redirect_uri(&known.product, &params)?;
    let published = keys::ring(app, ctx.now).await?.public();
    request::read(&known.product, &params, &issuer(app), &published)?;
    let params = params.to_keep()?;
    let (at, product) = (ctx.clone(), known.product.id);
    let token = app.db().housekeeping(move |tx| authorize::keep(&at, tx, product, "pushed", &params)).await?;
    let body = json!({
        "request_uri": format!("{PUSHED}{}", token.text()),
        "expires_in": PUSHED_LIFETIME.as_secs(),
    });
    Ok(json_with(StatusCode::CREATED, &body))
}

async fn device_begin(State(app): State<App>, access: Access, headers: HeaderMap, body: Bytes) -> Response {
    given(device_begun(&app, &access.ctx, &headers, &body).await)
}

async fn device_begun(app: &App, ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    form(headers)?;
    let params = Params::parse(body)?;
    let known = client::authenticate(app, headers, &params, DEVICE).await?;
    if !known.product.settings.allows(GrantType::DeviceCode) {
        return Err(Refusal::new("unauthorized_client", "this product is not registered for `device_code`"));
    }
    let (at, product) = (ctx.clone(), known.product.clone());
    let begun = app.db().housekeeping(move |tx| device::begin(&at, tx, &product, &params)).await?;
    let page = format!("{}{}", issuer(app), super::pages::DEVICE);
    let body = json!({
        "device_code": begun.device_code.text(),
        "user_code": begun.user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", begun.user_code),
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": device::INTERVAL.as_secs(),
    });
    Ok(json_with(StatusCode::OK, &body))
}

// ---- the console's acts ---------------------------------------------------------------------------------------

/// A product somebody is signed in to.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SignedInApp)]
pub struct AppView {
    #[schema(value_type = String)]
    pub product: ProductId,
    pub name: String,
    /// What you agreed to; empty where the provider vouches for the product.
    pub scopes: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    pub last_sign_in: Timestamp,
    /// Whether it may go on while you are signed out.
    pub offline: bool,
}

async fn apps(State(app): State<App>, access: Access) -> web::Result {
    let (account, now) = (access.account()?, access.ctx.now);
    let found = app.db().read(move |tx| grants::apps_of(tx, account, now)).await?;
    let views: Vec<AppView> = found
        .into_iter()
        .map(|app| AppView {
            product: app.product,
            name: app.name,
            scopes: app.scopes.split_whitespace().map(str::to_owned).collect(),
            last_sign_in: app.last_at,
            offline: app.offline,
        })
        .collect();
    Ok(Json(views).into_response())
}

pub(super) async fn leave(app: &App, access: &Access, product: ProductId) -> Result<(), Problem> {
    let (account, now) = (access.account()?, access.ctx.now);
    let done = app
        .db()
        .write(&access.ctx, move |tx| grants::end_at(tx, account, product, now))
        .await
        .map_err(Problem::from)?;
    if done.value { Ok(()) } else { Err(Problem::not_found("app that you are signed in to")) }
}

async fn end_app(State(app): State<App>, access: Access, Path(product): Path<ProductId>) -> web::Result {
    leave(&app, &access, product).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = RotatedKeys)]
pub struct RotatedView {
    /// How many new keys sign now.
    pub keys: usize,
}

pub(crate) async fn rotate(app: &App, ctx: &Ctx) -> Result<usize, Problem> {
    keys::replace_all(app, ctx).await.map_err(|refusal| {
        tracing::error!(why = refusal.description, "signing keys were not replaced");
        Problem::from(DbError::Other { statement: "oauth_keys", message: refusal.description })
    })
}

async fn rotate_keys(State(app): State<App>, access: Access) -> web::Result {
    let keys = rotate(&app, &access.ctx).await?;
    Ok(Json(RotatedView { keys }).into_response())
}
