//! Signing in: what a guesser gets, and what the owner of the account gets meanwhile.

use platform::time::MINUTE;
use serde_json::json;
use testkit::both_with;

use super::pages::safe_next;
use crate::kit::{PASSWORD, change_password, real_sign_in, sign_up, try_password};
use crate::throttles::PAIR_FAILURES_MAX;

const MARA: &str = "mara@harbor-logistics.dev";

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let mut answers = Vec::new();
            for email in [MARA, "nobody@harbor-logistics.dev"] {
                let body = json!({ "email": email, "password": "not the password" });
                let answer = kit.nobody().post("/api/v1/sessions", body).await.expect(401);
                answers.push(answer.text());
            }
            assert_eq!(answers[0], answers[1]);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn both_kinds_of_failure_are_recorded_without_the_password() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            for email in [MARA, "nobody@harbor-logistics.dev"] {
                let body = json!({ "email": email, "password": "a-secret-guess" });
                kit.nobody().post("/api/v1/sessions", body).await.expect(401);
            }
            let events =
                kit.app.db().read(move |tx| platform::events::range(tx, provider, 0, 1000)).await.unwrap();
            let failures: Vec<_> = events.iter().filter(|event| event.action == "sign_in.failed").collect();
            assert_eq!(failures.len(), 2);
            assert!(!format!("{events:?}").contains("a-secret-guess"));
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_guesser_is_throttled_and_the_owner_is_not_locked_out() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let mut guesser = kit.nobody().from_ip("198.51.100.66");
            for _ in 0..PAIR_FAILURES_MAX {
                try_password(&mut guesser, MARA, "a guess").await.expect(422);
            }
            let body = try_password(&mut guesser, MARA, "a guess").await.expect(429).text();
            assert!(body.contains("Too many tries"), "{body}");
            // Even the right password does not help the guesser now …
            try_password(&mut guesser, MARA, PASSWORD).await.expect(429);
            // … and the owner signs in from where they always do.
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(303);
            // A quarter of an hour later the network may try again.
            kit.advance(MINUTE * 16);
            try_password(&mut guesser, MARA, PASSWORD).await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn guesses_from_everywhere_leave_the_owners_network_open() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            for n in 0..crate::throttles::ACCOUNT_FAILURES_MAX {
                let mut guesser = kit.nobody().from_ip(&format!("198.51.{}.{}", n / 200, n % 200 + 1));
                let body = json!({ "email": MARA, "password": "a guess" });
                guesser.post("/api/v1/sessions", body).await.expect(401);
            }
            let mut stranger = kit.nobody().from_ip("198.51.100.250");
            try_password(&mut stranger, MARA, PASSWORD).await.expect(429);
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_suspended_account_is_out_at_once_and_cannot_come_back() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            browser.get("/account").await.expect(200);
            kit.app
                .db()
                .write(&kit.ctx(), move |tx| {
                    let account = platform::principals::account_by_email(tx, MARA)?.expect("an account");
                    let state = platform::principals::AccountState::Suspended;
                    platform::principals::set_account_state(tx, account.id, state)?;
                    let event = platform::events::Event::new(provider, "account.suspended");
                    let recorded = tx.record(event);
                    Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), recorded))
                })
                .await
                .unwrap();
            browser.get("/account").await.expect(303);
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(422);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn an_operators_link_signs_in_once() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let id = kit.account(MARA).await;
            let ctx = kit.ctx();
            let at = ctx.clone();
            let token = kit
                .app
                .db()
                .write(&ctx, move |tx| {
                    let account = platform::principals::account(tx, id)?.expect("an account");
                    super::create_link(&at, tx, &account)
                })
                .await
                .unwrap()
                .value;
            let path = format!("/sign-in/link/{}", token.text());
            let mut browser = kit.nobody();
            browser.get(&path).await.expect(200);
            browser.get(&path).await.expect(200);
            browser.submit(&path, &[]).await.expect(303);
            browser.get("/account").await.expect(200);
            let mut second = kit.nobody();
            second.get("/sign-in").await.expect(200);
            second.submit(&path, &[]).await.expect(410);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 7.2.4: one cookie, one session.
