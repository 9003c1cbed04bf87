use proptest::prelude::*;
use serde_json::{Value, json};

use crate::dpop;
use crate::{Algorithm, Claims, Error, Expected, Jwk, JwkSet, Nonce, SigningKey, Token, decode, encode};

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap()
}

fn verify(token: &str, keys: &[Jwk]) -> Result<Claims, Error> {
    Token::parse(token)?.verify(keys)
}

/// A token with any header, signed by nobody in particular.
fn forged(header: &Value, payload: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", encode(header.to_string()), encode(payload.to_string()), encode(signature))
}

const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

#[test]
fn what_is_signed_verifies_with_its_own_key_alone() {
    for algorithm in Algorithm::ALL {
        let (mine, other) = (key(algorithm), key(algorithm));
        let token = mine.sign("at+jwt", br#"{"sub":"mara"}"#).unwrap();
        let read = Token::parse(&token).unwrap().of_type("at+jwt").unwrap();
        assert_eq!(read.header.algorithm, algorithm);
        assert_eq!(read.verify(&[mine.public().clone()]).unwrap().text("sub"), Ok("mara"));
        assert_eq!(read.verify(&[other.public().clone()]), Err(Error::NoKey), "another key's id");
        let unnamed = Jwk { id: None, ..other.public().clone() };
        assert_eq!(read.verify(&[unnamed]), Err(Error::Signature));
        assert_eq!(read.verify(&[]), Err(Error::NoKey));
        assert!(Token::parse(&token).unwrap().of_type("logout+jwt").is_err());
        // What is published is what verifies.
        let set = JwkSet { keys: vec![other.public().clone(), mine.public().clone()] };
        let again = JwkSet::parse(set.to_value().to_string().as_bytes()).unwrap();
        assert_eq!(again, set);
        assert!(verify(&token, &again.keys).is_ok());
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let mine = key(Algorithm::Es256);
    let token = mine.sign("JWT", br#"{"sub":"mara"}"#).unwrap();
    let keys = [mine.public().clone()];
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(verify(&changed, &keys).is_err(), "{at}");
    }
}

#[test]
fn none_is_refused_in_every_spelling() {
    let payload = json!({ "sub": "mara" });
    for alg in ["none", "None", "NONE", "nOnE"] {
        let token = forged(&json!({ "alg": alg }), &payload, b"");
        assert_eq!(Token::parse(&token).err(), Some(Error::None), "{alg}");
    }
    for header in [json!({}), json!({ "alg": 5 }), json!({ "alg": "" })] {
        assert!(Token::parse(&forged(&header, &payload, b"x")).is_err(), "{header}");
    }
}

/// CVE-2015-9235 and its children: a public key used as a shared secret, or with another algorithm.
#[test]
fn the_algorithm_is_pinned_by_the_key() {
    for alg in ["HS256", "HS512", "RS512", "PS256", "ES384", "es256"] {
        let token = forged(&json!({ "alg": alg }), &json!({}), b"x");
        assert_eq!(Token::parse(&token).err(), Some(Error::Algorithm), "{alg}");
    }
    let (mine, rsa) = (key(Algorithm::Es256), key(Algorithm::Rs256));
    let token = mine.sign("JWT", b"{}").unwrap();
    let unnamed = Jwk { id: None, ..rsa.public().clone() };
    assert_eq!(verify(&token, &[unnamed]), Err(Error::OtherAlgorithm));
}

#[test]
fn keys_in_a_tokens_header_are_not_looked_at() {
    let (mine, evil) = (key(Algorithm::EdDsa), key(Algorithm::EdDsa));
    let header =
        json!({ "alg": "EdDSA", "jwk": evil.public().to_value(), "jku": "https://evil.example/keys" });
    let signed = format!("{}.{}", encode(header.to_string()), encode("{}"));
    let by_evil = evil.sign("JWT", b"{}").unwrap();
    let token = format!("{signed}.{}", by_evil.rsplit_once('.').unwrap().1);
    let unnamed = Jwk { id: None, ..mine.public().clone() };
    assert_eq!(verify(&token, &[unnamed]), Err(Error::Signature));
}

#[test]
fn what_has_two_readings_is_refused() {
    let mine = key(Algorithm::EdDsa);
    let keys = [mine.public().clone()];
    for payload in [&br#"{"a":1,"a":2}"#[..], br#"{"x":{"a":1,"a":2}}"#, b"[]", b"{} x", b"{", b"1", b"\xff"]
    {
        let token = mine.sign("JWT", payload).unwrap();
        assert_eq!(verify(&token, &keys), Err(Error::Json("payload")), "{payload:?}");
    }
    let token = mine.sign("JWT", br#"{"a":1}"#).unwrap();
    for changed in [
        format!("{token}="),
        format!("{token}."),
        format!(" {token}"),
        token.replacen('.', "..", 1),
        token.replace('.', ""),
        "a".repeat(crate::TOKEN_BYTES_MAX + 1),
    ] {
        assert!(verify(&changed, &keys).is_err());
    }
    let critical = forged(&json!({ "alg": "EdDSA", "crit": ["b64"], "b64": false }), &json!({}), b"x");
    assert_eq!(Token::parse(&critical).err(), Some(Error::Critical));
    let twice = format!("{}.{}.{}", encode(r#"{"alg":"EdDSA","alg":"ES256"}"#), encode("{}"), encode("x"));
    assert_eq!(Token::parse(&twice).err(), Some(Error::Json("header")));
}

#[test]
fn the_vectors_of_the_rfcs_hold() {
    // RFC 8037 A.2, A.4: a key, its signature.
    let object = json!({ "kty": "OKP", "crv": "Ed25519", "x": ED25519_X });
    let edwards = Jwk::parse(object.to_string().as_bytes()).unwrap();
    assert_eq!(edwards.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    // Signed well; its payload is a sentence, which no token of ours is.
    assert_eq!(verify(token, &[edwards]), Err(Error::Json("payload")));
    // RFC 9449 §4.1 and §6.1: a proof and the thumbprint of its key.
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let expected = dpop::Expected {
        method: "POST",
        uri: "https://server.example.com/token",
        now: 1_562_262_620,
        age_max: 60,
        access_token: None,
    };
    let proved = dpop::verify(proof, &expected).unwrap();
    assert_eq!(proved.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(proved.id, "-BwC3ESc6acc2lTc");
}

fn claims(value: &Value) -> Claims {
    let mine = key(Algorithm::EdDsa);
    verify(&mine.sign("JWT", value.to_string().as_bytes()).unwrap(), &[mine.public().clone()]).unwrap()
}

const EXPECTED: Expected<'static> = Expected {
    issuer: "https://op.example",
    audience: &["client"],
    now: 1000,
    leeway: 5,
    age_max: 600,
    nonce: Nonce::Is("n"),
};

fn good() -> Value {
    json!({ "iss": "https://op.example", "aud": ["other", "client"], "exp": 1300, "iat": 999, "nonce": "n" })
}

#[test]
fn an_absent_claim_is_refused_as_a_wrong_one_is() {
    assert_eq!(claims(&good()).check(&EXPECTED), Ok(()));
    for name in ["iss", "aud", "exp", "iat", "nonce"] {
        let mut without = good();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(claims(&without).check(&EXPECTED), Err(Error::Claim(name)), "no {name}");
        for value in [json!(null), json!(true), json!({}), json!([5])] {
            let mut wrong = good();
            wrong[name] = value;
            assert!(claims(&wrong).check(&EXPECTED).is_err(), "{wrong}");
        }
    }
    for (name, value, error) in [
        ("iss", json!("https://op.example/"), Error::Unexpected("iss")),
        ("aud", json!("clients"), Error::Unexpected("aud")),
        ("aud", json!(["client", 5]), Error::Claim("aud")),
        ("exp", json!(995), Error::Expired),
        ("iat", json!(1006), Error::Early("iat")),
        ("iat", json!(394), Error::Old),
        ("nbf", json!(1006), Error::Early("nbf")),
        ("nonce", json!("m"), Error::Unexpected("nonce")),
    ] {
        let mut wrong = good();
        wrong[name] = value;
        assert_eq!(claims(&wrong).check(&EXPECTED), Err(error), "{wrong}");
    }
    let forbidden = Expected { nonce: Nonce::Forbidden, ..EXPECTED };
    assert_eq!(claims(&good()).check(&forbidden), Err(Error::Unexpected("nonce")));
}

#[test]
fn keys_that_are_weak_or_private_are_refused() {
    let rsa = key(Algorithm::Rs256).public().to_value();
    assert!(Jwk::parse(rsa.to_string().as_bytes()).is_ok());
    for (name, value) in [
        ("n", json!(encode([0xff; 128]))),
        ("n", json!(encode([0; 256]))),
        ("e", json!("AQ")),
        ("e", json!("Ag")),
        ("alg", json!("ES256")),
        ("alg", json!("HS256")),
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("d", json!("AQ")),
        ("kid", json!(5)),
        ("kty", json!("oct")),
    ] {
        let mut wrong = rsa.clone();
        wrong[name] = value;
        assert!(Jwk::parse(wrong.to_string().as_bytes()).is_err(), "{wrong}");
    }
    // A point that is not on the curve verifies nothing.
    let mut point = key(Algorithm::Es256).public().to_value();
    point["x"] = json!(encode([1; 32]));
    let off = Jwk { id: None, ..Jwk::parse(point.to_string().as_bytes()).unwrap() };
    let token = key(Algorithm::Es256).sign("JWT", b"{}").unwrap();
    assert_eq!(verify(&token, &[off]), Err(Error::Signature));
    // Unknown kinds are left out of a set; private ones spoil it.
    let set = json!({ "keys": [{ "kty": "oct-future" }, rsa] });
    assert_eq!(JwkSet::parse(set.to_string().as_bytes()).unwrap().keys.len(), 1);
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": ED25519_X, "d": "AA" }] });
    assert!(JwkSet::parse(set.to_string().as_bytes()).is_err());
}

fn proof(key: &SigningKey, payload: &Value, jwk: &Value) -> String {
    let header = json!({ "typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": jwk });
    key.sign_parts(&header.to_string(), payload.to_string().as_bytes()).unwrap()
}

#[test]
fn a_proof_holds_for_its_request_its_time_and_its_token_only() {
    let mine = key(Algorithm::Es256);
    let jwk = mine.public().to_value();
    let expected = dpop::Expected {
        method: "POST",
        uri: "https://op.example/oauth/token",
        now: 1000,
        age_max: 60,
        access_token: Some("token"),
    };
    let good = json!({ "jti": "a", "htm": "POST", "htu": "HTTPS://op.example:443/oauth/token?x#y", "iat": 990,
        "ath": crate::sha256("token") });
    let proved = dpop::verify(&proof(&mine, &good, &jwk), &expected).unwrap();
    assert_eq!(proved.thumbprint, mine.public().thumbprint());
    for (name, value) in [
        ("jti", json!("")),
        ("htm", json!("GET")),
        ("htu", json!("https://op.example/oauth/token/")),
        ("htu", json!("https://op.example.evil/oauth/token")),
        ("htu", json!("ftp://op.example/oauth/token")),
        ("iat", json!(900)),
        ("iat", json!(1031)),
        ("ath", json!(crate::sha256("other"))),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        assert!(dpop::verify(&proof(&mine, &wrong, &jwk), &expected).is_err(), "{wrong}");
        wrong.as_object_mut().unwrap().remove(name);
        assert!(dpop::verify(&proof(&mine, &wrong, &jwk), &expected).is_err(), "without {name}");
    }
    let other = key(Algorithm::Es256).public().to_value();
    assert_eq!(dpop::verify(&proof(&mine, &good, &other), &expected).err(), Some(Error::Signature));
    assert!(dpop::verify(&mine.sign("dpop+jwt", b"{}").unwrap(), &expected).is_err(), "no key in it");
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read_without_a_panic(text in "[A-Za-z0-9_.=-]{0,200}", bytes: Vec<u8>) {
        let _ = Token::parse(&text);
        let _ = Jwk::parse(&bytes);
        let _ = JwkSet::parse(&bytes);
        let expected = dpop::Expected { method: "GET", uri: &text, now: 0, age_max: 1, access_token: None };
        let _ = dpop::verify(&text, &expected);
    }

    #[test]
    fn base64url_has_one_spelling(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{0,40}") {
        prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        if let Some(read) = decode(&text) { prop_assert_eq!(encode(read), text); }
    }
}

/// ES256 signatures per second on one core: the floor of what the token endpoint can give. Run with `--ignored`.
#[test]
#[ignore = "a measurement: it needs a quiet machine and a release build"]
fn measure_signatures_per_second() {
    for algorithm in Algorithm::ALL {
        let mine = key(algorithm);
        let payload = vec![b' '; 300];
        let (rounds, started) = (20_000_u32, std::time::Instant::now());
        for _ in 0..rounds {
            std::hint::black_box(mine.sign("at+jwt", &payload).unwrap());
        }
        println!(
            "{}: {:.0} tokens/s",
            algorithm.as_str(),
            f64::from(rounds) / started.elapsed().as_secs_f64()
        );
    }
}
