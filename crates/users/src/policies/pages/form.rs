//! Deciding a policy in the console: typed, tried, then put in force at once or rolled out in stages.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::access::Permission;
use platform::db::ReadTx;
use platform::ids::OrganizationId;
use platform::time::{DAY, HOUR};
use platform::web::extract::{Form, Path, Query};
use platform::web::routes::{self, Routes};
use platform::web::ui::{Choice, DryRun as DryRunBox, FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use platform::{App, Ctx};
use serde::Deserialize;

use super::super::api::views::{self, PolicyView};
use super::super::api::{done, name_of, policy_of, reachable};
use super::super::decide::{self, OUTSIDE_NAME, Target};
use super::super::dry_run::{self, Touched, Wanted};
use super::super::rollout::{self, Planned};
use super::super::{AppliesTo, PolicyId, Rules};
use super::fields::{PolicyForm, SocialChoice, scores, social_choices};
use super::{MANAGE, READ, dry_run_box, free_directories, part, shell};
use crate::factors::Level;

/// People of a dry run on one page.
const PEOPLE: usize = 100;

pub(super) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/policies/new";
    const ONE: &str = "/o/{organization}/policies/{policy}";
    Routes::new()
        .add(routes::get(NEW, "policy.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "policy.create_form", MANAGE, create).recent().records("policy."))
        .add(routes::get(ONE, "policy.show_page", READ, show))
        .add(routes::post(ONE, "policy.decide_page", MANAGE, submit).recent().records("policy."))
}

#[derive(Template)]
#[template(path = "policies/form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    title: String,
    sub: String,
    action: String,
    form: PolicyForm,
    named: bool,
    /// To choose from when the default of a directory is made.
    directories: Vec<Choice>,
    factors: Vec<Choice>,
    social: Vec<SocialChoice>,
    scores: Vec<Choice>,
    whens: Vec<Choice>,
    errors: FieldErrors,
    /// Set once the form was tried.
    tried: Option<DryRunBox>,
    /// What *Decide* stands for then.
    digest: String,
    people: Vec<Touched>,
    more: String,
    /// And no roll-out is under way, whose rules would be others than those shown.
    may_manage: bool,
    may_cancel: bool,
    may_roll_out: bool,
    /// Empty where there is nothing to undo or delete.
    undo: String,
    delete: String,
    your_ip: String,
    view: Option<PolicyView>,
}

/// What a page shows besides the form itself.
#[derive(Default)]
struct Tried {
    errors: FieldErrors,
    run: Option<DryRunBox>,
    people: Vec<Touched>,
    more: String,
}

impl Tried {
    /// Says so when the form was changed after it had been shown what it would do.
    fn since(mut self, form: &PolicyForm) -> Self {
        if form.after.is_empty()
            && !form.confirmed.is_empty()
            && let Some(run) = &mut self.run
        {
            run.summary =
                format!("The form was changed since its dry run, so this is a new one. {}", run.summary);
        }
        self
    }
}

async fn page(
    app: &App,
    access: &Access,
    view: Option<PolicyView>,
    mut form: PolicyForm,
    tried: Tried,
) -> Result<FormPage, Problem> {
    let directories = match &view {
        None if form.applies_to == AppliesTo::Directory.as_str() => choices(app, access, &form).await?,
        _ => Vec::new(),
    };
    let slug = access.organization()?.slug.clone();
    let base = format!("/o/{slug}/policies");
    let named = form.applies_to == AppliesTo::Named.as_str();
    let (title, sub) = match (&view, form.applies_to.as_str()) {
        (Some(view), _) => (view.name.clone(), super::for_whom(view)),
        (None, "outside") => {
            (OUTSIDE_NAME.to_owned(), "for everybody with an address outside your domains".to_owned())
        }
        (None, "directory") => {
            ("Policy of a directory".to_owned(), "for its people whom no other policy names".to_owned())
        }
        (None, _) => ("New policy".to_owned(), "for groups and chosen people".to_owned()),
    };
    let here = view.as_ref().map(|view| format!("{base}/{}", part(view)));
    let chosen_when = if form.when.is_empty() { "now".to_owned() } else { form.when.clone() };
    if form.first_on.is_empty() {
        let day = |days: u32| access.ctx.now.plus(DAY * days + HOUR).rfc3339()[..10].to_owned();
        form.first_on = day(7);
        form.everybody_on = day(21);
        form.first_percent = "10".to_owned();
    }
    let kind = view.as_ref().map(|view| view.applies_to);
    let may_change = access.may(Permission::PoliciesManage);
    Ok(FormPage {
        shell: shell(app, access, &title),
        factors: Level::ALL.map(|level| Choice::new(level.as_str(), level.words(), &form.factor)).to_vec(),
        social: social_choices(&form),
        scores: scores(&form.password_min_score),
        whens: vec![
            Choice::new("now", "Now", &chosen_when).hint("Running sessions that are too long end at once."),
            Choice::new("later", "In stages", &chosen_when)
                .hint("People of whom something will be asked are told by mail today, with their day."),
        ],
        action: here.clone().unwrap_or_else(|| format!("{base}/new")),
        may_manage: may_change && view.as_ref().is_none_or(|view| view.rollout.is_none()),
        may_cancel: may_change,
        may_roll_out: view.as_ref().is_some_and(|view| view.version > 0),
        undo: match (&view, &here) {
            (Some(view), Some(here)) if view.version > 1 => format!("{here}/undo"),
            _ => String::new(),
        },
        delete: match (kind, &here) {
            (Some(AppliesTo::Named | AppliesTo::Outside | AppliesTo::Directory), Some(here)) => {
                format!("{here}/delete")
            }
            _ => String::new(),
        },
        your_ip: access.ctx.origin.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        errors: tried.errors,
        tried: tried.run,
        people: tried.people,
        more: tried.more,
        digest: form.digest(),
        title,
        sub,
        slug,
        named,
        directories,
        form,
        view,
    })
}

/// Directories that have no policy yet.
async fn choices(app: &App, access: &Access, form: &PolicyForm) -> Result<Vec<Choice>, Problem> {
    let id = access.organization_id()?;
    let read = app.db().read(move |tx| {
        let views = views::all(tx, id)?;
        free_directories(tx, id, &views)
    });
    let free = read.await?.into_iter();
    Ok(free.map(|one| Choice::new(&one.id.to_string(), &one.name, &form.directory)).collect())
}

#[derive(Deserialize)]
struct For {
    #[serde(default, rename = "for")]
    whom: String,
}

async fn new_page(State(app): State<App>, access: Access, Query(query): Query<For>) -> web::Result {
    let (applies_to, name) = match query.whom.as_str() {
        "outside" => (AppliesTo::Outside, OUTSIDE_NAME),
        "directory" => (AppliesTo::Directory, ""),
        _ => (AppliesTo::Named, ""),
    };
    let id = access.organization_id()?;
    let default = app
        .db()
        .read(move |tx| views::one(tx, id, super::super::default_id(id)))
        .await?
        .ok_or_else(|| Problem::not_found("policy"))?;
    let form = PolicyForm {
        name: name.to_owned(),
        applies_to: applies_to.as_str().to_owned(),
        version: String::new(),
        ..PolicyForm::of(&default)
    };
    let page = page(&app, &access, None, form, Tried::default()).await?;
    if applies_to == AppliesTo::Directory && page.directories.is_empty() {
        let back = format!("/o/{}/policies", page.slug);
        return browser::see_other_with(
            &back,
            Tone::Warn,
            "Every directory has its policy: change that one.",
        );
    }
    web::html(&page)
}

async fn look_up(app: &App, access: &Access, policy: String) -> Result<PolicyView, Problem> {
    let id = access.organization_id()?;
    app.db()
        .read(move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            views::one(tx, id, policy)?
                .filter(|view| !view.deleted)
                .ok_or_else(|| Problem::not_found("policy"))
        })
        .await
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
) -> web::Result {
    let view = look_up(&app, &access, policy).await?;
    let form = PolicyForm::of(&view);
    web::html(&page(&app, &access, Some(view), form, Tried::default()).await?)
}

