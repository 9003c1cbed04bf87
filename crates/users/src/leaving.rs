//! Leaving: a person ends their own membership of an organization, without asking anybody.
//!
//! Promises: an organization never loses its last active owner this way; an account that the organization manages
//! cannot walk out of it (its admins decide); access ends with the next request; the owners and admins are told.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::AccountId;
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, Account, Membership, Organization};
use platform::{App, Ctx};

use crate::accounts::join;
use crate::organizations;

pub(crate) mod api;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    NotMember,
    /// The organization would have no active owner.
    LastOwner,
    /// The organization manages the account.
    Managed,
}

/// What leaving would end: for the page that asks, and a dry run.
#[derive(Debug, Clone)]
pub struct Preview {
    pub role: Role,
    /// Names of the groups that are left with it.
    pub groups: Vec<String>,
    pub outcome: Outcome,
}

/// Whether somebody may leave, without leaving.
pub fn preview(
    tx: &mut ReadTx,
    organization: &Organization,
    account: AccountId,
) -> Result<Option<Preview>, DbError> {
    let Some(member) = principals::membership(tx, organization.id, account)? else { return Ok(None) };
    let Some(person) = principals::account(tx, account)? else { return Ok(None) };
    let groups = principals::groups_of(tx, organization.id, account)?;
    let others: u64 = tx.scalar(&sql::COUNT_OTHER_OWNERS, params![organization.id, account])?.unwrap_or(0);
    let outcome = if person.managed_by == Some(organization.id) {
        Outcome::Managed
    } else if member.role == Role::Owner && others == 0 {
        Outcome::LastOwner
    } else {
        Outcome::Done
    };
    let groups = groups.into_iter().map(|group| group.name).collect();
    Ok(Some(Preview { role: member.role, groups, outcome }))
}

/// Ends the membership of `account`.
pub fn leave(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: &Organization,
    account: AccountId,
) -> Result<Commit<Outcome>, DbError> {
    // Two owners who leave at the same moment must not both succeed.
    organizations::lock(tx, organization.id)?;
    let Some(preview) = preview(tx, organization, account)? else {
        return Ok(Commit::unchanged(Outcome::NotMember));
    };
    if preview.outcome != Outcome::Done {
        return Ok(Commit::unchanged(preview.outcome));
    }
    let (Some(member), Some(person)) =
        (principals::membership(tx, organization.id, account)?, principals::account(tx, account)?)
    else {
        return Ok(Commit::unchanged(Outcome::NotMember));
    };
    principals::delete_membership(tx, organization.id, account)?;
    let event = Event::new(organization.id, "member.left").target("account", account);
    let event = event.with("role", member.role.as_str()).with("groups", preview.groups.len());
    let recorded = tx.record(event.personal("email", &member.email));
    tell_admins(app, ctx, tx, organization, &person, &member)?;
    Ok(Commit::changed(Outcome::Done, recorded))
}

fn tell_admins(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: &Organization,
    person: &Account,
    member: &Membership,
) -> Result<(), DbError> {
    let subject = format!("{} left {}", person.name, organization.name);
    let people = join(&app.config().public_url, &format!("/o/{}/people", organization.slug));
    let text = format!(
        "{} ({}), who was here as {}, left {} by themselves. Their access has ended; what they made stays.\n\n{people}\n",
        person.name,
        person.email,
        member.role.as_str(),
        organization.name,
    );
    let admins: Vec<String> = tx.list(&sql::ADMINS, params![organization.id], |row| row.get(0))?;
    let messages: Vec<Message> = admins.iter().map(|admin| Message::text(admin, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(organization.id), &messages)
}
