//! Who is asking, and what they may do here: what the guard found out, handed to every handler.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use futures_util::future::BoxFuture;

use crate::access::{Permission, Role};
use crate::app::App;
use crate::ctx::{Actor, Ctx};
use crate::db::{DbError, ReadTx};
use crate::ids::{AccountId, OrganizationId};
use crate::principals::{Organization, OrganizationKind};
use crate::time::Timestamp;

use super::Problem;
use super::routes::RouteInfo;

/// Somebody the program recognised.
#[derive(Clone, Debug)]
pub struct Principal {
    pub actor: Actor,
    /// Set for people; an API token acts for its organization.
    pub account: Option<AccountId>,
    pub name: String,
    pub email: String,
    /// The session, where there is one; CSRF tokens are bound to it.
    pub session: Option<uuid::Uuid>,
    pub credential: Credential,
    pub proof: Proof,
}

/// When a session's person last proved who they are, and whether that is enough. Tokens and the operator have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Until when it counts as recent, for routes that ask for a [recent proof](super::routes::Route::recent).
    pub recent_until: Timestamp,
    /// A policy asks for more than was proved: only routes where one
    /// [enrols](super::routes::Route::while_restricted) are open.
    pub restricted: bool,
}

#[derive(Clone, Debug)]
pub enum Credential {
    /// A browser's cookie: needs CSRF protection.
    Session,
    /// A shell on the server's machine: the command line acting on the store itself. Never made from a request that
    /// came through a socket.
    Operator,
    /// An API token of one organization with its scopes.
    ApiToken { organization: OrganizationId, scopes: Vec<Permission> },
}

/// Recognises a request's credentials. Implemented by `users::sessions`; the one place where the platform asks an area.
pub trait Authenticate: Send + Sync {
    /// `Ok(None)`: no credentials. An error refuses the request: present credentials that are wrong are not ignored.
    fn authenticate<'a>(
        &'a self,
        app: &'a App,
        parts: &'a Parts,
    ) -> BoxFuture<'a, Result<Option<Principal>, Problem>>;

    /// Whether somebody recognised may go on from where they are, by the rules of the organization that a request is
    /// about: `Some` refuses. Asked in the transaction that reads the membership, before the handler.
    fn admits(&self, tx: &mut ReadTx, visit: &Visit) -> Result<Option<Problem>, DbError> {
        let _ = (tx, visit);
        Ok(None)
    }
}

/// A request of somebody recognised, on its way to a handler.
#[derive(Clone, Debug)]
pub struct Visit {
    pub principal: Principal,
    /// The one in the path, or the provider's; `None`: pages of one's own account.
    pub organization: Option<OrganizationId>,
    pub ip: Option<IpAddr>,
    pub now: Timestamp,
    /// Of the route.
    pub action: &'static str,
}

/// The organization in the path and what the caller is in it.
#[derive(Clone, Debug)]
pub struct OrganizationAccess {
    pub organization: Organization,
    /// `None` for API tokens, whose scopes decide.
    pub role: Option<Role>,
}

/// The guard's findings. Take it as an argument of every handler.
#[derive(Clone)]
pub struct Access {
    pub ctx: Ctx,
    pub principal: Option<Principal>,
    pub organization: Option<OrganizationAccess>,
    pub route: Arc<RouteInfo>,
    /// For forms of this page: `<input type="hidden" name="csrf" value="…">`.
    pub csrf: String,
    /// The path and query of this request, for "come back here after signing in".
    pub path: String,
    /// A message from the request before, to show once.
    pub flash: Option<super::ui::Flash>,
    /// Whether the caller is a member of the provider's organization: gets a link to its console.
    pub staff: bool,
    /// The caller's organizations, for the menu that leads from one to the other. Pages only.
    pub places: Vec<super::ui::NavItem>,
    /// Light, dark, or as the system says.
    pub theme: super::ui::Theme,
}

impl Access {
    /// The organization in the path; only on routes with `{organization}`.
    pub fn organization(&self) -> Result<&Organization, Problem> {
        self.organization
            .as_ref()
            .map(|access| &access.organization)
            .ok_or_else(|| Problem::not_found("organization"))
    }

    pub fn organization_id(&self) -> Result<OrganizationId, Problem> {
        self.organization().map(|organization| organization.id)
    }

    pub fn principal(&self) -> Result<&Principal, Problem> {
        self.principal.as_ref().ok_or_else(Problem::sign_in)
    }

    /// The signed-in person; API tokens are no persons.
    pub fn account(&self) -> Result<AccountId, Problem> {
        self.principal()?.account.ok_or_else(|| Problem::forbidden("a signed-in person"))
    }

    /// Whether this person proved who they are recently enough for acts that change credentials and policies.
    pub fn is_recent(&self) -> bool {
        self.principal.as_ref().is_some_and(|principal| match principal.credential {
            Credential::Session => self.ctx.now < principal.proof.recent_until,
            Credential::Operator | Credential::ApiToken { .. } => true,
        })
    }

    /// The person who acts, or `None` for the operator; an API token is refused: it must not act as a founder or maker.
    pub fn person_or_operator(&self) -> Result<Option<AccountId>, Problem> {
        match self.principal()?.credential {
            Credential::Operator => Ok(None),
            _ => self.account().map(Some),
        }
    }

    /// Whether the caller may; for parts of a page that only some see. The route's own permission is checked already.
    pub fn may(&self, permission: Permission) -> bool {
        let Some(here) = &self.organization else { return false };
        may(here.role, self.principal.as_ref(), &here.organization, permission)
    }

    /// The highest role whose rights here the caller holds all: nobody gives another more than that, an API token
    /// neither.
    pub fn holds_role(&self) -> Role {
        let provider = self
            .organization
            .as_ref()
            .is_some_and(|here| here.organization.kind == OrganizationKind::Provider);
        let holds = |role: &Role| {
            let given = Permission::ALL.iter().copied().filter(|one| role.may(*one));
            given.filter(|one| provider || !of_provider(*one)).all(|one| self.may(one))
        };
        Role::ALL.into_iter().find(holds).unwrap_or(Role::Member)
    }
}

fn of_provider(permission: Permission) -> bool {
    matches!(permission, Permission::ProviderRead | Permission::ProviderManage)
}

pub(super) fn may(
    role: Option<Role>,
    principal: Option<&Principal>,
    organization: &Organization,
    permission: Permission,
) -> bool {
    if of_provider(permission) && organization.kind != OrganizationKind::Provider {
        return false;
    }
    match principal.map(|principal| &principal.credential) {
        Some(Credential::ApiToken { organization: own, scopes }) => {
            *own == organization.id && scopes.contains(&permission)
        }
        Some(Credential::Operator) => true,
        Some(Credential::Session) => role.is_some_and(|role| role.may(permission)),
        None => false,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Access>().cloned().ok_or_else(|| {
            tracing::error!(path = parts.uri.path(), "a handler runs without its guard");
            Problem::internal()
        })
    }
}
