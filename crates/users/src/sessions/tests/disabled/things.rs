//! What Mara holds, and how each thing is taken away.

use std::time::Duration;

use platform::access::Role;
use platform::ids::AccountId;
use platform::principals::{self, AccountState};
use serde_json::{Value, json};
use testkit::authenticator::Authenticator;
use testkit::{Answer, Client, Kit};
use url::Url;

use super::Thing;
use crate::directories::tests::path_of;
use crate::kit::{NEW_PASSWORD, PASSWORD, mailed_link, sign_up};
use crate::openid_provider::keys;
use crate::openid_provider::tests::{Rp, Tokens, force, landed, register, settings};
use crate::products::{self, GrantType, NewRule, Settings};
use crate::single_sign_on::tests::enforced::enforce;
use crate::single_sign_on::tests::{World, person};

pub(super) const MARA: &str = "mara@harbor.example";
const HARBOR: &str = "/api/v1/organizations/harbor";
pub(super) const PEOPLE: &str = "/api/v1/organizations/harbor/people";
const SCIM_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const SCIM_PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What was obtained before anything was taken away.
pub(super) struct Before {
    pub mara: Client,
    pub account: AccountId,
    pub by_provider: Client,
    pub on_its_way: (Client, Url),
    pub api_token: String,
    api_token_id: String,
    pub rp: Rp,
    pub tokens: Tokens,
    pub offline: Tokens,
    pub code: String,
    pub device: String,
    pub scim: Client,
    pub scim_path: String,
    scim_token: String,
    pub key: Authenticator,
    passkey: String,
    pub link: String,
    pub recovery: String,
    crew: String,
}

fn id_of(made: &Value) -> String {
    made["id"].as_str().unwrap_or_else(|| panic!("no id: {made}")).to_owned()
}

async fn product(kit: &Kit) -> Rp {
    let grant_types = vec![
        GrantType::AuthorizationCode,
        GrantType::RefreshToken,
        GrantType::DeviceCode,
        GrantType::ClientCredentials,
    ];
    let mut scopes = settings().scopes;
    scopes.push("records:read".to_owned());
    let settings = Settings {
        everyone: false,
        grant_types,
        scopes,
        audiences: vec!["https://api.example".to_owned()],
        ..settings()
    };
    let rp = register(kit, settings).await;
    let (ctx, id) = (kit.ctx(), rp.id);
    let rule = NewRule { slug: "harbor".to_owned(), group: "Crew".to_owned(), role: "editor".to_owned() };
    let at = ctx.clone();
    let made = kit.app.db().write(&ctx, move |tx| products::allow(&at, tx, id, &rule)).await.unwrap();
    assert!(matches!(made.value, products::Allowed::Done(_)));
    rp
}

pub(super) async fn device_poll(kit: &Kit, rp: &Rp, code: &str) -> Answer {
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code)];
    rp.post(kit, "/oauth/token", &fields).await
}

/// A device that Mara has allowed and that has not asked yet.
async fn allowed_device(kit: &Kit, rp: &Rp, mara: &mut Client) -> String {
    let begun = rp.post(kit, "/oauth/device_authorization", &[("scope", "openid")]).await.expect(200).json();
    mara.get("/oauth/device").await.expect(200);
    let shown = begun["user_code"].as_str().unwrap();
    mara.submit("/oauth/device", &[("user_code", shown), ("decision", "allow")]).await.expect(200);
    begun["device_code"].as_str().unwrap().to_owned()
}

async fn sign_in_link(kit: &Kit, account: AccountId) -> String {
    let ctx = kit.ctx();
    let at = ctx.clone();
    let link = kit.app.db().write(&ctx, move |tx| {
        let person = principals::account(tx, account)?.expect("an account");
        crate::login::create_link(&at, tx, &person)
    });
    link.await.expect("a link").value.text()
}

pub(super) async fn before(world: &mut World<'_>) -> Before {
    let kit = world.kit;
    let mut mara = sign_up(kit, MARA).await;
    kit.advance(Duration::from_secs(1));
    let mut browser = kit.nobody();
    browser.get("/recover").await.expect(200);
    browser.submit("/recover", &[("email", MARA)]).await.expect(200);
    let recovery = mailed_link(kit, MARA).await;
    let account = kit.member("harbor", MARA, Role::Admin).await;
    let crew = id_of(
        &world.owner.post(&format!("{HARBOR}/groups"), json!({ "name": "Crew" })).await.expect(201).json(),
    );
    let place = format!("{HARBOR}/groups/{crew}/members/{account}");
    world.owner.put(&place, json!({})).await.expect(204);

    let rp = product(kit).await;
    let tokens = rp.sign_in(kit, &mut mara, &[("scope", "openid roles")]).await;
    let offline = rp.sign_in(kit, &mut mara, &[("scope", "openid roles offline_access")]).await;
    let code = landed(&mut mara, &rp.request(&[])).await["code"].clone();
    let device = allowed_device(kit, &rp, &mut mara).await;

    let body = json!({ "name": "nightly", "scopes": ["people.read"] });
    mara.get("/account").await.expect(200);
    let api = mara.post(&format!("{HARBOR}/api-tokens"), body).await.expect(201).json();
    world.owner.post(&format!("{HARBOR}/directories"), json!({ "name": "Entra ID" })).await.expect(201);
    let asked = json!({ "directory": "Entra ID" });
    let scim = world.owner.post(&format!("{HARBOR}/scim-tokens"), asked).await.expect(201).json();
    let directory = scim["directory"].as_str().unwrap();

    let by_provider = world.signed_in(&person(MARA)).await;
    let mut waits = kit.nobody();
    let asked = world.begin(&mut waits).await;
    let link = sign_in_link(kit, account).await;
    // Last: from here on a password is half a sign-in.
    let mut key = Authenticator::new(&kit.app.config().public_origin());
    let passkey = key.enrol(&mut mara).await.expect(201).json();
    Before {
        mara,
        account,
        by_provider,
        on_its_way: (waits, asked),
        api_token: api["secret"].as_str().unwrap().to_owned(),
        api_token_id: id_of(&api),
        rp,
        tokens,
        offline,
        code,
        device,
        scim: kit.nobody().with_token(scim["token"].as_str().unwrap()),
        scim_path: path_of(kit, &scim),
        scim_token: format!("{HARBOR}/directories/{directory}/scim-tokens/{}", scim["id"].as_str().unwrap()),
        key,
        passkey: id_of(&passkey),
        link,
        recovery,
        crew,
    }
}

