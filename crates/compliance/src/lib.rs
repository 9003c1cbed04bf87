//! Compliance: being ready for what the law asks of an organization.
//!
//! Start with [`breach_contacts`] (who is told first when a breach touches an organization's data) and
//! [`breach_regimes`] (which clocks run then).

use platform::Area;
use platform::access::Permission;
use platform::web::navigation::{NavConsole, NavEntry};
use platform::web::routes::Routes;

pub mod breach_contacts;
pub mod breach_regimes;

pub static AREA: Area = Area {
    name: "compliance",
    routes,
    jobs: breach_contacts::jobs::JOBS,
    schedules: breach_contacts::jobs::SCHEDULES,
    evidence: &[breach_contacts::evidence::BREACH_READINESS],
    drills: &[],
    facts: None,
    navigation: NAVIGATION,
    tasks: &[],
};

fn routes() -> Routes {
    Routes::new()
        .merge(breach_contacts::api::routes())
        .merge(breach_contacts::pages::routes())
        .merge(breach_regimes::api::routes())
}

const NAVIGATION: &[NavEntry] = &[NavEntry {
    console: NavConsole::Organization,
    group: "Compliance",
    label: "Breach contacts",
    href: breach_contacts::pages::PATH,
    permission: Some(Permission::ContactsRead),
    rank: 510,
}];
