//! The outbox: mails wait in the store until they are delivered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mailer, Message, Stamp, sql};
use crate::app::App;
use crate::ctx::Ctx;
use crate::db::{Commit, DbError, ReadTx, Row, Tx};
use crate::events::Event;
use crate::ids::{Id, OrganizationId};
use crate::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run, Schedule};
use crate::params;
use crate::principals;
use crate::secrets::rotation::{Holding, SealedValue};
use crate::secrets::{self, Keyring, SecretsError};
use crate::time::{DAY, Timestamp};

crate::id! {
    /// A mail in the outbox; its `Message-ID`, too.
    MailId
}

const PURPOSE: &str = "mail";
pub(crate) const SEND: &str = "mail.send";
const PURGE: &str = "mail.purge";
/// With the backoff of jobs, about 13 hours: long enough for a mail server to be repaired over night.
const ATTEMPTS_MAX: u32 = 22;
/// Delivered and failed mails stay visible this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What delivers mail and clears the outbox.
pub const JOBS: &[JobKind] = &[
    JobKind { name: SEND, attempts_max: ATTEMPTS_MAX, run: run_send },
    JobKind { name: PURGE, attempts_max: 3, run: run_purge },
];
pub const SCHEDULES: &[Schedule] = &[Schedule { kind: PURGE, every: DAY }];

#[derive(Serialize, Deserialize)]
struct Payload {
    mail: MailId,
}

/// What is sealed: everything of a mail but its recipient.
#[derive(Serialize, Deserialize)]
struct Body {
    subject: String,
    text: String,
    html: Option<String>,
}

/// Puts a mail into the outbox with the transaction: it is sent exactly if the transaction commits.
pub fn enqueue(
    keyring: &Keyring,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: Option<OrganizationId>,
    message: &Message,
) -> Result<(), DbError> {
    enqueue_many(keyring, ctx, tx, organization, std::slice::from_ref(message))
}

/// As [`enqueue`], for many mails in two pipelined statements.
pub fn enqueue_many(
    keyring: &Keyring,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: Option<OrganizationId>,
    messages: &[Message],
) -> Result<(), DbError> {
    let (mut rows, mut payloads) = (Vec::new(), Vec::new());
    for message in messages {
        let id: MailId = ctx.id();
        let sealed = seal(keyring, ctx, id, message)?;
        rows.push(params![id, organization, message.to.as_str(), sealed, ctx.now].to_vec());
        payloads.push(Payload { mail: id });
    }
    tx.execute_many(&sql::INSERT, rows)?;
    let job = NewJob { kind: SEND, organization, unique_key: None, run_at: ctx.now };
    jobs::enqueue_many(ctx, tx, &job, &payloads)
}

fn seal(keyring: &Keyring, ctx: &Ctx, id: MailId, message: &Message) -> Result<Vec<u8>, DbError> {
    let fail = |message: String| DbError::Other { statement: "mail::enqueue", message };
    let body =
        Body { subject: message.subject.clone(), text: message.text.clone(), html: message.html.clone() };
    let body = serde_json::to_vec(&body).map_err(|error| fail(error.to_string()))?;
    keyring
        .seal(PURPOSE, &context(id, &message.to), &body, ctx.random())
        .map_err(|error| fail(error.to_string()))
}

crate::holding! { Holding {
    name: "mail_outbox.sealed",
    purpose: PURPOSE,
    census: |tx| tx.list(&sql::CENSUS, &[], |row| Ok((row.get(0)?, row.get(1)?))),
    list: |tx, before, after, limit| {
        tx.list(&sql::SEALED_BEFORE, params![before.to_vec(), after.to_vec(), limit], |row| {
            let (id, recipient): (MailId, String) = (row.get(0)?, row.get(1)?);
            Ok(SealedValue {
                row: id.bytes().to_vec(),
                context: context(id, &recipient),
                sealed: row.get(2)?,
            })
        })
    },
    replace: |tx, row, old, new| {
        Ok(tx.execute(&sql::RESEALED, params![row.to_vec(), old.to_vec(), new])? == 1)
    },
} }

/// A body is bound to its row and its recipient: it cannot be sent to somebody else by changing the row.
fn context(id: MailId, recipient: &str) -> Vec<u8> {
    [id.bytes().as_slice(), recipient.as_bytes()].concat()
}

fn run_send(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let Payload { mail } = run.payload()?;
        let found = app.db().read::<_, DbError, _>(move |tx| tx.first(&sql::FIND, params![mail])).await?;
        // Delivered by an earlier run that could not say so to the queue.
        let Some(row) = found else { return Ok(()) };
        let sealed: Vec<u8> = row.get(1)?;
        let delivered = deliver(&app, mail, row.get(0)?, &sealed, row.get(2)?).await;
        let last = run.attempt >= ATTEMPTS_MAX;
        let now = run.ctx.now;
        match delivered {
            Ok(()) => {
                app.db()
                    .housekeeping(move |tx| tx.execute(&sql::SENT, params![mail, Vec::<u8>::new(), now]))
                    .await?;
                Ok(())
            }
            Err(error) => {
                let state = if error.retry && !last { MailState::Waiting } else { MailState::Failed };
                let message = error.message.clone();
                app.db()
                    .housekeeping(move |tx| {
                        tx.execute(&sql::TRIED, params![mail, state.as_str(), message.as_str()])
                    })
                    .await?;
                Err(error)
            }
        }
    })
}

