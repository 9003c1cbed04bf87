use crate::response::verify;
use crate::tests::fixtures::{expected, file, refused};
use crate::{Expected, Kind};

/// Made by xmlsec1 and `cryptography`: every way of encrypting that is taken.
#[test]
fn what_others_encrypt_is_decrypted() {
    for (name, xml) in [
        ("gcm, signed inside", file!("encrypted-gcm.xml").as_slice()),
        ("gcm 256, key beside the data", file!("encrypted-gcm256-beside.xml")),
        ("gcm, signed outside", file!("encrypted-gcm-outer.xml")),
        ("cbc, signed outside", file!("encrypted-cbc-outer.xml")),
        ("cbc 256, signed in both places", file!("encrypted-cbc256-both.xml")),
        ("oaep with sha-256", file!("encrypted-oaep-sha256.xml")),
        ("leaning on outer namespaces", file!("encrypted-leaning.xml")),
    ] {
        let login = verify(xml, &expected()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(login.name_id.value, "mara@acme.example", "{name}");
        assert_eq!(login.attributes.all("groups"), ["staff", "R&D <lab>"], "{name}");
    }
}

/// CVE-2026-2092: anybody can encrypt for us; a signature inside or outside makes it somebody's word.
#[test]
fn encrypted_without_any_signature_is_refused() {
    assert_eq!(refused(file!("encrypted-gcm-unsigned.xml"), &expected()), Kind::Unsigned);
}

/// Without a signature around it, every change of a CBC ciphertext would be tried on us (Jager, Somorovsky 2011).
#[test]
fn cbc_is_taken_only_inside_a_signed_response() {
    assert_eq!(refused(file!("encrypted-cbc-inner.xml"), &expected()), Kind::UnsignedCbc);
    // The refusal comes before anything is decrypted, so that it is the same for every ciphertext.
    let text = std::str::from_utf8(file!("encrypted-cbc-inner.xml")).unwrap();
    let at = text.rfind("<xenc:CipherValue>").unwrap() + 40;
    let mut changed = text.as_bytes().to_vec();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(refused(&changed, &expected()), Kind::UnsignedCbc);
    // Nor does a signature that does not verify count.
    let outer = std::str::from_utf8(file!("encrypted-cbc-outer.xml")).unwrap();
    let at = outer.rfind("<xenc:CipherValue>").unwrap() + 40;
    let mut changed = outer.as_bytes().to_vec();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(refused(&changed, &expected()), Kind::Digest);
}

#[test]
fn old_and_mixed_ways_to_wrap_the_key_are_refused() {
    // PKCS #1 v1.5 is Bleichenbacher's oracle.
    assert_eq!(refused(file!("encrypted-pkcs1.xml"), &expected()), Kind::Algorithm);
    assert_eq!(refused(file!("encrypted-oaep-mixed.xml"), &expected()), Kind::Algorithm);
    let text = std::str::from_utf8(file!("encrypted-gcm.xml")).unwrap();
    for other in
        ["http://www.w3.org/2001/04/xmlenc#tripledes-cbc", "http://www.w3.org/2009/xmlenc11#aes512-gcm", ""]
    {
        let changed = text.replace("http://www.w3.org/2009/xmlenc11#aes128-gcm", other);
        assert_eq!(refused(changed.as_bytes(), &expected()), Kind::Algorithm, "{other}");
    }
    // A key of another length than its algorithm's.
    let changed = text.replace("aes128-gcm", "aes256-gcm");
    assert_eq!(refused(changed.as_bytes(), &expected()), Kind::Decryption);
}

#[test]
fn a_changed_ciphertext_is_refused() {
    let text = std::str::from_utf8(file!("encrypted-gcm.xml")).unwrap();
    for at in text.match_indices("<xenc:CipherValue>").map(|(at, found)| at + found.len() + 20) {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(refused(&changed, &expected()), Kind::Decryption);
    }
}

#[test]
fn without_a_key_it_says_so() {
    let nobody = Expected { decryption: &[], ..expected() };
    assert_eq!(refused(file!("encrypted-gcm.xml"), &nobody), Kind::NoDecryptionKey);
}

/// What is decrypted goes through the same parser, with the same refusals, and holds one element.
#[test]
fn decrypted_text_cannot_break_out() {
    assert_eq!(refused(file!("encrypted-breakout.xml"), &expected()), Kind::Malformed);
    assert_eq!(refused(file!("encrypted-two.xml"), &expected()), Kind::Twice("Assertion"));
    assert_eq!(refused(file!("encrypted-doctype.xml"), &expected()), Kind::Dtd);
}

#[test]
fn ciphertext_stands_in_the_message_itself() {
    let text = std::str::from_utf8(file!("encrypted-gcm.xml")).unwrap();
    let start = text.rfind("<xenc:CipherValue>").unwrap();
    let end = text.rfind("</xenc:CipherValue>").unwrap() + "</xenc:CipherValue>".len();
    let reference =
        format!("{}<xenc:CipherReference URI=\"https://evil.example/\"/>{}", &text[..start], &text[end..]);
    assert_eq!(refused(reference.as_bytes(), &expected()), Kind::Misplaced);
    let beside = text.replace("</saml:EncryptedAssertion>", "<x/></saml:EncryptedAssertion>");
    assert_eq!(refused(beside.as_bytes(), &expected()), Kind::Misplaced);
    let content = text.replace("xmlenc#Element", "xmlenc#Content");
    assert_eq!(refused(content.as_bytes(), &expected()), Kind::Attribute("Type"));
}
