//! Staged roll-outs as JSON.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::db::{DbError, ReadTx};
use platform::ids::OrganizationId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::super::dry_run::{DryRun, Wanted, compare};
use super::super::rollout::{self, Planned, Rollout, RolloutState, Stage};
use super::super::{PolicyId, RolloutId, Rules};
use super::{MANAGE, READ, done, name_of, policy_of, reachable};

pub(super) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/policy-rollouts";
    const ONE: &str = "/api/v1/organizations/{organization}/policy-rollouts/{rollout}";
    Routes::new()
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/policies/{policy}/rollouts",
                "policy.roll_out",
                MANAGE,
                plan,
            )
            .recent()
            .summary("Decide other rules for later, for a part of the people first; tells them by mail")
            .records("policy.rollout_")
            .takes::<RolloutBody>()
            .gives::<RolloutView>(201),
        )
        .add(
            routes::get(ALL, "policy.rollouts", READ, list)
                .summary("Roll-outs, the newest first")
                .paged()
                .gives::<Page<RolloutView>>(200),
        )
        .add(
            routes::get(ONE, "policy.rollout", READ, show)
                .summary("A roll-out, and what its end will do as things are today")
                .gives::<RolloutView>(200),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/policy-rollouts/{rollout}/cancel",
                "policy.rollout_cancel",
                MANAGE,
                cancel,
            )
            .recent()
            .summary("Stop a roll-out; everybody is under the policy as it was")
            .records("policy.rollout_")
            .gives::<RolloutView>(200),
        )
}

#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloutBody {
    pub rules: Rules,
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RolloutView {
    #[schema(value_type = String)]
    pub id: RolloutId,
    #[schema(value_type = String)]
    pub policy: PolicyId,
    /// `running`, `done` or `cancelled`.
    #[schema(value_type = String)]
    pub state: RolloutState,
    pub rules: Rules,
    pub stages: Vec<Stage>,
    /// How many stages have begun.
    pub reached: usize,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    pub planned_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub planned_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What it would do if it reached everybody now; only while it runs.
    pub dry_run: Option<DryRun>,
}

impl RolloutView {
    fn of(rollout: Rollout, dry_run: Option<DryRun>) -> Self {
        Self {
            id: rollout.id,
            policy: rollout.policy,
            state: rollout.state,
            rules: rollout.rules,
            stages: rollout.stages,
            reached: rollout.reached,
            next_at: rollout.next_at,
            planned_by: rollout.planned_by,
            planned_at: rollout.planned_at,
            ended_at: rollout.ended_at,
            dry_run,
        }
    }
}

/// A roll-out with what is left of it.
pub(crate) fn view(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: RolloutId,
    now: Timestamp,
) -> Result<Option<RolloutView>, DbError> {
    let Some(rollout) = rollout::find(tx, organization, id)? else { return Ok(None) };
    let mut run = None;
    if rollout.state == RolloutState::Running
        && let Some((before, after)) = rollout::when_done(tx, organization, &rollout, now)?
    {
        run = Some(compare(tx, organization, &before, &after, &Wanted::default(), now)?.0);
    }
    Ok(Some(RolloutView::of(rollout, run)))
}

pub(crate) fn planned(outcome: Planned) -> Result<RolloutId, Problem> {
    match outcome {
        Planned::Done(id) => Ok(id),
        Planned::Refused(why) => Err(done(why).err().unwrap_or_else(Problem::internal)),
    }
}

async fn plan(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
    Json(body): Json<RolloutBody>,
) -> web::Result {
    reachable(&app, &body.rules)?;
    let (id, ctx, by, now) =
        (access.organization_id()?, access.ctx.clone(), name_of(&access), access.ctx.now);
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            let (rules, stages) = (&body.rules, &body.stages);
            Ok::<_, Problem>(rollout::plan(&ctx, tx, id, &by, policy, None, rules, stages)?)
        })
        .await?;
    let made = planned(written.value)?;
    let found = app.db().read(move |tx| view(tx, id, made, now)).await?;
    let found = found.ok_or_else(|| Problem::not_found("roll-out"))?;
    Ok((StatusCode::CREATED, Json(found)).into_response())
}

async fn list(State(app): State<App>, access: Access, Query(page): Query<PageQuery>) -> web::Result {
    let id = access.organization_id()?;
    let (after, limit) = (page.after()?, page.limit()?);
    let before = match after.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))?),
    };
    let found = app.db().read(move |tx| rollout::list(tx, id, before, limit + 1)).await?;
    let page = Page::of(found, limit, |one| one.id.to_string());
    Ok(Json(page.map(|one| RolloutView::of(one, None))).into_response())
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, rollout)): Path<(String, RolloutId)>,
) -> web::Result {
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let found = app.db().read(move |tx| view(tx, id, rollout, now)).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("roll-out"))?).into_response())
}

async fn cancel(
    State(app): State<App>,
    access: Access,
    Path((_, rollout)): Path<(String, RolloutId)>,
) -> web::Result {
    let (id, ctx, by, now) =
        (access.organization_id()?, access.ctx.clone(), name_of(&access), access.ctx.now);
    let written = app.db().write(&access.ctx, move |tx| rollout::cancel(&ctx, tx, id, &by, rollout)).await?;
    if !written.value {
        return Err(Problem::not_found("running roll-out"));
    }
    let found = app.db().read(move |tx| view(tx, id, rollout, now)).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("roll-out"))?).into_response())
}
