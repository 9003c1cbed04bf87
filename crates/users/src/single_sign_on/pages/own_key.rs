//! The buttons of a new key of ours.

use axum::extract::State;
use platform::App;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Routes};
use platform::web::ui::Tone;
use platform::web::{self, Access, browser};
use serde::Deserialize;

use super::super::api;
use super::super::own_key::Step;
use super::{MANAGE, OnePath};
use crate::organizations::pages::mendable;

pub(super) fn routes() -> Routes {
    const OWN_KEY: &str = "/o/{organization}/connections/{connection}/own-key";
    Routes::new().add(
        routes::post(OWN_KEY, "connection.own_key_form", MANAGE, roll_over).recent().records("connection."),
    )
}

#[derive(Deserialize)]
struct StepForm {
    #[serde(default)]
    step: String,
}

async fn roll_over(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): OnePath,
    Form(form): Form<StepForm>,
) -> web::Result {
    let to = format!("/o/{slug}/connections/{id}#own-key");
    match api::own_key::roll(&app, &access, id, &form.step).await {
        Ok(_) => {
            let words = match Step::parse(&form.step) {
                Some(Step::Prepare) => {
                    "Published. Have the provider take our metadata anew before you sign with it."
                }
                Some(Step::Switch) => {
                    "The new key signs from now on. Retire the old one when people have signed in."
                }
                Some(Step::Retire) | None => "One key is left, and it signs.",
            };
            browser::see_other_with(&to, Tone::Good, words)
        }
        Err(problem) if mendable(&problem) => {
            browser::see_other_with(&to, Tone::Bad, &format!("Not done: {}.", problem.detail))
        }
        Err(problem) => Err(problem),
    }
}
