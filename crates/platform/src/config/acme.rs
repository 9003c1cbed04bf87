//! The settings of a certificate obtained by ACME: what each may be, and what goes together.

use std::net::IpAddr;

use url::Url;

use super::build::Reader;
use super::{Acme, AcmeChallenge, Config};
use crate::mail;

impl Reader {
    /// `None` when ACME is off, and after an error that is noted.
    pub(super) fn acme(&mut self) -> Option<Acme> {
        let text = self.text("acme_domain").unwrap_or_default();
        if text.trim().is_empty() {
            for key in ["acme_contact", "acme_ca"] {
                if self.raw(key).is_some() {
                    self.fail(
                        key,
                        "is set without `acme_domain`: name the hosts that the certificate is for",
                    );
                }
            }
            return None;
        }
        let mut domains = self.list("acme_domain", DOMAIN, domain);
        domains.sort();
        domains.dedup();
        if domains.len() > NAMES_MAX {
            self.fail("acme_domain", format!("names more than {NAMES_MAX} hosts, which no authority takes"));
        }
        let contact = self.text("acme_contact").unwrap_or_default();
        if !mail::is_mailbox(&contact) || contact.contains(['<', ',', '?', ' ']) {
            self.fail(
                "acme_contact",
                "must be a mail address such as `ops@northwind.example`: the authority warns it",
            );
        }
        let directory = Url::parse(&self.text("acme_directory")?).ok();
        let directory = directory.filter(|url| url.scheme() == "https" && url.host().is_some());
        if directory.is_none() {
            self.fail("acme_directory", "must be an `https` URL: the directory of an ACME authority");
        }
        let ca = self.file("acme_ca");
        let challenge = match self.text("acme_challenge").as_deref() {
            Some("http-01") => AcmeChallenge::Http,
            _ => AcmeChallenge::TlsAlpn,
        };
        Some(Acme { domains, contact, directory: directory?, challenge, ca })
    }
}

const NAMES_MAX: usize = 100;
const DOMAIN: &str =
    "a host name such as `trust.northwind.example` (no address, no wildcard, no `localhost`)";

/// A full host name in lower case. Wildcards need a proof in the DNS, which this program does not make.
fn domain(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let full = name.contains('.') && name.len() <= 253 && name.split('.').all(label);
    let number =
        name.parse::<IpAddr>().is_ok() || name.rsplit('.').next()?.bytes().all(|b| b.is_ascii_digit());
    (full && !number && !name.ends_with(".localhost")).then_some(name)
}

pub(super) fn check_together(config: &Config, fail: &mut impl FnMut(&str)) {
    if config.tls.is_some() && config.acme.is_some() {
        fail("`tls_cert` and `acme_domain` are both set: keep one, there is one certificate");
    }
    let secure = config.tls.is_some() || config.acme.is_some();
    match config.redirect_listen {
        Some(_) if !secure => fail(
            "`redirect_listen` is set without TLS: set `tls_cert` or `acme_domain`, or leave it to the proxy in front",
        ),
        Some(address) if address == config.listen => {
            fail(
                "`redirect_listen` and `listen` are the same: give the plain listener another port, such as 80",
            );
        }
        _ => {}
    }
    let Some(acme) = &config.acme else { return };
    let host = config.public_url.host_str().unwrap_or_default().to_ascii_lowercase();
    if !acme.domains.contains(&host) {
        fail(&format!(
            "`acme_domain` does not hold `{host}`, the host of `public_url`: browsers would refuse the certificate"
        ));
    }
    if acme.challenge == AcmeChallenge::Http && config.redirect_listen.is_none() {
        fail(
            "`acme_challenge` is `http-01`, which needs `redirect_listen` (port 80 of the names must reach it)",
        );
    }
}
