//! What each role may do in the consoles: one table, printed and compared as a snapshot.

use serde::{Deserialize, Serialize};

/// What a member may do in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, including who the owners are and closing the organization.
    Owner,
    /// Everything but that.
    Admin,
    /// Sees everything, changes nothing.
    Auditor,
    /// Has an account and nothing to administer.
    Member,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Owner, Role::Admin, Role::Auditor, Role::Member];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Member => "member",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    pub fn may(self, permission: Permission) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !permission.owners_only(),
            Self::Auditor => permission.reads(),
            Self::Member => false,
        }
    }
}

macro_rules! permissions {
    ($($(#[$meta:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// A right in an organization's console and API; also the name of an API token's scope.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $($(#[$meta])* $name),+ }

        impl Permission {
            pub const ALL: &'static [Permission] = &[$(Permission::$name),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

permissions! {
    /// The matrix, its rows, history and exports.
    ResponsibilitiesRead = "responsibilities.read",
    /// Attest, accept a risk.
    ResponsibilitiesManage = "responsibilities.manage",
    PeopleRead = "people.read",
    PeopleManage = "people.manage",
    DomainsRead = "domains.read",
    DomainsManage = "domains.manage",
    PoliciesRead = "policies.read",
    PoliciesManage = "policies.manage",
    ContactsRead = "contacts.read",
    ContactsManage = "contacts.manage",
    AuditRead = "audit.read",
    /// Where the audit log is streamed to.
    AuditManage = "audit.manage",
    /// All tickets of the organization; who opened one sees it without.
    SupportRead = "support.read",
    /// Open tickets, write on all of them, say who else may open some.
    SupportManage = "support.manage",
    TokensRead = "tokens.read",
    TokensManage = "tokens.manage",
    OrganizationRead = "organization.read",
    /// Name, owners, closing.
    OrganizationManage = "organization.manage",
    /// The provider's console: organizations × rows, jobs, health. Held only in the provider's own organization.
    ProviderRead = "provider.read",
    ProviderManage = "provider.manage",
}

impl Permission {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text)
    }

    /// What it lets somebody do, for pages.
    pub fn words(self) -> &'static str {
        match self {
            Self::ResponsibilitiesRead => "see the matrix, its rows and their history",
            Self::ResponsibilitiesManage => "attest and accept risks",
            Self::PeopleRead => "see people, groups, requests and reviews",
            Self::PeopleManage => "invite, change and remove people and groups",
            Self::DomainsRead => "see domains",
            Self::DomainsManage => "verify and remove domains",
            Self::PoliciesRead => "see sign-in policies and single sign-on",
            Self::PoliciesManage => "decide sign-in policies and single sign-on",
            Self::ContactsRead => "see breach contacts",
            Self::ContactsManage => "change breach contacts",
            Self::AuditRead => "read and export the audit log",
            Self::AuditManage => "choose where the audit log is streamed to",
            Self::SupportRead => "see all tickets of the organization",
            Self::SupportManage => "open tickets and write on all of them",
            Self::TokensRead => "see API tokens",
            Self::TokensManage => "make and revoke API tokens",
            Self::OrganizationRead => "see the organization's settings",
            Self::OrganizationManage => "rename the organization, choose its owners, close it",
            Self::ProviderRead => "see the provider's console",
            Self::ProviderManage => "run the installation",
        }
    }

    pub fn reads(self) -> bool {
        self.as_str().ends_with(".read")
    }

    fn owners_only(self) -> bool {
        self == Self::OrganizationManage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_role_table() {
        let table: Vec<String> = Permission::ALL
            .iter()
            .map(|permission| {
                let marks: String =
                    Role::ALL.iter().map(|role| if role.may(*permission) { '+' } else { '-' }).collect();
                format!("{:24}{marks}", permission.as_str())
            })
            .collect();
        // Columns: owner, admin, auditor, member.
        assert_eq!(
            table.join("\n"),
            "responsibilities.read   +++-\n\
             responsibilities.manage ++--\n\
             people.read             +++-\n\
             people.manage           ++--\n\
             domains.read            +++-\n\
             domains.manage          ++--\n\
             policies.read           +++-\n\
             policies.manage         ++--\n\
             contacts.read           +++-\n\
             contacts.manage         ++--\n\
             audit.read              +++-\n\
             audit.manage            ++--\n\
             support.read            +++-\n\
             support.manage          ++--\n\
             tokens.read             +++-\n\
             tokens.manage           ++--\n\
             organization.read       +++-\n\
             organization.manage     +---\n\
             provider.read           +++-\n\
             provider.manage         ++--"
        );
    }
}
