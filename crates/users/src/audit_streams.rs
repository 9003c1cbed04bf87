//! Audit streams: an organization's audit log sent on as it grows, to a signed webhook or to syslog over TLS.
//!
//! - In order, at least once: a batch is sent again until the receiver acknowledged it, and the next one never before. How
//!   far a stream has come is stored with the acknowledgement; `jobs` sends.
//! - A receiver that is down is tried again after 10 s, 20 s … up to an hour. After [`HALTED_AFTER`] of nothing but
//!   failures, or when it says `410 Gone`, the stream is halted and the admins are told; nothing is lost, a resumed stream
//!   goes on where it stopped.
//! - What signs webhooks is sealed, shown once, and rotates with an overlap in which both secrets sign.
//! - Receivers are reached through the guarded client (`platform::outbound`) alone.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::{Event, proofs};
use platform::ids::{Id, OrganizationId};
use platform::mail::{self, Message};
use platform::params;
use platform::principals;
use platform::secrets::Keyring;
use platform::secrets::rotation::{Holding, SealedValue};
use platform::time::{DAY, HOUR, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use crate::accounts::join;
use crate::audit_log::formats::Format;
use crate::names::Name;
use crate::{domains, organizations};

pub(crate) mod api;
pub(crate) mod evidence;
pub(crate) mod jobs;
pub(crate) mod pages;
mod progress;
mod sending;
pub mod signing;
pub(crate) mod sql;
pub mod syslog;
#[cfg(test)]
mod tests;

platform::id! {
    /// A stream of an organization's audit log.
    StreamId
}

pub const STREAMS_MAX: u64 = 10;
/// How long the secret before signs beside the new one.
pub const OVERLAP: Duration = DAY;
/// A stream that fails for so long is halted.
pub const HALTED_AFTER: Duration = Duration::from_secs(3 * DAY.as_secs());
/// A stream is live while its last acknowledgement is younger.
pub const LIVE_WITHIN: Duration = DAY;
/// Failures in a row after which the log says that a stream fails.
pub const FAILURES_TOLD: u32 = 3;
const PURPOSE: &str = "audit stream secret";
const SECRET_BYTES: usize = 32;

platform::holding! { Holding {
    name: "audit_streams.secret",
    purpose: PURPOSE,
    census: |tx| tx.list(&sql::CENSUS, &[], |row| Ok((row.get(0)?, row.get(1)?))),
    list: |tx, before, after, limit| {
        tx.list(&sql::SEALED_BEFORE, params![before.to_vec(), after.to_vec(), limit], |row| {
            let id: StreamId = row.get(0)?;
            Ok(SealedValue { row: id.bytes().to_vec(), context: id.bytes().to_vec(), sealed: row.get(1)? })
        })
    },
    replace: |tx, row, old, new| {
        Ok(tx.execute(&sql::RESEALED, params![row.to_vec(), old.to_vec(), new])? == 1)
    },
} }

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal, $label:literal);+ $(;)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        $(#[$meta])*
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),+ } }

            pub fn label(self) -> &'static str { match self { $(Self::$variant => $label),+ } }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words! {
    /// How a receiver is spoken to.
    #[schema(as = AuditStreamKind)]
    Kind {
        Webhook = "webhook", "Signed webhook";
        Syslog = "syslog", "Syslog over TLS";
    }
}

words! {
    /// Whether a stream sends.
    #[schema(as = AuditStreamState)]
    State {
        Active = "active", "Active";
        Paused = "paused", "Paused";
        Halted = "halted", "Halted after failures";
    }
}

/// The formats that streams speak.
pub const FORMATS: [Format; 3] = [Format::Jsonl, Format::Ocsf, Format::Cef];

#[derive(Clone, Debug)]
pub struct Stream {
    pub organization: OrganizationId,
    pub id: StreamId,
    pub name: String,
    pub kind: Kind,
    /// A URL, or `host:port`.
    pub target: String,
    /// Who alone may vouch for a syslog receiver (PEM).
    pub authorities: Option<String>,
    pub format: Format,
    pub state: State,
    sealed: Option<Vec<u8>>,
    pub overlap_until: Option<Timestamp>,
    /// The first event that was not acknowledged yet.
    pub next: u64,
    pub acknowledged_at: Option<Timestamp>,
    /// Since the last acknowledgement.
    pub failures: u32,
    pub failing_since: Option<Timestamp>,
    /// Why the last try failed.
    pub failure: String,
    pub next_try_at: Timestamp,
    pub created_at: Timestamp,
}

fn read_stream(row: &Row) -> Result<Stream, DbError> {
    Ok(Stream {
        organization: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        kind: row.parse(3, Kind::parse)?,
        target: row.get(4)?,
        authorities: row.get(5)?,
        format: row.parse(6, Format::parse)?,
        state: row.parse(7, State::parse)?,
        sealed: row.get(8)?,
        overlap_until: row.get(9)?,
        next: row.get(10)?,
        acknowledged_at: row.get(11)?,
        failures: row.get(12)?,
        failing_since: row.get(13)?,
        failure: row.get(14)?,
        next_try_at: row.get(15)?,
        created_at: row.get(16)?,
    })
}

