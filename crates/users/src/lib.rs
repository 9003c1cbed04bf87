//! Users: the creation and management of user accounts.
//!
//! Start with [`accounts`] (how somebody gets one), [`login`] (how they prove who they are), [`organizations`] and
//! [`domains`] (how a company manages its people).

use platform::Area;
use platform::access::Permission;
use platform::jobs::JobKind;
use platform::web::navigation::{NavConsole, NavEntry};
use platform::web::routes::Routes;

mod abuse_report_notices;
pub mod abuse_reports;
pub mod access_grants;
mod access_notices;
pub mod access_offers;
pub mod access_requests;
pub mod access_reviews;
pub mod accounts;
pub mod api_tokens;
pub mod approved_domains;
pub mod audit_log;
pub mod audit_retention;
pub mod audit_streams;
pub mod awareness;
pub mod break_glass;
pub mod canary;
pub mod claims;
pub mod confirmations;
pub mod directories;
pub mod domains;
pub mod enrolment;
pub mod factors;
pub mod facts;
pub mod groups;
pub mod insights;
pub mod invitations;
#[cfg(test)]
mod kit;
pub mod leaving;
pub mod links;
pub mod login;
pub mod names;
pub mod openid_provider;
pub mod organizations;
pub mod passkeys;
pub mod passwords;
pub mod people;
pub mod people_import;
pub mod policies;
pub mod product_members;
pub mod products;
pub mod provisioning;
pub mod recovery;
pub mod recovery_codes;
mod seams;
pub mod second_step;
pub mod sessions;
pub mod set_up;
pub mod set_up_guide;
pub mod single_sign_on;
pub mod social_login;
pub mod strong_sign_in;
pub mod support;
pub mod throttles;
pub mod tokens;
pub mod totp;
pub mod waiting;

pub static AREA: Area = Area {
    name: "users",
    routes,
    jobs: JOBS,
    schedules: &[
        domains::jobs::SCHEDULES[0],
        domains::jobs::SCHEDULES[1],
        sessions::jobs::SCHEDULE,
        openid_provider::jobs::SCHEDULES[0],
        openid_provider::jobs::SCHEDULES[1],
        directories::jobs::SCHEDULE,
        provisioning::jobs::SCHEDULE,
        awareness::jobs::SCHEDULE,
        audit_retention::jobs::SCHEDULE,
        audit_streams::jobs::SCHEDULE,
        insights::jobs::SCHEDULE,
        single_sign_on::jobs::SCHEDULE,
        set_up_guide::jobs::SCHEDULE,
    ],
    evidence: &[
        domains::evidence::RECHECKED,
        domains::evidence::VERIFIED,
        access_requests::evidence::APPROVED,
        access_reviews::evidence::REVIEWED,
        audit_streams::evidence::STREAMED,
        awareness::evidence::ACKNOWLEDGED,
        insights::evidence::FRESH,
        policies::evidence::DECIDED,
        policies::evidence::PASSWORD_POLICY,
        strong_sign_in::evidence::STRONG,
        people::evidence::SUSPENSION,
        single_sign_on::evidence::FEDERATION,
        abuse_reports::evidence::REPORTED,
        support::evidence::IN_TIME,
    ],
    drills: &[
        domains::drill::FORGED_PROOF,
        people::drill::SUSPENDED_ACCOUNT,
        single_sign_on::drill::FEDERATION,
    ],
    facts: Some(facts::organization_facts),
    navigation: NAVIGATION,
    tasks: &[openid_provider::meter::run, audit_streams::jobs::run, set_up_guide::jobs::task],
};

