//! Pages of access reviews: the list, starting one, its grants with decisions, finishing it.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::web::chart::{self, Html, Part};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice as Pick, DryRun, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, DecisionsBody, GrantQuery, NewReviewBody};
use super::gathering::Census;
use super::{
    Choice, Counts, DAYS_DEFAULT, Filter, Grant, Item, ItemId, Kind, Review, ReviewId, Reviewer, State,
};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

mod rows;

use rows::{Row, rows};

pub(crate) const LIST: &str = "/o/{organization}/access-reviews";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/access-reviews/new";
    const ONE: &str = "/o/{organization}/access-reviews/{review}";
    const DECIDE: &str = "/o/{organization}/access-reviews/{review}/decisions";
    const FINISH: &str = "/o/{organization}/access-reviews/{review}/finish";
    const CANCEL: &str = "/o/{organization}/access-reviews/{review}/cancel";
    const JSON: &str = "/o/{organization}/access-reviews/{review}/download/evidence.json";
    const CSV: &str = "/o/{organization}/access-reviews/{review}/download/evidence.csv";
    const RECORDS: &str = "access_review.";
    let member = Openness::Member;
    Routes::new()
        .add(routes::get(LIST, "access_review.list_page", READ, list))
        .add(routes::get(NEW, "access_review.start_page", MANAGE, new_page))
        .add(routes::post(NEW, "access_review.start_form", MANAGE, start).recent().records(RECORDS))
        .add(routes::get(ONE, "access_review.show_page", member, show))
        .add(routes::post(DECIDE, "access_review.decide_form", member, decide).records(RECORDS))
        .add(routes::get(FINISH, "access_review.finish_page", MANAGE, finish_page))
        .add(routes::post(FINISH, "access_review.finish_form", MANAGE, finish).recent().records(RECORDS))
        .add(routes::post(CANCEL, "access_review.cancel_form", MANAGE, cancel).records(RECORDS))
        .add(routes::get(JSON, "access_review.evidence_json", READ, json).limit(Limit::Heavy))
        .add(routes::get(CSV, "access_review.evidence_csv", READ, csv).limit(Limit::Heavy))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, LIST)
}

fn state_words(state: State) -> (&'static str, Tone) {
    match state {
        State::Gathering => ("Being prepared", Tone::Info),
        State::Open => ("Open", Tone::Info),
        State::Applying => ("Taking effect", Tone::Info),
        State::Done => ("Finished", Tone::Good),
        State::Cancelled => ("Cancelled", Tone::Warn),
    }
}

fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn parts(counts: Counts) -> Vec<Part> {
    vec![
        Part::new("Kept", number(counts.keep), "c2"),
        Part::new("Revoked", number(counts.revoke), "c4"),
        Part::new("Open", number(counts.open()), "c6"),
    ]
}

struct Line {
    review: Review,
    counts: Counts,
    state: &'static str,
    tone: Tone,
}

#[derive(Template)]
#[template(path = "access_reviews/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    lines: Vec<Line>,
    pager: Pager,
    may_manage: bool,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let page = api::page(&app, &access, &query).await?;
    let slug = access.organization()?.slug.clone();
    let pager = pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/access-reviews"));
    let line = |(review, counts): (Review, Counts)| {
        let (state, tone) = state_words(review.state);
        Line { review, counts, state, tone }
    };
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Access reviews"),
        lines: page.items.into_iter().map(line).collect(),
        pager,
        may_manage: access.may(Permission::PeopleManage),
        slug,
    })
}

#[derive(Template)]
#[template(path = "access_reviews/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    called: String,
    kinds: Vec<(Kind, &'static str, bool)>,
    reviewers: String,
    days: String,
    silence: Vec<Pick>,
    run: Option<DryRun>,
    seen: String,
}

/// The form's fields; `kinds` comes once for each chosen kind.
#[derive(Default)]
struct Asked {
    name: String,
    kinds: Vec<String>,
    reviewers: String,
    days: String,
    silence: String,
    seen: String,
}

