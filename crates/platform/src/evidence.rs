//! What a control tells the matrix about itself: findings made of facts, and the registration of who makes them.
//!
//! An area that owns a control exports one [`EvidenceSource`] for each cell it can judge. The function reads the
//! control's own state in a read transaction and answers with a [`Finding`]; it never writes, never asks the network
//! and never asks a person. The matrix decides from the finding, drills and declarations what the cell says: a
//! finding can turn a cell red or make it green-able, it cannot make it green by itself.

use serde::{Deserialize, Serialize};

use crate::db::{DbError, ReadTx};
use crate::ids::OrganizationId;
use crate::time::Timestamp;

/// One of the two parties that share the duties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Provider,
    Customer,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Provider, Side::Customer];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Customer => "customer",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.as_str() == text)
    }

    pub const fn other(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the facts say about a duty, before drills, declarations and age are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Met,
    NotMet,
    NotApplicable,
    Unknown,
}

/// A measured value; the unit is part of the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum FactValue {
    Flag(bool),
    Count(u64),
    /// So many of so many.
    Share {
        part: u64,
        whole: u64,
    },
    Text(String),
    List(Vec<String>),
    Time(Timestamp),
    Seconds(u64),
}

/// One thing the control saw, for programs (`name`, `value`) and for people (`sentence`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// Stable and snake_case, e.g. `domains_verified`.
    pub name: &'static str,
    pub value: FactValue,
    /// Shown to people, e.g. `2 of 2 domains were re-checked this morning`.
    pub sentence: String,
}

impl Fact {
    pub fn new(name: &'static str, value: FactValue, sentence: impl Into<String>) -> Self {
        Self { name, value, sentence: sentence.into() }
    }

    pub fn count(name: &'static str, count: u64, sentence: impl Into<String>) -> Self {
        Self::new(name, FactValue::Count(count), sentence)
    }

    pub fn share(name: &'static str, part: u64, whole: u64, sentence: impl Into<String>) -> Self {
        Self::new(name, FactValue::Share { part, whole }, sentence)
    }

    pub fn flag(name: &'static str, flag: bool, sentence: impl Into<String>) -> Self {
        Self::new(name, FactValue::Flag(flag), sentence)
    }

    pub fn time(name: &'static str, time: Timestamp, sentence: impl Into<String>) -> Self {
        Self::new(name, FactValue::Time(time), sentence)
    }

    pub fn list(name: &'static str, items: Vec<String>, sentence: impl Into<String>) -> Self {
        Self::new(name, FactValue::List(items), sentence)
    }
}

/// The smallest step that brings the duty closer to met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// In the imperative, e.g. `Add the TXT record of harbor.example`.
    pub label: String,
    /// The page that performs the step.
    pub href: String,
    pub effort_minutes: u16,
}

/// What an evidence function answers for one cell of one organization.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub state: Verdict,
    pub facts: Vec<Fact>,
    pub action: Option<NextAction>,
    /// When the facts stop being true by themselves, e.g. 24 h after the last re-check. `None`: only the row's own
    /// time-to-live bounds them.
    pub valid_until: Option<Timestamp>,
    /// One clause for people, without a full stop: `no public mail domain approves by itself`.
    pub reason: String,
}

impl Finding {
    pub fn new(state: Verdict, reason: impl Into<String>) -> Self {
        Self { state, facts: Vec::new(), action: None, valid_until: None, reason: reason.into() }
    }

    pub fn met(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Met, reason)
    }

    pub fn not_met(reason: impl Into<String>) -> Self {
        Self::new(Verdict::NotMet, reason)
    }

    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable, reason)
    }

    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, reason)
    }

    #[must_use]
    pub fn with_fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    #[must_use]
    pub fn with_action(
        mut self,
        label: impl Into<String>,
        href: impl Into<String>,
        effort_minutes: u16,
    ) -> Self {
        self.action = Some(NextAction { label: label.into(), href: href.into(), effort_minutes });
        self
    }

    /// Keeps the earlier time when called twice.
    #[must_use]
    pub fn with_valid_until(mut self, time: Timestamp) -> Self {
        self.valid_until = Some(self.valid_until.map_or(time, |known| known.min(time)));
        self
    }
}

/// Reads one cell's facts for one organization at a time; reads only.
pub type Evaluate = fn(&mut ReadTx, OrganizationId, Timestamp) -> Result<Finding, DbError>;

/// Registered by the area that owns the control; exactly one for each cell whose control is built.
#[derive(Clone, Copy)]
pub struct EvidenceSource {
    /// The row's id, e.g. `USR-C1`.
    pub row: &'static str,
    pub side: Side,
    /// Beginnings of event actions after which the answer may differ, e.g. `domain.`.
    pub depends_on: &'static [&'static str],
    pub evaluate: Evaluate,
}

impl EvidenceSource {
    /// Whether an event with this action can change the answer.
    pub fn concerns(&self, action: &str) -> bool {
        self.depends_on.iter().any(|prefix| action.starts_with(prefix))
    }
}

/// What decides which duties bind an organization at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationFacts {
    pub has_verified_domain: bool,
    /// Somebody with access has an address outside the organization's verified domains.
    pub has_outside_users: bool,
}

/// Reads those facts; reads only.
pub type ReadFacts = fn(&mut ReadTx, OrganizationId) -> Result<OrganizationFacts, DbError>;

/// How a run of a drill ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillReport {
    /// The attack did not get through.
    pub passed: bool,
    /// What happened, one clause.
    pub detail: String,
}

/// Registered by the area that owns the control: a probe that attacks it and must fail to get through. A run records
/// `drill.passed` or `drill.failed` in the provider's ledger, with the target `row` or a field `row` naming the row
/// and a field `detail`; the matrix learns the result from that event alone, whoever started the run.
pub struct DrillSource {
    /// The row's id, e.g. `USR-P3`.
    pub row: &'static str,
    /// As the table of rows names it, e.g. `forged-domain-proof`.
    pub id: &'static str,
    pub run: fn(crate::App) -> futures_util::future::BoxFuture<'static, Result<DrillReport, DbError>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_round_trip_and_oppose() {
        for side in Side::BOTH {
            assert_eq!(Side::parse(side.as_str()), Some(side));
            assert_ne!(side.other(), side);
            assert_eq!(side.other().other(), side);
        }
        assert_eq!(Side::parse("Provider"), None);
    }

    #[test]
    fn a_source_hears_the_events_it_named() {
        let source = EvidenceSource {
            row: "USR-C1",
            side: Side::Customer,
            depends_on: &["domain.", "account.created"],
            evaluate: |_, _, _| Ok(Finding::met("x")),
        };
        assert!(source.concerns("domain.verified") && source.concerns("account.created"));
        assert!(!source.concerns("domains.verified") && !source.concerns("account.suspended"));
    }

    #[test]
    fn the_earlier_validity_wins() {
        let (early, late) = (Timestamp::from_micros(1), Timestamp::from_micros(2));
        let finding = Finding::met("x").with_valid_until(late).with_valid_until(early).with_valid_until(late);
        assert_eq!(finding.valid_until, Some(early));
    }

    #[test]
    fn fact_values_survive_storage() {
        let values = [
            FactValue::Flag(true),
            FactValue::Share { part: 2, whole: 412 },
            FactValue::Text("harbor.example".into()),
            FactValue::List(vec!["a".into()]),
            FactValue::Time(Timestamp::from_micros(1_795_461_299_123_456)),
            FactValue::Seconds(60),
        ];
        for value in values {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<FactValue>(&text).unwrap(), value, "{text}");
        }
    }
}
