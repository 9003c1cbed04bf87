//! Keeps the cells true: evaluates those that an event may have changed, those whose time has come, and all of them
//! every night.
//!
//! How an event finds its cells: the evidence sources name the beginnings of the actions they depend on.
//! - An event of an organization concerns that organization's cells; an event of the provider's ledger about an account
//!   concerns the organizations the account belongs to; one whose action begins with `platform.` concerns everybody.
//! - A provider's half that is the same for everybody is evaluated once, under the provider, whoever's event it was.
//! - Where a provider's cell changes its state, the customers' cells that wait for it are made due, not evaluated at
//!   once: the fan-out is one statement, and the due ones follow in small transactions.
//!
//! Evidence is read in a snapshot, so that nobody who writes waits for a long look. Then one transaction, under one lock,
//! reads the previous cell and writes the next one and its history; when another evaluation was written since the snapshot, it
//! reads the evidence again, so that what was seen earlier never replaces what was seen later. The same facts give the same cells whatever the order: a full run changes nothing that the
//! incremental ones left (a test holds this with random events).
//!
//! A source that fails is left out of the next try and its cell says `unknown: could not be checked`, so that one
//! broken control cannot stop the matrix.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use platform::App;
use platform::db::{DbError, ReadTx, Tx};
use platform::events::StoredEvent;
use platform::evidence::{EvidenceSource, ReadFacts, Side};
use platform::ids::{AccountId, OrganizationId};
use platform::principals;
use platform::time::Timestamp;

use crate::attestations::{self, Kind};
use crate::cells::{self, Cause, CellKey};
use crate::drills;
use crate::rows::{self, Applicability, Applies, Half, OrganizationFacts, Row};
use crate::states::evaluate::{Input, OtherHalf, evaluate};
use crate::states::{CellState, Change, Observation};

pub mod jobs;
mod sql;

#[cfg(test)]
mod tests;

/// Beginnings of actions after which other duties may bind an organization.
const BINDS: &[&str] = &["domain.", "member.", "account.", "claim.", "invitation."];

/// A registered source with the half it speaks for.
struct Source {
    row: &'static Row,
    side: Side,
    half: &'static Half,
    evidence: &'static EvidenceSource,
}

impl Source {
    fn shared(&self) -> bool {
        self.half.is_shared(self.side)
    }

    fn concerns(&self, action: &str) -> bool {
        let binds =
            self.half.applies != Applies::Always && BINDS.iter().any(|start| action.starts_with(start));
        binds || self.evidence.concerns(action)
    }

    fn is(&self, row: &str, side: Side) -> bool {
        self.row.id == row && self.side == side
    }
}

/// The sources of this program, those first on whose cells the others build: what all organizations share.
pub(crate) struct Engine {
    sources: Vec<Source>,
    facts: Option<ReadFacts>,
}

/// Which sources failed in the tries before, and which one is being asked now.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    failed: BTreeMap<(&'static str, Side), String>,
    asking: Option<(&'static str, Side)>,
}

impl Watch {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went wrong with this source before; else it is being asked from now on.
    fn begin(&self, name: (&'static str, Side)) -> Option<String> {
        let mut asked = self.asked();
        let error = asked.failed.get(&name).cloned();
        asked.asking = error.is_none().then_some(name);
        error
    }

    fn end(&self) {
        self.asked().asking = None;
    }

    /// Leaves the source that was being asked out of the next try; `false` when it was none, or one left out already.
    fn blame(&self, error: &DbError) -> bool {
        let mut asked = self.asked();
        let Some((row, side)) = asked.asking.take() else { return false };
        tracing::error!(%error, row, %side, "evidence cannot be read");
        asked.failed.insert((row, side), "its evidence cannot be read; the log says why".to_owned()).is_none()
    }
}

/// Cells to evaluate, those first on which others build, each with the event that asks for it.
type Wanted = BTreeMap<(bool, OrganizationId, usize), Option<Cause>>;

/// What is to be written, found out in a snapshot beforehand: to look at an organization with a hundred thousand people
/// takes long, and whoever writes would have to wait.
pub(crate) struct Plan {
    provider: Option<OrganizationId>,
    now: Timestamp,
    /// How often cells had been written when the snapshot was taken.
    generation: i64,
    looks: Vec<Look>,
    /// Sources whose cells become due everywhere.
    raised: BTreeSet<usize>,
    /// Cells whose control is gone from this version.
    gone: Vec<(OrganizationId, String, Side)>,
    /// Where a full run goes on; `None`: it is through, or there is none.
    last: Option<String>,
}

/// One cell to evaluate, with what was seen of it.
struct Look {
    organization: OrganizationId,
    /// Of its source.
    index: usize,
    cause: Option<Cause>,
    seen: Seen,
}

/// What binds the organization that was looked at last: its halves come one after the other and ask the same, and an
/// answer may have looked at everybody.
#[derive(Default)]
struct Binding(Option<(OrganizationId, OrganizationFacts)>);

impl Binding {
    fn of(
        &mut self,
        reader: Option<ReadFacts>,
        tx: &mut ReadTx,
        organization: OrganizationId,
    ) -> Result<OrganizationFacts, DbError> {
        match self.0 {
            Some((known, facts)) if known == organization => Ok(facts),
            _ => {
                let facts = facts_of(reader, tx, organization)?;
                self.0 = Some((organization, facts));
                Ok(facts)
            }
        }
    }
}

/// Whether a half binds, and what its control says.
type Seen = (Applicability, Observation);

impl Plan {
    fn begin(tx: &mut ReadTx, now: Timestamp) -> Result<Self, DbError> {
        Ok(Self {
            provider: principals::provider(tx)?.map(|found| found.id),
            now,
            generation: tx.scalar(&sql::GENERATION, &[])?.unwrap_or(0),
            looks: Vec::new(),
            raised: BTreeSet::new(),
            gone: Vec::new(),
            last: None,
        })
    }

