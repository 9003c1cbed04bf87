//! JSON side of the detectors.

use axum::extract::State as AppState;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Health, REASON_CHARS_MAX, Stopped, threshold, title};
use crate::alerts::api::{by, words};

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/provider/detectors";
    const STOP: &str = "/api/v1/provider/detectors/{detector}/stop";
    const START: &str = "/api/v1/provider/detectors/{detector}/start";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(
            routes::get(LIST, "detector.list", read, list)
                .summary("Detectors, with their heartbeats")
                .gives::<DetectorsView>(200),
        )
        .add(
            routes::post(STOP, "detector.stop", manage, stop_one)
                .recent()
                .summary("Stop a detector; row USR-P2 is not held meanwhile")
                .takes::<ReasonBody>()
                .gives::<DetectorView>(200)
                .records("detector."),
        )
        .add(
            routes::post(START, "detector.start", manage, start_one)
                .summary("Start a stopped detector; it first looks at what happened meanwhile")
                .takes::<ReasonBody>()
                .gives::<DetectorView>(200)
                .records("detector."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = DetectorStop)]
struct StopView {
    reason: String,
    by: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<Stopped> for StopView {
    fn from(stopped: Stopped) -> Self {
        let Stopped { reason, by, at } = stopped;
        Self { reason, by, at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Detector)]
struct DetectorView {
    #[schema(example = "guessing-many-accounts")]
    name: &'static str,
    looks_for: &'static str,
    /// From when on it raises an alert.
    threshold: String,
    alive: bool,
    /// When it last had seen everything that was committed; null: not since it was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    heartbeat_at: Option<Timestamp>,
    /// Null: nobody stopped it.
    stopped: Option<StopView>,
}

impl DetectorView {
    fn new(health: Health, now: Timestamp) -> Self {
        Self {
            name: health.rule.name,
            looks_for: title(health.rule.name),
            threshold: threshold(health.rule),
            alive: health.is_alive(now),
            heartbeat_at: health.beat_at,
            stopped: health.stopped.map(StopView::from),
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Detectors)]
struct DetectorsView {
    items: Vec<DetectorView>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DetectorReason)]
struct ReasonBody {
    /// Stands in the audit log; up to 500 characters.
    #[schema(example = "A load test until noon")]
    reason: String,
}

pub(super) async fn healths(app: &App) -> Result<Vec<Health>, Problem> {
    Ok(app.db().read(super::all).await?)
}

async fn list(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let now = access.ctx.now;
    let items = healths(&app).await?.into_iter().map(|one| DetectorView::new(one, now)).collect();
    Ok(Json(DetectorsView { items }).into_response())
}

/// Stops or starts a detector, and gives how it is then.
pub(super) async fn set(
    app: &App,
    access: &Access,
    name: &str,
    (runs, reason): (bool, &str),
) -> Result<Health, Problem> {
    let rule = super::find(name).ok_or_else(|| Problem::not_found("detector"))?;
    let (by, reason) = (by(access)?, words(reason, "reason", REASON_CHARS_MAX)?);
    if reason.is_empty() {
        return Err(Problem::invalid("say why").field("reason", "say why"));
    }
    let ctx = access.ctx.clone();
    let done = app.db().write(&access.ctx, move |tx| match runs {
        true => super::start(tx, rule, &reason),
        false => super::stop(&ctx, tx, rule, &by, &reason),
    });
    if !done.await?.value {
        let already = if runs { "this detector runs" } else { "this detector is stopped" };
        return Err(Problem::conflict(already));
    }
    Ok(app.db().read(move |tx| super::health(tx, rule)).await?)
}

async fn stop_one(
    AppState(app): AppState<App>,
    access: Access,
    Path(name): Path<String>,
    Json(body): Json<ReasonBody>,
) -> platform::web::Result {
    let health = set(&app, &access, &name, (false, &body.reason)).await?;
    Ok(Json(DetectorView::new(health, access.ctx.now)).into_response())
}

async fn start_one(
    AppState(app): AppState<App>,
    access: Access,
    Path(name): Path<String>,
    Json(body): Json<ReasonBody>,
) -> platform::web::Result {
    let health = set(&app, &access, &name, (true, &body.reason)).await?;
    Ok(Json(DetectorView::new(health, access.ctx.now)).into_response())
}
