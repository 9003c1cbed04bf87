//! What drives the engine: the change feed, the clock, and a full run every night.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use platform::db::{DbError, Tx};
use platform::jobs::{JobFuture, JobKind, NewJob, Run, Schedule};
use platform::time::DAY;
use platform::{Actor, App, feed, jobs};
use serde::{Deserialize, Serialize};

use super::{Engine, Watch, sql};
use crate::cells;

/// The consumer's name: its cursor in the feed.
pub const CONSUMER: &str = "matrix";
/// Small enough that a batch keeps other writers waiting for milliseconds only.
const DUE: u32 = 100;
/// A quarter of the time for the matrix, whose cells turn within a second; less where a look takes longer than that. While
/// much happens a tenth of a second comes together.
const PACE: feed::Pace = feed::Pace::new(3, Duration::from_millis(100), Duration::from_secs(1));
/// On PostgreSQL a committed event shows only when no older transaction runs any more: mostly some milliseconds.
const VISIBILITY_WAIT: Duration = Duration::from_millis(5);
const VISIBILITY_TRIES: u32 = 100;
const PAGE: u32 = 50;
/// Pages of the full run in one job, well within its lease.
const PAGES: usize = 40;

/// The job that looks at every cell.
pub const EVALUATE_ALL: &str = "matrix.evaluate_all";
pub(crate) const JOB: JobKind = JobKind { name: EVALUATE_ALL, attempts_max: 5, run: evaluate_all };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: EVALUATE_ALL, every: DAY };

/// One step: a batch of the feed, then a batch of due cells; gives how much there was. Takes no write lock when there
/// is nothing to do.
pub fn consumer_step(app: App) -> BoxFuture<'static, Result<usize, DbError>> {
    Box::pin(async move { step(&app, PACE.limit()).await.map(|done| done.events + done.due) })
}

/// How much a step did.
struct Done {
    events: usize,
    due: usize,
}

fn step(app: &App, limit: u32) -> BoxFuture<'_, Result<Done, DbError>> {
    Box::pin(async move {
        let mut events = 0;
        for _ in 0..VISIBILITY_TRIES {
            if feed::caught_up(app.db(), CONSUMER).await? {
                break;
            }
            events = step_feed(app, limit).await?;
            if events > 0 {
                break;
            }
            tokio::time::sleep(VISIBILITY_WAIT).await;
        }
        let (now, mut due) = (app.clock().now(), 0);
        if app.db().read(cells::next_due).await?.is_some_and(|due| due <= now) {
            due = step_due(app).await?;
        }
        Ok(Done { events, due })
    })
}

/// Runs `attempt` until no source of evidence breaks it; one that does is left out of the next try.
async fn without_broken<T, F, Fut>(attempt: F) -> Result<T, DbError>
where
    F: Fn(Arc<Watch>) -> Fut,
    Fut: Future<Output = Result<T, DbError>>,
{
    let watch = Arc::new(Watch::default());
    loop {
        match attempt(watch.clone()).await {
            Ok(value) => return Ok(value),
            Err(error) if error.retryable() || !watch.blame(&error) => return Err(error),
            Err(_) => {}
        }
    }
}

async fn step_feed(app: &App, limit: u32) -> Result<usize, DbError> {
    without_broken(|watch| {
        let (engine, clock) = (Arc::new(Engine::of(app)), app.clock().clone());
        let (looking, watched) = (engine.clone(), watch.clone());
        feed::step_looking(
            app.db(),
            CONSUMER,
            limit,
            move |tx, events| looking.plan(tx, events, clock.now(), &watched),
            move |tx, events, plan| engine.keep(tx, events, plan, &watch),
        )
    })
    .await
}

async fn step_due(app: &App) -> Result<usize, DbError> {
    without_broken(|watch| async move {
        let (engine, now) = (Arc::new(Engine::of(app)), app.clock().now());
        let (looking, watched) = (engine.clone(), watch.clone());
        let plan = app.db().read(move |tx| looking.plan_due(tx, now, DUE, &watched)).await?;
        let due = plan.size();
        app.db().housekeeping(move |tx| engine.keep(tx, &[], &plan, &watch)).await?;
        Ok(due)
    })
    .await
}

/// Steps until nothing is left, or until others have written for so long that it is time to go on without them.
pub(crate) async fn catch_up(app: &App) -> Result<(), DbError> {
    for _ in 0..200 {
        if consumer_step(app.clone()).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// The engine beside the server: ends when the app drains.
pub(crate) fn task(app: App) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut commits = app.db().commits();
        if let Err(error) = look_anew_after_an_upgrade(&app).await {
            tracing::error!(%error, "cannot ask for a full run of the matrix");
        }
        let mut pace = PACE;
        while !app.draining() {
            let began = Instant::now();
            match step(&app, pace.limit()).await {
                Ok(Done { events: 0, due: 0 }) => {
                    pace = PACE;
                    let tick = app.clock().sleep_until(app.clock().now().plus(feed::POLL), feed::POLL);
                    tokio::select! {
                        () = feed::wait(&mut commits) => {}
                        () = tick => {}
                        () = app.drained() => {}
                    }
                }
                Ok(done) => {
                    let rest = pace.after(done.events, began.elapsed());
                    tokio::select! {
                        () = tokio::time::sleep(rest) => {}
                        () = app.drained() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the matrix cannot be brought up to date");
                    tokio::select! {
                        () = tokio::time::sleep(feed::POLL) => {}
                        () = app.drained() => {}
                    }
                }
            }
        }
    })
}

/// Another version evaluates other cells: they are looked at at once, not next night.
async fn look_anew_after_an_upgrade(app: &App) -> Result<(), DbError> {
    let now = Engine::of(app).fingerprint();
    let last: Option<String> = app.db().read(|tx| tx.scalar(&sql::FINGERPRINT, &[])).await?;
    if last.as_deref() == Some(now.as_str()) {
        return Ok(());
    }
    let app = app.clone();
    let db = app.db().clone();
    db.housekeeping(move |tx| enqueue(&app, tx, None)).await
}

/// How far the full run has come.
#[derive(Serialize, Deserialize)]
struct Progress {
    after: String,
}

fn enqueue(app: &App, tx: &mut Tx, progress: Option<&Progress>) -> Result<(), DbError> {
    let ctx = app.ctx(Actor::System("matrix"));
    let key = match progress {
        Some(progress) => format!("{} {}", JOB.name, progress.after),
        None => JOB.name.to_owned(),
    };
    let job = NewJob { kind: JOB.name, organization: None, unique_key: Some(&key), run_at: ctx.now };
    jobs::enqueue(&ctx, tx, &job, &progress)
}

/// Evaluates everything, page by page; a job does so many pages and hands on to the next, so that a restart goes on
/// where it was.
fn evaluate_all(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let mut after = run.payload::<Option<Progress>>()?.map(|progress| progress.after).unwrap_or_default();
        for _ in 0..PAGES {
            let from = after.clone();
            let (app, from) = (&app, &from);
            let last = without_broken(|watch| async move {
                let (engine, now, from) = (Arc::new(Engine::of(app)), app.clock().now(), from.clone());
                let (looking, watched) = (engine.clone(), watch.clone());
                let plan = app.db().read(move |tx| looking.plan_page(tx, &from, PAGE, now, &watched)).await?;
                app.db().housekeeping(move |tx| engine.keep_page(tx, &plan, &watch)).await
            })
            .await?;
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
        let rest = app.clone();
        app.db().housekeeping(move |tx| enqueue(&rest, tx, Some(&Progress { after: after.clone() }))).await?;
        Ok(())
    })
}
