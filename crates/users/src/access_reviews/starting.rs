//! Starting a review: who looks at what, until when.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, MembershipState};
use platform::time::DAY;

use super::{
    Choice, DAYS_MAX, Kind, REVIEWERS_MAX, RUNNING_MAX, Review, ReviewId, event, find, gathering, jobs, sql,
};
use crate::organizations;

#[derive(Debug, Clone)]
pub struct NewReview {
    pub name: String,
    pub kinds: Vec<Kind>,
    pub reviewers: Vec<AccountId>,
    pub days: u32,
    pub on_silence: Choice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    Done(Review),
    NoKinds,
    NoReviewers,
    /// Not an active member of the organization.
    NoSuchReviewer,
    /// A reviewer has something in scope and nobody else could look at it.
    OneReviewer,
    Days,
    TooMany,
}

/// Starts a review; a job takes the grants down, then tells the reviewers.
pub fn start(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    new: &NewReview,
) -> Result<Commit<Started>, DbError> {
    organizations::lock(tx, organization)?;
    if let Some(refused) = refusal(tx, organization, new)? {
        return Ok(Commit::unchanged(refused));
    }
    let id: ReviewId = ctx.id();
    let kinds: Vec<&str> =
        Kind::ALL.into_iter().filter(|kind| new.kinds.contains(kind)).map(Kind::as_str).collect();
    let due = ctx.now.plus(DAY * new.days);
    let row = params![
        organization,
        id,
        new.name.as_str(),
        kinds.join(" "),
        new.on_silence.as_str(),
        by,
        ctx.now,
        due
    ];
    tx.execute(&sql::INSERT, row)?;
    let reviewers =
        new.reviewers.iter().map(|account| params![organization, id, *account].to_vec()).collect();
    tx.execute_many(&sql::INSERT_REVIEWER, reviewers)?;
    jobs::schedule(ctx, tx, organization, id, due)?;
    let Some(review) = find(tx, organization, id)? else {
        return Err(DbError::Check("the review just started".to_owned()));
    };
    let started = event(organization, &review, "access_review.started")
        .with("kinds", kinds.join(" "))
        .with("due_at", due)
        .with("on_silence", new.on_silence.as_str())
        .with("reviewers", new.reviewers.len());
    let recorded = tx.record(started);
    Ok(Commit::changed(Started::Done(review), recorded))
}

fn refusal(
    tx: &mut ReadTx,
    organization: OrganizationId,
    new: &NewReview,
) -> Result<Option<Started>, DbError> {
    if new.kinds.is_empty() {
        return Ok(Some(Started::NoKinds));
    }
    if new.reviewers.is_empty() || new.reviewers.len() > REVIEWERS_MAX {
        return Ok(Some(Started::NoReviewers));
    }
    if new.days == 0 || new.days > DAYS_MAX {
        return Ok(Some(Started::Days));
    }
    for reviewer in &new.reviewers {
        let member = principals::membership(tx, organization, *reviewer)?;
        if member.is_none_or(|member| member.state != MembershipState::Active) {
            return Ok(Some(Started::NoSuchReviewer));
        }
    }
    // Every member has a role at least, so a single reviewer would have their own before them.
    let mut others = new.reviewers.clone();
    others.sort_unstable();
    others.dedup();
    if let [only] = others[..]
        && gathering::holds_any(tx, organization, only, &new.kinds)?
    {
        return Ok(Some(Started::OneReviewer));
    }
    let running: u64 = tx.scalar(&sql::COUNT_RUNNING, params![organization])?.unwrap_or(0);
    Ok((running >= RUNNING_MAX).then_some(Started::TooMany))
}
