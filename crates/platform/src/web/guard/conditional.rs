//! ETag and conditional requests (RFC 9110 §13) for JSON answers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::web::Problem;

const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The strong validator of a representation.
pub fn etag_of(body: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..15]))
}

/// The validator that a `GET` of `view` carries.
pub fn etag_of_view(view: &impl Serialize) -> String {
    etag_of(&serde_json::to_vec(view).unwrap_or_default())
}

/// For a change: `If-Match`, where present, must name the representation as it is now.
pub fn check_if_match(if_match: Option<&str>, now: &impl Serialize) -> Result<(), Problem> {
    match if_match {
        None | Some("*") => Ok(()),
        Some(list) => {
            let current = etag_of_view(now);
            let fits = list.split(',').any(|tag| tag.trim() == current);
            if fits { Ok(()) } else { Err(Problem::changed_meanwhile()) }
        }
    }
}

/// The `If-Match` header as text.
pub fn if_match(headers: &HeaderMap) -> Option<String> {
    headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Adds an ETag to a JSON answer, or answers 304 when the caller has it.
pub(super) async fn answer(headers: &HeaderMap, response: Response) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if response.status() != StatusCode::OK || !json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Problem::internal().into_response();
    };
    let etag = etag_of(&bytes);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|list| list.split(',').any(|tag| tag.trim() == etag));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        parts.headers.insert(header::ETAG, value);
    }
    if known {
        parts.status = StatusCode::NOT_MODIFIED;
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}
