use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(json: bool, log: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info"))
        .with_writer(Redacting(move || writer.clone()))
        .with_ansi(false);
    if json {
        tracing::subscriber::with_default(subscriber.json().flatten_event(true).finish(), log);
    } else {
        tracing::subscriber::with_default(subscriber.finish(), log);
    }
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn no_dsn_or_token_in_logs() {
    let log = || {
        tracing::info!("connecting to postgres://bailiwick:hunter2@db/x");
        tracing::info!(authorization = "Bearer bwk_abcdef123456", "request");
        tracing::info!(path = "/x?token=abcdef123456&y=1", "request");
        tracing::warn!("body was {{\"password\": \"hunter2\", \"name\": \"ann\"}}");
    };
    for json in [false, true] {
        let text = logged(json, log);
        assert!(!text.contains("hunter2") && !text.contains("abcdef123456"), "{text}");
        assert!(text.contains("bailiwick:****@db/x"), "{text}");
        assert!(text.contains("y=1") && text.contains("ann"), "only the secret is masked: {text}");
        assert_eq!(text.lines().count(), 4);
    }
}

#[test]
fn json_lines_stay_json() {
    let text = logged(true, || tracing::info!(cookie = "a=b; c=d", other = "kept", "hello\nworld \u{202e}"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["cookie"], "****");
    assert_eq!(value["other"], "kept");
    assert_eq!(value["level"], "INFO");
}

#[test]
fn nobody_writes_a_line_of_their_own() {
    let text = logged(false, || tracing::info!("name: x\n2026-01-01 INFO forged\r\x1b[31m\u{202e}"));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("x\\n2026") && !text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn what_is_masked_and_what_is_not() {
    for (text, masked) in [
        ("bwk_AbC123", "bwk_****"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ****"),
        ("client_secret=abc&scope=openid", "client_secret=****&scope=openid"),
        ("set-cookie: a=b; Path=/", "set-cookie: ****"),
        ("smtps://u:p/a@ss@mail.example:465", "smtps://u:****@mail.example:465"),
        ("https://example.com/a:b@c", "https://example.com/a:b@c"),
        ("the token was refused", "the token was refused"),
        ("https://example.com/?q=1", "https://example.com/?q=1"),
        ("ünïcödé token=ä b", "ünïcödé token=**** b"),
        ("password=", "password="),
    ] {
        assert_eq!(redact(text), masked);
    }
}

#[test]
fn every_name_and_start_is_looked_for() {
    for text in redact::NAMES.iter().chain(redact::STARTS).chain(&["://"]) {
        assert_eq!(redact::next_beginning(text, 0), Some(0), "{text}");
        assert_eq!(redact::next_beginning(&format!("x{text}"), 1), Some(1), "{text}");
    }
}

#[test]
fn levels_are_checked() {
    for good in ["info", "WARN", "info,platform::db=debug", "off"] {
        assert_eq!(check_level(good), Ok(()), "{good}");
    }
    for bad in ["verbose", "", "info,", "platform::db", "platform=loud"] {
        assert!(check_level(bad).is_err(), "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn redaction_never_panics_and_keeps_one_line(text in ".{0,200}") {
        let line = one_line(&text).into_owned();
        proptest::prop_assert!(!line.contains('\n'));
        let _ = redact(&line);
    }
}
