//! Background work: enqueued in the transaction that needs it, leased by one node, idempotent, retried with backoff.
//!
//! An area lists its [`JobKind`]s and [`Schedule`]s; [`run`] works them off. A job that keeps failing ends as `failed`
//! and stays visible on the provider's jobs page until somebody retries or drops it: nothing is lost silently.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::app::App;
use crate::ctx::{Actor, Ctx};
use crate::db::{DbError, Row, Tx};
use crate::ids::{JobId, OrganizationId};
use crate::params;
use crate::time::Timestamp;

pub mod repair;
pub(crate) mod sql;

/// How long a node may work on a job before another one takes it over.
const LEASE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);
const BATCH: u32 = 16;

/// One run of a job.
pub struct Run {
    pub id: JobId,
    pub organization: Option<OrganizationId>,
    pub payload: serde_json::Value,
    /// 1 on the first try.
    pub attempt: u32,
    pub ctx: Ctx,
}

impl Run {
    /// Reads the payload; a job that does not understand its payload fails for good.
    pub fn payload<T: serde::de::DeserializeOwned>(&self) -> Result<T, JobError> {
        serde_json::from_value(self.payload.clone())
            .map_err(|error| JobError::permanent(format!("payload is not readable: {error}")))
    }
}

/// Why a run failed and whether another try may help.
#[derive(Debug, Clone)]
pub struct JobError {
    pub message: String,
    pub retry: bool,
}

impl JobError {
    pub fn retry(message: impl ToString) -> Self {
        Self { message: message.to_string(), retry: true }
    }
    pub fn permanent(message: impl ToString) -> Self {
        Self { message: message.to_string(), retry: false }
    }
}

impl From<DbError> for JobError {
    fn from(error: DbError) -> Self {
        Self::retry(error)
    }
}

pub type JobFuture = BoxFuture<'static, Result<(), JobError>>;

/// A kind of work and the function that does it. Must be idempotent: a run may be repeated after a crash.
#[derive(Clone, Copy)]
pub struct JobKind {
    pub name: &'static str,
    pub attempts_max: u32,
    pub run: fn(App, Run) -> JobFuture,
}

/// Work that starts by itself: enqueues a job of `kind` every `every`.
#[derive(Clone, Copy)]
pub struct Schedule {
    pub kind: &'static str,
    pub every: Duration,
}

/// A job to enqueue.
pub struct NewJob<'a> {
    pub kind: &'static str,
    pub organization: Option<OrganizationId>,
    /// While a job with this key waits, another one is not enqueued.
    pub unique_key: Option<&'a str>,
    pub run_at: Timestamp,
}

/// Enqueues `job` with the transaction: it exists exactly if the transaction commits.
pub fn enqueue(ctx: &Ctx, tx: &mut Tx, job: &NewJob<'_>, payload: &impl Serialize) -> Result<(), DbError> {
    enqueue_many(ctx, tx, job, std::slice::from_ref(&payload))
}

/// As [`enqueue`], once for each payload.
pub fn enqueue_many(
    ctx: &Ctx,
    tx: &mut Tx,
    job: &NewJob<'_>,
    payloads: &[impl Serialize],
) -> Result<(), DbError> {
    let mut rows = Vec::with_capacity(payloads.len());
    for payload in payloads {
        let payload = serde_json::to_string(payload)
            .map_err(|error| DbError::Other { statement: "jobs::enqueue", message: error.to_string() })?;
        let id: JobId = ctx.id();
        let row = params![id, job.kind, job.unique_key, job.organization, payload, job.run_at, ctx.now];
        rows.push(row.to_vec());
    }
    tx.execute_many(&sql::INSERT, rows)?;
    Ok(())
}

struct Leased {
    id: JobId,
    kind: String,
    organization: Option<OrganizationId>,
    payload: String,
    attempts: u32,
}

fn read_leased(row: &Row) -> Result<Leased, DbError> {
    Ok(Leased {
        id: row.get(0)?,
        kind: row.get(1)?,
        organization: row.get(2)?,
        payload: row.get(3)?,
        attempts: row.get(4)?,
    })
}

