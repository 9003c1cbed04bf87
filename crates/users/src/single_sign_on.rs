//! Single sign-on: people prove themselves at an identity provider, through a connection that an organization made.
//!
//! An organization has any number of connections, each with a linked directory: whose people come through it. The
//! provider's staff can install *social* connections, which everybody may use where their policies allow it. Promises:
//! - **The key of a link is (connection, issuer, subject).** An address only ever finds an account that has no link yet,
//!   and only where the connection's own organization has verified the address's domain ([`arrival`]). A social provider
//!   never links by address.
//! - **A provider speaks for its organization alone.** Its links open accounts at domains that the organization holds
//!   today; an account that another organization manages stays closed, and so does one whose domain was lost.
//! - **Nobody is raised to owner, and no owner is taken over**: owners connect their account themselves, signed in.
//! - **Who is out stays out**: deactivated by a directory, suspended by an admin, closed.
//! - **An answer is taken once**, by the browser that asked, for the provider that was asked ([`requests`]).
//! - **A disabled connection is dead**: its sessions and what products got from them end in the same transaction.
//! - Client secrets are sealed in the store and never shown again.
//!
//! [`settings`] says what an admin may say, [`oidc`] speaks to OpenID providers, [`saml`] to those of SAML 2.0, [`arrival`] decides who somebody is,
//! [`enforcement`] holds people to single sign-on where a policy asks for it. Another kind of provider is a variant of
//! [`Settings`] and a module beside `oidc` that ends in an [`arrival::Identity`].

use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{GroupId, Id, OrganizationId};
use platform::params;
use platform::principals::{self, OrganizationKind};
use platform::secrets::rotation::{Holding, SealedValue};
use platform::secrets::{Keyring, Secret};
use platform::time::Timestamp;
use platform::{App, Ctx};

use crate::directories::{self, DirectoryId};
use crate::names::Name;
use crate::{organizations, provisioning};

pub(crate) mod api;
pub mod arrival;
pub(crate) mod drill;
pub mod enforcement;
pub(crate) mod evidence;
pub(crate) mod jobs;
pub(crate) mod links;
pub(crate) mod logout;
pub mod oidc;
mod own_key;
pub(crate) mod pages;
pub(crate) mod realm;
pub mod requests;
pub mod saml;
pub mod settings;
pub(crate) mod sql;
#[cfg(test)]
pub(crate) mod tests;

pub use oidc::State;
pub use settings::{ClientProof, Kind, Mapping, Oidc, ProofTrust, Saml, SamlEndpoint, Settings, Wrong};

platform::id! {
    /// A connection to an identity provider.
    ConnectionId
}

pub const CONNECTIONS_MAX: u64 = 50;
const PURPOSE: &str = "identity provider secret";
const SECRET_BYTES_MAX: usize = 2000;

platform::holding! { Holding {
    name: "connections.secret",
    purpose: PURPOSE,
    census: |tx| tx.list(&sql::CENSUS, &[], |row| Ok((row.get(0)?, row.get(1)?))),
    list: |tx, before, after, limit| {
        tx.list(&sql::SEALED_BEFORE, params![before.to_vec(), after.to_vec(), limit], |row| {
            let id: ConnectionId = row.get(0)?;
            Ok(SealedValue { row: id.bytes().to_vec(), context: id.bytes().to_vec(), sealed: row.get(1)? })
        })
    },
    replace: |tx, row, old, new| {
        Ok(tx.execute(&sql::RESEALED, params![row.to_vec(), old.to_vec(), new])? == 1)
    },
} }

#[derive(Clone, Debug)]
pub struct Connection {
    pub organization: OrganizationId,
    pub id: ConnectionId,
    pub name: String,
    /// For everybody, by the name that policies give it.
    pub social: Option<String>,
    /// Whose people prove themselves here; `None`: a social one.
    pub directory: Option<DirectoryId>,
    pub active: bool,
    pub settings: Settings,
    pub mapping: Mapping,
    sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// The last sign-in through it.
    pub succeeded_at: Option<Timestamp>,
    pub failed_at: Option<Timestamp>,
    /// Why the last one failed.
    pub failure: String,
}

