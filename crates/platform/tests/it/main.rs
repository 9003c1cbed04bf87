//! The platform on both databases, through its public face.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing fails")]

mod attacks;
mod carry;
mod cost;
mod events;
mod feed;
mod guard;
mod jobs;
mod ledger_keys;
mod mail;
mod master_key;
mod repair;
mod rotation;
mod serve;
mod store;
mod store_faults;
mod wall;

use platform::Area;
use platform::web::routes::Routes;

/// An area with nothing in it.
pub static EMPTY: Area = Area {
    name: "empty",
    routes: Routes::new,
    jobs: &[],
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};
