//! JSON side of approved domains, and of joining by one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{ApprovedDomain, Approving, Joined, Mode, Opening, parse};
use crate::access_requests::Request;
use crate::access_requests::api::{RequestView, asked, ended, person, reason};
use crate::domains::name::Reserved;
use crate::organizations::api::OrganizationView;

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/approved-domains";
    const ONE: &str = "/api/v1/organizations/{organization}/approved-domains/{domain}";
    Routes::new()
        .add(
            routes::get(LIST, "approved_domain.list", READ, list)
                .summary("Mail domains whose people may join without an invitation, or ask to")
                .gives::<Vec<ApprovedDomainView>>(200),
        )
        .add(
            routes::post(LIST, "approved_domain.approve", MANAGE, approve)
                .recent()
                .summary("Approve a mail domain, or change what its people may do")
                .takes::<ApproveBody>()
                .gives::<ApprovedDomainView>(200)
                .records("approved_domain."),
        )
        .add(
            routes::delete(ONE, "approved_domain.remove", MANAGE, remove)
                .summary("Close a mail domain; whoever joined stays")
                .gives_nothing(204)
                .records("approved_domain."),
        )
        .add(
            routes::get("/api/v1/account/openings", "opening.list", Openness::SignedIn, openings)
                .summary("Organizations that you may join, or ask to, by the domain of your address")
                .gives::<Vec<OpeningView>>(200),
        )
        .add(
            routes::post("/api/v1/account/openings/join", "opening.join", Openness::SignedIn, join)
                .summary("Join an organization by the domain of your address")
                .takes::<JoinBody>()
                .gives::<OrganizationView>(200)
                .records("member."),
        )
        .add(
            routes::post("/api/v1/account/openings/ask", "opening.ask", Openness::SignedIn, ask)
                .summary("Ask to join; somebody who manages people there decides")
                .takes::<AskBody>()
                .gives::<RequestView>(201)
                .records("access_request."),
        )
        .add(
            routes::post(
                "/api/v1/account/openings/withdraw",
                "opening.withdraw",
                Openness::SignedIn,
                withdraw,
            )
            .summary("Take your request to join an organization back")
            .takes::<JoinBody>()
            .gives::<RequestView>(200)
            .records("access_request."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ApprovedDomain)]
pub struct ApprovedDomainView {
    pub domain: String,
    /// `join`: its people join by themselves; `ask`: they ask.
    pub mode: &'static str,
    /// Anybody can get a mailbox there.
    pub public: bool,
    pub approved_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub approved_at: Timestamp,
}

impl From<ApprovedDomain> for ApprovedDomainView {
    fn from(found: ApprovedDomain) -> Self {
        Self {
            domain: found.domain,
            mode: found.mode.as_str(),
            public: found.public,
            approved_by: found.approved_by,
            approved_at: found.approved_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApproveDomain)]
pub struct ApproveBody {
    #[schema(example = "harbor-logistics.com")]
    pub domain: String,
    /// `join` or `ask`.
    #[schema(example = "ask")]
    pub mode: String,
    /// The domain is one where anybody can get a mailbox, and this is meant.
    #[serde(default)]
    pub accept_public: bool,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Opening)]
pub struct OpeningView {
    pub slug: String,
    pub name: String,
    /// `join` or `ask`.
    pub mode: &'static str,
    /// A request of yours waits.
    pub asked: bool,
}

impl From<Opening> for OpeningView {
    fn from(opening: Opening) -> Self {
        Self {
            slug: opening.organization.slug,
            name: opening.organization.name,
            mode: opening.mode.as_str(),
            asked: opening.asked,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JoinOpening)]
pub struct JoinBody {
    /// The organization's short name.
    #[schema(example = "harbor")]
    pub organization: String,
    /// Who it is; only the operator on the server's machine says so.
    #[serde(default)]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AskOpening)]
pub struct AskBody {
    /// The organization's short name.
    #[schema(example = "harbor")]
    pub organization: String,
    /// 1 to 500 characters without a link; those who decide read it.
    #[schema(example = "I audit the books in March")]
    pub reason: String,
    /// For how long, 1 to 365; 0, or not said: for good.
    #[serde(default)]
    pub days: u32,
    /// Who asks; only the operator on the server's machine says so.
    #[serde(default)]
    pub email: Option<String>,
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::list(tx, organization)).await?;
    Ok(Json(found.into_iter().map(ApprovedDomainView::from).collect::<Vec<_>>()).into_response())
}

/// The canonical name of a domain that may be approved, and whether it is open to the public.
pub(super) fn name(app: &App, text: &str) -> Result<(String, bool), Problem> {
    let reserved =
        if app.config().demo || app.config().test_clock { Reserved::Allow } else { Reserved::Refuse };
    parse(text, reserved).map_err(|error| Problem::invalid(&error).field("domain", error))
}

pub(super) fn mode(text: &str) -> Result<Mode, Problem> {
    Mode::parse(text).ok_or_else(|| {
        let why = format!("`{text}` is no mode: use `join` or `ask`");
        Problem::invalid(&why).field("mode", why)
    })
}

pub(super) async fn open(app: &App, access: &Access, body: &ApproveBody) -> Result<ApprovedDomain, Problem> {
    let ((domain, _), mode, accept) = (name(app, &body.domain)?, mode(&body.mode)?, body.accept_public);
    let principal = access.principal()?;
    let by = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let asked = domain.clone();
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::approve(&ctx, tx, organization, &by, (&asked, mode), accept))
        .await?;
    match done.value {
        Approving::Done(found) | Approving::Same(found) => Ok(found),
        Approving::PublicMail => Err(Problem::new(
            StatusCode::CONFLICT,
            "public-mail-domain",
            "Anybody can get a mailbox there",
        )
        .detail(format!("`{domain}` gives a mailbox to anybody, so it would let the whole world in"))
        .cure(
            "invite these people one by one; or say `accept_public`, and USR-C2 is a gap until it is closed",
        )
        .field("domain", "anybody can get a mailbox there")),
        Approving::TooMany => {
            Err(Problem::conflict("this organization approves too many domains").cure("close some"))
        }
    }
}

