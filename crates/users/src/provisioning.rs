//! Provisioning: what an identity provider keeps in a directory over SCIM 2.0, and what becomes of it here.
//!
//! Two things are kept apart. A *record* is what the directory says of a person or a group: data, any attribute the
//! schema knows. A *link* gives the record an account or a group of the organization, and is made by this program's
//! rules alone (`linking`, `groups`). Promises:
//! - Every statement carries organization and directory; an id of another directory does not exist.
//! - Ids are made here, one for each record: `externalId` is data, and the same person in two organizations has two
//!   unrelated ids.
//! - A record gets an account only through an address at a domain that the organization has verified; a login that
//!   others use, too, is never moved. What cannot be linked is kept as a conflict, which admins see and settle
//!   (`conflicts`).
//! - A directory decides nothing about owners: it neither moves their address nor renames, suspends or removes them.
//! - What an admin decided stays: only whom the directory put out comes back by it.
//! - Who is deactivated is out with the same transaction: sessions, API tokens, membership. Nothing but the directory or
//!   an admin brings them back ([`stays_out`]).
//! - A request is one transaction, however many operations its patch has; each change is in the ledger.
//! - The request log holds no names, addresses or values (`request_log`).

use platform::db::{Commit, DbError, ReadTx, Recorded, Row, Tx};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::time::Timestamp;
use serde_json::{Map, Value};

use crate::directories::DirectoryId;

pub(crate) mod api;
pub(crate) mod bulk;
pub(crate) mod conflicts;
pub mod drill;
pub(crate) mod groups;
pub(crate) mod jobs;
pub(crate) mod linking;
pub(crate) mod lists;
pub(crate) mod people;
pub(crate) mod request_log;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub(crate) use jobs::domain_verified;

platform::id! {
    /// A record of a directory: a person or a group.
    RecordId,
    /// An entry of the request log.
    RequestEntryId
}

/// The directory that a request may touch, with the address under which it stands.
#[derive(Debug, Clone)]
pub struct Scope {
    pub organization: OrganizationId,
    pub directory: DirectoryId,
    /// `https://…/scim/v2/{directory}`
    pub base: String,
}

/// Why a record has no account or group, or not the address that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Neither the user name nor any mail address can be signed in with.
    NoAddress,
    /// The address is not at a domain that the organization has verified.
    UnverifiedDomain,
    /// Another organization manages the account.
    ManagedElsewhere,
    /// The account is from before the domain changed hands.
    LeftBehind,
    /// One of the provider's staff.
    ProviderStaff,
    /// An owner of the organization: only owners decide about owners.
    Owner,
    /// Another record of this organization is this person.
    SamePerson,
    /// The directory asks for another address, but other organizations use the login, too.
    SharedLogin,
    /// Another account has the new address.
    AddressTaken,
    /// The organization has a group of this name already.
    NameTaken,
}

impl Conflict {
    pub const ALL: [Conflict; 10] = [
        Self::NoAddress,
        Self::UnverifiedDomain,
        Self::ManagedElsewhere,
        Self::LeftBehind,
        Self::ProviderStaff,
        Self::Owner,
        Self::SamePerson,
        Self::SharedLogin,
        Self::AddressTaken,
        Self::NameTaken,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::UnverifiedDomain => "unverified_domain",
            Self::ManagedElsewhere => "managed_elsewhere",
            Self::LeftBehind => "left_behind",
            Self::ProviderStaff => "provider_staff",
            Self::Owner => "owner",
            Self::SamePerson => "same_person",
            Self::SharedLogin => "shared_login",
            Self::AddressTaken => "address_taken",
            Self::NameTaken => "name_taken",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|conflict| conflict.as_str() == text)
    }

    /// What it means and how it is settled, for admins. Tells nothing of other organizations.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoAddress => {
                "Neither the user name nor a mail address of the record is an address to sign in with."
            }
            Self::UnverifiedDomain => {
                "The address is not at a verified domain. Verify the domain; then it settles itself."
            }
            Self::ManagedElsewhere | Self::ProviderStaff | Self::LeftBehind => {
                "The account of this address cannot be provisioned. Ask the provider's support."
            }
            Self::Owner => {
                "This person is an owner, about whom no directory decides. Let an owner give them another role first."
            }
            Self::SamePerson => {
                "Another record here is this person already. Remove one of them at the identity provider."
            }
            Self::SharedLogin => {
                "The address changed at the identity provider, but the account is not only yours: it keeps its address."
            }
            Self::AddressTaken => "The new address belongs to another account already.",
            Self::NameTaken => {
                "A group of this name was made here. Rename that one and try again, or let the directory take it over."
            }
        }
    }
}

/// What a rule gives: done, or refused as SCIM says it.
pub type Ruling<T> = Result<T, scim::Error>;

/// A person's record.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: RecordId,
    pub account: Option<AccountId>,
    pub user_name: String,
    pub external_id: Option<String>,
    /// What the person would sign in with.
    pub email: Option<String>,
    pub active: bool,
    pub conflict: Option<Conflict>,
    pub attributes: Map<String, Value>,
    pub version: u64,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

