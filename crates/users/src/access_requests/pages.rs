//! Pages of access requests: what a member may ask for and decides, one request, and the list for those who read people.

use askama::Template;
use axum::body::Body;
use axum::extract::State as AppState;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::{DAY, Timestamp};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, NavItem, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, Choosable, DecisionBody, NewRequestBody, StateQuery};
use super::{Decision, Request, RequestId, State};
use crate::access_offers::{Offer, OfferId};
use crate::access_reviews::{self, Review};
use crate::organizations::pages::{complaints, mendable};
use crate::people::export::cell;
use crate::people::pages::pager;

pub(crate) const OWN: &str = "/o/{organization}/access";
pub(crate) const LIST: &str = "/o/{organization}/access-requests";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const ASK: &str = "/o/{organization}/access/ask/{offer}";
    const ONE: &str = "/o/{organization}/access/requests/{request}";
    const DECIDE: &str = "/o/{organization}/access/requests/{request}/decision";
    const WITHDRAW: &str = "/o/{organization}/access/requests/{request}/withdraw";
    const END: &str = "/o/{organization}/access/requests/{request}/end";
    const RECORDS: &str = "access_request.";
    let member = Openness::Member;
    Routes::new()
        .add(routes::get(OWN, "access_request.own_page", member, own))
        .add(routes::get(ASK, "access_request.create_page", member, ask_page))
        .add(routes::post(ASK, "access_request.create_form", member, ask).records(RECORDS))
        .add(routes::get(ONE, "access_request.show_page", member, show))
        .add(routes::post(DECIDE, "access_request.decide_form", member, decide).records(RECORDS))
        .add(routes::post(WITHDRAW, "access_request.withdraw_form", member, withdraw).records(RECORDS))
        .add(routes::get(END, "access_request.end_page", MANAGE, end_page))
        .add(routes::post(END, "access_request.end_form", MANAGE, end).records(RECORDS))
        .add(routes::get(LIST, "access_request.list_page", READ, list))
        .add(
            routes::get("/o/{organization}/access-requests.csv", "access_request.export_page", READ, export)
                .limit(Limit::Heavy),
        )
}

/// The tabs of those who look after access.
pub(crate) fn tabs(slug: &str, current: &str) -> Vec<NavItem> {
    [
        ("Requests", "access-requests"),
        ("What can be asked for", "access-offers"),
        ("Approved domains", "approved-domains"),
    ]
    .into_iter()
    .map(|(label, path)| NavItem::new(label, format!("/o/{slug}/{path}")).current(path == current))
    .collect()
}

pub(crate) struct Line {
    pub href: String,
    pub what: String,
    pub who: String,
    pub email: String,
    pub state: &'static str,
    pub tone: Tone,
    pub asked_at: Timestamp,
    /// The next date that matters: of the decision, or of the end.
    pub until: Option<Timestamp>,
}

impl Line {
    pub(crate) fn new(request: Request, slug: &str, now: Timestamp) -> Self {
        let late = request.state == State::Waiting && request.due_at <= now;
        let (state, tone) = match request.state {
            State::Waiting if late => ("Past its target", Tone::Bad),
            State::Waiting if request.approved > 0 => ("Needs a second approval", Tone::Info),
            State::Waiting => ("Waits", Tone::Info),
            State::Granted => ("Granted", Tone::Good),
            State::Refused => ("Refused", Tone::Warn),
            State::Withdrawn => ("Taken back", Tone::Warn),
            State::Lapsed => ("Not decided", Tone::Warn),
            State::Ended => ("Ended", Tone::Info),
        };
        Self {
            href: format!("/o/{slug}/access/requests/{}", request.id),
            who: if request.name.is_empty() { request.email.clone() } else { request.name },
            email: request.email,
            what: request.target_name,
            state,
            tone,
            asked_at: request.asked_at,
            until: match request.state {
                State::Waiting => Some(request.due_at),
                State::Granted => request.expires_at,
                _ => None,
            },
        }
    }
}

#[derive(Template)]
#[template(path = "access_requests/own.html")]
struct OwnPage {
    shell: Shell,
    slug: String,
    to_decide: Vec<Line>,
    offers: Vec<Choosable>,
    asked: Vec<Line>,
    /// Open reviews with how many grants wait in each.
    reviews: Vec<(Review, u64)>,
    may_manage: bool,
}

async fn own(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let (asked, to_decide) = api::own(&app, &access).await?;
    let offers = api::choosable(&app, &access).await?;
    let (organization, account) = (access.organization_id()?, access.account()?);
    let reviews = app.db().read(move |tx| access_reviews::waiting_for(tx, organization, account)).await?;
    let (slug, now) = (access.organization()?.slug.clone(), access.ctx.now);
    let lines = |list: Vec<Request>| list.into_iter().map(|one| Line::new(one, &slug, now)).collect();
    platform::web::html(&OwnPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Access", OWN),
        to_decide: lines(to_decide),
        asked: lines(asked),
        offers,
        reviews,
        may_manage: access.may(Permission::PeopleManage),
        slug,
    })
}

