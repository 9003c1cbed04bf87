//! Staged roll-out: a change that is decided today and comes into force later, for a part of the people first.
//!
//! Each stage has a time and whom it reaches: a percentage of the policy's people, some groups, or both; the last one
//! reaches everybody. Whom a stage asks for something is told by mail when the roll-out is planned, with the day that
//! is theirs. Stages begin by themselves (`policies/jobs.rs`). Until the last one, cancelling puts everybody back under
//! the policy as it was.

use std::collections::BTreeSet;
use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{GroupId, Id, OrganizationId};
use platform::jobs::{self, NewJob};
use platform::params;
use platform::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

use super::decide::{self, Content, Decided, Place};
use super::resolve::{Landscape, Placement, share_of};
use super::{PolicyId, RolloutId, Rules, landscape, sql};
use crate::organizations;

pub(crate) const ADVANCE: &str = "policies.advance";
pub(crate) const NOTICE: &str = "policies.notice";

const STAGES_MAX: usize = 10;
const AHEAD_MAX: Duration = Duration::from_secs(365 * DAY.as_secs());

/// One step of a roll-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// This share of the policy's people, 0 to 100; the last stage says 100.
    pub percent: u8,
    /// And the people of these groups.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: BTreeSet<GroupId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    Running,
    Done,
    Cancelled,
}

impl RolloutState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Cancelled].into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    pub id: RolloutId,
    pub policy: PolicyId,
    pub base_version: u64,
    pub rules: Rules,
    pub stages: Vec<Stage>,
    /// Stages that have begun.
    pub reached: usize,
    pub next_at: Option<Timestamp>,
    pub state: RolloutState,
    pub planned_by: String,
    pub planned_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Members up to this address were told.
    pub(crate) noticed_to: String,
}

fn read_rollout(row: &Row) -> Result<Rollout, DbError> {
    let stages: String = row.get(4)?;
    Ok(Rollout {
        id: row.get(0)?,
        policy: row.get(1)?,
        base_version: row.get(2)?,
        rules: Rules::read(&row.get::<String>(3)?)?,
        stages: serde_json::from_str(&stages)
            .map_err(|_| DbError::Check("stored stages are not readable".to_owned()))?,
        reached: usize::try_from(row.get::<u64>(5)?).unwrap_or(usize::MAX),
        next_at: row.get(6)?,
        state: row.parse(7, RolloutState::parse)?,
        planned_by: row.get(8)?,
        planned_at: row.get(9)?,
        ended_at: row.get(10)?,
        noticed_to: row.get(11)?,
    })
}

impl Rollout {
    /// The stage that reaches somebody first.
    pub(crate) fn reaches_at(&self, person: &Placement) -> Option<Timestamp> {
        let reached = |stage: &&Stage| {
            share_of(person.account) < stage.percent
                || person.groups.iter().any(|group| stage.groups.contains(group))
        };
        self.stages.iter().find(reached).map(|stage| stage.at)
    }
}

/// Roll-outs, the newest first. `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: Option<RolloutId>,
    limit: u32,
) -> Result<Vec<Rollout>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    tx.list(&sql::ROLLOUTS, params![organization, before, limit], read_rollout)
}

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: RolloutId,
) -> Result<Option<Rollout>, DbError> {
    tx.first(&sql::ROLLOUT, params![organization, id])?.as_ref().map(read_rollout).transpose()
}

/// How planning ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    Done(RolloutId),
    Refused(Decided),
}

fn check_stages(stages: &[Stage], now: Timestamp) -> Option<&'static str> {
    let ordered = stages.windows(2).all(|two| two[0].at < two[1].at && two[0].percent <= two[1].percent);
    match stages {
        [] => Some("a roll-out needs at least one stage"),
        many if many.len() > STAGES_MAX => Some("a roll-out has up to 10 stages"),
        many if many.iter().any(|stage| stage.percent > 100) => Some("a percentage is 0 to 100"),
        _ if !ordered => Some("each stage begins later than the one before and reaches no fewer people"),
        [first, ..] if first.at < now => Some("the first stage lies in the past"),
        [.., last] if last.at > now.plus(AHEAD_MAX) => Some("the last stage lies more than a year ahead"),
        [.., last] if last.percent != 100 => Some("the last stage reaches everybody: say 100 percent"),
        _ => None,
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    pub rollout: RolloutId,
}

