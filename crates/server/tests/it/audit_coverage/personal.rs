//! What people do with their own accounts, with real passwords, sessions and mailed links.

use serde_json::json;
use testkit::authenticator::{Authenticator, app_shows};
use testkit::{Client, Kit};

use super::Story;

const PASSWORD: &str = "seven grey herons over the weir";
const SECOND: &str = "nine brown otters under the bridge";
const THIRD: &str = "two white owls behind the barn";
const MARA: &str = "mara@harbor-logistics.dev";

async fn sign_in(kit: &Kit, password: &str) -> Client {
    let mut browser = kit.nobody();
    browser.get("/sign-in").await.expect(200);
    browser.submit("/sign-in", &[("email", MARA), ("password", password)]).await.expect(303);
    browser.get("/account").await.expect(200);
    browser
}

/// The id of a session of this browser's account other than its own.
async fn other_session(browser: &mut Client) -> String {
    let list = browser.get("/api/v1/account/sessions").await.expect(200).json();
    let items = list.as_array().expect("sessions");
    let other = items.iter().find(|session| session["current"] == false).unwrap_or_else(|| panic!("{list}"));
    other["id"].as_str().expect("an id").to_owned()
}

pub(super) async fn tell(story: &mut Story<'_>) {
    set_up(story).await;
    sign_up(story).await;
    sign_in_and_out(story).await;
    sessions(story).await;
    passwords(story).await;
    founding(story).await;
    factors(story).await;
}

async fn set_up(story: &mut Story<'_>) {
    let kit = story.kit;
    let ctx = kit.ctx();
    let token =
        kit.app.db().housekeeping(move |tx| users::set_up::create_link(&ctx, tx)).await.expect("a link");
    let path = format!("/setup/{}", token.text());
    let mut browser = kit.nobody();
    browser.get(&path).await.expect(200);
    let fields = [
        ("provider", "Northwind"),
        ("email", "nora@northwind-cloud.dev"),
        ("name", "Nora Winter"),
        ("password", PASSWORD),
    ];
    let done = browser.submit(&path, &fields).await;
    story.did("set_up.finish", done).await;
}

async fn sign_up(story: &mut Story<'_>) {
    let kit = story.kit;
    let asked = kit.nobody().post("/api/v1/sign-ups", json!({ "email": "ben@harbor-logistics.dev" })).await;
    story.did("sign_up.create", asked).await;
    let mut browser = kit.nobody();
    browser.get("/sign-up").await.expect(200);
    let asked = browser.submit("/sign-up", &[("email", MARA)]).await;
    story.did("sign_up.request", asked).await;
    let link = story.mailed_link(MARA, "/sign-up/").await;
    browser.get(&link).await.expect(200);
    let done = browser.submit(&link, &[("name", "Mara Lind"), ("password", PASSWORD)]).await;
    story.did("sign_up.finish", done).await;
    browser.get("/account").await.expect(200);
    let renamed = browser.submit("/account", &[("name", "Mara Lindqvist")]).await;
    story.did("account.rename_page", renamed).await;
}

async fn sign_in_and_out(story: &mut Story<'_>) {
    let kit = story.kit;
    let body = json!({ "email": MARA, "password": PASSWORD });
    let made = kit.nobody().post("/api/v1/sessions", body).await;
    story.did("session.create", made).await;
    let mut browser = kit.nobody();
    browser.get("/sign-in").await.expect(200);
    let done = browser.submit("/sign-in", &[("email", MARA), ("password", PASSWORD)]).await;
    story.did("sign_in.try", done).await;
    browser.get("/account").await.expect(200);
    let done = browser.submit("/sign-out", &[]).await;
    story.did("session.sign_out", done).await;

    let ctx = kit.ctx();
    let at = ctx.clone();
    let link = kit.app.db().write(&ctx, move |tx| {
        let account = platform::principals::account_by_email(tx, MARA)?.expect("an account");
        users::login::create_link(&at, tx, &account)
    });
    let path = format!("/sign-in/link/{}", link.await.expect("a link").value.text());
    story.aside().await;
    browser.get(&path).await.expect(200);
    let used = browser.submit(&path, &[]).await;
    story.did("sign_in_link.use", used).await;
}

