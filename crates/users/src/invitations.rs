//! Invitations: how somebody whom an organization's admin chose becomes its member.
//!
//! The mailed link is one of two keys: everything is checked again when it is used (CVE-2026-1529). The token must be
//! that of a waiting, unexpired invitation; the account that uses it must be active and have the invited address, which
//! it proved at sign-up; who invited must still have the right to. Organization, address and role come from the stored
//! invitation, never from the link. It works once. Who has only the link learns nothing beyond what the mail said.

use std::time::Duration;

use platform::access::{Permission, Role};
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{
    self, AccountState, Membership, MembershipSource, MembershipState, Organization, OrganizationState,
};
use platform::time::{DAY, MINUTE, Timestamp};
use platform::{App, Ctx};

use crate::accounts::email::EmailAddress;
use crate::accounts::join;
use crate::people::Authority;
use crate::tokens::LinkToken;
use crate::{groups, organizations};

pub(crate) mod api;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

platform::id! {
    /// An invitation.
    InvitationId
}

/// How long a link works; sending it again starts anew.
pub const LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());
/// Invitations that may wait in one organization.
pub const PENDING_MAX: u64 = 1000;
/// Mails that one organization may cause by inviting in a day.
pub const SENT_PER_DAY_MAX: u64 = 500;
/// Groups that one invitation may name.
pub const GROUPS_MAX: usize = 50;
/// An invitation that waits longer is somebody without the access they were meant to have, or a forgotten way in.
pub(crate) const TARGET: Duration = Duration::from_secs(14 * DAY.as_secs());
const RESEND_AFTER: Duration = MINUTE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Accepted,
    Revoked,
    Expired,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Accepted, Self::Revoked, Self::Expired].into_iter().find(|s| s.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub organization: OrganizationId,
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    state: State,
    /// `None`: the operator, or an API token.
    pub invited_by: Option<AccountId>,
    pub created_at: Timestamp,
    pub sent_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Invitation {
    /// A waiting invitation ends by itself when its time is over.
    pub fn state(&self, now: Timestamp) -> State {
        if self.state == State::Pending && self.expires_at <= now { State::Expired } else { self.state }
    }
}

fn read_invitation(row: &Row) -> Result<Invitation, DbError> {
    Ok(Invitation {
        organization: row.get(0)?,
        id: row.get(1)?,
        email: row.get(2)?,
        role: row.parse(3, Role::parse)?,
        state: row.parse(4, State::parse)?,
        invited_by: row.get(5)?,
        created_at: row.get(6)?,
        sent_at: row.get(7)?,
        expires_at: row.get(8)?,
    })
}

/// Who invites.
#[derive(Debug, Clone)]
pub struct Inviter {
    pub account: Option<AccountId>,
    /// Stands in the mail.
    pub name: String,
    pub authority: Authority,
}

#[derive(Debug, Clone)]
pub struct NewInvitation {
    pub email: EmailAddress,
    pub role: Role,
    pub groups: Vec<GroupId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invited {
    Done(Invitation),
    AlreadyMember,
    /// An invitation to this address waits already.
    AlreadyInvited,
    OwnersOnly,
    /// The role has rights that the inviter does not hold.
    BeyondYours,
    NoSuchGroup,
    /// [`PENDING_MAX`] wait, or [`SENT_PER_DAY_MAX`] were sent within a day.
    TooMany,
    NoSuchInvitation,
    /// Sent a moment ago.
    TooSoon,
}

/// Invites an address and mails the link. Needs `people.manage`, which the caller has checked.
pub fn invite(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    inviter: &Inviter,
    new: &NewInvitation,
) -> Result<Commit<Invited>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(here) = principals::organization(tx, organization)? else {
        return Ok(Commit::unchanged(Invited::NoSuchInvitation));
    };
    if let Some(refused) = refusal(ctx, tx, organization, inviter, new)? {
        return Ok(Commit::unchanged(refused));
    }
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let made = Invitation {
        organization,
        id: ctx.id(),
        email: new.email.key().to_owned(),
        role: new.role,
        state: State::Pending,
        invited_by: inviter.account,
        created_at: ctx.now,
        sent_at: ctx.now,
        expires_at: ctx.now.plus(LIFETIME),
    };
    tx.execute(
        &sql::INSERT,
        params![
            organization,
            made.id,
            made.email.as_str(),
            made.role.as_str(),
            token.hash(),
            made.invited_by,
            ctx.now,
            made.expires_at
        ],
    )?;
    let rows = new.groups.iter().map(|group| params![organization, made.id, *group].to_vec()).collect();
    tx.execute_many(&sql::INSERT_GROUP, rows)?;
    send(app, ctx, tx, &here, inviter, &made, &token)?;
    let created = Event::new(organization, "invitation.created")
        .target("invitation", made.id)
        .with("role", made.role.as_str())
        .personal("email", &made.email);
    let recorded = tx.record(created);
    Ok(Commit::changed(Invited::Done(made), recorded))
}

fn beyond(inviter: &Inviter, role: Role) -> Option<Invited> {
    match role {
        Role::Owner if !inviter.authority.over_owners => Some(Invited::OwnersOnly),
        role if !inviter.authority.gives(role) => Some(Invited::BeyondYours),
        _ => None,
    }
}

fn refusal(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    inviter: &Inviter,
    new: &NewInvitation,
) -> Result<Option<Invited>, DbError> {
    if let Some(refused) = beyond(inviter, new.role) {
        return Ok(Some(refused));
    }
    if new.groups.len() > GROUPS_MAX {
        return Ok(Some(Invited::TooMany));
    }
    for group in &new.groups {
        if principals::group(tx, organization, *group)?.is_none() {
            return Ok(Some(Invited::NoSuchGroup));
        }
    }
    if let Some(account) = principals::account_by_email(tx, new.email.key())?
        && principals::membership(tx, organization, account.id)?.is_some()
    {
        return Ok(Some(Invited::AlreadyMember));
    }
    // One that ran out makes room for the next.
    tx.execute(&sql::EXPIRE, params![organization, new.email.key(), ctx.now])?;
    if tx.first(&sql::PENDING_FOR, params![organization, new.email.key()])?.is_some() {
        return Ok(Some(Invited::AlreadyInvited));
    }
    let waiting: u64 = tx.scalar(&sql::COUNT_PENDING, params![organization])?.unwrap_or(0);
    let since = ctx.now.minus(DAY);
    let sent: u64 = tx.scalar(&sql::COUNT_SENT, params![organization, since])?.unwrap_or(0);
    Ok((waiting >= PENDING_MAX || sent >= SENT_PER_DAY_MAX).then_some(Invited::TooMany))
}

fn send(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    here: &Organization,
    inviter: &Inviter,
    invitation: &Invitation,
    token: &LinkToken,
) -> Result<(), DbError> {
    let link = join(&app.config().public_url, &format!("/invitations/{}", token.text()));
    let provider = &app.provider_name();
    let subject = format!("{} invites you to {}", inviter.name, here.name);
    let text = format!(
        "{} invites you to {} at {provider}, as {}.\n\n\
         Open this link to accept. It works once, until {}, and only for {}:\n{link}\n\n\
         If you do not know who this is, ignore this mail: nothing happens.\n",
        inviter.name,
        here.name,
        invitation.role.as_str(),
        invitation.expires_at.minute_words(),
        invitation.email,
    );
    let message = Message::text(&invitation.email, &subject, &text);
    mail::enqueue(app.keyring(), ctx, tx, Some(here.id), &message)
}

/// Mails a new link and starts its time anew; the old link is dead. The invitation is theirs from now on who sent it
/// again.
pub fn resend(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    inviter: &Inviter,
    id: InvitationId,
) -> Result<Commit<Invited>, DbError> {
    organizations::lock(tx, organization)?;
    let here = principals::organization(tx, organization)?;
    let (Some(mut found), Some(here)) = (find(tx, organization, id)?, here) else {
        return Ok(Commit::unchanged(Invited::NoSuchInvitation));
    };
    if found.state != State::Pending {
        return Ok(Commit::unchanged(Invited::NoSuchInvitation));
    }
    if let Some(refused) = beyond(inviter, found.role) {
        return Ok(Commit::unchanged(refused));
    }
    if ctx.now.since(found.sent_at) < RESEND_AFTER {
        return Ok(Commit::unchanged(Invited::TooSoon));
    }
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    found.sent_at = ctx.now;
    found.expires_at = ctx.now.plus(LIFETIME);
    found.invited_by = inviter.account;
    let renewed = params![organization, id, token.hash(), ctx.now, found.expires_at, found.invited_by];
    tx.execute(&sql::RENEW, renewed)?;
    send(app, ctx, tx, &here, inviter, &found, &token)?;
    let resent = Event::new(organization, "invitation.resent")
        .target("invitation", id)
        .personal("email", &found.email);
    let recorded = tx.record(resent);
    Ok(Commit::changed(Invited::Done(found), recorded))
}

/// Takes an invitation back; `false` when none waits under this id.
pub fn revoke(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<Commit<bool>, DbError> {
    let Some(found) = find(tx, organization, id)? else { return Ok(Commit::unchanged(false)) };
    if tx.execute(&sql::DECIDE, params![organization, id, "revoked", ctx.now])? != 1 {
        return Ok(Commit::unchanged(false));
    }
    let revoked = Event::new(organization, "invitation.revoked")
        .target("invitation", id)
        .personal("email", &found.email);
    let recorded = tx.record(revoked);
    Ok(Commit::changed(true, recorded))
}

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<Option<Invitation>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_invitation).transpose()
}

