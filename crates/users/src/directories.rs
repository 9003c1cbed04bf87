//! Directories: where an organization's people come from, and how an identity provider proves that it may keep one.
//!
//! A directory belongs to one organization. Its people prove themselves here (`local`) or at an identity provider
//! (`linked`). What comes in over SCIM is the business of [`crate::provisioning`]. Promises:
//! - A token opens one directory. It is shown once; the store keeps its SHA-256.
//! - There are at most two live tokens for a directory, so that one can replace the other without a gap; [`rotate`]
//!   ends the older ones after an overlap.
//! - Nobody is surprised by a token's end: the organization's admins get a mail 30, 7 and 1 days before (`jobs`).

use std::collections::BTreeMap;
use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::{DAY, MINUTE, Timestamp};

use crate::names::Name;
use crate::organizations;
use crate::tokens::ScimToken;

pub(crate) mod api;
pub(crate) mod jobs;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
pub(crate) mod tests;

platform::id! {
    /// A directory of an organization.
    DirectoryId,
    /// A token with which a directory is kept.
    ScimTokenId
}

pub const DIRECTORIES_MAX: u64 = 50;
pub const LIVE_TOKENS_MAX: u64 = 2;
pub const TOKEN_DAYS_DEFAULT: u32 = 365;
pub const TOKEN_DAYS_MAX: u32 = 730;
/// How long the older token works beside the newer one when not said.
pub const OVERLAP_DAYS_DEFAULT: u32 = 7;
pub const OVERLAP_DAYS_MAX: u32 = 30;
/// What the first directory is called when a token is asked for before there is one.
pub const FIRST_NAME: &str = "Main directory";
/// How often the time of last use is written.
const USED_EVERY: Duration = MINUTE;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub id: DirectoryId,
    pub name: String,
    /// `local` or `linked`.
    pub kind: String,
    pub created_at: Timestamp,
}

fn read_directory(row: &Row) -> Result<Directory, DbError> {
    Ok(Directory { id: row.get(0)?, name: row.get(1)?, kind: row.get(2)?, created_at: row.get(3)? })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    Done(Directory),
    NameTaken,
    TooMany,
}

pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &Name,
) -> Result<Commit<Creation>, DbError> {
    create_of(ctx, tx, organization, name, "local")
}

/// Makes the directory of people who prove themselves at an identity provider; part of making the connection to it.
pub(crate) fn create_linked(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &Name,
) -> Result<Creation, DbError> {
    Ok(create_of(ctx, tx, organization, name, "linked")?.value().clone())
}

/// Says of a directory that there is that its people prove themselves at an identity provider; `false`: there is none.
pub(crate) fn link(tx: &mut Tx, organization: OrganizationId, id: DirectoryId) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::LINK, params![organization, id])? == 1)
}

fn create_of(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &Name,
    kind: &'static str,
) -> Result<Commit<Creation>, DbError> {
    organizations::lock(tx, organization)?;
    if tx.scalar::<u64>(&sql::COUNT, params![organization])?.unwrap_or(0) >= DIRECTORIES_MAX {
        return Ok(Commit::unchanged(Creation::TooMany));
    }
    let new = Directory {
        id: ctx.id(),
        name: name.as_str().to_owned(),
        kind: kind.to_owned(),
        created_at: ctx.now,
    };
    let row = params![organization, new.id, new.name.as_str(), new.name.to_lowercase(), ctx.now, kind];
    if tx.execute(&sql::INSERT, row)? != 1 {
        return Ok(Commit::unchanged(Creation::NameTaken));
    }
    let created = Event::new(organization, "directory.created").target("directory", new.id);
    let recorded = tx.record(created.with("name", &new.name).with("kind", kind));
    Ok(Commit::changed(Creation::Done(new), recorded))
}

