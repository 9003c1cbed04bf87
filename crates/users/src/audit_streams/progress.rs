//! How far a stream has come: taking it for one node, moving on with an acknowledgement, counting a failure.
//!
//! Every step names the claim it was made under, so that a node which was away too long changes nothing any more.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::{self, StoredEvent};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::Timestamp;
use platform::{App, Ctx};

use super::sending::Failure;
use super::{FAILURES_TOLD, HALTED_AFTER, Stream, StreamId, about, backoff, get, sql, tell_admins};

/// How long a node may send for a stream before another one takes it over. A batch takes at most a quarter of it.
pub(super) const LEASE: Duration = Duration::from_secs(120);
/// Events in one batch.
pub(super) const BATCH: u32 = 200;

/// Streams with something to send, and nobody who does.
pub(super) fn due(
    tx: &mut ReadTx,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(OrganizationId, StreamId)>, DbError> {
    tx.list(&sql::DUE, params![now, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A stream that this node alone sends for, until the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub organization: OrganizationId,
    pub id: StreamId,
    pub until: Timestamp,
}

pub(super) fn claim(
    tx: &mut Tx,
    organization: OrganizationId,
    id: StreamId,
    now: Timestamp,
) -> Result<Option<Claim>, DbError> {
    let until = now.plus(LEASE);
    let taken = tx.execute(&sql::CLAIM, params![organization, id, now, until])? == 1;
    Ok(taken.then_some(Claim { organization, id, until }))
}

/// What is to be sent next, with the slug of whose it is.
pub(super) struct Batch {
    pub stream: Stream,
    pub slug: String,
    pub events: Vec<StoredEvent>,
}

/// `None`: nothing is left, or the stream may not go on.
pub(super) fn batch(tx: &mut ReadTx, claim: Claim) -> Result<Option<Batch>, DbError> {
    let Some(stream) = get(tx, claim.organization, claim.id)? else { return Ok(None) };
    let events = events::range(tx, claim.organization, stream.next, BATCH)?;
    let slug = principals::organization(tx, claim.organization)?.map(|found| found.slug);
    Ok(slug.filter(|_| !events.is_empty()).map(|slug| Batch { stream, slug, events }))
}

fn advance(tx: &mut Tx, claim: Claim, from: u64, next: u64, now: Timestamp) -> Result<bool, DbError> {
    let row = params![claim.organization, claim.id, claim.until, from, next, now];
    Ok(tx.execute(&sql::ADVANCE, row)? == 1)
}

/// The receiver acknowledged all before `next`. `false`: the claim is over, or the stream was paused meanwhile. An
/// acknowledgement is no event of its own (it would be sent on, and acknowledged, for ever); that a stream became live is.
pub(super) async fn acknowledged(
    app: &App,
    ctx: &Ctx,
    claim: Claim,
    stream: &Stream,
    next: u64,
) -> Result<bool, DbError> {
    let (from, now) = (stream.next, app.clock().now());
    let news = match stream.is_live(now) {
        true => return app.db().housekeeping(move |tx| advance(tx, claim, from, next, now)).await,
        false if stream.is_failing() => "audit_stream.recovered",
        false => "audit_stream.live",
    };
    let event = about(claim.organization, claim.id, news, &stream.name).with("failures", stream.failures);
    let write = move |tx: &mut Tx| {
        if !advance(tx, claim, from, next, now)? {
            return Ok::<_, DbError>(Commit::unchanged(false));
        }
        let recorded = tx.record(event.clone());
        Ok(Commit::changed(true, recorded))
    };
    Ok(app.db().write(ctx, write).await?.value)
}

/// Nothing was acknowledged: sets the next try, and says so in the log when it lasts.
pub(super) async fn failed(
    app: &App,
    ctx: &Ctx,
    claim: Claim,
    stream: &Stream,
    failure: Failure,
) -> Result<(), DbError> {
    let now = app.clock().now();
    let failures = stream.failures.saturating_add(1);
    let since = stream.failing_since.unwrap_or(now);
    let wait = failure.wait.map_or(backoff(failures), |asked| asked.max(backoff(failures)));
    let words: String = failure.words.chars().take(500).collect();
    let row =
        params![claim.organization, claim.id, claim.until, failures, since, words.as_str(), now.plus(wait)]
            .to_vec();
    let halts = failure.gone || now.since(since) >= HALTED_AFTER;
    if !halts && failures != FAILURES_TOLD {
        return app.db().housekeeping(move |tx| tx.execute(&sql::FAILED, &row).map(drop)).await;
    }
    let (stream, app_in, at) = (stream.clone(), app.clone(), ctx.clone());
    let write = move |tx: &mut Tx| {
        if tx.execute(&sql::FAILED, &row)? != 1 {
            return Ok::<_, DbError>(Commit::unchanged(()));
        }
        let action = if halts { "audit_stream.halted" } else { "audit_stream.failing" };
        if halts {
            tx.execute(&sql::HALT, params![stream.organization, stream.id])?;
            tell_admins(&app_in, &at, tx, &stream, &words)?;
        }
        let event = about(stream.organization, stream.id, action, &stream.name);
        let recorded = tx.record(event.with("failures", failures).with("reason", &words));
        Ok(Commit::changed((), recorded))
    };
    app.db().write(ctx, write).await.map(drop)
}

/// Gives a stream free for the next one, behind those that wait longer.
pub(super) fn release(tx: &mut Tx, claim: Claim, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&sql::RELEASE, params![claim.organization, claim.id, claim.until, now]).map(drop)
}
