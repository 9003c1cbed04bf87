//! The end of a review: silence decides the rest, revocations take effect one by one, and each is looked up again.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::ids::OrganizationId;
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, MembershipState};
use platform::time::Timestamp;
use platform::{App, Ctx};

use super::{Choice, Grant, Item, ItemId, Review, ReviewId, State, event, find, jobs, read_item, sql};
use crate::access_grants::{self, Taken};
use crate::access_offers::Wanted;
use crate::{api_tokens, organizations, product_members};

/// Closes a review: what nobody answered is decided as the review says, and a job applies it. `false`: it is not open.
pub fn finish(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<Commit<bool>, DbError> {
    organizations::lock(tx, organization)?;
    let found = find(tx, organization, id)?.filter(|review| review.state == State::Open);
    let Some(review) = found else { return Ok(Commit::unchanged(false)) };
    if review.on_silence == Choice::Revoke {
        tx.execute(&sql::SILENCE, params![organization, id, Choice::Revoke.as_str(), ctx.now])?;
    }
    tx.execute(&sql::SET_STATE, params![organization, id, State::Applying.as_str(), State::Open.as_str()])?;
    tx.execute(&sql::KEPT, params![organization, id, ctx.now])?;
    jobs::schedule_apply(ctx, tx, organization, id)?;
    let counts = super::counts(tx, organization, id)?;
    let closed = event(organization, &review, "access_review.closed")
        .with("grants", counts.all)
        .with("keep", counts.keep)
        .with("revoke", counts.revoke)
        .with("by_silence", counts.by_silence)
        .with("undecided", counts.open());
    let recorded = tx.record(closed);
    Ok(Commit::changed(true, recorded))
}

/// What a step of applying did.
pub(super) enum Step {
    /// There may be more.
    More,
    /// This one must not be done; write that down.
    Refuse(ItemId, &'static str),
    Last,
}

/// Applies the next revocation. Each has a transaction of its own: one that is refused is rolled back alone.
pub(super) fn apply_next(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<Commit<Step>, DbError> {
    let found = find(tx, organization, id)?.filter(|review| review.state == State::Applying);
    let Some(review) = found else { return Ok(Commit::unchanged(Step::Last)) };
    let next = tx.list(&sql::TO_APPLY, params![organization, id, 1], read_item)?.into_iter().next();
    let Some(item) = next else { return Ok(Commit::unchanged(Step::Last)) };
    let (effect, words) = match take(ctx, tx, organization, &item)? {
        Ok(Taken::Done) => ("revoked", ""),
        Ok(Taken::Superseded) => ("gone", "it was gone already"),
        Ok(Taken::FromDirectory) => {
            ("refused", "a directory fills this group: take the person out where it is kept")
        }
        Ok(Taken::LastOwner) => {
            let why = "the organization would have no active owner";
            return Ok(Commit::unchanged(Step::Refuse(item.id, why)));
        }
        Err(why) => ("refused", why),
    };
    if effect == "revoked" {
        tell_holder(app, ctx, tx, organization, &review, &item)?;
    }
    write_effect(ctx, tx, organization, &review, &item, (effect, words))
}

pub(super) fn refuse(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
    (item, why): (ItemId, &str),
) -> Result<Commit<Step>, DbError> {
    let (review, item) = (find(tx, organization, id)?, super::find_item(tx, organization, id, item)?);
    let (Some(review), Some(item)) = (review, item) else { return Ok(Commit::unchanged(Step::Last)) };
    write_effect(ctx, tx, organization, &review, &item, ("refused", why))
}

fn write_effect(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    review: &Review,
    item: &Item,
    (effect, words): (&str, &str),
) -> Result<Commit<Step>, DbError> {
    tx.execute(&sql::EFFECT, params![organization, review.id, item.id, effect, words, ctx.now])?;
    let applied = event(organization, review, "access_review.applied")
        .with("item", item.id)
        .with("kind", item.grant.kind().as_str())
        .with("what", &item.target_name)
        .with("effect", effect)
        .with("words", words)
        .personal("email", &item.email);
    let recorded = tx.record(applied);
    Ok(Commit::changed(Step::More, recorded))
}

/// Takes a grant away by the rule of its kind; `Err`: why it must not be.
fn take(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    item: &Item,
) -> Result<Result<Taken, &'static str>, DbError> {
    if let Grant::Token(token) = item.grant {
        let done = api_tokens::revoke(ctx, tx, organization, token)?;
        return Ok(Ok(if *done.value() { Taken::Done } else { Taken::Superseded }));
    }
    let Some(account) = item.account else { return Ok(Ok(Taken::Superseded)) };
    let wanted = match item.grant {
        Grant::Group(group) => Wanted::Group(group),
        Grant::Product(rule) => Wanted::Product(rule),
        Grant::Role(Role::Member) => Wanted::Membership,
        Grant::Role(role) => Wanted::Role(role),
        Grant::Token(_) => return Ok(Ok(Taken::Superseded)),
    };
    if item.grant == Grant::Role(Role::Owner) && !decided_by_owner(tx, organization, item)? {
        return Ok(Err("whoever revoked it is no owner any more"));
    }
    access_grants::take(ctx, tx, organization, wanted, account, Role::Member).map(Ok)
}

fn decided_by_owner(tx: &mut ReadTx, organization: OrganizationId, item: &Item) -> Result<bool, DbError> {
    let Some(decider) = item.decided_by else { return Ok(false) };
    let member = principals::membership(tx, organization, decider)?;
    Ok(member.is_some_and(|one| one.role == Role::Owner && one.state == MembershipState::Active))
}

fn tell_holder(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    review: &Review,
    item: &Item,
) -> Result<(), DbError> {
    let here = principals::organization(tx, organization)?;
    let name = here.map(|here| here.name).unwrap_or_default();
    if item.email.is_empty() {
        return Ok(());
    }
    let text = format!(
        "The review \"{}\" of {name} took this away: {}.\nReason: {}\n\nIf you still need it, ask for it or tell an admin.\n",
        review.name, item.target_name, item.reason,
    );
    let message = Message::text(&item.email, &format!("{name}: access was taken away by a review"), &text);
    mail::enqueue(app.keyring(), ctx, tx, Some(organization), &message)
}

/// Whether the grant is still there, looked up now.
pub(super) fn is_held(
    tx: &mut ReadTx,
    organization: OrganizationId,
    item: &Item,
    now: Timestamp,
) -> Result<bool, DbError> {
    if let Grant::Token(token) = item.grant {
        return Ok(api_tokens::get(tx, organization, token)?.is_some_and(|token| token.is_live(now)));
    }
    let Some(account) = item.account else { return Ok(false) };
    Ok(match item.grant {
        Grant::Role(role) => {
            principals::membership(tx, organization, account)?.is_some_and(|member| member.role == role)
        }
        Grant::Group(group) => {
            principals::groups_of(tx, organization, account)?.iter().any(|one| one.id == group)
        }
        Grant::Product(rule) => product_members::is_member(tx, organization, rule, account)?,
        Grant::Token(_) => false,
    })
}

/// Looks revoked grants up again, behind `after`; gives the last one looked at.
pub(super) fn verify_some(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
    after: &[u8],
) -> Result<Commit<Option<ItemId>>, DbError> {
    const BATCH: u32 = 100;
    let found = find(tx, organization, id)?.filter(|review| review.state == State::Applying);
    let Some(review) = found else { return Ok(Commit::unchanged(None)) };
    let items = tx.list(&sql::TO_VERIFY, params![organization, id, after, BATCH], read_item)?;
    let Some(last) = items.last().map(|item| item.id) else { return Ok(Commit::unchanged(None)) };
    let (mut gone, looked) = (0_u64, items.len());
    for item in &items {
        if !is_held(tx, organization, item, ctx.now)? {
            tx.execute(&sql::VERIFIED, params![organization, id, item.id, ctx.now])?;
            gone += 1;
        }
    }
    let verified = event(organization, &review, "access_review.verified");
    let recorded = tx.record(verified.with("looked_up", looked).with("gone", gone));
    Ok(Commit::changed(Some(last), recorded))
}

/// Revoked grants that are still there, by a look now; at most `limit` are looked at.
pub(super) fn still_held(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: ReviewId,
    (now, limit): (Timestamp, u32),
) -> Result<u64, DbError> {
    let items = tx.list(&sql::TO_VERIFY, params![organization, id, vec![0_u8; 16], limit], read_item)?;
    let mut held = 0;
    for item in &items {
        held += u64::from(is_held(tx, organization, item, now)?);
    }
    Ok(held)
}

/// Everything was applied and looked up.
pub(super) fn done(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<Commit<()>, DbError> {
    let Some(review) = find(tx, organization, id)? else { return Ok(Commit::unchanged(())) };
    if tx.execute(&sql::FINISH, params![organization, id, ctx.now])? != 1 {
        return Ok(Commit::unchanged(()));
    }
    let counts = super::counts(tx, organization, id)?;
    let finished = event(organization, &review, "access_review.finished")
        .with("grants", counts.all)
        .with("keep", counts.keep)
        .with("revoke", counts.revoke)
        .with("verified", counts.verified)
        .with("undecided", counts.open());
    let recorded = tx.record(finished);
    Ok(Commit::changed((), recorded))
}
