//! Metadata: what an identity provider says about itself, read; what this service says about itself, written.

#[cfg(test)]
mod tests;
mod write;

use crate::certificate::Certificate;
use crate::error::{Error, Kind, Part};
use crate::names::{DSIG, METADATA, METADATA_UI, POST, REDIRECT, SAMLP};
use crate::signature::{self, KEYS_MAX, SignedBy, Trust};
use crate::time::Time;
use crate::xml::{Document, Element, Limits};

pub use write::ServiceProvider;

const ENTITY_ID_BYTES_MAX: usize = 1024;
const LOCATION_BYTES_MAX: usize = 2048;
const ENDPOINTS_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Redirect,
    Post,
}

impl Binding {
    pub fn name(self) -> &'static str {
        match self {
            Self::Redirect => REDIRECT,
            Self::Post => POST,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            REDIRECT => Some(Self::Redirect),
            POST => Some(Self::Post),
            _ => None,
        }
    }
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub binding: Binding,
    pub location: String,
    /// Where answers go, when that is another address.
    pub response_location: Option<String>,
}

/// What a connection needs to know of an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    pub entity_id: String,
    pub display_name: Option<String>,
    /// Metadata counts until then.
    pub valid_until: Option<Time>,
    pub wants_signed_requests: bool,
    pub single_sign_on: Vec<Endpoint>,
    pub single_logout: Vec<Endpoint>,
    /// Several while one key replaces another; any of them may have signed.
    pub signing: Vec<Certificate>,
    pub encryption: Vec<Certificate>,
    pub name_id_formats: Vec<String>,
    /// What is odd about it, for the person who sets it up: certificates that were left out, and why.
    pub left_out: Vec<Error>,
}

/// What a reader of metadata decides.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Which one, where the document describes several.
    pub entity_id: Option<&'a str>,
    pub now: Time,
    /// Takes endpoints without TLS: for tests on one machine.
    pub allow_http: bool,
}

impl IdentityProvider {
    /// Reads one identity provider from its metadata. Where it came from is what makes it trusted; see
    /// [`IdentityProvider::parse_signed`] for metadata that a federation signs.
    pub fn parse(xml: &[u8], reading: &Reading<'_>) -> Result<Self, Error> {
        let document = Document::parse(xml, Part::Message, Limits::METADATA)?;
        document.ids()?;
        Self::read(document.root(), reading)
    }

    /// As [`IdentityProvider::parse`], from the bytes that a trusted key signed.
    pub fn parse_signed(
        xml: &[u8],
        reading: &Reading<'_>,
        trust: &Trust<'_>,
    ) -> Result<(Self, SignedBy), Error> {
        let document = Document::parse(xml, Part::Message, Limits::METADATA)?;
        document.ids()?;
        let root = document.root();
        let found = signature::of(root)?.ok_or_else(|| root.error(Kind::Unsigned))?;
        let verified = signature::verify(root, found, trust)?;
        let canonical = Document::parse(&verified.bytes, Part::Verified, Limits::METADATA)?;
        Ok((Self::read(canonical.root(), reading)?, verified.by))
    }

    fn read(root: Element<'_>, reading: &Reading<'_>) -> Result<Self, Error> {
        let entity = entity(root, reading)?;
        let entity_id = entity.required("entityID")?;
        if entity_id.is_empty()
            || entity_id.len() > ENTITY_ID_BYTES_MAX
            || entity_id.chars().any(char::is_control)
        {
            return Err(entity.error(Kind::Attribute("entityID")));
        }
        let role = role(entity)?.ok_or_else(|| entity.error(Kind::NoIdentityProvider))?;
        let mut valid_until = None;
        for element in [root, entity, role] {
            if let Some(end) = element.time("validUntil")? {
                if end <= reading.now {
                    return Err(element.error(Kind::Expired));
                }
                valid_until = Some(valid_until.map_or(end, |other: Time| other.min(end)));
            }
        }
        let single_sign_on = endpoints(role, "SingleSignOnService", reading)?;
        if single_sign_on.is_empty() {
            return Err(role.error(Kind::NoEndpoint));
        }
        let mut found = Self {
            entity_id: entity_id.to_owned(),
            display_name: display_name(entity, role)?,
            valid_until,
            wants_signed_requests: matches!(role.attribute("WantAuthnRequestsSigned"), Some("true" | "1")),
            single_sign_on,
            single_logout: endpoints(role, "SingleLogoutService", reading)?,
            signing: Vec::new(),
            encryption: Vec::new(),
            name_id_formats: Vec::new(),
            left_out: Vec::new(),
        };
        found.read_keys(role)?;
        for format in role.named(METADATA, "NameIDFormat").take(ENDPOINTS_MAX) {
            found.name_id_formats.push(format.text()?.trim().to_owned());
        }
        if found.signing.is_empty() {
            return Err(role.error(Kind::NoKey));
        }
        Ok(found)
    }

