//! A web server that is silent for ever: the one case in which silence counts at all, and how little.
//!
//! Silence of DNS never counts. But where a domain was proved by the file alone, and DNS answers that no record stands
//! in for it, nobody but that web server could ever say that the proof is gone, and a server that is switched off says
//! nothing. So after [`SILENT_FOR`] without one answer the domain goes the way of a missing proof, with its notices, as
//! far as `suspended`: nobody new is claimed in a name that may have changed hands. It is lost only while another
//! organization proves the name by DNS, which the same look at DNS shows. Why so: `docs/decisions/lost-domains.md`.

use std::time::Duration;

use platform::db::{DbError, ReadTx};
use platform::params;
use platform::time::{DAY, Timestamp};

use super::checks::Step;
use super::proof::{self, Method, Seen, Verdict};
use super::{AT_RISK_FOR, Domain, SUSPENDED_FOR, State, sql};

/// How long a web server must have been silent without a break before that means anything.
pub const SILENT_FOR: Duration = Duration::from_secs(60 * DAY.as_secs());
/// Organizations waiting for the same name that are looked at.
const RIVALS_MAX: u32 = 20;

impl Domain {
    /// Proved by the file, whose server has not answered for [`SILENT_FOR`].
    pub fn is_silent(&self, now: Timestamp) -> bool {
        self.proof_method == Some(Method::HttpsFile)
            && self.unanswered_since.is_some_and(|since| now.since(since) >= SILENT_FOR)
    }
}

/// Whether this look is one more at a silent server, with DNS itself answering that no record stands in.
pub(super) fn counts(domain: &Domain, seen: &Seen, verdict: &Verdict, now: Timestamp) -> bool {
    matches!(verdict, Verdict::Undecided(_))
        && domain.is_silent(now)
        && matches!(proof::judge_dns(&domain.token, &seen.dns).0, Verdict::Gone(_))
}

/// Tokens by which other organizations try to prove this name now.
pub(super) fn rivals(tx: &mut ReadTx, domain: &Domain, now: Timestamp) -> Result<Vec<String>, DbError> {
    let params = params![domain.name.as_str(), domain.organization, now, RIVALS_MAX];
    tx.list(&sql::RIVALS, params, |row| row.get(0))
}

/// Whether one of them stands in DNS. A file proves nothing here: the silent server is the one that would show it.
pub(super) fn rival_proves(tokens: &[String], seen: &Seen) -> bool {
    tokens.iter().any(|token| matches!(proof::judge_dns(token, &seen.dns).0, Verdict::Proved(_)))
}

/// What one more silent look does, as [`super::checks::next_step`] does it for a proof that is gone.
pub(super) fn next_step(domain: &Domain, rival: bool, now: Timestamp) -> Step {
    let lasted = |limit: Duration| now.since(domain.state_since) >= limit;
    match domain.state {
        State::Verified => Step::Turn(State::AtRisk),
        State::AtRisk if lasted(AT_RISK_FOR) => Step::Turn(State::Suspended),
        State::Suspended if rival && lasted(SUSPENDED_FOR) => Step::Turn(State::Lost),
        _ => Step::Unanswered,
    }
}

/// What its state means and what happens next, for people; `None` where the usual words fit.
pub(super) fn what_next(domain: &Domain, now: Timestamp) -> Option<String> {
    let since = domain.unanswered_since.filter(|_| domain.is_silent(now))?.day_words();
    let url = domain.file_url();
    match domain.state {
        State::AtRisk => Some(format!(
            "{url} has not answered since {since}, and no record stands in for it. Publish the record, or have the \
             server answer, by {}, or new claims stop.",
            domain.state_since.plus(AT_RISK_FOR).day_words()
        )),
        State::Suspended => Some(format!(
            "{url} has not answered since {since}, so new claims have stopped. Publish the record, or have the server \
             answer. The domain stays yours unless another organization proves it by its record."
        )),
        _ => None,
    }
}

/// Subject and first sentence of the notice; `None` where the usual ones fit.
pub(super) fn notice(domain: &Domain, now: Timestamp) -> Option<(String, String)> {
    let name = &domain.name;
    let since = domain.unanswered_since.filter(|_| domain.is_silent(now))?.day_words();
    match domain.state {
        State::AtRisk => Some((
            format!("The web server of {name} is silent"),
            format!("The file that proves {name} has not answered since {since}."),
        )),
        State::Suspended => Some((
            format!("{name} is suspended"),
            format!(
                "The file that proves {name} has not answered since {since}. New accounts are not claimed any more."
            ),
        )),
        State::Lost => Some((
            format!("{name} is lost"),
            format!(
                "The file that proved {name} has not answered since {since}, and another organization proves the name by \
                 its DNS record. Accounts at this domain cannot be recovered by mail, since their mailboxes may belong to \
                 somebody else now."
            ),
        )),
        _ => None,
    }
}
