//! JSON side of access reviews.

use axum::body::Body;
use axum::extract::State as AppState;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::access::Permission;
use platform::principals;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::gathering::{Census, census};
use super::pack::{PackView, csv, pack};
use super::{
    Choice, Counts, DAYS_MAX, Decided, Filter, Item, ItemId, Kind, NewReview, Review, ReviewId, Seen, Started,
};
use crate::access_requests::api::person;
use crate::accounts::email::EmailAddress;
use crate::names::{self, Name};

mod views;

use views::{DecidedView, ReviewDetailView};
pub(super) use views::{DecisionsBody, ItemView, NewReviewBody, ReviewView, ReviewerView};

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/access-reviews";
    const ONE: &str = "/api/v1/organizations/{organization}/access-reviews/{review}";
    const ITEMS: &str = "/api/v1/organizations/{organization}/access-reviews/{review}/grants";
    const DECISIONS: &str = "/api/v1/organizations/{organization}/access-reviews/{review}/decisions";
    const FINISH: &str = "/api/v1/organizations/{organization}/access-reviews/{review}/finish";
    const CANCEL: &str = "/api/v1/organizations/{organization}/access-reviews/{review}/cancel";
    const PACK: &str = "/api/v1/organizations/{organization}/access-reviews/{review}/evidence";
    Routes::new()
        .add(
            routes::get(LIST, "access_review.list", READ, list)
                .summary("Reviews of access, the newest first")
                .paged()
                .gives::<Page<ReviewView>>(200),
        )
        .add(
            routes::post(LIST, "access_review.start", MANAGE, start)
                .recent()
                .summary("Start a review: who has what is taken down, and the reviewers are told")
                .takes::<NewReviewBody>()
                .gives::<ReviewView>(201)
                .records("access_review."),
        )
        .add(
            routes::get(ONE, "access_review.show", Openness::Member, show)
                .summary("One review: one of yours, or any if you may read people")
                .gives::<ReviewDetailView>(200),
        )
        .add(
            routes::get(ITEMS, "access_review.grants", Openness::Member, list_items)
                .summary("Grants of a review by holder")
                .paged()
                .query("decision", "keep, revoke or none")
                .query("kind", "role, group, product or token")
                .query("q", "beginning of the holder's address")
                .gives::<Page<ItemView>>(200),
        )
        .add(
            routes::post(DECISIONS, "access_review.decide", Openness::Member, decide)
                .summary(
                    "Keep or revoke grants, up to 500 at once, never your own. Takes a person, not a token",
                )
                .takes::<DecisionsBody>()
                .gives::<DecidedView>(200)
                .records("access_review."),
        )
        .add(
            routes::post(FINISH, "access_review.finish", MANAGE, finish)
                .recent()
                .summary("Finish a review now: silence decides the rest, revocations take effect")
                .gives::<ReviewView>(200)
                .records("access_review."),
        )
        .add(
            routes::post(CANCEL, "access_review.cancel", MANAGE, cancel)
                .summary("Stop a review; nothing is revoked")
                .gives::<ReviewView>(200)
                .records("access_review."),
        )
        .add(
            routes::get(PACK, "access_review.evidence", READ, evidence)
                .limit(Limit::Heavy)
                .summary("Everything of a review, with proofs that the ledger says so")
                .gives::<PackView>(200),
        )
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct GrantQuery {
    #[serde(default)]
    pub decision: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
}

impl GrantQuery {
    pub fn filter(&self, query: &PageQuery) -> Result<Filter, Problem> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let decision = given(&self.decision);
        if let Some(text) = decision.as_deref().filter(|text| !matches!(*text, "keep" | "revoke" | "none")) {
            return Err(Problem::invalid(format!("`{text}` is no decision")).field("decision", "not known"));
        }
        let kind = match given(&self.kind) {
            None => None,
            Some(text) => Some(kind(&text)?),
        };
        Ok(Filter { decision, kind, search: query.search()? })
    }
}

fn kind(text: &str) -> Result<Kind, Problem> {
    Kind::parse(text).ok_or_else(|| {
        let why = format!("`{text}` is no kind of grant: use role, group, product or token");
        Problem::invalid(&why).field("kinds", why)
    })
}

/// The place in the cursor of a list of grants.
pub(super) fn place(query: &PageQuery) -> Result<Option<(String, ItemId)>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Problem::invalid("`cursor` is not one that this list gave");
    let (id, email) = text.split_once(' ').ok_or_else(wrong)?;
    Ok(Some((email.to_owned(), id.parse().map_err(|_| wrong())?)))
}

pub(super) fn key(item: &Item) -> String {
    format!("{} {}", item.id, item.email)
}

pub(super) fn before(query: &PageQuery) -> Result<Option<ReviewId>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))
}

