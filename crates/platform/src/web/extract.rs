//! Extractors whose refusals are problem documents: bad input is refused whole, with where and why.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Problem;
use super::multipart::{self, Multipart};

mod objects;

/// A JSON body, in and out. In: `Content-Type: application/json`, no unknown members where the type denies them, no
/// list in place of an object (`objects`).
pub struct Json<T>(pub T);

/// The limit of bodies is enforced before, by the guard; this one only bounds what a missing guard would let in.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

async fn body_of<S: Send + Sync>(request: Request, _: &S) -> Result<(HeaderMap, axum::body::Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::malformed("the body could not be read whole"))?;
    Ok((parts.headers, bytes))
}

fn content_type_is(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (headers, bytes) = body_of(request, state).await?;
        if !content_type_is(&headers, "application/json") {
            return Err(Problem::new(
                axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body is not JSON",
            )
            .detail("this takes `Content-Type: application/json`"));
        }
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::invalid("the body is a list: send an object, such as `{\"name\": …}`"));
        }
        match objects::from_slice(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) if error.is_data() => Err(Problem::invalid(error)),
            Err(error) => Err(Problem::malformed(format!("the body is not JSON: {error}"))),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                Problem::internal().into_response()
            }
        }
    }
}

/// A form body (`application/x-www-form-urlencoded`). The guard has checked its `csrf` field.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        axum::extract::Form::<T>::from_request(request, state)
            .await
            .map(|form| Self(form.0))
            .map_err(|error| Problem::malformed(error.body_text()))
    }
}

/// A form body with files (`multipart/form-data`). The guard has checked its `csrf` field; the route says
/// `.body_bytes_max(multipart::BODY_BYTES_MAX)`.
impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (headers, bytes) = body_of(request, state).await?;
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        multipart::parse(content_type.unwrap_or_default(), &bytes).map_err(Problem::malformed)
    }
}

/// Query parameters.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|error| Problem::malformed(error.body_text()))
    }
}

/// Parameters of the path; one that cannot be read names nothing: 404.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Not every database takes it as text, and nothing here is called so.
        if parts.uri.path().contains("%00") {
            return Err(Problem::not_found("resource"));
        }
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|_| Problem::not_found("resource"))
    }
}
