//! What the matrix asks about an organization before it asks for evidence: does it have a verified domain, and has
//! somebody access whose address is not at one?

use platform::db::{DbError, ReadTx};
use platform::evidence::OrganizationFacts;
use platform::ids::OrganizationId;
use platform::params;

mod sql;
#[cfg(test)]
pub(crate) mod tests;

/// A domain at risk still counts: its proof was missing at the last look, and it is held until it is lost.
pub fn organization_facts(
    tx: &mut ReadTx,
    organization: OrganizationId,
) -> Result<OrganizationFacts, DbError> {
    let verified: u64 = tx.scalar(&sql::HAS_VERIFIED_DOMAIN, params![organization])?.unwrap_or(0);
    let outsider = tx.first(&sql::OUTSIDER, params![organization])?;
    Ok(OrganizationFacts { has_verified_domain: verified > 0, has_outside_users: outsider.is_some() })
}
