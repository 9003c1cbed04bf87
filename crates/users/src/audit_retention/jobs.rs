//! Erases what is older than an organization keeps: once a day for each, more often while much is left.

use std::time::{Duration, Instant};

use platform::App;
use platform::db::DbError;
use platform::ids::OrganizationId;
use platform::jobs::{JobError, JobFuture, JobKind, Run, Schedule};
use platform::params;
use platform::time::HOUR;

use super::sql;

const SWEEP: &str = "audit_retention.sweep";
pub(crate) const JOB: JobKind = JobKind { name: SWEEP, attempts_max: 5, run };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: SWEEP, every: HOUR };

/// Organizations that are looked at together.
const PAGE: u32 = 50;
/// Batches for one organization before the next one has its turn.
const TURN: u32 = 20;
/// Real time after which a run leaves the rest to the next hour: well below the lease of a job.
const BUDGET: Duration = Duration::from_secs(45);

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (started, now) = (Instant::now(), run.ctx.now);
        loop {
            let due: Vec<OrganizationId> = app
                .db()
                .read(move |tx| tx.list(&sql::DUE, params![now, PAGE], |row| row.get(0)))
                .await
                .map_err(|error: DbError| JobError::from(error))?;
            if due.is_empty() {
                return Ok(());
            }
            for organization in due {
                for _ in 0..TURN {
                    let more = sweep(&app, &run, organization).await?;
                    if started.elapsed() > BUDGET {
                        return Ok(());
                    }
                    if !more {
                        break;
                    }
                }
            }
        }
    })
}

/// One batch. `true`: more may be left.
async fn sweep(app: &App, run: &Run, organization: OrganizationId) -> Result<bool, JobError> {
    let (ctx, now) = (run.ctx.clone(), run.ctx.now);
    let done = app.db().write(&run.ctx, move |tx| super::sweep(&ctx, tx, organization)).await?;
    let Some(swept) = done.value else { return Ok(false) };
    if swept.redacted == 0 {
        let keep = app.db().housekeeping(move |tx| super::keep_progress(tx, organization, swept, now));
        keep.await.map_err(|error: DbError| JobError::from(error))?;
    }
    Ok(!swept.done)
}
