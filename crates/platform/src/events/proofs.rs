//! Proofs about an organization's ledger: signed checkpoints, inclusion of an event, consistency of two sizes, and
//! whole exports that anybody can check offline with `bailiwick verify FILE`.

use std::io::Write;

use crate::db::{DbError, ReadTx};
use crate::ids::{Id, OrganizationId};
use crate::params;
use crate::time::Timestamp;

use super::sql;

/// The ledger of one organization as a source of tree nodes.
struct Source<'t> {
    tx: &'t mut ReadTx,
    organization: OrganizationId,
}

impl ledger::TileSource for Source<'_> {
    type Error = DbError;

    fn leaves(&mut self, start: u64, count: u64) -> Result<Vec<ledger::Hash>, DbError> {
        let range = params![self.organization, start, start + count];
        let leaves = self.tx.list(&sql::LEAVES, range, |row| row.get(0))?;
        if u64::try_from(leaves.len()) == Ok(count) {
            Ok(leaves)
        } else {
            Err(DbError::Ledger(format!("some of the entries {start} to {} are missing", start + count)))
        }
    }

    fn node(&mut self, level: u8, position: u64) -> Result<ledger::Hash, DbError> {
        self.tx
            .scalar(&sql::NODE, params![self.organization, u32::from(level), position])?
            .ok_or_else(|| DbError::Ledger(format!("node {level}/{position} is missing")))
    }
}

/// Size and root now.
pub fn head(tx: &mut ReadTx, organization: OrganizationId) -> Result<(u64, ledger::Hash), DbError> {
    match tx.first(&sql::HEAD, params![organization])? {
        Some(row) => {
            let frontier = super::read_frontier(&row)?;
            Ok((frontier.size(), frontier.root()))
        }
        None => Ok((0, ledger::Frontier::new().root())),
    }
}

/// The name under which an organization's log signs (C2SP tlog-checkpoint origin).
pub fn origin(public_host: &str, organization: OrganizationId) -> String {
    format!("{public_host}/ledger/{organization}")
}

/// The audit path of leaf `sequence` in the tree of `size` leaves (RFC 6962 §2.1.1).
pub fn inclusion(
    tx: &mut ReadTx,
    organization: OrganizationId,
    sequence: u64,
    size: u64,
) -> Result<Vec<ledger::Hash>, DbError> {
    let mut source = ledger::Tiled::new(Source { tx, organization });
    ledger::inclusion_proof(size, sequence, &mut source)
}

/// That the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962 §2.1.2).
pub fn consistency(
    tx: &mut ReadTx,
    organization: OrganizationId,
    old: u64,
    new: u64,
) -> Result<Vec<ledger::Hash>, DbError> {
    let mut source = ledger::Tiled::new(Source { tx, organization });
    ledger::consistency_proof(old, new, &mut source)
}

/// What names an export and vouches for it.
pub struct ExportIdentity<'a> {
    pub organization: OrganizationId,
    pub slug: &'a str,
    pub origin: &'a str,
    pub signers: &'a ledger::Signers,
    pub exported_at: Timestamp,
}

/// Writes the whole ledger to `out` and gives the number of entries.
pub fn export<W: Write>(tx: &mut ReadTx, identity: &ExportIdentity<'_>, out: W) -> Result<u64, ExportError> {
    const PAGE: u32 = 1024;
    let organization = identity.organization;
    let (size, _) = head(tx, organization)?;
    let mut writer = ledger::ExportWriter::signed_by(
        out,
        &ledger::ExportHeader {
            organization: organization.bytes(),
            slug: identity.slug.to_owned(),
            origin: identity.origin.to_owned(),
            exported_at_us: identity.exported_at.micros(),
        },
        identity.signers,
    )?;
    let mut next = 0;
    while next < size {
        let page = super::range(tx, organization, next, PAGE)?;
        if page.is_empty() {
            return Err(DbError::Ledger(format!("entry {next} is missing")).into());
        }
        for event in page.into_iter().take_while(|event| event.sequence < size) {
            writer.entry(&event.entry()?)?;
            next += 1;
        }
    }
    writer.finish()?;
    Ok(size)
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("cannot write the export: {0}")]
    Write(#[from] std::io::Error),
}
