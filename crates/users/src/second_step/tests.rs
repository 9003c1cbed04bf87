//! The second step: what a guesser who knows the password gets, and what its owner gets.

use platform::time::{MINUTE, SECOND};
use serde_json::json;
use testkit::authenticator::{Authenticator, app_shows};
use testkit::both_with;

use crate::factors::tests::enrol_app;
use crate::kit::{PASSWORD, change_password, mailed_link, real_sign_in, sign_up, try_password, was_told};

const MARA: &str = "mara@harbor-logistics.dev";
const STEP: &str = "/api/v1/sessions/second-step";

fn credentials() -> serde_json::Value {
    json!({ "email": MARA, "password": PASSWORD })
}

#[tokio::test]
async fn a_code_is_asked_for_after_the_password_and_works_once() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, _) = enrol_app(kit, &mut mara).await;
            // The code that enrolled the app is used up.
            let mut browser = kit.nobody();
            let asked = browser.post("/api/v1/sessions", credentials()).await.expect(202).json();
            assert_eq!(asked["factors"], json!(["totp", "recovery_code"]));
            browser.get("/account").await.expect(303);
            let spent = app_shows(&secret, kit.now());
            browser.post(STEP, json!({ "totp": spent })).await.expect(401);
            kit.advance(SECOND * 30);
            let code = app_shows(&secret, kit.now());
            browser.post(STEP, json!({ "totp": code })).await.expect(201);
            browser.get("/account").await.expect(200);
            // Neither the sign-in nor the code works again.
            browser.post(STEP, json!({ "totp": code })).await.expect(401);
            let mut other = kit.nobody();
            other.post("/api/v1/sessions", credentials()).await.expect(202);
            other.post(STEP, json!({ "totp": code })).await.expect(401);
            // A minute later the next one does, by the page.
            kit.advance(MINUTE);
            let mut page = kit.nobody();
            let answer = try_password(&mut page, MARA, PASSWORD).await.expect(303);
            assert!(answer.location().starts_with("/sign-in/second-step"), "{}", answer.location());
            page.get("/sign-in/second-step").await.expect(200);
            let code = app_shows(&secret, kit.now());
            page.submit("/sign-in/second-step", &[("code", "000000")]).await.expect(422);
            let done = page.submit("/sign-in/second-step", &[("code", &code), ("next", "/account")]).await;
            assert_eq!(done.expect(303).location(), "/account");
            page.get("/account").await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn nobody_learns_of_factors_before_the_password_is_right() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            sign_up(kit, "eve@harbor-logistics.dev").await;
            let mut mara = sign_up(kit, MARA).await;
            enrol_app(kit, &mut mara).await;
            let mut answers = Vec::new();
            for email in [MARA, "eve@harbor-logistics.dev", "nobody@harbor-logistics.dev"] {
                let body = json!({ "email": email, "password": "not the password" });
                let answer = kit.nobody().post("/api/v1/sessions", body).await.expect(401);
                assert!(answer.header("set-cookie").is_none());
                answers.push(answer.text());
            }
            assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
            // The question for a passkey is the same whoever asks, but for its challenge.
            let ask = async |mut browser: testkit::Client| {
                let mut options = browser.post("/api/v1/passkey-options", json!({})).await.expect(200).json();
                options["challenge"] = json!("");
                options
            };
            let mut waiting = kit.nobody();
            waiting.post("/api/v1/sessions", credentials()).await.expect(202);
            assert_eq!(ask(waiting).await, ask(kit.nobody()).await);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_waiting_sign_in_ends_by_time_by_tries_and_in_other_browsers() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, _) = enrol_app(kit, &mut mara).await;
            kit.advance(MINUTE);
            let mut late = kit.nobody();
            late.post("/api/v1/sessions", credentials()).await.expect(202);
            kit.advance(MINUTE * 11);
            late.post(STEP, json!({ "totp": app_shows(&secret, kit.now()) })).await.expect(401);
            // Five wrong tries, and the sixth is not looked at.
            let mut guesser = kit.nobody();
            guesser.post("/api/v1/sessions", credentials()).await.expect(202);
            for _ in 0..super::ATTEMPTS_MAX {
                let answer = guesser.post(STEP, json!({ "totp": "000000" })).await.expect(401);
                assert_eq!(answer.json()["type"], "/problems/wrong-factor");
            }
            let right = app_shows(&secret, kit.now());
            let answer = guesser.post(STEP, json!({ "totp": right })).await.expect(401);
            assert_eq!(answer.json()["type"], "/problems/sign-in-over");
            // Without the cookie there is nothing to finish.
            kit.nobody().post(STEP, json!({ "totp": right })).await.expect(401);
            kit.nobody().get("/sign-in/second-step").await.expect(303);
            // Its owner, in a sign-in of their own, is not in the way of it.
            let mut owner = kit.nobody();
            owner.post("/api/v1/sessions", credentials()).await.expect(202);
            owner.post(STEP, json!({ "totp": right })).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn guesses_are_counted_across_sign_ins_and_the_owner_is_told() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, _) = enrol_app(kit, &mut mara).await;
            kit.advance(MINUTE);
            for n in 0..2 {
                let mut guesser = kit.nobody().from_ip(&format!("198.51.100.{}", n + 1));
                guesser.post("/api/v1/sessions", credentials()).await.expect(202);
                for _ in 0..super::ATTEMPTS_MAX {
                    guesser.post(STEP, json!({ "totp": "000000" })).await.expect(401);
                }
            }
            assert!(was_told(kit, MARA, "know your password").await);
            let mut third = kit.nobody().from_ip("198.51.100.3");
            third.post("/api/v1/sessions", credentials()).await.expect(202);
            let right = app_shows(&secret, kit.now());
            third.post(STEP, json!({ "totp": right })).await.expect(429);
            kit.advance(MINUTE * 16);
            let mut owner = kit.nobody();
            owner.post("/api/v1/sessions", credentials()).await.expect(202);
            owner.post(STEP, json!({ "totp": app_shows(&secret, kit.now()) })).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_recovery_code_works_once_and_its_use_is_told() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (_, codes) = enrol_app(kit, &mut mara).await;
            let mut browser = kit.nobody();
            try_password(&mut browser, MARA, PASSWORD).await.expect(303);
            browser.get("/sign-in/second-step").await.expect(200);
            let typed = codes[3].to_uppercase().replace('-', " ");
            browser.submit("/sign-in/second-step", &[("recovery_code", &typed)]).await.expect(303);
            let factors = browser.get("/api/v1/account/factors").await.expect(200).json();
            assert_eq!((&factors["recovery_codes_left"], &factors["reached"]), (&json!(9), &json!("mfa")));
            assert!(was_told(kit, MARA, "9 are left").await);
            let mut again = kit.nobody();
            again.post("/api/v1/sessions", credentials()).await.expect(202);
            again.post(STEP, json!({ "recovery_code": codes[3] })).await.expect(401);
            again.post(STEP, json!({ "recovery_code": codes[4] })).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_passkey_of_somebody_else_is_no_second_step() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let origin = kit.app.config().public_origin();
            let (mut maras, mut eves) = (Authenticator::new(&origin), Authenticator::new(&origin));
            let mut mara = sign_up(kit, MARA).await;
            maras.enrol(&mut mara).await.expect(201);
            let mut eve = sign_up(kit, "eve@harbor-logistics.dev").await;
            eves.enrol(&mut eve).await.expect(201);
            let mut browser = kit.nobody();
            let asked = browser.post("/api/v1/sessions", credentials()).await.expect(202).json();
            assert_eq!(asked["factors"], json!(["passkey", "recovery_code"]));
            let wrong = eves.prove(&mut browser).await;
            browser.post(STEP, json!({ "passkey": wrong })).await.expect(401);
            let right = maras.prove(&mut browser).await;
            browser.post(STEP, json!({ "passkey": right })).await.expect(201);
            let sessions = browser.get("/api/v1/account/sessions").await.expect(200).json();
            let here = sessions.as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
            assert_eq!(here["level"], "passkey");
        },
        real_sign_in,
    )
    .await;
}

