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

/// Security: whoever took a session over guesses at the password no faster than at the door.
#[tokio::test]
async fn guesses_at_the_current_password_are_throttled() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            let new = "eleven quiet lanterns by the quay";
            let path = "/api/v1/account/password";
            for _ in 0..crate::throttles::PAIR_FAILURES_MAX {
                browser.put(path, json!({ "current": "a guess", "password": new })).await.expect(403);
            }
            browser.put(path, json!({ "current": PASSWORD, "password": new })).await.expect(429);
            browser.get("/account/password").await.expect(200);
            let fields = [("current", PASSWORD), ("password", new)];
            browser.submit("/account/password", &fields).await.expect(429);
            let refused = kit.actions(provider).await;
            let refused = refused.iter().filter(|action| *action == "password.change_refused").count();
            assert_eq!(refused as u64, crate::throttles::PAIR_FAILURES_MAX);
            kit.advance(platform::time::MINUTE * 16);
            browser.put(path, json!({ "current": PASSWORD, "password": new })).await.expect(204);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 6.3.7.
#[tokio::test]
async fn the_owner_is_told_of_a_changed_password() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            let body = json!({ "current": PASSWORD, "password": "eleven quiet lanterns by the quay" });
            browser.put("/api/v1/account/password", body).await.expect(204);
            assert!(kit.mail_to(MARA).await.unwrap().contains("Your password was changed"));
            kit.advance(platform::time::HOUR);
            kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let link = mailed_link(kit, MARA).await;
            kit.advance(platform::time::SECOND);
            let mut elsewhere = kit.nobody();
            elsewhere.get(&link).await.expect(200);
            elsewhere.submit(&link, &[("password", "nine brown otters on the bank")]).await.expect(303);
            assert!(kit.mail_to(MARA).await.unwrap().contains("Your password was changed"));
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 6.2.6, 6.2.7.
#[tokio::test]
async fn password_fields_are_masked_and_open_to_managers() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = kit.nobody();
            browser.get("/sign-up").await.expect(200);
            browser.submit("/sign-up", &[("email", MARA)]).await.expect(200);
            let link = mailed_link(kit, MARA).await;
            let mut known = sign_up(kit, "ben@harbor-logistics.dev").await;
            let pages = [
                browser.get("/sign-in").await.expect(200).text(),
                browser.get(&link).await.expect(200).text(),
                known.get("/account/password").await.expect(200).text(),
            ];
            for page in pages {
                let inputs = page.split("<input").filter_map(|input| input.split('>').next());
                let secret = |input: &&str| input.contains("\"password\"") || input.contains("\"current\"");
                let fields: Vec<&str> = inputs.filter(secret).collect();
                assert!(!fields.is_empty(), "{page}");
                for field in fields {
                    assert!(field.contains("type=\"password\""), "{field}");
                    assert!(field.contains("autocomplete=") && !field.contains("=off"), "{field}");
                    assert!(!field.contains("maxlength") && !field.contains("onpaste"), "{field}");
                }
            }
        },
        real_sign_in,
    )
    .await;
}

/// A refusal keeps whoever is signed in where they are, and leads on.
#[tokio::test]
async fn error_pages_stand_in_the_console_of_whoever_is_signed_in() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            kit.member("harbor", MARA, platform::access::Role::Member).await;
            let page = mara.get("/o/harbor/people").await.expect(403).text();
            // Its navigation, its menu, a way on, and sentences.
            assert!(page.contains("href=\"/o/harbor/awareness\""), "{page}");
            assert!(page.contains("This needs `people.read`"), "{page}");
            assert!(page.contains("href=\"/o/harbor/access\""), "{page}");
            let page = mara.get("/no/such/page").await.expect(404).text();
            assert!(
                page.contains("href=\"/account/sessions\"") && page.contains("There is no such page"),
                "{page}"
            );
            // Of an organization that is not theirs they learn nothing.
            kit.owner_of("quay").await;
            let theirs = mara.get("/o/quay/people").await.expect(404).text();
            let none = mara.get("/o/nowhere/people").await.expect(404).text();
            let seen = |page: &str| {
                page.split_once("<h1>")
                    .map(|(_, rest)| rest.split("request").next().unwrap_or_default().to_owned())
            };
            assert_eq!(seen(&theirs), seen(&none));
            // Who is nobody and holds a dead link is led to where a new one is.
            let page = kit.nobody().get("/sign-up/used").await.expect(410).text();
            assert!(page.contains("href=\"/sign-in\"") && page.contains("href=\"/recover\""), "{page}");
            assert!(!page.contains("/account/sessions"), "{page}");
        },
        real_sign_in,
    )
    .await;
}
