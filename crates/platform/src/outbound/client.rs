//! The HTTP client below the guard: TLS set-up, one client per request, tied to the checked addresses.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;
use reqwest::dns::{Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Refusal;

const USER_AGENT: &str = concat!("Bailiwick/", env!("CARGO_PKG_VERSION"));
/// Headers that decide where the message ends or goes.
const CONNECTION_HEADERS: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
];

/// TLS by aws-lc-rs with the public authorities (Mozilla's list) and those of `ca`.
pub(super) fn tls(ca: Option<&Path>, setting: &str) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca {
        let fail =
            |reason: &dyn std::fmt::Display| format!("cannot use `{setting}` `{}`: {reason}", path.display());
        let pem = std::fs::read(path).map_err(|error| fail(&error))?;
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| fail(&error))?;
            roots.add(certificate).map_err(|error| fail(&error))?;
            found += 1;
        }
        if found == 0 {
            return Err(fail(&"it holds no certificate in PEM form"));
        }
    }
    let mut config = tls_with(roots)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS by aws-lc-rs with these authorities alone.
pub(super) fn tls_with(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Answers no name: the only names that resolve are those given to `resolve_to_addrs`.
struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Err(format!("`{}` was not checked", name.as_str()).into()) })
    }
}

pub(super) fn build(
    tls: &rustls::ClientConfig,
    host: &str,
    addresses: &[SocketAddr],
) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .dns_resolver(Arc::new(NoNames))
        .resolve_to_addrs(host, addresses)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .user_agent(USER_AGENT)
        .build()
        .map_err(reason)
}

pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = |name: &str| CONNECTION_HEADERS.contains(&name) || name.starts_with("proxy-");
    if headers.keys().any(|name| refused(name.as_str())) { Err(Refusal::Header) } else { Ok(()) }
}

/// The innermost cause, without the URL: it may carry a token.
pub(super) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
