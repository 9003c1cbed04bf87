//! Where a request comes from: the client's address, behind proxies that are trusted, and the page with its form.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Peer;
use crate::app::App;
use crate::ctx::Origin;

pub(super) fn origin_of(app: &App, parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let by_proxy = peer.is_some_and(|peer| app.config().trusts_proxy(peer));
    let forwarded = by_proxy.then(|| last_forwarded(&parts.headers)).flatten();
    Origin {
        // Words of a proxy that cannot be read name nobody. The proxy's own address would be one that lists allow.
        ip: forwarded.unwrap_or(peer),
        user_agent: parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.chars().take(300).collect()),
    }
}

/// The address that the nearest proxy saw: the last one of the last such line, since earlier ones are the client's own
/// words, in whatever bytes. Some proxies extend the client's line, others write one of their own below it. `None`: there
/// is no such line; `Some(None)`: its last element is no address.
fn last_forwarded(headers: &HeaderMap) -> Option<Option<IpAddr>> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = line.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
    Some(std::str::from_utf8(last).ok().and_then(forwarded_address))
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address = text.parse().ok().or_else(bare);
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// The path of the page a request comes from, when it is one of ours.
pub(super) fn referer_path(app: &App, headers: &HeaderMap) -> String {
    let origin = app.config().public_origin();
    headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix(origin.as_str()))
        .filter(|path| path.starts_with('/'))
        .unwrap_or("/")
        .to_owned()
}
