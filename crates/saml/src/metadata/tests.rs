use super::*;
use crate::tests::fixtures::{ACS, AUDIENCE, ISSUER, PROVIDER, at, file, now, pem};
use crate::{Sha1, base64};

fn reading() -> Reading<'static> {
    Reading { entity_id: None, now: now(), allow_http: false }
}

fn key(certificate: &[u8], used: &str) -> String {
    format!(
        "<md:KeyDescriptor{used}><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>\n{}\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
        base64::encode(certificate)
    )
}

const SSO: &str = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example/sso\"/>";

fn entity(attributes: &str, inside: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"{METADATA}\" entityID=\"{ISSUER}\"{attributes}><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:1.1:protocol {SAMLP}\">{inside}</md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

fn rsa() -> Certificate {
    pem(file!("rsa.crt"))
}

fn kind(xml: &str) -> Kind {
    IdentityProvider::parse(xml.as_bytes(), &reading()).unwrap_err().kind
}

#[test]
fn metadata_of_pysaml2_is_read() {
    let found = IdentityProvider::parse(file!("pysaml2-metadata.xml"), &reading()).unwrap();
    assert_eq!(found.entity_id, ISSUER);
    assert_eq!(found.display_name.as_deref(), Some("Example sign-in"));
    assert!(found.wants_signed_requests);
    assert_eq!(found.signing, [rsa()]);
    assert_eq!(found.encryption, [rsa()]);
    assert_eq!(found.name_id_formats, [crate::names::PERSISTENT]);
    assert_eq!(IdentityProvider::endpoint(&found.single_sign_on, None).unwrap().binding, Binding::Redirect);
    assert_eq!(
        IdentityProvider::endpoint(&found.single_logout, Some(Binding::Post)).unwrap().location,
        format!("{ISSUER}/slo")
    );
    assert!(found.left_out.is_empty());
}

/// The new key is published before it signs, the old one after it stopped: both count, and both times are known.
#[test]
fn several_keys_roll_over() {
    let (old, new) = (rsa(), pem(file!("next.crt")));
    let xml = entity(
        "",
        &format!(
            "{}{}{}{}{SSO}",
            key(old.der(), " use=\"signing\""),
            key(new.der(), " use=\"signing\""),
            key(new.der(), " use=\"signing\""),
            key(old.der(), " use=\"encryption\"")
        ),
    );
    let found = IdentityProvider::parse(xml.as_bytes(), &reading()).unwrap();
    assert_eq!(found.signing, [old.clone(), new.clone()]);
    assert_eq!(found.encryption, std::slice::from_ref(&old));
    assert_eq!((new.not_before, new.not_after), (at("2026-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")));
    assert_eq!(new.kind(), crate::certificate::KeyKind::Rsa { bits: 3072 });
    assert!(old.same_key(&rsa()) && !old.same_key(&new));
    assert_eq!(new.fingerprint().len(), 64);
    // Signed by the old or by the new one: let in, while both are there.
    for (document, keys) in [
        (file!("signed-rsa-sha256.xml").as_slice(), &found.signing),
        (file!("signed-rsa-sha512.xml"), &found.signing),
    ] {
        let expected = crate::Expected { certificates: keys, ..crate::tests::fixtures::expected() };
        assert!(crate::response::verify(document, &expected).is_ok());
        let gone: Vec<Certificate> = Vec::new();
        assert!(
            crate::response::verify(document, &crate::Expected { certificates: &gone, ..expected }).is_err()
        );
    }
}

#[test]
fn a_certificate_without_use_is_for_both() {
    let found =
        IdentityProvider::parse(entity("", &format!("{}{SSO}", key(rsa().der(), ""))).as_bytes(), &reading())
            .unwrap();
    assert_eq!((found.signing.len(), found.encryption.len()), (1, 1));
    assert_eq!(
        kind(&entity("", &format!("{}{SSO}", key(rsa().der(), " use=\"both\"")))),
        Kind::Attribute("use")
    );
}

#[test]
fn weak_and_broken_certificates_are_left_out_and_named() {
    let weak = base64::decode(
        &std::str::from_utf8(file!("weak.crt"))
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect::<String>(),
    )
    .unwrap();
    let both = format!("{}{}{}{SSO}", key(&weak, ""), key(b"none", ""), key(rsa().der(), ""));
    let found = IdentityProvider::parse(entity("", &both).as_bytes(), &reading()).unwrap();
    assert_eq!(found.signing, [rsa()]);
    assert_eq!(
        found.left_out.iter().map(Error::reason).collect::<Vec<_>>(),
        ["key", "key", "certificate", "certificate"][1..3].to_vec()
    );
    assert!(found.left_out[0].to_string().contains("2048"), "{}", found.left_out[0]);
    assert_eq!(kind(&entity("", &format!("{}{SSO}", key(&weak, "")))), Kind::NoKey);
    assert_eq!(kind(&entity("", SSO)), Kind::NoKey);
    let many: String = (0..17).map(|_| Provider::new()).collect();
    assert!(matches!(kind(&entity("", &format!("{many}{SSO}"))), Kind::Key(_)));
}

struct Provider;

impl Provider {
    #[expect(clippy::new_ret_no_self, reason = "a descriptor with another certificate each time")]
    fn new() -> String {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        key(crate::tests::fixtures::pair("x.example", pkcs8.as_ref()).1.der(), "")
    }
}

#[test]
fn metadata_that_has_expired_is_refused() {
    let inside = format!("{}{SSO}", key(rsa().der(), ""));
    assert_eq!(kind(&entity(" validUntil=\"2026-03-01T12:00:00Z\"", &inside)), Kind::Expired);
    let found = IdentityProvider::parse(
        entity(" validUntil=\"2026-04-01T00:00:00Z\"", &inside).as_bytes(),
        &reading(),
    )
    .unwrap();
    assert_eq!(found.valid_until, Some(at("2026-04-01T00:00:00Z")));
    assert_eq!(kind(&entity(" validUntil=\"never\"", &inside)), Kind::Time("validUntil"));
}

#[test]
fn one_of_several_must_be_named() {
    let inside = format!("{}{SSO}", key(rsa().der(), ""));
    let one = entity("", &inside);
    let other = one.replace(ISSUER, "https://other.example/");
    let service =
        format!("<md:EntityDescriptor entityID=\"{AUDIENCE}\"><md:SPSSODescriptor/></md:EntityDescriptor>");
    let all = |inner: &str| {
        format!("<md:EntitiesDescriptor xmlns:md=\"{METADATA}\">{inner}</md:EntitiesDescriptor>")
    };
    assert_eq!(
        IdentityProvider::parse(all(&format!("{service}{one}")).as_bytes(), &reading()).unwrap().entity_id,
        ISSUER
    );
    let both = all(&format!("{one}{other}"));
    assert_eq!(kind(&both), Kind::ManyIdentityProviders);
    let named = Reading { entity_id: Some("https://other.example/"), ..reading() };
    assert_eq!(IdentityProvider::parse(both.as_bytes(), &named).unwrap().entity_id, "https://other.example/");
    assert_eq!(IdentityProvider::parse(one.as_bytes(), &named).unwrap_err().kind, Kind::NoIdentityProvider);
    assert_eq!(kind(&all(&service)), Kind::NoIdentityProvider);
    assert_eq!(kind("<a/>"), Kind::Root("EntityDescriptor"));
    assert_eq!(kind(&one.replace(SAMLP, "urn:oasis:names:tc:SAML:1.0:protocol")), Kind::NoIdentityProvider);
}

/// An address becomes the target of a redirect and of a form.
#[test]
fn addresses_are_https_and_plain() {
    let with = |location: &str| {
        entity("", &format!("{}{}", key(rsa().der(), ""), SSO.replace("https://idp.example/sso", location)))
    };
    for location in [
        "javascript:alert(1)",
        "http://idp.example/",
        "https://",
        "https:///x",
        "//idp.example/",
        "/sso",
        "https://idp.example/ x",
        "https://idp.example/&quot;&gt;",
        "https://idp.example/#f",
        "https://:443/",
        "https://@x/",
        "data:text/html,x",
        "HTTPS://idp.example/",
        "https://idp.example/é",
        "https://idp.example\\x",
    ] {
        assert_eq!(kind(&with(location)), Kind::Url, "{location}");
    }
    let http = Reading { allow_http: true, ..reading() };
    assert!(IdentityProvider::parse(with("http://127.0.0.1:8080/sso").as_bytes(), &http).is_ok());
    assert_eq!(kind(&entity("", &key(rsa().der(), ""))), Kind::NoEndpoint);
    let soap = SSO.replace("HTTP-Redirect", "SOAP");
    assert_eq!(kind(&entity("", &format!("{}{soap}", key(rsa().der(), "")))), Kind::NoEndpoint);
}

#[test]
fn signed_metadata_counts_only_as_signed() {
    let inside = format!("{}{SSO}", key(rsa().der(), ""));
    let xml = entity(" ID=\"_m1\"", &inside);
    let signed = PROVIDER.sign(&xml);
    let trust = Trust { certificates: &PROVIDER.certificates, sha1: Sha1::Refused, now: now() };
    let (found, by) = IdentityProvider::parse_signed(signed.as_bytes(), &reading(), &trust).unwrap();
    assert_eq!((found.entity_id.as_str(), by.sha1), (ISSUER, false));
    let refuse =
        |xml: &str| IdentityProvider::parse_signed(xml.as_bytes(), &reading(), &trust).unwrap_err().kind;
    assert_eq!(refuse(&xml), Kind::Unsigned);
    assert_eq!(refuse(&signed.replace("https://idp.example/sso", "https://evil.example/sso")), Kind::Digest);
}

#[test]
fn ours_says_what_an_identity_provider_needs() {
    let (signing, next) = (rsa(), pem(file!("next.crt")));
    let logout = [Endpoint {
        binding: Binding::Post,
        location: "https://sp.example/saml/acme/slo".into(),
        response_location: None,
    }];
    let ours = ServiceProvider {
        id: "_m1",
        entity_id: AUDIENCE,
        acs: ACS,
        single_logout: &logout,
        signing: &[signing.der(), next.der()],
        encryption: &[signing.der()],
        name_id_formats: &[crate::names::PERSISTENT, crate::names::EMAIL],
        valid_until: Some(at("2026-04-01T00:00:00Z")),
    };
    let xml = ours.to_xml();
    let document = Document::parse(xml.as_bytes(), Part::Message, Limits::METADATA).unwrap();
    let role = document.root().only(METADATA, "SPSSODescriptor").unwrap();
    assert_eq!(document.root().attribute("entityID"), Some(AUDIENCE));
    assert_eq!(role.attribute("WantAssertionsSigned"), Some("true"));
    assert_eq!(role.attribute("AuthnRequestsSigned"), Some("true"));
    assert_eq!(role.named(METADATA, "KeyDescriptor").count(), 3);
    assert_eq!(role.only(METADATA, "AssertionConsumerService").unwrap().attribute("Location"), Some(ACS));
    // In the order that the schema demands.
    let order: Vec<&str> = role.children().map(|child| child.local()).collect();
    assert_eq!(
        order,
        [
            "KeyDescriptor",
            "KeyDescriptor",
            "KeyDescriptor",
            "SingleLogoutService",
            "NameIDFormat",
            "NameIDFormat",
            "AssertionConsumerService"
        ]
    );
    let signed = ours.to_signed_xml(&PROVIDER.key, PROVIDER.certificates[0].der()).unwrap();
    let document = Document::parse(signed.as_bytes(), Part::Message, Limits::METADATA).unwrap();
    let root = document.root();
    let trust = Trust { certificates: &PROVIDER.certificates, sha1: Sha1::Refused, now: now() };
    signature::verify(root, signature::of(root).unwrap().unwrap(), &trust).unwrap();
    assert_eq!(root.children().next().unwrap().local(), "Signature");
}