impl Asked {
    fn read(fields: &[(String, String)]) -> Self {
        let mut asked = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "name" => asked.name.clone_from(value),
                "kinds" => asked.kinds.push(value.clone()),
                "reviewers" => asked.reviewers.clone_from(value),
                "days" => asked.days.clone_from(value),
                "on_silence" => asked.silence.clone_from(value),
                "seen" => asked.seen.clone_from(value),
                _ => {}
            }
        }
        asked
    }

    fn body(&self) -> NewReviewBody {
        NewReviewBody {
            name: self.name.clone(),
            kinds: self.kinds.clone(),
            reviewers: self
                .reviewers
                .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
            days: self.days.trim().parse().unwrap_or(0),
            on_silence: self.silence.clone(),
        }
    }

    /// What was shown, in one word.
    fn shown(&self) -> String {
        let mut kinds = self.kinds.clone();
        kinds.sort();
        format!("{}/{}", kinds.join("+"), self.silence)
    }
}

fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Role => "Memberships and roles",
        Kind::Group => "Memberships of groups",
        Kind::Product => "Memberships of products",
        Kind::Token => "API tokens",
    }
}

fn dry_run(census: Census, kinds: &[Kind], silence: Choice) -> DryRun {
    let grants = census.of(kinds);
    let end = match silence {
        Choice::Revoke => "Whatever nobody answers is revoked at the due date, except for owners.",
        Choice::Keep => "Whatever nobody answers stays, and leaves the review incomplete.",
    };
    let count = |kind: Kind, many: u64| format!("{}: {many}", kind_words(kind));
    let all = [
        (Kind::Role, census.people),
        (Kind::Group, census.groups),
        (Kind::Product, census.products),
        (Kind::Token, census.tokens),
    ];
    DryRun {
        tone: Tone::Warn,
        summary: format!("{grants} grants of {} people are put to the reviewers. {end}", census.people),
        sample: all
            .into_iter()
            .filter(|(kind, _)| kinds.contains(kind))
            .map(|(kind, many)| count(kind, many))
            .collect(),
        all_href: String::new(),
    }
}

async fn form(
    app: &App,
    access: &Access,
    asked: Asked,
    run: Option<DryRun>,
    errors: FieldErrors,
) -> platform::web::Result {
    let silence = if asked.silence.is_empty() { "revoke" } else { asked.silence.as_str() };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let seen = asked.shown();
    let fresh = asked.kinds.is_empty() && run.is_none() && errors.is_empty();
    let page = NewPage {
        shell: shell(app, access, "Start a review"),
        slug: access.organization()?.slug.clone(),
        kinds: Kind::ALL
            .map(|kind| {
                let chosen = fresh || asked.kinds.iter().any(|one| one == kind.as_str());
                (kind, kind_words(kind), chosen)
            })
            .to_vec(),
        silence: vec![
            Pick::new("revoke", "It is revoked", silence)
                .hint("Owners stay: only owners decide about owners"),
            Pick::new("keep", "It stays", silence).hint("The review does not count as complete"),
        ],
        called: asked.name,
        days: if asked.days.is_empty() { DAYS_DEFAULT.to_string() } else { asked.days },
        reviewers: asked.reviewers,
        errors,
        run,
        seen,
    };
    platform::web::html_with(status, &page)
}

async fn new_page(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    form(&app, &access, Asked::default(), None, FieldErrors::default()).await
}