/// All of an organization, by name.
pub fn list(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Directory>, DbError> {
    tx.list(&sql::LIST, params![organization], read_directory)
}

pub fn get(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: DirectoryId,
) -> Result<Option<Directory>, DbError> {
    tx.first(&sql::GET, params![organization, id])?.as_ref().map(read_directory).transpose()
}

/// The directory that somebody comes from: the one that keeps them over SCIM, else the one whose connection they came
/// through first; `None`: the local one.
pub(crate) fn of_account(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<DirectoryId>, DbError> {
    Ok(tx.scalar(&sql::OF_ACCOUNT, params![organization, account])?.unwrap_or(None))
}

/// The same of the members whose addresses are in (`after`, `until`].
pub(crate) fn of_members(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    until: &str,
) -> Result<BTreeMap<AccountId, DirectoryId>, DbError> {
    let mut found = BTreeMap::new();
    for row in tx.query(&sql::OF_MEMBERS, params![organization, after, until])? {
        if let Some(directory) = row.get(1)? {
            found.insert(row.get(0)?, directory);
        }
    }
    Ok(found)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: ScimTokenId,
    pub directory: DirectoryId,
    /// `None`: the operator.
    pub created_by: Option<AccountId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at > now
    }
}

fn read_token(row: &Row) -> Result<Token, DbError> {
    Ok(Token {
        id: row.get(0)?,
        directory: row.get(1)?,
        created_by: row.get(2)?,
        created_at: row.get(3)?,
        expires_at: row.get(4)?,
        last_used_at: row.get(5)?,
        revoked_at: row.get(6)?,
    })
}

/// The newest tokens of a directory.
pub fn tokens(
    tx: &mut ReadTx,
    organization: OrganizationId,
    directory: DirectoryId,
) -> Result<Vec<Token>, DbError> {
    tx.list(&sql::TOKENS, params![organization, directory], read_token)
}

/// Which directory a token is asked for.
#[derive(Debug, Clone)]
pub enum Which {
    /// The only one; a first one is made when there is none.
    Only,
    Id(DirectoryId),
    /// By name, without regard to case.
    Named(String),
}

#[expect(clippy::large_enum_variant, reason = "made once for each request and taken apart at once")]
pub enum Issue {
    /// The secret is here and nowhere else.
    Done {
        directory: Directory,
        token: Token,
        secret: ScimToken,
    },
    NoSuchDirectory,
    /// Several: say which.
    Several,
    /// [`LIVE_TOKENS_MAX`] live already.
    TooMany,
    /// Longer than [`TOKEN_DAYS_MAX`], or nothing.
    Lifetime,
    /// The overlap is longer than [`OVERLAP_DAYS_MAX`].
    Overlap,
}

fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * DAY.as_secs())
}

/// Makes a token.
pub fn issue(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    which: &Which,
    creator: Option<AccountId>,
    lifetime_days: u32,
) -> Result<Commit<Issue>, DbError> {
    organizations::lock(tx, organization)?;
    if lifetime_days == 0 || lifetime_days > TOKEN_DAYS_MAX {
        return Ok(Commit::unchanged(Issue::Lifetime));
    }
    let directory = match which {
        Which::Id(id) => get(tx, organization, *id)?,
        Which::Named(name) => {
            list(tx, organization)?.into_iter().find(|one| one.name.to_lowercase() == name.to_lowercase())
        }
        Which::Only => {
            let mut all = list(tx, organization)?;
            match all.len() {
                0 => first(ctx, tx, organization)?,
                1 => all.pop(),
                _ => return Ok(Commit::unchanged(Issue::Several)),
            }
        }
    };
    let Some(directory) = directory else { return Ok(Commit::unchanged(Issue::NoSuchDirectory)) };
    if live_tokens(tx, organization, directory.id, ctx.now)? >= LIVE_TOKENS_MAX {
        return Ok(Commit::unchanged(Issue::TooMany));
    }
    insert(ctx, tx, organization, directory, creator, lifetime_days, "scim_token.created")
}

