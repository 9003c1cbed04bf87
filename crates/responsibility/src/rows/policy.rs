//! Policy and compliance: seven duties of the provider, seven of the customer.

use std::time::Duration;

use platform::time::{DAY, HOUR, MINUTE};

use super::{Control, DrillSpec, Half, Halves, Page, Row, RowArea, Wording};

const AREA: RowArea = RowArea::PolicyAndCompliance;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "POL-P1",
        area: AREA,
        title: "Weigh customers' risk when choosing controls",
        duty: "Choose controls in the light of who the customers are and what they stand to lose.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "customer risk profiles, gathered into segments that risks and controls cite" },
            Wording {
                control: "Gathers customers' profiles (sector, data classes, legal regimes, size) into segments; each risk and control says which segments it serves.",
                met_when: "every segment present among active organizations is covered by a risk reviewed in the last 90 days",
                break_hint: "let an organization declare a legal regime that no risk covers",
            },
        )),
    },
    Row {
        id: "POL-P2",
        area: AREA,
        title: "Run a risk programme and keep its claims",
        duty: "Manage security risk as a programme, and do in fact what the published self-assessment says.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "risk register, control framework and questionnaire answers bound to live checks" },
            Wording {
                control: "Keeps a risk register (likelihood, impact, owner, treatment, due date) and binds each questionnaire answer to the rows and checks that prove it.",
                met_when: "no treatment is overdue, and no answer says yes while a check bound to it fails",
                break_hint: "let one bound check fail: the answer must withdraw itself",
            },
        )),
    },
    Row {
        id: "POL-P3",
        area: AREA,
        title: "Report certifications and plans",
        duty: "Tell customers which certifications are valid now and which are being worked on.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "certifications with validity and roadmap, delivered to subscribers" },
            Wording {
                control: "Holds certifications with scope, auditor, report and validity, and a roadmap; delivers each change by mail, feed and webhook and logs the delivery.",
                met_when: "no certification shown as valid has expired, and each change reached each subscriber",
                break_hint: "set a certificate's last day to yesterday",
            },
        )),
    },
    Row {
        id: "POL-P4",
        area: AREA,
        title: "Publish what customers need to decide",
        duty: "Put before customers the information by which they can judge the platform.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "a Trust Center with public and gated documents and their review dates" },
            Wording {
                control: "Runs a Trust Center: public and gated documents, sub-processors, data locations and answers, each page also in a form that programs read.",
                met_when: "each required document is published and within its review date",
                break_hint: "withdraw the privacy policy, or let its review date pass",
            },
        )),
    },
    Row {
        id: "POL-P5",
        area: AREA,
        title: "Failover and redundancy",
        duty: "Keep the service and its data alive when a part of the system fails.",
        halves: Halves::Provider(
            Half::new(
                Control::NotBuilt { planned: "a standby with measured lag and rehearsed failover, or a continuous second copy" },
                Wording {
                    control: "Follows the database with a standby and replicas, or copies the embedded store to a second disk, measures the lag and rehearses the switch.",
                    met_when: "the copy's lag is under its bound and the last failover (embedded store: restore) was rehearsed in time",
                    break_hint: "stop the standby",
                },
            )
            .fresh_for(Duration::from_secs(5 * MINUTE.as_secs()))
            .drilled(DrillSpec::quarterly("failover", "the primary is taken away: the standby must serve, with nothing acknowledged lost")),
        ),
    },
    Row {
        id: "POL-P6",
        area: AREA,
        title: "Receive and handle vulnerability reports",
        duty: "Take in reports of weaknesses from anyone and bring each to an end in good time.",
        halves: Halves::Provider(
            Half::new(
                Control::NotBuilt { planned: "a report form, triage with clocks for the fix, and published advisories" },
                Wording {
                    control: "Publishes security.txt and a report form, rates each report, runs a clock for its fix, and publishes credited advisories.",
                    met_when: "no report is past its clock, and security.txt is reachable and unexpired",
                    break_hint: "let the clock of a critical report run out",
                },
            )
            .fresh_for(HOUR),
        ),
    },
    Row {
        id: "POL-P7",
        area: AREA,
        title: "Obey the law where the provider operates",
        duty: "Keep to the laws of each country in which the service is run.",
        halves: Halves::Provider(Half::new(
            Control::NotBuilt { planned: "a register of obligations and a desk for requests of authorities" },
            Wording {
                control: "Lists jurisdictions and obligations with owner and due date; handles authorities' requests with identity check, narrowing, notice and two approvers.",
                met_when: "no obligation is overdue, and each request of an authority went through the desk",
                break_hint: "let an obligation become overdue",
            },
        )),
    },
    Row {
        id: "POL-C1",
        area: AREA,
        title: "Know your risk and your data",
        duty: "Know what could hurt your organization and how sensitive the data is that you keep here.",
        halves: Halves::Customer(Half::new(
            Control::NotBuilt { planned: "a risk profile with data classes, and classification of spaces and documents" },
            Wording {
                control: "Leads through a risk profile, defines data classes, and classifies spaces and documents by them.",
                met_when: "the profile is complete and reviewed in the last 12 months, and every space has a class",
                break_hint: "create a space without a class",
            },
        )),
    },
    Row {
        id: "POL-C2",
        area: AREA,
        title: "Judge whether the platform suits you",
        duty: "Form your own judgement of the platform from what the provider publishes.",
        halves: Halves::Customer(
            Half::new(
                Control::NotBuilt { planned: "assessment records that pin the documents they rest on" },
                Wording {
                    control: "Keeps your assessment together with the exact versions of the documents you read, and reopens it when one of them changes.",
                    met_when: "an approved assessment exists and each document it pins is still the current one",
                    break_hint: "the provider publishes a new version of a pinned document",
                },
            )
            .waits_for("POL-P4"),
        ),
    },
    Row {
        id: "POL-C3",
        area: AREA,
        title: "Check the platform against your rules",
        duty: "Make sure that the platform, as you have set it up, fulfils the rules you answer to.",
        halves: Halves::Customer(Half::new(
            Control::NotBuilt { planned: "requirement profiles that are compared with live settings" },
            Wording {
                control: "Compares a chosen or uploaded requirement profile with your settings: met, reachable by a named setting, or not reachable.",
                met_when: "no requirement is unmet without an exception somebody accepted",
                break_hint: "choose a profile that asks for 8 h sessions while your policy allows 30 days",
            },
        )),
    },
    Row {
        id: "POL-C4",
        area: AREA,
        title: "Be ready to report a breach",
        duty: "Be able to tell authorities and people about a breach in the way and the time your rules ask for.",
        halves: Halves::Customer(Half::new(
            Control::Built {
                page: Page("/o/{organization}/breach-contacts"),
                not_yet: Some("legal regimes, disclosure clocks and tabletop exercises"),
            },
            Wording {
                control: "Keeps the people to be told first when a breach touches your data, and asks each of them to confirm the address.",
                met_when: "at least one breach contact is set, and each contact confirmed the address in the last 12 months",
                break_hint: "replace the contact by one who has not confirmed",
            },
        )),
    },
    Row {
        id: "POL-C5",
        area: AREA,
        title: "Protect your own devices",
        duty: "Keep the computers and phones from which your people sign in safe and up to date.",
        halves: Halves::Customer(
            Half::new(
                Control::NotBuilt { planned: "device posture signals and a policy that warns, asks again or blocks" },
                Wording {
                    control: "Lists devices per person with signals of their condition, and lets you warn, ask for a second step or block.",
                    met_when: "the share of active sessions on compliant devices is at or above your threshold",
                    break_hint: "sign in from a device class that is outdated and blocked",
                },
            )
            .fresh_for(DAY)
            .attestable(),
        ),
    },
    Row {
        id: "POL-C6",
        area: AREA,
        title: "Host only permitted data",
        duty: "Keep data off the platform that may not be kept there.",
        halves: Halves::Customer(Half::new(
            Control::NotBuilt { planned: "rules for forbidden data, inspection of uploads and quarantine" },
            Wording {
                control: "Inspects uploads for card numbers, bank accounts, national identifiers, secrets and your own patterns, and holds back what is forbidden.",
                met_when: "no finding is open past its clock",
                break_hint: "upload a document with a valid card number",
            },
        )),
    },
    Row {
        id: "POL-C7",
        area: AREA,
        title: "Obey the law where you operate",
        duty: "Keep to the laws of each country in which your organization works.",
        halves: Halves::Customer(
            Half::new(
                Control::NotBuilt { planned: "your jurisdictions and obligations, compared with where your data lies" },
                Wording {
                    control: "Lists your jurisdictions and obligations, compares them with the location of your data, and keeps attestations until they expire.",
                    met_when: "no obligation is overdue, and each declared jurisdiction allows the location of your data",
                    break_hint: "let an attestation expire",
                },
            )
            .attestable(),
        ),
    },
];
