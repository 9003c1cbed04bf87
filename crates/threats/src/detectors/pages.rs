//! `/provider/detectors/{detector}`: one detector, and the form that stops or starts it. The list stands beside the alerts.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::{Health, api, threshold, title};
use crate::alerts::pages::{LIST, complaints, shell};

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/provider/detectors/{detector}";
    const STOP: &str = "/provider/detectors/{detector}/stop";
    const START: &str = "/provider/detectors/{detector}/start";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(routes::get(ONE, "detector.page", read, show))
        .add(routes::post(STOP, "detector.stop_form", manage, stop).recent().records("detector."))
        .add(routes::post(START, "detector.start_form", manage, start).records("detector."))
}

#[derive(Template)]
#[template(path = "detectors/show.html")]
struct ShowPage {
    shell: Shell,
    health: Health,
    about: &'static str,
    threshold: String,
    words: String,
    reason: String,
    errors: FieldErrors,
    may_manage: bool,
}

async fn one(
    app: &App,
    access: &Access,
    name: &str,
    (reason, errors): (String, FieldErrors),
) -> platform::web::Result {
    let found = api::healths(app).await?.into_iter().find(|one| one.rule.name == name);
    let health = found.ok_or_else(|| Problem::not_found("detector"))?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ShowPage {
        shell: shell(app, access, health.rule.name),
        about: title(health.rule.name),
        threshold: threshold(health.rule),
        words: health.words(access.ctx.now),
        may_manage: access.may(Permission::ProviderManage),
        health,
        reason,
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path(name): Path<String>,
) -> platform::web::Result {
    one(&app, &access, &name, (String::new(), FieldErrors::default())).await
}

#[derive(Deserialize)]
struct ReasonForm {
    #[serde(default)]
    reason: String,
}

async fn set(
    app: &App,
    access: &Access,
    name: &str,
    (runs, reason, words): (bool, String, &str),
) -> platform::web::Result {
    match api::set(app, access, name, (runs, &reason)).await {
        Ok(_) => browser::see_other_with(LIST, Tone::Good, words),
        Err(problem) => one(app, access, name, (reason, complaints(problem)?)).await,
    }
}

async fn stop(
    AppState(app): AppState<App>,
    access: Access,
    Path(name): Path<String>,
    Form(form): Form<ReasonForm>,
) -> platform::web::Result {
    set(&app, &access, &name, (false, form.reason, "Stopped. USR-P2 is not held until it runs again.")).await
}

async fn start(
    AppState(app): AppState<App>,
    access: Access,
    Path(name): Path<String>,
    Form(form): Form<ReasonForm>,
) -> platform::web::Result {
    set(&app, &access, &name, (true, form.reason, "Started. It looks first at what happened meanwhile."))
        .await
}
