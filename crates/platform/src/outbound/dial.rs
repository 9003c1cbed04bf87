//! A TLS connection for a protocol that is not HTTP (syslog), behind the same guard: the host is read as strictly as one
//! of a URL, resolved once, and the connection goes to an address that was checked.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::target::Target;
use super::{Outbound, OutboundError, Refusal, address, client};

/// What was reached.
pub struct Dialed {
    pub stream: TlsStream<TcpStream>,
    /// The checked address that answered.
    pub address: SocketAddr,
}

/// Whether a request to `url` would be refused whatever its name turns out to mean: for forms, before anything is stored.
pub fn check_url(url: &str, allow_loopback: bool) -> Result<(), Refusal> {
    let target = Target::parse(url, allow_loopback)?;
    let plain = target.url.scheme() == "http";
    let allowed = target
        .address
        .is_none_or(|ip| (allow_loopback && address::is_loopback(ip)) || (!plain && address::is_global(ip)));
    if allowed { Ok(()) } else { Err(Refusal::NotPublic) }
}

/// As [`check_url`], for `host:port`.
pub fn check_authority(authority: &str, allow_loopback: bool) -> Result<(), Refusal> {
    check_url(&url_of(authority)?, allow_loopback)
}

fn url_of(authority: &str) -> Result<String, Refusal> {
    if authority.contains(['/', '?', '#', '\\']) {
        return Err(Refusal::Malformed);
    }
    Ok(format!("https://{authority}/"))
}

/// Reads certificates of authorities; an error is a sentence for whoever gave them.
pub fn authorities(pem: &str) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("it is not readable: {error}"))?;
        roots.add(certificate).map_err(|error| format!("it is no certificate of an authority: {error}"))?;
    }
    if roots.is_empty() { Err("it holds no certificate in PEM form".to_owned()) } else { Ok(roots) }
}

impl Outbound {
    /// Connects to `host:port` with TLS. `trusted` are the only authorities that may vouch for it (PEM); without them
    /// it is those that every request trusts. Bounded by the time for a whole request.
    pub async fn dial(&self, authority: &str, trusted: Option<&str>) -> Result<Dialed, OutboundError> {
        let timeout = self.inner.timeout;
        match tokio::time::timeout(timeout, self.dial_unbounded(authority, trusted)).await {
            Ok(result) => result,
            Err(_) => Err(OutboundError::Timeout(timeout)),
        }
    }

    async fn dial_unbounded(&self, authority: &str, trusted: Option<&str>) -> Result<Dialed, OutboundError> {
        let target = Target::parse(&url_of(authority)?, self.inner.allow_loopback)?;
        let mut tls = match trusted {
            Some(pem) => client::tls_with(authorities(pem).map_err(OutboundError::Setup)?)
                .map_err(OutboundError::Setup)?,
            None => self.inner.tls.clone(),
        };
        tls.alpn_protocols.clear();
        let failed = |reason: String| OutboundError::Failed { host: target.host.clone(), reason };
        let bare = target.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Refusal::Host)?;
        let addresses = self.checked_addresses(&target).await?;
        let mut last = "it has no address".to_owned();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(socket) => {
                    let connector = TlsConnector::from(Arc::new(tls));
                    let stream = connector.connect(name, socket).await;
                    let stream = stream.map_err(|error| failed(error.to_string()))?;
                    return Ok(Dialed { stream, address });
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(failed(last))
    }
}
