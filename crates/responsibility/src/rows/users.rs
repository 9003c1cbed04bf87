//! Users: six duties of the provider, nine of the customer.

use std::time::Duration;

use platform::time::{HOUR, MINUTE};

use super::{Applies, Control, DrillSpec, Half, Halves, Page, Row, RowArea, Wording};

const AREA: RowArea = RowArea::Users;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "USR-P1",
        area: AREA,
        title: "Give you controls to manage users",
        duty: "Provide controls with which a customer can really govern its users.",
        halves: Halves::Provider(
            Half::new(
                Control::Built { page: Page("/provider/drills"), not_yet: None },
                Wording {
                    control: "Provides authentication policies, roles, groups, suspension, and control over sessions and API tokens.",
                    met_when: "a suspended canary account stayed out on every path in the last drill",
                    break_hint: "stop enforcing suspension on one path",
                },
            )
            .drilled(DrillSpec::daily("suspended-account", "a suspended canary tries every way in: each must refuse it")),
        ),
    },
    Row {
        id: "USR-P2",
        area: AREA,
        title: "Watch the platform for malicious use",
        duty: "Notice when the platform is used to do harm, and act on it.",
        halves: Halves::Provider(
            Half::new(
                Control::Built { page: Page("/provider/alerts"), not_yet: None },
                Wording {
                    control: "Runs detectors that report that they are alive, raises alerts and offers the play for each.",
                    met_when: "all detectors are alive, and a synthetic attack raised its alert within 60 s",
                    break_hint: "stop a detector",
                },
            )
            .fresh_for(Duration::from_secs(5 * MINUTE.as_secs()))
            .drilled(DrillSpec::daily("synthetic-stuffing", "a burst of canary sign-ins with leaked-style passwords must raise an alert within 60 s")),
        ),
    },
    Row {
        id: "USR-P3",
        area: AREA,
        title: "Domain verification and user claim",
        duty: "Let a customer prove that a domain is its own and take charge of the accounts on it.",
        halves: Halves::Provider(
            Half::new(
                Control::Built { page: Page("/provider/domains"), not_yet: None },
                Wording {
                    control: "Checks proofs by DNS record or HTTPS file, repeats the check on a schedule without being fooled by outages, and claims accounts with notice and undo.",
                    met_when: "the scheduled re-check of domains succeeded in the last 24 h, and a forged proof was refused in the last drill",
                    break_hint: "stop the scheduled re-check",
                },
            )
            .drilled(DrillSpec::daily("forged-domain-proof", "proofs made for another organization, expired or altered must all be refused")),
        ),
    },
    Row {
        id: "USR-P4",
        area: AREA,
        title: "Single sign-on, two-step, provisioning",
        duty: "Offer to connect a customer's identity provider, to enforce two steps, and to manage accounts automatically.",
        halves: Halves::Provider(
            Half::new(
                Control::Built { page: Page("/provider/drills"), not_yet: None },
                Wording {
                    control: "Speaks SAML 2.0, OpenID Connect and SCIM 2.0 with linked directories, and enforces second factors.",
                    met_when: "a canary identity provider could sign in, its unsigned assertion was refused, and a SCIM round trip worked",
                    break_hint: "switch off the signature check",
                },
            )
            .drilled(DrillSpec::daily("federation", "canary sign-on must work, its unsigned assertion must be refused, a provisioning round trip must work")),
        ),
    },
    Row {
        id: "USR-P5",
        area: AREA,
        title: "Help with set-up and with users",
        duty: "Support customers while they introduce the platform and while their people use it.",
        halves: Halves::Provider(
            Half::new(
                Control::Built { page: Page("/provider/tickets"), not_yet: None },
                Wording {
                    control: "Guides each organization through its set-up and answers questions at a desk with response targets.",
                    met_when: "no support ticket is past its target",
                    break_hint: "let a ticket pass its target",
                },
            )
            .fresh_for(HOUR),
        ),
    },
    Row {
        id: "USR-P6",
        area: AREA,
        title: "Insights on usage and growth",
        duty: "Show a customer how the whole organization uses the platform and how that grows.",
        halves: Halves::Provider(
            Half::new(
                Control::Built { page: Page("/provider/insights"), not_yet: None },
                Wording {
                    control: "Counts how each organization uses the platform, every half hour, with history, charts and export.",
                    met_when: "the figures of every organization are less than 1 h old",
                    break_hint: "stop the job that counts them",
                },
            )
            // Counting is no event: a look every quarter of an hour sees that it stopped, and that it goes on.
            .fresh_for(Duration::from_secs(15 * MINUTE.as_secs())),
        ),
    },
    Row {
        id: "USR-C1",
        area: AREA,
        title: "Verify your domain",
        duty: "Prove your domains where you want to manage the accounts on them in one place.",
        halves: Halves::Customer(
            Half::new(
                Control::Built { page: Page("/o/{organization}/domains"), not_yet: None },
                Wording {
                    control: "Shows the mail domains your people use, gives the record to publish for each, verifies it and keeps checking.",
                    met_when: "each company mail domain on which several of your accounts live is verified",
                    break_hint: "add people of a company domain that is not verified",
                },
            )
            .waits_for("USR-P3"),
        ),
    },
    Row {
        id: "USR-C2",
        area: AREA,
        title: "Approve who gets access",
        duty: "Let nobody reach your data whom somebody of yours has not approved.",
        halves: Halves::Customer(Half::new(
            Control::Built { page: Page("/o/{organization}/access-requests"), not_yet: None },
            Wording {
                control: "Admits people by an invitation that a named person sent, a request that somebody else approved for a time, or a mail domain you approved.",
                met_when: "no invitation or request waits past its target, nothing granted outlives its end, and no public mail domain admits by itself",
                break_hint: "open an automatic approval for a public mail domain",
            },
        )),
    },
    Row {
        id: "USR-C3",
        area: AREA,
        title: "Review access and remove what is not needed",
        duty: "Look again at who has access at set times, and take it from those who should not have it.",
        halves: Halves::Customer(Half::new(
            Control::Built { page: Page("/o/{organization}/access-reviews"), not_yet: None },
            Wording {
                control: "Runs campaigns over each person's roles, groups, products and tokens, with reviewers, revocation on silence and a pack of evidence.",
                met_when: "a campaign over all grants ended in the last 90 days with every grant decided, and what it revoked is gone",
                break_hint: "grant access outside the last campaign and let 90 days pass",
            },
        )),
    },
    Row {
        id: "USR-C4",
        area: AREA,
        title: "Decide how your people sign in",
        duty: "Choose the sign-in rules that fit your people and your needs, rather than inherit a default.",
        halves: Halves::Customer(Half::new(
            Control::Built { page: Page("/o/{organization}/policies"), not_yet: None },
            Wording {
                control: "Keeps named policies with rules per group, shows who would be locked out before a change, and explains why somebody is asked for more.",
                met_when: "each account is under a policy that an administrator decided on in the last 12 months",
                break_hint: "leave the default untouched",
            },
        )),
    },
    Row {
        id: "USR-C5",
        area: AREA,
        title: "Strong sign-in for managed accounts",
        duty: "Protect the accounts you manage with single sign-on, a second step and password rules, as your risk asks.",
        halves: Halves::Customer(
            Half::new(
                Control::Built { page: Page("/o/{organization}/strong-sign-in"), not_yet: None },
                Wording {
                    control: "Enforces single sign-on or a second factor on managed accounts and shows who is not enrolled.",
                    met_when: "each managed account is bound to single sign-on or a second factor, and enrolled",
                    break_hint: "exempt one account",
                },
            )
            .applies(Applies::HasVerifiedDomain)
            .waits_for("USR-P4"),
        ),
    },
    Row {
        id: "USR-C6",
        area: AREA,
        title: "Watch your accounts for harmful use",
        duty: "Keep an eye on the accounts you manage and follow up when one is misused.",
        halves: Halves::Customer(
            Half::new(
                Control::Built {
                    page: Page("/o/{organization}/audit-streams"),
                    not_yet: Some("alerts on your accounts and their triage"),
                },
                Wording {
                    control: "Streams the audit log, event by event, to your own monitoring and shows what it acknowledged.",
                    met_when: "a stream to your own monitoring acknowledged what it received within 24 hours",
                    break_hint: "stop the receiver of the stream",
                },
            )
            .applies(Applies::HasVerifiedDomain)
            .fresh_for(HOUR),
        ),
    },
    Row {
        id: "USR-C7",
        area: AREA,
        title: "Set a fitting password policy",
        duty: "Decide on password rules that suit your organization.",
        halves: Halves::Customer(
            Half::new(
                Control::Built { page: Page("/o/{organization}/policies"), not_yet: None },
                Wording {
                    control: "Sets length, refusal of leaked passwords, strength and reuse for your accounts, without forcing changes on a calendar.",
                    met_when: "an administrator decided on the password rules, and they are no weaker than the platform's floor",
                    break_hint: "weaken the rules below the floor",
                },
            )
            .applies(Applies::HasVerifiedDomain),
        ),
    },
    Row {
        id: "USR-C8",
        area: AREA,
        title: "Teach good password habits",
        duty: "Make sure that everybody with access knows how to choose and keep a password.",
        halves: Halves::Customer(
            Half::new(
                Control::Built { page: Page("/o/{organization}/awareness"), not_yet: None },
                Wording {
                    control: "Shows a short notice on passwords to each person with access and records the acknowledgement.",
                    met_when: "at least 95 % of people with access acknowledged it in the last 12 months",
                    break_hint: "invite an outside user who has not acknowledged it",
                },
            )
            .applies(Applies::UnverifiedOrOutsiders)
            .attestable(),
        ),
    },
    Row {
        id: "USR-C9",
        area: AREA,
        title: "Report misuse; decide on social login",
        duty: "Tell the provider when an account of yours is misused, and know what signing in by a social account risks.",
        halves: Halves::Customer(
            Half::new(
                Control::Built { page: Page("/o/{organization}/abuse-reports"), not_yet: None },
                Wording {
                    control: "Takes reports of misuse that open an incident on both sides, and makes social login a decision of each policy.",
                    met_when: "the report channel was tested in the last 12 months, and social login is allowed or blocked by a decision",
                    break_hint: "leave social login undecided while somebody uses it",
                },
            )
            .applies(Applies::UnverifiedOrOutsiders),
        ),
    },
];
