//! Syslog messages (RFC 5424) in the frames of syslog over TLS (RFC 5425 §4.3). Pure.

use crate::audit_log::api::EventView;

/// Facility 13, log audit; severity 6, informational.
const PRIORITY: u8 = 13 * 8 + 6;
const HOST_BYTES_MAX: usize = 255;
const ID_BYTES_MAX: usize = 32;
/// RFC 5424 §7.3.1: 1 to 2147483647, then 1 again.
const SEQUENCE_IDS: u64 = 2_147_483_647;

/// One event as one frame: `LENGTH SP MESSAGE`. `text` is its line, without an end.
pub fn frame(host: &str, event: &EventView, text: &str) -> Vec<u8> {
    let message = format!(
        "<{PRIORITY}>1 {} {} bailiwick - {} [origin software=\"Bailiwick\" swVersion=\"{}\"][meta sequenceId=\"{}\"] {text}",
        event.at.rfc3339(),
        header(host, HOST_BYTES_MAX),
        header(&event.action, ID_BYTES_MAX),
        env!("CARGO_PKG_VERSION"),
        event.sequence % SEQUENCE_IDS + 1,
    );
    let mut framed = format!("{} ", message.len()).into_bytes();
    framed.extend(message.into_bytes());
    framed
}

/// A field of the header: printable ASCII without spaces, `-` when nothing is left.
fn header(text: &str, max: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(max).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}
