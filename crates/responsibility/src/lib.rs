//! The matrix: who answers for what between the provider and an organization, and whether it holds right now.
//!
//! Start reading at [`rows`] (the duties) and [`states`] (what a cell can say and on what ground): both are pure. Then
//! [`engine`] (what keeps cells true), [`cells`] and [`history`] (where they are kept), [`matrix`] and
//! [`duties`] (how they are shown), [`drills`], [`attestations`] and [`overview`] (the provider's view).

use platform::Area;
use platform::access::Permission;
use platform::web::navigation::{NavConsole, NavEntry};
use platform::web::routes::Routes;

pub mod attestations;
pub mod cells;
pub mod drills;
pub mod duties;
pub mod engine;
pub mod history;
pub mod matrix;
pub mod overview;
pub mod rows;
pub mod states;

#[cfg(test)]
mod fixtures;

pub static AREA: Area = Area {
    name: "responsibility",
    routes,
    jobs: &[engine::jobs::JOB, drills::jobs::JOB],
    schedules: &[engine::jobs::SCHEDULE, drills::jobs::SCHEDULE],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: NAVIGATION,
    tasks: &[engine::jobs::task],
};

/// One step of the consumer that keeps the matrix true; for programs that drive it themselves (the test kit, the demo).
pub use engine::jobs::consumer_step;

fn routes() -> Routes {
    Routes::new()
        .merge(matrix::api::routes())
        .merge(matrix::pages::routes())
        .merge(duties::pages::routes())
        .merge(history::api::routes())
        .merge(history::pages::routes())
        .merge(attestations::api::routes())
        .merge(attestations::pages::routes())
        .merge(drills::api::routes())
        .merge(drills::pages::routes())
        .merge(overview::api::routes())
        .merge(overview::pages::routes())
}

const NAVIGATION: &[NavEntry] = &[
    NavEntry {
        console: NavConsole::Organization,
        group: "",
        label: "Responsibilities",
        href: matrix::pages::MATRIX,
        permission: Some(Permission::ResponsibilitiesRead),
        rank: 1,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "",
        label: "What changed",
        href: history::pages::CHANGES,
        permission: Some(Permission::ResponsibilitiesRead),
        rank: 2,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "",
        label: "Overview",
        href: overview::pages::OVERVIEW,
        permission: Some(Permission::ProviderRead),
        rank: 1,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "",
        label: "Rows",
        href: overview::pages::ROWS,
        permission: Some(Permission::ProviderRead),
        rank: 2,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "",
        label: "Drills",
        href: drills::pages::PATH,
        permission: Some(Permission::ProviderRead),
        rank: 3,
    },
];
