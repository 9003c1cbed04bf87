//! Mail: what the program writes to people.
//!
//! What it promises:
//! - A mail is enqueued with the transaction that causes it ([`enqueue`]) and delivered afterwards, with retries: it is
//!   sent exactly if the change was committed, at least once. A repeated delivery carries the same `Message-ID`.
//! - Bodies carry single-use links, so they are sealed at rest, bound to their recipient, and wiped once delivered.
//! - No value can add a header or a recipient; sizes are bounded; every mail says that a program sent it (RFC 3834).
//!
//! Where mail goes is [`Transport`]: a mail server, a folder of `.eml` files for development, or nowhere, with an error
//! that says what to set.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::time::Timestamp;

mod outbox;
mod sql;
#[cfg(test)]
mod tests;
mod transport;

pub use outbox::{
    JOBS, MailId, MailState, OutboxEntry, Retrying, SCHEDULES, counts, enqueue, enqueue_many, list, retry,
    waiting_since,
};
pub(crate) use outbox::{SEND, give_up, revive};
pub use transport::{Transport, check_smtp_url};

const SUBJECT_CHARS_MAX: usize = 200;
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A mail to one person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// Without the words: they carry single-use links.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("to", &self.to)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl Message {
    pub fn text(to: &str, subject: &str, text: &str) -> Self {
        Self { to: to.to_owned(), subject: subject.to_owned(), text: text.to_owned(), html: None }
    }

    /// Adds a second form of the same words.
    #[must_use]
    pub fn with_html(mut self, html: String) -> Self {
        self.html = Some(html);
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MailError {
    pub message: String,
    /// Whether the same mail may go through later.
    pub retryable: bool,
}

impl MailError {
    fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false }
    }

    fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: true }
    }
}

/// What makes one delivery the same as its repetition.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub id: uuid::Uuid,
    pub date: Timestamp,
}

/// Builds mails in the name of this installation and hands them to its transport.
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

impl Mailer {
    pub fn new(config: &Config) -> Result<Self, MailError> {
        Ok(Self { from: sender(config)?, transport: Transport::new(config)? })
    }

    pub async fn send(&self, message: &Message, stamp: Stamp) -> Result<(), MailError> {
        let built = build(&self.from, message, stamp)?;
        self.transport.send(&built, stamp).await
    }
}

/// The sender, with the provider's name unless the setting gives another.
fn sender(config: &Config) -> Result<Mailbox, MailError> {
    let bad = |_| MailError::permanent("`mail_from` is no mail address: write `Name <name@example.com>`");
    // The parser of mailboxes does not know addresses at an IP (`no-reply@[127.0.0.1]`), that of addresses does.
    let mut from = match config.mail_from.parse::<lettre::Address>() {
        Ok(address) => Mailbox::new(None, address),
        Err(_) => config.mail_from.parse::<Mailbox>().map_err(bad)?,
    };
    if from.name.is_none() {
        from.name = Some(one_line(&config.provider_name));
    }
    Ok(from)
}

/// Whether `text` is one address, with or without a name.
pub fn is_mailbox(text: &str) -> bool {
    !text.chars().any(char::is_control) && text.parse::<Mailbox>().is_ok()
}

fn build(from: &Mailbox, message: &Message, stamp: Stamp) -> Result<lettre::Message, MailError> {
    let to: lettre::Address = message
        .to
        .parse()
        .map_err(|_| MailError::permanent(format!("`{}` is no mail address", one_line(&message.to))))?;
    let size = message.text.len() + message.html.as_ref().map_or(0, String::len);
    if size > BODY_BYTES_MAX {
        return Err(MailError::permanent(format!(
            "a mail of {size} bytes is over the limit of {BODY_BYTES_MAX}"
        )));
    }
    let builder = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&message.subject).chars().take(SUBJECT_CHARS_MAX).collect::<String>())
        .date(system_time(stamp.date))
        .message_id(Some(format!("<{}@{}>", stamp.id, from.email.domain())));
    let builder = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")]
        .into_iter()
        .fold(builder, |builder, (name, value)| {
            builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()))
        });
    let built = match &message.html {
        Some(html) => {
            builder.multipart(MultiPart::alternative_plain_html(message.text.clone(), html.clone()))
        }
        None => builder.header(lettre::message::header::ContentType::TEXT_PLAIN).body(plain(&message.text)),
    };
    built.map_err(|error| MailError::permanent(format!("cannot write the mail: {error}")))
}

/// ASCII in lines that RFC 5322 §2.1.1 allows is sent as it stands. The library would encode lines from 77 characters on
/// and cut a link in two, which shows wherever somebody looks at the raw mail: in the folder of a trial, for one.
fn plain(text: &str) -> Body {
    const LINE_BYTES_MAX: usize = 998;
    let printable = |line: &str| line.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte));
    if text.lines().all(|line| line.len() <= LINE_BYTES_MAX && printable(line)) {
        let bytes = text.lines().collect::<Vec<_>>().join("\r\n") + "\r\n";
        return Body::dangerous_pre_encoded(bytes.into_bytes(), ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}

/// Headers are one line: whatever would break it becomes a space.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0))
}

/// Writes a file that is either there in full or not at all, readable by its owner only.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{name}.part"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))
}
