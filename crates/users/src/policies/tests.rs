//! Policies: the strictest wins, sessions shorten at once, a dry run tells what then happens, the row follows.

use platform::access::Role;
use platform::evidence::Verdict;
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Kit, both_with};

use super::evidence::{DECIDED, PASSWORD_POLICY};
use super::{MIN_LENGTH_RECOMMENDED, Rules};
use crate::kit::{believed, real_sign_in, sign_up};

mod assigned;
mod directories;
mod enforced;
mod networks;
mod resolve;
mod rollout;
mod strangers;

const PATH: &str = "/api/v1/organizations/harbor/policy";

const ALL: &str = "/api/v1/organizations/harbor/policies";
const TRY: &str = "/api/v1/organizations/harbor/policies/dry-run";

fn rules(length: u16, hours: u32) -> Value {
    let rules = Rules { password_min_length: length, session_absolute_hours: hours, ..Rules::RECOMMENDED };
    serde_json::to_value(rules).unwrap()
}

async fn verdict(kit: &Kit) -> Verdict {
    let (id, now) = (kit.organization("harbor").await, kit.now());
    kit.app.db().read(move |tx| (PASSWORD_POLICY.evaluate)(tx, id, now)).await.unwrap().state
}

async fn decided(kit: &Kit) -> (Verdict, String) {
    let (id, now) = (kit.organization("harbor").await, kit.now());
    let finding = kit.app.db().read(move |tx| (DECIDED.evaluate)(tx, id, now)).await.unwrap();
    (finding.state, finding.reason)
}

#[tokio::test]
async fn usr_c4_breaks_with_the_untouched_default_and_with_a_year() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let (state, reason) = decided(kit).await;
            assert_eq!(state, Verdict::NotMet, "the untouched default");
            assert!(reason.starts_with("2 of 2 people"), "{reason}");
            admin.put(PATH, rules(15, 720)).await.expect(200);
            assert_eq!(decided(kit).await.0, Verdict::Met);
            kit.advance(DAY * 300);
            let body = json!({"name": "Admins", "rules": rules(16, 24), "accounts": ["ann@harbor.example"]});
            admin.post(ALL, body).await.expect(201);
            kit.advance(DAY * 64);
            assert_eq!(decided(kit).await.0, Verdict::Met);
            kit.advance(DAY * 2);
            let (state, reason) = decided(kit).await;
            assert_eq!(state, Verdict::NotMet, "ann is covered, the admin's default is a year old");
            assert!(reason.contains("Default"), "{reason}");
            admin.put(PATH, rules(15, 720)).await.expect(200);
            assert_eq!(decided(kit).await.0, Verdict::Met, "decided again");
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn usr_c7_follows_the_decision_its_weakening_and_its_undoing() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            assert_eq!(verdict(kit).await, Verdict::NotMet, "nobody has decided");
            admin.put(PATH, rules(MIN_LENGTH_RECOMMENDED, 720)).await.expect(200);
            assert_eq!(verdict(kit).await, Verdict::Met);
            admin.put(PATH, rules(10, 720)).await.expect(200);
            assert_eq!(verdict(kit).await, Verdict::NotMet, "weaker than recommended");
            admin.post(&format!("{PATH}/undo"), json!({})).await.expect(200);
            assert_eq!(verdict(kit).await, Verdict::Met);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn out_of_bounds_is_refused_whole_with_every_member_named() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let answer = admin.put(PATH, rules(7, 0)).await.expect(422).json();
            let named: Vec<_> =
                answer["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
            assert_eq!(named, ["/password_min_length", "/session_absolute_hours"]);
            assert_eq!(admin.get(PATH).await.expect(200).json()["version"], 0);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn a_decision_on_an_old_version_is_refused() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let etag = admin.get(PATH).await.expect(200).header("etag").unwrap().to_owned();
            admin.put(PATH, rules(16, 720)).await.expect(200);
            admin.clone().with_header("if-match", &etag).put(PATH, rules(20, 720)).await.expect(412);
            kit.as_role("harbor", Role::Auditor).await.put(PATH, rules(20, 720)).await.expect(403);
            kit.owner_of("meridian").await.put(PATH, rules(20, 720)).await.expect(404);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn a_shorter_session_ends_running_ones_as_the_dry_run_said() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut mara = sign_up(kit, "mara@harbor-logistics.dev").await;
            let created =
                mara.post("/api/v1/organizations", json!({"name": "Harbor", "slug": "harbor"})).await;
            created.expect(201);
            for _ in 0..6 {
                kit.advance(HOUR * 10);
                mara.get("/account").await.expect(200);
            }
            let counted = mara
                .post(TRY, json!({"policy": "default", "change": {"rules": rules(15, 24)}}))
                .await
                .expect(200)
                .json();
            assert_eq!(counted["sessions_ending"], 1);
            // Signed in days ago: it takes a proof again.
            mara.put(PATH, rules(15, 24)).await.expect(403);
            let proof = json!({ "password": crate::kit::PASSWORD });
            mara.post("/api/v1/account/confirmations", proof).await.expect(204);
            mara.put(PATH, rules(15, 24)).await.expect(200);
            mara.get("/account").await.expect(303);
            let mut again = kit.nobody();
            crate::kit::try_password(&mut again, "mara@harbor-logistics.dev", crate::kit::PASSWORD)
                .await
                .expect(303);
            kit.advance(HOUR * 11);
            again.get("/account").await.expect(200);
            kit.advance(HOUR * 14);
            again.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn the_strictest_of_two_organizations_wins_and_neither_is_told_of_the_other() {
    both_with(
        async |kit| {
            let account = kit.member("harbor", "mara@harbor.example", Role::Admin).await;
            kit.member("meridian", "mara@harbor.example", Role::Member).await;
            let mut harbor = kit.browser_of(account).await;
            harbor.put(PATH, rules(20, 720)).await.expect(200);
            let mut meridian = kit.owner_of("meridian").await;
            meridian.put("/api/v1/organizations/meridian/policy", rules(16, 8)).await.expect(200);
            let told = harbor.get(&format!("{ALL}/explain?account={account}")).await.expect(200).json();
            assert_eq!(told["rules"]["password_min_length"], 20);
            assert_eq!(told["rules"]["session_absolute_hours"], 8);
            assert!(!told.to_string().contains("Meridian"), "{told}");
        },
        believed,
    )
    .await;
}

/// ASVS 2.3.4: two who decide at the same moment on the same version do not overwrite each other unseen.
#[tokio::test]
async fn two_decisions_at_once_leave_one() {
    both_with(
        async |kit| {
            let mut one = kit.as_role("harbor", Role::Admin).await;
            let mut two = kit.owner_of("harbor").await;
            let etag = one.get(PATH).await.expect(200).header("etag").unwrap().to_owned();
            one = one.with_header("if-match", &etag);
            two = two.with_header("if-match", &etag);
            let answers = tokio::join!(one.put(PATH, rules(16, 720)), two.put(PATH, rules(20, 48)));
            let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
            let kept = if statuses[0] == 200 { 16 } else { 20 };
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 412]);
            let now = kit.owner_of("harbor").await.get(PATH).await.expect(200).json();
            assert_eq!((&now["version"], &now["rules"]["password_min_length"]), (&json!(1), &json!(kept)));
        },
        believed,
    )
    .await;
}
