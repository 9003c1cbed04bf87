//! Access reviews: somebody looks at every grant again, and what should not be there goes.
//!
//! A review takes down who has what at one moment: roles (membership is the least of them), groups, memberships of
//! products, API tokens. Reviewers keep or revoke each with a reason, never their own. When it is finished, or due,
//! what nobody answered is decided by silence, and revocations go through the rules of the console: a directory's group
//! stays the directory's, the last owner stays, and each refusal is written down. Afterwards every revoked grant is
//! looked up once more, and only what is seen to be gone counts.

use std::time::Duration;

use platform::access::Role;
use platform::db::{DbError, ReadTx, Row};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};

use crate::api_tokens::ApiTokenId;
use crate::products::AccessId;

pub(crate) mod api;
mod applying;
mod deciding;
pub(crate) mod evidence;
mod gathering;
pub(crate) mod jobs;
mod pack;
pub(crate) mod pages;
pub(crate) mod sql;
mod starting;
#[cfg(test)]
mod tests;

pub use applying::finish;
pub use deciding::{Decided, cancel, decide};
pub use starting::{NewReview, Started, start};

platform::id! {
    /// A review of access.
    ReviewId,
    /// One grant in a review.
    ItemId
}

pub const DAYS_MAX: u32 = 90;
pub const DAYS_DEFAULT: u32 = 14;
pub const REVIEWERS_MAX: usize = 50;
/// Reviews of one organization that run at once.
pub const RUNNING_MAX: u64 = 5;
/// Decisions in one request.
pub const DECIDED_AT_ONCE_MAX: usize = 500;
/// How long a finished review counts.
pub const LASTS: Duration = Duration::from_secs(90 * DAY.as_secs());

/// A kind of grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Role,
    Group,
    Product,
    Token,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Self::Role, Self::Group, Self::Product, Self::Token];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Group => "group",
            Self::Product => "product",
            Self::Token => "token",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The grants are being taken down.
    Gathering,
    Open,
    /// Revocations take effect and are verified.
    Applying,
    Done,
    Cancelled,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gathering => "gathering",
            Self::Open => "open",
            Self::Applying => "applying",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Gathering, Self::Open, Self::Applying, Self::Done, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Keep,
    Revoke,
}

impl Choice {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Revoke => "revoke",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::Revoke].into_iter().find(|choice| choice.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub id: ReviewId,
    pub name: String,
    pub kinds: Vec<Kind>,
    pub on_silence: Choice,
    pub state: State,
    pub started_by: String,
    pub started_at: Timestamp,
    pub due_at: Timestamp,
    gathered_to: String,
    pub finished_at: Option<Timestamp>,
}

impl Review {
    pub fn covers_all(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.kinds.contains(kind))
    }
}

fn read_review(row: &Row) -> Result<Review, DbError> {
    Ok(Review {
        id: row.get(0)?,
        name: row.get(1)?,
        kinds: row.get::<String>(2)?.split(' ').filter_map(Kind::parse).collect(),
        on_silence: row.parse(3, Choice::parse)?,
        state: row.parse(4, State::parse)?,
        started_by: row.get(5)?,
        started_at: row.get(6)?,
        due_at: row.get(7)?,
        gathered_to: row.get(8)?,
        finished_at: row.get(9)?,
    })
}

/// What somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    Role(Role),
    Group(GroupId),
    Product(AccessId),
    Token(ApiTokenId),
}

impl Grant {
    pub fn kind(self) -> Kind {
        match self {
            Self::Role(_) => Kind::Role,
            Self::Group(_) => Kind::Group,
            Self::Product(_) => Kind::Product,
            Self::Token(_) => Kind::Token,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: ItemId,
    /// `None`: a token of the operator.
    pub account: Option<AccountId>,
    pub email: String,
    pub grant: Grant,
    pub target_name: String,
    pub decision: Option<Choice>,
    pub reason: String,
    pub decided_by: Option<AccountId>,
    /// The name of who decided.
    pub decider: String,
    pub decided_at: Option<Timestamp>,
    /// `kept`, `revoked`, `gone` or `refused`.
    pub effect: Option<String>,
    pub effect_words: String,
    pub effect_at: Option<Timestamp>,
    pub verified_at: Option<Timestamp>,
}

fn read_item(row: &Row) -> Result<Item, DbError> {
    let broken = || DbError::Check("an item of nothing".to_owned());
    let grant = match row.parse(3, Kind::parse)? {
        Kind::Group => Grant::Group(row.get(4)?),
        Kind::Product => Grant::Product(row.get(4)?),
        Kind::Token => Grant::Token(row.get(4)?),
        Kind::Role => {
            let role = row.get::<Option<String>>(5)?;
            Grant::Role(role.as_deref().and_then(Role::parse).ok_or_else(broken)?)
        }
    };
    let (name, email): (Option<String>, Option<String>) = (row.get(10)?, row.get(11)?);
    Ok(Item {
        id: row.get(0)?,
        account: row.get(1)?,
        email: row.get(2)?,
        grant,
        target_name: row.get(6)?,
        decision: row.get::<Option<String>>(7)?.as_deref().and_then(Choice::parse),
        reason: row.get(8)?,
        decided_by: row.get(9)?,
        decider: name.filter(|name| !name.is_empty()).or(email).unwrap_or_default(),
        decided_at: row.get(12)?,
        effect: row.get(13)?,
        effect_words: row.get(14)?,
        effect_at: row.get(15)?,
        verified_at: row.get(16)?,
    })
}

fn event(organization: OrganizationId, review: &Review, action: &'static str) -> Event {
    Event::new(organization, action).target("access_review", review.id).with("name", &review.name)
}

// ---- looking --------------------------------------------------------------------------------------------------

pub fn find(tx: &mut ReadTx, organization: OrganizationId, id: ReviewId) -> Result<Option<Review>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_review).transpose()
}

