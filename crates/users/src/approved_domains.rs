//! Approved domains: mail domains whose people may join an organization without an invitation, or ask to.
//!
//! A standing invitation to whoever has an account with a proved address there, exactly there: subdomains are others.
//! It admits nobody whose mailbox may have changed hands since, nobody whom a directory put out, and nobody back in whom
//! an admin removed: they ask. A domain at which anybody gets a mailbox lets the whole world in. It is refused unless
//! whoever opens it says that this is meant, and turns the matrix red as long as it stands open. A domain approves for
//! itself alone: it gives no hold over anybody's account, so it need not be one's own.

use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, Account, AccountState, Organization, OrganizationState};
use platform::time::{HOUR, Timestamp};
use platform::{App, Ctx};

use crate::access_grants::{self, Given};
use crate::access_offers::{DAYS_MAX, HOURS_DEFAULT, Wanted};
use crate::access_requests::{self, Asked, Ending, RequestId};
use crate::domains::name::{DomainName, DomainNameError, Reserved, is_public_mail};
use crate::{domains, organizations, people};

pub(crate) mod api;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

/// Approved domains of one organization.
pub const DOMAINS_MAX: u64 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They join by themselves.
    Join,
    /// They ask, and somebody who manages people decides.
    Ask,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Ask => "ask",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Join, Self::Ask].into_iter().find(|mode| mode.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedDomain {
    pub domain: String,
    pub mode: Mode,
    pub approved_by: String,
    pub approved_at: Timestamp,
    /// Anybody can get a mailbox there, by what is known now.
    pub public: bool,
}

impl ApprovedDomain {
    /// It admits the whole world.
    pub fn open_to_the_public(&self) -> bool {
        self.public && self.mode == Mode::Join
    }
}

fn read_domain(row: &Row) -> Result<ApprovedDomain, DbError> {
    let domain: String = row.get(0)?;
    Ok(ApprovedDomain {
        public: is_public_mail(&domain),
        domain,
        mode: row.parse(1, Mode::parse)?,
        approved_by: row.get(2)?,
        approved_at: row.get(3)?,
    })
}

/// The canonical name of a domain to approve, and whether anybody can get a mailbox there.
pub fn parse(text: &str, reserved: Reserved) -> Result<(String, bool), DomainNameError> {
    match DomainName::parse_with(text, reserved) {
        Ok(name) => Ok((name.as_str().to_owned(), false)),
        Err(DomainNameError::PublicMail(ascii)) => Ok((ascii, true)),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approving {
    Done(ApprovedDomain),
    /// It stands so already.
    Same(ApprovedDomain),
    /// Anybody can get a mailbox there, and nobody said that this is meant.
    PublicMail,
    TooMany,
}

/// Opens a domain, or changes what its people may do. `domain` is canonical, as [`parse`] gives it.
pub fn approve(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    (domain, mode): (&str, Mode),
    accept_public: bool,
) -> Result<Commit<Approving>, DbError> {
    organizations::lock(tx, organization)?;
    let before = find(tx, organization, domain)?;
    if let Some(same) = before.as_ref().filter(|before| before.mode == mode) {
        return Ok(Commit::unchanged(Approving::Same(same.clone())));
    }
    if is_public_mail(domain) && !accept_public {
        return Ok(Commit::unchanged(Approving::PublicMail));
    }
    let all: u64 = tx.scalar(&sql::COUNT, params![organization])?.unwrap_or(0);
    if before.is_none() && all >= DOMAINS_MAX {
        return Ok(Commit::unchanged(Approving::TooMany));
    }
    tx.execute(&sql::PUT, params![organization, domain, mode.as_str(), by, ctx.now])?;
    let Some(after) = find(tx, organization, domain)? else {
        return Err(DbError::Check("the domain just approved".to_owned()));
    };
    let action = if before.is_some() { "approved_domain.changed" } else { "approved_domain.added" };
    let event = Event::new(organization, action)
        .target("approved_domain", domain)
        .with("mode", mode.as_str())
        .with("public", after.public);
    let recorded = tx.record(event);
    Ok(Commit::changed(Approving::Done(after), recorded))
}

/// Closes a domain; whoever joined stays. `false`: it was not open.
pub fn close(tx: &mut Tx, organization: OrganizationId, domain: &str) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::DELETE, params![organization, domain])? != 1 {
        return Ok(Commit::unchanged(false));
    }
    let recorded =
        tx.record(Event::new(organization, "approved_domain.removed").target("approved_domain", domain));
    Ok(Commit::changed(true, recorded))
}

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    domain: &str,
) -> Result<Option<ApprovedDomain>, DbError> {
    tx.first(&sql::FIND, params![organization, domain])?.as_ref().map(read_domain).transpose()
}

/// All of them, by name; there are at most [`DOMAINS_MAX`].
pub fn list(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<ApprovedDomain>, DbError> {
    tx.list(&sql::LIST, params![organization], read_domain)
}

/// How many people have accounts at the domain and are no members; `None` unless the organization holds the domain,
/// whose people are nobody else's business.
pub fn count_outside(
    tx: &mut ReadTx,
    organization: OrganizationId,
    domain: &str,
) -> Result<Option<u64>, DbError> {
    if !domains::may_claim(tx, organization, domain)? {
        return Ok(None);
    }
    tx.scalar(&sql::COUNT_OUTSIDE, params![organization, domain])
}

// ---- joining --------------------------------------------------------------------------------------------------

/// An organization that somebody may join, or ask to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub organization: Organization,
    /// [`Mode::Ask`] also where an admin removed this person before.
    pub mode: Mode,
    /// A request to join waits.
    pub asked: bool,
}

