//! Awareness: a short notice on passwords that each person with access reads and acknowledges, every 12 months.
//!
//! An organization publishes its notice; its people get it by mail and on a page, and say that they read it. Whoever
//! joins later is told by the daily job, and so is, once a month, whoever has not answered. A new text keeps old
//! acknowledgements unless it says that everybody reads again. Only the person can acknowledge: nobody does it for them.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, MembershipState};
use platform::time::{DAY, Timestamp};
use platform::{App, Ctx};

use crate::accounts::join;
use crate::names::Name;
use crate::organizations;

pub(crate) mod api;
pub(crate) mod evidence;
pub(crate) mod jobs;
pub(crate) mod pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

/// How long an acknowledgement counts.
pub const LASTS: Duration = Duration::from_secs(365 * DAY.as_secs());
/// How often somebody is reminded by the daily job.
pub const REMINDED_EVERY: Duration = Duration::from_secs(30 * DAY.as_secs());
pub const BODY_CHARS_MAX: usize = 5000;

/// What the form suggests.
pub const SUGGESTED_TITLE: &str = "Passwords: what we ask of you";
pub const SUGGESTED_BODY: &str = "Use a password manager and let it make a long password for each place. Never use one twice.

A passkey or an authenticator app protects you better than any password: add one to your account.

Nobody from here asks for your password or a code, by mail, telephone or chat. Whoever does is not one of us: tell us.

Look at the address before you type a password. If you typed one in the wrong place, change it at once and tell us.";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub version: u32,
    pub title: String,
    pub body: String,
    /// Acknowledgements from before it count no more.
    pub renews: bool,
    pub published_by: String,
    pub published_at: Timestamp,
}

fn read_notice(row: &Row) -> Result<Notice, DbError> {
    Ok(Notice {
        version: row.get(0)?,
        title: row.get(1)?,
        body: row.get(2)?,
        renews: row.get(3)?,
        published_by: row.get(4)?,
        published_at: row.get(5)?,
    })
}

/// The notice in force.
pub fn latest(tx: &mut ReadTx, organization: OrganizationId) -> Result<Option<Notice>, DbError> {
    tx.first(&sql::LATEST, params![organization])?.as_ref().map(read_notice).transpose()
}

