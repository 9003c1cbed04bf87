//! `/o/{organization}/policies`: the list, explanations, taking back. Deciding is in `pages/form.rs`.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::db::{DbError, ReadTx};
use platform::ids::OrganizationId;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{DryRun as DryRunBox, FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::api::views::{self, PolicyView};
use super::api::{deletion, member_of, name_of, policy_of};
use super::decide::{self, Decided, Target};
use super::dry_run::{self, DryRun, Effect, Touched, Wanted};
use super::explain::{self, Explanation};
use super::rollout;
use super::rules::SETTINGS;
use super::{AppliesTo, RolloutId};
use crate::directories::{self, Directory};

mod fields;
mod form;

pub(crate) const PATH: &str = "/o/{organization}/policies";
const READ: Openness = Openness::Organization(Permission::PoliciesRead);
const MANAGE: Openness = Openness::Organization(Permission::PoliciesManage);

pub(crate) fn routes() -> Routes {
    const DELETE: &str = "/o/{organization}/policies/{policy}/delete";
    const CANCEL: &str = "/o/{organization}/policy-rollouts/{rollout}/cancel";
    Routes::new()
        .add(routes::get(PATH, "policy.page", READ, list))
        .add(routes::get("/o/{organization}/policies/explain", "policy.explain_page", READ, explain_page))
        .merge(form::routes())
        .add(routes::get(DELETE, "policy.delete_page", MANAGE, delete_page))
        .add(routes::post(DELETE, "policy.delete_form", MANAGE, delete).recent().records("policy."))
        .add(
            routes::post("/o/{organization}/policies/{policy}/undo", "policy.undo_page", MANAGE, undo)
                .recent()
                .records("policy."),
        )
        .add(routes::get(CANCEL, "policy.rollout_cancel_page", MANAGE, cancel_page).recent())
        .add(
            routes::post(CANCEL, "policy.rollout_cancel_form", MANAGE, cancel)
                .recent()
                .records("policy.rollout_"),
        )
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, PATH)
}

/// `default`, `outside`, or the id: how pages name a policy in addresses.
fn part(view: &PolicyView) -> String {
    match view.applies_to {
        AppliesTo::Default => "default".to_owned(),
        _ => view.id.to_string(),
    }
}

/// Whom a policy is for, in words.
fn for_whom(view: &PolicyView) -> String {
    let count = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    match view.applies_to {
        AppliesTo::Default => "everybody else".to_owned(),
        AppliesTo::Outside => "everybody with an address outside your domains".to_owned(),
        AppliesTo::Directory => match view.directory.as_ref().and_then(|one| one.name.as_ref()) {
            Some(name) => format!("the people of the directory {name} whom no other policy names"),
            None => "nobody: its directory is gone, and its people are under the default".to_owned(),
        },
        AppliesTo::Named => {
            let groups: Vec<&str> = view.groups.iter().map(|group| group.name.as_str()).take(3).collect();
            let groups = (!groups.is_empty()).then(|| groups.join(", "));
            let more = count(view.groups.len().saturating_sub(3), "more group", "more groups");
            let people = count(view.accounts.len(), "person", "people");
            let parts: Vec<String> = [groups, more, people].into_iter().flatten().collect();
            if parts.is_empty() { "nobody yet".to_owned() } else { parts.join(", ") }
        }
    }
}

struct Line {
    href: String,
    name: String,
    for_whom: String,
    proof: String,
    session: String,
    networks: &'static str,
    decided: Option<(String, Timestamp)>,
    rolling_out: bool,
}

fn line(view: &PolicyView, slug: &str) -> Line {
    let value = |name: &str| {
        SETTINGS.iter().find(|one| one.name == name).map(|one| one.value(&view.rules)).unwrap_or_default()
    };
    Line {
        href: format!("/o/{slug}/policies/{}", part(view)),
        name: view.name.clone(),
        for_whom: for_whom(view),
        proof: value("factor"),
        session: value("session_absolute_hours"),
        networks: if view.rules.networks.is_some() { "listed ones" } else { "any" },
        decided: view.decided_by.clone().zip(view.decided_at),
        rolling_out: view.rollout.is_some(),
    }
}

