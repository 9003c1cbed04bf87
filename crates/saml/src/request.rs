//! `AuthnRequest`: sends somebody to an identity provider.

use std::fmt::Write as _;

use crate::names::{POST, SAML, SAMLP};
use crate::time::Time;
use crate::writer;

/// A request to sign somebody in. Its ID is made by the caller, kept with the RelayState, and expected back
/// ([`crate::Flow::Requested`]).
#[derive(Clone, Copy, Debug)]
pub struct AuthnRequest<'a> {
    /// Must begin with a letter or `_`, and hold 128 random bits.
    pub id: &'a str,
    pub issued: Time,
    /// The identity provider's endpoint.
    pub destination: &'a str,
    /// This service's entity id.
    pub issuer: &'a str,
    /// Where the answer goes, by HTTP-POST.
    pub acs: &'a str,
    pub name_id_format: Option<&'a str>,
    /// Ask the person again, even when the identity provider still knows them.
    pub force_authn: bool,
    /// Ask nothing: succeed at once or fail.
    pub is_passive: bool,
    /// Any of these ways to sign in (`AuthnContextClassRef`), exactly; empty leaves it to the identity provider.
    pub contexts: &'a [&'a str],
}

impl AuthnRequest<'_> {
    pub fn to_xml(&self) -> String {
        let attribute = writer::attribute;
        let mut xml = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"{}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\" AssertionConsumerServiceURL=\"{}\" ProtocolBinding=\"{POST}\"",
            attribute(self.id),
            self.issued.to_text(),
            attribute(self.destination),
            attribute(self.acs),
        );
        if self.force_authn {
            xml.push_str(" ForceAuthn=\"true\"");
        }
        if self.is_passive {
            xml.push_str(" IsPassive=\"true\"");
        }
        let _ = write!(xml, "><saml:Issuer>{}</saml:Issuer>", writer::text(self.issuer));
        let format = writer::optional("Format", self.name_id_format);
        let _ = write!(xml, "<samlp:NameIDPolicy{format} AllowCreate=\"true\"></samlp:NameIDPolicy>");
        if !self.contexts.is_empty() {
            xml.push_str("<samlp:RequestedAuthnContext Comparison=\"exact\">");
            for context in self.contexts {
                let class = writer::text(context);
                let _ = write!(xml, "<saml:AuthnContextClassRef>{class}</saml:AuthnContextClassRef>");
            }
            xml.push_str("</samlp:RequestedAuthnContext>");
        }
        xml.push_str("</samlp:AuthnRequest>");
        xml
    }
}

#[cfg(test)]
mod tests;
