//! USR-P1: in the last drill a suspended canary stayed out on every way in.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Finding, Side};
use platform::ids::OrganizationId;
use platform::time::Timestamp;

use super::drill::{KEPT_OUT, ROW, Way};
use crate::canary::{self, Part};

pub(crate) const SUSPENSION: EvidenceSource =
    EvidenceSource { row: ROW, side: Side::Provider, depends_on: &["drill."], evaluate };

fn evaluate(tx: &mut ReadTx, _: OrganizationId, _: Timestamp) -> Result<Finding, DbError> {
    let part = |way: Way| Part { field: way.field(), about: way.words(), right: KEPT_OUT };
    let met = "a suspended canary stayed out on every way in";
    canary::last_run(tx, ROW, met, Way::ALL.into_iter().map(part))
}
