use axum::http::Method;
use serde_json::json;
use testkit::Answer;

use super::{World, api, leads_to, on_both, person, seconds};

const MARA: &str = "mara@harbor.example";

async fn told(world: &World<'_>, token: &str) -> Answer {
    let path = format!("/sign-in/sso/{}/backchannel-logout", world.connection);
    let body = format!("logout_token={token}").into_bytes();
    let kind = Some("application/x-www-form-urlencoded");
    world.kit.nobody().send(Method::POST, &path, kind, body).await
}

#[tokio::test]
async fn signing_out_here_leads_on_to_the_provider() {
    on_both(async |mut world| {
        let mut browser = world.signed_in(&person(MARA)).await;
        let away = browser.submit("/sign-out", &[]).await.expect(200);
        let address = leads_to(&away);
        assert!(address.as_str().starts_with(&format!("{}/logout?", world.upstream.issuer)));
        let says = |name: &str| address.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
        assert_eq!(says("client_id").as_deref(), Some(super::CLIENT));
        assert!(says("post_logout_redirect_uri").unwrap().ends_with("/sign-in"));
        browser.get("/account").await.expect(303);
        world.change(json!({ "sign_out_upstream": false })).await;
        let mut browser = world.signed_in(&person(MARA)).await;
        assert_eq!(browser.submit("/sign-out", &[]).await.expect(303).location(), "/sign-in");
    })
    .await;
}

#[tokio::test]
async fn a_sign_out_at_the_provider_ends_the_session_here() {
    on_both(async |world| {
        let session = |sid: &str| {
            let mut who = person(MARA);
            who["sid"] = json!(sid);
            who
        };
        let mut one = world.signed_in(&session("one")).await;
        let mut two = world.signed_in(&session("two")).await;
        let now = seconds(world.kit);
        let token = world.upstream.logout_token(now, |claims| {
            claims.insert("sid".into(), json!("one"));
        });
        told(&world, &token).await.expect(200);
        one.get("/account").await.expect(303);
        two.get("/account").await.expect(200);
        told(&world, &token).await.expect(400);
        // All of a subject.
        let token = world.upstream.logout_token(now, |claims| {
            claims.insert("jti".into(), json!("logout-2"));
            claims.insert("sub".into(), person(MARA)["sub"].clone());
        });
        told(&world, &token).await.expect(200);
        two.get("/account").await.expect(303);
        assert!(world.actions().await.iter().any(|one| one == "single_sign_on.logged_out"));
    })
    .await;
}

#[tokio::test]
async fn a_logout_token_that_is_not_one_ends_nothing() {
    on_both(async |world| {
        let mut browser = world.signed_in(&person(MARA)).await;
        let (now, sub) = (seconds(world.kit), person(MARA)["sub"].clone());
        let with = |alter: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
            world.upstream.logout_token(now, |claims| {
                claims.insert("sub".into(), sub.clone());
                alter(claims);
            })
        };
        let wrong = [
            with(&|claims| {
                claims.insert("nonce".into(), json!("x"));
            }),
            with(&|claims| {
                claims.insert("aud".into(), json!("somebody-else"));
            }),
            with(&|claims| {
                claims.insert("iss".into(), json!("https://other.example"));
            }),
            with(&|claims| {
                claims.remove("events");
            }),
            with(&|claims| {
                claims.remove("jti");
            }),
            with(&|claims| {
                claims.remove("sub");
            }),
            with(&|claims| {
                claims.insert("iat".into(), json!(now - 1000));
            }),
            with(&|claims| {
                claims.insert("exp".into(), json!(now - 100));
            }),
            "x.y.z".to_owned(),
        ];
        for token in wrong {
            told(&world, &token).await.expect(400);
        }
        browser.get("/account").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_disabled_connection_is_dead() {
    on_both(async |mut world| {
        let mut browser = world.signed_in(&person(MARA)).await;
        let mut on_its_way = world.kit.nobody();
        let asked = world.begin(&mut on_its_way).await;
        let path = format!("{}/{}", api("harbor"), world.connection);
        let effect = world.owner.get(&format!("{path}/disabling")).await.expect(200).json();
        assert_eq!((&effect["people"], &effect["sessions"]), (&json!(1), &json!(1)));
        assert_eq!(effect["stranded"], json!([MARA]));
        world.owner.post(&format!("{path}/disable"), json!({})).await.expect(200);
        browser.get("/account").await.expect(303);
        world.back(&mut on_its_way, &asked, &person(MARA)).await.expect(403);
        world.kit.nobody().get(&world.begin_path()).await.expect(403);
        let token = world.upstream.logout_token(seconds(world.kit), |_| {});
        told(&world, &token).await.expect(400);
        let mut fresh = world.kit.nobody();
        fresh.get("/sign-in").await.expect(200);
        fresh.submit("/sign-in/sso", &[("email", MARA)]).await.expect(422);
        world.owner.post(&format!("{path}/enable"), json!({})).await.expect(200);
        browser.get("/account").await.expect(303);
        world.signed_in(&person(MARA)).await;
    })
    .await;
}
