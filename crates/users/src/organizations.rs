//! Organizations: who may make one, under which short name, and what it is called.
//!
//! Any signed-in person founds an organization and becomes its owner. Its slug stands in every address and never
//! changes; its name may.

use platform::Ctx;
use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId, Slug};
use platform::params;
use platform::principals::{
    self, Membership, MembershipSource, MembershipState, Organization, OrganizationKind, OrganizationState,
};
use platform::time::DAY;

use crate::names::Name;

pub(crate) mod api;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

/// Slugs that stand for parts of the program in addresses, or that would let somebody pose as it.
const RESERVED: &[&str] = &[
    "about",
    "access",
    "account",
    "accounts",
    "admin",
    "api",
    "app",
    "apps",
    "assets",
    "auth",
    "bailiwick",
    "billing",
    "docs",
    "health",
    "healthz",
    "help",
    "invitations",
    "login",
    "logout",
    "mail",
    "marketplace",
    "metrics",
    "new",
    "oauth",
    "openapi",
    "operator",
    "organizations",
    "provider",
    "readyz",
    "recover",
    "root",
    "saml",
    "scim",
    "security",
    "settings",
    "setup",
    "sign-in",
    "sign-out",
    "sign-up",
    "static",
    "status",
    "support",
    "system",
    "test",
    "trust",
    "well-known",
    "www",
];

/// Organizations that one account may found in a day.
pub const FOUNDED_PER_DAY_MAX: u64 = 20;

pub fn is_reserved(slug: &Slug) -> bool {
    RESERVED.contains(&slug.as_str())
}

/// How founding went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Founding {
    Done(Organization),
    SlugTaken,
    SlugReserved,
    /// The founder made [`FOUNDED_PER_DAY_MAX`] within a day.
    TooMany,
    NoSuchAccount,
}

/// Makes a customer organization. Without a founder (operator, demo) it has no member yet.
pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    founder: Option<AccountId>,
    name: &Name,
    slug: &Slug,
) -> Result<Commit<Founding>, DbError> {
    if is_reserved(slug) {
        return Ok(Commit::unchanged(Founding::SlugReserved));
    }
    let person = match founder {
        None => None,
        Some(id) => match principals::account(tx, id)? {
            None => return Ok(Commit::unchanged(Founding::NoSuchAccount)),
            Some(person) => Some(person),
        },
    };
    if let Some(person) = &person {
        let since = ctx.now.minus(DAY);
        let made: u64 = tx.scalar(&sql::COUNT_FOUNDED, params![person.id, since])?.unwrap_or(0);
        if made >= FOUNDED_PER_DAY_MAX {
            return Ok(Commit::unchanged(Founding::TooMany));
        }
    }
    let new = Organization {
        id: ctx.id(),
        slug: slug.as_str().to_owned(),
        name: name.as_str().to_owned(),
        kind: OrganizationKind::Customer,
        state: OrganizationState::Active,
        created_at: ctx.now,
    };
    if !principals::insert_organization(tx, &new)? {
        return Ok(Commit::unchanged(Founding::SlugTaken));
    }
    let created = Event::new(new.id, "organization.created").with("slug", slug).with("name", name);
    let mut recorded = tx.record(created);
    if let Some(person) = person {
        let owner = Membership {
            organization: new.id,
            account: person.id,
            role: Role::Owner,
            state: MembershipState::Active,
            source: MembershipSource::Founder,
            email: person.email,
            name: person.name,
            created_at: ctx.now,
        };
        principals::insert_membership(tx, &owner)?;
        recorded = tx.record(crate::people::added(&owner));
    }
    Ok(Commit::changed(Founding::Done(new), recorded))
}

/// A free slug made of a name: `harbor`, else `harbor-2`, `harbor-3` …
pub fn suggest_slug(tx: &mut ReadTx, name: &str) -> Result<Option<Slug>, DbError> {
    const TRIES: u32 = 20;
    let Some(first) = Slug::suggest(name) else { return Ok(None) };
    let stem: String = first.as_str().chars().take(36).collect();
    let others = (2..TRIES).filter_map(|n| Slug::parse(&format!("{}-{n}", stem.trim_end_matches('-'))).ok());
    for slug in std::iter::once(first).chain(others) {
        if !is_reserved(&slug) && principals::organization_by_slug(tx, slug.as_str())?.is_none() {
            return Ok(Some(slug));
        }
    }
    Ok(None)
}

/// Renames; `None` when there is no such organization.
pub fn rename(
    tx: &mut Tx,
    organization: OrganizationId,
    name: &Name,
) -> Result<Commit<Option<Organization>>, DbError> {
    lock(tx, organization)?;
    let Some(mut found) = principals::organization(tx, organization)? else {
        return Ok(Commit::unchanged(None));
    };
    if found.name == name.as_str() {
        return Ok(Commit::unchanged(Some(found)));
    }
    principals::rename_organization(tx, organization, name.as_str())?;
    let renamed =
        Event::new(organization, "organization.renamed").with("from", &found.name).with("name", name);
    let recorded = tx.record(renamed);
    found.name = name.as_str().to_owned();
    Ok(Commit::changed(Some(found), recorded))
}

/// Lets only one rule at a time decide about the organization's members and names. SQLite has one writer anyway.
pub fn lock(tx: &mut Tx, organization: OrganizationId) -> Result<(), DbError> {
    tx.query(&sql::LOCK, params![organization]).map(drop)
}
