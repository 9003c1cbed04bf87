//! Passkeys: an authenticator in software that can do everything right and each thing wrong.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::ids::Id;
use proptest::prelude::*;
use serde_json::json;
use testkit::authenticator::{self, Authenticator, cbor as written};
use testkit::{Client, both_with};

use super::attestation::Makes;
use super::cbor::{self, Value};
use super::cose::PublicKey;
use super::webauthn::{AttestationObject, AuthenticatorData};
use crate::kit::{PASSWORD, real_sign_in, sign_up, try_password, was_told};

const MARA: &str = "mara@harbor-logistics.dev";
const AAGUID: [u8; 16] = [0x5a; 16];

/// Who makes authenticators and signs for them.
struct Maker {
    key: EcdsaKeyPair,
    chain: Vec<Vec<u8>>,
    pub root_pem: String,
}

impl Maker {
    /// A maker whose leaf claims `aaguid`.
    fn new(aaguid: [u8; 16]) -> Self {
        use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer};
        let root_key = rcgen::KeyPair::generate().unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "Maker root");
        let root_certificate = root.self_signed(&root_key).unwrap();
        let leaf_key = rcgen::KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(Vec::new()).unwrap();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.distinguished_name.push(DnType::CountryName, "SE");
        leaf.distinguished_name.push(DnType::OrganizationName, "Maker");
        leaf.distinguished_name.push(DnType::OrganizationalUnitName, "Authenticator Attestation");
        leaf.distinguished_name.push(DnType::CommonName, "Key 1");
        let value = [vec![0x04, 16], aaguid.to_vec()].concat();
        let oid = &[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
        leaf.custom_extensions.push(CustomExtension::from_oid_content(oid, value));
        let issuer = Issuer::from_params(&root, &root_key);
        let certificate = leaf.signed_by(&leaf_key, &issuer).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &leaf_key.serialize_der()).unwrap();
        Self { key, chain: vec![certificate.der().to_vec()], root_pem: root_certificate.pem() }
    }

    fn signs(self) -> (EcdsaKeyPair, Vec<Vec<u8>>) {
        (self.key, self.chain)
    }

    fn listed(&self, aaguid: [u8; 16]) -> Makes {
        let list = json!([{ "aaguid": uuid::Uuid::from_bytes(aaguid).to_string(), "name": "Key 1",
            "roots": [self.root_pem] }]);
        Makes::parse(&list.to_string()).expect("a list")
    }
}

/// The canonical form of a value: what the reader must take, and nothing else.
fn write(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Integer(n) => written::integer(*n),
        Value::Bytes(bytes) => written::bytes(bytes),
        Value::Text(text) => written::text(text),
        Value::Array(items) => written::array(&items.iter().map(write).collect::<Vec<_>>()),
        Value::Map(pairs) => {
            written::map(&pairs.iter().map(|(key, value)| (write(key), write(value))).collect::<Vec<_>>())
        }
        Value::Flag(flag) => vec![if *flag { 0xf5 } else { 0xf4 }],
        Value::Null => vec![0xf6],
    }
}

/// Makes one thing wrong.
type Spoil = Box<dyn Fn(&mut Authenticator)>;

fn origin(kit: &testkit::Kit) -> String {
    kit.app.config().public_origin()
}

