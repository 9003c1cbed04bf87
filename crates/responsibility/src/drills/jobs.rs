//! Runs every drill once a day, so that a pass never gets old by itself.

use std::time::Duration;

use platform::App;
use platform::jobs::{JobError, JobFuture, JobKind, Run, Schedule};
use platform::time::DAY;

pub const RUN_ALL: &str = "drills.run";
pub(crate) const JOB: JobKind = JobKind { name: RUN_ALL, attempts_max: 5, run };
/// Twice within a pass's time to live, so that one missed run is forgiven.
pub(crate) const SCHEDULE: Schedule =
    Schedule { kind: RUN_ALL, every: Duration::from_secs(DAY.as_secs() / 2) };

fn run(app: App, _run: Run) -> JobFuture {
    Box::pin(async move {
        if app.db().read(platform::principals::provider).await?.is_none() {
            // Nothing to attack before the installation is set up.
            return Ok(());
        }
        let drills: Vec<_> = app.drills().collect();
        let outcomes = super::run(&app, &drills).await;
        let broken =
            outcomes.iter().filter(|outcome| outcome.detail.starts_with("the drill broke off")).count();
        match broken {
            0 => Ok(()),
            _ => Err(JobError::retry(format!("{broken} of {} drills broke off", outcomes.len()))),
        }
    })
}
