//! What an authorization request asks: read strictly, into one type. Pure.

use jose::{JwkSet, Token};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::Refusal;
use crate::products::{GrantType, Product};

/// Parameters as they came: each at most once, empty ones left out (RFC 6749 §3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params(Vec<(String, String)>);

const PARAMETERS_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 8 * 1024;

impl Params {
    /// From `application/x-www-form-urlencoded` text.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if all.len() >= PARAMETERS_MAX || value.len() > VALUE_BYTES_MAX || name.len() > 100 {
                return Err(Refusal::request("there are too many or too long parameters"));
            }
            // `resource` alone may come several times (RFC 8707).
            if name != "resource" && all.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::request(format!("`{name}` is there twice: send it once")));
            }
            all.push((name.into_owned(), value.into_owned()));
        }
        all.retain(|(_, value)| !value.is_empty());
        Ok(Self(all))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::request(format!("`{name}` is missing")))
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What may be stored of it: the parameters that [`read`] knows, without what proves the client, and no more of them
    /// than a request needs.
    pub fn to_keep(&self) -> Result<ToKeep, Refusal> {
        let known = self.0.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        let kept: Vec<(String, String)> = known.cloned().collect();
        if kept.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > KEPT_BYTES_MAX {
            return Err(Refusal::request(format!("the request has more than {KEPT_BYTES_MAX} bytes")));
        }
        Ok(ToKeep(Self(kept)))
    }
}

/// Parameters that may be stored.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ToKeep(Params);

/// What a request that is kept may say; whatever else came says nothing here.
const KEPT: [&str; 16] = [
    "claims",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// What `prompt` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Prompt {
    pub none: bool,
    /// `login`, and `select_account`, which here is the same: one browser holds one session.
    pub login: bool,
    pub consent: bool,
}

/// A request whose product and redirect address are known to belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub scopes: Vec<String>,
    pub nonce: Option<String>,
    pub challenge: String,
    pub prompt: Prompt,
    /// Seconds.
    pub max_age: Option<u64>,
    pub login_hint: String,
    /// Whom the product expects to sign in: the subject of `id_token_hint`.
    pub expects: Option<String>,
    pub resources: Vec<String>,
    pub jkt: Option<String>,
    pub claims_userinfo: Vec<String>,
    pub claims_id_token: Vec<String>,
}

/// Where answers to a request go: an address of this product, letter for letter. Until this is known, nothing does.
pub fn redirect_uri(product: &Product, params: &Params) -> Result<String, Refusal> {
    let asked = params.need("redirect_uri")?;
    if !product.settings.redirect_uris.iter().any(|uri| uri == asked) {
        return Err(Refusal::request(
            "`redirect_uri` is not one that this product has registered; they are compared letter for letter",
        ));
    }
    Ok(asked.to_owned())
}

/// Reads the rest of a request; refusals may go to its redirect address.
pub fn read(product: &Product, params: &Params, issuer: &str, keys: &JwkSet) -> Result<Request, Refusal> {
    refuse_what_is_not_done(params)?;
    match params.get("response_type") {
        Some("code") => {}
        None => return Err(Refusal::request("`response_type` is missing: it is `code`")),
        Some(_) => {
            return Err(Refusal::new("unsupported_response_type", "the only `response_type` is `code`"));
        }
    }
    if !product.settings.allows(GrantType::AuthorizationCode) {
        let why = "this product is not registered for `authorization_code`";
        return Err(Refusal::new("unauthorized_client", why));
    }
    let (claims_userinfo, claims_id_token) = claims(params.get("claims"))?;
    let expects = match params.get("id_token_hint") {
        Some(hint) => Some(hinted(hint, issuer, product, keys)?),
        None => None,
    };
    Ok(Request {
        redirect_uri: redirect_uri(product, params)?,
        state: bounded(params, "state", 4096)?,
        scopes: scopes(product, params.get("scope").unwrap_or_default()),
        nonce: bounded(params, "nonce", 1024)?,
        challenge: challenge(params)?,
        prompt: prompt(params.get("prompt"))?,
        max_age: max_age(params)?,
        login_hint: params.get("login_hint").unwrap_or_default().chars().take(254).collect(),
        expects,
        resources: resources(product, params)?,
        jkt: bounded(params, "dpop_jkt", 100)?,
        claims_userinfo,
        claims_id_token,
    })
}

