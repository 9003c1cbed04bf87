//! What the API takes and gives about policies.

use std::collections::BTreeSet;

use platform::Ctx;
use platform::db::{DbError, ReadTx, Row};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals;
use platform::time::Timestamp;
use platform::web::Problem;
use serde::{Deserialize, Serialize};

use super::super::decide::{self, Content, DEFAULT_NAME, OUTSIDE_NAME, Place, Target};
use super::super::dry_run::{DryRun, Touched};
use super::super::{AppliesTo, DirectoryId, PolicyId, Rules, default_id, sql};
use crate::directories;
use crate::names::CHARS_MAX;

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct GroupName {
    #[schema(value_type = String)]
    pub id: GroupId,
    pub name: String,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PersonName {
    #[schema(value_type = String)]
    pub id: AccountId,
    pub email: String,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DirectoryName {
    #[schema(value_type = String)]
    pub id: DirectoryId,
    /// Null where the directory is gone: its people are under the organization's default.
    pub name: Option<String>,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PolicyView {
    #[schema(value_type = String)]
    pub id: PolicyId,
    pub name: String,
    /// `default`, `outside`, `directory` or `named`.
    pub applies_to: AppliesTo,
    /// Whose default it is.
    pub directory: Option<DirectoryName>,
    /// 0: nobody has decided; the recommendation is in force.
    pub version: u64,
    pub rules: Rules,
    pub groups: Vec<GroupName>,
    pub accounts: Vec<PersonName>,
    pub decided_by: Option<String>,
    /// RFC 3339.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Deleted policies are shown alone, so that deleting can be undone.
    pub deleted: bool,
    /// A roll-out of other rules that is under way.
    #[schema(value_type = Option<String>)]
    pub rollout: Option<super::super::RolloutId>,
}

fn read_view(row: &Row) -> Result<PolicyView, DbError> {
    Ok(PolicyView {
        id: row.get(0)?,
        name: row.get(1)?,
        applies_to: row.parse(2, AppliesTo::parse)?,
        directory: match row.get(9)? {
            Some(id) => Some(DirectoryName { id, name: row.get(10)? }),
            None => None,
        },
        version: row.get(3)?,
        rules: Rules::read(&row.get::<String>(4)?)?,
        groups: Vec::new(),
        accounts: Vec::new(),
        decided_by: Some(row.get(5)?),
        decided_at: Some(row.get(6)?),
        deleted: row.get(7)?,
        rollout: row.get(8)?,
    })
}

fn undecided(organization: OrganizationId) -> PolicyView {
    PolicyView {
        id: default_id(organization),
        name: DEFAULT_NAME.to_owned(),
        applies_to: AppliesTo::Default,
        directory: None,
        version: 0,
        rules: Rules::RECOMMENDED,
        groups: Vec::new(),
        accounts: Vec::new(),
        decided_by: None,
        decided_at: None,
        deleted: false,
        rollout: None,
    }
}

fn fill(tx: &mut ReadTx, organization: OrganizationId, view: &mut PolicyView) -> Result<(), DbError> {
    if view.applies_to == AppliesTo::Named {
        view.groups = tx.list(&sql::GROUPS_NAMED, params![organization, view.id], |row| {
            Ok(GroupName { id: row.get(0)?, name: row.get(1)? })
        })?;
        view.accounts = tx.list(&sql::ACCOUNTS_NAMED, params![organization, view.id], |row| {
            Ok(PersonName { id: row.get(0)?, email: row.get(1)? })
        })?;
    }
    Ok(())
}

/// Policies in force, by name; the default also before anybody decided it.
pub(crate) fn all(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<PolicyView>, DbError> {
    let mut views = tx.list(&sql::VIEWS, params![organization], read_view)?;
    if !views.iter().any(|view| view.applies_to == AppliesTo::Default) {
        views.push(undecided(organization));
    }
    for view in &mut views {
        fill(tx, organization, view)?;
    }
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(views)
}

pub(crate) fn one(
    tx: &mut ReadTx,
    organization: OrganizationId,
    policy: PolicyId,
) -> Result<Option<PolicyView>, DbError> {
    let found = tx.first(&sql::VIEW, params![organization, policy])?.as_ref().map(read_view).transpose()?;
    let Some(mut view) = found else {
        return Ok((policy == default_id(organization)).then(|| undecided(organization)));
    };
    fill(tx, organization, &mut view)?;
    Ok(Some(view))
}

/// What a policy says today, as a version would keep it.
pub(crate) fn content(
    tx: &mut ReadTx,
    organization: OrganizationId,
    policy: PolicyId,
) -> Result<Option<Content>, DbError> {
    let view = one(tx, organization, policy)?.filter(|view| !view.deleted);
    Ok(view.map(|view| Content {
        name: view.name,
        rules: view.rules,
        groups: view.groups.iter().map(|group| group.id).collect(),
        accounts: view.accounts.iter().map(|person| person.id).collect(),
        deleted: false,
    }))
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VersionView {
    pub version: u64,
    pub name: String,
    pub rules: Rules,
    pub groups: usize,
    pub people: usize,
    pub deleted: bool,
    pub decided_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Timestamp,
}

pub(crate) fn versions(
    tx: &mut ReadTx,
    organization: OrganizationId,
    policy: PolicyId,
    before: i64,
    limit: u32,
) -> Result<Vec<VersionView>, DbError> {
    tx.list(&sql::VERSIONS, params![organization, policy, before, limit], |row| {
        let content = Content::read(&row.get::<String>(1)?)?;
        Ok(VersionView {
            version: row.get(0)?,
            name: content.name,
            rules: content.rules,
            groups: content.groups.len(),
            people: content.accounts.len(),
            deleted: content.deleted,
            decided_by: row.get(2)?,
            decided_at: row.get(3)?,
        })
    })
}

/// A policy as it shall be.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// Needed for named policies.
    #[serde(default)]
    #[schema(example = "Administrators")]
    pub name: String,
    /// `named` (when not said), `outside` or `directory`; only looked at when a policy is made.
    #[serde(default)]
    pub applies_to: Option<AppliesTo>,
    /// Makes the default of this directory; only looked at when a policy is made.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub directory: Option<DirectoryId>,
    pub rules: Rules,
    /// Groups by id or name.
    #[serde(default)]
    #[schema(example = json!(["Administrators"]))]
    pub groups: Vec<String>,
    /// Members by account id or address.
    #[serde(default)]
    #[schema(example = json!(["ann@harbor.example"]))]
    pub accounts: Vec<String>,
}

impl PolicyBody {
    /// Which policy is made.
    pub fn target(&self) -> Result<Target, Problem> {
        match (self.applies_to, self.directory) {
            (None | Some(AppliesTo::Directory), Some(directory)) => Ok(Target::Directory(directory)),
            (Some(_), Some(_)) => {
                let why = "only the default of a directory names one: leave `directory` or `applies_to` out";
                Err(Problem::invalid(why).field("/directory", why))
            }
            (applies_to, None) => Ok(Target::New(applies_to.unwrap_or(AppliesTo::Named))),
        }
    }

    pub fn content(&self, tx: &mut ReadTx, organization: OrganizationId) -> Result<Content, Problem> {
        let name = match (self.name.trim(), self.applies_to, self.directory) {
            ("", _, Some(directory)) => name_for(tx, organization, directory)?,
            ("", Some(AppliesTo::Outside), _) => OUTSIDE_NAME.to_owned(),
            ("", Some(AppliesTo::Default), _) => DEFAULT_NAME.to_owned(),
            (name, ..) => name.to_owned(),
        };
        Ok(Content {
            name,
            rules: self.rules.clone(),
            groups: groups(tx, organization, &self.groups)?,
            accounts: accounts(tx, organization, &self.accounts)?,
            deleted: false,
        })
    }
}

/// What the default of a directory is called when nobody says.
pub(crate) fn name_for(
    tx: &mut ReadTx,
    organization: OrganizationId,
    directory: DirectoryId,
) -> Result<String, Problem> {
    let found = directories::get(tx, organization, directory)?;
    let found = found.ok_or_else(|| Problem::not_found("directory"))?;
    Ok(format!("People of {}", found.name).chars().take(CHARS_MAX).collect())
}

pub(crate) fn groups(
    tx: &mut ReadTx,
    organization: OrganizationId,
    names: &[String],
) -> Result<BTreeSet<GroupId>, Problem> {
    let mut found = BTreeSet::new();
    for (at, name) in names.iter().enumerate() {
        let group = match name.parse::<GroupId>() {
            Ok(id) => principals::group(tx, organization, id)?,
            Err(_) => principals::group_by_name(tx, organization, name.trim())?,
        };
        let group = group.ok_or_else(|| {
            let why = format!("there is no group `{name}`: make it first");
            Problem::invalid(&why).field(format!("/groups/{at}"), why)
        })?;
        found.insert(group.id);
    }
    Ok(found)
}

pub(crate) fn accounts(
    tx: &mut ReadTx,
    organization: OrganizationId,
    names: &[String],
) -> Result<BTreeSet<AccountId>, Problem> {
    let mut found = BTreeSet::new();
    for (at, name) in names.iter().enumerate() {
        let account = super::member_of(tx, organization, name)?.ok_or_else(|| {
            let why = format!("`{name}` is not a member of this organization: invite them first");
            Problem::invalid(&why).field(format!("/accounts/{at}"), why)
        })?;
        found.insert(account);
    }
    Ok(found)
}

/// A change to try: of `policy`, or of a new one.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrialBody {
    /// `default`, `outside`, an id, or nothing for a new policy.
    #[serde(default)]
    pub policy: Option<String>,
    /// Try deleting it; the rest is then left out.
    #[serde(default)]
    pub delete: bool,
    /// As it shall be; what it says today when left out.
    #[serde(default)]
    pub change: Option<PolicyBody>,
}

impl TrialBody {
    pub fn trial(
        &self,
        tx: &mut ReadTx,
        organization: OrganizationId,
        ctx: &Ctx,
    ) -> Result<(Place, Content), Problem> {
        let Some(policy) = self.policy.as_deref().filter(|text| !text.is_empty()) else {
            let body = self.change.as_ref().ok_or_else(|| {
                Problem::invalid("a new policy needs its content").field("/change", "say what it shall be")
            })?;
            let content = body.content(tx, organization)?;
            return Ok((place(ctx, tx, organization, body.target()?)?, content));
        };
        let id = super::policy_of(tx, organization, policy)?;
        let gone = || Problem::not_found("policy");
        let place = decide::find(tx, organization, id)?.filter(|place| !place.deleted).ok_or_else(gone)?;
        if self.delete {
            return Ok((place, super::deletion(tx, organization, id)?));
        }
        let content = match &self.change {
            Some(body) => {
                let mut content = body.content(tx, organization)?;
                if content.name.is_empty() {
                    content.name = name_of_policy(tx, organization, id)?;
                }
                content
            }
            None => content(tx, organization, id)?.ok_or_else(gone)?,
        };
        Ok((place, content))
    }
}

/// Which policy a change would be of, or why it would be refused.
pub(crate) fn place(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    target: Target,
) -> Result<Place, Problem> {
    decide::place(ctx, tx, organization, target)?
        .map_err(|refusal| super::done(refusal).err().unwrap_or_else(Problem::internal))
}

fn name_of_policy(tx: &mut ReadTx, organization: OrganizationId, id: PolicyId) -> Result<String, DbError> {
    Ok(one(tx, organization, id)?.map(|view| view.name).unwrap_or_default())
}

/// The figures, and a page of the people a change touches.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DryRunView {
    #[serde(flatten)]
    pub run: DryRun,
    /// Whom it touches, by address: one page.
    pub people: Vec<Touched>,
    /// Where to go on; null on the last page.
    pub next_cursor: Option<String>,
}
