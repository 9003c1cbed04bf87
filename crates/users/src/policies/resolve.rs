//! Which policies apply to whom: a pure function of an organization's policies and a person's place in it.
//!
//! - A policy assigned to one of somebody's groups, or to them by name, applies.
//! - The policy for outside people applies to everybody whose address is at no verified domain, besides the named ones.
//! - Who gets none of these is under the default of their directory, and else under the organization's default.
//! - Of everything that applies, **the strictest value of each setting wins**.
//! - While a roll-out runs, those whom its stage has reached get its rules instead of the policy's.

use std::collections::{BTreeMap, BTreeSet};

use platform::ids::{AccountId, GroupId, Id};
use platform::time::Timestamp;

use super::{AppliesTo, DirectoryId, PolicyId, Rules};

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub id: PolicyId,
    pub name: String,
    pub applies_to: AppliesTo,
    pub directory: Option<DirectoryId>,
    pub version: u64,
    pub rules: Rules,
    pub decided_by: String,
    pub decided_at: Timestamp,
    pub staged: Option<Staged>,
}

/// How far a roll-out has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    pub rules: Rules,
    pub percent: u8,
    pub groups: BTreeSet<GroupId>,
}

impl Staged {
    fn reaches(&self, person: &Placement) -> bool {
        share_of(person.account) < self.percent || person.groups.iter().any(|id| self.groups.contains(id))
    }
}

/// Where an account stands in a roll-out by percentage: 0 to 99, the same in every roll-out and on every node. The end
/// of an id is random.
pub fn share_of(account: AccountId) -> u8 {
    let bytes = account.bytes();
    let tail = u16::from_be_bytes([bytes[14], bytes[15]]);
    u8::try_from((u32::from(tail) * 100) >> 16).unwrap_or(99)
}

/// A person's place in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub account: AccountId,
    /// At least those groups that policies and stages name.
    pub groups: BTreeSet<GroupId>,
    pub outside: bool,
    /// The directory the person comes from; `None`: the local one.
    pub directory: Option<DirectoryId>,
}

/// Why a policy applies to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Through {
    /// Assigned to the person by name.
    Chosen,
    Group(GroupId),
    Outside,
    Directory,
    Default,
    /// Nobody has decided: the platform's recommendation.
    Recommendation,
}

/// A policy that applies to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<'a> {
    /// `None`: the recommendation.
    pub policy: Option<&'a InForce>,
    pub through: Through,
    pub rules: &'a Rules,
    /// The rules are those of a roll-out that has reached the person.
    pub staged: bool,
}

/// An organization's policies with their assignments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landscape {
    pub policies: Vec<InForce>,
    pub groups: BTreeMap<PolicyId, BTreeSet<GroupId>>,
    pub accounts: BTreeMap<PolicyId, BTreeSet<AccountId>>,
}

static RECOMMENDED: Rules = Rules::RECOMMENDED;

impl Landscape {
    /// What applies to a person; never empty.
    pub fn applied(&self, person: &Placement) -> Vec<Applied<'_>> {
        let mut found: Vec<Applied<'_>> = Vec::new();
        for policy in &self.policies {
            if let Some(through) = self.through(policy, person) {
                found.push(self.apply(policy, through, person));
            }
        }
        if found.is_empty() {
            found.push(self.fallback(person));
        }
        found
    }

    /// The strictest of everything that applies.
    pub fn rules_for(&self, person: &Placement) -> Rules {
        let applied = self.applied(person);
        let mut rules = applied.iter().map(|one| one.rules);
        let first = rules.next().unwrap_or(&RECOMMENDED).clone();
        rules.fold(first, |all, one| all.strictest(one))
    }

    /// By assignment, and for outside people.
    fn through(&self, policy: &InForce, person: &Placement) -> Option<Through> {
        match policy.applies_to {
            AppliesTo::Named => {
                let chosen = self.accounts.get(&policy.id).is_some_and(|all| all.contains(&person.account));
                let group = || {
                    let all = self.groups.get(&policy.id)?;
                    all.iter().find(|id| person.groups.contains(*id)).copied()
                };
                if chosen { Some(Through::Chosen) } else { group().map(Through::Group) }
            }
            AppliesTo::Outside => person.outside.then_some(Through::Outside),
            AppliesTo::Directory | AppliesTo::Default => None,
        }
    }

    fn fallback(&self, person: &Placement) -> Applied<'_> {
        let of_directory = self.policies.iter().find(|policy| {
            policy.applies_to == AppliesTo::Directory
                && policy.directory.is_some()
                && policy.directory == person.directory
        });
        if let Some(policy) = of_directory {
            return self.apply(policy, Through::Directory, person);
        }
        match self.policies.iter().find(|policy| policy.applies_to == AppliesTo::Default) {
            Some(policy) => self.apply(policy, Through::Default, person),
            None => {
                Applied { policy: None, through: Through::Recommendation, rules: &RECOMMENDED, staged: false }
            }
        }
    }

    fn apply<'a>(&self, policy: &'a InForce, through: Through, person: &Placement) -> Applied<'a> {
        let staged = policy.staged.as_ref().filter(|staged| staged.reaches(person));
        Applied {
            policy: Some(policy),
            through,
            rules: staged.map_or(&policy.rules, |staged| &staged.rules),
            staged: staged.is_some(),
        }
    }
}