/// What is sealed: the secret in force, and the one before.
#[derive(Serialize, Deserialize)]
struct Sealed {
    current: String,
    before: Option<String>,
}

impl Stream {
    /// Its receiver took something lately.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let lately = self.acknowledged_at.is_some_and(|at| now.since(at) < LIVE_WITHIN);
        self.state == State::Active && lately && !self.is_failing()
    }

    /// It failed so often in a row that the log says so.
    pub fn is_failing(&self) -> bool {
        self.failures >= FAILURES_TOLD
    }

    /// The secrets that sign at `now`, the one in force first; none for syslog.
    fn secrets(&self, keyring: &Keyring, now: Timestamp) -> Result<Vec<Vec<u8>>, DbError> {
        let Some(sealed) = self.unseal(keyring)? else { return Ok(Vec::new()) };
        let overlaps = self.overlap_until.is_some_and(|until| now < until);
        let texts = std::iter::once(sealed.current).chain(sealed.before.filter(|_| overlaps));
        let broken = |_| DbError::Check("the secret of a stream is not readable".to_owned());
        texts.map(|text| STANDARD.decode(text).map_err(broken)).collect()
    }

    fn unseal(&self, keyring: &Keyring) -> Result<Option<Sealed>, DbError> {
        let Some(sealed) = &self.sealed else { return Ok(None) };
        let failed = |error: String| DbError::Check(format!("the secret of a stream: {error}"));
        let plain = keyring.open(PURPOSE, &self.id.bytes(), sealed).map_err(|e| failed(e.to_string()))?;
        serde_json::from_slice(plain.expose()).map(Some).map_err(|e| failed(e.to_string()))
    }
}

fn seal(app: &App, ctx: &Ctx, id: StreamId, sealed: &Sealed) -> Result<Vec<u8>, DbError> {
    let failed = |error: String| DbError::Check(format!("the secret of a stream: {error}"));
    let plain = serde_json::to_vec(sealed).map_err(|error| failed(error.to_string()))?;
    app.keyring().seal(PURPOSE, &id.bytes(), &plain, ctx.random()).map_err(|error| failed(error.to_string()))
}

fn new_secret(ctx: &Ctx) -> String {
    STANDARD.encode(ctx.random_bytes::<SECRET_BYTES>())
}

pub fn list(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Stream>, DbError> {
    tx.list(&sql::LIST, params![organization], read_stream)
}

pub fn get(tx: &mut ReadTx, organization: OrganizationId, id: StreamId) -> Result<Option<Stream>, DbError> {
    tx.first(&sql::GET, params![organization, id])?.as_ref().map(read_stream).transpose()
}

/// Where a new stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// What happens from now on.
    Now,
    /// This event: 0 is the beginning of the log.
    Sequence(u64),
}

#[derive(Clone, Debug)]
pub struct NewStream {
    pub name: Name,
    pub kind: Kind,
    pub target: String,
    pub authorities: Option<String>,
    pub format: Format,
    pub from: Start,
    /// Sends nothing until somebody resumes it.
    pub paused: bool,
}

#[derive(Clone, Debug)]
pub enum Creation {
    /// With the secret of a webhook, base64: shown once.
    Done(Box<Stream>, Option<String>),
    NameTaken,
    TooMany,
    /// The log has no such event yet; so many it has.
    Beyond(u64),
}

pub fn create(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    new: &NewStream,
) -> Result<Commit<Creation>, DbError> {
    organizations::lock(tx, organization)?;
    if tx.scalar::<u64>(&sql::COUNT, params![organization])?.unwrap_or(0) >= STREAMS_MAX {
        return Ok(Commit::unchanged(Creation::TooMany));
    }
    let (size, _) = proofs::head(tx, organization)?;
    let next = match new.from {
        Start::Now => size,
        Start::Sequence(sequence) if sequence > size => {
            return Ok(Commit::unchanged(Creation::Beyond(size)));
        }
        Start::Sequence(sequence) => sequence,
    };
    let id: StreamId = ctx.id();
    let secret = (new.kind == Kind::Webhook).then(|| new_secret(ctx));
    let sealed = match &secret {
        Some(current) => Some(seal(app, ctx, id, &Sealed { current: current.clone(), before: None })?),
        None => None,
    };
    let state = if new.paused { State::Paused } else { State::Active };
    let row = params![
        organization,
        id,
        new.name.as_str(),
        new.name.as_str().to_lowercase(),
        new.kind.as_str(),
        new.target.as_str(),
        new.authorities.as_deref(),
        new.format.as_str(),
        state.as_str(),
        sealed,
        next,
        ctx.now
    ];
    if tx.execute(&sql::INSERT, row)? != 1 {
        return Ok(Commit::unchanged(Creation::NameTaken));
    }
    let event = about(organization, id, "audit_stream.created", &new.name)
        .with("kind", new.kind.as_str())
        .with("receiver", sending::shown(&new.target))
        .with("format", new.format.as_str())
        .with("from", next);
    let recorded = tx.record(event);
    let Some(stream) = get(tx, organization, id)? else {
        return Err(DbError::Check("the stream just written".to_owned()));
    };
    Ok(Commit::changed(Creation::Done(Box::new(stream), secret), recorded))
}

