//! What a person does about jobs that failed: try again, or drop for good. Both are recorded in the provider's ledger.
//!
//! A job that waits for its next try can be tried at once; only a failed one can be dropped, and one that runs is left
//! alone. Jobs are idempotent, so a try too many does no harm.

use serde::Serialize;

use super::{JobState, JobView, read_view, sql};
use crate::ctx::Ctx;
use crate::db::{Commit, DbError, ReadTx, Recorded, Tx};
use crate::events::Event;
use crate::ids::JobId;
use crate::mail;
use crate::params;
use crate::principals;

/// Jobs that one call tries again; the rest stays failed for the next call.
pub const AT_ONCE: u32 = 500;

/// How an act on one job ended.
#[derive(Debug, Clone)]
pub enum Repair {
    Done(JobView),
    NoSuchJob,
    /// A node works on it right now.
    Running,
    /// It has not failed, so there is nothing to drop.
    NotFailed,
    /// Another try could do nothing: the mail it should send was sent or cleared away.
    Pointless,
}

/// How many jobs are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub failed: u64,
    pub running: u64,
    pub waiting: u64,
}

pub fn counts(tx: &mut ReadTx) -> Result<Counts, DbError> {
    let mut counts = Counts::default();
    for row in tx.query(&sql::COUNTS, &[])? {
        let count = row.get(1)?;
        match row.parse(0, JobState::parse)? {
            JobState::Failed => counts.failed = count,
            JobState::Running => counts.running = count,
            JobState::Waiting => counts.waiting = count,
        }
    }
    Ok(counts)
}

pub fn find(tx: &mut ReadTx, id: JobId) -> Result<Option<JobView>, DbError> {
    tx.first(&sql::FIND, params![id])?.as_ref().map(read_view).transpose()
}

fn event(tx: &mut Tx, action: &'static str, job: &JobView) -> Result<Recorded, DbError> {
    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
    let event = Event::new(provider.id, action).target("job", job.id).with("kind", &job.kind);
    Ok(tx.record(event.with("attempts", job.attempts)))
}

fn payload(tx: &mut ReadTx, id: JobId) -> Result<String, DbError> {
    Ok(tx.scalar(&sql::PAYLOAD, params![id])?.unwrap_or_default())
}

/// Makes a job due now, with all its tries before it.
pub fn retry(ctx: &Ctx, tx: &mut Tx, id: JobId) -> Result<Commit<Repair>, DbError> {
    let Some(job) = find(tx, id)? else { return Ok(Commit::unchanged(Repair::NoSuchJob)) };
    if job.state == JobState::Running {
        return Ok(Commit::unchanged(Repair::Running));
    }
    let payload = payload(tx, id)?;
    if job.kind == mail::SEND && !mail::revive(tx, &payload)? {
        return Ok(Commit::unchanged(Repair::Pointless));
    }
    if tx.execute(&sql::TRY_NOW, params![id, ctx.now])? != 1 {
        return Ok(Commit::unchanged(Repair::Running));
    }
    let recorded = event(tx, "job.retried", &job)?;
    Ok(Commit::changed(Repair::Done(job), recorded))
}

/// Drops a failed job: what it should have done is not done.
pub fn discard(tx: &mut Tx, id: JobId) -> Result<Commit<Repair>, DbError> {
    let Some(job) = find(tx, id)? else { return Ok(Commit::unchanged(Repair::NoSuchJob)) };
    let payload = payload(tx, id)?;
    if tx.execute(&sql::DISCARD, params![id])? != 1 {
        return Ok(Commit::unchanged(Repair::NotFailed));
    }
    if job.kind == mail::SEND {
        mail::give_up(tx, &payload)?;
    }
    let recorded = event(tx, "job.discarded", &job)?;
    Ok(Commit::changed(Repair::Done(job), recorded))
}

/// The failed jobs that [`retry_failed`] would try again, of one kind or of all.
pub fn failed(tx: &mut ReadTx, kind: Option<&str>) -> Result<Vec<JobView>, DbError> {
    tx.list(&sql::FAILED, params![kind, AT_ONCE], read_view)
}

/// Tries failed jobs again, [`AT_ONCE`] at most: after a mail server came back, for one. Gives how many.
pub fn retry_failed(ctx: &Ctx, tx: &mut Tx, kind: Option<&str>) -> Result<Commit<u64>, DbError> {
    let (mut count, mut recorded) = (0, None);
    for job in failed(tx, kind)? {
        let payload = payload(tx, job.id)?;
        if job.kind == mail::SEND && !mail::revive(tx, &payload)? {
            continue;
        }
        if tx.execute(&sql::TRY_NOW, params![job.id, ctx.now])? == 1 {
            recorded = Some(event(tx, "job.retried", &job)?);
            count += 1;
        }
    }
    Ok(match recorded {
        Some(recorded) => Commit::changed(count, recorded),
        None => Commit::unchanged(0),
    })
}
