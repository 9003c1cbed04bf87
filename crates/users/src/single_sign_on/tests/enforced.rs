use platform::access::Role;
use platform::time::MINUTE;
use serde_json::{Value, json};
use testkit::Answer;

use super::{World, api, on_both, person};
use crate::kit::{PASSWORD, mailed_link, sign_up, try_password, was_told};

const MARA: &str = "mara@harbor.example";
const NILS: &str = "nils@harbor.example";
const POLICY: &str = "/api/v1/organizations/harbor/policy";

fn enforcing(connection: Option<&str>) -> Value {
    let mut rules = serde_json::to_value(crate::policies::Rules::RECOMMENDED).unwrap();
    rules["single_sign_on"] = json!(true);
    rules["single_sign_on_connection"] = json!(connection);
    rules
}

/// The owner comes through the provider, as the guard against locking oneself out asks, and enforces it.
pub(crate) async fn enforce(world: &mut World<'_>) {
    let connect = format!("/account/sign-in-methods/{}/connect", world.connection);
    let begun = world.owner.submit(&connect, &[]).await.expect(200);
    let mut owner = world.owner.clone();
    let who = person("owner@harbor.example");
    world.back(&mut owner, &super::leads_to(&begun), &who).await.expect(303);
    world.owner = owner;
    world.owner.put(POLICY, enforcing(None)).await.expect(200);
}

async fn password(world: &World<'_>, email: &str) -> Answer {
    try_password(&mut world.kit.nobody(), email, PASSWORD).await
}

#[tokio::test]
async fn nobody_enforces_what_does_not_work_or_would_lock_themselves_out() {
    on_both(async |mut world| {
        let refused = world.owner.put(POLICY, enforcing(None)).await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "/single_sign_on");
        assert!(
            refused["errors"][0]["detail"].as_str().unwrap().contains("nobody has signed in"),
            "{refused}"
        );
        world.signed_in(&person(MARA)).await;
        let refused = world.owner.put(POLICY, enforcing(None)).await.expect(422).json();
        assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("would lock you out"), "{refused}");
        let other = json!("0197a1c0-0000-7000-8000-000000000000");
        world.owner.put(POLICY, enforcing(other.as_str())).await.expect(422);
        enforce(&mut world).await;
    })
    .await;
}

#[tokio::test]
async fn passwords_links_and_recovery_are_off_where_single_sign_on_is_enforced() {
    on_both(async |mut world| {
        let mut browser = sign_up(world.kit, MARA).await;
        world.kit.member("harbor", MARA, Role::Member).await;
        let mut outside = sign_up(world.kit, "guest@elsewhere.example").await;
        world.kit.member("harbor", "guest@elsewhere.example", Role::Member).await;
        enforce(&mut world).await;
        // Sessions that were made another way end at once; people at domains of others are not bound.
        browser.get("/account").await.expect(303);
        outside.get("/account").await.expect(200);
        let answer = password(&world, MARA).await.expect(403);
        assert!(answer.text().contains("Single sign-on"), "{}", answer.text());
        password(&world, "guest@elsewhere.example").await.expect(303);
        // A wrong password tells nothing of it.
        try_password(&mut world.kit.nobody(), MARA, "not the password at all").await.expect(422);
        // Recovery mails where to sign in, and no link.
        browser.get("/recover").await.expect(200);
        browser.submit("/recover", &[("email", MARA)]).await.expect(200);
        assert!(was_told(world.kit, MARA, "there is no password to set").await);
        // A link of before opens nothing.
        let account = world.kit.account(MARA).await;
        let ctx = world.kit.ctx();
        let at = ctx.clone();
        let link = world.kit.app.db().write(&ctx, move |tx| {
            let person = platform::principals::account(tx, account)?.expect("an account");
            crate::login::create_link(&at, tx, &person)
        });
        let link = link.await.expect("a link").value.text();
        let mut browser = world.kit.nobody();
        browser.get(&format!("/sign-in/link/{link}")).await.expect(200);
        browser.submit(&format!("/sign-in/link/{link}"), &[]).await.expect(410);
        // The provider lets them in.
        let mut browser = world.signed_in(&person(MARA)).await;
        world.kit.advance(MINUTE * 2);
        browser.get("/account").await.expect(200);
        let northwind = world.kit.organization("northwind").await;
        assert!(world.kit.actions(northwind).await.iter().any(|one| one == "sign_in.barred"));
    })
    .await;
}

