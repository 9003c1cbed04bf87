//! Break-glass: how owners get in when single sign-on, second factors or a network list keep everybody out.
//!
//! - Each owner can make one **sealed code**, shown once; the store keeps its SHA-256. It belongs on paper, in an envelope.
//! - **Two owners** are needed: one asks with a code, another joins with another code within an hour. A code works once.
//! - It then lifts proof levels, enforced single sign-on and network lists **for those two**, in this organization, for a
//!   few hours. They still sign in with their passwords.
//! - Asking, opening and ending are events, and alarm every owner and the provider by mail.
//! - It ends by itself: the policies look at its time with every use, not at a job. Ending signs out what it let in.
//!
//! A wrong code tells nothing: no organization, no address, no code can be told from another by the answer.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, Id, OrganizationId};
use platform::jobs::NewJob;
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, AccountState, MembershipState, Organization, OrganizationState};
use platform::time::{HOUR, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use crate::accounts::email::EmailAddress;
use crate::{names, organizations, sessions};

pub(crate) mod api;
mod code;
pub(crate) mod jobs;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub use code::SealedCode;

platform::id! {
    /// An owner's sealed code.
    CodeId,
    /// One time that break-glass was asked for.
    OpeningId
}

/// How long a request waits for the second owner.
const ASK_LASTS: std::time::Duration = HOUR;
pub const HOURS_MAX: u32 = 8;
pub const HOURS_DEFAULT: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpeningState {
    /// One owner asked; a second one is needed.
    Asked,
    Open,
    /// No second owner came in time.
    Lapsed,
    Closed,
}

impl OpeningState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Open => "open",
            Self::Lapsed => "lapsed",
            Self::Closed => "closed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Asked, Self::Open, Self::Lapsed, Self::Closed].into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub id: OpeningId,
    pub state: OpeningState,
    pub reason: String,
    pub hours: u32,
    pub asked_by: AccountId,
    pub asked_at: Timestamp,
    pub joined_by: Option<AccountId>,
    pub opened_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

fn read_opening(row: &Row) -> Result<Opening, DbError> {
    Ok(Opening {
        id: row.get(0)?,
        state: row.parse(1, OpeningState::parse)?,
        reason: row.get(2)?,
        hours: row.get(3)?,
        asked_by: row.get(4)?,
        asked_at: row.get(5)?,
        joined_by: row.get(6)?,
        opened_at: row.get(7)?,
        expires_at: row.get(8)?,
        ended_at: row.get(9)?,
    })
}

/// Whether the rules are lifted for this account in this organization now.
pub fn is_open_for(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx.first(&sql::OPEN_FOR, params![organization, account, now])?.is_some())
}

/// Whose rules are lifted in this organization now: nobody's, mostly.
pub(crate) fn lifted_for(
    tx: &mut ReadTx,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Vec<AccountId>, DbError> {
    let current =
        tx.first(&sql::CURRENT, params![organization, now])?.as_ref().map(read_opening).transpose()?;
    let Some(opening) = current.filter(|opening| opening.state == OpeningState::Open) else {
        return Ok(Vec::new());
    };
    let mut lifted = Vec::new();
    for account in [Some(opening.asked_by), opening.joined_by].into_iter().flatten() {
        if is_open_for(tx, organization, account, now)? {
            lifted.push(account);
        }
    }
    Ok(lifted)
}

/// Whether an open break-glass lets this account in without its second step: only where the organization manages the
/// account, or is the only one of its person. Owners of one organization do not weaken the sign-in to another.
pub fn lifts_second_step(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.first(&sql::LIFTS_SECOND_STEP, params![account, now])?.is_some())
}

pub fn openings(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: Option<OpeningId>,
    limit: u32,
) -> Result<Vec<Opening>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    tx.list(&sql::OPENINGS, params![organization, before, limit], read_opening)
}

/// An owner, and since when they have a sealed code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub sealed_at: Option<Timestamp>,
}

pub fn holders(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Holder>, DbError> {
    tx.list(&sql::HOLDERS, params![organization], |row| {
        Ok(Holder { account: row.get(0)?, email: row.get(1)?, name: row.get(2)?, sealed_at: row.get(3)? })
    })
}

fn is_owner(tx: &mut ReadTx, organization: OrganizationId, account: AccountId) -> Result<bool, DbError> {
    let member = principals::membership(tx, organization, account)?;
    Ok(member.is_some_and(|one| one.role == Role::Owner && one.state == MembershipState::Active))
}

/// Makes an owner's sealed code and forgets the one before; `None`: not an owner.
pub fn seal(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    owner: AccountId,
) -> Result<Commit<Option<SealedCode>>, DbError> {
    organizations::lock(tx, organization)?;
    if !is_owner(tx, organization, owner)? {
        return Ok(Commit::unchanged(None));
    }
    tx.execute(&sql::REVOKE_CODES, params![organization, owner, ctx.now])?;
    let code = SealedCode::generate(&mut |bytes| ctx.fill(bytes));
    let id: CodeId = ctx.id();
    tx.execute(&sql::INSERT_CODE, params![organization, id, owner, code.hash(), ctx.now])?;
    let who = named(tx, owner)?;
    alarm(app, ctx, tx, organization, "a sealed code was made", &who)?;
    let event = Event::new(organization, "break_glass.code_made").target("account", owner).with("code", id);
    let recorded = tx.record(event);
    Ok(Commit::changed(Some(code), recorded))
}

/// Takes an owner's sealed code out of use; `false` when there is none.
pub fn unseal(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    owner: AccountId,
) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::REVOKE_CODES, params![organization, owner, ctx.now])? == 0 {
        return Ok(Commit::unchanged(false));
    }
    let event = Event::new(organization, "break_glass.code_revoked").target("account", owner);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// What somebody at the locked door says.
