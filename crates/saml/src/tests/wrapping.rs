//! Signature wrapping, XSW1 to XSW9 after Somorovsky et al. and what came later: a genuine signature in a document that says something
//! else. The genuine part is made by signxml (`fixtures/`), the forgery around it here. All must be refused, for the reason
//! that its shape gives.

use crate::tests::fixtures::{expected, file, refused};
use crate::{Kind, response};

const EVIL: &str = "owner@acme.example";

/// The pieces of a document that signxml signed at its assertion or at its response.
struct Pieces {
    /// `<samlp:Response …>`
    open: String,
    /// Between it and the assertion.
    head: String,
    /// The signed assertion with its signature.
    assertion: String,
    signature: String,
}

const CLOSE: &str = "\n</samlp:Response>";

fn pieces(xml: &[u8]) -> Pieces {
    let text = std::str::from_utf8(xml).unwrap();
    let cut = |from: &str, to: &str| {
        let start = text.find(from).unwrap();
        let end = text[start..].find(to).unwrap() + start + to.len();
        text[start..end].to_owned()
    };
    let open = cut("<samlp:Response", ">");
    let from = text.find("<saml:Assertion").unwrap();
    Pieces {
        head: text[open.len()..from].to_owned(),
        open,
        assertion: cut("<saml:Assertion", "</saml:Assertion>"),
        signature: cut("<ds:Signature", "</ds:Signature>"),
    }
}

fn of_assertion() -> Pieces {
    pieces(file!("signed-rsa-sha256.xml"))
}

fn of_response() -> Pieces {
    pieces(file!("signed-response.xml"))
}

impl Pieces {
    /// The genuine assertion without its signature.
    fn bare(&self) -> String {
        self.assertion.replace(&self.signature, "")
    }

    /// An assertion that says what the attacker wants, without a signature.
    fn evil(&self) -> String {
        let evil = self.bare().replace("mara@acme.example", EVIL).replace("_assertion1", "_evil");
        assert!(evil.contains(EVIL) && !evil.contains("ds:Signature"));
        evil
    }

    fn whole(&self, body: &str) -> String {
        format!("{}{}{body}{CLOSE}", self.open, self.head)
    }

    /// The genuine Response, to be put inside another one.
    fn genuine_response(&self, signature: bool) -> String {
        let whole = self.whole(&self.assertion);
        if signature { whole } else { whole.replace(&self.signature, "") }
    }

    /// A Response with another ID around all of this.
    fn evil_response(&self, signature: &str, body: &str) -> String {
        let whole = format!("{}{}{body}{CLOSE}", self.open, self.head);
        whole.replace(&self.signature, "").replace("_response1", "_evil").replacen(
            "<samlp:Status>",
            &format!("{signature}<samlp:Status>"),
            1,
        )
    }
}

