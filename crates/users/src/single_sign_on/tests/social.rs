use serde_json::{Value, json};

use super::upstream::Upstream;
use super::{World, api, connected, leads_to, new_connection, on_both, person};

pub(crate) const GUEST: &str = "guest@mail.example";

/// A provider for everybody, which the provider's staff installed; it runs the mailboxes of `mail.example`.
pub(crate) async fn installed(world: &mut World<'_>) -> (Upstream, String) {
    let mut staff = world.kit.owner_of("northwind").await;
    let upstream = Upstream::start().await;
    let mut body = new_connection(&upstream, "Mailboxes");
    body["social"] = json!("mailboxes");
    body["mapping"] = json!({ "domains": ["mail.example"] });
    // An organization installs nothing for everybody.
    let refused = world.owner.post(&api("harbor"), body.clone()).await.expect(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "social");
    let id = connected(&mut staff, "northwind", body).await;
    (upstream, id)
}

pub(crate) async fn through(
    world: &World<'_>,
    upstream: &Upstream,
    id: &str,
    who: &Value,
) -> (testkit::Client, testkit::Answer) {
    let mut browser = world.kit.nobody();
    let asked = leads_to(&browser.get(&format!("/sign-in/sso/{id}")).await.expect(200));
    let back = upstream.approve(&asked, who, super::seconds(world.kit));
    let answer = browser.get(&super::path_of(&back)).await;
    (browser, answer)
}

#[tokio::test]
async fn a_social_provider_never_links_by_address() {
    on_both(async |mut world| {
        let (upstream, id) = installed(&mut world).await;
        let page = world.kit.nobody().get("/sign-in").await.expect(200).text();
        assert!(page.contains("Continue with Mailboxes"), "{page}");
        world.kit.account("known@mail.example").await;
        world.kit.account("mara@harbor.example").await;
        // Known or unknown, verified or not: the same answer, and nobody is signed in.
        let mut words = Vec::new();
        for email in ["known@mail.example", "mara@harbor.example", "new@harbor.example", "x@other.example"] {
            let (mut browser, answer) = through(&world, &upstream, &id, &person(email)).await;
            assert_eq!(answer.status, 403);
            browser.get("/account").await.expect(303);
            words.push(answer.text().contains("Nothing here is connected to this account yet"));
        }
        assert_eq!(words, [true; 4]);
        // A mailbox that it runs and nobody has: an account of nobody's organization.
        let (mut browser, answer) = through(&world, &upstream, &id, &person(GUEST)).await;
        answer.expect(303);
        assert!(browser.get("/account").await.expect(200).text().contains(GUEST));
        browser.get("/o/northwind/people").await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_social_account_is_connected_by_its_person_and_ended_again() {
    on_both(async |mut world| {
        let (upstream, id) = installed(&mut world).await;
        let account = world.kit.account("mara@harbor.example").await;
        let mut mara = world.kit.browser_of(account).await;
        let path = "/account/sign-in-methods";
        assert!(mara.get(path).await.expect(200).text().contains("Connect Mailboxes"));
        let begun = mara.submit(&format!("{path}/{id}/connect"), &[]).await.expect(200);
        let asked = leads_to(&begun);
        let back = upstream.approve(&asked, &person(GUEST), super::seconds(world.kit));
        // Another person cannot be made to connect an identity that they did not ask for.
        let mut eve = world.kit.browser_of(world.kit.account("eve@harbor.example").await).await;
        eve.cookies.extend(mara.cookies.clone());
        eve.get(&super::path_of(&back)).await.expect(410);
        let begun = mara.submit(&format!("{path}/{id}/connect"), &[]).await.expect(200);
        let back = upstream.approve(&leads_to(&begun), &person(GUEST), super::seconds(world.kit));
        mara.get(&super::path_of(&back)).await.expect(303);
        let (mut browser, answer) = through(&world, &upstream, &id, &person(GUEST)).await;
        answer.expect(303);
        assert!(browser.get("/account").await.expect(200).text().contains("mara@harbor.example"));
        // It is the only way in: it stays. With another one it goes, and its sessions with it.
        let own = format!("/api/v1/account/connections/{id}");
        mara.delete(&own).await.expect(409);
        world.signed_in(&person("mara@harbor.example")).await;
        mara.delete(&own).await.expect(204);
        browser.get("/account").await.expect(303);
        // From then on it is a mailbox that nobody has an account for.
        let (mut browser, answer) = through(&world, &upstream, &id, &person(GUEST)).await;
        answer.expect(303);
        assert!(!browser.get("/account").await.expect(200).text().contains("mara@harbor.example"));
    })
    .await;
}

#[tokio::test]
async fn a_policy_blocks_a_social_provider_for_its_people() {
    on_both(async |mut world| {
        let (upstream, id) = installed(&mut world).await;
        let (_, answer) = through(&world, &upstream, &id, &person(GUEST)).await;
        answer.expect(303);
        world.kit.member("harbor", GUEST, platform::access::Role::Member).await;
        let mut rules = serde_json::to_value(crate::policies::Rules::RECOMMENDED).unwrap();
        rules["social_login"] = json!({ "mailboxes": "blocked" });
        world.owner.put("/api/v1/organizations/harbor/policy", rules).await.expect(200);
        let (_, answer) = through(&world, &upstream, &id, &person(GUEST)).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("does not let its people sign in this way"));
    })
    .await;
}