const JOBS: &[JobKind] = &[
    domains::jobs::KINDS[0],
    domains::jobs::KINDS[1],
    claims::jobs::KINDS[0],
    claims::jobs::KINDS[1],
    claims::jobs::KINDS[2],
    claims::jobs::KINDS[3],
    sessions::jobs::JOB,
    recovery::jobs::JOB,
    policies::jobs::KINDS[0],
    policies::jobs::KINDS[1],
    break_glass::jobs::KIND,
    openid_provider::jobs::KINDS[0],
    openid_provider::jobs::KINDS[1],
    openid_provider::jobs::KINDS[2],
    directories::jobs::JOB,
    provisioning::jobs::KINDS[0],
    provisioning::jobs::KINDS[1],
    access_requests::jobs::JOB,
    access_reviews::jobs::KINDS[0],
    access_reviews::jobs::KINDS[1],
    access_reviews::jobs::KINDS[2],
    access_reviews::jobs::KINDS[3],
    awareness::jobs::KINDS[0],
    awareness::jobs::KINDS[1],
    audit_retention::jobs::JOB,
    audit_streams::jobs::JOB,
    insights::jobs::JOB,
    single_sign_on::jobs::JOB,
    set_up_guide::jobs::JOB,
    support::jobs::KINDS[0],
    support::jobs::KINDS[1],
    support::jobs::KINDS[2],
];

fn routes() -> Routes {
    Routes::new()
        .merge(accounts::api::routes())
        .merge(accounts::pages::routes())
        .merge(login::api::routes())
        .merge(login::pages::routes())
        .merge(second_step::api::routes())
        .merge(second_step::pages::routes())
        .merge(confirmations::api::routes())
        .merge(confirmations::pages::routes())
        .merge(enrolment::api::routes())
        .merge(enrolment::pages::routes())
        .merge(abuse_reports::api::routes())
        .merge(abuse_reports::pages::routes())
        .merge(social_login::api::routes())
        .merge(social_login::pages::routes())
        .merge(strong_sign_in::api::routes())
        .merge(strong_sign_in::pages::routes())
        .merge(factors::api::routes())
        .merge(factors::pages::routes())
        .merge(passkeys::api::routes())
        .merge(passkeys::pages::routes())
        .merge(recovery::api::routes())
        .merge(recovery::pages::routes())
        .merge(sessions::api::routes())
        .merge(sessions::pages::routes())
        .merge(set_up::pages::routes())
        .merge(domains::api::routes())
        .merge(domains::pages::routes())
        .merge(domains::provider_pages::routes())
        .merge(claims::api::routes())
        .merge(claims::pages::routes())
        .merge(policies::api::routes())
        .merge(policies::pages::routes())
        .merge(break_glass::api::routes())
        .merge(break_glass::pages::routes())
        .merge(organizations::api::routes())
        .merge(organizations::pages::routes())
        .merge(people::api::routes())
        .merge(people::pages::routes())
        .merge(leaving::api::routes())
        .merge(leaving::pages::routes())
        .merge(people_import::api::routes())
        .merge(people_import::pages::routes())
        .merge(groups::api::routes())
        .merge(groups::pages::routes())
        .merge(invitations::api::routes())
        .merge(invitations::pages::routes())
        .merge(access_offers::api::routes())
        .merge(access_offers::pages::routes())
        .merge(access_requests::api::routes())
        .merge(access_requests::pages::routes())
        .merge(access_reviews::api::routes())
        .merge(access_reviews::pages::routes())
        .merge(awareness::api::routes())
        .merge(awareness::pages::routes())
        .merge(insights::api::routes())
        .merge(insights::pages::routes())
        .merge(approved_domains::api::routes())
        .merge(approved_domains::pages::routes())
        .merge(api_tokens::api::routes())
        .merge(api_tokens::pages::routes())
        .merge(directories::api::routes())
        .merge(directories::pages::routes())
        .merge(provisioning::api::routes())
        .merge(audit_log::api::routes())
        .merge(audit_log::pages::routes())
        .merge(audit_retention::api::routes())
        .merge(audit_retention::pages::routes())
        .merge(audit_streams::api::routes())
        .merge(audit_streams::pages::routes())
        .merge(products::api::routes())
        .merge(products::pages::routes())
        .merge(openid_provider::api::routes())
        .merge(openid_provider::pages::routes())
        .merge(openid_provider::account_pages::routes())
        .merge(single_sign_on::api::routes())
        .merge(single_sign_on::pages::routes())
        .merge(support::api::routes())
        .merge(support::api::desk_side::routes())
        .merge(support::pages::routes())
        .merge(support::desk_pages::routes())
        .merge(set_up_guide::api::routes())
        .merge(set_up_guide::pages::routes())
        .merge(set_up_guide::provider_pages::routes())
}

