//! A named person's word where no program can see, or where a risk is taken knowingly: attest a duty, accept a risk.
//!
//! Always with a name, a reason and an end of at most a year. A word never makes a cell held: it shows as `attested` or
//! `accepted`, with what the cell says beneath it. An acceptance is possible for each built half; an attestation only
//! where the row allows it. The provider's halves are declared in the provider's own organization.

use platform::ctx::Ctx;
use platform::db::{Commit, DbError, ReadTx, Recorded, Row as DbRow, Tx};
use platform::events::Event;
use platform::evidence::Side;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals::{self, OrganizationKind};
use platform::time::Timestamp;
use platform::{App, id};
use serde::{Deserialize, Serialize};

use crate::rows::{Half, Row};
use crate::states::{Declaration, DeclarationError};

pub(crate) mod api;
pub(crate) mod pages;
mod sql;

#[cfg(test)]
mod tests;

id! {
    /// An attestation or an accepted risk.
    DeclarationId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Attestation,
    Acceptance,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Acceptance => "acceptance",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Attestation, Self::Acceptance].into_iter().find(|kind| kind.as_str() == text)
    }

    const fn made(self) -> &'static str {
        match self {
            Self::Attestation => "responsibility.attested",
            Self::Acceptance => "responsibility.risk_accepted",
        }
    }

    const fn taken_back(self) -> &'static str {
        match self {
            Self::Attestation => "responsibility.attestation_revoked",
            Self::Acceptance => "responsibility.acceptance_revoked",
        }
    }
}

/// A declaration that nobody took back; it may have run out.
#[derive(Clone, Debug)]
pub struct Standing {
    pub id: DeclarationId,
    pub kind: Kind,
    pub declaration: Declaration,
}

/// What somebody wants to declare.
#[derive(Clone, Debug)]
pub struct NewDeclaration {
    pub kind: Kind,
    pub row: &'static Row,
    pub side: Side,
    pub reason: String,
    pub until: Timestamp,
}

/// How the wish to declare ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done(DeclarationId),
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the row does not bind the {0}: name the other side")]
    NoSuchHalf(Side),
    #[error("the control is not built in this version, so there is nothing to vouch for or to accept yet")]
    NotBuilt,
    #[error("this duty is proved by facts and cannot be attested: accept the risk instead, or close the gap")]
    NotAttestable,
    #[error("the provider's half is declared by the provider, in its own organization")]
    NotYours,
    #[error("{0}")]
    Declaration(#[from] DeclarationError),
}

/// What may be declared for a half by members of this organization; the empty list says nothing may.
pub fn offers(half: &Half, side: Side, organization: OrganizationKind) -> Vec<Kind> {
    let own = side == Side::Customer || organization == OrganizationKind::Provider;
    if !own || !half.is_built() {
        return Vec::new();
    }
    let attestation = half.attestable.then_some(Kind::Attestation);
    attestation.into_iter().chain([Kind::Acceptance]).collect()
}

fn check(
    new: &NewDeclaration,
    organization: OrganizationKind,
    by: &str,
    now: Timestamp,
) -> Result<Declaration, Refusal> {
    let half = new.row.half(new.side).ok_or(Refusal::NoSuchHalf(new.side))?;
    if new.side == Side::Provider && organization != OrganizationKind::Provider {
        return Err(Refusal::NotYours);
    }
    if !half.is_built() {
        return Err(Refusal::NotBuilt);
    }
    if new.kind == Kind::Attestation && !half.attestable {
        return Err(Refusal::NotAttestable);
    }
    Ok(Declaration::new(by, &new.reason, now, new.until)?)
}

/// Declares in the name of `account`. The cell is evaluated with it in the same transaction.
pub fn declare(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
    new: &NewDeclaration,
) -> Result<Commit<Outcome>, DbError> {
    let person = principals::account(tx, account)?
        .map(|found| if found.name.trim().is_empty() { found.email } else { found.name })
        .unwrap_or_default();
    let kind =
        principals::organization(tx, organization)?.map_or(OrganizationKind::Customer, |found| found.kind);
    let declaration = match check(new, kind, &person, ctx.now) {
        Ok(declaration) => declaration,
        Err(refusal) => return Ok(Commit::unchanged(Outcome::Refused(refusal))),
    };
    let (duty, side) = (new.row.id, new.side.as_str());
    tx.execute(&sql::REPLACE, params![organization, duty, side, new.kind.as_str(), ctx.now])?;
    let id: DeclarationId = ctx.id();
    tx.execute(
        &sql::INSERT,
        params![
            organization,
            id,
            duty,
            side,
            new.kind.as_str(),
            account,
            declaration.by(),
            declaration.reason(),
            ctx.now,
            declaration.until()
        ],
    )?;
    let event = Event::new(organization, new.kind.made())
        .target("row", duty)
        .with("side", side)
        .with("until", declaration.until().rfc3339())
        .personal("by", declaration.by())
        .personal("reason", declaration.reason());
    let recorded = tx.record(event);
    crate::engine::evaluate_one(app, tx, organization, new.row, new.side, ctx.now, new.kind.made())?;
    Ok(Commit::changed(Outcome::Done(id), recorded))
}

/// Takes a declaration back. `None`: there is none with this id that stands.
pub fn revoke(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: DeclarationId,
) -> Result<Commit<Option<Kind>>, DbError> {
    let Some(found) = tx.first(&sql::ONE, params![organization, id])? else {
        return Ok(Commit::unchanged(None));
    };
    let (duty, side): (String, Side) = (found.get(0)?, found.parse(1, Side::parse)?);
    let kind = found.parse(2, Kind::parse)?;
    if tx.execute(&sql::REVOKE, params![organization, id, ctx.now])? == 0 {
        return Ok(Commit::unchanged(None));
    }
    let event = Event::new(organization, kind.taken_back()).target("row", &duty).with("side", side);
    let recorded: Recorded = tx.record(event);
    if let Some(row) = crate::rows::find(&duty) {
        crate::engine::evaluate_one(app, tx, organization, row, side, ctx.now, kind.taken_back())?;
    }
    Ok(Commit::changed(Some(kind), recorded))
}

fn read_standing(row: &DbRow) -> Result<Option<Standing>, DbError> {
    let (person, reason): (String, String) = (row.get(2)?, row.get(3)?);
    let declaration = Declaration::new(&person, &reason, row.get(4)?, row.get(5)?);
    // One that was stored under looser rules counts for nothing.
    let Ok(declaration) = declaration else { return Ok(None) };
    Ok(Some(Standing { id: row.get(0)?, kind: row.parse(1, Kind::parse)?, declaration }))
}

/// Declarations of a cell that nobody took back, at most one of each kind.
pub fn standing(
    tx: &mut ReadTx,
    organization: OrganizationId,
    row: &Row,
    side: Side,
) -> Result<Vec<Standing>, DbError> {
    let found = tx.list(&sql::STANDING, params![organization, row.id, side.as_str()], read_standing)?;
    Ok(found.into_iter().flatten().collect())
}