pub(super) async fn page(
    app: &App,
    access: &Access,
    query: &PageQuery,
) -> Result<Page<(Review, Counts)>, Problem> {
    let organization = access.organization_id()?;
    let (before, limit) = (before(query)?, query.limit()?);
    let found = app
        .db()
        .read(move |tx| {
            let reviews = super::list(tx, organization, before, limit + 1)?;
            let with = |review: Review| {
                let counts = super::counts(tx, organization, review.id)?;
                Ok::<_, Problem>((review, counts))
            };
            reviews.into_iter().map(with).collect::<Result<Vec<_>, Problem>>()
        })
        .await?;
    Ok(Page::of(found, limit, |(review, _)| review.id.to_string()))
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let found = page(&app, &access, &query).await?;
    Ok(Json(found.map(|(review, counts)| ReviewView::new(review, counts))).into_response())
}

/// A review as it was asked for, with the accounts of its reviewers.
pub(super) async fn read_new(app: &App, access: &Access, body: &NewReviewBody) -> Result<NewReview, Problem> {
    let name = Name::parse(&body.name).map_err(|error| Problem::invalid(&error).field("name", error))?;
    let mut kinds = body.kinds.iter().map(|text| kind(text)).collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        kinds = Kind::ALL.to_vec();
    }
    let on_silence = Choice::parse(&body.on_silence).ok_or_else(|| {
        let why = "say `revoke` or `keep`";
        Problem::invalid(why).field("on_silence", why)
    })?;
    let organization = access.organization_id()?;
    let mut reviewers = Vec::new();
    for text in &body.reviewers {
        let field = |why: String| Problem::invalid(&why).field("reviewers", why);
        let email = EmailAddress::parse(text).map_err(|error| field(error.to_string()))?;
        let key = email.key().to_owned();
        let found = app
            .db()
            .read(move |tx| {
                let Some(account) = principals::account_by_email(tx, &key)? else { return Ok(None) };
                let member = principals::membership(tx, organization, account.id)?;
                Ok::<_, Problem>(member.map(|member| member.account))
            })
            .await?;
        reviewers.push(found.ok_or_else(|| field(format!("`{}` is no member here", email.key())))?);
    }
    Ok(NewReview { name: name.as_str().to_owned(), kinds, reviewers, days: body.days, on_silence })
}

pub(super) async fn begin(app: &App, access: &Access, new: NewReview) -> Result<Review, Problem> {
    let principal = access.principal()?;
    let by = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::start(&ctx, tx, organization, &by, &new)).await?;
    let field = |name: &str, why: String| Problem::invalid(&why).field(name, why);
    match done.value {
        Started::Done(review) => Ok(review),
        Started::NoKinds => Err(field("kinds", "choose what is reviewed".to_owned())),
        Started::NoReviewers => Err(field("reviewers", "name 1 to 50 reviewers".to_owned())),
        Started::NoSuchReviewer => Err(field("reviewers", "a reviewer is not active here".to_owned())),
        Started::OneReviewer => {
            Err(field("reviewers", "nobody reviews their own access: name a second reviewer".to_owned()))
        }
        Started::Days => Err(field("days", format!("a review takes 1 to {DAYS_MAX} days"))),
        Started::TooMany => {
            Err(Problem::conflict("too many reviews run already").cure("finish or cancel one"))
        }
    }
}

pub(super) async fn count(app: &App, access: &Access) -> Result<Census, Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    Ok(app.db().read(move |tx| census(tx, organization, now)).await?)
}

async fn start(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewReviewBody>,
) -> platform::web::Result {
    let new = read_new(&app, &access, &body).await?;
    let review = begin(&app, &access, new).await?;
    Ok((StatusCode::CREATED, Json(ReviewView::new(review, Counts::default()))).into_response())
}

