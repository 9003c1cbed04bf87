//! Finding events: by action, by who acted, by what it happened to, by time; newest first.
//!
//! The most telling part of a [`Filter`] drives the search over an index; the rest is looked at event by event, up to
//! `LOOKED_AT_MAX` of them in one request. The answer then says where to go on, so that no request reads a whole log.

use std::collections::VecDeque;

use super::{StoredEvent, read_event, sql};
use crate::db::{DbError, ReadTx};
use crate::ids::OrganizationId;
use crate::params;
use crate::time::{HOUR, Timestamp};

/// Events that one request looks at.
const LOOKED_AT_MAX: usize = 2000;
const STEP: u32 = 250;
/// Events that are read of one of several actions at first.
const SIP: u32 = 4;
/// Actions that one beginning may stand for before the search looks at every event instead.
const ACTIONS_MAX: usize = 200;
/// Events stand in the order in which they were committed. Their times follow it but for requests that overlapped and
/// clocks of nodes that differ; by more than this none does.
const DISORDER: std::time::Duration = HOUR;

/// Who acted, or what it happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// `account`, `api_token`, `group` …; any when not said.
    pub kind: Option<String>,
    pub id: String,
}

impl Party {
    fn is(&self, kind: &str, id: &str) -> bool {
        self.id == id && self.kind.as_deref().is_none_or(|wanted| wanted == kind)
    }
}

/// What is looked for; every part that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The beginning of the action; empty: all.
    pub action: String,
    pub actor: Option<Party>,
    pub target: Option<Party>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Filter {
    pub fn matches(&self, event: &StoredEvent) -> bool {
        event.action.starts_with(&self.action)
            && self.actor.as_ref().is_none_or(|party| party.is(&event.actor_kind, &event.actor_id))
            && self.target.as_ref().is_none_or(|party| party.is(&event.target_kind, &event.target_id))
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }

    /// No event before this one can fit any more.
    fn is_over_at(&self, at: Timestamp) -> bool {
        self.since.is_some_and(|since| at < since.minus(DISORDER))
    }
}

/// A stretch of the log.
#[derive(Debug, Clone)]
pub struct Found {
    pub events: Vec<StoredEvent>,
    /// Go on below this sequence; `None` at the beginning of the log.
    pub next: Option<u64>,
    /// Events that were read for it.
    pub read: usize,
}

/// What the search goes along.
enum Driver<'f> {
    Target(&'f str),
    Actor(&'f str),
    Actions(Merge),
    Everything,
}

/// Events of several actions, the newest first. Each action is read a few events at a time, and only when those are
/// used up: what is read is little more than what is given, however many actions there are.
struct Merge(Vec<Lane>);

struct Lane {
    action: String,
    waiting: VecDeque<StoredEvent>,
    below: u64,
    /// How many are read next.
    sip: u32,
    is_over: bool,
}

impl Merge {
    fn new(actions: Vec<String>, before: u64) -> Self {
        let lane =
            |action| Lane { action, waiting: VecDeque::new(), below: before, sip: SIP, is_over: false };
        Self(actions.into_iter().map(lane).collect())
    }

    /// The next ones, and how many were read for them.
    fn next(
        &mut self,
        tx: &mut ReadTx,
        organization: OrganizationId,
        limit: u32,
    ) -> Result<(Vec<StoredEvent>, usize), DbError> {
        let (mut all, mut read) = (Vec::new(), 0);
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        if let [only] = &mut self.0[..] {
            only.sip = limit;
        }
        while all.len() < wanted {
            for lane in &mut self.0 {
                read += lane.fill(tx, organization, limit)?;
            }
            let newest =
                self.0.iter_mut().max_by_key(|lane| lane.waiting.front().map(|event| event.sequence));
            let Some(event) = newest.and_then(|lane| lane.waiting.pop_front()) else { break };
            all.push(event);
        }
        Ok((all, read))
    }
}

impl Lane {
    fn fill(&mut self, tx: &mut ReadTx, organization: OrganizationId, limit: u32) -> Result<usize, DbError> {
        if self.is_over || !self.waiting.is_empty() {
            return Ok(0);
        }
        let row = params![organization, self.action.as_str(), self.below, self.sip];
        let found = tx.list(&sql::BY_ACTION, row, read_event)?;
        self.is_over = found.len() < usize::try_from(self.sip).unwrap_or(usize::MAX);
        self.below = found.last().map_or(self.below, |event| event.sequence);
        self.sip = self.sip.saturating_mul(2).min(limit.max(SIP));
        self.waiting.extend(found);
        Ok(self.waiting.len())
    }
}

impl<'f> Driver<'f> {
    fn choose(
        tx: &mut ReadTx,
        organization: OrganizationId,
        filter: &'f Filter,
        before: u64,
    ) -> Result<Self, DbError> {
        if let Some(target) = &filter.target {
            return Ok(Self::Target(&target.id));
        }
        if let Some(actor) = &filter.actor {
            return Ok(Self::Actor(&actor.id));
        }
        if filter.action.is_empty() {
            return Ok(Self::Everything);
        }
        let found = actions(tx, organization, &filter.action)?;
        Ok(found.map_or(Self::Everything, |actions| Self::Actions(Merge::new(actions, before))))
    }

    /// The next ones below `before`, where the last stretch ended, and how many were read for them.
    fn stretch(
        &mut self,
        tx: &mut ReadTx,
        organization: OrganizationId,
        before: u64,
        limit: u32,
    ) -> Result<(Vec<StoredEvent>, usize), DbError> {
        let found = match self {
            Self::Target(id) => {
                tx.list(&sql::BY_TARGET, params![organization, *id, before, limit], read_event)
            }
            Self::Actor(id) => tx.list(&sql::BY_ACTOR, params![organization, *id, before, limit], read_event),
            Self::Actions(merge) => return merge.next(tx, organization, limit),
            Self::Everything => tx.list(&sql::LIST, params![organization, before, limit], read_event),
        }?;
        let read = found.len();
        Ok((found, read))
    }
}

/// The actions of an organization that begin with `prefix`, from one to the next along the index; `None`: too many.
fn actions(
    tx: &mut ReadTx,
    organization: OrganizationId,
    prefix: &str,
) -> Result<Option<Vec<String>>, DbError> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let next: Option<String> = match found.last() {
            None => tx.scalar(&sql::ACTION_FROM, params![organization, prefix])?,
            Some(last) => tx.scalar(&sql::ACTION_AFTER, params![organization, last.as_str()])?,
        };
        match next.filter(|action| action.starts_with(prefix)) {
            Some(_) if found.len() == ACTIONS_MAX => return Ok(None),
            Some(action) => found.push(action),
            None => return Ok(Some(found)),
        }
    }
}

