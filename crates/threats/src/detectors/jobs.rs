//! What drives the detectors: a task for each, beside the server, that follows the feed and gives heartbeats.

use std::time::Duration;

use futures_util::future::BoxFuture;
use platform::db::DbError;
use platform::feed::{self, Cursor};
use platform::time::Timestamp;
use platform::{Actor, App};

use super::{BEATS_EVERY, beat, health};
use crate::guessing::{self, MANY_ACCOUNTS, ONE_ACCOUNT, Rule, Try};

/// Small enough that a batch keeps other writers waiting for milliseconds only.
const EVENTS: u32 = 100;
/// Batches of one pass, so that a detector that is far behind is asked now and then whether it was stopped.
const BATCHES: usize = 50;
/// Between passes: an alert is due within a minute, and each batch is a commit of its own, for which sign-ins would wait.
const REST: Duration = Duration::from_millis(500);
/// On PostgreSQL a committed event shows only when no older transaction runs any more: mostly some milliseconds.
const VISIBILITY_WAIT: Duration = Duration::from_millis(5);
const VISIBILITY_TRIES: u32 = 100;

pub(crate) const TASKS: &[fn(App) -> BoxFuture<'static, ()>] =
    &[|app| task(app, &MANY_ACCOUNTS), |app| task(app, &ONE_ACCOUNT)];

/// How a pass over the feed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Everything that was committed at this time is seen.
    Seen {
        at: Timestamp,
        events: usize,
    },
    /// There is more than one pass takes, or an older transaction still runs.
    Behind {
        events: usize,
    },
    Stopped,
}

/// How a detector stands before a pass.
struct Before {
    stopped: bool,
    beat_at: Option<Timestamp>,
    position: Cursor,
    end: Cursor,
}

async fn before(app: &App, rule: &'static Rule) -> Result<Before, DbError> {
    let read = app.db().read(move |tx| {
        let health = health(tx, rule)?;
        Ok::<_, DbError>(Before {
            stopped: health.stopped.is_some(),
            beat_at: health.beat_at,
            position: feed::position(tx, rule.name)?,
            end: feed::end(tx)?,
        })
    });
    read.await
}

/// One batch; gives how many events it had.
async fn batch(app: &App, rule: &'static Rule) -> Result<usize, DbError> {
    let ctx = app.ctx(Actor::System(rule.name));
    let (inside, at) = (app.clone(), ctx.clone());
    feed::step_recording(app.db(), &ctx, rule.name, EVENTS, move |tx, events| {
        guessing::take(&inside, &at, tx, rule, events.iter().filter_map(Try::of).collect())
    })
    .await
}

/// Follows the feed to where it ended when the pass began.
pub(crate) async fn pass(app: &App, rule: &'static Rule) -> Result<Pass, DbError> {
    pass_from(app, rule).await.map(|(pass, _)| pass)
}

async fn pass_from(app: &App, rule: &'static Rule) -> Result<(Pass, Option<Timestamp>), DbError> {
    let at = app.clock().now();
    let Before { stopped, beat_at, mut position, end } = before(app, rule).await?;
    if stopped {
        return Ok((Pass::Stopped, beat_at));
    }
    let (mut taken, mut batches, mut waited) = (0, 0, 0);
    while position < end {
        let events = batch(app, rule).await?;
        taken += events;
        batches += 1;
        if events == 0 {
            waited += 1;
            if waited == VISIBILITY_TRIES {
                return Ok((Pass::Behind { events: taken }, beat_at));
            }
            tokio::time::sleep(VISIBILITY_WAIT).await;
        } else if batches >= BATCHES {
            return Ok((Pass::Behind { events: taken }, beat_at));
        }
        position = app.db().read(move |tx| feed::position(tx, rule.name)).await?;
    }
    Ok((Pass::Seen { at, events: taken }, beat_at))
}

/// A pass, and the heartbeat that it earned; gives how many events there were.
pub(crate) async fn run_once(app: &App, rule: &'static Rule) -> Result<usize, DbError> {
    let (pass, beat_at) = pass_from(app, rule).await?;
    let (at, events) = match pass {
        Pass::Seen { at, events } => (at, events),
        Pass::Behind { events } => return Ok(events),
        Pass::Stopped => return Ok(0),
    };
    let now = app.clock().now();
    if beat_at.is_none_or(|last| now.since(last) >= BEATS_EVERY) {
        let ctx = app.ctx(Actor::System(rule.name));
        feed::beside(app.db(), &ctx, move |tx| beat(tx, rule, at, now)).await?;
    }
    Ok(events)
}

/// One pass of every detector: what a test calls instead of the tasks.
pub fn consumer_step(app: App) -> BoxFuture<'static, Result<usize, DbError>> {
    Box::pin(async move {
        let mut events = 0;
        for rule in guessing::RULES {
            events += run_once(&app, rule).await?;
        }
        Ok(events)
    })
}

/// The same without heartbeats, for a clock that goes by half a day at once: each would say that it is back.
pub fn follow(app: App) -> BoxFuture<'static, Result<usize, DbError>> {
    Box::pin(async move {
        let mut taken = 0;
        for rule in guessing::RULES {
            if let Pass::Seen { events, .. } | Pass::Behind { events } = pass(&app, rule).await? {
                taken += events;
            }
        }
        Ok(taken)
    })
}

/// A detector beside the server: ends when the app drains. One that never ran begins where the feed is.
fn task(app: App, rule: &'static Rule) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut commits = app.db().commits();
        if let Err(error) = app.db().housekeeping(|tx| feed::begin_at_end(tx, rule.name)).await {
            tracing::error!(%error, detector = rule.name, "cannot find the end of the feed");
        }
        while !app.draining() {
            let taken = match run_once(&app, rule).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(%error, detector = rule.name, "a detector cannot follow the feed");
                    0
                }
            };
            tokio::select! {
                () = tokio::time::sleep(REST), if taken > 0 => {}
                () = feed::wait(&mut commits), if taken == 0 => {}
                () = app.drained() => {}
            }
        }
    })
}
