//! Ports of the modules of the OpenID conformance plan "Basic RP", by their names. Where a module lets a client choose, ours
//! is the stricter one: `alg: none` is never taken.

use jose::Algorithm;
use serde_json::{Value, json};
use testkit::Answer;

use super::upstream::{Sign, key, rsa};
use super::{World, on_both, person};

const MARA: &str = "mara@harbor.example";

async fn try_it(world: &World<'_>) -> Answer {
    let mut browser = world.kit.nobody();
    world.sign_in(&mut browser, &person(MARA)).await
}

/// Nobody is signed in, the ledger says where and which claim, and no account was made.
async fn refused_for(world: &World<'_>, place: &str, claim: &str) {
    let mut browser = world.kit.nobody();
    let answer = world.sign_in(&mut browser, &person(MARA)).await.expect(502);
    assert!(claim.is_empty() || answer.text().contains(claim), "{}", answer.text());
    browser.get("/account").await.expect(303);
    assert_eq!(world.last_failure().await, (place.to_owned(), claim.to_owned()));
    assert_eq!(world.role_of(MARA).await, None);
}

#[tokio::test]
async fn oidcc_client_test() {
    on_both(async |world| {
        assert_eq!(try_it(&world).await.expect(303).location(), "/");
        assert_eq!(world.role_of(MARA).await, Some(platform::access::Role::Member));
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_client_secret_basic() {
    on_both(async |world| {
        try_it(&world).await.expect(303);
        assert_eq!(world.upstream.calls("token"), 1);
    })
    .await;
}

/// Of the plan's twin for the other way.
#[tokio::test]
async fn oidcc_client_test_client_secret_post() {
    on_both(async |mut world| {
        world.upstream.set(|script| script.proof = "post");
        try_it(&world).await.expect(502);
        assert_eq!(world.last_failure().await, ("token".to_owned(), "error".to_owned()));
        world.change(json!({ "client_proof": "secret_post" })).await;
        try_it(&world).await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_nonce_invalid() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.insert("nonce".into(), json!("another"));
            });
        });
        refused_for(&world, "id_token", "nonce").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_missing_nonce() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.remove("nonce");
            });
        });
        refused_for(&world, "id_token", "nonce").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_invalid_iss() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.insert("iss".into(), json!("https://other.example"));
            });
        });
        refused_for(&world, "id_token", "iss").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_missing_sub() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.remove("sub");
            });
        });
        refused_for(&world, "id_token", "sub").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_invalid_aud() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.insert("aud".into(), json!("somebody-else"));
            });
        });
        refused_for(&world, "id_token", "aud").await;
        // For several parties, without saying which one it was made for.
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.insert("aud".into(), json!([super::CLIENT, "somebody-else"]));
            });
        });
        refused_for(&world, "id_token", "azp").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_missing_aud() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.remove("aud");
            });
        });
        refused_for(&world, "id_token", "aud").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_missing_iat() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.remove("iat");
            });
        });
        refused_for(&world, "id_token", "iat").await;
    })
    .await;
}

/// Not of the plan, of our checklist: absent is refused.
#[tokio::test]
async fn an_id_token_without_an_end_or_past_it_is_refused() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.remove("exp");
            });
        });
        refused_for(&world, "id_token", "exp").await;
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                let made = claims["iat"].as_i64().unwrap();
                claims.insert("exp".into(), json!(made - 61));
            });
        });
        refused_for(&world, "id_token", "exp").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_kid_absent_single_jwks() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.key_ids = false;
            script.sign = Sign::WithoutKeyId;
        });
        try_it(&world).await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_kid_absent_multiple_jwks() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.keys = vec![rsa(1), key(Algorithm::Es256), rsa(0)];
            script.signer = 2;
            script.key_ids = false;
            script.sign = Sign::WithoutKeyId;
        });
        try_it(&world).await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_rs256() {
    on_both(async |world| {
        try_it(&world).await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_es256() {
    on_both(async |mut world| {
        world.upstream.set(|script| script.keys = vec![key(Algorithm::Es256)]);
        // Another algorithm than the connection's is refused, whatever key signed.
        refused_for(&world, "id_token", "alg").await;
        world.change(json!({ "algorithm": "ES256" })).await;
        world.kit.advance(std::time::Duration::from_secs(61));
        try_it(&world).await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_idtoken_sig_none() {
    on_both(async |world| {
        world.upstream.set(|script| script.sign = Sign::Not);
        refused_for(&world, "id_token", "alg").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_invalid_sig_rs256() {
    on_both(async |world| {
        world.upstream.set(|script| script.sign = Sign::Wrongly);
        refused_for(&world, "id_token", "").await;
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_invalid_athash() {
    on_both(async |world| {
        world.upstream.set(|script| {
            script.alter = Box::new(|claims| {
                claims.insert("at_hash".into(), json!("AAAAAAAAAAAAAAAAAAAAAA"));
            });
        });
        refused_for(&world, "id_token", "at_hash").await;
    })
    .await;
}

/// The claims of a person, without those that the ID token is to leave out.
fn from_userinfo(sub: &str) -> Value {
    json!({ "sub": sub, "email": MARA, "email_verified": true, "name": "Mara Lind" })
}

#[tokio::test]
async fn oidcc_client_test_scope_userinfo_claims() {
    on_both(async |world| {
        world.upstream.set(|script| script.userinfo = Some(from_userinfo("s-1")));
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &json!({ "sub": "s-1" })).await.expect(303);
        assert_eq!(world.upstream.calls("userinfo"), 1);
        assert!(browser.get("/account").await.expect(200).text().contains(MARA));
    })
    .await;
}

#[tokio::test]
async fn oidcc_client_test_userinfo_invalid_sub() {
    on_both(async |world| {
        world.upstream.set(|script| script.userinfo = Some(from_userinfo("somebody-else")));
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &json!({ "sub": "s-1" })).await.expect(502);
        assert_eq!(world.last_failure().await, ("userinfo".to_owned(), "sub".to_owned()));
    })
    .await;
}