fn read_person(row: &Row) -> Result<Person, DbError> {
    let resource: String = row.get(7)?;
    let conflict: Option<String> = row.get(6)?;
    let damaged = |_| DbError::Check("a stored SCIM resource is not readable".to_owned());
    Ok(Person {
        id: row.get(0)?,
        account: row.get(1)?,
        user_name: row.get(2)?,
        external_id: row.get(3)?,
        email: row.get(4)?,
        active: row.get(5)?,
        conflict: conflict.as_deref().and_then(Conflict::parse),
        attributes: serde_json::from_str(&resource).map_err(damaged)?,
        version: row.get(8)?,
        created_at: row.get(9)?,
        changed_at: row.get(10)?,
    })
}

/// A group's record.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: RecordId,
    pub group: Option<GroupId>,
    pub name: String,
    pub external_id: Option<String>,
    pub conflict: Option<Conflict>,
    pub version: u64,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

impl Group {
    /// What it is called where people read, and the organization's group with it: its name, cleaned as names of people
    /// are; without one, the end of its id.
    pub fn title(&self) -> String {
        if let Some(name) = crate::names::cleaned(&self.name, groups::NAME_CHARS_MAX) {
            return name;
        }
        let id = self.id.to_string();
        format!("Group {}", id.rsplit('-').next().unwrap_or(&id))
    }

    /// Unique in its directory. A record without a name has its id after a character that no name holds.
    fn name_key(&self) -> String {
        match self.name.as_str() {
            "" => format!("\u{1}{}", self.id),
            name => name.to_lowercase(),
        }
    }
}

fn read_group(row: &Row) -> Result<Group, DbError> {
    let conflict: Option<String> = row.get(4)?;
    Ok(Group {
        id: row.get(0)?,
        group: row.get(1)?,
        name: row.get(2)?,
        external_id: row.get(3)?,
        conflict: conflict.as_deref().and_then(Conflict::parse),
        version: row.get(5)?,
        created_at: row.get(6)?,
        changed_at: row.get(7)?,
    })
}

pub fn person(tx: &mut ReadTx, scope: &Scope, id: RecordId) -> Result<Option<Person>, DbError> {
    tx.first(&sql::USER, params![scope.organization, scope.directory, id])?
        .as_ref()
        .map(read_person)
        .transpose()
}

pub fn group(tx: &mut ReadTx, scope: &Scope, id: RecordId) -> Result<Option<Group>, DbError> {
    tx.first(&sql::GROUP, params![scope.organization, scope.directory, id])?
        .as_ref()
        .map(read_group)
        .transpose()
}

/// People and groups that a directory keeps.
pub fn counts(
    tx: &mut ReadTx,
    organization: OrganizationId,
    directory: DirectoryId,
) -> Result<(u64, u64), DbError> {
    let people = tx.scalar(&sql::COUNT_USERS, params![organization, directory])?.unwrap_or(0);
    let groups = tx.scalar(&sql::COUNT_GROUPS, params![organization, directory])?.unwrap_or(0);
    Ok((people, groups))
}

/// Whether a directory of this organization has put the account out, so that no other way in (single sign-on with
/// accounts made on the fly, an invitation) may bring it back.
pub fn stays_out(tx: &mut ReadTx, organization: OrganizationId, account: AccountId) -> Result<bool, DbError> {
    Ok(tx.scalar::<u64>(&sql::COUNT_OUT, params![organization, account])?.unwrap_or(0) > 0)
}

/// An admin decided about a membership by hand: no directory undoes that any more.
pub(crate) fn decided_by_hand(
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<(), DbError> {
    tx.execute(&sql::RETURN, params![organization, account]).map(drop)
}

/// The directory that fills a group of the organization, if one does: then people do not change it by hand.
pub fn fills_group(
    tx: &mut ReadTx,
    organization: OrganizationId,
    group: GroupId,
) -> Result<Option<DirectoryId>, DbError> {
    tx.scalar(&sql::FILLS_GROUP, params![organization, group])
}

pub(crate) fn not_found(what: &str) -> scim::Error {
    scim::Error::new(404, None, format!("this directory has no such {what}"))
}

pub(crate) fn uniqueness(what: &str) -> scim::Error {
    scim::Error::new(409, Some(scim::ScimType::Uniqueness), format!("this directory has another {what}"))
}

/// `W/"7"`
pub(crate) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// 412 unless the record's version is among those of an `If-Match`.
pub(crate) fn check_version(if_match: Option<&str>, version: u64) -> Ruling<()> {
    let Some(wanted) = if_match else { return Ok(()) };
    if version_among(wanted, version) {
        return Ok(());
    }
    Err(scim::Error::new(412, None, "the record was changed since: read it again and repeat the change"))
}

pub(crate) fn version_among(list: &str, version: u64) -> bool {
    let number = version.to_string();
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == number)
}

/// Ends a rule that may have refused after looking.
pub(crate) fn ruled<T>(value: T, recorded: Option<Recorded>) -> Commit<Ruling<T>> {
    match recorded {
        Some(recorded) => Commit::changed(Ok(value), recorded),
        None => Commit::unchanged(Ok(value)),
    }
}

pub(crate) fn refused<T>(error: scim::Error) -> Commit<Ruling<T>> {
    Commit::unchanged(Err(error))
}

/// Takes every credential of a person that works in this organization away. Sessions are a person's, not an
/// organization's: they end where the organization manages the account; elsewhere the ended membership closes it.
pub(crate) fn end_access(
    ctx: &platform::Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
    managed: bool,
) -> Result<(), DbError> {
    tx.execute(&sql::REVOKE_TOKENS, params![organization, account, ctx.now])?;
    if managed {
        let _revoked = crate::sessions::revoke_all(ctx, tx, account, None, "deactivated")?;
    }
    Ok(())
}
