//! What tests share: the documents of `fixtures/` (made by other people's programs, see `fixtures/make.py`), what a connection
//! expects of them, and an identity provider that signs anything.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};

use crate::algorithms::{DigestMethod, Sha1};
use crate::error::Part;
use crate::names::{DSIG, ENVELOPED, EXCLUSIVE_C14N, SAML, SAMLP};
use crate::response::{Demands, Expected, Flow};
use crate::signature::SigningKey;
use crate::xml::{Document, Limits};
use crate::{Certificate, DecryptionKey, Error, Kind, Login, Time, base64, c14n, response};

pub const ISSUER: &str = "https://idp.example/saml";
pub const AUDIENCE: &str = "https://sp.example/saml/acme/metadata";
pub const ACS: &str = "https://sp.example/saml/acme/acs";
pub const REQUEST: &str = "_request1";

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/", $name))
    };
}
pub(crate) use file;

pub fn at(text: &str) -> Time {
    Time::parse(text).unwrap()
}

pub fn now() -> Time {
    at("2026-03-01T12:00:30Z")
}

pub fn pem(text: &[u8]) -> Certificate {
    let text = std::str::from_utf8(text).unwrap();
    let inner: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    Certificate::from_der(&base64::decode(&inner).unwrap()).unwrap()
}

/// The certificates that the documents are signed for.
pub fn certificates() -> Vec<Certificate> {
    [file!("rsa.crt").as_slice(), file!("next.crt"), file!("p256.crt"), file!("p384.crt")].map(pem).to_vec()
}

pub fn decryption() -> Vec<DecryptionKey> {
    let text = std::str::from_utf8(file!("service-key.txt")).unwrap();
    vec![DecryptionKey::from_pkcs8(&base64::decode_wrapped(text).unwrap()).unwrap()]
}

static CERTIFICATES: LazyLock<Vec<Certificate>> = LazyLock::new(certificates);
static DECRYPTION: LazyLock<Vec<DecryptionKey>> = LazyLock::new(decryption);

/// What the connection of the documents expects.
pub fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        audience: AUDIENCE,
        acs: ACS,
        flow: Flow::Requested { id: REQUEST },
        authenticated_after: None,
        certificates: &CERTIFICATES,
        decryption: &DECRYPTION,
        demands: Demands::default(),
        sha1: Sha1::Refused,
        now: now(),
        skew_seconds: 60,
    }
}

pub fn refused(xml: &[u8], expected: &Expected<'_>) -> Kind {
    match response::verify(xml, expected) {
        Ok(login) => panic!("let `{}` in", login.name_id.value),
        Err(error) => error.kind,
    }
}

/// An identity provider of the test's own, whose certificate the test trusts.
pub struct Provider {
    pub key: SigningKey,
    pub certificates: Vec<Certificate>,
}

/// One for all tests: making RSA keys takes long.
pub static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider::new("idp.example"));

impl Provider {
    pub fn new(name: &str) -> Self {
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap().as_ref().to_vec();
        let (key, certificate) = pair(name, &pkcs8);
        Self { key, certificates: vec![certificate] }
    }

    pub fn expected(&self) -> Expected<'_> {
        Expected { certificates: &self.certificates, ..expected() }
    }

    /// An enveloped signature of the root of `xml`, behind its issuer.
    pub fn sign(&self, xml: &str) -> String {
        crate::signature::sign(xml, &self.key, None).unwrap()
    }

    /// As [`Provider::sign`], over a `SignedInfo` that `change` has turned into something else first: the signature value is right.
    /// Gives the `Signature` alone.
    pub fn signature(&self, element: &str, change: impl FnOnce(String) -> String) -> String {
        let document = Document::parse(element.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
        let root = document.root();
        let digest = base64::encode(DigestMethod::Sha256.of(&c14n::exclusive(root, None, &[]).unwrap()));
        let info = change(signed_info(root.attribute("ID").unwrap_or_default(), &digest));
        let parsed = Document::parse(info.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
        let canonical = c14n::exclusive(parsed.root(), None, &[]).unwrap();
        let value = base64::encode(self.key.signature(&canonical).unwrap());
        format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
        )
    }
}

