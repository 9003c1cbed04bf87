//! Conditions under which a duty binds an organization, decided from live facts about it.
//!
//! Three-valued on purpose: a fact nobody could read makes the answer "cannot tell", never "does not apply".

/// The facts that conditions read. `None` means that the fact could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationFacts {
    pub has_verified_domain: Option<bool>,
    /// Somebody with access has an address outside the organization's verified domains.
    pub has_outside_users: Option<bool>,
}

/// When a half binds the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    Always,
    HasVerifiedDomain,
    UnverifiedOrOutsiders,
}

/// The answer for one organization, with its reason as one clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applicability {
    Applies,
    DoesNotApply(String),
    CannotTell(String),
}

impl Applies {
    pub const ALL: [Applies; 3] = [Self::Always, Self::HasVerifiedDomain, Self::UnverifiedOrOutsiders];

    /// The condition in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::HasVerifiedDomain => "while the organization has a verified domain",
            Self::UnverifiedOrOutsiders => "without a verified domain, or with users from outside it",
        }
    }

    pub fn decide(self, facts: &OrganizationFacts) -> Applicability {
        let verified = facts.has_verified_domain;
        let binds = match self {
            Self::Always => Some(true),
            Self::HasVerifiedDomain => verified,
            Self::UnverifiedOrOutsiders => match (verified.map(|yes| !yes), facts.has_outside_users) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        };
        match binds {
            Some(true) => Applicability::Applies,
            Some(false) => Applicability::DoesNotApply(format!("binds only {}", self.words())),
            None => Applicability::CannotTell(format!(
                "binds {}, and the facts that decide this could not be read",
                self.words()
            )),
        }
    }
}