#[derive(Template)]
#[template(path = "access_requests/ask.html")]
struct AskPage {
    shell: Shell,
    slug: String,
    offer: Offer,
    errors: FieldErrors,
    reason: String,
    days: String,
    who: String,
}

#[derive(Default, Deserialize)]
struct AskForm {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    days: String,
}

async fn offer_of(app: &App, access: &Access, id: OfferId) -> Result<Offer, Problem> {
    let found = api::choosable(app, access).await?.into_iter().find(|one| one.offer.id == id);
    found.map(|one| one.offer).ok_or_else(|| Problem::not_found("offer"))
}

async fn form(
    app: &App,
    access: &Access,
    id: OfferId,
    form: AskForm,
    refused: Option<&Problem>,
) -> platform::web::Result {
    let offer = offer_of(app, access, id).await?;
    let who = match (&offer.approvers_name, offer.approvals) {
        (Some(group), 1) => format!("the group {group}, or somebody who manages people, decides"),
        (None, 1) => "somebody who manages people decides".to_owned(),
        (Some(group), _) => format!("two people of the group {group}, or who manage people, must agree"),
        (None, _) => "two people who manage people must agree".to_owned(),
    };
    let page = AskPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Ask for access", OWN),
        slug: access.organization()?.slug.clone(),
        errors: refused.map(complaints).unwrap_or_default(),
        days: if form.days.is_empty() { offer.days_max.min(30).to_string() } else { form.days },
        reason: form.reason,
        offer,
        who,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn ask_page(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
) -> platform::web::Result {
    form(&app, &access, id, AskForm::default(), None).await
}

async fn ask(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, OfferId)>,
    Form(asked): Form<AskForm>,
) -> platform::web::Result {
    let days = asked.days.trim().parse().unwrap_or(0);
    let body = NewRequestBody { offer: id, reason: asked.reason.clone(), days, email: None };
    match api::make(&app, &access, &body).await {
        Ok(made) => {
            let to = format!("/o/{slug}/access/requests/{}", made.id);
            browser::see_other_with(&to, Tone::Good, "Asked. Those who decide have a mail.")
        }
        Err(problem) if mendable(&problem) => form(&app, &access, id, asked, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "access_requests/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    back: (&'static str, String),
    line: Line,
    request: Request,
    decisions: Vec<Decision>,
    decides: bool,
    own: bool,
    may_end: bool,
    approvers_missing: u64,
    run: DryRun,
    errors: FieldErrors,
    words: String,
}

/// What approving would do.
fn effect(request: &Request, line: &Line, now: Timestamp) -> DryRun {
    let missing = request.approvals.saturating_sub(request.approved);
    let until = match request.days {
        0 => "without end".to_owned(),
        days => format!("until {}", now.plus(DAY * days).day_words()),
    };
    let summary = if missing > 1 {
        "Your approval is the first of two: nothing changes until a second person agrees.".to_owned()
    } else {
        format!("If you approve, {} gets this at once, {until}.", line.who)
    };
    DryRun { tone: Tone::Info, summary, sample: vec![request.target_name.clone()], all_href: String::new() }
}

async fn one(
    app: &App,
    access: &Access,
    id: RequestId,
    words: String,
    refused: Option<&Problem>,
) -> platform::web::Result {
    let seen = api::look(app, access, id).await?;
    let (slug, now) = (access.organization()?.slug.clone(), access.ctx.now);
    let line = Line::new(seen.request.clone(), &slug, now);
    let reads = access.may(Permission::PeopleRead);
    let (current, back) = if reads && !seen.own {
        (LIST, ("Access requests", format!("/o/{slug}/access-requests")))
    } else {
        (OWN, ("Access", format!("/o/{slug}/access")))
    };
    let page = ShowPage {
        shell: navigation::shell(app, access, NavConsole::Organization, &seen.request.target_name, current),
        back,
        run: effect(&seen.request, &line, now),
        line,
        decides: seen.decides,
        own: seen.own,
        may_end: seen.request.state == State::Granted && access.may(Permission::PeopleManage),
        approvers_missing: seen.approvers_missing,
        decisions: seen.decisions,
        request: seen.request,
        errors: refused.map(complaints).unwrap_or_default(),
        words,
        slug,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, RequestId)>,
) -> platform::web::Result {
    one(&app, &access, id, String::new(), None).await
}

#[derive(Deserialize)]
struct DecisionForm {
    #[serde(default)]
    decision: String,
    #[serde(default)]
    words: String,
}

async fn decide(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, RequestId)>,
    Form(form): Form<DecisionForm>,
) -> platform::web::Result {
    let approve = match form.decision.as_str() {
        "approve" => true,
        "refuse" => false,
        other => return Err(Problem::invalid(format!("`{other}` is no decision"))),
    };
    let body = DecisionBody { approve, words: form.words.clone(), email: None };
    match api::say(&app, &access, id, &body).await {
        Ok(request) => {
            let words = match request.state {
                State::Granted => "Granted: it works from now on.",
                State::Refused => "Refused. Whoever asked has a mail.",
                _ => "Approved. A second person has to agree.",
            };
            browser::see_other_with(&format!("/o/{slug}/access/requests/{id}"), Tone::Good, words)
        }
        Err(problem) if mendable(&problem) => one(&app, &access, id, form.words, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

async fn withdraw(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, RequestId)>,
) -> platform::web::Result {
    let to = format!("/o/{slug}/access");
    match api::take_back(&app, &access, id, None).await {
        Ok(request) if request.state == State::Withdrawn => {
            browser::see_other_with(&to, Tone::Good, "Taken back.")
        }
        Ok(_) => browser::see_other_with(&to, Tone::Good, "Given back: you do not have it any more."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "access_requests/end.html")]
struct EndPage {
    shell: Shell,
    slug: String,
    id: RequestId,
    run: DryRun,
}

async fn end_page(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, RequestId)>,
) -> platform::web::Result {
    let seen = api::look(&app, &access, id).await?;
    if seen.request.state != State::Granted {
        return Err(Problem::conflict("there is nothing left to end"));
    }
    let line = Line::new(seen.request, &slug, access.ctx.now);
    platform::web::html(&EndPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Take access away", LIST),
        run: DryRun {
            tone: Tone::Warn,
            summary: format!("{} loses this at once, and gets a mail.", line.who),
            sample: vec![line.what],
            all_href: String::new(),
        },
        slug,
        id,
    })
}

async fn end(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, RequestId)>,
) -> platform::web::Result {
    let to = format!("/o/{slug}/access/requests/{id}");
    match api::take_away(&app, &access, id).await {
        Ok(_) => browser::see_other_with(&to, Tone::Good, "Taken away."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "access_requests/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    tabs: Vec<NavItem>,
    states: Vec<Choice>,
    lines: Vec<Line>,
    pager: Pager,
    summary: String,
    export_href: String,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    let (organization, state, now) = (access.organization_id()?, asked.state()?, access.ctx.now);
    let (before, limit) = (api::before(&query)?, query.limit()?);
    let (found, standing) = app
        .db()
        .read(move |tx| {
            let found = super::list(tx, organization, (state, None), before, limit + 1)?;
            Ok::<_, Problem>((found, super::standing(tx, organization, now)?))
        })
        .await?;
    let page = Page::of(found, limit, |request| request.id.to_string());
    let slug = access.organization()?.slug.clone();
    let chosen = asked.state.unwrap_or_default();
    let words = [
        ("", "Every state"),
        ("waiting", "Waits"),
        ("granted", "Granted"),
        ("refused", "Refused"),
        ("withdrawn", "Taken back"),
        ("lapsed", "Not decided"),
        ("ended", "Ended"),
    ];
    let base = format!("/o/{slug}/access-requests?state={chosen}");
    platform::web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Access requests", LIST),
        tabs: tabs(&slug, "access-requests"),
        states: words.into_iter().map(|(value, label)| Choice::new(value, label, &chosen)).collect(),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &base),
        lines: page.items.into_iter().map(|one| Line::new(one, &slug, now)).collect(),
        summary: match (standing.waiting, standing.overdue) {
            (0, _) => "None waits.".to_owned(),
            (waiting, 0) => format!("{waiting} wait, none past its target."),
            (waiting, late) => format!("{waiting} wait, {late} past the target."),
        },
        export_href: format!("/o/{slug}/access-requests.csv?state={chosen}"),
        slug,
    })
}

