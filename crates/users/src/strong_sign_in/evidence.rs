//! USR-C5: every managed account is bound to single sign-on or a second factor, and enrolled.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::{Standing, standing};

pub(crate) const STRONG: EvidenceSource = EvidenceSource {
    row: "USR-C5",
    side: Side::Customer,
    depends_on: &[
        "policy.",
        "factor.",
        "connection.",
        "single_sign_on.linked",
        "single_sign_on.unlinked",
        "break_glass.",
        "member.",
        "group.",
        "claim.",
        "domain.",
        "account.",
        "directory_user.",
        "organization.",
    ],
    evaluate,
};

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let found = standing(tx, organization, now)?;
    let share = Fact::share(
        "accounts_strong",
        found.strong(),
        found.managed,
        format!(
            "{} of {} managed accounts are bound to single sign-on or a second factor, and enrolled",
            found.strong(),
            found.managed
        ),
    );
    if found.managed == 0 {
        return Ok(Finding::not_applicable("you manage no account yet").with_fact(share));
    }
    let finding = match reason(found) {
        None => Finding::met("every managed account is under strong sign-in, and enrolled"),
        Some(why) => {
            let label = match found.open() {
                1 => "See which account it is, and mend it".to_owned(),
                open => format!("See which {open} accounts these are, and mend them"),
            };
            Finding::not_met(why).with_action(label, format!("/o/{slug}/strong-sign-in"), 10)
        }
    };
    Ok(finding
        .with_fact(share)
        .with_fact(count("by_single_sign_on", found.by_single_sign_on, "come through the identity provider"))
        .with_fact(count("by_factor", found.by_factor, "have the factor that their policy asks for"))
        .with_fact(count("exempt", found.exempt, "are asked for neither"))
        .with_fact(count("lifted", found.lifted, "are let off by an open break-glass"))
        .with_fact(count("not_enrolled", found.not_enrolled, "have yet to enrol what is asked for")))
}

fn count(name: &'static str, count: u64, words: &str) -> Fact {
    Fact::count(name, count, format!("{count} {words}"))
}

/// The gravest gap, in one clause.
fn reason(found: Standing) -> Option<String> {
    let said = |count: u64, one: &str, many: &str| {
        (count > 0).then(|| if count == 1 { one.to_owned() } else { format!("{count} {many}") })
    };
    said(
        found.exempt,
        "one managed account is bound to neither single sign-on nor a second factor",
        "managed accounts are bound to neither single sign-on nor a second factor",
    )
    .or_else(|| {
        said(
            found.lifted,
            "a break-glass is open and lifts the rules for one managed account",
            "managed accounts are let off by an open break-glass",
        )
    })
    .or_else(|| {
        said(
            found.not_enrolled,
            "one managed account has yet to enrol what its policy asks for",
            "managed accounts have yet to enrol what their policy asks for",
        )
    })
}
