//! What the API of access requests takes and gives.

use platform::ids::AccountId;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::{Decision, Request, RequestId, State};
use crate::access_offers::OfferId;

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessRequest)]
pub struct RequestView {
    #[schema(value_type = String)]
    pub id: RequestId,
    #[schema(value_type = String)]
    pub account: AccountId,
    pub email: String,
    pub name: String,
    /// `group`, `product`, `role` or `membership`.
    pub kind: &'static str,
    /// What it was called when it was asked for.
    pub what: String,
    #[schema(value_type = Option<String>)]
    pub offer: Option<OfferId>,
    pub reason: String,
    /// For how long; 0: without end.
    pub days: u32,
    /// How many people must approve, and how many did.
    pub approvals: u32,
    pub approved: u32,
    /// `waiting`, `granted`, `refused`, `withdrawn`, `lapsed` or `ended`.
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// When it should be decided at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    pub overdue: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    pub ended_why: Option<String>,
}

impl RequestView {
    pub(crate) fn new(request: Request, now: Timestamp) -> Self {
        Self {
            id: request.id,
            account: request.account,
            kind: request.wanted.kind(),
            overdue: request.state == State::Waiting && request.due_at <= now,
            email: request.email,
            name: request.name,
            what: request.target_name,
            offer: request.offer,
            reason: request.reason,
            days: request.days,
            approvals: request.approvals,
            approved: request.approved,
            state: request.state.as_str(),
            asked_at: request.asked_at,
            due_at: request.due_at,
            decided_at: request.decided_at,
            expires_at: request.expires_at,
            ended_at: request.ended_at,
            ended_why: request.ended_why,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessDecision)]
pub struct DecisionView {
    #[schema(value_type = String)]
    pub account: AccountId,
    pub name: String,
    pub approved: bool,
    pub words: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let Decision { account, name, approved, words, at } = decision;
        Self { account, name, approved, words, at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessRequestDetail)]
pub struct RequestDetailView {
    #[serde(flatten)]
    pub request: RequestView,
    pub decisions: Vec<DecisionView>,
    /// You may decide now.
    pub decides: bool,
    /// So many more people would have to be able to approve; 0: enough are.
    pub approvers_missing: u64,
}

/// Something to ask for.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AccessOption)]
pub struct OptionView {
    #[schema(value_type = String)]
    pub offer: OfferId,
    pub kind: &'static str,
    pub name: String,
    pub approvals: u32,
    pub days_max: u32,
    pub hours_to_decide: u32,
    /// You have it.
    pub held: bool,
    /// You asked for it, and wait or were granted it.
    pub asked: bool,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = MyAccessRequests)]
pub struct MineView {
    /// The newest 100.
    pub asked: Vec<RequestView>,
    pub to_decide: Vec<RequestView>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccessRequest)]
pub struct NewRequestBody {
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// 1 to 500 characters without a link; those who decide read it.
    #[schema(example = "I cover for Ann in March")]
    pub reason: String,
    /// For how long, 1 to what the offer allows.
    #[schema(example = 30)]
    pub days: u32,
    /// Who asks; only the operator on the server's machine says so, everybody else asks for themselves.
    #[serde(default)]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccessDecision)]
pub struct DecisionBody {
    pub approve: bool,
    /// Up to 500 characters; whoever reads the request sees them.
    #[serde(default)]
    pub words: String,
    /// Who decides; only the operator on the server's machine says so.
    #[serde(default)]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccessWithdrawal)]
pub struct WhoBody {
    /// Whose request it is; only the operator on the server's machine says so.
    #[serde(default)]
    pub email: Option<String>,
}
