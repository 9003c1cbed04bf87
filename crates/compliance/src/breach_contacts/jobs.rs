//! Asks contacts to confirm again, from 30 days before their year ends until 30 days after.

use std::time::Duration;

use platform::App;
use platform::db::DbError;
use platform::ids::OrganizationId;
use platform::jobs::{JobFuture, JobKind, Run, Schedule};
use platform::params;
use platform::time::DAY;

use super::{CONFIRMED_FOR, ContactId, sql};

const REMIND: &str = "breach_contacts.remind";
const AROUND: Duration = Duration::from_secs(30 * DAY.as_secs());
/// At most this often to one contact.
const EVERY: Duration = Duration::from_secs(14 * DAY.as_secs());
/// Mails of one run; the rest is asked the next day.
const BATCH: u32 = 500;

pub(crate) const JOBS: &[JobKind] = &[JobKind { name: REMIND, attempts_max: 5, run: remind }];
pub(crate) const SCHEDULES: &[Schedule] = &[Schedule { kind: REMIND, every: DAY }];

fn remind(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let now = run.ctx.now;
        let due = app
            .db()
            .read(move |tx| {
                let (from, until) = (now.minus(CONFIRMED_FOR + AROUND), now.minus(CONFIRMED_FOR - AROUND));
                tx.list(&sql::DUE, params![until, from, now.minus(EVERY), BATCH], |row| {
                    Ok::<(OrganizationId, ContactId), DbError>((row.get(0)?, row.get(1)?))
                })
            })
            .await?;
        for (organization, id) in due {
            // Refusals (removed meanwhile, asked meanwhile, too many mails) mend themselves by the next run.
            let (inner, ctx) = (app.clone(), run.ctx.clone());
            app.db().write(&run.ctx, move |tx| super::ask(&inner, &ctx, tx, organization, id)).await?;
        }
        Ok(())
    })
}
