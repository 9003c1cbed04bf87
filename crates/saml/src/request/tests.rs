use super::*;
use crate::error::Part;
use crate::tests::fixtures::{ACS, AUDIENCE, PROVIDER, at, now};
use crate::xml::{Document, Limits};
use crate::{Sha1, Trust, base64, names, post, signature};

fn request() -> AuthnRequest<'static> {
    AuthnRequest {
        id: "_request1",
        issued: at("2026-03-01T12:00:00Z"),
        destination: "https://idp.example/sso?a=1&b=2",
        issuer: AUDIENCE,
        acs: ACS,
        name_id_format: Some(names::PERSISTENT),
        force_authn: true,
        is_passive: false,
        contexts: &["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],
    }
}

#[test]
fn it_says_what_was_asked() {
    let xml = request().to_xml();
    let document = Document::parse(xml.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
    let root = document.root();
    assert!(root.is(SAMLP, "AuthnRequest"));
    for (name, value) in [
        ("ID", "_request1"),
        ("Version", "2.0"),
        ("IssueInstant", "2026-03-01T12:00:00.000Z"),
        ("Destination", "https://idp.example/sso?a=1&b=2"),
        ("AssertionConsumerServiceURL", ACS),
        ("ProtocolBinding", POST),
        ("ForceAuthn", "true"),
    ] {
        assert_eq!(root.attribute(name), Some(value));
    }
    assert_eq!(root.attribute("IsPassive"), None);
    assert_eq!(root.only(SAML, "Issuer").unwrap().text().unwrap(), AUDIENCE);
    let policy = root.only(SAMLP, "NameIDPolicy").unwrap();
    assert_eq!(policy.attribute("Format"), Some(names::PERSISTENT));
    let context = root.only(SAMLP, "RequestedAuthnContext").unwrap();
    assert_eq!(context.only(SAML, "AuthnContextClassRef").unwrap().text().unwrap(), request().contexts[0]);
}

/// What is written is well-formed whatever it is given.
#[test]
fn values_are_escaped() {
    let odd = "\"><&'\r\n\t]]>\u{1}é";
    let xml = AuthnRequest {
        issuer: odd,
        destination: odd,
        name_id_format: Some(odd),
        contexts: &[odd],
        ..request()
    }
    .to_xml();
    let document = Document::parse(xml.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
    let wanted = odd.replace('\u{1}', "\u{fffd}");
    assert_eq!(document.root().attribute("Destination"), Some(wanted.as_str()));
    assert_eq!(document.root().only(SAML, "Issuer").unwrap().text().unwrap(), wanted);
}

#[test]
fn by_post_it_is_signed_in_itself() {
    let field = post::encode(&request().to_xml(), &PROVIDER.key, PROVIDER.certificates[0].der()).unwrap();
    let xml = post::decode(&field).unwrap();
    let document = Document::parse(&xml, Part::Message, Limits::MESSAGE).unwrap();
    let root = document.root();
    // The schema's order: the signature right behind the issuer.
    assert_eq!(
        root.children().map(|child| child.local()).take(2).collect::<Vec<_>>(),
        ["Issuer", "Signature"]
    );
    let trust = Trust { certificates: &PROVIDER.certificates, sha1: Sha1::Refused, now: now() };
    let verified = signature::verify(root, signature::of(root).unwrap().unwrap(), &trust).unwrap();
    assert_eq!(
        String::from_utf8(verified.bytes).unwrap(),
        crate::tests::fixtures::canonical(&request().to_xml())
    );
    assert!(!verified.by.sha1);
}

#[test]
fn every_kind_of_key_signs() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    };
    for algorithm in [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING] {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let (key, certificate) = crate::tests::fixtures::pair("curve.example", pkcs8.as_ref());
        let signed = signature::sign(&request().to_xml(), &key, None).unwrap();
        let document = Document::parse(signed.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
        let root = document.root();
        let certificates = [certificate];
        let trust = Trust { certificates: &certificates, sha1: Sha1::Refused, now: now() };
        signature::verify(root, signature::of(root).unwrap().unwrap(), &trust).unwrap();
    }
    assert!(crate::SigningKey::from_pkcs8(b"no key").is_err());
}

#[test]
fn a_form_field_is_bounded_base64() {
    assert_eq!(post::decode(" PGE\r\n+PC9hPg== ").unwrap(), b"<a></a>");
    for wrong in ["!", "PGE", "PGE=PGE=", "PGE-PC9hPg=="] {
        assert_eq!(post::decode(wrong).unwrap_err().kind, crate::Kind::Base64, "{wrong}");
    }
    let large = base64::encode(vec![b'a'; 800 * 1024]);
    assert!(matches!(post::decode(&large).unwrap_err().kind, crate::Kind::TooLarge(_)));
}
