//! The provider's view of every key: those that seal secrets at rest, with their rotation (the rules are
//! `platform::secrets::rotation`), those that sign the ledger (`ledger_keys`), and the master key.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::{DbError, ReadTx};
use platform::secrets::master_change::{self, MasterStatus};
use platform::secrets::rotation::{self, KeyStatus, Rotating, Status};
use platform::time::{DAY, Timestamp};
use platform::web::extract::Json;
use platform::web::navigation::{self, NavConsole, NavEntry};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::ledger_keys::{self, LedgerKeyView};

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
                .summary("The keys that seal secrets at rest, how far a rotation is, and the age of the other keys")
                .gives::<StandingSchema>(200),
        )
        .add(
            routes::post("/api/v1/provider/secrets/rotate", "secrets.rotate", manage, rotate)
                .summary("Seal with a new key; what older keys sealed is sealed anew in the background")
                .takes::<RotateRequest>()
                .gives::<StandingSchema>(202)
                .records("secrets."),
        )
}

/// Every key of the installation.
#[derive(serde::Serialize)]
struct Standing {
    #[serde(flatten)]
    sealing: Status,
    ledger_keys: Vec<LedgerKeyView>,
    master_key: MasterStatus,
}

/// The schema of [`Standing`].
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
pub(crate) struct StandingSchema {
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
    /// The keys that sign checkpoints, the oldest first.
    ledger_keys: Vec<LedgerKeyView>,
    master_key: MasterSchema,
}

#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
pub(crate) struct MasterSchema {
    /// Says which master key it is and nothing about it.
    id: String,
    #[schema(format = DateTime)]
    since: String,
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

async fn current(app: &App, now: Timestamp) -> Result<Standing, Problem> {
    let inside = app.clone();
    let read = move |tx: &mut ReadTx| {
        Ok::<_, DbError>(Standing {
            sealing: rotation::status(tx)?,
            ledger_keys: ledger_keys::views(tx, &inside, now)?,
            master_key: master_change::status(tx, inside.keyring())?,
        })
    };
    Ok(app.db().read(read).await?)
}

async fn status(State(app): State<App>, access: Access) -> web::Result {
    Ok(Json(current(&app, access.ctx.now).await?).into_response())
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
    let standing = current(&app, access.ctx.now).await?;
    if asked.dry_run && standing.sealing.rotating {
        return Err(under_way(&standing.sealing));
    }
    let standing = if asked.dry_run {
        standing
    } else {
        apply(&app, &access).await?;
        current(&app, access.ctx.now).await?
    };
    Ok((axum::http::StatusCode::ACCEPTED, Json(standing)).into_response())
}

#[derive(Template)]
#[template(path = "system/secrets/show.html")]
struct SecretsPage {
    shell: Shell,
    status: Status,
    /// With their ages in words, as below.
    keys: Vec<(KeyStatus, String)>,
    ledger_keys: Vec<(LedgerKeyView, String)>,
    master: MasterStatus,
    master_age: String,
    may_manage: bool,
}

fn age(since: Timestamp, now: Timestamp) -> String {
    match now.since(since).as_secs() / DAY.as_secs() {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

async fn page(State(app): State<App>, access: Access) -> web::Result {
    let now = access.ctx.now;
    let Standing { sealing: status, ledger_keys, master_key: master } = current(&app, now).await?;
    let keys = status.keys.iter().map(|key| (key.clone(), age(key.created_at, now))).collect();
    let ledger_keys = ledger_keys.into_iter().map(|key| (age(key.begins_at, now), key));
    web::html(&SecretsPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Secret keys", PATH),
        status,
        keys,
        ledger_keys: ledger_keys.map(|(age, key)| (key, age)).collect(),
        master_age: age(master.since, now),
        master,
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
