//! USR-C2, the part that invitations tell: nobody waits for access longer than the target.

use std::time::Duration;

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::{DAY, Timestamp};

/// An invitation that waits longer is somebody without the access they were meant to have, or a forgotten way in.
pub(crate) const TARGET: Duration = Duration::from_secs(14 * DAY.as_secs());

pub(crate) const APPROVED: EvidenceSource = EvidenceSource {
    row: "USR-C2",
    side: Side::Customer,
    depends_on: &["invitation.", "member.", "organization."],
    evaluate,
};

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let page = format!("/o/{slug}/invitations");
    let people = principals::count_members(tx, organization)?;
    let members = match people {
        1 => "one person has access, by a decision on record".to_owned(),
        _ => format!("{people} people have access, each by a decision on record"),
    };
    let members = Fact::count("members", people, members);
    let Some((oldest, waiting)) = super::oldest_pending(tx, organization, now)? else {
        let none = Fact::count("invitations_waiting", 0, "no invitation waits");
        return Ok(Finding::met("every way in was decided by somebody of yours")
            .with_fact(members)
            .with_fact(none));
    };
    let counted = Fact::count("invitations_waiting", waiting, format!("{waiting} invitations wait"));
    let since =
        Fact::time("oldest_invitation", oldest, format!("the oldest waits since {}", oldest.day_words()));
    let due = oldest.plus(TARGET);
    let finding = if due > now {
        Finding::met("no invitation waits past its target").with_valid_until(due)
    } else {
        Finding::not_met("an invitation waits longer than 14 days").with_action(
            "Send it again or take it back",
            page,
            2,
        )
    };
    Ok(finding.with_fact(members).with_fact(counted).with_fact(since))
}
