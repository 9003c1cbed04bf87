//! Forgets what is over: sessions that ended long ago, counters of failed tries, sign-ins that never took their second
//! step, answered challenges, sign-ins that never came back from a provider, single-use links.

use platform::App;
use platform::db::DbError;
use platform::jobs::{JobFuture, JobKind, Run, Schedule};
use platform::time::DAY;

const CLEAN: &str = "sessions.clean";

pub(crate) const JOB: JobKind = JobKind { name: CLEAN, attempts_max: 3, run };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: CLEAN, every: DAY };

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let now = run.ctx.now;
        app.db()
            .housekeeping(move |tx| {
                super::clean(tx, now)?;
                crate::throttles::clean(tx, now)?;
                crate::links::clean(tx, now)?;
                crate::second_step::clean(tx, now)?;
                crate::passkeys::clean(tx, now)?;
                crate::single_sign_on::clean(tx, now)?;
                Ok::<_, DbError>(())
            })
            .await?;
        Ok(())
    })
}
