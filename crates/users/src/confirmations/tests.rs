//! Confirmations: an old session asks again before it changes how people sign in.

use platform::access::Role;
use platform::time::{HOUR, MINUTE};
use serde_json::json;
use testkit::authenticator::{Authenticator, app_shows};
use testkit::both_with;

use crate::factors::tests::enrol_app;
use crate::kit::{PASSWORD, real_sign_in, sign_up};

const MARA: &str = "mara@harbor-logistics.dev";
const CONFIRM: &str = "/api/v1/account/confirmations";

#[tokio::test]
async fn an_old_session_is_led_to_confirm_and_back() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            kit.member("harbor", MARA, Role::Owner).await;
            mara.get("/o/harbor/api-tokens/new").await.expect(200);
            kit.advance(HOUR + MINUTE);
            let led = mara.get("/o/harbor/api-tokens/new").await.expect(303);
            assert_eq!(led.location(), "/confirm?next=%2Fo%2Fharbor%2Fapi-tokens%2Fnew");
            // Reading is not changing.
            mara.get("/o/harbor/api-tokens").await.expect(200);
            let body = json!({ "name": "ci", "scopes": ["people.read"], "expires_in_days": 7 });
            let refused =
                mara.post("/api/v1/organizations/harbor/api-tokens", body.clone()).await.expect(403);
            assert_eq!(refused.json()["type"], "/problems/step-up-required");
            let rules = json!({});
            mara.put("/api/v1/organizations/harbor/policy", rules).await.expect(403);
            mara.get(led.location()).await.expect(200);
            mara.submit("/confirm", &[("password", "not the password"), ("next", "/x")]).await.expect(422);
            mara.get("/o/harbor/api-tokens/new").await.expect(303);
            mara.get("/confirm").await.expect(200);
            let fields = [("password", PASSWORD), ("next", "/o/harbor/api-tokens/new")];
            let back = mara.submit("/confirm", &fields).await.expect(303);
            assert_eq!(back.location(), "/o/harbor/api-tokens/new");
            mara.get(back.location()).await.expect(200);
            mara.post("/api/v1/organizations/harbor/api-tokens", body).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn with_a_factor_the_password_alone_confirms_nothing() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, codes) = enrol_app(kit, &mut mara).await;
            let mut key = Authenticator::new(&kit.app.config().public_origin());
            key.enrol(&mut mara).await.expect(201);
            let stale = async |browser: &mut testkit::Client| {
                kit.advance(HOUR * 2);
                browser.post("/api/v1/account/recovery-codes", json!({})).await.expect(403);
            };
            stale(&mut mara).await;
            let code = app_shows(&secret, kit.now());
            for wrong in [
                json!({ "password": PASSWORD }),
                json!({ "totp": code }),
                json!({ "password": "not the password", "totp": code }),
                json!({ "password": PASSWORD, "totp": "000000" }),
                json!({ "password": "not the password", "recovery_code": codes[0] }),
            ] {
                mara.post(CONFIRM, wrong).await.expect(403);
            }
            // A wrong password used neither code up.
            mara.post(CONFIRM, json!({ "password": PASSWORD, "totp": code })).await.expect(204);
            stale(&mut mara).await;
            let body = json!({ "password": PASSWORD, "recovery_code": codes[0] });
            mara.post(CONFIRM, body).await.expect(204);
            stale(&mut mara).await;
            let passkey = key.prove(&mut mara).await;
            mara.post(CONFIRM, json!({ "passkey": passkey })).await.expect(204);
            mara.post("/api/v1/account/recovery-codes", json!({})).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn guesses_in_a_stolen_session_are_counted() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut thief = sign_up(kit, MARA).await;
            kit.advance(HOUR * 2);
            let mut last = 0;
            for _ in 0..30 {
                last = thief.post(CONFIRM, json!({ "password": "a guess" })).await.status.as_u16();
                if last == 429 {
                    break;
                }
            }
            assert_eq!(last, 429);
            thief.post(CONFIRM, json!({ "password": PASSWORD })).await.expect(429);
        },
        real_sign_in,
    )
    .await;
}

async fn guess(mut thief: testkit::Client) -> u16 {
    thief.post(CONFIRM, json!({ "password": PASSWORD, "totp": "000000" })).await.status.as_u16()
}

/// As many as in turn: ten for an account.
#[tokio::test]
async fn guesses_that_come_at_once_are_no_more_tries() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut thief = sign_up(kit, MARA).await;
            enrol_app(kit, &mut thief).await;
            kit.advance(HOUR * 2);
            for _ in 0..6 {
                assert_eq!(guess(thief.clone()).await, 403);
            }
            let mut answers = kit.all_at_once((0..8).map(|_| guess(thief.clone())).collect()).await;
            answers.sort_unstable();
            assert_eq!(answers, [403, 403, 403, 403, 429, 429, 429, 429]);
        },
        real_sign_in,
    )
    .await;
}
