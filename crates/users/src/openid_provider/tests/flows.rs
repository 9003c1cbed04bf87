//! Flows beside plain sign-in: consent, client credentials, devices, pushed requests, claims of groups and roles.

use std::time::Duration;

use platform::access::Role;
use platform::time::DAY;
use serde_json::json;
use testkit::Kit;

use super::{
    MARA, Rp, claims, encode, hop_of, landed, page, parameters, register, send_form, settings, userinfo,
    world, world_with,
};
use crate::kit;
use crate::openid_provider::{keys, meter};
use crate::products::{self, Authentication, GrantType, NewRule, Settings};

#[tokio::test]
async fn consent_is_asked_once_and_remembered_and_can_be_taken_back() {
    let settings = Settings { asks_consent: true, ..settings() };
    world_with(settings, async |kit, rp, mut browser| {
        let path = rp.request(&[("scope", "openid email")]);
        let (at, asked) = page(&mut browser, &path).await;
        let text = asked.text();
        assert!(text.contains("Notebooks wants to sign you in") && text.contains("rp.example"), "{text}");
        assert!(text.contains("See your e-mail address") && !text.contains("See your name"));
        let answer = browser.submit(&at, &[("decision", "allow")]).await.expect(200);
        let code = parameters(&hop_of(&answer).expect("goes on"))["code"].clone();
        rp.redeem(kit, &code).await.expect(200);
        // The same question is not asked again, a larger one is.
        rp.sign_in(kit, &mut browser, &[("scope", "openid email")]).await;
        let more = rp.request(&[("scope", "openid email profile")]);
        page(&mut browser, &more).await;
        let answer =
            landed(&mut browser, &rp.request(&[("scope", "openid profile"), ("prompt", "none")])).await;
        assert_eq!(answer["error"], "consent_required");
        let (at, _) = page(&mut browser, &rp.request(&[("scope", "openid"), ("prompt", "consent")])).await;
        let answer = browser.submit(&at, &[("decision", "deny")]).await.expect(200);
        assert_eq!(parameters(&hop_of(&answer).unwrap())["error"], "access_denied");
        // What was answered is over.
        browser.get(&at).await.expect(410);
        // In one's own account it stands, and ends there.
        let listed = browser.get("/api/v1/account/apps").await.expect(200).json();
        assert_eq!(
            (&listed[0]["name"], &listed[0]["scopes"]),
            (&json!("Notebooks"), &json!(["email", "openid"]))
        );
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid email")]).await;
        browser.get("/account/apps").await.expect(200);
        browser.submit(&format!("/account/apps/{}/revoke", rp.id), &[]).await.expect(303);
        userinfo(kit, tokens.get("access_token")).await.expect(401);
        page(&mut browser, &path).await;
        assert_eq!(browser.get("/api/v1/account/apps").await.expect(200).json(), json!([]));
    })
    .await;
}

