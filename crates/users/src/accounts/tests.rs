//! Sign-up and one's own account, through HTTP, on both databases.

use serde_json::json;
use testkit::both_with;

use crate::kit::{PASSWORD, mailed_link, real_sign_in, sign_up, try_password};

const MARA: &str = "mara@harbor-logistics.dev";

#[tokio::test]
async fn an_account_comes_to_life_through_its_mailed_link() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = kit.nobody();
            browser.get("/sign-up").await.expect(200);
            browser.submit("/sign-up", &[("email", MARA)]).await.expect(200);
            // Before the link is opened there is nothing an attacker could have prepared.
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(422);
            let link = mailed_link(kit, MARA).await;
            browser.get(&link).await.expect(200);
            browser.submit(&link, &[("name", "Mara Lind"), ("password", PASSWORD)]).await.expect(303);
            let page = browser.get("/account").await.expect(200).text();
            assert!(page.contains("Mara Lind") && page.contains(MARA), "{page}");
            // The link works once.
            kit.nobody().get(&link).await.expect(410);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn sign_up_answers_the_same_whether_or_not_the_address_has_an_account() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let mut answers = Vec::new();
            for email in [MARA, "nobody@harbor-logistics.dev"] {
                let mut browser = kit.nobody();
                browser.get("/sign-up").await.expect(200);
                let answer = browser.submit("/sign-up", &[("email", email)]).await.expect(200);
                answers.push(answer.text().replace(email, "ADDRESS"));
            }
            // What a person sees, without the browser's own CSRF token.
            let seen =
                |page: &str| page.split_once("<main").map(|(_, main)| main.to_owned()).unwrap_or_default();
            assert!(seen(&answers[0]).contains("ADDRESS"));
            assert!(seen(&answers[0]) == seen(&answers[1]), "the pages differ");
            let mail = kit.mail_to(MARA).await.unwrap();
            assert!(mail.contains("already have"), "{mail}");
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn links_in_mail_come_from_configuration_never_from_the_host_header() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = kit
                .nobody()
                .with_header("host", "evil.example")
                .with_header("x-forwarded-host", "evil.example");
            browser.get("/sign-up").await.expect(200);
            browser.submit("/sign-up", &[("email", MARA)]).await.expect(200);
            let mail = kit.mail_to(MARA).await.unwrap();
            assert!(!mail.contains("evil.example"), "{mail}");
            mailed_link(kit, MARA).await;
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_weak_password_is_refused_with_what_is_wrong_and_the_link_still_works() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = kit.nobody();
            browser.get("/sign-up").await.expect(200);
            browser.submit("/sign-up", &[("email", MARA)]).await.expect(200);
            let link = mailed_link(kit, MARA).await;
            browser.get(&link).await.expect(200);
            for weak in ["short", "aaaaaaaaaaaaaaaaaaaa", "mara harbor-logistics"] {
                let answer = browser.submit(&link, &[("name", "Mara"), ("password", weak)]).await.expect(422);
                assert!(
                    !answer.text().contains(&format!("value=\"{weak}\"")),
                    "a password is never shown again"
                );
            }
            browser.submit(&link, &[("name", "Mara"), ("password", PASSWORD)]).await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_requests_sends_few_mails() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            for _ in 0..12 {
                let mut browser = kit.nobody();
                browser.post("/api/v1/sign-ups", json!({ "email": MARA })).await.expect(202);
            }
            let count = kit.mails().await.len();
            assert!(count <= 5, "{count} mails");
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn changing_the_password_needs_the_current_one_and_ends_other_sessions() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut here = sign_up(kit, MARA).await;
            let mut elsewhere = kit.nobody();
            try_password(&mut elsewhere, MARA, PASSWORD).await.expect(303);
            elsewhere.get("/account").await.expect(200);
            let new = "eleven quiet lanterns by the quay";
            here.get("/account/password").await.expect(200);
            here.submit("/account/password", &[("current", "wrong"), ("password", new)]).await.expect(422);
            here.submit("/account/password", &[("current", PASSWORD), ("password", new)]).await.expect(303);
            here.get("/account").await.expect(200);
            elsewhere.get("/account").await.expect(303);
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(422);
            try_password(&mut kit.nobody(), MARA, new).await.expect(303);
        },
        real_sign_in,
    )
    .await;
}