#[derive(Clone)]
pub struct Knock {
    pub organization: String,
    pub email: String,
    pub code: String,
    pub reason: String,
    pub hours: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knocked {
    /// The first of two: waits for a second owner until then.
    Asked { until: Timestamp },
    /// Open for both until then.
    Open { until: Timestamp },
    /// It is open already, or this owner asked already; the code was not used.
    Already,
    /// Whatever does not fit.
    Wrong,
    /// The reason or the hours; told before anything is looked up.
    Refused(&'static str),
}

/// Tries a code.
pub fn knock(app: &App, ctx: &Ctx, tx: &mut Tx, knock: &Knock) -> Result<Commit<Knocked>, DbError> {
    let reason = knock.reason.trim();
    if reason.chars().count() < 10 || names::description(reason).is_err() {
        return Ok(Commit::unchanged(Knocked::Refused("say in 10 to 500 characters why it is needed")));
    }
    if !(1..=HOURS_MAX).contains(&knock.hours) {
        return Ok(Commit::unchanged(Knocked::Refused("it may be open for 1 to 8 hours")));
    }
    let Some((here, owner, code)) = fits(tx, knock)? else { return wrong(tx, knock) };
    organizations::lock(tx, here.id)?;
    // Looked at again under the lock: a code opens one thing.
    let Some((here, owner, code)) = fits(tx, knock)?.filter(|again| again.2 == code && again.1 == owner)
    else {
        return wrong(tx, knock);
    };
    let waiting =
        tx.first(&sql::CURRENT, params![here.id, ctx.now])?.as_ref().map(read_opening).transpose()?;
    match waiting {
        None => {
            tx.execute(&sql::USE_CODE, params![here.id, code, ctx.now])?;
            ask(app, ctx, tx, &here, owner, reason, knock.hours)
        }
        Some(opening) if opening.state == OpeningState::Asked && opening.asked_by != owner => {
            tx.execute(&sql::USE_CODE, params![here.id, code, ctx.now])?;
            open(app, ctx, tx, &here, &opening, owner)
        }
        Some(_) => Ok(Commit::unchanged(Knocked::Already)),
    }
}

/// The organization, the owner and the unused code that fit together.
fn fits(tx: &mut ReadTx, knock: &Knock) -> Result<Option<(Organization, AccountId, CodeId)>, DbError> {
    let slug = knock.organization.trim().to_lowercase();
    let here = principals::organization_by_slug(tx, &slug)?;
    let here = here.filter(|here| here.state == OrganizationState::Active);
    let email = EmailAddress::parse(&knock.email).map(|email| email.key().to_owned()).unwrap_or_default();
    let account = principals::account_by_email(tx, &email)?;
    let account = account.filter(|account| account.state == AccountState::Active);
    let code = SealedCode::parse(&knock.code);
    let (Some(here), Some(account), Some(code)) = (here, account, code) else { return Ok(None) };
    if !is_owner(tx, here.id, account.id)? {
        return Ok(None);
    }
    let code: Option<CodeId> = tx.scalar(&sql::LIVE_CODE, params![here.id, account.id, code.hash()])?;
    Ok(code.map(|code| (here, account.id, code)))
}

/// A failed try stands in the provider's ledger: the organization may not exist.
fn wrong(tx: &mut Tx, knock: &Knock) -> Result<Commit<Knocked>, DbError> {
    let provider = sessions::provider_id(tx)?;
    let short = |text: &str| text.chars().take(100).collect::<String>();
    let event = Event::new(provider, "break_glass.refused")
        .personal("organization", short(&knock.organization))
        .personal("email", short(&knock.email));
    let recorded = tx.record(event);
    Ok(Commit::changed(Knocked::Wrong, recorded))
}

fn ask(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    here: &Organization,
    owner: AccountId,
    reason: &str,
    hours: u32,
) -> Result<Commit<Knocked>, DbError> {
    let (id, until): (OpeningId, _) = (ctx.id(), ctx.now.plus(ASK_LASTS));
    tx.execute(&sql::ASK, params![here.id, id, reason, hours, owner, ctx.now, until])?;
    end_later(ctx, tx, here.id, id, until)?;
    let what = format!("was asked for: {reason}");
    let who = named(tx, owner)?;
    alarm(app, ctx, tx, here.id, &what, &who)?;
    let event = Event::new(here.id, "break_glass.asked")
        .target("account", owner)
        .with("opening", id)
        .with("hours", hours)
        .personal("reason", reason);
    let recorded = tx.record(event);
    Ok(Commit::changed(Knocked::Asked { until }, recorded))
}

fn open(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    here: &Organization,
    opening: &Opening,
    owner: AccountId,
) -> Result<Commit<Knocked>, DbError> {
    let until = ctx.now.plus(HOUR * opening.hours);
    tx.execute(&sql::OPEN, params![here.id, opening.id, owner, ctx.now, until])?;
    end_later(ctx, tx, here.id, opening.id, until)?;
    let what = format!(
        "is OPEN until {}. It lifts second factors, single sign-on and network lists for {}: {}",
        until.minute_words(),
        named(tx, opening.asked_by)?,
        opening.reason
    );
    let who = named(tx, owner)?;
    alarm(app, ctx, tx, here.id, &what, &who)?;
    let event = Event::new(here.id, "break_glass.opened")
        .target("account", owner)
        .with("opening", opening.id)
        .with("asked_by", opening.asked_by)
        .with("until", until);
    let recorded = tx.record(event);
    Ok(Commit::changed(Knocked::Open { until }, recorded))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    opening: OpeningId,
}

fn end_later(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    opening: OpeningId,
    run_at: Timestamp,
) -> Result<(), DbError> {
    let job = NewJob { kind: self::jobs::END, organization: Some(organization), unique_key: None, run_at };
    platform::jobs::enqueue(ctx, tx, &job, &Work { opening })
}

/// Who ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Owner(AccountId),
    Operator,
    /// Only this one, and only when its time is over.
    Time(OpeningId),
}

/// Ends what runs; `false` when there was nothing.
pub fn end(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: By,
) -> Result<Commit<bool>, DbError> {
    organizations::lock(tx, organization)?;
    let running = tx.first(&sql::UNENDED, params![organization])?.as_ref().map(read_opening).transpose()?;
    let due = |one: &Opening| match by {
        By::Time(id) => id == one.id && one.expires_at <= ctx.now,
        By::Owner(_) | By::Operator => true,
    };
    let Some(opening) = running.filter(due) else { return Ok(Commit::unchanged(false)) };
    // Who signs in at this moment has done so, and is signed out below, or waits and is asked for a factor.
    let mut let_in: Vec<AccountId> =
        [Some(opening.asked_by), opening.joined_by].into_iter().flatten().collect();
    let_in.sort_unstable();
    for account in let_in {
        principals::account_for_update(tx, account)?;
    }
    let (state, action) = match opening.state {
        OpeningState::Asked => (OpeningState::Lapsed, "break_glass.lapsed"),
        _ => (OpeningState::Closed, "break_glass.closed"),
    };
    tx.execute(&sql::END, params![organization, opening.id, state.as_str(), ctx.now])?;
    let mut signed_out = 0;
    if let (Some(opened), Some(joined)) = (opening.opened_at, opening.joined_by) {
        for account in [opening.asked_by, joined] {
            signed_out += tx.execute(&sql::SIGN_OUT_SINCE, params![account, opened, ctx.now])?;
        }
    }
    let who = match by {
        By::Owner(owner) => named(tx, owner)?,
        By::Operator => "the operator of the installation".to_owned(),
        By::Time(_) => "time".to_owned(),
    };
    let word = match by {
        By::Owner(_) => "an owner",
        By::Operator => "the operator",
        By::Time(_) => "time",
    };
    alarm(app, ctx, tx, organization, "is over", &who)?;
    let event = Event::new(organization, action)
        .target("opening", opening.id)
        .with("sessions_ended", signed_out)
        .with("by", word);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

fn named(tx: &mut ReadTx, account: AccountId) -> Result<String, DbError> {
    let found = principals::account(tx, account)?;
    Ok(found.map_or_else(|| "somebody".to_owned(), |one| format!("{} ({})", one.name, one.email)))
}

/// Mails every owner of the organization and of the provider.
fn alarm(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    what: &str,
    who: &str,
) -> Result<(), DbError> {
    let name = principals::organization(tx, organization)?.map(|found| found.name).unwrap_or_default();
    let mut to: Vec<String> = holders(tx, organization)?.into_iter().map(|owner| owner.email).collect();
    let provider = sessions::provider_id(tx)?;
    to.extend(holders(tx, provider)?.into_iter().map(|owner| owner.email));
    to.sort();
    to.dedup();
    let text = format!(
        "Break-glass of {name}: {what}\n\nBy: {who}\nAt: {}\n\n\
         If this was not agreed on, sign in and end it: {}/sign-in\n\
         Every step stands in the organization's audit log.\n",
        ctx.now.minute_words(),
        app.config().public_origin(),
    );
    let subject = format!("Break-glass of {name}");
    let messages: Vec<Message> = to.iter().map(|to| Message::text(to, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(organization), &messages)
}
