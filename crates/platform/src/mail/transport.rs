//! Where mail goes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use url::{Host, Url};

use super::{MailError, Stamp, write_whole};
use crate::config::Config;
use crate::secrets::Secret;

const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECTIONS_MAX: u32 = 4;
const ERROR_CHARS_MAX: usize = 300;

pub enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// A folder; each mail becomes a file.
    Mailbox(PathBuf),
    /// Nothing is set up: every mail is refused, and tried again later.
    None,
}

impl Transport {
    pub fn new(config: &Config) -> Result<Self, MailError> {
        match (&config.smtp_url, &config.mailbox_dir) {
            (Some(url), _) => smtp(url, config.outbound_ca.as_deref()).map(Self::Smtp),
            (None, Some(folder)) => Ok(Self::Mailbox(folder.clone())),
            (None, None) => Ok(Self::None),
        }
    }

    pub(super) async fn send(&self, message: &lettre::Message, stamp: Stamp) -> Result<(), MailError> {
        match self {
            Self::Smtp(transport) => transport.send(message.clone()).await.map(drop).map_err(smtp_error),
            Self::Mailbox(folder) => {
                let (folder, bytes) = (folder.clone(), message.formatted());
                let written = tokio::task::spawn_blocking(move || write_eml(&folder, stamp, &bytes)).await;
                let written = written.map_err(|_| MailError::retry("writing the mail was interrupted"))?;
                written.map_err(|error| {
                    MailError::retry(format!("cannot write into the folder `mailbox`: {error}"))
                })
            }
            Self::None => Err(MailError::retry(
                "no mail can be sent: set `smtp_url` to your mail server, or `mailbox` to a folder for development",
            )),
        }
    }
}

/// Names sort by time, then by the order of delivery. A repeated delivery keeps the file there is.
fn write_eml(folder: &Path, stamp: Stamp, bytes: &[u8]) -> std::io::Result<()> {
    static DELIVERED: AtomicU64 = AtomicU64::new(0);
    let ending = format!("-{}.eml", stamp.id);
    if let Ok(entries) = std::fs::read_dir(folder)
        && entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(&ending))
    {
        return Ok(());
    }
    let number = DELIVERED.fetch_add(1, Ordering::Relaxed);
    write_whole(folder, &format!("{:017}-{number:08}{ending}", stamp.date.micros()), bytes)
}

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// STARTTLS, refused when the server offers none.
    StartTls,
    /// STARTTLS where offered, without checking whose it is (RFC 7435).
    Opportunistic,
}

struct Server {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
}

/// The problem with an SMTP URL, in words that do not repeat it: it may carry a password.
pub fn check_smtp_url(text: &str) -> Result<(), String> {
    parse(text).map(drop)
}

fn parse(text: &str) -> Result<Server, String> {
    let example = "write `smtps://USER:PASSWORD@HOST`, `smtp+starttls://…` or `smtp://HOST`";
    let url = Url::parse(text).map_err(|_| format!("is no URL: {example}"))?;
    let (protection, port) = match url.scheme() {
        "smtps" => (Protection::Implicit, 465),
        "smtp+starttls" => (Protection::StartTls, 587),
        "smtp" => (Protection::Opportunistic, 25),
        _ => return Err(format!("has an unknown scheme: {example}")),
    };
    let host = url.host().ok_or_else(|| format!("names no host: {example}"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has something after the host: {example}"));
    }
    let decoded = |part: &str| {
        decode(part).ok_or_else(|| {
            "has a `%` in its user name or password that starts no escape: write it as `%25`".to_owned()
        })
    };
    let credentials = match url.password() {
        Some(password) => Some(Credentials::new(decoded(url.username())?, decoded(password)?)),
        None if url.username().is_empty() => None,
        None => return Err("has a user name without a password: add it, or remove the user name".into()),
    };
    let host = match host {
        Host::Ipv6(address) => address.to_string(),
        other => other.to_string(),
    };
    let local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if credentials.is_some() && protection == Protection::Opportunistic && !local {
        return Err("would send the password without protection: use `smtps://` or `smtp+starttls://`".into());
    }
    Ok(Server { host, port: url.port().unwrap_or(port), protection, credentials })
}

/// Percent-decoding (RFC 3986 §2.1) of a user name or password.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_at_checked(2)?;
        bytes.extend(hex::decode(escape).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn smtp(url: &Secret<String>, ca: Option<&Path>) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let problem = |text: String| MailError::permanent(format!("`smtp_url` {text}"));
    let server = parse(url.expose()).map_err(problem)?;
    let mut tls =
        TlsParameters::builder(server.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(path) = ca {
        let fail = |reason: String| MailError::permanent(format!("cannot use `outbound_ca`: {reason}"));
        let pem = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| fail(error.to_string()))?);
    }
    if server.protection == Protection::Opportunistic {
        // Encryption to somebody unknown is still better than none, which is what a refusal would lead to here.
        tls = tls.dangerous_accept_invalid_certs(true);
    }
    let tls = tls.build().map_err(|error| MailError::permanent(format!("cannot set TLS up: {error}")))?;
    let tls = match server.protection {
        Protection::Implicit => Tls::Wrapper(tls),
        Protection::StartTls => Tls::Required(tls),
        Protection::Opportunistic => Tls::Opportunistic(tls),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(TIMEOUT))
        .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX));
    if let Some(credentials) = server.credentials {
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn smtp_error(error: lettre::transport::smtp::Error) -> MailError {
    use std::error::Error;

    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    let text = super::one_line(&text).chars().take(ERROR_CHARS_MAX).collect::<String>();
    // Refused credentials are a mistake in our settings, not in the mail: it waits until they are corrected.
    let code = error.status().map(u16::from);
    let credentials = matches!(code, Some(530 | 534 | 535 | 538));
    let retryable = credentials || !error.is_permanent();
    MailError { message: format!("the mail server said: {text}"), retryable }
}
