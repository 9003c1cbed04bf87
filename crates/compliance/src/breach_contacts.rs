//! Breach contacts: who is told first when a breach touches an organization's data.
//!
//! A contact counts only after its own click on the mailed link, and for 12 months. The store keeps the SHA-256 of the
//! link's secret alone; the link works once and for 14 days; opening its page does not use it up, since mail scanners
//! open links. A changed name or address is another contact: it has to confirm anew.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::db::{Commit, DbError, ReadTx, Recorded, Row, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, Organization, OrganizationState};
use platform::time::{DAY, MINUTE, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

pub(crate) mod api;
pub(crate) mod evidence;
pub(crate) mod jobs;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

platform::id! {
    /// A breach contact.
    ContactId
}

/// How long a confirmation counts.
pub const CONFIRMED_FOR: Duration = Duration::from_secs(365 * DAY.as_secs());
/// How long a mailed link works.
pub const LINK_LIFETIME: Duration = Duration::from_secs(14 * DAY.as_secs());
/// Contacts of one organization.
pub const CONTACTS_MAX: u64 = 20;
/// Mails that one organization may cause with its contacts in a day.
pub const ASKED_PER_DAY_MAX: u64 = 50;
const ASK_AGAIN_AFTER: Duration = MINUTE;

/// What a contact answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactRole {
    Security,
    Privacy,
    Legal,
    Executive,
}

impl ContactRole {
    pub const ALL: [ContactRole; 4] = [Self::Security, Self::Privacy, Self::Legal, Self::Executive];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Privacy => "privacy",
            Self::Legal => "legal",
            Self::Executive => "executive",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Security => "Security",
            Self::Privacy => "Privacy",
            Self::Legal => "Legal",
            Self::Executive => "Executive",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub organization: OrganizationId,
    pub id: ContactId,
    pub name: String,
    pub email: String,
    /// Empty: none.
    pub phone: String,
    pub role: ContactRole,
    pub primary: bool,
    pub asked_at: Timestamp,
    pub confirmed_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl Contact {
    /// Until when the confirmation counts, where it does at `now`.
    pub fn confirmed_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.confirmed_at.map(|at| at.plus(CONFIRMED_FOR)).filter(|until| *until > now)
    }
}

fn read_contact(row: &Row) -> Result<Contact, DbError> {
    Ok(Contact {
        organization: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        phone: row.get(4)?,
        role: row.parse(5, ContactRole::parse)?,
        primary: row.get(6)?,
        asked_at: row.get(7)?,
        confirmed_at: row.get(8)?,
        created_at: row.get(9)?,
    })
}

/// What is said about a contact; made by [`Details::check`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    name: String,
    email: String,
    phone: String,
    role: ContactRole,
    primary: bool,
}

/// A member's name and what is wrong with it.
pub type Wrong = Vec<(&'static str, String)>;

impl Details {
    pub fn check(
        name: &str,
        email: &str,
        phone: &str,
        role: ContactRole,
        primary: bool,
    ) -> Result<Self, Wrong> {
        let (name, email, phone) = (name.trim(), email.trim(), phone.trim());
        let complaints = [
            ("name", name_complaint(name)),
            ("email", email_complaint(email)),
            ("phone", phone_complaint(phone)),
        ];
        let wrong: Wrong = complaints.into_iter().filter_map(|(field, why)| Some((field, why?))).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned(), phone: phone.to_owned(), role, primary })
    }

    fn email_key(&self) -> String {
        self.email.to_lowercase()
    }
}

/// Control characters, and direction marks that could make one name read as another.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn name_complaint(name: &str) -> Option<String> {
    const CHARS_MAX: usize = 100;
    let long = name.chars().count();
    if long == 0 {
        return Some("say who it is: a name, or a team such as `Security desk`".to_owned());
    }
    if long > CHARS_MAX {
        return Some(format!("the name has {long} characters: use up to {CHARS_MAX}"));
    }
    name.chars().any(hidden).then(|| "the name has an invisible character: type it again".to_owned())
}

fn email_complaint(email: &str) -> Option<String> {
    const OCTETS_MAX: usize = 254;
    if email.len() > OCTETS_MAX {
        return Some(format!("the address is longer than {OCTETS_MAX} characters"));
    }
    if !email.is_ascii() {
        return Some(
            "write an international domain in its `xn--` form; other characters are not mailed to".to_owned(),
        );
    }
    let shaped = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'));
    let plain = !email.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ','));
    if shaped && plain && mail::is_mailbox(email) {
        return None;
    }
    let shown: String = email.chars().take(64).collect();
    Some(format!("`{shown}` is no mail address: write one such as `security@example.com`"))
}

