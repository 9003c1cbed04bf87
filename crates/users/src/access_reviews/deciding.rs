//! Keeping and revoking, and calling a review off.

use platform::Ctx;
use platform::access::Role;
use platform::db::{Commit, DbError, Tx};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals;

use super::{
    Choice, DECIDED_AT_ONCE_MAX, Grant, ItemId, ReviewId, State, event, find, find_item, reviews, sql,
};
use crate::organizations;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// So many.
    Done(usize),
    NoSuchReview,
    /// Not a reviewer of it, or not active here any more.
    NotYours,
    /// It is not open.
    Closed,
    NoSuchItem,
    /// One of them is the reviewer's own.
    Own,
    /// Only an owner takes an owner's role away.
    OwnersOnly,
    TooMany,
}

/// Keeps or revokes grants; all of them or none. It can be changed until the review is finished.
pub fn decide(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
    reviewer: AccountId,
    (items, choice, reason): (&[ItemId], Choice, &str),
) -> Result<Commit<Decided>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(review) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Decided::NoSuchReview));
    };
    if !reviews(tx, organization, id, reviewer)? {
        return Ok(Commit::unchanged(Decided::NotYours));
    }
    if review.state != State::Open {
        return Ok(Commit::unchanged(Decided::Closed));
    }
    if items.len() > DECIDED_AT_ONCE_MAX {
        return Ok(Commit::unchanged(Decided::TooMany));
    }
    let member = principals::membership(tx, organization, reviewer)?;
    let owner = member.is_some_and(|member| member.role == Role::Owner);
    let mut recorded = None;
    for item in items {
        let Some(item) = find_item(tx, organization, id, *item)? else {
            return Ok(Commit::unchanged(Decided::NoSuchItem));
        };
        if item.account == Some(reviewer) {
            return Ok(Commit::unchanged(Decided::Own));
        }
        if item.grant == Grant::Role(Role::Owner) && choice == Choice::Revoke && !owner {
            return Ok(Commit::unchanged(Decided::OwnersOnly));
        }
        let row = params![organization, id, item.id, choice.as_str(), reason, reviewer, ctx.now];
        tx.execute(&sql::DECIDE, row)?;
        let decided = event(organization, &review, "access_review.decided")
            .with("item", item.id)
            .with("kind", item.grant.kind().as_str())
            .with("what", &item.target_name)
            .with("decision", choice.as_str())
            .personal("email", &item.email)
            .personal("reason", reason);
        recorded = Some(tx.record(decided));
    }
    Ok(match recorded {
        Some(recorded) => Commit::changed(Decided::Done(items.len()), recorded),
        None => Commit::unchanged(Decided::Done(0)),
    })
}

/// Stops a review; nothing is revoked. `false`: there is none that runs.
pub fn cancel(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<Commit<bool>, DbError> {
    let Some(review) = find(tx, organization, id)? else { return Ok(Commit::unchanged(false)) };
    if tx.execute(&sql::CANCEL, params![organization, id, ctx.now])? != 1 {
        return Ok(Commit::unchanged(false));
    }
    let recorded = tx.record(event(organization, &review, "access_review.cancelled"));
    Ok(Commit::changed(true, recorded))
}
