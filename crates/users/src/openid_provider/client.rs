//! How a product proves that it is itself, and its proofs of possession.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jose::{Expected, JwkSet, Nonce, Token};
use platform::app::App;
use platform::db::DbError;
use platform::params;
use platform::time::{MINUTE, Timestamp};

use super::answer::Refusal;
use super::request::Params;
use super::{LEEWAY, issuer, product, seconds, sql};
use crate::products::{Authentication, Known, ProductId};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long ago an assertion may have been made, in seconds.
const ASSERTION_AGE: i64 = 300;
/// How long ago a proof may have been made, in seconds.
const PROOF_AGE: i64 = 120;

/// What a request says about who sends it.
enum Shown {
    Secret { id: String, secret: String },
    Assertion { id: String, assertion: String },
    Nothing { id: String },
}

/// One answer for an unknown product, a disabled one and a wrong secret.
fn refused() -> Refusal {
    Refusal::client("the product is unknown or disabled, or its credentials are wrong")
}

/// The product that sends this request to `path`, if it proves itself in the way it is registered for.
pub(crate) async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    params: &Params,
    path: &str,
) -> Result<Arc<Known>, Refusal> {
    let now = app.clock().now();
    let shown = shown(headers, params)?;
    let id = match &shown {
        Shown::Secret { id, .. } | Shown::Assertion { id, .. } | Shown::Nothing { id } => id,
    };
    let id: ProductId = id.parse().map_err(|_| refused())?;
    let known = product(app, id).await?.filter(|known| known.product.active).ok_or_else(refused)?;
    match (known.product.settings.authentication, &shown) {
        (Authentication::Secret, Shown::Secret { secret, .. }) if known.secret_fits(secret, now) => Ok(known),
        (Authentication::PrivateKeyJwt, Shown::Assertion { assertion, .. }) => {
            check_assertion(app, &known, assertion, path, now).await?;
            Ok(known)
        }
        (Authentication::None, Shown::Nothing { .. }) => Ok(known),
        _ => Err(refused()),
    }
}

fn shown(headers: &HeaderMap, params: &Params) -> Result<Shown, Refusal> {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (secret, assertion) = (params.get("client_secret"), params.get("client_assertion"));
    let ways =
        usize::from(basic.is_some()) + usize::from(secret.is_some()) + usize::from(assertion.is_some());
    if ways > 1 {
        return Err(Refusal::request("the product proves itself in more than one way: choose one"));
    }
    if let Some(basic) = basic {
        let (id, secret) = read_basic(basic).ok_or_else(refused)?;
        if params.get("client_id").is_some_and(|named| named != id) {
            return Err(Refusal::request("`client_id` is not the one in `Authorization`"));
        }
        return Ok(shown_secret(id, secret));
    }
    if let Some(assertion) = assertion {
        if params.get("client_assertion_type") != Some(ASSERTION) {
            return Err(Refusal::request(format!("`client_assertion_type` must be `{ASSERTION}`")));
        }
        let id = subject_of(assertion).ok_or_else(refused)?;
        if params.get("client_id").is_some_and(|named| named != id) {
            return Err(Refusal::request("`client_id` is not the subject of the assertion"));
        }
        return Ok(Shown::Assertion { id, assertion: assertion.to_owned() });
    }
    let id = params.get("client_id").ok_or_else(refused)?.to_owned();
    Ok(shown_secret(id, secret.unwrap_or_default().to_owned()))
}

/// An empty secret is none (RFC 6749 §2.3.1): programs without one send it so, oidc-agent for one.
fn shown_secret(id: String, secret: String) -> Shown {
    if secret.is_empty() { Shown::Nothing { id } } else { Shown::Secret { id, secret } }
}

/// RFC 6749 §2.3.1: both halves are form-encoded before base64.
fn read_basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let pair = format!("v={}", text.replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

/// Whom an assertion says it is of; only to find the keys that verify it.
fn subject_of(assertion: &str) -> Option<String> {
    let payload = jose::decode(assertion.split('.').nth(1)?)?;
    let claims = jose::json::object(&payload)?;
    Some(claims.get("sub")?.as_str()?.to_owned())
}

/// RFC 7523 §3: signed by a key of the product, for us, new, and not used before.
async fn check_assertion(
    app: &App,
    known: &Known,
    assertion: &str,
    path: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let wrong = |error: jose::Error| Refusal::client(format!("the assertion is not taken: {error}"));
    let keys = JwkSet::parse(known.product.settings.jwks.as_bytes()).map_err(wrong)?;
    let claims = Token::parse(assertion).map_err(wrong)?.verify(&keys.keys).map_err(wrong)?;
    let (id, issuer) = (known.product.id.to_string(), issuer(app));
    let (token, own) = (format!("{issuer}/oauth/token"), format!("{issuer}{path}"));
    let expected = Expected {
        issuer: &id,
        audience: &[&issuer, &token, &own],
        now: seconds(now),
        leeway: LEEWAY,
        age_max: ASSERTION_AGE,
        nonce: Nonce::Any,
    };
    claims.check(&expected).map_err(wrong)?;
    let jti = claims.text("jti").map_err(wrong)?;
    let end = now.plus(MINUTE * 15);
    if !spend(app, format!("assertion|{id}|{jti}"), end).await? {
        return Err(Refusal::client("this assertion was used before: make a new one for each request"));
    }
    Ok(())
}

/// Notes that something was used; `false` when it had been.
pub(crate) async fn spend(app: &App, what: String, until: Timestamp) -> Result<bool, DbError> {
    let hash = digest(&what);
    app.db().housekeeping(move |tx| Ok(tx.execute(&sql::SPEND, params![hash, until])? == 1)).await
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// The thumbprint of the key that signed this request, where it carries a proof (RFC 9449).
pub(crate) async fn proof(
    app: &App,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    access_token: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let mut sent = headers.get_all("dpop").iter();
    let Some(value) = sent.next() else { return Ok(None) };
    let wrong = |why: String| Refusal::new("invalid_dpop_proof", why);
    if sent.next().is_some() {
        return Err(wrong("there is more than one `DPoP` header".to_owned()));
    }
    let now = app.clock().now();
    let uri = format!("{}{path}", issuer(app));
    let expected =
        jose::dpop::Expected { method, uri: &uri, now: seconds(now), age_max: PROOF_AGE, access_token };
    let text = value.to_str().map_err(|_| wrong("it is not text".to_owned()))?;
    let proof = jose::dpop::verify(text, &expected).map_err(|error| wrong(error.to_string()))?;
    let what = format!("dpop|{}|{}", proof.thumbprint, proof.id);
    if !spend(app, what, now.plus(MINUTE * 5)).await? {
        return Err(wrong("this proof was used before: make a new one for each request".to_owned()));
    }
    Ok(Some(proof.thumbprint))
}
