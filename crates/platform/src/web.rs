//! The web shell: everything between a socket and a handler.
//!
//! A route is declared once, with who may call it, what it is called in the audit log and what it takes and gives
//! ([`routes`]). From that record come the guard that every request passes ([`guard`]), the OpenAPI file
//! ([`openapi`]), the rate limits, and the tests that walk every endpoint as nobody, as a stranger and as a member
//! without rights.
//!
//! To add an endpoint: write the handler in `<feature>/api.rs` (JSON) or `<feature>/pages.rs` (HTML) taking
//! [`Access`], and add one line to the area's `routes()`.

pub mod access;
pub mod assets;
pub mod browser;
pub mod chart;
pub mod extract;
pub mod guard;
pub mod multipart;
pub mod navigation;
pub mod openapi;
pub mod pagination;
pub mod problem;
pub mod routes;
pub mod serve;
pub mod tls;
pub mod ui;

pub use access::{Access, Authenticate, OrganizationAccess, Principal};
pub use problem::Problem;
pub use routes::{Method, Openness, RouteInfo, Routes};

/// What a handler gives back.
pub type Result<T = axum::response::Response> = std::result::Result<T, Problem>;

/// Renders a page with status 200.
pub fn html<T: askama::Template>(template: &T) -> Result {
    html_with(axum::http::StatusCode::OK, template)
}

/// Renders a page, e.g. a form with its errors at 422.
pub fn html_with<T: askama::Template>(status: axum::http::StatusCode, template: &T) -> Result {
    use axum::response::IntoResponse;
    let body = template.render().map_err(|error| {
        tracing::error!(%error, "a template failed");
        Problem::internal()
    })?;
    let headers = [(axum::http::header::CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((status, headers, body).into_response())
}

/// 303 to `to`: after a form was accepted.
pub fn see_other(to: &str) -> Result {
    use axum::response::IntoResponse;
    Ok(axum::response::Redirect::to(to).into_response())
}
