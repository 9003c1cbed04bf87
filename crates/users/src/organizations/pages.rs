//! Pages of organizations: found one, its settings.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::principals::Organization;
use platform::web::extract::Form;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use crate::names::Name;

pub(crate) const SETTINGS: &str = "/o/{organization}/settings";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get("/organizations/new", "organization.create_page", Openness::SignedIn, new_page))
        .add(
            routes::post("/organizations/new", "organization.create_form", Openness::SignedIn, create)
                .records("organization."),
        )
        .add(routes::get(
            SETTINGS,
            "organization.settings_page",
            Openness::Organization(Permission::OrganizationRead),
            settings,
        ))
        .add(
            routes::post(
                SETTINGS,
                "organization.rename_form",
                Openness::Organization(Permission::OrganizationManage),
                rename,
            )
            .records("organization."),
        )
}

/// What a refused form complains about, field by field.
pub(crate) fn complaints(problem: &Problem) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for error in &problem.errors {
        errors.add(&error.pointer, error.detail.clone());
    }
    if errors.is_empty() {
        errors.add("", problem.detail.clone());
    }
    errors
}

/// Whether a refusal belongs back into the form: everything a person can mend there.
pub(crate) fn mendable(problem: &Problem) -> bool {
    matches!(
        problem.status,
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS
    )
}

#[derive(Template)]
#[template(path = "organizations/new.html")]
struct NewPage {
    shell: Shell,
    errors: FieldErrors,
    form: NewForm,
}

#[derive(Default, Deserialize)]
struct NewForm {
    name: String,
    #[serde(default)]
    slug: String,
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    let shell = navigation::shell(&app, &access, NavConsole::Account, "New organization", "");
    platform::web::html(&NewPage { shell, errors: FieldErrors::default(), form: NewForm::default() })
}

async fn create(State(app): State<App>, access: Access, Form(form): Form<NewForm>) -> platform::web::Result {
    match super::api::found(&app, &access, &form.name, Some(&form.slug)).await {
        Ok(made) => {
            let message = format!("{} is ready. You are its owner.", made.name);
            browser::see_other_with(&format!("/o/{}", made.slug), Tone::Good, &message)
        }
        Err(problem) if mendable(&problem) => {
            let shell = navigation::shell(&app, &access, NavConsole::Account, "New organization", "");
            let page = NewPage { shell, errors: complaints(&problem), form };
            platform::web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "organizations/settings.html")]
struct SettingsPage {
    shell: Shell,
    errors: FieldErrors,
    organization: Organization,
    /// Not `name`: the macros of forms have a parameter of that name, which would hide it.
    typed: String,
    may_rename: bool,
}

#[derive(Deserialize)]
struct RenameForm {
    name: String,
}

async fn settings(State(app): State<App>, access: Access) -> platform::web::Result {
    let name = access.organization()?.name.clone();
    settings_page(&app, &access, StatusCode::OK, name, FieldErrors::default())
}

fn settings_page(
    app: &App,
    access: &Access,
    status: StatusCode,
    name: String,
    errors: FieldErrors,
) -> platform::web::Result {
    let page = SettingsPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Settings", SETTINGS),
        errors,
        organization: access.organization()?.clone(),
        typed: name,
        may_rename: access.may(Permission::OrganizationManage),
    };
    platform::web::html_with(status, &page)
}

async fn rename(
    State(app): State<App>,
    access: Access,
    Form(form): Form<RenameForm>,
) -> platform::web::Result {
    let name = match Name::parse(&form.name) {
        Ok(name) => name,
        Err(error) => {
            let errors = FieldErrors::default().with("name", error.to_string());
            return settings_page(&app, &access, StatusCode::UNPROCESSABLE_ENTITY, form.name, errors);
        }
    };
    let (organization, slug) = (access.organization_id()?, access.organization()?.slug.clone());
    app.db().write(&access.ctx, move |tx| super::rename(tx, organization, &name)).await?;
    browser::see_other_with(&format!("/o/{slug}/settings"), Tone::Good, "The name is saved.")
}
