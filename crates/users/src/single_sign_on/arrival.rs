//! Who somebody is here whom a provider has vouched for: the only place where a provider's word becomes a sign-in.
//!
//! [`judge`] looks and decides, `arrive` does it. The provider's own name for a person, issuer and subject, finds the
//! account that it is linked to. Only when there is none yet is the address asked, and then it must be at a domain that
//! the connection's organization has verified: for those addresses, and no others, the organization is who says who is
//! behind them.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Recorded, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, Account, AccountState, Membership, MembershipSource, MembershipState};
use platform::time::Timestamp;
use platform::{App, Ctx};
use serde_json::{Map, Value};

use super::settings::{ProofTrust, Who};
use super::{Connection, enforcement, saml, sql};
use crate::accounts::email::EmailAddress;
use crate::accounts::join;
use crate::factors::Level;
use crate::names::Name;
use crate::policies::{self, NetworkRefusal, Social};
use crate::second_step::{self, Entered};
use crate::sessions::{Method, Upstream};
use crate::{domains, factors, passwords, people, provisioning, sessions};

mod standing;

pub(crate) use standing::link;

/// Somebody as a provider vouches for them, whatever its kind. Everything in it was verified.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
    /// The session there, where the provider names it.
    pub session: Option<String>,
    /// How it wrote the subject, where a sign-out must write it the same.
    #[serde(default)]
    pub name: Option<String>,
    /// When the person proved themselves there, where it says so.
    pub proved_at: Option<Timestamp>,
    /// The provider says that there were two proofs.
    pub two_proofs: bool,
    pub claims: Map<String, Value>,
}

/// Why somebody whom the provider vouches for does not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The claim that holds the address is missing or no address.
    NoAddress {
        claim: String,
    },
    /// The provider says that it has not verified the address, or does not say.
    AddressUnverified {
        said: bool,
    },
    /// The address is not at a domain that the organization has verified, or not at one of the connection's.
    ForeignDomain {
        domain: String,
    },
    /// Another organization's, the provider's staff, or left behind by an earlier holder of the domain.
    NotYours,
    /// An owner connects their account themselves.
    OwnersConnect,
    /// The account is linked to somebody else of this provider, or it has changed how it names people.
    OtherPerson {
        claim: String,
    },
    /// Somebody new, and the connection makes no accounts.
    NoAccounts,
    /// Deactivated by a directory.
    StaysOut,
    /// An admin ended the membership.
    Removed,
    /// Suspended, here or as an account.
    Suspended,
    Network(NetworkRefusal),
    /// A policy says that this provider signs nobody in.
    Blocked,
    /// Nobody has connected this account of a social provider.
    Unknown,
    /// An organization signs its people in through another connection.
    OtherConnection,
    /// The provider was told to ask anew, and did not.
    NotFresh,
}

impl Refusal {
    /// For the ledger.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoAddress { .. } => "no_address",
            Self::AddressUnverified { .. } => "address_unverified",
            Self::ForeignDomain { .. } => "foreign_domain",
            Self::NotYours => "not_yours",
            Self::OwnersConnect => "owners_connect",
            Self::OtherPerson { .. } => "other_person",
            Self::NoAccounts => "no_accounts",
            Self::StaysOut => "stays_out",
            Self::Removed => "removed",
            Self::Suspended => "suspended",
            Self::Network(_) => "network",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
            Self::OtherConnection => "other_connection",
            Self::NotFresh => "not_fresh",
        }
    }

    /// The claim that it is about, if it is about one.
    pub fn claim(&self) -> &str {
        match self {
            Self::NoAddress { claim } | Self::OtherPerson { claim } => claim,
            Self::AddressUnverified { .. } => "email_verified",
            Self::ForeignDomain { .. } => "email",
            Self::NotFresh => "auth_time",
            _ => "",
        }
    }

    /// For whoever stands at the door. Tells nothing of organizations that are not theirs.
    pub fn sentence(&self) -> String {
        match self {
            Self::NoAddress { claim } => format!(
                "The provider gives no e-mail address for you (claim `{claim}`). Ask the admins of your organization."
            ),
            Self::AddressUnverified { said: true } => {
                "The provider says that your e-mail address is not verified. Verify it there, then try again.".to_owned()
            }
            Self::AddressUnverified { said: false } => "The provider does not say whether your e-mail address is verified (claim `email_verified`). Ask the admins of your organization: the connection can be set to trust its addresses.".to_owned(),
            Self::ForeignDomain { domain } => format!(
                "Addresses at `{domain}` cannot sign in through this connection: the organization has not verified that domain. Ask its admins."
            ),
            Self::NotYours => "This account cannot be used through this connection. Ask the support.".to_owned(),
            Self::OwnersConnect => "Owners connect their account themselves: sign in as usual and open “Sign-in methods” in your account.".to_owned(),
            Self::OtherPerson { claim } => format!(
                "By what the provider calls you (claim `{claim}`) you are not the person of this account. If it has changed how it names people, an admin can end the old link."
            ),
            Self::NoAccounts => "You have no account here yet, and this connection makes none. Ask the admins of your organization for an invitation.".to_owned(),
            Self::StaysOut => "Your organization's directory has deactivated you. Ask its admins.".to_owned(),
            Self::Removed => "An admin took you out of this organization. Ask them for an invitation.".to_owned(),
            Self::Suspended => "This account is suspended. Ask the admins of your organization.".to_owned(),
            Self::Network(by) => format!("{} lets people sign in only from its own networks. Use one of them.", by.name),
            Self::Blocked => "Your organization does not let its people sign in this way. Use another one.".to_owned(),
            Self::Unknown => "Nothing here is connected to this account yet. Sign in another way, or make an account; then connect it under “Sign-in methods” in your account.".to_owned(),
            Self::OtherConnection => "Your organization signs its people in through another identity provider. Use that one.".to_owned(),
            Self::NotFresh => "The provider did not ask you to sign in anew (claim `auth_time`). Try again; if it stays, tell the admins of your organization.".to_owned(),
        }
    }
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The account that is linked.
    Known(Account),
    /// An account with this address that is not linked yet.
    Adopt(Account),
    /// Nobody has this address.
    Create(EmailAddress),
    Refused(Refusal),
}

