//! Forgets whom old alerts were about: once a day, those that were resolved longer ago than the provider keeps names.
//!
//! What remains says that there was an alert, how bad it was, how many tries there were, and what it was found to be.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::jobs::{JobFuture, JobKind, Run, Schedule};
use platform::time::{DAY, Timestamp};
use platform::{App, params, principals};
use users::audit_retention;

use super::{AlertId, sql};

/// As long as an attack is of use to whoever looks at the next one: a year and a month.
pub const DAYS: u32 = 400;
/// Alerts of one transaction.
const BATCH: u32 = 100;

const FORGET: &str = "alert.forget";
pub(crate) const JOB: JobKind = JobKind { name: FORGET, attempts_max: 5, run };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: FORGET, every: DAY };

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        loop {
            let now = run.ctx.now;
            let done = app.db().write(&run.ctx, move |tx| forget(tx, now)).await?;
            if done.value < u64::from(BATCH) {
                return Ok(());
            }
        }
    })
}

/// For how many days it is kept whom a resolved alert was about: no longer than the provider's audit log says it.
pub fn days(tx: &mut ReadTx, provider: OrganizationId) -> Result<u32, DbError> {
    Ok(audit_retention::get(tx, provider)?.map_or(DAYS, |retention| retention.days.min(DAYS)))
}

/// One batch; gives how many there were.
fn forget(tx: &mut Tx, now: Timestamp) -> Result<Commit<u64>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Commit::unchanged(0)) };
    let days = days(tx, provider.id)?;
    let before = now.minus(Duration::from_secs(DAY.as_secs() * u64::from(days)));
    let old: Vec<AlertId> =
        tx.list(&sql::TO_FORGET, params![provider.id, before, BATCH], |row| row.get(0))?;
    if old.is_empty() {
        return Ok(Commit::unchanged(0));
    }
    for id in &old {
        tx.execute(&sql::FORGET_SUBJECT, params![provider.id, *id])?;
        for statement in
            [&sql::FORGET_SIGHTINGS, &sql::FORGET_SLOTS, &sql::FORGET_MAILS, &crate::person_alerts::FORGET]
        {
            tx.execute(statement, params![provider.id, *id])?;
        }
    }
    let count = u64::try_from(old.len()).unwrap_or(u64::MAX);
    let event = Event::new(provider.id, "alert.forgotten").with("alerts", count).with("days", days);
    let recorded = tx.record(event);
    Ok(Commit::changed(count, recorded))
}
