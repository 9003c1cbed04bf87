//! Enabling and disabling a connection, each after a look at what would follow.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::web::extract::{Form, Path};
use platform::web::ui::{DryRun, FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::super::api;
use super::super::{Connection, ConnectionId};
use super::{OnePath, Shown, shell, show_page};
use crate::organizations::pages::{complaints, mendable};

#[derive(Deserialize)]
pub(super) struct EnableForm {
    /// Set by the button beside what was found.
    #[serde(default)]
    anyway: String,
}

/// Why people would knock in vain, each with what to do about it.
async fn in_vain(
    app: &App,
    access: &Access,
    connection: &Connection,
    works: bool,
) -> Result<Vec<String>, Problem> {
    let mut reasons = Vec::new();
    if !works {
        let why = "Its test found what is wrong, below: mend that at the provider or under Settings, and test again.";
        reasons.push(why.to_owned());
    }
    if !api::has_people(app, access, connection).await? {
        reasons.push(NO_DOMAIN.to_owned());
    }
    Ok(reasons)
}

const NO_DOMAIN: &str =
    "Nobody can come through it: your organization has no verified domain. Verify one first.";

/// Asks the provider first: who enables what does not work is told, and decides then.
pub(super) async fn enable(
    State(app): State<App>,
    access: Access,
    Path((_, id)): OnePath,
    Form(form): Form<EnableForm>,
) -> web::Result {
    if form.anyway.is_empty() {
        let connection = api::one(&app, &access, id).await?;
        let report = api::try_out(&app, &access, id).await?;
        let in_vain = in_vain(&app, &access, &connection, report.works).await?;
        if !in_vain.is_empty() {
            let shown = Shown { findings: report.findings, in_vain, ..Shown::default() };
            return show_page(&app, &access, id, shown).await;
        }
    }
    let done = api::switch(&app, &access, id, true).await?;
    let to = format!("/o/{}/connections/{id}", access.organization()?.slug);
    if !form.anyway.is_empty() {
        let words =
            format!("{} is enabled, although nobody could come through it when it was tested.", done.name);
        return browser::see_other_with(&to, Tone::Warn, &words);
    }
    let mut words = format!("People can sign in through {} now.", done.name);
    if done.succeeded_at.is_none() {
        words.push_str(" Nobody has come through it yet: try it yourself with Test with a sign-in.");
        return browser::see_other_with(&to, Tone::Warn, &words);
    }
    browser::see_other_with(&to, Tone::Good, &words)
}

#[derive(Template)]
#[template(path = "single_sign_on/disable.html")]
struct DisablePage {
    shell: Shell,
    slug: String,
    id: ConnectionId,
    title: String,
    run: DryRun,
    /// Policies that need it: then it cannot be disabled.
    policies: Vec<String>,
    errors: FieldErrors,
}

async fn disabling(app: &App, access: &Access, id: ConnectionId, errors: FieldErrors) -> web::Result {
    let connection = api::one(app, access, id).await?;
    let effect = api::effect(app, access, id).await?;
    let slug = access.organization()?.slug.clone();
    let stranded = effect.stranded.len();
    let summary = match stranded {
        0 => format!(
            "{} sessions end. All of its {} people have another way in.",
            effect.sessions, effect.people
        ),
        _ => format!(
            "{} sessions end. {stranded} of its {} people have no other way in:",
            effect.sessions, effect.people
        ),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = DisablePage {
        shell: shell(app, access, "Disable a connection"),
        run: DryRun {
            tone: if stranded == 0 { Tone::Info } else { Tone::Warn },
            summary,
            sample: effect.stranded.into_iter().take(10).collect(),
            all_href: if stranded > 10 { format!("/o/{slug}/connections/{id}") } else { String::new() },
        },
        policies: effect.policies,
        title: connection.name,
        id,
        slug,
        errors,
    };
    web::html_with(status, &page)
}

pub(super) async fn disable_page(
    State(app): State<App>,
    access: Access,
    Path((_, id)): OnePath,
) -> web::Result {
    disabling(&app, &access, id, FieldErrors::default()).await
}

#[derive(Deserialize)]
pub(super) struct DisableForm {
    #[serde(default)]
    confirm: String,
}

pub(super) async fn disable(
    State(app): State<App>,
    access: Access,
    Path((_, id)): OnePath,
    Form(form): Form<DisableForm>,
) -> web::Result {
    let connection = api::one(&app, &access, id).await?;
    if form.confirm != connection.name {
        let errors = FieldErrors::default().with("confirm", "write the name as it stands above".to_owned());
        return disabling(&app, &access, id, errors).await;
    }
    match api::switch(&app, &access, id, false).await {
        Ok(done) => {
            let to = format!("/o/{}/connections/{id}", access.organization()?.slug);
            let words = format!("{} is disabled; its sessions have ended.", done.name);
            browser::see_other_with(&to, Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => disabling(&app, &access, id, complaints(&problem)).await,
        Err(problem) => Err(problem),
    }
}
