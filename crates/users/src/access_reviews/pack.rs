//! The evidence pack of a review: what was looked at, decided and done, with proofs that the ledger says so.

use platform::App;
use platform::db::{DbError, ReadTx};
use platform::events::{self, proofs};
use platform::ids::OrganizationId;
use platform::time::Timestamp;
use serde::Serialize;

use super::api::{ItemView, ReviewView, ReviewerView};
use super::{Filter, ReviewId, counts, find, items, reviewers};
use crate::audit_log::{self, api::CheckpointView};
use crate::people::export::cell;

/// Grants and events that a pack holds at most; a review of more is read from the audit export.
const GRANTS_MAX: u32 = 100_000;
const EVENTS_MAX: u32 = 100_000;

/// An entry of the ledger about the review, with its way to the signed head.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ReviewProof)]
pub struct ProofView {
    pub sequence: u64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub action: String,
    /// Hex of the RFC 6962 leaf hash.
    pub leaf_hash: String,
    /// What the leaf hash is of (after the byte 0), hex.
    pub leaf: String,
    /// Hex, from the leaf upwards.
    pub audit_path: Vec<String>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ReviewEvidence)]
pub struct PackView {
    /// `bailiwick-access-review-1`
    pub format: &'static str,
    /// The organization's short name.
    pub organization: String,
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    pub review: ReviewView,
    pub reviewers: Vec<ReviewerView>,
    pub grants: Vec<ItemView>,
    /// The head of the ledger that the proofs lead to.
    pub head: CheckpointView,
    /// Oldest first.
    pub proofs: Vec<ProofView>,
}

pub(super) fn pack(
    app: &App,
    tx: &mut ReadTx,
    (organization, slug): (OrganizationId, &str),
    id: ReviewId,
    now: Timestamp,
) -> Result<Option<PackView>, DbError> {
    let Some(review) = find(tx, organization, id)? else { return Ok(None) };
    let counts = counts(tx, organization, id)?;
    let grants = items(tx, organization, id, &Filter::default(), None, GRANTS_MAX)?;
    let reviewers = reviewers(tx, organization, id)?;
    let head = audit_log::sign_head(app, tx, organization)?;
    let mut proofs = Vec::new();
    let about = events::about(tx, organization, "access_review", &id.to_string(), EVENTS_MAX)?;
    for event in about.into_iter().rev() {
        let path = proofs::inclusion(tx, organization, event.sequence, head.size)?;
        proofs.push(ProofView {
            sequence: event.sequence,
            at: event.at,
            leaf_hash: hex::encode(event.leaf()),
            leaf: hex::encode(event.entry()?.leaf_bytes()),
            audit_path: path.iter().map(hex::encode).collect(),
            action: event.action,
        });
    }
    Ok(Some(PackView {
        format: "bailiwick-access-review-1",
        organization: slug.to_owned(),
        exported_at: now,
        review: ReviewView::new(review, counts),
        reviewers: reviewers.into_iter().map(ReviewerView::from).collect(),
        grants: grants.into_iter().map(ItemView::from).collect(),
        head: CheckpointView::from(head),
        proofs,
    }))
}

/// The grants of a pack as a table.
pub(super) fn csv(pack: &PackView) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "item",
        "email",
        "kind",
        "what",
        "decision",
        "reason",
        "decided_by",
        "decided_at",
        "effect",
        "effect_words",
        "effect_at",
        "verified_at",
    ];
    writer.write_record(head).map_err(|error| error.to_string())?;
    let time = |at: Option<Timestamp>| at.map(Timestamp::rfc3339).unwrap_or_default();
    for one in &pack.grants {
        let record = [
            one.id.to_string(),
            cell(&one.email),
            one.kind.to_owned(),
            cell(&one.what),
            one.decision.unwrap_or_default().to_owned(),
            cell(&one.reason),
            cell(&one.decided_by),
            time(one.decided_at),
            one.effect.clone().unwrap_or_default(),
            one.effect_words.clone(),
            time(one.effect_at),
            time(one.verified_at),
        ];
        writer.write_record(record).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}
