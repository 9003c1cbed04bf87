//! An identity provider on loopback, reached through the guarded client as any other: it says what a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jose::{Algorithm, SigningKey};
use serde_json::{Map, Value, json};
use url::Url;

pub const CLIENT: &str = "bailiwick-client";
/// Holds what form-encoding changes.
pub const SECRET: &str = "s3cret+with/odd=chars";

type Alter = Box<dyn Fn(&mut Map<String, Value>) + Send>;

/// How an ID token is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Well,
    /// `alg: none`, no signature.
    Not,
    /// By a key that is not published.
    Wrongly,
    WithoutKeyId,
}

/// What the provider says and how.
pub struct Script {
    pub keys: Vec<Arc<SigningKey>>,
    /// Which of them signs.
    pub signer: usize,
    /// Whether published keys carry ids.
    pub key_ids: bool,
    pub sign: Sign,
    /// Changes the ID token's claims last.
    pub alter: Alter,
    /// Changes the discovery document.
    pub document: Alter,
    pub userinfo: Option<Value>,
    /// Claims of the ID token besides the protocol's own.
    pub person: Value,
    /// What the provider takes as our proof: `basic` or `post`.
    pub proof: &'static str,
    /// No `iss` in the answer, or another.
    pub issuer_in_answer: Option<String>,
    pub now: i64,
    codes: HashMap<String, Asked>,
    pub calls: Vec<&'static str>,
}

#[derive(Clone)]
struct Asked {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

#[derive(Clone)]
pub struct Upstream {
    pub issuer: String,
    pub script: Arc<Mutex<Script>>,
}

pub fn key(algorithm: Algorithm) -> Arc<SigningKey> {
    let made = SigningKey::generate(algorithm).expect("a key");
    Arc::new(SigningKey::from_pkcs8(algorithm, &made).expect("a key"))
}

/// RSA keys are slow to make: all tests share these.
pub fn rsa(which: usize) -> Arc<SigningKey> {
    static KEYS: OnceLock<[Arc<SigningKey>; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [key(Algorithm::Rs256), key(Algorithm::Rs256)])[which].clone()
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let script = Script {
            keys: vec![rsa(0)],
            signer: 0,
            key_ids: true,
            sign: Sign::Well,
            alter: Box::new(|_| {}),
            document: Box::new(|_| {}),
            userinfo: None,
            person: json!({}),
            proof: "basic",
            issuer_in_answer: Some(issuer.clone()),
            now: 0,
            codes: HashMap::new(),
            calls: Vec::new(),
        };
        let upstream = Self { issuer, script: Arc::new(Mutex::new(script)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        upstream
    }

    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().expect("no panic"));
    }

    pub fn calls(&self, which: &str) -> usize {
        self.script.lock().expect("no panic").calls.iter().filter(|call| **call == which).count()
    }

    /// What the provider does when somebody has signed in there: gives the address that they are sent back to.
    pub fn approve(&self, asked: &Url, person: &Value, now: i64) -> Url {
        let query: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        let mut script = self.script.lock().expect("no panic");
        let code = format!("code-{}", script.codes.len());
        let asked = Asked {
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
        };
        script.codes.insert(code.clone(), asked);
        script.person = person.clone();
        script.now = now;
        let mut back = Url::parse(&query["redirect_uri"]).expect("an address");
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &query["state"]);
        if let Some(issuer) = &script.issuer_in_answer {
            back.query_pairs_mut().append_pair("iss", issuer);
        }
        back
    }

    /// A logout token for a session or a subject there.
    pub fn logout_token(&self, now: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> String {
        let script = self.script.lock().expect("no panic");
        let mut claims = json!({
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": "logout-1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        })
        .as_object()
        .expect("an object")
        .clone();
        alter(&mut claims);
        let text = Value::Object(claims).to_string();
        script.keys[script.signer].sign("logout+jwt", text.as_bytes()).expect("a token")
    }
}

fn answer(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

async fn configuration(State(upstream): State<Upstream>) -> Response {
    let mut script = upstream.script.lock().expect("no panic");
    script.calls.push("configuration");
    let issuer = &upstream.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "email", "groups"],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
    })
    .as_object()
    .expect("an object")
    .clone();
    (script.document)(&mut document);
    answer(&Value::Object(document))
}

async fn jwks(State(upstream): State<Upstream>) -> Response {
    let mut script = upstream.script.lock().expect("no panic");
    script.calls.push("jwks");
    let keys: Vec<Value> = script
        .keys
        .iter()
        .map(|key| {
            let mut value = key.public().to_value();
            if !script.key_ids {
                value.as_object_mut().expect("an object").remove("kid");
            }
            value
        })
        .collect();
    answer(&json!({ "keys": keys }))
}

fn refused(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, answer(&json!({ "error": error, "error_description": "no" }))).into_response()
}

/// Whether the caller proved itself as the script wants it.
fn proved(script: &Script, headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
    match script.proof {
        "basic" => {
            let encode =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let wanted =
                format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET))));
            headers.get("authorization").and_then(|value| value.to_str().ok()) == Some(&wanted)
                && !form.contains_key("client_secret")
        }
        _ => {
            form.get("client_id").map(String::as_str) == Some(CLIENT)
                && form.get("client_secret").map(String::as_str) == Some(SECRET)
                && !headers.contains_key("authorization")
        }
    }
}

async fn token(State(upstream): State<Upstream>, headers: HeaderMap, body: String) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut script = upstream.script.lock().expect("no panic");
    script.calls.push("token");
    if !proved(&script, &headers, &form) {
        return refused("invalid_client");
    }
    let Some(asked) = script.codes.remove(&form["code"]) else { return refused("invalid_grant") };
    let challenge = jose::encode(digest(&SHA256, form["code_verifier"].as_bytes()));
    if challenge != asked.challenge || form["redirect_uri"] != asked.redirect_uri {
        return refused("invalid_grant");
    }
    let access_token = "access-token-of-the-fake";
    let hash = digest(&SHA256, access_token.as_bytes());
    let mut claims = json!({
        "iss": upstream.issuer,
        "aud": CLIENT,
        "sub": "subject-1",
        "iat": script.now,
        "exp": script.now + 300,
        "nonce": asked.nonce,
        "at_hash": jose::encode(&hash.as_ref()[..16]),
    })
    .as_object()
    .expect("an object")
    .clone();
    claims.extend(script.person.as_object().expect("claims").clone());
    (script.alter)(&mut claims);
    let payload = Value::Object(claims).to_string();
    let id_token = signed(&script, payload.as_bytes());
    answer(&json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token,
    }))
}

fn signed(script: &Script, payload: &[u8]) -> String {
    let key = &script.keys[script.signer];
    match script.sign {
        Sign::Well => key.sign("JWT", payload).expect("a token"),
        Sign::Wrongly => {
            let other = rsa(1);
            let header = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, key.id());
            other.sign_parts(&header, payload).expect("a token")
        }
        Sign::WithoutKeyId => {
            let header = format!(r#"{{"alg":"{}"}}"#, key.algorithm().as_str());
            key.sign_parts(&header, payload).expect("a token")
        }
        Sign::Not => format!("{}.{}.", jose::encode(r#"{"alg":"none"}"#), jose::encode(payload)),
    }
}

async fn userinfo(State(upstream): State<Upstream>, headers: HeaderMap) -> Response {
    let mut script = upstream.script.lock().expect("no panic");
    script.calls.push("userinfo");
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some("Bearer access-token-of-the-fake") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match &script.userinfo {
        Some(value) => answer(value),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
