//! Social login as an organization decides on it: which providers for everybody are installed here, what each policy says of
//! them, and who of the people signs in that way.
//!
//! The decision itself is a setting of a policy ([`crate::policies::Rules::social_login`]); a provider that a policy does not
//! name is undecided there: it works, and row USR-C9 says that nobody has decided. With a social account somebody else
//! than the organization says who its people are, and goes on saying so after they left.

use platform::db::{DbError, ReadTx};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::Timestamp;

use crate::policies::{self, AppliesTo, PolicyId, Social};
use crate::single_sign_on;

pub(crate) mod api;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// What one policy says of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `None`: nobody has decided the default policy.
    pub id: Option<PolicyId>,
    pub policy: String,
    pub is_default: bool,
    pub social: Social,
}

impl Decision {
    pub fn is_undecided(&self) -> bool {
        self.social == Social::Undecided
    }
}

/// A provider for everybody that is installed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// As policies name it, e.g. `google`.
    pub name: String,
    pub label: String,
    /// Members who have signed in, or can, with an account of it.
    pub users: u64,
    pub policies: Vec<Decision>,
}

impl Provider {
    pub fn is_undecided(&self) -> bool {
        self.policies.iter().any(Decision::is_undecided)
    }
}

/// The providers that are installed, each with what every policy in force says of it.
pub fn providers(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Provider>, DbError> {
    let installed = single_sign_on::social(tx)?;
    if installed.is_empty() {
        return Ok(Vec::new());
    }
    let policies = policies::landscape(tx, organization)?.policies;
    let mut found = Vec::with_capacity(installed.len());
    for connection in installed {
        let Some(name) = connection.social else { continue };
        let mut decisions: Vec<Decision> = policies
            .iter()
            .map(|policy| Decision {
                id: Some(policy.id),
                policy: policy.name.clone(),
                is_default: policy.applies_to == AppliesTo::Default,
                social: policy.rules.social_login.get(&name).copied().unwrap_or_default(),
            })
            .collect();
        if !decisions.iter().any(|one| one.is_default) {
            let policy = "the default".to_owned();
            decisions.insert(0, Decision { id: None, policy, is_default: true, social: Social::Undecided });
        }
        let users = tx.scalar(&sql::COUNT, params![organization, connection.id])?.unwrap_or(0);
        found.push(Provider { name, label: connection.name, users, policies: decisions });
    }
    Ok(found)
}

/// A member with an account of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub provider: String,
    pub used_at: Timestamp,
}

impl User {
    /// Where the list goes on behind.
    pub fn key(&self) -> String {
        format!("{} {}", self.email, self.provider)
    }
}

/// Members who use social login, by address and provider, after the key `after`.
pub fn users(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    limit: u32,
) -> Result<Vec<User>, DbError> {
    tx.list(&sql::USERS, params![organization, after, limit], |row| {
        Ok(User {
            account: row.get(0)?,
            email: row.get(1)?,
            name: row.get(2)?,
            provider: row.get(3)?,
            used_at: row.get(4)?,
        })
    })
}
