//! Ends a break-glass whose time is over: tells everybody and signs out what it let in. The policies do not wait for it.

use platform::App;
use platform::jobs::{JobError, JobFuture, JobKind, Run};

use super::{By, Work};

pub(crate) const END: &str = "break_glass.end";
pub(crate) const KIND: JobKind = JobKind { name: END, attempts_max: 20, run };

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let organization =
            run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))?;
        let (work, ctx, inside) = (run.payload::<Work>()?, run.ctx.clone(), app.clone());
        app.db()
            .write(&run.ctx, move |tx| super::end(&inside, &ctx, tx, organization, By::Time(work.opening)))
            .await?;
        Ok(())
    })
}