/// First shows what it would look at, then starts it.
async fn start(
    AppState(app): AppState<App>,
    access: Access,
    Form(fields): Form<Vec<(String, String)>>,
) -> platform::web::Result {
    let asked = Asked::read(&fields);
    if asked.kinds.is_empty() {
        let errors = FieldErrors::default().with("kinds", "choose what is reviewed");
        return form(&app, &access, asked, None, errors).await;
    }
    let new = match api::read_new(&app, &access, &asked.body()).await {
        Ok(new) => new,
        Err(problem) if mendable(&problem) => {
            return form(&app, &access, asked, None, complaints(&problem)).await;
        }
        Err(problem) => return Err(problem),
    };
    let run = dry_run(api::count(&app, &access).await?, &new.kinds, new.on_silence);
    if asked.seen != asked.shown() {
        return form(&app, &access, asked, Some(run), FieldErrors::default()).await;
    }
    match api::begin(&app, &access, new).await {
        Ok(review) => {
            let to = format!("/o/{}/access-reviews/{}", access.organization()?.slug, review.id);
            browser::see_other_with(&to, Tone::Good, "The review has begun. Its reviewers get a mail.")
        }
        Err(problem) if mendable(&problem) => {
            form(&app, &access, asked, Some(run), complaints(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "access_reviews/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    back: (&'static str, String),
    review: Review,
    state: &'static str,
    tone: Tone,
    counts: Counts,
    bar: Html,
    legend: Html,
    reviewers: Vec<Reviewer>,
    reviews: bool,
    may_manage: bool,
    may_read: bool,
    rows: Vec<Row>,
    q: String,
    decisions: Vec<Pick>,
    kinds: Vec<Pick>,
    pager: Pager,
    errors: FieldErrors,
    reason: String,
}

async fn one(
    app: &App,
    access: &Access,
    id: ReviewId,
    (query, asked): (&PageQuery, &GrantQuery),
    (reason, refused): (String, Option<&Problem>),
) -> platform::web::Result {
    let seen = api::look(app, access, id).await?;
    let page: Page<Item> = api::grants(app, access, id, (query, asked)).await?;
    let slug = access.organization()?.slug.clone();
    let reads = access.may(Permission::PeopleRead);
    let (state, tone) = state_words(seen.review.state);
    let decision = asked.decision.clone().unwrap_or_default();
    let kind = asked.kind.clone().unwrap_or_default();
    let q = query.q.clone().unwrap_or_default();
    let base = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("decision", &decision)
        .append_pair("kind", &kind)
        .append_pair("q", &q)
        .finish();
    let base = format!("/o/{slug}/access-reviews/{id}?{base}");
    let all = parts(seen.counts);
    let mut kinds = vec![Pick::new("", "Every kind", &kind)];
    kinds.extend(Kind::ALL.map(|one| Pick::new(one.as_str(), kind_words(one), &kind)));
    let page = ShowPage {
        shell: if reads {
            shell(app, access, &seen.review.name)
        } else {
            let own = crate::access_requests::pages::OWN;
            navigation::shell(app, access, NavConsole::Organization, &seen.review.name, own)
        },
        back: if reads {
            ("Access reviews", format!("/o/{slug}/access-reviews"))
        } else {
            ("Access", format!("/o/{slug}/access"))
        },
        bar: chart::stacked_bar("Decisions", &all),
        legend: chart::legend(&all),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &base),
        rows: rows(app, access, page.items, seen.reviews).await?,
        decisions: [("", "Every decision"), ("none", "Open"), ("keep", "Keep"), ("revoke", "Revoke")]
            .map(|(value, label)| Pick::new(value, label, &decision))
            .to_vec(),
        kinds,
        q,
        reviewers: seen.reviewers,
        reviews: seen.reviews,
        may_manage: access.may(Permission::PeopleManage),
        may_read: reads,
        counts: seen.counts,
        review: seen.review,
        state,
        tone,
        errors: refused.map(complaints).unwrap_or_default(),
        reason,
        slug,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
    Query(query): Query<PageQuery>,
    Query(asked): Query<GrantQuery>,
) -> platform::web::Result {
    one(&app, &access, id, (&query, &asked), (String::new(), None)).await
}

async fn decide(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ReviewId)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> platform::web::Result {
    let mut body =
        DecisionsBody { grants: Vec::new(), decision: String::new(), reason: String::new(), email: None };
    for (name, value) in &fields {
        match name.as_str() {
            "grants" => body.grants.push(value.parse::<ItemId>().map_err(Problem::invalid)?),
            "decision" => body.decision.clone_from(value),
            "reason" => body.reason.clone_from(value),
            _ => {}
        }
    }
    match api::say(&app, &access, id, &body).await {
        Ok(count) => {
            let words = match count {
                1 => "One grant is decided.".to_owned(),
                many => format!("{many} grants are decided."),
            };
            let to = format!("/o/{slug}/access-reviews/{id}?decision=none");
            browser::see_other_with(&to, Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => {
            let (query, asked) = (PageQuery::default(), GrantQuery::default());
            one(&app, &access, id, (&query, &asked), (body.reason, Some(&problem))).await
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "access_reviews/finish.html")]
struct FinishPage {
    shell: Shell,
    slug: String,
    review: Review,
    run: DryRun,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct FinishForm {
    #[serde(default)]
    confirm: String,
}

async fn finish_page(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    finishing(&app, &access, id, FieldErrors::default()).await
}

fn grants_words(count: u64) -> String {
    if count == 1 { "1 grant is".to_owned() } else { format!("{count} grants are") }
}

async fn finishing(app: &App, access: &Access, id: ReviewId, errors: FieldErrors) -> platform::web::Result {
    const SAMPLE: u32 = 10;
    let slug = access.organization()?.slug.clone();
    let seen = api::look(app, access, id).await?;
    if seen.review.state != State::Open {
        return Err(Problem::conflict("this review is not open"));
    }
    let organization = access.organization_id()?;
    let silence = seen.review.on_silence == Choice::Revoke;
    let (sample, owners) = app
        .db()
        .read(move |tx| {
            let revoke = Filter { decision: Some("revoke".to_owned()), ..Filter::default() };
            let mut found = super::items(tx, organization, id, &revoke, None, SAMPLE)?;
            if silence {
                let open = Filter { decision: Some("none".to_owned()), ..Filter::default() };
                let open = super::items(tx, organization, id, &open, None, SAMPLE)?;
                let owner = Grant::Role(platform::access::Role::Owner);
                found.extend(open.into_iter().filter(|item| item.grant != owner));
            }
            Ok::<_, Problem>((found, super::open_owners(tx, organization, id)?))
        })
        .await?;
    let (open, revoke) = (seen.counts.open(), seen.counts.revoke);
    let silent = if silence { open.saturating_sub(owners) } else { 0 };
    let rest = match (open, silence) {
        (0, _) => "Every grant is decided.".to_owned(),
        (_, true) => match owners {
            0 => format!("{silent} are undecided: they are revoked too."),
            owners => format!("{silent} are undecided: they are revoked too. Of owners, {owners} stay."),
        },
        (open, false) => format!("{open} are undecided: they stay, and the review is incomplete."),
    };
    let line = |item: Item| {
        let who = if item.email.is_empty() { "The operator" } else { item.email.as_str() };
        format!("{who}: {}", item.target_name)
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = FinishPage {
        shell: shell(app, access, "Finish a review"),
        run: DryRun {
            tone: Tone::Warn,
            summary: format!("{} revoked at once. {rest}", grants_words(revoke)),
            sample: sample.into_iter().map(line).collect(),
            all_href: format!("/o/{slug}/access-reviews/{id}?decision=revoke"),
        },
        review: seen.review,
        errors,
        slug,
    };
    platform::web::html_with(status, &page)
}

async fn finish(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ReviewId)>,
    Form(form): Form<FinishForm>,
) -> platform::web::Result {
    let review = api::look(&app, &access, id).await?.review;
    if review.state == State::Open && form.confirm.trim() != review.name {
        let errors = FieldErrors::default().with("confirm", "this is not the review's name");
        return finishing(&app, &access, id, errors).await;
    }
    let to = format!("/o/{slug}/access-reviews/{id}");
    match api::end(&app, &access, id).await {
        Ok(()) => browser::see_other_with(&to, Tone::Good, "Finished: revocations take effect now."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

async fn cancel(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    let to = format!("/o/{slug}/access-reviews/{id}");
    match api::stop(&app, &access, id).await {
        Ok(()) => browser::see_other_with(&to, Tone::Good, "Cancelled: nothing was revoked."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

async fn json(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    api::file(&api::packed(&app, &access, id).await?, false)
}

async fn csv(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    api::file(&api::packed(&app, &access, id).await?, true)
}
