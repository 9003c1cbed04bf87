//! Threats: noticing that somebody does harm, and acting on it.
//!
//! Start with [`guessing`] (what counts as guessing passwords, a pure judgement over tries), [`detectors`] (who looks, and
//! whether they are alive), [`alerts`] (what people work on), [`person_alerts`] (what an organization sees of them) and [`plays`] (what they can do about
//! one).
//!
//! Detection follows the feed: sign-in knows nothing of it, records what happened and goes on.

use platform::Area;
use platform::access::Permission;
use platform::web::navigation::{NavConsole, NavEntry};
use platform::web::routes::Routes;

mod alert_notices;
pub mod alerts;
pub mod detectors;
pub mod guessing;
#[cfg(test)]
mod kit;
pub mod person_alerts;
pub mod plays;
mod seams;

pub use detectors::jobs::{consumer_step, follow};

pub static AREA: Area = Area {
    name: "threats",
    routes,
    jobs: &[alerts::jobs::JOB],
    schedules: &[alerts::jobs::SCHEDULE],
    evidence: &[detectors::evidence::WATCHED],
    drills: &[guessing::drill::SYNTHETIC_STUFFING],
    facts: None,
    navigation: &[
        NavEntry {
            console: NavConsole::Provider,
            group: "Users",
            label: "Alerts",
            href: alerts::pages::LIST,
            permission: Some(Permission::ProviderRead),
            rank: 125,
        },
        NavEntry {
            console: NavConsole::Organization,
            group: "Users",
            label: "Alerts",
            href: person_alerts::pages::LIST,
            permission: Some(Permission::PeopleRead),
            rank: 160,
        },
    ],
    tasks: detectors::jobs::TASKS,
};

fn routes() -> Routes {
    Routes::new()
        .merge(alerts::api::routes())
        .merge(alerts::pages::routes())
        .merge(person_alerts::api::routes())
        .merge(person_alerts::pages::routes())
        .merge(plays::api::routes())
        .merge(plays::pages::routes())
        .merge(detectors::api::routes())
        .merge(detectors::pages::routes())
}
