//! Information: three duties of the provider, two of the customer.

use platform::time::HOUR;

use super::{Control, DrillSpec, Half, Halves, Row, RowArea, Wording};

const AREA: RowArea = RowArea::Information;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "INF-P1",
        area: AREA,
        title: "Open your data only to support you",
        duty: "Look at a customer's data only where a concrete support case needs it.",
        halves: Halves::Provider(
            Half::new(
                Control::NotBuilt { planned: "support access bound to a ticket, a time and the customer's approval" },
                Wording {
                    control: "Grants staff the least access for one ticket and a limited time, with the customer's approval, and lists each object that was read.",
                    met_when: "no read by staff happened outside a grant, and a read without a ticket was refused in the last drill",
                    break_hint: "read as staff without a grant: it must be refused and raise an alarm",
                },
            )
            .per_organization()
            .fresh_for(HOUR)
            .drilled(DrillSpec::daily("staff-without-ticket", "a staff canary reads a canary document without a ticket: it must be refused and reported")),
        ),
    },
    Row {
        id: "INF-P2",
        area: AREA,
        title: "Tell you of breaches that touch your data",
        duty: "Inform each affected customer of any breach that comes to the provider's knowledge.",
        halves: Halves::Provider(
            Half::new(
                Control::NotBuilt { planned: "incidents with computed reach, and notices within promised hours" },
                Wording {
                    control: "Computes whom an incident touched from permissions and access records, and sends each organization its own notice within the promised hours.",
                    met_when: "each affected organization was told within the promise, and the last rehearsal is under 90 days old",
                    break_hint: "leave one affected organization without its notice",
                },
            )
            .per_organization()
            .fresh_for(HOUR)
            .drilled(DrillSpec::quarterly("breach-notice", "a rehearsed incident on canary data must reach exactly the affected canaries in time")),
        ),
    },
    Row {
        id: "INF-P3",
        area: AREA,
        title: "Keep system-level backups",
        duty: "Keep copies of the whole system, customers' information included, from which it can be brought back.",
        halves: Halves::Provider(
            Half::new(
                Control::NotBuilt { planned: "scheduled encrypted backups, each verified by a restore" },
                Wording {
                    control: "Makes encrypted backups on a schedule and proves them by restoring and comparing contents and ledger.",
                    met_when: "the last backup is under 24 h old and the last verified restore under 7 days",
                    break_hint: "alter one byte of the newest backup",
                },
            )
            .fresh_for(HOUR),
        ),
    },
    Row {
        id: "INF-C1",
        area: AREA,
        title: "Keep data only as open as intended",
        duty: "Set the products up so that information is reachable by those you mean and by nobody else.",
        halves: Halves::Customer(
            Half::new(
                Control::NotBuilt { planned: "permissions, public links and anonymous access governed by classification" },
                Wording {
                    control: "Governs permissions, anonymous access and public links by a policy for each class of data.",
                    met_when: "anonymous and public access are decided, nothing public is above the allowed class, and an anonymous canary was refused",
                    break_hint: "publish a confidential document",
                },
            )
            .drilled(DrillSpec::daily("anonymous-read", "somebody without an account opens a canary document that is not public: it must be refused")),
        ),
    },
    Row {
        id: "INF-C2",
        area: AREA,
        title: "Make your own backups",
        duty: "Keep copies of your data in your own hands.",
        halves: Halves::Customer(Half::new(
            Control::NotBuilt { planned: "export of a whole organization, encrypted to your key and verifiable offline" },
            Wording {
                control: "Exports the whole organization encrypted to your own key, on request or on a schedule, and restores it into a fresh organization.",
                met_when: "the last good export is under 30 days old",
                break_hint: "delete the export, or let 30 days pass",
            },
        )),
    },
];