async fn sessions(story: &mut Story<'_>) {
    let kit = story.kit;
    let mut here = sign_in(kit, PASSWORD).await;
    let other = other_session(&mut here).await;
    story.aside().await;
    let ended = here.delete(&format!("/api/v1/account/sessions/{other}")).await;
    story.did("session.revoke", ended).await;
    sign_in(kit, PASSWORD).await;
    let other = other_session(&mut here).await;
    story.aside().await;
    here.get("/account/sessions").await.expect(200);
    let ended = here.submit(&format!("/account/sessions/{other}/revoke"), &[]).await;
    story.did("session.revoke_page", ended).await;
    sign_in(kit, PASSWORD).await;
    story.aside().await;
    let ended = here.submit("/account/sessions/revoke-all", &[]).await;
    story.did("session.revoke_all_page", ended).await;
    let mut again = sign_in(kit, PASSWORD).await;
    sign_in(kit, PASSWORD).await;
    story.aside().await;
    let ended = again.delete("/api/v1/account/sessions").await;
    story.did("session.revoke_all", ended).await;
}

async fn passwords(story: &mut Story<'_>) {
    let kit = story.kit;
    let mut browser = sign_in(kit, PASSWORD).await;
    story.aside().await;
    browser.get("/account/password").await.expect(200);
    let changed = browser.submit("/account/password", &[("current", PASSWORD), ("password", SECOND)]).await;
    story.did("password.change_page", changed).await;
    let mut browser = sign_in(kit, SECOND).await;
    story.aside().await;
    let body = json!({ "current": SECOND, "password": THIRD });
    let changed = browser.put("/api/v1/account/password", body).await;
    story.did("password.change", changed).await;

    let asked = kit.nobody().post("/api/v1/recoveries", json!({ "email": "nora@northwind-cloud.dev" })).await;
    story.did("recovery.create", asked).await;
    let mut forgetful = kit.nobody();
    forgetful.get("/recover").await.expect(200);
    let asked = forgetful.submit("/recover", &[("email", MARA)]).await;
    story.did("recovery.request", asked).await;
    let link = story.mailed_link(MARA, "/recover/").await;
    forgetful.get(&link).await.expect(200);
    let done = forgetful.submit(&link, &[("password", MARAS_LAST)]).await;
    story.did("recovery.finish", done).await;
}

const MARAS_LAST: &str = "four red foxes along the fence";

/// A browser whose sign-in waits for its second step.
async fn waiting(story: &mut Story<'_>) -> Client {
    let mut browser = story.kit.nobody();
    browser.get("/sign-in").await.expect(200);
    browser.submit("/sign-in", &[("email", MARA), ("password", MARAS_LAST)]).await.expect(303);
    browser.get("/sign-in/second-step").await.expect(200);
    story.aside().await;
    browser
}

async fn factors(story: &mut Story<'_>) {
    let kit = story.kit;
    let mut mara = sign_in(kit, MARAS_LAST).await;
    apps(story, &mut mara).await;
    let mut key = passkeys(story, &mut mara).await;
    let passkey = key.prove(&mut mara).await;
    let done = mara.post("/api/v1/account/confirmations", json!({ "passkey": passkey })).await;
    story.did("confirmation.create", done).await;
    mara.get("/confirm").await.expect(200);
    let passkey = key.prove(&mut mara).await.to_string();
    let done = mara.submit("/confirm", &[("credential", &passkey)]).await;
    story.did("confirmation.form", done).await;

    let mut browser = waiting(story).await;
    let passkey = key.prove(&mut browser).await;
    let done = browser.post("/api/v1/sessions/second-step", json!({ "passkey": passkey })).await;
    story.did("session.second_step", done).await;
    let mut browser = waiting(story).await;
    let passkey = key.prove(&mut browser).await.to_string();
    let done = browser.submit("/sign-in/second-step", &[("credential", &passkey)]).await;
    story.did("sign_in.second_step", done).await;
    let done = key.sign_in(&mut kit.nobody()).await;
    story.did("session.create_by_passkey", done).await;
    let mut browser = kit.nobody();
    browser.get("/sign-in").await.expect(200);
    let passkey = key.prove(&mut browser).await.to_string();
    let done = browser.submit("/sign-in/passkey", &[("credential", &passkey)]).await;
    story.did("sign_in.by_passkey", done).await;
}

