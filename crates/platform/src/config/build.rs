//! From merged texts to a typed, checked [`Config`].

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use super::settings::{Kind, find, settings};
use super::sources::{Merged, Origin, Raw};
use super::{Config, ConfigError, ConfigErrors, Effective, LogFormat, PasswordHashing, TlsFiles};
use crate::db::DatabaseUrl;
use crate::mail;
use crate::secrets::Secret;

/// Hours, seconds and the like are checked against the table before they get here.
pub(super) struct Reader {
    merged: Merged,
}

pub(super) fn build(merged: Merged) -> Result<Config, ConfigErrors> {
    let mut reader = Reader { merged };
    reader.check_kinds();
    let config = reader.config();
    let mut errors = reader.merged.errors;
    if errors.is_empty()
        && let Some(mut config) = config
    {
        check_together(&config, &mut errors);
        if errors.is_empty() {
            config.warnings = reader.merged.warnings;
            add_warnings(&mut config);
            config.effective = effective(&config, &reader.merged.values);
            return Ok(config);
        }
    }
    Err(ConfigErrors(errors))
}

impl Reader {
    pub(super) fn raw(&self, key: &str) -> Option<&Raw> {
        self.merged.values.get(key)
    }

    pub(super) fn fail(&mut self, key: &'static str, problem: impl Into<String>) {
        let origin = self.raw(key).map_or(Origin::Default, |raw| raw.origin.clone());
        self.merged.errors.push(ConfigError::Value { key, origin, problem: problem.into() });
    }

    /// What the table alone can say of each value.
    fn check_kinds(&mut self) {
        for setting in settings() {
            let Some(raw) = self.raw(setting.key) else { continue };
            let text = raw.text.clone();
            let problem = match setting.kind {
                Kind::Switch if !matches!(text.as_str(), "true" | "false") => {
                    "must be `true` or `false`".into()
                }
                Kind::Number { min, max } => match text.parse::<u64>() {
                    Ok(number) if (min..=max).contains(&number) => continue,
                    _ => format!("must be a whole number from {min} to {max}"),
                },
                Kind::Choice(choices) if !choices.contains(&text.as_str()) => {
                    format!("must be one of `{}`", choices.join("`, `"))
                }
                Kind::Text | Kind::Path if text.trim().is_empty() => {
                    "must not be empty: leave the setting out to get its default".into()
                }
                Kind::Text if text.chars().any(char::is_control) => {
                    "must not contain control characters".into()
                }
                _ => continue,
            };
            self.fail(setting.key, problem);
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        debug_assert!(find(key).is_some(), "`{key}` is in the table");
        self.raw(key).map(|raw| raw.text.clone())
    }

    fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// A file that must be there.
    pub(super) fn file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        if let Err(error) = std::fs::File::open(&path) {
            let path = path.display();
            self.fail(key, format!("names `{path}`, which cannot be read: {error}"));
        }
        Some(path)
    }

    fn switch(&self, key: &'static str) -> bool {
        self.text(key).as_deref() == Some("true")
    }

