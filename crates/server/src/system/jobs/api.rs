//! Jobs and mails as JSON.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::db::DbError;
use platform::ids::JobId;
use platform::jobs::repair::{self, Repair};
use platform::jobs::{self, JobView};
use platform::mail::{self, MailId, MailState, OutboxEntry, Retrying};
use platform::web::extract::{Json, Path, Query};
use platform::web::routes::{self, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{MANAGE, READ, SHOWN_MAX};

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get("/api/v1/provider/jobs", "job.list", READ, list)
                .summary("Background work that failed, runs or waits; 200 at most, failed ones first")
                .gives::<Vec<JobSchema>>(200),
        )
        .add(
            routes::get("/api/v1/provider/jobs/{job}", "job.get", READ, show)
                .summary("One background job")
                .gives::<JobSchema>(200),
        )
        .add(
            routes::post("/api/v1/provider/jobs/{job}/retry", "job.retry", MANAGE, retry)
                .summary("Try a job again now")
                .takes::<Act>()
                .gives::<Acted>(200)
                .records("job.retried"),
        )
        .add(
            routes::post("/api/v1/provider/jobs/{job}/discard", "job.discard", MANAGE, discard)
                .summary("Drop a failed job: what it should have done is not done")
                .takes::<Act>()
                .gives::<Acted>(200)
                .records("job.discarded"),
        )
        .add(
            routes::post("/api/v1/provider/job-retries", "job.retry_failed", MANAGE, retry_failed)
                .summary("Try failed jobs again, of one kind or of all; 500 at most")
                .takes::<RetryFailed>()
                .gives::<RetriedFailed>(200)
                .records("job.retried"),
        )
        .add(
            routes::get("/api/v1/provider/mails", "mail.list", READ, mails)
                .summary("The newest mails in the outbox, without their words; 200 at most")
                .query("state", "waiting, sent or failed; failed when not said")
                .gives::<Vec<MailSchema>>(200),
        )
        .add(
            routes::post("/api/v1/provider/mails/{mail}/retry", "mail.retry", MANAGE, retry_mail)
                .summary("Try a mail again now that failed or waits for its next try")
                .gives::<MailSchema>(200)
                .records("mail.retried"),
        )
}

/// The schema of `platform::jobs::JobView`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
pub(crate) struct JobSchema {
    id: String,
    kind: String,
    /// `failed`, `running` or `waiting`.
    state: String,
    /// When it is or was due; while it waits, the next try.
    #[schema(format = DateTime)]
    run_at: String,
    attempts: u32,
    last_error: Option<String>,
    /// The slug of the organization whose work it is.
    organization: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// While it runs: when another node may take it over.
    #[schema(format = DateTime)]
    leased_until: Option<String>,
}

