//! What an organization may ask of people whose accounts it does not manage, and what an admin may ask of owners.

use platform::access::Role;
use platform::ids::AccountId;
use platform::params;
use serde_json::{Value, json};
use testkit::authenticator::{Authenticator, app_shows};
use testkit::{Client, Kit, both_with};

use super::super::Rules;
use super::super::networks::Networks;
use super::{ALL, PATH, TRY};
use crate::factors::Level;
use crate::factors::tests::{account_of, enrol_app, manage};
use crate::kit::{PASSWORD, believed, mailed_link, real_sign_in, sign_up, try_password};
use crate::openid_provider::tests::{Rp, follow, landed, register, settings};

const MARA: &str = "mara@harbor-logistics.dev";
const EVE: &str = "eve@evil-holding.dev";
/// Where the kit's browsers come from, and where they do not.
const HERE: &str = "203.0.113.0/24";
const ELSEWHERE: &str = "198.51.100.9";
const EVIL: &str = "/api/v1/organizations/evil/policy";

fn asks(factor: Level) -> Value {
    serde_json::to_value(Rules { factor, ..Rules::RECOMMENDED }).unwrap()
}

fn only_here() -> Rules {
    Rules { networks: Some(Networks::parse_list(HERE).unwrap()), ..Rules::RECOMMENDED }
}

/// Mara, the owner of Harbor, whose account nobody manages.
async fn mara(kit: &Kit) -> Client {
    kit.organization("northwind").await;
    let mut mara = sign_up(kit, MARA).await;
    mara.post("/api/v1/organizations", json!({"name": "Harbor", "slug": "harbor"})).await.expect(201);
    mara
}

/// Eve, who founds Evil and makes Mara a member of it.
async fn eve(kit: &Kit) -> Client {
    let mut eve = sign_up(kit, EVE).await;
    eve.post("/api/v1/organizations", json!({"name": "Evil", "slug": "evil"})).await.expect(201);
    kit.member("evil", MARA, Role::Member).await;
    eve
}

#[tokio::test]
async fn a_strangers_policy_closes_only_the_strangers_pages_and_leaving_works() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let mut eve = eve(kit).await;
            let rules = Rules { factor: Level::Passkey, ..only_here() };
            eve.put(EVIL, serde_json::to_value(rules).unwrap()).await.expect(200);
            mara.get(PATH).await.expect(200);
            mara.get("/o/harbor/people").await.expect(200);
            mara.get("/api/v1/account").await.expect(200);
            let leave = "/account/organizations/evil/leave";
            let refused = mara.get("/api/v1/organizations/evil").await.expect(403).json();
            assert_eq!(refused["type"], "/problems/enrolment-required");
            // So it is for a session that begins now, a minute later, and from another network.
            let mut again = kit.nobody();
            try_password(&mut again, MARA, PASSWORD).await.expect(303);
            kit.advance(platform::time::MINUTE * 2);
            again.get(PATH).await.expect(200);
            again.get("/api/v1/organizations/evil").await.expect(403);
            let mut outside = again.clone().from_ip(ELSEWHERE);
            outside.get(leave).await.expect(200);
            outside.post("/api/v1/organizations/evil/leave", json!({})).await.expect(200);
            again.get("/api/v1/organizations/evil").await.expect(404);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn the_organization_that_manages_an_account_restricts_the_whole_session() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            kit.member("quay", MARA, Role::Member).await;
            let (harbor, account) = (kit.organization("harbor").await, account_of(&mut mara).await);
            mara.put(PATH, asks(Level::Mfa)).await.expect(200);
            mara.get("/api/v1/account").await.expect(200);
            mara.get(PATH).await.expect(403);
            manage(kit, harbor, account).await;
            kit.advance(platform::time::MINUTE * 2);
            let refused = mara.get("/api/v1/account").await.expect(403).json();
            assert_eq!(refused["type"], "/problems/enrolment-required");
            // Out of what does not manage the account there is always a way.
            mara.post("/api/v1/organizations/quay/leave", json!({})).await.expect(200);
            enrol_app(kit, &mut mara).await;
            mara.get("/api/v1/account").await.expect(200);
            mara.get(PATH).await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn an_attested_passkey_is_not_asked_for_while_no_make_is_listed() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let refused = mara.put(PATH, asks(Level::AttestedPasskey)).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "/factor");
            let rules = asks(Level::AttestedPasskey);
            let body = json!({"name": "Strict", "rules": rules, "accounts": [MARA]});
            mara.post(ALL, body).await.expect(422);
            let body = json!({"policy": "default", "change": {"rules": rules}});
            mara.post(TRY, body).await.expect(422);
            mara.put(PATH, asks(Level::Any)).await.expect(200);
            let stages = json!([{"at": kit.now().plus(platform::time::DAY).rfc3339(), "percent": 100}]);
            let plan = json!({"rules": rules, "stages": stages});
            let refused = mara.post(&format!("{ALL}/default/rollouts"), plan).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "/factor", "{refused}");
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn only_owners_decide_a_policy_that_names_an_owner() {
    both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let owner: AccountId = kit.member("harbor", "olga@harbor.example", Role::Owner).await;
            kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let rules = asks(Level::Mfa);
            let named = |name: &str, who: &str| json!({"name": name, "rules": rules, "accounts": [who]});
            let refused = admin.post(ALL, named("Owners", "olga@harbor.example")).await.expect(403).json();
            assert!(refused["detail"].as_str().unwrap().contains("names an owner"), "{refused}");
            admin.post(ALL, named("Ann", "ann@harbor.example")).await.expect(201);
            // Not through a group either.
            let made = admin.post("/api/v1/organizations/harbor/groups", json!({"name": "Board"})).await;
            let group = made.expect(201).json()["id"].as_str().unwrap().to_owned();
            let member = format!("/api/v1/organizations/harbor/groups/{group}/members/{owner}");
            assert!(admin.put(&member, json!({})).await.status.is_success());
            let through = json!({"name": "Board", "rules": rules, "groups": ["board"]});
            admin.post(ALL, through.clone()).await.expect(403);
            let mut olga = kit.browser_of(owner).await;
            olga.post(ALL, through).await.expect(201);
            let made = olga.post(ALL, named("Owners", "olga@harbor.example")).await.expect(201).json();
            let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
            admin.put(&one, named("Owners", "ann@harbor.example")).await.expect(403);
            admin.delete(&one).await.expect(403);
            olga.delete(&one).await.expect(204);
        },
        believed,
    )
    .await;
}