#[tokio::test]
async fn a_passkey_signs_in_alone_and_its_session_says_so() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let mut key = Authenticator::new(&origin(kit));
            let added = key.enrol(&mut mara).await.expect(201).json();
            assert_eq!(added["level"], "passkey");
            assert_eq!(added["recovery_codes"].as_array().unwrap().len(), 10);
            assert!(was_told(kit, MARA, "passkey was added").await);
            let mut other = kit.nobody();
            key.sign_in(&mut other).await.expect(201);
            let sessions = other.get("/api/v1/account/sessions").await.expect(200).json();
            let here =
                sessions.as_array().unwrap().iter().find(|one| one["current"] == true).unwrap().clone();
            assert_eq!((&here["method"], &here["level"]), (&json!("passkey"), &json!("passkey")));
            assert_eq!(here["amr"], json!(["swk", "user", "mfa"]));
            // The password alone is not enough any more.
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(303);
            let mut third = kit.nobody();
            try_password(&mut third, MARA, PASSWORD).await.expect(303);
            third.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_refused() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let ours = origin(kit);
            let mut key = Authenticator::new(&ours);
            key.enrol(&mut mara).await.expect(201);
            let mut browser = kit.nobody();
            let wrongs: Vec<(&str, Spoil)> = vec![
                (
                    "origin with our name as its beginning",
                    Box::new(|key| key.origin.push_str(".evil.example")),
                ),
                ("origin on another port", Box::new(|key| key.origin = "http://localhost:1".to_owned())),
                ("rp id", Box::new(|key| key.rp_id = "evil.example".to_owned())),
                ("not present", Box::new(|key| key.flags = 0x04)),
                ("not verified", Box::new(|key| key.flags = 0x01)),
                ("backed up but not eligible", Box::new(|key| key.flags = 0x15)),
                ("type", Box::new(|key| key.client_type = Some("webauthn.create"))),
                ("in a frame", Box::new(|key| key.cross_origin = true)),
                ("another owner", Box::new(|key| key.user_handle = vec![7; 16])),
                ("unknown credential", Box::new(|key| key.credential_id = vec![9; 32])),
                (
                    "another key",
                    Box::new(|key| {
                        key.key = authenticator::new_key();
                    }),
                ),
            ];
            let mut answers = std::collections::BTreeSet::new();
            for (what, spoil) in wrongs {
                let mut mara = sign_in_for(kit).await;
                let mut key = Authenticator::new(&ours);
                key.enrol(&mut mara).await.expect(201);
                spoil(&mut key);
                let answer = key.sign_in(&mut browser).await;
                assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
                answers.insert(answer.text());
            }
            assert_eq!(answers.len(), 1, "one answer for all: {answers:?}");
            key.sign_in(&mut browser).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

/// A person of their own for each try.
async fn sign_in_for(kit: &testkit::Kit) -> Client {
    let ctx = kit.ctx();
    let id: platform::ids::AccountId = ctx.id();
    sign_up(kit, &format!("p{}@harbor-logistics.dev", hex::encode(id.bytes()))).await
}

#[tokio::test]
async fn a_question_is_answered_once_by_the_browser_that_asked_and_in_time() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let mut key = Authenticator::new(&origin(kit));
            key.enrol(&mut mara).await.expect(201);
            let mut browser = kit.nobody();
            let options = browser.post("/api/v1/passkey-options", json!({})).await.expect(200).json();
            let answer = key.get(&options);
            // Stolen by another browser.
            let mut thief = kit.nobody();
            thief.post("/api/v1/passkey-options", json!({})).await.expect(200);
            thief.post("/api/v1/sessions/passkey", answer.clone()).await.expect(401);
            let mut again = browser.clone();
            browser.post("/api/v1/sessions/passkey", answer.clone()).await.expect(201);
            again.post("/api/v1/sessions/passkey", answer).await.expect(401);
            // Too late.
            let mut slow = kit.nobody();
            let options = slow.post("/api/v1/passkey-options", json!({})).await.expect(200).json();
            kit.advance(platform::time::MINUTE * 6);
            slow.post("/api/v1/sessions/passkey", key.get(&options)).await.expect(401);
            // A question for a new passkey is no question for an old one.
            let mut mara = kit.nobody();
            key.sign_in(&mut mara).await.expect(201);
            mara.get("/account").await.expect(200);
            let options = mara.post("/api/v1/account/passkeys/options", json!({})).await.expect(200).json();
            mara.post("/api/v1/sessions/passkey", key.get(&options)).await.expect(401);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_and_recorded() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let mut key = Authenticator::new(&origin(kit));
            key.count = 5;
            key.enrol(&mut mara).await.expect(201);
            let mut browser = kit.nobody();
            for (count, status) in [(6, 201), (6, 401), (4, 401), (0, 401), (7, 201)] {
                key.count = count;
                let mut browser = browser.clone();
                let answer = key.sign_in(&mut browser).await;
                assert_eq!(answer.status.as_u16(), status, "{count}");
            }
            browser.get("/sign-in").await.expect(200);
            let failed = kit.actions(provider).await.iter().filter(|one| *one == "sign_in.failed").count();
            assert_eq!(failed, 3);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn an_authenticator_is_added_once_renamed_and_removed_by_its_owner_alone() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let mut key = Authenticator::new(&origin(kit));
            let id = key.enrol(&mut mara).await.expect(201).json()["id"].as_str().unwrap().to_owned();
            key.enrol(&mut mara).await.expect(409);
            let mut eve = sign_in_for(kit).await;
            let path = format!("/api/v1/account/passkeys/{id}");
            eve.patch(&path, json!({ "name": "mine" })).await.expect(404);
            eve.delete(&path).await.expect(404);
            mara.patch(&path, json!({ "name": "  Green   key " })).await.expect(204);
            let factors = mara.get("/api/v1/account/factors").await.expect(200).json();
            assert_eq!(factors["passkeys"][0]["name"], "Green key");
            assert_eq!((&factors["reachable"], &factors["reached"]), (&json!("passkey"), &json!("passkey")));
            mara.delete(&path).await.expect(204);
            key.sign_in(&mut kit.nobody()).await.expect(401);
            // Nothing is left that would ask for a second step.
            let mut again = kit.nobody();
            try_password(&mut again, MARA, PASSWORD).await.expect(303);
            again.get("/account").await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn only_a_proved_make_on_the_list_is_attested() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let ours = origin(kit);
            // Says nothing of its make.
            let mut silent = Authenticator::new(&ours);
            let added = silent.enrol(&mut mara).await.expect(201).json();
            assert_eq!(added["level"], "passkey");
            // A certificate that claims the AAGUID, from a root that is not on the list.
            let mut forged = Authenticator::new(&ours);
            forged.maker = Some(Maker::new(AAGUID).signs());
            let added = forged.enrol(&mut mara).await.expect(201).json();
            assert_eq!(added["level"], "passkey");
            // A certificate for another AAGUID than the authenticator's.
            let mut other = Authenticator::new(&ours);
            other.maker = Some(Maker::new([1; 16]).signs());
            other.enrol(&mut mara).await.expect(422);
        },
        || {
            let listed = Maker::new(AAGUID);
            let mut options = real_sign_in();
            let password = options.services;
            let makes = std::sync::Arc::new(listed.root_pem);
            options.services = Box::new(move |builder| {
                let list = json!([{ "aaguid": uuid::Uuid::from_bytes(AAGUID).to_string(), "name": "Key 1",
                    "roots": [makes.as_str()] }]);
                password(builder).service(Makes::parse(&list.to_string()).unwrap())
            });
            options
        },
    )
    .await;
}