/// Complaints of a problem by field, for the form.
fn complaints(problem: &Problem) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for wrong in &problem.errors {
        let field = wrong.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        errors.add(field, wrong.detail.clone());
    }
    if errors.is_empty() {
        errors.add("", problem.detail.clone());
    }
    errors
}

fn mendable(problem: &Problem) -> bool {
    [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::CONFLICT].contains(&problem.status)
}

async fn create(State(app): State<App>, access: Access, Form(mut form): Form<PolicyForm>) -> web::Result {
    // The default has no page of this kind.
    if ![AppliesTo::Outside, AppliesTo::Directory].iter().any(|one| form.applies_to == one.as_str()) {
        form.applies_to = AppliesTo::Named.as_str().to_owned();
    }
    decide_or_try(&app, &access, None, form).await
}

async fn submit(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
    Form(mut form): Form<PolicyForm>,
) -> web::Result {
    let view = look_up(&app, &access, policy).await?;
    form.applies_to = view.applies_to.as_str().to_owned();
    if view.applies_to == AppliesTo::Default {
        form.name.clone_from(&view.name);
    }
    decide_or_try(&app, &access, Some(view), form).await
}

async fn decide_or_try(
    app: &App,
    access: &Access,
    view: Option<PolicyView>,
    form: PolicyForm,
) -> web::Result {
    let mut errors = FieldErrors::default();
    let before = view.as_ref().map_or(Rules::RECOMMENDED, |view| view.rules.clone());
    let outcome = match form.read(&before, &mut errors) {
        None => Err(Tried { errors, ..Tried::default() }),
        // What is decided is what was tried: a form that was changed since is tried again.
        Some(rules) if form.confirmed != form.digest() || !form.after.is_empty() => {
            match try_it(app, access, view.as_ref(), &form, &rules).await {
                Ok(tried) => Ok(Err(tried.since(&form))),
                Err(problem) if mendable(&problem) => {
                    Err(Tried { errors: complaints(&problem), ..Tried::default() })
                }
                Err(problem) => return Err(problem),
            }
        }
        Some(rules) => match put(app, access, view.as_ref(), &form, &rules).await {
            Ok(words) => Ok(Ok(words)),
            Err(problem) if mendable(&problem) => {
                Err(Tried { errors: complaints(&problem), ..Tried::default() })
            }
            Err(problem) => return Err(problem),
        },
    };
    let back = format!("/o/{}/policies", access.organization()?.slug);
    match outcome {
        Ok(Ok(words)) => browser::see_other_with(&back, Tone::Good, words),
        Ok(Err(tried)) => web::html(&page(app, access, view, form, tried).await?),
        Err(wrong) => {
            let page = page(app, access, view, form, wrong).await?;
            web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

fn target_of(policy: Option<PolicyId>, form: &PolicyForm) -> Result<Target, Problem> {
    if let Some(policy) = policy {
        return Ok(Target::Existing(policy));
    }
    match AppliesTo::parse(&form.applies_to).unwrap_or(AppliesTo::Named) {
        AppliesTo::Directory => form.directory.parse().map(Target::Directory).map_err(|_| {
            let why = "choose the directory";
            Problem::invalid(why).field("/directory", why)
        }),
        applies_to => Ok(Target::New(applies_to)),
    }
}

async fn try_it(
    app: &App,
    access: &Access,
    view: Option<&PolicyView>,
    form: &PolicyForm,
    rules: &Rules,
) -> Result<Tried, Problem> {
    reachable(app, rules)?;
    let (id, ctx) = (access.organization_id()?, access.ctx.clone());
    let (form, rules, policy) = (form.clone(), rules.clone(), view.map(|view| view.id));
    app.db().read(move |tx| count(&ctx, tx, id, policy, &form, &rules)).await
}

fn count(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    policy: Option<PolicyId>,
    form: &PolicyForm,
    rules: &Rules,
) -> Result<Tried, Problem> {
    let target = target_of(policy, form)?;
    let content = form.content(tx, organization, target, rules)?;
    let place = views::place(ctx, tx, organization, target)?;
    let wrong = decide::check(place.applies_to, &content);
    if !wrong.is_empty() {
        return Err(done(decide::Decided::Refused(wrong)).err().unwrap_or_else(Problem::internal));
    }
    let wanted = Wanted { effect: None, after: form.after.clone(), limit: PEOPLE + 1 };
    let (run, mut people) = dry_run::dry_run(ctx, tx, organization, &place, &content, &wanted)?;
    let more = people.len() > PEOPLE;
    people.truncate(PEOPLE);
    let more = people.last().filter(|_| more).map(|last| last.email.clone()).unwrap_or_default();
    Ok(Tried { errors: FieldErrors::default(), run: Some(dry_run_box(&run, &[])), people, more })
}

/// Puts the form in force, or plans its stages; gives what to say.
async fn put(
    app: &App,
    access: &Access,
    view: Option<&PolicyView>,
    form: &PolicyForm,
    rules: &Rules,
) -> Result<&'static str, Problem> {
    reachable(app, rules)?;
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(access));
    let (typed, rules, seen) = (form.clone(), rules.clone(), form.version.trim().parse().ok());
    let target = target_of(view.map(|view| view.id), form)?;
    if let (Target::Existing(policy), "later") = (target, form.when.as_str()) {
        let written = app
            .db()
            .write(&access.ctx, move |tx| {
                let stages = typed.stages(tx, id)?;
                Ok::<_, Problem>(rollout::plan(&ctx, tx, id, &by, policy, seen, &rules, &stages)?)
            })
            .await?;
        return match written.value {
            Planned::Done(_) => Ok("The roll-out is planned. People are told by mail."),
            Planned::Refused(why) => Err(done(why).err().unwrap_or_else(Problem::internal)),
        };
    }
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let content = typed.content(tx, id, target, &rules)?;
            let seen = seen.filter(|_| matches!(target, Target::Existing(_)));
            Ok::<_, Problem>(decide::decide_policy(&ctx, tx, id, &by, target, seen, &content)?)
        })
        .await?;
    done(written.value)?;
    Ok("The policy is in force.")
}