/// What stands open to an account, by the domain of its proved address.
pub fn openings(tx: &mut ReadTx, account: AccountId) -> Result<Vec<Opening>, DbError> {
    let Some(person) = person(tx, account)? else { return Ok(Vec::new()) };
    let found: Vec<OrganizationId> =
        tx.list(&sql::OPEN_TO, params![person.email_domain.as_str(), account], |row| row.get(0))?;
    let mut openings = Vec::new();
    for organization in found {
        if let Some(opening) = opening(tx, organization, &person)? {
            openings.push(opening);
        }
    }
    Ok(openings)
}

fn person(tx: &mut ReadTx, account: AccountId) -> Result<Option<Account>, DbError> {
    Ok(principals::account(tx, account)?.filter(|person| person.state == AccountState::Active))
}

fn opening(
    tx: &mut ReadTx,
    organization: OrganizationId,
    person: &Account,
) -> Result<Option<Opening>, DbError> {
    let found = principals::organization(tx, organization)?;
    let here = found.filter(|found| found.state == OrganizationState::Active);
    let Some(here) = here else { return Ok(None) };
    let Some(rule) = find(tx, organization, &person.email_domain)? else { return Ok(None) };
    // The mailbox, or the name itself, may have changed hands since.
    let moved = domains::lost_after(tx, &rule.domain, rule.approved_at)?
        || domains::lost_after(tx, &rule.domain, person.created_at)?;
    if moved || crate::provisioning::stays_out(tx, organization, person.id)? {
        return Ok(None);
    }
    let mode = if people::was_removed(tx, organization, person.id)? { Mode::Ask } else { rule.mode };
    let waiting: u64 = tx.scalar(&sql::COUNT_ASKED, params![organization, person.id])?.unwrap_or(0);
    Ok(Some(Opening { organization: here, mode, asked: waiting > 0 }))
}

/// Whether the domain of somebody's address is open, whatever the way.
pub(crate) fn is_open_to(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<bool, DbError> {
    let Some(person) = person(tx, account)? else { return Ok(false) };
    Ok(opening(tx, organization, &person)?.is_some())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    Done(Organization),
    /// Nothing here stands open to this person: unknown organizations answer so, too.
    NotOpen,
    AlreadyMember,
    /// They must ask.
    Ask,
}

/// Joins by the domain of one's proved address.
pub fn join(ctx: &Ctx, tx: &mut Tx, slug: &str, account: AccountId) -> Result<Commit<Joined>, DbError> {
    let Some((person, here)) = at(tx, slug, account)? else { return Ok(Commit::unchanged(Joined::NotOpen)) };
    organizations::lock(tx, here.id)?;
    let Some(opening) = opening(tx, here.id, &person)? else { return Ok(Commit::unchanged(Joined::NotOpen)) };
    if principals::membership(tx, here.id, account)?.is_some() {
        return Ok(Commit::unchanged(Joined::AlreadyMember));
    }
    if opening.mode == Mode::Ask {
        return Ok(Commit::unchanged(Joined::Ask));
    }
    match access_grants::give(ctx, tx, here.id, Wanted::Membership, account)? {
        Given::Done(_) => {}
        Given::HasIt => return Ok(Commit::unchanged(Joined::AlreadyMember)),
        _ => return Ok(Commit::unchanged(Joined::NotOpen)),
    }
    let event = Event::new(here.id, "approved_domain.used")
        .target("account", account)
        .with("domain", &person.email_domain);
    let recorded = tx.record(event);
    Ok(Commit::changed(Joined::Done(here), recorded))
}

fn at(tx: &mut ReadTx, slug: &str, account: AccountId) -> Result<Option<(Account, Organization)>, DbError> {
    let (person, here) = (person(tx, account)?, principals::organization_by_slug(tx, slug)?);
    Ok(person.zip(here))
}

/// Asks to join: somebody who manages people decides. `days` 0: for good.
pub fn ask(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    slug: &str,
    account: AccountId,
    (reason, days): (&str, u32),
) -> Result<Commit<Asked>, DbError> {
    let Some((person, here)) = at(tx, slug, account)? else {
        return Ok(Commit::unchanged(Asked::NotOffered));
    };
    organizations::lock(tx, here.id)?;
    if opening(tx, here.id, &person)?.is_none() {
        return Ok(Commit::unchanged(Asked::NotOffered));
    }
    if days > DAYS_MAX {
        return Ok(Commit::unchanged(Asked::Days(DAYS_MAX)));
    }
    let new = access_requests::New {
        account,
        wanted: Wanted::Membership,
        target_name: &format!("Membership of {}", here.name),
        offer: None,
        approvers: None,
        reason,
        days,
        approvals: 1,
        due_at: ctx.now.plus(HOUR * HOURS_DEFAULT),
    };
    access_requests::open(app, ctx, tx, here.id, &new)
}

/// Takes an own request to join back.
pub fn withdraw(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    slug: &str,
    account: AccountId,
) -> Result<Commit<Ending>, DbError> {
    let Some(here) = principals::organization_by_slug(tx, slug)? else {
        return Ok(Commit::unchanged(Ending::NoSuchRequest));
    };
    match tx.scalar::<RequestId>(&sql::ASKED, params![here.id, account])? {
        Some(id) => access_requests::withdraw(app, ctx, tx, here.id, id, account),
        None => Ok(Commit::unchanged(Ending::NoSuchRequest)),
    }
}
