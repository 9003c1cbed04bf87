//! The matrix: who answers for what between the provider and an organization, and whether it holds right now.
//!
//! Start reading at [`rows`] (the duties) and [`states`] (what a cell can say and on what ground).

use platform::Area;
use platform::web::routes::Routes;

pub mod rows;
pub mod states;

pub static AREA: Area = Area {
    name: "responsibility",
    routes: Routes::new,
    jobs: &[],
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};
