//! Guessing of passwords, seen from its two ends: one network at many accounts, and one account from many networks.
//!
//! - **`guessing-many-accounts`** judges a network (an IPv4 address, or the /64 of an IPv6 one, as the throttles do). Ten
//!   accounts that failed from there within ten minutes and did not get in: stuffing, a spray, or a broken program. Somebody
//!   who mistypes and then gets in does not count, so an office behind one address stays quiet.
//! - **`guessing-one-account`** judges an account, or an address that has none. Failures from five networks within an hour,
//!   or a second factor tried until no try was left.
//!
//! Who got in is the worst: a session that began with a password, from a network where its account had not signed in before,
//! while the guessing goes on. A password that was right where a second step stopped it, or a wrong code after it, comes next:
//! somebody knows it.
//!
//! Everything here is judged from events that sign-in records anyway ([`Try::of`]), in their order, so that a detector that
//! was away sees the same later. The judgement is a pure function of the tries within the window ([`Window`]); what stands
//! in the store is that window and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use platform::db::{DbError, ReadTx, Recorded, Row, Tx};
use platform::events::{Event, StoredEvent};
use platform::ids::AccountId;
use platform::params;
use platform::time::{HOUR, MINUTE, Timestamp};
use platform::{App, Ctx};
use users::throttles;

use crate::alerts::{self, Severity, Sight, Sighting};
use crate::seams;

pub(crate) mod drill;
mod sql;
#[cfg(test)]
mod tests;

/// Which end of the tries a detector holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Network,
    Account,
}

/// What a detector of guessing looks at, and from where on it raises an alert.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    pub end: End,
    pub window: Duration,
    /// So many of the other end, failed and not got in, are guessing.
    pub least: usize,
    /// So many are a large attack.
    pub many: usize,
}

/// Ten: people who share an address and mistype do get in soon after, and are then not counted; ten who do not, within the
/// ten minutes that a hurried tool needs for far more, were never seen in normal use. The throttle of a network lets 50
/// failures through in a quarter of an hour, so an attack is seen before it is slowed down; fifty accounts is all that a
/// network can reach before.
pub static MANY_ACCOUNTS: Rule = Rule {
    name: "guessing-many-accounts",
    end: End::Network,
    window: Duration::from_secs(10 * MINUTE.as_secs()),
    least: 10,
    many: 50,
};

/// Five networks: a person has a home, an office, a telephone and a train, and gets in from most of them. An hour, because
/// who spreads tries over networks also spreads them over time. Twenty is a rented swarm.
pub static ONE_ACCOUNT: Rule =
    Rule { name: "guessing-one-account", end: End::Account, window: HOUR, least: 5, many: 20 };

pub static RULES: [&Rule; 2] = [&MANY_ACCOUNTS, &ONE_ACCOUNT];

/// Of one subject, so many of the other end are looked at, the latest: far more than any threshold, and a bound.
const OTHERS_MAX: usize = 1000;
/// What was typed and is no address: nobody's account.
const NO_ADDRESS: &str = "-";

/// How a try to sign in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Wrong, or not looked at any more.
    Failed,
    /// The password was right, the second factor was not.
    CodeFailed { used_up: bool },
    /// The password was right, and more is asked for.
    Known,
    /// In, with a password.
    Entered,
}

/// A try to sign in that can be a guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    pub at: Timestamp,
    pub network: String,
    /// The account's id; the address that was typed where there is no such account.
    pub account: String,
    pub ending: Ending,
}

impl Try {
    /// What an event says about it; `None`: it is about something else, or does not say who or from where.
    pub fn of(event: &StoredEvent) -> Option<Self> {
        Self::read(event.at, &event.action, &event.target_id, |name| event.field(name))
    }

    /// The same of an event that is not committed.
    fn of_pending(event: &Event, at: Timestamp) -> Option<Self> {
        Self::read(at, event.action(), event.target_id(), |name| event.field(name))
    }

    fn read<'a>(
        at: Timestamp,
        action: &str,
        target: &str,
        field: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<Self> {
        let method = field("method");
        let ending = match action {
            "sign_in.failed" | "sign_in.throttled" => Ending::Failed,
            "sign_in.second_step_failed" => Ending::CodeFailed { used_up: field("used_up") == Some("true") },
            // A mailed link or another provider's word is no password.
            "sign_in.second_step_asked" if method == Some("password") => Ending::Known,
            "sign_in.barred" if method.is_none_or(|method| method == "password") => Ending::Known,
            "session.started" if matches!(method, Some("password" | "totp" | "recovery_code")) => {
                Ending::Entered
            }
            _ => return None,
        };
        let network = field("network").filter(|network| *network != "unknown")?;
        let account = if target.is_empty() { field("email")? } else { target };
        Some(Self { at, network: network.to_owned(), account: account.to_owned(), ending })
    }

