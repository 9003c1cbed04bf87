use proptest::prelude::*;

use super::*;
use crate::tests::fixtures::{PROVIDER, now};
use crate::{Sha1, base64};

fn query(xml: &str, relay_state: Option<&str>) -> String {
    let address =
        address("https://idp.example/sso", Direction::Request, xml, relay_state, &PROVIDER.key).unwrap();
    address.strip_prefix("https://idp.example/sso?").unwrap().to_owned()
}

fn kind(query: &str) -> Kind {
    Received::parse(query).err().unwrap_or_else(|| panic!("read {query}")).kind
}

fn trust() -> Trust<'static> {
    Trust { certificates: &PROVIDER.certificates, sha1: Sha1::Refused, now: now() }
}

fn message(bytes: &[u8]) -> String {
    format!("SAMLRequest={}", escape(&base64::encode(bytes)))
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_sent_is_read_and_verifies() {
    let query = query("<a b=\"é&amp;\"/>", Some("state +1/="));
    let read = Received::parse(&query).unwrap();
    assert_eq!(read.xml, "<a b=\"é&amp;\"/>".as_bytes());
    assert_eq!(read.relay_state.as_deref(), Some("state +1/="));
    assert_eq!(read.direction, Direction::Request);
    read.verify(&trust()).unwrap();
    assert!(read.verify(&Trust { certificates: &[], ..trust() }).is_err());
    // An endpoint with a query of its own.
    let address =
        address("https://idp.example/sso?tenant=1", Direction::Response, "<a/>", None, &PROVIDER.key)
            .unwrap();
    assert!(address.starts_with("https://idp.example/sso?tenant=1&SAMLResponse="));
}

#[test]
fn a_changed_query_does_not_verify() {
    let query = query("<a/>", Some("s"));
    for (from, to) in [("RelayState=s", "RelayState=t"), ("&RelayState=s", ""), ("rsa-sha256", "rsa-sha512")]
    {
        let changed = query.replace(from, to);
        assert_ne!(changed, query);
        let read = Received::parse(&changed).unwrap();
        assert_eq!(read.verify(&trust()).unwrap_err().kind, Kind::Signature, "{from}");
    }
    let moved = format!("{}&RelayState=s", query.replace("&RelayState=s", ""));
    assert!(
        Received::parse(&moved).unwrap().verify(&trust()).is_ok(),
        "the order in the address does not matter"
    );
    let unsigned = query.split("&SigAlg").next().unwrap();
    assert_eq!(Received::parse(unsigned).unwrap().verify(&trust()).unwrap_err().kind, Kind::Unsigned);
    let sha1 = query.replace(
        &escape(PROVIDER.key.method().name()),
        &escape("http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
    );
    assert_eq!(Received::parse(&sha1).unwrap().verify(&trust()).unwrap_err().kind, Kind::Sha1);
    let hmac = query.replace(
        &escape(PROVIDER.key.method().name()),
        &escape("http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
    );
    assert_eq!(kind(&hmac), Kind::Algorithm);
}

/// The signature covers letters, not meanings: two ways to write one value are two texts.
#[test]
fn letters_are_verified_as_they_were_sent() {
    let query = query("<a/>", Some("a/b"));
    let lower = query.replace("a%2Fb", "a%2fb");
    assert_ne!(lower, query);
    assert_eq!(Received::parse(&lower).unwrap().verify(&trust()).unwrap_err().kind, Kind::Signature);
}

#[test]
fn parameters_stand_once() {
    let query = query("<a/>", Some("s"));
    for (twice, name) in [
        ("RelayState=t", "RelayState"),
        ("SAMLRequest=x", "SAMLRequest"),
        ("SigAlg=x", "SigAlg"),
        ("Signature=x", "Signature"),
        ("Relay%53tate=t", "RelayState"),
        ("%53AMLRequest=x", "SAMLRequest"),
        ("SAMLRequest", "SAMLRequest"),
    ] {
        assert_eq!(kind(&format!("{query}&{twice}")), Kind::Query(name), "{twice}");
        assert_eq!(kind(&format!("{twice}&{query}")), Kind::Query(name), "{twice}");
    }
    assert_eq!(kind(&format!("{query}&SAMLResponse=x")), Kind::Query("SAMLRequest"));
    assert_eq!(kind("RelayState=s"), Kind::Query("SAMLRequest"));
    assert_eq!(kind(&format!("{query}&SAMLEncoding=none")), Kind::Query("SAMLEncoding"));
    assert_eq!(kind(query.split("&Signature").next().unwrap()), Kind::Query("Signature"));
    assert_eq!(
        kind(&format!("{}&Signature=AAAA", query.split("&SigAlg").next().unwrap())),
        Kind::Query("SigAlg")
    );
    assert!(Received::parse(&format!("{query}&tenant=1&tenant=2")).is_ok(), "those of others are theirs");
    for broken in ["SAMLRequest=%", "SAMLRequest=%4", "SAMLRequest=%zz", "SAMLRequest=%FF"] {
        assert_eq!(kind(broken), Kind::Query("SAMLRequest"), "{broken}");
    }
}

/// RelayState is a key of this service's own; nothing longer than the binding allows is looked at.
#[test]
fn relay_state_is_short() {
    let long = "s".repeat(81);
    assert_eq!(kind(&format!("{}&RelayState={long}", message(&deflated(b"<a/>")))), Kind::RelayState);
    assert!(address("https://x/", Direction::Request, "<a/>", Some(&long), &PROVIDER.key).is_err());
}

/// A thousand times as much comes out as went in: read to the limit and no further.
#[test]
fn a_deflate_bomb_is_refused() {
    let bomb = deflated(&vec![b' '; 40 * 1024 * 1024]);
    assert!(bomb.len() < 48 * 1024);
    assert_eq!(inflate(&bomb).unwrap_err().kind, Kind::TooLarge(INFLATED_BYTES_MAX));
    assert_eq!(
        kind(&message(&deflated(&vec![b'a'; INFLATED_BYTES_MAX + 1]))),
        Kind::TooLarge(INFLATED_BYTES_MAX)
    );
    assert_eq!(inflate(&deflated(&vec![b'a'; INFLATED_BYTES_MAX])).unwrap().len(), INFLATED_BYTES_MAX);
    assert_eq!(kind(&"a".repeat(QUERY_BYTES_MAX + 1)), Kind::TooLarge(QUERY_BYTES_MAX));
}

#[test]
fn broken_deflate_is_refused() {
    let whole = deflated(b"<a>some text, some text, some text</a>");
    for length in 0..whole.len() {
        assert_eq!(kind(&message(&whole[..length])), Kind::Inflate, "{length}");
    }
    assert_eq!(kind(&message(&[&whole[..], b"more"].concat())), Kind::Inflate, "what follows the end");
    assert_eq!(kind(&message(&[0xff; 20])), Kind::Inflate);
    assert_eq!(kind("SAMLRequest=***"), Kind::Base64);
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(text: String) {
        let _ = Received::parse(&text);
        let _ = Received::parse(&format!("SAMLRequest={text}"));
    }

    #[test]
    fn every_text_comes_back(xml: String, state in "[^\u{0}]{0,20}") {
        let read = Received::parse(&query(&xml, Some(&state)))?;
        prop_assert_eq!(read.xml, xml.as_bytes());
        prop_assert_eq!(read.relay_state.unwrap(), state);
    }
}
