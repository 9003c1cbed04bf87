//! `/provider/certificate`: where the TLS certificate comes from, when it ends, what failed.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use platform::access::Permission;
use platform::db::DbError;
use platform::time::{DAY, Timestamp};
use platform::web::extract::Json;
use platform::web::navigation::{self, NavConsole, NavEntry};
use platform::web::routes::{self, Openness, Routes};
use platform::web::tls::Tls;
use platform::web::ui::Shell;
use platform::web::{self, Access};
use platform::{App, acme};
use serde::Serialize;

const PATH: &str = "/provider/certificate";
/// Less than this left is worth a warning: a third of the shortest usual life.
const SOON: std::time::Duration = DAY.saturating_mul(14);

pub const NAVIGATION: NavEntry = NavEntry {
    console: NavConsole::Provider,
    group: "Organization",
    label: "Certificate",
    href: PATH,
    permission: Some(Permission::ProviderRead),
    rank: 890,
};

pub fn routes() -> Routes {
    let read = Openness::Provider(Permission::ProviderRead);
    Routes::new().add(routes::get(PATH, "certificate.page", read, page)).add(
        routes::get("/api/v1/provider/certificate", "certificate.show", read, show)
            .summary("The TLS certificate of this installation: source, validity, renewal, failures")
            .gives::<CertificateSchema>(200),
    )
}

/// The certificate as this node knows it.
#[derive(Clone, Debug, Serialize)]
struct Certificate {
    /// `proxy` (TLS ends before this program), `files` or `acme`.
    source: &'static str,
    domains: Vec<String>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    /// When ACME renews it, or tries again.
    next_try_at: Option<Timestamp>,
    failures: u32,
    problem: Option<String>,
}

/// The schema of `Certificate`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
struct CertificateSchema {
    source: String,
    domains: Vec<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    next_try_at: Option<String>,
    failures: u32,
    problem: Option<String>,
}

async fn look(app: &App) -> Result<Certificate, DbError> {
    let in_force = app.find_service::<Tls>().map(|tls| tls.status()).unwrap_or_default();
    let standing = acme::standing(app).await?;
    let config = app.config();
    let source = match (&config.tls, &config.acme) {
        (Some(_), _) => "files",
        (None, Some(_)) => "acme",
        (None, None) => "proxy",
    };
    let validity = in_force.validity;
    Ok(Certificate {
        source,
        domains: config.acme.as_ref().map(|acme| acme.domains.clone()).unwrap_or_default(),
        not_before: validity.map(|validity| validity.not_before),
        not_after: validity.map(|validity| validity.not_after),
        next_try_at: standing.as_ref().map(|standing| standing.next_try_at),
        failures: standing.as_ref().map_or(0, |standing| standing.failures),
        problem: in_force.problem.or(standing.and_then(|standing| standing.last_error)),
    })
}

#[derive(Template)]
#[template(path = "system/certificate.html")]
struct CertificatePage {
    shell: Shell,
    certificate: Certificate,
    /// The word beside the end: tone and text.
    state: (&'static str, &'static str),
}

fn state(certificate: &Certificate, now: Timestamp) -> (&'static str, &'static str) {
    match certificate.not_after {
        None => ("warn", "not there yet"),
        Some(end) if end <= now => ("bad", "expired"),
        Some(end) if end.since(now) < SOON => ("warn", "ends soon"),
        Some(_) => ("good", "valid"),
    }
}

async fn page(State(app): State<App>, access: Access) -> web::Result {
    let certificate = look(&app).await?;
    let state = state(&certificate, access.ctx.now);
    let shell = navigation::shell(&app, &access, NavConsole::Provider, "Certificate", PATH);
    web::html(&CertificatePage { shell, certificate, state })
}

async fn show(State(app): State<App>) -> web::Result {
    Ok(Json(look(&app).await?).into_response())
}
