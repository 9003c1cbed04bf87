//! Threats: six attacks, each with a half on each side.

use std::time::Duration;

use platform::time::{HOUR, MINUTE};

use super::{Control, DrillSpec, Half, Halves, Row, RowArea, Wording};

const AREA: RowArea = RowArea::Threats;
const DETECTOR: Duration = Duration::from_secs(5 * MINUTE.as_secs());

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "THR-1",
        area: AREA,
        title: "Credential guessing",
        duty: "Keep attackers from getting in by trying names and passwords.",
        halves: Halves::Both {
            provider: Half::new(
                Control::NotBuilt { planned: "a detector of spraying and stuffing, and its drill" },
                Wording {
                    control: "Detects spraying and stuffing before the password is checked, and slows attackers without locking the owner out.",
                    met_when: "the detector is alive, and a synthetic spray was noticed and stopped in the last drill",
                    break_hint: "stop the detector",
                },
            )
            .titled("Spraying noticed and slowed")
            .fresh_for(DETECTOR)
            .drilled(DrillSpec::daily("password-spray", "a canary spray from many addresses must be noticed and must reach no password check")),
            customer: Half::new(
                Control::NotBuilt { planned: "second factors and passkeys" },
                Wording {
                    control: "Enrols second factors and passkeys and shows who has none.",
                    met_when: "each account with access has a second factor or a passkey",
                    break_hint: "remove the last factor of one account",
                },
            )
            .titled("Second step or passkeys on"),
        },
    },
    Row {
        id: "THR-2",
        area: AREA,
        title: "Credential re-use",
        duty: "Keep a password that leaked elsewhere from opening an account here.",
        halves: Halves::Both {
            provider: Half::new(
                Control::NotBuilt { planned: "a check against leaked passwords at sign-in, signals of social providers, and their drill" },
                Wording {
                    control: "Refuses leaked passwords when they are set and finds them at sign-in; takes in compromise signals of social providers.",
                    met_when: "the list of leaked passwords is current, and a canary's leaked password was refused in the last drill",
                    break_hint: "withdraw the list of leaked passwords",
                },
            )
            .titled("Leaked passwords refused")
            .drilled(DrillSpec::daily("leaked-password", "a canary sets and uses a password known to have leaked: both must be refused")),
            customer: Half::new(
                Control::NotBuilt { planned: "the list of accounts on leaked passwords, and the decision on social login" },
                Wording {
                    control: "Lists accounts whose password has leaked and those that use social login, with the step that fixes each.",
                    met_when: "no account is on a leaked password, and social login is decided",
                    break_hint: "leave one account on a leaked password",
                },
            )
            .titled("No leaked passwords; social login decided")
            .waits_for("THR-2"),
        },
    },
    Row {
        id: "THR-3",
        area: AREA,
        title: "Man in the middle",
        duty: "Keep others from reading or changing what passes between browser and platform.",
        halves: Halves::Both {
            provider: Half::new(
                Control::NotBuilt { planned: "a probe of the transport's grade, bound cookies and tokens, published fingerprints" },
                Wording {
                    control: "Enforces strong transport encryption, cookies bound to the origin, passkeys and tokens bound to their holder, and publishes its fingerprints.",
                    met_when: "the transport reaches its grade from outside, and a downgraded canary connection was refused",
                    break_hint: "allow an outdated protocol version",
                },
            )
            .titled("Transport and sessions bound")
            .drilled(DrillSpec::daily("downgrade", "a canary client offers weak transport and replays a bound token: both must be refused")),
            customer: Half::new(
                Control::NotBuilt { planned: "the share of phishing-resistant factors, and a notice on how to check the address" },
                Wording {
                    control: "Shows how many people use factors that cannot be relayed, and tells everybody how to check where they are.",
                    met_when: "the share of phishing-resistant factors is at your target, and people were told how to check",
                    break_hint: "let the share fall below the target",
                },
            )
            .titled("Factors that cannot be relayed"),
        },
    },
    Row {
        id: "THR-4",
        area: AREA,
        title: "Endpoint compromise",
        duty: "Limit what a taken-over device can do, and notice it.",
        halves: Halves::Both {
            provider: Half::new(
                Control::NotBuilt { planned: "detection of odd sessions and stolen cookies, sign-out everywhere, and signals to others" },
                Wording {
                    control: "Detects odd sessions and replayed cookies, signs out everywhere in one step, and exchanges session signals.",
                    met_when: "the detectors are alive, and a replayed canary cookie was caught in the last drill",
                    break_hint: "stop the replay detector",
                },
            )
            .titled("Stolen sessions caught")
            .fresh_for(DETECTOR)
            .drilled(DrillSpec::daily("stolen-cookie", "a canary's session cookie is used from elsewhere: it must be noticed and ended")),
            customer: Half::new(
                Control::NotBuilt { planned: "a device policy and triage of device reports" },
                Wording {
                    control: "Applies your device policy and keeps a queue of device reports.",
                    met_when: "the device policy is decided, and no report waits past its target",
                    break_hint: "leave a report of a lost device untouched",
                },
            )
            .titled("Device policy set, reports handled")
            .fresh_for(HOUR),
        },
    },
    Row {
        id: "THR-5",
        area: AREA,
        title: "Malicious apps",
        duty: "Keep an app from abusing the authority it was given.",
        halves: Halves::Both {
            provider: Half::new(
                Control::NotBuilt { planned: "a behaviour baseline per installation, alerts on mass reading, and the kill switch" },
                Wording {
                    control: "Compares each installation with its usual behaviour, raises an alert on mass reading, and can stop an app everywhere.",
                    met_when: "the detector is alive, and a canary app that turned hostile was noticed and stopped in the last drill",
                    break_hint: "stop the detector",
                },
            )
            .titled("Hostile behaviour noticed and stopped")
            .fresh_for(DETECTOR)
            .drilled(DrillSpec::daily("hostile-app", "a canary app starts to copy everything it can reach: it must be noticed and stopped")),
            customer: Half::new(
                Control::NotBuilt { planned: "assessments of installed apps and reports of misbehaviour" },
                Wording {
                    control: "Keeps the assessment of each installation current and follows your reports.",
                    met_when: "each installation is assessed at its present authority, and no report waits past its target",
                    break_hint: "leave an app with grown authority unassessed",
                },
            )
            .titled("Apps assessed, misbehaviour reported"),
        },
    },
    Row {
        id: "THR-6",
        area: AREA,
        title: "Phishing and fake sites",
        duty: "Keep people from giving their credentials to a copy of the platform.",
        halves: Halves::Both {
            provider: Half::new(
                Control::NotBuilt { planned: "a watch for look-alike names in certificate logs, and the list of official addresses" },
                Wording {
                    control: "Watches certificate logs for look-alike names, publishes the official addresses, and prepares take-down requests.",
                    met_when: "the certificate logs were read in time, and a planted look-alike was found in the last drill",
                    break_hint: "cut the watch off from the certificate logs",
                },
            )
            .titled("Look-alike names watched")
            .fresh_for(HOUR)
            .drilled(DrillSpec::daily("planted-look-alike", "a canary name one letter away is planted in the feed: it must be reported")),
            customer: Half::new(
                Control::NotBuilt { planned: "your protected names, the addresses told to your people, and passkeys" },
                Wording {
                    control: "Watches the names you protect, tells your people the only right addresses, and offers passkeys.",
                    met_when: "your names are registered for watching, and people were told the addresses",
                    break_hint: "remove the list of protected names",
                },
            )
            .titled("Names protected, people told")
            .waits_for("THR-6"),
        },
    },
];
