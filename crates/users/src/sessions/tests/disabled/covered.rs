//! Nothing is left out: every column that says that something has ended is a thing of the matrix or says why it is none, and
//! every route that strangers can call is a path of it or says why it gives out nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use platform::web::routes::Openness;

use super::{Path, Thing};

enum By<T: 'static> {
    These(&'static [T]),
    /// Why it is none, or the test that holds it.
    Apart(&'static str),
}
use By::{Apart, These};

const WORK: &str = "how far a piece of work is; it lets nobody in";
const DERIVED: &str = "computed from facts; it lets nobody in";
const SHOWS: &str = "shows a page or a document and gives nothing out";
const PREFLIGHT: &str = "tells a browser whether it may ask";
const SECOND: &str = "goes on from a first step of the table: `users::second_step::tests::a_changed_password_ends_a_waiting_sign_in`";

const COLUMNS: &[(&str, By<Thing>)] = &[
    ("abuse_report_notes.state", Apart(WORK)),
    ("abuse_reports.customer_state", Apart(WORK)),
    ("abuse_reports.provider_state", Apart(WORK)),
    (
        "access_requests.ended_at",
        Apart("what was granted is a place in a group or a role: those are things of the table"),
    ),
    (
        "access_requests.state",
        Apart("what was granted is a place in a group or a role: those are things of the table"),
    ),
    ("access_reviews.state", Apart(WORK)),
    ("accounts.state", These(&[Thing::AccountSuspended])),
    ("alerts.state", Apart(WORK)),
    ("api_tokens.revoked_at", These(&[Thing::ApiTokenRevoked])),
    ("audit_streams.state", Apart("a stream tells and lets nobody in")),
    (
        "break_glass_codes.revoked_at",
        Apart("`users::break_glass::tests::a_wrong_code_tells_nothing_and_stands_in_the_ledger`"),
    ),
    (
        "break_glass_codes.used_at",
        Apart("`users::break_glass::tests::two_owners_open_it_for_themselves_and_time_closes_it`"),
    ),
    (
        "break_glass_openings.ended_at",
        Apart("`users::break_glass::tests::two_owners_open_it_for_themselves_and_time_closes_it`"),
    ),
    (
        "break_glass_openings.state",
        Apart("`users::break_glass::tests::one_owner_alone_opens_nothing_and_a_request_lapses`"),
    ),
    ("cell_versions.state", Apart(DERIVED)),
    ("cells.state", Apart(DERIVED)),
    (
        "claimed_accounts.state",
        Apart(
            "how far a claim is with an account; what it takes away: `users::claims::tests::an_account_without_a_proved_address_loses_its_credentials`",
        ),
    ),
    (
        "claims.state",
        Apart("how far a claim is; undone: `users::claims::tests::claim_notifies_and_is_reversible`"),
    ),
    ("connection_links.used_at", Apart("when a link to a provider last served; it is no end")),
    (
        "connection_requests.used_at",
        Apart(
            "an answer counts once: `users::single_sign_on::tests::saml::an_assertion_counts_once_and_for_its_request`",
        ),
    ),
    ("connections.state", These(&[Thing::ConnectionDisabled])),
    ("declarations.revoked_at", Apart("a declaration lets nobody in")),
    (
        "domains.lost_at",
        Apart(
            "`users::domains::tests::loss::a_lost_domain_opens_nothing_by_mail`, `users::single_sign_on::tests::accounts::a_lost_domain_freezes_the_links_of_its_people`",
        ),
    ),
    ("domains.state", These(&[Thing::DomainRemoved])),
    (
        "invitations.state",
        Apart(
            "`users::invitations::tests::invitations_work_once_and_not_after_their_time`, `users::invitations::tests::an_invitation_does_not_outlive_the_right_of_its_inviter`",
        ),
    ),
    ("jobs.state", Apart(WORK)),
    ("ledger_keys.retired_at", Apart("signs the ledger and lets nobody in")),
    (
        "links.used_at",
        Apart(
            "`users::recovery::tests::every_link_used_twice_at_once_works_once`, `users::recovery::tests::a_link_expires_and_a_used_one_kills_its_siblings`",
        ),
    ),
    ("mail_outbox.state", Apart(WORK)),
    ("matrix_counts.state", Apart(DERIVED)),
    ("memberships.state", These(&[Thing::MembershipSuspended])),
    (
        "oauth_device_codes.state",
        Apart("once: `users::openid_provider::tests::flows::a_device_is_connected_by_the_code_it_shows`"),
    ),
    (
        "oauth_grants.code_used_at",
        Apart("once: `users::openid_provider::tests::conformance::oidcc_codereuse`"),
    ),
    ("oauth_grants.revoked_at", These(&[Thing::GrantRevoked, Thing::AppRevoked, Thing::PasswordChanged])),
    (
        "oauth_refresh_tokens.used_at",
        Apart(
            "once: `users::openid_provider::tests::flows::a_refresh_token_that_comes_twice_ends_its_family`",
        ),
    ),
    (
        "oauth_requests.used_at",
        Apart(
            "once: `users::openid_provider::tests::flows::a_pushed_request_is_used_once_by_its_own_product`",
        ),
    ),
    (
        "organizations.state",
        Apart("nothing in the program closes an organization yet; the guard refuses a closed one"),
    ),
    (
        "pending_sign_ins.used_at",
        Apart("once: `users::second_step::tests::a_code_is_asked_for_after_the_password_and_works_once`"),
    ),
    (
        "policy_rollouts.ended_at",
        Apart("a roll-out moves a policy; what a policy forbids is a thing of the table"),
    ),
    (
        "policy_rollouts.state",
        Apart("a roll-out moves a policy; what a policy forbids is a thing of the table"),
    ),
    ("products.state", These(&[Thing::ProductDisabled])),
    (
        "recovery_codes.used_at",
        Apart("once: `users::second_step::tests::a_recovery_code_works_once_and_its_use_is_told`"),
    ),
    ("scim_tokens.revoked_at", These(&[Thing::ScimTokenRevoked])),
    ("scim_users.active", These(&[Thing::DeactivatedByScim])),
    ("sessions.revoked_at", These(&[Thing::SignedOut])),
    ("tickets.state", Apart(WORK)),
];

/// An action, or the beginning of actions with a `*`.
const ROUTES: &[(&str, By<Path>)] = &[
    (
        "sign_up.*",
        Apart(
            "makes an account and knows none: `users::accounts::tests::sign_up_answers_the_same_whether_or_not_the_address_has_an_account`",
        ),
    ),
    (
        "break_glass.*",
        Apart(
            "opens a door for passwords and signs nobody in: `users::single_sign_on::tests::enforced::break_glass_lets_two_owners_in_with_their_passwords_when_the_provider_is_gone`",
        ),
    ),
    (
        "invitation.*",
        Apart(
            "needs a session: `users::invitations::tests::only_active_accounts_accept_and_nobody_is_restored_by_an_invitation`",
        ),
    ),
    ("session.create", These(&[Path::PasswordApi])),
    ("session.create_by_passkey", These(&[Path::Passkey])),
    ("session.second_step", Apart(SECOND)),
    ("sign_in.show", Apart(SHOWS)),
    ("sign_in.try", These(&[Path::Password])),
    ("sign_in.second_step_page", Apart(SHOWS)),
    ("sign_in.second_step", Apart(SECOND)),
    (
        "sign_in.by_passkey",
        Apart(
            "the same rule as the passkey over the API: `users::passkeys::tests::a_passkey_signs_in_alone_and_its_session_says_so`",
        ),
    ),
    ("sign_in_link.*", These(&[Path::SignInLink])),
    ("openid.metadata*", Apart(SHOWS)),
    ("openid.keys", Apart(SHOWS)),
    ("openid.userinfo*", These(&[Path::Userinfo])),
    (
        "oauth.token",
        These(&[
            Path::WaitingCode,
            Path::Refresh,
            Path::OfflineRefresh,
            Path::Device,
            Path::ClientCredentials,
        ]),
    ),
    ("oauth.introspect", These(&[Path::Introspection])),
    ("oauth.revoke", Apart("ends what it is given")),
    ("oauth.token_preflight", Apart(PREFLIGHT)),
    ("oauth.revoke_preflight", Apart(PREFLIGHT)),
    ("oauth.push_preflight", Apart(PREFLIGHT)),
    ("abuse_report.public_*", Apart("takes a report from anybody and signs nobody in")),
    ("oauth.push", Apart("keeps a request; what it leads to is a new code")),
    ("oauth.device", Apart("begins a wait; what it leads to is the device that was allowed")),
    ("oauth.authorize*", These(&[Path::NewCode])),
    ("oauth.interaction", These(&[Path::NewCode])),
    ("oauth.logout*", Apart("ends what it is given")),
    ("passkey.ask", Apart("gives a question; the answer is the passkey")),
    ("scim.*", These(&[Path::Scim])),
    ("recovery.*", These(&[Path::Recovery])),
    (
        "set_up.*",
        Apart(
            "once, before there is anybody: `users::set_up::tests::the_link_makes_the_provider_and_its_owner_once`",
        ),
    ),
    (
        "single_sign_on.saml_*",
        Apart(
            "arrives by the same rule as OpenID Connect: `users::single_sign_on::tests::saml::a_saml_provider_speaks_for_the_domains_of_its_organization_alone`",
        ),
    ),
    ("single_sign_on.find", Apart(SHOWS)),
    ("single_sign_on.choose", Apart("leads to a provider and gives nothing out")),
    ("single_sign_on.begin", These(&[Path::SingleSignOn])),
    ("single_sign_on.callback", These(&[Path::SingleSignOn, Path::OnItsWay])),
    ("single_sign_on.backchannel_logout", Apart("ends what its signature names")),
];

/// Columns that say that something has ended or may not be used.
fn says_an_end(column: &str) -> bool {
    const ENDS: [&str; 12] = [
        "revoked_at",
        "ended_at",
        "used_at",
        "lost_at",
        "retired_at",
        "closed_at",
        "disabled_at",
        "suspended_at",
        "removed_at",
        "deleted_at",
        "deactivated_at",
        "left_at",
    ];
    column == "state"
        || column == "active"
        || column.ends_with("_state")
        || column != "last_used_at" && ENDS.iter().any(|end| column.ends_with(end))
}

fn columns() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the migrations") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a migration");
        let mut table = "";
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let column = match words.as_slice() {
                ["CREATE", "TABLE", name, ..] => {
                    table = name;
                    continue;
                }
                ["ALTER", "TABLE", name, "ADD", "COLUMN", column, ..] => {
                    table = name;
                    column
                }
                [column, ..] => column,
                [] => continue,
            };
            if says_an_end(column) {
                found.insert(format!("{table}.{column}"));
            }
        }
    }
    found
}

