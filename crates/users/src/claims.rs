//! Claims: an organization takes charge of the accounts whose addresses are at a domain it has proved.
//!
//! Promises:
//! - Nothing happens without a look first ([`preview`]), and what happened can be taken back for [`UNDO_FOR`].
//! - Each person is told by mail and on their account page; each account is an event of its own.
//! - The claiming organization sees addresses at its own domain and whether they are members here: nothing about other
//!   organizations. The provider's staff cannot be claimed by a customer.
//! - An account whose address was never proved loses password and sessions: whoever prepared it is not its owner.
//! - An account that an earlier holder of the domain left behind is retired, not taken over, unless its person is a
//!   member here already: its address is free for whoever has the mailbox now. See `docs/decisions/lost-domains.md`.
//!
//! A managed account belongs to somebody who has it from the organization: its person cannot move it to another address
//! and cannot delete it. The organization sets how they sign in, and may suspend it in its own name.

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::jobs::NewJob;
use platform::params;
use platform::principals::{self, Account, AccountState};
use platform::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domains::{self, Domain, DomainId};

pub mod addresses;
pub(crate) mod api;
pub mod jobs;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

/// How long a claim can be taken back.
pub const UNDO_FOR: Duration = Duration::from_secs(7 * DAY.as_secs());
/// Addresses that one claim may name.
pub const CHOSEN_MAX: usize = 10_000;

platform::id! {
    /// One decision to claim accounts.
    ClaimId
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    All,
    Chosen,
    /// Accounts made later, by themselves.
    New,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Chosen => "chosen",
            Self::New => "new",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::All, Self::Chosen, Self::New].into_iter().find(|mode| mode.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    Running,
    Done,
    Undoing,
    Undone,
}

impl ClaimState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Undoing, Self::Undone]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// How many accounts of a claim are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Tally {
    pub waiting: u64,
    pub claimed: u64,
    /// Left behind by an earlier holder of the domain, and closed.
    pub retired: u64,
    /// Were not to be claimed any more when their turn came.
    pub skipped: u64,
    pub undone: u64,
}

impl Tally {
    pub fn total(self) -> u64 {
        self.waiting + self.claimed + self.retired + self.skipped + self.undone
    }
}

#[derive(Clone, Debug)]
pub struct Claim {
    pub id: ClaimId,
    pub domain: DomainId,
    pub domain_name: String,
    pub mode: Mode,
    pub state: ClaimState,
    pub undo_until: Timestamp,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub tally: Tally,
}

impl Claim {
    pub fn can_be_undone(&self, now: Timestamp) -> bool {
        self.state == ClaimState::Done && now < self.undo_until && self.tally.claimed > 0
    }
}

fn read_claim(row: &Row) -> Result<Claim, DbError> {
    Ok(Claim {
        id: row.get(0)?,
        domain: row.get(1)?,
        domain_name: row.get(2)?,
        mode: row.parse(3, Mode::parse)?,
        state: row.parse(4, ClaimState::parse)?,
        undo_until: row.get(5)?,
        created_at: row.get(6)?,
        finished_at: row.get(7)?,
        tally: Tally::default(),
    })
}

fn tally(tx: &mut ReadTx, organization: OrganizationId, id: ClaimId) -> Result<Tally, DbError> {
    let mut tally = Tally::default();
    for row in tx.query(&sql::TALLY, params![organization, id])? {
        let (state, count): (String, u64) = (row.get(0)?, row.get(1)?);
        match state.as_str() {
            "waiting" => tally.waiting = count,
            "claimed" => tally.claimed = count,
            "retired" => tally.retired = count,
            "skipped" => tally.skipped = count,
            _ => tally.undone = count,
        }
    }
    Ok(tally)
}

pub fn find(tx: &mut ReadTx, organization: OrganizationId, id: ClaimId) -> Result<Option<Claim>, DbError> {
    let Some(mut claim) =
        tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_claim).transpose()?
    else {
        return Ok(None);
    };
    claim.tally = tally(tx, organization, id)?;
    Ok(Some(claim))
}

/// Claims, the newest first; of one domain, or of all.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    domain: Option<DomainId>,
    before: Option<ClaimId>,
    limit: u32,
) -> Result<Vec<Claim>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| platform::ids::Id::bytes(id).to_vec());
    let mut claims = tx.list(&sql::LIST, params![organization, domain, before, limit], read_claim)?;
    for claim in &mut claims {
        claim.tally = tally(tx, organization, claim.id)?;
    }
    Ok(claims)
}

/// An account that a claim would touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    pub account: AccountId,
    pub email: String,
    /// Its address was never proved: it loses password and sessions.
    pub unverified: bool,
    /// An active member of the claiming organization already.
    pub member: bool,
    /// Left behind by an earlier holder of the domain: retired instead of claimed.
    pub retire: bool,
}

