use std::sync::Arc;

use axum::http::request::Parts;
use futures_util::future::BoxFuture;
use platform::App;
use platform::access::Role;
use platform::config::Config;
use platform::outbound::{DnsError, Outbound, Resolve};
use platform::web::{Authenticate, Principal, Problem};
use serde_json::{Value, json};
use testkit::{Answer, Client, Kit, KitOptions};
use url::Url;

mod accounts;
mod conformance;
mod console;
pub(crate) mod drill;
pub(crate) mod enforced;
mod logout;
mod saml;
mod security;
pub(crate) mod social;
pub(crate) mod upstream;

use upstream::{CLIENT, SECRET, Upstream};

use crate::domains::tests::{scripted, verified};
use crate::sessions;

/// Believes the kit's header for whoever sets things up, and recognises real sessions for whoever signs in.
struct Either(Arc<dyn Authenticate>, Arc<dyn Authenticate>);

impl Authenticate for Either {
    fn authenticate<'a>(
        &'a self,
        app: &'a App,
        parts: &'a Parts,
    ) -> BoxFuture<'a, Result<Option<Principal>, Problem>> {
        let kits = parts.headers.contains_key("x-test-account") || parts.headers.contains_key("x-test-token");
        if kits { self.0.authenticate(app, parts) } else { self.1.authenticate(app, parts) }
    }

    fn admits(
        &self,
        tx: &mut platform::db::ReadTx,
        visit: &platform::web::access::Visit,
    ) -> Result<Option<Problem>, platform::db::DbError> {
        self.1.admits(tx, visit)
    }
}

/// Only addresses written as numbers are asked here.
struct NoNames;

impl Resolve for NoNames {
    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<std::net::IpAddr>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }
}

pub(crate) fn options() -> KitOptions {
    let mut options = scripted();
    options.configure = Box::new(|config| {
        config.test_clock = true;
        config.outbound_allow_loopback = true;
    });
    let services = options.services;
    options.services = Box::new(move |builder| {
        let mut config = Config::for_tests(std::path::Path::new("/nowhere"));
        config.outbound_allow_loopback = true;
        let outbound = Outbound::new(&config, Arc::new(NoNames)).expect("a client");
        let cost = crate::passwords::phc::Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let pool = crate::passwords::PoolSettings { threads: 1, queue_max: 64, cost };
        let pool = crate::passwords::PasswordPool::start(pool).expect("a pool");
        services(builder)
            .service(outbound)
            .service(pool)
            .service(super::State::default())
            .service(crate::openid_provider::State::default())
    });
    options.authenticate = Arc::new(Either(testkit::personas::believing(), sessions::authenticator()));
    options
}

/// A provider, and `harbor`, which has verified `harbor.example` and connected it.
pub(crate) struct World<'k> {
    pub kit: &'k Kit,
    pub upstream: Upstream,
    pub owner: Client,
    pub connection: String,
}

pub(crate) fn api(slug: &str) -> String {
    format!("/api/v1/organizations/{slug}/connections")
}

pub(crate) fn new_connection(upstream: &Upstream, name: &str) -> Value {
    json!({ "name": name, "issuer": upstream.issuer, "client_id": CLIENT, "client_secret": SECRET })
}

/// Connects and enables a provider; gives the connection's id.
pub(crate) async fn connected(owner: &mut Client, slug: &str, body: Value) -> String {
    let made = owner.post(&api(slug), body).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    owner.post(&format!("{}/{id}/enable", api(slug)), json!({})).await.expect(200);
    id
}

pub(crate) async fn on_both<F: AsyncFn(World<'_>)>(test: F) {
    testkit::both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            verified(kit, &mut owner, "harbor", "harbor.example").await;
            let upstream = Upstream::start().await;
            let connection = connected(&mut owner, "harbor", new_connection(&upstream, "Harbor ID")).await;
            test(World { kit, upstream, owner, connection }).await;
        },
        options,
    )
    .await;
}

pub(crate) fn seconds(kit: &Kit) -> i64 {
    kit.now().micros() / 1_000_000
}

/// Where a page that moves on leads.
pub(crate) fn leads_to(answer: &Answer) -> Url {
    let text = answer.text();
    let at = text.find("content=\"0; url=").unwrap_or_else(|| panic!("no way on: {text}"));
    let rest = &text[at + 16..];
    let address = rest[..rest.find('"').unwrap()].replace("&#38;", "&");
    Url::parse(&address).unwrap_or_else(|_| panic!("no address: {address}"))
}

pub(crate) fn path_of(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

impl World<'_> {
    pub fn begin_path(&self) -> String {
        format!("/sign-in/sso/{}", self.connection)
    }

    /// Begins in this browser; gives where it is sent.
    pub async fn begin(&self, browser: &mut Client) -> Url {
        leads_to(&browser.get(&self.begin_path()).await.expect(200))
    }

    /// The provider signs `person` in, and the browser comes back.
    pub async fn back(&self, browser: &mut Client, asked: &Url, person: &Value) -> Answer {
        let back = self.upstream.approve(asked, person, seconds(self.kit));
        browser.get(&path_of(&back)).await
    }

    pub async fn sign_in(&self, browser: &mut Client, person: &Value) -> Answer {
        let asked = self.begin(browser).await;
        self.back(browser, &asked, person).await
    }

    /// A browser in which `person` is signed in.
    pub async fn signed_in(&self, person: &Value) -> Client {
        let mut browser = self.kit.nobody();
        self.sign_in(&mut browser, person).await.expect(303);
        browser.get("/account").await.expect(200);
        browser
    }

    pub async fn change(&mut self, change: Value) {
        let path = format!("{}/{}", api("harbor"), self.connection);
        self.owner.patch(&path, change).await.expect(200);
    }

    pub async fn actions(&self) -> Vec<String> {
        let harbor = self.kit.organization("harbor").await;
        self.kit.actions(harbor).await
    }

    /// The reason of the last sign-in that failed, with the claim it is about.
    pub async fn last_failure(&self) -> (String, String) {
        let harbor = self.kit.organization("harbor").await;
        let read = self.kit.app.db().read(move |tx| platform::events::range(tx, harbor, 0, 10_000));
        let events = read.await.expect("events");
        let last = events.into_iter().rev().find(|event| event.action == "single_sign_on.failed");
        let last = last.expect("a failure");
        let of = |name: &str| last.public.get(name).cloned().unwrap_or_default();
        (of("reason"), of("claim"))
    }

    pub async fn role_of(&self, email: &str) -> Option<Role> {
        let (harbor, email) = (self.kit.organization("harbor").await, email.to_owned());
        let read = self.kit.app.db().read(move |tx| {
            let Some(account) = platform::principals::account_by_email(tx, &email)? else { return Ok(None) };
            let found = platform::principals::membership(tx, harbor, account.id)?;
            Ok::<_, platform::db::DbError>(found.map(|member| member.role))
        });
        read.await.expect("a read")
    }
}

pub(crate) fn person(email: &str) -> Value {
    json!({ "sub": format!("sub-of-{email}"), "email": email, "email_verified": true, "name": "Mara Lind" })
}