/// Invitations, the newest first. `before` is the id to go on below (ids ascend with time).
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    state: Option<State>,
    before: Option<InvitationId>,
    limit: u32,
) -> Result<Vec<Invitation>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| platform::ids::Id::bytes(id).to_vec());
    let state = state.map(State::as_str);
    tx.list(&sql::LIST, params![organization, state, before, limit], read_invitation)
}

/// Since when the oldest invitation waits that can still be used, and how many do: how long somebody waits for access.
pub fn oldest_pending(
    tx: &mut ReadTx,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<(Timestamp, u64)>, DbError> {
    let Some(row) = tx.first(&sql::OLDEST, params![organization, now])? else { return Ok(None) };
    match row.get::<Option<Timestamp>>(0)? {
        Some(oldest) => Ok(Some((oldest, row.get(1)?))),
        None => Ok(None),
    }
}

/// A link that works, as its page shows it.
#[derive(Debug, Clone)]
pub struct Opened {
    pub organization: Organization,
    pub invitation: Invitation,
}

/// Looks without using it up; `None` for every reason it does not work.
pub fn open(tx: &mut ReadTx, token: &LinkToken, now: Timestamp) -> Result<Option<Opened>, DbError> {
    let Some(row) = tx.first(&sql::BY_TOKEN, params![token.hash(), now])? else { return Ok(None) };
    let invitation = read_invitation(&row)?;
    let Some(organization) = principals::organization(tx, invitation.organization)? else { return Ok(None) };
    let open = organization.state == OrganizationState::Active && still_theirs_to_give(tx, &invitation)?;
    Ok(open.then_some(Opened { organization, invitation }))
}

/// Whether who invited could still do so: who left, or lost the right, leaves no way in behind. The operator and API
/// tokens are nobody whose right could be looked up.
fn still_theirs_to_give(tx: &mut ReadTx, invitation: &Invitation) -> Result<bool, DbError> {
    let Some(inviter) = invitation.invited_by else { return Ok(true) };
    let active = principals::account(tx, inviter)?.is_some_and(|found| found.state == AccountState::Active);
    let member = principals::membership(tx, invitation.organization, inviter)?;
    Ok(member.is_some_and(|member| {
        let owners = invitation.role != Role::Owner || member.role.may(Permission::OrganizationManage);
        let manages = member.role.may(Permission::PeopleManage) && owners;
        active && member.state == MembershipState::Active && manages
    }))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    Done(Organization),
    /// Unknown, used, taken back or run out: nobody is told which.
    Dead,
    /// The account has another address than the invited one.
    OtherAddress,
    /// The account is not active, or not there.
    NotActive,
    AlreadyMember(Organization),
}

/// Uses an invitation up: makes `account` a member.
pub fn accept(
    ctx: &Ctx,
    tx: &mut Tx,
    token: &LinkToken,
    account: AccountId,
) -> Result<Commit<Accepted>, DbError> {
    let Some(Opened { organization, invitation }) = open(tx, token, ctx.now)? else {
        return Ok(Commit::unchanged(Accepted::Dead));
    };
    let person = principals::account(tx, account)?.filter(|person| person.state == AccountState::Active);
    let Some(person) = person else { return Ok(Commit::unchanged(Accepted::NotActive)) };
    if person.email != invitation.email {
        return Ok(Commit::unchanged(Accepted::OtherAddress));
    }
    // Its mailbox may have changed hands since the link was sent.
    if crate::domains::lost_after(tx, &person.email_domain, invitation.sent_at)? {
        return Ok(Commit::unchanged(Accepted::Dead));
    }
    organizations::lock(tx, organization.id)?;
    if !still_theirs_to_give(tx, &invitation)? {
        return Ok(Commit::unchanged(Accepted::Dead));
    }
    // The update decides: of two uses at once only one changes the row, and a link renewed meanwhile is dead.
    let used = params![organization.id, invitation.id, token.hash(), ctx.now];
    if tx.execute(&sql::ACCEPT, used)? != 1 {
        return Ok(Commit::unchanged(Accepted::Dead));
    }
    let member = Membership {
        organization: organization.id,
        account,
        role: invitation.role,
        state: MembershipState::Active,
        source: MembershipSource::Invitation,
        email: person.email,
        name: person.name,
        created_at: ctx.now,
    };
    // Somebody who is a member keeps what they have: an invitation neither restores nor promotes.
    if !principals::insert_membership(tx, &member)? {
        return Ok(Commit::unchanged(Accepted::AlreadyMember(organization)));
    }
    let accepted = Event::new(organization.id, "invitation.accepted")
        .target("invitation", invitation.id)
        .with("account", account)
        .personal("email", &member.email);
    let _accepted = tx.record(accepted);
    let recorded = tx.record(crate::people::added(&member));
    let chosen: Vec<GroupId> =
        tx.list(&sql::GROUPS, params![organization.id, invitation.id], |row| row.get(0))?;
    for group in chosen {
        if principals::insert_group_member(tx, organization.id, group, account, ctx.now)? {
            let _moved = tx.record(groups::moved(organization.id, "group.member_added", group, &member));
        }
    }
    Ok(Commit::changed(Accepted::Done(organization), recorded))
}
