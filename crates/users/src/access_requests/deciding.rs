//! Deciding about a request: who may is looked up now, and so is whether earlier approvals still count.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Recorded, Tx};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};
use platform::{App, Ctx};

use super::{Request, RequestId, State, event, find, jobs, sql};
use crate::access_grants::{self, Given};
use crate::{access_notices as notices, access_offers, organizations};

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Decided {
    /// As it is now; it still waits when another approval is needed.
    Done(Request),
    NoSuchRequest,
    /// This person does not decide about it.
    NotYours,
    Yourself,
    /// Nobody waits for it any more.
    Over,
    /// This person approved already; somebody else is needed.
    Twice,
    NoLongerOffered,
    /// What was asked for cannot be given.
    CannotGive(Given),
}

/// What somebody says about a request.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub approve: bool,
    pub words: String,
}

/// Approves or refuses. One refusal is enough; approvals are counted among those who could still give one.
pub fn decide(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RequestId,
    approver: AccountId,
    verdict: &Verdict,
) -> Result<Commit<Decided>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(request) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Decided::NoSuchRequest));
    };
    if request.account == approver {
        return Ok(Commit::unchanged(Decided::Yourself));
    }
    let approvers = approvers_of(tx, organization, &request)?;
    if !access_offers::decides(tx, organization, approvers.flatten(), approver)? {
        return Ok(Commit::unchanged(Decided::NotYours));
    }
    if request.state != State::Waiting {
        return Ok(Commit::unchanged(Decided::Over));
    }
    if verdict.approve && approvers.is_none() {
        return Ok(Commit::unchanged(Decided::NoLongerOffered));
    }
    let row = params![organization, id, approver, verdict.approve, verdict.words.as_str(), ctx.now];
    if tx.execute(&sql::INSERT_DECISION, row)? != 1 {
        if verdict.approve {
            return Ok(Commit::unchanged(Decided::Twice));
        }
        // Somebody who approved first may think again.
        tx.execute(&sql::CHANGE_DECISION, row)?;
    }
    if !verdict.approve {
        tx.execute(&sql::DECIDE, params![organization, id, "refused", ctx.now])?;
        let refused = event(organization, &request, "access_request.refused").with("by", approver);
        let recorded = tx.record(refused.personal("words", &verdict.words));
        return finish(app, ctx, tx, organization, id, recorded);
    }
    let approvers = approvers.flatten();
    let counted = count_approvals(tx, organization, id, approvers)?;
    if counted < request.approvals {
        let approved = event(organization, &request, "access_request.approved").with("by", approver);
        let recorded = tx.record(approved.with("approvals", format!("{counted} of {}", request.approvals)));
        let told = access_offers::told(tx, organization, approvers, request.account)?;
        notices::second_needed(app, ctx, tx, organization, &request, &told)?;
        let after = find(tx, organization, id)?.unwrap_or(request);
        return Ok(Commit::changed(Decided::Done(after), recorded));
    }
    match grant(ctx, tx, organization, &request)? {
        Ok(recorded) => finish(app, ctx, tx, organization, id, recorded),
        Err(given) => Ok(Commit::unchanged(Decided::CannotGive(given))),
    }
}

/// Approvals of people who could give one now.
fn count_approvals(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: RequestId,
    approvers: Option<GroupId>,
) -> Result<u32, DbError> {
    let mut counted = 0;
    for decision in decisions(tx, organization, id)?.into_iter().filter(|one| one.approved) {
        counted += u32::from(access_offers::decides(tx, organization, approvers, decision.account)?);
    }
    Ok(counted)
}

/// Gives what was asked for; `Err`: why it cannot be given.
fn grant(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
) -> Result<Result<Recorded, Given>, DbError> {
    let role_before = match access_grants::give(ctx, tx, organization, request.wanted, request.account)? {
        Given::Done(role) => role,
        other => return Ok(Err(other)),
    };
    let expires = (request.days > 0).then(|| ctx.now.plus(DAY * request.days));
    let row = params![organization, request.id, ctx.now, expires, role_before.map(Role::as_str)];
    tx.execute(&sql::GRANT, row)?;
    if let Some(at) = expires {
        jobs::schedule_end(ctx, tx, organization, request, at)?;
    }
    let granted = event(organization, request, "access_request.granted");
    let granted = match expires {
        Some(at) => granted.with("expires_at", at),
        None => granted,
    };
    Ok(Ok(tx.record(granted)))
}

/// Tells the asker, and gives the request as it is now.
fn finish(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RequestId,
    recorded: Recorded,
) -> Result<Commit<Decided>, DbError> {
    let Some(after) = find(tx, organization, id)? else {
        return Err(DbError::Check("the request just decided".to_owned()));
    };
    notices::decided(app, ctx, tx, organization, &after)?;
    Ok(Commit::changed(Decided::Done(after), recorded))
}

/// The group that decides beside those who manage people; `None`: it is not offered any more.
pub(super) fn approvers_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    request: &Request,
) -> Result<Option<Option<GroupId>>, DbError> {
    let Some(offer) = request.offer else {
        // For membership, as long as the domain stands open.
        let open = crate::approved_domains::is_open_to(tx, organization, request.account)?;
        return Ok(open.then_some(None));
    };
    let offer = access_offers::find(tx, organization, offer)?;
    Ok(offer.filter(|offer| offer.live && offer.wanted == request.wanted).map(|offer| offer.approvers))
}

/// What somebody said about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub account: AccountId,
    pub name: String,
    pub approved: bool,
    pub words: String,
    pub at: Timestamp,
}

pub fn decisions(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: RequestId,
) -> Result<Vec<Decision>, DbError> {
    tx.list(&sql::DECISIONS, params![organization, id], |row| {
        let (name, email): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Decision {
            account: row.get(0)?,
            name: if name.is_empty() { email } else { name },
            approved: row.get(3)?,
            words: row.get(4)?,
            at: row.get(5)?,
        })
    })
}
