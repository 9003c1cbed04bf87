//! Who holds a token asks what it is worth now: introspection (RFC 7662), userinfo, and revocation (RFC 7009).

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jose::{Claims, Token};
use platform::db::{Commit, DbError, ReadTx};
use platform::events::Event;
use platform::params;
use platform::time::Timestamp;
use platform::{App, Ctx};
use serde_json::{Value, json};

use super::answer::{Refusal, json_with};
use super::client::{self, digest};
use super::grants::{self, Grant};
use super::issue;
use super::request::Params;
use super::{GrantId, issuer, keys, seconds, sql, state};
use crate::products::{self, Authentication, Known, ProductId, Standing};
use crate::sessions::provider_id;
use crate::tokens::LinkToken;

pub(crate) const INTROSPECT: &str = "/oauth/introspect";
pub(crate) const REVOKE: &str = "/oauth/revoke";
pub(crate) const USERINFO: &str = "/oauth/userinfo";

/// Access tokens whose signature was checked already, by hash, with their end. A signature cannot change, so this is no
/// cache of a decision: whether the token still holds is read each time.
#[derive(Default)]
pub(crate) struct Signatures(RwLock<HashMap<[u8; 32], i64>>);

const SIGNATURES_MAX: usize = 200_000;

impl Signatures {
    fn knows(&self, hash: &[u8; 32]) -> bool {
        self.0.read().is_ok_and(|known| known.contains_key(hash))
    }

    fn learn(&self, hash: [u8; 32], end: i64, now: i64) {
        let Ok(mut known) = self.0.write() else { return };
        if known.len() >= SIGNATURES_MAX {
            known.retain(|_, end| *end > now);
        }
        if known.len() < SIGNATURES_MAX {
            known.insert(hash, end);
        }
    }
}

/// The claims of an access token of ours that has not run out.
async fn access_claims(app: &App, text: &str, now: Timestamp) -> Result<Option<Claims>, DbError> {
    let Ok(token) = Token::parse(text).and_then(|token| token.of_type("at+jwt")) else { return Ok(None) };
    let keys = keys::ring(app, now).await?.public().keys;
    let published = keys.iter().any(|key| key.id.is_some() && key.id == token.header.key_id);
    let (state, hash, at) = (state(app), digest(text), seconds(now));
    let claims = match published && state.signatures.knows(&hash) {
        true => token.verified_before(),
        false => token.verify(&keys),
    };
    let Ok(claims) = claims else { return Ok(None) };
    let Ok(end) = claims.time("exp") else { return Ok(None) };
    if end <= at || claims.text("iss") != Ok(&issuer(app)) {
        return Ok(None);
    }
    state.signatures.learn(hash, end, at);
    Ok(Some(claims))
}

fn spent_key(jti: &str) -> [u8; 32] {
    digest(&format!("access|{jti}"))
}

/// What an access token stands for, read now.
enum Holder {
    /// A product itself.
    Product,
    Person(Box<Grant>, Standing),
}

/// Whether everything that an access token stands on still holds.
fn holder(
    tx: &mut ReadTx,
    claims: &Claims,
    now: Timestamp,
) -> Result<Option<(Holder, products::Product)>, DbError> {
    let (Ok(jti), Ok(client)) = (claims.text("jti"), claims.text("client_id")) else { return Ok(None) };
    if tx.first(&sql::SPENT, params![spent_key(jti)])?.is_some() {
        return Ok(None);
    }
    let Ok(client) = client.parse::<ProductId>() else { return Ok(None) };
    let Some(product) = products::get(tx, client)?.filter(|product| product.active) else { return Ok(None) };
    let Some(id) = claims.get("gid") else { return Ok(Some((Holder::Product, product))) };
    let Some(id) = id.as_str().and_then(|text| text.parse::<GrantId>().ok()) else { return Ok(None) };
    let Some(mut grant) = grants::find(tx, id, now)?.filter(|grant| grant.product == client) else {
        return Ok(None);
    };
    let Ok(standing) = grants::living(tx, &product, &grant, now)? else { return Ok(None) };
    // A token may have been issued for less than its grant.
    let scope = claims.text("scope").unwrap_or_default();
    grant.details.scopes = scope.split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    Ok(Some((Holder::Person(Box::new(grant), standing), product)))
}

