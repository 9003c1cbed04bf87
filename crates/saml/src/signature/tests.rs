use crate::algorithms::Sha1;
use crate::names::EXCLUSIVE_C14N;
use crate::response;
use crate::tests::fixtures::{Draft, PROVIDER, expected, file, now, refused, wrap};
use crate::{Error, Expected, Kind};

/// A well-made assertion whose signature was made over a changed `SignedInfo`.
fn forged(change: impl FnOnce(String) -> String) -> Result<(), Error> {
    signed_as(change, |signature| signature)
}

fn signed_as(info: impl FnOnce(String) -> String, after: impl FnOnce(String) -> String) -> Result<(), Error> {
    let xml = Draft::default().xml();
    let signature = after(PROVIDER.signature(&xml, info));
    let signed = xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
    response::verify(wrap(&signed).as_bytes(), &PROVIDER.expected()).map(drop)
}

fn kind(result: Result<(), Error>) -> Kind {
    result.unwrap_err().kind
}

#[test]
fn the_forger_s_own_document_is_right_before_it_is_changed() {
    forged(|info| info).unwrap();
    signed_as(
        |info| info,
        |signature| {
            signature.replace(
                "</ds:Signature>",
                "<ds:KeyInfo><ds:KeyName>x</ds:KeyName></ds:KeyInfo></ds:Signature>",
            )
        },
    )
    .unwrap();
}

/// A MAC with a secret that everybody knows, the certificate, made by signxml; and its name over a right signature.
#[test]
fn hmac_is_refused() {
    assert_eq!(refused(file!("hmac.xml"), &expected()), Kind::Algorithm);
    let hmac = |name: &'static str| {
        move |info: String| info.replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", name)
    };
    for name in [
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "HTTP://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    ] {
        assert_eq!(kind(forged(hmac(name))), Kind::Algorithm, "{name}");
    }
    let short = |info: String| {
        info.replacen(
            "rsa-sha256\"/>",
            "rsa-sha256\"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>",
            1,
        )
    };
    assert_eq!(kind(forged(short)), Kind::Misplaced);
}

#[test]
fn transforms_other_than_the_two_are_refused() {
    for name in [
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "urn:oasis:names:tc:SAML:2.0:nothing",
    ] {
        let added = |info: String| {
            info.replace("</ds:Transforms>", &format!("<ds:Transform Algorithm=\"{name}\"/></ds:Transforms>"))
        };
        assert_eq!(kind(forged(added)), Kind::Transform, "{name}");
        let instead = |info: String| {
            info.replacen(
                &format!("<ds:Transform Algorithm=\"{EXCLUSIVE_C14N}\""),
                &format!("<ds:Transform Algorithm=\"{name}\""),
                1,
            )
        };
        assert_eq!(kind(forged(instead)), Kind::Transform, "{name}");
    }
    let xpath = |info: String| {
        info.replacen(
            "enveloped-signature\"/>",
            "enveloped-signature\"><XPath>not(ancestor::x)</XPath></ds:Transform>",
            1,
        )
    };
    assert_eq!(kind(forged(xpath)), Kind::Transform);
    let only_enveloped =
        |info: String| info.replacen(&format!("<ds:Transform Algorithm=\"{EXCLUSIVE_C14N}\"/>"), "", 1);
    assert_eq!(kind(forged(only_enveloped)), Kind::Transform);
    let none = |info: String| {
        info[..info.find("<ds:Transforms>").unwrap()].to_owned()
            + &info[info.find("<ds:DigestMethod").unwrap()..]
    };
    assert_eq!(kind(forged(none)), Kind::Missing("Transforms"));
}

#[test]
fn canonicalization_is_the_exclusive_one() {
    for name in [
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "urn:none",
        "",
    ] {
        let other = |info: String| {
            info.replacen(
                &format!("Method Algorithm=\"{EXCLUSIVE_C14N}\""),
                &format!("Method Algorithm=\"{name}\""),
                1,
            )
        };
        assert_eq!(kind(forged(other)), Kind::Canonicalization, "{name}");
    }
}

