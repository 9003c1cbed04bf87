//! API tokens: how a program acts in an organization, with named rights, for a limited time.
//!
//! A token is shown once; the store keeps its SHA-256. It holds rights that its maker held when making it, and never
//! more than its maker holds now: when the maker is suspended, removed, or gets a smaller role, the token shrinks or dies
//! with the next request. Tokens of the operator stand on their own. Tokens do not make tokens.

use std::time::Duration;

use platform::Ctx;
use platform::access::{Permission, Role};
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, AccountState, MembershipState, OrganizationKind};
use platform::time::{DAY, MINUTE, Timestamp};

use crate::names::Name;
use crate::tokens::ApiToken;
use crate::{organizations, policies};

pub(crate) mod api;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

platform::id! {
    /// An API token.
    ApiTokenId
}

pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(90 * DAY.as_secs());
pub const LIFETIME_MAX: Duration = Duration::from_secs(365 * DAY.as_secs());
/// Live tokens that one organization may have.
pub const LIVE_MAX: u64 = 200;
/// How often the time of last use is written.
const USED_EVERY: Duration = MINUTE;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: ApiTokenId,
    pub name: String,
    pub scopes: Vec<Permission>,
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

/// A scope that this version does not know any more gives nothing.
fn read_scopes(text: &str) -> Vec<Permission> {
    text.split_whitespace().filter_map(Permission::parse).collect()
}

fn read_token(row: &Row) -> Result<Token, DbError> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: read_scopes(&row.get::<String>(2)?),
        created_by: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
        revoked_at: row.get(7)?,
    })
}

#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: Name,
    pub scopes: Vec<Permission>,
    pub lifetime: Duration,
}

pub enum Creation {
    /// The secret is here and nowhere else.
    Done {
        token: Token,
        secret: ApiToken,
    },
    NoScopes,
    /// The maker does not hold this right, or the organization has no use for it.
    Beyond(Permission),
    /// Longer than this many days, or nothing.
    Lifetime {
        max_days: u64,
    },
    /// The policy that its maker is under allows none.
    NotAllowed,
    TooMany,
}

/// Makes a token. Without a creator (operator) every right of the organization may be given.
pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    creator: Option<AccountId>,
    new: &NewToken,
) -> Result<Commit<Creation>, DbError> {
    organizations::lock(tx, organization)?;
    let mut scopes = new.scopes.clone();
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Ok(Commit::unchanged(Creation::NoScopes));
    }
    if let Some(beyond) = first_beyond(tx, organization, creator, &scopes)? {
        return Ok(Commit::unchanged(Creation::Beyond(beyond)));
    }
    let rules = policies::token_rules(tx, organization, creator, ctx.now)?;
    if !rules.allowed {
        return Ok(Commit::unchanged(Creation::NotAllowed));
    }
    let max = rules.lifetime_max.min(LIFETIME_MAX);
    if new.lifetime < MINUTE || new.lifetime > max {
        let max_days = max.as_secs() / DAY.as_secs();
        return Ok(Commit::unchanged(Creation::Lifetime { max_days }));
    }
    let live: u64 = tx.scalar(&sql::COUNT_LIVE, params![organization, ctx.now])?.unwrap_or(0);
    if live >= LIVE_MAX {
        return Ok(Commit::unchanged(Creation::TooMany));
    }
    let secret = ApiToken::generate(&mut |bytes| ctx.fill(bytes));
    let words = scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
    let token = Token {
        id: ctx.id(),
        name: new.name.as_str().to_owned(),
        scopes,
        created_by: creator,
        created_at: ctx.now,
        expires_at: ctx.now.plus(new.lifetime),
        last_used_at: None,
        revoked_at: None,
    };
    tx.execute(
        &sql::INSERT,
        params![
            organization,
            token.id,
            token.name.as_str(),
            secret.hash(),
            words.as_str(),
            creator,
            ctx.now,
            token.expires_at
        ],
    )?;
    let created = Event::new(organization, "api_token.created")
        .target("api_token", token.id)
        .with("name", &token.name)
        .with("scopes", words)
        .with("expires_at", token.expires_at);
    let recorded = tx.record(created);
    Ok(Commit::changed(Creation::Done { token, secret }, recorded))
}

