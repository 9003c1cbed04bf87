//! POL-C4, the part that contacts and regimes tell: somebody would be told, and it is known which clocks would run.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::Contact;
use crate::breach_regimes::{self, Choice};

pub(crate) const BREACH_READINESS: EvidenceSource = EvidenceSource {
    row: "POL-C4",
    side: Side::Customer,
    depends_on: &["breach_contact.", "breach_regimes.", "organization."],
    evaluate,
};

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let page = format!("/o/{slug}/breach-contacts");
    let contacts = super::list(tx, organization)?;
    let chosen = breach_regimes::chosen(tx, organization)?;
    let mut finding = judge(&contacts, chosen.as_ref(), now, &page);
    for fact in facts(&contacts, chosen.as_ref(), now) {
        finding = finding.with_fact(fact);
    }
    Ok(finding)
}

/// The first thing that is missing, else met until the earliest confirmation ends.
fn judge(contacts: &[Contact], chosen: Option<&Choice>, now: Timestamp, page: &str) -> Finding {
    let add = format!("{page}/new");
    let Some(primary) = contacts.iter().find(|contact| contact.primary) else {
        return match contacts.first() {
            None => Finding::not_met("nobody is named to be told of a breach").with_action(
                "Name the primary contact",
                add,
                3,
            ),
            Some(_) => Finding::not_met("no contact is the primary one").with_action(
                "Choose the primary contact",
                page,
                1,
            ),
        };
    };
    if primary.confirmed_until(now).is_none() {
        return Finding::not_met("the primary contact has not confirmed in the last 12 months").with_action(
            "Ask the primary contact to confirm",
            page,
            1,
        );
    }
    let others: Vec<&Contact> = contacts.iter().filter(|contact| !contact.primary).collect();
    if !others.iter().any(|contact| contact.confirmed_until(now).is_some()) {
        let reason = "only the primary contact has confirmed, and nobody would be told in their absence";
        return if others.is_empty() {
            Finding::not_met(reason).with_action("Name a second contact", add, 3)
        } else {
            Finding::not_met(reason).with_action("Ask a second contact to confirm", page, 1)
        };
    }
    if chosen.is_none() {
        return Finding::not_met("nobody has chosen which breach rules apply").with_action(
            "Choose the rules that apply",
            format!("{page}#regimes"),
            3,
        );
    }
    let ends = contacts.iter().filter_map(|contact| contact.confirmed_until(now));
    let met = Finding::met("a primary and a second contact have confirmed, and the breach rules are chosen");
    ends.fold(met, Finding::with_valid_until)
}

fn facts(contacts: &[Contact], chosen: Option<&Choice>, now: Timestamp) -> Vec<Fact> {
    let whole = u64::try_from(contacts.len()).unwrap_or(u64::MAX);
    let ends: Vec<Timestamp> = contacts.iter().filter_map(|contact| contact.confirmed_until(now)).collect();
    let part = u64::try_from(ends.len()).unwrap_or(u64::MAX);
    let primary = contacts.iter().any(|contact| contact.primary && contact.confirmed_until(now).is_some());
    let sentence = format!("{part} of {whole} contacts confirmed in the last 12 months");
    let mut facts = vec![
        Fact::share("contacts_confirmed", part, whole, sentence),
        Fact::flag(
            "primary_confirmed",
            primary,
            if primary { "the primary contact has confirmed" } else { "no primary contact has confirmed" },
        ),
    ];
    if let Some(first) = ends.iter().min() {
        let sentence = format!("the first confirmation ends on {}", first.day_words());
        facts.push(Fact::time("reconfirm_by", *first, sentence));
    }
    let (codes, sentence) = match chosen {
        None => (Vec::new(), "no breach rules are chosen".to_owned()),
        Some(choice) if choice.regimes.is_empty() => {
            (Vec::new(), format!("no breach rules apply, decided on {}", choice.chosen_at.day_words()))
        }
        Some(choice) => {
            let labels: Vec<&str> = choice.regimes.iter().map(|regime| regime.label()).collect();
            let codes = choice.regimes.iter().map(|regime| regime.code().to_owned()).collect();
            (codes, format!("reports under {}", labels.join(", ")))
        }
    };
    facts.push(Fact::list("regimes", codes, sentence));
    facts
}
