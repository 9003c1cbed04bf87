//! The ladder, the rules about one's own factors, and an admin's reset.

use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::{HOUR, MINUTE};
use serde_json::json;
use testkit::authenticator::{Authenticator, app_shows};
use testkit::{Client, Kit, both_with};

use super::Level;
use crate::kit::{PASSWORD, real_sign_in, sign_up, try_password, was_told};

const MARA: &str = "mara@harbor-logistics.dev";

platform::statements! {
    MANAGE: Platform = "update accounts set managed_by = $2, managed_since = $3 where id = $1";
}

/// Enrols an authenticator app; gives its secret and the recovery codes.
pub(crate) async fn enrol_app(kit: &Kit, browser: &mut Client) -> (String, Vec<String>) {
    let begun = browser.post("/api/v1/account/totp", json!({})).await.expect(201).json();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/"));
    let body = json!({ "code": app_shows(&secret, kit.now()) });
    let done = browser.post("/api/v1/account/totp/confirmation", body).await.expect(200).json();
    let codes = done["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

pub(crate) async fn account_of(browser: &mut Client) -> AccountId {
    let account = browser.get("/api/v1/account").await.expect(200).json();
    account["id"].as_str().unwrap().parse().unwrap()
}

/// As after a claim.
pub(crate) async fn manage(kit: &Kit, organization: OrganizationId, account: AccountId) {
    let ctx = kit.ctx();
    let now = ctx.now;
    let rule = move |tx: &mut platform::db::Tx| {
        tx.execute(&MANAGE, params![account, organization, now])?;
        let recorded = tx.record(Event::new(organization, "account.claimed").target("account", account));
        Ok::<_, DbError>(Commit::changed((), recorded))
    };
    kit.app.db().write(&ctx, rule).await.unwrap();
}

#[test]
fn the_ladder_is_ordered_and_has_one_spelling() {
    assert!(Level::ALL.is_sorted());
    for level in Level::ALL {
        assert_eq!(Level::parse(level.as_str()), Some(level));
        assert_eq!(Level::from_rank(level.rank()), level);
        assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{}\"", level.as_str()));
    }
    assert_eq!(Level::parse("Mfa"), None);
    assert_eq!(Level::from_rank(-1), Level::Any);
}

#[tokio::test]
async fn an_app_is_enrolled_by_its_first_code_and_its_secret_is_never_shown_again() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let first = mara.post("/api/v1/account/totp", json!({})).await.expect(201).json();
            // Begun again before it was confirmed: the first secret is void.
            let begun = mara.post("/api/v1/account/totp", json!({})).await.expect(201).json();
            let (first, secret) = (first["secret"].as_str().unwrap(), begun["secret"].as_str().unwrap());
            assert_ne!(first, secret);
            for wrong in ["000000", "", &app_shows(first, kit.now())] {
                let body = json!({ "code": wrong });
                mara.post("/api/v1/account/totp/confirmation", body).await.expect(422);
            }
            assert_eq!(mara.get("/api/v1/account/factors").await.json()["reachable"], "any");
            let page = mara.get("/account/factors/totp").await.expect(200);
            assert_eq!(page.header("cache-control"), Some("no-store"));
            let text = page.text();
            assert!(text.contains("<svg class=\"qr\"") && !text.contains("style="), "{text}");
            let body = json!({ "code": app_shows(secret, kit.now()) });
            let done = mara.post("/api/v1/account/totp/confirmation", body).await.expect(200).json();
            assert_eq!(done["recovery_codes"].as_array().unwrap().len(), 10);
            let factors = mara.get("/api/v1/account/factors").await.expect(200).json();
            assert_eq!((&factors["reachable"], &factors["reached"]), (&json!("mfa"), &json!("mfa")));
            mara.get("/account/factors/totp").await.expect(303);
            mara.post("/api/v1/account/totp", json!({})).await.expect(409);
            assert!(was_told(kit, MARA, "authenticator app was added").await);
        },
        real_sign_in,
    )
    .await;
}

platform::statements! {
    STORED: Platform = "select secret from totp_factors";
    CODES: Platform = "select code_hash from recovery_codes";
}

