//! The audit log: an organization's events for people to read, and the proofs that nobody changed them.
//!
//! Reading needs `audit.read`. What an event says about persons can be redacted by an owner; its leaf hash, and so every
//! proof and every earlier export, stays valid. [`lines`] is how every other page shows the history of its subject.

use std::collections::HashMap;

use platform::App;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::{self, StoredEvent, proofs, signing};
use platform::ids::{AccountId, OrganizationId};
use platform::principals;
use platform::time::Timestamp;

use crate::api_tokens;

pub(crate) mod api;
pub(crate) mod download;
pub(crate) mod export;
mod filters;
pub mod formats;
pub(crate) mod pages;
#[cfg(test)]
mod tests;

/// One event in words.
#[derive(Debug, Clone)]
pub struct Line {
    pub sequence: u64,
    pub at: Timestamp,
    pub action: String,
    pub actor: String,
    pub target: String,
    pub details: Vec<Detail>,
}

#[derive(Debug, Clone)]
pub struct Detail {
    pub name: String,
    /// `None` where it was redacted.
    pub value: Option<String>,
    pub personal: bool,
}

/// Names of what events point to, each looked up once.
struct Names<'t> {
    tx: &'t mut ReadTx,
    organization: OrganizationId,
    known: HashMap<(String, String), String>,
}

impl Names<'_> {
    fn of(&mut self, kind: &str, id: &str) -> Result<String, DbError> {
        let key = (kind.to_owned(), id.to_owned());
        if let Some(name) = self.known.get(&key) {
            return Ok(name.clone());
        }
        let name = self.look_up(kind, id)?.unwrap_or_else(|| plain(kind, id));
        self.known.insert(key, name.clone());
        Ok(name)
    }

    fn look_up(&mut self, kind: &str, id: &str) -> Result<Option<String>, DbError> {
        Ok(match kind {
            "account" => match id.parse::<AccountId>() {
                Ok(id) => principals::account(self.tx, id)?.map(|account| account.email),
                Err(_) => None,
            },
            "api_token" => match id.parse() {
                Ok(id) => api_tokens::get(self.tx, self.organization, id)?
                    .map(|token| format!("API token `{}`", token.name)),
                Err(_) => None,
            },
            "group" => match id.parse() {
                Ok(id) => principals::group(self.tx, self.organization, id)?
                    .map(|group| format!("group `{}`", group.name)),
                Err(_) => None,
            },
            _ => None,
        })
    }
}

/// Words for what has no name of its own, or none any more.
fn plain(kind: &str, id: &str) -> String {
    match kind {
        "anonymous" => "nobody signed in".to_owned(),
        "operator" => "the operator".to_owned(),
        "system" => format!("Bailiwick ({id})"),
        "organization" => "the organization".to_owned(),
        "event" => format!("event {id}"),
        other => {
            let short: String = id.chars().take(40).collect();
            format!("{} {short}", other.replace('_', " "))
        }
    }
}

/// Events as lines of a table.
pub fn lines(
    tx: &mut ReadTx,
    organization: OrganizationId,
    found: Vec<StoredEvent>,
) -> Result<Vec<Line>, DbError> {
    let mut names = Names { tx, organization, known: HashMap::new() };
    found
        .into_iter()
        .map(|event| {
            let public = event.public.into_iter().map(|(name, value)| Detail {
                name: name.replace('_', " "),
                value: Some(value),
                personal: false,
            });
            let personal = event.personal.into_iter().map(|(name, value)| Detail {
                name: name.replace('_', " "),
                value,
                personal: true,
            });
            Ok(Line {
                sequence: event.sequence,
                at: event.at,
                actor: names.of(&event.actor_kind, &event.actor_id)?,
                target: names.of(&event.target_kind, &event.target_id)?,
                action: event.action,
                details: public.chain(personal).collect(),
            })
        })
        .collect()
}

/// One event, `None` beyond the end.
pub fn get(
    tx: &mut ReadTx,
    organization: OrganizationId,
    sequence: u64,
) -> Result<Option<StoredEvent>, DbError> {
    let found = events::range(tx, organization, sequence, 1)?.into_iter().next();
    Ok(found.filter(|event| event.sequence == sequence))
}

/// A signed head of the ledger.
#[derive(Debug, Clone)]
pub struct SignedHead {
    pub origin: String,
    pub size: u64,
    pub root: ledger::Hash,
    /// C2SP tlog-checkpoint.
    pub checkpoint: String,
    /// What the signature of the current key is checked with.
    pub verify_key: String,
}

/// The name of an organization's log: this installation's host, and the organization's id.
pub fn origin(app: &App, organization: OrganizationId) -> String {
    let public = app.config().public_origin();
    let host = public.split_once("://").map_or(public.as_str(), |(_, host)| host);
    proofs::origin(host, organization)
}

/// Signs the ledger as it stands in this transaction.
pub fn sign_head(app: &App, tx: &mut ReadTx, organization: OrganizationId) -> Result<SignedHead, DbError> {
    let (size, root) = proofs::head(tx, organization)?;
    let origin = origin(app, organization);
    let failed = |error: String| DbError::Ledger(error);
    let signers = signing::signers(tx, app.keyring(), app.clock().now())?;
    let checkpoint = ledger::Checkpoint { origin: origin.clone(), size, root }
        .sign_by(&signers, &origin)
        .map_err(|error| failed(error.to_string()))?;
    let verify_key = signers.current().verify_key(&origin);
    let verify_key = verify_key.map_err(|error| failed(error.to_string()))?.to_string();
    Ok(SignedHead { origin, size, root, checkpoint, verify_key })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    Done,
    NoSuchEvent,
    /// The event has no such personal field, or it is gone already.
    NoSuchField,
}

/// Erases one personal field of an event for good.
pub fn redact(
    tx: &mut Tx,
    organization: OrganizationId,
    sequence: u64,
    field: &str,
) -> Result<Commit<Redaction>, DbError> {
    if get(tx, organization, sequence)?.is_none() {
        return Ok(Commit::unchanged(Redaction::NoSuchEvent));
    }
    Ok(match events::redact(tx, organization, sequence, field)? {
        Some(recorded) => Commit::changed(Redaction::Done, recorded),
        None => Commit::unchanged(Redaction::NoSuchField),
    })
}
