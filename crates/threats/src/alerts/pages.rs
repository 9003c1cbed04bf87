//! `/provider/alerts`: the alerts and the detectors; one alert with its figures, its play and what happened to it.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::events::StoredEvent;
use platform::time::{MINUTE, Timestamp};
use platform::web::chart::{Html, Lines, Series};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, NavItem, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, ListQuery, Named, Whole};
use super::{AlertId, Outcome, Severity, Standing, State, Verdict};
use crate::detectors::{self, Health, threshold};
use crate::guessing;
use crate::plays::{self, Line as PlayLine};

pub(crate) const LIST: &str = "/provider/alerts";

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/provider/alerts/{alert}";
    const ACKNOWLEDGE: &str = "/provider/alerts/{alert}/acknowledge";
    const RESOLVE: &str = "/provider/alerts/{alert}/resolve";
    const ASSIGNEE: &str = "/provider/alerts/{alert}/assignee";
    const RECORDS: &str = "alert.";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(routes::get(LIST, "alert.list_page", read, list))
        .add(routes::get(ONE, "alert.show_page", read, show))
        .add(routes::post(ACKNOWLEDGE, "alert.acknowledge_form", manage, acknowledge).records(RECORDS))
        .add(routes::post(RESOLVE, "alert.resolve_form", manage, resolve).records(RECORDS))
        .add(routes::post(ASSIGNEE, "alert.assign_form", manage, assign).records(RECORDS))
}

pub(crate) fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Provider, title, LIST)
}

/// Whether a refusal belongs back into the form, and what it says there.
pub(crate) fn complaints(problem: Problem) -> Result<FieldErrors, Problem> {
    if !matches!(problem.status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT) {
        return Err(problem);
    }
    let mut errors = FieldErrors::default();
    for error in &problem.errors {
        errors.add(&error.pointer, error.detail.clone());
    }
    if errors.is_empty() {
        errors.add("", problem.detail.clone());
    }
    Ok(errors)
}

fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Bad,
        Severity::High => Tone::Warn,
        Severity::Medium | Severity::Low => Tone::Info,
    }
}

pub(crate) fn state_tone(state: State) -> Tone {
    match state {
        State::Open => Tone::Warn,
        State::Acknowledged => Tone::Info,
        State::Resolved => Tone::Good,
    }
}

pub(crate) fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Entered => Tone::Bad,
        Outcome::Known => Tone::Warn,
        Outcome::Failed => Tone::Info,
    }
}

struct Line {
    named: Named,
    about: &'static str,
    severity: Tone,
    state: Tone,
}

impl Line {
    fn new(mut named: Named) -> Self {
        if named.subject.is_empty() {
            "Forgotten".clone_into(&mut named.subject);
        }
        Self {
            about: detectors::title(&named.alert.kind),
            severity: severity_tone(named.alert.severity),
            state: state_tone(named.alert.state),
            named,
        }
    }
}

struct DetectorLine {
    name: &'static str,
    about: &'static str,
    threshold: String,
    words: String,
    state: (&'static str, Tone),
    stopped: bool,
}

impl DetectorLine {
    fn new(health: &Health, now: Timestamp) -> Self {
        Self {
            name: health.rule.name,
            about: detectors::title(health.rule.name),
            threshold: threshold(health.rule),
            words: health.words(now),
            stopped: health.stopped.is_some(),
            state: match (&health.stopped, health.is_alive(now)) {
                (Some(_), _) => ("Stopped", Tone::Bad),
                (None, true) => ("Alive", Tone::Good),
                (None, false) => ("Silent", Tone::Bad),
            },
        }
    }
}

#[derive(Template)]
#[template(path = "alerts/list.html")]
struct ListPage {
    shell: Shell,
    standing: Standing,
    alive: String,
    tabs: Vec<NavItem>,
    state: String,
    q: String,
    severities: Vec<Choice>,
    kinds: Vec<Choice>,
    filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
    detectors: Vec<DetectorLine>,
    may_manage: bool,
}

pub(crate) fn pager<T>(page: &Page<T>, base: &str) -> Pager {
    let shown = page.items.len();
    Pager {
        shown: if shown == 1 { "1 shown".to_owned() } else { format!("{shown} shown") },
        previous: None,
        next: page.next_cursor.as_deref().map(|cursor| format!("{base}&cursor={cursor}")),
    }
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<ListQuery>,
) -> platform::web::Result {
    let (wanted, now) = (asked.wanted(&query, "live")?, access.ctx.now);
    let page = api::page(&app, wanted.clone(), &query).await?;
    let (standing, healths) =
        app.db().read(|tx| Ok::<_, Problem>((super::standing(tx)?, detectors::all(tx)?))).await?;
    let q = query.q.clone().unwrap_or_default();
    let base = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &wanted.state)
        .append_pair("severity", &wanted.severity)
        .append_pair("kind", &wanted.kind)
        .append_pair("q", &q)
        .finish();
    let mut severities = vec![Choice::new("", "Every severity", &wanted.severity)];
    severities.extend(
        Severity::ALL.iter().rev().map(|one| Choice::new(one.as_str(), one.label(), &wanted.severity)),
    );
    let mut kinds = vec![Choice::new("", "Every kind", &wanted.kind)];
    kinds.extend(guessing::RULES.map(|rule| Choice::new(rule.name, rule.name, &wanted.kind)));
    let tabs = [("live", "To work on"), ("resolved", "Resolved"), ("", "All")];
    let alive = healths.iter().filter(|one| one.is_alive(now)).count();
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Alerts"),
        standing,
        alive: format!("{alive} of {}", healths.len()),
        tabs: tabs
            .map(|(state, label)| {
                NavItem::new(label, format!("{LIST}?state={state}")).current(state == wanted.state)
            })
            .to_vec(),
        filtered: !q.is_empty() || !wanted.severity.is_empty() || !wanted.kind.is_empty(),
        q,
        severities,
        kinds,
        pager: pager(&page, &format!("{LIST}?{base}")),
        lines: page.items.into_iter().map(Line::new).collect(),
        detectors: healths.iter().map(|one| DetectorLine::new(one, now)).collect(),
        may_manage: access.may(Permission::ProviderManage),
        state: wanted.state,
    })
}

