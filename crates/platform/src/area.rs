//! What an area of the product contributes to the program. `server/src/main.rs` is the list of areas.

use crate::evidence::{DrillSource, EvidenceSource, ReadFacts};
use crate::jobs::{JobKind, Schedule};
use crate::web::navigation::NavEntry;
use crate::web::routes::Routes;

pub struct Area {
    pub name: &'static str,
    pub routes: fn() -> Routes,
    pub jobs: &'static [JobKind],
    pub schedules: &'static [Schedule],
    /// Facts this area shows to the matrix.
    pub evidence: &'static [EvidenceSource],
    /// Probes of this area's controls.
    pub drills: &'static [DrillSource],
    /// Reads the facts that decide which duties bind an organization; one area has it.
    pub facts: Option<ReadFacts>,
    /// Entries of the consoles' side navigation.
    pub navigation: &'static [NavEntry],
    /// Long-running tasks to start beside the server (consumers of the feed); end when the app drains.
    pub tasks: &'static [fn(crate::app::App) -> futures_util::future::BoxFuture<'static, ()>],
}
