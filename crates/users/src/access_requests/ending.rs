//! Ending a request: what was granted is taken away again, what waits is closed.

use platform::access::Role;
use platform::db::{Commit, DbError, Tx};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::{App, Ctx};

use super::{Request, RequestId, State, event, find, sql};
use crate::access_grants::{self, Taken};
use crate::access_offers::Wanted;
use crate::{access_notices as notices, organizations};

/// Why a request ends without, or after, a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Expired,
    /// The holder gave it back.
    GivenBack,
    /// Somebody who manages people took it back.
    TakenBack,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::GivenBack => "given back",
            Self::TakenBack => "taken back",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Ending {
    Done(Request),
    NoSuchRequest,
    /// It is not granted, or does not wait, any more.
    Over,
}

/// Ends what was granted, and takes it away unless a later decision stands.
pub fn end(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RequestId,
    why: Why,
) -> Result<Commit<Ending>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(request) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Ending::NoSuchRequest));
    };
    if request.state != State::Granted {
        return Ok(Commit::unchanged(Ending::Over));
    }
    let fallback = request.role_before.unwrap_or(Role::Member);
    let taken = access_grants::take(ctx, tx, organization, request.wanted, request.account, fallback)?;
    let words = match taken {
        Taken::Done => why.as_str().to_owned(),
        Taken::Superseded | Taken::FromDirectory | Taken::LastOwner => {
            format!("{}; a later decision stands", why.as_str())
        }
    };
    tx.execute(&sql::END, params![organization, id, "ended", words.as_str(), ctx.now])?;
    let ended = event(organization, &request, "access_request.ended")
        .with("why", why.as_str())
        .with("taken_away", taken == Taken::Done);
    let recorded = tx.record(ended);
    let after = find(tx, organization, id)?.unwrap_or(request);
    if why != Why::GivenBack {
        notices::ended(app, ctx, tx, organization, &after)?;
    }
    Ok(Commit::changed(Ending::Done(after), recorded))
}

/// Takes an own request back, or gives back what was granted. A membership is given back by leaving
/// ([`crate::leaving`]), which knows who may not.
pub fn withdraw(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RequestId,
    account: AccountId,
) -> Result<Commit<Ending>, DbError> {
    organizations::lock(tx, organization)?;
    let found = find(tx, organization, id)?.filter(|request| request.account == account);
    let Some(request) = found else { return Ok(Commit::unchanged(Ending::NoSuchRequest)) };
    match request.state {
        State::Waiting => close(ctx, tx, organization, &request, State::Withdrawn, "withdrawn"),
        State::Granted if request.wanted != Wanted::Membership => {
            end(app, ctx, tx, organization, id, Why::GivenBack)
        }
        _ => Ok(Commit::unchanged(Ending::Over)),
    }
}

/// Ends what waits.
pub(super) fn close(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    request: &Request,
    state: State,
    why: &str,
) -> Result<Commit<Ending>, DbError> {
    tx.execute(&sql::END, params![organization, request.id, state.as_str(), why, ctx.now])?;
    let action = if state == State::Withdrawn { "access_request.withdrawn" } else { "access_request.lapsed" };
    let recorded = tx.record(event(organization, request, action).with("why", why));
    let after = find(tx, organization, request.id)?.unwrap_or_else(|| request.clone());
    Ok(Commit::changed(Ending::Done(after), recorded))
}
