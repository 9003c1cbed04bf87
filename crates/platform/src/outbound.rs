//! The one client for requests to the outside: domain proofs, webhooks, metadata, privacy policies, app egress.
//!
//! What it promises (server-side request forgery, OWASP ASVS 5.0 V1.3.6 and V15):
//! - Only `https` to hosts that are plain DNS names or public IP addresses written plainly; no user names, no port 0,
//!   no spelling of an address that another parser could read differently.
//! - A name is resolved **once**; if *any* of its addresses is not public the request is refused; the connection goes
//!   to an address that was checked, never to a second look-up ("DNS rebinding").
//! - No redirects, no proxies from the environment, a cap on bytes and on time from look-up to last byte.
//! - Loopback targets, and plain `http` to them, only with the setting `outbound_allow_loopback`.
//!
//! [`Outbound::dial`] opens a TLS connection for other protocols under the same rules.
//!
//! Questions to the DNS itself (TXT records of domain proofs) are asked by [`dns::Dns`].

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};

pub mod address;
mod client;
pub mod dial;
pub mod dns;
mod target;
#[cfg(test)]
mod tests;

pub use dial::{Dialed, check_authority, check_url};
pub use dns::{Dns, DnsError, TxtAnswer, TxtOutcome};

use crate::config::Config;

pub const BYTES_MAX_DEFAULT: usize = 1 << 20;

/// Finds the addresses of a name: [`Dns`], or a stub in tests.
pub trait Resolve: Send + Sync {
    /// All addresses of `name`, which has no dot at its end.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>>;
}

/// The guarded client; cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
}

struct Inner {
    tls: rustls::ClientConfig,
    timeout: Duration,
    allow_loopback: bool,
    resolver: Arc<dyn Resolve>,
}

pub struct Request {
    pub method: Method,
    pub url: String,
    /// May not set `Host`, lengths or anything about the connection.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// A larger response body is an error, not cut.
    pub bytes_max: usize,
    /// For the whole request; `None` is the setting `outbound_seconds`.
    pub timeout: Option<Duration>,
}

impl Request {
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            bytes_max: BYTES_MAX_DEFAULT,
            timeout: None,
        }
    }

    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(url) }
    }
}

/// The answer as it came; a redirect is an answer like any other.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The checked address that answered.
    pub address: SocketAddr,
}

/// Why a request was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "it is no URL in plain letters: write it as `https://example.com/path`, international names as `xn--…`"
    )]
    Malformed,
    #[error("only `https` is allowed")]
    Scheme,
    #[error("a user name or password in a URL is not allowed")]
    UserInfo,
    #[error("port 0 does not exist")]
    Port,
    #[error(
        "the host must be a full DNS name without a dot at its end, or a public IP address in its usual form"
    )]
    Host,
    /// Does not name the address: a customer must not learn what a name means inside of the provider's network.
    #[error("the host is not on the public internet")]
    NotPublic,
    #[error("it sets a header that belongs to the connection")]
    Header,
}

impl Refusal {
    /// For the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Scheme => "scheme",
            Self::UserInfo => "user_info",
            Self::Port => "port",
            Self::Host => "host",
            Self::NotPublic => "not_public",
            Self::Header => "header",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("the URL is refused: {0}")]
    Refused(#[from] Refusal),
    #[error("cannot find the address of `{host}`: {reason}")]
    Resolve { host: String, reason: DnsError },
    #[error("cannot reach `{host}`: {reason}")]
    Failed { host: String, reason: String },
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    #[error("cannot set the client up: {0}")]
    Setup(String),
}

/// TLS as the guarded client speaks it, for the few connections whose target the operator names.
/// `setting` is the one that names `ca`.
pub(crate) fn client_tls(ca: Option<&Path>, setting: &str) -> Result<rustls::ClientConfig, String> {
    client::tls(ca, setting)
}

