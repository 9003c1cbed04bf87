//! The button that takes a step; the play itself stands on the page of its alert.

use axum::extract::State as AppState;
use platform::App;
use platform::access::Permission;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::{Step, api};
use crate::alerts::{AlertId, pages};

pub(crate) fn routes() -> Routes {
    const PLAY: &str = "/provider/alerts/{alert}/play";
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new().add(routes::post(PLAY, "alert.take_step_form", manage, take).recent().records("alert."))
}

#[derive(Deserialize)]
struct StepForm {
    #[serde(default)]
    step: String,
}

async fn take(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
    Form(form): Form<StepForm>,
) -> platform::web::Result {
    let done = match Step::parse(&form.step) {
        Some(step) => api::take_step(&app, &access, id, step).await,
        None => Err(Problem::invalid("no such step").field("step", "not known")),
    };
    pages::back(&app, &access, id, (done, "Done.")).await
}
