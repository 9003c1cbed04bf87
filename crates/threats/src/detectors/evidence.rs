//! USR-P2: every detector is alive. That an attack raises its alert is the drill's part.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::{Health, all};
use crate::alerts;
use crate::guessing::drill;

/// A heartbeat records nothing while all is well: time alone asks for another look (`fresh_for` of the row).
pub(crate) const WATCHED: EvidenceSource =
    EvidenceSource { row: drill::ROW, side: Side::Provider, depends_on: &["detector.", "alert."], evaluate };

fn evaluate(tx: &mut ReadTx, _: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    const PAGE: &str = "/provider/alerts#detectors";
    let Some(provider) = principals::provider(tx)? else {
        return Ok(Finding::unknown("this installation is not set up"));
    };
    let detectors = all(tx)?;
    let dead: Vec<&Health> = detectors.iter().filter(|one| !one.is_alive(now)).collect();
    let mut finding = match dead.first() {
        None => Finding::met("every detector is alive"),
        Some(first) => {
            let stopped = dead.iter().find(|one| one.stopped.is_some());
            let one = stopped.unwrap_or(first);
            let label = if stopped.is_some() { "Start the detector" } else { "Look at the detectors" };
            Finding::not_met(format!("`{}` is {}", one.rule.name, short(one))).with_action(label, PAGE, 1)
        }
    };
    for until in detectors.iter().filter_map(Health::alive_until) {
        finding = finding.with_valid_until(until);
    }
    let alive = detectors.len() - dead.len();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    finding = finding.with_fact(Fact::share(
        "detectors_alive",
        count(alive),
        count(detectors.len()),
        format!("{alive} of {} detectors are alive", detectors.len()),
    ));
    for one in &detectors {
        let name = match one.rule.end {
            crate::guessing::End::Network => "alive_guessing_many_accounts",
            crate::guessing::End::Account => "alive_guessing_one_account",
        };
        let sentence = format!("{}: {}", one.rule.name, one.words(now));
        finding = finding.with_fact(Fact::flag(name, one.is_alive(now), sentence));
    }
    let standing = alerts::standing(tx)?;
    let open = format!("{} alerts are open, {} are being looked at", standing.open, standing.acknowledged);
    finding = finding.with_fact(Fact::count("alerts_open", standing.open, open));
    if let Some((at, passed)) = drill::last(tx, provider.id)? {
        let how = if passed { "raised its alert" } else { "raised no alert" };
        let sentence = format!("the synthetic attack of {} {how}", at.minute_words());
        finding = finding.with_fact(Fact::time("drilled_at", at, sentence));
    }
    Ok(finding)
}

fn short(one: &Health) -> &'static str {
    match (&one.stopped, one.beat_at) {
        (Some(_), _) => "stopped",
        (None, None) => "not alive yet",
        (None, Some(_)) => "silent",
    }
}
