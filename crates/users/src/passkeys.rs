//! Passkeys: signing in with a key that never leaves its authenticator and signs for this site only.
//!
//! Promises: every passkey is discoverable and verifies its user (PIN, finger, face), so it is two factors at once and
//! needs no address to be typed; an unknown passkey, a removed one and a wrong signature get one answer; a challenge
//! is bound to the browser or session that asked for it and works once; a counter that goes back is refused.
//!
//! Why WebAuthn is verified here: the crates that do it bring a second engine of cryptography, or OpenSSL.

use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, Id};
use platform::params;
use platform::principals::{self, Account, AccountState};
use platform::time::Timestamp;
use platform::{App, Ctx};

use crate::factors::{self, Level};
use crate::sessions::{self, Method};

pub(crate) mod api;
pub mod attestation;
pub(crate) mod cbor;
pub(crate) mod challenge;
pub(crate) mod cose;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;
pub(crate) mod webauthn;

use attestation::Makes;
use challenge::Challenges;
use cose::PublicKey;
use webauthn::{AttestationObject, AuthenticatorData, Ceremony, Expected, Refusal};

platform::id! {
    /// A passkey of an account.
    PasskeyId
}

/// How many one account may have.
pub const PASSKEYS_MAX: usize = 20;
pub const NAME_MAX: usize = 60;

#[derive(Clone, Debug)]
pub struct Passkey {
    pub id: PasskeyId,
    pub account: AccountId,
    pub credential_id: Vec<u8>,
    pub name: String,
    public_key: Vec<u8>,
    sign_count: u32,
    pub aaguid: Vec<u8>,
    attested: bool,
    /// Its maker may copy it to other devices of the same person.
    pub synced: bool,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

fn read_passkey(row: &Row) -> Result<Passkey, DbError> {
    Ok(Passkey {
        id: row.get(0)?,
        account: row.get(1)?,
        credential_id: row.get(2)?,
        name: row.get(3)?,
        public_key: row.get(4)?,
        sign_count: row.get(5)?,
        aaguid: row.get(6)?,
        attested: row.get(7)?,
        synced: row.get(8)?,
        created_at: row.get(9)?,
        last_used_at: row.get(10)?,
    })
}

impl Passkey {
    /// Attested when it was added, by a make that is on the list still.
    pub fn method(&self, makes: &Makes) -> Method {
        if self.attested && makes.name(&self.aaguid).is_some() {
            Method::AttestedPasskey
        } else {
            Method::Passkey
        }
    }