fn read_touched(row: &Row) -> Result<Touched, DbError> {
    let (member, old): (bool, bool) = (row.get(3)?, row.get(4)?);
    Ok(Touched {
        account: row.get(0)?,
        email: row.get(1)?,
        unverified: row.parse(2, AccountState::parse)? == AccountState::Unverified,
        member,
        retire: old && !member,
    })
}

/// What a claim of every account at a domain would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Preview {
    /// Accounts touched in all.
    pub accounts: u64,
    /// Of these, members of the organization already.
    pub members: u64,
    /// Of these, without a proved address: they lose password and sessions.
    pub unverified: u64,
    /// Of these, left behind by an earlier holder of the domain: closed for good.
    pub retired: u64,
}

fn provider_id(tx: &mut ReadTx) -> Result<OrganizationId, DbError> {
    crate::sessions::provider_id(tx)
}

pub fn preview(tx: &mut ReadTx, organization: OrganizationId, domain: &str) -> Result<Preview, DbError> {
    let provider = provider_id(tx)?;
    let Some(row) = tx.first(&sql::COUNT_TOUCHED, params![organization, domain, provider])? else {
        return Ok(Preview::default());
    };
    Ok(Preview { accounts: row.get(0)?, members: row.get(1)?, unverified: row.get(2)?, retired: row.get(3)? })
}

/// Whom a claim of every account would touch, page by page.
pub fn touched(
    tx: &mut ReadTx,
    organization: OrganizationId,
    domain: &str,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Touched>, DbError> {
    let provider = provider_id(tx)?;
    let after = after.map_or_else(Vec::new, |id| platform::ids::Id::bytes(id).to_vec());
    tx.list(&sql::LIST_TOUCHED, params![organization, domain, provider, after, limit], read_touched)
}

fn touched_one(
    tx: &mut ReadTx,
    organization: OrganizationId,
    domain: &str,
    account: AccountId,
) -> Result<Option<Touched>, DbError> {
    let provider = provider_id(tx)?;
    let found = tx.first(&sql::TOUCHED_BY_ID, params![organization, domain, provider, account])?;
    found.as_ref().map(read_touched).transpose()
}

/// Named addresses, told apart.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub accounts: Vec<Touched>,
    /// No account at this domain that could be claimed; why is not told, since it may be another organization's affair.
    pub others: Vec<String>,
}

pub fn select(
    tx: &mut ReadTx,
    organization: OrganizationId,
    domain: &str,
    emails: &[String],
) -> Result<Selection, DbError> {
    let provider = provider_id(tx)?;
    let mut selection = Selection::default();
    for email in emails {
        let found =
            tx.first(&sql::TOUCHED_BY_EMAIL, params![organization, domain, provider, email.as_str()])?;
        match found {
            Some(row) => selection.accounts.push(read_touched(&row)?),
            None => selection.others.push(email.clone()),
        }
    }
    Ok(selection)
}

/// How many accounts the organization manages at a domain.
pub fn count_managed(tx: &mut ReadTx, organization: OrganizationId, domain: &str) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_MANAGED, params![organization, domain])?.unwrap_or(0))
}

/// Whom to claim.
#[derive(Clone, Debug)]
pub enum Whom {
    All,
    /// Canonical addresses.
    Chosen(Vec<String>),
}

