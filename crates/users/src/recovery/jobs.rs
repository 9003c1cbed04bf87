//! Looks at an address that somebody asked a recovery link for, out of sight of whoever asked.

use platform::App;
use platform::jobs::{JobError, JobFuture, JobKind, Run};
use serde::{Deserialize, Serialize};

use crate::accounts::email::EmailAddress;

pub(super) const SEND: &str = "recovery.send";

pub(crate) const JOB: JobKind = JobKind { name: SEND, attempts_max: 5, run };

#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    pub email: String,
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let asked = run.payload::<Asked>()?;
        let email =
            EmailAddress::parse(&asked.email).map_err(|_| JobError::permanent("the job holds no address"))?;
        let (inner, ctx) = (app.clone(), run.ctx.clone());
        app.db().write(&run.ctx, move |tx| super::send(&inner, &ctx, tx, &email)).await?;
        Ok(())
    })
}
