//! What the API of access reviews takes and gives.

use platform::ids::AccountId;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Choice, Counts, DAYS_DEFAULT, Item, ItemId, Review, ReviewId, Reviewer};

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessReview)]
pub struct ReviewView {
    #[schema(value_type = String)]
    pub id: ReviewId,
    pub name: String,
    /// `role`, `group`, `product`, `token`.
    pub kinds: Vec<&'static str>,
    /// Whether it is about every kind of grant.
    pub covers_all: bool,
    /// `revoke` or `keep`: what becomes of grants that nobody decides.
    pub on_silence: &'static str,
    /// `gathering`, `open`, `applying`, `done` or `cancelled`.
    pub state: &'static str,
    pub started_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    pub grants: u64,
    pub keep: u64,
    pub revoke: u64,
    /// Of those, revoked since nobody answered.
    pub by_silence: u64,
    /// Revoked and seen to be gone.
    pub verified: u64,
}

impl ReviewView {
    pub(in super::super) fn new(review: Review, counts: Counts) -> Self {
        Self {
            id: review.id,
            covers_all: review.covers_all(),
            kinds: review.kinds.iter().map(|kind| kind.as_str()).collect(),
            name: review.name,
            on_silence: review.on_silence.as_str(),
            state: review.state.as_str(),
            started_by: review.started_by,
            started_at: review.started_at,
            due_at: review.due_at,
            finished_at: review.finished_at,
            grants: counts.all,
            keep: counts.keep,
            revoke: counts.revoke,
            by_silence: counts.by_silence,
            verified: counts.verified,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessReviewer)]
pub struct ReviewerView {
    #[schema(value_type = String)]
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub active: bool,
}

impl From<Reviewer> for ReviewerView {
    fn from(reviewer: Reviewer) -> Self {
        let Reviewer { account, email, name, active } = reviewer;
        Self { account, email, name, active }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessReviewDetail)]
pub struct ReviewDetailView {
    #[serde(flatten)]
    pub review: ReviewView,
    pub reviewers: Vec<ReviewerView>,
    /// You may decide now.
    pub reviews: bool,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ReviewedGrant)]
pub struct ItemView {
    #[schema(value_type = String)]
    pub id: ItemId,
    /// Null: a token of the operator.
    #[schema(value_type = Option<String>)]
    pub account: Option<AccountId>,
    pub email: String,
    pub kind: &'static str,
    pub what: String,
    /// `keep`, `revoke`, or null.
    pub decision: Option<&'static str>,
    pub reason: String,
    /// The name of who decided; empty: nobody answered.
    pub decided_by: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// `kept`, `revoked`, `gone` or `refused`; null until it was applied.
    pub effect: Option<String>,
    pub effect_words: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub effect_at: Option<Timestamp>,
    /// When it was seen to be gone.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
}

impl From<Item> for ItemView {
    fn from(item: Item) -> Self {
        Self {
            id: item.id,
            account: item.account,
            kind: item.grant.kind().as_str(),
            email: item.email,
            what: item.target_name,
            decision: item.decision.map(Choice::as_str),
            reason: item.reason,
            decided_by: item.decider,
            decided_at: item.decided_at,
            effect: item.effect,
            effect_words: item.effect_words,
            effect_at: item.effect_at,
            verified_at: item.verified_at,
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccessReview)]
pub struct NewReviewBody {
    #[schema(example = "Spring review")]
    pub name: String,
    /// `role`, `group`, `product`, `token`; all of them when not said.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Addresses of members; two at least where a reviewer has something in scope.
    #[schema(example = json!(["mara.lind@harbor.example", "jonas.berg@harbor.example"]))]
    pub reviewers: Vec<String>,
    /// 1 to 90; 14 when not said.
    #[serde(default = "days_default")]
    pub days: u32,
    /// `revoke` (when not said) or `keep`.
    #[serde(default = "silence_default")]
    #[schema(example = "revoke")]
    pub on_silence: String,
}

fn days_default() -> u32 {
    DAYS_DEFAULT
}

fn silence_default() -> String {
    Choice::Revoke.as_str().to_owned()
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReviewDecisions)]
pub struct DecisionsBody {
    #[schema(value_type = Vec<String>)]
    pub grants: Vec<ItemId>,
    /// `keep` or `revoke`.
    #[schema(example = "keep")]
    pub decision: String,
    /// Up to 500 characters; needed to revoke.
    #[serde(default)]
    #[schema(example = "still in the crew")]
    pub reason: String,
    /// Who decides; only the operator on the server's machine says so.
    #[serde(default)]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ReviewDecided)]
pub struct DecidedView {
    pub decided: usize,
}
