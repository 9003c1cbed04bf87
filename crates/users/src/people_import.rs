//! People import: a file of people becomes accounts, memberships and groups, all of it or nothing.
//!
//! Trying and doing share one plan, so the counts of a dry run are what happens. Nobody new can sign in before they
//! proved their address: their account waits as unverified, without any credential. Nobody's role changes by import.
//! Somebody who has an account joins without being asked only where the organization speaks for them: it manages the
//! account or has verified the address's domain; anybody else is a conflict, to be invited.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use platform::access::Role;
use platform::db::{DbError, ReadTx, Row};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals::{AccountState, MembershipState};
use platform::time::{DAY, Timestamp};

use crate::people::Authority;

pub(crate) mod api;
mod apply;
pub mod csv;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

pub use apply::import;
use csv::{Column, PersonRow};

/// Groups that one file may create: more means that another column stands in their place.
pub const NEW_GROUPS_MAX: usize = 200;
/// People that one organization may import in a day: each may cause a mail.
pub const IMPORTED_PER_DAY_MAX: u64 = 20_000;
/// Conflicts and faults that are listed one by one.
pub const LISTED_MAX: usize = 100;

/// What was asked besides the rows.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub authority: Authority,
    /// Mail everybody who still has to sign up.
    pub send_mail: bool,
}

/// Something at a place of the file: a fault that refuses it, or a conflict that leaves one person as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub line: Option<u64>,
    pub column: Option<Column>,
    /// What is so, and the cure.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column `{}`: ", column.as_str())?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.text)
    }
}

/// Remarks, the first [`LISTED_MAX`] of them one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    pub listed: Vec<Remark>,
    pub more: usize,
}

impl Remarks {
    fn add(&mut self, line: Option<u64>, column: Option<Column>, text: String) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(Remark { line, column, text });
        } else {
            self.more += 1;
        }
    }

    pub fn count(&self) -> usize {
        self.listed.len() + self.more
    }
}

/// What an import does, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub people: u64,
    pub new_accounts: u64,
    /// Had an account and become members.
    pub joining: u64,
    pub already_members: u64,
    pub groups_created: u64,
    /// People put into groups.
    pub group_memberships: u64,
    pub mails: u64,
    pub conflicts: Remarks,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done(Report),
    /// The file, or a part of it, cannot be taken: nothing was imported.
    Refused(Remarks),
}

/// Reads a file; every fault names line, column and cure.
pub fn read(data: &[u8]) -> Result<Vec<PersonRow>, Remarks> {
    csv::parse(data).map_err(|refused| {
        let mut remarks = Remarks::default();
        for fault in refused.faults {
            remarks.add(fault.line, fault.column, fault.problem.to_string());
        }
        remarks.more += refused.more;
        remarks
    })
}

/// Counts without doing.
pub fn dry_run(
    tx: &mut ReadTx,
    organization: OrganizationId,
    order: Order,
    rows: &[PersonRow],
    now: Timestamp,
) -> Result<Outcome, DbError> {
    Ok(match plan(tx, organization, order, rows, now)? {
        Ok(plan) => Outcome::Done(plan.report),
        Err(refused) => Outcome::Refused(refused),
    })
}

/// What happens to one person.
#[derive(Clone, Debug)]
enum Act {
    Create,
    /// Has an account, and waits for its owner to sign up if `unclaimed`.
    Join {
        account: AccountId,
        name: String,
        unclaimed: bool,
    },
    Keep {
        account: AccountId,
    },
}

/// A person whom the import touches, with the keys of the groups to be put into.
#[derive(Clone, Debug)]
struct Step<'a> {
    row: &'a PersonRow,
    act: Act,
    groups: Vec<String>,
}

struct Plan<'a> {
    steps: Vec<Step<'a>>,
    groups: HashMap<String, GroupId>,
    /// Key to name.
    new_groups: BTreeMap<String, &'a str>,
    report: Report,
}