#[tokio::test]
async fn the_store_holds_neither_secret_nor_code_in_clear() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (secret, codes) = enrol_app(kit, &mut mara).await;
            let (stored, hashes) = kit
                .app
                .db()
                .read(|tx| {
                    let stored: Vec<u8> = tx.scalar(&STORED, params![])?.unwrap();
                    let hashes = tx.list(&CODES, params![], |row| row.get::<Vec<u8>>(0))?;
                    Ok::<_, DbError>((stored, hashes))
                })
                .await
                .unwrap();
            // Sealed: a key id, a nonce and a tag around 20 bytes and the id of the session that began.
            assert_eq!(stored.len(), 17 + 20 + 16 + 16);
            assert!(!String::from_utf8_lossy(&stored).contains(&secret));
            assert_eq!(hashes.len(), 10);
            for code in codes {
                let plain = code.replace('-', "");
                let sha = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, plain.as_bytes());
                assert!(hashes.iter().all(|hash| hash != plain.as_bytes() && hash != sha.as_ref()));
            }
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn an_older_session_that_proved_no_factor_changes_none() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            // Somebody else's browser, signed in with the password before there was a factor.
            let mut thief = kit.nobody();
            try_password(&mut thief, MARA, PASSWORD).await.expect(303);
            thief.get("/account").await.expect(200);
            let (secret, _) = enrol_app(kit, &mut mara).await;
            for answer in [
                thief.delete("/api/v1/account/totp").await,
                thief.post("/api/v1/account/recovery-codes", json!({})).await,
                Authenticator::new(&kit.app.config().public_origin()).enrol(&mut thief).await,
            ] {
                let answer = answer.expect(403);
                assert_eq!(answer.json()["type"], "/problems/step-up-required");
            }
            // The password does not lift it; the code does.
            let confirm = "/api/v1/account/confirmations";
            thief.post(confirm, json!({ "password": PASSWORD })).await.expect(403);
            kit.advance(MINUTE);
            let code = app_shows(&secret, kit.now());
            thief.post(confirm, json!({ "password": PASSWORD, "totp": code })).await.expect(204);
            thief.post("/api/v1/account/recovery-codes", json!({})).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn removing_the_last_factor_takes_the_recovery_codes_along() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let (_, codes) = enrol_app(kit, &mut mara).await;
            let made = mara.post("/api/v1/account/recovery-codes", json!({})).await.expect(201).json();
            assert_ne!(made["recovery_codes"][0], codes[0].as_str());
            mara.delete("/api/v1/account/totp").await.expect(204);
            mara.delete("/api/v1/account/totp").await.expect(404);
            let factors = mara.get("/api/v1/account/factors").await.json();
            assert_eq!((&factors["reachable"], &factors["recovery_codes_left"]), (&json!("any"), &json!(0)));
            mara.post("/api/v1/account/recovery-codes", json!({})).await.expect(409);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn an_admin_resets_managed_accounts_only_and_the_person_is_told() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            let mut mara = sign_up(kit, MARA).await;
            let id = account_of(&mut mara).await;
            kit.member("harbor", MARA, Role::Member).await;
            enrol_app(kit, &mut mara).await;
            let mut admin = sign_up(kit, "ada@harbor-logistics.dev").await;
            kit.member("harbor", "ada@harbor-logistics.dev", Role::Admin).await;
            let person = format!("/api/v1/organizations/harbor/people/{id}");
            let (look, reset) = (format!("{person}/factors"), format!("{person}/factor-reset"));
            let seen = admin.get(&look).await.expect(200).json();
            assert_eq!((&seen["managed"], &seen["totp"]), (&json!(false), &json!(null)));
            admin.post(&reset, json!({})).await.expect(409);
            manage(kit, harbor, id).await;
            let seen = admin.get(&look).await.expect(200).json();
            assert_eq!((&seen["totp"], &seen["reachable"]), (&json!(true), &json!("mfa")));
            // Not with an old proof.
            kit.advance(HOUR * 2);
            let refused = admin.post(&reset, json!({})).await.expect(403).json();
            assert_eq!(refused["type"], "/problems/step-up-required");
            let confirm = "/api/v1/account/confirmations";
            admin.post(confirm, json!({ "password": PASSWORD })).await.expect(204);
            admin.post(&reset, json!({})).await.expect(204);
            mara.get("/account").await.expect(303);
            assert!(was_told(kit, MARA, "reset by an administrator").await);
            assert!(kit.actions(harbor).await.contains(&"factor.reset".to_owned()));
            admin.post(&reset, json!({})).await.expect(409);
            let mut again = kit.nobody();
            try_password(&mut again, MARA, PASSWORD).await.expect(303);
            again.get("/account").await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn an_admin_does_not_reset_an_owner_nor_the_providers_staff() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            let mut admin = sign_up(kit, "ada@harbor-logistics.dev").await;
            kit.member("harbor", "ada@harbor-logistics.dev", Role::Admin).await;
            for (email, role, staff, status) in [
                ("olga@harbor-logistics.dev", Role::Owner, false, 403),
                ("nora@harbor-logistics.dev", Role::Member, true, 409),
            ] {
                let mut person = sign_up(kit, email).await;
                let id = account_of(&mut person).await;
                kit.member("harbor", email, role).await;
                if staff {
                    kit.member("northwind", email, Role::Admin).await;
                }
                manage(kit, harbor, id).await;
                enrol_app(kit, &mut person).await;
                let reset = format!("/api/v1/organizations/harbor/people/{id}/factor-reset");
                admin.post(&reset, json!({})).await.expect(status);
                person.get("/account").await.expect(200);
            }
        },
        real_sign_in,
    )
    .await;
}