struct RolloutLine {
    policy: String,
    state: &'static str,
    /// `25 % on 3 Mar 2026`, one for each stage.
    stages: Vec<(String, bool)>,
    cancel: String,
    planned_by: String,
    planned_at: Timestamp,
}

#[derive(Template)]
#[template(path = "policies/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    policies: Vec<Line>,
    rollouts: Vec<RolloutLine>,
    undecided: bool,
    has_outside: bool,
    /// There is a directory without a policy of its own.
    has_free_directory: bool,
    may_manage: bool,
    breached: String,
}

async fn list(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let slug = access.organization()?.slug.clone();
    let read = app.db().read(move |tx| {
        let (views, rollouts) = (views::all(tx, id)?, rollout::list(tx, id, None, 10)?);
        let free = free_directories(tx, id, &views)?;
        Ok::<_, DbError>((views, rollouts, free))
    });
    let (views, rollouts, free) = read.await?;
    let rollouts = rollouts
        .into_iter()
        .map(|one| RolloutLine {
            policy: views
                .iter()
                .find(|view| view.id == one.policy)
                .map_or_else(|| "a policy that is gone".to_owned(), |view| view.name.clone()),
            state: one.state.as_str(),
            stages: stages_words(&one),
            cancel: if one.state == rollout::RolloutState::Running {
                format!("/o/{slug}/policy-rollouts/{}/cancel", one.id)
            } else {
                String::new()
            },
            planned_by: one.planned_by.clone(),
            planned_at: one.planned_at,
        })
        .collect();
    web::html(&ListPage {
        shell: shell(&app, &access, "Sign-in policies"),
        policies: views.iter().map(|view| line(view, &slug)).collect(),
        rollouts,
        undecided: views.iter().any(|view| view.version == 0),
        has_outside: views.iter().any(|view| view.applies_to == AppliesTo::Outside),
        has_free_directory: !free.is_empty(),
        may_manage: access.may(Permission::PoliciesManage),
        breached: crate::passwords::breached::words(&app),
        slug,
    })
}

/// Directories without a policy of their own, by name.
fn free_directories(
    tx: &mut ReadTx,
    organization: OrganizationId,
    views: &[PolicyView],
) -> Result<Vec<Directory>, DbError> {
    let mut all = directories::list(tx, organization)?;
    all.retain(|one| !views.iter().any(|view| view.directory.as_ref().is_some_and(|of| of.id == one.id)));
    Ok(all)
}

fn stages_words(one: &rollout::Rollout) -> Vec<(String, bool)> {
    let words = |stage: &rollout::Stage| {
        let whom = match (stage.percent, stage.groups.len()) {
            (100, _) => "everybody".to_owned(),
            (percent, 0) => format!("{percent} %"),
            (0, 1) => "a group".to_owned(),
            (0, groups) => format!("{groups} groups"),
            (percent, groups) => {
                format!("{percent} % and {groups} group{}", if groups == 1 { "" } else { "s" })
            }
        };
        format!("{whom} on {}", stage.at.minute_words())
    };
    one.stages.iter().enumerate().map(|(at, stage)| (words(stage), at < one.reached)).collect()
}

#[derive(Deserialize)]
struct Who {
    #[serde(default)]
    account: String,
}

#[derive(Template)]
#[template(path = "policies/explain.html")]
struct ExplainPage {
    shell: Shell,
    slug: String,
    asked: String,
    found: Option<Explanation>,
    errors: FieldErrors,
}

