//! JSON side of access requests.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::db::DbError;
use platform::ids::AccountId;
use platform::principals;
use platform::web::access::Credential;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::{Asked, Decided, Ending, Request, RequestId, Seen, State, Verdict, Why};
use crate::access_grants::{self, Given};
use crate::access_offers::{self, Offer};
use crate::accounts::email::EmailAddress;
use crate::names::{self, TextError};

mod views;

pub(crate) use views::RequestView;
pub(super) use views::{DecisionBody, NewRequestBody};
use views::{DecisionView, MineView, OptionView, RequestDetailView, WhoBody};

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/access-requests";
    Routes::new()
        .add(
            routes::get(LIST, "access_request.list", READ, list)
                .summary("Requests for access, the newest first")
                .paged()
                .query("state", "waiting, granted, refused, withdrawn, lapsed or ended")
                .gives::<Page<RequestView>>(200),
        )
        .add(
            routes::post(LIST, "access_request.create", Openness::Member, create)
                .summary("Ask for something that is offered; those who decide get a mail. Takes a person, not a token")
                .takes::<NewRequestBody>()
                .gives::<RequestView>(201)
                .records("access_request."),
        )
        .merge(of_one())
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/access-options",
                "access_request.options",
                Openness::Member,
                options,
            )
            .summary("What you may ask for here. Takes a person, not a token")
            .gives::<Vec<OptionView>>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/access-requests-mine",
                "access_request.mine",
                Openness::Member,
                mine,
            )
            .summary("Your own requests here, and those that wait for you. Takes a person, not a token")
            .gives::<MineView>(200),
        )
}

/// What is done with one request.
fn of_one() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/access-requests/{request}";
    Routes::new()
        .add(
            routes::get(ONE, "access_request.show", Openness::Member, show)
                .summary("One request: your own, one that you decide about, or any if you may read people")
                .gives::<RequestDetailView>(200),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/access-requests/{request}/decision",
                "access_request.decide",
                Openness::Member,
                decide,
            )
            .summary("Approve or refuse a request of somebody else. Takes a person, not a token")
            .takes::<DecisionBody>()
            .gives::<RequestView>(200)
            .records("access_request."),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/access-requests/{request}/withdrawal",
                "access_request.withdraw",
                Openness::Member,
                withdraw,
            )
            .summary("Take an own request back, or give back what was granted")
            .takes::<WhoBody>()
            .gives::<RequestView>(200)
            .records("access_request."),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/access-requests/{request}/end",
                "access_request.end",
                MANAGE,
                end,
            )
            .summary("Take away at once what was granted")
            .gives::<RequestView>(200)
            .records("access_request."),
        )
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct StateQuery {
    #[serde(default)]
    pub state: Option<String>,
}

impl StateQuery {
    pub fn state(&self) -> Result<Option<State>, Problem> {
        match self.state.as_deref().filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => State::parse(text).map(Some).ok_or_else(|| {
                Problem::invalid(format!("`{text}` is no state of a request")).field("state", "not known")
            }),
        }
    }
}

/// The person that acts: the caller, or whom the operator names.
pub(crate) async fn person(app: &App, access: &Access, email: Option<&String>) -> Result<AccountId, Problem> {
    let of_operator = matches!(access.principal()?.credential, Credential::Operator);
    match (of_operator, email) {
        (false, None) => access.account(),
        (false, Some(_)) => {
            Err(Problem::invalid("only the operator says who acts; everybody else acts for themselves")
                .field("email", "leave it out"))
        }
        (true, None) => Err(Problem::invalid("the operator is no member").field("email", "say who acts")),
        (true, Some(email)) => {
            let address =
                EmailAddress::parse(email).map_err(|error| Problem::invalid(&error).field("email", error))?;
            let key = address.key().to_owned();
            let found =
                app.db().read::<_, DbError, _>(move |tx| principals::account_by_email(tx, &key)).await?;
            found.map(|account| account.id).ok_or_else(|| Problem::not_found("person"))
        }
    }
}

/// The id in a list's cursor.
pub(super) fn before(query: &PageQuery) -> Result<Option<RequestId>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    let (organization, state) = (access.organization_id()?, asked.state()?);
    let (before, limit) = (before(&query)?, query.limit()?);
    let found =
        app.db().read(move |tx| super::list(tx, organization, (state, None), before, limit + 1)).await?;
    let page = Page::of(found, limit, |request| request.id.to_string());
    Ok(Json(page.map(|request| RequestView::new(request, access.ctx.now))).into_response())
}