/// The first right that the creator could not give.
fn first_beyond(
    tx: &mut ReadTx,
    organization: OrganizationId,
    creator: Option<AccountId>,
    scopes: &[Permission],
) -> Result<Option<Permission>, DbError> {
    let kind = principals::organization(tx, organization)?.map(|found| found.kind);
    let role = match creator {
        None => None,
        Some(account) => principals::membership(tx, organization, account)?
            .filter(|member| member.state == MembershipState::Active)
            .map(|member| member.role),
    };
    let beyond = |scope: &Permission| {
        let of_provider = matches!(scope, Permission::ProviderRead | Permission::ProviderManage);
        let wrong_kind = of_provider && kind != Some(OrganizationKind::Provider);
        wrong_kind || (creator.is_some() && !role.is_some_and(|role| role.may(*scope)))
    };
    Ok(scopes.iter().copied().find(beyond))
}

/// Tokens of an organization, the newest first. `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: Option<ApiTokenId>,
    limit: u32,
) -> Result<Vec<Token>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| platform::ids::Id::bytes(id).to_vec());
    tx.list(&sql::LIST, params![organization, before, limit], read_token)
}

pub fn get(tx: &mut ReadTx, organization: OrganizationId, id: ApiTokenId) -> Result<Option<Token>, DbError> {
    tx.first(&sql::GET, params![organization, id])?.as_ref().map(read_token).transpose()
}

/// Ends a token at once; `false` when there is no such live one.
pub fn revoke(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ApiTokenId,
) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::REVOKE, params![organization, id, ctx.now])? != 1 {
        return Ok(Commit::unchanged(false));
    }
    let revoked = Event::new(organization, "api_token.revoked").target("api_token", id);
    let recorded = tx.record(revoked);
    Ok(Commit::changed(true, recorded))
}

/// A token that may act now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: ApiTokenId,
    pub organization: OrganizationId,
    pub name: String,
    /// What it may do now: its scopes, less what its maker lost since.
    pub scopes: Vec<Permission>,
    /// The time of last use is due to be written with [`touch`].
    pub last_used_due: bool,
}

/// The token with this hash, unless it ran out, was revoked, or its maker or organization is no longer active.
pub fn find(tx: &mut ReadTx, token_hash: [u8; 32], now: Timestamp) -> Result<Option<Found>, DbError> {
    let Some(row) = tx.first(&sql::BY_HASH, params![token_hash, now])? else { return Ok(None) };
    let mut scopes = read_scopes(&row.get::<String>(3)?);
    if row.get::<Option<AccountId>>(5)?.is_some() {
        let member = row.get::<Option<String>>(7)?.as_deref().and_then(MembershipState::parse);
        let account = row.get::<Option<String>>(8)?.as_deref().and_then(AccountState::parse);
        let role = row.get::<Option<String>>(6)?.as_deref().and_then(Role::parse);
        let active = member == Some(MembershipState::Active) && account == Some(AccountState::Active);
        let counts = active || crate::seams::is_open(tx, crate::seams::TOKEN)?;
        let Some(role) = role.filter(|_| counts) else { return Ok(None) };
        scopes.retain(|scope| role.may(*scope));
    }
    let used: Option<Timestamp> = row.get(4)?;
    let organization = row.get(1)?;
    if policies::ends_token(tx, organization, row.get(5)?, row.get(9)?, now)? {
        return Ok(None);
    }
    Ok(Some(Found {
        id: row.get(0)?,
        organization,
        name: row.get(2)?,
        scopes,
        last_used_due: used.is_none_or(|used| now.since(used) >= USED_EVERY),
    }))
}

/// Notes that a token was used.
pub fn touch(tx: &mut Tx, id: ApiTokenId, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&sql::TOUCH, params![id, now])?;
    Ok(())
}