pub(crate) fn read_connection(row: &Row) -> Result<Connection, DbError> {
    let kind = row.parse(2, Kind::parse)?;
    Ok(Connection {
        organization: row.get(0)?,
        id: row.get(1)?,
        name: row.get(3)?,
        social: row.get(4)?,
        directory: row.get(5)?,
        active: row.get::<String>(6)? == "active",
        settings: Settings::read(kind, &row.get::<String>(7)?)?,
        mapping: Mapping::read_stored(&row.get::<String>(8)?)?,
        sealed: row.get(9)?,
        created_at: row.get(10)?,
        changed_at: row.get(11)?,
        succeeded_at: row.get(12)?,
        failed_at: row.get(13)?,
        failure: row.get(14)?,
    })
}

impl Connection {
    pub fn kind(&self) -> Kind {
        self.settings.kind()
    }

    pub fn has_secret(&self) -> bool {
        self.sealed.is_some()
    }

    /// `None`: there is none. An error: it was sealed by another installation, or changed.
    pub fn secret(&self, keyring: &Keyring) -> Result<Option<Secret<Vec<u8>>>, DbError> {
        let Some(sealed) = &self.sealed else { return Ok(None) };
        keyring
            .open(PURPOSE, &self.id.bytes(), sealed)
            .map(Some)
            .map_err(|error| DbError::Check(format!("the secret of a connection: {error}")))
    }
}

/// The address that the provider sends people back to: one for each connection, so that an answer of one provider is
/// never taken for another's (RFC 9700 §4.4.2).
pub fn redirect_uri(app: &App, id: ConnectionId) -> String {
    crate::accounts::join(&app.config().public_url, &format!("/sign-in/sso/{id}/callback"))
}

pub fn backchannel_logout_uri(app: &App, id: ConnectionId) -> String {
    crate::accounts::join(&app.config().public_url, &format!("/sign-in/sso/{id}/backchannel-logout"))
}

