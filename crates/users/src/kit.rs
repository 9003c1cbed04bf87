//! What the tests of this area share: a program whose callers really sign in, with cheap password hashes.

use testkit::{Client, Kit, KitOptions};

use crate::passwords::phc::Cost;
use crate::passwords::{PasswordPool, PoolSettings};
use crate::sessions;

pub const PASSWORD: &str = "seven grey herons over the weir";

fn pool() -> PasswordPool {
    let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
    PasswordPool::start(PoolSettings { threads: 1, queue_max: 64, cost }).expect("a pool")
}

fn services(builder: platform::app::AppBuilder) -> platform::app::AppBuilder {
    builder
        .service(pool())
        .service(crate::openid_provider::State::default())
        .service(crate::single_sign_on::State::default())
}

/// Recognises sessions and tokens as the program does.
pub fn real_sign_in() -> KitOptions {
    let mut options = KitOptions::new(&[&crate::AREA]);
    options.authenticate = sessions::authenticator();
    options.services = Box::new(services);
    options
}

/// Callers named by a header, with the password pool in place.
pub fn believed() -> KitOptions {
    let mut options = KitOptions::new(&[&crate::AREA]);
    options.services = Box::new(services);
    options
}

/// The path of the first link of the newest mail to `email`.
pub async fn mailed_link(kit: &Kit, email: &str) -> String {
    let mail = kit.mail_to(email).await.unwrap_or_else(|| panic!("no mail to {email}"));
    let mail = mail.replace("=\r\n", "").replace("=3D", "=");
    let base = kit.app.config().public_origin();
    let at = mail.find(&base).unwrap_or_else(|| panic!("no link in {mail}"));
    mail[at + base.len()..].split_whitespace().next().expect("a link").to_owned()
}

/// Signs somebody up through mail and gives their browser.
pub async fn sign_up(kit: &Kit, email: &str) -> Client {
    let mut browser = kit.nobody();
    browser.get("/sign-up").await.expect(200);
    browser.submit("/sign-up", &[("email", email)]).await.expect(200);
    let link = mailed_link(kit, email).await;
    browser.get(&link).await.expect(200);
    browser.submit(&link, &[("name", "Mara Lind"), ("password", PASSWORD)]).await.expect(303);
    // A page of the new session: its token fits what is sent next.
    browser.get("/account").await.expect(200);
    browser
}

/// Sends the sign-in form.
pub async fn try_password(browser: &mut Client, email: &str, password: &str) -> testkit::Answer {
    browser.get("/sign-in").await.expect(200);
    browser.submit("/sign-in", &[("email", email), ("password", password)]).await
}

/// Whether a mail to `email` says this. Mails of one moment come in any order.
pub async fn was_told(kit: &Kit, email: &str, words: &str) -> bool {
    let mails = kit.mails().await;
    mails
        .iter()
        .map(|mail| mail.replace("=\r\n", ""))
        .any(|mail| mail.contains(email) && mail.contains(words))
}