/// A mailbox is no second factor: neither a new password by mail nor the operator's link goes past it.
#[tokio::test]
async fn a_mailed_link_does_not_go_past_the_second_step() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, _) = enrol_app(kit, &mut mara).await;
            let mut thief = kit.nobody();
            thief.get("/recover").await.expect(200);
            thief.submit("/recover", &[("email", MARA)]).await.expect(200);
            let link = mailed_link(kit, MARA).await;
            thief.get(&link).await.expect(200);
            let done =
                thief.submit(&link, &[("password", "nine brown otters under the bridge")]).await.expect(303);
            assert!(done.location().starts_with("/sign-in/second-step"), "{}", done.location());
            thief.get("/account").await.expect(303);
            let ctx = kit.ctx();
            let at = ctx.clone();
            let token = kit
                .app
                .db()
                .write(&ctx, move |tx| {
                    let account = platform::principals::account_by_email(tx, MARA)?.expect("an account");
                    crate::login::create_link(&at, tx, &account)
                })
                .await
                .unwrap()
                .value;
            let path = format!("/sign-in/link/{}", token.text());
            let mut browser = kit.nobody();
            browser.get(&path).await.expect(200);
            browser.submit(&path, &[]).await.expect(303);
            browser.get("/account").await.expect(303);
            kit.advance(MINUTE);
            browser.post(STEP, json!({ "totp": app_shows(&secret, kit.now()) })).await.expect(201);
            browser.get("/account").await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

