//! What the matrix sees of domains: USR-P3 (the provider keeps checking) and USR-C1 (the organization proved its own).

use std::collections::BTreeMap;

use platform::db::{DbError, ReadTx};
use platform::events;
use platform::evidence::{EvidenceSource, Fact, FactValue, Finding, Side};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::{DAY, Timestamp};

use super::drill::ROW;
use super::{State, jobs, name, sql};

/// From so many people on, a company's mail domain has to be proved.
pub const COMPANY_PEOPLE_MIN: u64 = 3;
/// Mail domains looked at per organization, the most used first.
const DOMAINS_LOOKED_AT: u32 = 1000;

pub(crate) const RECHECKED: EvidenceSource = EvidenceSource {
    row: ROW,
    side: Side::Provider,
    depends_on: &["domain.recheck", "drill."],
    evaluate: rechecked,
};

pub(crate) const VERIFIED: EvidenceSource = EvidenceSource {
    row: "USR-C1",
    side: Side::Customer,
    depends_on: &["domain.", "member.", "account.", "claim."],
    evaluate: verified,
};

/// One clock for every organization: the check of all domains is one job.
fn rechecked(tx: &mut ReadTx, _organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    const PAGE: &str = "/provider/domains";
    let Some(provider) = principals::provider(tx)? else {
        return Ok(Finding::unknown("this installation is not set up"));
    };
    let Some(run) = jobs::last_run(tx, provider.id)? else {
        return Ok(Finding::not_met("the check of domains has never run").with_action("Run it", PAGE, 1));
    };
    let overdue: u64 = tx.scalar(&sql::COUNT_OVERDUE, params![now.minus(jobs::OVERDUE)])?.unwrap_or(0);
    let count = |field: &str| run.public.get(field).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let drill = events::about(tx, provider.id, "row", ROW, 1)?.into_iter().next();
    let finding =
        if now.since(run.at) >= DAY {
            Finding::not_met("the check of domains has not run for a day").with_action(
                "Look at the jobs",
                "/provider/jobs",
                5,
            )
        } else if run.action == "domain.recheck_halted" {
            Finding::not_met("the check of domains was halted: too many proofs were gone at once")
                .with_action("Look at the halted check", PAGE, 10)
        } else if overdue > 0 {
            Finding::not_met("some domains were left out of the check for more than a day").with_action(
                "Look at the jobs",
                "/provider/jobs",
                5,
            )
        } else if drill.as_ref().is_some_and(|event| event.action == "drill.failed") {
            Finding::not_met("the last drill got a forged proof through, or the right one refused")
                .with_action("Look at the drill", PAGE, 10)
        } else {
            Finding::met("every domain was checked in time").with_valid_until(run.at.plus(DAY))
        };
    let ran = format!("the check of domains last ended on {}", run.at.minute_words());
    let mut finding = finding
        .with_fact(Fact::time("rechecked_at", run.at, ran))
        .with_fact(Fact::count(
            "domains_checked",
            count("checked"),
            format!("{} domains were due in it, {} gave no answer", count("checked"), count("unanswered")),
        ))
        .with_fact(Fact::count(
            "domains_overdue",
            overdue,
            format!("{overdue} domains are overdue by a day or more"),
        ));
    if let Some(event) = drill {
        let detail = event.public.get("detail").cloned().unwrap_or_default();
        finding = finding
            .with_fact(Fact::flag("forged_proof_refused", event.action == "drill.passed", detail))
            .with_fact(Fact::time("drilled_at", event.at, format!("drilled on {}", event.at.minute_words())));
    }
    Ok(finding)
}

fn verified(tx: &mut ReadTx, organization: OrganizationId, _now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let page = format!("/o/{slug}/domains");
    let held: BTreeMap<String, State> = tx
        .list(&sql::HELD, params![organization], |row| Ok((row.get(0)?, row.parse(1, State::parse)?)))?
        .into_iter()
        .collect();
    let used: Vec<(String, u64)> = tx
        .list(&sql::USED, params![organization, COMPANY_PEOPLE_MIN, DOMAINS_LOOKED_AT], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .into_iter()
        .filter(|(domain, _): &(String, u64)| !name::is_public_mail(domain))
        .collect();
    let good = |domain: &String| held.get(domain) == Some(&State::Verified);
    let open: Vec<String> =
        used.iter().map(|(domain, _)| domain.clone()).filter(|domain| !good(domain)).collect();
    let sure: Vec<String> =
        held.iter().filter(|(_, state)| **state == State::Verified).map(|(d, _)| d.clone()).collect();
    let doubtful: Vec<String> =
        held.iter().filter(|(_, state)| **state != State::Verified).map(|(d, _)| d.clone()).collect();
    let finding = if let Some(first) = open.first() {
        let reason = match held.get(first) {
            Some(_) => format!("the proof of `{first}` is gone"),
            None => format!("`{first}` has {COMPANY_PEOPLE_MIN} or more people here and is not verified"),
        };
        let minutes = 10;
        Finding::not_met(reason).with_action(format!("Publish the record of {first}"), page, minutes)
    } else if let Some(first) = doubtful.first() {
        Finding::not_met(format!("the proof of `{first}` is gone")).with_action(
            format!("Publish the record of {first} again"),
            page,
            10,
        )
    } else if sure.is_empty() {
        Finding::not_applicable(format!(
            "no company mail domain has {COMPANY_PEOPLE_MIN} or more people here"
        ))
    } else {
        Finding::met("every company mail domain with several people is verified")
    };
    let covered = used.len().saturating_sub(open.len());
    let share = Fact::share(
        "company_domains_verified",
        u64::try_from(covered).unwrap_or(u64::MAX),
        u64::try_from(used.len()).unwrap_or(u64::MAX),
        match (used.len(), sure.len()) {
            (0, 0) => format!("no company mail domain has {COMPANY_PEOPLE_MIN} or more people here"),
            (0, 1) => format!("{} is verified", sure[0]),
            (0, count) => format!("{count} domains are verified"),
            (1, _) if covered == 1 => "the company mail domain in use is verified".to_owned(),
            (1, _) => "the company mail domain in use is not verified".to_owned(),
            (count, _) => format!("{covered} of {count} company mail domains in use are verified"),
        },
    );
    let listed = |fact: &'static str, items: Vec<String>, words: &str| {
        let sentence =
            if items.is_empty() { format!("none {words}") } else { format!("{} {words}", items.join(", ")) };
        Fact::new(fact, FactValue::List(items), sentence)
    };
    Ok(finding
        .with_fact(share)
        .with_fact(listed("domains_verified", sure, "verified"))
        .with_fact(listed("domains_in_doubt", doubtful, "in doubt: the proof is gone"))
        .with_fact(listed("company_domains_unverified", open, "in use without being verified")))
}