pub fn list(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Connection>, DbError> {
    tx.list(&sql::LIST, params![organization], read_connection)
}

pub fn get(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<Option<Connection>, DbError> {
    tx.first(&sql::GET, params![organization, id])?.as_ref().map(read_connection).transpose()
}

/// By its id alone, as it stands in addresses; of an active organization.
pub fn by_id(tx: &mut ReadTx, id: ConnectionId) -> Result<Option<Connection>, DbError> {
    tx.first(&sql::BY_ID, params![id])?.as_ref().map(read_connection).transpose()
}

/// The active social connections, as the sign-in page shows them.
pub fn social(tx: &mut ReadTx) -> Result<Vec<Connection>, DbError> {
    tx.list(&sql::SOCIAL, &[], read_connection)
}

/// What a connection is made of or changed to.
#[derive(Clone)]
pub struct Content {
    pub name: Name,
    pub settings: Settings,
    pub mapping: Mapping,
    /// `None`: as it was.
    pub secret: Option<String>,
}

pub enum Saved {
    Done(Box<Connection>),
    Refused(Vec<Wrong>),
    NameTaken,
    TooMany,
    NoSuchConnection,
    NoSuchDirectory,
    /// The directory belongs to another connection.
    DirectoryTaken,
}

/// What a new connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum For {
    /// The people of a directory: an existing one, or a new one with the connection's name.
    Directory(Option<DirectoryId>),
    /// Everybody; the name that policies give it.
    Everybody(String),
}

fn is_social_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What is wrong with the content, wherever it is used.
fn check(
    tx: &mut ReadTx,
    organization: OrganizationId,
    content: &Content,
    had_secret: bool,
) -> Result<Vec<Wrong>, DbError> {
    let mut wrong = content.settings.check();
    wrong.extend(content.mapping.check());
    let has_secret = content.secret.as_ref().map_or(had_secret, |secret| !secret.is_empty());
    let proof = content.settings.oidc().map_or(ClientProof::None, |oidc| oidc.client_proof);
    if proof != ClientProof::None && !has_secret {
        wrong.push(("client_secret", "the secret that the provider gave is needed".to_owned()));
    }
    if content.secret.as_ref().is_some_and(|secret| secret.len() > SECRET_BYTES_MAX) {
        wrong.push(("client_secret", format!("a secret has up to {SECRET_BYTES_MAX} characters")));
    }
    for rule in &content.mapping.groups {
        if principals::group(tx, organization, rule.group)?.is_none() {
            wrong.push(("groups", "a group of the mapping does not exist here: choose another".to_owned()));
        } else if provisioning::fills_group(tx, organization, rule.group)?.is_some() {
            let why = "a directory fills a group of the mapping over SCIM: two sources would fight over it";
            wrong.push(("groups", why.to_owned()));
        }
    }
    Ok(wrong)
}

fn seal(app: &App, ctx: &Ctx, id: ConnectionId, secret: &str) -> Result<Vec<u8>, DbError> {
    app.keyring()
        .seal(PURPOSE, &id.bytes(), secret.as_bytes(), ctx.random())
        .map_err(|error| DbError::Check(format!("the secret of a connection: {error}")))
}

/// Makes a connection, disabled: nobody comes through it before somebody has tried it and enables it.
pub fn create(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    whom: &For,
    content: &Content,
) -> Result<Commit<Saved>, DbError> {
    organizations::lock(tx, organization)?;
    let mut wrong = check(tx, organization, content, false)?;
    if let For::Everybody(social) = whom {
        let kind = principals::organization(tx, organization)?.map(|found| found.kind);
        if content.settings.saml().is_some() {
            let why = "SAML is for an organization's own people: leave `social` out";
            wrong.push(("social", why.to_owned()));
        }
        if kind != Some(OrganizationKind::Provider) {
            let why = "only the provider installs sign-in for everybody: leave `social` out";
            wrong.push(("social", why.to_owned()));
        } else if !is_social_name(social) {
            wrong.push(("social", "write a short name in lower case, such as `google`".to_owned()));
        }
    }
    if !wrong.is_empty() {
        return Ok(Commit::unchanged(Saved::Refused(wrong)));
    }
    if tx.scalar::<u64>(&sql::COUNT, params![organization])?.unwrap_or(0) >= CONNECTIONS_MAX {
        return Ok(Commit::unchanged(Saved::TooMany));
    }
    let (directory, social) = match whom {
        For::Directory(wanted) => match linked_directory(ctx, tx, organization, *wanted, &content.name)? {
            Ok(directory) => (Some(directory), None),
            Err(refused) => return Ok(Commit::unchanged(refused)),
        },
        For::Everybody(social) => (None, Some(social.as_str())),
    };
    let id: ConnectionId = ctx.id();
    let secret = content.secret.as_deref().filter(|secret| !secret.is_empty());
    let sealed = secret.map(|secret| seal(app, ctx, id, secret)).transpose()?;
    let name = content.name.as_str();
    let row = params![
        organization,
        id,
        content.settings.kind().as_str(),
        name,
        name.to_lowercase(),
        social,
        directory,
        "disabled",
        content.settings.text()?,
        content.mapping.text()?,
        sealed,
        ctx.now
    ];
    if tx.execute(&sql::INSERT, row)? != 1 {
        return Ok(Commit::unchanged(Saved::NameTaken));
    }
    saved(tx, organization, id, "connection.created")
}

fn linked_directory(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    wanted: Option<DirectoryId>,
    name: &Name,
) -> Result<Result<DirectoryId, Saved>, DbError> {
    if let Some(id) = wanted {
        if list(tx, organization)?.iter().any(|one| one.directory == Some(id)) {
            return Ok(Err(Saved::DirectoryTaken));
        }
        let linked = directories::link(tx, organization, id)?;
        return Ok(if linked { Ok(id) } else { Err(Saved::NoSuchDirectory) });
    }
    Ok(match directories::create_linked(ctx, tx, organization, name)? {
        directories::Creation::Done(directory) => Ok(directory.id),
        directories::Creation::NameTaken => Err(Saved::NameTaken),
        directories::Creation::TooMany => Err(Saved::TooMany),
    })
}

/// Reads a connection that was just written, and records what was done.
fn saved(
    tx: &mut Tx,
    organization: OrganizationId,
    id: ConnectionId,
    action: &'static str,
) -> Result<Commit<Saved>, DbError> {
    let Some(connection) = get(tx, organization, id)? else {
        return Err(DbError::Check("the connection just written".to_owned()));
    };
    let event = Event::new(organization, action)
        .target("connection", id)
        .with("name", &connection.name)
        .with("kind", connection.kind().as_str())
        .with("settings", connection.settings.text()?)
        .with("mapping", connection.mapping.text()?)
        .with("social", connection.social.clone().unwrap_or_default());
    let recorded = tx.record(event);
    Ok(Commit::changed(Saved::Done(Box::new(connection)), recorded))
}

/// Changes a connection. Its issuer stays: links are the issuer's, and another issuer is another connection.
pub fn update(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ConnectionId,
    content: &Content,
) -> Result<Commit<Saved>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(old) = get(tx, organization, id)? else {
        return Ok(Commit::unchanged(Saved::NoSuchConnection));
    };
    let content = &Content { settings: content.settings.with_our_keys_of(&old.settings), ..content.clone() };
    let mut wrong = check(tx, organization, content, old.has_secret())?;
    if content.settings.issuer() != old.settings.issuer() {
        let why = "the issuer stays: make another connection for another provider";
        wrong.push(("issuer", why.to_owned()));
    }
    if !wrong.is_empty() {
        return Ok(Commit::unchanged(Saved::Refused(wrong)));
    }
    let key = content.name.as_str().to_lowercase();
    if tx.first(&sql::NAME_TAKEN, params![organization, key.as_str(), id])?.is_some() {
        return Ok(Commit::unchanged(Saved::NameTaken));
    }
    let sealed = match content.secret.as_deref() {
        None => old.sealed.clone(),
        Some("") => None,
        Some(secret) => Some(seal(app, ctx, id, secret)?),
    };
    let same = content.secret.is_none()
        && old.name == content.name.as_str()
        && old.settings == content.settings
        && old.mapping == content.mapping;
    if same {
        return Ok(Commit::unchanged(Saved::Done(Box::new(old))));
    }
    let row = params![
        organization,
        id,
        content.name.as_str(),
        key,
        content.settings.text()?,
        content.mapping.text()?,
        sealed,
        ctx.now
    ];
    tx.execute(&sql::UPDATE, row)?;
    saved(tx, organization, id, "connection.changed")
}

