//! JSON side of invitations.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::ids::{AccountId, GroupId};
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Accepted, Invitation, InvitationId, Invited, Inviter, NewInvitation, State};
use crate::accounts::email::EmailAddress;
use crate::organizations::api::OrganizationView;
use crate::people::api::{authority, beyond_yours};
use crate::tokens::LinkToken;

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/invitations";
    const ONE: &str = "/api/v1/organizations/{organization}/invitations/{invitation}";
    const RESEND: &str = "/api/v1/organizations/{organization}/invitations/{invitation}/resend";
    Routes::new()
        .add(
            routes::get(LIST, "invitation.list", READ, list)
                .summary("Invitations of an organization, the newest first")
                .paged()
                .query("state", "pending, accepted, revoked or expired")
                .gives::<Page<InvitationView>>(200),
        )
        .add(
            routes::post(LIST, "invitation.create", MANAGE, create)
                .summary("Invite an address; the link is mailed")
                .takes::<NewInvitationBody>()
                .gives::<InvitationView>(201)
                .records("invitation."),
        )
        .add(
            routes::get(ONE, "invitation.show", READ, show)
                .summary("One invitation")
                .gives::<InvitationView>(200),
        )
        .add(
            routes::post(RESEND, "invitation.resend", MANAGE, resend)
                .summary("Mail a new link; the old one stops working")
                .gives::<InvitationView>(200)
                .records("invitation."),
        )
        .add(
            routes::delete(ONE, "invitation.revoke", MANAGE, revoke)
                .summary("Take an invitation back")
                .gives_nothing(204)
                .records("invitation."),
        )
        .add(
            routes::post("/api/v1/invitations/accept", "invitation.accept", Openness::SignedIn, accept)
                .summary("Accept an invitation with the token of its link")
                .limit(Limit::Credential)
                .takes::<AcceptBody>()
                .gives::<OrganizationView>(200)
                .records("invitation."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct InvitationView {
    #[schema(value_type = String)]
    pub id: InvitationId,
    pub email: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// `pending`, `accepted`, `revoked` or `expired`.
    pub state: &'static str,
    #[schema(value_type = Option<String>)]
    pub invited_by: Option<AccountId>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub sent_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl InvitationView {
    fn new(invitation: Invitation, now: Timestamp) -> Self {
        Self {
            id: invitation.id,
            state: invitation.state(now).as_str(),
            email: invitation.email,
            role: invitation.role,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            sent_at: invitation.sent_at,
            expires_at: invitation.expires_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitationBody {
    #[schema(example = "ann@harbor.example")]
    pub email: String,
    /// `member` when not said.
    #[serde(default = "member")]
    #[schema(value_type = String, example = "member")]
    pub role: Role,
    /// Groups to join with the organization.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<GroupId>,
}

fn member() -> Role {
    Role::Member
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// The last part of the link.
    pub token: String,
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
                Problem::invalid(format!("`{text}` is no state of an invitation")).field("state", "not known")
            }),
        }
    }
}

/// The id in a list's cursor.
pub(super) fn before(query: &PageQuery) -> Result<Option<InvitationId>, Problem> {
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
    let found = app.db().read(move |tx| super::list(tx, organization, state, before, limit + 1)).await?;
    let page = Page::of(found, limit, |invitation| invitation.id.to_string());
    Ok(Json(page.map(|invitation| InvitationView::new(invitation, access.ctx.now))).into_response())
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, InvitationId)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::find(tx, organization, id)).await?;
    let found = found.ok_or_else(|| Problem::not_found("invitation"))?;
    Ok(Json(InvitationView::new(found, access.ctx.now)).into_response())
}

pub(super) fn inviter(access: &Access) -> Result<Inviter, Problem> {
    let principal = access.principal()?;
    let name = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    Ok(Inviter { account: principal.account, name, authority: authority(access) })
}

