//! Domains: which names an organization has proved to be its own, and what becomes of them when the proof goes away.
//!
//! `pending → verified → at_risk → suspended → lost`; `removed` is the holder's own act. Promises:
//! - A domain has one holder: a unique index of the database says so, not this code. Several may try at once.
//! - Nothing is held without a stored proof (method, hash of the answer, who gave it, when).
//! - An outage is never taken for a removed record, and no wave of removals passes without somebody of the provider
//!   looking ([`jobs`]).
//! - After a loss nobody gets into an old account through its mailbox ([`is_frozen`]), and the next holder of the name
//!   inherits nothing. Why so: `docs/decisions/lost-domains.md`.
//!
//! [`proof`] judges what was seen, [`checks`] turns judgements into states, [`prover`] looks.

use std::collections::BTreeMap;
use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::params;
use platform::principals::Account;
use platform::time::{DAY, HOUR, Timestamp};

use crate::organizations;

pub(crate) mod api;
pub mod checks;
pub mod drill;
pub(crate) mod evidence;
pub mod jobs;
pub mod name;
pub(crate) mod pages;
pub mod proof;
pub mod prover;
pub(crate) mod provider_pages;
pub mod silence;
pub(crate) mod sql;
#[cfg(test)]
pub(crate) mod tests;

use name::DomainName;
use proof::{Method, Report};

pub use prover::{NetworkProver, Prover, ProverService};

/// Domains one organization may have waiting for their first proof.
pub const PENDING_MAX: u64 = 20;
/// Domains one organization may have in all, lost ones included.
pub const DOMAINS_MAX: u64 = 1000;
/// How long a token may be used for the first proof.
pub const TOKEN_LIFE: Duration = Duration::from_secs(14 * DAY.as_secs());
/// Random bytes of a token: 160 bits.
const TOKEN_BYTES: usize = 20;
/// Checks in a row that must find the proof gone before anything happens.
pub const MISSES_MAX: u32 = 2;
/// How soon a domain is checked again whose proof was not seen.
pub const DOUBT_EVERY: Duration = Duration::from_secs(6 * HOUR.as_secs());
/// From the first notice to the end of new claims.
pub const AT_RISK_FOR: Duration = Duration::from_secs(7 * DAY.as_secs());
/// From there to the loss: 14 days after the first notice.
pub const SUSPENDED_FOR: Duration = Duration::from_secs(7 * DAY.as_secs());

platform::id! {
    /// One organization's hold on, or attempt at, one domain.
    DomainId
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its first proof.
    Pending,
    Verified,
    /// The proof is gone; nothing has changed yet.
    AtRisk,
    /// Gone for long: no new claims.
    Suspended,
    Lost,
    Removed,
}

impl State {
    pub const ALL: [State; 6] =
        [Self::Pending, Self::Verified, Self::AtRisk, Self::Suspended, Self::Lost, Self::Removed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::AtRisk => "at_risk",
            Self::Suspended => "suspended",
            Self::Lost => "lost",
            Self::Removed => "removed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The organization holds the name: nobody else can.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Verified | Self::AtRisk | Self::Suspended)
    }

    /// Accounts may be claimed.
    pub fn may_claim(self) -> bool {
        matches!(self, Self::Verified | Self::AtRisk)
    }
}

