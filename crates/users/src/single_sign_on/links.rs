//! Who is linked through which connection: for admins, for people themselves, and how a link ends.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::Timestamp;

use super::arrival::{self, Arriving, Refusal};
use super::{Connection, ConnectionId, sql};
use crate::{passkeys, passwords, sessions};

/// A link as an organization's admins see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub subject: String,
    pub linked_at: Timestamp,
    pub used_at: Timestamp,
}

/// By address, after `after`.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    connection: ConnectionId,
    after: &str,
    limit: u32,
) -> Result<Vec<Link>, DbError> {
    tx.list(&sql::LINKS, params![organization, connection, after, limit], |row| {
        Ok(Link {
            account: row.get(0)?,
            email: row.get(1)?,
            name: row.get(2)?,
            subject: row.get(3)?,
            linked_at: row.get(4)?,
            used_at: row.get(5)?,
        })
    })
}

/// A link as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLink {
    pub connection: ConnectionId,
    pub name: String,
    pub social: bool,
    pub organization: String,
    pub active: bool,
    pub linked_at: Timestamp,
    pub used_at: Timestamp,
    owner: OrganizationId,
}

pub fn of_account(tx: &mut ReadTx, account: AccountId) -> Result<Vec<OwnLink>, DbError> {
    tx.list(&sql::LINKS_OF, params![account], |row| {
        Ok(OwnLink {
            connection: row.get(0)?,
            name: row.get(1)?,
            social: row.get::<Option<String>>(2)?.is_some(),
            organization: row.get(3)?,
            active: row.get::<String>(4)? == "active",
            linked_at: row.get(5)?,
            used_at: row.get(6)?,
            owner: row.get(7)?,
        })
    })
}

/// The active connections of an organization that its members have come through, members after `after` until `until`.
pub(crate) fn of_members(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    until: &str,
) -> Result<Vec<(AccountId, ConnectionId)>, DbError> {
    tx.list(&sql::MEMBERS_LINKED, params![organization, after, until], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// How ending a link went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    Done,
    NoSuchLink,
    /// It is the person's only way in.
    OnlyWay,
}

/// Ends a link, and the sessions that came through it.
pub fn end(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    connection: ConnectionId,
    account: AccountId,
) -> Result<Commit<Unlinked>, DbError> {
    let key = tx.first(&sql::LINK_OF_ACCOUNT, params![organization, connection, account])?;
    let Some(key) = key else { return Ok(Commit::unchanged(Unlinked::NoSuchLink)) };
    let subject: String = key.get(1)?;
    tx.execute(&sql::UNLINK, params![organization, connection, account])?;
    super::logout::end_sessions(ctx, tx, connection, Some(&subject), None)?;
    let event = Event::new(organization, "single_sign_on.unlinked")
        .target("account", account)
        .with("connection", connection)
        .personal("subject", &subject);
    let recorded = tx.record(event);
    Ok(Commit::changed(Unlinked::Done, recorded))
}

/// As [`end`], by the person themselves, who must keep another way in.
pub fn end_own(
    ctx: &Ctx,
    tx: &mut Tx,
    account: AccountId,
    connection: ConnectionId,
) -> Result<Commit<Unlinked>, DbError> {
    let all = of_account(tx, account)?;
    let Some(link) = all.iter().find(|link| link.connection == connection) else {
        return Ok(Commit::unchanged(Unlinked::NoSuchLink));
    };
    let others = all.iter().any(|other| other.connection != connection && other.active);
    let local = passwords::store::find(tx, account)?.is_some() || !passkeys::list(tx, account)?.is_empty();
    if !others && !local {
        return Ok(Commit::unchanged(Unlinked::OnlyWay));
    }
    end(ctx, tx, link.owner, connection, account)
}

/// How connecting went.
pub enum Connected {
    Done,
    /// It was connected already.
    Same,
    Refused(Refusal),
}

/// Adds a way in to the account of somebody who is signed in: the only way for social providers and for owners.
pub(crate) fn connect(
    at: &Arriving<'_>,
    tx: &mut Tx,
    account: AccountId,
) -> Result<Commit<Connected>, DbError> {
    let connection: &Connection = at.connection;
    let organization = connection.organization;
    let (issuer, subject) = (at.identity.issuer.as_str(), at.identity.subject.as_str());
    let linked: Option<AccountId> =
        tx.scalar(&sql::LINK, params![organization, connection.id, issuer, subject])?;
    if linked == Some(account) {
        return Ok(Commit::unchanged(Connected::Same));
    }
    let other = tx.first(&sql::LINK_OF_ACCOUNT, params![organization, connection.id, account])?;
    if linked.is_some() || other.is_some() {
        return refuse(at, tx, account, arrival::other_person(connection));
    }
    if connection.social.is_none()
        && let Some(refusal) = arrival::may_connect(tx, connection, at.identity, account)?
    {
        return refuse(at, tx, account, refusal);
    }
    let recorded = arrival::link(at, tx, account)?;
    tx.execute(&sql::SUCCEEDED, params![organization, connection.id, at.ctx.now])?;
    Ok(Commit::changed(Connected::Done, recorded))
}

fn refuse(
    at: &Arriving<'_>,
    tx: &mut Tx,
    account: AccountId,
    refusal: Refusal,
) -> Result<Commit<Connected>, DbError> {
    let told = refusal.sentence();
    let word = refusal.word();
    let recorded = arrival::failed(at.ctx, tx, at.connection, Some(account), word, refusal.claim(), &told)?;
    Ok(Commit::changed(Connected::Refused(refusal), recorded))
}

/// The connection that the session of a request came through, and who somebody is there; for "sign in again" and "sign out
/// there".
pub(crate) fn of_session(
    tx: &mut ReadTx,
    session: Option<sessions::SessionId>,
) -> Result<Option<(Connection, sessions::Upstream)>, DbError> {
    let Some(session) = session else { return Ok(None) };
    let Some(upstream) = sessions::upstream_of(tx, session)? else { return Ok(None) };
    Ok(super::by_id(tx, upstream.connection)?.map(|connection| (connection, upstream)))
}
