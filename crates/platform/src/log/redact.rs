//! Finds what looks like a secret in a line and masks it. One pass, no regular expressions.

use std::borrow::Cow;

const MASK: &str = "****";
/// Names whose value is masked in `name=value`, `name: value` and `"name":"value"`; also as the end of a longer name
/// (`client_secret`, `set-cookie`).
pub(super) const NAMES: &[&str] =
    &["password", "passwd", "secret", "token", "authorization", "cookie", "code_verifier", "otp"];
/// What starts a token wherever it stands: our API tokens, and HTTP credentials.
pub(super) const STARTS: &[&str] = &["bwk_", "bearer ", "basic "];

/// `text` with passwords, tokens and cookies masked.
pub fn redact(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(begins) = next_beginning(&lower, at) {
        match secret_at(&lower, begins) {
            Some((start, end)) if end > start => {
                out.push_str(&text[kept..start]);
                out.push_str(MASK);
                kept = end;
                at = end;
            }
            _ => at = begins + 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// Where from `at` on the two letters stand with which something of [`NAMES`] or [`STARTS`] begins, or `:/`. Nearly
/// every line has no secret, and every request writes one.
pub(super) fn next_beginning(lower: &str, at: usize) -> Option<usize> {
    let found = lower.as_bytes()[at..].windows(2).position(|pair| {
        matches!(pair, b"pa" | b"se" | b"to" | b"au" | b"co" | b"ot" | b"bw" | b"be" | b"ba" | b":/")
    });
    found.map(|found| at + found)
}

/// The bytes to mask when a secret is announced at `at`.
fn secret_at(lower: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &lower[at..];
    if let Some(userinfo) = rest.strip_prefix("://") {
        return url_password(userinfo).map(|(start, end)| (at + 3 + start, at + 3 + end));
    }
    let word_starts = !lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    if word_starts && let Some(start) = STARTS.iter().find(|start| rest.starts_with(**start)) {
        let value = at + start.len();
        return Some((value, value + token_length(&lower[value..])));
    }
    let name = NAMES.iter().find(|name| rest.starts_with(**name))?;
    let after = &rest[name.len()..];
    let separator = after.trim_start_matches(['"', '\\', ' ', '\'']);
    let value = separator.strip_prefix(['=', ':'])?.trim_start_matches(['"', '\\', ' ', '\'']);
    let start = lower.len() - value.len();
    // A credential in a header has its scheme first: `authorization: Bearer …`.
    let scheme = ["bearer ", "basic ", "dpop "].iter().find(|scheme| value.starts_with(**scheme));
    let start = start + scheme.map_or(0, |scheme| scheme.len());
    // A cookie header carries several pairs.
    let length = if *name == "cookie" {
        lower[start..].find(['"', '\'', ',', '}', ')']).unwrap_or(lower.len() - start)
    } else {
        token_length(&lower[start..])
    };
    Some((start, start + length))
}

/// Length of a value that ends at a separator.
fn token_length(text: &str) -> usize {
    text.find(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '&' | ',' | ';' | '}' | ')' | ']' | '\\' | '<')
    })
    .unwrap_or(text.len())
}

/// The password in `user:password@host`.
fn url_password(text: &str) -> Option<(usize, usize)> {
    let authority =
        text.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(text.len());
    // A password may hold a `/` that somebody forgot to escape, so the last `@` of the word counts.
    let at = text[..authority].rfind('@')?;
    let colon = text[..at].find(':')?;
    if text[..colon].contains('/') {
        return None;
    }
    Some((colon + 1, at))
}
