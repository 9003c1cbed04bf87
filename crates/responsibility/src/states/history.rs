//! Bitemporal history: what was so at a moment, and what was known of it at another.
//!
//! Each [`Version`] says: during `valid`, the value was this; that was our knowledge during `known`. Nothing is ever
//! changed but the open end of `known`, so that "what was it on 14 March, and what did we know on 20 March?" has one
//! answer for ever. Late evidence corrects the past by a new version; the old belief stays readable. The model is the
//! bitemporal one of SQL:2011 (application time and system time), kept here as plain data so that it can be tested
//! without a database.

use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

/// From `from` (inclusive) to `to` (exclusive); without `to`, open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    pub from: Timestamp,
    pub to: Option<Timestamp>,
}

impl Period {
    pub const fn since(from: Timestamp) -> Self {
        Self { from, to: None }
    }

    pub const fn between(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to: Some(to) }
    }

    pub fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && self.to.is_none_or(|to| time < to)
    }

    pub fn is_empty(&self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }

    pub fn overlaps(&self, other: &Period) -> bool {
        !self.is_empty()
            && !other.is_empty()
            && self.to.is_none_or(|to| other.from < to)
            && other.to.is_none_or(|to| self.from < to)
    }

    /// What is left of this period before and after `cut`, which overlaps it.
    fn without(&self, cut: &Period) -> impl Iterator<Item = Period> + use<> {
        let before = Period::between(self.from, cut.from);
        let after = cut.to.map(|end| Period { from: end, to: self.to });
        [Some(before), after].into_iter().flatten().filter(|rest| !rest.is_empty())
    }
}

/// One belief about one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version<T> {
    pub valid: Period,
    pub known: Period,
    pub value: T,
}

impl<T> Version<T> {
    /// Whether this is what we believe now.
    pub const fn is_current(&self) -> bool {
        self.known.to.is_none()
    }
}

/// What to write: indexes into the versions given, whose `known` ends at `at`, and versions to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<T> {
    pub at: Timestamp,
    pub close: Vec<usize>,
    pub insert: Vec<Version<T>>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    #[error("the stretch of time to record is empty: its end must lie after its beginning")]
    EmptyPeriod,
    #[error("`{at}` lies before what is already known (`{latest}`): knowledge is only added, in order")]
    KnowledgeGoesBack { at: Timestamp, latest: Timestamp },
}

/// Plans that during `valid` the value was `value`, learned at `at`. Give all current versions that overlap `valid`;
/// more does no harm. Appending the present is `Period::since(now)` learned `now`; late evidence names an earlier
/// stretch.
pub fn plan<T: Clone>(
    versions: &[Version<T>],
    valid: Period,
    value: T,
    at: Timestamp,
) -> Result<Plan<T>, HistoryError> {
    if valid.is_empty() {
        return Err(HistoryError::EmptyPeriod);
    }
    let touched =
        || versions.iter().enumerate().filter(|(_, one)| one.is_current() && one.valid.overlaps(&valid));
    if let Some(latest) = touched().map(|(_, one)| one.known.from).max().filter(|latest| *latest > at) {
        return Err(HistoryError::KnowledgeGoesBack { at, latest });
    }
    let known = Period::since(at);
    let close = touched().map(|(index, _)| index).collect();
    let rests = touched().flat_map(|(_, one)| {
        one.valid.without(&valid).map(|rest| Version { valid: rest, known, value: one.value.clone() })
    });
    let insert = rests.chain([Version { valid, known, value }]).collect();
    Ok(Plan { at, close, insert })
}

/// The versions of one cell, in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<T> {
    versions: Vec<Version<T>>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { versions: Vec::new() }
    }
}

impl<T: Clone> History<T> {
    /// As read from storage, in any order.
    pub const fn from_versions(versions: Vec<Version<T>>) -> Self {
        Self { versions }
    }

    pub fn versions(&self) -> &[Version<T>] {
        &self.versions
    }

    /// From `now` on the value is `value`.
    pub fn append(&mut self, value: T, now: Timestamp) -> Result<(), HistoryError> {
        self.apply(plan(&self.versions, Period::since(now), value, now)?);
        Ok(())
    }

    /// Late evidence: during `valid` it was `value`, as we learn at `now`.
    pub fn correct(&mut self, valid: Period, value: T, now: Timestamp) -> Result<(), HistoryError> {
        self.apply(plan(&self.versions, valid, value, now)?);
        Ok(())
    }

    fn apply(&mut self, plan: Plan<T>) {
        for index in plan.close {
            if let Some(version) = self.versions.get_mut(index) {
                version.known.to = Some(plan.at);
            }
        }
        self.versions.extend(plan.insert);
    }

    /// What held at `valid_time`, by what was known at `known_time`.
    pub fn as_of(&self, valid_time: Timestamp, known_time: Timestamp) -> Option<&T> {
        self.versions
            .iter()
            .find(|one| one.valid.contains(valid_time) && one.known.contains(known_time))
            .map(|one| &one.value)
    }

    /// The whole course of things as known at `known_time`, oldest first.
    pub fn timeline(&self, known_time: Timestamp) -> Vec<&Version<T>> {
        let mut line: Vec<_> = self.versions.iter().filter(|one| one.known.contains(known_time)).collect();
        line.sort_by_key(|one| one.valid.from);
        line
    }
}
