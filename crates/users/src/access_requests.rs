//! Access requests: somebody asks for what is offered, with a reason and an end; somebody else decides; a job takes it
//! away again.
//!
//! Promises: nobody decides about their own request. Who decides is looked up when they do, and what they decided
//! counts only while they still could: of two approvals for the role of an admin, one of somebody who lost the right
//! meanwhile is none. What is granted goes through the rules of the console ([`access_grants`]), ends by itself at its
//! end, and falls back to what was before, unless somebody decided otherwise since.

use std::time::Duration;

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals::{self, MembershipState};
use platform::time::{DAY, HOUR, Timestamp};
use platform::{App, Ctx};

use crate::access_offers::{self, OfferId, Wanted};
use crate::{access_grants, access_notices as notices, organizations};

pub(crate) mod api;
mod deciding;
mod ending;
pub(crate) mod evidence;
pub(crate) mod jobs;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use deciding::approvers_of;
pub use deciding::{Decided, Decision, Verdict, decide, decisions};
pub use ending::{Ending, Why, end, withdraw};

platform::id! {
    /// Somebody's request for access.
    RequestId
}

/// Requests of one person that may wait in one organization.
pub const WAITING_MAX: u64 = 20;
/// What one person may ask for in a day: each is mailed to those who decide.
pub const ASKED_PER_DAY_MAX: u64 = 40;
/// How long after its end access may still be there: the job that takes it away may have to try again.
pub(crate) const GRACE: Duration = HOUR;
/// A request that nobody decided ends by itself.
pub const LAPSES_AFTER: Duration = Duration::from_secs(30 * DAY.as_secs());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting,
    Granted,
    Refused,
    Withdrawn,
    /// Nobody decided for [`LAPSES_AFTER`], or the asker left.
    Lapsed,
    /// It was granted and is over.
    Ended,
}

impl State {
    pub const ALL: [State; 6] =
        [Self::Waiting, Self::Granted, Self::Refused, Self::Withdrawn, Self::Lapsed, Self::Ended];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
            Self::Ended => "ended",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub wanted: Wanted,
    /// What it was called when it was asked for.
    pub target_name: String,
    pub offer: Option<OfferId>,
    pub reason: String,
    /// 0: without end.
    pub days: u32,
    pub approvals: u32,
    pub approved: u32,
    pub state: State,
    pub asked_at: Timestamp,
    /// The target of whoever decides.
    pub due_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    role_before: Option<Role>,
    pub ended_at: Option<Timestamp>,
    pub ended_why: Option<String>,
}

fn read_request(row: &Row) -> Result<Request, DbError> {
    let role =
        |column: usize| row.get::<Option<String>>(column).map(|text| text.as_deref().and_then(Role::parse));
    let broken = || DbError::Check("a request for nothing".to_owned());
    let wanted = match row.get::<String>(4)?.as_str() {
        "group" => Wanted::Group(row.get(5)?),
        "product" => Wanted::Product(row.get(5)?),
        "role" => Wanted::Role(role(6)?.ok_or_else(broken)?),
        _ => Wanted::Membership,
    };
    Ok(Request {
        id: row.get(0)?,
        account: row.get(1)?,
        email: row.get(2)?,
        name: row.get(3)?,
        wanted,
        target_name: row.get(7)?,
        offer: row.get(8)?,
        reason: row.get(9)?,
        days: row.get(10)?,
        approvals: row.get(11)?,
        approved: row.get(12)?,
        state: row.parse(13, State::parse)?,
        asked_at: row.get(14)?,
        due_at: row.get(15)?,
        decided_at: row.get(16)?,
        expires_at: row.get(17)?,
        role_before: role(18)?,
        ended_at: row.get(19)?,
        ended_why: row.get(20)?,
    })
}

fn event(organization: OrganizationId, request: &Request, action: &'static str) -> Event {
    Event::new(organization, action)
        .target("access_request", request.id)
        .with("what", request.wanted.key())
        .with("name", &request.target_name)
        .with("account", request.account)
        .personal("email", &request.email)
}

// ---- asking ---------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Asked {
    Done(Request),
    NotMember,
    NotOffered,
    /// 1 to so many.
    Days(u32),
    HasIt,
    /// The same waits, or was granted.
    AlreadyAsked,
    /// A directory fills the group, or put the person out.
    FromDirectory,
    TooMany,
}

/// Asks for an offer. `reason` is a [`sentence`](crate::names::sentence).
pub fn ask(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
    offer: OfferId,
    (reason, days): (&str, u32),
) -> Result<Commit<Asked>, DbError> {
    organizations::lock(tx, organization)?;
    let member = principals::membership(tx, organization, account)?;
    if member.is_none_or(|member| member.state != MembershipState::Active) {
        return Ok(Commit::unchanged(Asked::NotMember));
    }
    let offer = access_offers::find(tx, organization, offer)?.filter(|offer| offer.live);
    let Some(offer) = offer else { return Ok(Commit::unchanged(Asked::NotOffered)) };
    if days == 0 || days > offer.days_max {
        return Ok(Commit::unchanged(Asked::Days(offer.days_max)));
    }
    if let Wanted::Group(group) = offer.wanted
        && crate::provisioning::fills_group(tx, organization, group)?.is_some()
    {
        return Ok(Commit::unchanged(Asked::FromDirectory));
    }
    let new = New {
        account,
        wanted: offer.wanted,
        target_name: &offer.name,
        offer: Some(offer.id),
        approvers: offer.approvers,
        reason,
        days,
        approvals: offer.approvals,
        due_at: ctx.now.plus(offer.target_time()),
    };
    open(app, ctx, tx, organization, &new)
}