/// What happened, in words.
fn happened(event: &StoredEvent) -> String {
    let said = |name: &str| event.public.get(name).map(String::as_str).unwrap_or_default();
    match event.action.as_str() {
        "alert.raised" => {
            format!("Raised as {}: {} tried, {} got into", said("severity"), said("tried"), said("entered"))
        }
        "alert.severity_raised" => {
            format!(
                "Got worse, from {} to {}: {} got into",
                said("before"),
                said("severity"),
                said("entered")
            )
        }
        "alert.reopened" => format!("Went on, so it is open again, as {}", said("severity")),
        "alert.acknowledged" => "Somebody looks at it".to_owned(),
        "alert.assigned" => match event.public.contains_key("account") {
            true => "Assigned".to_owned(),
            false => "Assigned to nobody".to_owned(),
        },
        "alert.resolved" => {
            let verdict = Verdict::parse(said("verdict")).map(Verdict::label).unwrap_or_default();
            format!("Resolved: {}", verdict.to_lowercase())
        }
        "alert.step_taken" => {
            let step = plays::Step::parse(said("step")).map(plays::Step::label).unwrap_or_default();
            format!("{step}: {}", said("count"))
        }
        other => other.to_owned(),
    }
}

struct Happened {
    words: String,
    at: Timestamp,
    by: String,
}

impl Happened {
    fn new(one: api::Happened) -> Self {
        Self { words: happened(&one.event), at: one.event.at, by: one.by }
    }
}

enum Step {
    Program { step: plays::Step, run: DryRun, offered: bool },
    Written { title: &'static str, text: &'static str },
}

/// Names that a dry run lists on the page.
const SAMPLE: usize = 20;

impl Step {
    fn new(line: PlayLine) -> Self {
        match line {
            PlayLine::Written { title, text } => Self::Written { title, text },
            PlayLine::Program { step, would } => {
                let summary = match would.len() {
                    0 => "It would change nothing now".to_owned(),
                    1 => "It would concern one".to_owned(),
                    many => format!("It would concern {many}"),
                };
                let offered = !would.is_empty();
                let tone = if offered { Tone::Warn } else { Tone::Info };
                let more = would.len().saturating_sub(SAMPLE);
                let mut sample: Vec<String> = would.into_iter().take(SAMPLE).collect();
                if more > 0 {
                    sample.push(format!("and {more} more"));
                }
                Self::Program {
                    step,
                    run: DryRun { tone, summary, sample, all_href: String::new() },
                    offered,
                }
            }
        }
    }
}

#[derive(Template)]
#[template(path = "alerts/show.html")]
struct ShowPage {
    shell: Shell,
    line: Line,
    other_title: &'static str,
    sightings: Vec<(super::Seen, Tone)>,
    more: u64,
    chart: Option<Html>,
    steps: Vec<Step>,
    happened: Vec<Happened>,
    errors: FieldErrors,
    verdicts: Vec<Choice>,
    staff: Vec<Choice>,
    note: String,
    may_manage: bool,
}

