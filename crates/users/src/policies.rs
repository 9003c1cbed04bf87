//! Authentication policies: how the people of an organization prove themselves, how long that lasts, and from where.
//!
//! - An organization has a default policy, may have a default of its own for each directory that people come from, one
//!   for **outside people** (whose address is at none of its verified domains), and named ones, assigned to groups or to
//!   chosen accounts. Until an admin decides the default, the
//!   platform's recommendation is in force and the matrix says that nobody has decided.
//! - Where several apply, also of several organizations, **the strictest value of each setting wins**
//!   (`policies/resolve.rs`, `policies/rules.rs`).
//! - Networks and factors are the exception across organizations: each one's list and the proof it asks for guard its own
//!   pages, tokens and product rules. Signing in is refused by the organization that manages the account, or when no
//!   organization of the person's takes the network; a whole session is restricted by the managing organization alone.
//!   Otherwise a stranger could lock somebody out of everything by making them a member. Leaving is always open.
//! - Every change can be tried first (`policies/dry_run.rs`), rolled out in stages (`policies/rollout.rs`), explained for
//!   one person (`policies/explain.rs`) and undone. Nobody saves a policy that would lock themselves out.
//! - A decision shortens running sessions at once; what else changes somebody's rules (a group, a stage) reaches a
//!   session within a minute of its use. Password rules apply when a password is next set, since a hash does not tell
//!   how long its password is. There is no forced rotation unless an admin asks for it (NIST SP 800-63B-4 §3.1.1.2
//!   advises against it).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use platform::db::{DbError, ReadTx, Row};
use platform::ids::{AccountId, GroupId, Id, OrganizationId};
use platform::params;
use platform::principals::Account;
use platform::time::{MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

use crate::factors::Level;
use crate::passwords::strength::PasswordRules;
use crate::sessions::SessionRules;

pub(crate) mod admit;
pub(crate) mod api;
pub(crate) mod decide;
pub(crate) mod dry_run;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod jobs;
pub mod networks;
pub(crate) mod pages;
pub mod resolve;
pub mod rollout;
pub mod rules;
mod sql;
#[cfg(test)]
mod tests;

pub use crate::directories::DirectoryId;
pub use crate::single_sign_on::ConnectionId;
pub use admit::{
    Barred, NetworkRefusal, bars_password, factor_asked, network_allows, network_allows_token,
    sign_in_network,
};
pub use decide::{Content, Decided, Target, decide, decide_policy};
pub(crate) use dry_run::places;
use resolve::{InForce, Landscape, Placement, Staged};
pub use rules::{MIN_LENGTH_RECOMMENDED, Rules, Social};

platform::id! {
    /// An authentication policy. The default's is its organization's id.
    PolicyId,
    /// A planned change that comes into force in stages.
    RolloutId
}

/// Named policies one organization may have.
pub const POLICIES_MAX: usize = 50;
/// Accounts one policy may name; beyond, a group is the better tool.
pub const CHOSEN_MAX: usize = 500;

/// Whom a policy is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AppliesTo {
    /// Everybody whom no other policy names: the default of the local directory, too.
    Default,
    /// Members whose address is at no verified domain of the organization.
    Outside,
    /// The people of one directory whom no other policy names: the default of that directory.
    Directory,
    /// The groups and accounts it is assigned to.
    Named,
}

impl AppliesTo {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Outside => "outside",
            Self::Directory => "directory",
            Self::Named => "named",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Default, Self::Outside, Self::Directory, Self::Named];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

/// The default policy of an organization, also before anybody decided it.
pub fn default_id(organization: OrganizationId) -> PolicyId {
    PolicyId::from_uuid(organization.uuid())
}

fn read_groups(text: &str) -> Result<BTreeSet<GroupId>, DbError> {
    serde_json::from_str(text).map_err(|_| DbError::Check("a stored stage is not readable".to_owned()))
}

fn read_in_force(row: &Row) -> Result<InForce, DbError> {
    let staged = match row.get::<Option<String>>(8)? {
        Some(rules) => Some(Staged {
            rules: Rules::read(&rules)?,
            percent: row.get(9)?,
            groups: read_groups(&row.get::<String>(10)?)?,
        }),
        None => None,
    };
    Ok(InForce {
        id: row.get(0)?,
        name: row.get(1)?,
        applies_to: row.parse(2, AppliesTo::parse)?,
        directory: row.get(3)?,
        version: row.get(4)?,
        rules: Rules::read(&row.get::<String>(5)?)?,
        decided_by: row.get(6)?,
        decided_at: row.get(7)?,
        staged,
    })
}

