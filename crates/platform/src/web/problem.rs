//! Problem documents (RFC 9457): one shape for every refusal, with a stable `type` and the cure.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::db::DbError;

/// A refusal. `kind` is the last part of its `type` URI (`/problems/{kind}`) and never changes its meaning.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(skip)]
    pub status: StatusCode,
    #[serde(skip)]
    pub kind: &'static str,
    pub title: String,
    /// What is wrong with this request.
    pub detail: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    /// The members of the request that are wrong, as JSON pointers (or form field names).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    #[serde(skip)]
    pub retry_after_seconds: Option<u64>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct FieldError {
    pub pointer: String,
    pub detail: String,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    status: u16,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl Problem {
    pub fn new(status: StatusCode, kind: &'static str, title: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            title: title.into(),
            detail: String::new(),
            cure: None,
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl ToString) -> Self {
        self.detail = detail.to_string();
        self
    }

    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl ToString) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.to_string() });
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// 400: the request cannot be read.
    pub fn malformed(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read").detail(detail)
    }

    /// 422: readable, but a value is not acceptable.
    pub fn invalid(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A value is not acceptable").detail(detail)
    }

    /// 401
    pub fn sign_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", "You are not signed in")
            .detail("this needs a session or an API token")
            .cure("sign in, or send `Authorization: Bearer bwk_…`")
    }

    /// 403: signed in, but without the right; `needs` names it.
    pub fn forbidden(needs: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this")
            .detail(format!("this needs `{needs}`"))
            .cure("ask an owner of the organization")
    }

    /// 403: the session's proof of who one is lies too far back for this.
    pub fn step_up() -> Self {
        Self::new(StatusCode::FORBIDDEN, "step-up-required", "Confirm that it is you")
            .detail("this changes credentials or policies and needs a recent proof of who you are")
            .cure("confirm with `POST /api/v1/account/confirmations`, then repeat this")
    }

    /// 403: a policy asks for a factor that this person has yet to enrol, or to prove in this session.
    pub fn enrolment() -> Self {
        Self::new(StatusCode::FORBIDDEN, "enrolment-required", "Your sign-in needs another factor first")
            .detail("a policy of your organization asks for more than this session has proved")
            .cure("enrol it at `/account/factors`, or confirm with it at `/confirm`")
    }

    /// 404: it does not exist, or its existence is not yours to know.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(format!("there is no such {what}"))
    }

    /// 409: it collides with what exists.
    pub fn conflict(detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "This collides with what exists").detail(detail)
    }

    /// 412: somebody changed it since it was read.
    pub fn changed_meanwhile() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "Somebody changed this meanwhile")
            .detail("the `If-Match` header names an older version")
            .cure("read it again and repeat your change")
    }

    /// 429
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            .detail(format!("try again in {retry_after_seconds} s"))
            .retry_after(retry_after_seconds)
    }

    /// 501: a part of the product that is not there yet says so.
    pub fn not_built(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-built", "Not built yet")
            .detail(format!("{what} is not built yet"))
    }

    /// 500 without any inner detail; the log has it under the request's id.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong inside")
            .detail("nothing was changed; the provider's log has the details under this request's id")
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if error.retryable() {
            tracing::warn!(%error, "the store refused");
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "The store is unavailable",
            )
            .detail(match error {
                DbError::Full => "the disk is full; nothing of this request was stored",
                DbError::Locked => "the database is locked by another program",
                DbError::TooSlow(_) => {
                    "the database took too long over it; nothing of this request was stored"
                }
                DbError::Closed => "the program is shutting down",
                _ => "the database cannot be reached",
            })
            .cure("try again in a moment; if it stays, tell whoever runs this installation")
            .retry_after(2);
        }
        if error == DbError::ReadOnly {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-read-only", "The store is read-only")
                .detail("the database cannot be written; nothing of this request was stored");
        }
        if error == DbError::NotSetUp {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-set-up", "Not set up yet")
                .detail("this installation has no provider yet, so nobody can have an account")
                .cure("whoever started the program opens the set-up link that it printed");
        }
        tracing::error!(%error, "the store failed");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: format!("/problems/{}", self.kind),
            status: self.status.as_u16(),
            problem: &self,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The guard turns it into a page where a person is looking.
        response.extensions_mut().insert(self);
        response
    }
}
