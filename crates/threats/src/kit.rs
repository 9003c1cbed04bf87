//! What the tests of this area share: people, and tries to sign in that are recorded as sign-in records them.

use std::net::IpAddr;

use platform::db::{DbError, Tx};
use platform::ids::AccountId;
use platform::principals::{self, Account};
use platform::{Actor, Ctx};
use testkit::{Client, Kit, KitOptions};
use users::login::{self, Right, Step};
use users::passwords::phc::Cost;
use users::passwords::{PasswordPool, PoolSettings, store};
use users::second_step::Entered;
use users::throttles::Subject;

use crate::alerts::{self, Alert, Wanted};

/// Delivers mail, as the server's own area does.
static MAIL: platform::Area = platform::Area {
    name: "mail",
    routes: platform::web::Routes::new,
    jobs: platform::mail::JOBS,
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};

fn services(builder: platform::app::AppBuilder) -> platform::app::AppBuilder {
    let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
    let pool = PasswordPool::start(PoolSettings { threads: 1, queue_max: 64, cost }).expect("a pool");
    builder
        .service(pool)
        .service(users::openid_provider::State::default())
        .service(users::single_sign_on::State::default())
}

/// Callers named by a header; mail is delivered; the detectors follow the feed when the kit settles.
pub fn options() -> KitOptions {
    let mut options = KitOptions::new(&[&users::AREA, &crate::AREA, &MAIL]);
    options.services = Box::new(services);
    options.configure = Box::new(|config| config.test_clock = true);
    options.consumers = vec![crate::consumer_step];
    options
}

/// As [`options`], and callers really sign in.
pub fn real_sign_in() -> KitOptions {
    KitOptions { authenticate: users::sessions::authenticator(), ..options() }
}

/// Somebody who tries from `ip`.
pub fn from(kit: &Kit, ip: &str) -> Ctx {
    let mut ctx = kit.app.ctx(Actor::Anonymous);
    ctx.origin.ip = Some(ip.parse::<IpAddr>().expect("an address"));
    ctx
}

fn subject(ctx: &Ctx, email: &str) -> Subject {
    let network = platform::web::guard::limits::network(ctx.origin.ip);
    Subject { email: email.to_owned(), network }
}

fn person(tx: &mut Tx, email: &str) -> Result<Option<Account>, DbError> {
    principals::account_by_email(tx, email)
}

/// A wrong password for `email` from `ip`.
pub async fn fails(kit: &Kit, ip: &str, email: &str) {
    let (ctx, email) = (from(kit, ip), email.to_owned());
    let at = ctx.clone();
    let written = kit.app.db().write(&ctx, move |tx| {
        let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
        let account = person(tx, &email)?.map(|account| account.id);
        login::note_failure(&at, tx, provider.id, account, &subject(&at, &email))
    });
    written.await.expect("a failure");
}

const HASH: &str = "stands where a hash would";

/// The right password for `email` from `ip`; gives whether that was enough.
pub async fn gets_in(kit: &Kit, ip: &str, email: &str) -> bool {
    let (ctx, email) = (from(kit, ip), email.to_owned());
    let at = ctx.clone();
    let written = kit.app.db().write(&ctx, move |tx| {
        let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
        let account = person(tx, &email)?.expect("an account").id;
        store::set(&at, tx, account, HASH)?;
        let right = Right { provider: provider.id, account, subject: &subject(&at, &email), old: Some(HASH) };
        login::enter(&at, tx, &right, None)
    });
    matches!(written.await.expect("a sign-in").value, Step::Entered(Entered::Session(_)))
}

/// Every alert, the newest first.
pub async fn all(kit: &Kit) -> Vec<Alert> {
    kit.app.db().read(|tx| alerts::list(tx, &Wanted::default(), None, 1000)).await.expect("alerts")
}

/// The provider's owner, and `count` people of a customer: their addresses.
pub async fn people(kit: &Kit, count: usize) -> (Client, Vec<String>) {
    let staff = kit.owner_of("northwind").await;
    let mut emails = Vec::new();
    for n in 0..count {
        let email = format!("person-{n}@harbor.example");
        kit.member("harbor", &email, platform::access::Role::Member).await;
        emails.push(email);
    }
    kit.settle().await;
    (staff, emails)
}

pub async fn account_id(kit: &Kit, email: &str) -> AccountId {
    let email = email.to_owned();
    let found = kit.app.db().read(move |tx| principals::account_by_email(tx, &email)).await;
    found.expect("an account").expect("an account").id
}

/// Mails that the kit delivered whose subject has these words.
pub async fn mails_about(kit: &Kit, words: &str) -> usize {
    let mails = kit.mails().await;
    let subject =
        |mail: &String| mail.lines().take_while(|line| !line.is_empty()).any(|line| line.contains(words));
    mails.iter().filter(|mail| subject(mail)).count()
}
