//! Sends what streams have to send, and keeps quiet ones provably alive.
//!
//! Sending is a task of its own beside the queue of jobs: a receiver that is slow holds up its own stream and nothing
//! else. Which node sends is settled by a claim in the store, so a node that dies is followed by another.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use platform::App;
use platform::ctx::Actor;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::{Id, OrganizationId};
use platform::jobs::{JobError, JobFuture, JobKind, Run, Schedule};
use platform::params;
use platform::time::{HOUR, SECOND, Timestamp};
use tokio::task::JoinSet;

use super::progress::{self, Claim, LEASE};
use super::{StreamId, sending, sql};
use crate::audit_log::api::{EventView, source};

const QUIET: &str = "audit_streams.quiet";
/// A live stream that had nothing to send for so long gets something.
const QUIET_AFTER: Duration = Duration::from_secs(12 * HOUR.as_secs());
/// Streams that one node sends for at a time.
const AT_ONCE: usize = 16;
/// Of one organization: its slow receivers hold up its own log and nobody else's.
const AT_ONCE_OF_ONE: usize = 4;
/// Streams that are looked at to find them.
const LOOKED_AT: u32 = 256;
const LOOKS_EVERY: Duration = SECOND;

pub(crate) const JOB: JobKind = JobKind { name: QUIET, attempts_max: 5, run: run_quiet };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: QUIET, every: HOUR };

/// Sends until the program drains.
pub(crate) fn run(app: App) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut sending = JoinSet::new();
        let mut whose = HashMap::new();
        while !app.draining() {
            match due(&app, &whose.values().copied().collect::<Vec<_>>()).await {
                Ok(found) => {
                    for (organization, id) in found {
                        let task = sending.spawn(pass(app.clone(), organization, id));
                        whose.insert(task.id(), organization);
                    }
                }
                Err(error) => tracing::error!(%error, "cannot look for streams to send for"),
            }
            let wait = app.clock().sleep_until(app.clock().now().plus(LOOKS_EVERY), LOOKS_EVERY);
            tokio::select! {
                () = wait => {}
                () = app.drained() => {}
            }
            while let Some(ended) = sending.try_join_next_with_id() {
                whose.remove(&match &ended {
                    Ok((task, _)) => *task,
                    Err(error) => error.id(),
                });
                report(ended.map(|(_, sent)| sent));
            }
        }
        // What is on its way is acknowledged or sent again after the claim is over.
        sending.abort_all();
    })
}

fn report(ended: Result<Result<usize, DbError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "cannot keep how far a stream has come"),
        Err(error) => tracing::error!(%error, "sending for a stream broke off"),
    }
}

/// Streams to send for now; `busy`: whose are being sent for.
async fn due(app: &App, busy: &[OrganizationId]) -> Result<Vec<(OrganizationId, StreamId)>, DbError> {
    if busy.len() >= AT_ONCE {
        return Ok(Vec::new());
    }
    let now = app.clock().now();
    let found = app.db().read(move |tx| progress::due(tx, now, LOOKED_AT)).await?;
    Ok(admitted(found, busy))
}

/// Of those that wait, in their order, as many as there are places, and of each organization no more than its share.
fn admitted(
    waiting: Vec<(OrganizationId, StreamId)>,
    busy: &[OrganizationId],
) -> Vec<(OrganizationId, StreamId)> {
    let mut places = HashMap::new();
    for organization in busy {
        *places.entry(*organization).or_insert(0) += 1;
    }
    let mut admit = |organization: OrganizationId| {
        let taken: &mut usize = places.entry(organization).or_insert(0);
        *taken += 1;
        *taken <= AT_ONCE_OF_ONE
    };
    let free = AT_ONCE.saturating_sub(busy.len());
    waiting.into_iter().filter(|(organization, _)| admit(*organization)).take(free).collect()
}

