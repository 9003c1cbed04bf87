//! The program about itself: health, readiness, metrics, the OpenAPI file, static files, where `/` leads, the virtual
//! clock of tests.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use platform::db::DbError;
use platform::web::extract::{Json, Query};
use platform::web::navigation::NavEntry;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::tls::Tls;
use platform::web::{self, Access, Problem, assets, openapi};
use platform::{App, Area, principals};
use serde::Deserialize;

pub mod certificate_page;
pub mod jobs;
pub mod ledger_keys;
pub mod search;
pub mod secrets;

pub static AREA: Area = Area {
    name: "system",
    routes,
    jobs: &[],
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: NAVIGATION,
    tasks: &[],
};

/// Certificates, jobs, mails, keys: the areas' lists are slices, so they are joined by hand.
const NAVIGATION: &[NavEntry] =
    &[certificate_page::NAVIGATION, jobs::NAVIGATION[0], jobs::NAVIGATION[1], secrets::NAVIGATION[0]];

fn routes() -> Routes {
    let open = Openness::Public;
    Routes::new()
        .add(routes::get("/", "home.show", open, home))
        .add(routes::get("/healthz", "health.live", open, healthz).plain().limit(Limit::None))
        .add(routes::get("/readyz", "health.ready", open, readyz).plain().limit(Limit::None))
        .add(routes::get("/metrics", "metrics.get", open, metrics).plain().limit(Limit::None))
        .add(routes::get("/openapi.json", "openapi.get", open, openapi_file).plain())
        .add(routes::get(assets::ROUTE, "asset.get", open, assets::serve).plain().limit(Limit::None))
        .add(
            routes::post("/test/clock/advance", "test_clock.advance", open, advance)
                .plain()
                .limit(Limit::None)
                .records_nothing("moves the virtual clock of a test installation"),
        )
        .merge(certificate_page::routes())
        .merge(jobs::routes())
        .merge(secrets::routes())
        .merge(ledger_keys::routes())
        .merge(search::routes())
}

/// Leads where the caller belongs: the provider's console, the organization's matrix, the account, or sign-in.
async fn home(State(app): State<App>, access: Access) -> web::Result {
    let Ok(account) = access.account() else { return web::see_other("/sign-in") };
    let memberships = app.db().read(move |tx| principals::memberships_of(tx, account)).await?;
    let active = memberships
        .iter()
        .filter(|(_, membership)| membership.state == principals::MembershipState::Active)
        .filter(|(_, membership)| membership.role != platform::access::Role::Member);
    let mut to = "/account".to_owned();
    for (organization, _) in active {
        if organization.kind == principals::OrganizationKind::Provider {
            return web::see_other("/provider");
        }
        if to == "/account" {
            to = format!("/o/{}", organization.slug);
        }
    }
    web::see_other(&to)
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can do its work: the store answers and no drain has begun.
async fn readyz(State(app): State<App>) -> web::Result {
    if app.draining() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "Shutting down"));
    }
    let unavailable =
        || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "The store does not answer");
    if !app.db().takes_writes() {
        tracing::error!("not ready: the store's writer has ended");
        return Err(unavailable());
    }
    app.db().read(|tx| principals::provider(tx).map(|_| ())).await.map_err(|error: DbError| {
        tracing::error!(%error, "not ready");
        unavailable()
    })?;
    // Everybody who connects sees the certificate: its end is no secret. A wrong one does not make a node unready, since
    // taking every node away would be worse.
    let certificate = app.find_service::<Tls>().map(|tls| match tls.status().validity {
        Some(validity) => format!("certificate valid until {}\n", validity.not_after.rfc3339()),
        None => "certificate not there yet\n".to_owned(),
    });
    Ok(format!("ready\n{}", certificate.unwrap_or_default()).into_response())
}

/// The exporter's handle, set once by `serve`.
pub struct Metrics(pub metrics_exporter_prometheus::PrometheusHandle);

/// Folds what was measured into its histograms, which `install_recorder` leaves to its caller: without it samples pile
/// up where nobody reads `/metrics`. On the machine's time, since memory does not wait for a virtual clock.
pub async fn keep_metrics_small(app: App) {
    const EVERY: std::time::Duration = std::time::Duration::from_secs(5);
    let Some(metrics) = app.find_service::<Metrics>() else { return };
    while !app.draining() {
        metrics.0.run_upkeep();
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = app.drained() => {}
        }
    }
}

/// What a proxy adds for whoever it speaks for.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Prometheus text. Only for callers on this machine or a trusted proxy's network: figures about load are nobody
/// else's business. What a proxy passes on comes from elsewhere, also when nobody told us about the proxy.
async fn metrics(State(app): State<App>, access: Access, headers: HeaderMap) -> web::Result {
    let near = access.ctx.origin.ip.is_none_or(|ip| ip.is_loopback() || app.config().trusts_proxy(ip));
    let passed_on = FORWARDED.iter().any(|name| headers.contains_key(*name));
    let exporter = app.find_service::<Metrics>().filter(|_| near && !passed_on);
    let Some(exporter) = exporter else { return Err(Problem::not_found("page")) };
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], exporter.0.render()).into_response())
}

async fn openapi_file(State(app): State<App>) -> web::Result {
    Ok(Json(openapi::document(&app)).into_response())
}

#[derive(Deserialize)]
struct Advance {
    seconds: u64,
}

/// Only with `--test-clock`; otherwise there is no such page.
async fn advance(State(app): State<App>, Query(by): Query<Advance>) -> web::Result {
    if !app.config().test_clock || !app.clock().advance(std::time::Duration::from_secs(by.seconds)) {
        return Err(Problem::not_found("page"));
    }
    Ok(Json(serde_json::json!({ "now": app.clock().now() })).into_response())
}
