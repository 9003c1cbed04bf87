//! How a command reaches the API: over HTTP, or in process on the store as the operator.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode, header};
use futures_util::future::BoxFuture;
use platform::App;
use platform::ctx::{Actor, Random};
use platform::time::Clock;
use platform::web::access::{Credential, Proof};
use platform::web::{Authenticate, Principal, Problem, guard};
use serde_json::Value;
use tower::ServiceExt;

use super::{CliError, Target, config};
use crate::start;

pub enum Client {
    Remote { http: reqwest::Client, url: String, token: String },
    Store { app: App, router: Router },
}

/// Everybody in process is the operator: whoever can open the data folder owns the installation.
struct OperatorOnly;

impl Authenticate for OperatorOnly {
    fn authenticate<'a>(
        &'a self,
        _: &'a App,
        _: &'a Parts,
    ) -> BoxFuture<'a, Result<Option<Principal>, Problem>> {
        Box::pin(async {
            Ok(Some(Principal {
                actor: Actor::Operator,
                account: None,
                name: "operator".to_owned(),
                email: String::new(),
                session: None,
                credential: Credential::Operator,
                proof: Proof::default(),
            }))
        })
    }
}

pub fn operator() -> Arc<dyn Authenticate> {
    Arc::new(OperatorOnly)
}

/// An answer of the API.
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Client {
    pub async fn open(target: &Target) -> Result<Self, CliError> {
        let local = target.data.is_some() || target.database.is_some();
        match (&target.url, local) {
            (Some(_), true) => {
                Err(CliError::Usage("give either --url or --data/--database, not both".to_owned()))
            }
            (Some(url), false) => Self::remote(url, target.token.as_deref()),
            (None, true) => Self::store(target).await,
            (None, false) => Err(CliError::Usage(
                "say which installation: --url URL --token TOKEN, or --data DIR on the server's machine"
                    .to_owned(),
            )),
        }
    }

    fn remote(url: &str, token: Option<&str>) -> Result<Self, CliError> {
        let token = token.ok_or_else(|| {
            CliError::Usage("an installation at --url needs --token (or BAILIWICK_TOKEN)".to_owned())
        })?;
        let parsed =
            url::Url::parse(url).map_err(|error| CliError::Usage(format!("--url `{url}`: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(CliError::Usage(format!("--url `{url}` must start with https:// or http://")));
        }
        platform::outbound::install_crypto();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(120))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CliError::Failed(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self::Remote { http, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    async fn store(target: &Target) -> Result<Self, CliError> {
        let mut flags = Vec::new();
        if let Some(data) = &target.data {
            flags.push(("data".to_owned(), data.display().to_string()));
        }
        if let Some(database) = &target.database {
            flags.push(("database".to_owned(), database.clone()));
        }
        let config = config::load(None, flags)?;
        let options = start::Options {
            beside_server: true,
            clock: Clock::System,
            random: Random::System,
            authenticate: operator(),
        };
        let app = start::build(config, options).await?;
        let router = guard::router(&app);
        Ok(Self::Store { app, router })
    }

    pub async fn get(&self, path: &str) -> Result<Value, CliError> {
        Ok(self.call(Method::GET, path, None).await?.json())
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value, CliError> {
        Ok(self.call(Method::POST, path, Some(body)).await?.json())
    }

    pub async fn patch(&self, path: &str, body: Value) -> Result<Value, CliError> {
        Ok(self.call(Method::PATCH, path, Some(body)).await?.json())
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value, CliError> {
        Ok(self.call(Method::PUT, path, Some(body)).await?.json())
    }

    pub async fn delete(&self, path: &str) -> Result<(), CliError> {
        self.call(Method::DELETE, path, None).await.map(|_| ())
    }

    /// Every item of a paged list.
    pub async fn all(&self, path: &str) -> Result<Vec<Value>, CliError> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{joint}limit=200{cursor}")).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Sends a request; a refusal becomes its words and its cure.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, CliError> {
        let answer = match self {
            Self::Remote { http, url, token } => {
                send(http, method, &format!("{url}{path}"), token, body).await?
            }
            Self::Store { router, .. } => in_process(router, method, path, body).await?,
        };
        if answer.status.is_success() { Ok(answer) } else { Err(refusal(&answer)) }
    }

    /// Ends background work that the command caused (mail in the outbox) before the process ends.
    pub async fn close(self) -> Result<(), CliError> {
        if let Self::Store { app, .. } = self {
            app.drain();
            app.db().close(Duration::from_secs(10)).await;
        }
        Ok(())
    }
}

async fn send(
    http: &reqwest::Client,
    method: Method,
    url: &str,
    token: &str,
    body: Option<Value>,
) -> Result<Answer, CliError> {
    let mut request = http.request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
    }
    let unreachable = |error: reqwest::Error| CliError::Failed(format!("cannot reach {url}: {error}"));
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?.to_vec();
    Ok(Answer { status, body })
}

async fn in_process(
    router: &Router,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Answer, CliError> {
    let mut request = Request::builder().method(method).uri(path);
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.body(body).map_err(|error| CliError::Usage(error.to_string()))?;
    let Ok(response) = router.clone().oneshot(request).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .map_err(|error| CliError::Failed(error.to_string()))?
        .to_vec();
    Ok(Answer { status, body })
}

fn refusal(answer: &Answer) -> CliError {
    let problem = answer.json();
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let mut words = text("detail");
    if words.is_empty() {
        words = if text("title").is_empty() { format!("status {}", answer.status) } else { text("title") };
    }
    for error in problem["errors"].as_array().into_iter().flatten() {
        let pointer = error["pointer"].as_str().unwrap_or_default();
        let detail = error["detail"].as_str().unwrap_or_default();
        words.push_str(&format!("\n  {pointer}: {detail}"));
    }
    if !text("cure").is_empty() {
        words.push_str(&format!("\n  cure: {}", text("cure")));
    }
    CliError::Failed(words)
}