/// Decides who it is; changes nothing.
pub fn judge(tx: &mut ReadTx, connection: &Connection, identity: &Identity) -> Result<Verdict, DbError> {
    let key =
        params![connection.organization, connection.id, identity.issuer.as_str(), identity.subject.as_str()];
    let linked: Option<AccountId> = tx.scalar(&sql::LINK, key)?;
    let who = connection.mapping.who(&identity.claims);
    match (linked, &connection.social) {
        (Some(account), None) => judge_known(tx, connection, account),
        (Some(account), Some(_)) => judge_social(tx, account),
        (None, None) => judge_new(tx, connection, &who),
        (None, Some(_)) => judge_new_social(tx, connection, &who),
    }
}

/// By the provider's own name for them it is somebody else.
pub(crate) fn other_person(connection: &Connection) -> Refusal {
    let claim = if connection.settings.saml().is_some() { saml::NAME_ID } else { "sub" };
    Refusal::OtherPerson { claim: claim.to_owned() }
}

fn refused(refusal: Refusal) -> Result<Verdict, DbError> {
    Ok(Verdict::Refused(refusal))
}

/// Whether the organization may say who this is, today.
fn is_theirs(
    tx: &mut ReadTx,
    connection: &Connection,
    account: &Account,
) -> Result<Option<Refusal>, DbError> {
    let organization = connection.organization;
    if account.managed_by.is_some_and(|manager| manager != organization) {
        return Ok(Some(Refusal::NotYours));
    }
    let takes = connection.mapping.takes_domain(&account.email_domain);
    if !takes || !domains::may_claim(tx, organization, &account.email_domain)? {
        return Ok(Some(Refusal::ForeignDomain { domain: account.email_domain.clone() }));
    }
    let provider = sessions::provider_id(tx)?;
    if provider != organization && principals::membership(tx, provider, account.id)?.is_some() {
        return Ok(Some(Refusal::NotYours));
    }
    if provisioning::stays_out(tx, organization, account.id)? {
        return Ok(Some(Refusal::StaysOut));
    }
    if crate::seams::is_open(tx, crate::seams::SINGLE_SIGN_ON)? {
        return Ok(None);
    }
    if matches!(account.state, AccountState::Suspended | AccountState::Deleted) {
        return Ok(Some(Refusal::Suspended));
    }
    match principals::membership(tx, organization, account.id)? {
        Some(member) if member.state != MembershipState::Active => Ok(Some(Refusal::Suspended)),
        // The provider still knows them, but here somebody has decided.
        None if people::was_removed(tx, organization, account.id)? => Ok(Some(Refusal::Removed)),
        Some(_) | None => Ok(None),
    }
}

fn judge_known(tx: &mut ReadTx, connection: &Connection, id: AccountId) -> Result<Verdict, DbError> {
    let Some(account) = principals::account(tx, id)? else { return refused(Refusal::Suspended) };
    if let Some(refusal) = is_theirs(tx, connection, &account)? {
        return refused(refusal);
    }
    let member = principals::membership(tx, connection.organization, id)?.is_some();
    if !member && !connection.mapping.creates_accounts {
        return refused(Refusal::NoAccounts);
    }
    Ok(Verdict::Known(account))
}

