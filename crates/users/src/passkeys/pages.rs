//! Forms of one's own passkeys; the list stands on the page of factors.

use axum::extract::State;
use platform::App;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::Tone;
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::PasskeyId;
use super::api::{self, CredentialBody};
use crate::factors::{self, Which};

pub(crate) fn routes() -> Routes {
    let signed_in = Openness::SignedIn;
    Routes::new()
        .add(
            routes::post("/account/passkeys", "passkey.add_form", signed_in, add)
                .while_restricted()
                .recent()
                .records("factor."),
        )
        .add(
            routes::post("/account/passkeys/{passkey}/rename", "passkey.rename_form", signed_in, rename)
                .while_restricted()
                .records("factor."),
        )
        .add(
            routes::post("/account/passkeys/{passkey}/remove", "passkey.remove_form", signed_in, remove)
                .while_restricted()
                .recent()
                .records("factor."),
        )
}

#[derive(Deserialize)]
struct AddForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    credential: String,
}

async fn add(State(app): State<App>, access: Access, Form(form): Form<AddForm>) -> web::Result {
    let unreadable = || Problem::malformed("the browser's answer cannot be read").cure("try again");
    let body: CredentialBody = serde_json::from_str(&form.credential).map_err(|_| unreadable())?;
    match api::add_for(&app, &access, form.name, body.decode()?).await {
        Ok((_, _, codes)) if codes.is_empty() => {
            browser::see_other_with(factors::pages::PATH, Tone::Good, "The passkey was added.")
        }
        Ok((_, _, codes)) => factors::pages::show_codes(&app, &access, codes),
        Err(problem) => factors::pages::told(problem),
    }
}

#[derive(Deserialize)]
struct NameForm {
    name: String,
}

async fn rename(
    State(app): State<App>,
    access: Access,
    Path(id): Path<PasskeyId>,
    Form(form): Form<NameForm>,
) -> web::Result {
    api::rename_for(&app, &access, id, form.name).await?;
    browser::see_other_with(factors::pages::PATH, Tone::Good, "The passkey has its new name.")
}

async fn remove(State(app): State<App>, access: Access, Path(id): Path<PasskeyId>) -> web::Result {
    match factors::api::remove_for(&app, &access, Which::Passkey(id)).await {
        Ok(()) => browser::see_other_with(factors::pages::PATH, Tone::Good, "The passkey was removed."),
        Err(problem) => factors::pages::told(problem),
    }
}
