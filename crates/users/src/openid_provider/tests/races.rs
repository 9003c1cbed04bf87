//! A grant and the end of its session at the same moment: nothing for offline use is left of a session that was taken over.

use platform::db::DbError;
use platform::principals;
use serde_json::json;
use testkit::{Answer, Client, Kit};

use super::{MARA, Rp, landed, parameters, settings, world, world_with};
use crate::kit::{PASSWORD, change_password, try_password};
use crate::openid_provider::authorize;
use crate::openid_provider::device::{self, Decided};
use crate::products::{GrantType, Settings};
use crate::sessions;

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

/// Somebody else in a session of Mara's.
async fn thief(kit: &Kit) -> Client {
    let mut thief = kit.nobody();
    try_password(&mut thief, MARA, PASSWORD).await.expect(303);
    thief.get("/account").await.expect(200);
    thief
}

async fn ask(mut browser: Client, path: String) -> Answer {
    browser.get(&path).await.expect(303)
}

#[tokio::test]
async fn a_code_begun_before_a_change_of_the_password_is_dead() {
    world(async |kit, rp, mara| {
        let path = rp.request(&[OFFLINE]);
        let (answer, ()) = kit.overlapped(ask(thief(kit).await, path), change_password(mara)).await;
        let code = parameters(answer.location())["code"].clone();
        assert_eq!(rp.redeem(kit, &code).await.expect(400).json()["error"], "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_ends_at_the_same_moment_gives_no_code() {
    world(async |kit, rp, mara| {
        let path = rp.request(&[OFFLINE]);
        let ((), answer) = kit.overlapped(change_password(mara), ask(thief(kit).await, path)).await;
        assert!(answer.location().starts_with("/oauth/interactions/"), "{}", answer.location());
    })
    .await;
    // Who may not be asked is told so.
    world(async |kit, rp, mara| {
        let path = rp.request(&[OFFLINE, ("prompt", "none")]);
        let ((), answer) = kit.overlapped(change_password(mara), ask(thief(kit).await, path)).await;
        assert_eq!(parameters(answer.location())["error"], "login_required");
    })
    .await;
}

async fn allow(mut browser: Client, code: String) -> Answer {
    browser.submit("/oauth/device", &[("user_code", &code), ("decision", "allow")]).await
}

/// A product whose devices ask, too.
fn with_devices() -> Settings {
    let grant_types = vec![GrantType::AuthorizationCode, GrantType::DeviceCode, GrantType::RefreshToken];
    Settings { grant_types, ..settings() }
}

/// A device that waits, with what it polls with.
async fn waits(kit: &Kit, rp: &Rp) -> (String, String) {
    let begun = rp.post(kit, "/oauth/device_authorization", &[OFFLINE]).await.expect(200).json();
    let word = |name: &str| begun[name].as_str().expect("a code").to_owned();
    (word("user_code"), word("device_code"))
}

async fn poll(kit: &Kit, rp: &Rp, code: &str) -> serde_json::Value {
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code)];
    rp.post(kit, "/oauth/token", &fields).await.expect(400).json()["error"].clone()
}

#[tokio::test]
async fn a_device_allowed_at_the_moment_of_a_new_password_gets_nothing() {
    world_with(with_devices(), async |kit, rp, mara| {
        let (shown, held) = waits(kit, &rp).await;
        let (answer, ()) = kit.overlapped(allow(thief(kit).await, shown), change_password(mara)).await;
        answer.expect(200);
        assert_eq!(poll(kit, &rp, &held).await, json!("invalid_grant"));
    })
    .await;
    world_with(with_devices(), async |kit, rp, mara| {
        let (shown, held) = waits(kit, &rp).await;
        let ((), answer) = kit.overlapped(change_password(mara), allow(thief(kit).await, shown)).await;
        assert!(answer.status.as_u16() >= 300, "{}", answer.text());
        assert_eq!(poll(kit, &rp, &held).await, json!("authorization_pending"));
    })
    .await;
}

/// By hand: what the write finds, whatever was read before it.
#[tokio::test]
async fn a_session_that_has_ended_begins_no_grant() {
    world_with(with_devices(), async |kit, rp, mut mara| {
        // With a living session the same request gives a code.
        assert!(landed(&mut mara, &rp.request(&[OFFLINE])).await.contains_key("code"));
        let (shown, held) = waits(kit, &rp).await;
        let code = device::typed(&shown);
        let ctx = kit.ctx();
        let at = ctx.clone();
        let done = kit.app.db().write(&ctx, move |tx| {
            let account = principals::account_by_email(tx, MARA)?.expect("Mara").id;
            let session = sessions::list(tx, account, at.now)?[0].id;
            let who = authorize::signed_in(tx, session, at.now)?.expect("a session");
            let revoked = sessions::revoke_all(&at, tx, account, None, "password_changed")?;
            let decided = device::decide(&at, tx, &code, &who, true)?;
            let still = authorize::still_signed_in(tx, &who, at.now)?;
            let found = (matches!(decided.value(), Decided::SignedOut), still);
            Ok::<_, DbError>(revoked.map(|_| found))
        });
        assert_eq!(done.await.unwrap().value, (true, None));
        assert_eq!(poll(kit, &rp, &held).await, json!("authorization_pending"));
    })
    .await;
}
