//! JSON side of guided set-up.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::ids::OrganizationId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Listed, Progress, Skipping, Sources, Stand, Standing, Step, by_progress, by_slug};
use crate::names;

pub(super) const READ: Openness = Openness::Organization(Permission::ResponsibilitiesRead);
pub(super) const MANAGE: Openness = Openness::Organization(Permission::ResponsibilitiesManage);

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/set-up";
    const SKIPS: &str = "/api/v1/organizations/{organization}/set-up/skips";
    const SKIP: &str = "/api/v1/organizations/{organization}/set-up/skips/{step}";
    const ALL: &str = "/api/v1/provider/set-ups";
    const RECORDS: &str = "set_up_guide.";
    Routes::new()
        .add(
            routes::get(ONE, "set_up_guide.show", READ, show)
                .summary("The steps of the guided set-up, each judged by what is there")
                .gives::<GuideView>(200),
        )
        .add(
            routes::put(ONE, "set_up_guide.hide", MANAGE, hide)
                .summary("Show the guide on the first screen, or no longer")
                .takes::<HideBody>()
                .gives_nothing(204)
                .records(RECORDS),
        )
        .add(
            routes::post(SKIPS, "set_up_guide.skip", MANAGE, skip)
                .summary("Leave a step out, with a reason")
                .takes::<SkipBody>()
                .gives_nothing(204)
                .records(RECORDS),
        )
        .add(
            routes::delete(SKIP, "set_up_guide.take_up", MANAGE, take_up)
                .summary("Take a step up again")
                .gives_nothing(204)
                .records(RECORDS),
        )
        .add(
            routes::get(ALL, "set_up_guide.list", Openness::Provider(Permission::ProviderRead), list)
                .summary("How far each organization is, those first that did the least")
                .paged()
                .query("state", "under_way (unless said otherwise) or finished; not with q")
                .query("q", "beginning of the slug")
                .gives::<Page<ListedView>>(200),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SetUpGuide)]
pub struct GuideView {
    pub done: u32,
    pub skipped: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Not shown on the first screen any more.
    pub hidden: bool,
    pub steps: Vec<StepView>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SetUpStep)]
pub struct StepView {
    pub id: &'static str,
    pub title: &'static str,
    pub why: &'static str,
    /// The row of the matrix that it serves.
    pub row: &'static str,
    /// `done`, `open` or `skipped`.
    pub state: &'static str,
    /// What was seen.
    pub seen: String,
    /// The page that does it.
    pub page: String,
    /// Why it is left out.
    pub reason: Option<String>,
}

impl From<Stand> for StepView {
    fn from(stand: Stand) -> Self {
        let (state, reason) = match stand.standing {
            Standing::Done => ("done", None),
            Standing::Open => ("open", None),
            Standing::Skipped { reason, .. } => ("skipped", Some(reason)),
        };
        let step = stand.step;
        Self {
            id: step.as_str(),
            title: step.label(),
            why: step.why(),
            row: step.row(),
            state,
            seen: stand.seen,
            page: stand.href,
            reason,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetUpGuideHiding)]
pub struct HideBody {
    #[schema(example = true)]
    pub hidden: bool,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetUpSkip)]
pub struct SkipBody {
    #[schema(example = "identity_provider")]
    pub step: String,
    #[schema(example = "We have none, and 12 people")]
    pub reason: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = OrganizationSetUp)]
