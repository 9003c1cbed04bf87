//! What policies forbid does not happen: networks, API tokens, sessions of people who come under stricter rules.

use platform::time::{DAY, HOUR, MINUTE};
use serde_json::{Value, json};
use testkit::{Client, Kit, both_with};

use super::super::Rules;
use super::super::networks::Networks;
use super::{ALL, PATH};
use crate::kit::{PASSWORD, real_sign_in, sign_up, try_password};

/// Where the kit's browsers come from.
const HERE: &str = "203.0.113.0/24";
const ELSEWHERE: &str = "198.51.100.9";
const MARA: &str = "mara@harbor-logistics.dev";

fn with(change: impl Fn(&mut Rules)) -> Value {
    let mut rules = Rules::RECOMMENDED;
    change(&mut rules);
    serde_json::to_value(rules).unwrap()
}

fn only(list: &'static str) -> Value {
    with(move |rules| rules.networks = Some(Networks::parse_list(list).unwrap()))
}

/// Mara, the owner of Harbor, with a session of her own.
async fn mara(kit: &Kit) -> Client {
    kit.organization("northwind").await;
    let mut mara = sign_up(kit, MARA).await;
    mara.post("/api/v1/organizations", json!({"name": "Harbor", "slug": "harbor"})).await.expect(201);
    mara
}

async fn token(mara: &mut Client, kit: &Kit, days: u32) -> Client {
    let body = json!({"name": "ci", "scopes": ["policies.read"], "expires_in_days": days});
    let made = mara.post("/api/v1/organizations/harbor/api-tokens", body).await.expect(201).json();
    kit.nobody().with_token(made["secret"].as_str().unwrap())
}