/// An account that a row's address has.
struct Known {
    id: AccountId,
    name: String,
    state: AccountState,
    domain: String,
    managed_by: Option<OrganizationId>,
    member: Option<(Role, MembershipState)>,
}

/// What stands in the store about the people of a file.
struct Before {
    known: HashMap<String, Known>,
    groups: HashMap<String, GroupId>,
    in_groups: HashSet<(GroupId, AccountId)>,
    /// Groups that a directory fills: only it puts people into them.
    kept: HashSet<GroupId>,
    verified: HashSet<String>,
}

fn look(tx: &mut ReadTx, organization: OrganizationId, rows: &[PersonRow]) -> Result<Before, DbError> {
    let emails: Vec<&str> = rows.iter().map(|row| row.email.key()).collect();
    let emails = serde_json::to_string(&emails).map_err(|error| DbError::Check(error.to_string()))?;
    let known = tx.list(&sql::ACCOUNTS, params![organization, emails.as_str()], read_known)?;
    let groups = tx.list(&sql::GROUPS, params![organization], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let in_groups = tx.list(&sql::IN_GROUPS, params![organization, emails.as_str()], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let kept = tx.list(&sql::KEPT_GROUPS, params![organization], |row| row.get(0))?;
    let verified = tx.list(&sql::VERIFIED_DOMAINS, params![organization], |row| row.get(0))?;
    Ok(Before {
        known: known.into_iter().collect(),
        groups: groups.into_iter().collect(),
        in_groups: in_groups.into_iter().collect(),
        kept: kept.into_iter().collect(),
        verified: verified.into_iter().collect(),
    })
}

fn read_known(row: &Row) -> Result<(String, Known), DbError> {
    let role: Option<String> = row.get(6)?;
    let member = match role {
        None => None,
        Some(_) => Some((row.parse(6, Role::parse)?, row.parse(7, MembershipState::parse)?)),
    };
    let known = Known {
        id: row.get(1)?,
        name: row.get(2)?,
        state: row.parse(3, AccountState::parse)?,
        domain: row.get(4)?,
        managed_by: row.get(5)?,
        member,
    };
    Ok((row.get(0)?, known))
}

fn plan<'a>(
    tx: &mut ReadTx,
    organization: OrganizationId,
    order: Order,
    rows: &'a [PersonRow],
    now: Timestamp,
) -> Result<Result<Plan<'a>, Remarks>, DbError> {
    let before = look(tx, organization, rows)?;
    let mut report = Report { people: count(rows.len()), ..Report::default() };
    let mut refused = Remarks::default();
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let act = match before.known.get(row.email.key()) {
            None => Ok(Act::Create),
            Some(known) => judge(organization, &before, known, row),
        };
        match act {
            Ok(act) => {
                let owner = row.role == Some(Role::Owner) && !matches!(act, Act::Keep { .. });
                if owner && !order.authority.over_owners {
                    let text =
                        "only an owner makes owners: ask one to import this file, or choose another role";
                    refused.add(Some(row.line), Some(Column::Role), text.to_owned());
                } else if let Some(role) = row.role.filter(|role| !order.authority.gives(*role))
                    && !matches!(act, Act::Keep { .. })
                {
                    let text =
                        format!("this needs all rights of the role `{}`: let a person do it", role.as_str());
                    refused.add(Some(row.line), Some(Column::Role), text);
                }
                steps.push(Step { row, act, groups: Vec::new() });
            }
            Err(conflict) => report.conflicts.add(Some(row.line), Some(Column::Email), conflict),
        }
    }
    conflicting_roles(&before, &steps, &mut report.conflicts);
    let new_groups = place(&before, &mut steps, &mut report);
    if new_groups.len() > NEW_GROUPS_MAX {
        let text = format!(
            "{} new groups would be created, more than {NEW_GROUPS_MAX}: check the column `groups`",
            new_groups.len()
        );
        refused.add(None, None, text);
    }
    tally(&mut report, &steps, order);
    let imported: u64 = tx.scalar(&sql::IMPORTED_SINCE, params![organization, now.minus(DAY)])?.unwrap_or(0);
    if imported + report.new_accounts + report.joining > IMPORTED_PER_DAY_MAX {
        let text = format!("more than {IMPORTED_PER_DAY_MAX} people in a day: import the rest tomorrow");
        refused.add(None, None, text);
    }
    if refused.count() > 0 {
        return Ok(Err(refused));
    }
    report.groups_created = count(new_groups.len());
    Ok(Ok(Plan { steps, groups: before.groups, new_groups, report }))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What happens to somebody who has an account; `Err`: nothing, and why.