/// The key and its certificate, from a private key in PKCS #8.
pub fn pair(name: &str, pkcs8: &[u8]) -> (SigningKey, Certificate) {
    let der = rcgen::KeyPair::try_from(pkcs8).unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let certificate = parameters.self_signed(&der).unwrap();
    (SigningKey::from_pkcs8(pkcs8).unwrap(), Certificate::from_der(certificate.der()).unwrap())
}

fn signed_info(id: &str, digest: &str) -> String {
    format!(
        "<ds:SignedInfo xmlns:ds=\"{DSIG}\"><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE_C14N}\"/>\
         <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{ENVELOPED}\"/>\
         <ds:Transform Algorithm=\"{EXCLUSIVE_C14N}\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
         <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
}

/// An assertion as text, whose parts a test changes.
pub struct Draft {
    pub id: &'static str,
    pub name_id: String,
    pub confirmation: String,
    pub conditions: String,
    pub statements: String,
    pub attributes: String,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            id: "_a1",
            name_id: "<saml:NameID>mara@acme.example</saml:NameID>".into(),
            confirmation: format!(
                "<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
                 <saml:SubjectConfirmationData InResponseTo=\"{REQUEST}\" NotOnOrAfter=\"2026-03-01T12:05:00Z\" \
                 Recipient=\"{ACS}\"/></saml:SubjectConfirmation>"
            ),
            conditions: format!(
                "<saml:Conditions NotBefore=\"2026-03-01T11:59:00Z\" NotOnOrAfter=\"2026-03-01T12:05:00Z\">\
                 <saml:AudienceRestriction><saml:Audience>{AUDIENCE}</saml:Audience></saml:AudienceRestriction>\
                 </saml:Conditions>"
            ),
            statements: "<saml:AuthnStatement AuthnInstant=\"2026-03-01T11:59:00Z\" SessionIndex=\"_s1\">\
                 <saml:AuthnContext><saml:AuthnContextClassRef>\
                 urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>\
                 </saml:AuthnStatement>"
                .into(),
            attributes: String::new(),
        }
    }
}

impl Draft {
    pub fn xml(&self) -> String {
        format!(
            "<saml:Assertion xmlns:saml=\"{SAML}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"2026-03-01T12:00:00Z\">\
             <saml:Issuer>{ISSUER}</saml:Issuer><saml:Subject>{}{}</saml:Subject>{}{}{}</saml:Assertion>",
            self.id, self.name_id, self.confirmation, self.conditions, self.statements, self.attributes
        )
    }

    /// Signed by [`PROVIDER`], in an unsigned Response.
    pub fn response(&self) -> String {
        wrap(&PROVIDER.sign(&self.xml()))
    }
}

pub fn response_head() -> String {
    format!(
        "<samlp:Response xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"_r1\" Version=\"2.0\" \
         IssueInstant=\"2026-03-01T12:00:00Z\" Destination=\"{ACS}\" InResponseTo=\"{REQUEST}\">\
         <saml:Issuer>{ISSUER}</saml:Issuer>"
    )
}

pub const STATUS: &str =
    "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>";

/// A Response around this.
pub fn wrap(inner: &str) -> String {
    format!("{}{STATUS}{inner}</samlp:Response>", response_head())
}

/// Whether the draft, signed well, is let in.
pub fn try_draft(draft: &Draft, change: impl FnOnce(&mut Expected<'_>)) -> Result<Login, Error> {
    let mut expected = PROVIDER.expected();
    change(&mut expected);
    response::verify(draft.response().as_bytes(), &expected)
}

/// The canonical form of the root.
pub fn canonical(xml: &str) -> String {
    let document = Document::parse(xml.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
    String::from_utf8(c14n::exclusive(document.root(), None, &[]).unwrap()).unwrap()
}