/// A review as the caller sees it; 404 where they have no business.
pub(super) async fn look(app: &App, access: &Access, id: ReviewId) -> Result<Seen, Problem> {
    let organization = access.organization_id()?;
    let (account, reads) = (access.principal()?.account, access.may(Permission::PeopleRead));
    let found = app.db().read(move |tx| super::seen_by(tx, organization, id, account, reads)).await?;
    found.ok_or_else(|| Problem::not_found("review"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    let seen = look(&app, &access, id).await?;
    let view = ReviewDetailView {
        review: ReviewView::new(seen.review, seen.counts),
        reviewers: seen.reviewers.into_iter().map(ReviewerView::from).collect(),
        reviews: seen.reviews,
    };
    Ok(Json(view).into_response())
}

pub(super) async fn grants(
    app: &App,
    access: &Access,
    id: ReviewId,
    (query, asked): (&PageQuery, &GrantQuery),
) -> Result<Page<Item>, Problem> {
    let (organization, filter) = (access.organization_id()?, asked.filter(query)?);
    let (after, limit) = (place(query)?, query.limit()?);
    let found = app
        .db()
        .read(move |tx| {
            let after = after.as_ref().map(|(email, id)| (email.as_str(), *id));
            super::items(tx, organization, id, &filter, after, limit + 1)
        })
        .await?;
    Ok(Page::of(found, limit, key))
}

async fn list_items(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
    Query(query): Query<PageQuery>,
    Query(asked): Query<GrantQuery>,
) -> platform::web::Result {
    look(&app, &access, id).await?;
    let page = grants(&app, &access, id, (&query, &asked)).await?;
    Ok(Json(page.map(ItemView::from)).into_response())
}

pub(super) async fn say(
    app: &App,
    access: &Access,
    id: ReviewId,
    body: &DecisionsBody,
) -> Result<usize, Problem> {
    let reviewer = person(app, access, body.email.as_ref()).await?;
    let choice = Choice::parse(&body.decision).ok_or_else(|| {
        let why = "say `keep` or `revoke`";
        Problem::invalid(why).field("decision", why)
    })?;
    let read = if choice == Choice::Revoke { names::sentence } else { names::description };
    let reason = read(&body.reason).map_err(|error| Problem::invalid(&error).field("reason", error))?;
    if access.principal()?.account.is_some() {
        look(app, access, id).await?;
    }
    let (organization, ctx, items) = (access.organization_id()?, access.ctx.clone(), body.grants.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            super::decide(&ctx, tx, organization, id, reviewer, (&items, choice, &reason))
        })
        .await?;
    decided(done.value)
}

fn decided(outcome: Decided) -> Result<usize, Problem> {
    let field = |why: &str| Problem::invalid(why).field("grants", why);
    match outcome {
        Decided::Done(0) => Err(field("choose at least one grant")),
        Decided::Done(count) => Ok(count),
        Decided::NoSuchReview => Err(Problem::not_found("review")),
        Decided::NotYours => {
            Err(Problem::new(StatusCode::FORBIDDEN, "not-a-reviewer", "You do not review this")
                .detail("only the reviewers of this review decide")
                .cure("start a review in which you are named"))
        }
        Decided::Closed => Err(Problem::conflict("this review is not open")),
        Decided::NoSuchItem => Err(Problem::not_found("grant in this review")),
        Decided::Own => Err(Problem::new(StatusCode::FORBIDDEN, "own-grant", "This grant is yours")
            .detail("nobody reviews their own access")
            .cure("leave it to another reviewer")),
        Decided::OwnersOnly => Err(Problem::forbidden("organization.manage")
            .detail("only owners take an owner's role away")
            .cure("leave it to a reviewer who is an owner")),
        Decided::TooMany => Err(field("up to 500 grants at once")),
    }
}

async fn decide(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
    Json(body): Json<DecisionsBody>,
) -> platform::web::Result {
    let decided = say(&app, &access, id, &body).await?;
    Ok(Json(DecidedView { decided }).into_response())
}

pub(super) async fn end(app: &App, access: &Access, id: ReviewId) -> Result<(), Problem> {
    look(app, access, id).await?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::finish(&ctx, tx, organization, id)).await?;
    if done.value { Ok(()) } else { Err(Problem::conflict("this review is not open")) }
}

pub(super) async fn stop(app: &App, access: &Access, id: ReviewId) -> Result<(), Problem> {
    look(app, access, id).await?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::cancel(&ctx, tx, organization, id)).await?;
    if done.value { Ok(()) } else { Err(Problem::conflict("this review does not run")) }
}

async fn after(app: &App, access: &Access, id: ReviewId) -> platform::web::Result {
    let seen = look(app, access, id).await?;
    Ok(Json(ReviewView::new(seen.review, seen.counts)).into_response())
}

async fn finish(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    end(&app, &access, id).await?;
    after(&app, &access, id).await
}

async fn cancel(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    stop(&app, &access, id).await?;
    after(&app, &access, id).await
}

pub(super) async fn packed(app: &App, access: &Access, id: ReviewId) -> Result<PackView, Problem> {
    let organization = access.organization()?.clone();
    let (inside, now) = (app.clone(), access.ctx.now);
    let found =
        app.db().read(move |tx| pack(&inside, tx, (organization.id, &organization.slug), id, now)).await?;
    found.ok_or_else(|| Problem::not_found("review"))
}

async fn evidence(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReviewId)>,
) -> platform::web::Result {
    Ok(Json(packed(&app, &access, id).await?).into_response())
}

/// A file of the pack to keep.
pub(super) fn file(pack: &PackView, as_csv: bool) -> Result<Response, Problem> {
    let broken = |error: String| {
        tracing::error!(%error, "the evidence of a review cannot be written");
        Problem::internal()
    };
    let (bytes, kind, ending) = if as_csv {
        (csv(pack).map_err(broken)?, "text/csv; charset=utf-8", "csv")
    } else {
        let bytes = serde_json::to_vec_pretty(pack).map_err(|error| broken(error.to_string()))?;
        (bytes, "application/json", "json")
    };
    let name = format!("attachment; filename=\"access-review-{}.{ending}\"", pack.review.id);
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
