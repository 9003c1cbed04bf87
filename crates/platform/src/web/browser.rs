//! What the shell keeps in a browser: cookies with the `__Host-` prefix, CSRF tokens, one-time messages.
//!
//! A CSRF token is an HMAC over the browser's random cookie and its session, so that a token fished from one browser or
//! left over from another session is worth nothing (OWASP: signed double submit), beside the check of `Origin` and
//! `Sec-Fetch-Site`.

use aws_lc_rs::hmac;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::App;

use super::{Problem, ui};

pub const SESSION_COOKIE: &str = "__Host-bailiwick-session";
pub const BROWSER_COOKIE: &str = "__Host-bailiwick-browser";
/// Set by the page's own script; holds no secret.
pub(super) const THEME_COOKIE: &str = "__Host-bailiwick-theme";
const FLASH_COOKIE: &str = "__Host-bailiwick-flash";

/// The value of a cookie of this request.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Sets a cookie that only this origin sees, never a script; `max_age_seconds` `None`: until the browser closes.
pub fn set_cookie(response: &mut Response, name: &str, value: &str, max_age_seconds: Option<u64>) {
    let age = max_age_seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(value) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

pub fn clear_cookie(response: &mut Response, name: &str) {
    set_cookie(response, name, "", Some(0));
}

/// Whoever sits down at this browser next finds nothing of the pages seen before, not by the back button either.
pub fn forget_pages(response: &mut Response) {
    const WHAT: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert("clear-site-data", WHAT);
}

/// This browser's random mark, and whether it has to be set first.
pub(super) fn browser_mark(app: &App, headers: &HeaderMap) -> (String, bool) {
    match cookie(headers, BROWSER_COOKIE) {
        Some(mark)
            if mark.len() == 43
                && mark.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') =>
        {
            (mark.to_owned(), false)
        }
        _ => (URL_SAFE_NO_PAD.encode(app.random().bytes::<32>()), true),
    }
}

pub(super) fn set_browser_mark(response: &mut Response, mark: &str) {
    set_cookie(response, BROWSER_COOKIE, mark, Some(365 * 86_400));
}

fn csrf_key(app: &App) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &app.keyring().derive("csrf"))
}

fn csrf_message(mark: &str, session: Option<uuid::Uuid>) -> String {
    format!("{mark}|{}", session.map(|id| id.to_string()).unwrap_or_default())
}

pub(super) fn csrf_token(app: &App, mark: &str, session: Option<uuid::Uuid>) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&csrf_key(app), csrf_message(mark, session).as_bytes()))
}

pub(super) fn csrf_holds(app: &App, mark: &str, session: Option<uuid::Uuid>, token: &str) -> bool {
    let Ok(tag) = URL_SAFE_NO_PAD.decode(token) else { return false };
    hmac::verify(&csrf_key(app), csrf_message(mark, session).as_bytes(), &tag).is_ok()
}

/// Refuses a changing request that another site may have caused: wrong `Origin`, or cross-site by `Sec-Fetch-Site`.
pub(super) fn check_same_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = || {
        Problem::new(axum::http::StatusCode::FORBIDDEN, "cross-site", "This came from another site")
            .detail("the browser says that this request was not made from a page of this installation")
            .cure("open the page here and try again; behind a proxy, check the `public_url` setting")
    };
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(origin) = text(header::ORIGIN) {
        return if origin == app.config().public_origin() { Ok(()) } else { Err(refuse()) };
    }
    match headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()) {
        Some("same-origin" | "none") | None => Ok(()),
        Some(_) => Err(refuse()),
    }
}

/// The `csrf` field of a form body, urlencoded or multipart.
pub(super) fn csrf_field(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if let Some(token) = headers.get("x-csrf-token") {
        return token.to_str().ok().map(str::to_owned);
    }
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return url::form_urlencoded::parse(body)
            .find(|(name, _)| name == "csrf")
            .map(|(_, value)| value.into_owned());
    }
    if content_type.starts_with("multipart/form-data") {
        const MARK: &[u8] = b"name=\"csrf\"\r\n\r\n";
        let start = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
        let end = body[start..].iter().position(|byte| *byte == b'\r')? + start;
        return std::str::from_utf8(&body[start..end]).ok().map(str::to_owned);
    }
    None
}

/// 303 to `to`, where `message` is shown once.
pub fn see_other_with(to: &str, tone: ui::Tone, message: &str) -> super::Result {
    let mut response = super::see_other(to)?;
    let short: String = message.chars().take(300).collect();
    let value = URL_SAFE_NO_PAD.encode(format!("{tone}|{short}"));
    set_cookie(&mut response, FLASH_COOKIE, &value, Some(60));
    Ok(response)
}

pub(super) fn read_flash(parts: &Parts) -> Option<ui::Flash> {
    let bytes = URL_SAFE_NO_PAD.decode(cookie(&parts.headers, FLASH_COOKIE)?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (tone, text) = text.split_once('|')?;
    let tone = match tone {
        "good" => ui::Tone::Good,
        "warn" => ui::Tone::Warn,
        "bad" => ui::Tone::Bad,
        _ => ui::Tone::Info,
    };
    Some(ui::Flash::new(tone, text))
}

pub(super) fn clear_flash(response: &mut Response) {
    clear_cookie(response, FLASH_COOKIE);
}

/// A fresh browser's mark and the token that fits it: what its first page would give it. For the test kit.
pub fn mark_and_token(app: &App, session: uuid::Uuid) -> (String, String) {
    let mark = URL_SAFE_NO_PAD.encode(app.random().bytes::<32>());
    let token = csrf_token(app, &mark, Some(session));
    (mark, token)
}
