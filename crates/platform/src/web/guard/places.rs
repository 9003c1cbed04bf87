//! Where a signed-in person can go besides.

use crate::access::{Permission, Role};
use crate::app::App;
use crate::principals;
use crate::web::access::Principal;
use crate::web::{Problem, ui};

/// Where else somebody can go: their organizations, and the provider's console.
#[derive(Clone, Default)]
pub(super) struct Places {
    pub staff: bool,
    pub organizations: Vec<ui::NavItem>,
}

/// The first page that a role has in an organization.
pub(super) fn home_of(role: Option<Role>, slug: &str) -> String {
    match role {
        Some(Role::Member) => format!("/o/{slug}/access"),
        _ => format!("/o/{slug}"),
    }
}

pub(super) async fn places_of(app: &App, principal: Option<&Principal>) -> Result<Places, Problem> {
    let Some(account) = principal.and_then(|principal| principal.account) else {
        return Ok(Places::default());
    };
    let found = app.db().look_up(move |tx| principals::places(tx, account)).await?;
    let runs = |place: &principals::Place| {
        place.kind == principals::OrganizationKind::Provider && place.role.may(Permission::ProviderRead)
    };
    Ok(Places {
        staff: found.iter().any(runs),
        organizations: found
            .iter()
            .map(|place| ui::NavItem::new(&place.name, home_of(Some(place.role), &place.slug)))
            .collect(),
    })
}