async fn export(
    AppState(app): AppState<App>,
    access: Access,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    const WRITTEN_MAX: u32 = 20_000;
    let (organization, state) = (access.organization_id()?, asked.state()?);
    let found =
        app.db().read(move |tx| super::list(tx, organization, (state, None), None, WRITTEN_MAX)).await?;
    let broken = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "an export of requests cannot be written");
        Problem::internal()
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "id",
        "email",
        "name",
        "kind",
        "what",
        "reason",
        "days",
        "state",
        "asked_at",
        "due_at",
        "decided_at",
        "expires_at",
        "ended_at",
        "ended_why",
    ];
    writer.write_record(head).map_err(|error| broken(&error))?;
    let time = |at: Option<Timestamp>| at.map(Timestamp::rfc3339).unwrap_or_default();
    for one in found {
        let record = [
            one.id.to_string(),
            cell(&one.email),
            cell(&one.name),
            one.wanted.kind().to_owned(),
            cell(&one.target_name),
            cell(&one.reason),
            one.days.to_string(),
            one.state.as_str().to_owned(),
            one.asked_at.rfc3339(),
            one.due_at.rfc3339(),
            time(one.decided_at),
            time(one.expires_at),
            time(one.ended_at),
            one.ended_why.unwrap_or_default(),
        ];
        writer.write_record(record).map_err(|error| broken(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| broken(&error.to_string()))?;
    let slug = &access.organization()?.slug;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"access-requests-{slug}.csv\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