    pub fn level(&self, makes: &Makes) -> Level {
        self.method(makes).level()
    }
}

/// What verification needs of the installation.
#[derive(Clone)]
pub struct RelyingParty {
    challenges: Challenges,
    origin: url::Url,
    /// The host of `public_url`; `None` where browsers offer no passkeys: an address of numbers, or plain HTTP.
    id: Option<String>,
    makes: std::sync::Arc<Makes>,
}

impl RelyingParty {
    pub fn of(app: &App) -> Self {
        let origin = app.config().public_url.clone();
        let secure = origin.scheme() == "https" || origin.host_str() == Some("localhost");
        let id = origin.domain().filter(|_| secure).map(str::to_owned);
        Self { challenges: Challenges::new(app), origin, id, makes: makes(app) }
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn makes(&self) -> &Makes {
        &self.makes
    }

    pub fn challenge(&self, ctx: &Ctx, ceremony: Ceremony, binding: &str) -> Vec<u8> {
        self.challenges.make(ctx, ceremony, binding)
    }
}

/// The makes that count as attested here.
pub fn makes(app: &App) -> std::sync::Arc<Makes> {
    app.find_service::<Makes>().unwrap_or_default()
}

/// What a browser gives for a new passkey.
#[derive(Clone)]
pub struct NewCredential {
    pub client_data_json: Vec<u8>,
    pub attestation_object: Vec<u8>,
}

/// What a browser gives as proof of a passkey.
#[derive(Clone)]
pub struct Assertion {
    pub credential_id: Vec<u8>,
    pub client_data_json: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
}

pub fn list(tx: &mut ReadTx, account: AccountId) -> Result<Vec<Passkey>, DbError> {
    tx.list(&sql::LIST, params![account], read_passkey)
}

/// How adding a passkey ended.
#[derive(Debug)]
pub enum Added {
    Done {
        passkey: PasskeyId,
        method: Method,
    },
    Refused(Refusal),
    /// This authenticator holds a passkey for somebody here already.
    Known,
    TooMany,
    NotHere,
}

/// Adds a passkey to an account; `binding` is the session's id that asked for the challenge.
pub fn add(
    party: &RelyingParty,
    ctx: &Ctx,
    tx: &mut Tx,
    account: &Account,
    binding: &str,
    name: &str,
    new: &NewCredential,
) -> Result<Commit<Added>, DbError> {
    let Some(rp_id) = party.id() else { return Ok(Commit::unchanged(Added::NotHere)) };
    let refuse = |refusal| Ok(Commit::unchanged(Added::Refused(refusal)));
    let expected = Expected { ceremony: Ceremony::Create, origin: &party.origin };
    let challenge = match webauthn::client_data(&new.client_data_json, &expected) {
        Ok(challenge) => challenge,
        Err(refusal) => return refuse(refusal),
    };
    let made = judge_new(party, ctx.now, rp_id, new);
    let (credential_id, key, aaguid, attested, synced, count) = match made {
        Ok(made) => made,
        Err(refusal) => return refuse(refusal),
    };
    if list(tx, account.id)?.len() >= PASSKEYS_MAX {
        return Ok(Commit::unchanged(Added::TooMany));
    }
    if let Err(refusal) = party.challenges.spend(tx, Ceremony::Create, binding, &challenge, ctx.now)? {
        return refuse(refusal);
    }
    let id: PasskeyId = ctx.id();
    let name = clean_name(name);
    let rows = tx.execute(
        &sql::INSERT,
        params![
            id,
            account.id,
            credential_id,
            name.as_str(),
            key,
            count,
            aaguid.to_vec(),
            attested,
            synced,
            ctx.now
        ],
    )?;
    if rows == 0 {
        return Ok(Commit::unchanged(Added::Known));
    }
    let method = if attested { Method::AttestedPasskey } else { Method::Passkey };
    let event = Event::new(sessions::provider_id(tx)?, "factor.passkey_added")
        .target("account", account.id)
        .with("passkey", id)
        .with("aaguid", uuid::Uuid::from_bytes(aaguid))
        .with("attested", attested)
        .personal("name", &name);
    let recorded = factors::changed(tx, account, event, "factor.enrolled")?;
    Ok(Commit::changed(Added::Done { passkey: id, method }, recorded))
}

type Made = (Vec<u8>, Vec<u8>, [u8; 16], bool, bool, u32);

fn judge_new(
    party: &RelyingParty,
    now: Timestamp,
    rp_id: &str,
    new: &NewCredential,
) -> Result<Made, Refusal> {
    let object = AttestationObject::parse(&new.attestation_object)?;
    let data = AuthenticatorData::parse(object.auth_data)?;
    data.judge(rp_id)?;
    let credential = data.credential.as_ref().ok_or(Refusal::Unreadable)?;
    let attested = attestation::judge(&party.makes, &object, credential, &new.client_data_json, now)?;
    Ok((
        credential.id.to_vec(),
        credential.key_bytes.to_vec(),
        credential.aaguid,
        attested,
        data.may_be_copied(),
        data.sign_count,
    ))
}

/// A name for the list; what is empty gets one.
fn clean_name(name: &str) -> String {
    let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    if name.is_empty() { "Passkey".to_owned() } else { name }
}

/// How a proof by passkey ended.
pub enum Proved {
    Right {
        account: Account,
        method: Method,
    },
    /// One answer to strangers for all reasons; `account` for the record, where it is known.
    Wrong {
        account: Option<AccountId>,
        refusal: Refusal,
    },
}

/// Verifies a passkey; `binding` is the browser's or session's that asked for the challenge. The caller records what
/// follows from it.
pub fn prove(
    party: &RelyingParty,
    ctx: &Ctx,
    tx: &mut Tx,
    binding: &str,
    assertion: &Assertion,
) -> Result<Proved, DbError> {
    let wrong = |account, refusal| Ok(Proved::Wrong { account, refusal });
    let Some(rp_id) = party.id() else { return wrong(None, Refusal::RelyingParty) };
    let row = tx.first(&sql::BY_CREDENTIAL, params![assertion.credential_id.clone()])?;
    let Some(passkey) = row.as_ref().map(read_passkey).transpose()? else {
        return wrong(None, Refusal::Challenge);
    };
    let known = Some(passkey.account);
    let expected = Expected { ceremony: Ceremony::Get, origin: &party.origin };
    let challenge = match webauthn::client_data(&assertion.client_data_json, &expected) {
        Ok(challenge) => challenge,
        Err(refusal) => return wrong(known, refusal),
    };
    // A discoverable credential names its owner; another name than the one it was made for is a forgery.
    if assertion.user_handle.as_deref().is_some_and(|handle| handle != passkey.account.bytes()) {
        return wrong(known, Refusal::Unreadable);
    }
    let verified = PublicKey::parse(&passkey.public_key).map_err(Refusal::from).and_then(|key| {
        webauthn::verify_assertion(
            &key,
            passkey.sign_count,
            &assertion.authenticator_data,
            &assertion.client_data_json,
            &assertion.signature,
            rp_id,
        )
    });
    let count = match verified {
        Ok(count) => count,
        Err(refusal) => return wrong(known, refusal),
    };
    let account = principals::account_for_update(tx, passkey.account)?;
    if let Err(refusal) = party.challenges.spend(tx, Ceremony::Get, binding, &challenge, ctx.now)? {
        return wrong(known, refusal);
    }
    // Two proofs with the same counter at once: the second changes nothing and is refused.
    if tx.execute(&sql::USED, params![passkey.id, count, ctx.now])? != 1 {
        return wrong(known, Refusal::Counter);
    }
    match account.filter(|account| account.state == AccountState::Active) {
        Some(account) => Ok(Proved::Right { method: passkey.method(&party.makes), account }),
        None => wrong(known, Refusal::Unreadable),
    }
}

pub fn rename(
    ctx: &Ctx,
    tx: &mut Tx,
    account: AccountId,
    id: PasskeyId,
    name: &str,
) -> Result<Commit<bool>, DbError> {
    let _ = ctx;
    let name = clean_name(name);
    if tx.execute(&sql::RENAME, params![account, id, name.as_str()])? == 0 {
        return Ok(Commit::unchanged(false));
    }
    let event = Event::new(sessions::provider_id(tx)?, "factor.passkey_renamed")
        .target("account", account)
        .with("passkey", id)
        .personal("name", name);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Takes the row away; [`factors::remove`] decides whether that may be and records it.
pub(crate) fn delete(tx: &mut Tx, account: AccountId, id: PasskeyId) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::REMOVE, params![account, id])? > 0)
}

pub(crate) fn delete_all(tx: &mut Tx, account: AccountId) -> Result<u64, DbError> {
    tx.execute(&sql::REMOVE_ALL, params![account])
}

/// Forgets answered challenges that would be refused for their age.
pub(crate) fn clean(tx: &mut Tx, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::CLEAN, params![now])
}