/// The upper rungs are worth more than a code: it does not buy a passkey.
#[tokio::test]
async fn a_code_does_not_add_a_passkey_where_a_policy_asks_for_one() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let (secret, codes) = enrol_app(kit, &mut mara).await;
            let origin = kit.app.config().public_origin();
            let mut own = Authenticator::new(&origin);
            own.enrol(&mut mara).await.expect(201);
            mara.put(PATH, asks(Level::Passkey)).await.expect(200);
            mara.get(PATH).await.expect(200);
            let given = |code: String| json!({ "totp": code });
            kit.advance(platform::time::MINUTE);
            let proofs = [given(app_shows(&secret, kit.now())), json!({ "recovery_code": codes[0] })];
            for proof in proofs {
                // Who phished the password and one code.
                let mut thief = kit.nobody();
                thief.get("/sign-in").await.expect(200);
                let body = json!({ "email": MARA, "password": PASSWORD });
                thief.post("/api/v1/sessions", body).await;
                thief.post("/api/v1/sessions/second-step", proof).await.expect(201);
                thief.get("/account/factors").await.expect(200);
                thief.get(PATH).await.expect(403);
                let refused = Authenticator::new(&origin).enrol(&mut thief).await.expect(403).json();
                assert_eq!(refused["type"], "/problems/step-up-required");
                thief.delete("/api/v1/account/totp").await.expect(403);
                thief.get(PATH).await.expect(403);
            }
            // Its owner adds another one.
            Authenticator::new(&origin).enrol(&mut mara).await.expect(201);
        },
        real_sign_in,
    )
    .await;
}

async fn link_of(kit: &Kit, account: AccountId) -> String {
    let ctx = kit.ctx();
    let at = ctx.clone();
    let made = kit.app.db().write(&ctx, move |tx| {
        let account = platform::principals::account(tx, account)?.expect("an account");
        crate::login::create_link(&at, tx, &account)
    });
    format!("/sign-in/link/{}", made.await.unwrap().value.text())
}