pub(super) async fn on_the_way_back(world: &World<'_>, before: &mut Before) -> Answer {
    let (browser, asked) = &mut before.on_its_way;
    world.back(browser, asked, &person(MARA)).await
}

pub(super) async fn take(world: &mut World<'_>, before: &mut Before, thing: Thing) {
    let kit = world.kit;
    let account = before.account;
    let hers = format!("{PEOPLE}/{account}");
    let place = format!("{HARBOR}/groups/{}/members/{account}", before.crew);
    match thing {
        Thing::Nothing => {}
        Thing::AccountSuspended => {
            let suspend = move |tx: &mut platform::db::Tx| {
                principals::set_account_state(tx, account, AccountState::Suspended).map(drop)
            };
            force(kit, suspend).await;
        }
        Thing::MembershipSuspended => {
            world.owner.patch(&hers, json!({ "state": "suspended" })).await.expect(200);
        }
        Thing::MembershipRemoved => drop(world.owner.delete(&hers).await.expect(204)),
        Thing::LeftByHerself => {
            before.mara.post(&format!("{HARBOR}/leave"), json!({})).await.expect(200);
        }
        Thing::DeactivatedByScim => deactivated(before).await,
        Thing::RoleTaken => drop(world.owner.patch(&hers, json!({ "role": "member" })).await.expect(200)),
        Thing::LeftGroup => drop(world.owner.delete(&place).await.expect(204)),
        Thing::GroupDeleted => {
            world.owner.delete(&format!("{HARBOR}/groups/{}", before.crew)).await.expect(204);
        }
        Thing::RuleRemoved | Thing::ProductDisabled => of_the_product(kit, before, thing).await,
        Thing::ConnectionDisabled => {
            let path = format!("{HARBOR}/connections/{}/disable", world.connection);
            world.owner.post(&path, json!({})).await.expect(200);
        }
        Thing::DomainRemoved => {
            let listed = world.owner.get(&format!("{HARBOR}/domains")).await.expect(200).json();
            let domain = id_of(&listed["items"][0]);
            world.owner.delete(&format!("{HARBOR}/domains/{domain}")).await.expect(204);
        }
        Thing::SingleSignOnEnforced => enforce(world).await,
        Thing::PasswordChanged => {
            let body = json!({ "current": PASSWORD, "password": NEW_PASSWORD });
            before.mara.put("/api/v1/account/password", body).await.expect(204);
        }
        Thing::SignedOut => {
            before.mara.get("/account").await.expect(200);
            before.mara.clone().submit("/sign-out", &[]).await.expect(303);
        }
        Thing::PasskeyRemoved => {
            let key = format!("/api/v1/account/passkeys/{}", before.passkey);
            before.mara.delete(&key).await.expect(204);
        }
        Thing::ApiTokenRevoked => {
            let token = format!("{HARBOR}/api-tokens/{}", before.api_token_id);
            world.owner.delete(&token).await.expect(204);
        }
        Thing::ScimTokenRevoked => drop(world.owner.delete(&before.scim_token).await.expect(204)),
        Thing::AppRevoked => {
            let app = format!("/api/v1/account/apps/{}", before.rp.id);
            before.mara.delete(&app).await.expect(204);
        }
        Thing::GrantRevoked => {
            let fields = [("token", before.tokens.get("refresh_token"))];
            before.rp.post(kit, "/oauth/revoke", &fields).await.expect(200);
        }
        Thing::KeysReplaced => assert!(keys::replace_all(&kit.app, &kit.ctx()).await.unwrap() > 0),
    }
}

async fn deactivated(before: &mut Before) {
    let body = json!({ "schemas": [SCIM_USER], "userName": MARA, "active": true });
    let users = format!("{}/Users", before.scim_path);
    let made = before.scim.post(&users, body).await.expect(201).json();
    let operations = json!([{ "op": "replace", "path": "active", "value": false }]);
    let patch = json!({ "schemas": [SCIM_PATCH], "Operations": operations });
    before.scim.patch(&format!("{users}/{}", id_of(&made)), patch).await.expect(200);
}

/// As the provider does it for its products.
async fn of_the_product(kit: &Kit, before: &Before, thing: Thing) {
    let mut staff = kit.owner_of("northwind").await;
    let path = format!("/api/v1/provider/products/{}", before.rp.id);
    if thing == Thing::ProductDisabled {
        staff.patch(&path, json!({ "state": "disabled" })).await.expect(200);
        return;
    }
    let shown = staff.get(&path).await.expect(200).json();
    let rule = id_of(&shown["access"][0]);
    staff.delete(&format!("{path}/access/{rule}")).await.expect(204);
}
