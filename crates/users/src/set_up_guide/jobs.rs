//! Keeps the progress of guided set-up: follows the feed, and looks once a day at everybody who has not finished, since
//! some steps come and go with time alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use platform::db::{DbError, ReadTx, Tx};
use platform::events::StoredEvent;
use platform::ids::OrganizationId;
use platform::jobs::{JobError, JobFuture, JobKind, Run, Schedule};
use platform::params;
use platform::principals;
use platform::time::{DAY, Timestamp};
use platform::{App, feed};

use super::{Found, Sources, find, keep, sql};

/// The consumer's name: its cursor in the feed.
pub const CONSUMER: &str = "set_up_guides";
const PAGE: u32 = 50;
/// Nobody waits for a tick on a list of things to do.
const PACE: feed::Pace = feed::Pace::new(9, Duration::from_secs(1), Duration::from_secs(2));
/// On PostgreSQL a committed event shows only when no older transaction runs any more: mostly some milliseconds.
const VISIBILITY_WAIT: Duration = Duration::from_millis(5);
const VISIBILITY_TRIES: u32 = 100;

const DAILY: &str = "set_up_guide.refresh";
pub(crate) const JOB: JobKind = JobKind { name: DAILY, attempts_max: 5, run: run_daily };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: DAILY, every: DAY };

/// Beginnings of actions after which a step may stand otherwise.
const CONCERNS: &[&str] = &[
    "organization.",
    "domain.",
    "claim.",
    "account.",
    "member.",
    "policy.",
    "factor.",
    "connection.",
    "single_sign_on.",
    "directory.",
    "directory_user.",
    "scim_token.",
    "awareness.",
    "breach_",
    "access_review.",
    // What was skipped while somebody looked is looked at again.
    "set_up_guide.",
];

/// Looks at an organization's steps unless it finished.
fn look_at(
    tx: &mut ReadTx,
    sources: &Sources,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<Found>, DbError> {
    if tx.scalar::<bool>(&sql::IS_FINISHED, params![organization])? == Some(true) {
        return Ok(None);
    }
    find(tx, sources, organization, now)
}

/// How far everybody is whom these events concern.
struct Looked {
    now: Timestamp,
    found: Vec<(OrganizationId, Found)>,
}

impl Looked {
    fn at(
        tx: &mut ReadTx,
        sources: &Sources,
        events: &[StoredEvent],
        now: Timestamp,
    ) -> Result<Self, DbError> {
        let concerned = |event: &&StoredEvent| CONCERNS.iter().any(|start| event.action.starts_with(start));
        let organizations: BTreeSet<OrganizationId> =
            events.iter().filter(concerned).map(|event| event.organization).collect();
        let mut found = Vec::new();
        for organization in organizations {
            found.extend(look_at(tx, sources, organization, now)?.map(|one| (organization, one)));
        }
        Ok(Self { now, found })
    }

    fn keep(&self, tx: &mut Tx) -> Result<(), DbError> {
        self.found.iter().try_for_each(|(organization, found)| keep(tx, *organization, found, self.now))
    }
}

/// One step: a batch of the feed; gives how many events there were.
pub fn consumer_step(app: App) -> BoxFuture<'static, Result<usize, DbError>> {
    Box::pin(async move { step(&app, PACE.limit()).await })
}

fn step(app: &App, limit: u32) -> BoxFuture<'_, Result<usize, DbError>> {
    Box::pin(async move {
        for _ in 0..VISIBILITY_TRIES {
            if feed::caught_up(app.db(), CONSUMER).await? {
                return Ok(0);
            }
            let (sources, clock) = (Sources::of(app), app.clock().clone());
            let taken = feed::step_looking(
                app.db(),
                CONSUMER,
                limit,
                move |tx, events| Looked::at(tx, &sources, events, clock.now()),
                |tx, _, looked| looked.keep(tx),
            )
            .await?;
            if taken > 0 {
                return Ok(taken);
            }
            tokio::time::sleep(VISIBILITY_WAIT).await;
        }
        Ok(0)
    })
}

/// The consumer beside the server: ends when the app drains. It begins where the feed is: what was before, the daily
/// job sees, whose first run is due at once.
pub(crate) fn task(app: App) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut commits = app.db().commits();
        let begun = app.db().housekeeping(|tx| feed::begin_at_end(tx, CONSUMER)).await;
        if let Err(error) = begun {
            tracing::error!(%error, "cannot find the end of the feed");
        }
        let mut pace = PACE;
        while !app.draining() {
            let began = Instant::now();
            let taken = match step(&app, pace.limit()).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::error!(%error, "the progress of guided set-up cannot be kept");
                    0
                }
            };
            let rest = pace.after(taken, began.elapsed());
            tokio::select! {
                () = tokio::time::sleep(rest), if taken > 0 => {}
                () = feed::wait(&mut commits), if taken == 0 => {}
                () = app.drained() => {}
            }
        }
    })
}

fn run_daily(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let mut after = String::new();
        loop {
            let (sources, from, now) = (Sources::of(&app), after.clone(), run.ctx.now);
            let last = app
                .db()
                .housekeeping(move |tx| {
                    let page = principals::organizations(tx, &from, PAGE)?;
                    for organization in &page {
                        if let Some(found) = look_at(tx, &sources, organization.id, now)? {
                            keep(tx, organization.id, &found, now)?;
                        }
                    }
                    Ok::<_, DbError>(page.last().map(|organization| organization.slug.clone()))
                })
                .await
                .map_err(JobError::from)?;
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    })
}
