//! Sign-ins, with the keys that signed the seeds: whatever is made of them, nobody else is ever let in.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use saml::{Certificate, DecryptionKey, Demands, Expected, Flow, Sha1, Time, response};

fn bytes(text: &str) -> Vec<u8> {
    let bare: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(bare).expect("Base64")
}

static CERTIFICATES: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../crates/saml/fixtures/rsa.crt"),
        include_str!("../../crates/saml/fixtures/p256.crt"),
    ];
    texts.map(|text| Certificate::from_der(&bytes(text)).expect("a certificate")).to_vec()
});

static KEYS: LazyLock<Vec<DecryptionKey>> = LazyLock::new(|| {
    let text = include_str!("../../crates/saml/fixtures/service-key.txt");
    vec![DecryptionKey::from_pkcs8(&bytes(text)).expect("a key")]
});

fuzz_target!(|data: &[u8]| {
    let expected = Expected {
        issuer: "https://idp.example/saml",
        audience: "https://sp.example/saml/acme/metadata",
        acs: "https://sp.example/saml/acme/acs",
        flow: Flow::Requested { id: "_request1" },
        authenticated_after: None,
        certificates: &CERTIFICATES,
        decryption: &KEYS,
        demands: Demands::default(),
        sha1: Sha1::Refused,
        now: Time::parse("2026-03-01T12:00:30Z").expect("a time"),
        skew_seconds: 60,
    };
    match response::verify(data, &expected) {
        Ok(login) => {
            assert_eq!(login.name_id.value, "mara@acme.example");
            assert_eq!(login.remember.assertion, "_assertion1");
            assert_eq!(login.attributes.all("groups"), ["staff", "R&D <lab>"]);
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.reason().is_empty()),
    }
});
