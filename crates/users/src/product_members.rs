//! Members of a product: people who may use it by a rule of their organization without being in the rule's group.
//!
//! The provider decides which products an organization may use, and as what; the organization decides for whom. So a
//! member hangs on one rule ([`crate::products::AccessRule`]) and goes away with it, and with the membership.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals::{self, Membership};

use crate::openid_provider::grants;
use crate::products::AccessId;

pub(crate) mod sql;

/// A rule as the organization that it is about sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: AccessId,
    pub product: String,
    /// Empty: none.
    pub role: String,
    /// `None`: it lets every member in, so that nobody needs to ask.
    pub group: Option<GroupId>,
    /// The product is not disabled.
    pub active: bool,
}

impl Rule {
    /// `Wiki as editor`
    pub fn words(&self) -> String {
        if self.role.is_empty() { self.product.clone() } else { format!("{} as {}", self.product, self.role) }
    }
}

/// The rules about an organization, by product.
pub fn rules(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Rule>, DbError> {
    tx.list(&sql::RULES, params![organization], |row| {
        Ok(Rule {
            id: row.get(0)?,
            product: row.get(1)?,
            role: row.get(2)?,
            group: row.get(3)?,
            active: row.get::<String>(4)? == "active",
        })
    })
}

pub fn rule(tx: &mut ReadTx, organization: OrganizationId, id: AccessId) -> Result<Option<Rule>, DbError> {
    Ok(rules(tx, organization)?.into_iter().find(|rule| rule.id == id))
}

/// Whether somebody may use the product by this rule, in whichever way.
pub fn has(
    tx: &mut ReadTx,
    organization: OrganizationId,
    rule: &Rule,
    account: AccountId,
) -> Result<bool, DbError> {
    let Some(group) = rule.group else { return Ok(true) };
    let by_group = principals::groups_of(tx, organization, account)?.iter().any(|found| found.id == group);
    Ok(by_group || is_member(tx, organization, rule.id, account)?)
}

pub fn is_member(
    tx: &mut ReadTx,
    organization: OrganizationId,
    rule: AccessId,
    account: AccountId,
) -> Result<bool, DbError> {
    Ok(tx.scalar::<u64>(&sql::COUNT, params![organization, rule, account])?.unwrap_or(0) > 0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membered {
    Done,
    /// It was so already.
    Same,
    NoSuchRule,
    /// Not a member of the organization.
    NoSuchPerson,
}

fn moved(organization: OrganizationId, action: &'static str, rule: &Rule, person: &Membership) -> Event {
    Event::new(organization, action)
        .target("product_rule", rule.id)
        .with("product", &rule.product)
        .with("role", &rule.role)
        .with("account", person.account)
        .personal("email", &person.email)
}

pub fn add(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: AccessId,
    account: AccountId,
) -> Result<Commit<Membered>, DbError> {
    let Some(rule) = rule(tx, organization, id)? else {
        return Ok(Commit::unchanged(Membered::NoSuchRule));
    };
    let Some(person) = principals::membership(tx, organization, account)? else {
        return Ok(Commit::unchanged(Membered::NoSuchPerson));
    };
    if tx.execute(&sql::INSERT, params![organization, id, account, ctx.now])? != 1 {
        return Ok(Commit::unchanged(Membered::Same));
    }
    let recorded = tx.record(moved(organization, "product.member_added", &rule, &person));
    Ok(Commit::changed(Membered::Done, recorded))
}

/// Takes the membership away, and what the person holds of products that they may not use any more.
pub fn remove(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: AccessId,
    account: AccountId,
) -> Result<Commit<Membered>, DbError> {
    let Some(rule) = rule(tx, organization, id)? else {
        return Ok(Commit::unchanged(Membered::NoSuchRule));
    };
    let Some(person) = principals::membership(tx, organization, account)? else {
        return Ok(Commit::unchanged(Membered::NoSuchPerson));
    };
    if tx.execute(&sql::DELETE, params![organization, id, account])? != 1 {
        return Ok(Commit::unchanged(Membered::Same));
    }
    grants::end_unallowed_of(tx, account, ctx.now)?;
    let recorded = tx.record(moved(organization, "product.member_removed", &rule, &person));
    Ok(Commit::changed(Membered::Done, recorded))
}
