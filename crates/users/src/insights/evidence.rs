//! USR-P6: the figures of every organization are less than an hour old.

use std::time::Duration;

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::{DAY, HOUR, MINUTE, Timestamp};

use super::{day_of, sql};

/// Older figures do not count as live.
pub const FRESH_FOR: Duration = HOUR;

/// Counting records no event: time alone asks for another look (`fresh_for` of the row).
pub(crate) const FRESH: EvidenceSource =
    EvidenceSource { row: "USR-P6", side: Side::Provider, depends_on: &["insights."], evaluate };

fn minutes(duration: Duration) -> u64 {
    duration.as_secs() / MINUTE.as_secs()
}

/// One clock for every organization: all are counted by one job.
fn evaluate(tx: &mut ReadTx, _organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    const JOBS: &str = "/provider/jobs";
    if principals::provider(tx)?.is_none() {
        return Ok(Finding::unknown("this installation is not set up"));
    }
    let Some(last) = tx.scalar::<Timestamp>(&sql::LAST_COUNT, &[])? else {
        return Ok(Finding::not_met("the figures were never counted").with_action(
            "Look at the jobs",
            JOBS,
            5,
        ));
    };
    let limit = now.minus(FRESH_FOR);
    let (mut all, mut fresh, mut oldest) = (0_u64, 0_u64, None);
    if let Some(row) = tx.first(&sql::FRESH, params![limit, day_of(limit).minus(DAY)])? {
        (all, fresh, oldest) = (row.get(0)?, row.get(1)?, row.get::<Option<Timestamp>>(2)?);
    }
    let age = now.since(last);
    let finding = if age >= FRESH_FOR {
        let why =
            format!("the figures are {} minutes old: the job that counts them has stopped", minutes(age));
        Finding::not_met(why).with_action("Look at the jobs", JOBS, 5)
    } else if fresh < all {
        let why = match all - fresh {
            1 => "the figures of one organization were left out for an hour or more".to_owned(),
            left => format!("the figures of {left} organizations were left out for an hour or more"),
        };
        Finding::not_met(why).with_action("Look at the jobs", JOBS, 5)
    } else {
        let good_until = oldest.map_or(last, |oldest| oldest.min(last)).plus(FRESH_FOR);
        Finding::met("the figures of every organization are less than an hour old")
            .with_valid_until(good_until)
    };
    let when = format!("all organizations were last counted on {}", last.minute_words());
    let share = format!("{fresh} of {all} organizations have figures of the last hour");
    Ok(finding.with_fact(Fact::time("counted_at", last, when)).with_fact(Fact::share(
        "organizations_fresh",
        fresh,
        all,
        share,
    )))
}