#[derive(Clone, Debug)]
pub struct Domain {
    pub organization: OrganizationId,
    pub id: DomainId,
    pub name: String,
    pub state: State,
    pub state_since: Timestamp,
    pub token: String,
    pub token_expires_at: Timestamp,
    pub proof_method: Option<Method>,
    pub proof_resolvers: Option<String>,
    pub proved_at: Option<Timestamp>,
    pub checked_at: Option<Timestamp>,
    pub report: Option<Report>,
    pub misses: u32,
    pub unanswered_since: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    pub claim_new: bool,
    pub claim_new_since: Timestamp,
    pub lost_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

pub(crate) fn read_domain(row: &Row) -> Result<Domain, DbError> {
    let method: Option<String> = row.get(7)?;
    let report: Option<String> = row.get(11)?;
    Ok(Domain {
        organization: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        state: row.parse(3, State::parse)?,
        state_since: row.get(4)?,
        token: row.get(5)?,
        token_expires_at: row.get(6)?,
        proof_method: method.as_deref().and_then(Method::parse),
        proof_resolvers: row.get(8)?,
        proved_at: row.get(9)?,
        checked_at: row.get(10)?,
        report: report.and_then(|json| serde_json::from_str(&json).ok()),
        misses: row.get(12)?,
        unanswered_since: row.get(13)?,
        due_at: row.get(14)?,
        claim_new: row.get(15)?,
        claim_new_since: row.get(16)?,
        lost_at: row.get(17)?,
        created_at: row.get(18)?,
    })
}

impl Domain {
    pub fn token_expired(&self, now: Timestamp) -> bool {
        now >= self.token_expires_at
    }

    /// The name of the TXT record.
    pub fn record_name(&self) -> String {
        format!("{}.{}", proof::LABEL, self.name)
    }

    pub fn record_value(&self) -> String {
        proof::record_value(&self.token)
    }

    pub fn file_url(&self) -> String {
        format!("https://{}{}", self.name, proof::FILE_PATH)
    }

    /// What its state means and what happens next, for people.
    pub fn what_next(&self, now: Timestamp) -> String {
        if let Some(words) = silence::what_next(self, now) {
            return words;
        }
        match self.state {
            State::Pending if self.token_expired(now) => {
                "The token has expired. Get a new one and publish that.".to_owned()
            }
            State::Pending => format!(
                "Publish the record or the file, then check. The token works until {}.",
                self.token_expires_at.day_words()
            ),
            State::Verified if self.misses > 0 => format!(
                "The last check did not find the proof. It is looked for again on {}; nothing has changed yet.",
                self.next_words()
            ),
            State::Verified => match self.unanswered_since {
                Some(since) => format!(
                    "Nobody has answered since {}. That does not count against the domain; the next try is on {}.",
                    since.day_words(),
                    self.next_words()
                ),
                None => format!("The proof is looked for again on {}. Leave it in place.", self.next_words()),
            },
            State::AtRisk => format!(
                "The proof is gone. Publish it again by {}, or new claims stop; a week later the domain is lost.",
                self.state_since.plus(AT_RISK_FOR).day_words()
            ),
            State::Suspended => format!(
                "The proof is gone and new claims have stopped. Publish it again by {}, or the domain is lost.",
                self.state_since.plus(SUSPENDED_FOR).day_words()
            ),
            State::Lost => {
                "Lost. Its accounts cannot be recovered by mail. Add the domain again to prove it anew."
                    .to_owned()
            }
            State::Removed => "Removed.".to_owned(),
        }
    }

    fn next_words(&self) -> String {
        self.due_at.map_or_else(|| "the next run".to_owned(), Timestamp::minute_words)
    }
}

pub fn find(tx: &mut ReadTx, organization: OrganizationId, id: DomainId) -> Result<Option<Domain>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_domain).transpose()
}

/// Domains that are not removed, by name and id; `after` is a [`list_key`].
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    search: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Domain>, DbError> {
    let (name, id) = after.split_once(' ').unwrap_or((after, ""));
    let id = id.parse::<DomainId>().map_or_else(|_| Vec::new(), |id| platform::ids::Id::bytes(id).to_vec());
    let until = format!("{search}\u{10ffff}");
    tx.list(&sql::LIST, params![organization, search, until, name, id, limit], read_domain)
}

pub fn list_key(domain: &Domain) -> String {
    format!("{} {}", domain.name, domain.id)
}

/// The name's row that this organization holds or tries to.
pub fn open(tx: &mut ReadTx, organization: OrganizationId, name: &str) -> Result<Option<Domain>, DbError> {
    tx.first(&sql::OPEN, params![organization, name])?.as_ref().map(read_domain).transpose()
}

/// Whoever holds the name.
pub fn holder(tx: &mut ReadTx, name: &str) -> Result<Option<Domain>, DbError> {
    tx.first(&sql::HOLDER, params![name])?.as_ref().map(read_domain).transpose()
}

