//! USR-C4: everybody is under a policy that an admin decided in the last 12 months. USR-C7: the password rules were
//! decided, and are nowhere weaker than the platform recommends.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::{DAY, Timestamp};

use super::resolve::{InForce, Landscape};
use super::{AppliesTo, dry_run, landscape, sql};

pub(crate) const DECIDED: EvidenceSource = EvidenceSource {
    row: "USR-C4",
    side: Side::Customer,
    depends_on: &[
        "policy.",
        "member.",
        "group.",
        "domain.",
        "account.",
        "directory_user.",
        "single_sign_on.linked",
        "single_sign_on.unlinked",
        "organization.",
    ],
    evaluate: evaluate_decided,
};

pub(crate) const PASSWORD_POLICY: EvidenceSource = EvidenceSource {
    row: "USR-C7",
    side: Side::Customer,
    depends_on: &["policy.", "domain.", "organization."],
    evaluate: evaluate_passwords,
};

/// A decision older than this is no longer one.
const DECISION_LASTS: std::time::Duration = std::time::Duration::from_secs(365 * DAY.as_secs());

fn page(tx: &mut ReadTx, organization: OrganizationId) -> Result<String, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    Ok(format!("/o/{slug}/policies"))
}

fn default_of(all: &Landscape) -> Option<&InForce> {
    all.policies.iter().find(|policy| policy.applies_to == AppliesTo::Default)
}

fn evaluate_decided(
    tx: &mut ReadTx,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Finding, DbError> {
    let page = page(tx, organization)?;
    let all = landscape(tx, organization)?;
    let fresh = |policy: &InForce| policy.decided_at.plus(DECISION_LASTS) > now;
    let all_fresh = default_of(&all).is_some() && all.policies.iter().all(fresh);
    let none_fresh = !all.policies.iter().any(fresh);
    let (covered, people) = if all_fresh || none_fresh {
        let people: u64 = tx.scalar(&sql::COUNT_ACTIVE, params![organization])?.unwrap_or(0);
        (if all_fresh { people } else { 0 }, people)
    } else {
        dry_run::count_covered(tx, organization, &all, &fresh)?
    };
    let share = Fact::share(
        "people_covered",
        covered,
        people,
        format!("{covered} of {people} people are under policies that were decided in the last 12 months"),
    );
    let policies = Fact::count(
        "policies",
        u64::try_from(all.policies.len()).unwrap_or(u64::MAX),
        format!("{} policies are in force", all.policies.len()),
    );
    let stale: Vec<String> =
        all.policies.iter().filter(|policy| !fresh(policy)).map(|policy| policy.name.clone()).collect();
    let finding = if covered == people {
        let ends = all.policies.iter().filter(|policy| fresh(policy)).map(|policy| policy.decided_at).min();
        let met = Finding::met("everybody is under a policy that was decided in the last 12 months");
        ends.map_or(met.clone(), |oldest| met.with_valid_until(oldest.plus(DECISION_LASTS)))
    } else if default_of(&all).is_none() {
        Finding::not_met(format!(
            "{} of {people} people are under a default that nobody decided",
            people - covered
        ))
        .with_action("Decide the default policy", page, 5)
    } else {
        Finding::not_met(format!("the last decision is older than 12 months: {}", stale.join(", ")))
            .with_action("Look at these policies and decide them again", page, 5)
    };
    let finding = finding.with_fact(share).with_fact(policies);
    Ok(if stale.is_empty() {
        finding
    } else {
        let sentence = format!("decided more than 12 months ago: {}", stale.join(", "));
        finding.with_fact(Fact::list("policies_stale", stale, sentence))
    })
}

fn evaluate_passwords(
    tx: &mut ReadTx,
    organization: OrganizationId,
    _: Timestamp,
) -> Result<Finding, DbError> {
    let page = page(tx, organization)?;
    let all = landscape(tx, organization)?;
    let length = all.policies.iter().map(|policy| policy.rules.password_min_length).min();
    let length = length.unwrap_or(super::MIN_LENGTH_RECOMMENDED);
    let fact =
        Fact::count("password_min_length", length.into(), format!("new passwords need {length} characters"));
    let Some(default) = default_of(&all) else {
        return Ok(Finding::not_met("nobody has decided the password policy yet")
            .with_fact(fact)
            .with_action("Decide the password policy", page, 3));
    };
    let sentence = format!("decided by {} on {}", default.decided_by, default.decided_at.day_words());
    let decided = Fact::time("decided_at", default.decided_at, sentence);
    let weak =
        all.policies.iter().find_map(|policy| Some((policy, policy.rules.weaknesses().into_iter().next()?)));
    let finding = match weak {
        None => Finding::met("the password policy was decided and is as strong as recommended"),
        Some((policy, weakness)) => {
            let weakness = match policy.applies_to {
                AppliesTo::Default => weakness,
                _ => format!("{}: {weakness}", policy.name),
            };
            Finding::not_met(weakness).with_action("Strengthen the password policy", page, 3)
        }
    };
    Ok(finding.with_fact(fact).with_fact(decided))
}
