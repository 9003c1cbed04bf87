//! Products: the services that sign people in through us, and what each may do.
//!
//! The provider registers them. A product proves itself by a secret (256 random bits, so a fast hash keeps it), by a key
//! of its own, or not at all, when its code runs where no secret stays one; PKCE protects all of them. It gets answers at
//! the addresses written here, letter for letter, and nowhere else. It is for everyone with an account, or for members
//! of organizations and groups that rules name; a rule may give a role, which the product reads as a claim.
//! Disabling a product ends everything it holds, at once and for good.

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals;
use platform::time::{HOUR, Timestamp};
use subtle::ConstantTimeEq;

use crate::factors::Level;
use crate::openid_provider::grants;
use crate::sessions::provider_id;
use crate::tokens::LinkToken;

pub(crate) mod api;
pub(crate) mod pages;
mod settings;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub use settings::{Authentication, GrantType, IDENTITY_SCOPES, Settings, Wrong};

platform::id! {
    /// A product; also its `client_id`.
    ProductId,
    /// One secret of a product.
    SecretId,
    /// A rule about who may use a product.
    AccessId
}

/// How long the old secret works beside a new one, when nobody says otherwise.
pub const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * HOUR.as_secs());
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * HOUR.as_secs());
/// What a secret begins with, so that scanners for leaked secrets know it.
const SECRET_PREFIX: &str = "bwc_";
const RULES_MAX: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub settings: Settings,
    pub active: bool,
    pub created_at: Timestamp,
}

/// A secret as its owner sees it: that it exists, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    pub id: SecretId,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    pub id: AccessId,
    pub organization: OrganizationId,
    pub slug: String,
    pub group: Option<GroupId>,
    /// Empty: every member.
    pub group_name: String,
    /// Empty: no role.
    pub role: String,
}

/// A new secret: shown once.
pub struct NewSecret(LinkToken);

impl NewSecret {
    pub fn text(&self) -> String {
        format!("{SECRET_PREFIX}{}", self.0.text())
    }
}

fn read_product(row: &Row) -> Result<Product, DbError> {
    Ok(Product {
        id: row.get(0)?,
        settings: settings::read(row)?,
        active: row.get::<String>(16)? == "active",
        created_at: row.get(17)?,
    })
}

pub fn get(tx: &mut ReadTx, id: ProductId) -> Result<Option<Product>, DbError> {
    tx.first(&sql::GET, params![id])?.as_ref().map(read_product).transpose()
}

/// Products, the newest first. `before` is the id to go on below.
pub fn list(tx: &mut ReadTx, before: Option<ProductId>, limit: u32) -> Result<Vec<Product>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| platform::ids::Id::bytes(id).to_vec());
    tx.list(&sql::LIST, params![before, limit], read_product)
}

pub fn secrets(tx: &mut ReadTx, id: ProductId, now: Timestamp) -> Result<Vec<SecretInfo>, DbError> {
    tx.list(&sql::SECRETS, params![id, now], |row| {
        Ok(SecretInfo { id: row.get(0)?, created_at: row.get(1)?, expires_at: row.get(2)? })
    })
}

/// A product with what its requests are checked against.
pub struct Known {
    pub product: Product,
    secrets: Vec<([u8; 32], Option<Timestamp>)>,
}

impl Known {
    /// Whether `text` is a secret of this product that works now. Constant time over the secrets it has.
    pub fn secret_fits(&self, text: &str, now: Timestamp) -> bool {
        let Some(token) = text.strip_prefix(SECRET_PREFIX).and_then(|text| LinkToken::parse(text).ok())
        else {
            return false;
        };
        let hash = token.hash();
        let mut fits = false;
        for (stored, expires) in &self.secrets {
            let live = expires.is_none_or(|end| end > now);
            fits |= bool::from(stored.ct_eq(&hash)) && live;
        }
        fits
    }
}