// ---- introspection --------------------------------------------------------------------------------------------

pub(crate) async fn introspect(
    app: &App,
    ctx: &Ctx,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let params = Params::parse(body)?;
    let known = client::authenticate(app, headers, &params, INTROSPECT).await?;
    if known.product.settings.authentication == Authentication::None {
        return Err(Refusal::client("only a product that proves itself may look into tokens"));
    }
    let text = params.need("token")?;
    let answer = match LinkToken::parse(text) {
        Ok(token) => refresh_answer(app, &known, token, ctx.now).await?,
        Err(_) => access_answer(app, &known, text, ctx.now).await?,
    };
    Ok(json_with(StatusCode::OK, &answer.unwrap_or_else(|| json!({ "active": false }))))
}

async fn access_answer(
    app: &App,
    caller: &Known,
    text: &str,
    now: Timestamp,
) -> Result<Option<Value>, DbError> {
    let Some(claims) = access_claims(app, text, now).await? else { return Ok(None) };
    let caller = &caller.product;
    let own = claims.text("client_id") == Ok(&caller.id.to_string());
    let resource = !caller.settings.resource.is_empty()
        && claims.audiences().contains(&caller.settings.resource.as_str());
    if !own && !resource {
        return Ok(None);
    }
    let asked = claims.clone();
    let found = app.db().look_up(move |tx| holder(tx, &asked, now)).await?;
    let Some((holder, _)) = found else { return Ok(None) };
    let mut answer = json!({ "active": true, "token_type": "Bearer" });
    for name in
        ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "auth_time", "acr", "amr", "cnf"]
    {
        if let Some(value) = claims.get(name) {
            answer[name] = value.clone();
        }
    }
    if claims.get("cnf").is_some() {
        answer["token_type"] = json!("DPoP");
    }
    if let Holder::Person(grant, standing) = holder {
        answer["username"] = json!(grant.email);
        // As they are now, not as they were when the token was made.
        if grant.details.has("roles") {
            answer["roles"] = json!(standing.roles);
        }
    }
    Ok(Some(answer))
}

async fn refresh_answer(
    app: &App,
    caller: &Known,
    token: LinkToken,
    now: Timestamp,
) -> Result<Option<Value>, DbError> {
    let product = caller.product.clone();
    let found = app
        .db()
        .look_up(move |tx| {
            let Some((grant, end)) = grants::of_refresh(tx, &token, now)? else { return Ok(None) };
            let own = grant.product == product.id && grants::living(tx, &product, &grant, now)?.is_ok();
            Ok::<_, DbError>(own.then_some((grant, end)))
        })
        .await?;
    Ok(found.map(|(grant, end)| {
        json!({
            "active": true,
            "token_type": "refresh_token",
            "client_id": grant.product,
            "sub": grant.account,
            "username": grant.email,
            "scope": grant.details.scopes.join(" "),
            "exp": seconds(end),
        })
    }))
}

// ---- userinfo -------------------------------------------------------------------------------------------------

pub(crate) async fn userinfo(
    app: &App,
    ctx: &Ctx,
    method: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let (scheme, text) = presented(headers, body)?;
    let dead = || Refusal::token("the access token is unknown, expired or revoked");
    let claims = access_claims(app, &text, ctx.now).await?.ok_or_else(dead)?;
    check_binding(app, method, headers, &scheme, &text, &claims).await?;
    if !claims.audiences().contains(&issuer(app).as_str()) {
        return Err(Refusal::token("the access token is not for here"));
    }
    let now = ctx.now;
    let found = app
        .db()
        .look_up(move |tx| {
            let Some((Holder::Person(grant, standing), product)) = holder(tx, &claims, now)? else {
                return Ok(None);
            };
            let about = issue::about(tx, &product, grant.account, &standing, &grant.details.scopes)?;
            Ok::<_, DbError>(Some((grant, about)))
        })
        .await?;
    let (grant, about) = found.ok_or_else(dead)?;
    if !grant.details.has("openid") {
        return Err(Refusal {
            status: StatusCode::FORBIDDEN,
            challenge: Some("Bearer error=\"insufficient_scope\", scope=\"openid\"".to_owned()),
            ..Refusal::new("insufficient_scope", "the access token lacks the scope `openid`")
        });
    }
    let mut answer = issue::person_claims(&grant, &about, &grant.details.claims_userinfo);
    answer.insert("sub".into(), json!(grant.account));
    Ok(json_with(StatusCode::OK, &Value::Object(answer)))
}

