//! Tokens and DPoP proofs: any text is refused or read; what is read verifies only with the key that signed it.
#![no_main]

use std::sync::LazyLock;

use jose::{Algorithm, Expected, Nonce, SigningKey, Token, dpop};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let pkcs8 = SigningKey::generate(Algorithm::EdDsa).expect("a key");
    SigningKey::from_pkcs8(Algorithm::EdDsa, &pkcs8).expect("a key")
});

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(token) = Token::parse(text) {
            assert!(token.verify(std::slice::from_ref(KEY.public())).is_err(), "nobody signed {text}");
        }
        let expected =
            dpop::Expected { method: "POST", uri: "https://op.example/token", now: 0, age_max: 60, access_token: None };
        let _ = dpop::verify(text, &expected);
    }
    // Any bytes as the payload of a token that is signed well: claims are read, or refused, the same way each time.
    let token = KEY.sign("JWT", data).expect("signed");
    let keys = std::slice::from_ref(KEY.public());
    let read = Token::parse(&token).map(|token| token.verify(keys));
    if let Ok(Ok(claims)) = read {
        let expected = Expected {
            issuer: "https://op.example",
            audience: &["client"],
            now: 1_000,
            leeway: 0,
            age_max: 600,
            nonce: Nonce::Is("n"),
        };
        if claims.check(&expected).is_ok() {
            assert_eq!(claims.text("iss"), Ok("https://op.example"));
            assert!(claims.time("exp").is_ok_and(|end| end > 1_000));
            assert_eq!(claims.text("nonce"), Ok("n"));
        }
    }
});
