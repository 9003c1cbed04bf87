//! `/provider/drills`: every drill with how its last runs ended, part by part.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::events::{self, StoredEvent};
use platform::evidence::Side;
use platform::principals;
use platform::time::Timestamp;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{Access, browser};

use crate::rows;

pub(crate) const PATH: &str = "/provider/drills";
/// Runs of a drill that are shown.
const RUNS: u32 = 5;

pub(crate) fn routes() -> Routes {
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(routes::get(PATH, "drill.list_page", read, show))
        .add(routes::post(PATH, "drill.run_all_form", manage, run_all).limit(Limit::Heavy).records("drill."))
}

struct Line {
    row: &'static str,
    title: &'static str,
    drill: &'static str,
    attack: &'static str,
    runs: Vec<Run>,
}

struct Run {
    at: Timestamp,
    passed: bool,
    detail: String,
    /// Names and results of its parts, as the event has them.
    parts: Vec<(String, String)>,
}

impl Run {
    fn of(event: &StoredEvent) -> Self {
        let part = |(name, value): (&String, &String)| {
            let name = name.strip_prefix("way_").or_else(|| name.strip_prefix("part_"))?;
            Some((name.replace('_', " "), value.replace('_', " ")))
        };
        Self {
            at: event.at,
            passed: event.action == "drill.passed",
            detail: event.public.get("detail").cloned().unwrap_or_default(),
            parts: event.public.iter().filter_map(part).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "drills/list.html")]
struct DrillsPage {
    shell: Shell,
    lines: Vec<Line>,
    may_manage: bool,
}

async fn show(State(app): State<App>, access: Access) -> platform::web::Result {
    let known: Vec<_> = app.drills().map(|source| (source.row, source.id)).collect();
    let lines = app.db().read(move |tx| {
        let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
        let mut lines = Vec::new();
        for &(row, drill) in &known {
            let Some(found) = rows::find(row) else { continue };
            let Some(half) = found.half(Side::Provider) else { continue };
            let runs = events::about(tx, provider.id, "row", row, RUNS)?;
            let runs = runs.iter().filter(|event| super::reported(event).is_some()).map(Run::of).collect();
            let attack = half.drill.map_or("", |drill| drill.attack);
            lines.push(Line { row: found.id, title: found.title_of(Side::Provider), drill, attack, runs });
        }
        Ok::<_, DbError>(lines)
    });
    let mut lines = lines.await?;
    lines.sort_by_key(|line| line.row);
    platform::web::html(&DrillsPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Drills", PATH),
        lines,
        may_manage: access.may(Permission::ProviderManage),
    })
}

async fn run_all(State(app): State<App>, _access: Access) -> platform::web::Result {
    let drills: Vec<_> = app.drills().collect();
    let outcomes = super::run(&app, &drills).await;
    crate::engine::jobs::catch_up(&app).await?;
    let failed: Vec<&str> =
        outcomes.iter().filter(|outcome| !outcome.passed).map(|outcome| outcome.row.as_str()).collect();
    if failed.is_empty() {
        let said = format!("{} drills ran; every attack was stopped.", outcomes.len());
        return browser::see_other_with(PATH, Tone::Good, &said);
    }
    browser::see_other_with(PATH, Tone::Bad, &format!("These drills failed: {}.", failed.join(", ")))
}
