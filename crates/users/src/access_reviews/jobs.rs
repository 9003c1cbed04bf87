//! The clocks of reviews: taking grants down, reminders, the due date, and applying what was decided. A repeated run goes
//! on where the one before stopped.

use platform::db::{DbError, Tx};
use platform::ids::{Id, OrganizationId};
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run};
use platform::mail::{self, Message};
use platform::principals;
use platform::time::{DAY, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use super::applying::{self, Step};
use super::{Review, ReviewId, State, event, find, gathering};
use crate::accounts::join;

const GATHER: &str = "access_reviews.gather";
const REMIND: &str = "access_reviews.remind";
const DUE: &str = "access_reviews.due";
const APPLY: &str = "access_reviews.apply";

pub(crate) const KINDS: [JobKind; 4] = [
    JobKind { name: GATHER, attempts_max: 20, run: run_gather },
    JobKind { name: REMIND, attempts_max: 10, run: run_remind },
    JobKind { name: DUE, attempts_max: 20, run: run_due },
    JobKind { name: APPLY, attempts_max: 20, run: run_apply },
];

#[derive(Serialize, Deserialize)]
struct Work {
    review: ReviewId,
}

fn enqueue(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    (kind, review): (&'static str, ReviewId),
    run_at: Timestamp,
) -> Result<(), DbError> {
    let job = NewJob { kind, organization: Some(organization), unique_key: None, run_at };
    jobs::enqueue(ctx, tx, &job, &Work { review })
}

pub(super) fn schedule(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
    due: Timestamp,
) -> Result<(), DbError> {
    enqueue(ctx, tx, organization, (GATHER, id), ctx.now)?;
    let whole = due.since(ctx.now);
    enqueue(ctx, tx, organization, (REMIND, id), ctx.now.plus(whole / 2))?;
    if whole > DAY * 2 {
        enqueue(ctx, tx, organization, (REMIND, id), due.minus(DAY))?;
    }
    enqueue(ctx, tx, organization, (DUE, id), due)
}

pub(super) fn schedule_apply(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<(), DbError> {
    enqueue(ctx, tx, organization, (APPLY, id), ctx.now)
}

fn of(run: &Run) -> Result<(OrganizationId, ReviewId), JobError> {
    let organization =
        run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))?;
    Ok((organization, run.payload::<Work>()?.review))
}

fn run_gather(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, id) = of(&run)?;
        loop {
            let (inside, ctx) = (app.clone(), run.ctx.clone());
            let more = app
                .db()
                .write(&run.ctx, move |tx| gathering::step(&inside, &ctx, tx, organization, id))
                .await?;
            if !more.value {
                return Ok(());
            }
        }
    })
}

/// To each active reviewer who has something left to decide.
pub(super) fn tell_reviewers(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    review: &Review,
    subject: &str,
) -> Result<(), DbError> {
    let here = principals::organization(tx, organization)?;
    let (name, slug) = here.map(|here| (here.name, here.slug)).unwrap_or_default();
    let page = join(&app.config().public_url, &format!("/o/{slug}/access-reviews/{}", review.id));
    let silence = match review.on_silence {
        super::Choice::Revoke => "What nobody answers by then is revoked.",
        super::Choice::Keep => "What nobody answers by then stays, and the review is incomplete.",
    };
    let mut messages = Vec::new();
    for reviewer in super::reviewers(tx, organization, review.id)? {
        let left: Option<u64> =
            tx.scalar(&super::sql::COUNT_LEFT, platform::params![organization, review.id, reviewer.account])?;
        let left = left.unwrap_or(0);
        if !reviewer.active || left == 0 {
            continue;
        }
        let text = format!(
            "Say for each of {left} grants whether it is still needed: {}.\nDecide until {}. {silence}\n\n{page}\n",
            review.name,
            review.due_at.minute_words(),
        );
        messages.push(Message::text(&reviewer.email, &format!("{name}: {subject}"), &text));
    }
    mail::enqueue_many(app.keyring(), ctx, tx, Some(organization), &messages)
}

fn run_remind(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, id) = of(&run)?;
        let (inside, ctx) = (app.clone(), run.ctx.clone());
        app.db()
            .write(&run.ctx, move |tx| {
                let found = find(tx, organization, id)?.filter(|review| review.state == State::Open);
                let Some(review) = found else {
                    return Ok::<_, DbError>(platform::db::Commit::unchanged(()));
                };
                let subject = "a review of access still waits for you";
                tell_reviewers(&inside, &ctx, tx, organization, &review, subject)?;
                let recorded = tx.record(event(organization, &review, "access_review.reminded"));
                Ok(platform::db::Commit::changed((), recorded))
            })
            .await?;
        Ok(())
    })
}

fn run_due(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, id) = of(&run)?;
        let ctx = run.ctx.clone();
        app.db().write(&run.ctx, move |tx| super::finish(&ctx, tx, organization, id)).await?;
        Ok(())
    })
}

fn run_apply(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, id) = of(&run)?;
        loop {
            let (inside, ctx) = (app.clone(), run.ctx.clone());
            let step = app
                .db()
                .write(&run.ctx, move |tx| applying::apply_next(&inside, &ctx, tx, organization, id))
                .await?;
            match step.value {
                Step::More => {}
                Step::Last => break,
                Step::Refuse(item, why) => {
                    let ctx = run.ctx.clone();
                    app.db()
                        .write(&run.ctx, move |tx| applying::refuse(&ctx, tx, organization, id, (item, why)))
                        .await?;
                }
            }
        }
        let mut after = vec![0; 16];
        loop {
            let (ctx, from) = (run.ctx.clone(), after.clone());
            let looked = app
                .db()
                .write(&run.ctx, move |tx| applying::verify_some(&ctx, tx, organization, id, &from))
                .await?;
            match looked.value {
                Some(last) => after = last.bytes().to_vec(),
                None => break,
            }
        }
        let ctx = run.ctx.clone();
        app.db().write(&run.ctx, move |tx| applying::done(&ctx, tx, organization, id)).await?;
        Ok(())
    })
}
