//! Sign-out from both sides; ports of the conformance plans "RP-Initiated Logout OP" and "Back-Channel Logout OP" by name.

use std::sync::{Arc, Mutex};

use jose::{JwkSet, Token};
use platform::outbound::{Dns, Outbound};
use serde_json::json;
use testkit::{Answer, Client, Kit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{AFTER, MARA, Rp, encode, hop_of, page, register, settings, userinfo, world};
use crate::kit;
use crate::products::Settings;

async fn leave(browser: &mut Client, fields: &[(&str, &str)]) -> Answer {
    browser.get(&format!("/oauth/logout?{}", encode(fields))).await
}

async fn is_signed_in(browser: &mut Client) -> bool {
    browser.get("/account").await.status.as_u16() == 200
}

/// The product's hint of this browser's session.
async fn hint(kit: &Kit, rp: &Rp, browser: &mut Client) -> String {
    rp.sign_in(kit, browser, &[]).await.get("id_token").to_owned()
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    world(async |kit, _, _| {
        let document = kit.client().get("/.well-known/openid-configuration").await.expect(200).json();
        let at = format!("{}/oauth/logout", kit.app.config().public_origin());
        assert_eq!(document["end_session_endpoint"], at);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[]).await;
        let fields = [
            ("id_token_hint", tokens.get("id_token")),
            ("post_logout_redirect_uri", AFTER),
            ("state", "bye bye"),
        ];
        let answer = leave(&mut browser, &fields).await.expect(303);
        assert_eq!(answer.location(), format!("{AFTER}?state=bye+bye"));
        assert!(!is_signed_in(&mut browser).await);
        // What was given to the product in that session is dead with it.
        userinfo(kit, tokens.get("access_token")).await.expect(401);
        rp.refresh(kit, tokens.get("refresh_token")).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let fields =
            [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://evil.example/")];
        assert_eq!(leave(&mut browser, &fields).await.expect(400).location(), "");
        assert!(is_signed_in(&mut browser).await, "a refusal changes nothing");
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let more = format!("{AFTER}?foo=bar");
        let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", more.as_str())];
        leave(&mut browser, &fields).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let (head, signature) = hint.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let changed = format!("{head}.{first}{}", &signature[1..]);
        let fields = [("id_token_hint", changed.as_str()), ("post_logout_redirect_uri", AFTER)];
        leave(&mut browser, &fields).await.expect(400);
        assert!(is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    world(async |_, _, mut browser| {
        // Signed by somebody else's key.
        let pkcs8 = jose::SigningKey::generate(jose::Algorithm::Es256).unwrap();
        let foreign = jose::SigningKey::from_pkcs8(jose::Algorithm::Es256, &pkcs8).unwrap();
        let hint = foreign.sign("JWT", br#"{"iss":"https://rp.example","sub":"x","aud":"y"}"#).unwrap();
        let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", AFTER)];
        leave(&mut browser, &fields).await.expect(400);
        assert!(is_signed_in(&mut browser).await);
    })
    .await;
}

/// Without a hint the person is asked: another site could have sent them.
#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint() {
    world(async |_, rp, mut browser| {
        let id = rp.id.to_string();
        let fields = [("client_id", id.as_str()), ("post_logout_redirect_uri", AFTER), ("state", "s")];
        let asked = leave(&mut browser, &fields).await.expect(200);
        assert!(asked.text().contains("Sign out?"));
        assert!(is_signed_in(&mut browser).await);
        leave(&mut browser, &fields).await.expect(200);
        let answer = browser.submit("/oauth/logout/confirm", &fields).await.expect(200);
        assert_eq!(hop_of(&answer), Some(format!("{AFTER}?state=s")));
        assert!(!is_signed_in(&mut browser).await);
        // An address with nobody to belong to is not followed.
        leave(&mut browser, &[("post_logout_redirect_uri", AFTER)]).await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params() {
    world(async |_, _, mut browser| {
        let asked = leave(&mut browser, &[]).await.expect(200);
        assert!(asked.text().contains("Sign out?"));
        let done = browser.submit("/oauth/logout/confirm", &[]).await.expect(200);
        assert!(done.text().contains("You are signed out"));
        assert!(!is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let answer = leave(&mut browser, &[("id_token_hint", &hint), ("state", "s")]).await.expect(200);
        assert!(answer.text().contains("You are signed out"));
        assert!(!is_signed_in(&mut browser).await);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", AFTER)];
        assert_eq!(leave(&mut browser, &fields).await.expect(303).location(), AFTER);
    })
    .await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state() {
    world(async |_, _, mut browser| {
        let asked = leave(&mut browser, &[("state", "s")]).await.expect(200);
        assert!(asked.text().contains("Sign out?"));
    })
    .await;
}

/// The hint of another session asks, and ends only the session of this browser.
#[tokio::test]
async fn a_hint_of_another_session_asks_first() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let mut other = kit::sign_up(kit, "ben@harbor-logistics.dev").await;
        let asked = leave(&mut other, &[("id_token_hint", &hint)]).await.expect(200);
        assert!(asked.text().contains("Sign out?"));
        assert!(is_signed_in(&mut browser).await && is_signed_in(&mut other).await);
    })
    .await;
}

#[tokio::test]
async fn oidcc_backchannel_logout_discovery_endpoint_verification() {
    world(async |kit, _, _| {
        let document = kit.client().get("/.well-known/openid-configuration").await.expect(200).json();
        assert_eq!(document["backchannel_logout_supported"], true);
        assert_eq!(document["backchannel_logout_session_supported"], true);
    })
    .await;
}

/// A product's server that notes what it is told.
async fn listener() -> (String, Arc<Mutex<Vec<String>>>) {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://127.0.0.1:{}/logout", socket.local_addr().unwrap().port());
    let told = Arc::new(Mutex::new(Vec::new()));
    let notes = told.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let mut text = Vec::new();
            let mut part = [0; 4096];
            // The body of a logout token ends with its signature; the client waits for the answer.
            while let Ok(read) = stream.read(&mut part).await {
                text.extend_from_slice(&part[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let body =
                    whole.split_once("\r\n\r\n").map(|(head, body)| (head.to_lowercase(), body.to_owned()));
                let length = body.as_ref().and_then(|(head, _)| {
                    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())
                });
                if read == 0 || body.as_ref().is_some_and(|(_, body)| Some(body.len()) >= length) {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            if let Some(token) = text.split("logout_token=").nth(1) {
                notes.lock().unwrap().push(token.trim().to_owned());
            }
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (address, told)
}

fn with_client() -> testkit::KitOptions {
    let mut options = kit::real_sign_in();
    let before = options.services;
    options.services = Box::new(move |builder| {
        let sources = tempfile::tempdir().expect("a folder");
        let config = platform::config::Config::for_tests(sources.path());
        let dns = Arc::new(Dns::from_config(&config).expect("resolvers"));
        before(builder).service(Outbound::new(&config, dns).expect("a client"))
    });
    options
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout() {
    testkit::both_with(
        async |kit: &Kit| {
            let (address, told) = listener().await;
            let rp = register(kit, Settings { backchannel_logout_uri: address.clone(), ..settings() }).await;
            let quiet = register(kit, settings()).await;
            let mut browser = kit::sign_up(kit, MARA).await;
            let hint = hint(kit, &rp, &mut browser).await;
            quiet.sign_in(kit, &mut browser, &[]).await;
            leave(&mut browser, &[("id_token_hint", &hint)]).await.expect(200);
            kit.settle().await;
            let told = told.lock().unwrap().clone();
            assert_eq!(told.len(), 1, "{told:?}");
            let keys = JwkSet::parse(&kit.client().get("/oauth/jwks").await.body).unwrap();
            let token = Token::parse(&told[0]).unwrap().of_type("logout+jwt").unwrap();
            let claims = token.verify(&keys.keys).unwrap();
            let hinted = Token::parse(&hint).unwrap().verify(&keys.keys).unwrap();
            assert_eq!((claims.text("sid"), claims.text("sub")), (hinted.text("sid"), hinted.text("sub")));
            let event = "http://schemas.openid.net/event/backchannel-logout";
            assert_eq!(claims.get("events"), Some(&json!({ event: {} })));
            assert_eq!(claims.get("nonce"), None);
            assert!(claims.text("jti").is_ok());
        },
        with_client,
    )
    .await;
}

/// Signing out on our own pages tells products too, as does a new password.
#[tokio::test]
async fn every_end_of_a_session_is_told() {
    testkit::both_with(
        async |kit: &Kit| {
            let (address, told) = listener().await;
            let rp = register(kit, Settings { backchannel_logout_uri: address.clone(), ..settings() }).await;
            let mut browser = kit::sign_up(kit, MARA).await;
            rp.sign_in(kit, &mut browser, &[]).await;
            browser.get("/account").await.expect(200);
            browser.submit("/sign-out", &[]).await.expect(303);
            kit.settle().await;
            assert_eq!(told.lock().unwrap().len(), 1);
            kit.advance(std::time::Duration::from_secs(1));
            let mut one = kit.nobody();
            kit::try_password(&mut one, MARA, kit::PASSWORD).await.expect(303);
            rp.sign_in(kit, &mut one, &[]).await;
            let mut other = kit.nobody();
            kit::try_password(&mut other, MARA, kit::PASSWORD).await.expect(303);
            other.get("/account").await.expect(200);
            other.submit("/account/sessions/revoke-all", &[]).await.expect(303);
            kit.settle().await;
            assert_eq!(told.lock().unwrap().len(), 2, "the other browser's product is told");
        },
        with_client,
    )
    .await;
}

#[tokio::test]
async fn a_post_of_the_product_leads_to_the_same_page() {
    world(async |kit, rp, mut browser| {
        let hint = hint(kit, &rp, &mut browser).await;
        let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", AFTER)];
        let answer = super::send_form(&mut kit.nobody(), "/oauth/logout", &fields).await.expect(303);
        assert_eq!(browser.get(answer.location()).await.expect(303).location(), AFTER);
        let (_, page) = page(&mut browser, "/sign-in").await;
        assert_eq!(page.status, 200);
    })
    .await;
}
