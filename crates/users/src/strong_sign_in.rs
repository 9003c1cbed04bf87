//! Strong sign-in: which of the accounts that an organization manages are bound to single sign-on or to a second factor
//! by the policies they are under, and have what they are bound to.
//!
//! An account is **strong** when its policies let only the identity provider sign it in and it has come through a
//! connection that they take, or when they ask for a second factor and it has one of that rung. Everything else is a
//! [`Gap`] with its own cure: a policy that asks for nothing, a link or a factor that is missing, or an open break-glass,
//! which lifts the rules for a while.
//!
//! Counting costs one statement for everybody who is under a default alone, and a look at each of those whom policies
//! name, by group or by address. Only while a roll-out runs, a break-glass is open, or several connections are asked for,
//! everybody is looked at.

use std::collections::{BTreeMap, BTreeSet};

use platform::db::{DbError, ReadTx, Row};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::Timestamp;

use crate::directories::DirectoryId;
use crate::factors::Level;
use crate::policies::resolve::{Landscape, Placement};
use crate::policies::{self, ConnectionId, Rules};

pub(crate) mod api;
pub(crate) mod evidence;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// Accounts looked at at a time.
const BATCH: u32 = 500;
/// Accounts that one page of the list looks at before it hands back where it stands.
const BATCHES_MAX: usize = 20;

/// Why an account is not under strong sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// No policy asks this account for single sign-on or a second factor.
    Exempt,
    /// An open break-glass lifts the rules for this account.
    Lifted,
    /// Bound to single sign-on, and never came through the identity provider.
    NotLinked,
    /// Bound to a factor of this rung, and has none.
    NoFactor(Level),
}

impl Gap {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Lifted => "lifted",
            Self::NotLinked => "not_linked",
            Self::NoFactor(_) => "no_factor",
        }
    }

    /// Behind the person's name.
    pub fn words(self) -> String {
        match self {
            Self::Exempt => "no policy asks for single sign-on or a second factor".to_owned(),
            Self::Lifted => "an open break-glass lifts the rules".to_owned(),
            Self::NotLinked => "has to come through the identity provider, and has not yet".to_owned(),
            Self::NoFactor(level) => format!("has to have {}, and has not enrolled", level.words()),
        }
    }
}

/// By what an account is strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    SingleSignOn,
    Factor,
}

/// How an organization's managed accounts stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub managed: u64,
    pub by_single_sign_on: u64,
    pub by_factor: u64,
    pub exempt: u64,
    pub lifted: u64,
    /// Bound, and without what they are bound to.
    pub not_enrolled: u64,
}

impl Standing {
    pub fn strong(self) -> u64 {
        self.by_single_sign_on + self.by_factor
    }

    pub fn open(self) -> u64 {
        self.managed.saturating_sub(self.strong())
    }

    fn add(&mut self, judged: Result<By, Gap>, count: u64) {
        self.managed += count;
        *match judged {
            Ok(By::SingleSignOn) => &mut self.by_single_sign_on,
            Ok(By::Factor) => &mut self.by_factor,
            Err(Gap::Exempt) => &mut self.exempt,
            Err(Gap::Lifted) => &mut self.lifted,
            Err(Gap::NotLinked | Gap::NoFactor(_)) => &mut self.not_enrolled,
        } += count;
    }
}

/// Somebody who is not under strong sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub gap: Gap,
}

/// Judges one account by what its policies say and what it has. `linked`: it has come through a connection that they take.
fn judge(rules: &Rules, outside: bool, level: Level, linked: bool) -> Result<By, Gap> {
    // As `single_sign_on::enforcement` has it: people whose address is at a domain of others are not bound.
    if rules.single_sign_on && !outside {
        return if linked { Ok(By::SingleSignOn) } else { Err(Gap::NotLinked) };
    }
    if rules.factor == Level::Any {
        return Err(Gap::Exempt);
    }
    if level >= rules.factor { Ok(By::Factor) } else { Err(Gap::NoFactor(rules.factor)) }
}

/// What is asked of everybody, read once.
struct Asked {
    all: Landscape,
    /// Whom an open break-glass names.
    lifted: BTreeSet<AccountId>,
}