/// What disabling a connection does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// People who sign in through it.
    pub people: u64,
    /// Live sessions that end.
    pub sessions: u64,
    /// Addresses of people who have no other way in; the first of them.
    pub stranded: Vec<String>,
    /// Policies that send their people here, and nowhere else, by name.
    pub policies: Vec<String>,
}

const STRANDED_SHOWN: u32 = 100;

/// Looks what disabling would do.
pub fn effect_of_disabling(
    tx: &mut ReadTx,
    organization: OrganizationId,
    connection: &Connection,
    now: Timestamp,
) -> Result<Effect, DbError> {
    let id = connection.id;
    Ok(Effect {
        people: tx.scalar(&sql::COUNT_LINKS, params![organization, id])?.unwrap_or(0),
        sessions: tx.scalar(&sql::COUNT_SESSIONS, params![id, now])?.unwrap_or(0),
        stranded: tx.list(&sql::STRANDED, params![organization, id, STRANDED_SHOWN], |row| row.get(0))?,
        policies: enforcement::policies_that_need(tx, organization, connection)?,
    })
}

pub enum Switched {
    Done(Box<Connection>),
    Same,
    NoSuchConnection,
    /// Policies would leave their people without a way in: their names.
    Needed(Vec<String>),
}

/// Enables or disables a connection. Disabling ends every session that was made through it.
pub fn set_active(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ConnectionId,
    active: bool,
) -> Result<Commit<Switched>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(connection) = get(tx, organization, id)? else {
        return Ok(Commit::unchanged(Switched::NoSuchConnection));
    };
    if connection.active == active {
        return Ok(Commit::unchanged(Switched::Same));
    }
    if !active {
        let needed = enforcement::policies_that_need(tx, organization, &connection)?;
        if !needed.is_empty() {
            return Ok(Commit::unchanged(Switched::Needed(needed)));
        }
    }
    let state = if active { "active" } else { "disabled" };
    tx.execute(&sql::SET_STATE, params![organization, id, state, ctx.now])?;
    let ended = if active { 0 } else { logout::end_sessions(ctx, tx, id, None, None)? };
    let action = if active { "connection.enabled" } else { "connection.disabled" };
    let event = Event::new(organization, action).target("connection", id);
    let recorded = tx.record(event.with("name", &connection.name).with("sessions_ended", ended));
    if let Some(social) = &connection.social {
        // Every organization has to decide about it: an event of the platform turns their cells.
        let changed = Event::new(organization, "platform.social_login_changed").target("connection", id);
        let _recorded = tx.record(changed.with("social", social).with("active", active));
    }
    Ok(Commit::changed(Switched::Done(Box::new(Connection { active, ..connection })), recorded))
}

/// Groups by id with their names, for mappings that a person reads.
pub(crate) fn group_named(
    tx: &mut ReadTx,
    organization: OrganizationId,
    name: &str,
) -> Result<Option<GroupId>, DbError> {
    Ok(principals::group_by_name(tx, organization, name)?.map(|group| group.id))
}

pub(crate) fn clean(tx: &mut Tx, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&sql::CLEAN_REQUESTS, params![now])?;
    tx.execute(&sql::CLEAN_ANSWERS, params![now])?;
    tx.execute(&sql::CLEAN_MESSAGES, params![now])?;
    Ok(())
}
