//! Logs: set up once at the start, as text for people or JSON for collectors.
//!
//! What it promises: one event is one line (control characters are escaped, so nobody writes a line of their own
//! through a name or a user agent), and a last net of redaction catches passwords, tokens and cookies that slip into a
//! message. The first net is not logging them: secrets are [`crate::secrets::Secret`]s, which cannot be formatted.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

mod redact;
#[cfg(test)]
mod tests;

pub use redact::redact;

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`log_level` {0}")]
    Level(String),
    #[error("logging was already set up in this process")]
    Twice,
}

/// Sends this process's events to standard error.
pub fn start(format: LogFormat, level: &str) -> Result<(), LogError> {
    check_level(level).map_err(LogError::Level)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(Redacting(io::stderr))
        .with_ansi(false);
    let started = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(
            subscriber.json().flatten_event(true).with_span_list(false).finish(),
        ),
    };
    started.map_err(|_| LogError::Twice)
}

/// Checks a filter such as `info,platform::db=debug`. Stricter than the filter itself, which takes a misspelt level for
/// the name of a module and then logs nothing.
pub fn check_level(text: &str) -> Result<(), String> {
    let expected = "write a level (`error`, `warn`, `info`, `debug`, `trace`) or `info,platform::db=debug`";
    for part in text.split(',').map(str::trim) {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(format!("holds `{part}`, which names no level: {expected}"));
        }
    }
    EnvFilter::try_new(text).map(drop).map_err(|_| format!("cannot be read: {expected}"))
}

/// A writer that redacts what is written to `W`. The subscriber writes each event in one piece.
struct Redacting<W>(W);

struct Line<W>(W);

impl<'a, W: Write + 'a, M: Fn() -> W> MakeWriter<'a> for Redacting<M> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line((self.0)())
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = one_line(text.strip_suffix('\n').unwrap_or(&text));
        let mut line = redact(&line).into_owned();
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes control characters, also the invisible ones that turn text around on a terminal; as JSON does, so that a
/// line of JSON stays one.
fn one_line(text: &str) -> Cow<'_, str> {
    let unsafe_char = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            c if unsafe_char(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}