    fn account_id(&self) -> Option<AccountId> {
        self.account.parse().ok()
    }
}

/// What was seen of one of the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    failures: u64,
    failed_at: Option<Timestamp>,
    code_failed_at: Option<Timestamp>,
    used_up_at: Option<Timestamp>,
    known_at: Option<Timestamp>,
    entered_at: Option<Timestamp>,
    home_at: Option<Timestamp>,
}

/// Within the window that ends at `at`.
fn within(time: Option<Timestamp>, at: Timestamp, window: Duration) -> bool {
    time.is_some_and(|time| time > at.minus(window))
}

fn later(one: &mut Option<Timestamp>, at: Timestamp) {
    *one = Some(one.map_or(at, |known| known.max(at)));
}

impl Pair {
    fn take(&mut self, ending: Ending, home: bool, at: Timestamp, window: Duration) {
        match ending {
            Ending::Failed | Ending::CodeFailed { .. } => {
                if !within(self.failed_at, at, window) {
                    self.failures = 0;
                }
                self.failures += 1;
                later(&mut self.failed_at, at);
            }
            Ending::Known if home => {}
            Ending::Known => later(&mut self.known_at, at),
            Ending::Entered if home => later(&mut self.home_at, at),
            Ending::Entered => later(&mut self.entered_at, at),
        }
        if let Ending::CodeFailed { used_up } = ending {
            later(&mut self.code_failed_at, at);
            if used_up {
                later(&mut self.used_up_at, at);
            }
        }
    }

    fn got_in_at(&self) -> Option<Timestamp> {
        self.entered_at.max(self.home_at)
    }

    /// Failed, and did not get in since.
    fn fails(&self, at: Timestamp, window: Duration) -> bool {
        within(self.failed_at, at, window) && self.failed_at > self.got_in_at()
    }

    /// Whether its password is known to whoever tries, who did not get in.
    fn is_known(&self, at: Timestamp, window: Duration) -> bool {
        let proved = self.known_at.max(self.code_failed_at);
        within(proved, at, window) && proved > self.got_in_at()
    }

    fn last_at(&self) -> Timestamp {
        let codes = self.code_failed_at.max(self.used_up_at);
        let last = self.failed_at.max(codes).max(self.known_at).max(self.got_in_at());
        last.unwrap_or_default()
    }
}

/// The tries at or of one subject within a detector's window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pairs: BTreeMap<String, Pair>,
}

impl Window {
    /// `home`: the account had signed in from there before the window.
    pub fn take(&mut self, rule: &Rule, tried: &Try, home: bool) {
        let other = match rule.end {
            End::Network => &tried.account,
            End::Account => &tried.network,
        };
        let pair = self.pairs.entry(other.clone()).or_default();
        pair.take(tried.ending, home, tried.at, rule.window);
    }

    /// How bad it is at this moment; `None`: nothing that an alert is raised for.
    pub fn judge(&self, rule: &Rule, at: Timestamp) -> Option<Severity> {
        let window = rule.window;
        let count = |holds: &dyn Fn(&Pair) -> bool| self.pairs.values().filter(|pair| holds(pair)).count();
        let failing = count(&|pair| pair.fails(at, window));
        let used_up = rule.end == End::Account && count(&|pair| within(pair.used_up_at, at, window)) > 0;
        if failing < rule.least && !used_up {
            return None;
        }
        let entered = count(&|pair| within(pair.entered_at, at, window)) > 0;
        let known = count(&|pair| pair.is_known(at, window)) > 0;
        Some(if entered {
            Severity::Critical
        } else if known || used_up || failing >= rule.many {
            Severity::High
        } else {
            Severity::Medium
        })
    }

    /// What is within the window, as an alert keeps it.
    fn sights(&self, rule: &Rule, at: Timestamp) -> Vec<Sight> {
        let (mut sights, window) = (Vec::new(), rule.window);
        for (other, pair) in &self.pairs {
            let outcome = if within(pair.entered_at, at, window) {
                alerts::Outcome::Entered
            } else if pair.is_known(at, window) {
                alerts::Outcome::Known
            } else if pair.fails(at, window) {
                alerts::Outcome::Failed
            } else {
                continue;
            };
            sights.push(Sight { other: other.clone(), outcome, at: pair.last_at() });
        }
        sights
    }