/// Asking for challenges and leaving them fills nothing.
#[tokio::test]
async fn a_storm_of_questions_leaves_no_row() {
    platform::statements! { SPENT: Platform = "select count(*) from spent_challenges"; }
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            let before = kit.actions(provider).await.len();
            for _ in 0..200 {
                kit.nobody().post("/api/v1/passkey-options", json!({})).await.expect(200);
            }
            let rows: Option<u64> =
                kit.app.db().read(|tx| tx.scalar(&SPENT, platform::params![])).await.unwrap();
            assert_eq!(rows, Some(0));
            assert_eq!(kit.actions(provider).await.len(), before);
        },
        real_sign_in,
    )
    .await;
}

/// Security: what the old password began ends with it.
#[tokio::test]
async fn a_changed_password_ends_a_waiting_sign_in() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, _) = enrol_app(kit, &mut mara).await;
            let mut thief = kit.nobody();
            thief.post("/api/v1/sessions", credentials()).await.expect(202);
            let new = "eleven quiet lanterns by the quay";
            let body = json!({ "current": PASSWORD, "password": new });
            mara.put("/api/v1/account/password", body).await.expect(204);
            kit.advance(SECOND * 30);
            let code = app_shows(&secret, kit.now());
            thief.post(STEP, json!({ "totp": code })).await.expect(401);
            // The code was not at fault.
            let mut again = kit.nobody();
            again.post("/api/v1/sessions", json!({ "email": MARA, "password": new })).await.expect(202);
            again.post(STEP, json!({ "totp": code })).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

async fn guess(mut browser: testkit::Client, code: String) -> testkit::Answer {
    browser.post(STEP, json!({ "totp": code })).await
}

/// How many of these answers are of this kind.
fn count(answers: &[testkit::Answer], kind: &str) -> usize {
    answers.iter().filter(|answer| answer.json()["type"] == kind).count()
}

/// Tries that come at once are counted as those that come in turn: five for a sign-in, ten for an account.
#[tokio::test]
async fn codes_that_come_at_once_are_no_more_tries() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            enrol_app(kit, &mut mara).await;
            let mut guesser = kit.nobody();
            guesser.post("/api/v1/sessions", credentials()).await.expect(202);
            let tries = (0..8).map(|_| guess(guesser.clone(), "000000".to_owned())).collect();
            let answers = kit.all_at_once(tries).await;
            assert_eq!(count(&answers, "/problems/wrong-factor"), 5);
            assert_eq!(count(&answers, "/problems/sign-in-over"), 3);
            // Two more sign-ins: of their eight tries the account has five left.
            let mut tries = Vec::new();
            for _ in 0..2 {
                let mut guesser = kit.nobody();
                guesser.post("/api/v1/sessions", credentials()).await.expect(202);
                tries.extend((0..4).map(|_| guess(guesser.clone(), "000000".to_owned())));
            }
            let answers = kit.all_at_once(tries).await;
            assert_eq!(count(&answers, "/problems/wrong-factor"), 5);
            assert!(was_told(kit, MARA, "know your password").await);
        },
        real_sign_in,
    )
    .await;
}

/// A sign-in by the old password whose code is right at the moment of the change, before it and after it.
#[tokio::test]
async fn a_second_step_does_not_outlive_a_change_of_the_password_at_the_same_moment() {
    for code_first in [true, false] {
        both_with(
            async |kit| {
                kit.organization("northwind").await;
                let mut mara = sign_up(kit, MARA).await;
                let (secret, _) = enrol_app(kit, &mut mara).await;
                kit.advance(MINUTE);
                let mut thief = kit.nobody();
                thief.post("/api/v1/sessions", credentials()).await.expect(202);
                let code = app_shows(&secret, kit.now());
                let step = async move {
                    let answer = thief.post(STEP, json!({ "totp": code })).await;
                    (thief, answer)
                };
                let (mut thief, answer) = if code_first {
                    kit.overlapped(step, change_password(mara)).await.0
                } else {
                    kit.overlapped(change_password(mara), step).await.1
                };
                answer.expect(if code_first { 201 } else { 401 });
                thief.get("/account").await.expect(303);
            },
            real_sign_in,
        )
        .await;
    }
}