fn judge(
    organization: OrganizationId,
    before: &Before,
    known: &Known,
    row: &PersonRow,
) -> Result<Act, String> {
    let email = row.email.key();
    match known.member {
        Some((_, MembershipState::Suspended)) => {
            return Err(format!("`{email}` is suspended here and stays so: restore them first"));
        }
        Some((_, MembershipState::Active)) => return Ok(Act::Keep { account: known.id }),
        None => {}
    }
    let unclaimed = known.state == AccountState::Unverified;
    let spoken_for = known.managed_by == Some(organization) || before.verified.contains(&known.domain);
    match known.state {
        AccountState::Deleted if spoken_for => {
            Err(format!("the account of `{email}` was deleted: invite them instead"))
        }
        // Of strangers' addresses nobody learns here whether the account is there still.
        AccountState::Deleted => Err(outside(email)),
        _ if unclaimed || spoken_for => {
            Ok(Act::Join { account: known.id, name: known.name.clone(), unclaimed })
        }
        _ => Err(outside(email)),
    }
}

fn outside(email: &str) -> String {
    format!("`{email}` is outside your verified domains and must agree: invite them instead")
}

/// Members keep the role they have.
fn conflicting_roles(before: &Before, steps: &[Step<'_>], conflicts: &mut Remarks) {
    for step in steps.iter().filter(|step| matches!(step.act, Act::Keep { .. })) {
        let known = before.known.get(step.row.email.key()).and_then(|known| known.member);
        if let (Some((has, _)), Some(wanted)) = (known, step.row.role)
            && has != wanted
        {
            let text = format!(
                "`{}` is `{}` and stays so: change the role on the page of the person",
                step.row.email.key(),
                has.as_str()
            );
            conflicts.add(Some(step.row.line), Some(Column::Role), text);
        }
    }
}

/// Fills in which groups each person is put into, and gives those to create.
fn place<'a>(before: &Before, steps: &mut [Step<'a>], report: &mut Report) -> BTreeMap<String, &'a str> {
    let mut new = BTreeMap::new();
    for step in steps {
        for name in &step.row.groups {
            let key = name.as_str().to_lowercase();
            let inside = match (&step.act, before.groups.get(&key)) {
                (Act::Keep { account }, Some(group)) => before.in_groups.contains(&(*group, *account)),
                _ => false,
            };
            if inside {
                continue;
            }
            if before.groups.get(&key).is_some_and(|group| before.kept.contains(group)) {
                let text = format!(
                    "a directory keeps the group `{}`: put `{}` into it at your identity provider",
                    name.as_str(),
                    step.row.email.key()
                );
                report.conflicts.add(Some(step.row.line), Some(Column::Groups), text);
                continue;
            }
            if !before.groups.contains_key(&key) {
                new.entry(key.clone()).or_insert(name.as_str());
            }
            step.groups.push(key);
            report.group_memberships += 1;
        }
    }
    new
}

fn tally(report: &mut Report, steps: &[Step<'_>], order: Order) {
    for step in steps {
        match step.act {
            Act::Create => report.new_accounts += 1,
            Act::Join { .. } => report.joining += 1,
            Act::Keep { .. } => report.already_members += 1,
        }
        report.mails += u64::from(order.send_mail && step.has_to_sign_up());
    }
}

impl Step<'_> {
    fn has_to_sign_up(&self) -> bool {
        matches!(self.act, Act::Create | Act::Join { unclaimed: true, .. })
    }
}