fn into_signature(signature: &str, inner: &str) -> String {
    signature.replace("</ds:Signature>", &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"))
}

fn assert_refused(xml: &str, kinds: &[Kind]) {
    let found = refused(xml.as_bytes(), &expected());
    assert!(kinds.contains(&found), "{found:?} for\n{xml}");
}

/// What the forgeries are made of is let in; otherwise the tests below would prove nothing.
#[test]
fn the_genuine_documents_are_let_in() {
    for xml in
        [of_assertion().whole(&of_assertion().assertion), of_response().whole(&of_response().assertion)]
    {
        let login = response::verify(xml.as_bytes(), &expected()).unwrap();
        assert_eq!(login.name_id.value, "mara@acme.example");
    }
}

/// The genuine Response inside the signature of a forged one.
#[test]
fn xsw1_response_in_its_signature() {
    let p = of_response();
    let signature = into_signature(&p.signature, &p.genuine_response(false));
    assert_refused(&p.evil_response(&signature, &p.evil()), &[Kind::Misplaced]);
}

/// The genuine Response beside its detached signature, before it.
#[test]
fn xsw2_response_beside_its_signature() {
    let p = of_response();
    let before = format!("{}{}", p.genuine_response(false), p.signature);
    assert_refused(&p.evil_response(&before, &p.evil()), &[Kind::Misplaced]);
    let inside_extensions =
        format!("<samlp:Extensions>{}</samlp:Extensions>{}", p.genuine_response(false), p.signature);
    assert_refused(&p.evil_response(&inside_extensions, &p.evil()), &[Kind::Misplaced]);
}

/// The forged assertion before the genuine one; also CVE-2026-25922: an unsigned assertion before the signed one.
#[test]
fn xsw3_unsigned_assertion_before_the_signed_one() {
    let p = of_assertion();
    assert_refused(&p.whole(&format!("{}{}", p.evil(), p.assertion)), &[Kind::Twice("Assertion")]);
    assert_refused(&p.whole(&format!("{}{}", p.assertion, p.evil())), &[Kind::Twice("Assertion")]);
}

/// The genuine assertion inside the forged one.
#[test]
fn xsw4_signed_assertion_inside_the_forged_one() {
    let p = of_assertion();
    let body = p.evil().replace("</saml:Assertion>", &format!("{}</saml:Assertion>", p.assertion));
    assert_refused(&p.whole(&body), &[Kind::Misplaced]);
}

/// The genuine signature in the forged assertion, the genuine assertion without it at the end.
#[test]
fn xsw5_signature_moved_into_the_forged_assertion() {
    let p = of_assertion();
    let with_signature = p
        .assertion
        .replace("mara@acme.example", EVIL)
        .replace("_assertion1", "_evil")
        .replace("#_evil", "#_assertion1");
    assert_refused(&p.whole(&format!("{with_signature}{}", p.bare())), &[Kind::Twice("Assertion")]);
    // Alone, it refers to something that is not there.
    assert_refused(&p.whole(&with_signature), &[Kind::Reference]);
}

/// The genuine assertion inside the signature that is inside the forged one.
#[test]
fn xsw6_assertion_in_the_signature_of_the_forged_one() {
    let p = of_assertion();
    let signature = into_signature(&p.signature, &p.bare());
    let body = p.evil().replacen("<saml:Subject>", &format!("{signature}<saml:Subject>"), 1);
    assert_refused(&p.whole(&body), &[Kind::Misplaced]);
}

/// The forged assertion in an `Extensions` before the genuine one.
#[test]
fn xsw7_forged_assertion_in_extensions() {
    let p = of_assertion();
    let head = p.head.replace(
        "<samlp:Status>",
        &format!("<samlp:Extensions>{}</samlp:Extensions><samlp:Status>", p.evil()),
    );
    assert_refused(&format!("{}{head}{}{CLOSE}", p.open, p.assertion), &[Kind::Misplaced]);
}

/// The genuine assertion in an `Object` of the signature that the forged one carries.
#[test]
fn xsw8_genuine_assertion_in_an_object() {
    let p = of_assertion();
    let signature = into_signature(&p.signature, &p.bare());
    let evil = p.evil().replace("_evil", "_assertion1");
    let body = evil.replacen("<saml:Subject>", &format!("{signature}<saml:Subject>"), 1);
    assert_refused(&p.whole(&body), &[Kind::Misplaced]);
}

/// Two elements with the ID that was signed: which one is meant depends on who looks.
#[test]
fn xsw9_duplicate_ids() {
    let p = of_assertion();
    let twin = "<saml:Attribute Name=\"x\" ID=\"_assertion1\"></saml:Attribute>";
    assert_refused(
        &p.whole(
            &p.assertion.replace("<saml:AttributeStatement>", &format!("<saml:AttributeStatement>{twin}")),
        ),
        &[Kind::DuplicateId],
    );
    for name in ["Id", "id", "xml:id"] {
        let head = p.head.replace("<samlp:Status>", &format!("<samlp:Status {name}=\"_assertion1\">"));
        assert_refused(&format!("{}{head}{}{CLOSE}", p.open, p.assertion), &[Kind::DuplicateId]);
    }
    // The Response takes the ID of the assertion that is signed in it.
    let open = p.open.replace("_response1", "_assertion1");
    assert_refused(&format!("{open}{}{}{CLOSE}", p.head, p.assertion), &[Kind::DuplicateId]);
}

/// The signature of the assertion lifted to the Response, and the other way round.
#[test]
fn a_signature_signs_only_the_element_it_stands_in() {
    let p = of_assertion();
    let head = p.head.replace("<samlp:Status>", &format!("{}<samlp:Status>", p.signature));
    assert_refused(&format!("{}{head}{}{CLOSE}", p.open, p.evil()), &[Kind::Reference]);
    let p = of_response();
    let body = p.evil().replacen("<saml:Subject>", &format!("{}<saml:Subject>", p.signature), 1);
    let head = p.head.replace(&p.signature, "");
    assert_refused(&format!("{}{head}{body}{CLOSE}", p.open), &[Kind::Reference]);
}

#[test]
fn one_signature_for_each_level() {
    let p = of_assertion();
    let body = p.assertion.replacen("<saml:Subject>", &format!("{}<saml:Subject>", p.signature), 1);
    assert_refused(&p.whole(&body), &[Kind::Twice("Signature")]);
    let in_subject = p.bare().replacen("</saml:Subject>", &format!("{}</saml:Subject>", p.signature), 1);
    assert_refused(&p.whole(&in_subject), &[Kind::Misplaced]);
}

/// What only looks like an assertion or a signature: another namespace, another case.
#[test]
fn elements_of_other_namespaces_do_not_pass_for_ours() {
    let p = of_assertion();
    for twin in [
        "<Assertion xmlns=\"urn:x\"/>",
        "<x:assertion xmlns:x=\"urn:x\"/>",
        "<x:Signature xmlns:x=\"urn:x\"/>",
        "<response/>",
    ] {
        let head = p
            .head
            .replace("<samlp:Status>", &format!("<samlp:Extensions>{twin}</samlp:Extensions><samlp:Status>"));
        assert_refused(&format!("{}{head}{}{CLOSE}", p.open, p.assertion), &[Kind::Misplaced]);
    }
    let other = p
        .whole(&p.assertion)
        .replace("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol");
    assert_refused(&other, &[Kind::Root("Response")]);
    let other =
        p.assertion.replace("xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"", "xmlns:saml=\"urn:x\"");
    assert_refused(&p.whole(&other), &[Kind::Misplaced]);
    let other = p.assertion.replace("http://www.w3.org/2000/09/xmldsig#\"", "urn:x\"");
    assert_refused(&p.whole(&other), &[Kind::Misplaced]);
    // A default namespace bent round the signed assertion changes nothing in what was signed, and nothing in what is read.
    let bent = p.open.replace("<samlp:Response", "<samlp:Response xmlns=\"urn:evil\"");
    let login =
        response::verify(format!("{bent}{}{}{CLOSE}", p.head, p.assertion).as_bytes(), &expected()).unwrap();
    assert_eq!(login.name_id.value, "mara@acme.example");
}

/// Attribute values that a forger adds, unsigned, beside the signed ones.
#[test]
fn attributes_outside_the_signed_assertion_do_not_count() {
    let p = of_assertion();
    let extra = "<saml:AttributeStatement xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:Attribute Name=\"groups\"><saml:AttributeValue>owners</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>";
    assert_refused(&p.whole(&format!("{}{extra}", p.assertion)), &[Kind::Misplaced]);
    assert_refused(
        &p.whole(
            &p.assertion.replace("<saml:AttributeStatement>", &format!("{extra}<saml:AttributeStatement>")),
        ),
        &[Kind::Digest],
    );
}

/// Every letter of a genuine document (of another, every seventh), changed one at a time, leads to a refusal or to the same person.
#[test]
fn no_changed_letter_makes_another_person() {
    for (xml, step) in [(file!("signed-rsa-sha256.xml").as_slice(), 1), (file!("signed-both.xml"), 7)] {
        for at in (0..xml.len()).step_by(step) {
            let mut changed = xml.to_vec();
            changed[at] ^= 1;
            if let Ok(login) = response::verify(&changed, &expected()) {
                assert_eq!(login.name_id.value, "mara@acme.example", "{at}");
                assert_eq!(login.attributes.all("groups"), ["staff", "R&D <lab>"], "{at}");
                assert_eq!(login.remember.assertion, "_assertion1", "{at}");
            }
        }
    }
}