/// The schema of `platform::mail::OutboxEntry`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer in the OpenAPI file")]
pub(crate) struct MailSchema {
    id: String,
    organization: Option<String>,
    recipient: String,
    /// `failed`, `waiting` or `sent`.
    state: String,
    attempts: u32,
    last_error: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    sent_at: Option<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    /// Only say what would happen.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Acted {
    dry_run: bool,
    /// The job as it was before.
    #[schema(value_type = JobSchema)]
    job: JobView,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryFailed {
    /// Only jobs of this kind, such as `mail.send`.
    #[serde(default)]
    #[schema(example = "mail.send")]
    kind: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RetriedFailed {
    dry_run: bool,
    /// How many are tried again, or would be.
    jobs: u64,
}

async fn list(State(app): State<App>) -> web::Result {
    let jobs = app.db().read(|tx| jobs::list(tx, SHOWN_MAX)).await?;
    Ok(Json(jobs).into_response())
}

async fn show(State(app): State<App>, Path(job): Path<JobId>) -> web::Result {
    Ok(Json(find(&app, job).await?).into_response())
}

pub(super) async fn find(app: &App, job: JobId) -> Result<JobView, Problem> {
    let found = app.db().read(move |tx| repair::find(tx, job)).await?;
    found.ok_or_else(|| Problem::not_found("job; it may have ended meanwhile"))
}

/// What became of the job, or why nothing did.
fn repaired(outcome: Repair) -> Result<JobView, Problem> {
    match outcome {
        Repair::Done(job) => Ok(job),
        Repair::NoSuchJob => Err(Problem::not_found("job; it may have ended meanwhile")),
        Repair::Running => Err(Problem::conflict("the job runs right now")
            .cure("wait for its end; if its node died, another one takes it over within two minutes")),
        Repair::NotFailed => Err(Problem::conflict("the job has not failed: it still waits or runs")
            .cure("only a failed job can be dropped")),
        Repair::Pointless => {
            Err(Problem::conflict("the mail that this job should send was sent or cleared away")
                .cure("discard the job"))
        }
    }
}

pub(super) async fn apply_retry(app: &App, access: &Access, job: JobId) -> Result<JobView, Problem> {
    let ctx = access.ctx.clone();
    let written = app.db().write(&access.ctx, move |tx| repair::retry(&ctx, tx, job)).await?;
    repaired(written.value)
}

pub(super) async fn apply_discard(app: &App, access: &Access, job: JobId) -> Result<JobView, Problem> {
    let written = app.db().write(&access.ctx, move |tx| repair::discard(tx, job)).await?;
    repaired(written.value)
}

async fn retry(
    State(app): State<App>,
    access: Access,
    Path(job): Path<JobId>,
    Json(act): Json<Act>,
) -> web::Result {
    let found = find(&app, job).await?;
    if act.dry_run && found.state == jobs::JobState::Running {
        repaired(Repair::Running)?;
    }
    let job = if act.dry_run { found } else { apply_retry(&app, &access, job).await? };
    Ok(Json(Acted { dry_run: act.dry_run, job }).into_response())
}

async fn discard(
    State(app): State<App>,
    access: Access,
    Path(job): Path<JobId>,
    Json(act): Json<Act>,
) -> web::Result {
    let found = find(&app, job).await?;
    if act.dry_run && found.state != jobs::JobState::Failed {
        repaired(Repair::NotFailed)?;
    }
    let job = if act.dry_run { found } else { apply_discard(&app, &access, job).await? };
    Ok(Json(Acted { dry_run: act.dry_run, job }).into_response())
}

async fn retry_failed(State(app): State<App>, access: Access, Json(asked): Json<RetryFailed>) -> web::Result {
    let RetryFailed { kind, dry_run } = asked;
    let jobs = if dry_run {
        app.db().read(move |tx| repair::failed(tx, kind.as_deref())).await?.len() as u64
    } else {
        apply_retry_failed(&app, &access, kind).await?
    };
    Ok(Json(RetriedFailed { dry_run, jobs }).into_response())
}

pub(super) async fn apply_retry_failed(
    app: &App,
    access: &Access,
    kind: Option<String>,
) -> Result<u64, DbError> {
    let ctx = access.ctx.clone();
    let written =
        app.db().write(&access.ctx, move |tx| repair::retry_failed(&ctx, tx, kind.as_deref())).await?;
    Ok(written.value)
}

#[derive(Deserialize)]
pub(super) struct StateQuery {
    #[serde(default)]
    state: String,
}

impl StateQuery {
    pub(super) fn state(&self) -> Result<MailState, Problem> {
        if self.state.is_empty() {
            return Ok(MailState::Failed);
        }
        MailState::parse(&self.state).ok_or_else(|| {
            Problem::invalid(format!("`{}` is no state of a mail", self.state))
                .field("state", "write `waiting`, `sent` or `failed`")
        })
    }
}

async fn mails(State(app): State<App>, Query(query): Query<StateQuery>) -> web::Result {
    let state = query.state()?;
    let mails = app.db().read(move |tx| mail::list(tx, state, SHOWN_MAX)).await?;
    Ok(Json(mails).into_response())
}

pub(super) async fn apply_retry_mail(
    app: &App,
    access: &Access,
    mail: MailId,
) -> Result<OutboxEntry, Problem> {
    let ctx = access.ctx.clone();
    let written = app.db().write(&access.ctx, move |tx| mail::retry(&ctx, tx, mail)).await?;
    match written.value {
        Retrying::Done(mail) => Ok(mail),
        Retrying::NoSuchMail => Err(Problem::not_found("mail; it may have been cleared away")),
        Retrying::Sent => Err(Problem::conflict("this mail was sent")),
        Retrying::Sending => {
            Err(Problem::conflict("this mail is being sent right now").cure("look again in a minute"))
        }
    }
}

async fn retry_mail(State(app): State<App>, access: Access, Path(mail): Path<MailId>) -> web::Result {
    Ok(Json(apply_retry_mail(&app, &access, mail).await?).into_response())
}
