//! Ports of the modules of the OpenID conformance plans "Basic OP" and "Config OP", by their names. They differ where we
//! are stricter: every request here carries PKCE, since ours needs it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Client, Kit};

use super::{CALLBACK, MARA, Rp, claims, landed, page, send_form, settings, userinfo, world, world_with};
use crate::kit::{self, PASSWORD};

async fn info(kit: &Kit, rp: &Rp, browser: &mut Client, more: &[(&str, &str)]) -> Value {
    let tokens = rp.sign_in(kit, browser, more).await;
    userinfo(kit, tokens.get("access_token")).await.expect(200).json()
}

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    world(async |kit, _, _| {
        let issuer = kit.app.config().public_origin();
        for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
            let answer = kit.client().get(path).await.expect(200);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            let document = answer.json();
            assert_eq!(document["issuer"], issuer);
            for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
                assert!(document[name].as_str().unwrap().starts_with(&issuer), "{name}");
            }
            assert_eq!(document["response_types_supported"], json!(["code"]));
            assert!(
                document["id_token_signing_alg_values_supported"]
                    .as_array()
                    .unwrap()
                    .contains(&json!("RS256"))
            );
            assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
            assert_eq!(document["claims_parameter_supported"], true);
            let text = document.to_string();
            assert!(!text.contains("implicit") && !text.contains("\"password\""));
        }
    })
    .await;
}

#[tokio::test]
async fn oidcc_server() {
    world(async |kit, rp, _| {
        let mut browser = kit.nobody();
        kit::try_password(&mut browser, MARA, PASSWORD).await.expect(303);
        let answer = landed(&mut browser, &rp.request(&[])).await;
        assert_eq!(answer["state"], "state-1");
        assert_eq!(answer["iss"], kit.app.config().public_origin());
        let answer = rp.redeem(kit, &answer["code"]).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let tokens = answer.json();
        assert_eq!(tokens["token_type"], "Bearer");
        let claims = claims(kit, tokens["id_token"].as_str().unwrap()).await;
        let expected = jose::Expected {
            issuer: &kit.app.config().public_origin(),
            audience: &[&rp.id.to_string()],
            now: crate::openid_provider::seconds(kit.now()),
            leeway: 0,
            age_max: 60,
            nonce: jose::Nonce::Is("nonce-1"),
        };
        assert_eq!(claims.check(&expected), Ok(()));
        assert_eq!(claims.get("amr"), Some(&json!(["pwd"])));
        assert!(claims.time("auth_time").is_ok());
        let hash = jose::encode(
            &aws_lc_rs::digest::digest(
                &aws_lc_rs::digest::SHA256,
                tokens["access_token"].as_str().unwrap().as_bytes(),
            )
            .as_ref()[..16],
        );
        assert_eq!(claims.text("at_hash"), Ok(hash.as_str()));
    })
    .await;
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    world(async |_, rp, mut browser| {
        let answer = landed(&mut browser, &rp.request(&[("response_type", "")])).await;
        assert_eq!((answer["error"].as_str(), answer["state"].as_str()), ("invalid_request", "state-1"));
        let answer = landed(&mut browser, &rp.request(&[("response_type", "token")])).await;
        assert_eq!(answer["error"], "unsupported_response_type");
    })
    .await;
}

#[tokio::test]
async fn oidcc_idtoken_signature() {
    for algorithm in jose::Algorithm::ALL {
        let settings = crate::products::Settings { id_token_algorithm: algorithm, ..settings() };
        world_with(settings, async move |kit, rp, mut browser| {
            let tokens = rp.sign_in(kit, &mut browser, &[]).await;
            let token = tokens.get("id_token");
            let header = jose::Token::parse(token).unwrap().header;
            assert_eq!(header.algorithm, algorithm);
            let keys = kit.client().get("/oauth/jwks").await.expect(200).json();
            let named =
                keys["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == json!(header.key_id));
            assert_eq!(named.count(), 1, "one key has its kid");
            claims(kit, token).await;
        })
        .await;
    }
}

#[tokio::test]
async fn oidcc_idtoken_unsigned() {
    world(async |kit, rp, mut browser| {
        let document = kit.client().get("/.well-known/openid-configuration").await.json();
        assert!(
            !document["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&json!("none"))
        );
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        // Nor is an unsigned token taken back.
        let payload = tokens.get("id_token").split('.').nth(1).unwrap().to_owned();
        let hint = format!("{}.{payload}.", jose::encode(r#"{"alg":"none"}"#));
        let answer = landed(&mut browser, &rp.request(&[("id_token_hint", &hint)])).await;
        assert_eq!(answer["error"], "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn oidcc_userinfo_get() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        let answer = userinfo(kit, tokens.get("access_token")).await.expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let subject = claims(kit, tokens.get("id_token")).await.text("sub").unwrap().to_owned();
        assert_eq!(answer.json(), json!({ "sub": subject }), "nothing but what the scope gives");
        userinfo(kit, "nonsense").await.expect(401);
        assert!(kit.client().get("/oauth/userinfo").await.expect(401).header("www-authenticate").is_some());
    })
    .await;
}

#[tokio::test]
async fn oidcc_userinfo_post_header() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        let bearer = format!("Bearer {}", tokens.get("access_token"));
        let mut client = kit.client().with_header("authorization", &bearer);
        let answer =
            client.send(axum::http::Method::POST, "/oauth/userinfo", None, Vec::new()).await.expect(200);
        assert!(answer.json()["sub"].is_string());
    })
    .await;
}

#[tokio::test]
async fn oidcc_userinfo_post_body() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        let fields = [("access_token", tokens.get("access_token"))];
        let answer = send_form(&mut kit.client(), "/oauth/userinfo", &fields).await.expect(200);
        assert!(answer.json()["sub"].is_string());
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("nonce", "")]).await;
        assert_eq!(claims(kit, tokens.get("id_token")).await.get("nonce"), None);
    })
    .await;
}

