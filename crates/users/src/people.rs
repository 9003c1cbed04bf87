//! People of an organization: who belongs to it, in which role, and how somebody's access ends.
//!
//! Three promises: an organization never loses its last active owner; only owners change who is an owner; a suspended
//! or removed person has no access from the next request on (the guard reads the membership every time).

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Recorded, Row, Tx};
use platform::events::{self, Event};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, AccountState, Group, Membership, MembershipSource, MembershipState};
use platform::time::Timestamp;

use crate::organizations;

pub(crate) mod api;
pub(crate) mod drill;
pub(crate) mod evidence;
pub(crate) mod export;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

/// A member as the organization sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub state: MembershipState,
    pub source: MembershipSource,
    pub joined_at: Timestamp,
    /// The account's own state: somebody imported has not signed up yet.
    pub account_state: AccountState,
    /// This organization claimed the account.
    pub managed: bool,
}

fn read_person(row: &Row) -> Result<Person, DbError> {
    Ok(Person {
        account: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        role: row.parse(3, Role::parse)?,
        state: row.parse(4, MembershipState::parse)?,
        source: row.parse(5, MembershipSource::parse)?,
        joined_at: row.get(6)?,
        account_state: row.parse(7, AccountState::parse)?,
        managed: row.get(8)?,
    })
}

/// Which people a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub search: Search,
    pub role: Option<Role>,
    pub state: Option<MembershipState>,
}

/// The beginning of an address, of a name, or of its last word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// As addresses are stored.
    address: String,
    /// ASCII letters small, as `memberships.name_key` has them on both databases.
    name: String,
}

impl Search {
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        Self { address: text.to_lowercase(), name: text.to_ascii_lowercase() }
    }
}

/// Somebody on a list, and what found them: the first of the three that does, so that nobody is on it twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub person: Person,
    by: FoundBy,
}

impl Found {
    /// Where the list goes on behind them.
    pub fn place(&self) -> Place {
        let key = match self.by {
            FoundBy::Address => String::new(),
            FoundBy::Name => self.person.name.to_ascii_lowercase(),
            FoundBy::Surname => last_word(&self.person.name).to_ascii_lowercase(),
        };
        Place { by: self.by, key, email: self.person.email.clone() }
    }
}

/// What `memberships.surname_key` is made of.
fn last_word(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

/// By what somebody is found, in the order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum FoundBy {
    #[default]
    Address,
    Name,
    Surname,
}

/// Where a list has come to: behind somebody, or (the default) at its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    by: FoundBy,
    /// The name or its last word; empty among those found by their address.
    key: String,
    email: String,
}

impl Place {
    /// As a cursor carries it: the address, behind what it was found by. No address holds a line end.
    pub fn text(&self) -> String {
        match self.by {
            FoundBy::Address => self.email.clone(),
            FoundBy::Name => format!("name\n{}\n{}", self.key, self.email),
            FoundBy::Surname => format!("surname\n{}\n{}", self.key, self.email),
        }
    }

    /// What [`Place::text`] gave; anything else is an address.
    pub fn read(text: &str) -> Self {
        let behind = |by, rest: &str| {
            let (key, email) = rest.rsplit_once('\n')?;
            Some(Self { by, key: key.to_owned(), email: email.to_owned() })
        };
        let named = text.strip_prefix("name\n").and_then(|rest| behind(FoundBy::Name, rest));
        let found =
            named.or_else(|| text.strip_prefix("surname\n").and_then(|rest| behind(FoundBy::Surname, rest)));
        found.unwrap_or_else(|| Self { email: text.to_owned(), ..Self::default() })
    }
}

/// The end of the range in which everything begins with `prefix`: a prefix search that an index carries on both engines.
fn until(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

/// People behind `after`: those whose address begins with what is looked for, by address; then by name those whose name
/// does; then by its last word those whose last name alone does.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    filter: &Filter,
    after: &Place,
    limit: u32,
) -> Result<Vec<Found>, DbError> {
    let found_by = |by| move |row: &Row| Ok(Found { person: read_person(row)?, by });
    let Search { address, name } = &filter.search;
    let (role, state) = (filter.role.map(Role::as_str), filter.state.map(MembershipState::as_str));
    let (address_until, name_until) = (until(address), until(name));
    let mut found = Vec::new();
    if after.by == FoundBy::Address {
        let range = params![
            organization,
            address.as_str(),
            address_until.as_str(),
            after.email.as_str(),
            role,
            state,
            limit
        ];
        found = tx.list(&sql::LIST, range, found_by(FoundBy::Address))?;
    }
    // Without anything to look for, the address finds everybody.
    if address.is_empty() {
        return Ok(found);
    }
    for (by, statement) in [(FoundBy::Name, &sql::LIST_BY_NAME), (FoundBy::Surname, &sql::LIST_BY_SURNAME)] {
        let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if left == 0 || by < after.by {
            continue;
        }
        // Namesakes stand by their addresses; no address is empty.
        let (from, behind) =
            if by == after.by { (after.key.as_str(), after.email.as_str()) } else { (name.as_str(), "") };
        let range = params![
            organization,
            from.max(name.as_str()),
            name_until.as_str(),
            behind,
            address.as_str(),
            address_until.as_str(),
            role,
            state,
            left
        ];
        let mut range = range.to_vec();
        if by == FoundBy::Surname {
            range.push(name.as_str().into());
        }
        found.extend(tx.list(statement, &range, found_by(by))?);
    }
    Ok(found)
}

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<Person>, DbError> {
    tx.first(&sql::FIND, params![organization, account])?.as_ref().map(read_person).transpose()
}

