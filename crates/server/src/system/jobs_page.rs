//! `/provider/jobs`: background work that waits, runs or failed.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use platform::access::Permission;
use platform::jobs::JobView;
use platform::web::extract::Json;
use platform::web::navigation::{self, NavConsole, NavEntry};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::Shell;
use platform::web::{self, Access};
use platform::{App, jobs};

const PATH: &str = "/provider/jobs";
const SHOWN_MAX: u32 = 200;

pub const NAVIGATION: NavEntry = NavEntry {
    console: NavConsole::Provider,
    group: "Organization",
    label: "Background jobs",
    href: PATH,
    permission: Some(Permission::ProviderRead),
    rank: 900,
};

pub fn routes() -> Routes {
    let read = Openness::Provider(Permission::ProviderRead);
    Routes::new().add(routes::get(PATH, "job.page", read, page)).add(
        routes::get("/api/v1/provider/jobs", "job.list", read, list)
            .summary("Background work that waits, runs or failed")
            .gives::<Vec<JobSchema>>(200),
    )
}

/// The schema of `platform::jobs::JobView`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
struct JobSchema {
    id: String,
    kind: String,
    state: String,
    run_at: String,
    attempts: u32,
    last_error: Option<String>,
}

#[derive(Template)]
#[template(path = "system/jobs.html")]
struct JobsPage {
    shell: Shell,
    jobs: Vec<JobView>,
    failed: usize,
}

async fn page(State(app): State<App>, access: Access) -> web::Result {
    let jobs = app.db().read(|tx| jobs::list(tx, SHOWN_MAX)).await?;
    let failed = jobs.iter().filter(|job| job.state == "failed").count();
    let shell = navigation::shell(&app, &access, NavConsole::Provider, "Background jobs", PATH);
    web::html(&JobsPage { shell, jobs, failed })
}

async fn list(State(app): State<App>) -> web::Result {
    let jobs = app.db().read(|tx| jobs::list(tx, SHOWN_MAX)).await?;
    Ok(Json(jobs).into_response())
}
