//! Each path, tried over HTTP.

use serde_json::json;

use super::Path;
use super::things::{Before, MARA, PEOPLE, device_poll, on_the_way_back};
use crate::kit::{PASSWORD, try_password};
use crate::openid_provider::tests::{follow, userinfo};
use crate::single_sign_on::tests::{World, leads_to, person};

/// Whether the path leads to what it is for. A sign-in that asks for the second step has got through its first one.
pub(super) async fn works(world: &mut World<'_>, before: &mut Before, path: Path) -> bool {
    let kit = world.kit;
    match path {
        Path::Session => before.mara.get("/account").await.status == 200,
        Path::SessionInOrganization => before.mara.get(PEOPLE).await.status == 200,
        Path::SessionOfProvider => before.by_provider.get("/account").await.status == 200,
        Path::ApiToken => kit.nobody().with_token(&before.api_token).get(PEOPLE).await.status == 200,
        Path::Scim => before.scim.get(&format!("{}/Users", before.scim_path)).await.status == 200,
        Path::Introspection => {
            let token = before.tokens.get("access_token");
            let answer = before.rp.post(kit, "/oauth/introspect", &[("token", token)]).await;
            answer.status == 200 && answer.json()["active"] == json!(true)
        }
        Path::Userinfo => userinfo(kit, before.tokens.get("access_token")).await.status == 200,
        Path::NewCode => {
            let asked = before.rp.request(&[("prompt", "none")]);
            matches!(follow(&mut before.mara, &asked).await, Ok(answer) if answer.contains_key("code"))
        }
        Path::WaitingCode => before.rp.redeem(kit, &before.code).await.status == 200,
        Path::Refresh => before.rp.refresh(kit, before.tokens.get("refresh_token")).await.status == 200,
        Path::OfflineRefresh => {
            before.rp.refresh(kit, before.offline.get("refresh_token")).await.status == 200
        }
        Path::Device => device_poll(kit, &before.rp, &before.device).await.status == 200,
        Path::ClientCredentials => {
            let asked = [("grant_type", "client_credentials"), ("scope", "records:read")];
            before.rp.post(kit, "/oauth/token", &asked).await.status == 200
        }
        Path::Password => try_password(&mut kit.nobody(), MARA, PASSWORD).await.status == 303,
        Path::PasswordApi => {
            let body = json!({ "email": MARA, "password": PASSWORD });
            kit.nobody().post("/api/v1/sessions", body).await.status.is_success()
        }
        Path::Passkey => before.key.sign_in(&mut kit.nobody()).await.status == 201,
        Path::SignInLink => opens(world, &format!("/sign-in/link/{}", before.link), &[]).await,
        Path::SingleSignOn => {
            let mut browser = kit.nobody();
            let begun = browser.get(&world.begin_path()).await;
            begun.status == 200
                && world.back(&mut browser, &leads_to(&begun), &person(MARA)).await.status == 303
        }
        Path::OnItsWay => on_the_way_back(world, before).await.status == 303,
        Path::Recovery => {
            opens(world, &before.recovery, &[("password", "nine white geese under the bridge")]).await
        }
    }
}

async fn opens(world: &World<'_>, link: &str, fields: &[(&str, &str)]) -> bool {
    let mut browser = world.kit.nobody();
    browser.get(link).await;
    browser.submit(link, fields).await.status == 303
}