/// Reviews, the newest first. `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: Option<ReviewId>,
    limit: u32,
) -> Result<Vec<Review>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| platform::ids::Id::bytes(id).to_vec());
    tx.list(&sql::LIST, params![organization, before, limit], read_review)
}

/// Undecided grants that silence does not revoke: only owners decide about owners.
pub fn open_owners(tx: &mut ReadTx, organization: OrganizationId, id: ReviewId) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::COUNT_OPEN_OWNERS, params![organization, id])?.unwrap_or(0))
}

/// Open reviews that wait for this person, with how much each.
pub fn waiting_for(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Vec<(Review, u64)>, DbError> {
    let open = tx.list(&sql::OPEN_OF, params![organization, account], read_review)?;
    let mut out = Vec::with_capacity(open.len());
    for review in open {
        let left: Option<u64> = tx.scalar(&sql::COUNT_LEFT, params![organization, review.id, account])?;
        out.push((review, left.unwrap_or(0)));
    }
    Ok(out)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    /// Not suspended and still a member.
    pub active: bool,
}

pub fn reviewers(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: ReviewId,
) -> Result<Vec<Reviewer>, DbError> {
    tx.list(&sql::REVIEWERS, params![organization, id], |row| {
        let (member, account): (String, String) = (row.get(3)?, row.get(4)?);
        Ok(Reviewer {
            account: row.get(0)?,
            email: row.get(1)?,
            name: row.get(2)?,
            active: member == "active" && account == "active",
        })
    })
}

/// Whether somebody is an active reviewer of it, looked up now.
pub fn reviews(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: ReviewId,
    account: AccountId,
) -> Result<bool, DbError> {
    Ok(reviewers(tx, organization, id)?.iter().any(|one| one.account == account && one.active))
}

pub fn find_item(
    tx: &mut ReadTx,
    organization: OrganizationId,
    review: ReviewId,
    id: ItemId,
) -> Result<Option<Item>, DbError> {
    tx.first(&sql::ITEM, params![organization, review, id])?.as_ref().map(read_item).transpose()
}

/// Which grants a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `keep`, `revoke`, or `none` for those without a decision.
    pub decision: Option<String>,
    pub kind: Option<Kind>,
    /// Beginning of the holder's address.
    pub search: String,
}

/// Grants by holder; `after` is the address and the id to go on behind.
pub fn items(
    tx: &mut ReadTx,
    organization: OrganizationId,
    review: ReviewId,
    filter: &Filter,
    after: Option<(&str, ItemId)>,
    limit: u32,
) -> Result<Vec<Item>, DbError> {
    let until = format!("{}\u{10ffff}", filter.search);
    let (email, id) = match after {
        Some((email, id)) => (email.to_owned(), platform::ids::Id::bytes(id).to_vec()),
        None => (String::new(), vec![0; 16]),
    };
    let row = params![
        organization,
        review,
        filter.decision.as_deref(),
        filter.kind.map(Kind::as_str),
        filter.search.as_str(),
        until,
        email,
        id,
        limit
    ];
    tx.list(&sql::ITEMS, row, read_item)
}

/// How far a review is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub all: u64,
    pub keep: u64,
    pub revoke: u64,
    /// Of those, revoked since nobody answered.
    pub by_silence: u64,
    /// Revoked and seen to be gone.
    pub verified: u64,
}

impl Counts {
    pub fn open(&self) -> u64 {
        self.all.saturating_sub(self.keep + self.revoke)
    }
}

pub fn counts(tx: &mut ReadTx, organization: OrganizationId, id: ReviewId) -> Result<Counts, DbError> {
    let Some(row) = tx.first(&sql::COUNTS, params![organization, id])? else { return Ok(Counts::default()) };
    let number = |column: usize| row.get::<Option<u64>>(column).map(|count| count.unwrap_or(0));
    Ok(Counts {
        all: number(0)?,
        keep: number(1)?,
        revoke: number(2)?,
        by_silence: number(3)?,
        verified: number(4)?,
    })
}

/// A review as one person sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub review: Review,
    pub counts: Counts,
    pub reviewers: Vec<Reviewer>,
    /// This person may decide now.
    pub reviews: bool,
}

/// `None` where somebody has no business: neither a reviewer, nor may they read people (`reads`).
pub fn seen_by(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: ReviewId,
    account: Option<AccountId>,
    reads: bool,
) -> Result<Option<Seen>, DbError> {
    let Some(review) = find(tx, organization, id)? else { return Ok(None) };
    let reviewers = reviewers(tx, organization, id)?;
    let mine = reviewers.iter().any(|one| Some(one.account) == account && one.active);
    if !mine && !reads {
        return Ok(None);
    }
    let counts = counts(tx, organization, id)?;
    Ok(Some(Seen { reviews: mine && review.state == State::Open, review, counts, reviewers }))
}
