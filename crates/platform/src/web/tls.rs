//! The certificate in force: from files that are read again when they change, or obtained by ACME ([`crate::acme`]).
//!
//! What it promises: TLS 1.2 and 1.3 by aws-lc-rs; exchanging the certificate touches no connection that is open; a file
//! that cannot be used leaves the old certificate in place and says so, in the log and on the provider's console.

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Serialize;

use crate::app::App;
use crate::config::{Config, TlsFiles};
use crate::time::Timestamp;

mod validity;

/// How often certificate files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot use the TLS certificate and key: {0}")]
    Unusable(String),
    #[error("cannot read `{path}`: {reason}")]
    File { path: String, reason: std::io::Error },
}

/// TLS with a certificate that can be exchanged. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<rustls::ServerConfig>,
    current: Arc<Current>,
}

#[derive(Default)]
struct Current {
    key: RwLock<Option<Arc<CertifiedKey>>>,
    status: RwLock<Status>,
}

/// The certificate in force, for people. All of it is public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `None` until the first one is there.
    pub validity: Option<Validity>,
    /// Why the newest files could not be used; the certificate before them is still in force.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        read(&self.key).clone()
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Tls {
    /// Without a certificate: handshakes fail until [`Tls::exchange`].
    pub fn empty() -> Result<Self, TlsError> {
        let current = Arc::new(Current::default());
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Unusable(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), current })
    }

    pub fn from_files(files: &TlsFiles) -> Result<Self, TlsError> {
        let tls = Self::empty()?;
        tls.load(files)?;
        Ok(tls)
    }

    pub fn config(&self) -> Arc<rustls::ServerConfig> {
        self.config.clone()
    }

    pub fn status(&self) -> Status {
        read(&self.current.status).clone()
    }

    /// The next handshake uses this certificate. The old one stays when this one cannot be used.
    pub fn exchange(&self, chain_pem: &[u8], key_pem: &[u8]) -> Result<Validity, TlsError> {
        let (key, validity) = certified(chain_pem, key_pem)?;
        *write(&self.current.key) = Some(Arc::new(key));
        *write(&self.current.status) = Status { validity: Some(validity), problem: None };
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a float exactly")]
        metrics::gauge!("bailiwick_tls_not_after_seconds")
            .set((validity.not_after.micros() / 1_000_000) as f64);
        Ok(validity)
    }

    fn load(&self, files: &TlsFiles) -> Result<Validity, TlsError> {
        self.exchange(&read_file(&files.cert)?, &read_file(&files.key)?)
    }

    /// Whether the certificate in force is for `host`, as far as a browser would say.
    pub fn is_for(&self, host: &str) -> bool {
        let key = read(&self.current.key).clone();
        let (Some(key), Ok(name)) = (key, ServerName::try_from(host)) else { return false };
        let parsed = key.end_entity_cert().ok().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        parsed.is_some_and(|leaf| rustls::client::verify_server_name(&leaf, &name).is_ok())
    }
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|reason| TlsError::File { path: path.display().to_string(), reason })
}

/// A chain and its key, checked to belong together.
fn certified(chain_pem: &[u8], key_pem: &[u8]) -> Result<(CertifiedKey, Validity), TlsError> {
    let bad = |reason: &dyn std::fmt::Display| TlsError::Unusable(reason.to_string());
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(&error))?;
    let leaf = chain.first().ok_or_else(|| bad(&"the certificate file holds no certificate"))?;
    let (from, to) = validity::of(leaf)
        .ok_or_else(|| bad(&"the certificate does not say from when to when it is valid"))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| bad(&error))?;
    let key = provider().key_provider.load_private_key(key).map_err(|error| bad(&error))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| bad(&"the key is not the key of the certificate"))?;
    let at = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    Ok((certified, Validity { not_before: at(from), not_after: at(to) }))
}

/// Whether a server could use these, and from when to when.
pub(crate) fn usable(chain_pem: &[u8], key_pem: &[u8]) -> Result<Validity, TlsError> {
    certified(chain_pem, key_pem).map(|(_, validity)| validity)
}

/// Reads the files of `tls_cert` and `tls_key` again when they change, and on SIGHUP, until the app drains.
pub async fn follow_files(app: App, tls: Tls, files: TlsFiles) {
    let stamp = |files: &TlsFiles| {
        let one =
            |path: &Path| std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        (one(&files.cert), one(&files.key))
    };
    let mut seen = stamp(&files);
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
        return;
    };
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = app.drained() => return,
        };
        let now = stamp(&files);
        if !asked && now == seen {
            continue;
        }
        seen = now;
        match tls.load(&files) {
            Ok(validity) => {
                tracing::info!(not_after = %validity.not_after.rfc3339(), "the TLS certificate was read again");
                warn_of_name(app.config(), &tls);
            }
            Err(error) => {
                tracing::error!(%error, "the TLS files changed and cannot be used; the old certificate stays");
                write(&tls.current.status).problem = Some(error.to_string());
            }
        }
    }
}

/// A certificate for another name works, but no browser will take it.
pub fn warn_of_name(config: &Config, tls: &Tls) {
    let host = config.public_url.host_str().unwrap_or_default();
    if tls.status().validity.is_some() && !tls.is_for(host.trim_matches(['[', ']'])) {
        tracing::warn!(
            host,
            "the TLS certificate is not for the host of `public_url`: browsers will refuse it"
        );
    }
}
