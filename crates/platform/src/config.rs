//! The configuration of an installation: one table of settings ([`settings()`]), four sources, one typed [`Config`].
//!
//! What it promises: a value is default < file < environment < option; everything that is wrong is reported at once,
//! each in one sentence with the cure; a key that does not exist is an error, never silently nothing; a secret value
//! is shown by no error, no print and no log. `docs/reference/configuration.md` is written from the same table.
//!
//! To add a setting see `config/settings.rs`.

mod acme;
mod build;
mod reference;
mod settings;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

pub use reference::reference;
pub use settings::{Kind, Setting, settings};
pub use sources::{Origin, Sources};

use crate::db::DatabaseUrl;
use crate::secrets::Secret;

/// The configuration in force. Has no `Debug`: it carries passwords. Print [`Config::effective`].
#[derive(Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Scheme, host and port only.
    pub public_url: Url,
    pub provider_name: String,
    pub tls: Option<TlsFiles>,
    pub acme: Option<Acme>,
    pub redirect_listen: Option<SocketAddr>,
    pub trusted_proxies: Vec<IpNet>,
    pub drain: Duration,
    pub data_dir: PathBuf,
    pub database: DatabaseUrl,
    pub master_key: PathBuf,
    pub smtp_url: Option<Secret<String>>,
    pub mail_from: String,
    pub mailbox_dir: Option<PathBuf>,
    /// The list of known passwords.
    pub breached_passwords: Option<PathBuf>,
    /// Empty: those of the system.
    pub dns_servers: Vec<SocketAddr>,
    pub outbound_timeout: Duration,
    pub outbound_allow_loopback: bool,
    pub outbound_ca: Option<PathBuf>,
    pub https_proof_port: u16,
    pub domain_check_every: Duration,
    pub body_bytes_max: usize,
    pub upload_bytes_max: usize,
    pub header_timeout: Duration,
    pub request_timeout: Duration,
    pub connections_max: usize,
    /// Makes of security keys that count as attested.
    pub passkey_makes: Option<PathBuf>,
    pub connections_per_address_max: usize,
    /// 0: no limits.
    pub rate_limit_percent: u32,
    pub password: PasswordHashing,
    pub log_format: LogFormat,
    pub log_level: String,
    pub demo: bool,
    pub test_clock: bool,
    /// What is allowed but worth a word at the start.
    pub warnings: Vec<String>,
    effective: Vec<Effective>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// A certificate that this program obtains by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Lower case, sorted, without doubles.
    pub domains: Vec<String>,
    /// A mail address.
    pub contact: String,
    pub directory: Url,
    pub challenge: AcmeChallenge,
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeChallenge {
    TlsAlpn,
    Http,
}

/// How passwords are hashed, and by how many threads at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordHashing {
    pub workers: usize,
    pub queue: usize,
    pub memory_kib: u32,
    pub passes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// A value in force as `config print` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    pub key: &'static str,
    /// Secrets are masked; empty when the setting is off.
    pub value: String,
    pub origin: String,
}

impl Config {
    /// Merges, reads and checks everything.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        build::build(sources::merge(sources))
    }

    /// Every setting with its value in force and where that came from, in the order of the reference page.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    /// Whether nobody set this setting.
    pub fn is_default(&self, key: &str) -> bool {
        let default = sources::Origin::Default.to_string();
        self.effective.iter().any(|one| one.key == key && one.origin == default)
    }

    /// `https://trust.example.com`, without a slash at the end: what links start with and `Origin` must equal.
    pub fn public_origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// Whether `X-Forwarded-For` from this peer is believed.
    pub fn trusts_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// Defaults for tests: everything below `folder`, loopback allowed, cheap hashes.
    #[doc(hidden)]
    #[expect(clippy::expect_used, reason = "fixed values; only tests call it")]
    pub fn for_tests(folder: &Path) -> Self {
        let sources = Sources {
            flags: vec![
                ("data".into(), folder.to_string_lossy().into_owned()),
                ("outbound_allow_loopback".into(), "true".into()),
                ("password_workers".into(), "1".into()),
            ],
            ..Sources::default()
        };
        let mut config = Self::load(&sources).expect("fixed values are good");
        config.password = PasswordHashing { memory_kib: 64, passes: 1, ..config.password };
        config
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file `{path}`: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("{path}, line {line}: {reason}: correct the line (the file is TOML)", path = path.display())]
    Syntax { path: PathBuf, line: usize, reason: String },
    #[error("{origin}: `{key}` is no setting{}", hint(nearest))]
    UnknownKey { key: String, origin: Origin, nearest: Option<&'static str> },
    #[error("option `--{name}` is no setting{}", hint(nearest))]
    UnknownOption { name: String, nearest: Option<String> },
    #[error("`{key}` ({origin}) {problem}")]
    Value { key: &'static str, origin: Origin, problem: String },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
}

fn hint(nearest: &Option<impl fmt::Display>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => ": remove it, or see `bailiwick config print` for the settings there are".into(),
    }
}
