//! What the API says of SAML connections.

use ::saml::Certificate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::App;
use platform::time::Timestamp;
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::super::oidc::Trouble;
use super::super::settings::Saml;
use super::super::{ConnectionId, Content, Mapping, Settings, saml};
use super::NewConnection;
use crate::names::Name;

/// A SAML identity provider: its metadata, and what is taken of it. What is left out stays, or is off.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SamlChange {
    /// The provider's metadata, as XML.
    #[serde(default)]
    pub metadata: Option<String>,
    /// Where its metadata is; read once, and again with each change that names it. An empty one is forgotten.
    #[serde(default)]
    #[schema(example = "https://login.example.com/metadata")]
    pub metadata_url: Option<String>,
    /// Which provider, where the metadata describes several.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// The kind of NameID to ask for; an empty one asks for none in particular.
    #[serde(default)]
    pub name_id_format: Option<String>,
    /// Take sign-ins that begin at the provider.
    #[serde(default)]
    pub unsolicited: Option<bool>,
    /// Demand a signature of the whole Response; the assertion must be signed in it or itself in any case.
    #[serde(default)]
    pub signed_response: Option<bool>,
    /// Demand a signature of the assertion itself.
    #[serde(default)]
    pub signed_assertion: Option<bool>,
    /// Take SHA-1 until then, for a provider that knows nothing better; 180 days at most. Empty ends the exception.
    #[serde(default)]
    pub sha1_until: Option<String>,
}

/// A key that the provider signs with.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SamlCertificate)]
pub struct CertificateView {
    /// SHA-256.
    pub fingerprint: String,
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
}

impl CertificateView {
    /// What a page has room for.
    pub fn short(&self) -> &str {
        self.fingerprint.get(..16).unwrap_or_default()
    }
}

/// A key of ours, as our metadata has it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SamlOwnCertificate)]
pub struct OwnCertificateView {
    /// SHA-256.
    pub fingerprint: String,
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// `signs`, `new` (published, has yet to sign) or `old` (signed before).
    pub role: &'static str,
}

impl OwnCertificateView {
    fn of(certificate: &str, role: &'static str) -> Option<Self> {
        let certificate = Certificate::from_der(&STANDARD.decode(certificate).ok()?).ok()?;
        let not_after = Timestamp::from_micros(certificate.not_after.0);
        Some(Self { fingerprint: certificate.fingerprint(), not_after, role })
    }

    fn all(settings: &Saml) -> Vec<Self> {
        let other = settings.other_certificate.as_ref();
        let other = other
            .and_then(|other| Self::of(&other.certificate, if other.has_signed { "old" } else { "new" }));
        Self::of(&settings.own_certificate, "signs").into_iter().chain(other).collect()
    }

    /// What a page has room for.
    pub fn short(&self) -> &str {
        self.fingerprint.get(..16).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SamlConnection)]
pub struct SamlView {
    /// What the provider must be told: our entity id, which is also where our metadata is …
    pub entity_id: String,
    /// … where its answers go …
    pub acs_url: String,
    /// … and where it says that somebody signed out.
    pub slo_url: String,
    pub metadata_url: Option<String>,
    pub certificates: Vec<CertificateView>,
    /// Ours: the one that signs first, and another while one takes the other's place.
    pub own_certificates: Vec<OwnCertificateView>,
    pub name_id_format: Option<String>,
    pub unsolicited: bool,
    pub signed_response: bool,
    pub signed_assertion: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sha1_until: Option<Timestamp>,
    /// The end of the provider's metadata.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_until: Option<Timestamp>,
}

impl SamlView {
    /// The steps that can be taken with our key now, each as its word, what the button says, and what it does.
    pub fn own_key_steps(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        match self.own_certificates.get(1).map(|other| other.role) {
            None => vec![(
                "prepare",
                "Prepare a new key",
                "Publishes a second key in our metadata; the one above signs on.",
            )],
            Some("new") => vec![
                ("switch", "Sign with the new key", "Once the provider has read our metadata anew."),
                ("retire", "Give the new key up", "The one that signs stays."),
            ],
            Some(_) => vec![("retire", "Retire the old key", "Once people have signed in with the new one.")],
        }
    }