    /// 0 after an error that is already noted.
    fn number(&self, key: &'static str) -> u64 {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn count(&self, key: &'static str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    fn small(&self, key: &'static str) -> u32 {
        u32::try_from(self.number(key)).unwrap_or(u32::MAX)
    }

    fn seconds(&self, key: &'static str) -> Duration {
        Duration::from_secs(self.number(key))
    }

    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let text = self.text(key).unwrap_or_default();
        let mut values = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match parse(item) {
                Some(value) => values.push(value),
                None => self.fail(key, format!("holds `{item}`, which is not {what}")),
            }
        }
        values
    }

    fn address(&mut self, key: &'static str) -> Option<SocketAddr> {
        let text = self.text(key)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.fail(key, format!("must be an IP address and a port such as `0.0.0.0:8480`, not `{text}`"));
        }
        address
    }

    /// `certificate` names the setting that turns TLS on, `host` the name that it is for.
    fn public_url(
        &mut self,
        listen: SocketAddr,
        certificate: Option<&str>,
        host: Option<&str>,
    ) -> Option<Url> {
        let Some(text) = self.text("public_url") else {
            let scheme = if certificate.is_some() { "https" } else { "http" };
            return Url::parse(&format!("{scheme}://{}:{}", host.unwrap_or("localhost"), listen.port())).ok();
        };
        let example = "give scheme, host and port only, such as `https://trust.example.com`";
        let Ok(url) = Url::parse(&text) else {
            self.fail("public_url", format!("is not a URL: {example}"));
            return None;
        };
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !bare {
            self.fail("public_url", format!("is not usable: {example}"));
            return None;
        }
        if url.scheme() == "http" && !is_local(&url) {
            self.fail(
                "public_url",
                "must be `https`: cookies and links would travel readable; plain `http` is for localhost only",
            );
        }
        if let Some(key) = certificate.filter(|_| url.scheme() == "http") {
            self.fail("public_url", format!("must be `https`, since `{key}` is set"));
        }
        Some(url)
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        let (cert, key) = (self.file("tls_cert"), self.file("tls_key"));
        match (cert, key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                self.fail("tls_cert", "is set without `tls_key`: set both, or neither");
                None
            }
            (None, Some(_)) => {
                self.fail("tls_key", "is set without `tls_cert`: set both, or neither");
                None
            }
        }
    }

    fn database(&mut self, data_dir: &Path) -> Option<DatabaseUrl> {
        let Some(text) = self.text("database") else {
            return Some(DatabaseUrl::Sqlite(data_dir.join("bailiwick.db")));
        };
        // The value may carry a password, so the message does not repeat it.
        match DatabaseUrl::parse(&text) {
            Ok(DatabaseUrl::Sqlite(path)) if path.as_os_str().is_empty() => {
                self.fail("database", "names no file: give `sqlite:PATH`");
                None
            }
            Ok(url) => Some(url),
            Err(_) => {
                self.fail("database", "must start with `sqlite:` or `postgres://`");
                None
            }
        }
    }

    fn smtp_url(&mut self) -> Option<Secret<String>> {
        let text = self.text("smtp_url")?;
        if let Err(problem) = mail::check_smtp_url(&text) {
            self.fail("smtp_url", problem);
        }
        Some(Secret::new(text))
    }

    fn mail_from(&mut self, public_url: Option<&Url>) -> String {
        if let Some(text) = self.text("mail_from") {
            if !mail::is_mailbox(&text) {
                self.fail("mail_from", "is no mail address: write `Name <name@example.com>`");
            }
            return text;
        }
        let host = match public_url.and_then(Url::host) {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => format!("[{ip}]"),
            Some(Host::Ipv6(ip)) => format!("[IPv6:{ip}]"),
            None => "localhost".to_owned(),
        };
        format!("no-reply@{host}")
    }

    /// `None` when a needed value is not usable; the errors say which.
    fn config(&mut self) -> Option<Config> {
        let tls = self.tls();
        let acme = self.acme();
        let listen = self.address("listen");
        let certificate = if tls.is_some() { Some("tls_cert") } else { acme.as_ref().map(|_| "acme_domain") };
        let host = acme.as_ref().and_then(|acme| acme.domains.first().cloned());
        let public_url = listen.and_then(|listen| self.public_url(listen, certificate, host.as_deref()));
        let data_dir = self.path("data").unwrap_or_default();
        let database = self.database(&data_dir);
        let smtp_url = self.smtp_url();
        let mail_from = self.mail_from(public_url.as_ref());
        let outbound_ca = self.file("outbound_ca");
        let trusted_proxies = self.list("trusted_proxies", "a network such as `10.0.0.0/8`", parse_network);
        let dns_servers = self.list("dns_servers", "`IP` or `IP:PORT`", parse_dns_server);
        let log_level = self.text("log_level").unwrap_or_default();
        if let Err(problem) = crate::log::check_level(&log_level) {
            self.fail("log_level", problem);
        }
        let workers = match self.count("password_workers") {
            0 => std::thread::available_parallelism().map_or(1, |count| (count.get() / 2).max(1)),
            count => count,
        };
        Some(Config {
            listen: listen?,
            public_url: public_url?,
            provider_name: self.text("provider_name")?,
            tls,
            acme,
            redirect_listen: self.address("redirect_listen"),
            trusted_proxies,
            drain: self.seconds("drain_seconds"),
            master_key: self.path("master_key").unwrap_or_else(|| data_dir.join("master.key")),
            data_dir,
            database: database?,
            smtp_url,
            mail_from,
            mailbox_dir: self.path("mailbox"),
            breached_passwords: self.path("breached_passwords"),
            dns_servers,
            outbound_timeout: self.seconds("outbound_seconds"),
            outbound_allow_loopback: self.switch("outbound_allow_loopback"),
            outbound_ca,
            https_proof_port: u16::try_from(self.number("https_proof_port")).unwrap_or(443),
            domain_check_every: self.seconds("domain_check_hours").saturating_mul(3600),
            body_bytes_max: self.count("body_bytes_max"),
            upload_bytes_max: self.count("upload_bytes_max"),
            header_timeout: self.seconds("header_seconds"),
            request_timeout: self.seconds("request_seconds"),
            connections_max: self.count("connections_max"),
            passkey_makes: self.path("passkey_makes"),
            connections_per_address_max: self.count("connections_per_address_max"),
            rate_limit_percent: self.small("rate_limit_percent"),
            password: PasswordHashing {
                workers,
                queue: self.count("password_queue"),
                memory_kib: self.small("password_memory_kib"),
                passes: self.small("password_passes"),
            },
            log_format: if self.text("log_format")? == "json" { LogFormat::Json } else { LogFormat::Text },
            log_level,
            demo: self.switch("demo"),
            test_clock: self.switch("test_clock"),
            warnings: Vec::new(),
            effective: Vec::new(),
        })
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn parse_dns_server(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)))
}

