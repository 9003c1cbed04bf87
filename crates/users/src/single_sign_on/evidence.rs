//! USR-P4: in the last drill a canary provider signed somebody in, forged sign-ins were refused, and a person made the round
//! trip over SCIM.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Finding, Side};
use platform::ids::OrganizationId;
use platform::time::Timestamp;

use super::drill::{PARTS, ROW};
use crate::canary::{self, Part};

pub(crate) const FEDERATION: EvidenceSource =
    EvidenceSource { row: ROW, side: Side::Provider, depends_on: &["drill."], evaluate };

fn evaluate(tx: &mut ReadTx, _: OrganizationId, _: Timestamp) -> Result<Finding, DbError> {
    let met = "a canary provider signed in, forged sign-ins were refused, and a SCIM round trip worked";
    let parts = PARTS.into_iter().map(|(field, about, right)| Part { field, about, right });
    canary::last_run(tx, ROW, met, parts)
}