    fn read_keys(&mut self, role: Element<'_>) -> Result<(), Error> {
        for descriptor in role.named(METADATA, "KeyDescriptor") {
            let lists: &mut [&mut Vec<Certificate>] = match descriptor.attribute("use") {
                Some("signing") => &mut [&mut self.signing],
                Some("encryption") => &mut [&mut self.encryption],
                None => &mut [&mut self.signing, &mut self.encryption],
                Some(_) => return Err(descriptor.error(Kind::Attribute("use"))),
            };
            let info = descriptor.only(DSIG, "KeyInfo")?;
            let holders = info.named(DSIG, "X509Data").flat_map(|data| data.named(DSIG, "X509Certificate"));
            for element in holders {
                match Certificate::from_der(&element.base64()?) {
                    Ok(certificate) => {
                        for list in lists.iter_mut() {
                            if !list.contains(&certificate) {
                                list.push(certificate.clone());
                            }
                            if list.len() > KEYS_MAX {
                                return Err(element.error(Kind::Key("there are more than 16 of them")));
                            }
                        }
                    }
                    Err(error) => self.left_out.push(element.error(error.kind)),
                }
            }
        }
        Ok(())
    }

    /// The address for a message with this binding, or with any, redirects first.
    pub fn endpoint(list: &[Endpoint], wanted: Option<Binding>) -> Option<&Endpoint> {
        let with = |binding| list.iter().find(|endpoint| endpoint.binding == binding);
        match wanted {
            Some(binding) => with(binding),
            None => with(Binding::Redirect).or_else(|| with(Binding::Post)),
        }
    }
}

/// The one entity that is meant: the root, or the one identity provider of a list.
fn entity<'a>(root: Element<'a>, reading: &Reading<'_>) -> Result<Element<'a>, Error> {
    let named = |one: &Element<'a>| reading.entity_id.is_none_or(|id| one.attribute("entityID") == Some(id));
    if root.is(METADATA, "EntityDescriptor") {
        return if named(&root) { Ok(root) } else { Err(root.error(Kind::NoIdentityProvider)) };
    }
    if !root.is(METADATA, "EntitiesDescriptor") {
        return Err(root.error(Kind::Root("EntityDescriptor")));
    }
    let mut found = None;
    for one in root.descendants().filter(|one| one.is(METADATA, "EntityDescriptor")).filter(named) {
        if role(one)?.is_some() && found.replace(one).is_some() {
            return Err(root.error(Kind::ManyIdentityProviders));
        }
    }
    found.ok_or_else(|| root.error(Kind::NoIdentityProvider))
}

/// The role of an identity provider that speaks SAML 2.0.
fn role(entity: Element<'_>) -> Result<Option<Element<'_>>, Error> {
    let speaks = |one: &Element<'_>| {
        one.attribute("protocolSupportEnumeration")
            .unwrap_or_default()
            .split_ascii_whitespace()
            .any(|name| name == SAMLP)
    };
    let mut found = entity.named(METADATA, "IDPSSODescriptor").filter(speaks);
    let first = found.next();
    match found.next() {
        Some(second) => Err(second.error(Kind::Twice("IDPSSODescriptor"))),
        None => Ok(first),
    }
}

/// Those with a binding that is spoken here.
fn endpoints(role: Element<'_>, name: &'static str, reading: &Reading<'_>) -> Result<Vec<Endpoint>, Error> {
    let mut found = Vec::new();
    for element in role.named(METADATA, name) {
        let Some(binding) = Binding::parse(element.required("Binding")?) else { continue };
        let location = element.required("Location")?;
        let response_location = element.attribute("ResponseLocation");
        for address in [Some(location), response_location].into_iter().flatten() {
            if !is_address(address, reading.allow_http) {
                return Err(element.error(Kind::Url));
            }
        }
        found.push(Endpoint {
            binding,
            location: location.to_owned(),
            response_location: response_location.map(str::to_owned),
        });
        if found.len() > ENDPOINTS_MAX {
            return Err(element.error(Kind::Nodes));
        }
    }
    Ok(found)
}

/// `https://host…` in plain letters, without a fragment: it becomes the target of a redirect or of a form.
fn is_address(text: &str, allow_http: bool) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://").filter(|_| allow_http));
    let host = |rest: &str| !rest.is_empty() && !rest.starts_with(['/', '?', ':', '@']);
    let plain = |c: char| {
        c.is_ascii_graphic()
            && !matches!(c, '"' | '\'' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' | '#')
    };
    rest.is_some_and(host) && text.len() <= LOCATION_BYTES_MAX && text.chars().all(plain)
}

/// What the provider calls itself, for a list of connections; never to decide by.
fn display_name(entity: Element<'_>, role: Element<'_>) -> Result<Option<String>, Error> {
    let shown = role
        .named(METADATA, "Extensions")
        .flat_map(|extensions| extensions.named(METADATA_UI, "UIInfo"))
        .flat_map(|info| info.named(METADATA_UI, "DisplayName"));
    let formal = entity
        .named(METADATA, "Organization")
        .flat_map(|organization| organization.named(METADATA, "OrganizationDisplayName"));
    for element in shown.chain(formal) {
        let text = element.text()?;
        let text = text.trim();
        if !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control) {
            return Ok(Some(text.to_owned()));
        }
    }
    Ok(None)
}
