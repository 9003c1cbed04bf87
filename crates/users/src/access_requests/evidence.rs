//! USR-C2: nobody waits for a decision longer than the target, no way in is open to the public, and nothing granted
//! outlives its end.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::{GRACE, Standing};
use crate::{approved_domains, invitations};

pub(crate) const APPROVED: EvidenceSource = EvidenceSource {
    row: "USR-C2",
    side: Side::Customer,
    depends_on: &[
        "invitation.",
        "member.",
        "organization.",
        "access_request.",
        "access_offer.",
        "approved_domain.",
    ],
    evaluate,
};

/// `{many}` in words that fit one and many.
fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{count} {many}") }
}

fn members(people: u64) -> Fact {
    let words = match people {
        1 => "one person has access, by a decision on record".to_owned(),
        _ => format!("{people} people have access, each by a decision on record"),
    };
    Fact::count("members", people, words)
}

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let people = principals::count_members(tx, organization)?;
    let open = approved_domains::list(tx, organization)?;
    let public: Vec<String> =
        open.iter().filter(|one| one.open_to_the_public()).map(|one| one.domain.clone()).collect();
    let requests = super::standing(tx, organization, now)?;
    let invited = invitations::oldest_pending(tx, organization, now)?;
    let invitation_due = invited.map(|(oldest, _)| oldest.plus(invitations::TARGET));
    let finding = judge(&slug, &public, &requests, invitation_due, now);
    let finding = finding
        .with_fact(members(people))
        .with_fact(requests_fact(&requests))
        .with_fact(invitations_fact(invited))
        .with_fact(domains_fact(open.len(), &public));
    Ok(match requests.outlived {
        0 => finding,
        count => {
            let words = counted(count, "one grant is past its end", "grants are past their end");
            finding.with_fact(Fact::count("grants_past_end", count, words))
        }
    })
}

fn judge(
    slug: &str,
    public: &[String],
    requests: &Standing,
    invitation_due: Option<Timestamp>,
    now: Timestamp,
) -> Finding {
    if !public.is_empty() {
        let why = format!("whoever gets a mailbox at {} can join by themselves", public.join(", "));
        return Finding::not_met(why).with_action(
            "Close the public mail domain",
            format!("/o/{slug}/approved-domains"),
            1,
        );
    }
    if requests.overdue > 0 {
        let why = counted(
            requests.overdue,
            "a request for access waits past its target",
            "requests for access wait past their target",
        );
        let page = format!("/o/{slug}/access-requests?state=waiting");
        return Finding::not_met(why).with_action("Decide about them", page, 2);
    }
    if requests.outlived > 0 {
        let page = format!("/o/{slug}/access-requests?state=granted");
        return Finding::not_met("access that has run out is still there").with_action("End it", page, 2);
    }
    if invitation_due.is_some_and(|due| due <= now) {
        let page = format!("/o/{slug}/invitations");
        return Finding::not_met("an invitation waits longer than 14 days").with_action(
            "Send it again or take it back",
            page,
            2,
        );
    }
    let waits = invitation_due.is_some() || requests.waiting > 0;
    let met = if waits {
        Finding::met("nobody waits past the target, and no way in is open to the public")
    } else {
        Finding::met("every way in was decided by somebody of yours")
    };
    let ends = requests.next_end.map(|end| end.plus(GRACE));
    [invitation_due, requests.next_due, ends].into_iter().flatten().fold(met, Finding::with_valid_until)
}

fn requests_fact(requests: &Standing) -> Fact {
    let words = match (requests.waiting, requests.overdue) {
        (0, _) => "no request for access waits".to_owned(),
        (waiting, 0) => {
            counted(waiting, "one request for access waits", "requests for access wait")
                + ", none past its target"
        }
        (waiting, overdue) => {
            format!(
                "{}, {overdue} past the target",
                counted(waiting, "one request for access waits", "requests for access wait")
            )
        }
    };
    Fact::count("requests_waiting", requests.waiting, words)
}

fn invitations_fact(invited: Option<(Timestamp, u64)>) -> Fact {
    match invited {
        None => Fact::count("invitations_waiting", 0, "no invitation waits"),
        Some((oldest, waiting)) => {
            let words = counted(waiting, "one invitation waits", "invitations wait");
            let words = format!("{words}, the oldest since {}", oldest.day_words());
            Fact::count("invitations_waiting", waiting, words)
        }
    }
}

fn domains_fact(open: usize, public: &[String]) -> Fact {
    let open = u64::try_from(open).unwrap_or(u64::MAX);
    if public.is_empty() {
        let words = match open {
            0 => "nobody joins without an invitation".to_owned(),
            _ => {
                counted(open, "one mail domain is approved", "mail domains are approved")
                    + ", none where anybody gets a mailbox"
            }
        };
        return Fact::count("domains_approved", open, words);
    }
    let words = format!("anybody can get a mailbox at {}, and join", public.join(", "));
    Fact::list("public_domains", public.to_vec(), words)
}
