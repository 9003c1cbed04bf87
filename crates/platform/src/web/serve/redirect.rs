//! The plain listener beside TLS: sends browsers to the public address and answers an authority's questions of
//! `http-01`. Nothing of a request is believed but its path.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::acme;
use crate::app::App;

/// Longest path that is repeated in an answer.
const PATH_BYTES_MAX: usize = 8 * 1024;

pub fn router(app: &App) -> Router {
    Router::new()
        .route("/.well-known/acme-challenge/{token}", axum::routing::get(challenge))
        .fallback(redirect)
        .with_state(app.clone())
}

/// RFC 8555 §8.3.
async fn challenge(State(app): State<App>, Path(token): Path<String>) -> Response {
    match acme::http_answer(&app, &token).await {
        Some(text) => ([(header::CONTENT_TYPE, "application/octet-stream")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// 308 keeps the method, so that a program that posts to the wrong address fails or goes right, and never half.
async fn redirect(State(app): State<App>, uri: Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // `//host` after the origin would still be a path; anything that is no path goes to the start.
    let path = if path.starts_with('/') && path.len() <= PATH_BYTES_MAX { path } else { "/" };
    let to = format!("{}{path}", app.config().public_origin());
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
