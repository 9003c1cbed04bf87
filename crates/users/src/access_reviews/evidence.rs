//! USR-C3: a review of all grants ended within 90 days, everything in it was decided, and what it revoked is gone.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::Timestamp;

use super::applying::still_held;
use super::{Counts, LASTS, Review, State, list, read_review, sql};

pub(crate) const REVIEWED: EvidenceSource = EvidenceSource {
    row: "USR-C3",
    side: Side::Customer,
    depends_on: &["access_review.", "member.", "group.", "product.", "api_token.", "organization."],
    evaluate,
};

/// A review that ended, as the matrix weighs it.
struct Ended {
    review: Review,
    counts: Counts,
    at: Timestamp,
    /// Revoked, and still there.
    held: u64,
}

fn ended(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Vec<Ended>, DbError> {
    const LOOKED_UP_MAX: u32 = 500;
    let mut out = Vec::new();
    for review in tx.list(&sql::DONE, params![organization], read_review)? {
        let Some(at) = review.finished_at.filter(|_| review.covers_all()) else { continue };
        let counts = super::counts(tx, organization, review.id)?;
        let held = still_held(tx, organization, review.id, (now, LOOKED_UP_MAX))?;
        out.push(Ended { review, counts, at, held });
    }
    Ok(out)
}

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let home = format!("/o/{slug}/access-reviews");
    let running = list(tx, organization, None, 20)?.into_iter().find(|review| review.state == State::Open);
    let all = ended(tx, organization, now)?;
    let complete = |one: &&Ended| one.counts.open() == 0 && one.held == 0;
    let finding = match (all.iter().find(complete), all.first()) {
        (Some(best), _) if best.at.plus(LASTS) > now => {
            Finding::met("every grant was reviewed, and what was revoked is gone")
                .with_valid_until(best.at.plus(LASTS))
        }
        (_, Some(last)) if last.at.plus(LASTS) > now && last.held > 0 => {
            let why = match last.held {
                1 => "a grant that the last review revoked is still there".to_owned(),
                held => format!("{held} grants that the last review revoked are still there"),
            };
            let page = format!("{home}/{}?decision=revoke", last.review.id);
            Finding::not_met(why).with_action("See which they are and take them away", page, 5)
        }
        (_, Some(last)) if last.at.plus(LASTS) > now && last.counts.open() > 0 => {
            let why = format!("the last review left {} grants undecided", last.counts.open());
            Finding::not_met(why).with_action("Review them again", format!("{home}/new"), 5)
        }
        (_, Some(_)) => Finding::not_met("the last review of all grants ended more than 90 days ago"),
        (_, None) => Finding::not_met("no review of all grants was finished yet"),
    };
    let finding = match (&running, finding.action.is_none() && finding.valid_until.is_none()) {
        (Some(review), true) => {
            finding.with_action("Decide what is open", format!("{home}/{}", review.id), 15)
        }
        (None, true) => finding.with_action("Start a review of all grants", format!("{home}/new"), 5),
        _ => finding,
    };
    let finding = match all.first() {
        Some(last) => finding.with_fact(last_fact(last)).with_fact(revoked_fact(last)),
        None => finding.with_fact(Fact::count("reviews_finished", 0, "no review of all grants was finished")),
    };
    Ok(match running {
        None => finding,
        Some(review) => {
            let counts = super::counts(tx, organization, review.id)?;
            let done = counts.keep + counts.revoke;
            let words = format!(
                "a review is open until {}: {done} of {} grants are decided",
                review.due_at.day_words(),
                counts.all
            );
            finding.with_fact(Fact::share("review_open", done, counts.all, words))
        }
    })
}

fn last_fact(last: &Ended) -> Fact {
    let words =
        format!("the last review of all grants ended on {}: {} grants", last.at.day_words(), last.counts.all);
    Fact::time("last_review", last.at, words)
}

fn revoked_fact(last: &Ended) -> Fact {
    let gone = last.counts.revoke.saturating_sub(last.held);
    let words =
        format!("{gone} of {} revoked grants are gone, {} stay", last.counts.revoke, last.counts.keep);
    Fact::share("revoked_gone", gone, last.counts.revoke, words)
}