#[tokio::test]
async fn every_way_to_sign_in_asks_the_network_list() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let account = account_of(&mut mara).await;
            mara.put(PATH, serde_json::to_value(only_here()).unwrap()).await.expect(200);
            let refused = "/problems/network-not-allowed";
            // A link of the operator's.
            let mut other = kit.nobody().from_ip(ELSEWHERE);
            let link = link_of(kit, account).await;
            other.get(&link).await.expect(200);
            other.submit(&link, &[]).await.expect(403);
            other.get("/account").await.expect(303);
            // Recovery sets the password, and signs nobody in from there.
            other.post("/api/v1/recoveries", json!({ "email": MARA })).await.expect(202);
            let link = mailed_link(kit, MARA).await;
            other.get(&link).await.expect(200);
            other.submit(&link, &[("password", "eleven quiet lanterns by the quay")]).await.expect(403);
            other.get("/account").await.expect(303);
            let mut mara = kit.nobody();
            try_password(&mut mara, MARA, "eleven quiet lanterns by the quay").await.expect(303);
            mara.get("/account").await.expect(200);
            // A passkey alone.
            let mut key = Authenticator::new(&kit.app.config().public_origin());
            key.enrol(&mut mara).await.expect(201);
            let answer = key.sign_in(&mut other).await.expect(403).json();
            assert_eq!(answer["type"], refused);
            other.get("/account").await.expect(303);
            key.sign_in(&mut kit.nobody()).await.expect(201);
            // A second step that goes on elsewhere than it began.
            let (secret, _) = enrol_app(kit, &mut mara).await;
            let mut here = kit.nobody();
            here.get("/sign-in").await.expect(200);
            let body = json!({ "email": MARA, "password": "eleven quiet lanterns by the quay" });
            here.post("/api/v1/sessions", body).await;
            kit.advance(platform::time::MINUTE);
            let proof = json!({ "totp": app_shows(&secret, kit.now()) });
            let mut moved = here.from_ip(ELSEWHERE);
            let answer = moved.post("/api/v1/sessions/second-step", proof).await.expect(403).json();
            assert_eq!(answer["type"], refused);
            let northwind = kit.organization("northwind").await;
            let barred =
                kit.actions(northwind).await.into_iter().filter(|one| one == "sign_in.barred").count();
            assert_eq!(barred, 4);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn products_give_no_code_to_a_session_outside_the_network_list() {
    both_with(
        async |kit| {
            let rp: Rp = register(kit, settings()).await;
            let mut mara = mara(kit).await;
            mara.put(PATH, serde_json::to_value(only_here()).unwrap()).await.expect(200);
            assert!(landed(&mut mara, &rp.request(&[])).await.contains_key("code"));
            let mut stolen = mara.clone().from_ip(ELSEWHERE);
            let answer = landed(&mut stolen, &rp.request(&[])).await;
            assert_eq!(answer.get("error").map(String::as_str), Some("access_denied"), "{answer:?}");
            assert!(!answer.contains_key("code"));
            // The way over the question, too.
            let asked = rp.request(&[("prompt", "consent")]);
            let answer = landed(&mut stolen, &asked).await;
            assert_eq!(answer.get("error").map(String::as_str), Some("access_denied"), "{answer:?}");
            let (at, _) = follow(&mut mara, &asked).await.expect_err("the question");
            let answer = stolen.get(&at).await;
            let to = crate::openid_provider::tests::hop_of(&answer).expect("leaves");
            assert!(to.contains("error=access_denied"), "{to}");
            stolen.get("/oauth/device").await.expect(200);
            stolen.submit("/oauth/device", &[("user_code", "BCDF-GHJK")]).await.expect(403);
        },
        real_sign_in,
    )
    .await;
}

platform::statements! {
    RESTRICTED: Platform = "select count(*) from sessions where account_id = $1 and restricted = 1";
}

/// A policy decided while a stranger's session runs does not mark it.
#[tokio::test]
async fn a_decision_of_a_stranger_marks_no_running_session() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let account = account_of(&mut mara).await;
            let mut eve = eve(kit).await;
            eve.put(EVIL, asks(Level::Passkey)).await.expect(200);
            let marked = kit.app.db().read(move |tx| tx.scalar::<u64>(&RESTRICTED, params![account]));
            assert_eq!(marked.await.unwrap(), Some(0));
        },
        real_sign_in,
    )
    .await;
}