/// Whether an address at this domain that was known at `known_since` may belong to somebody else by now: the domain was
/// lost after that and its loser has not proved it again. Ask before a mailed link revives anything old.
pub fn lost_after(tx: &mut ReadTx, name: &str, known_since: Timestamp) -> Result<bool, DbError> {
    let lost: Option<u64> = tx.scalar(&sql::COUNT_LOST_AFTER, params![name, known_since])?;
    Ok(lost.unwrap_or(0) > 0)
}

/// Whether the account's mailbox must not open it: no recovery and no mailed sign-in links. True from the loss of its
/// domain until the loser proves it again, or until the organization that holds the domain now manages the account.
pub fn is_frozen(tx: &mut ReadTx, account: &Account) -> Result<bool, DbError> {
    if !lost_after(tx, &account.email_domain, account.created_at)? {
        return Ok(false);
    }
    let Some(manager) = account.managed_by else { return Ok(true) };
    let holder = holder(tx, &account.email_domain)?;
    Ok(holder.is_none_or(|domain| domain.organization != manager))
}

/// Whom the organization's notices go to, by address.
pub(crate) fn admins(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<String>, DbError> {
    tx.list(&sql::ADMINS, params![organization], |row| row.get(0))
}

/// Whether the organization holds this name and may give accounts to its addresses.
pub(crate) fn may_claim(tx: &mut ReadTx, organization: OrganizationId, name: &str) -> Result<bool, DbError> {
    Ok(tx.scalar::<u64>(&sql::COUNT_CLAIMABLE, params![organization, name])?.unwrap_or(0) > 0)
}

/// Whether the organization holds any domain today.
pub(crate) fn holds_any(tx: &mut ReadTx, organization: OrganizationId) -> Result<bool, DbError> {
    Ok(tx.scalar::<u64>(&sql::COUNT_HELD, params![organization])?.unwrap_or(0) > 0)
}

fn new_token(ctx: &Ctx) -> String {
    hex::encode(ctx.random_bytes::<TOKEN_BYTES>())
}

/// How adding went.
#[derive(Debug, Clone)]
pub enum Adding {
    Done(Domain),
    /// This organization has it already.
    Here(Domain),
    /// [`PENDING_MAX`] wait for their proof already.
    TooManyPending,
    TooMany,
}

/// Adds a domain to prove. Whether somebody else holds it is not told: that would answer anybody who asks.
pub fn add(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &DomainName,
) -> Result<Commit<Adding>, DbError> {
    organizations::lock(tx, organization)?;
    if let Some(here) = open(tx, organization, name.as_str())? {
        return Ok(Commit::unchanged(Adding::Here(here)));
    }
    if tx.scalar::<u64>(&sql::COUNT_PENDING, params![organization])?.unwrap_or(0) >= PENDING_MAX {
        return Ok(Commit::unchanged(Adding::TooManyPending));
    }
    if tx.scalar::<u64>(&sql::COUNT_ALL, params![organization])?.unwrap_or(0) >= DOMAINS_MAX {
        return Ok(Commit::unchanged(Adding::TooMany));
    }
    let id: DomainId = ctx.id();
    let expires = ctx.now.plus(TOKEN_LIFE);
    tx.execute(&sql::INSERT, params![organization, id, name.as_str(), ctx.now, new_token(ctx), expires])?;
    let added = Event::new(organization, "domain.added").target("domain", id).with("name", name.as_str());
    let recorded = tx.record(added);
    match find(tx, organization, id)? {
        Some(domain) => Ok(Commit::changed(Adding::Done(domain), recorded)),
        None => Err(DbError::Check("the domain just added".to_owned())),
    }
}

/// A mail domain of people here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    pub domain: String,
    pub people: u64,
    /// Anybody gets an address there, so that nobody can prove it.
    pub public_mail: bool,
    /// `None`: the organization has not tried to prove it.
    pub state: Option<State>,
    pub id: Option<DomainId>,
}

