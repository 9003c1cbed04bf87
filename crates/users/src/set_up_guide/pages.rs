//! The guide's page: every step with what was seen, why it matters, and what does it.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::Form;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{FieldErrors, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, MANAGE, READ};
use super::{Stand, Standing, Step};
use crate::organizations::pages::{complaints, mendable};

pub(crate) const PATH: &str = "/o/{organization}/set-up";

pub(crate) fn routes() -> Routes {
    const SKIP: &str = "/o/{organization}/set-up/skip";
    const TAKE_UP: &str = "/o/{organization}/set-up/take-up";
    const HIDE: &str = "/o/{organization}/set-up/hide";
    const RECORDS: &str = "set_up_guide.";
    Routes::new()
        .add(routes::get(PATH, "set_up_guide.page", READ, show))
        .add(routes::post(SKIP, "set_up_guide.skip_form", MANAGE, skip).records(RECORDS))
        .add(routes::post(TAKE_UP, "set_up_guide.take_up_form", MANAGE, take_up).records(RECORDS))
        .add(routes::post(HIDE, "set_up_guide.hide_form", MANAGE, hide).records(RECORDS))
}

struct Line {
    step: Step,
    number: usize,
    done: bool,
    open: bool,
    /// Why it is left out, by whom and when.
    skipped: Option<(String, String, Timestamp)>,
    seen: String,
    href: String,
    /// The first open step: one primary button per page.
    next: bool,
    draft: String,
    error: String,
}

#[derive(Template)]
#[template(path = "set_up_guide/show.html")]
struct GuidePage {
    shell: Shell,
    slug: String,
    lines: Vec<Line>,
    settled: usize,
    finished_at: Option<Timestamp>,
    hidden: bool,
    may_manage: bool,
    errors: FieldErrors,
}

/// A skip that was refused, to be mended.
#[derive(Default)]
struct Draft {
    step: String,
    reason: String,
}

fn line(number: usize, stand: Stand, next: bool, draft: &Draft, error: &str) -> Line {
    let mine = draft.step == stand.step.as_str();
    let (done, open) = (stand.standing == Standing::Done, stand.standing == Standing::Open);
    Line {
        step: stand.step,
        number,
        done,
        open,
        skipped: match stand.standing {
            Standing::Skipped { reason, by, at } => Some((reason, by, at)),
            Standing::Done | Standing::Open => None,
        },
        seen: stand.seen,
        href: stand.href,
        next,
        draft: if mine { draft.reason.clone() } else { String::new() },
        error: if mine { error.to_owned() } else { String::new() },
    }
}

async fn page(app: &App, access: &Access, draft: Draft, refused: Option<&Problem>) -> platform::web::Result {
    let (stands, kept) = api::look(app, access).await?;
    let settled = stands.iter().filter(|stand| stand.standing != Standing::Open).count();
    let next = stands.iter().position(|stand| stand.standing == Standing::Open);
    let error = refused.map(|problem| complaints(problem).of("reason").to_owned()).unwrap_or_default();
    let errors = match refused {
        Some(problem) if error.is_empty() => complaints(problem),
        Some(_) => FieldErrors::default().with(&format!("reason-{}", draft.step), error.clone()),
        None => FieldErrors::default(),
    };
    let lines = stands.into_iter().enumerate();
    let page = GuidePage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Set up", PATH),
        slug: access.organization()?.slug.clone(),
        lines: lines.map(|(at, stand)| line(at + 1, stand, Some(at) == next, &draft, &error)).collect(),
        settled,
        finished_at: kept.as_ref().and_then(|kept| kept.finished_at),
        hidden: kept.is_some_and(|kept| kept.hidden),
        may_manage: access.may(Permission::ResponsibilitiesManage),
        errors,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn show(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    page(&app, &access, Draft::default(), None).await
}

#[derive(Deserialize)]
struct SkipForm {
    #[serde(default)]
    step: String,
    #[serde(default)]
    reason: String,
}

fn here(access: &Access) -> Result<String, Problem> {
    Ok(PATH.replace("{organization}", &access.organization()?.slug))
}

async fn skip(
    AppState(app): AppState<App>,
    access: Access,
    Form(form): Form<SkipForm>,
) -> platform::web::Result {
    match api::leave_out(&app, &access, &form.step, &form.reason).await {
        Ok(()) => browser::see_other_with(
            &here(&access)?,
            Tone::Good,
            "Left out. The reason stands in the audit log.",
        ),
        Err(problem) if mendable(&problem) => {
            page(&app, &access, Draft { step: form.step, reason: form.reason }, Some(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct StepForm {
    #[serde(default)]
    step: String,
}

async fn take_up(
    AppState(app): AppState<App>,
    access: Access,
    Form(form): Form<StepForm>,
) -> platform::web::Result {
    api::take_again(&app, &access, &form.step).await?;
    browser::see_other_with(&here(&access)?, Tone::Good, "The step is open again.")
}

#[derive(Deserialize)]
struct HideForm {
    #[serde(default)]
    hidden: String,
}

async fn hide(
    AppState(app): AppState<App>,
    access: Access,
    Form(form): Form<HideForm>,
) -> platform::web::Result {
    let hidden = form.hidden == "on";
    api::set_hidden(&app, &access, hidden).await?;
    if hidden {
        let words = "The guide left the first screen. It stays under Set up.";
        return browser::see_other_with(&format!("/o/{}", access.organization()?.slug), Tone::Good, words);
    }
    browser::see_other_with(&here(&access)?, Tone::Good, "The guide is on the first screen again.")
}