/// The invitation, or why there is none.
pub(super) fn invited(outcome: Invited) -> Result<Invitation, Problem> {
    let taken = |why: &str| Problem::conflict(why).field("email", why);
    match outcome {
        Invited::Done(invitation) => Ok(invitation),
        Invited::AlreadyMember => Err(taken("this person is a member already")),
        Invited::AlreadyInvited => Err(taken("an invitation to this address waits already")
            .cure("send that one again, or take it back first")),
        Invited::OwnersOnly => {
            Err(Problem::forbidden("organization.manage").detail("only owners invite owners"))
        }
        Invited::BeyondYours => Err(beyond_yours()),
        Invited::NoSuchGroup => {
            Err(Problem::invalid("a group is not one of this organization").field("groups", "not known"))
        }
        Invited::TooMany => Err(Problem::too_many(3600)
            .detail("too many invitations wait or were sent within a day")
            .cure("take back those that are not needed, or import people by CSV")),
        Invited::NoSuchInvitation => Err(Problem::not_found("waiting invitation")),
        Invited::TooSoon => Err(Problem::too_many(60).detail("this invitation was sent a moment ago")),
    }
}

pub(super) async fn make(
    app: &App,
    access: &Access,
    body: &NewInvitationBody,
) -> Result<Invitation, Problem> {
    let email =
        EmailAddress::parse(&body.email).map_err(|error| Problem::invalid(&error).field("email", &error))?;
    let new = NewInvitation { email, role: body.role, groups: body.groups.clone() };
    let (organization, inviter) = (access.organization_id()?, inviter(access)?);
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::invite(&inside, &ctx, tx, organization, &inviter, &new))
        .await?;
    invited(done.value)
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewInvitationBody>,
) -> platform::web::Result {
    let made = make(&app, &access, &body).await?;
    Ok((StatusCode::CREATED, Json(InvitationView::new(made, access.ctx.now))).into_response())
}

pub(super) async fn send_again(app: &App, access: &Access, id: InvitationId) -> Result<Invitation, Problem> {
    let (organization, inviter) = (access.organization_id()?, inviter(access)?);
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::resend(&inside, &ctx, tx, organization, &inviter, id))
        .await?;
    invited(done.value)
}

async fn resend(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, InvitationId)>,
) -> platform::web::Result {
    let sent = send_again(&app, &access, id).await?;
    Ok(Json(InvitationView::new(sent, access.ctx.now)).into_response())
}

pub(super) async fn take_back(app: &App, access: &Access, id: InvitationId) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::revoke(&ctx, tx, organization, id)).await?;
    if done.value { Ok(()) } else { Err(Problem::not_found("waiting invitation")) }
}

async fn revoke(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, InvitationId)>,
) -> platform::web::Result {
    take_back(&app, &access, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// One refusal for every reason a link does not work, so that nobody learns which.
pub(super) fn dead() -> Problem {
    Problem::not_found("invitation")
        .detail("this invitation does not work: it was used, taken back or has run out")
        .cure("ask whoever invited you to send it again")
}

pub(super) async fn use_up(app: &App, access: &Access, token: &str) -> Result<Accepted, Problem> {
    let account = access.account()?;
    let token = LinkToken::parse(token).map_err(|_| dead())?;
    let ctx = access.ctx.clone();
    let done = app.db().write(&access.ctx, move |tx| super::accept(&ctx, tx, &token, account)).await?;
    Ok(done.value)
}

async fn accept(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<AcceptBody>,
) -> platform::web::Result {
    match use_up(&app, &access, &body.token).await? {
        Accepted::Done(organization) => Ok(Json(OrganizationView::from(organization)).into_response()),
        Accepted::Dead => Err(dead()),
        Accepted::OtherAddress => Err(other_address()),
        Accepted::NotActive => Err(Problem::forbidden("an active account")),
        Accepted::AlreadyMember(_) => Err(Problem::conflict("you are a member of this organization already")),
    }
}

pub(super) fn other_address() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "other-address", "This invitation is for somebody else")
        .detail("it was sent to another address than that of your account")
        .cure("sign in with the account of the invited address, or ask for an invitation to yours")
}
