//! Sends one batch to a receiver and says whether it acknowledged, in words for an admin.
//!
//! A webhook acknowledges with any 2xx. Syslog knows no such answer: there a batch counts when the receiver, after
//! everything was written and the connection was closed towards it, closed it in order in return (RFC 5425 §4.4), which
//! it does when it has read what was sent.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use platform::App;
use platform::ids::Id;
use platform::outbound::{Dialed, Outbound, Request};
use platform::time::{HOUR, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Kind, Stream, signing, syslog};
use crate::audit_log::api::EventView;
use crate::audit_log::formats::{self, Source};

const TIMEOUT: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why a batch was not acknowledged.
#[derive(Debug)]
pub(super) struct Failure {
    /// A clause for an admin, e.g. `the receiver answered 503`.
    pub words: String,
    /// The receiver wants nothing more.
    pub gone: bool,
    /// It named a time to wait.
    pub wait: Option<Duration>,
}

impl Failure {
    fn new(words: impl ToString) -> Self {
        Self { words: words.to_string(), gone: false, wait: None }
    }
}

/// A receiver for people: what stands before the question mark, which may carry a token.
pub(super) fn shown(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or(target)
}

/// The same with a sign that something is left out.
pub(super) fn masked(target: &str) -> String {
    let shown = shown(target);
    if shown.len() == target.len() { shown.to_owned() } else { format!("{shown}?…") }
}

/// The same for the same batch, however often it is sent.
pub(super) fn message_id(stream: &Stream, events: &[EventView]) -> String {
    let place = |event: Option<&EventView>| event.map_or(0, |event| event.sequence);
    let id = stream.id.uuid().simple();
    format!("msg_{id}_{}_{}", place(events.first()), place(events.last()))
}

/// Sends `events`; gives what the receiver said.
pub(super) async fn send(
    app: &App,
    stream: &Stream,
    source: &Source,
    events: &[EventView],
    (message, now): (&str, Timestamp),
) -> Result<String, Failure> {
    let client = app.find_service::<Outbound>();
    let client =
        client.ok_or_else(|| Failure::new("this program has no client for requests to the outside"))?;
    match stream.kind {
        Kind::Webhook => {
            let body: String =
                events.iter().map(|event| formats::line(stream.format, source, event)).collect();
            let headers = headers(app, stream, &body, message, now)?;
            post(&client, stream, headers, body).await
        }
        Kind::Syslog => {
            let frames: Vec<u8> = events
                .iter()
                .flat_map(|event| {
                    let line = formats::line(stream.format, source, event);
                    syslog::frame(&source.host, event, line.trim_end_matches(['\r', '\n']))
                })
                .collect();
            match tokio::time::timeout(TIMEOUT, write(&client, stream, &frames)).await {
                Ok(done) => done,
                Err(_) => Err(Failure::new(format!(
                    "the receiver did not take everything and close in order within {} seconds",
                    TIMEOUT.as_secs()
                ))),
            }
        }
    }
}

fn headers(
    app: &App,
    stream: &Stream,
    body: &str,
    message: &str,
    now: Timestamp,
) -> Result<HeaderMap, Failure> {
    let secrets = stream.secrets(app.keyring(), now).map_err(Failure::new)?;
    let seconds = now.micros().div_euclid(1_000_000);
    let signature = signing::signature(&secrets, message, seconds, body.as_bytes());
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(stream.format.content_type()));
    for (name, value) in [
        ("webhook-id", message.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ] {
        headers.insert(name, HeaderValue::try_from(value).map_err(Failure::new)?);
    }
    Ok(headers)
}

async fn post(
    client: &Outbound,
    stream: &Stream,
    headers: HeaderMap,
    body: String,
) -> Result<String, Failure> {
    let mut request = Request::post(stream.target.clone(), body);
    request.headers = headers;
    request.bytes_max = ANSWER_BYTES_MAX;
    request.timeout = Some(TIMEOUT);
    let answer = client.fetch(request).await.map_err(Failure::new)?;
    let status = answer.status.as_u16();
    let words = match status {
        200..=299 => return Ok(format!("the receiver answered {status}")),
        300..=399 => {
            format!("the receiver answered {status}: redirects are not followed, enter the last address")
        }
        401 | 403 => format!("the receiver answered {status}: does it know the secret of this stream?"),
        404 => "the receiver answered 404: is the path right?".to_owned(),
        410 => "the receiver answered 410: it wants nothing more".to_owned(),
        _ => format!("the receiver answered {status}"),
    };
    let wait = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Failure { words, gone: status == 410, wait: wait.map(|s| Duration::from_secs(s).min(HOUR)) })
}

async fn write(client: &Outbound, stream: &Stream, frames: &[u8]) -> Result<String, Failure> {
    let broken = |what: &str, error: std::io::Error| Failure::new(format!("the receiver {what}: {error}"));
    let Dialed { stream: mut connection, .. } =
        client.dial(&stream.target, stream.authorities.as_deref()).await.map_err(Failure::new)?;
    connection.write_all(frames).await.map_err(|error| broken("did not take everything", error))?;
    // Says that nothing more comes, then waits for the same from the receiver: it answers when it has read all.
    connection.shutdown().await.map_err(|error| broken("did not take everything", error))?;
    let mut rest = [0; 256];
    loop {
        match connection.read(&mut rest).await {
            Ok(0) => return Ok("the receiver took everything and closed in order".to_owned()),
            // Receivers of syslog say nothing; what one says all the same is not looked at.
            Ok(_) => {}
            Err(error) => return Err(broken("did not close in order, so nobody knows what it took", error)),
        }
    }
}