#[tokio::test]
async fn a_new_sign_in_ends_the_session_it_replaces() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            let mut other_device = kit.nobody();
            try_password(&mut other_device, MARA, PASSWORD).await.expect(303);
            let before = browser.clone();
            let form = [("email", MARA), ("password", PASSWORD)];
            browser.submit("/sign-in", &form).await.expect(303);
            assert_ne!(before.cookies, browser.cookies);
            before.clone().get("/account").await.expect(303);
            browser.get("/account").await.expect(200);
            // The same over the API.
            let before = browser.clone();
            let body = json!({ "email": MARA, "password": PASSWORD });
            browser.post("/api/v1/sessions", body).await.expect(201);
            before.clone().get("/account").await.expect(303);
            browser.get("/account").await.expect(200);
            // A wrong password ends nothing, nor does anybody else's sign-in.
            let wrong = json!({ "email": MARA, "password": "wrong" });
            browser.post("/api/v1/sessions", wrong).await.expect(401);
            browser.get("/account").await.expect(200);
            other_device.get("/account").await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 7.2.3: a session that somebody else chose is never taken over.
#[tokio::test]
async fn a_planted_cookie_does_not_become_a_session() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let planted = "A".repeat(43);
            let mut browser = kit.nobody();
            browser.get("/sign-in").await.expect(200);
            browser.cookies.insert(platform::web::browser::SESSION_COOKIE.to_owned(), planted.clone());
            browser.submit("/sign-in", &[("email", MARA), ("password", PASSWORD)]).await.expect(303);
            assert_ne!(browser.cookies[platform::web::browser::SESSION_COOKIE], planted);
            let mut attacker = kit.nobody();
            attacker.cookies.insert(platform::web::browser::SESSION_COOKIE.to_owned(), planted);
            attacker.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 15.4.2: who knew the old password and began before the change does not come in after it.
#[tokio::test]
async fn a_password_changed_meanwhile_does_not_sign_in() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let ctx = kit.ctx();
            let subject = super::subject_of(&ctx, MARA);
            let known = super::look_up(&kit.app, &ctx, subject.clone()).await.unwrap();
            let account = known.account.unwrap().id;
            let at = ctx.clone();
            let changed = kit.app.db().write(&ctx, move |tx| {
                crate::passwords::store::set(&at, tx, account, "$argon2id$another")?;
                let recorded = tx.record(platform::events::Event::new(known.provider, "password.recovered"));
                Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), recorded))
            });
            changed.await.unwrap();
            let late = super::finish(&kit.app, &ctx, known.provider, account, subject, known.phc, None);
            assert!(late.await.unwrap().is_none());
            assert_eq!(kit.actions(known.provider).await.last().unwrap(), "password.recovered");
        },
        real_sign_in,
    )
    .await;
}

async fn by_password(mut browser: testkit::Client) -> (testkit::Client, testkit::Answer) {
    let answer = browser.post("/api/v1/sessions", json!({ "email": MARA, "password": PASSWORD })).await;
    (browser, answer)
}

/// ASVS 15.4.2, at the same moment: a sign-in that has not committed is ended by the change, one that comes while the
/// change has not committed waits for it.
#[tokio::test]
async fn a_sign_in_with_the_old_password_does_not_outlive_a_change_at_the_same_moment() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mara = sign_up(kit, MARA).await;
            let ((mut thief, answer), ()) =
                kit.overlapped(by_password(kit.nobody()), change_password(mara)).await;
            answer.expect(201);
            thief.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mara = sign_up(kit, MARA).await;
            let ((), (mut thief, answer)) =
                kit.overlapped(change_password(mara), by_password(kit.nobody())).await;
            answer.expect(401);
            thief.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 7.4.1, 14.3.1.
#[tokio::test]
async fn signing_out_ends_the_session_and_clears_the_browser() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            let kept = browser.clone();
            let out = browser.submit("/sign-out", &[]).await.expect(303);
            assert_eq!(out.header("clear-site-data"), Some("\"cache\", \"storage\""));
            assert!(!browser.cookies.contains_key(platform::web::browser::SESSION_COOKIE));
            kept.clone().get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[test]
fn next_never_leads_outside() {
    for outside in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\r\nSet-Cookie: x=y",
        "/\t/evil.example",
        "/\u{b}/evil.example",
        "/\u{7f}",
        "/\u{85}",
    ] {
        assert_eq!(safe_next(outside), "/", "{outside:?}");
    }
    assert_eq!(safe_next("/o/harbor?x=1"), "/o/harbor?x=1");
}