/// How starting a claim went.
#[derive(Clone, Debug)]
pub enum Starting {
    Done(Claim),
    NoSuchDomain,
    /// The domain is not held, or its proof has been gone for too long.
    NotHeld(Domain),
    /// Nobody is there to claim.
    Nobody,
    /// These addresses cannot be claimed; nothing was started.
    Others(Vec<String>),
    /// More than [`CHOSEN_MAX`] addresses.
    TooMany,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Work {
    claim: ClaimId,
}

/// Decides a claim. The accounts are worked off by a job, each looked at again when its turn comes.
pub fn start(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    domain: DomainId,
    whom: &Whom,
    claim_new: Option<bool>,
) -> Result<Commit<Starting>, DbError> {
    let Some(held) = domains::find(tx, organization, domain)? else {
        return Ok(Commit::unchanged(Starting::NoSuchDomain));
    };
    if !held.state.may_claim() {
        return Ok(Commit::unchanged(Starting::NotHeld(held)));
    }
    let mode = match whom {
        Whom::All => Mode::All,
        Whom::Chosen(_) => Mode::Chosen,
    };
    let id = insert(ctx, tx, organization, domain, mode)?;
    let count = match whom {
        Whom::All => {
            let provider = provider_id(tx)?;
            tx.execute(&sql::CHOOSE_ALL, params![organization, id, held.name.as_str(), provider])?
        }
        Whom::Chosen(emails) if emails.len() > CHOSEN_MAX => return Ok(Commit::unchanged(Starting::TooMany)),
        Whom::Chosen(emails) => {
            let selection = select(tx, organization, &held.name, emails)?;
            if !selection.others.is_empty() {
                return Ok(Commit::unchanged(Starting::Others(selection.others)));
            }
            let row = |one: &Touched| params![organization, id, one.account].to_vec();
            tx.execute_many(&sql::CHOOSE, selection.accounts.iter().map(row).collect())?
        }
    };
    if count == 0 {
        return Ok(Commit::unchanged(Starting::Nobody));
    }
    if let Some(on) = claim_new {
        let _unchanged_or_recorded = domains::set_claim_new(ctx, tx, organization, domain, on)?;
    }
    enqueue(ctx, tx, organization, jobs::RUN, &Work { claim: id })?;
    let event = Event::new(organization, "claim.started").target("claim", id);
    let recorded =
        tx.record(event.with("domain", &held.name).with("mode", mode.as_str()).with("accounts", count));
    match find(tx, organization, id)? {
        Some(claim) => Ok(Commit::changed(Starting::Done(claim), recorded)),
        None => Ok(Commit::unchanged(Starting::NoSuchDomain)),
    }
}

fn insert(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    domain: DomainId,
    mode: Mode,
) -> Result<ClaimId, DbError> {
    let id: ClaimId = ctx.id();
    let until = ctx.now.plus(UNDO_FOR);
    tx.execute(&sql::INSERT, params![organization, id, domain, mode.as_str(), until, ctx.now])?;
    Ok(id)
}

fn enqueue(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    kind: &'static str,
    work: &impl Serialize,
) -> Result<(), DbError> {
    let job = NewJob { kind, organization: Some(organization), unique_key: None, run_at: ctx.now };
    platform::jobs::enqueue(ctx, tx, &job, work)
}

/// How taking a claim back went.
#[derive(Clone, Debug)]
pub enum Undoing {
    Done(Claim),
    NoSuchClaim,
    /// Still running, undone already, or past its time.
    NotNow(Claim),
}

/// Takes a claim back: nobody manages its accounts any more, and memberships that it made end. Retired accounts stay
/// retired; passwords of unproved addresses stay gone.
pub fn undo(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ClaimId,
) -> Result<Commit<Undoing>, DbError> {
    let Some(claim) = find(tx, organization, id)? else { return Ok(Commit::unchanged(Undoing::NoSuchClaim)) };
    if !claim.can_be_undone(ctx.now) {
        return Ok(Commit::unchanged(Undoing::NotNow(claim)));
    }
    let none: Option<Timestamp> = None;
    let set = params![organization, id, ClaimState::Done.as_str(), ClaimState::Undoing.as_str(), none];
    if tx.execute(&sql::SET_STATE, set)? != 1 {
        return Ok(Commit::unchanged(Undoing::NotNow(claim)));
    }
    enqueue(ctx, tx, organization, jobs::UNDO, &Work { claim: id })?;
    let event = Event::new(organization, "claim.undo_started").target("claim", id);
    let recorded = tx.record(event.with("domain", &claim.domain_name).with("accounts", claim.tally.claimed));
    Ok(Commit::changed(Undoing::Done(Claim { state: ClaimState::Undoing, ..claim }), recorded))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct NewAccounts {
    domain: DomainId,
}

/// To be called in the transaction that makes an account or brings it to life: where the holder of its domain claims new
/// accounts, that is about to happen.
pub fn account_appeared(ctx: &Ctx, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
    if account.managed_by.is_some() {
        return Ok(());
    }
    let Some(domain) = domains::holder(tx, &account.email_domain)? else { return Ok(()) };
    if domain.claim_new && domain.state.may_claim() {
        enqueue(ctx, tx, domain.organization, jobs::NEW, &NewAccounts { domain: domain.id })?;
    }
    Ok(())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Release {
    name: String,
}

/// The organization gave a domain up: its accounts there become their people's own again.
pub(crate) fn release_later(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &str,
) -> Result<(), DbError> {
    enqueue(ctx, tx, organization, jobs::RELEASE, &Release { name: name.to_owned() })
}

/// Takes an account out of use for good and frees its address for whoever has the mailbox now.
fn retire(ctx: &Ctx, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
    crate::passwords::store::remove(tx, account.id)?;
    let _revoked = crate::sessions::revoke_all(ctx, tx, account.id, None, "retired")?;
    // `.invalid` never gets mail (RFC 6761), and nobody can sign up with it.
    let domain = format!("{}.retired.invalid", account.id);
    principals::retire_account(
        tx,
        account.id,
        &format!("{}@{domain}", account.email.replace('@', ".")),
        &domain,
    )?;
    let provider = provider_id(tx)?;
    let event = Event::new(provider, "account.retired").target("account", account.id);
    let _recorded = tx.record(event.with("reason", "domain_changed_hands").personal("email", &account.email));
    Ok(())
}