fn check_together(config: &Config, errors: &mut Vec<ConfigError>) {
    let mut fail = |problem: &str| errors.push(ConfigError::Together(problem.to_owned()));
    if config.smtp_url.is_some() && config.mailbox_dir.is_some() {
        fail("`smtp_url` and `mailbox` are both set: keep one, mail goes either way");
    }
    if config.https_proof_port != 443 && !config.outbound_allow_loopback {
        fail("`https_proof_port` other than 443 needs `outbound_allow_loopback`: both are for tests only");
    }
    super::acme::check_together(config, &mut fail);
    if config.test_clock && !config.listen.ip().is_loopback() {
        fail(
            "`test_clock` lets every visitor move time: set `listen` to a loopback address such as `127.0.0.1:8480`",
        );
    }
}

fn add_warnings(config: &mut Config) {
    let mut warn = |text: &str| config.warnings.push(text.to_owned());
    if config.outbound_allow_loopback {
        warn("`outbound_allow_loopback` is on: customers can reach services on this machine; for tests only");
    }
    if config.test_clock {
        warn("`test_clock` is on: time is moved by requests; for tests only");
    }
    if config.rate_limit_percent == 0 {
        warn("`rate_limit_percent` is 0: nothing slows guessing down");
    }
    if config.smtp_url.is_none() && config.mailbox_dir.is_none() {
        warn("no mail can be sent: set `smtp_url`, or `mailbox` for development");
    }
}

fn effective(config: &Config, values: &std::collections::BTreeMap<&'static str, Raw>) -> Vec<Effective> {
    settings()
        .iter()
        .map(|setting| {
            let (value, origin) = match values.get(setting.key) {
                Some(raw) if setting.secret => (masked(&raw.text), raw.origin.to_string()),
                Some(raw) => (raw.text.clone(), raw.origin.to_string()),
                None => (followed(config, setting.key), Origin::Default.to_string()),
            };
            Effective { key: setting.key, value, origin }
        })
        .collect()
}

/// The value of a setting that follows from others.
fn followed(config: &Config, key: &str) -> String {
    match key {
        "public_url" => config.public_origin(),
        "master_key" => config.master_key.display().to_string(),
        "mail_from" => config.mail_from.clone(),
        "database" => match &config.database {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(_) => String::new(),
        },
        _ => String::new(),
    }
}

/// A URL without its password and its query (libpq takes a password there, too).
fn masked(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else { return "****".to_owned() };
    if url.cannot_be_a_base() {
        return "****".to_owned();
    }
    if url.password().is_some() && url.set_password(Some("****")).is_err() {
        return "****".to_owned();
    }
    url.set_query(None);
    url.to_string()
}
