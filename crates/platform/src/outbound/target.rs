//! Reading a URL without trusting its spelling.
//!
//! The WHATWG parser makes `http://0x7f.1/`, `http://２１３０７０６４３３/` and `ht\ttps:\\127.1` into good URLs. What
//! was written must therefore be what was understood: the host in the text has to equal the host that was parsed.

use std::net::IpAddr;

use url::{Host, Url};

use super::Refusal;

const URL_BYTES_MAX: usize = 2048;
const NAME_BYTES_MAX: usize = 253;

pub(super) struct Target {
    pub url: Url,
    /// As in the URL: a DNS name, or an address (IPv6 in brackets).
    pub host: String,
    pub address: Option<IpAddr>,
    pub port: u16,
}

impl Target {
    pub fn parse(text: &str, allow_loopback: bool) -> Result<Self, Refusal> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        if text.len() > URL_BYTES_MAX || !text.bytes().all(plain) {
            return Err(Refusal::Malformed);
        }
        let url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
        match url.scheme() {
            "https" => {}
            // Where it leads is checked with the addresses.
            "http" if allow_loopback => {}
            _ => return Err(Refusal::Scheme),
        }
        let after_scheme = text.get(url.scheme().len()..).and_then(|rest| rest.strip_prefix("://"));
        let after_scheme = after_scheme.ok_or(Refusal::Malformed)?;
        let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(Refusal::Port)?;
        let host = url.host_str().ok_or(Refusal::Malformed)?.to_owned();
        if !host_as_written(authority).eq_ignore_ascii_case(&host) {
            return Err(Refusal::Host);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) if is_plain_name(name) || (allow_loopback && name == "localhost") => {
                None
            }
            _ => return Err(Refusal::Host),
        };
        Ok(Self { url, host, address, port })
    }
}

fn host_as_written(authority: &str) -> &str {
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    authority.get(..end).unwrap_or_default()
}

/// Two or more labels of letters, digits, hyphens and underscores (RFC 1123; underscores occur). A single label would
/// mean something only inside of the provider's own network.
fn is_plain_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_BYTES_MAX && name.contains('.') && name.split('.').all(label)
}
