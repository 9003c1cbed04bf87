//! What waits for somebody in all their organizations: what the page of their own account begins with.

use platform::db::{DbError, ReadTx};
use platform::ids::AccountId;
use platform::principals::{self, MembershipState, OrganizationState};
use platform::time::Timestamp;

use crate::{access_requests, access_reviews, awareness};

/// Organizations that are looked at; nobody reads a longer list.
const ORGANIZATIONS_MAX: usize = 50;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// By name.
    pub organization: String,
    pub what: String,
    /// What its link says.
    pub act: &'static str,
    pub href: String,
    pub until: Option<Timestamp>,
}

/// Reviews with grants to decide, requests to decide and the notice to acknowledge, organization by organization.
pub fn of(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Vec<Waiting>, DbError> {
    let mut found = Vec::new();
    for (organization, membership) in
        principals::memberships_of(tx, account)?.into_iter().take(ORGANIZATIONS_MAX)
    {
        if membership.state != MembershipState::Active || organization.state != OrganizationState::Active {
            continue;
        }
        let slug = &organization.slug;
        let mut add = |what: String, act, path: String, until| {
            let href = format!("/o/{slug}/{path}");
            found.push(Waiting { organization: organization.name.clone(), what, act, href, until });
        };
        for (review, left) in access_reviews::waiting_for(tx, organization.id, account)? {
            if left > 0 {
                let what = format!("Review {}: {} to decide", review.name, counted(left, "grant", "grants"));
                add(what, "Decide", format!("access-reviews/{}", review.id), Some(review.due_at));
            }
        }
        for request in access_requests::to_decide(tx, organization.id, account)? {
            let who = if request.name.is_empty() { &request.email } else { &request.name };
            let what = format!("{who} asks for {}", request.target_name);
            add(what, "Decide", format!("access/requests/{}", request.id), Some(request.due_at));
        }
        if let Some(notice) = awareness::latest(tx, organization.id)?
            && awareness::acknowledged_at(tx, organization.id, account, now)?.is_none()
        {
            add(format!("Notice: {}", notice.title), "Read it", "awareness".to_owned(), None);
        }
    }
    Ok(found)
}

fn counted(many: u64, one: &str, more: &str) -> String {
    if many == 1 { format!("1 {one}") } else { format!("{many} {more}") }
}