/// The address that the provider vouches for, if it does.
fn vouched(connection: &Connection, who: &Who) -> Result<EmailAddress, Refusal> {
    let mapping = &connection.mapping;
    let parsed = who.email.as_deref().and_then(|text| EmailAddress::parse(text).ok());
    let address = parsed.ok_or_else(|| Refusal::NoAddress { claim: mapping.email_claim.clone() })?;
    match who.email_verified {
        Some(false) => Err(Refusal::AddressUnverified { said: true }),
        None if !mapping.vouches_for_addresses => Err(Refusal::AddressUnverified { said: false }),
        Some(true) | None => Ok(address),
    }
}

fn judge_new(tx: &mut ReadTx, connection: &Connection, who: &Who) -> Result<Verdict, DbError> {
    let address = match vouched(connection, who) {
        Ok(address) => address,
        Err(refusal) => return refused(refusal),
    };
    let organization = connection.organization;
    let domain = address.domain();
    if !connection.mapping.takes_domain(domain) || !domains::may_claim(tx, organization, domain)? {
        return refused(Refusal::ForeignDomain { domain: domain.to_owned() });
    }
    let Some(account) = principals::account_by_email(tx, address.key())? else {
        let makes = connection.mapping.creates_accounts;
        return Ok(if makes { Verdict::Create(address) } else { Verdict::Refused(Refusal::NoAccounts) });
    };
    if let Some(refusal) = is_theirs(tx, connection, &account)? {
        return refused(refusal);
    }
    if account.managed_by.is_none() && domains::is_frozen(tx, &account)? {
        return refused(Refusal::NotYours);
    }
    let other = tx.first(&sql::LINK_OF_ACCOUNT, params![organization, connection.id, account.id])?;
    if other.is_some() {
        return refused(other_person(connection));
    }
    let member = principals::membership(tx, organization, account.id)?;
    match member {
        Some(member) if member.role == Role::Owner => refused(Refusal::OwnersConnect),
        None if !connection.mapping.creates_accounts => refused(Refusal::NoAccounts),
        Some(_) | None => Ok(Verdict::Adopt(account)),
    }
}

fn judge_social(tx: &mut ReadTx, id: AccountId) -> Result<Verdict, DbError> {
    let account = principals::account(tx, id)?.filter(|account| account.state == AccountState::Active);
    Ok(account.map_or(Verdict::Refused(Refusal::Suspended), Verdict::Known))
}

/// Whether somebody who is signed in may connect this identity of the organization's own provider; `Some`: why not. The
/// provider must vouch for the very address that the account has.
pub(crate) fn may_connect(
    tx: &mut ReadTx,
    connection: &Connection,
    identity: &Identity,
    id: AccountId,
) -> Result<Option<Refusal>, DbError> {
    let Some(account) = principals::account(tx, id)? else { return Ok(Some(Refusal::Suspended)) };
    let address = match vouched(connection, &connection.mapping.who(&identity.claims)) {
        Ok(address) => address,
        Err(refusal) => return Ok(Some(refusal)),
    };
    if address.key() != account.email {
        return Ok(Some(Refusal::OtherPerson { claim: connection.mapping.email_claim.clone() }));
    }
    is_theirs(tx, connection, &account)
}

/// A social provider finds no account by address. It makes one only for a mailbox that it runs itself, which nobody has
/// an account for, and which is no organization's.
fn judge_new_social(tx: &mut ReadTx, connection: &Connection, who: &Who) -> Result<Verdict, DbError> {
    let Ok(address) = vouched(connection, who) else { return refused(Refusal::Unknown) };
    let runs = connection.mapping.domains.iter().any(|domain| domain == address.domain());
    let free = principals::account_by_email(tx, address.key())?.is_none()
        && domains::holder(tx, address.domain())?.is_none();
    if runs && free && connection.mapping.creates_accounts {
        return Ok(Verdict::Create(address));
    }
    refused(Refusal::Unknown)
}

/// How it ended.
pub enum Arrival {
    Entered { entered: Entered, account: AccountId },
    Refused(Refusal),
}

/// What an arrival works with.
pub(crate) struct Arriving<'a> {
    pub app: &'a App,
    pub ctx: &'a Ctx,
    pub connection: &'a Connection,
    pub identity: &'a Identity,
    /// The provider was told to ask anew.
    pub fresh: bool,
}

/// How long ago a proof may be that counts as anew.
const FRESH_FOR: std::time::Duration = std::time::Duration::from_secs(300);