#[tokio::test]
async fn oidcc_scope_profile() {
    world(async |kit, rp, mut browser| {
        let info = info(kit, &rp, &mut browser, &[("scope", "openid profile")]).await;
        assert_eq!(info["name"], "Mara Lind");
        assert_eq!(info["preferred_username"], MARA);
        assert_eq!(info.get("email"), None);
    })
    .await;
}

#[tokio::test]
async fn oidcc_scope_email() {
    world(async |kit, rp, mut browser| {
        let info = info(kit, &rp, &mut browser, &[("scope", "openid email")]).await;
        assert_eq!((&info["email"], &info["email_verified"]), (&json!(MARA), &json!(true)));
        assert_eq!(info.get("name"), None);
    })
    .await;
}

/// We hold no postal address: the request goes well and gives none.
#[tokio::test]
async fn oidcc_scope_address() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid address")]).await;
        assert_eq!(tokens.get("scope"), "openid");
        let info = userinfo(kit, tokens.get("access_token")).await.expect(200).json();
        assert_eq!(info.get("address"), None);
    })
    .await;
}

#[tokio::test]
async fn oidcc_scope_phone() {
    world(async |kit, rp, mut browser| {
        let info = info(kit, &rp, &mut browser, &[("scope", "openid phone")]).await;
        assert_eq!(info.get("phone_number"), None);
    })
    .await;
}