fn first(ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<Option<Directory>, DbError> {
    let Ok(name) = Name::parse(FIRST_NAME) else { return Ok(None) };
    let made = create(ctx, tx, organization, &name)?;
    Ok(match made.value() {
        Creation::Done(directory) => Some(directory.clone()),
        _ => None,
    })
}

fn live_tokens(
    tx: &mut ReadTx,
    organization: OrganizationId,
    directory: DirectoryId,
    now: Timestamp,
) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_LIVE, params![organization, directory, now])?.unwrap_or(0))
}

fn insert(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    directory: Directory,
    creator: Option<AccountId>,
    lifetime_days: u32,
    action: &'static str,
) -> Result<Commit<Issue>, DbError> {
    let secret = ScimToken::generate(&mut |bytes| ctx.fill(bytes));
    let token = Token {
        id: ctx.id(),
        directory: directory.id,
        created_by: creator,
        created_at: ctx.now,
        expires_at: ctx.now.plus(days(lifetime_days)),
        last_used_at: None,
        revoked_at: None,
    };
    let row =
        params![organization, token.id, directory.id, secret.hash(), creator, ctx.now, token.expires_at];
    tx.execute(&sql::INSERT_TOKEN, row)?;
    let event = Event::new(organization, action).target("scim_token", token.id);
    let recorded = tx.record(event.with("directory", directory.id).with("expires_at", token.expires_at));
    Ok(Commit::changed(Issue::Done { directory, token, secret }, recorded))
}

/// Makes the token that replaces the others: those end after the overlap at the latest.
pub fn rotate(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: DirectoryId,
    creator: Option<AccountId>,
    lifetime_days: u32,
    overlap_days: u32,
) -> Result<Commit<Issue>, DbError> {
    organizations::lock(tx, organization)?;
    if lifetime_days == 0 || lifetime_days > TOKEN_DAYS_MAX {
        return Ok(Commit::unchanged(Issue::Lifetime));
    }
    if overlap_days > OVERLAP_DAYS_MAX {
        return Ok(Commit::unchanged(Issue::Overlap));
    }
    let Some(directory) = get(tx, organization, id)? else {
        return Ok(Commit::unchanged(Issue::NoSuchDirectory));
    };
    if live_tokens(tx, organization, id, ctx.now)? >= LIVE_TOKENS_MAX {
        return Ok(Commit::unchanged(Issue::TooMany));
    }
    tx.execute(&sql::SHORTEN, params![organization, id, ctx.now.plus(days(overlap_days))])?;
    insert(ctx, tx, organization, directory, creator, lifetime_days, "scim_token.rotated")
}

/// Ends a token at once; `false` when the directory has no such live one.
pub fn revoke(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    directory: DirectoryId,
    id: ScimTokenId,
) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::REVOKE, params![organization, directory, id, ctx.now])? != 1 {
        return Ok(Commit::unchanged(false));
    }
    let event = Event::new(organization, "scim_token.revoked").target("scim_token", id);
    let recorded = tx.record(event.with("directory", directory));
    Ok(Commit::changed(true, recorded))
}

/// A token that may act now, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub id: ScimTokenId,
    pub organization: OrganizationId,
    pub directory: DirectoryId,
    /// The time of last use is due to be written with [`touch`].
    pub last_used_due: bool,
}

/// The live token with this hash, of an active organization.
pub fn find_token(tx: &mut ReadTx, token_hash: [u8; 32], now: Timestamp) -> Result<Option<Found>, DbError> {
    let Some(row) = tx.first(&sql::BY_HASH, params![token_hash, now])? else { return Ok(None) };
    let used: Option<Timestamp> = row.get(3)?;
    Ok(Some(Found {
        id: row.get(0)?,
        organization: row.get(1)?,
        directory: row.get(2)?,
        last_used_due: used.is_none_or(|used| now.since(used) >= USED_EVERY),
    }))
}

/// Notes that a token was used.
pub fn touch(
    tx: &mut Tx,
    id: ScimTokenId,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.execute(&sql::TOUCH, params![organization, id, now])?;
    Ok(())
}
