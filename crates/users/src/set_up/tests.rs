//! The set-up link: makes the provider once, and is worth nothing afterwards.

use platform::principals;
use testkit::{Kit, both_with};

use crate::kit::{PASSWORD, real_sign_in};

async fn link(kit: &Kit) -> String {
    let ctx = kit.ctx();
    let token = kit.app.db().housekeeping(move |tx| super::create_link(&ctx, tx)).await.unwrap();
    format!("/setup/{}", token.text())
}

const FORM: [(&str, &str); 4] = [
    ("provider", "Northwind Cloud"),
    ("name", "Nora Winter"),
    ("email", "nora@northwind-cloud.dev"),
    ("password", PASSWORD),
];

#[tokio::test]
async fn the_link_makes_the_provider_and_its_owner_once() {
    both_with(
        async |kit| {
            let (stale, link) = (link(kit).await, link(kit).await);
            kit.nobody().get(&stale).await.expect(410);
            let mut browser = kit.nobody();
            browser.get(&link).await.expect(200);
            let mut weak = FORM;
            weak[3].1 = "short";
            browser.submit(&link, &weak).await.expect(422);
            let answer = browser.submit(&link, &FORM).await.expect(303);
            assert_eq!(answer.location(), "/provider");
            let provider = kit.app.db().read(principals::provider).await.unwrap().unwrap();
            assert_eq!(provider.slug, "northwind-cloud");
            let owners =
                kit.app.db().read(move |tx| principals::count_owners(tx, provider.id)).await.unwrap();
            assert_eq!(owners, 1);
            browser.get("/account").await.expect(200);
            kit.nobody().get(&link).await.expect(410);
            let second = self::link(kit).await;
            let mut late = kit.nobody();
            late.get(&second).await.expect(200);
            late.submit(&second, &FORM).await.expect(409);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_guessed_link_opens_nothing() {
    both_with(
        async |kit| {
            let _real = link(kit).await;
            kit.nobody().get("/setup/guess").await.expect(410);
            kit.nobody().get(&format!("/setup/{}", "A".repeat(43))).await.expect(410);
        },
        real_sign_in,
    )
    .await;
}