    pub(super) fn new(app: &App, id: ConnectionId, settings: &Saml) -> Self {
        let certificates = settings.trusted().into_iter().map(|one| CertificateView {
            fingerprint: one.fingerprint(),
            not_after: Timestamp::from_micros(one.not_after.0),
        });
        Self {
            entity_id: saml::entity_id(app, id),
            acs_url: saml::acs(app, id),
            slo_url: saml::slo(app, id),
            metadata_url: settings.metadata_url.clone(),
            certificates: certificates.collect(),
            own_certificates: OwnCertificateView::all(settings),
            name_id_format: settings.name_id_format.clone(),
            unsolicited: settings.unsolicited,
            signed_response: settings.signed_response,
            signed_assertion: settings.signed_assertion,
            sha1_until: settings.sha1_until,
            valid_until: settings.valid_until,
        }
    }
}

fn wrong(trouble: &Trouble) -> Problem {
    Problem::invalid(trouble).field("metadata", trouble)
}

/// The settings and the key of a new connection.
pub(super) async fn new_content(
    app: &App,
    access: &Access,
    name: Name,
    new: &NewConnection,
) -> Result<Content, Problem> {
    let change = new.saml.clone().unwrap_or_default();
    if change.metadata.is_none() && change.metadata_url.is_none() {
        let why = "the provider's metadata is needed, as XML or by its address";
        return Err(Problem::invalid(why).field("metadata", why));
    }
    let key = saml::new_key(app, access.ctx.now).await?;
    let empty = Saml {
        entity_id: change.entity_id.clone().unwrap_or_default(),
        sign_on: Vec::new(),
        sign_out: Vec::new(),
        certificates: Vec::new(),
        metadata_url: None,
        valid_until: None,
        name_id_format: None,
        unsolicited: false,
        signed_response: false,
        signed_assertion: false,
        sha1_until: None,
        sign_out_upstream: new.sign_out_upstream.unwrap_or(true),
        own_certificate: key.certificate,
        other_certificate: None,
    };
    let settings = changed(app, access, empty, Some(&change)).await?;
    // Attributes have no names of their own in SAML; the NameID is always there, and the metadata's owner vouches for it.
    let mapping = new.mapping.clone().unwrap_or_else(|| Mapping {
        email_claim: saml::NAME_ID.to_owned(),
        vouches_for_addresses: true,
        ..Mapping::default()
    });
    Ok(Content { name, settings, mapping, secret: Some(key.private) })
}

/// What stands, with what is changed; metadata is read, and fetched where an address is given.
pub(super) async fn changed(
    app: &App,
    access: &Access,
    mut settings: Saml,
    change: Option<&SamlChange>,
) -> Result<Settings, Problem> {
    let Some(change) = change else { return Ok(Settings::Saml(settings)) };
    let now = access.ctx.now;
    if let Some(address) = &change.metadata_url {
        settings.metadata_url = Some(address.trim().to_owned()).filter(|address| !address.is_empty());
    }
    let fetched = match (&change.metadata, &change.metadata_url, &settings.metadata_url) {
        (Some(xml), _, _) => Some(xml.clone().into_bytes()),
        (None, Some(_), Some(address)) => {
            Some(saml::fetch_metadata(app, address).await.map_err(|trouble| wrong(&trouble))?)
        }
        _ => None,
    };
    if let Some(xml) = fetched {
        // A provider that is known stays the one that is meant.
        let known = Some(settings.entity_id.as_str()).filter(|id| !id.is_empty());
        let found = saml::read_metadata(app, &xml, known, now).map_err(|trouble| wrong(&trouble))?;
        settings.take(&found);
    }
    if let Some(format) = &change.name_id_format {
        settings.name_id_format = Some(format.trim().to_owned()).filter(|format| !format.is_empty());
    }
    settings.unsolicited = change.unsolicited.unwrap_or(settings.unsolicited);
    settings.signed_response = change.signed_response.unwrap_or(settings.signed_response);
    settings.signed_assertion = change.signed_assertion.unwrap_or(settings.signed_assertion);
    match change.sha1_until.as_deref().map(str::trim) {
        None => {}
        Some("") => settings.sha1_until = None,
        Some(text) => {
            let why = "write a time such as 2026-12-31T00:00:00Z";
            let end = Timestamp::parse_rfc3339(text)
                .ok_or_else(|| Problem::invalid(why).field("sha1_until", why))?;
            if let Some((field, why)) = Saml::check_exception(end, now) {
                return Err(Problem::invalid(&why).field(field, why));
            }
            settings.sha1_until = Some(end);
        }
    }
    Ok(Settings::Saml(settings))
}