pub struct ListedView {
    pub organization: String,
    pub name: String,
    pub done: u32,
    pub skipped: u32,
    pub steps: u32,
    /// The first step that is open.
    pub next: Option<&'static str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

impl From<Listed> for ListedView {
    fn from(listed: Listed) -> Self {
        let Progress { done, skipped, steps, next, finished_at, hidden: _ } = listed.progress;
        let next = next.map(Step::as_str);
        Self { organization: listed.slug, name: listed.name, done, skipped, steps, next, finished_at }
    }
}

/// The steps as they stand now, and what is kept of the progress.
pub(super) async fn look(app: &App, access: &Access) -> Result<(Vec<Stand>, Option<Progress>), Problem> {
    let (organization, now, sources) = (access.organization_id()?, access.ctx.now, Sources::of(app));
    let found = app
        .db()
        .read(move |tx| {
            let stands = super::look(tx, &sources, organization, now)?;
            Ok::<_, Problem>((stands, super::progress(tx, organization)?))
        })
        .await?;
    Ok(found)
}

async fn show(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let (stands, kept) = look(&app, &access).await?;
    let count = |wanted: &dyn Fn(&Standing) -> bool| {
        u32::try_from(stands.iter().filter(|stand| wanted(&stand.standing)).count()).unwrap_or(u32::MAX)
    };
    let view = GuideView {
        done: count(&|standing| *standing == Standing::Done),
        skipped: count(&|standing| matches!(standing, Standing::Skipped { .. })),
        finished_at: kept.as_ref().and_then(|kept| kept.finished_at),
        hidden: kept.is_some_and(|kept| kept.hidden),
        steps: stands.into_iter().map(StepView::from).collect(),
    };
    Ok(Json(view).into_response())
}

fn step(text: &str) -> Result<Step, Problem> {
    Step::parse(text).ok_or_else(|| Problem::not_found("step"))
}

fn skipped(outcome: Skipping) -> Result<(), Problem> {
    match outcome {
        Skipping::Done => Ok(()),
        Skipping::DoneAlready => Err(Problem::conflict("this step is done")),
        Skipping::NotSkipped => Err(Problem::not_found("skipped step")),
        Skipping::NoSuchStep => Err(Problem::not_found("step")),
    }
}

pub(super) async fn leave_out(app: &App, access: &Access, name: &str, reason: &str) -> Result<(), Problem> {
    let step = step(name)?;
    let reason = names::sentence(reason).map_err(|error| Problem::invalid(&error).field("reason", error))?;
    let principal = access.principal()?;
    let by = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    let (organization, ctx, sources) = (access.organization_id()?, access.ctx.clone(), Sources::of(app));
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::skip(&ctx, tx, (&sources, organization), &by, (step, &reason)))
        .await?;
    skipped(done.value)
}

async fn skip(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<SkipBody>,
) -> platform::web::Result {
    leave_out(&app, &access, &body.step, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn take_again(app: &App, access: &Access, name: &str) -> Result<(), Problem> {
    let step = step(name)?;
    let (organization, ctx, sources) = (access.organization_id()?, access.ctx.clone(), Sources::of(app));
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::take_up(&ctx, tx, (&sources, organization), step))
        .await?;
    skipped(done.value)
}

async fn take_up(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, step)): Path<(String, String)>,
) -> platform::web::Result {
    take_again(&app, &access, &step).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn set_hidden(app: &App, access: &Access, hidden: bool) -> Result<(), Problem> {
    let (organization, ctx, sources) = (access.organization_id()?, access.ctx.clone(), Sources::of(app));
    app.db()
        .write(&access.ctx, move |tx| super::set_hidden(&ctx, tx, (&sources, organization), hidden))
        .await?;
    Ok(())
}

async fn hide(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<HideBody>,
) -> platform::web::Result {
    set_hidden(&app, &access, body.hidden).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct StateQuery {
    #[serde(default)]
    pub state: Option<String>,
}

impl StateQuery {
    pub fn finished(&self) -> Result<bool, Problem> {
        match self.state.as_deref().unwrap_or_default() {
            "" | "under_way" => Ok(false),
            "finished" => Ok(true),
            other => Err(Problem::invalid(format!("`{other}` is no state: use under_way or finished"))
                .field("state", "not known")),
        }
    }
}

pub(super) async fn page(app: &App, query: &PageQuery, asked: &StateQuery) -> Result<Page<Listed>, Problem> {
    let (search, after, limit) = (query.search()?, query.after()?, query.limit()?);
    let finished = asked.finished()?;
    if !search.is_empty() {
        let found = app.db().read(move |tx| by_slug(tx, &search, &after, limit + 1)).await?;
        return Ok(Page::of(found, limit, |listed| listed.slug.clone()));
    }
    let place = match after.as_str() {
        "" => None,
        text => {
            let wrong = || Problem::invalid("`cursor` is not one that this list gave");
            let (done, id) = text.split_once(' ').ok_or_else(wrong)?;
            let id: OrganizationId = id.parse().map_err(|_| wrong())?;
            Some((done.parse().map_err(|_| wrong())?, id))
        }
    };
    let found = app.db().read(move |tx| by_progress(tx, finished, place, limit + 1)).await?;
    Ok(Page::of(found, limit, |listed| format!("{} {}", listed.progress.done, listed.id)))
}

async fn list(
    AppState(app): AppState<App>,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    Ok(Json(page(&app, &query, &asked).await?.map(ListedView::from)).into_response())
}