fn phone_complaint(phone: &str) -> Option<String> {
    let digits = phone.chars().filter(char::is_ascii_digit).count();
    let fits = phone.is_empty()
        || ((5..=20).contains(&digits)
            && phone.len() <= 40
            && phone.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c)));
    (!fits).then(|| "write a phone number with its country code, such as `+41 44 123 45 67`".to_owned())
}

/// How adding, changing or asking ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    Done(Contact),
    NoSuchContact,
    /// Another contact of this organization has the address.
    AddressTaken,
    /// [`CONTACTS_MAX`]
    TooMany,
    /// [`ASKED_PER_DAY_MAX`]
    TooManyMails,
    /// Asked less than a minute ago.
    TooSoon,
}

pub fn list(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Contact>, DbError> {
    tx.list(&sql::LIST, params![organization], read_contact)
}

pub fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: ContactId,
) -> Result<Option<Contact>, DbError> {
    tx.first(&sql::FIND, params![organization, id])?.as_ref().map(read_contact).transpose()
}

/// Adds a contact and mails it the link. A primary one takes the place of the primary before.
pub fn add(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    details: &Details,
) -> Result<Commit<Saved>, DbError> {
    let Some(here) = principals::organization_for_update(tx, organization)? else {
        return Ok(Commit::unchanged(Saved::NoSuchContact));
    };
    if tx.scalar::<u64>(&sql::COUNT, params![organization])?.unwrap_or(0) >= CONTACTS_MAX {
        return Ok(Commit::unchanged(Saved::TooMany));
    }
    let id: ContactId = ctx.id();
    if let Some(refused) = refusal(ctx, tx, organization, id, details, true)? {
        return Ok(Commit::unchanged(refused));
    }
    if details.primary {
        tx.execute(&sql::CLEAR_PRIMARY, params![organization, id])?;
    }
    tx.execute(
        &sql::INSERT,
        params![
            organization,
            id,
            details.name.as_str(),
            details.email.as_str(),
            details.email_key(),
            details.phone.as_str(),
            details.role.as_str(),
            details.primary,
            ctx.now
        ],
    )?;
    let added = Event::new(organization, "breach_contact.added")
        .target("breach_contact", id)
        .with("role", details.role.as_str())
        .with("primary", details.primary)
        .personal("name", &details.name)
        .personal("email", &details.email);
    let _added = tx.record(added);
    let recorded = send_link(app, ctx, tx, &here, id, details)?;
    finish(tx, organization, id, recorded)
}

/// Changes a contact. Another name or address has to be confirmed anew.
pub fn change(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ContactId,
    details: &Details,
) -> Result<Commit<Saved>, DbError> {
    let here = principals::organization_for_update(tx, organization)?;
    let (Some(here), Some(before)) = (here, find(tx, organization, id)?) else {
        return Ok(Commit::unchanged(Saved::NoSuchContact));
    };
    let another = before.name != details.name || before.email != details.email;
    let same = !another
        && before.phone == details.phone
        && before.role == details.role
        && before.primary == details.primary;
    if same {
        return Ok(Commit::unchanged(Saved::Done(before)));
    }
    if let Some(refused) = refusal(ctx, tx, organization, id, details, another)? {
        return Ok(Commit::unchanged(refused));
    }
    if details.primary {
        tx.execute(&sql::CLEAR_PRIMARY, params![organization, id])?;
    }
    tx.execute(
        &sql::UPDATE,
        params![
            organization,
            id,
            details.name.as_str(),
            details.email.as_str(),
            details.email_key(),
            details.phone.as_str(),
            details.role.as_str(),
            details.primary
        ],
    )?;
    let changed = Event::new(organization, "breach_contact.changed")
        .target("breach_contact", id)
        .with("role", details.role.as_str())
        .with("primary", details.primary)
        .with("confirmation_kept", !another)
        .personal("name", &details.name)
        .personal("email", &details.email);
    let mut recorded = tx.record(changed);
    if another {
        tx.execute(&sql::FORGET_CONFIRMATION, params![organization, id])?;
        recorded = send_link(app, ctx, tx, &here, id, details)?;
    }
    finish(tx, organization, id, recorded)
}

fn finish(
    tx: &mut Tx,
    organization: OrganizationId,
    id: ContactId,
    recorded: Recorded,
) -> Result<Commit<Saved>, DbError> {
    let saved = find(tx, organization, id)?.map_or(Saved::NoSuchContact, Saved::Done);
    Ok(Commit::changed(saved, recorded))
}

fn refusal(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ContactId,
    details: &Details,
    mails: bool,
) -> Result<Option<Saved>, DbError> {
    if tx.scalar::<u64>(&sql::TAKEN, params![organization, details.email_key(), id])?.unwrap_or(0) > 0 {
        return Ok(Some(Saved::AddressTaken));
    }
    Ok((mails && mailed_enough(ctx, tx, organization)?).then_some(Saved::TooManyMails))
}