const NAVIGATION: &[NavEntry] = &[
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Your account",
        href: "/account",
        permission: None,
        rank: 10,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Password",
        href: "/account/password",
        permission: None,
        rank: 20,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Factors",
        href: factors::pages::PATH,
        permission: None,
        rank: 25,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Sign-in methods",
        href: single_sign_on::pages::account::PATH,
        permission: None,
        rank: 27,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Devices",
        href: sessions::pages::PATH,
        permission: None,
        rank: 30,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Apps",
        href: openid_provider::account_pages::PATH,
        permission: None,
        rank: 40,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Users",
        label: "Products",
        href: products::pages::LIST,
        permission: Some(Permission::ProviderRead),
        rank: 120,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "People",
        href: people::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 110,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Users",
        label: "Growth",
        href: insights::pages::PROVIDER,
        permission: Some(Permission::ProviderRead),
        rank: 130,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Insights",
        href: insights::pages::PATH,
        permission: Some(Permission::PeopleRead),
        rank: 100,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Groups",
        href: groups::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 120,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Invitations",
        href: invitations::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 130,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Access",
        href: access_requests::pages::OWN,
        permission: None,
        rank: 132,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Access requests",
        href: access_requests::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 134,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Awareness",
        href: awareness::pages::PATH,
        permission: None,
        rank: 157,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Access reviews",
        href: access_reviews::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 136,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Access",
        href: approved_domains::pages::OPENINGS,
        permission: None,
        rank: 35,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Domains",
        href: domains::pages::LIST,
        permission: Some(Permission::DomainsRead),
        rank: 105,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Directories",
        href: directories::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 107,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Single sign-on",
        href: single_sign_on::pages::LIST,
        permission: Some(Permission::PoliciesRead),
        rank: 152,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Users",
        label: "Domain checks",
        href: domains::provider_pages::PAGE,
        permission: Some(Permission::ProviderRead),
        rank: 110,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Enrolment",
        href: enrolment::pages::PATH,
        permission: Some(Permission::PeopleRead),
        rank: 155,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Social login",
        href: social_login::pages::PATH,
        permission: Some(Permission::PoliciesRead),
        rank: 154,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Report misuse",
        href: abuse_reports::pages::NEW,
        permission: None,
        rank: 158,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Reports of misuse",
        href: abuse_reports::pages::LIST,
        permission: Some(Permission::PeopleRead),
        rank: 159,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Users",
        label: "Reports of misuse",
        href: abuse_reports::pages::DESK,
        permission: Some(Permission::ProviderRead),
        rank: 130,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Strong sign-in",
        href: strong_sign_in::pages::PATH,
        permission: Some(Permission::PeopleRead),
        rank: 156,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Users",
        label: "Sign-in policies",
        href: policies::pages::PATH,
        permission: Some(Permission::PoliciesRead),
        rank: 150,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "",
        label: "Set up",
        href: set_up_guide::pages::PATH,
        permission: Some(Permission::ResponsibilitiesRead),
        rank: 5,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Organization",
        label: "Support",
        href: support::pages::LIST,
        permission: None,
        rank: 905,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Users",
        label: "Set-ups",
        href: set_up_guide::provider_pages::PATH,
        permission: Some(Permission::ProviderRead),
        rank: 130,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Users",
        label: "Tickets",
        href: support::desk_pages::QUEUE,
        permission: Some(Permission::ProviderRead),
        rank: 125,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Organization",
        label: "Audit log",
        href: audit_log::pages::LIST,
        permission: Some(Permission::AuditRead),
        rank: 910,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Organization",
        label: "Audit streams",
        href: audit_streams::pages::LIST,
        permission: Some(Permission::AuditRead),
        rank: 912,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Organization",
        label: "API tokens",
        href: api_tokens::pages::LIST,
        permission: Some(Permission::TokensRead),
        rank: 920,
    },
    NavEntry {
        console: NavConsole::Organization,
        group: "Organization",
        label: "Settings",
        href: organizations::pages::SETTINGS,
        permission: Some(Permission::OrganizationRead),
        rank: 930,
    },
];