/// CVE-2025-66567 and its kin: an error of canonicalization is a failure of verification, never the digest of nothing.
#[test]
fn a_canonicalization_error_is_a_refusal() {
    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let long = Draft {
        attributes: format!(
            "<saml:AttributeStatement xmlns:p=\"{}\"><saml:Attribute Name=\"a\"><saml:AttributeValue>{}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>",
            "u".repeat(1024),
            "<p:v/>".repeat(9_000)
        ),
        ..Draft::default()
    };
    let xml = long.xml();
    let signature = PROVIDER.signature(&Draft::default().xml(), |info| {
        let start = info.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
        format!("{}{EMPTY}{}", &info[..start], &info[info.find("</ds:DigestValue>").unwrap()..])
    });
    let signed = xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
    let found = refused(wrap(&signed).as_bytes(), &PROVIDER.expected());
    assert!(matches!(found, Kind::TooLarge(_)), "{found:?}");
    // The digest of nothing is not the digest of something.
    let empty = |info: String| {
        let start = info.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
        format!("{}{EMPTY}{}", &info[..start], &info[info.find("</ds:DigestValue>").unwrap()..])
    };
    assert_eq!(kind(forged(empty)), Kind::Digest);
    let nothing = |info: String| {
        let start = info.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
        format!("{}{}", &info[..start], &info[info.find("</ds:DigestValue>").unwrap()..])
    };
    assert_eq!(kind(forged(nothing)), Kind::Digest);
}

#[test]
fn the_reference_is_the_element_s_id() {
    for uri in [
        "",
        "#",
        "#_other",
        "_a1",
        "#xpointer(/)",
        "#xpointer(id('_a1'))",
        "https://idp.example/#_a1",
        "#_a1 ",
        "#%5Fa1",
    ] {
        let other = |info: String| info.replace("URI=\"#_a1\"", &format!("URI=\"{uri}\""));
        assert_eq!(kind(forged(other)), Kind::Reference, "{uri}");
    }
    assert_eq!(kind(forged(|info| info.replace(" URI=\"#_a1\"", ""))), Kind::Reference);
}

#[test]
fn there_is_exactly_one_reference() {
    let twice = |info: String| {
        let (start, end) = (info.find("<ds:Reference").unwrap(), info.find("</ds:SignedInfo>").unwrap());
        let one = info[start..end].to_owned();
        info.replace("</ds:SignedInfo>", &format!("{one}</ds:SignedInfo>"))
    };
    assert_eq!(kind(forged(twice)), Kind::Twice("Reference"));
    let none = |info: String| info[..info.find("<ds:Reference").unwrap()].to_owned() + "</ds:SignedInfo>";
    assert_eq!(kind(forged(none)), Kind::Missing("Reference"));
    let manifest = |info: String| info.replace("</ds:SignedInfo>", "<ds:Manifest/></ds:SignedInfo>");
    assert_eq!(kind(forged(manifest)), Kind::Misplaced);
}

#[test]
fn objects_in_a_signature_are_refused() {
    let with = |inner: &'static str| {
        move |signature: String| signature.replace("</ds:Signature>", &format!("{inner}</ds:Signature>"))
    };
    assert_eq!(kind(signed_as(|info| info, with("<ds:Object/>"))), Kind::Misplaced);
    assert_eq!(kind(signed_as(|info| info, with("<ds:KeyInfo/><ds:KeyInfo/>"))), Kind::Twice("KeyInfo"));
    assert_eq!(kind(signed_as(|info| info, with("<x/>"))), Kind::Misplaced);
}

