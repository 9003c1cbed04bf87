use platform::time::{HOUR, MINUTE};
use serde_json::json;
use testkit::Client;

use super::upstream::{Upstream, key, rsa};
use super::{api, connected, leads_to, new_connection, on_both, path_of, person, seconds};

const MARA: &str = "mara@harbor.example";

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked() {
    on_both(async |world| {
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        let back = world.upstream.approve(&asked, &person(MARA), seconds(world.kit));
        // Whoever has the address and not the browser gets nothing, and does not use it up.
        world.kit.nobody().get(&path_of(&back)).await.expect(410);
        let mut other = world.kit.nobody();
        world.begin(&mut other).await;
        other.get(&path_of(&back)).await.expect(410);
        browser.get(&path_of(&back)).await.expect(303);
        browser.get(&path_of(&back)).await.expect(410);
        assert_eq!(world.upstream.calls("token"), 1);
        // A state that nobody gave.
        let forged = path_of(&back).replace("state=", "state=A");
        browser.get(&forged).await.expect(410);
    })
    .await;
}

#[tokio::test]
async fn an_answer_has_ten_minutes() {
    on_both(async |world| {
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        let back = world.upstream.approve(&asked, &person(MARA), seconds(world.kit));
        world.kit.advance(MINUTE * 10);
        browser.get(&path_of(&back)).await.expect(410);
    })
    .await;
}

#[tokio::test]
async fn mix_up_an_answer_of_one_provider_is_never_taken_for_anothers() {
    on_both(async |mut world| {
        let second = Upstream::start().await;
        let other = connected(&mut world.owner, "harbor", new_connection(&second, "Second ID")).await;
        assert_ne!(other, world.connection);
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        // Each has a redirect address of its own.
        let back = world.upstream.approve(&asked, &person(MARA), seconds(world.kit));
        assert!(back.path().contains(&world.connection));
        let elsewhere = path_of(&back).replace(&world.connection, &other);
        browser.get(&elsewhere).await.expect(410);
        assert_eq!(second.calls("token"), 0, "the code of one provider is never sent to another");
        // RFC 9207: named wrongly, or not named where the provider says that it always is.
        for wrong in [Some(second.issuer.clone()), None] {
            world.upstream.set(|script| script.issuer_in_answer = wrong);
            let mut browser = world.kit.nobody();
            world.sign_in(&mut browser, &person(MARA)).await.expect(502);
            assert_eq!(world.last_failure().await, ("answer".to_owned(), "iss".to_owned()));
        }
        assert_eq!(world.upstream.calls("token"), 0);
        // Where it is not announced, it may be absent.
        world.upstream.set(|script| {
            script.document = Box::new(|document| {
                document.remove("authorization_response_iss_parameter_supported");
            });
        });
        world.kit.advance(HOUR);
        let mut browser = world.kit.nobody();
        world.sign_in(&mut browser, &person(MARA)).await.expect(303);
    })
    .await;
}

#[tokio::test]
async fn keys_roll_over_without_an_outage_and_are_not_asked_for_without_end() {
    on_both(async |world| {
        world.signed_in(&person(MARA)).await;
        world.signed_in(&person(MARA)).await;
        assert_eq!(world.upstream.calls("jwks"), 1, "keys are kept");
        world.kit.advance(MINUTE * 2);
        world.upstream.set(|script| script.keys = vec![rsa(1)]);
        world.signed_in(&person(MARA)).await;
        assert_eq!(world.upstream.calls("jwks"), 2, "a new key is looked for at once");
        // Tokens of keys that nobody publishes do not make us ask again and again.
        world.upstream.set(|script| script.sign = super::upstream::Sign::Wrongly);
        for _ in 0..3 {
            world.upstream.set(|script| script.keys = vec![rsa(0)]);
            let mut browser = world.kit.nobody();
            world.sign_in(&mut browser, &person(MARA)).await;
        }
        assert_eq!(world.upstream.calls("jwks"), 2);
    })
    .await;
}

#[tokio::test]
async fn the_issuer_of_the_configuration_is_compared_letter_for_letter() {
    on_both(async |mut world| {
        let mut second = Upstream::start().await;
        second.issuer.push('/');
        let id = connected(&mut world.owner, "harbor", new_connection(&second, "Slash")).await;
        let answer = world.kit.nobody().get(&format!("/sign-in/sso/{id}")).await.expect(502);
        assert!(answer.text().contains("letter for letter"), "{}", answer.text());
        let report = world.owner.post(&format!("{}/{id}/test", api("harbor")), json!({})).await.expect(200);
        let finding = &report.json()["findings"][0];
        assert_eq!((&finding["field"], &finding["verdict"]), (&json!("issuer"), &json!("bad")));
    })
    .await;
}

#[tokio::test]
async fn the_test_says_which_field_is_wrong() {
    on_both(async |mut world| {
        let path = format!("{}/{}/test", api("harbor"), world.connection);
        let report = world.owner.post(&path, json!({})).await.expect(200).json();
        assert_eq!(report["works"], true, "{report}");
        world.upstream.set(|script| {
            script.keys = vec![key(jose::Algorithm::Es256)];
            script.document = Box::new(|document| {
                document.insert("id_token_signing_alg_values_supported".into(), json!(["ES256"]));
                document.insert("token_endpoint_auth_methods_supported".into(), json!(["private_key_jwt"]));
            });
        });
        let report = world.owner.post(&path, json!({})).await.expect(200).json();
        assert_eq!(report["works"], false);
        let bad: Vec<&str> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["verdict"] == "bad")
            .map(|finding| finding["field"].as_str().unwrap())
            .collect();
        let wanted =
            ["id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported", "jwks_uri"];
        assert_eq!(bad, wanted);
        world.upstream.set(|script| {
            script.document = Box::new(|document| {
                document.remove("token_endpoint");
            });
        });
        let report = world.owner.post(&path, json!({})).await.expect(200).json();
        assert_eq!(report["findings"][0]["field"], "token_endpoint");
    })
    .await;
}

