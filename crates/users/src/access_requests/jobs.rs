//! The clocks of requests: reminders of those who decide, the end of what nobody decided, a word before access ends,
//! and the end itself. Each step looks at how things are when it runs, so a repeated one does nothing.

use platform::db::{Commit, DbError, Tx};
use platform::ids::OrganizationId;
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run};
use platform::principals;
use platform::time::{DAY, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use super::deciding::approvers_of;
use super::ending::{Why, close, end};
use super::{LAPSES_AFTER, Request, RequestId, State, event, find};
use crate::access_offers::{self, Wanted};
use crate::{access_notices as notices, organizations};

const FOLLOW: &str = "access.follow";

pub(crate) const JOB: JobKind = JobKind { name: FOLLOW, attempts_max: 20, run };

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Half of the target has passed.
    Remind,
    /// The target has passed.
    Overdue,
    Lapse,
    /// Access ends soon.
    Warn,
    Expire,
}

#[derive(Serialize, Deserialize)]
struct Work {
    request: RequestId,
    step: Step,
}

fn enqueue(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    (request, step): (RequestId, Step),
    run_at: Timestamp,
) -> Result<(), DbError> {
    let job = NewJob { kind: FOLLOW, organization: Some(organization), unique_key: None, run_at };
    jobs::enqueue(ctx, tx, &job, &Work { request, step })
}

pub(super) fn schedule_decision(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
) -> Result<(), DbError> {
    let half = ctx.now.plus(request.due_at.since(ctx.now) / 2);
    let lapse = request.due_at.max(ctx.now.plus(LAPSES_AFTER));
    for (step, at) in [(Step::Remind, half), (Step::Overdue, request.due_at), (Step::Lapse, lapse)] {
        enqueue(ctx, tx, organization, (request.id, step), at)?;
    }
    Ok(())
}

pub(super) fn schedule_end(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    at: Timestamp,
) -> Result<(), DbError> {
    if request.days > 2 {
        enqueue(ctx, tx, organization, (request.id, Step::Warn), at.minus(DAY))?;
    }
    enqueue(ctx, tx, organization, (request.id, Step::Expire), at)
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let organization =
            run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))?;
        let work: Work = run.payload()?;
        let (inside, ctx) = (app.clone(), run.ctx.clone());
        app.db()
            .write(&run.ctx, move |tx| step(&inside, &ctx, tx, organization, work.request, work.step))
            .await?;
        Ok(())
    })
}

fn step(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RequestId,
    step: Step,
) -> Result<Commit<()>, DbError> {
    let nothing = Ok(Commit::unchanged(()));
    organizations::lock(tx, organization)?;
    let Some(request) = find(tx, organization, id)? else { return nothing };
    match (step, request.state) {
        (Step::Remind | Step::Overdue, State::Waiting) => {
            if gone(tx, organization, &request)? {
                return Ok(close(ctx, tx, organization, &request, State::Lapsed, "the asker left")?.map(drop));
            }
            let approvers = approvers_of(tx, organization, &request)?.flatten();
            let told = access_offers::told(tx, organization, approvers, request.account)?;
            notices::waits(app, ctx, tx, organization, &request, &told)?;
            let reminded = event(organization, &request, "access_request.reminded");
            let recorded = tx.record(reminded.with("overdue", step == Step::Overdue));
            Ok(Commit::changed((), recorded))
        }
        (Step::Lapse, State::Waiting) => {
            let done = close(ctx, tx, organization, &request, State::Lapsed, "nobody decided")?;
            let after = find(tx, organization, id)?.unwrap_or(request);
            notices::decided(app, ctx, tx, organization, &after)?;
            Ok(done.map(drop))
        }
        (Step::Warn, State::Granted) => {
            notices::ends_soon(app, ctx, tx, organization, &request)?;
            let recorded = tx.record(event(organization, &request, "access_request.end_announced"));
            Ok(Commit::changed((), recorded))
        }
        (Step::Expire, State::Granted) => Ok(end(app, ctx, tx, organization, id, Why::Expired)?.map(drop)),
        _ => nothing,
    }
}

/// Whoever asked is no member any more, so nobody waits.
fn gone(tx: &mut Tx, organization: OrganizationId, request: &Request) -> Result<bool, DbError> {
    let member = principals::membership(tx, organization, request.account)?;
    Ok(request.wanted != Wanted::Membership && member.is_none())
}