/// What a request may say, with its reason made clean.
pub(crate) fn reason(text: &str) -> Result<String, Problem> {
    names::sentence(text).map_err(|error| {
        let wrong = match error {
            TextError::Empty => "say why".to_owned(),
            error => error.to_string(),
        };
        Problem::invalid(&wrong).field("reason", wrong)
    })
}

pub(crate) fn asked(outcome: Asked) -> Result<Request, Problem> {
    match outcome {
        Asked::Done(request) => Ok(request),
        Asked::NotMember => Err(Problem::not_found("member")),
        Asked::NotOffered => Err(Problem::not_found("offer")),
        Asked::Days(max) => {
            let why = format!("ask for 1 to {max} days");
            Err(Problem::invalid(&why).field("days", why))
        }
        Asked::HasIt => Err(Problem::conflict("you have this already")),
        Asked::AlreadyAsked => Err(Problem::conflict("you asked for this already")
            .cure("wait for the decision, or take that request back first")),
        Asked::FromDirectory => Err(Problem::conflict("a directory decides about this")
            .cure("ask whoever keeps the directory of your organization")),
        Asked::TooMany => Err(Problem::too_many(3600)
            .detail("too many of your requests wait, or were made within a day")
            .cure("take back those that you do not need")),
    }
}

pub(super) async fn make(app: &App, access: &Access, body: &NewRequestBody) -> Result<Request, Problem> {
    let account = person(app, access, body.email.as_ref()).await?;
    let (reason, offer, days) = (reason(&body.reason)?, body.offer, body.days);
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            super::ask(&inside, &ctx, tx, organization, account, offer, (&reason, days))
        })
        .await?;
    asked(done.value)
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewRequestBody>,
) -> platform::web::Result {
    let made = make(&app, &access, &body).await?;
    Ok((StatusCode::CREATED, Json(RequestView::new(made, access.ctx.now))).into_response())
}

/// A request as the caller sees it; 404 where they have no business.
pub(super) async fn look(app: &App, access: &Access, id: RequestId) -> Result<Seen, Problem> {
    let organization = access.organization_id()?;
    let (account, reads) = (access.principal()?.account, access.may(Permission::PeopleRead));
    let found = app.db().read(move |tx| super::seen_by(tx, organization, id, account, reads)).await?;
    found.ok_or_else(|| Problem::not_found("request"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, RequestId)>,
) -> platform::web::Result {
    let seen = look(&app, &access, id).await?;
    let view = RequestDetailView {
        request: RequestView::new(seen.request, access.ctx.now),
        decisions: seen.decisions.into_iter().map(DecisionView::from).collect(),
        decides: seen.decides,
        approvers_missing: seen.approvers_missing,
    };
    Ok(Json(view).into_response())
}

fn decided(outcome: Decided) -> Result<Request, Problem> {
    match outcome {
        Decided::Done(request) => Ok(request),
        Decided::NoSuchRequest => Err(Problem::not_found("request")),
        Decided::NotYours => Err(Problem::forbidden("people.manage")
            .detail("you do not decide about this request")
            .cure("leave it to those who manage people, or to the offer's group")),
        Decided::Yourself => Err(Problem::new(StatusCode::FORBIDDEN, "own-request", "This request is yours")
            .detail("nobody decides about their own request")
            .cure("wait for somebody else, or take it back")),
        Decided::Over => Err(Problem::conflict("nobody waits for this decision any more")),
        Decided::Twice => Err(Problem::conflict("you approved this already")
            .cure("a second person has to agree: ask another who manages people")),
        Decided::NoLongerOffered => Err(Problem::conflict("this is not offered any more")
            .cure("refuse the request, or offer it again and let them ask anew")),
        Decided::CannotGive(Given::HasIt) => {
            Err(Problem::conflict("they have this already").cure("refuse the request"))
        }
        Decided::CannotGive(Given::NotMember) => {
            Err(Problem::conflict("whoever asked is not active any more")
                .cure("restore the person first, or refuse the request"))
        }
        Decided::CannotGive(Given::FromDirectory) => Err(Problem::conflict("a directory decides about this")
            .cure("change it where the directory is kept, and refuse the request")),
        Decided::CannotGive(_) => {
            Err(Problem::conflict("what was asked for is gone").cure("refuse the request"))
        }
    }
}

pub(super) async fn say(
    app: &App,
    access: &Access,
    id: RequestId,
    body: &DecisionBody,
) -> Result<Request, Problem> {
    let approver = person(app, access, body.email.as_ref()).await?;
    let words =
        names::description(&body.words).map_err(|error| Problem::invalid(&error).field("words", error))?;
    let verdict = Verdict { approve: body.approve, words };
    if access.principal()?.account.is_some() {
        // Whoever has no business with it learns nothing, not even that it is there.
        look(app, access, id).await?;
    }
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::decide(&inside, &ctx, tx, organization, id, approver, &verdict))
        .await?;
    decided(done.value)
}