#[tokio::test]
async fn oidcc_scope_all() {
    world(async |kit, rp, mut browser| {
        let scope = "openid profile email address phone";
        let info = info(kit, &rp, &mut browser, &[("scope", scope)]).await;
        assert_eq!((&info["name"], &info["email"]), (&json!("Mara Lind"), &json!(MARA)));
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_other_scope_order_succeeds() {
    world(async |kit, rp, mut browser| {
        let info = info(kit, &rp, &mut browser, &[("scope", "email openid")]).await;
        assert_eq!(info["email"], MARA);
    })
    .await;
}

#[tokio::test]
async fn oidcc_display_page() {
    world(async |kit, rp, mut browser| {
        rp.sign_in(kit, &mut browser, &[("display", "page")]).await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_display_popup() {
    world(async |kit, rp, mut browser| {
        rp.sign_in(kit, &mut browser, &[("display", "popup")]).await;
    })
    .await;
}

/// Types the password on the sign-in page that a request led to, and goes on to where that leads.
async fn sign_in_again(browser: &mut Client, at: &str) -> std::collections::BTreeMap<String, String> {
    let (_, query) = at.split_once('?').expect("the sign-in page of a request");
    let next = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "next")
        .unwrap()
        .1
        .into_owned();
    let answer = browser
        .submit("/sign-in", &[("email", MARA), ("password", PASSWORD), ("next", &next)])
        .await
        .expect(303);
    landed(browser, answer.location()).await
}

#[tokio::test]
async fn oidcc_prompt_login() {
    world(async |kit, rp, mut browser| {
        let first = rp.sign_in(kit, &mut browser, &[]).await;
        kit.advance(Duration::from_secs(5));
        let (at, _) = page(&mut browser, &rp.request(&[("prompt", "login")])).await;
        assert!(at.starts_with("/sign-in?"), "asked again though signed in: {at}");
        // Looking again changes nothing: only a new sign-in goes on.
        let code = sign_in_again(&mut browser, &at).await["code"].clone();
        let second = rp.redeem(kit, &code).await.expect(200).json();
        let (old, new) = (
            claims(kit, first.get("id_token")).await,
            claims(kit, second["id_token"].as_str().unwrap()).await,
        );
        assert_eq!(old.text("sub"), new.text("sub"));
        assert!(new.time("auth_time").unwrap() >= old.time("auth_time").unwrap() + 5);
    })
    .await;
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in() {
    world(async |kit, rp, _| {
        let answer = landed(&mut kit.nobody(), &rp.request(&[("prompt", "none")])).await;
        assert_eq!((answer["error"].as_str(), answer["state"].as_str()), ("login_required", "state-1"));
        assert!(!answer.contains_key("code"));
    })
    .await;
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in() {
    world(async |kit, rp, mut browser| {
        let first = rp.sign_in(kit, &mut browser, &[]).await;
        let second = rp.sign_in(kit, &mut browser, &[("prompt", "none")]).await;
        let (old, new) =
            (claims(kit, first.get("id_token")).await, claims(kit, second.get("id_token")).await);
        assert_eq!((old.text("sub"), old.time("auth_time")), (new.text("sub"), new.time("auth_time")));
    })
    .await;
}

#[tokio::test]
async fn oidcc_max_age_1() {
    world(async |kit, rp, mut browser| {
        kit.advance(Duration::from_secs(3));
        let (at, _) = page(&mut browser, &rp.request(&[("max_age", "1")])).await;
        assert!(at.starts_with("/sign-in?"), "{at}");
        let code = sign_in_again(&mut browser, &at).await["code"].clone();
        let tokens = rp.redeem(kit, &code).await.expect(200).json();
        let claims = claims(kit, tokens["id_token"].as_str().unwrap()).await;
        assert!(claims.time("auth_time").unwrap() >= claims.time("iat").unwrap() - 1);
    })
    .await;
}

#[tokio::test]
async fn oidcc_max_age_10000() {
    world(async |kit, rp, mut browser| {
        let first = rp.sign_in(kit, &mut browser, &[]).await;
        kit.advance(Duration::from_secs(9_000));
        let second = rp.sign_in(kit, &mut browser, &[("max_age", "10000")]).await;
        let (old, new) =
            (claims(kit, first.get("id_token")).await, claims(kit, second.get("id_token")).await);
        assert_eq!(old.time("auth_time"), new.time("auth_time"));
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    world(async |kit, rp, mut browser| {
        rp.sign_in(kit, &mut browser, &[("extra", "foobar")]).await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    world(async |kit, rp, mut browser| {
        let first = rp.sign_in(kit, &mut browser, &[]).await;
        let hint = first.get("id_token").to_owned();
        kit.advance(Duration::from_secs(3600));
        rp.sign_in(kit, &mut browser, &[("prompt", "none"), ("id_token_hint", &hint)]).await;
        // Somebody else sits there now.
        let mut other = kit::sign_up(kit, "ben@harbor-logistics.dev").await;
        let answer = landed(&mut other, &rp.request(&[("prompt", "none"), ("id_token_hint", &hint)])).await;
        assert_eq!(answer["error"], "login_required");
    })
    .await;
}

#[tokio::test]
async fn oidcc_login_hint() {
    world(async |kit, rp, _| {
        let (at, answer) = page(&mut kit.nobody(), &rp.request(&[("login_hint", "bob@example.com")])).await;
        assert!(at.starts_with("/sign-in?"), "{at}");
        assert!(answer.text().contains("value=\"bob@example.com\""));
    })
    .await;
}

#[tokio::test]
async fn oidcc_ui_locales() {
    world(async |kit, rp, mut browser| {
        rp.sign_in(kit, &mut browser, &[("ui_locales", "se")]).await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_claims_locales() {
    world(async |kit, rp, mut browser| {
        rp.sign_in(kit, &mut browser, &[("claims_locales", "se")]).await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("acr_values", "1 2")]).await;
        assert!(claims(kit, tokens.get("id_token")).await.text("acr").is_ok());
    })
    .await;
}

#[tokio::test]
async fn oidcc_codereuse() {
    world(async |kit, rp, mut browser| {
        let code = landed(&mut browser, &rp.request(&[])).await["code"].clone();
        rp.redeem(kit, &code).await.expect(200);
        assert_eq!(rp.redeem(kit, &code).await.expect(400).json()["error"], "invalid_grant");
    })
    .await;
}

/// A code that comes twice ends what it gave, also later.
#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    world(async |kit, rp, mut browser| {
        let code = landed(&mut browser, &rp.request(&[])).await["code"].clone();
        let tokens = rp.redeem(kit, &code).await.expect(200).json();
        let (access, refresh) =
            (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        userinfo(kit, access).await.expect(200);
        kit.advance(Duration::from_secs(30));
        assert_eq!(rp.redeem(kit, &code).await.expect(400).json()["error"], "invalid_grant");
        userinfo(kit, access).await.expect(401);
        assert_eq!(rp.introspect(kit, access).await, json!({ "active": false }));
        rp.refresh(kit, refresh).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    world(async |_, rp, mut browser| {
        for uri in [
            "https://rp.example/callback/",
            "https://rp.example/callback?x=1",
            "https://rp.example/callback#x",
            "https://rp.example:443/callback",
            "https://rp.example/Callback",
            "https://rp.example.evil.example/callback",
            "https://evil.example/callback",
            "http://rp.example/callback",
        ] {
            let answer = browser.get(&rp.request(&[("redirect_uri", uri)])).await.expect(400);
            assert_eq!(answer.location(), "", "{uri} goes nowhere");
            assert!(answer.text().contains("redirect_uri"), "{}", answer.text());
        }
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds() {
    world(async |kit, rp, mut browser| {
        let fields = rp.parameters(&[]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // A form on the product's page: no cookie comes with it.
        let answer = send_form(&mut kit.nobody(), "/oauth/authorize", &fields).await.expect(303);
        let code = landed(&mut browser, answer.location()).await["code"].clone();
        rp.redeem(kit, &code).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    world(async |kit, rp, mut browser| {
        let code = landed(&mut browser, &rp.request(&[])).await["code"].clone();
        let (id, secret) = (rp.id.to_string(), rp.secret.clone().unwrap());
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", super::VERIFIER),
            ("client_id", &id),
            ("client_secret", &secret),
        ];
        send_form(&mut kit.client(), "/oauth/token", &fields).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    world(async |_, rp, mut browser| {
        let answer =
            landed(&mut browser, &rp.request(&[("request_uri", "https://rp.example/request.jwt")])).await;
        assert_eq!(answer["error"], "request_uri_not_supported");
    })
    .await;
}

#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    world(async |_, rp, mut browser| {
        let answer = landed(&mut browser, &rp.request(&[("request", "e30.e30.")])).await;
        assert_eq!(answer["error"], "request_not_supported");
    })
    .await;
}

#[tokio::test]
async fn oidcc_claims_essential() {
    world(async |kit, rp, mut browser| {
        let wanted = r#"{"userinfo":{"name":{"essential":true}},"id_token":{"email":null}}"#;
        let tokens = rp.sign_in(kit, &mut browser, &[("claims", wanted)]).await;
        let info = userinfo(kit, tokens.get("access_token")).await.expect(200).json();
        assert_eq!(info["name"], "Mara Lind");
        assert_eq!(claims(kit, tokens.get("id_token")).await.text("email"), Ok(MARA));
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_request_object_with_redirect_uri() {
    world(async |_, rp, mut browser| {
        // What a request object says is never followed: the answer goes to the registered address.
        let object = format!("e30.{}.", jose::encode(r#"{"redirect_uri":"https://evil.example/"}"#));
        let answer = landed(&mut browser, &rp.request(&[("request", &object)])).await;
        assert_eq!(answer["error"], "request_not_supported");
    })
    .await;
}

#[tokio::test]
async fn oidcc_refresh_token() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid offline_access")]).await;
        let first = claims(kit, tokens.get("id_token")).await;
        let answer = rp.refresh(kit, tokens.get("refresh_token")).await.expect(200).json();
        assert_ne!(answer["refresh_token"], tokens.0["refresh_token"], "it rotates");
        let second = claims(kit, answer["id_token"].as_str().unwrap()).await;
        for name in ["iss", "sub", "auth_time", "aud"] {
            assert_eq!(first.get(name), second.get(name), "{name}");
        }
        userinfo(kit, answer["access_token"].as_str().unwrap()).await.expect(200);
        // Of another product it is worth nothing.
        let other = super::register(kit, settings()).await;
        other.refresh(kit, answer["refresh_token"].as_str().unwrap()).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    world(async |kit, rp, mut browser| {
        rp.sign_in(kit, &mut browser, &[]).await;
        let code = landed(&mut browser, &rp.request(&[])).await["code"].clone();
        let wrong = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", "another-verifier-another-verifier-another-verifier"),
        ];
        assert_eq!(rp.post(kit, "/oauth/token", &wrong).await.expect(400).json()["error"], "invalid_grant");
    })
    .await;
}
