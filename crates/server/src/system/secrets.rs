//! The provider's view of the keys that seal secrets at rest, and their rotation. The rules are
//! `platform::secrets::rotation`; here are their API and page.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::secrets::rotation::{self, Rotating, Status};
use platform::web::extract::Json;
use platform::web::navigation::{self, NavConsole, NavEntry};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

const PATH: &str = "/provider/secrets";
const API: &str = "/api/v1/provider/secrets";

pub const NAVIGATION: &[NavEntry] = &[NavEntry {
    console: NavConsole::Provider,
    group: "Organization",
    label: "Secret keys",
    href: PATH,
    permission: Some(Permission::ProviderRead),
    rank: 910,
}];

pub fn routes() -> Routes {
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(routes::get(PATH, "secrets.page", read, page))
        .add(
            routes::post("/provider/secrets/rotate", "secrets.rotate_form", manage, rotate_form)
                .records("secrets."),
        )
        .add(
            routes::get(API, "secrets.status", read, status)
                .summary("The keys that seal secrets at rest, and how far a rotation is")
                .gives::<StatusSchema>(200),
        )
        .add(
            routes::post("/api/v1/provider/secrets/rotate", "secrets.rotate", manage, rotate)
                .summary("Seal with a new key; what older keys sealed is sealed anew in the background")
                .takes::<RotateRequest>()
                .gives::<StatusSchema>(202)
                .records("secrets."),
        )
}

/// The schema of `platform::secrets::rotation::Status`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
pub(crate) struct StatusSchema {
    keys: Vec<KeySchema>,
    /// Older keys are still stored.
    rotating: bool,
    /// Sealed values in all.
    values: u64,
    /// Those that the current key sealed.
    resealed: u64,
    /// The old keys are not dropped before this.
    #[schema(format = DateTime)]
    retires_at: Option<String>,
}

#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
pub(crate) struct KeySchema {
    id: u32,
    #[schema(format = DateTime)]
    created_at: String,
    /// Seals from now on.
    current: bool,
    /// How many values it still seals.
    values: u64,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateRequest {
    /// Only say where things stand.
    #[serde(default)]
    dry_run: bool,
}

async fn current(app: &App) -> Result<Status, Problem> {
    Ok(app.db().read(rotation::status).await?)
}

async fn status(State(app): State<App>) -> web::Result {
    Ok(Json(current(&app).await?).into_response())
}

async fn apply(app: &App, access: &Access) -> Result<(), Problem> {
    let (ctx, keyring) = (access.ctx.clone(), app.keyring().clone());
    let written = app.db().write(&access.ctx, move |tx| rotation::rotate(&ctx, tx, &keyring)).await?;
    match written.value {
        Rotating::Started(key) => app.keyring().install(&key).map_err(|error| {
            // The key is stored; the next look at the store takes it into use.
            tracing::error!(%error, "a new key was stored and cannot be used yet");
            Problem::internal()
        }),
        Rotating::UnderWay(status) => Err(under_way(&status)),
    }
}

fn under_way(status: &Status) -> Problem {
    let left = status.values - status.resealed;
    let at = status.retires_at.map(|at| format!(", not before {}", at.rfc3339())).unwrap_or_default();
    Problem::conflict(format!("a rotation is under way: {left} of {} values are left", status.values))
        .cure(format!("wait until the old key is dropped{at}; `/provider/jobs` shows if it failed"))
}

async fn rotate(State(app): State<App>, access: Access, Json(asked): Json<RotateRequest>) -> web::Result {
    let standing = current(&app).await?;
    if asked.dry_run && standing.rotating {
        return Err(under_way(&standing));
    }
    let standing = if asked.dry_run {
        standing
    } else {
        apply(&app, &access).await?;
        current(&app).await?
    };
    Ok((axum::http::StatusCode::ACCEPTED, Json(standing)).into_response())
}

#[derive(Template)]
#[template(path = "system/secrets/show.html")]
struct SecretsPage {
    shell: Shell,
    status: Status,
    may_manage: bool,
}

async fn page(State(app): State<App>, access: Access) -> web::Result {
    let status = current(&app).await?;
    web::html(&SecretsPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Secret keys", PATH),
        status,
        may_manage: access.may(Permission::ProviderManage),
    })
}

async fn rotate_form(State(app): State<App>, access: Access) -> web::Result {
    match apply(&app, &access).await {
        Ok(()) => browser::see_other_with(PATH, Tone::Good, "A new key seals from now on."),
        Err(problem) if problem.status == axum::http::StatusCode::CONFLICT => {
            let cure = problem.cure.unwrap_or_default();
            browser::see_other_with(PATH, Tone::Bad, &format!("Not done: {}; {cure}.", problem.detail))
        }
        Err(problem) => Err(problem),
    }
}
