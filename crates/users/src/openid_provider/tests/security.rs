//! The lines "OIDC / OAuth" of the security checklist, as far as they are the provider's, by name.

use std::time::Duration;

use axum::http::Method;
use jose::{Algorithm, SigningKey};
use serde_json::{Value, json};
use testkit::{Answer, Client, Kit};

use super::{
    CALLBACK, VERIFIER, claims, encode, follow, landed, page, register, send_form, settings, userinfo, world,
    world_with,
};
use crate::openid_provider::seconds;
use crate::products::{Authentication, Settings};

/// Mix-up (RFC 9207): every answer says who gave it, refusals too.
#[tokio::test]
async fn every_answer_names_its_issuer() {
    world(async |kit, rp, mut browser| {
        let issuer = kit.app.config().public_origin();
        for more in [
            vec![],
            vec![("response_type", "")],
            vec![("prompt", "none login")],
            vec![("code_challenge", "")],
        ] {
            assert_eq!(landed(&mut browser, &rp.request(&more)).await["iss"], issuer, "{more:?}");
        }
        let document = kit.client().get("/.well-known/openid-configuration").await.json();
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_registered() {
    world(async |kit, rp, mut browser| {
        let disabled = register(kit, settings()).await;
        let (ctx, id) = (kit.ctx(), disabled.id);
        let at = ctx.clone();
        kit.app.db().write(&ctx, move |tx| crate::products::set_active(&at, tx, id, false)).await.unwrap();
        let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", rp.request(&[]));
        let paths = [
            rp.request(&[("redirect_uri", "")]),
            rp.request(&[("redirect_uri", "https://evil.example/"), ("response_type", "")]),
            rp.request(&[("redirect_uri", "javascript:alert(1)")]),
            rp.request(&[("redirect_uri", "//evil.example")]),
            rp.request(&[("client_id", "")]),
            rp.request(&[("client_id", "0197a1c0-0000-7000-8000-000000000000")]),
            rp.request(&[("client_id", "' or 1=1 --")]),
            disabled.request(&[]),
            twice,
        ];
        for path in paths {
            for browser in [&mut browser, &mut kit.nobody()] {
                let answer = browser.get(&path).await.expect(400);
                assert_eq!(answer.location(), "", "{path}");
                assert!(super::hop_of(&answer).is_none());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn pkce_s256_is_required() {
    world(async |_, rp, mut browser| {
        for more in [
            vec![("code_challenge", "")],
            vec![("code_challenge_method", "")],
            vec![("code_challenge_method", "plain")],
            vec![("code_challenge", VERIFIER)],
        ] {
            assert_eq!(
                landed(&mut browser, &rp.request(&more)).await["error"],
                "invalid_request",
                "{more:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_fits_one_request_one_product_and_one_minute() {
    world(async |kit, rp, mut browser| {
        let mut code = async || landed(&mut browser, &rp.request(&[])).await["code"].clone();
        let other = register(kit, settings()).await;
        let stolen = code().await;
        assert_eq!(other.redeem(kit, &stolen).await.expect(400).json()["error"], "invalid_grant");
        rp.redeem(kit, &stolen).await.expect(200);
        let late = code().await;
        kit.advance(Duration::from_secs(61));
        rp.redeem(kit, &late).await.expect(400);
        let fresh = code().await;
        let elsewhere = [
            ("grant_type", "authorization_code"),
            ("code", fresh.as_str()),
            ("redirect_uri", "https://rp.example/other"),
            ("code_verifier", VERIFIER),
        ];
        rp.post(kit, "/oauth/token", &elsewhere).await.expect(400);
        let bare =
            [("grant_type", "authorization_code"), ("code", fresh.as_str()), ("redirect_uri", CALLBACK)];
        rp.post(kit, "/oauth/token", &bare).await.expect(400);
    })
    .await;
}

/// The store holds nothing that works: hashes of codes, refresh tokens, secrets and device codes, sealed keys.
#[tokio::test]
async fn secrets_of_the_protocol_are_hashed_or_sealed() {
    world(async |kit, rp, mut browser| {
        if kit.kind != platform::db::EngineKind::Sqlite {
            return;
        }
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid offline_access")]).await;
        let platform::db::DatabaseUrl::Sqlite(path) = &kit.app.config().database.clone() else { return };
        let folder = path.parent().expect("a folder").to_owned();
        let mut found = 0;
        for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
            let Ok(bytes) = std::fs::read(entry.path()) else { continue };
            found += 1;
            let secret = rp.secret.clone().unwrap();
            for text in [tokens.get("refresh_token"), tokens.get("access_token"), &secret[4..]] {
                let raw = jose::decode(text).unwrap_or_else(|| text.as_bytes().to_vec());
                for needle in [text.as_bytes(), &raw] {
                    assert!(!bytes.windows(needle.len()).any(|part| part == needle), "{:?}", entry.path());
                }
            }
        }
        assert!(found > 0);
    })
    .await;
}

/// A person whose session ends while they are asked is asked to sign in, and the answer of one browser is not another's.
#[tokio::test]
async fn consent_needs_the_session_and_the_form_of_its_browser() {
    let settings = Settings { asks_consent: true, ..settings() };
    world_with(settings, async |kit, rp, mut browser| {
        let (at, _) = page(&mut browser, &rp.request(&[])).await;
        let mut stranger = kit.nobody();
        stranger.get("/sign-in").await.expect(200);
        let answer = stranger.submit(&at, &[("decision", "allow")]).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
        // A form of another site carries no token of ours.
        let mut forged = browser.clone();
        forged.headers.push(("origin".to_owned(), "https://evil.example".to_owned()));
        let body = encode(&[("decision", "allow")]).into_bytes();
        forged.send(Method::POST, &at, Some("application/x-www-form-urlencoded"), body).await.expect(403);
        let csp = browser.get(&at).await.expect(200);
        let csp = csp.header("content-security-policy").unwrap();
        assert!(csp.contains("form-action 'self'") && csp.contains("frame-ancestors 'none'"), "{csp}");
    })
    .await;
}

#[tokio::test]
async fn a_product_proves_itself_in_its_own_way_only() {
    world(async |kit, rp, _| {
        let own = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let public = register(kit, Settings { authentication: Authentication::None, ..settings() }).await;
        // With a secret: never without it, never with two ways at once.
        let nameless = super::Rp { secret: None, ..rp.clone() };
        nameless.post(kit, "/oauth/token", &own).await.expect(401);
        let secret = rp.secret.clone().unwrap();
        let both = [own[0], own[1], ("client_secret", secret.as_str())];
        assert_eq!(rp.post(kit, "/oauth/token", &both).await.expect(400).json()["error"], "invalid_request");
        // Without one: a secret proves nothing.
        let pretends = super::Rp { id: public.id, secret: Some(secret) };
        pretends.post(kit, "/oauth/token", &own).await.expect(401);
        assert_eq!(public.post(kit, "/oauth/token", &own).await.expect(400).json()["error"], "invalid_grant");
        public.post(kit, "/oauth/introspect", &[("token", "x")]).await.expect(401);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_replaced_with_overlap_and_then_dead() {
    world(async |kit, rp, _| {
        let own = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let ctx = kit.ctx();
        let (id, at) = (rp.id, ctx.clone());
        let rotated = kit
            .app
            .db()
            .write(&ctx, move |tx| crate::products::rotate_secret(&at, tx, id, Duration::from_secs(3600)));
        let crate::products::Rotation::Done(new) = rotated.await.unwrap().value else { panic!("no secret") };
        let next = super::Rp { secret: Some(new.text()), ..rp.clone() };
        for each in [&rp, &next] {
            each.post(kit, "/oauth/token", &own).await.expect(400);
        }
        kit.advance(Duration::from_secs(3601));
        rp.post(kit, "/oauth/token", &own).await.expect(401);
        next.post(kit, "/oauth/token", &own).await.expect(400);
    })
    .await;
}

fn assertion(key: &SigningKey, more: &[(&str, Value)], kit: &Kit, id: &str) -> String {
    let now = seconds(kit.now());
    let mut claims = json!({
        "iss": id, "sub": id, "aud": kit.app.config().public_origin(),
        "iat": now, "exp": now + 60, "jti": jose::encode(kit.ctx().random_bytes::<8>()),
    });
    for (name, value) in more {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        } else {
            claims[*name] = value.clone();
        }
    }
    key.sign("JWT", claims.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn assertions_of_a_key_are_checked_whole_and_used_once() {
    let pkcs8 = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &pkcs8).unwrap();
    let jwks = json!({ "keys": [key.public().to_value()] }).to_string();
    let settings = Settings { authentication: Authentication::PrivateKeyJwt, jwks, ..settings() };
    world_with(settings, async |kit, rp, _| {
        let id = rp.id.to_string();
        let send = async |assertion: &str| -> Answer {
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion),
            ];
            send_form(&mut kit.client(), "/oauth/token", &fields).await
        };
        let good = assertion(&key, &[], kit, &id);
        assert_eq!(send(&good).await.expect(400).json()["error"], "invalid_grant", "the product is known");
        send(&good).await.expect(401);
        let now = seconds(kit.now());
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("https://other.example")),
            ("aud", Value::Null),
            ("exp", json!(now - 60)),
            ("exp", Value::Null),
            ("iat", Value::Null),
            ("iat", json!(now + 600)),
            ("jti", Value::Null),
        ] {
            let wrong = assertion(&key, &[(name, value.clone())], kit, &id);
            assert_eq!(send(&wrong).await.expect(401).json()["error"], "invalid_client", "{name} {value}");
        }
        let other =
            SigningKey::from_pkcs8(Algorithm::EdDsa, &SigningKey::generate(Algorithm::EdDsa).unwrap())
                .unwrap();
        send(&assertion(&other, &[], kit, &id)).await.expect(401);
        let payload = good.split('.').nth(1).unwrap();
        send(&format!("{}.{payload}.", jose::encode(r#"{"alg":"none"}"#))).await.expect(401);
    })
    .await;
}

/// A DPoP proof as a client library makes it.
fn proof(key: &SigningKey, kit: &Kit, method: &str, path: &str, token: Option<&str>) -> String {
    let mut payload = json!({
        "jti": jose::encode(kit.ctx().random_bytes::<8>()),
        "htm": method,
        "htu": format!("{}{path}", kit.app.config().public_origin()),
        "iat": seconds(kit.now()),
    });
    if let Some(token) = token {
        payload["ath"] = json!(jose::sha256(token));
    }
    let header =
        json!({ "typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": key.public().to_value() });
    key.sign_parts(&header.to_string(), payload.to_string().as_bytes()).unwrap()
}

async fn with_proof(client: &Client, proof: &str) -> Client {
    client.clone().with_header("dpop", proof)
}

#[tokio::test]
async fn tokens_bound_to_a_key_work_with_its_proofs_only() {
    let settings = Settings { authentication: Authentication::None, requires_dpop: true, ..settings() };
    world_with(settings, async |kit, rp, mut browser| {
        let key = SigningKey::from_pkcs8(Algorithm::Es256, &SigningKey::generate(Algorithm::Es256).unwrap())
            .unwrap();
        let thief =
            SigningKey::from_pkcs8(Algorithm::Es256, &SigningKey::generate(Algorithm::Es256).unwrap())
                .unwrap();
        let code = landed(&mut browser, &rp.request(&[])).await["code"].clone();
        let id = rp.id.to_string();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", id.as_str()),
        ];
        let post = async |proof: &str, fields: &[(&str, &str)]| {
            send_form(&mut with_proof(&kit.client(), proof).await, "/oauth/token", fields).await
        };
        assert_eq!(rp.redeem(kit, &code).await.expect(400).json()["error"], "invalid_dpop_proof");
        post(&proof(&key, kit, "GET", "/oauth/token", None), &fields).await.expect(400);
        let once = proof(&key, kit, "POST", "/oauth/token", None);
        let tokens = post(&once, &fields).await.expect(200).json();
        assert_eq!(tokens["token_type"], "DPoP");
        let access = tokens["access_token"].as_str().unwrap();
        let bound = claims(kit, access).await;
        assert_eq!(bound.get("cnf"), Some(&json!({ "jkt": key.public().thumbprint() })));
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
            ("client_id", id.as_str()),
        ];
        assert_eq!(
            post(&once, &refresh).await.expect(400).json()["error"],
            "invalid_dpop_proof",
            "a proof works once"
        );
        let stolen = proof(&thief, kit, "POST", "/oauth/token", None);
        assert_eq!(post(&stolen, &refresh).await.expect(400).json()["error"], "invalid_grant");
        post(&proof(&key, kit, "POST", "/oauth/token", None), &refresh).await.expect(200);
        // At the resource: not as a bearer token, not with another key, not with a proof of another token.
        userinfo(kit, access).await.expect(401);
        let info = async |proof: &str| {
            let client = kit.client().with_header("authorization", &format!("DPoP {access}"));
            with_proof(&client, proof).await.get("/oauth/userinfo").await
        };
        info(&proof(&thief, kit, "GET", "/oauth/userinfo", Some(access))).await.expect(401);
        info(&proof(&key, kit, "GET", "/oauth/userinfo", None)).await.expect(401);
        info(&proof(&key, kit, "GET", "/oauth/userinfo", Some("other"))).await.expect(401);
        info(&proof(&key, kit, "GET", "/oauth/userinfo", Some(access))).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn an_id_token_is_no_access_token_and_a_forged_one_is_nothing() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        userinfo(kit, tokens.get("id_token")).await.expect(401);
        assert_eq!(rp.introspect(kit, tokens.get("id_token")).await, json!({ "active": false }));
        let mut payload: Value = serde_json::from_slice(
            &jose::decode(tokens.get("access_token").split('.').nth(1).unwrap()).unwrap(),
        )
        .unwrap();
        payload["exp"] = json!(seconds(kit.now()) + 1_000_000);
        let key = SigningKey::from_pkcs8(Algorithm::Es256, &SigningKey::generate(Algorithm::Es256).unwrap())
            .unwrap();
        let forged = key.sign("at+jwt", payload.to_string().as_bytes()).unwrap();
        userinfo(kit, &forged).await.expect(401);
        kit.advance(Duration::from_secs(601));
        userinfo(kit, tokens.get("access_token")).await.expect(401);
        assert_eq!(rp.introspect(kit, tokens.get("access_token")).await, json!({ "active": false }));
    })
    .await;
}

/// Two browsers use one code, and two programs one refresh token, at the same time: one wins, and then all is over.
#[tokio::test]
async fn single_use_holds_under_a_race() {
    world(async |kit, rp, mut browser| {
        let code = landed(&mut browser, &rp.request(&[])).await["code"].clone();
        let tries = futures_util::future::join_all((0..8).map(|_| rp.redeem(kit, &code))).await;
        let won: Vec<&Answer> = tries.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1);
        let refresh = won[0].json()["refresh_token"].as_str().unwrap().to_owned();
        rp.refresh(kit, &refresh).await.expect(400);
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        let refresh = tokens.get("refresh_token");
        let tries = futures_util::future::join_all((0..8).map(|_| rp.refresh(kit, refresh))).await;
        assert_eq!(tries.iter().filter(|answer| answer.status == 200).count(), 1);
        userinfo(kit, tokens.get("access_token")).await.expect(401);
    })
    .await;
}

/// A failed sign-in on the way, and words of a stranger in the request, end on pages and nowhere else.
#[tokio::test]
async fn words_of_a_request_are_escaped() {
    let settings = Settings { asks_consent: true, name: "<b>Notes</b>".to_owned(), ..settings() };
    world_with(settings, async |_, rp, mut browser| {
        let (_, asked) = page(&mut browser, &rp.request(&[("scope", "openid")])).await;
        assert!(!asked.text().contains("<b>Notes"));
        let state = "\"><script>alert(1)</script>";
        let answer = landed(&mut browser, &rp.request(&[("state", state), ("prompt", "none")])).await;
        assert_eq!(answer["state"], state, "it comes back as it was sent, encoded");
        let followed =
            follow(&mut browser, &rp.request(&[("login_hint", "<script>"), ("prompt", "login")])).await;
        let (_, sign_in) = followed.expect_err("the sign-in page");
        assert!(!sign_in.text().contains("<script>alert"));
    })
    .await;
}

platform::statements! {
    KEPT: Platform = "select parameters from oauth_requests";
}

async fn kept(kit: &Kit) -> Vec<String> {
    kit.app.db().read(|tx| tx.list(&KEPT, platform::params![], |row| row.get(0))).await.unwrap()
}

/// Nobody is signed in who sends them, so they must not fill the disk.
#[tokio::test]
async fn requests_are_kept_with_known_parameters_in_bounds_and_for_minutes() {
    world(async |kit, rp, mut browser| {
        let long = "x".repeat(8_000);
        let send = async |more: &[(&str, &str)]| {
            let fields = rp.parameters(more);
            let mut fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            fields.push(("padding", &long));
            send_form(&mut kit.nobody(), "/oauth/authorize", &fields).await
        };
        let answer = send(&[("state", "kept"), ("x0", &long)]).await.expect(303);
        assert!(answer.location().starts_with("/oauth/authorize?client_id="), "{}", answer.location());
        let stored = kept(kit).await;
        assert_eq!(stored.len(), 1);
        assert!(stored[0].contains("kept") && stored[0].len() < 1000, "{}", stored[0].len());
        let landed = landed(&mut browser, answer.location()).await;
        assert_eq!(landed["state"], "kept");
        rp.redeem(kit, &landed["code"]).await.expect(200);
        // Known parameters that are too long together, and what is refused anyway.
        let hints = [("state", &long[..4000]), ("claims", &long[..]), ("login_hint", &long[..])];
        let answer = send(&hints).await;
        assert!(!answer.location().starts_with("/oauth/"), "{}", answer.location());
        let claims = format!("{{\"a\":\"{}\"}}", &long[..7_900]);
        send(&[("state", &long[..4000]), ("claims", &claims), ("login_hint", &long)]).await.expect(400);
        let refused = send(&[("request", "e30.e30.")]).await.expect(303);
        assert!(refused.location().contains("error=request_not_supported"), "{}", refused.location());
        assert_eq!(kept(kit).await.len(), 1);
        let pushed = rp.parameters(&[("padding", &long)]);
        let pushed: Vec<(&str, &str)> = pushed.iter().map(|(n, v)| (*n, v.as_str())).collect();
        rp.post(kit, "/oauth/par", &pushed).await.expect(201);
        assert!(kept(kit).await.iter().all(|text| text.len() < 1000));
        kit.advance_settled(Duration::from_secs(420), Duration::from_secs(60)).await;
        assert_eq!(kept(kit).await, Vec::<String>::new(), "minutes after their end they are gone");
    })
    .await;
}

/// Anybody may send them, and the handler reads the whole body.
#[tokio::test]
async fn a_body_that_no_request_needs_is_refused() {
    world(async |kit, rp, _| {
        let long = "x".repeat(70_000);
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/authorize"] {
            let id = rp.id.to_string();
            let fields = [("client_id", id.as_str()), ("padding", &long)];
            let answer = send_form(&mut kit.client(), path, &fields).await;
            assert_eq!(answer.status.as_u16(), 413, "{path}");
        }
    })
    .await;
}