/// Decides `rules` for later.
#[expect(clippy::too_many_arguments, reason = "a decision, and when it comes into force")]
pub fn plan(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    policy: PolicyId,
    seen: Option<u64>,
    rules: &Rules,
    stages: &[Stage],
) -> Result<Commit<Planned>, DbError> {
    organizations::lock(tx, organization)?;
    let refuse = |refusal| Ok(Commit::unchanged(Planned::Refused(refusal)));
    let say = |name, why: &str| refuse(Decided::Refused(vec![(name, why.to_owned())]));
    if let Some(why) = check_stages(stages, ctx.now) {
        return say("stages", why);
    }
    let Some(place) = decide::find(tx, organization, policy)?.filter(|place| !place.deleted) else {
        return refuse(Decided::NoSuchPolicy);
    };
    if place.version == 0 {
        return say("policy", "nobody has decided this policy yet: decide it as it is first");
    }
    if seen.is_some_and(|seen| seen != place.version) {
        return refuse(Decided::ChangedMeanwhile);
    }
    let Some((content, old)) = changed(tx, organization, &place, rules)? else {
        return refuse(Decided::NoSuchPolicy);
    };
    let wrong = decide::check(place.applies_to, &content);
    if !wrong.is_empty() {
        return refuse(Decided::Refused(wrong));
    }
    let now = landscape(tx, organization)?;
    if decide::concerns_owners(tx, organization, &now, &place, &content)?
        && !decide::over_owners(ctx, tx, organization)?
    {
        return refuse(Decided::OwnersOnly);
    }
    if let Some(why) = decide::cannot_enforce(ctx, tx, organization, &now, &place, &content)? {
        return say("single_sign_on", why);
    }
    let after = decide::with(&now, &place, &content, by, ctx.now);
    if let Some(why) = decide::locks_out(ctx, tx, organization, &after)? {
        return refuse(Decided::LocksYouOut(why));
    }
    if tx.first(&sql::ROLLOUT_RUNNING, params![organization, policy])?.is_some() {
        return refuse(Decided::RolloutRunning);
    }
    let (id, text): (RolloutId, _) = (ctx.id(), rules.text()?);
    let steps = serde_json::to_string(stages).map_err(|error| DbError::Check(error.to_string()))?;
    let first = stages.first().map_or(ctx.now, |stage| stage.at);
    let row =
        params![organization, id, policy, place.version, text.as_str(), steps.as_str(), first, by, ctx.now];
    tx.execute(&sql::ROLLOUT_INSERT, row)?;
    tx.execute(&sql::SET_NARROWS, params![organization, policy, old.narrows() || rules.narrows()])?;
    enqueue(ctx, tx, organization, ADVANCE, id, first)?;
    enqueue(ctx, tx, organization, NOTICE, id, ctx.now)?;
    let event = Event::new(organization, "policy.rollout_planned")
        .target("policy", policy)
        .with("rollout", id)
        .with("rules", &text)
        .with("stages", &steps)
        .personal("by", by);
    let recorded = tx.record(event);
    Ok(Commit::changed(Planned::Done(id), recorded))
}

fn enqueue(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    kind: &'static str,
    rollout: RolloutId,
    run_at: Timestamp,
) -> Result<(), DbError> {
    let job = NewJob { kind, organization: Some(organization), unique_key: None, run_at };
    jobs::enqueue(ctx, tx, &job, &Work { rollout })
}

/// The policy's content with other rules, and the rules in force.
fn changed(
    tx: &mut ReadTx,
    organization: OrganizationId,
    place: &Place,
    rules: &Rules,
) -> Result<Option<(Content, Rules)>, DbError> {
    let text: Option<String> = tx.scalar(&sql::VERSION, params![organization, place.id, place.version])?;
    let Some(text) = text else { return Ok(None) };
    let content = Content::read(&text)?;
    let old = content.rules.clone();
    Ok(Some((Content { rules: rules.clone(), ..content }, old)))
}