platform::statements! {
    RESTRICT: Platform = "update sessions set restricted = 1 where account_id = $1";
}

/// What a policy that asks for more than was proved leaves open: enrolling, confirming, leaving.
#[tokio::test]
async fn a_restricted_session_does_nothing_but_enrol() {
    both_with(
        async |kit| {
            let provider = kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            kit.member("harbor", MARA, Role::Owner).await;
            let id = account_of(&mut mara).await;
            let ctx = kit.ctx();
            let rule = move |tx: &mut platform::db::Tx| {
                tx.execute(&RESTRICT, params![id])?;
                let recorded = tx.record(Event::new(provider, "session.restricted"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            };
            kit.app.db().write(&ctx, rule).await.unwrap();
            for page in ["/account", "/o/harbor/people", "/account/sessions", "/organizations/new"] {
                assert_eq!(mara.get(page).await.expect(303).location(), "/account/factors", "{page}");
            }
            for path in ["/api/v1/account", "/api/v1/organizations/harbor/people"] {
                let refused = mara.get(path).await.expect(403).json();
                assert_eq!(refused["type"], "/problems/enrolment-required");
            }
            mara.get("/account/factors").await.expect(200);
            mara.get("/confirm").await.expect(200);
            let factors = mara.get("/api/v1/account/factors").await.expect(200).json();
            assert_eq!(factors["restricted"], true);
            enrol_app(kit, &mut mara).await;
            mara.get("/account").await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

/// Security: a session from before the first factor knows the password, perhaps, and not what was added since.
#[tokio::test]
async fn a_session_that_proved_less_neither_changes_the_password_nor_sees_the_secret() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, MARA).await;
            let mut before = kit.nobody();
            try_password(&mut before, MARA, PASSWORD).await.expect(303);
            before.get("/account").await.expect(200);
            let begun = mara.post("/api/v1/account/totp", json!({})).await.expect(201).json();
            let secret = begun["secret"].as_str().unwrap();
            let shows = |page: &testkit::Answer| page.text().replace(' ', "").contains(secret);
            assert!(shows(&mara.get("/account/factors/totp").await.expect(200)));
            let other = before.get("/account/factors/totp").await.expect(303);
            assert!(!shows(&other), "another session may be somebody else's");
            let body = json!({ "code": app_shows(secret, kit.now()) });
            mara.post("/api/v1/account/totp/confirmation", body).await.expect(200);
            let change = json!({ "current": PASSWORD, "password": "sixth-Zebra-82-cloud-xq" });
            let refused = before.put("/api/v1/account/password", change.clone()).await.expect(403).json();
            assert_eq!(refused["type"], "/problems/step-up-required");
            let form = [("current", PASSWORD), ("password", "sixth-Zebra-82-cloud-xq")];
            before.submit("/account/password", &form).await;
            mara.get("/api/v1/account").await.expect(200);
            mara.put("/api/v1/account/password", change).await.expect(204);
            before.get("/api/v1/account").await.expect(401);
        },
        real_sign_in,
    )
    .await;
}