/// All policies of an organization with everybody they are assigned to.
pub fn landscape(tx: &mut ReadTx, organization: OrganizationId) -> Result<Landscape, DbError> {
    let mut found = without_accounts(tx, organization)?;
    for row in tx.query(&sql::POLICY_ACCOUNTS, params![organization])? {
        found.accounts.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    Ok(found)
}

fn without_accounts(tx: &mut ReadTx, organization: OrganizationId) -> Result<Landscape, DbError> {
    let policies = tx.list(&sql::POLICIES, params![organization], read_in_force)?;
    let mut found = Landscape { policies, ..Landscape::default() };
    if found.policies.iter().any(|policy| policy.applies_to == AppliesTo::Named) {
        for row in tx.query(&sql::POLICY_GROUPS, params![organization])? {
            found.groups.entry(row.get(0)?).or_default().insert(row.get(1)?);
        }
    }
    Ok(found)
}

/// As [`landscape`], with the assignments of one account alone, and that account's place.
fn around(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    outside: bool,
) -> Result<(Landscape, Placement), DbError> {
    let mut found = without_accounts(tx, organization)?;
    let mut person = Placement { account, groups: BTreeSet::new(), outside, directory: None };
    if found.policies.iter().any(|policy| policy.applies_to == AppliesTo::Directory) {
        person.directory = crate::directories::of_account(tx, organization, account)?;
    }
    let assigned = found.policies.iter().any(|p| p.applies_to == AppliesTo::Named || p.staged.is_some());
    if assigned {
        person.groups =
            tx.list(&sql::GROUPS_OF, params![organization, account], |row| row.get(0))?.into_iter().collect();
        for row in tx.query(&sql::CHOSEN_FOR, params![organization, account])? {
            found.accounts.entry(row.get(0)?).or_default().insert(account);
        }
    }
    Ok((found, person))
}

/// What one organization asks of one account, whether or not it is a member (yet).
pub(crate) fn in_organization(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    now: Timestamp,
) -> Result<Rules, DbError> {
    let outside = tx.scalar(&sql::OUTSIDE, params![organization, account])?.unwrap_or(true);
    let (found, person) = around(tx, organization, account, outside)?;
    let rules = found.rules_for(&person);
    relieved(tx, organization, account, now, rules)
}

/// An open break-glass lifts what may have broken, for those it names.
fn relieved(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    now: Timestamp,
    rules: Rules,
) -> Result<Rules, DbError> {
    let can_lock_out = rules.factor > Level::Any || rules.single_sign_on || rules.networks.is_some();
    if !can_lock_out || !crate::break_glass::is_open_for(tx, organization, account, now)? {
        return Ok(rules);
    }
    Ok(Rules {
        factor: Level::Any,
        single_sign_on: false,
        single_sign_on_connection: None,
        networks: None,
        ..rules
    })
}

/// One organization's part in what applies to a person.
#[derive(Clone, Debug)]
pub struct Contribution {
    pub organization: OrganizationId,
    pub name: String,
    /// It manages the account.
    pub manages: bool,
    pub landscape: Landscape,
    pub person: Placement,
    /// What it asks, after break-glass.
    pub rules: Rules,
}

/// Which organizations set what for this person: those it is an active member of.
pub fn contributions(
    tx: &mut ReadTx,
    account: AccountId,
    now: Timestamp,
) -> Result<Vec<Contribution>, DbError> {
    let mut all = Vec::new();
    for row in tx.query(&sql::MEMBERSHIPS, params![account])? {
        let organization: OrganizationId = row.get(0)?;
        let (landscape, person) = around(tx, organization, account, row.get(2)?)?;
        let rules = relieved(tx, organization, account, now, landscape.rules_for(&person))?;
        all.push(Contribution {
            organization,
            name: row.get(1)?,
            manages: row.get(3)?,
            landscape,
            person,
            rules,
        });
    }
    Ok(all)
}

/// What a whole session of this person is under.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The strictest of everything.
    pub rules: Rules,
    /// The proof without which a session only enrols: what the organization that manages the account asks for. What the
    /// others ask for guards their own routes (`admit`).
    pub session_factor: Level,
}