async fn deliver(
    app: &App,
    id: MailId,
    recipient: String,
    sealed: &[u8],
    date: Timestamp,
) -> Result<(), JobError> {
    let context = context(id, &recipient);
    let mut opened = app.keyring().open(PURPOSE, &context, sealed);
    if matches!(opened, Err(SecretsError::UnknownKey(_))) {
        // Another node has rotated the keys.
        secrets::records::refresh(app.db(), app.keyring()).await.map_err(JobError::retry)?;
        opened = app.keyring().open(PURPOSE, &context, sealed);
    }
    let opened = opened.map_err(JobError::permanent)?;
    let body: Body = serde_json::from_slice(opened.expose()).map_err(JobError::permanent)?;
    let message = Message { to: recipient, subject: body.subject, text: body.text, html: body.html };
    let stamp = Stamp { id: id.uuid(), date };
    let sent = match app.find_service::<Mailer>() {
        Some(mailer) => mailer.send(&message, stamp).await,
        None => match Mailer::new(app.config()) {
            Ok(mailer) => mailer.send(&message, stamp).await,
            Err(error) => Err(error),
        },
    };
    let outcome = if sent.is_ok() { "sent" } else { "failed" };
    metrics::counter!("bailiwick_mails_total", "outcome" => outcome).increment(1);
    sent.map_err(|error| JobError { message: error.message, retry: error.retryable })
}

fn run_purge(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let before = run.ctx.now.minus(KEPT);
        app.db().housekeeping(move |tx| tx.execute(&sql::PURGE, params![before])).await?;
        Ok(())
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    Waiting,
    Sent,
    /// Given up; see `last_error`.
    Failed,
}

impl MailState {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// A mail as the provider's page shows it: never its words.
#[derive(Debug, Clone, Serialize)]
pub struct OutboxEntry {
    pub id: MailId,
    /// The slug of the organization on whose behalf it is written.
    pub organization: Option<String>,
    pub recipient: String,
    pub state: MailState,
    pub attempts: u32,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
}

fn read_entry(row: &Row) -> Result<OutboxEntry, DbError> {
    Ok(OutboxEntry {
        id: row.get(0)?,
        organization: row.get(1)?,
        recipient: row.get(2)?,
        state: row.parse(3, MailState::parse)?,
        attempts: row.get(4)?,
        last_error: row.get(5)?,
        created_at: row.get(6)?,
        sent_at: row.get(7)?,
    })
}

/// The newest mails in `state`.
pub fn list(tx: &mut ReadTx, state: MailState, limit: u32) -> Result<Vec<OutboxEntry>, DbError> {
    tx.list(&sql::LIST, params![state.as_str(), limit], read_entry)
}

/// How many mails are in which state.
pub fn counts(tx: &mut ReadTx) -> Result<Vec<(MailState, u64)>, DbError> {
    tx.list(&sql::COUNTS, &[], |row| Ok((row.parse(0, MailState::parse)?, row.get(1)?)))
}

/// How trying a mail again went.
#[derive(Debug, Clone)]
pub enum Retrying {
    Done(OutboxEntry),
    NoSuchMail,
    Sent,
    /// It is being handed over right now.
    Sending,
}

/// Tries a mail again at once that failed or waits for its next try. Its words are as they were; a link in them may
/// have ended meanwhile.
pub fn retry(ctx: &Ctx, tx: &mut Tx, id: MailId) -> Result<Commit<Retrying>, DbError> {
    let Some(mail) = tx.first(&sql::ENTRY, params![id])?.as_ref().map(read_entry).transpose()? else {
        return Ok(Commit::unchanged(Retrying::NoSuchMail));
    };
    let payload = serde_json::to_string(&Payload { mail: id })
        .map_err(|error| DbError::Other { statement: "mail::retry", message: error.to_string() })?;
    if mail.state == MailState::Sent {
        return Ok(Commit::unchanged(Retrying::Sent));
    }
    if tx.scalar::<u64>(&sql::SENDING, params![payload.as_str()])?.unwrap_or(0) > 0 {
        return Ok(Commit::unchanged(Retrying::Sending));
    }
    tx.execute(&sql::REVIVE, params![id])?;
    tx.execute(&sql::DROP_JOBS, params![payload.as_str()])?;
    let job = NewJob { kind: SEND, organization: None, unique_key: None, run_at: ctx.now };
    jobs::enqueue(ctx, tx, &job, &Payload { mail: id })?;
    let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
    let event = Event::new(provider.id, "mail.retried").target("mail", id).with("attempts", mail.attempts);
    let recorded = tx.record(event.personal("recipient", &mail.recipient));
    Ok(Commit::changed(Retrying::Done(mail), recorded))
}

/// Before the job of a failed mail is tried again; `false` when there is nothing left to send.
pub(crate) fn revive(tx: &mut Tx, payload: &str) -> Result<bool, DbError> {
    let Ok(Payload { mail }) = serde_json::from_str(payload) else { return Ok(false) };
    tx.execute(&sql::REVIVE, params![mail])?;
    Ok(tx.first(&sql::FIND, params![mail])?.is_some())
}

/// After the job of a mail was dropped: nobody sends it any more.
pub(crate) fn give_up(tx: &mut Tx, payload: &str) -> Result<(), DbError> {
    if let Ok(Payload { mail }) = serde_json::from_str(payload) {
        tx.execute(&sql::GIVE_UP, params![mail, "its job was discarded"])?;
    }
    Ok(())
}

/// Since when the oldest undelivered mail waits: what a health page shows.
pub fn waiting_since(tx: &mut ReadTx) -> Result<Option<Timestamp>, DbError> {
    Ok(tx.scalar::<Option<Timestamp>>(&sql::OLDEST_WAITING, params![])?.flatten())
}