/// A request as it is opened.
pub(crate) struct New<'a> {
    pub account: AccountId,
    pub wanted: Wanted,
    pub target_name: &'a str,
    pub offer: Option<OfferId>,
    pub approvers: Option<GroupId>,
    pub reason: &'a str,
    pub days: u32,
    pub approvals: u32,
    pub due_at: Timestamp,
}

/// Writes a request, tells those who decide, and sets its clocks. The caller holds the organization's lock.
pub(crate) fn open(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    new: &New<'_>,
) -> Result<Commit<Asked>, DbError> {
    if access_grants::has(tx, organization, new.wanted, new.account)? {
        return Ok(Commit::unchanged(Asked::HasIt));
    }
    let waiting: u64 = tx.scalar(&sql::COUNT_WAITING_OF, params![organization, new.account])?.unwrap_or(0);
    let since = ctx.now.minus(DAY);
    let asked: u64 = tx.scalar(&sql::COUNT_ASKED_OF, params![organization, new.account, since])?.unwrap_or(0);
    if waiting >= WAITING_MAX || asked >= ASKED_PER_DAY_MAX {
        return Ok(Commit::unchanged(Asked::TooMany));
    }
    let id: RequestId = ctx.id();
    let row = params![
        organization,
        id,
        new.account,
        new.wanted.kind(),
        new.wanted.target(),
        new.wanted.role().map(Role::as_str),
        new.target_name,
        new.wanted.key(),
        new.offer,
        new.reason,
        new.days,
        new.approvals,
        ctx.now,
        new.due_at
    ];
    if tx.execute(&sql::INSERT, row)? != 1 {
        return Ok(Commit::unchanged(Asked::AlreadyAsked));
    }
    let Some(request) = find(tx, organization, id)? else {
        return Err(DbError::Check("the request just opened".to_owned()));
    };
    jobs::schedule_decision(ctx, tx, organization, &request)?;
    let told = access_offers::told(tx, organization, new.approvers, new.account)?;
    notices::asked(app, ctx, tx, organization, &request, &told)?;
    let asked = event(organization, &request, "access_request.asked")
        .with("days", request.days)
        .with("due_at", request.due_at)
        .personal("reason", &request.reason);
    let recorded = tx.record(asked);
    Ok(Commit::changed(Asked::Done(request), recorded))
}

// ---- looking --------------------------------------------------------------------------------------------------

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: RequestId,
) -> Result<Option<Request>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_request).transpose()
}

/// Requests, the newest first. `before` is the id to go on below (ids ascend with time).
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    (state, account): (Option<State>, Option<AccountId>),
    before: Option<RequestId>,
    limit: u32,
) -> Result<Vec<Request>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| platform::ids::Id::bytes(id).to_vec());
    let state = state.map(State::as_str);
    tx.list(&sql::LIST, params![organization, state, account, before, limit], read_request)
}

/// What waits for this person to decide, the most urgent first.
pub fn to_decide(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Vec<Request>, DbError> {
    const LOOKED_AT_MAX: u32 = 500;
    let waiting = tx.list(&sql::WAITING, params![organization, account, LOOKED_AT_MAX], read_request)?;
    let mut mine = Vec::new();
    for request in waiting {
        let approvers = approvers_of(tx, organization, &request)?.flatten();
        if access_offers::decides(tx, organization, approvers, account)? {
            mine.push(request);
        }
    }
    Ok(mine)
}

/// A request as one person sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub request: Request,
    pub decisions: Vec<Decision>,
    /// This person may decide now.
    pub decides: bool,
    pub own: bool,
    /// So many more people would have to be able to approve; 0: enough are.
    pub approvers_missing: u64,
}

/// `None` where somebody has no business: neither theirs, nor theirs to decide, nor may they read all (`reads`).
pub fn seen_by(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: RequestId,
    account: Option<AccountId>,
    reads: bool,
) -> Result<Option<Seen>, DbError> {
    let Some(request) = find(tx, organization, id)? else { return Ok(None) };
    let own = account == Some(request.account);
    let approvers = approvers_of(tx, organization, &request)?.flatten();
    let entitled = match account.filter(|_| !own) {
        Some(account) => access_offers::decides(tx, organization, approvers, account)?,
        None => false,
    };
    if !own && !entitled && !reads {
        return Ok(None);
    }
    let decisions = decisions(tx, organization, id)?;
    let could = access_offers::count_deciding(tx, organization, approvers, Some(request.account))?;
    let waits = request.state == State::Waiting;
    Ok(Some(Seen {
        decides: entitled && waits,
        own,
        approvers_missing: if waits { u64::from(request.approvals).saturating_sub(could) } else { 0 },
        decisions,
        request,
    }))
}

/// What the matrix asks: how many wait, when the first is due, how many are past that, and how many hold access that
/// has run out.
pub(crate) struct Standing {
    pub waiting: u64,
    pub next_due: Option<Timestamp>,
    pub overdue: u64,
    pub outlived: u64,
    pub next_end: Option<Timestamp>,
}

pub(crate) fn standing(
    tx: &mut ReadTx,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Standing, DbError> {
    let Some(row) = tx.first(&sql::STANDING, params![organization, now, now.minus(GRACE)])? else {
        return Err(DbError::Check("a count has a row".to_owned()));
    };
    Ok(Standing {
        waiting: row.get(0)?,
        next_due: row.get(1)?,
        overdue: row.get(2)?,
        outlived: row.get(3)?,
        next_end: row.get(4)?,
    })
}