    fn failures(&self, rule: &Rule, at: Timestamp) -> u64 {
        let within = self.pairs.values().filter(|pair| within(pair.failed_at, at, rule.window));
        within.map(|pair| pair.failures).sum()
    }
}

fn read_pair(row: &Row) -> Result<(String, Pair), DbError> {
    let pair = Pair {
        failures: row.get(1)?,
        failed_at: row.get(2)?,
        code_failed_at: row.get(3)?,
        used_up_at: row.get(4)?,
        known_at: row.get(5)?,
        entered_at: row.get(6)?,
        home_at: row.get(7)?,
    };
    Ok((row.get(0)?, pair))
}

fn load(tx: &mut ReadTx, rule: &Rule, subject: &str, since: Timestamp) -> Result<Window, DbError> {
    let pairs = tx.list(&sql::WINDOW, params![rule.name, subject, since, OTHERS_MAX], read_pair)?;
    Ok(Window { pairs: pairs.into_iter().collect() })
}

fn save(tx: &mut Tx, rule: &Rule, subject: &str, window: &Window, before: &Window) -> Result<(), DbError> {
    let changed = window.pairs.iter().filter(|(other, pair)| before.pairs.get(*other) != Some(*pair));
    let rows = changed.map(|(other, pair)| {
        let row = params![
            rule.name,
            subject,
            other,
            pair.failures,
            pair.failed_at,
            pair.code_failed_at,
            pair.used_up_at,
            pair.known_at,
            pair.entered_at,
            pair.home_at,
            pair.last_at()
        ];
        row.to_vec()
    });
    tx.execute_many(&sql::SAVE, rows.collect())?;
    Ok(())
}

/// Takes tries in their order, and raises what they amount to, in one transaction with where the detector stands.
pub(crate) fn take(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    rule: &'static Rule,
    tries: Vec<Try>,
) -> Result<Option<Recorded>, DbError> {
    let mut of_subject: BTreeMap<String, Vec<Try>> = BTreeMap::new();
    for tried in tries {
        let subject = match rule.end {
            End::Network => &tried.network,
            // From everywhere somebody types what is no address.
            End::Account if tried.account == NO_ADDRESS => continue,
            End::Account => &tried.account,
        };
        of_subject.entry(subject.clone()).or_default().push(tried);
    }
    let mut last = None;
    for (subject, tries) in of_subject {
        if let Some(seen) = look(tx, rule, &subject, &tries)? {
            last = alerts::see(app, ctx, tx, &seen)?.or(last);
        }
    }
    Ok(last)
}

/// Adds tries to the window of a subject; gives what has to be told.
fn look(tx: &mut Tx, rule: &'static Rule, subject: &str, tries: &[Try]) -> Result<Option<Sighting>, DbError> {
    let Some(first) = tries.iter().map(|tried| tried.at).min() else { return Ok(None) };
    let (before, blind) =
        (load(tx, rule, subject, first.minus(rule.window))?, seams::is_blind(tx, rule.name)?);
    let mut window = before.clone();
    let mut seen: Option<Sighting> = None;
    for tried in tries {
        let right = matches!(tried.ending, Ending::Known | Ending::Entered);
        let home = match tried.account_id().filter(|_| right) {
            Some(account) => {
                throttles::is_familiar(tx, account, &tried.network, tried.at.minus(rule.window))?
            }
            None => false,
        };
        window.take(rule, tried, home);
        let Some(mut severity) = window.judge(rule, tried.at).filter(|_| !blind) else { continue };
        if rule.end == End::Account && tried.account_id().is_none() {
            // There is nothing to get into.
            severity = Severity::Low;
        }
        let failure = u64::from(!right);
        let seen = seen.get_or_insert_with(|| Sighting {
            kind: rule.name,
            subject: subject.to_owned(),
            severity,
            at: tried.at,
            sights: Vec::new(),
            fresh: 0,
            all: window.failures(rule, tried.at) - failure,
        });
        seen.severity = seen.severity.max(severity);
        seen.at = seen.at.max(tried.at);
        seen.fresh += failure;
        seen.all += failure;
        for sight in window.sights(rule, tried.at) {
            alerts::merge(&mut seen.sights, sight);
        }
    }
    save(tx, rule, subject, &window, &before)?;
    Ok(seen)
}

/// Drops what is in no window any more of a detector that has seen everything until `seen_until`.
pub(crate) fn clean(tx: &mut Tx, rule: &Rule, seen_until: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::CLEAN, params![rule.name, seen_until.minus(rule.window)])
}
