//! Settles what settles itself: records that waited for a domain, once it is verified. Keeps the request log bounded.

use platform::db::{Commit, DbError, Tx};
use platform::ids::{Id, OrganizationId};
use platform::jobs::{JobError, JobFuture, JobKind, NewJob, Run, Schedule};
use platform::params;
use platform::time::DAY;
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use super::{RecordId, Scope, conflicts, request_log, sql};
use crate::directories;

const SETTLE: &str = "provisioning.settle";
const CLEAN: &str = "provisioning.clean";
/// Records per transaction.
const CHUNK: u32 = 200;

pub(crate) const KINDS: &[JobKind] = &[
    JobKind { name: SETTLE, attempts_max: 10, run: run_settle },
    JobKind { name: CLEAN, attempts_max: 3, run: run_clean },
];
pub(crate) const SCHEDULE: Schedule = Schedule { kind: CLEAN, every: DAY };

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Work {
    domain: String,
}

/// To be called in the transaction that verifies a domain: people of the directories wait for it, perhaps.
pub(crate) fn domain_verified(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    domain: &str,
) -> Result<(), DbError> {
    if directories::list(tx, organization)?.is_empty() {
        return Ok(());
    }
    let job = NewJob { kind: SETTLE, organization: Some(organization), unique_key: None, run_at: ctx.now };
    platform::jobs::enqueue(ctx, tx, &job, &Work { domain: domain.to_owned() })
}

fn run_settle(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let work: Work = run.payload()?;
        let organization =
            run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))?;
        let all = app.db().read(move |tx| directories::list(tx, organization)).await?;
        for directory in all {
            let scope =
                Scope { organization, directory: directory.id, base: super::api::base(&app, directory.id) };
            let mut after = Vec::new();
            loop {
                let (app_in, ctx, scope, domain) =
                    (app.clone(), run.ctx.clone(), scope.clone(), work.domain.clone());
                let from = after.clone();
                let done = app
                    .db()
                    .write(&run.ctx, move |tx| settle_some(&app_in, &ctx, tx, &scope, &domain, &from))
                    .await?;
                match done.value {
                    Some(last) => after = last,
                    None => break,
                }
            }
        }
        Ok(())
    })
}

/// Gives the last id looked at; `None` when none is left.
fn settle_some(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    scope: &Scope,
    domain: &str,
    after: &[u8],
) -> Result<Commit<Option<Vec<u8>>>, DbError> {
    let params = params![scope.organization, scope.directory, domain, after.to_vec(), CHUNK];
    let held: Vec<RecordId> = tx.list(&sql::HELD_AT_DOMAIN, params, |row| row.get(0))?;
    let Some(last) = held.last().map(|id| id.bytes().to_vec()) else { return Ok(Commit::unchanged(None)) };
    let mut recorded = None;
    for id in held {
        if let Some(done) = conflicts::retry_person(app, ctx, tx, scope, id)? {
            recorded = Some(done);
        }
    }
    Ok(match recorded {
        Some(recorded) => Commit::changed(Some(last), recorded),
        None => Commit::unchanged(Some(last)),
    })
}

fn run_clean(app: App, run: Run) -> JobFuture {
    Box::pin(async move { Ok(request_log::clean(&app, run.ctx.now).await?) })
}
