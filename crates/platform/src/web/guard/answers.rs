//! What the guard adds to an answer: headers, the lines of the log and the figures.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Seen;
use crate::app::App;
use crate::web::Problem;
use crate::web::routes::{Openness, RouteInfo, RouteKind};

pub(super) fn finish(
    info: &RouteInfo,
    response: &mut Response,
    seen: &Seen,
    request_id: &str,
    started: Instant,
) {
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
    if let Some(standing) = &seen.limit {
        standing.write(headers);
    }
    if info.kind != RouteKind::Plain && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let elapsed = started.elapsed().as_secs_f64();
    metrics::histogram!("bailiwick_http_seconds", "action" => info.action).record(elapsed);
    metrics::counter!("bailiwick_http_requests_total", "action" => info.action,
        "status" => status_class(status))
    .increment(1);
    // Where anybody asks it would take the network's noise away from whoever measures what is secret.
    if info.openness != Openness::Public
        && let Ok(timing) = HeaderValue::from_str(&format!("app;dur={:.2}", elapsed * 1000.0))
    {
        headers.insert("server-timing", timing);
    }
    tracing::info!(
        action = info.action,
        status = status.as_u16(),
        request = request_id,
        trace = seen.trace.as_deref(),
        seconds = elapsed,
        "request"
    );
}

/// Who was refused what, from where, and why: what somebody who looks for attacks reads first.
pub(super) fn note_refusal(info: &RouteInfo, response: &Response, seen: &Seen, request_id: &str) {
    let Some(problem) = response.extensions().get::<Problem>() else { return };
    let actor = seen.principal.as_ref().map_or_else(
        || "nobody".to_owned(),
        |principal| format!("{}:{}", principal.actor.kind(), principal.actor.id()),
    );
    tracing::info!(
        action = info.action,
        status = problem.status.as_u16(),
        why = problem.kind,
        actor,
        network = seen.network,
        request = request_id,
        "refused"
    );
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// On an answer whose form goes to another place: to which scheme. All other forms stay here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormsGoTo {
    Https,
    /// For tests on one machine.
    Http,
}

/// The strict headers of every answer. Pages load only what this installation serves; nothing inline.
pub(super) async fn security_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let forms = response.extensions().get::<FormsGoTo>().copied();
    let headers = response.headers_mut();
    const CSP: &str = "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'";
    let fixed: [(&'static str, &'static str); 7] = [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(forms) = forms {
        let scheme =
            if forms == FormsGoTo::Https { "form-action https:" } else { "form-action http: https:" };
        if let Ok(wider) = HeaderValue::from_str(&CSP.replace("form-action 'self'", scheme)) {
            headers.insert("content-security-policy", wider);
        }
    }
    if app.config().public_url.scheme() == "https" {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000; includeSubDomains"),
        );
    }
    response
}
