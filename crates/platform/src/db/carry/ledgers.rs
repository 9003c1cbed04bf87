//! Every ledger of the target, computed anew from its entries.

use std::collections::BTreeMap;

use crate::events;
use crate::ids::OrganizationId;

use super::super::{DbError, Row};
use super::{MoveError, Side, Table};

/// What was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledgers {
    pub organizations: u64,
    pub entries: u64,
}

/// What `read_event` expects, in its order.
const COLUMNS: [&str; 13] = [
    "transaction_id",
    "revision",
    "organization_id",
    "sequence",
    "at",
    "action",
    "actor_kind",
    "actor_id",
    "target_kind",
    "public",
    "personal",
    "target_id",
    "leaf",
];

/// From every entry its leaf, from all leaves of an organization its root: that must be the head's.
pub(super) fn verify(target: &mut dyn Side, events: &Table, heads: &Table) -> Result<Ledgers, MoveError> {
    let wrong = |organization: &OrganizationId, what| MoveError::Ledger {
        organization: organization.to_string(),
        what,
    };
    let mut computed: BTreeMap<OrganizationId, ledger::Frontier> = BTreeMap::new();
    let columns = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let table = Table { name: events.name.clone(), columns };
    let (mut entries, mut broken) = (0, None);
    target.read(&table, "organization_id, sequence", &mut |values| {
        let event = events::read_event(&Row { statement: "events", values })?;
        let frontier = computed.entry(event.organization).or_default();
        let leaf = event.entry()?.leaf_hash();
        if frontier.size() != event.sequence {
            broken.get_or_insert(wrong(&event.organization, "lacks entries"));
        } else if leaf != event.leaf() {
            broken.get_or_insert(wrong(&event.organization, "has an entry that is not what its leaf says"));
        }
        frontier.append(leaf);
        entries += 1;
        Ok(())
    })?;
    if let Some(broken) = broken {
        return Err(broken);
    }
    let columns = ["organization_id", "frontier"].map(str::to_owned).to_vec();
    let mut standing = BTreeMap::new();
    target.read(&Table { name: heads.name.clone(), columns }, "", &mut |values| {
        let row = Row { statement: "ledger_heads", values };
        let damaged = |error: ledger::FrontierError| DbError::Ledger(error.to_string());
        let head = ledger::Frontier::from_bytes(&row.get::<Vec<u8>>(1)?).map_err(damaged)?;
        standing.insert(row.get::<OrganizationId>(0)?, head);
        Ok(())
    })?;
    for organization in computed.keys().chain(standing.keys()) {
        let size_and_root = |frontiers: &BTreeMap<OrganizationId, ledger::Frontier>| {
            frontiers.get(organization).map_or((0, None), |f| (f.size(), Some(f.root())))
        };
        let (here, there) = (size_and_root(&computed), size_and_root(&standing));
        if here != there && (here.0 > 0 || there.0 > 0) {
            return Err(wrong(organization, "is not what its head says"));
        }
    }
    let organizations = u64::try_from(standing.len()).unwrap_or(u64::MAX);
    Ok(Ledgers { organizations, entries })
}