/// The first sequence whose event is later than `time`, by halving: nothing from there on is from `time - DISORDER`.
pub(super) fn first_after(
    tx: &mut ReadTx,
    organization: OrganizationId,
    time: Timestamp,
) -> Result<u64, DbError> {
    let (mut low, mut high) = (0, tx.scalar::<u64>(&sql::SIZE, params![organization])?.unwrap_or(0));
    while low < high {
        let middle = low + (high - low) / 2;
        let at: Option<Timestamp> = tx.scalar(&sql::AT, params![organization, middle])?;
        if at.is_none_or(|at| at > time) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// Events that fit `filter`, newest first, below `before`.
pub fn search(
    tx: &mut ReadTx,
    organization: OrganizationId,
    filter: &Filter,
    before: Option<u64>,
    limit: u32,
) -> Result<Found, DbError> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut below = before.unwrap_or(u64::MAX >> 1);
    if let Some(until) = filter.until {
        below = below.min(first_after(tx, organization, until.plus(DISORDER))?);
    }
    let mut driver = Driver::choose(tx, organization, filter, below)?;
    let (mut looked_at, mut events, mut read) = (0, Vec::new(), 0);
    while looked_at < LOOKED_AT_MAX {
        // One more than is wanted, to know whether there is more.
        let step = limit.saturating_add(1).max(if is_exact(filter, &driver) { 0 } else { STEP });
        let (stretch, for_it) = driver.stretch(tx, organization, below, step)?;
        read += for_it;
        let is_last = stretch.len() < usize::try_from(step).unwrap_or(usize::MAX);
        for event in stretch {
            if events.len() == wanted {
                return Ok(Found { events, next: Some(below), read });
            }
            if filter.is_over_at(event.at) {
                return Ok(Found { events, next: None, read });
            }
            below = event.sequence;
            looked_at += 1;
            if filter.matches(&event) {
                events.push(event);
            }
        }
        if is_last {
            return Ok(Found { events, next: None, read });
        }
    }
    Ok(Found { events, next: Some(below).filter(|sequence| *sequence > 0), read })
}

/// Whether all that the driver gives fits.
fn is_exact(filter: &Filter, driver: &Driver<'_>) -> bool {
    let timeless = filter.since.is_none() && filter.until.is_none();
    let actions = matches!(driver, Driver::Actions(_));
    let alone = filter.actor.is_none() && filter.target.is_none();
    timeless && alone && (actions || filter.action.is_empty())
}