/// A person with the groups they are in.
#[derive(Debug, Clone)]
pub struct Detail {
    pub person: Person,
    pub groups: Vec<Group>,
}

pub fn detail(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<Detail>, DbError> {
    let Some(person) = find(tx, organization, account)? else { return Ok(None) };
    let groups = principals::groups_of(tx, organization, account)?;
    Ok(Some(Detail { person, groups }))
}

/// What the caller may decide about roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// `organization.manage` gives it.
    pub over_owners: bool,
    /// The highest role that they give: the one whose rights they hold all.
    pub up_to: Role,
}

impl Authority {
    /// Somebody with a shell on the server, or the program itself.
    pub const OPERATOR: Authority = Authority { over_owners: true, up_to: Role::Owner };

    /// Roles are in order, the highest first.
    pub fn gives(self, role: Role) -> bool {
        role >= self.up_to
    }
}

/// What was asked to change about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Role(Role),
    Suspend,
    Restore,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was so already.
    Same,
    NoSuchPerson,
    /// The organization would have no active owner.
    LastOwner,
    /// Only an owner decides about owners.
    OwnersOnly,
    /// Nobody gives a role with rights that they do not hold themselves; an API token has only its scopes.
    BeyondYours,
    /// Nobody suspends themselves: they could not undo it.
    Yourself,
}

/// The event of somebody becoming a member.
pub(crate) fn added(member: &Membership) -> Event {
    Event::new(member.organization, "member.added")
        .target("account", member.account)
        .with("role", member.role.as_str())
        .with("source", member.source.as_str())
        .personal("email", &member.email)
}

/// Changes one membership.
pub fn change(
    ctx: &platform::Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    authority: Authority,
    account: AccountId,
    change: Change,
) -> Result<Commit<Outcome>, DbError> {
    // Two owners who demote each other at the same moment must not both succeed.
    organizations::lock(tx, organization)?;
    let Some(member) = principals::membership(tx, organization, account)? else {
        return Ok(Commit::unchanged(Outcome::NoSuchPerson));
    };
    let owners = member.role == Role::Owner || change == Change::Role(Role::Owner);
    if owners && !authority.over_owners {
        return Ok(Commit::unchanged(Outcome::OwnersOnly));
    }
    if let Change::Role(role) = change
        && !authority.gives(role)
    {
        return Ok(Commit::unchanged(Outcome::BeyondYours));
    }
    if change == Change::Suspend && ctx.actor.account() == Some(account) {
        return Ok(Commit::unchanged(Outcome::Yourself));
    }
    let owners_before = principals::count_owners(tx, organization)?;
    let Some(recorded) = apply(tx, &member, change)? else {
        return Ok(Commit::unchanged(Outcome::Same));
    };
    if matches!(change, Change::Suspend | Change::Remove) {
        // Products that were theirs through this organization: dead now, and still when they come back.
        crate::openid_provider::grants::end_unallowed_of(tx, account, ctx.now)?;
    }
    if owners_before > 0 && principals::count_owners(tx, organization)? == 0 {
        return Ok(Commit::unchanged(Outcome::LastOwner));
    }
    Ok(Commit::changed(Outcome::Done, recorded))
}

/// Writes the change; `None` when there is nothing to write.
fn apply(tx: &mut Tx, member: &Membership, change: Change) -> Result<Option<Recorded>, DbError> {
    let (organization, account) = (member.organization, member.account);
    let event =
        |action| Event::new(organization, action).target("account", account).personal("email", &member.email);
    let event = match change {
        Change::Role(role) if role == member.role => return Ok(None),
        Change::Role(role) => {
            principals::set_role(tx, organization, account, role)?;
            event("member.role_changed").with("from", member.role.as_str()).with("role", role.as_str())
        }
        Change::Suspend if member.state == MembershipState::Suspended => return Ok(None),
        Change::Suspend => {
            principals::set_membership_state(tx, organization, account, MembershipState::Suspended)?;
            crate::provisioning::decided_by_hand(tx, organization, account)?;
            event("member.suspended")
        }
        Change::Restore if member.state == MembershipState::Active => return Ok(None),
        Change::Restore => {
            principals::set_membership_state(tx, organization, account, MembershipState::Active)?;
            crate::provisioning::decided_by_hand(tx, organization, account)?;
            event("member.restored")
        }
        Change::Remove => {
            principals::delete_membership(tx, organization, account)?;
            event("member.removed").with("role", member.role.as_str())
        }
    };
    Ok(Some(tx.record(event)))
}

/// Whether somebody else ended this person's last membership, by the ledger.
pub(crate) fn was_removed(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<bool, DbError> {
    const LOOKED_AT_MAX: u32 = 200;
    let history = events::about(tx, organization, "account", &account.to_string(), LOOKED_AT_MAX)?;
    let last = history.iter().find(|event| matches!(event.action.as_str(), "member.removed" | "member.left"));
    Ok(last.is_some_and(|event| event.action == "member.removed"))
}