async fn decide(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, RequestId)>,
    Json(body): Json<DecisionBody>,
) -> platform::web::Result {
    let request = say(&app, &access, id, &body).await?;
    Ok(Json(RequestView::new(request, access.ctx.now)).into_response())
}

pub(crate) fn ended(outcome: Ending) -> Result<Request, Problem> {
    match outcome {
        Ending::Done(request) => Ok(request),
        Ending::NoSuchRequest => Err(Problem::not_found("request")),
        Ending::Over => Err(Problem::conflict("there is nothing left to end")),
    }
}

pub(super) async fn take_back(
    app: &App,
    access: &Access,
    id: RequestId,
    email: Option<&String>,
) -> Result<Request, Problem> {
    let account = person(app, access, email).await?;
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::withdraw(&inside, &ctx, tx, organization, id, account))
        .await?;
    ended(done.value)
}

async fn withdraw(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, RequestId)>,
    Json(body): Json<WhoBody>,
) -> platform::web::Result {
    let request = take_back(&app, &access, id, body.email.as_ref()).await?;
    Ok(Json(RequestView::new(request, access.ctx.now)).into_response())
}

pub(super) async fn take_away(app: &App, access: &Access, id: RequestId) -> Result<Request, Problem> {
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::end(&inside, &ctx, tx, organization, id, Why::TakenBack))
        .await?;
    ended(done.value)
}

async fn end(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, RequestId)>,
) -> platform::web::Result {
    let request = take_away(&app, &access, id).await?;
    Ok(Json(RequestView::new(request, access.ctx.now)).into_response())
}

/// An offer as one person sees it.
pub(super) struct Choosable {
    pub offer: Offer,
    pub held: bool,
    pub asked: bool,
}

pub(super) async fn choosable(app: &App, access: &Access) -> Result<Vec<Choosable>, Problem> {
    const SHOWN_MAX: u32 = 500;
    let (organization, account) = (access.organization_id()?, access.account()?);
    let found = app.db().read(move |tx| {
        let mine = super::list(tx, organization, (None, Some(account)), None, SHOWN_MAX)?;
        let open = |state| matches!(state, State::Waiting | State::Granted);
        let offers = access_offers::list(tx, organization, None, SHOWN_MAX)?;
        offers
            .into_iter()
            .filter(|offer| offer.live && offer.wanted.role() != Some(Role::Owner))
            .map(|offer| {
                let held = access_grants::has(tx, organization, offer.wanted, account)?;
                let asked = mine.iter().any(|one| one.wanted == offer.wanted && open(one.state));
                Ok(Choosable { offer, held, asked })
            })
            .collect::<Result<Vec<_>, Problem>>()
    });
    found.await
}

async fn options(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let found = choosable(&app, &access).await?;
    let view = |one: Choosable| OptionView {
        offer: one.offer.id,
        kind: one.offer.wanted.kind(),
        name: one.offer.name,
        approvals: one.offer.approvals,
        days_max: one.offer.days_max,
        hours_to_decide: one.offer.hours_to_decide,
        held: one.held,
        asked: one.asked,
    };
    Ok(Json(found.into_iter().map(view).collect::<Vec<_>>()).into_response())
}

/// Own requests, and those that wait for the caller.
pub(super) async fn own(app: &App, access: &Access) -> Result<(Vec<Request>, Vec<Request>), Problem> {
    const SHOWN: u32 = 100;
    let (organization, account) = (access.organization_id()?, access.account()?);
    let found = app.db().read(move |tx| {
        let asked = super::list(tx, organization, (None, Some(account)), None, SHOWN)?;
        Ok::<_, Problem>((asked, super::to_decide(tx, organization, account)?))
    });
    found.await
}

async fn mine(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let (asked, to_decide) = own(&app, &access).await?;
    let now = access.ctx.now;
    let views = |list: Vec<Request>| list.into_iter().map(|one| RequestView::new(one, now)).collect();
    Ok(Json(MineView { asked: views(asked), to_decide: views(to_decide) }).into_response())
}