/// Begins every stage that is due; `None`: nothing was due, or the roll-out is over.
pub(crate) fn advance(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RolloutId,
) -> Result<Commit<Option<usize>>, DbError> {
    organizations::lock(tx, organization)?;
    let nothing = Ok(Commit::unchanged(None));
    let Some(rollout) = find(tx, organization, id)? else { return nothing };
    if rollout.state != RolloutState::Running || rollout.next_at.is_none_or(|next| next > ctx.now) {
        return nothing;
    }
    let reached = rollout.stages.iter().take_while(|stage| stage.at <= ctx.now).count();
    let Some(stage) = reached.checked_sub(1).and_then(|at| rollout.stages.get(at)) else { return nothing };
    if reached == rollout.stages.len() {
        return finish(ctx, tx, organization, &rollout);
    }
    let groups = serde_json::to_string(&stage.groups).map_err(|error| DbError::Check(error.to_string()))?;
    let next = rollout.stages.get(reached).map(|stage| stage.at);
    let row = params![organization, id, stage.percent, groups.as_str(), reached, next];
    tx.execute(&sql::ROLLOUT_REACH, row)?;
    if let Some(next) = next {
        enqueue(ctx, tx, organization, ADVANCE, id, next)?;
    }
    let shortened = decide::tighten_sessions(ctx, tx, organization)?;
    let event = Event::new(organization, "policy.rollout_advanced")
        .target("policy", rollout.policy)
        .with("rollout", id)
        .with("stage", reached)
        .with("percent", stage.percent)
        .with("groups", groups)
        .with("sessions_shortened", shortened);
    let recorded = tx.record(event);
    Ok(Commit::changed(Some(reached), recorded))
}

/// The last stage: the rules become the policy's next version.
fn finish(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    rollout: &Rollout,
) -> Result<Commit<Option<usize>>, DbError> {
    tx.execute(&sql::ROLLOUT_END, params![organization, rollout.id, "done", ctx.now])?;
    let place = decide::find(tx, organization, rollout.policy)?;
    let content = match &place {
        Some(place) => changed(tx, organization, place, &rollout.rules)?,
        None => None,
    };
    let event = Event::new(organization, "policy.rollout_done")
        .target("policy", rollout.policy)
        .with("rollout", rollout.id);
    let (Some(place), Some((content, _))) = (place, content) else {
        let recorded = tx.record(event.with("outcome", "the policy is gone"));
        return Ok(Commit::changed(None, recorded));
    };
    let by = rollout.planned_by.as_str();
    let put = decide::put(ctx, tx, organization, by, &place, &content, "policy.decided")?;
    let outcome = match put.value() {
        Decided::Done(_) => "in force",
        _ => "refused: the policy stays as it was",
    };
    let recorded = tx.record(event.with("outcome", outcome));
    Ok(Commit::changed(Some(rollout.stages.len()), recorded))
}

/// Stops a roll-out: everybody is under the policy as it was. `false` when there is no such running one.
pub fn cancel(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    id: RolloutId,
) -> Result<Commit<bool>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(rollout) = find(tx, organization, id)?.filter(|one| one.state == RolloutState::Running) else {
        return Ok(Commit::unchanged(false));
    };
    tx.execute(&sql::ROLLOUT_END, params![organization, id, "cancelled", ctx.now])?;
    let now = landscape(tx, organization)?;
    let narrows =
        now.policies.iter().find(|one| one.id == rollout.policy).is_some_and(|one| one.rules.narrows());
    tx.execute(&sql::SET_NARROWS, params![organization, rollout.policy, narrows])?;
    decide::tighten_sessions(ctx, tx, organization)?;
    let event = Event::new(organization, "policy.rollout_cancelled")
        .target("policy", rollout.policy)
        .with("rollout", id)
        .personal("by", by);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// The organization's policies once a roll-out has reached everybody; for its dry run and its notices.
pub(crate) fn when_done(
    tx: &mut ReadTx,
    organization: OrganizationId,
    rollout: &Rollout,
    now: Timestamp,
) -> Result<Option<(Landscape, Landscape)>, DbError> {
    let Some(place) = decide::find(tx, organization, rollout.policy)? else { return Ok(None) };
    let Some((content, _)) = changed(tx, organization, &place, &rollout.rules)? else { return Ok(None) };
    let mut before = landscape(tx, organization)?;
    for policy in &mut before.policies {
        policy.staged = None;
    }
    let after = decide::with(&before, &place, &content, "", now);
    Ok(Some((before, after)))
}
