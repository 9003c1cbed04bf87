//! Giving somebody access in an organization and taking it away: one pair of functions for requests that are granted
//! and run out, and for reviews that revoke.
//!
//! Each goes through the rule that the console uses for the same act, so that a directory's groups stay the
//! directory's and the last owner stays. The caller rolls back unless the outcome is `Done`.

use platform::Ctx;
use platform::access::Role;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::{AccountId, OrganizationId};
use platform::principals::{self, AccountState, Membership, MembershipSource, MembershipState};

use crate::access_offers::Wanted;
use crate::people::{self, Authority, Change};
use crate::{groups, product_members, provisioning};

/// Whether somebody has it now. Who has more has it, too.
pub fn has(
    tx: &mut ReadTx,
    organization: OrganizationId,
    wanted: Wanted,
    account: AccountId,
) -> Result<bool, DbError> {
    let member = principals::membership(tx, organization, account)?;
    Ok(match (wanted, member) {
        (_, None) => false,
        (Wanted::Membership, Some(_)) => true,
        (Wanted::Role(role), Some(member)) => covers(member.role, role),
        (Wanted::Group(group), Some(_)) => {
            principals::groups_of(tx, organization, account)?.iter().any(|found| found.id == group)
        }
        (Wanted::Product(rule), Some(_)) => match product_members::rule(tx, organization, rule)? {
            Some(rule) => product_members::has(tx, organization, &rule, account)?,
            None => false,
        },
    })
}

/// Whether a role gives all that another one does.
fn covers(have: Role, wanted: Role) -> bool {
    platform::access::Permission::ALL
        .iter()
        .all(|permission| !wanted.may(*permission) || have.may(*permission))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// With the role that a given one replaced.
    Done(Option<Role>),
    HasIt,
    /// Not, or not actively, a member; for a membership: no active account.
    NotMember,
    /// What was wanted is not there any more.
    Gone,
    /// A directory fills the group, or put the person out.
    FromDirectory,
}

pub fn give(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    wanted: Wanted,
    account: AccountId,
) -> Result<Given, DbError> {
    if wanted == Wanted::Membership {
        return join(ctx, tx, organization, account);
    }
    let member = principals::membership(tx, organization, account)?;
    let Some(member) = member.filter(|member| member.state == MembershipState::Active) else {
        return Ok(Given::NotMember);
    };
    if has(tx, organization, wanted, account)? {
        return Ok(Given::HasIt);
    }
    Ok(match wanted {
        Wanted::Group(group) => match groups::add_member(ctx, tx, organization, group, account)?.value() {
            groups::Membered::Done => Given::Done(None),
            groups::Membered::Same => Given::HasIt,
            groups::Membered::NoSuchGroup => Given::Gone,
            groups::Membered::NoSuchPerson => Given::NotMember,
            groups::Membered::FromDirectory => Given::FromDirectory,
        },
        Wanted::Product(rule) => match product_members::add(ctx, tx, organization, rule, account)?.value() {
            product_members::Membered::Done => Given::Done(None),
            product_members::Membered::Same => Given::HasIt,
            product_members::Membered::NoSuchRule => Given::Gone,
            product_members::Membered::NoSuchPerson => Given::NotMember,
        },
        Wanted::Role(role) => {
            let authority = Authority { over_owners: false, up_to: Role::Admin };
            let change = Change::Role(role);
            match people::change(ctx, tx, organization, authority, account, change)?.value() {
                people::Outcome::Done => Given::Done(Some(member.role)),
                people::Outcome::NoSuchPerson => Given::NotMember,
                _ => Given::HasIt,
            }
        }
        Wanted::Membership => Given::HasIt,
    })
}

/// Makes somebody a plain member.
fn join(ctx: &Ctx, tx: &mut Tx, organization: OrganizationId, account: AccountId) -> Result<Given, DbError> {
    let person = principals::account(tx, account)?.filter(|person| person.state == AccountState::Active);
    let Some(person) = person else { return Ok(Given::NotMember) };
    if provisioning::stays_out(tx, organization, account)? {
        return Ok(Given::FromDirectory);
    }
    let member = Membership {
        organization,
        account,
        role: Role::Member,
        state: MembershipState::Active,
        // An approved domain is a standing invitation to everybody with an address there; the ledger says which.
        source: MembershipSource::Invitation,
        email: person.email,
        name: person.name,
        created_at: ctx.now,
    };
    if !principals::insert_membership(tx, &member)? {
        return Ok(Given::HasIt);
    }
    let _added = tx.record(people::added(&member));
    Ok(Given::Done(None))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Done,
    /// They do not have it any more, or not from there: a later decision stands.
    Superseded,
    /// A directory fills the group: it changes there.
    FromDirectory,
    /// The organization would have no active owner.
    LastOwner,
}

/// Takes it away. A role falls back to `fallback`; a membership ends only while it is that of a plain member.
pub fn take(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    wanted: Wanted,
    account: AccountId,
    fallback: Role,
) -> Result<Taken, DbError> {
    let Some(member) = principals::membership(tx, organization, account)? else {
        return Ok(Taken::Superseded);
    };
    Ok(match wanted {
        Wanted::Group(group) => match groups::remove_member(tx, organization, group, account)?.value() {
            groups::Membered::Done => {
                // A product may have been open by this group.
                crate::openid_provider::grants::end_unallowed_of(tx, account, ctx.now)?;
                Taken::Done
            }
            groups::Membered::FromDirectory => Taken::FromDirectory,
            _ => Taken::Superseded,
        },
        Wanted::Product(rule) => {
            match product_members::remove(ctx, tx, organization, rule, account)?.value() {
                product_members::Membered::Done => Taken::Done,
                _ => Taken::Superseded,
            }
        }
        Wanted::Role(role) if member.role != role => Taken::Superseded,
        Wanted::Role(_) => taken(people::change(
            ctx,
            tx,
            organization,
            Authority::OPERATOR,
            account,
            Change::Role(fallback),
        )?),
        Wanted::Membership if member.role != Role::Member => Taken::Superseded,
        Wanted::Membership => {
            taken(people::change(ctx, tx, organization, Authority::OPERATOR, account, Change::Remove)?)
        }
    })
}

fn taken(done: platform::db::Commit<people::Outcome>) -> Taken {
    match done.value() {
        people::Outcome::Done => Taken::Done,
        people::Outcome::LastOwner => Taken::LastOwner,
        _ => Taken::Superseded,
    }
}
