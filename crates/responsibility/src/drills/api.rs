//! JSON side of drills.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::Outcome;

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::post(
            "/api/v1/provider/drills",
            "drill.run",
            Openness::Provider(Permission::ProviderManage),
            run,
        )
        .summary("Attack controls with canaries, and say which of them held")
        .takes::<RunDrills>()
        .gives::<DrillsView>(200)
        .limit(Limit::Heavy)
        .records("drill."),
    )
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunDrills {
    /// Ids of rows; all drills when empty.
    #[serde(default)]
    #[schema(example = json!(["USR-P3"]))]
    pub rows: Vec<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DrillsView {
    pub drills: Vec<Outcome>,
}

async fn run(State(app): State<App>, _access: Access, Json(body): Json<RunDrills>) -> platform::web::Result {
    let drills = super::select(&app, &body.rows)
        .map_err(|refusal| Problem::invalid(refusal).field("/rows", "names no drill"))?;
    let drills = super::run(&app, &drills).await;
    // Whoever asked for the drill will look at the matrix next.
    crate::engine::jobs::catch_up(&app).await?;
    Ok(Json(DrillsView { drills }).into_response())
}