async fn approve(
    State(app): State<App>,
    access: Access,
    Json(body): Json<ApproveBody>,
) -> platform::web::Result {
    Ok(Json(ApprovedDomainView::from(open(&app, &access, &body).await?)).into_response())
}

pub(super) async fn shut(app: &App, access: &Access, domain: &str) -> Result<(), Problem> {
    let (organization, domain) = (access.organization_id()?, domain.to_lowercase());
    let done = app.db().write(&access.ctx, move |tx| super::close(tx, organization, &domain)).await?;
    if done.value { Ok(()) } else { Err(Problem::not_found("approved domain")) }
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, domain)): Path<(String, String)>,
) -> platform::web::Result {
    shut(&app, &access, &domain).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn look(app: &App, access: &Access) -> Result<Vec<Opening>, Problem> {
    let account = access.account()?;
    Ok(app.db().read(move |tx| super::openings(tx, account)).await?)
}

async fn openings(State(app): State<App>, access: Access) -> platform::web::Result {
    let found = look(&app, &access).await?;
    Ok(Json(found.into_iter().map(OpeningView::from).collect::<Vec<_>>()).into_response())
}

pub(super) async fn enter(
    app: &App,
    access: &Access,
    body: &JoinBody,
) -> Result<platform::principals::Organization, Problem> {
    let account = person(app, access, body.email.as_ref()).await?;
    let (ctx, slug) = (access.ctx.clone(), body.organization.clone());
    let done = app.db().write(&access.ctx, move |tx| super::join(&ctx, tx, &slug, account)).await?;
    match done.value {
        Joined::Done(organization) => Ok(organization),
        Joined::NotOpen => Err(Problem::not_found("organization that is open to you")),
        Joined::AlreadyMember => Err(Problem::conflict("you are a member of this organization already")),
        Joined::Ask => {
            Err(Problem::conflict("this organization wants to be asked").cure("ask to join, with a reason"))
        }
    }
}

async fn join(State(app): State<App>, access: Access, Json(body): Json<JoinBody>) -> platform::web::Result {
    Ok(Json(OrganizationView::from(enter(&app, &access, &body).await?)).into_response())
}

pub(super) async fn request(app: &App, access: &Access, body: &AskBody) -> Result<Request, Problem> {
    let account = person(app, access, body.email.as_ref()).await?;
    let reason = reason(&body.reason)?;
    let (ctx, inside, slug, days) = (access.ctx.clone(), app.clone(), body.organization.clone(), body.days);
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::ask(&inside, &ctx, tx, &slug, account, (&reason, days)))
        .await?;
    asked(done.value)
}

async fn ask(State(app): State<App>, access: Access, Json(body): Json<AskBody>) -> platform::web::Result {
    let made = request(&app, &access, &body).await?;
    Ok((StatusCode::CREATED, Json(RequestView::new(made, access.ctx.now))).into_response())
}

pub(super) async fn take_back(app: &App, access: &Access, body: &JoinBody) -> Result<Request, Problem> {
    let account = person(app, access, body.email.as_ref()).await?;
    let (ctx, inside, slug) = (access.ctx.clone(), app.clone(), body.organization.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::withdraw(&inside, &ctx, tx, &slug, account)).await?;
    ended(done.value)
}

async fn withdraw(
    State(app): State<App>,
    access: Access,
    Json(body): Json<JoinBody>,
) -> platform::web::Result {
    let request = take_back(&app, &access, &body).await?;
    Ok(Json(RequestView::new(request, access.ctx.now)).into_response())
}
