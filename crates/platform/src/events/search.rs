//! Finding events: by action, by who acted, by what it happened to, by time; newest first.
//!
//! The most telling part of a [`Filter`] drives the search over an index; the rest is looked at event by event, up to
//! `LOOKED_AT_MAX` of them in one request. The answer then says where to go on, so that no request reads a whole log.

use super::{StoredEvent, read_event, sql};
use crate::db::{DbError, ReadTx};
use crate::ids::OrganizationId;
use crate::params;
use crate::time::{HOUR, Timestamp};

/// Events that one request looks at.
const LOOKED_AT_MAX: usize = 2000;
const STEP: u32 = 250;
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
}

/// What the search goes along.
enum Driver<'f> {
    Target(&'f str),
    Actor(&'f str),
    Actions(Vec<String>),
    Everything,
}

impl<'f> Driver<'f> {
    fn choose(tx: &mut ReadTx, organization: OrganizationId, filter: &'f Filter) -> Result<Self, DbError> {
        if let Some(target) = &filter.target {
            return Ok(Self::Target(&target.id));
        }
        if let Some(actor) = &filter.actor {
            return Ok(Self::Actor(&actor.id));
        }
        if filter.action.is_empty() {
            return Ok(Self::Everything);
        }
        Ok(actions(tx, organization, &filter.action)?.map_or(Self::Everything, Self::Actions))
    }

    fn stretch(
        &self,
        tx: &mut ReadTx,
        organization: OrganizationId,
        before: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, DbError> {
        match self {
            Self::Target(id) => {
                tx.list(&sql::BY_TARGET, params![organization, *id, before, limit], read_event)
            }
            Self::Actor(id) => tx.list(&sql::BY_ACTOR, params![organization, *id, before, limit], read_event),
            Self::Actions(actions) => {
                let mut all = Vec::new();
                for action in actions {
                    let row = params![organization, action.as_str(), before, limit];
                    all.extend(tx.list(&sql::BY_ACTION, row, read_event)?);
                }
                all.sort_unstable_by_key(|event| std::cmp::Reverse(event.sequence));
                all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                Ok(all)
            }
            Self::Everything => tx.list(&sql::LIST, params![organization, before, limit], read_event),
        }
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
fn first_after(tx: &mut ReadTx, organization: OrganizationId, time: Timestamp) -> Result<u64, DbError> {
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
    let driver = Driver::choose(tx, organization, filter)?;
    let mut below = before.unwrap_or(u64::MAX >> 1);
    if let Some(until) = filter.until {
        below = below.min(first_after(tx, organization, until.plus(DISORDER))?);
    }
    let (mut looked_at, mut events) = (0, Vec::new());
    while looked_at < LOOKED_AT_MAX {
        // One more than is wanted, to know whether there is more.
        let step = limit.saturating_add(1).max(if is_exact(filter, &driver) { 0 } else { STEP });
        let stretch = driver.stretch(tx, organization, below, step)?;
        let is_last = stretch.len() < usize::try_from(step).unwrap_or(usize::MAX);
        for event in stretch {
            if events.len() == wanted {
                return Ok(Found { events, next: Some(below) });
            }
            if filter.is_over_at(event.at) {
                return Ok(Found { events, next: None });
            }
            below = event.sequence;
            looked_at += 1;
            if filter.matches(&event) {
                events.push(event);
            }
        }
        if is_last {
            return Ok(Found { events, next: None });
        }
    }
    Ok(Found { events, next: Some(below).filter(|sequence| *sequence > 0) })
}

/// Whether all that the driver gives fits.
fn is_exact(filter: &Filter, driver: &Driver<'_>) -> bool {
    let timeless = filter.since.is_none() && filter.until.is_none();
    let actions = matches!(driver, Driver::Actions(_));
    let alone = filter.actor.is_none() && filter.target.is_none();
    timeless && alone && (actions || filter.action.is_empty())
}
