//! Marketplace apps: five duties of the provider, two of the customer.

use platform::time::HOUR;

use super::{Control, DrillSpec, Half, Halves, Row, RowArea, Wording};

const AREA: RowArea = RowArea::MarketplaceApps;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "APP-P1",
        area: AREA,
        title: "Hold every listed app to a baseline",
        duty: "See that each listed app reaches a security baseline, and keep scanning and reviewing it.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "scans at publication and whenever rules or advisories change, with clocks for findings" },
            Wording {
                control: "Scans each version when it is published and when rules or advisories change, runs a clock per finding, and hides an app whose clock ran out.",
                met_when: "each listed version was scanned with the current rules, and no finding is past its clock",
                break_hint: "add an advisory that hits a component of a listed app",
            },
        )),
    },
    Row {
        id: "APP-P2",
        area: AREA,
        title: "Verify the developers of apps",
        duty: "Know who stands behind each app.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "vendor verification by domain, contact, strong sign-in and a second approver" },
            Wording {
                control: "Verifies vendors by domain proof, reachable contact and phishing-resistant sign-in, with a second approver.",
                met_when: "no listed app belongs to a vendor that is not verified",
                break_hint: "let a vendor lose its domain",
            },
        )),
    },
    Row {
        id: "APP-P3",
        area: AREA,
        title: "Require privacy policies of vendors",
        duty: "Make each vendor publish how its app treats personal data.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "a mandatory privacy policy that is fetched and compared" },
            Wording {
                control: "Demands a policy for each listing, fetches it regularly and tells customers when it changes.",
                met_when: "each listed app has a policy that was reachable in the last 7 days",
                break_hint: "take the policy page offline",
            },
        )),
    },
    Row {
        id: "APP-P4",
        area: AREA,
        title: "Invite vendors to security programmes",
        duty: "Offer vendors programmes, with bounties for found weaknesses, by which they can show more security and reliability.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "badges whose criteria are queries, and bounty reports with a ledger" },
            Wording {
                control: "Grants badges whose criteria are queries over evidence, and keeps bounty reports with what was paid.",
                met_when: "the badges on listings are exactly those whose criteria hold now",
                break_hint: "let a badge's criteria stop holding: it must drop by itself",
            },
        )),
    },
    Row {
        id: "APP-P5",
        area: AREA,
        title: "Host apps on a safe runtime",
        duty: "Run apps on the platform itself, so that vendors inherit its security and reliability.",
        halves: Halves::Provider(
            Half::new(
                Control::NotBuilt { planned: "a sandboxed runtime with scoped calls, limits and a kill switch" },
                Wording {
                    control: "Runs apps in a sandbox without ambient authority: scoped calls, listed hosts, limits and a kill switch.",
                    met_when: "hostile canary modules were contained, and a kill took effect within 2 s",
                    break_hint: "remove a limit",
                },
            )
            .drilled(DrillSpec::daily("hostile-module", "canary modules that overrun, escape or call undeclared hosts must be contained, and killed within 2 s")),
        ),
    },
    Row {
        id: "APP-C1",
        area: AREA,
        title: "Judge each app before and while you use it",
        duty: "Decide for each app, from what it discloses, whether it suits you.",
        halves: Halves::Customer(Half::new(
            Control::NotBuilt { planned: "a consent screen and an assessment per installation, reopened when the app asks for more" },
            Wording {
                control: "Shows scopes in words, hosts, vendor, last scan and the duties an app adds; keeps an assessment per installation and reopens it when its authority grows.",
                met_when: "each installation was assessed at the authority it has now",
                break_hint: "update an app to one that asks for more",
            },
        )),
    },
    Row {
        id: "APP-C2",
        area: AREA,
        title: "Report apps that misbehave",
        duty: "Tell the provider when you see an app do harm.",
        halves: Halves::Customer(
            Half::new(
                Control::NotBuilt { planned: "a report with evidence that reaches the provider's kill switch" },
                Wording {
                    control: "Sends a report with evidence to the provider's queue and lets you stop the app in your organization at once.",
                    met_when: "no report of yours waits past its target, and the channel was tested in the last 12 months",
                    break_hint: "leave a report unanswered",
                },
            )
            .fresh_for(HOUR),
        ),
    },
];