    /// How many cells it is about.
    pub(crate) fn size(&self) -> usize {
        self.looks.len() + self.gone.len()
    }
}

impl Engine {
    pub(crate) fn of(app: &App) -> Self {
        let mut sources: Vec<Source> = app
            .evidence()
            .filter_map(|evidence| {
                let row = rows::find(evidence.row)?;
                let half = row.half(evidence.side)?;
                Some(Source { row, side: evidence.side, half, evidence })
            })
            .collect();
        sources.sort_by_key(|source| !source.shared());
        Self { sources, facts: facts_reader(app) }
    }

    /// Changes when another set of cells is evaluated: then everything is looked at anew.
    pub(crate) fn fingerprint(&self) -> String {
        let mut cells: Vec<String> =
            self.sources.iter().map(|source| format!("{}/{}", source.row.id, source.side)).collect();
        cells.sort();
        format!("{} {}", rows::VERSION, cells.join(" "))
    }

    fn position(&self, row: &str, side: Side) -> Option<usize> {
        self.sources.iter().position(|source| source.is(row, side))
    }

    /// Looks at what a batch of the feed may have changed.
    pub(crate) fn plan(
        &self,
        tx: &mut ReadTx,
        events: &[StoredEvent],
        now: Timestamp,
        watch: &Watch,
    ) -> Result<Plan, DbError> {
        let (mut plan, mut wanted) = (Plan::begin(tx, now)?, Wanted::new());
        for event in events {
            self.want(tx, event, &mut plan, &mut wanted)?;
        }
        self.look(tx, wanted, plan, watch)
    }

    fn want(
        &self,
        tx: &mut ReadTx,
        event: &StoredEvent,
        plan: &mut Plan,
        wanted: &mut Wanted,
    ) -> Result<(), DbError> {
        let by_provider = plan.provider == Some(event.organization);
        let drilled = if by_provider { drills::reported(event) } else { None };
        let created = event.action == "organization.created";
        // Looked up once per event, and only if some source asks for it.
        let mut theirs: Option<Vec<OrganizationId>> = None;
        for (index, source) in self.sources.iter().enumerate() {
            let drill =
                drilled.is_some_and(|(row, _)| row.id == source.row.id) && source.half.drill.is_some();
            let concerned = source.concerns(&event.action);
            if source.shared() {
                let first = created && by_provider;
                if let Some(home) =
                    plan.provider.filter(|_| drill || concerned || first || declares(event, source))
                {
                    self.add(wanted, home, index, event);
                }
                continue;
            }
            if drill || (by_provider && concerned && event.action.starts_with("platform.")) {
                plan.raised.insert(index);
            }
            if concerned || created || declares(event, source) {
                self.add(wanted, event.organization, index, event);
            }
            if concerned && by_provider && event.target_kind == "account" {
                if theirs.is_none() {
                    theirs = Some(organizations_of(tx, &event.target_id)?);
                }
                for organization in theirs.iter().flatten() {
                    self.add(wanted, *organization, index, event);
                }
            }
        }
        Ok(())
    }

    fn add(&self, wanted: &mut Wanted, organization: OrganizationId, index: usize, event: &StoredEvent) {
        let Some(source) = self.sources.get(index) else { return };
        let cause = Cause {
            action: event.action.clone(),
            organization: event.organization,
            sequence: Some(event.sequence),
            at: event.at,
        };
        wanted.insert((!source.shared(), organization, index), Some(cause));
    }