/// CVE-2025-29774 and -29775: two `SignedInfo`, and comments in the digest. What the signature covers is what is read.
#[test]
fn what_is_read_of_a_signature_is_what_was_signed() {
    let second = |signature: String| {
        let end = signature.find("</ds:SignedInfo>").unwrap() + "</ds:SignedInfo>".len();
        let start = signature.find("<ds:SignedInfo").unwrap();
        let one = signature[start..end].to_owned();
        format!("{}{one}{}", &signature[..start], &signature[start..])
    };
    assert_eq!(kind(signed_as(|info| info, second)), Kind::Twice("SignedInfo"));
    // A comment inside the digest is not signed (the canonical form has none), so that adding one must change nothing …
    let comment =
        |signature: String| signature.replacen("<ds:DigestValue>", "<ds:DigestValue><!--AAAA-->", 1);
    signed_as(|info| info, comment).unwrap();
    // … and a forged digest beside a commented true one is a forged SignedInfo.
    let forged_digest = |signature: String| {
        let start = signature.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
        let end = signature.find("</ds:DigestValue>").unwrap();
        format!("{}<!--{}-->AAAA{}", &signature[..start], &signature[start..end], &signature[end..])
    };
    assert_eq!(kind(signed_as(|info| info, forged_digest)), Kind::Signature);
}

#[test]
fn sha1_in_either_place_needs_the_exception() {
    let digest = |info: String| {
        let sha1 = crate::base64::encode(aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            Draft::default().xml().as_bytes(),
        ));
        let start = info.find("<ds:DigestValue>").unwrap() + "<ds:DigestValue>".len();
        let end = info.find("</ds:DigestValue>").unwrap();
        format!("{}{sha1}{}", &info[..start], &info[end..])
            .replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1")
    };
    assert_eq!(kind(forged(digest)), Kind::Sha1);
    let xml = Draft::default().xml();
    let signature = PROVIDER.signature(&xml, digest);
    let signed = wrap(&xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1));
    let exception = Expected { sha1: Sha1::AllowedUntil(now().plus_seconds(1)), ..PROVIDER.expected() };
    // The draft is not in canonical form (it has empty-element tags), so that the digest is wrong: past the exception.
    assert_eq!(refused(signed.as_bytes(), &exception), Kind::Digest);
    for name in
        ["http://www.w3.org/2001/04/xmldsig-more#md5", "http://www.w3.org/2001/04/xmldsig-more#sha224", ""]
    {
        let other = |info: String| info.replace("http://www.w3.org/2001/04/xmlenc#sha256", name);
        assert_eq!(kind(forged(other)), Kind::Algorithm, "{name}");
    }
}

#[test]
fn an_algorithm_of_another_kind_of_key_does_not_verify() {
    for name in ["ecdsa-sha256", "ecdsa-sha384", "rsa-sha384", "rsa-sha512"] {
        let other = |info: String| info.replace("xmldsig-more#rsa-sha256", &format!("xmldsig-more#{name}"));
        assert_eq!(kind(forged(other)), Kind::Signature, "{name}");
    }
}

#[test]
fn a_signature_value_is_base64() {
    for value in ["", "AAAA", "!", "AAA", "AA==AA=="] {
        let other = |signature: String| {
            let start = signature.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
            format!(
                "{}{value}{}",
                &signature[..start],
                &signature[signature.find("</ds:SignatureValue>").unwrap()..]
            )
        };
        let found = kind(signed_as(|info| info, other));
        assert!(matches!(found, Kind::Signature | Kind::Base64), "{value}: {found:?}");
    }
}

/// The canonical bytes that were hashed are what is read: they hold neither the signature nor a comment.
#[test]
fn verified_bytes_are_those_that_were_hashed() {
    use crate::error::Part;
    use crate::xml::{Document, Limits};
    let text = std::str::from_utf8(file!("signed-rsa-sha256.xml"))
        .unwrap()
        .replace("<saml:Subject>", "<saml:Subject><!-- c -->");
    let document = Document::parse(text.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
    let assertion = document.root().children().find(|child| child.local() == "Assertion").unwrap();
    let trust = expected();
    let trust = super::Trust { certificates: trust.certificates, sha1: Sha1::Refused, now: now() };
    let verified = super::verify(assertion, super::of(assertion).unwrap().unwrap(), &trust).unwrap();
    let canonical = String::from_utf8(verified.bytes).unwrap();
    assert!(canonical.starts_with(
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_assertion1\""
    ));
    assert!(!canonical.contains("Signature") && !canonical.contains("<!--") && !canonical.contains("/>"));
}
