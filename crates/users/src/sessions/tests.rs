//! Sessions end when they should: idle, absolute, revoked, everywhere.

use platform::time::{DAY, HOUR};
use testkit::both_with;

use super::pages::device_words;
use crate::kit::{PASSWORD, real_sign_in, sign_up, try_password};

mod disabled;

const MARA: &str = "mara@harbor-logistics.dev";

#[tokio::test]
async fn a_session_ends_when_idle_for_too_long_but_not_while_used() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            for _ in 0..4 {
                kit.advance(HOUR * 8);
                browser.get("/account").await.expect(200);
            }
            kit.advance(HOUR * 13);
            browser.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_session_ends_after_its_absolute_length_however_it_is_used() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut browser = sign_up(kit, MARA).await;
            let mut days = 0;
            while browser.get("/account").await.status == 200 {
                kit.advance(HOUR * 8);
                days += 1;
                assert!(days < 120, "it never ends");
            }
            let ended = kit.now().since(testkit::kit::START);
            assert!(ended >= DAY * 30 && ended < DAY * 31, "{ended:?}");
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn one_device_or_all_can_be_signed_out_and_only_ones_own() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut here = sign_up(kit, MARA).await;
            let mut phone = kit.nobody();
            try_password(&mut phone, MARA, PASSWORD).await.expect(303);
            let mut other = sign_up(kit, "eve@harbor-logistics.dev").await;
            let sessions = here.get("/api/v1/account/sessions").await.expect(200).json();
            let sessions = sessions.as_array().unwrap();
            assert_eq!(sessions.len(), 2);
            let phones = sessions.iter().find(|session| session["current"] == false).unwrap();
            let path = format!("/api/v1/account/sessions/{}", phones["id"].as_str().unwrap());
            other.get("/account").await.expect(200);
            other.delete(&path).await.expect(404);
            phone.get("/account").await.expect(200);
            here.get("/account").await.expect(200);
            here.delete(&path).await.expect(204);
            phone.get("/account").await.expect(303);
            try_password(&mut phone, MARA, PASSWORD).await.expect(303);
            here.get("/account/sessions").await.expect(200);
            here.submit("/account/sessions/revoke-all", &[]).await.expect(303);
            phone.get("/account").await.expect(303);
            here.get("/account").await.expect(200);
            here.submit("/sign-out", &[]).await.expect(303);
            here.get("/account").await.expect(303);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_made_up_cookie_or_token_is_nobody() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut forged = kit.nobody();
            let made_up = "A".repeat(43);
            forged.cookies.insert(platform::web::browser::SESSION_COOKIE.to_owned(), made_up);
            forged.get("/account").await.expect(303);
            kit.nobody().with_token("bwk_nonsense").get("/api/v1/account").await.expect(401);
            kit.nobody().with_header("authorization", "Basic YTpi").get("/api/v1/account").await.expect(401);
        },
        real_sign_in,
    )
    .await;
}

#[test]
fn devices_are_named_in_words() {
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(device_words(firefox), "Firefox on Linux");
    assert_eq!(device_words(""), "Unknown device");
    assert_eq!(device_words("curl/8.5.0"), "curl");
}
