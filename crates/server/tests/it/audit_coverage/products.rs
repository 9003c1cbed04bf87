//! The provider registers products; people sign in to them, and out again.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, Kit};
use users::products::{self, Authentication, GrantType, Settings};

use super::Story;

const API: &str = "/api/v1/provider/products";
const PAGES: &str = "/provider/products";
const CALLBACK: &str = "https://notebooks.example/callback";
const VERIFIER: &str = "seven-grey-herons-over-the-weir-seven-grey-herons";
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn staff(story: &mut Story<'_>, staff: &mut Client) {
    story.kit.organization("harbor").await;
    story.aside().await;
    let body = json!({ "name": "Notebooks", "redirect_uris": [CALLBACK] });
    let made = staff.post(API, body).await;
    let made: Value = story.did("product.create", made).await.json();
    let id = made["id"].as_str().expect("an id").to_owned();
    let (one, page) = (format!("{API}/{id}"), format!("{PAGES}/{id}"));
    let done = staff.patch(&one, json!({ "name": "Harbor notebooks" })).await;
    story.did("product.update", done).await;
    let done = staff.post(&format!("{one}/secrets"), json!({})).await;
    story.did("product.rotate", done).await;
    let done = staff.post(&format!("{one}/access"), json!({ "organization": "harbor" })).await;
    let detail = story.did("product.allow", done).await.json();
    let rule = detail["access"][0]["id"].as_str().expect("a rule").to_owned();
    let done = staff.delete(&format!("{one}/access/{rule}")).await;
    story.did("product.disallow", done).await;
    staff.get(&page).await.expect(200);
    let done = staff.submit(&format!("{page}/access"), &[("organization", "harbor")]).await;
    story.did("product.allow_form", done).await;
    let detail = staff.get(&one).await.expect(200).json();
    let rule = detail["access"][0]["id"].as_str().expect("a rule").to_owned();
    let done = staff.submit(&format!("{page}/access/{rule}/remove"), &[]).await;
    story.did("product.disallow_form", done).await;
    let done = staff.submit(&format!("{page}/secrets"), &[("overlap_hours", "1")]).await;
    story.did("product.rotate_form", done).await;
    let fields = [
        ("name", "Deck notes"),
        ("authentication", "secret"),
        ("redirect_uris", CALLBACK),
        ("id_token_algorithm", "ES256"),
        ("code", "on"),
    ];
    let done = staff.submit(&page, &fields).await;
    story.did("product.update_form", done).await;
    let done = staff.submit(&format!("{page}/state"), &[("state", "disabled")]).await;
    story.did("product.state_form", done).await;
    staff.get(&format!("{PAGES}/new")).await.expect(200);
    let done = staff.submit(&format!("{PAGES}/new"), &fields).await;
    story.did("product.create_form", done).await;
    let done = staff.post("/api/v1/provider/oauth-keys/rotate", json!({})).await;
    story.did("oauth_key.rotate", done).await;
    staff.get(PAGES).await.expect(200);
    let done = staff.submit(&format!("{PAGES}/keys/rotate"), &[]).await;
    story.did("oauth_key.rotate_form", done).await;
}

/// A public product for everyone, as the operator registers it.
async fn registered(kit: &Kit) -> String {
    let settings = Settings {
        name: "Notebooks".to_owned(),
        authentication: Authentication::None,
        redirect_uris: vec![CALLBACK.to_owned()],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode],
        everyone: true,
        ..Settings::default()
    };
    let ctx = kit.ctx();
    let at = ctx.clone();
    let made = kit.app.db().write(&ctx, move |tx| products::create(&at, tx, &settings));
    made.await.expect("a product").value.0.id.to_string()
}

async fn post(kit: &Kit, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    kit.nobody().send(Method::POST, path, Some(FORM), body.into_bytes()).await
}

async fn asked(browser: &mut Client, id: &str) -> String {
    let challenge = jose::sha256(VERIFIER);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", id),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email offline_access"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    let asked = browser.get(&format!("/oauth/authorize?{query}")).await.expect(303);
    let at = asked.location().to_owned();
    browser.get(&at).await.expect(200);
    at
}

/// `browser` is somebody's, really signed in.
pub(super) async fn people(story: &mut Story<'_>, browser: &mut Client) {
    let id = registered(story.kit).await;
    story.aside().await;
    let at = asked(browser, &id).await;
    let done = browser.submit(&at, &[("decision", "allow")]).await;
    let went = story.did("oauth.consent", done).await.text();
    let code = went.split("code=").nth(1).expect("a code").split('&').next().unwrap_or_default().to_owned();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", id.as_str()),
    ];
    let tokens = post(story.kit, "/oauth/token", &fields).await.expect(200).json();
    let refresh = tokens["refresh_token"].as_str().expect("a refresh token").to_owned();
    let done = post(story.kit, "/oauth/revoke", &[("token", &refresh), ("client_id", &id)]).await;
    story.did("oauth.revoke", done).await;
    let device =
        post(story.kit, "/oauth/device_authorization", &[("client_id", &id)]).await.expect(200).json();
    let shown = device["user_code"].as_str().expect("a code").to_owned();
    browser.get("/oauth/device").await.expect(200);
    let done = browser.submit("/oauth/device", &[("user_code", &shown), ("decision", "allow")]).await;
    story.did("oauth.device_answer", done).await;
    let done = browser.delete(&format!("/api/v1/account/apps/{id}")).await;
    story.did("app.revoke", done).await;
    let at = asked(browser, &id).await;
    browser.submit(&at, &[("decision", "allow")]).await.expect(200);
    story.aside().await;
    browser.get("/account/apps").await.expect(200);
    let done = browser.submit(&format!("/account/apps/{id}/revoke"), &[]).await;
    story.did("app.revoke_page", done).await;
    browser.get("/oauth/logout").await.expect(200);
    let done = browser.submit("/oauth/logout/confirm", &[]).await;
    story.did("oauth.logout_confirm", done).await;
}