/// Makes aws-lc-rs the engine of every TLS client of this process that does not choose one.
pub fn install_crypto() {
    // Fails only when one is installed already, and there is but one engine in this program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

impl OutboundError {
    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Refused(_) | Self::TooLarge(_) | Self::Setup(_) => false,
            Self::Resolve { reason, .. } => *reason != DnsError::NoSuchName,
            Self::Failed { .. } | Self::Timeout(_) => true,
        }
    }
}

impl Outbound {
    /// Finds addresses by `resolver`; the program passes its [`Dns`].
    pub fn new(config: &Config, resolver: Arc<dyn Resolve>) -> Result<Self, OutboundError> {
        let ca = config.outbound_ca.as_deref();
        Self::with(config.outbound_timeout, config.outbound_allow_loopback, ca, resolver)
    }

    /// With resolvers of its own, those of the configuration.
    pub fn from_config(config: &Config) -> Result<Self, OutboundError> {
        Self::new(config, Arc::new(Dns::from_config(config)?))
    }

    fn with(
        timeout: Duration,
        allow_loopback: bool,
        ca: Option<&Path>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, OutboundError> {
        let tls = client::tls(ca, "outbound_ca").map_err(OutboundError::Setup)?;
        Ok(Self { inner: Arc::new(Inner { tls, timeout, allow_loopback, resolver }) })
    }

    /// What can be said of a URL without asking anybody: its form, and an address that it names itself.
    pub fn looks_reachable(&self, url: &str) -> Result<(), Refusal> {
        let target = target::Target::parse(url, self.inner.allow_loopback)?;
        match target.address {
            Some(address) if !self.allows(&target, address) => Err(Refusal::NotPublic),
            None if target.url.scheme() == "http" && target.host != "localhost" => Err(Refusal::Scheme),
            _ => Ok(()),
        }
    }

    fn allows(&self, target: &target::Target, address: IpAddr) -> bool {
        let loopback = self.inner.allow_loopback && address::is_loopback(address);
        loopback || (target.url.scheme() != "http" && address::is_global(address))
    }

    /// Checks `request`, makes it, and reads the whole answer.
    pub async fn fetch(&self, request: Request) -> Result<Response, OutboundError> {
        let timeout = request.timeout.unwrap_or(self.inner.timeout);
        match tokio::time::timeout(timeout, self.fetch_unbounded(request)).await {
            Ok(result) => result,
            Err(_) => Err(OutboundError::Timeout(timeout)),
        }
    }

    async fn fetch_unbounded(&self, request: Request) -> Result<Response, OutboundError> {
        client::check_headers(&request.headers)?;
        let target = target::Target::parse(&request.url, self.inner.allow_loopback)?;
        let addresses = self.checked_addresses(&target).await?;
        let failed = |reason: String| OutboundError::Failed { host: target.host.clone(), reason };
        let client =
            client::build(&self.inner.tls, &target.host, &addresses).map_err(OutboundError::Setup)?;
        let mut response = client
            .request(request.method, target.url.clone())
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| failed(client::reason(error)))?;
        // The connector was given these addresses only; this is the second lock on the same door.
        let address = response.remote_addr().filter(|address| addresses.contains(address));
        let address =
            address.ok_or_else(|| failed("the connection went to an address that was not checked".into()))?;
        if response.content_length().is_some_and(|length| length > request.bytes_max as u64) {
            return Err(OutboundError::TooLarge(request.bytes_max));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(client::reason(error)))? {
            if body.len() + chunk.len() > request.bytes_max {
                return Err(OutboundError::TooLarge(request.bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Response { status: response.status(), headers, body: body.freeze(), address })
    }

    /// The addresses to connect to, all of them checked.
    async fn checked_addresses(&self, target: &target::Target) -> Result<Vec<SocketAddr>, OutboundError> {
        let addresses = match target.address {
            Some(address) => vec![address],
            None => self
                .inner
                .resolver
                .addresses(&target.host)
                .await
                .map_err(|reason| OutboundError::Resolve { host: target.host.clone(), reason })?,
        };
        if addresses.is_empty() || !addresses.iter().all(|address| self.allows(target, *address)) {
            return Err(Refusal::NotPublic.into());
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
    }
}
