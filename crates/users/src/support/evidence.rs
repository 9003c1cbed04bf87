//! USR-P5: no ticket is past its target. How many organizations finished their guided set-up stands beside it.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::time::Timestamp;

use super::standing;
use crate::set_up_guide;

pub(crate) const IN_TIME: EvidenceSource = EvidenceSource {
    row: "USR-P5",
    side: Side::Provider,
    depends_on: &["ticket.", "support.", "set_up_guide."],
    evaluate,
};

/// One desk for every organization: the figures are of all of them.
fn evaluate(tx: &mut ReadTx, _: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    const QUEUE: &str = "/provider/tickets";
    let desk = standing(tx, now)?;
    let guided = set_up_guide::tally(tx)?;
    let finding = match desk.past {
        0 => Finding::met("no support ticket is past its target"),
        1 => Finding::not_met("one support ticket is past its target"),
        past => Finding::not_met(format!("{past} support tickets are past their target")),
    };
    let finding = if desk.past > 0 {
        finding.with_action("Answer what is past its target", QUEUE, 15)
    } else {
        desk.next_due.map_or(finding.clone(), |due| finding.with_valid_until(due))
    };
    let past = Fact::count(
        "tickets_past_target",
        desk.past,
        format!("{} of {} tickets that wait for an answer are past their target", desk.past, desk.owed),
    );
    let waiting = Fact::count(
        "tickets_waiting_for_customer",
        desk.waiting,
        format!("{} tickets wait for the organization that opened them", desk.waiting),
    );
    let finding = match desk.first_due {
        Some(due) => finding.with_fact(past).with_fact(waiting).with_fact(Fact::time(
            "next_target",
            due,
            format!("the first target is on {}", due.minute_words()),
        )),
        None => finding.with_fact(past).with_fact(waiting),
    };
    Ok(finding.with_fact(Fact::share(
        "organizations_set_up",
        guided.finished,
        guided.all(),
        format!("{} of {} organizations finished their guided set-up", guided.finished, guided.all()),
    )))
}
