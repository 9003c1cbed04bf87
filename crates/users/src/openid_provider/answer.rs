//! Answers of the protocol: JSON that no cache keeps, and refusals as RFC 6749 §5.2 words them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::db::DbError;
use serde_json::{Value, json};

/// A refusal that a product's developer reads: a fixed word, and a sentence with the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub error: &'static str,
    pub description: String,
    /// Value of `WWW-Authenticate`.
    pub challenge: Option<String>,
}

impl Refusal {
    pub fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into(), challenge: None }
    }

    pub fn request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// One answer for an unknown code, one of another product, a used or an old one.
    pub fn grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// 401: the product did not prove itself.
    pub fn client(description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            challenge: Some("Basic realm=\"oauth\"".to_owned()),
            ..Self::new("invalid_client", description)
        }
    }

    /// 401 of a resource (RFC 6750 §3.1).
    pub fn token(description: &str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            challenge: Some(format!("Bearer error=\"invalid_token\", error_description=\"{description}\"")),
            ..Self::new("invalid_token", description)
        }
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "the store failed a request of the protocol");
        let status = if error.retryable() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Self { status, ..Self::new("server_error", "the store is not available; try again in a moment") }
    }
}

impl From<jose::Error> for Refusal {
    fn from(error: jose::Error) -> Self {
        tracing::error!(%error, "cannot sign");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("server_error", "the token could not be signed")
        }
    }
}

/// What may stand in `error_description` (RFC 6749 §5.2): printable ASCII without `"` and `\`.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '\\' => '\'',
            ' '..='~' => c,
            _ => '?',
        })
        .take(400)
        .collect()
}

/// JSON that must not be kept. Scripts of any site may read it: nothing here answers to cookies.
pub fn json_with(status: StatusCode, value: &Value) -> Response {
    let mut response = (status, value.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    open(&mut response);
    response
}

/// Lets scripts of any site read the answer (CORS), as public clients in browsers need.
pub fn open(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce"),
    );
}

/// The answer to a browser that asks before it sends (CORS preflight).
pub fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    open(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, DPoP"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": printable(&self.description) });
        let mut response = json_with(self.status, &body);
        if let Some(challenge) = self.challenge
            && let Ok(value) = HeaderValue::from_str(&challenge)
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}