    /// Looks at up to `limit` cells whose time has come.
    pub(crate) fn plan_due(
        &self,
        tx: &mut ReadTx,
        now: Timestamp,
        limit: u32,
        watch: &Watch,
    ) -> Result<Plan, DbError> {
        let (mut plan, mut wanted) = (Plan::begin(tx, now)?, Wanted::new());
        for (organization, duty, side) in cells::due(tx, now, limit)? {
            match self.position(&duty, side) {
                Some(index) => {
                    let shared = self.sources.get(index).is_some_and(Source::shared);
                    wanted.insert((!shared, organization, index), None);
                }
                None => plan.gone.push((organization, duty, side)),
            }
        }
        self.look(tx, wanted, plan, watch)
    }

    /// Looks at every cell of the organizations after `after`, by slug; the plan's `last` is the slug of the last.
    pub(crate) fn plan_page(
        &self,
        tx: &mut ReadTx,
        after: &str,
        limit: u32,
        now: Timestamp,
        watch: &Watch,
    ) -> Result<Plan, DbError> {
        let (mut plan, mut wanted) = (Plan::begin(tx, now)?, Wanted::new());
        let page = principals::organizations(tx, after, limit)?;
        let home = plan.provider.filter(|_| after.is_empty());
        for (index, source) in self.sources.iter().enumerate() {
            if source.shared() {
                wanted.extend(home.map(|home| ((false, home, index), None)));
            } else {
                wanted.extend(page.iter().map(|organization| ((true, organization.id, index), None)));
            }
        }
        plan.last = page.last().map(|organization| organization.slug.clone());
        self.look(tx, wanted, plan, watch)
    }

    fn look(&self, tx: &mut ReadTx, wanted: Wanted, mut plan: Plan, watch: &Watch) -> Result<Plan, DbError> {
        let mut binding = Binding::default();
        for ((_, organization, index), cause) in wanted {
            let Some(source) = self.sources.get(index) else { continue };
            let seen = self.observe(tx, source, organization, plan.now, watch, &mut binding)?;
            plan.looks.push(Look { organization, index, cause, seen });
        }
        Ok(plan)
    }

    /// Writes what was found in a snapshot. Where other cells were written since, what it saw may be older than what
    /// they rest on, and is looked at again.
    pub(crate) fn keep(
        &self,
        tx: &mut Tx,
        events: &[StoredEvent],
        plan: &Plan,
        watch: &Watch,
    ) -> Result<(), DbError> {
        let alone = tx.scalar::<i64>(&sql::LOCK, &[])? == Some(plan.generation);
        tx.execute(&sql::NEXT_GENERATION, &[])?;
        for event in events.iter().filter(|event| plan.provider == Some(event.organization)) {
            drills::keep(tx, event)?;
        }
        for source in plan.raised.iter().filter_map(|index| self.sources.get(*index)) {
            cells::raise(tx, source.row.id, source.side, false, plan.now)?;
        }
        for (organization, duty, side) in &plan.gone {
            cells::forget(tx, *organization, duty, *side)?;
        }
        let mut binding = Binding::default();
        for look in &plan.looks {
            let Some(source) = self.sources.get(look.index) else { continue };
            if alone {
                self.evaluate(tx, source, plan, look)?;
                continue;
            }
            let seen = self.observe(tx, source, look.organization, plan.now, watch, &mut binding)?;
            self.evaluate(tx, source, plan, &Look { seen, cause: look.cause.clone(), ..*look })?;
        }
        Ok(())
    }

    /// As [`Engine::keep`], for a page of a full run; gives where to go on.
    pub(crate) fn keep_page(
        &self,
        tx: &mut Tx,
        plan: &Plan,
        watch: &Watch,
    ) -> Result<Option<String>, DbError> {
        self.keep(tx, &[], plan, watch)?;
        if plan.last.is_none() {
            cells::recount(tx)?;
            tx.execute(&sql::SET_FINGERPRINT, platform::params![self.fingerprint()])?;
        }
        Ok(plan.last.clone())
    }

    /// Asks whether the half binds and what its control says; not again where that broke a try before.
    fn observe(
        &self,
        tx: &mut ReadTx,
        source: &Source,
        organization: OrganizationId,
        now: Timestamp,
        watch: &Watch,
        binding: &mut Binding,
    ) -> Result<Seen, DbError> {
        let name = (source.row.id, source.side);
        if let Some(error) = watch.begin(name) {
            let applies = match source.half.applies {
                Applies::Always => Applicability::Applies,
                _ => Applicability::CannotTell(error.clone()),
            };
            return Ok((applies, Observation { at: now, result: Err(error) }));
        }
        let applies = match source.half.applies {
            Applies::Always => Applicability::Applies,
            condition => condition.decide(&binding.of(self.facts, tx, organization)?),
        };
        let finding = (source.evidence.evaluate)(tx, organization, now)?;
        watch.end();
        Ok((applies, Observation { at: now, result: Ok(finding) }))
    }

