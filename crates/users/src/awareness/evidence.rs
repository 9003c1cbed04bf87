//! USR-C8: at least 95 of 100 people with access acknowledged the notice within 12 months.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::{latest, share};

pub(crate) const ACKNOWLEDGED: EvidenceSource = EvidenceSource {
    row: "USR-C8",
    side: Side::Customer,
    depends_on: &["awareness.", "member.", "account.", "domain.", "claim.", "organization."],
    evaluate,
};

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let page = format!("/o/{slug}/awareness");
    let Some(notice) = latest(tx, organization)? else {
        return Ok(Finding::not_met("no notice on passwords was published yet")
            .with_fact(Fact::flag("notice_published", false, "no notice was published"))
            .with_action("Publish the notice", format!("{page}/publish"), 3));
    };
    let share = share(tx, organization, now)?;
    let words = format!(
        "{} of {} people with access acknowledged it in the last 12 months",
        share.acknowledged, share.people
    );
    let fact = Fact::share("acknowledged", share.acknowledged, share.people, words);
    let published = Fact::time(
        "notice_published_at",
        notice.published_at,
        format!("the notice was published on {}", notice.published_at.day_words()),
    );
    let finding = if share.is_enough() {
        let met = Finding::met("at least 95 % of people with access acknowledged the notice");
        share.next_end.map_or(met.clone(), |end| met.with_valid_until(end))
    } else {
        let left = share.people - share.acknowledged;
        let why = match left {
            1 => "one person with access has not acknowledged the notice".to_owned(),
            left => format!("{left} people with access have not acknowledged the notice"),
        };
        Finding::not_met(why).with_action("Remind them", page, 1)
    };
    Ok(finding.with_fact(fact).with_fact(published))
}