/// A stranger types their password on the way; nothing of the request is lost.
#[tokio::test]
async fn signing_in_on_the_way_leads_to_the_product() {
    world(async |kit, rp, _| {
        let mut browser = kit.nobody();
        let (at, answer) = page(&mut browser, &rp.request(&[])).await;
        assert!(at.starts_with("/sign-in?next=%2Foauth%2Finteractions%2F"), "{at}");
        assert_eq!(answer.status, 200);
        let next = url::form_urlencoded::parse(at.split_once('?').unwrap().1.as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned();
        let fields = [("email", MARA), ("password", kit::PASSWORD), ("next", next.as_str())];
        let went = browser.submit("/sign-in", &fields).await.expect(303);
        let on = browser.get(went.location()).await.expect(200);
        let code =
            parameters(&hop_of(&on).expect("a page that moves on, since a form led here"))["code"].clone();
        rp.redeem(kit, &code).await.expect(200);
    })
    .await;
}

fn service() -> Settings {
    Settings {
        name: "Importer".to_owned(),
        grant_types: vec![GrantType::ClientCredentials],
        redirect_uris: Vec::new(),
        scopes: vec!["records:read".to_owned(), "records:write".to_owned()],
        audiences: vec!["https://api.example".to_owned()],
        ..settings()
    }
}

#[tokio::test]
async fn client_credentials_give_a_signed_token_and_are_counted_in_the_ledger() {
    world_with(service(), async |kit, rp, _| {
        let own = [("grant_type", "client_credentials"), ("scope", "records:read")];
        let answer = rp.post(kit, "/oauth/token", &own).await.expect(200).json();
        assert_eq!(answer.get("refresh_token"), None);
        let token = answer["access_token"].as_str().unwrap();
        let said = claims(kit, token).await;
        assert_eq!(said.audiences(), ["https://api.example"]);
        assert_eq!(
            (said.text("sub"), said.text("scope")),
            (Ok(rp.id.to_string().as_str()), Ok("records:read"))
        );
        let header = jose::Token::parse(token).unwrap().header;
        assert_eq!((header.algorithm, header.typ.as_deref()), (jose::Algorithm::Es256, Some("at+jwt")));
        for wrong in ["openid", "records:delete"] {
            let asked = [("grant_type", "client_credentials"), ("scope", wrong)];
            assert_eq!(
                rp.post(kit, "/oauth/token", &asked).await.expect(400).json()["error"],
                "invalid_scope"
            );
        }
        let target = [("grant_type", "client_credentials"), ("resource", "https://other.example")];
        assert_eq!(rp.post(kit, "/oauth/token", &target).await.expect(400).json()["error"], "invalid_target");
        rp.post(kit, "/oauth/token", &own[..1]).await.expect(200);
        let wrong = Rp { secret: Some("bwc_wrong".to_owned()), ..rp.clone() };
        wrong.post(kit, "/oauth/token", &own).await.expect(401);
        assert_eq!(meter::flush(&kit.app).await.unwrap(), 2);
        assert_eq!(meter::flush(&kit.app).await.unwrap(), 0, "counted once");
        let provider = kit.organization("northwind").await;
        let events =
            kit.app.db().read(move |tx| platform::events::range(tx, provider, 0, 1000)).await.unwrap();
        let issued = events.iter().find(|event| event.action == "product.tokens_issued").expect("an event");
        assert_eq!(issued.public["tokens"], "2");
        let failed =
            events.iter().find(|event| event.action == "product.authentication_failed").expect("an event");
        assert_eq!(failed.public["tries"], "1");
        // A resource looks into tokens that are for it, and into no others.
        let api = register(kit, Settings { resource: "https://api.example".to_owned(), ..service() }).await;
        assert_eq!(api.introspect(kit, token).await["active"], true);
        let other = register(kit, service()).await;
        assert_eq!(other.introspect(kit, token).await, json!({ "active": false }));
        rp.post(kit, "/oauth/revoke", &[("token", token)]).await.expect(200);
        assert_eq!(api.introspect(kit, token).await, json!({ "active": false }));
        // An app that keeps no secret gets none of its own, whoever registered it so.
        let wrong = Settings { authentication: Authentication::None, ..service() };
        assert!(wrong.check().iter().any(|(name, _)| *name == "grant_types"));
    })
    .await;
}

#[tokio::test]
async fn a_device_is_connected_by_the_code_it_shows() {
    let settings = Settings {
        authentication: Authentication::None,
        grant_types: vec![GrantType::DeviceCode, GrantType::RefreshToken],
        redirect_uris: Vec::new(),
        ..settings()
    };
    world_with(settings, async |kit, rp, mut browser| {
        let begun = rp
            .post(kit, "/oauth/device_authorization", &[("scope", "openid email")])
            .await
            .expect(200)
            .json();
        let (device, shown) = (begun["device_code"].as_str().unwrap(), begun["user_code"].as_str().unwrap());
        let poll = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", device)];
        let ask = async || rp.post(kit, "/oauth/token", &poll).await;
        assert_eq!(ask().await.expect(400).json()["error"], "authorization_pending");
        assert_eq!(ask().await.expect(400).json()["error"], "slow_down");
        browser.get("/oauth/device").await.expect(200);
        browser.submit("/oauth/device", &[("user_code", "BCDF-GHJK")]).await.expect(422);
        let typed = shown.to_lowercase().replace('-', " ");
        let asked = browser.submit("/oauth/device", &[("user_code", &typed)]).await.expect(200);
        assert!(asked.text().contains("Notebooks") && asked.text().contains("See your e-mail address"));
        kit.advance(Duration::from_secs(30));
        assert_eq!(ask().await.expect(400).json()["error"], "authorization_pending", "a look is no answer");
        browser.submit("/oauth/device", &[("user_code", shown), ("decision", "allow")]).await.expect(200);
        let tokens = ask().await.expect(200).json();
        let info = userinfo(kit, tokens["access_token"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(info["email"], MARA);
        assert_eq!(ask().await.expect(400).json()["error"], "invalid_grant", "once");
        // Refused, and too late.
        let begun = rp.post(kit, "/oauth/device_authorization", &[]).await.expect(200).json();
        let shown = begun["user_code"].as_str().unwrap();
        browser.get("/oauth/device").await.expect(200);
        browser.submit("/oauth/device", &[("user_code", shown), ("decision", "deny")]).await.expect(200);
        let poll = [poll[0], ("device_code", begun["device_code"].as_str().unwrap())];
        assert_eq!(rp.post(kit, "/oauth/token", &poll).await.expect(400).json()["error"], "access_denied");
        let begun = rp.post(kit, "/oauth/device_authorization", &[]).await.expect(200).json();
        kit.advance(Duration::from_secs(901));
        let poll = [poll[0], ("device_code", begun["device_code"].as_str().unwrap())];
        assert_eq!(rp.post(kit, "/oauth/token", &poll).await.expect(400).json()["error"], "expired_token");
    })
    .await;
}

#[tokio::test]
async fn a_pushed_request_is_used_once_by_its_own_product() {
    let settings = Settings { requires_par: true, ..settings() };
    world_with(settings, async |kit, rp, mut browser| {
        browser.get(&rp.request(&[])).await.expect(400);
        let fields = rp.parameters(&[("client_id", "")]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let push = async || rp.post(kit, "/oauth/par", &fields).await.expect(201).json();
        let uri = push().await["request_uri"].as_str().unwrap().to_owned();
        let id = rp.id.to_string();
        let path = format!("/oauth/authorize?{}", encode(&[("client_id", &id), ("request_uri", &uri)]));
        let code = landed(&mut browser, &path).await["code"].clone();
        rp.redeem(kit, &code).await.expect(200);
        assert_eq!(browser.get(&path).await.expect(400).location(), "");
        let other = register(kit, super::settings()).await;
        let uri = push().await["request_uri"].as_str().unwrap().to_owned();
        let stolen = encode(&[("client_id", &other.id.to_string()), ("request_uri", &uri)]);
        browser.get(&format!("/oauth/authorize?{stolen}")).await.expect(400);
        kit.advance(Duration::from_secs(61));
        let late = encode(&[("client_id", &id), ("request_uri", &uri)]);
        browser.get(&format!("/oauth/authorize?{late}")).await.expect(400);
        // By POST, too, as OpenID Connect Core §3.1.2.1 has it.
        let uri = push().await["request_uri"].as_str().unwrap().to_owned();
        let form = [("client_id", id.as_str()), ("request_uri", uri.as_str())];
        let answer = super::send_form(&mut kit.nobody(), "/oauth/authorize", &form).await.expect(303);
        let path = answer.location().to_owned();
        let code = landed(&mut browser, &path).await["code"].clone();
        rp.redeem(kit, &code).await.expect(200);
        assert_eq!(browser.get(&path).await.expect(400).location(), "");
        // What would be refused later is refused at once.
        let mut wrong = fields.clone();
        wrong.retain(|(name, _)| *name != "code_challenge");
        assert_eq!(rp.post(kit, "/oauth/par", &wrong).await.expect(400).json()["error"], "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn groups_roles_and_organizations_are_claims() {
    let settings = Settings { everyone: false, ..settings() };
    world_with(settings, async |kit, rp, mut browser| {
        kit.member("harbor", MARA, Role::Admin).await;
        kit.member("meadow", MARA, Role::Member).await;
        let (ctx, id) = (kit.ctx(), rp.id);
        for role in ["viewer", "editor"] {
            let rule = NewRule { slug: "harbor".to_owned(), group: String::new(), role: role.to_owned() };
            let at = ctx.clone();
            kit.app.db().write(&ctx, move |tx| products::allow(&at, tx, id, &rule)).await.unwrap();
        }
        let mut owner = kit.nobody();
        kit::try_password(&mut owner, MARA, kit::PASSWORD).await.expect(303);
        owner.get("/account").await.expect(200);
        let group = owner
            .post("/api/v1/organizations/harbor/groups", json!({ "name": "Deck crew" }))
            .await
            .expect(201);
        let group = group.json()["id"].as_str().unwrap().to_owned();
        let members = format!("/api/v1/organizations/harbor/groups/{group}/members");
        owner.post(&members, json!({ "email": MARA })).await;
        let scope = "openid roles groups organizations";
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", scope)]).await;
        let info = userinfo(kit, tokens.get("access_token")).await.expect(200).json();
        assert_eq!(info["roles"], json!(["editor", "viewer"]));
        let organizations = info["organizations"].as_array().unwrap();
        assert_eq!(organizations.len(), 1, "nothing of other organizations: {info}");
        assert_eq!(
            (&organizations[0]["slug"], &organizations[0]["role"]),
            (&json!("harbor"), &json!("admin"))
        );
        assert_eq!(
            claims(kit, tokens.get("id_token")).await.get("roles"),
            Some(&json!(["editor", "viewer"]))
        );
        let less = rp.sign_in(kit, &mut browser, &[("scope", "openid")]).await;
        let info = userinfo(kit, less.get("access_token")).await.expect(200).json();
        assert_eq!(info.get("roles"), None);
    })
    .await;
}

#[tokio::test]
async fn keys_rotate_by_schedule_with_overlap() {
    world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid offline_access")]).await;
        let kid = |token: &str| jose::Token::parse(token).unwrap().header.key_id.unwrap();
        let old = kid(tokens.get("id_token"));
        let published = async || {
            let set = kit.client().get("/oauth/jwks").await.expect(200).json();
            let keys = set["keys"].as_array().unwrap().clone();
            keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(published().await, std::slice::from_ref(&old));
        let mut refresh = tokens.get("refresh_token").to_owned();
        let mut renew = async || {
            let next = rp.refresh(kit, &refresh).await.expect(200).json();
            refresh = next["refresh_token"].as_str().unwrap().to_owned();
            next["id_token"].as_str().unwrap().to_owned()
        };
        for _ in 0..3 {
            kit.advance(DAY * 29);
            assert_eq!(keys::maintain(&kit.app, &kit.ctx()).await.unwrap(), 0);
            assert_eq!(kid(&renew().await), old);
        }
        kit.advance(DAY * 4);
        assert_eq!(keys::maintain(&kit.app, &kit.ctx()).await.unwrap(), 1);
        assert_eq!(published().await.len(), 2, "published before it signs");
        assert_eq!(kid(&renew().await), old);
        kit.advance(DAY + Duration::from_secs(60));
        let new = kid(&renew().await);
        assert_ne!(new, old);
        assert!(published().await.contains(&old), "what it signed can still be checked");
        kit.advance(DAY * 8);
        assert_eq!(keys::maintain(&kit.app, &kit.ctx()).await.unwrap(), 1);
        assert_eq!(published().await, [new]);
    })
    .await;
}

/// What the protocol answers a program that does not speak it.
#[tokio::test]
async fn refusals_are_words_of_the_protocol_with_the_cure() {
    world(async |kit, rp, _| {
        let wrong = rp.post(kit, "/oauth/token", &[]).await.expect(400);
        assert_eq!(
            wrong.json(),
            json!({ "error": "invalid_request", "error_description": "`grant_type` is missing" })
        );
        for grant in ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"] {
            let answer = rp.post(kit, "/oauth/token", &[("grant_type", grant)]).await.expect(400).json();
            assert_eq!(answer["error"], "unsupported_grant_type", "{grant}");
        }
        let answer =
            rp.post(kit, "/oauth/token", &[("grant_type", "client_credentials")]).await.expect(400).json();
        assert_eq!(answer["error"], "unauthorized_client");
        let mut client = kit.client();
        let json =
            client.post("/oauth/token", json!({ "grant_type": "client_credentials" })).await.expect(400);
        assert_eq!(json.json()["error"], "invalid_request");
        let twice = b"grant_type=a&grant_type=b".to_vec();
        let kind = Some("application/x-www-form-urlencoded");
        client.send(axum::http::Method::POST, "/oauth/token", kind, twice).await.expect(400);
        let nobody = send_form(&mut kit.client(), "/oauth/token", &[("grant_type", "refresh_token")])
            .await
            .expect(401);
        assert_eq!(nobody.json()["error"], "invalid_client");
        assert!(nobody.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")));
        let preflight =
            client.send(axum::http::Method::OPTIONS, "/oauth/token", None, Vec::new()).await.expect(204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    })
    .await;
}

/// The whole family dies when somebody shows an old refresh token.
#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_family() {
    world(async |kit: &Kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid email offline_access")]).await;
        let first = tokens.get("refresh_token");
        // Asking for too much costs nothing.
        let greedy = [("grant_type", "refresh_token"), ("refresh_token", first), ("scope", "openid profile")];
        assert_eq!(rp.post(kit, "/oauth/token", &greedy).await.expect(400).json()["error"], "invalid_scope");
        let less = [("grant_type", "refresh_token"), ("refresh_token", first), ("scope", "openid")];
        let second = rp.post(kit, "/oauth/token", &less).await.expect(200).json();
        let access = second["access_token"].as_str().unwrap();
        assert_eq!(userinfo(kit, access).await.expect(200).json().get("email"), None, "less was asked");
        assert_eq!(rp.refresh(kit, first).await.expect(400).json()["error"], "invalid_grant");
        rp.refresh(kit, second["refresh_token"].as_str().unwrap()).await.expect(400);
        userinfo(kit, access).await.expect(401);
        let actions = kit.actions(kit.organization("northwind").await).await;
        assert!(actions.contains(&"product.grant_ended".to_owned()), "{actions:?}");
    })
    .await;
}

/// Using a refresh token keeps a grant alive, and not for ever.
#[tokio::test]
async fn a_grant_ends_after_180_days_however_often_it_is_refreshed() {
    world(async |kit: &Kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid offline_access")]).await;
        let mut refresh = tokens.get("refresh_token").to_owned();
        for _ in 0..8 {
            kit.advance(DAY * 20);
            let next = rp.refresh(kit, &refresh).await.expect(200).json();
            refresh = next["refresh_token"].as_str().expect("another one").to_owned();
        }
        kit.advance(DAY * 20);
        assert_eq!(rp.refresh(kit, &refresh).await.expect(400).json()["error"], "invalid_grant");
    })
    .await;
}

/// The answer stands in the query, whatever is asked for.
#[tokio::test]
async fn no_other_response_mode_is_taken() {
    world(async |kit: &Kit, rp, mut browser| {
        for mode in ["fragment", "form_post", "query.jwt"] {
            let answer = landed(&mut browser, &rp.request(&[("response_mode", mode)])).await;
            assert_eq!(answer["error"], "invalid_request", "{mode}");
        }
        let tokens = rp.sign_in(kit, &mut browser, &[("response_mode", "query")]).await;
        userinfo(kit, tokens.get("access_token")).await.expect(200);
    })
    .await;
}
