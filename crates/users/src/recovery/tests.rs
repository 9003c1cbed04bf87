//! Recovery: one user, one purpose, one use, and nothing learned by who asks.

use platform::time::HOUR;
use serde_json::json;
use testkit::both_with;

use crate::kit::{PASSWORD, mailed_link, real_sign_in, sign_up, try_password};

const MARA: &str = "mara@harbor-logistics.dev";
const NEW: &str = "eleven quiet lanterns by the quay";

#[tokio::test]
async fn a_recovery_link_sets_the_password_once_and_signs_everything_out() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut old = sign_up(kit, MARA).await;
            kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let link = mailed_link(kit, MARA).await;
            assert!(link.starts_with("/recover/"), "{link}");
            let mut browser = kit.nobody();
            browser.get(&link).await.expect(200);
            browser.submit(&link, &[("password", NEW)]).await.expect(303);
            old.get("/account").await.expect(303);
            kit.nobody().get(&link).await.expect(410);
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(422);
            try_password(&mut kit.nobody(), MARA, NEW).await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_link_of_another_purpose_does_not_recover() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            kit.nobody().post("/api/v1/sign-ups", json!({ "email": MARA })).await.expect(202);
            let link = mailed_link(kit, MARA).await.replace("/sign-up/", "/recover/");
            kit.nobody().get(link.split('?').next().unwrap()).await.expect(410);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_link_expires_and_a_used_one_kills_its_siblings() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let first = mailed_link(kit, MARA).await;
            kit.advance(HOUR * 2);
            kit.nobody().get(&first).await.expect(410);
            kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let second = mailed_link(kit, MARA).await;
            kit.advance(platform::time::SECOND);
            kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let third = mailed_link(kit, MARA).await;
            assert_ne!(second, third);
            let mut browser = kit.nobody();
            browser.get(&third).await.expect(200);
            browser.submit(&third, &[("password", NEW)]).await.expect(303);
            kit.nobody().get(&second).await.expect(410);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn asking_for_an_unknown_address_answers_the_same_and_mails_nobody() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let before = kit.mails().await.len();
            let known = kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await;
            let unknown =
                kit.nobody().post("/api/v1/recoveries", json!({ "email": "no@harbor-logistics.dev" })).await;
            assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
            assert_eq!(kit.mails().await.len(), before + 1);
        },
        real_sign_in,
    )
    .await;
}
