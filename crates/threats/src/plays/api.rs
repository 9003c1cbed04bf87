//! JSON side of plays.

use axum::extract::State as AppState;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Line, Ran, Step};
use crate::alerts::{self, AlertId};

pub(crate) fn routes() -> Routes {
    const PLAY: &str = "/api/v1/provider/alerts/{alert}/play";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(
            routes::get(PLAY, "alert.play", read, show)
                .summary("The steps against an alert, in order, with what each would do now")
                .gives::<PlayView>(200),
        )
        .add(
            routes::post(PLAY, "alert.take_step", manage, take)
                .recent()
                .summary("Take one of the steps that the program can take")
                .takes::<StepBody>()
                .gives::<TakenView>(200)
                .records("alert."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertPlayLine)]
struct LineView {
    /// What to send to take it; null: people do this.
    step: Option<Step>,
    title: String,
    /// How, where people do it.
    text: String,
    /// What it would do now, one line for each account or organization.
    would: Vec<String>,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        match line {
            Line::Program { step, would } => {
                Self { step: Some(step), title: step.label().to_owned(), text: String::new(), would }
            }
            Line::Written { title, text } => {
                Self { step: None, title: title.to_owned(), text: text.to_owned(), would: Vec::new() }
            }
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertPlay)]
struct PlayView {
    steps: Vec<LineView>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertStep)]
struct StepBody {
    step: Step,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertStepTaken)]
struct TakenView {
    step: Step,
    /// How many accounts, or mails.
    count: u64,
}

pub(crate) async fn lines(app: &App, access: &Access, id: AlertId) -> Result<Vec<Line>, Problem> {
    let ctx = access.ctx.clone();
    let found = app.db().read(move |tx| {
        let Some(alert) = alerts::get(tx, id)? else { return Ok(None) };
        Ok::<_, DbError>(Some(super::play(tx, &ctx, &alert)?))
    });
    found.await?.ok_or_else(|| Problem::not_found("alert"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
) -> platform::web::Result {
    let steps = lines(&app, &access, id).await?.into_iter().map(LineView::from).collect();
    Ok(Json(PlayView { steps }).into_response())
}

pub(crate) async fn take_step(app: &App, access: &Access, id: AlertId, step: Step) -> Result<u64, Problem> {
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app.db().write(&access.ctx, move |tx| super::run(&inside, &ctx, tx, id, step)).await?;
    match done.value {
        Ran::Done(count) => Ok(count),
        Ran::Nothing => Err(Problem::conflict("there is nothing that this step would change")),
        Ran::NoSuchAlert => Err(Problem::not_found("alert")),
        Ran::Resolved => Err(Problem::conflict("this alert is resolved")),
    }
}

async fn take(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
    Json(body): Json<StepBody>,
) -> platform::web::Result {
    let count = take_step(&app, &access, id, body.step).await?;
    Ok(Json(TakenView { step: body.step, count }).into_response())
}