fn mailed_enough(ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<bool, DbError> {
    let asked: u64 = tx.scalar(&sql::ASKED_SINCE, params![organization, ctx.now.minus(DAY)])?.unwrap_or(0);
    Ok(asked >= ASKED_PER_DAY_MAX)
}

/// Mails a new link; the old one is dead. A confirmation that still counts goes on counting.
pub fn ask(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ContactId,
) -> Result<Commit<Saved>, DbError> {
    let here = principals::organization_for_update(tx, organization)?;
    let (Some(here), Some(found)) = (here, find(tx, organization, id)?) else {
        return Ok(Commit::unchanged(Saved::NoSuchContact));
    };
    if ctx.now.since(found.asked_at) < ASK_AGAIN_AFTER {
        return Ok(Commit::unchanged(Saved::TooSoon));
    }
    if mailed_enough(ctx, tx, organization)? {
        return Ok(Commit::unchanged(Saved::TooManyMails));
    }
    let details = Details {
        name: found.name,
        email: found.email,
        phone: found.phone,
        role: found.role,
        primary: found.primary,
    };
    let recorded = send_link(app, ctx, tx, &here, id, &details)?;
    finish(tx, organization, id, recorded)
}

fn send_link(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    here: &Organization,
    id: ContactId,
    details: &Details,
) -> Result<Recorded, DbError> {
    let secret: [u8; 32] = ctx.random_bytes();
    let expires = ctx.now.plus(LINK_LIFETIME);
    tx.execute(&sql::ASK, params![here.id, id, sha256(&secret), expires, ctx.now])?;
    let base = app.config().public_url.as_str().trim_end_matches('/').to_owned();
    let link = format!("{base}/contacts/confirm/{}", URL_SAFE_NO_PAD.encode(secret));
    let provider = &app.provider_name();
    let text = format!(
        "{} named you, {}, as its {} contact at {provider}: who is told first when a breach touches its data.\n\n\
         If that is right, open this link and confirm. It works once, until {}:\n{link}\n\n\
         You are asked again after 12 months. If this is a mistake, do nothing: you count only after confirming.\n",
        here.name,
        details.name,
        details.role.as_str(),
        expires.minute_words(),
    );
    let subject = format!("Confirm that you are the {} contact of {}", details.role.as_str(), here.name);
    mail::enqueue(app.keyring(), ctx, tx, Some(here.id), &Message::text(&details.email, &subject, &text))?;
    let asked = Event::new(here.id, "breach_contact.asked").target("breach_contact", id);
    Ok(tx.record(asked.personal("email", &details.email)))
}

/// Takes a contact away; `false` when there is no such one.
pub fn remove(tx: &mut Tx, organization: OrganizationId, id: ContactId) -> Result<Commit<bool>, DbError> {
    principals::organization_for_update(tx, organization)?;
    let Some(found) = find(tx, organization, id)? else { return Ok(Commit::unchanged(false)) };
    tx.execute(&sql::DELETE, params![organization, id])?;
    let removed = Event::new(organization, "breach_contact.removed")
        .target("breach_contact", id)
        .with("primary", found.primary)
        .personal("name", &found.name)
        .personal("email", &found.email);
    let recorded = tx.record(removed);
    Ok(Commit::changed(true, recorded))
}

// ---- the contact's side ---------------------------------------------------------------------------------------

/// The secret of a mailed link. Never shown: no `Debug`.
pub struct Secret([u8; 32]);

impl Secret {
    /// `None` for anything but one spelling of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    fn hash(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Looks without using the link up; `None` for every reason it does not work.
pub fn open(
    tx: &mut ReadTx,
    secret: &Secret,
    now: Timestamp,
) -> Result<Option<(Organization, Contact)>, DbError> {
    let Some(row) = tx.first(&sql::BY_TOKEN, params![secret.hash(), now])? else { return Ok(None) };
    let contact = read_contact(&row)?;
    let here = principals::organization(tx, contact.organization)?;
    Ok(here.filter(|here| here.state == OrganizationState::Active).map(|here| (here, contact)))
}

/// Uses the link up: from now on the contact counts. `None` when it does not work.
pub fn confirm(ctx: &Ctx, tx: &mut Tx, secret: &Secret) -> Result<Commit<Option<Organization>>, DbError> {
    let Some((here, contact)) = open(tx, secret, ctx.now)? else { return Ok(Commit::unchanged(None)) };
    // The update decides: of two requests at once only one changes the row.
    if tx.execute(&sql::CONFIRM, params![here.id, secret.hash(), ctx.now])? != 1 {
        return Ok(Commit::unchanged(None));
    }
    let confirmed = Event::new(here.id, "breach_contact.confirmed")
        .target("breach_contact", contact.id)
        .with("until", ctx.now.plus(CONFIRMED_FOR))
        .personal("email", &contact.email);
    let recorded = tx.record(confirmed);
    Ok(Commit::changed(Some(here), recorded))
}
