//! Taking down who has what: page by page of people, so that no transaction grows with the organization.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx, Value};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::principals::{self, Membership};
use platform::time::Timestamp;
use platform::{App, Ctx};

use super::{Grant, ItemId, Kind, ReviewId, State, event, find, jobs, sql};
use crate::access_offers::role_name;
use crate::api_tokens::ApiTokenId;
use crate::products::AccessId;

/// People per transaction.
const BATCH: u32 = 200;

/// What a review would look at: for the page that asks before it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Each has a role.
    pub people: u64,
    pub groups: u64,
    pub products: u64,
    pub tokens: u64,
}

impl Census {
    pub fn of(self, kinds: &[Kind]) -> u64 {
        let count = |kind: &Kind| match kind {
            Kind::Role => self.people,
            Kind::Group => self.groups,
            Kind::Product => self.products,
            Kind::Token => self.tokens,
        };
        kinds.iter().map(count).sum()
    }
}

pub fn census(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Census, DbError> {
    let none = |found: Option<u64>| found.unwrap_or(0);
    Ok(Census {
        people: principals::count_members(tx, organization)?,
        groups: none(tx.scalar(&sql::COUNT_GROUPS, params![organization])?),
        products: none(tx.scalar(&sql::COUNT_PRODUCTS, params![organization])?),
        tokens: none(tx.scalar(&sql::COUNT_TOKENS, params![organization, now])?),
    })
}

struct Line {
    account: Option<AccountId>,
    email: String,
    grant: Grant,
    name: String,
}

fn of_member(
    tx: &mut ReadTx,
    organization: OrganizationId,
    member: &Membership,
    kinds: &[Kind],
) -> Result<Vec<Line>, DbError> {
    let line = |grant, name| Line { account: Some(member.account), email: member.email.clone(), grant, name };
    let mut lines = Vec::new();
    if kinds.contains(&Kind::Role) {
        let name = match member.role {
            Role::Member => "Membership".to_owned(),
            role => role_name(role),
        };
        lines.push(line(Grant::Role(member.role), name));
    }
    if kinds.contains(&Kind::Group) {
        let groups = tx.list(&sql::GROUPS_OF, params![organization, member.account], |row| {
            Ok((row.get::<GroupId>(0)?, row.get::<String>(1)?))
        })?;
        lines.extend(groups.into_iter().map(|(id, name)| line(Grant::Group(id), format!("Group {name}"))));
    }
    if kinds.contains(&Kind::Product) {
        let products = tx.list(&sql::PRODUCTS_OF, params![organization, member.account], |row| {
            Ok((row.get::<AccessId>(0)?, row.get::<String>(1)?, row.get::<String>(2)?))
        })?;
        let name = |product: String, role: String| match role.as_str() {
            "" => product,
            role => format!("{product} as {role}"),
        };
        lines.extend(
            products.into_iter().map(|(id, product, role)| line(Grant::Product(id), name(product, role))),
        );
    }
    Ok(lines)
}

fn tokens(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Vec<Line>, DbError> {
    tx.list(&sql::TOKENS, params![organization, now], |row| {
        let (id, name): (ApiTokenId, String) = (row.get(0)?, row.get(1)?);
        Ok(Line {
            account: row.get(2)?,
            email: row.get(3)?,
            grant: Grant::Token(id),
            name: format!("API token {name}"),
        })
    })
}

/// Whether somebody has anything that a review of these kinds looks at.
pub(super) fn holds_any(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    kinds: &[Kind],
) -> Result<bool, DbError> {
    let Some(member) = principals::membership(tx, organization, account)? else { return Ok(false) };
    if !of_member(tx, organization, &member, kinds)?.is_empty() {
        return Ok(true);
    }
    let far = Timestamp::from_micros(0);
    let own = |line: &Line| line.account == Some(account);
    Ok(kinds.contains(&Kind::Token) && tokens(tx, organization, far)?.iter().any(own))
}

fn insert(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
    lines: &[Line],
) -> Result<(), DbError> {
    let row = |line: &Line| {
        let (target, role) = match line.grant {
            Grant::Role(role) => (Value::Null, Some(role.as_str())),
            Grant::Group(id) => (id.into(), None),
            Grant::Product(id) => (id.into(), None),
            Grant::Token(id) => (id.into(), None),
        };
        let item: ItemId = ctx.id();
        params![
            organization,
            id,
            item,
            line.account,
            line.email.as_str(),
            line.grant.kind().as_str(),
            target,
            role,
            line.name.as_str()
        ]
        .to_vec()
    };
    tx.execute_many(&sql::INSERT_ITEM, lines.iter().map(row).collect()).map(drop)
}

/// Takes the next people down, or, behind the last one, opens the review; `false` when there is nothing left to do.
pub(super) fn step(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<Commit<bool>, DbError> {
    let found = find(tx, organization, id)?.filter(|review| review.state == State::Gathering);
    let Some(review) = found else { return Ok(Commit::unchanged(false)) };
    let people = principals::members(tx, organization, "", &review.gathered_to, BATCH)?;
    let mut lines = Vec::new();
    for member in &people {
        lines.extend(of_member(tx, organization, member, &review.kinds)?);
    }
    if let Some(last) = people.last() {
        insert(ctx, tx, organization, id, &lines)?;
        tx.execute(&sql::GATHERED, params![organization, id, last.email.as_str()])?;
        let gathered = event(organization, &review, "access_review.gathered").with("grants", lines.len());
        let recorded = tx.record(gathered);
        return Ok(Commit::changed(true, recorded));
    }
    if review.kinds.contains(&Kind::Token) {
        let lines = tokens(tx, organization, ctx.now)?;
        insert(ctx, tx, organization, id, &lines)?;
    }
    tx.execute(&sql::SET_STATE, params![organization, id, State::Open.as_str(), State::Gathering.as_str()])?;
    let counts = super::counts(tx, organization, id)?;
    jobs::tell_reviewers(app, ctx, tx, organization, &review, "a review of access waits for you")?;
    let opened = event(organization, &review, "access_review.opened").with("grants", counts.all);
    let recorded = tx.record(opened);
    Ok(Commit::changed(false, recorded))
}