impl Asked {
    fn read(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Self, DbError> {
        let all = policies::landscape(tx, organization)?;
        let lifted = crate::break_glass::lifted_for(tx, organization, now)?.into_iter().collect();
        Ok(Self { all, lifted })
    }

    /// The one connection that policies ask for; `Err` when there are several, so that each account is looked at.
    fn connection(&self) -> Result<Option<ConnectionId>, ()> {
        let enforcing = self.all.policies.iter().map(|policy| &policy.rules).filter(|one| one.single_sign_on);
        let wanted: BTreeSet<Option<ConnectionId>> =
            enforcing.map(|rules| rules.single_sign_on_connection).collect();
        match wanted.len() {
            0 => Ok(None),
            1 => Ok(wanted.into_iter().next().flatten()),
            _ => Err(()),
        }
    }

    /// Whether where somebody stands follows from columns that one statement can group by.
    fn can_be_counted(&self) -> Option<Option<ConnectionId>> {
        let staged = self.all.policies.iter().any(|policy| policy.staged.is_some());
        if staged || !self.lifted.is_empty() { None } else { self.connection().ok() }
    }
}

/// How the managed accounts stand.
pub fn standing(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Standing, DbError> {
    let asked = Asked::read(tx, organization, now)?;
    let mut found = Standing::default();
    let named_only = match asked.can_be_counted() {
        Some(connection) => {
            count_plain(tx, organization, &asked, connection, &mut found)?;
            true
        }
        None => false,
    };
    let mut at = String::new();
    while let Some(page) = look_at(tx, organization, &asked, &at, named_only)? {
        for (_, judged) in page.people {
            found.add(judged, 1);
        }
        at = page.until;
    }
    Ok(found)
}

/// Everybody whom no policy names stands by four columns alone.
fn count_plain(
    tx: &mut ReadTx,
    organization: OrganizationId,
    asked: &Asked,
    connection: Option<ConnectionId>,
    found: &mut Standing,
) -> Result<(), DbError> {
    for row in tx.query(&sql::PLAIN, params![organization, connection])? {
        let (outside, directory): (bool, Option<DirectoryId>) = (row.get(0)?, row.get(1)?);
        let (rank, linked, count): (i64, bool, u64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        // Nobody's id: of those who are counted, none is named by a policy, and no roll-out runs.
        let place = Placement {
            account: platform::ids::Id::from_uuid(uuid::Uuid::nil()),
            groups: BTreeSet::new(),
            outside,
            directory,
        };
        let rules = asked.all.rules_for(&place);
        found.add(judge(&rules, outside, Level::from_rank(rank), linked), count);
    }
    Ok(())
}

/// A page of accounts with how each stands; `until` is the address of the last.
struct Looked {
    until: String,
    people: Vec<(Person, Result<By, Gap>)>,
}

struct Person {
    place: Placement,
    email: String,
    name: String,
    level: Level,
}

fn read_person(row: &Row) -> Result<Person, DbError> {
    let place = Placement {
        account: row.get(0)?,
        groups: BTreeSet::new(),
        outside: row.get(3)?,
        directory: row.get(4)?,
    };
    Ok(Person { place, email: row.get(1)?, name: row.get(2)?, level: Level::from_rank(row.get(5)?) })
}

fn look_at(
    tx: &mut ReadTx,
    organization: OrganizationId,
    asked: &Asked,
    after: &str,
    named_only: bool,
) -> Result<Option<Looked>, DbError> {
    let mut page =
        tx.list(&sql::PEOPLE, params![organization, after, BATCH, i64::from(named_only)], read_person)?;
    let Some(until) = page.last().map(|person| person.email.clone()) else { return Ok(None) };
    let range = params![organization, after, until.as_str()];
    for row in tx.query(&sql::GROUPS, range)? {
        let account: AccountId = row.get(0)?;
        if let Some(person) = page.iter_mut().find(|person| person.place.account == account) {
            person.place.groups.insert(row.get(1)?);
        }
    }
    let mut connections: BTreeMap<AccountId, BTreeSet<ConnectionId>> = BTreeMap::new();
    for row in tx.query(&sql::LINKED, range)? {
        connections.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    let judged = page.into_iter().map(|person| {
        let rules = asked.all.rules_for(&person.place);
        let came = connections.get(&person.place.account);
        let linked = came.is_some_and(|came| match rules.single_sign_on_connection {
            Some(wanted) => came.contains(&wanted),
            None => !came.is_empty(),
        });
        let mut judged = judge(&rules, person.place.outside, person.level, linked);
        if asked.lifted.contains(&person.place.account) {
            judged = Err(Gap::Lifted);
        }
        (person, judged)
    });
    Ok(Some(Looked { until, people: judged.collect() }))
}

/// Who is not under strong sign-in, by address, after `after`. The second: the address to go on behind, when there may be
/// more. A page may be shorter than `limit`, where many accounts in between are strong.
pub fn open(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<Open>, Option<String>), DbError> {
    let asked = Asked::read(tx, organization, now)?;
    let (mut found, mut at) = (Vec::new(), after.to_owned());
    for _ in 0..BATCHES_MAX {
        let Some(page) = look_at(tx, organization, &asked, &at, false)? else { return Ok((found, None)) };
        for (person, judged) in page.people {
            let Err(gap) = judged else { continue };
            if found.len() == limit {
                let next = found.last().map(|last: &Open| last.email.clone());
                return Ok((found, next));
            }
            let Person { place, email, name, .. } = person;
            found.push(Open { account: place.account, email, name, gap });
        }
        at = page.until;
    }
    Ok((found, Some(at)))
}