fn fits(pattern: &str, action: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == action, |start| action.starts_with(start))
}

#[test]
fn every_column_of_an_end_is_in_the_matrix() {
    let known: BTreeSet<String> = COLUMNS.iter().map(|(column, _)| (*column).to_owned()).collect();
    assert_eq!(known, columns(), "map each column in COLUMNS");
    let named: BTreeSet<Thing> = COLUMNS.iter().flat_map(|(_, by)| these(by)).collect();
    // What ends by a row that goes away, or by a rule, has no such column.
    let without = [
        Thing::Nothing,
        Thing::MembershipRemoved,
        Thing::LeftByHerself,
        Thing::RoleTaken,
        Thing::LeftGroup,
        Thing::GroupDeleted,
        Thing::RuleRemoved,
        Thing::SingleSignOnEnforced,
        Thing::PasskeyRemoved,
        Thing::KeysReplaced,
    ];
    let missing: Vec<&Thing> =
        Thing::ALL.iter().filter(|one| !named.contains(*one) && !without.contains(*one)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn these<T: Copy>(by: &By<T>) -> Vec<T> {
    match by {
        These(all) => all.to_vec(),
        Apart(why) => {
            assert!(why.len() > 10, "say why: {why}");
            Vec::new()
        }
    }
}

#[test]
fn every_route_that_strangers_can_call_is_in_the_matrix() {
    let mut open = BTreeSet::new();
    for route in (crate::AREA.routes)().infos() {
        if route.openness == Openness::Public {
            open.insert(route.action);
        }
    }
    let unknown: Vec<&&str> =
        open.iter().filter(|action| !ROUTES.iter().any(|(known, _)| fits(known, action))).collect();
    assert!(unknown.is_empty(), "map each route in ROUTES: {unknown:#?}");
    for (known, by) in ROUTES {
        assert!(open.iter().any(|action| fits(known, action)), "no such route: {known}");
        these(by);
    }
    let tried: BTreeSet<Path> = ROUTES.iter().flat_map(|(_, by)| these(by)).collect();
    let own: Vec<&Path> = Path::ALL.iter().filter(|path| !tried.contains(*path)).collect();
    // What a stranger cannot call: it needs a session or a token.
    assert_eq!(
        own,
        [&Path::Session, &Path::SessionInOrganization, &Path::SessionOfProvider, &Path::ApiToken]
    );
}

/// The part of the page that says what is not in the table.
pub(super) fn section() -> String {
    let mut text = "\n## Ends that are no row of the table\n\n| column | why |\n|---|---|\n".to_owned();
    for (column, by) in COLUMNS {
        if let Apart(why) = by {
            let _ = writeln!(text, "| `{column}` | {why} |");
        }
    }
    text.push_str("\n## Open routes that are no path of the table\n\n| route | why |\n|---|---|\n");
    for (route, by) in ROUTES {
        if let Apart(why) = by {
            let _ = writeln!(text, "| `{route}` | {why} |");
        }
    }
    text
}
