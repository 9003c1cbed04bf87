//! Enrolment: who of the accounts that an organization manages has a factor beside the password.

use platform::db::{DbError, ReadTx};
use platform::ids::{AccountId, OrganizationId};
use platform::params;

pub(crate) mod api;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// How an organization's managed accounts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub managed: u64,
    /// With a factor beside the password.
    pub enrolled: u64,
}

impl Standing {
    pub fn missing(self) -> u64 {
        self.managed.saturating_sub(self.enrolled)
    }
}

pub fn standing(tx: &mut ReadTx, organization: OrganizationId) -> Result<Standing, DbError> {
    Ok(match tx.first(&sql::STANDING, params![organization])? {
        Some(row) => Standing { managed: row.get(0)?, enrolled: row.get(1)? },
        None => Standing { managed: 0, enrolled: 0 },
    })
}

/// Somebody without a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub account: AccountId,
    pub email: String,
    pub name: String,
}

/// Managed accounts without a factor, by address, after `after`.
pub fn missing(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    limit: u32,
) -> Result<Vec<Missing>, DbError> {
    tx.list(&sql::MISSING, params![organization, after, limit], |row| {
        Ok(Missing { account: row.get(0)?, email: row.get(1)?, name: row.get(2)? })
    })
}