/// Since when an acknowledgement counts.
fn counts_since(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Timestamp, DbError> {
    let renewed: Option<Option<Timestamp>> = tx.scalar(&sql::RENEWED_AT, params![organization])?;
    let year = now.minus(LASTS);
    // What was said in the moment of publishing was said about the new text.
    Ok(renewed.flatten().map_or(year, |at| at.minus(Duration::from_micros(1)).max(year)))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    pub title: Name,
    pub body: String,
    pub renews: bool,
}

/// Publishes a notice; a job mails it to whoever has yet to acknowledge. The first one always renews.
pub fn publish(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    new: &NewNotice,
) -> Result<Commit<Notice>, DbError> {
    organizations::lock(tx, organization)?;
    let version = latest(tx, organization)?.map_or(1, |notice| notice.version + 1);
    let row = params![organization, version, new.title.as_str(), new.body.as_str(), new.renews, by, ctx.now];
    tx.execute(&sql::INSERT, row)?;
    jobs::schedule(ctx, tx, organization)?;
    let event = Event::new(organization, "awareness.published")
        .with("version", version)
        .with("title", &new.title)
        .with("renews", new.renews);
    let recorded = tx.record(event);
    let notice = Notice {
        version,
        title: new.title.as_str().to_owned(),
        body: new.body.clone(),
        renews: new.renews,
        published_by: by.to_owned(),
        published_at: ctx.now,
    };
    Ok(Commit::changed(notice, recorded))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    Done,
    /// Nothing was published yet, or another text meanwhile: look again.
    NotThisText,
    NotMember,
}

/// Says "I read this" about the text with this version.
pub fn acknowledge(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    account: AccountId,
    version: u32,
) -> Result<Commit<Acknowledged>, DbError> {
    // Neither the notice nor the membership may change before the insert that refers to them.
    organizations::lock(tx, organization)?;
    let member = principals::membership(tx, organization, account)?;
    let Some(member) = member.filter(|member| member.state == MembershipState::Active) else {
        return Ok(Commit::unchanged(Acknowledged::NotMember));
    };
    if latest(tx, organization)?.is_none_or(|notice| notice.version != version) {
        return Ok(Commit::unchanged(Acknowledged::NotThisText));
    }
    tx.execute(&sql::ACKNOWLEDGE, params![organization, account, version, ctx.now])?;
    let event = Event::new(organization, "awareness.acknowledged")
        .target("account", account)
        .with("version", version)
        .personal("email", &member.email);
    let recorded = tx.record(event);
    Ok(Commit::changed(Acknowledged::Done, recorded))
}

/// When somebody acknowledged, if it still counts.
pub fn acknowledged_at(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<Timestamp>, DbError> {
    let since = counts_since(tx, organization, now)?;
    let own: Option<Option<Timestamp>> = tx.scalar(&sql::OWN, params![organization, account])?;
    Ok(own.flatten().filter(|at| *at > since))
}

/// How many people have access, and how many of them acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub people: u64,
    pub acknowledged: u64,
    /// When the first of the acknowledgements that count runs out.
    pub next_end: Option<Timestamp>,
}

impl Share {
    /// At least 95 of 100.
    pub fn is_enough(&self) -> bool {
        self.acknowledged * 100 >= self.people * 95
    }
}

pub fn share(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Share, DbError> {
    let since = counts_since(tx, organization, now)?;
    let Some(row) = tx.first(&sql::COUNT, params![organization, since])? else {
        return Err(DbError::Check("a count has a row".to_owned()));
    };
    Ok(Share {
        people: row.get(0)?,
        acknowledged: row.get(1)?,
        next_end: row.get::<Option<Timestamp>>(2)?.map(|oldest| oldest.plus(LASTS)),
    })
}

/// Somebody who has yet to acknowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub account: AccountId,
    pub email: String,
    pub name: String,
    /// An acknowledgement that counts no more.
    pub last_at: Option<Timestamp>,
    pub told_at: Option<Timestamp>,
}

fn read_missing(row: &Row) -> Result<Missing, DbError> {
    Ok(Missing {
        account: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        last_at: row.get(3)?,
        told_at: row.get(4)?,
    })
}

/// Who has yet to acknowledge, by address; `after` is the address to go on behind.
pub fn missing(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Missing>, DbError> {
    let since = counts_since(tx, organization, now)?;
    tx.list(&sql::MISSING, params![organization, after, since, limit], read_missing)
}

/// Mails the notice to the next people who have yet to acknowledge and were not told since; gives how many.
pub(crate) fn tell_some(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    not_since: Timestamp,
) -> Result<Commit<usize>, DbError> {
    const BATCH: u32 = 200;
    let Some(notice) = latest(tx, organization)? else { return Ok(Commit::unchanged(0)) };
    let since = counts_since(tx, organization, ctx.now)?;
    let people = tx.list(&sql::TO_TELL, params![organization, since, not_since, BATCH], read_missing)?;
    if people.is_empty() {
        return Ok(Commit::unchanged(0));
    }
    let here = principals::organization(tx, organization)?;
    let (name, slug) = here.map(|here| (here.name, here.slug)).unwrap_or_default();
    let page = join(&app.config().public_url, &format!("/o/{slug}/awareness"));
    let text = format!("{}\n\n{}\n\nSay that you read it:\n{page}\n", notice.title, notice.body);
    let subject = format!("{name} asks you to read: {}", notice.title);
    let messages: Vec<Message> =
        people.iter().map(|one| Message::text(&one.email, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(organization), &messages)?;
    let rows = people.iter().map(|one| params![organization, one.account, ctx.now].to_vec()).collect();
    tx.execute_many(&sql::TOLD, rows)?;
    let told = Event::new(organization, "awareness.reminded").with("mails", people.len());
    let recorded = tx.record(told.with("version", notice.version));
    Ok(Commit::changed(people.len(), recorded))
}