#[tokio::test]
async fn a_network_list_holds_for_the_console_the_api_and_tokens() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let mut ci = token(&mut mara, kit, 30).await;
            mara.put(PATH, only(HERE)).await.expect(200);
            ci.get(PATH).await.expect(200);
            mara.get("/o/harbor/policies").await.expect(200);
            // The same cookie and the same token from elsewhere.
            let mut stolen = mara.clone().from_ip(ELSEWHERE);
            let refused = stolen.get(PATH).await.expect(403).json();
            assert_eq!(refused["type"], "/problems/network-not-allowed");
            assert!(refused["cure"].as_str().unwrap().contains("network"));
            stolen.get("/o/harbor/people").await.expect(403);
            stolen.put(PATH, with(|_| ())).await.expect(403);
            // Wrapped into IPv6 it is the same address.
            mara.clone().from_ip("::ffff:203.0.113.9").get(PATH).await.expect(200);
            mara.clone().from_ip("2001:db8::1").get(PATH).await.expect(403);
            ci.clone().from_ip(ELSEWHERE).get(PATH).await.expect(403);
            // Her own pages belong to no organization here, and she can sign out.
            stolen.get("/account").await.expect(200);
            mara.put(PATH, with(|_| ())).await.expect(200);
            stolen.get(PATH).await.expect(200);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn signing_in_from_elsewhere_is_barred_only_when_every_organization_bars_it() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            mara.put(PATH, only(HERE)).await.expect(200);
            let mut other = kit.nobody().from_ip(ELSEWHERE);
            let page = try_password(&mut other, MARA, PASSWORD).await.expect(403).text();
            assert!(page.contains("Harbor lets people sign in only from its own networks"), "{page}");
            // Who does not know the password is told nothing of it.
            let page = try_password(&mut other, MARA, "something else entirely").await.expect(422).text();
            assert!(!page.contains("Harbor"), "{page}");
            let body = json!({"email": MARA, "password": PASSWORD});
            other.post("/api/v1/sessions", body.clone()).await.expect(403);
            let harbor = kit.organization("harbor").await;
            let northwind = kit.organization("northwind").await;
            assert!(kit.actions(northwind).await.contains(&"sign_in.barred".to_owned()));
            // With a second organization that does not mind, she gets in, and Harbor stays closed from there.
            mara.post("/api/v1/organizations", json!({"name": "Quay", "slug": "quay"})).await.expect(201);
            try_password(&mut other, MARA, PASSWORD).await.expect(303);
            other.get("/api/v1/organizations/quay/policy").await.expect(200);
            other.get(PATH).await.expect(403);
            let _ = harbor;
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn nobody_saves_a_list_that_locks_themselves_out() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let refused = mara.put(PATH, only("198.51.100.0/24")).await.expect(422).json();
            assert_eq!(refused["type"], "/problems/locks-you-out");
            assert!(refused["detail"].as_str().unwrap().contains("203.0.113.7"), "{refused}");
            let named = json!({"name": "Me", "rules": only("198.51.100.0/24"), "accounts": [MARA]});
            mara.post(ALL, named).await.expect(422);
            // Under two lists at once only what both hold counts.
            mara.put(PATH, only("203.0.113.0/25, 198.51.100.0/24")).await.expect(200);
            let empty = json!({"name": "None", "rules": with(|r| r.networks = Some(Networks::default()))});
            let refused = mara.post(ALL, empty).await.expect(422).json();
            assert_eq!(refused["errors"][0]["pointer"], "/networks");
            assert_eq!(mara.get(PATH).await.expect(200).json()["version"], 1);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn tokens_die_with_the_rules_they_were_made_under() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let mut ci = token(&mut mara, kit, 60).await;
            let change = |rules: Value| json!({"policy": "default", "change": {"rules": rules}});
            let run =
                mara.post(super::TRY, change(with(|r| r.api_token_max_days = 7))).await.expect(200).json();
            assert_eq!(run["tokens_ending"], json!(["ci"]));
            mara.put(PATH, with(|r| r.api_token_max_days = 7)).await.expect(200);
            ci.get(PATH).await.expect(200);
            let body = json!({"name": "ci", "scopes": ["policies.read"], "expires_in_days": 8});
            mara.post("/api/v1/organizations/harbor/api-tokens", body.clone()).await.expect(422);
            kit.advance(HOUR * (7 * 24));
            ci.get(PATH).await.expect(401);
            // Until somebody allows it again; then they stop at once.
            let mut mara = kit.nobody();
            try_password(&mut mara, MARA, PASSWORD).await.expect(303);
            mara.get("/account").await.expect(200);
            mara.put(PATH, with(|_| ())).await.expect(200);
            ci.get(PATH).await.expect(200);
            mara.put(PATH, with(|r| r.api_tokens = false)).await.expect(200);
            ci.get(PATH).await.expect(401);
            mara.post("/api/v1/organizations/harbor/api-tokens", body).await.expect(403);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_session_follows_its_person_into_a_stricter_group() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let made = mara.post("/api/v1/organizations/harbor/groups", json!({"name": "Admins"})).await;
            let group = made.expect(201).json()["id"].as_str().unwrap().to_owned();
            let strict = with(|r| {
                r.session_idle_minutes = 10;
                r.session_absolute_hours = 2;
            });
            mara.post(ALL, json!({"name": "A", "rules": strict, "groups": ["Admins"]})).await.expect(201);
            for _ in 0..4 {
                kit.advance(MINUTE * 20);
                mara.get("/account").await.expect(200);
            }
            let me = kit.account(MARA).await;
            let member = format!("/api/v1/organizations/harbor/groups/{group}/members/{me}");
            assert!(mara.put(&member, json!({})).await.status.is_success());
            kit.advance(MINUTE * 9);
            mara.get("/account").await.expect(200);
            kit.advance(MINUTE * 11);
            mara.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_password_that_is_too_old_does_not_sign_in_where_a_policy_says_so() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            mara.put(PATH, with(|r| r.password_max_age_days = Some(30))).await.expect(200);
            kit.advance(DAY * 29);
            try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(303);
            kit.advance(DAY);
            let page = try_password(&mut kit.nobody(), MARA, PASSWORD).await.expect(403).text();
            assert!(page.contains("asks for a new password after 30 days"), "{page}");
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn the_dry_run_knows_where_people_came_from() {
    both_with(
        async |kit| {
            let mut mara = mara(kit).await;
            let change = |list| json!({"policy": "default", "change": {"rules": only(list)}});
            let run = mara.post(super::TRY, change("198.51.100.0/24")).await.expect(200).json();
            assert_eq!(run["summary"], "1 of 1 people would be locked out");
            assert_eq!(run["people"][0]["because"][0], "came from 203.0.113.7");
            try_password(&mut kit.nobody().from_ip(ELSEWHERE), MARA, PASSWORD).await.expect(303);
            let run = mara.post(super::TRY, change("198.51.100.0/24")).await.expect(200).json();
            assert_eq!((&run["locked_out"], &run["some_networks_refused"]), (&json!(0), &json!(1)));
            let run = mara.post(super::TRY, change("198.51.100.0/24, 203.0.113.7")).await.expect(200).json();
            assert_eq!((&run["locked_out"], &run["some_networks_refused"]), (&json!(0), &json!(0)));
        },
        real_sign_in,
    )
    .await;
}
