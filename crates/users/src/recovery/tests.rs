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

/// ASVS 6.3.8: what is written while somebody waits for the answer is the same for every address.
#[tokio::test]
async fn asking_does_the_same_work_for_every_address() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            sign_up(kit, MARA).await;
            let mut seen = Vec::new();
            for email in [MARA, "nobody@harbor-logistics.dev"] {
                kit.settle().await;
                let before = kit.actions(provider).await.len();
                kit.nobody().post("/api/v1/recoveries", json!({ "email": email })).await.expect(202);
                let actions = kit.actions(provider).await.split_off(before);
                let jobs = kit.app.db().read(|tx| platform::jobs::list(tx, 100)).await.unwrap();
                let waiting: Vec<String> = jobs.iter().map(|job| job.kind.clone()).collect();
                let links = kit.app.db().read(move |tx| {
                    let since = platform::time::Timestamp::from_micros(0);
                    crate::links::made_since(tx, crate::links::Purpose::Recovery, email, since)
                });
                seen.push((actions, waiting, links.await.unwrap()));
            }
            assert_eq!(seen[0], seen[1]);
            assert_eq!(seen[0].0, ["recovery.requested"]);
            kit.settle().await;
            assert_eq!(kit.actions(provider).await.iter().filter(|one| *one == "recovery.mailed").count(), 1);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 2.3.4: of many who open a link at the same moment one gets through, whatever it is for.
#[tokio::test]
async fn every_link_used_twice_at_once_works_once() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            kit.nobody().post("/api/v1/sign-ups", json!({ "email": MARA })).await.expect(202);
            let sign_up = mailed_link(kit, MARA).await;
            raced(kit, &sign_up, &[("name", "Mara"), ("password", PASSWORD)]).await;
            kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let recovery = mailed_link(kit, MARA).await;
            raced(kit, &recovery, &[("password", NEW)]).await;
            let ctx = kit.ctx();
            let at = ctx.clone();
            let made = kit.app.db().write(&ctx, move |tx| {
                let account = platform::principals::account_by_email(tx, MARA)?.expect("an account");
                crate::login::create_link(&at, tx, &account)
            });
            let token = made.await.unwrap().value;
            raced(kit, &format!("/sign-in/link/{}", token.text()), &[]).await;
            let actions = kit.actions(provider).await;
            let count = |name: &str| actions.iter().filter(|action| *action == name).count();
            assert_eq!(count("account.created"), 1);
            assert_eq!(count("password.recovered"), 1);
            assert_eq!(count("session.started"), 3);
        },
        real_sign_in,
    )
    .await;
}

/// Sends the form behind a link from four browsers at once.
async fn raced(kit: &testkit::Kit, link: &str, fields: &[(&str, &str)]) {
    let mut browsers = Vec::new();
    for _ in 0..4 {
        let mut browser = kit.nobody();
        browser.get(link).await.expect(200);
        browsers.push(browser);
    }
    let sent = browsers.iter_mut().map(|browser| browser.submit(link, fields));
    let mut statuses: Vec<u16> =
        futures_util::future::join_all(sent).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410, 410], "{link}");
}

/// Two mails were asked for, both links are opened at once: one account, one password.
#[tokio::test]
async fn two_links_for_one_address_make_one_account() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            let mut links = Vec::new();
            for _ in 0..2 {
                kit.nobody().post("/api/v1/sign-ups", json!({ "email": MARA })).await.expect(202);
                links.push(mailed_link(kit, MARA).await);
                kit.advance(platform::time::SECOND);
            }
            assert_ne!(links[0], links[1]);
            let fields = [("name", "Mara"), ("password", PASSWORD)];
            let (mut one, mut two) = (kit.nobody(), kit.nobody());
            one.get(&links[0]).await.expect(200);
            two.get(&links[1]).await.expect(200);
            let answers = tokio::join!(one.submit(&links[0], &fields), two.submit(&links[1], &fields));
            let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 410]);
            let made = kit.actions(provider).await;
            assert_eq!(made.iter().filter(|action| *action == "account.created").count(), 1);
        },
        real_sign_in,
    )
    .await;
}

/// ASVS 6.4.6: who has every right in an organization can ask for a mail, and that is all.
#[tokio::test]
async fn a_managers_power_ends_before_the_password() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = sign_up(kit, "owner@harbor-logistics.dev").await;
            let body = json!({ "name": "Harbor", "slug": "harbor-logistics" });
            owner.post("/api/v1/organizations", body).await.expect(201);
            let account = {
                sign_up(kit, MARA).await;
                kit.member("harbor-logistics", MARA, platform::access::Role::Member).await
            };
            let person = format!("/api/v1/organizations/harbor-logistics/people/{account}");
            for body in [json!({ "password": NEW }), json!({ "role": "member", "password": NEW })] {
                owner.patch(&person, body).await.expect(422);
            }
            owner.put(&format!("{person}/password"), json!({ "password": NEW })).await.expect(404);
            let body = json!({ "email": MARA });
            owner.post("/api/v1/provider/sign-in-links", body).await.expect(404);
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

/// Who knows the old password and signs in at the same moment is put out by a recovery, too.
#[tokio::test]
async fn a_sign_in_with_the_old_password_does_not_outlive_a_recovery_at_the_same_moment() {
    for sign_in_first in [true, false] {
        both_with(
            async |kit| {
                kit.organization("northwind").await;
                sign_up(kit, MARA).await;
                kit.nobody().post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
                let link = mailed_link(kit, MARA).await;
                let (mut owner, mut thief) = (kit.nobody(), kit.nobody());
                owner.get(&link).await.expect(200);
                let recover = async move {
                    owner.submit(&link, &[("password", NEW)]).await.expect(303);
                    owner
                };
                let sign_in = async move {
                    let body = json!({ "email": MARA, "password": PASSWORD });
                    let answer = thief.post("/api/v1/sessions", body).await;
                    (thief, answer)
                };
                let (mut owner, (mut thief, answer)) = if sign_in_first {
                    let (thief, owner) = kit.overlapped(sign_in, recover).await;
                    (owner, thief)
                } else {
                    kit.overlapped(recover, sign_in).await
                };
                answer.expect(if sign_in_first { 201 } else { 401 });
                thief.get("/account").await.expect(303);
                owner.get("/account").await.expect(200);
            },
            real_sign_in,
        )
        .await;
    }
}
