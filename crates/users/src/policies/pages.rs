//! `/o/{organization}/policies`: look, try, decide, undo.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::web::extract::Form;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, DryRun as DryRunBox, FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::api::name_of;
use super::{Decided, DryRun, MIN_LENGTH_RECOMMENDED, Policy, Rules};

pub(crate) const PATH: &str = "/o/{organization}/policies";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PoliciesRead);
    let manage = Openness::Organization(Permission::PoliciesManage);
    Routes::new()
        .add(routes::get(PATH, "policy.page", read, show))
        .add(routes::post(PATH, "policy.decide_page", manage, submit).recent().records("policy."))
        .add(
            routes::post("/o/{organization}/policies/undo", "policy.undo_page", manage, undo)
                .recent()
                .records("policy."),
        )
}

#[derive(Template)]
#[template(path = "policies/policy.html")]
struct PolicyPage {
    shell: Shell,
    policy: Policy,
    form: PolicyForm,
    scores: Vec<Choice>,
    recommended_length: u16,
    errors: FieldErrors,
    /// Set once the form was tried: confirms below.
    tried: Option<DryRunBox>,
    may_manage: bool,
    undo: String,
}

/// The form as typed; read whole or refused whole.
#[derive(Deserialize, Clone)]
struct PolicyForm {
    password_min_length: String,
    password_min_score: String,
    password_reuse_history: String,
    session_idle_minutes: String,
    session_absolute_hours: String,
    #[serde(default)]
    version: String,
    /// Present on the second step.
    #[serde(default)]
    confirmed: String,
}

impl PolicyForm {
    fn of(policy: &Policy) -> Self {
        let rules = policy.rules;
        Self {
            password_min_length: rules.password_min_length.to_string(),
            password_min_score: rules.password_min_score.to_string(),
            password_reuse_history: rules.password_reuse_history.to_string(),
            session_idle_minutes: rules.session_idle_minutes.to_string(),
            session_absolute_hours: rules.session_absolute_hours.to_string(),
            version: policy.version.to_string(),
            confirmed: String::new(),
        }
    }

    fn read(&self, errors: &mut FieldErrors) -> Option<Rules> {
        fn number<T: std::str::FromStr>(text: &str, field: &str, errors: &mut FieldErrors) -> Option<T> {
            let read = text.trim().parse().ok();
            if read.is_none() {
                errors.add(field, "write a whole number");
            }
            read
        }
        let length = number(&self.password_min_length, "password_min_length", errors);
        let score = number(&self.password_min_score, "password_min_score", errors);
        let history = number(&self.password_reuse_history, "password_reuse_history", errors);
        let idle = number(&self.session_idle_minutes, "session_idle_minutes", errors);
        let absolute = number(&self.session_absolute_hours, "session_absolute_hours", errors);
        let rules = Rules {
            password_min_length: length?,
            password_min_score: score?,
            password_reuse_history: history?,
            session_idle_minutes: idle?,
            session_absolute_hours: absolute?,
        };
        for (name, why) in rules.check() {
            errors.add(name, why);
        }
        errors.is_empty().then_some(rules)
    }
}

fn scores(chosen: &str) -> Vec<Choice> {
    [
        "0 · anything",
        "1 · stops throttled guessing",
        "2 · stops unthrottled guessing",
        "3 · recommended",
        "4 · strongest",
    ]
    .iter()
    .enumerate()
    .map(|(score, label)| Choice::new(&score.to_string(), label, chosen))
    .collect()
}

fn page(
    app: &App,
    access: &Access,
    policy: Policy,
    form: PolicyForm,
    errors: FieldErrors,
    tried: Option<DryRunBox>,
) -> Result<PolicyPage, Problem> {
    let undo = if policy.version > 1 {
        format!("/o/{}/policies/undo", access.organization()?.slug)
    } else {
        String::new()
    };
    Ok(PolicyPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Sign-in policy", PATH),
        scores: scores(&form.password_min_score),
        recommended_length: MIN_LENGTH_RECOMMENDED,
        may_manage: access.may(Permission::PoliciesManage),
        policy,
        form,
        errors,
        tried,
        undo,
    })
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let policy = app.db().read(move |tx| super::current(tx, id)).await?;
    let form = PolicyForm::of(&policy);
    web::html(&page(&app, &access, policy, form, FieldErrors::default(), None)?)
}

/// The numbers of a dry run as the page shows them.
fn dry_run_box(counted: &DryRun) -> DryRunBox {
    let mut sample = vec![
        format!("{} sessions end at once", counted.sessions_ending),
        format!("{} sessions end earlier than they would have", counted.sessions_shortened),
        format!("{} people get the password rules when they next set a password", counted.people),
    ];
    sample.extend(counted.weaknesses.iter().map(|weakness| format!("weaker than recommended: {weakness}")));
    let weak = !counted.weaknesses.is_empty();
    DryRunBox {
        tone: if weak || counted.sessions_ending > 0 { Tone::Warn } else { Tone::Info },
        summary: "Nothing was changed yet. This is what it would do:".to_owned(),
        sample,
        all_href: String::new(),
    }
}

async fn submit(State(app): State<App>, access: Access, Form(form): Form<PolicyForm>) -> web::Result {
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let mut errors = FieldErrors::default();
    let Some(rules) = form.read(&mut errors) else {
        let policy = app.db().read(move |tx| super::current(tx, id)).await?;
        return web::html_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            &page(&app, &access, policy, form, errors, None)?,
        );
    };
    if form.confirmed.is_empty() {
        let (policy, counted) = app
            .db()
            .read(move |tx| {
                let policy = super::current(tx, id)?;
                Ok::<_, DbError>((policy, super::dry_run(tx, id, &rules, now)?))
            })
            .await?;
        let tried = Some(dry_run_box(&counted));
        return web::html(&page(&app, &access, policy, form, errors, tried)?);
    }
    let (ctx, by, seen) = (access.ctx.clone(), name_of(&access), form.version.parse().ok());
    let written =
        app.db().write(&access.ctx, move |tx| super::decide(&ctx, tx, id, &by, seen, rules)).await?;
    let back = format!("/o/{}/policies", access.organization()?.slug);
    match written.value {
        Decided::Done(_) => browser::see_other_with(&back, Tone::Good, "The policy is in force."),
        Decided::ChangedMeanwhile => browser::see_other_with(
            &back,
            Tone::Warn,
            "Somebody decided meanwhile. Look at it and decide again.",
        ),
        Decided::Refused(_) => Err(Problem::invalid("the policy is out of bounds")),
    }
}

async fn undo(State(app): State<App>, access: Access) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let written = app.db().write(&access.ctx, move |tx| super::undo(&ctx, tx, id, &by)).await?;
    let back = format!("/o/{}/policies", access.organization()?.slug);
    match written.value {
        Some(Decided::Done(_)) => {
            browser::see_other_with(&back, Tone::Good, "The policy before is in force again.")
        }
        _ => browser::see_other_with(&back, Tone::Warn, "There is nothing to undo."),
    }
}
