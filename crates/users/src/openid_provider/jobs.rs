//! Daily: rotates keys that are due, forgets tokens that have run out. Every few minutes: forgets requests and codes that
//! have, since anybody makes them. When a session ends: tells products.

use std::time::Duration;

use platform::App;
use platform::db::DbError;
use platform::jobs::{JobError, JobFuture, JobKind, Run, Schedule};
use platform::params;
use platform::time::{DAY, MINUTE};

use super::{keys, logout, sql};

const MAINTAIN: &str = "oauth.maintain";
const FORGET: &str = "oauth.forget";

pub(crate) const KINDS: &[JobKind] = &[
    JobKind { name: MAINTAIN, attempts_max: 5, run: maintain },
    JobKind { name: FORGET, attempts_max: 5, run: forget },
    // About 20 minutes of trying: a product that is away for longer lives by the end of its tokens.
    JobKind { name: logout::TELL, attempts_max: 9, run: logout::run },
];
pub(crate) const SCHEDULES: [Schedule; 2] = [
    Schedule { kind: MAINTAIN, every: DAY },
    Schedule { kind: FORGET, every: Duration::from_secs(5 * MINUTE.as_secs()) },
];

fn maintain(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        keys::maintain(&app, &run.ctx).await.map_err(|refusal| JobError::retry(refusal.description))?;
        let now = run.ctx.now;
        app.db()
            .housekeeping(move |tx| {
                for statement in [&sql::CLEAN_REFRESH, &sql::CLEAN_GRANTS] {
                    tx.execute(statement, params![now])?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
        Ok(())
    })
}

fn forget(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let now = run.ctx.now;
        app.db()
            .housekeeping(move |tx| {
                for statement in [&sql::CLEAN_DEVICES, &sql::CLEAN_REQUESTS, &sql::CLEAN_SPENT] {
                    tx.execute(statement, params![now])?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
        Ok(())
    })
}
