//! Daily: rotates keys that are due, forgets what has run out. When a session ends: tells products.

use platform::App;
use platform::db::DbError;
use platform::jobs::{JobError, JobFuture, JobKind, Run, Schedule};
use platform::params;
use platform::time::DAY;

use super::{keys, logout, sql};

const MAINTAIN: &str = "oauth.maintain";

pub(crate) const KINDS: &[JobKind] = &[
    JobKind { name: MAINTAIN, attempts_max: 5, run: maintain },
    // About 20 minutes of trying: a product that is away for longer lives by the end of its tokens.
    JobKind { name: logout::TELL, attempts_max: 9, run: logout::run },
];
pub(crate) const SCHEDULE: Schedule = Schedule { kind: MAINTAIN, every: DAY };

fn maintain(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        keys::maintain(&app, &run.ctx).await.map_err(|refusal| JobError::retry(refusal.description))?;
        let now = run.ctx.now;
        app.db()
            .housekeeping(move |tx| {
                for statement in [
                    &sql::CLEAN_DEVICES,
                    &sql::CLEAN_REFRESH,
                    &sql::CLEAN_REQUESTS,
                    &sql::CLEAN_GRANTS,
                    &sql::CLEAN_SPENT,
                ] {
                    tx.execute(statement, params![now])?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
        Ok(())
    })
}