#[test]
fn a_packed_statement_of_a_listed_maker_holds_until_a_byte_changes() {
    let maker = Maker::new(AAGUID);
    let makes = maker.listed(AAGUID);
    let mut key = Authenticator::new("https://trust.northwind.example");
    key.maker = Some(maker.signs());
    let options = json!({ "challenge": "AAAA", "user": { "id": "AAAA" } });
    let credential = key.create(&options);
    let decode = |name: &str| URL_SAFE_NO_PAD.decode(credential["response"][name].as_str().unwrap()).unwrap();
    let (client_data, object) = (decode("clientDataJSON"), decode("attestationObject"));
    let now = platform::time::Timestamp::from_micros(1_795_461_299_000_000);
    let judge = |makes: &Makes, object: &[u8], client_data: &[u8]| {
        let object = AttestationObject::parse(object)?;
        let data = AuthenticatorData::parse(object.auth_data)?;
        super::attestation::judge(makes, &object, data.credential.as_ref().unwrap(), client_data, now)
    };
    assert_eq!(judge(&makes, &object, &client_data), Ok(true));
    assert_eq!(judge(&Makes::default(), &object, &client_data), Ok(false), "not on the list");
    assert!(judge(&makes, &object, b"{}").is_err(), "signed for something else");
    for at in (0..object.len()).step_by(7) {
        let mut changed = object.clone();
        changed[at] ^= 1;
        // A changed byte is refused, or no proof of the make any more.
        assert_ne!(judge(&makes, &changed, &client_data), Ok(true), "byte {at}");
    }
}

#[test]
fn origins_are_compared_label_by_label() {
    let ours = url::Url::parse("https://trust.northwind.example/").unwrap();
    let same = |origin| super::webauthn::same_origin(&ours, origin);
    assert!(same("https://trust.northwind.example"));
    for other in [
        "https://trust.northwind.example.evil.example",
        "https://evil-trust.northwind.example",
        "https://a.trust.northwind.example",
        "https://northwind.example",
        "https://trust.northwind.exampl",
        "https://trustXnorthwind.example",
        "http://trust.northwind.example",
        "https://trust.northwind.example:8443",
        "https://trust.northwind.example/",
        "https://trust.northwind.example.",
        "https://user@trust.northwind.example",
        "HTTPS://trust.northwind.example",
        "null",
        "",
    ] {
        assert!(!same(other), "{other}");
    }
}