async fn apps(story: &mut Story<'_>, mara: &mut Client) {
    let kit = story.kit;
    let begun = mara.post("/api/v1/account/totp", json!({})).await;
    let begun = story.did("totp.begin", begun).await.json();
    let code = app_shows(begun["secret"].as_str().expect("a secret"), kit.now());
    let done = mara.post("/api/v1/account/totp/confirmation", json!({ "code": code })).await;
    story.did("totp.confirm", done).await;
    let done = mara.post("/api/v1/account/recovery-codes", json!({})).await;
    story.did("recovery_codes.make", done).await;
    mara.get("/account/factors").await.expect(200);
    let done = mara.submit("/account/factors/recovery-codes", &[]).await;
    story.did("recovery_codes.make_form", done).await;
    let done = mara.delete("/api/v1/account/totp").await;
    story.did("totp.remove", done).await;
    let begun = mara.submit("/account/factors/totp", &[]).await;
    story.did("totp.begin_form", begun).await;
    let page = mara.get("/account/factors/totp").await.expect(200).text();
    let secret = page.split("<code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a secret");
    let code = app_shows(secret, kit.now());
    let done = mara.submit("/account/factors/totp/confirm", &[("code", &code)]).await;
    story.did("totp.confirm_form", done).await;
    let done = mara.submit("/account/factors/totp/remove", &[]).await;
    story.did("totp.remove_form", done).await;
}

/// Ends with one passkey enrolled.
async fn passkeys(story: &mut Story<'_>, mara: &mut Client) -> Authenticator {
    let origin = story.kit.app.config().public_origin();
    let (mut first, mut second) = (Authenticator::new(&origin), Authenticator::new(&origin));
    let made = first.enrol(mara).await;
    let id = story.did("passkey.add", made).await.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/account/passkeys/{id}");
    let done = mara.patch(&path, json!({ "name": "Green key" })).await;
    story.did("passkey.rename", done).await;
    let options = mara.post("/api/v1/account/passkeys/options", json!({})).await.expect(200).json();
    let credential = second.create(&options).to_string();
    let done = mara.submit("/account/passkeys", &[("name", "Phone"), ("credential", &credential)]).await;
    story.did("passkey.add_form", done).await;
    let done = mara.delete(&path).await;
    story.did("passkey.remove", done).await;
    let mut third = Authenticator::new(&origin);
    let id = third.enrol(mara).await.expect(201).json()["id"].as_str().expect("an id").to_owned();
    story.aside().await;
    let done = mara.submit(&format!("/account/passkeys/{id}/rename"), &[("name", "Desk")]).await;
    story.did("passkey.rename_form", done).await;
    let done = mara.submit(&format!("/account/passkeys/{id}/remove"), &[]).await;
    story.did("passkey.remove_form", done).await;
    second
}

async fn founding(story: &mut Story<'_>) {
    let mut mara = sign_in(story.kit, MARAS_LAST).await;
    story.aside().await;
    let made =
        mara.post("/api/v1/organizations", json!({ "name": "Harbor Logistics", "slug": "harbor" })).await;
    story.did("organization.create", made).await;
    mara.get("/organizations/new").await.expect(200);
    let made = mara.submit("/organizations/new", &[("name", "Quay"), ("slug", "quay")]).await;
    story.did("organization.create_form", made).await;
    let path = "/api/v1/organizations/harbor";
    let renamed = mara.patch(path, json!({ "name": "Harbor" })).await;
    story.did("organization.update", renamed).await;
    mara.get("/o/harbor/settings").await.expect(200);
    let renamed = mara.submit("/o/harbor/settings", &[("name", "Harbor Lines")]).await;
    story.did("organization.rename_form", renamed).await;
    super::products::people(story, &mut mara).await;
}
