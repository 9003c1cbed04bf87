//! A SAML identity provider, as its metadata and an admin describe it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::time::{DAY, Timestamp};
use saml::metadata::{Binding, IdentityProvider};
use saml::{Certificate, Sha1};
use serde::{Deserialize, Serialize};

use super::{TEXT_BYTES_MAX, Wrong};

/// An exception is for the time that somebody needs to set up their provider anew.
pub(crate) const SHA1_DAYS_MAX: u32 = 180;

/// Where the provider takes messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamlEndpoint {
    /// `redirect` or `post`.
    pub binding: String,
    pub location: String,
    /// Where answers go, when that is elsewhere.
    pub response_location: Option<String>,
}

/// An identity provider of SAML 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saml {
    pub entity_id: String,
    pub sign_on: Vec<SamlEndpoint>,
    pub sign_out: Vec<SamlEndpoint>,
    /// Of the keys that sign there, in Base64; any of them may have signed.
    pub certificates: Vec<String>,
    /// Where the metadata came from, if it is read again.
    pub metadata_url: Option<String>,
    /// The metadata's own end.
    pub valid_until: Option<Timestamp>,
    pub name_id_format: Option<String>,
    /// Takes sign-ins that begin at the provider.
    pub unsolicited: bool,
    pub signed_response: bool,
    pub signed_assertion: bool,
    /// SHA-1 is taken until then.
    pub sha1_until: Option<Timestamp>,
    /// Signing out here leads on to the provider's sign-out.
    #[serde(default)]
    pub sign_out_upstream: bool,
    /// The certificate of our key that signs, in Base64; the private keys are the connection's secret.
    pub own_certificate: String,
    /// The second one, while a new key takes the place of an old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_certificate: Option<Other>,
}

/// A key of ours that is published and does not sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    pub certificate: String,
    /// It is the old one; otherwise it is new, and has yet to.
    pub has_signed: bool,
}

impl Saml {
    /// What metadata says goes in; what the admin says stays.
    pub fn take(&mut self, found: &IdentityProvider) {
        self.entity_id.clone_from(&found.entity_id);
        self.sign_on = found.single_sign_on.iter().map(SamlEndpoint::of).collect();
        self.sign_out = found.single_logout.iter().map(SamlEndpoint::of).collect();
        self.certificates = found.signing.iter().map(|one| STANDARD.encode(one.der())).collect();
        self.valid_until = found.valid_until.map(|end| Timestamp::from_micros(end.0));
    }

    /// The certificates that are readable, which all of them are that [`Saml::take`] wrote.
    pub fn trusted(&self) -> Vec<Certificate> {
        let bytes = self.certificates.iter().filter_map(|text| STANDARD.decode(text).ok());
        bytes.filter_map(|der| Certificate::from_der(&der).ok()).collect()
    }

    pub fn sha1(&self) -> Sha1 {
        self.sha1_until.map_or(Sha1::Refused, |end| Sha1::AllowedUntil(saml::Time(end.micros())))
    }

    /// Where people are sent to sign in: by redirect where the provider takes that, else by a form.
    pub(crate) fn sign_on_endpoint(&self) -> Option<&SamlEndpoint> {
        let with = |binding| self.sign_on.iter().find(|one| one.binding == binding);
        with(REDIRECT).or_else(|| with(POST))
    }

    /// Where the provider takes requests to sign somebody out, by redirect.
    pub fn sign_out_address(&self) -> Option<&str> {
        self.sign_out.iter().find(|one| one.binding == REDIRECT).map(|one| one.location.as_str())
    }

    /// Where an answer about a sign-out goes by redirect.
    pub fn sign_out_answer_address(&self) -> Option<&str> {
        let found = self.sign_out.iter().find(|one| one.binding == REDIRECT)?;
        Some(found.response_location.as_deref().unwrap_or(&found.location))
    }

    pub(super) fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.sign_on_endpoint().is_none() {
            let why =
                "the metadata has no single sign-on address with the binding HTTP-Redirect or HTTP-POST";
            wrong.push(("metadata", why.to_owned()));
        }
        let format = |text: &String| text.len() <= TEXT_BYTES_MAX && text.starts_with("urn:");
        if !self.name_id_format.iter().all(format) {
            wrong.push((
                "name_id_format",
                "a format is a name that begins with `urn:oasis:names:tc:SAML:`".to_owned(),
            ));
        }
        if self.name_id_format.as_deref() == Some(saml::names::TRANSIENT) {
            let why = "a transient NameID is another one each time: nobody would be known again. Use a persistent one";
            wrong.push(("name_id_format", why.to_owned()));
        }
        wrong
    }

    /// What is wrong with an exception for SHA-1, when it is made.
    pub(crate) fn check_exception(end: Timestamp, now: Timestamp) -> Option<Wrong> {
        let latest = now.plus(DAY * SHA1_DAYS_MAX);
        (end <= now || end > latest).then(|| {
            let why = format!(
                "an exception ends within {SHA1_DAYS_MAX} days, at {} at the latest",
                latest.day_words()
            );
            ("sha1_until", why)
        })
    }
}

const REDIRECT: &str = "redirect";
const POST: &str = "post";

impl SamlEndpoint {
    pub(crate) fn takes_redirects(&self) -> bool {
        self.binding == REDIRECT
    }

    fn of(endpoint: &saml::metadata::Endpoint) -> Self {
        let binding = match endpoint.binding {
            Binding::Redirect => REDIRECT,
            Binding::Post => POST,
        };
        Self {
            binding: binding.to_owned(),
            location: endpoint.location.clone(),
            response_location: endpoint.response_location.clone(),
        }
    }
}
