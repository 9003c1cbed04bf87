//! `/account/organizations/{organization}/leave`: asks, then leaves.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::web::extract::Form;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{DryRun, FieldErrors, Shell, Tone};
use platform::web::{self, Access, browser};
use serde::Deserialize;

use super::{Outcome, api};

const PATH: &str = "/account/organizations/{organization}/leave";

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(PATH, "member.leave_page", Openness::Member, show).while_restricted()).add(
        routes::post(PATH, "member.leave_form", Openness::Member, leave)
            .while_restricted()
            .records("member.left"),
    )
}

#[derive(Template)]
#[template(path = "leaving/leave.html")]
struct LeavePage {
    shell: Shell,
    name: String,
    slug: String,
    /// Why they cannot; empty when they can.
    refused: String,
    run: DryRun,
    errors: FieldErrors,
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    page(&app, &access, StatusCode::OK, FieldErrors::default()).await
}

async fn page(app: &App, access: &Access, status: StatusCode, errors: FieldErrors) -> web::Result {
    let preview = api::look(app, access, access.account()?).await?;
    let organization = access.organization()?;
    let refused = match api::refusal(preview.outcome) {
        Ok(()) => String::new(),
        Err(problem) => {
            let why = platform::web::ui::sentence(&problem.detail);
            problem.cure.map_or_else(|| format!("{why}."), |cure| format!("{why}: {cure}."))
        }
    };
    let summary = "Your access ends at once, with every group here. What you made stays with the organization, and only \
                   an invitation brings you back.";
    let page = LeavePage {
        shell: navigation::shell(app, access, NavConsole::Account, "Leave an organization", "/account"),
        name: organization.name.clone(),
        slug: organization.slug.clone(),
        refused,
        run: DryRun {
            tone: Tone::Warn,
            summary: summary.to_owned(),
            sample: preview.groups.into_iter().take(10).collect(),
            all_href: String::new(),
        },
        errors,
    };
    web::html_with(status, &page)
}

#[derive(Deserialize)]
struct LeaveForm {
    #[serde(default)]
    confirm: String,
}

async fn leave(State(app): State<App>, access: Access, Form(form): Form<LeaveForm>) -> web::Result {
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    let account = access.account()?;
    let organization = access.organization()?.clone();
    if api::look(&app, &access, account).await?.outcome != Outcome::Done {
        return page(&app, &access, refused, FieldErrors::default()).await;
    }
    if form.confirm.trim() != organization.slug {
        let errors = FieldErrors::default().with("confirm", "this is not the organization's short name");
        return page(&app, &access, refused, errors).await;
    }
    match api::apply(&app, &access, account).await {
        Ok(()) => {
            browser::see_other_with("/account", Tone::Good, &format!("You left {}.", organization.name))
        }
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            page(&app, &access, refused, FieldErrors::default()).await
        }
        Err(problem) => Err(problem),
    }
}
