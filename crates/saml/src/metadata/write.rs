//! The metadata of this service, which an identity provider reads.

use std::fmt::Write as _;

use super::Endpoint;
use crate::error::Error;
use crate::names::{DSIG, METADATA, POST, SAMLP};
use crate::signature::{self, SigningKey};
use crate::time::Time;
use crate::{base64, writer};

/// What is published for one connection.
#[derive(Clone, Copy, Debug)]
pub struct ServiceProvider<'a> {
    /// Of the document, when it is signed.
    pub id: &'a str,
    pub entity_id: &'a str,
    pub acs: &'a str,
    pub single_logout: &'a [Endpoint],
    /// DER forms; the key in use first, the next one beside it while they change.
    pub signing: &'a [&'a [u8]],
    pub encryption: &'a [&'a [u8]],
    pub name_id_formats: &'a [&'a str],
    pub valid_until: Option<Time>,
}

impl ServiceProvider<'_> {
    pub fn to_xml(&self) -> String {
        let mut xml = format!(
            "<md:EntityDescriptor xmlns:md=\"{METADATA}\" ID=\"{}\" entityID=\"{}\"{}>\
             <md:SPSSODescriptor AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"{SAMLP}\">",
            writer::attribute(self.id),
            writer::attribute(self.entity_id),
            writer::optional("validUntil", self.valid_until.map(Time::to_text).as_deref()),
        );
        for certificate in self.signing {
            key(&mut xml, "signing", certificate, &[]);
        }
        for certificate in self.encryption {
            key(&mut xml, "encryption", certificate, &METHODS);
        }
        for endpoint in self.single_logout {
            let _ = write!(
                xml,
                "<md:SingleLogoutService Binding=\"{}\" Location=\"{}\"{}></md:SingleLogoutService>",
                endpoint.binding.name(),
                writer::attribute(&endpoint.location),
                writer::optional("ResponseLocation", endpoint.response_location.as_deref()),
            );
        }
        for format in self.name_id_formats {
            let _ = write!(xml, "<md:NameIDFormat>{}</md:NameIDFormat>", writer::text(format));
        }
        let _ = write!(
            xml,
            "<md:AssertionConsumerService Binding=\"{POST}\" Location=\"{}\" index=\"0\" isDefault=\"true\">\
             </md:AssertionConsumerService></md:SPSSODescriptor></md:EntityDescriptor>",
            writer::attribute(self.acs),
        );
        xml
    }

    /// The same, signed, for those who demand it.
    pub fn to_signed_xml(&self, key: &SigningKey, certificate: &[u8]) -> Result<String, Error> {
        signature::sign(&self.to_xml(), key, Some(certificate))
    }
}

/// What is decrypted here, best first: providers that read this choose by it.
const METHODS: [&str; 4] = [
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#rsa-oaep",
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
];

fn key(xml: &mut String, used: &str, certificate: &[u8], methods: &[&str]) {
    let _ = write!(
        xml,
        "<md:KeyDescriptor use=\"{used}\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
        base64::encode(certificate),
    );
    for method in methods {
        let _ = write!(xml, "<md:EncryptionMethod Algorithm=\"{method}\"></md:EncryptionMethod>");
    }
    xml.push_str("</md:KeyDescriptor>");
}
