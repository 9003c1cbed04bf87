//! Why something is asked of somebody: for each setting the value in force and which policy asks for it.

use std::collections::BTreeMap;

use platform::db::{DbError, ReadTx};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::principals::{self, Membership};
use platform::time::Timestamp;
use serde::Serialize;

use super::resolve::{Applied, Through};
use super::rules::SETTINGS;
use super::{Contribution, DirectoryId, PolicyId, Rules, contributions, group_names};
use crate::directories;

/// A policy's part in what applies to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Part {
    /// Null for another organization: which one, and what it asks, is none of this one's business.
    pub policy: Option<String>,
    #[schema(value_type = Option<String>)]
    pub policy_id: Option<PolicyId>,
    /// `assigned by name`, `through the group Admins`, `as one of the outside people`, `by default`, …
    pub through: String,
    pub rules: Option<Rules>,
    /// Whether an admin decided it; false: the platform's recommendation.
    pub decided: bool,
}

/// One setting, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Why {
    /// The member of the rules.
    pub setting: &'static str,
    pub label: &'static str,
    pub value: String,
    /// `because the policy Admins asks for it (through the group Admins)`
    pub because: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Explanation {
    #[schema(value_type = String)]
    pub account: AccountId,
    pub email: String,
    pub name: String,
    /// What applies: the strictest of each setting.
    pub rules: Rules,
    pub parts: Vec<Part>,
    pub settings: Vec<Why>,
    /// A break-glass is open for this person here: proof, single sign-on and networks are not asked for.
    pub break_glass: bool,
}

/// Why what applies applies to a member; `None` when there is no such member.
pub fn explain(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<Explanation>, DbError> {
    let Some(member) = principals::membership(tx, organization, account)? else { return Ok(None) };
    let directories = directories::list(tx, organization)?;
    let names = Names {
        groups: group_names(tx, organization)?,
        directories: directories.into_iter().map(|one| (one.id, one.name)).collect(),
    };
    let all = contributions(tx, account, now)?;
    let own = all.iter().find(|one| one.organization == organization);
    let others: Vec<&Contribution> = all.iter().filter(|one| one.organization != organization).collect();
    let applied = own.map(|own| own.landscape.applied(&own.person)).unwrap_or_default();
    let effective = all.iter().map(|one| one.rules.clone()).reduce(|one, other| one.strictest(&other));
    let rules = Rules {
        // Another organization's networks guard that one's pages, and are its own business.
        networks: own.and_then(|own| own.rules.networks.clone()),
        ..effective.unwrap_or(Rules::RECOMMENDED)
    };
    let mut parts: Vec<Part> = applied.iter().map(|one| part(one, &names)).collect();
    parts.extend(others.iter().map(|_| Part {
        policy: None,
        policy_id: None,
        through: "as a member of another organization".to_owned(),
        rules: None,
        decided: true,
    }));
    let settings = SETTINGS
        .iter()
        .map(|setting| {
            let value = setting.value(&rules);
            let of_own = own.is_some_and(|own| setting.value(&own.rules) == value);
            let asking = applied.iter().filter(|one| setting.value(one.rules) == value).collect::<Vec<_>>();
            let because = match (of_own, asking.as_slice()) {
                (true, []) => "together, several policies ask for it".to_owned(),
                (true, [one]) if one.policy.is_none() => "nobody has decided: the recommendation".to_owned(),
                (true, some) => some.iter().map(|one| named(one, &names)).collect::<Vec<_>>().join("; "),
                (false, _) => "another organization of this person asks for it".to_owned(),
            };
            Why { setting: setting.name, label: setting.label, value, because }
        })
        .collect();
    let break_glass = crate::break_glass::is_open_for(tx, organization, account, now)?;
    let Membership { email, name, .. } = member;
    Ok(Some(Explanation { account, email, name, rules, parts, settings, break_glass }))
}

/// What ids are called.
struct Names {
    groups: BTreeMap<GroupId, String>,
    directories: BTreeMap<DirectoryId, String>,
}

fn through(one: &Applied<'_>, names: &Names) -> String {
    let how = match one.through {
        Through::Chosen => "assigned by name".to_owned(),
        Through::Group(group) => {
            let name = names.groups.get(&group).map_or("that is gone", String::as_str);
            format!("through the group {name}")
        }
        Through::Outside => "as one of the outside people".to_owned(),
        Through::Directory => {
            let id = one.policy.and_then(|policy| policy.directory);
            let name = id.and_then(|id| names.directories.get(&id)).map_or("that is gone", String::as_str);
            format!("as the default of the directory {name}")
        }
        Through::Default => "by default".to_owned(),
        Through::Recommendation => "by the platform's recommendation".to_owned(),
    };
    if one.staged { format!("{how}, as its roll-out has reached this person") } else { how }
}

fn named(one: &Applied<'_>, names: &Names) -> String {
    let name = one.policy.map_or("the recommendation", |policy| policy.name.as_str());
    format!("the policy {name}, {}", through(one, names))
}

fn part(one: &Applied<'_>, names: &Names) -> Part {
    Part {
        policy: Some(one.policy.map_or_else(|| "Recommendation".to_owned(), |policy| policy.name.clone())),
        policy_id: one.policy.map(|policy| policy.id),
        through: through(one, names),
        rules: Some(one.rules.clone()),
        decided: one.policy.is_some(),
    }
}