#[test]
fn cbor_takes_the_canonical_form_alone() {
    for (bad, why) in [
        ("", "nothing"),
        ("1801", "a number in two bytes that fits one"),
        ("190001", "in three"),
        ("1a00000001", "in five"),
        ("1b0000000000000001", "in nine"),
        ("5f4101ff", "an indefinite length"),
        ("c100", "a tag"),
        ("f93c00", "a float"),
        ("fb3ff0000000000000", "a longer float"),
        ("f7", "undefined"),
        ("a201000102", "a key twice"),
        ("a1410100", "a key of bytes"),
        ("61ff", "text that is none"),
        ("8201", "a list that is cut"),
        ("9bffffffffffffffff", "a list that is only announced"),
        ("5bffffffffffffffff", "bytes that are only announced"),
        ("1bffffffffffffffff", "a number beyond 63 bits"),
        ("0000", "something behind"),
        ("818181818181818181818100", "too deep"),
    ] {
        assert!(cbor::read_whole(&hex::decode(bad).unwrap()).is_err(), "{why}");
    }
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| write(&Value::Integer(n))),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| write(&Value::Bytes(&bytes))),
        "[a-z]{0,30}".prop_map(|text| write(&Value::Text(&text))),
        any::<bool>().prop_map(|flag| write(&Value::Flag(flag))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        proptest::collection::vec(inner, 0..6).prop_map(|items| written::array(&items))
    })
}

proptest! {
    #[test]
    fn cbor_comes_back(bytes in any_value()) {
        prop_assert_eq!(write(&cbor::read_whole(&bytes).unwrap()), bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok((value, rest)) = cbor::read(&bytes) {
            prop_assert_eq!([write(&value), rest.to_vec()].concat(), bytes.clone());
        }
        let _ = AuthenticatorData::parse(&bytes);
        let _ = AttestationObject::parse(&bytes);
        let _ = PublicKey::parse(&bytes);
    }
}

/// Whoever sits in a session that ends at this moment leaves no key behind: with no factor to prove, the session itself is
/// all there is to ask.
#[tokio::test]
async fn a_session_that_ends_at_the_same_moment_adds_no_factor() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mara = sign_up(kit, MARA).await;
            let mut thief = kit.nobody();
            try_password(&mut thief, MARA, PASSWORD).await.expect(303);
            thief.get("/account").await.expect(200);
            let mut key = Authenticator::new(&origin(kit));
            // Asked for while the session stands.
            let asked = thief.post("/api/v1/account/passkeys/options", json!({})).await.expect(200).json();
            let body = json!({ "name": "Black key", "credential": key.create(&asked) });
            let add = async move { thief.post("/api/v1/account/passkeys", body).await };
            let ((), answer) = kit.overlapped(crate::kit::change_password(mara), add).await;
            assert!(matches!(answer.status.as_u16(), 401 | 403), "{}", answer.text());
            let mut owner = kit.nobody();
            let body = json!({ "email": MARA, "password": crate::kit::NEW_PASSWORD });
            owner.post("/api/v1/sessions", body).await.expect(201);
            let factors = owner.get("/api/v1/account/factors").await.expect(200).json();
            assert_eq!(factors["passkeys"], json!([]));
        },
        real_sign_in,
    )
    .await;
}

/// The same by hand: what the write finds, whatever the guard had seen.
#[tokio::test]
async fn a_session_that_has_ended_changes_no_factor() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let ctx = kit.ctx();
            let (at, app) = (ctx.clone(), kit.app.clone());
            let done = kit.app.db().write(&ctx, move |tx| {
                let account = platform::principals::account_by_email(tx, MARA)?.expect("Mara").id;
                let session = crate::sessions::list(tx, account, at.now)?[0].id;
                let before = crate::factors::may_change(&app, tx, account, Some(session), at.now)?;
                let revoked = crate::sessions::revoke_all(&at, tx, account, None, "password_changed")?;
                let after = crate::factors::may_change(&app, tx, account, Some(session), at.now)?;
                Ok::<_, platform::db::DbError>(revoked.map(|_| (before, after)))
            });
            assert_eq!(done.await.unwrap().value, (true, false));
        },
        real_sign_in,
    )
    .await;
}
