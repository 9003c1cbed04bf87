//! USR-C7: the password policy was decided, and is not weaker than the platform recommends.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

pub(crate) const PASSWORD_POLICY: EvidenceSource = EvidenceSource {
    row: "USR-C7",
    side: Side::Customer,
    depends_on: &["policy.", "domain.", "organization."],
    evaluate,
};

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, _: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let page = format!("/o/{slug}/policies");
    let policy = super::current(tx, organization)?;
    let length = policy.rules.password_min_length;
    let fact =
        Fact::count("password_min_length", length.into(), format!("new passwords need {length} characters"));
    let Some(decision) = &policy.decided else {
        return Ok(Finding::not_met("nobody has decided the password policy yet")
            .with_fact(fact)
            .with_action("Decide the password policy", page, 3));
    };
    let sentence = format!("decided by {} on {}", decision.by, decision.at.day_words());
    let decided = Fact::time("decided_at", decision.at, sentence);
    let weaknesses = policy.rules.weaknesses();
    let finding = match weaknesses.first() {
        None => Finding::met("the password policy was decided and is as strong as recommended"),
        Some(weakness) => {
            Finding::not_met(weakness.clone()).with_action("Strengthen the password policy", page, 3)
        }
    };
    Ok(finding.with_fact(fact).with_fact(decided))
}