async fn explain_page(State(app): State<App>, access: Access, Query(who): Query<Who>) -> web::Result {
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let asked = who.account.trim().to_owned();
    let wanted = asked.clone();
    let found = app
        .db()
        .read(move |tx| match member_of(tx, id, &wanted)? {
            Some(account) => explain::explain(tx, id, account, now),
            None => Ok::<_, DbError>(None),
        })
        .await?;
    let missing = found.is_none() && !asked.is_empty();
    let errors = if missing {
        FieldErrors::default().with("account", "nobody of this organization has this address")
    } else {
        FieldErrors::default()
    };
    let asked = found.as_ref().map_or(asked, |found| found.email.clone());
    let page = ExplainPage {
        shell: shell(&app, &access, "Why is this asked?"),
        slug: access.organization()?.slug.clone(),
        asked,
        found,
        errors,
    };
    let status = if missing { axum::http::StatusCode::NOT_FOUND } else { axum::http::StatusCode::OK };
    web::html_with(status, &page)
}

/// People of a dry run named in its box.
const SAMPLE: usize = 8;

/// The numbers of a dry run as pages show them.
fn dry_run_box(run: &DryRun, people: &[Touched]) -> DryRunBox {
    let gravest = Effect::ALL.into_iter().find(|effect| run.count(*effect) > 0);
    let mut sample: Vec<String> = Effect::ALL
        .into_iter()
        .filter(|effect| run.count(*effect) > 0 && Some(*effect) != gravest)
        .map(|effect| format!("{} of {} people {}", run.count(effect), run.members, effect.words()))
        .collect();
    if !run.tokens_ending.is_empty() {
        sample.push(format!("API tokens that end: {}", run.tokens_ending.join(", ")));
    }
    sample.extend(run.weaknesses.iter().map(|weakness| format!("weaker than recommended: {weakness}")));
    sample.extend(people.iter().take(SAMPLE).map(|one| {
        let why =
            if one.because.is_empty() { String::new() } else { format!(": {}", one.because.join("; ")) };
        format!("{}{why}", one.email)
    }));
    let grave = [Effect::LockedOut, Effect::SomeNetworksRefused];
    DryRunBox {
        tone: match gravest {
            Some(effect) if grave.contains(&effect) => Tone::Bad,
            Some(_) => Tone::Warn,
            None if !run.weaknesses.is_empty() || !run.tokens_ending.is_empty() => Tone::Warn,
            None => Tone::Info,
        },
        summary: format!("Nothing was changed yet. {}.", capital(&run.summary)),
        sample,
        all_href: String::new(),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Leads back to the list with what came of a change.
fn led_back(back: &str, decided: Decided, good: &str) -> web::Result {
    let words = match decided {
        Decided::Done(_) => return browser::see_other_with(back, Tone::Good, good),
        Decided::ChangedMeanwhile => "Somebody decided meanwhile. Look at it and decide again.".to_owned(),
        Decided::NothingToUndo => "There is nothing to undo.".to_owned(),
        Decided::RolloutRunning => "A roll-out of this policy is under way: cancel it first.".to_owned(),
        Decided::OwnersOnly => {
            "This policy names an owner, or a directory with one, and only owners decide about owners."
                .to_owned()
        }
        Decided::LocksYouOut(why) => format!("This would lock you out: {why}."),
        Decided::NoSuchPolicy => return Err(Problem::not_found("policy")),
        Decided::NoSuchDirectory => return Err(Problem::not_found("directory")),
        Decided::Refused(wrong) => wrong.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "),
    };
    browser::see_other_with(back, Tone::Warn, &words)
}

async fn undo(
    State(app): State<App>,
    access: Access,
    Path((slug, policy)): Path<(String, String)>,
) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            Ok::<_, Problem>(decide::undo(&ctx, tx, id, &by, policy)?)
        })
        .await?;
    led_back(&format!("/o/{slug}/policies"), written.value, "The version before is in force again.")
}

#[derive(Template)]
#[template(path = "policies/cancel.html")]
struct CancelPage {
    shell: Shell,
    slug: String,
    policy: String,
    run: DryRunBox,
}

