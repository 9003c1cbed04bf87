//! The roll-up: counts every organization into the row of the current day.
//!
//! It runs every half hour, so that figures stay younger than an hour also when one run fails. A run takes organizations
//! page by page and hands on to the next one before its lease is over; all of them count for the time when the first
//! began, so that a pass over midnight belongs to one day. Repeating any of it does no harm.

use std::time::{Duration, Instant};

use platform::App;
use platform::db::DbError;
use platform::ids::{Id, OrganizationId};
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run, Schedule};
use platform::params;
use platform::time::{HOUR, MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

use super::sql;

pub(crate) const COUNT: &str = "insights.count";

pub(crate) const JOB: JobKind = JobKind { name: COUNT, attempts_max: 3, run };
pub(crate) const SCHEDULE: Schedule =
    Schedule { kind: COUNT, every: Duration::from_secs(30 * MINUTE.as_secs()) };

/// Organizations that are read and written at once.
const PAGE: u32 = 50;
/// Real time after which a run hands on: well below the lease of a job.
const BUDGET: Duration = Duration::from_secs(45);

/// Where a pass over all organizations has come to.
#[derive(Serialize, Deserialize)]
struct Progress {
    after: OrganizationId,
    began_at: Timestamp,
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let progress = run.payload::<Option<Progress>>()?;
        let began_at = progress.as_ref().map_or(run.ctx.now, |progress| progress.began_at);
        if run.ctx.now.since(began_at) >= HOUR {
            // The program was away meanwhile: a pass of now has begun, or will.
            return Ok(());
        }
        let started = Instant::now();
        let mut after = progress.map(|progress| progress.after);
        while let Some(last) = count_page(&app, after, began_at).await? {
            after = Some(last);
            if started.elapsed() > BUDGET {
                return hand_on(&app, &run, Progress { after: last, began_at }).await;
            }
        }
        app.db().housekeeping(move |tx| super::finish(tx, began_at)).await?;
        Ok(())
    })
}

/// Counts the next organizations; gives the last of them, `None` when there were no more.
async fn count_page(
    app: &App,
    after: Option<OrganizationId>,
    at: Timestamp,
) -> Result<Option<OrganizationId>, JobError> {
    let after = after.map_or_else(|| vec![0; 16], |id| id.bytes().to_vec());
    let counted = app.db().read(move |tx| {
        let page: Vec<OrganizationId> =
            tx.list(&sql::ORGANIZATIONS, params![after, PAGE], |row| row.get(0))?;
        page.into_iter().map(|id| Ok((id, super::count(tx, id, at)?))).collect::<Result<Vec<_>, DbError>>()
    });
    let counted = counted.await?;
    let last = counted.last().map(|(id, _)| *id);
    if last.is_some() {
        let write = app.db().housekeeping(move |tx| {
            counted.iter().try_for_each(|(id, counted)| super::keep(tx, *id, counted))
        });
        write.await?;
    }
    Ok(last)
}

async fn hand_on(app: &App, run: &Run, progress: Progress) -> Result<(), JobError> {
    let ctx = run.ctx.clone();
    let write = app.db().housekeeping(move |tx| {
        let job = NewJob { kind: COUNT, organization: None, unique_key: None, run_at: ctx.now };
        jobs::enqueue(&ctx, tx, &job, &progress)
    });
    write.await.map_err(|error: DbError| JobError::from(error))
}