/// Tries over time, the gaps filled with nothing.
fn chart(slots: &[(Timestamp, u64)]) -> Option<Html> {
    const POINTS_MAX: usize = 288;
    let ((first, _), (last, _)) = (slots.first()?, slots.last()?);
    let mut at = (*last).minus(MINUTE * 5 * 287).max(*first);
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    while at <= *last && values.len() < POINTS_MAX {
        let tries = slots.iter().find(|(slot, _)| *slot == at).map_or(0, |(_, tries)| *tries);
        labels.push(at.minute_words());
        values.push(f64::from(u32::try_from(tries).unwrap_or(u32::MAX)));
        at = at.plus(MINUTE * 5);
    }
    if values.len() < 2 {
        return None;
    }
    let series = vec![Series { label: "Tries".to_owned(), values, class: "c1" }];
    Some(Lines { title: "Tries in each five minutes".to_owned(), labels, series }.figure())
}

/// What was written and refused, to be mended.
#[derive(Default)]
struct Draft {
    verdict: String,
    note: String,
    errors: FieldErrors,
}

async fn one(app: &App, access: &Access, id: AlertId, draft: Draft) -> platform::web::Result {
    let Whole { named, sightings, slots, history } = api::look(app, id).await?;
    let steps = plays::api::lines(app, access, id).await?;
    let staff = api::staff(app).await?;
    let assigned = staff.iter().find(|one| Some(one.account) == named.alert.assigned_to);
    let assigned = assigned.map(|one| one.email.clone()).unwrap_or_default();
    let mut whose = vec![Choice::new("", "Nobody", &assigned)];
    whose.extend(staff.iter().map(|one| Choice::new(&one.email, &one.name, &assigned)));
    let kind = detectors::find(&named.alert.kind);
    let verdict = if draft.verdict.is_empty() { "true_positive" } else { draft.verdict.as_str() };
    let status = if draft.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    const SHOWN: usize = 100;
    let more = sightings.len().saturating_sub(SHOWN);
    let page = ShowPage {
        shell: shell(app, access, "Alert"),
        other_title: match kind.map(|rule| rule.end) {
            Some(guessing::End::Account) => "Network",
            _ => "Account",
        },
        more: u64::try_from(more).unwrap_or(u64::MAX),
        sightings: sightings
            .into_iter()
            .take(SHOWN)
            .map(|seen| {
                let tone = outcome_tone(seen.outcome);
                (seen, tone)
            })
            .collect(),
        chart: chart(&slots),
        steps: steps.into_iter().map(Step::new).collect(),
        happened: history.into_iter().map(Happened::new).collect(),
        verdicts: Verdict::ALL.iter().map(|one| Choice::new(one.as_str(), one.label(), verdict)).collect(),
        staff: whose,
        note: draft.note,
        errors: draft.errors,
        may_manage: access.may(Permission::ProviderManage),
        line: Line::new(named),
    };
    platform::web::html_with(status, &page)
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
) -> platform::web::Result {
    one(&app, &access, id, Draft::default()).await
}

/// Back to the alert with what was done, or with what has to be mended.
pub(crate) async fn back<T>(
    app: &App,
    access: &Access,
    id: AlertId,
    (done, words): (Result<T, Problem>, &str),
) -> platform::web::Result {
    back_with(app, access, id, (done, words), Draft::default()).await
}

async fn back_with<T>(
    app: &App,
    access: &Access,
    id: AlertId,
    (done, words): (Result<T, Problem>, &str),
    draft: Draft,
) -> platform::web::Result {
    match done {
        Ok(_) => browser::see_other_with(&format!("{LIST}/{id}"), Tone::Good, words),
        Err(problem) => one(app, access, id, Draft { errors: complaints(problem)?, ..draft }).await,
    }
}

async fn acknowledge(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
) -> platform::web::Result {
    let done = api::take_note(&app, &access, id).await;
    back(&app, &access, id, (done, "Noted: you look at it.")).await
}

#[derive(Deserialize)]
struct ResolveForm {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    note: String,
}

async fn resolve(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
    Form(form): Form<ResolveForm>,
) -> platform::web::Result {
    let done = match Verdict::parse(&form.verdict) {
        Some(verdict) => api::judge(&app, &access, id, (verdict, &form.note)).await,
        None => Err(Problem::invalid("say what it was").field("verdict", "say what it was")),
    };
    let draft = Draft { verdict: form.verdict, note: form.note, errors: FieldErrors::default() };
    back_with(&app, &access, id, (done, "Resolved."), draft).await
}

#[derive(Deserialize)]
struct AssignForm {
    #[serde(default)]
    email: String,
}

async fn assign(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
    Form(form): Form<AssignForm>,
) -> platform::web::Result {
    let done = api::give_to(&app, &access, id, Some(&form.email)).await;
    back(&app, &access, id, (done, "Assigned.")).await
}