/// Signs somebody in whom the provider vouches for, or says why not.
pub(crate) fn arrive(at: &Arriving<'_>, tx: &mut Tx) -> Result<Commit<Arrival>, DbError> {
    let now = at.ctx.now;
    if at.fresh && at.identity.proved_at.is_none_or(|proved| now.since(proved) > FRESH_FOR) {
        return turn_away(at, tx, None, Refusal::NotFresh);
    }
    let (account, _recorded) = match judge(tx, at.connection, at.identity)? {
        Verdict::Refused(refusal) => return turn_away(at, tx, None, refusal),
        Verdict::Known(account) => (account, None),
        Verdict::Adopt(account) => standing::adopt(at, tx, account)?,
        Verdict::Create(address) => standing::create(at, tx, &address)?,
    };
    // Changed since it was judged: judged anew.
    let held = principals::account_for_update(tx, account.id)?;
    if held.is_none_or(|held| (held.state, held.managed_by) != (account.state, account.managed_by)) {
        return Err(DbError::Serialization);
    }
    if at.connection.social.is_none() {
        standing::keep(at, tx, &account)?;
    }
    if let Some(refusal) = barred(at, tx, account.id)? {
        return turn_away(at, tx, Some(account.id), refusal);
    }
    let (organization, id) = (at.connection.organization, at.connection.id);
    tx.execute(&sql::USED, params![organization, id, account.id, now])?;
    tx.execute(&sql::SUCCEEDED, params![organization, id, now])?;
    let done = Event::new(organization, "single_sign_on.succeeded")
        .target("account", account.id)
        .with("connection", id);
    let _recorded = tx.record(done);
    let entered = enter(at, tx, &account)?;
    Ok(entered.map(|entered| Arrival::Entered { entered, account: account.id }))
}

/// What policies say, for somebody who is known by now.
fn barred(at: &Arriving<'_>, tx: &mut ReadTx, account: AccountId) -> Result<Option<Refusal>, DbError> {
    let now = at.ctx.now;
    if let Some(refusal) = policies::sign_in_network(tx, account, at.ctx.origin.ip, now)? {
        return Ok(Some(Refusal::Network(refusal)));
    }
    if let Some(social) = &at.connection.social
        && policies::social_login(tx, account, social, now)? == Social::Blocked
    {
        return Ok(Some(Refusal::Blocked));
    }
    let through = Some((at.connection.organization, at.connection.id));
    Ok(enforcement::bars(tx, account, through, now)?.then_some(Refusal::OtherConnection))
}

/// A session, or the second step where the provider's proof is not enough for what a policy asks, and always where the
/// organization does not manage the account.
fn enter(at: &Arriving<'_>, tx: &mut Tx, account: &Account) -> Result<Commit<Entered>, DbError> {
    let social = at.connection.social.is_some();
    let two = !social
        && match at.connection.mapping.proof {
            ProofTrust::Any => false,
            ProofTrust::Told => at.identity.two_proofs,
            ProofTrust::Mfa => true,
        };
    let method = match (social, two) {
        (true, _) => Method::Social,
        (false, true) => Method::SingleSignOnMfa,
        (false, false) => Method::SingleSignOn,
    };
    let upstream = Upstream {
        connection: at.connection.id,
        subject: at.identity.subject.clone(),
        session: at.identity.session.clone(),
        name: at.identity.name.clone(),
        proved_at: at.identity.proved_at,
    };
    let managed = account.managed_by == Some(at.connection.organization);
    let required: Level = policies::required_level(tx, account, at.ctx.now)?;
    let enough = managed && method.level() >= required;
    let provider = sessions::provider_id(tx)?;
    second_step::enter_through(at.ctx, tx, provider, account, method, &upstream, enough)
}

/// Records why somebody does not come in, where the connection's admins and detectors see it.
pub(crate) fn turn_away(
    at: &Arriving<'_>,
    tx: &mut Tx,
    account: Option<AccountId>,
    refusal: Refusal,
) -> Result<Commit<Arrival>, DbError> {
    let told = refusal.sentence();
    let recorded = failed(at.ctx, tx, at.connection, account, refusal.word(), refusal.claim(), &told)?;
    Ok(Commit::changed(Arrival::Refused(refusal), recorded))
}

/// Notes a sign-in that failed, at whatever step.
pub(crate) fn failed(
    ctx: &Ctx,
    tx: &mut Tx,
    connection: &Connection,
    account: Option<AccountId>,
    word: &str,
    claim: &str,
    told: &str,
) -> Result<Recorded, DbError> {
    let organization: OrganizationId = connection.organization;
    tx.execute(&sql::FAILED, params![organization, connection.id, ctx.now, told])?;
    let event = Event::new(organization, "single_sign_on.failed")
        .target("connection", connection.id)
        .with("account", account.map(|id| id.to_string()).unwrap_or_default())
        .with("reason", word)
        .with("claim", claim)
        .personal("network", platform::web::guard::limits::network(ctx.origin.ip));
    Ok(tx.record(event))
}
