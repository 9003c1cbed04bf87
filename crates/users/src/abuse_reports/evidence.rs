//! USR-C9: the channel for reports of misuse was tested within 12 months, and each policy says whether social accounts sign
//! people in.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::{Channel, channel};
use crate::social_login::{self, Provider};

pub(crate) const REPORTED: EvidenceSource = EvidenceSource {
    row: "USR-C9",
    side: Side::Customer,
    depends_on: &[
        "abuse_report.",
        "policy.",
        "platform.social_login",
        "single_sign_on.linked",
        "single_sign_on.unlinked",
        "member.",
        "organization.",
    ],
    evaluate,
};

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let channel = channel(tx, organization)?;
    let providers = social_login::providers(tx, organization)?;
    let undecided: Vec<String> = providers.iter().flat_map(undecided_in).collect();
    let finding = match channel.counts_until(now) {
        None => untested(channel, &slug),
        Some(_) if !undecided.is_empty() => {
            let users: u64 = providers.iter().filter(|one| one.is_undecided()).map(|one| one.users).sum();
            let why = match users {
                0 => format!("nobody has decided on social login: {}", undecided.join(", ")),
                1 => format!("one person uses social login that nobody decided on: {}", undecided.join(", ")),
                users => {
                    format!(
                        "{users} people use social login that nobody decided on: {}",
                        undecided.join(", ")
                    )
                }
            };
            Finding::not_met(why).with_action("Decide on social login", format!("/o/{slug}/social-login"), 5)
        }
        Some(until) => {
            let met = "the report channel was tested in the last 12 months, and social login is decided";
            Finding::met(met).with_valid_until(until)
        }
    };
    Ok(facts(finding, channel, &providers, undecided))
}

/// `google in Default`
fn undecided_in(provider: &Provider) -> Vec<String> {
    let open = provider.policies.iter().filter(|one| one.is_undecided());
    open.map(|one| format!("{} in {}", provider.name, one.policy)).collect()
}

fn untested(channel: Channel, slug: &str) -> Finding {
    let page = format!("/o/{slug}/abuse-reports");
    match (channel.waiting_since, channel.tested_at) {
        (Some(since), _) => Finding::not_met(format!(
            "the test of the report channel of {} waits for the provider’s answer",
            since.day_words()
        ))
        .with_action("See the test", page, 1),
        (None, Some(_)) => Finding::not_met("the report channel was last tested more than 12 months ago")
            .with_action("Test the channel", page, 1),
        (None, None) => {
            Finding::not_met("the report channel was never tested").with_action("Test the channel", page, 1)
        }
    }
}

fn facts(mut finding: Finding, channel: Channel, providers: &[Provider], undecided: Vec<String>) -> Finding {
    finding = match channel.tested_at {
        Some(at) => finding.with_fact(Fact::time(
            "channel_tested_at",
            at,
            format!("the provider answered a test of the report channel on {}", at.day_words()),
        )),
        None => finding.with_fact(Fact::flag("channel_tested", false, "no test of the channel was answered")),
    };
    for provider in providers {
        let decided = provider.policies.iter().filter(|one| !one.is_undecided()).count();
        let words = format!(
            "{}: {} of your people sign in with it; {decided} of {} policies decide on it",
            provider.name,
            provider.users,
            provider.policies.len()
        );
        finding = finding.with_fact(Fact::count("social_users", provider.users, words));
    }
    let sentence = match (providers.is_empty(), undecided.is_empty()) {
        (true, _) => "no social login is installed here".to_owned(),
        (false, true) => "every policy decides on every social login".to_owned(),
        (false, false) => format!("undecided: {}", undecided.join(", ")),
    };
    finding.with_fact(Fact::list("social_undecided", undecided, sentence))
}