pub fn known(tx: &mut ReadTx, id: ProductId) -> Result<Option<Known>, DbError> {
    let Some(product) = get(tx, id)? else { return Ok(None) };
    let secrets = tx.list(&sql::SECRET_HASHES, params![id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(Known { product, secrets }))
}

fn event(tx: &mut ReadTx, action: &'static str, id: ProductId) -> Result<Event, DbError> {
    Ok(Event::new(provider_id(tx)?, action).target("product", id))
}

/// Registers a product; one that proves itself by a secret gets it.
pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    settings: &Settings,
) -> Result<Commit<(Product, Option<NewSecret>)>, DbError> {
    let product = Product { id: ctx.id(), settings: settings.clone(), active: true, created_at: ctx.now };
    tx.execute(&sql::INSERT, &settings::row(&product, ctx.now))?;
    let secret = match settings.authentication {
        Authentication::Secret => Some(insert_secret(ctx, tx, product.id)?),
        Authentication::PrivateKeyJwt | Authentication::None => None,
    };
    let created = event(tx, "product.created", product.id)?.with("name", &settings.name);
    let recorded = tx.record(describe(created, settings));
    Ok(Commit::changed((product, secret), recorded))
}

fn describe(event: Event, settings: &Settings) -> Event {
    event
        .with("redirect_uris", settings.redirect_uris.join(" "))
        .with("grant_types", settings::words(&settings.grant_types))
        .with("scopes", settings.scopes.join(" "))
        .with("everyone", settings.everyone)
}

fn insert_secret(ctx: &Ctx, tx: &mut Tx, product: ProductId) -> Result<NewSecret, DbError> {
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let id: SecretId = ctx.id();
    tx.execute(&sql::INSERT_SECRET, params![product, id, token.hash(), ctx.now])?;
    Ok(NewSecret(token))
}

/// Changes what a product may do; `false` when there is none.
pub fn update(ctx: &Ctx, tx: &mut Tx, id: ProductId, settings: &Settings) -> Result<Commit<bool>, DbError> {
    let Some(old) = get(tx, id)? else { return Ok(Commit::unchanged(false)) };
    if old.settings == *settings {
        return Ok(Commit::unchanged(true));
    }
    let product = Product { settings: settings.clone(), ..old };
    tx.execute(&sql::UPDATE, &settings::row(&product, ctx.now)[..16])?;
    let changed = event(tx, "product.changed", id)?.with("name", &settings.name);
    let recorded = tx.record(describe(changed, settings));
    Ok(Commit::changed(true, recorded))
}

/// Disabling ends every grant of the product; enabling brings none of them back.
pub fn set_active(ctx: &Ctx, tx: &mut Tx, id: ProductId, active: bool) -> Result<Commit<bool>, DbError> {
    let Some(product) = get(tx, id)? else { return Ok(Commit::unchanged(false)) };
    if product.active == active {
        return Ok(Commit::unchanged(true));
    }
    tx.execute(&sql::SET_STATE, params![id, if active { "active" } else { "disabled" }])?;
    let ended = if active { 0 } else { grants::end_all_of_product(tx, id, ctx.now)? };
    let action = if active { "product.enabled" } else { "product.disabled" };
    let changed = event(tx, action, id)?.with("grants_ended", ended);
    let recorded = tx.record(changed);
    Ok(Commit::changed(true, recorded))
}

pub enum Rotation {
    Done(NewSecret),
    NoSuchProduct,
    /// It proves itself in another way.
    NoSecret,
}

/// Gives a product a new secret; those before it work for `overlap` more.
pub fn rotate_secret(
    ctx: &Ctx,
    tx: &mut Tx,
    id: ProductId,
    overlap: Duration,
) -> Result<Commit<Rotation>, DbError> {
    let Some(product) = get(tx, id)? else { return Ok(Commit::unchanged(Rotation::NoSuchProduct)) };
    if product.settings.authentication != Authentication::Secret {
        return Ok(Commit::unchanged(Rotation::NoSecret));
    }
    let end = ctx.now.plus(overlap.min(OVERLAP_MAX));
    tx.execute(&sql::DROP_EXPIRED_SECRETS, params![id, ctx.now])?;
    tx.execute(&sql::EXPIRE_SECRETS, params![id, end])?;
    let secret = insert_secret(ctx, tx, id)?;
    let rotated = event(tx, "product.secret_rotated", id)?.with("old_until", end);
    let recorded = tx.record(rotated);
    Ok(Commit::changed(Rotation::Done(secret), recorded))
}

// ---- who may use it -------------------------------------------------------------------------------------------