fn about(
    organization: OrganizationId,
    id: StreamId,
    action: &'static str,
    name: impl std::fmt::Display,
) -> Event {
    Event::new(organization, action).target("audit_stream", id).with("name", name)
}

/// What became of an act on one stream.
#[derive(Clone, Debug)]
pub enum Done<T = ()> {
    Yes(T),
    NoSuchStream,
    /// It is so already, or has no secret to rotate.
    NothingToDo,
}

/// Pauses a stream, or lets it go on where it stopped, at once.
pub fn set_running(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: StreamId,
    running: bool,
) -> Result<Commit<Done>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(stream) = get(tx, organization, id)? else { return Ok(Commit::unchanged(Done::NoSuchStream)) };
    let (state, action) = match (stream.state, running) {
        (State::Active, true) | (State::Paused, false) => {
            return Ok(Commit::unchanged(Done::NothingToDo));
        }
        (_, true) => (State::Active, "audit_stream.resumed"),
        (_, false) => (State::Paused, "audit_stream.paused"),
    };
    tx.execute(&sql::SET_STATE, params![organization, id, state.as_str(), ctx.now])?;
    let recorded = tx.record(about(organization, id, action, &stream.name));
    Ok(Commit::changed(Done::Yes(()), recorded))
}

/// A new secret for a webhook; the one before signs beside it for [`OVERLAP`].
pub fn rotate(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: StreamId,
) -> Result<Commit<Done<String>>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(stream) = get(tx, organization, id)? else { return Ok(Commit::unchanged(Done::NoSuchStream)) };
    let Some(before) = stream.unseal(app.keyring())? else {
        return Ok(Commit::unchanged(Done::NothingToDo));
    };
    let current = new_secret(ctx);
    let sealed = Sealed { current: current.clone(), before: Some(before.current) };
    let sealed = seal(app, ctx, id, &sealed)?;
    tx.execute(&sql::SET_SECRET, params![organization, id, sealed, ctx.now.plus(OVERLAP)])?;
    let recorded = tx.record(about(organization, id, "audit_stream.secret_rotated", &stream.name));
    Ok(Commit::changed(Done::Yes(current), recorded))
}

pub fn delete(tx: &mut Tx, organization: OrganizationId, id: StreamId) -> Result<Commit<Done>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(stream) = get(tx, organization, id)? else { return Ok(Commit::unchanged(Done::NoSuchStream)) };
    tx.execute(&sql::DELETE, params![organization, id])?;
    let event = about(organization, id, "audit_stream.deleted", &stream.name).with("next", stream.next);
    let recorded = tx.record(event);
    Ok(Commit::changed(Done::Yes(()), recorded))
}

/// Somebody tried the stream; `worked` says what came of it.
fn record_test(tx: &mut Tx, stream: &Stream, worked: bool) -> Result<Commit<()>, DbError> {
    let event = about(stream.organization, stream.id, "audit_stream.tested", &stream.name);
    let recorded = tx.record(event.with("worked", worked));
    Ok(Commit::changed((), recorded))
}

/// Tells the admins that a stream was halted.
fn tell_admins(app: &App, ctx: &Ctx, tx: &mut Tx, stream: &Stream, why: &str) -> Result<(), DbError> {
    let found = principals::organization(tx, stream.organization)?;
    let (name, slug) = found.map(|found| (found.name, found.slug)).unwrap_or_default();
    let page = join(&app.config().public_url, &format!("/o/{slug}/audit-streams/{}", stream.id));
    let text = format!(
        "The stream `{}` of the audit log of {name} is halted: its receiver did not take what was sent.\n\
         The last try: {why}\n\n\
         Nothing is lost. Mend the receiver, test the stream and resume it; it goes on where it stopped:\n{page}\n",
        stream.name
    );
    let subject = format!("{name}: an audit stream is halted: {}", stream.name);
    let admins = domains::admins(tx, stream.organization)?;
    let messages: Vec<Message> = admins.iter().map(|to| Message::text(to, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(stream.organization), &messages)
}

/// When the next try comes after so many failures in a row: 10 s, 20 s … an hour.
fn backoff(failures: u32) -> Duration {
    let seconds = 10_u64 << failures.saturating_sub(1).min(10);
    Duration::from_secs(seconds).min(HOUR)
}
