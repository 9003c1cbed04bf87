//! What people hold in their hands: a security key and an authenticator app, in software, written from the standards
//! and from nothing of the program, so that they are judges of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::time::Timestamp;
use serde_json::{Value, json};

use crate::{Answer, Client};

/// The code that an app shows for a secret in base 32 (RFC 6238: SHA-1, 6 digits, 30 s).
pub fn app_shows(secret: &str, now: Timestamp) -> String {
    let mut bits = String::new();
    for c in secret.chars().filter(|c| !c.is_whitespace()) {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).expect("base 32");
        bits.push_str(&format!("{value:05b}"));
    }
    let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).expect("bits"), 2).expect("a byte");
    let key: Vec<u8> = bits.as_bytes().chunks_exact(8).map(byte).collect();
    let counter = now.micros() / 30_000_000;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let word = u32::from_be_bytes(tag[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

/// CBOR in its canonical form, as far as authenticators write it.
pub mod cbor {
    pub fn head(major: u8, value: u64) -> Vec<u8> {
        let major = major << 5;
        let short = |more: u8, bytes: &[u8]| [&[major | more], bytes].concat();
        let bytes = value.to_be_bytes();
        match value {
            0..=23 => vec![major | bytes[7]],
            24..=0xff => short(24, &bytes[7..]),
            0x100..=0xffff => short(25, &bytes[6..]),
            0x1_0000..=0xffff_ffff => short(26, &bytes[4..]),
            _ => short(27, &bytes),
        }
    }

    pub fn integer(value: i64) -> Vec<u8> {
        if value >= 0 { head(0, value.unsigned_abs()) } else { head(1, (-1 - value).unsigned_abs()) }
    }

    pub fn bytes(value: &[u8]) -> Vec<u8> {
        [head(2, value.len() as u64), value.to_vec()].concat()
    }

    pub fn text(value: &str) -> Vec<u8> {
        [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
    }

    pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
        [head(4, items.len() as u64), items.concat()].concat()
    }

    /// Keys and values, already written.
    pub fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let pairs_written: Vec<u8> =
            pairs.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
        [head(5, pairs.len() as u64), pairs_written].concat()
    }
}

/// A security key with one passkey. Its members are what it claims, so that a test can make one of them wrong.
pub struct Authenticator {
    pub key: EcdsaKeyPair,
    pub credential_id: Vec<u8>,
    pub user_handle: Vec<u8>,
    pub aaguid: [u8; 16],
    pub rp_id: String,
    pub origin: String,
    /// Present and verified.
    pub flags: u8,
    pub count: u32,
    /// Says another type in the client data than is due.
    pub client_type: Option<&'static str>,
    pub cross_origin: bool,
    /// Its maker's key and certificates, leaf first: attests as `packed`. `None` attests nothing.
    pub maker: Option<(EcdsaKeyPair, Vec<Vec<u8>>)>,
}

pub fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key")
}

fn decode(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().expect("a text")).expect("base64url")
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

impl Authenticator {
    /// Used in a browser that shows `origin`.
    pub fn new(origin: &str) -> Self {
        let key = new_key();
        let host = origin.split("://").nth(1).and_then(|rest| rest.split([':', '/']).next()).expect("a host");
        Self {
            credential_id: sha256(key.public_key().as_ref()),
            key,
            user_handle: Vec::new(),
            aaguid: [0x5a; 16],
            rp_id: host.to_owned(),
            origin: origin.to_owned(),
            flags: 0x05,
            count: 0,
            client_type: None,
            cross_origin: false,
            maker: None,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({ "type": self.client_type.unwrap_or(kind), "challenge": options["challenge"],
            "origin": self.origin, "crossOrigin": self.cross_origin })
        .to_string()
        .into_bytes()
    }

    /// Its public key as authenticators write it (RFC 9052).
    pub fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let int = cbor::integer;
        cbor::map(&[
            (int(1), int(2)),
            (int(3), int(-7)),
            (int(-1), int(1)),
            (int(-2), cbor::bytes(&point[1..33])),
            (int(-3), cbor::bytes(&point[33..])),
        ])
    }

    fn auth_data(&self, attested: bool) -> Vec<u8> {
        let mut data = sha256(self.rp_id.as_bytes());
        data.push(self.flags | if attested { 0x40 } else { 0 });
        data.extend(self.count.to_be_bytes());
        if attested {
            data.extend(self.aaguid);
            data.extend(u16::try_from(self.credential_id.len()).expect("short").to_be_bytes());
            data.extend(&self.credential_id);
            data.extend(self.cose());
        }
        data
    }

    fn sign(key: &EcdsaKeyPair, data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let message = [data, &sha256(client_data)].concat();
        key.sign(&SystemRandom::new(), &message).expect("a signature").as_ref().to_vec()
    }

    fn answer(&self, response: Value) -> Value {
        json!({ "id": URL_SAFE_NO_PAD.encode(&self.credential_id), "type": "public-key", "response": response })
    }

    /// The answer to creation options.
    pub fn create(&mut self, options: &Value) -> Value {
        self.user_handle = decode(&options["user"]["id"]);
        let client_data = self.client_data("webauthn.create", options);
        let data = self.auth_data(true);
        let (format, statement) = match &self.maker {
            None => ("none", cbor::map(&[])),
            Some((key, chain)) => {
                let chain: Vec<Vec<u8>> = chain.iter().map(|one| cbor::bytes(one)).collect();
                let statement = [
                    (cbor::text("alg"), cbor::integer(-7)),
                    (cbor::text("sig"), cbor::bytes(&Self::sign(key, &data, &client_data))),
                    (cbor::text("x5c"), cbor::array(&chain)),
                ];
                ("packed", cbor::map(&statement))
            }
        };
        let object = cbor::map(&[
            (cbor::text("fmt"), cbor::text(format)),
            (cbor::text("attStmt"), statement),
            (cbor::text("authData"), cbor::bytes(&data)),
        ]);
        self.answer(json!({ "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "attestationObject": URL_SAFE_NO_PAD.encode(object) }))
    }

    /// The answer to request options.
    pub fn get(&mut self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.auth_data(false);
        let signature = Self::sign(&self.key, &data, &client_data);
        self.answer(json!({ "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": URL_SAFE_NO_PAD.encode(&self.user_handle) }))
    }

    /// Adds its passkey to the account that is signed in.
    pub async fn enrol(&mut self, browser: &mut Client) -> Answer {
        let options = browser.post("/api/v1/account/passkeys/options", json!({})).await.expect(200).json();
        let credential = self.create(&options);
        browser
            .post("/api/v1/account/passkeys", json!({ "name": "Blue key", "credential": credential }))
            .await
    }

    /// Answers a question that this browser asks.
    pub async fn prove(&mut self, browser: &mut Client) -> Value {
        let options = browser.post("/api/v1/passkey-options", json!({})).await.expect(200).json();
        self.get(&options)
    }

    /// Signs this browser in.
    pub async fn sign_in(&mut self, browser: &mut Client) -> Answer {
        let answer = self.prove(browser).await;
        browser.post("/api/v1/sessions/passkey", answer).await
    }
}
