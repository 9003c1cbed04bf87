//! Messages in a query, and form fields: refused or read, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saml::logout::{self, Message};
use saml::redirect::Received;
use saml::{Sha1, Time, Trust};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(xml) = saml::post::decode(text) {
        assert!(xml.len() <= text.len());
    }
    let Ok(received) = Received::parse(text) else { return };
    assert!(received.xml.len() <= 128 * 1024);
    assert!(received.relay_state.as_ref().is_none_or(|state| state.len() <= 80));
    let expected = logout::Expected {
        issuer: "https://idp.example/saml",
        destination: "https://sp.example/saml/acme/slo",
        trust: Trust { certificates: &[], sha1: Sha1::Refused, now: Time(0) },
        skew_seconds: 60,
    };
    assert!(logout::read_request(&Message::Redirect(&received), &expected).is_err(), "nobody signed it");
    assert!(logout::read_response(&Message::Post(&received.xml), "_1", &expected).is_err(), "nobody signed it");
});