/// Sends once for every stream that is due; gives how many batches were tried. What tests call instead of [`run`].
#[cfg(test)]
pub(super) async fn step(app: App) -> Result<usize, DbError> {
    let mut tried = 0;
    for (organization, id) in due(&app, &[]).await? {
        tried += pass(app.clone(), organization, id).await?;
    }
    Ok(tried)
}

/// Takes one stream and sends for it.
async fn pass(app: App, organization: OrganizationId, id: StreamId) -> Result<usize, DbError> {
    let now = app.clock().now();
    let claimed = app.db().housekeeping(move |tx| progress::claim(tx, organization, id, now)).await?;
    let Some(claim) = claimed else { return Ok(0) };
    let tried = send_all(&app, claim, now).await?;
    let now = app.clock().now();
    app.db().housekeeping(move |tx| progress::release(tx, claim, now)).await?;
    Ok(tried)
}

/// Sends batch after batch until nothing is left, one is not acknowledged, or half of the claim is over.
async fn send_all(app: &App, claim: Claim, started: Timestamp) -> Result<usize, DbError> {
    let ctx = app.ctx(Actor::System("audit_streams"));
    let mut tried = 0;
    while app.clock().now().since(started) < LEASE / 2 && !app.draining() {
        let Some(batch) = app.db().read(move |tx| progress::batch(tx, claim)).await? else { break };
        tried += 1;
        let source = source(app, claim.organization, &batch.slug);
        let events: Vec<EventView> = batch.events.into_iter().map(EventView::from).collect();
        let next = events.last().map_or(batch.stream.next, |event| event.sequence + 1);
        let message = sending::message_id(&batch.stream, &events);
        let now = app.clock().now();
        match sending::send(app, &batch.stream, &source, &events, (&message, now)).await {
            Ok(_) => {
                if !progress::acknowledged(app, &ctx, claim, &batch.stream, next).await? {
                    break;
                }
            }
            Err(failure) => {
                progress::failed(app, &ctx, claim, &batch.stream, failure).await?;
                break;
            }
        }
    }
    Ok(tried)
}

/// Where nothing happens nothing would be sent, and nobody could tell a quiet stream from a dead one: then the log itself
/// says that it was quiet, and that is sent.
fn run_quiet(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        const PAGE: u32 = 500;
        let (since, mut after) = (run.ctx.now.minus(QUIET_AFTER), vec![0; 16]);
        loop {
            let from = after.clone();
            let page: Vec<OrganizationId> = app
                .db()
                .read(move |tx| tx.list(&sql::QUIET, params![since, from, PAGE], |row| row.get(0)))
                .await
                .map_err(|error: DbError| JobError::from(error))?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.bytes().to_vec();
            for organization in page {
                let write = move |tx: &mut platform::db::Tx| {
                    let recorded = tx.record(Event::new(organization, "audit_stream.quiet"));
                    Ok::<_, DbError>(Commit::changed((), recorded))
                };
                app.db().write(&run.ctx, write).await?;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_receivers_of_one_leave_places_to_others() {
        let organization = |n: u128| OrganizationId::from_uuid(uuid::Uuid::from_u128(n));
        let stream = |n: u128| StreamId::from_uuid(uuid::Uuid::from_u128(n));
        let waiting: Vec<_> =
            (0..10).map(|n| (organization(1), stream(n))).chain([(organization(2), stream(20))]).collect();
        let whose = |busy: &[OrganizationId]| -> Vec<OrganizationId> {
            admitted(waiting.clone(), busy).into_iter().map(|(organization, _)| organization).collect()
        };
        let (one, two) = (organization(1), organization(2));
        assert_eq!(whose(&[]), [one, one, one, one, two]);
        assert_eq!(whose(&[one, one, one]), [one, two]);
        assert_eq!(whose(&[one; 4]), [two]);
        let mut full: Vec<_> = (10..25).map(organization).collect();
        assert_eq!(whose(&full), [one]);
        full.push(organization(30));
        assert_eq!(whose(&full), []);
    }
}