/// Works off jobs until the app drains.
pub async fn run(app: App) {
    let mut commits = app.db().commits();
    while !app.draining() {
        match run_due(&app).await {
            Ok(0) => {
                let wait = app.clock().sleep_until(app.clock().now().plus(POLL), POLL);
                tokio::select! {
                    () = wait => {}
                    _ = commits.changed() => {}
                    () = app.drained() => {}
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "cannot take jobs");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// Runs what is due now, once; gives how many jobs ran. Tests call this instead of [`run`].
pub async fn run_due(app: &App) -> Result<usize, DbError> {
    enqueue_schedules(app).await?;
    let ctx = app.ctx(Actor::System("jobs"));
    let now = ctx.now;
    let leased = app
        .db()
        .housekeeping(move |tx| tx.list(&sql::LEASE, params![now, now.plus(LEASE), BATCH], read_leased))
        .await?;
    let count = leased.len();
    let runs = leased.into_iter().map(|job| run_one(app.clone(), job));
    futures_util::future::join_all(runs).await;
    Ok(count)
}

async fn run_one(app: App, job: Leased) {
    let Some(kind) = app.job_kind(&job.kind) else {
        finish(&app, job.id, job.attempts, Err(JobError::permanent("no area knows this kind of job")), 1)
            .await;
        return;
    };
    let payload = serde_json::from_str(&job.payload).unwrap_or(serde_json::Value::Null);
    let run = Run {
        id: job.id,
        organization: job.organization,
        payload,
        attempt: job.attempts,
        ctx: app.ctx(Actor::System(kind.name)),
    };
    // A panicking job must not take the runner with it.
    let result = match tokio::spawn((kind.run)(app.clone(), run)).await {
        Ok(result) => result,
        Err(_) => Err(JobError::retry("the job panicked")),
    };
    metrics::counter!("bailiwick_jobs_total", "kind" => kind.name,
        "outcome" => if result.is_ok() { "done" } else { "failed" })
    .increment(1);
    finish(&app, job.id, job.attempts, result, kind.attempts_max).await;
}

async fn finish(app: &App, id: JobId, attempts: u32, result: Result<(), JobError>, attempts_max: u32) {
    let now = app.clock().now();
    let outcome = app
        .db()
        .housekeeping(move |tx| match &result {
            Ok(()) => tx.execute(&sql::DELETE, params![id]),
            Err(error) if error.retry && attempts < attempts_max => {
                let again = now.plus(backoff(attempts));
                tx.execute(&sql::RETRY, params![id, again, error.message.as_str()])
            }
            Err(error) => tx.execute(&sql::FAIL, params![id, error.message.as_str()]),
        })
        .await;
    if let Err(error) = outcome {
        // The lease runs out and the job is taken again: it is idempotent.
        tracing::error!(%error, job = %id, "cannot finish a job");
    }
}

/// 5 s, 10 s, 20 s … up to an hour.
fn backoff(attempts: u32) -> Duration {
    let seconds = 5_u64.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    Duration::from_secs(seconds.min(3600))
}

async fn enqueue_schedules(app: &App) -> Result<(), DbError> {
    let ctx = app.ctx(Actor::System("schedules"));
    let schedules = app.schedules();
    app.db()
        .housekeeping(move |tx| {
            for schedule in &schedules {
                let next: Option<Timestamp> = tx.scalar(&sql::SCHEDULE_NEXT, params![schedule.kind])?;
                if next.is_some_and(|next| next > ctx.now) {
                    continue;
                }
                tx.execute(
                    &sql::SCHEDULE_SET,
                    params![schedule.kind, ctx.now.plus(schedule.every), ctx.now],
                )?;
                let job = NewJob {
                    kind: schedule.kind,
                    organization: None,
                    unique_key: Some(schedule.kind),
                    run_at: ctx.now,
                };
                enqueue(&ctx, tx, &job, &serde_json::Value::Null)?;
            }
            Ok::<_, DbError>(())
        })
        .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Waiting,
    Running,
    /// Out of tries, or for good; see `last_error` and [`repair`].
    Failed,
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }
}

/// A job as the jobs page shows it: never its payload.
#[derive(Debug, Clone, Serialize)]
pub struct JobView {
    pub id: JobId,
    pub kind: String,
    pub state: JobState,
    /// When it is or was due; while it waits, the next try.
    pub run_at: Timestamp,
    pub attempts: u32,
    pub last_error: Option<String>,
    /// The slug of the organization whose work it is.
    pub organization: Option<String>,
    pub created_at: Timestamp,
    /// While it runs: when another node may take it over.
    pub leased_until: Option<Timestamp>,
}

fn read_view(row: &Row) -> Result<JobView, DbError> {
    Ok(JobView {
        id: row.get(0)?,
        kind: row.get(1)?,
        state: row.parse(2, JobState::parse)?,
        run_at: row.get(3)?,
        attempts: row.get(4)?,
        last_error: row.get(5)?,
        organization: row.get(6)?,
        created_at: row.get(7)?,
        leased_until: row.get(8)?,
    })
}

/// Jobs that wait, run or failed; failed ones first.
pub fn list(tx: &mut crate::db::ReadTx, limit: u32) -> Result<Vec<JobView>, DbError> {
    tx.list(&sql::LIST, params![limit], read_view)
}

/// Leases what is due and forgets it, as a node does that dies: for the test of take-over.
#[doc(hidden)]
pub fn lease_for_test(tx: &mut Tx, now: Timestamp) -> Result<usize, DbError> {
    Ok(tx.list(&sql::LEASE, params![now, now.plus(LEASE), BATCH], read_leased)?.len())
}