fn refuse_what_is_not_done(params: &Params) -> Result<(), Refusal> {
    if params.get("request").is_some() {
        return Err(Refusal::new(
            "request_not_supported",
            "request objects are not taken: push the request (PAR)",
        ));
    }
    if params.get("request_uri").is_some() {
        return Err(Refusal::new(
            "request_uri_not_supported",
            "`request_uri` must be one that the PAR endpoint gave",
        ));
    }
    if params.get("registration").is_some() {
        return Err(Refusal::new("registration_not_supported", "products are registered by the provider"));
    }
    match params.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(Refusal::request("the only `response_mode` is `query`")),
    }
}

fn bounded(params: &Params, name: &str, max: usize) -> Result<Option<String>, Refusal> {
    match params.get(name) {
        Some(value) if value.len() > max => {
            Err(Refusal::request(format!("`{name}` has more than {max} bytes")))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

/// What is asked and the product may have, in the order asked; unknown scopes are left out (OpenID Connect Core §3.1.2.1).
pub fn scopes(product: &Product, asked: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        let may = product.settings.scopes.iter().any(|one| one == scope);
        if may && !out.iter().any(|one| one == scope) {
            out.push(scope.to_owned());
        }
    }
    out
}

fn challenge(params: &Params) -> Result<String, Refusal> {
    let cure = "PKCE is required: send `code_challenge` with `code_challenge_method=S256`";
    let challenge = params.get("code_challenge").ok_or_else(|| Refusal::request(cure))?;
    if params.get("code_challenge_method") != Some("S256") {
        return Err(Refusal::request(cure));
    }
    if jose::decode(challenge).is_none_or(|bytes| bytes.len() != 32) {
        return Err(Refusal::request("`code_challenge` is not the base64url of a SHA-256"));
    }
    Ok(challenge.to_owned())
}

fn prompt(text: Option<&str>) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            // Signing up is a way to sign in here (Initiating User Registration via OpenID Connect 1.0).
            "create" => {}
            _ => return Err(Refusal::request("`prompt` is none, login, consent or select_account")),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(Refusal::request("`prompt=none` stands alone"));
    }
    Ok(prompt)
}

fn max_age(params: &Params) -> Result<Option<u64>, Refusal> {
    match params.get("max_age") {
        None => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| Refusal::request("`max_age` is a number of seconds"))
        }
    }
}

/// RFC 8707: only resources that the product is registered for.
pub fn resources(product: &Product, params: &Params) -> Result<Vec<String>, Refusal> {
    let asked: Vec<String> = params.all("resource").map(str::to_owned).collect();
    if asked.iter().any(|one| !product.settings.audiences.contains(one)) {
        return Err(Refusal::new("invalid_target", "this product is not registered for that `resource`"));
    }
    Ok(asked)
}

/// The names of claims asked for one by one (OpenID Connect Core §5.5): for userinfo, for the ID token.
fn claims(text: Option<&str>) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let Some(text) = text else { return Ok((Vec::new(), Vec::new())) };
    let object = jose::json::object(text.as_bytes())
        .ok_or_else(|| Refusal::request("`claims` is no JSON object in which each member stands once"))?;
    let names = |part: &str| {
        let members = object.get(part).and_then(Value::as_object);
        members.map(|members| members.keys().take(50).cloned().collect()).unwrap_or_default()
    };
    Ok((names("userinfo"), names("id_token")))
}

/// The subject of an ID token that this product once got from us; an old one is good enough to say who is meant.
pub fn hinted(hint: &str, issuer: &str, product: &Product, keys: &JwkSet) -> Result<String, Refusal> {
    id_token_hint(hint, issuer, keys)
        .filter(|(audiences, _, _)| audiences.contains(&product.id.to_string()))
        .map(|(_, subject, _)| subject)
        .ok_or_else(|| Refusal::request("`id_token_hint` is no ID token that this product got from here"))
}

/// Audiences, subject and session of an ID token that we signed.
pub fn id_token_hint(hint: &str, issuer: &str, keys: &JwkSet) -> Option<(Vec<String>, String, String)> {
    let claims = Token::parse(hint).ok()?.of_type("JWT").ok()?.verify(&keys.keys).ok()?;
    if claims.text("iss").ok()? != issuer {
        return None;
    }
    let audiences = claims.audiences().into_iter().map(str::to_owned).collect();
    Some((audiences, claims.text("sub").ok()?.to_owned(), claims.text("sid").unwrap_or_default().to_owned()))
}