pub fn access_rules(tx: &mut ReadTx, id: ProductId) -> Result<Vec<AccessRule>, DbError> {
    tx.list(&sql::RULES, params![id], |row| {
        Ok(AccessRule {
            id: row.get(0)?,
            organization: row.get(1)?,
            slug: row.get(2)?,
            group: row.get(3)?,
            group_name: row.get::<Option<String>>(4)?.unwrap_or_default(),
            role: row.get(5)?,
        })
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRule {
    pub slug: String,
    /// Empty: every member.
    pub group: String,
    pub role: String,
}

pub enum Allowed {
    Done(AccessId),
    NoSuchProduct,
    NoSuchOrganization,
    NoSuchGroup,
    TooMany,
}

pub fn allow(ctx: &Ctx, tx: &mut Tx, id: ProductId, new: &NewRule) -> Result<Commit<Allowed>, DbError> {
    if get(tx, id)?.is_none() {
        return Ok(Commit::unchanged(Allowed::NoSuchProduct));
    }
    let Some(organization) = principals::organization_by_slug(tx, &new.slug)? else {
        return Ok(Commit::unchanged(Allowed::NoSuchOrganization));
    };
    let group = match new.group.as_str() {
        "" => None,
        name => match principals::group_by_name(tx, organization.id, name)? {
            Some(group) => Some(group.id),
            None => return Ok(Commit::unchanged(Allowed::NoSuchGroup)),
        },
    };
    if access_rules(tx, id)?.len() >= RULES_MAX {
        return Ok(Commit::unchanged(Allowed::TooMany));
    }
    let rule: AccessId = ctx.id();
    tx.execute(&sql::INSERT_RULE, params![organization.id, rule, id, group, new.role.as_str(), ctx.now])?;
    // The organization sees in its own ledger which product its people may use, and since when.
    let allowed = |owner| {
        Event::new(owner, "product.access_allowed")
            .target("product", id)
            .with("organization", &new.slug)
            .with("group", &new.group)
            .with("role", &new.role)
    };
    let provider = provider_id(tx)?;
    let _of_customer = tx.record(allowed(organization.id));
    let recorded = tx.record(allowed(provider));
    Ok(Commit::changed(Allowed::Done(rule), recorded))
}

/// Takes a rule away, and ends the grants of whoever may not use the product any more.
pub fn disallow(ctx: &Ctx, tx: &mut Tx, id: ProductId, rule: AccessId) -> Result<Commit<bool>, DbError> {
    let Some(found) = access_rules(tx, id)?.into_iter().find(|one| one.id == rule) else {
        return Ok(Commit::unchanged(false));
    };
    tx.execute(&sql::DELETE_RULE, params![found.organization, rule])?;
    let provider = provider_id(tx)?;
    let gone = |owner| {
        Event::new(owner, "product.access_ended").target("product", id).with("organization", &found.slug)
    };
    let _of_customer = tx.record(gone(found.organization));
    let recorded = tx.record(gone(provider));
    grants::end_unallowed(tx, id, ctx.now)?;
    Ok(Commit::changed(true, recorded))
}

/// What somebody is to a product: their roles by its rules, and the organizations these name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub allowed: bool,
    pub roles: Vec<String>,
    pub organizations: Vec<OrganizationId>,
}

/// As its organizations' rules say, whatever was proved.
pub fn standing(tx: &mut ReadTx, product: &Product, account: AccountId) -> Result<Standing, DbError> {
    let matching = matching(tx, product, account)?;
    Ok(standing_by(product, matching))
}

/// As [`standing`], with the rules of those organizations alone whose policies ask for no more than `proved`. Asked anew
/// at every sign-in, refresh, introspection and userinfo.
pub fn standing_at(
    tx: &mut ReadTx,
    product: &Product,
    account: AccountId,
    proved: Level,
    now: Timestamp,
) -> Result<Standing, DbError> {
    let mut enough = Vec::new();
    for (organization, role) in matching(tx, product, account)? {
        if crate::policies::factor_asked(tx, organization, account, now)? <= proved {
            enough.push((organization, role));
        }
    }
    Ok(standing_by(product, enough))
}

fn matching(
    tx: &mut ReadTx,
    product: &Product,
    account: AccountId,
) -> Result<Vec<(OrganizationId, String)>, DbError> {
    tx.list(&sql::MATCHING_RULES, params![product.id, account], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn standing_by(product: &Product, matching: Vec<(OrganizationId, String)>) -> Standing {
    let mut standing = Standing {
        allowed: product.active && (product.settings.everyone || !matching.is_empty()),
        ..Standing::default()
    };
    for (organization, role) in matching {
        if !standing.organizations.contains(&organization) {
            standing.organizations.push(organization);
        }
        if !role.is_empty() && !standing.roles.contains(&role) {
            standing.roles.push(role);
        }
    }
    standing.roles.sort();
    standing
}