pub fn for_session(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Effective, DbError> {
    let all = contributions(tx, account, now)?;
    let managing = all.iter().find(|one| one.manages);
    let session_factor = managing.map_or(Level::Any, |one| one.rules.factor);
    let strictest = all.into_iter().map(|one| one.rules).reduce(|one, other| one.strictest(&other));
    Ok(Effective { rules: strictest.unwrap_or(Rules::RECOMMENDED), session_factor })
}

/// The proof that restricts a whole session, see [`Effective`].
pub fn session_factor(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Level, DbError> {
    Ok(for_session(tx, account, now)?.session_factor)
}

/// The strictest of everything that applies to this person.
pub fn effective(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Rules, DbError> {
    Ok(for_session(tx, account, now)?.rules)
}

pub fn session_rules(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<SessionRules, DbError> {
    Ok(effective(tx, account, now)?.session())
}

/// What this person must reach for every organization of theirs.
pub fn required_level(tx: &mut ReadTx, account: &Account, now: Timestamp) -> Result<Level, DbError> {
    Ok(effective(tx, account.id, now)?.factor)
}

/// How recent a proof must be for acts that change credentials and policies.
pub fn step_up_window(tx: &mut ReadTx, account: &Account, now: Timestamp) -> Result<Duration, DbError> {
    Ok(MINUTE * effective(tx, account.id, now)?.step_up_minutes)
}

/// Whether this person may sign in with their account at `provider`.
pub fn social_login(
    tx: &mut ReadTx,
    account: AccountId,
    provider: &str,
    now: Timestamp,
) -> Result<Social, DbError> {
    Ok(effective(tx, account, now)?.social_login.get(provider).copied().unwrap_or_default())
}

/// `None`: somebody who has no account yet.
pub fn password_rules(
    tx: &mut ReadTx,
    account: Option<&Account>,
    now: Timestamp,
) -> Result<PasswordRules, DbError> {
    let rules = match account {
        Some(account) => effective(tx, account.id, now)?,
        None => Rules::RECOMMENDED,
    };
    Ok(rules.password())
}

/// What API tokens of an organization have to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRules {
    pub allowed: bool,
    pub lifetime_max: Duration,
}

/// For tokens made by `maker`; `None`: by the operator, who is under the default.
pub fn token_rules(
    tx: &mut ReadTx,
    organization: OrganizationId,
    maker: Option<AccountId>,
    now: Timestamp,
) -> Result<TokenRules, DbError> {
    let rules = rules_of_token(tx, organization, maker, now)?;
    Ok(TokenRules { allowed: rules.api_tokens, lifetime_max: rules.token_lifetime_max() })
}

/// Whether a token of this age is dead by the rules that its maker is under today.
pub(crate) fn ends_token(
    tx: &mut ReadTx,
    organization: OrganizationId,
    maker: Option<AccountId>,
    created: Timestamp,
    now: Timestamp,
) -> Result<bool, DbError> {
    if !narrows(tx, organization)? {
        return Ok(false);
    }
    let rules = token_rules(tx, organization, maker, now)?;
    Ok(!rules.allowed || created.plus(rules.lifetime_max) <= now)
}

fn rules_of_token(
    tx: &mut ReadTx,
    organization: OrganizationId,
    maker: Option<AccountId>,
    now: Timestamp,
) -> Result<Rules, DbError> {
    match maker {
        Some(maker) => in_organization(tx, organization, maker, now),
        None => {
            let policies = tx.list(&sql::POLICIES, params![organization], read_in_force)?;
            let default = policies.into_iter().find(|policy| policy.applies_to == AppliesTo::Default);
            Ok(default.map_or(Rules::RECOMMENDED, |policy| policy.rules))
        }
    }
}

/// Groups by id, with their names; for pages and explanations.
pub(crate) fn group_names(
    tx: &mut ReadTx,
    organization: OrganizationId,
) -> Result<BTreeMap<GroupId, String>, DbError> {
    let rows = tx.list(&sql::GROUP_NAMES, params![organization], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().collect())
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whether any policy of the organization can refuse a request: the one look that most requests cost.
fn narrows(tx: &mut ReadTx, organization: OrganizationId) -> Result<bool, DbError> {
    Ok(tx.first(&sql::NARROWS, params![organization])?.is_some())
}

/// Whether `rules` take requests from here. An address that is not known is taken by no list.
fn takes(rules: &Rules, ip: Option<IpAddr>) -> bool {
    rules.networks.as_ref().is_none_or(|list| ip.is_some_and(|ip| list.allow(ip)))
}
