//! Mails the notice: when it is published, when an admin asks for it, and daily to whoever joined or did not answer.

use std::time::Duration;

use platform::App;
use platform::Ctx;
use platform::db::{DbError, Tx};
use platform::ids::{Id, OrganizationId};
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run, Schedule};
use platform::params;
use platform::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

use super::{REMINDED_EVERY, sql};

const TELL: &str = "awareness.tell";
const DAILY: &str = "awareness.daily";

pub(crate) const KINDS: [JobKind; 2] = [
    JobKind { name: TELL, attempts_max: 10, run: run_tell },
    JobKind { name: DAILY, attempts_max: 5, run: run_daily },
];
pub(crate) const SCHEDULE: Schedule = Schedule { kind: DAILY, every: DAY };

/// Tells everybody who has yet to acknowledge, now.
pub(super) fn schedule(ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<(), DbError> {
    let job = NewJob { kind: TELL, organization: Some(organization), unique_key: None, run_at: ctx.now };
    jobs::enqueue(ctx, tx, &job, &Work { asked_at: ctx.now })
}

#[derive(Serialize, Deserialize)]
struct Work {
    /// A run that is repeated leaves out whom the one before told.
    asked_at: Timestamp,
}

async fn tell(
    app: &App,
    run: &Run,
    organization: OrganizationId,
    not_since: Timestamp,
) -> Result<(), JobError> {
    loop {
        let (inside, ctx) = (app.clone(), run.ctx.clone());
        let told = app
            .db()
            .write(&run.ctx, move |tx| super::tell_some(&inside, &ctx, tx, organization, not_since))
            .await?;
        if told.value == 0 {
            return Ok(());
        }
    }
}

fn run_tell(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let organization =
            run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))?;
        let asked_at = run.payload::<Work>()?.asked_at;
        tell(&app, &run, organization, asked_at.minus(Duration::from_micros(1))).await
    })
}

fn run_daily(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        const PAGE: u32 = 500;
        let mut after = vec![0; 16];
        loop {
            let from = after.clone();
            let page: Vec<OrganizationId> = app
                .db()
                .read(move |tx| tx.list(&sql::PUBLISHERS, params![from, PAGE], |row| row.get(0)))
                .await
                .map_err(|error: DbError| JobError::from(error))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.bytes().to_vec();
            for organization in page {
                tell(&app, &run, organization, run.ctx.now.minus(REMINDED_EVERY)).await?;
            }
        }
    })
}