/// The token of a request and how it came: in the header, or in a form (RFC 6750 §2.2). Never in the address.
fn presented(headers: &HeaderMap, body: &[u8]) -> Result<(String, String), Refusal> {
    let missing =
        || Refusal { challenge: Some("Bearer".to_owned()), ..Refusal::token("send an access token") };
    let in_header = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let in_form = if form { Params::parse(body)?.get("access_token").map(str::to_owned) } else { None };
    match (in_header, in_form) {
        (Some(_), Some(_)) => Err(Refusal::request("the access token is there twice")),
        (None, Some(token)) => Ok(("bearer".to_owned(), token)),
        (Some(line), None) => {
            let (scheme, token) = line.split_once(' ').ok_or_else(missing)?;
            let scheme = scheme.to_ascii_lowercase();
            if scheme == "bearer" || scheme == "dpop" {
                Ok((scheme, token.trim().to_owned()))
            } else {
                Err(missing())
            }
        }
        (None, None) => Err(missing()),
    }
}

/// A token that is bound to a key works with a proof of that key only (RFC 9449 §7.1).
async fn check_binding(
    app: &App,
    method: &str,
    headers: &HeaderMap,
    scheme: &str,
    text: &str,
    claims: &Claims,
) -> Result<(), Refusal> {
    let bound = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
    let wrong = || Refusal {
        challenge: Some("DPoP error=\"invalid_token\", algs=\"ES256 EdDSA RS256\"".to_owned()),
        ..Refusal::token("the access token and its proof do not fit together")
    };
    match (bound, scheme) {
        (None, "bearer") => Ok(()),
        (Some(jkt), "dpop") => {
            let proof = client::proof(app, headers, method, USERINFO, Some(text))
                .await
                .map_err(|refusal| Refusal { description: refusal.description, ..wrong() })?;
            if proof.as_deref() == Some(jkt) { Ok(()) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

// ---- revocation -----------------------------------------------------------------------------------------------

/// Ends a token of the calling product: a refresh token with its whole family, an access token alone. What is not its own
/// or is no token gets the same answer (RFC 7009 §2.2).
pub(crate) async fn revoke(
    app: &App,
    ctx: &Ctx,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let params = Params::parse(body)?;
    let known = client::authenticate(app, headers, &params, REVOKE).await?;
    let text = params.need("token")?;
    match LinkToken::parse(text) {
        Ok(token) => revoke_refresh(app, ctx, &known, token).await?,
        Err(_) => revoke_access(app, ctx, &known, text).await?,
    }
    let mut response = StatusCode::OK.into_response();
    super::answer::open(&mut response);
    Ok(response)
}

async fn revoke_refresh(app: &App, ctx: &Ctx, known: &Arc<Known>, token: LinkToken) -> Result<(), DbError> {
    let (product, now) = (known.product.id, ctx.now);
    app.db()
        .write(ctx, move |tx| match grants::of_refresh(tx, &token, now)? {
            Some((grant, _)) if grant.product == product => grants::end(tx, grant.id, "by_the_product", now),
            _ => Ok(Commit::unchanged(false)),
        })
        .await?;
    Ok(())
}

async fn revoke_access(app: &App, ctx: &Ctx, known: &Arc<Known>, text: &str) -> Result<(), DbError> {
    let Some(claims) = access_claims(app, text, ctx.now).await? else { return Ok(()) };
    let (Ok(jti), Ok(end)) = (claims.text("jti"), claims.time("exp")) else { return Ok(()) };
    if claims.text("client_id") != Ok(&known.product.id.to_string()) {
        return Ok(());
    }
    let (hash, end, product) = (spent_key(jti), Timestamp::from_micros(end * 1_000_000), known.product.id);
    app.db()
        .write(ctx, move |tx| {
            if tx.execute(&sql::REVOKE_TOKEN, params![hash, end])? == 0 {
                return Ok::<_, DbError>(Commit::unchanged(()));
            }
            let event = Event::new(provider_id(tx)?, "product.token_revoked").target("product", product);
            let recorded = tx.record(event);
            Ok(Commit::changed((), recorded))
        })
        .await?;
    Ok(())
}