    fn evaluate(&self, tx: &mut Tx, source: &Source, plan: &Plan, look: &Look) -> Result<(), DbError> {
        let Look { organization, cause, seen: (applies, observation), .. } = look;
        let (organization, cause, now) = (*organization, cause.as_ref(), plan.now);
        let key = CellKey { organization, row: source.row, side: source.side };
        let stored = cells::one(tx, &key)?;
        // Nobody looked in time: that it could not count as held meanwhile is part of the history.
        let lapsed = stored.as_ref().and_then(|cell| cells::lapsed(cell, now));
        if let Some(cell) = &lapsed {
            cells::record(tx, &key, cell, None, now)?;
        }
        let previous = lapsed.or(stored);
        let drill = match source.half.drill {
            Some(_) => drills::last(tx, source.row)?,
            None => None,
        };
        let standing = attestations::standing(tx, organization, source.row, source.side)?;
        let declared = |kind: Kind| standing.iter().find(|one| one.kind == kind).map(|one| &one.declaration);
        let input = Input {
            now,
            previous: previous.as_ref(),
            applies: applies.clone(),
            observation: Some(observation),
            drill: drill.as_ref(),
            attestation: declared(Kind::Attestation),
            acceptance: declared(Kind::Acceptance),
            other: other_half(tx, source.half, plan.provider)?,
            trigger: cause.map(|cause| cause.action.as_str()),
        };
        let cell = evaluate(source.side, source.half, &input);
        let change = cells::save(tx, &key, previous.as_ref(), &cell, cause)?;
        if source.shared() && matches!(change, Change::State { .. }) {
            for waiting in self.sources.iter().filter(|other| other.half.waits_for == Some(source.row.id)) {
                cells::raise(tx, waiting.row.id, waiting.side, true, now)?;
            }
        }
        Ok(())
    }
}

/// Whether the event declares something about the source's half.
fn declares(event: &StoredEvent, source: &Source) -> bool {
    event.action.starts_with("responsibility.")
        && event.target_id == source.row.id
        && event.public.get("side").is_some_and(|side| side == source.side.as_str())
}

fn organizations_of(tx: &mut ReadTx, account: &str) -> Result<Vec<OrganizationId>, DbError> {
    let Ok(account) = account.parse::<AccountId>() else { return Ok(Vec::new()) };
    Ok(principals::memberships_of(tx, account)?
        .into_iter()
        .map(|(organization, _)| organization.id)
        .collect())
}

/// What binds an organization, as the area that knows says; `None`: no area of this program does.
pub(crate) fn facts_of(
    reader: Option<ReadFacts>,
    tx: &mut ReadTx,
    organization: OrganizationId,
) -> Result<OrganizationFacts, DbError> {
    let Some(read) = reader else { return Ok(OrganizationFacts::default()) };
    let facts = read(tx, organization)?;
    Ok(OrganizationFacts {
        has_verified_domain: Some(facts.has_verified_domain),
        has_outside_users: Some(facts.has_outside_users),
    })
}

pub(crate) fn facts_reader(app: &App) -> Option<ReadFacts> {
    app.areas().iter().find_map(|area| area.facts)
}

fn other_half(
    tx: &mut ReadTx,
    half: &Half,
    provider: Option<OrganizationId>,
) -> Result<Option<OtherHalf>, DbError> {
    let Some(row) = half.waits_for.and_then(rows::find) else { return Ok(None) };
    let Some(theirs) = row.half(Side::Provider) else { return Ok(None) };
    let cell = match provider {
        Some(organization) => cells::one(tx, &CellKey { organization, row, side: Side::Provider })?,
        None => None,
    };
    let state = cell.map_or(CellState::Unknown, |cell| cell.state());
    Ok(Some(OtherHalf { built: theirs.is_built(), state }))
}

/// Evaluates one cell now, in the transaction of the rule that changed what it rests on.
pub(crate) fn evaluate_one(
    app: &App,
    tx: &mut Tx,
    organization: OrganizationId,
    row: &'static Row,
    side: Side,
    now: Timestamp,
    action: &str,
) -> Result<(), DbError> {
    tx.query(&sql::LOCK, &[])?;
    tx.execute(&sql::NEXT_GENERATION, &[])?;
    let engine = Engine::of(app);
    let Some(index) = engine.position(row.id, side) else { return Ok(()) };
    let Some(source) = engine.sources.get(index) else { return Ok(()) };
    let plan = Plan::begin(tx, now)?;
    let seen = engine.observe(tx, source, organization, now, &Watch::default(), &mut Binding::default())?;
    let cause = Some(Cause { action: action.to_owned(), organization, sequence: None, at: now });
    engine.evaluate(tx, source, &plan, &Look { organization, index, cause, seen })
}
