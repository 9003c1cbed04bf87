//! The code for tokens, and the access token for what userinfo says.

use axum::http::{HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jose::json;
use platform::App;
use platform::outbound::Request;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Failure, Metadata, Oidc, Place, Trouble, fetch, shown};
use crate::single_sign_on::{ClientProof, Connection};

/// What the token endpoint gave.
pub(super) struct Tokens {
    pub id_token: String,
    pub access_token: Option<String>,
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn secret_header(value: String) -> Result<HeaderValue, Trouble> {
    let wrong = |_| Trouble::new(Place::Token, "client_secret", "it holds characters that no header takes");
    let mut value = HeaderValue::try_from(value).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Changes the code into tokens.
pub(super) async fn tokens(
    app: &App,
    connection: &Connection,
    settings: &Oidc,
    metadata: &Metadata,
    code: &str,
    verifier: &str,
) -> Result<Tokens, Failure> {
    let request = request(app, connection, settings, metadata, code, verifier)?;
    let answer = fetch(app, Place::Token, "token_endpoint", request).await?;
    Ok(read(answer.status.as_u16(), &answer.body)?)
}

fn request(
    app: &App,
    connection: &Connection,
    settings: &Oidc,
    metadata: &Metadata,
    code: &str,
    verifier: &str,
) -> Result<Request, Failure> {
    let secret = connection.secret(app.keyring())?;
    let secret = secret.as_ref().map(|secret| String::from_utf8_lossy(secret.expose()).into_owned());
    let secret = secret.unwrap_or_default();
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &super::super::redirect_uri(app, connection.id))
        .append_pair("code_verifier", verifier);
    let mut authorization = None;
    match settings.client_proof {
        ClientProof::SecretBasic => {
            // Both are form-encoded first (RFC 6749 §2.3.1).
            let pair = format!("{}:{}", escaped(&settings.client_id), escaped(&secret));
            authorization = Some(secret_header(format!("Basic {}", STANDARD.encode(pair)))?);
        }
        ClientProof::SecretPost => {
            form.append_pair("client_id", &settings.client_id).append_pair("client_secret", &secret);
        }
        ClientProof::None => {
            form.append_pair("client_id", &settings.client_id);
        }
    }
    let mut request = Request::post(metadata.token_endpoint.clone(), form.finish());
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(header::CONTENT_TYPE, form_type);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = authorization {
        request.headers.insert(header::AUTHORIZATION, authorization);
    }
    Ok(request)
}

fn read(status: u16, body: &[u8]) -> Result<Tokens, Trouble> {
    let object = json::object(body);
    if status != 200 {
        let text = |name: &str| {
            object.as_ref().and_then(|object| object.get(name)).and_then(Value::as_str).map(shown)
        };
        let error = text("error").unwrap_or_else(|| format!("status {status}"));
        let cure = match error.as_str() {
            "invalid_client" => ": check client id, client secret and how the secret is sent",
            "invalid_grant" => ": the code was used, has expired, or was made for another redirect address",
            _ => "",
        };
        let said = text("error_description").map(|words| format!(" (“{words}”)")).unwrap_or_default();
        return Err(Trouble::new(Place::Token, "error", format!("the provider says `{error}`{said}{cure}")));
    }
    let object = object.ok_or_else(|| Trouble::new(Place::Token, "", "the answer is no JSON object"))?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let bearer = text("token_type").is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let id_token = text("id_token").ok_or_else(|| {
        Trouble::new(Place::Token, "id_token", "it is missing: is `openid` among the scopes?")
    })?;
    Ok(Tokens { id_token, access_token: text("access_token").filter(|_| bearer) })
}

/// What userinfo says, if it speaks of the subject of the ID token (OpenID Connect Core 1.0 §5.3.2).
pub(super) async fn userinfo(
    app: &App,
    address: &str,
    access_token: &str,
    subject: &str,
) -> Result<Map<String, Value>, Trouble> {
    let mut request = Request::get(address);
    request.headers.insert(header::AUTHORIZATION, secret_header(format!("Bearer {access_token}"))?);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let answer = fetch(app, Place::Userinfo, "userinfo_endpoint", request).await?;
    if answer.status.as_u16() != 200 {
        let detail = format!("it answers {}", answer.status.as_u16());
        return Err(Trouble::new(Place::Userinfo, "userinfo_endpoint", detail));
    }
    let claims = json::object(&answer.body)
        .ok_or_else(|| Trouble::new(Place::Userinfo, "", "the answer is no JSON object"))?;
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        let detail = "it is missing or not the subject of the ID token: this may be somebody else";
        return Err(Trouble::new(Place::Userinfo, "sub", detail));
    }
    Ok(claims)
}