/// The mail domains of people here, the most used first, with how far the proof of each is.
pub fn used(tx: &mut ReadTx, organization: OrganizationId, limit: u32) -> Result<Vec<Used>, DbError> {
    let tried: BTreeMap<String, (State, DomainId)> = tx
        .list(&sql::TRIED, params![organization], |row| {
            Ok((row.get(0)?, (row.parse(1, State::parse)?, row.get(2)?)))
        })?
        .into_iter()
        .collect();
    tx.list(&sql::USED, params![organization, 1_u32, limit], |row| {
        let domain: String = row.get(0)?;
        let known = tried.get(&domain).copied();
        Ok(Used {
            people: row.get(1)?,
            public_mail: name::is_public_mail(&domain),
            state: known.map(|(state, _)| state),
            id: known.map(|(_, id)| id),
            domain,
        })
    })
}

/// How a change of a domain went.
#[derive(Debug, Clone)]
pub enum Changing {
    Done(Domain),
    NoSuchDomain,
    /// Not in a state in which this can be done.
    WrongState(Domain),
}

fn changed(
    tx: &mut Tx,
    organization: OrganizationId,
    id: DomainId,
    event: Event,
) -> Result<Commit<Changing>, DbError> {
    let recorded = tx.record(event.target("domain", id));
    match find(tx, organization, id)? {
        Some(domain) => Ok(Commit::changed(Changing::Done(domain), recorded)),
        None => Ok(Commit::unchanged(Changing::NoSuchDomain)),
    }
}

/// Gives a pending domain a new token; the old one is worthless from then on.
pub fn renew(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: DomainId,
) -> Result<Commit<Changing>, DbError> {
    let Some(domain) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Changing::NoSuchDomain));
    };
    let expires = ctx.now.plus(TOKEN_LIFE);
    if tx.execute(&sql::RENEW, params![organization, id, new_token(ctx), expires])? != 1 {
        return Ok(Commit::unchanged(Changing::WrongState(domain)));
    }
    let event = Event::new(organization, "domain.token_renewed").with("name", &domain.name);
    changed(tx, organization, id, event)
}

/// Says whether accounts made later at this domain are claimed by themselves.
pub fn set_claim_new(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: DomainId,
    on: bool,
) -> Result<Commit<Changing>, DbError> {
    let Some(domain) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Changing::NoSuchDomain));
    };
    if !domain.state.is_held() {
        return Ok(Commit::unchanged(Changing::WrongState(domain)));
    }
    if domain.claim_new == on {
        return Ok(Commit::unchanged(Changing::Done(domain)));
    }
    tx.execute(&sql::SET_CLAIM_NEW, params![organization, id, on, ctx.now])?;
    let event = Event::new(organization, "domain.claim_new_set").with("name", &domain.name).with("on", on);
    changed(tx, organization, id, event)
}

/// Gives a domain up. One whose proof is gone counts as lost, so that giving it up early is no way around what a loss
/// protects; the accounts of any other held domain are released.
pub fn remove(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: DomainId,
) -> Result<Commit<Changing>, DbError> {
    let Some(domain) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Changing::NoSuchDomain));
    };
    let doubtful = domain.misses > 0 || matches!(domain.state, State::AtRisk | State::Suspended);
    match domain.state {
        State::Lost | State::Removed => Ok(Commit::unchanged(Changing::WrongState(domain))),
        _ if domain.state.is_held() && doubtful => {
            tx.execute(&sql::SET_LOST, params![organization, id, ctx.now])?;
            let event =
                Event::new(organization, "domain.lost").with("name", &domain.name).with("reason", "given_up");
            changed(tx, organization, id, event)
        }
        _ => {
            tx.execute(&sql::SET_REMOVED, params![organization, id, ctx.now])?;
            if domain.state == State::Verified {
                crate::claims::release_later(ctx, tx, organization, &domain.name)?;
            }
            let event = Event::new(organization, "domain.removed")
                .with("name", &domain.name)
                .with("state", domain.state.as_str());
            changed(tx, organization, id, event)
        }
    }
}