async fn cancel_page(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, RolloutId)>,
) -> web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| {
        let Some(found) = rollout::find(tx, organization, id)? else { return Ok(None) };
        let policy = views::one(tx, organization, found.policy)?;
        Ok::<_, DbError>(Some((found, policy.map(|view| view.name).unwrap_or_default())))
    });
    let (found, policy) = found.await?.ok_or_else(|| Problem::not_found("roll-out"))?;
    if found.state != rollout::RolloutState::Running {
        let back = format!("/o/{slug}/policies");
        return browser::see_other_with(&back, Tone::Warn, "This roll-out is over already.");
    }
    let summary = match found.reached {
        0 => "No stage has begun: nobody is under the new rules yet, and nobody comes under them.".to_owned(),
        begun => format!(
            "{begun} of {} stages have begun: whoever is under the new rules is under the old ones again, at once.",
            found.stages.len()
        ),
    };
    let sample = stages_words(&found)
        .into_iter()
        .map(|(words, begun)| if begun { format!("{words} (begun)") } else { words })
        .collect();
    web::html(&CancelPage {
        shell: shell(&app, &access, "Cancel the roll-out"),
        run: DryRunBox { tone: Tone::Warn, summary, sample, all_href: String::new() },
        policy,
        slug,
    })
}

async fn cancel(
    State(app): State<App>,
    access: Access,
    Path((slug, rollout)): Path<(String, RolloutId)>,
) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let written = app.db().write(&access.ctx, move |tx| rollout::cancel(&ctx, tx, id, &by, rollout)).await?;
    let back = format!("/o/{slug}/policies");
    if written.value {
        return browser::see_other_with(
            &back,
            Tone::Good,
            "The roll-out is stopped. Everybody is under the policy as it was.",
        );
    }
    browser::see_other_with(&back, Tone::Warn, "This roll-out is over already.")
}

#[derive(Template)]
#[template(path = "policies/delete.html")]
struct DeletePage {
    shell: Shell,
    slug: String,
    name: String,
    href: String,
    run: DryRunBox,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct DeleteForm {
    #[serde(default)]
    confirm: String,
}

async fn show_deletion(app: &App, access: &Access, policy: String, errors: FieldErrors) -> web::Result {
    let (id, ctx) = (access.organization_id()?, access.ctx.clone());
    let slug = access.organization()?.slug.clone();
    let href = format!("/o/{slug}/policies/{policy}");
    let (name, run) = app
        .db()
        .read(move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            let content = deletion(tx, id, policy)?;
            let place = decide::find(tx, id, policy)?.ok_or_else(|| Problem::not_found("policy"))?;
            let wanted = Wanted { limit: SAMPLE, ..Wanted::default() };
            let (run, people) = dry_run::dry_run(&ctx, tx, id, &place, &content, &wanted)?;
            Ok::<_, Problem>((content.name, dry_run_box(&run, &people)))
        })
        .await?;
    let status = if errors.is_empty() {
        axum::http::StatusCode::OK
    } else {
        axum::http::StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = DeletePage { shell: shell(app, access, "Delete a policy"), slug, name, href, run, errors };
    web::html_with(status, &page)
}

async fn delete_page(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
) -> web::Result {
    show_deletion(&app, &access, policy, FieldErrors::default()).await
}

async fn delete(
    State(app): State<App>,
    access: Access,
    Path((slug, policy)): Path<(String, String)>,
    Form(form): Form<DeleteForm>,
) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let (wanted, typed) = (policy.clone(), form.confirm.trim().to_owned());
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let policy = policy_of(tx, id, &wanted)?;
            let content = deletion(tx, id, policy)?;
            if content.name != typed {
                return Ok(platform::db::Commit::unchanged(None));
            }
            let target = Target::Existing(policy);
            let done = decide::decide_policy(&ctx, tx, id, &by, target, None, &content)?;
            Ok::<_, Problem>(done.map(Some))
        })
        .await?;
    match written.value {
        Some(decided) => led_back(&format!("/o/{slug}/policies"), decided, "The policy is deleted."),
        None => {
            let errors = FieldErrors::default().with("confirm", "this is not the policy's name");
            show_deletion(&app, &access, policy, errors).await
        }
    }
}