#[tokio::test]
async fn what_a_provider_refuses_is_said_in_its_words() {
    on_both(async |mut world| {
        world.change(json!({ "client_secret": "not it" })).await;
        let mut browser = world.kit.nobody();
        let answer = world.sign_in(&mut browser, &person(MARA)).await.expect(502);
        assert!(answer.text().contains("check client id, client secret"), "{}", answer.text());
        let asked = world.begin(&mut browser).await;
        let back = world.upstream.approve(&asked, &person(MARA), seconds(world.kit));
        let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let denied = format!(
            "{}?error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E&state={state}&iss={}",
            back.path(),
            url::form_urlencoded::byte_serialize(world.upstream.issuer.as_bytes()).collect::<String>()
        );
        let answer = browser.get(&denied).await.expect(502);
        assert!(answer.text().contains("access_denied") && !answer.text().contains("<b>no"));
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_sealed_and_never_shown() {
    on_both(async |mut world| {
        let path = format!("{}/{}", api("harbor"), world.connection);
        let shown = world.owner.get(&path).await.expect(200);
        assert_eq!(shown.json()["has_secret"], true);
        let page = world.owner.get(&format!("/o/harbor/connections/{}", world.connection)).await.expect(200);
        assert!(!shown.text().contains(super::SECRET) && !page.text().contains(super::SECRET));
        let id: super::super::ConnectionId = world.connection.parse().unwrap();
        let found = world.kit.app.db().read(move |tx| super::super::by_id(tx, id)).await.unwrap().unwrap();
        let sealed = found.sealed.clone().unwrap();
        assert!(!sealed.windows(6).any(|bytes| bytes == b"s3cret"));
        let opened = found.secret(world.kit.app.keyring()).unwrap().unwrap();
        assert_eq!(opened.expose().as_slice(), super::SECRET.as_bytes());
        let harbor = world.kit.organization("harbor").await;
        let events = world.kit.app.db().read(move |tx| platform::events::range(tx, harbor, 0, 1000)).await;
        let all: String = events.unwrap().iter().map(|event| format!("{event:?}")).collect();
        assert!(!all.contains(super::SECRET));
    })
    .await;
}

/// Where somebody with this address is led.
async fn found_for(browser: &mut Client, email: &str) -> testkit::Answer {
    browser.get("/sign-in").await.expect(200);
    browser.submit("/sign-in/sso", &[("email", email), ("next", "/o/harbor/people")]).await
}

#[tokio::test]
async fn a_domain_leads_to_its_provider_and_tells_nothing_of_accounts() {
    on_both(async |mut world| {
        world.kit.account("known@harbor.example").await;
        let mut browser = world.kit.nobody();
        let known = found_for(&mut browser, "known@harbor.example").await.expect(200);
        let unknown = found_for(&mut browser, "nobody@harbor.example").await.expect(200);
        let (known, unknown) = (leads_to(&known), leads_to(&unknown));
        assert_eq!(known.host(), unknown.host());
        assert!(
            known.query_pairs().any(|(name, value)| name == "login_hint" && value == "known@harbor.example")
        );
        // Where there is none, both are told the same.
        world.kit.account("known@elsewhere.example").await;
        let words = async |browser: &mut Client, email: &str| {
            let answer = found_for(browser, email).await.expect(422);
            answer.text().replace(email, "X").split("name=\"csrf\"").next().unwrap().to_owned()
        };
        let one = words(&mut browser, "known@elsewhere.example").await;
        assert_eq!(one, words(&mut browser, "nobody@elsewhere.example").await);
        // Several connections: a choice of them by name.
        let second = Upstream::start().await;
        connected(&mut world.owner, "harbor", new_connection(&second, "Second ID")).await;
        let choice = found_for(&mut browser, MARA).await.expect(200).text();
        assert!(choice.contains("Harbor ID") && choice.contains("Second ID"), "{choice}");
    })
    .await;
}

#[tokio::test]
async fn an_old_proof_at_the_provider_is_no_recent_one_here() {
    on_both(async |world| {
        let now = seconds(world.kit);
        let old = json!({ "sub": "s-1", "email": MARA, "email_verified": true, "name": "Mara", "auth_time": now - 8 * 3600 });
        let mut browser = world.signed_in(&old).await;
        // Disconnecting asks for a recent proof, and the way to it is the provider.
        let id = &world.connection;
        let asked = browser.submit(&format!("/account/sign-in-methods/{id}/disconnect"), &[]).await.expect(303);
        assert!(asked.location().starts_with("/confirm"), "{}", asked.location());
        let page = browser.get(asked.location()).await.expect(200).text();
        assert!(page.contains("Sign in again through Harbor ID"), "{page}");
        let again = leads_to(&browser.get(&format!("{}?again=yes", world.begin_path())).await.expect(200));
        let says = |name: &str, value: &str| again.query_pairs().any(|(n, v)| n == name && v == value);
        assert!(says("prompt", "login") && says("max_age", "0"));
        // A provider that did not ask anew is refused.
        world.back(&mut browser, &again, &old).await.expect(403);
        assert_eq!(world.last_failure().await, ("not_fresh".to_owned(), "auth_time".to_owned()));
        let again = leads_to(&browser.get(&format!("{}?again=yes", world.begin_path())).await.expect(200));
        let mut fresh = old.clone();
        fresh["auth_time"] = json!(now);
        world.back(&mut browser, &again, &fresh).await.expect(303);
    })
    .await;
}
