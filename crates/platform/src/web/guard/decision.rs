//! Who may use a route, and which organization the request is about.

use crate::app::App;
use crate::ctx::Ctx;
use crate::principals::{self, OrganizationState};
use crate::time::Timestamp;
use crate::web::Problem;
use crate::web::access::{Credential, OrganizationAccess, Principal, Visit, may};
use crate::web::routes::{Openness, RouteInfo};

/// Decides whether the caller may use this route, and finds the organization it is about.
pub(super) async fn check_access(
    app: &App,
    info: &RouteInfo,
    slug: Option<String>,
    principal: Option<&Principal>,
    ctx: &Ctx,
    seen: &mut Option<OrganizationAccess>,
) -> Result<Option<OrganizationAccess>, Problem> {
    let permission = match info.openness {
        Openness::Public => return Ok(None),
        Openness::SignedIn => {
            let principal = principal.ok_or_else(Problem::sign_in)?;
            let operator = matches!(principal.credential, Credential::Operator);
            if principal.account.is_none() && !operator {
                return Err(Problem::forbidden("a signed-in person"));
            }
            return admitted(app, info, principal, ctx).await.map(|()| None);
        }
        Openness::Organization(permission) | Openness::Provider(permission) => Some(permission),
        Openness::Member => None,
    };
    let principal = principal.ok_or_else(Problem::sign_in)?;
    let hidden = || Problem::not_found("organization");
    let of_provider = matches!(info.openness, Openness::Provider(_));
    if slug.as_deref().is_some_and(|slug| slug.contains('\0')) {
        return Err(hidden());
    }
    let found = look_up(app, slug, of_provider, visit_of(info, principal, ctx)).await?;
    let (organization, membership, refusal) = found.ok_or_else(hidden)?;
    let role = belongs(&organization, membership.as_ref(), &principal.credential).ok_or_else(hidden)?;
    // After it is clear that the caller belongs here: a stranger learns nothing of an organization's networks.
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    if let Some(permission) = permission
        && !may(role, Some(principal), &organization, permission)
    {
        // The provider's console is nobody's business who does not run it.
        if of_provider {
            return Err(Problem::not_found("page"));
        }
        *seen = Some(OrganizationAccess { organization, role });
        let detail = format!("this needs `{}`: the right to {}", permission.as_str(), permission.words());
        return Err(Problem::forbidden(permission.as_str()).detail(detail));
    }
    let here = OrganizationAccess { organization, role };
    *seen = Some(here.clone());
    Ok(Some(here))
}

/// Whether a caller belongs to an organization at all, and in which role: what every request about one passes first. `None`:
/// to them it does not exist.
pub fn belongs(
    organization: &principals::Organization,
    membership: Option<&principals::Membership>,
    credential: &Credential,
) -> Option<Option<crate::access::Role>> {
    if organization.state == OrganizationState::Closed {
        return None;
    }
    let role = membership
        .filter(|membership| membership.state == principals::MembershipState::Active)
        .map(|membership| membership.role);
    let of_token = matches!(credential,
        Credential::ApiToken { organization: own, .. } if *own == organization.id);
    let of_operator = matches!(credential, Credential::Operator);
    (role.is_some() || of_token || of_operator).then_some(role)
}

/// A session whose proof falls short of a policy only enrols; one whose proof is old confirms before it changes
/// credentials and policies.
pub(super) fn check_proof(
    info: &RouteInfo,
    principal: Option<&Principal>,
    now: Timestamp,
) -> Result<(), Problem> {
    let Some(principal) = principal.filter(|one| matches!(one.credential, Credential::Session)) else {
        return Ok(());
    };
    if info.openness == Openness::Public {
        return Ok(());
    }
    if principal.proof.restricted && !info.while_restricted {
        return Err(Problem::enrolment());
    }
    if info.recent && now >= principal.proof.recent_until {
        return Err(Problem::step_up());
    }
    Ok(())
}

type Found = (principals::Organization, Option<principals::Membership>, Option<Problem>);

/// The organization that a request is about, what the caller is in it, and whether it takes them from where they are.
async fn look_up(
    app: &App,
    slug: Option<String>,
    of_provider: bool,
    mut visit: Visit,
) -> Result<Option<Found>, Problem> {
    let authenticate = app.authenticate().clone();
    app.db()
        .look_up(move |tx| {
            let organization = match (&slug, of_provider) {
                (_, true) => principals::provider(tx)?,
                (Some(slug), false) => principals::organization_by_slug(tx, slug)?,
                (None, false) => None,
            };
            let Some(organization) = organization else { return Ok(None) };
            let membership = match visit.principal.account {
                Some(account) => principals::membership(tx, organization.id, account)?,
                None => None,
            };
            visit.organization = Some(organization.id);
            let refusal = authenticate.admits(tx, &visit)?;
            Ok::<_, Problem>(Some((organization, membership, refusal)))
        })
        .await
}

fn visit_of(info: &RouteInfo, principal: &Principal, ctx: &Ctx) -> Visit {
    Visit {
        principal: principal.clone(),
        organization: None,
        ip: ctx.origin.ip,
        now: ctx.now,
        action: info.action,
    }
}

/// Asks about a page of one's own account.
async fn admitted(app: &App, info: &RouteInfo, principal: &Principal, ctx: &Ctx) -> Result<(), Problem> {
    let (visit, authenticate) = (visit_of(info, principal, ctx), app.authenticate().clone());
    match app.db().look_up(move |tx| authenticate.admits(tx, &visit)).await? {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}