#[tokio::test]
async fn a_recovery_link_of_before_sets_no_password() {
    on_both(async |mut world| {
        sign_up(world.kit, MARA).await;
        world.kit.member("harbor", MARA, Role::Member).await;
        let mut browser = world.kit.nobody();
        browser.get("/recover").await.expect(200);
        browser.submit("/recover", &[("email", MARA)]).await.expect(200);
        let link = mailed_link(world.kit, MARA).await;
        enforce(&mut world).await;
        browser.get(&link).await.expect(200);
        browser.submit(&link, &[("password", "nine white geese under the bridge")]).await.expect(403);
        browser.get("/account").await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn somebody_who_comes_under_the_rule_later_is_signed_out_within_a_minute_of_use() {
    on_both(async |mut world| {
        let mut browser = sign_up(world.kit, NILS).await;
        enforce(&mut world).await;
        browser.get("/account").await.expect(200);
        world.kit.member("harbor", NILS, Role::Member).await;
        world.kit.advance(MINUTE);
        browser.get("/account").await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn another_connection_than_the_one_named_is_no_way_in() {
    on_both(async |mut world| {
        let second = super::upstream::Upstream::start().await;
        let body = super::new_connection(&second, "Second");
        let id = super::connected(&mut world.owner, "harbor", body).await;
        enforce(&mut world).await;
        world.owner.put(POLICY, enforcing(Some(&world.connection.clone()))).await.expect(200);
        world.signed_in(&person(MARA)).await;
        let mut browser = world.kit.nobody();
        let asked = super::leads_to(&browser.get(&format!("/sign-in/sso/{id}")).await.expect(200));
        let back = second.approve(&asked, &person(NILS), super::seconds(world.kit));
        browser.get(&super::path_of(&back)).await.expect(403);
        browser.get("/account").await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_a_policy_needs_is_not_disabled() {
    on_both(async |mut world| {
        enforce(&mut world).await;
        let path = format!("{}/{}", api("harbor"), world.connection);
        let effect = world.owner.get(&format!("{path}/disabling")).await.expect(200).json();
        assert_eq!(effect["policies"], json!(["Default"]));
        world.owner.post(&format!("{path}/disable"), json!({})).await.expect(409);
        let page = format!("/o/harbor/connections/{}/disable", world.connection);
        assert!(world.owner.get(&page).await.expect(200).text().contains("nobody could sign in"));
        let recommended = serde_json::to_value(crate::policies::Rules::RECOMMENDED).unwrap();
        world.owner.put(POLICY, recommended).await.expect(200);
        world.owner.post(&format!("{path}/disable"), json!({})).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn break_glass_lets_two_owners_in_with_their_passwords_when_the_provider_is_gone() {
    on_both(async |mut world| {
        let mut codes = Vec::new();
        for email in [MARA, NILS] {
            let mut owner = sign_up(world.kit, email).await;
            world.kit.member("harbor", email, Role::Owner).await;
            let made = owner.post("/api/v1/organizations/harbor/break-glass/code", json!({})).await.expect(201);
            codes.push((email, made.json()["code"].as_str().unwrap().to_owned()));
        }
        enforce(&mut world).await;
        password(&world, MARA).await.expect(403);
        for (email, code) in &codes {
            let knock = json!({
                "organization": "harbor", "email": email, "code": code, "reason": "the provider is down", "hours": 1,
            });
            world.kit.nobody().post("/api/v1/break-glass", knock).await.expect(200);
        }
        password(&world, MARA).await.expect(303);
        world.kit.settle().await;
    })
    .await;
}
