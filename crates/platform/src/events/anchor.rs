//! Anchors: once a day every organization's ledger head is recorded in the provider's ledger, so that a history
//! rewritten later would have to rewrite the provider's, too, and with it every checkpoint anybody kept of it.

use crate::app::App;
use crate::db::{Commit, DbError, Tx};
use crate::ids::{Id, OrganizationId};
use crate::jobs::{JobFuture, JobKind, Run, Schedule};
use crate::params;
use crate::principals;
use crate::time::DAY;

use super::Event;

const ANCHOR: &str = "ledger.anchor";
/// Organizations per transaction.
const BATCH: u32 = 500;

pub const JOBS: &[JobKind] = &[JobKind { name: ANCHOR, attempts_max: 5, run }];
pub const SCHEDULES: &[Schedule] = &[Schedule { kind: ANCHOR, every: DAY }];

crate::statements! {
    DUE: Platform =
        "select h.organization_id, h.size, h.frontier from ledger_heads h
         left join ledger_anchors a on a.organization_id = h.organization_id
         where h.organization_id > $1 and h.organization_id <> $2 and (a.size is null or a.size < h.size)
         order by h.organization_id limit $3";
    SET: Tenant =
        "insert into ledger_anchors (organization_id, size, anchored_at) values ($1, $2, $3)
         on conflict (organization_id) do update set size = excluded.size, anchored_at = excluded.anchored_at";
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        // Before every id.
        let mut after = Vec::new();
        loop {
            let (from, at) = (after.clone(), run.ctx.clone());
            let anchored = app.db().write(&run.ctx, move |tx| anchor_some(tx, &from, at.now)).await?;
            match anchored.value {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    })
}

/// Anchors up to [`BATCH`] heads after `after` that grew since they were anchored; gives where to go on.
fn anchor_some(
    tx: &mut Tx,
    after: &[u8],
    now: crate::time::Timestamp,
) -> Result<Commit<Option<Vec<u8>>>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Commit::unchanged(None)) };
    let due = tx.list(&DUE, params![after.to_vec(), provider.id, BATCH], |row| {
        let organization: OrganizationId = row.get(0)?;
        let frontier = ledger::Frontier::from_bytes(&row.get::<Vec<u8>>(2)?)
            .map_err(|error| DbError::Ledger(error.to_string()))?;
        Ok((organization, frontier))
    })?;
    let mut recorded = None;
    for (organization, frontier) in &due {
        tx.execute(&SET, params![*organization, frontier.size(), now])?;
        let event = Event::new(provider.id, "ledger.anchored")
            .target("organization", organization)
            .with("size", frontier.size())
            .with("root", hex::encode(frontier.root()));
        recorded = Some(tx.record(event));
    }
    let full = due.len() == BATCH as usize;
    let last = due.last().filter(|_| full).map(|(organization, _)| organization.uuid().as_bytes().to_vec());
    Ok(match recorded {
        Some(recorded) => Commit::changed(last, recorded),
        None => Commit::unchanged(None),
    })
}
