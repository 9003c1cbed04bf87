//! The program under test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use platform::area::Area;
use platform::config::Config;
use platform::ctx::Random;
use platform::db::{Db, EngineKind};
use platform::secrets::Keyring;
use platform::time::{Clock, Timestamp};
use platform::web::Authenticate;
use platform::{App, feed, jobs};

use crate::Client;
use crate::database::{self, TestDatabase};
use crate::personas;

/// 2026-03-02T08:00:00Z, a Monday: where every test starts.
pub const START: Timestamp = Timestamp::from_micros(1_772_438_400_000_000);

type AddServices = Box<dyn Fn(platform::app::AppBuilder) -> platform::app::AppBuilder + Send + Sync>;

/// What a test's program is made of.
pub struct KitOptions {
    pub areas: Vec<&'static Area>,
    /// How callers are recognised; [`personas::believing`] unless sign-in itself is tested.
    pub authenticate: Arc<dyn Authenticate>,
    pub configure: Box<dyn Fn(&mut Config) + Send + Sync>,
    /// Services that the areas need, e.g. the password pool or a resolver.
    pub services: AddServices,
    /// Feed consumers to run to their end in [`Kit::settle`], with the step that each takes.
    pub consumers: Vec<Consumer>,
}

/// One step of a consumer; gives how many events it took.
pub type Consumer = fn(App) -> futures_util::future::BoxFuture<'static, Result<usize, platform::db::DbError>>;

impl KitOptions {
    pub fn new(areas: &[&'static Area]) -> Self {
        Self {
            areas: areas.to_vec(),
            authenticate: personas::believing(),
            configure: Box::new(|_| {}),
            services: Box::new(|builder| builder),
            consumers: Vec::new(),
        }
    }
}

pub struct Kit {
    pub app: App,
    pub kind: EngineKind,
    router: Router,
    mailbox: PathBuf,
    consumers: Vec<Consumer>,
    database: TestDatabase,
}

/// Runs `test` on SQLite and, where a server is there, on PostgreSQL.
pub async fn both<F>(test: F, areas: &[&'static Area])
where
    F: AsyncFn(&Kit),
{
    both_with(test, || KitOptions::new(areas)).await;
}

pub async fn both_with<F, O>(test: F, options: O)
where
    F: AsyncFn(&Kit),
    O: Fn() -> KitOptions,
{
    sqlite_only(&test, options()).await;
    if let Some(server) = database::postgres_server() {
        let kit = Kit::start(database::postgres_migrated(&server).await, options()).await;
        test(&kit).await;
        kit.finish().await;
    }
}

pub async fn sqlite_only<F: AsyncFn(&Kit)>(test: F, options: KitOptions) {
    let kit = Kit::start(database::sqlite_migrated().await, options).await;
    test(&kit).await;
    kit.finish().await;
}

impl Kit {
    pub async fn start(database: TestDatabase, options: KitOptions) -> Self {
        let mailbox = database.folder.path().join("mail");
        let mut config = Config::for_tests(database.folder.path());
        config.mailbox_dir = Some(mailbox.clone());
        config.rate_limit_percent = 0;
        (options.configure)(&mut config);
        let db = Db::open(&database.url).await.expect("the store opens");
        let origin = config.public_origin();
        let mailer = platform::mail::Mailer::new(&config).expect("the mailbox is a folder");
        let parts = platform::app::AppParts {
            config,
            db,
            clock: Clock::virtual_at(START),
            random: Random::System,
            keyring: Keyring::for_tests(),
            areas: options.areas,
            authenticate: options.authenticate,
        };
        let app = (options.services)(platform::app::AppBuilder::new(parts).service(mailer)).build();
        let router = platform::web::guard::router(&app);
        let kind = database.kind;
        let kit = Self { app, kind, router, mailbox, consumers: options.consumers, database };
        debug_assert_eq!(kit.app.config().public_origin(), origin);
        kit
    }

    pub fn client(&self) -> Client {
        Client::new(self.router.clone(), &self.app.config().public_origin())
    }

    /// The test's database on PostgreSQL, for a look or a hand behind the program's back.
    pub(crate) fn as_superuser(&self) -> String {
        self.database.as_superuser().expect("a database on PostgreSQL")
    }

    pub fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    pub fn advance(&self, by: Duration) {
        self.app.clock().advance(by);
    }

    /// Runs everything that is due until nothing is: jobs, feed consumers, jobs that those made.
    pub async fn settle(&self) {
        for _ in 0..10_000 {
            let mut done = jobs::run_due(&self.app).await.expect("jobs run");
            for consumer in &self.consumers {
                done += consumer(self.app.clone()).await.expect("a consumer runs");
            }
            if done == 0 {
                return;
            }
        }
        panic!("jobs keep making jobs");
    }

    /// Moves the clock in steps, settling after each: what a real day would have done.
    pub async fn advance_settled(&self, by: Duration, step: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let next = left.min(step);
            self.advance(next);
            self.settle().await;
            left = left.saturating_sub(next);
        }
    }

    /// Mails delivered so far, oldest first, as RFC 5322 text.
    pub async fn mails(&self) -> Vec<String> {
        self.settle().await;
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.mailbox)
            .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
            .unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        files.iter().map(|path| std::fs::read_to_string(path).expect("a mail")).collect()
    }

    /// The newest mail to `recipient`.
    pub async fn mail_to(&self, recipient: &str) -> Option<String> {
        let line = format!("to: {}", recipient.to_lowercase());
        let wrapped = format!("<{}>", recipient.to_lowercase());
        self.mails().await.into_iter().rev().find(|mail| {
            mail.lines().take_while(|header| !header.is_empty()).any(|header| {
                let header = header.to_lowercase();
                header.starts_with("to:") && (header.trim_end() == line || header.contains(&wrapped))
            })
        })
    }

    /// All actions recorded in an organization's ledger, oldest first.
    pub async fn actions(&self, organization: platform::ids::OrganizationId) -> Vec<String> {
        let events = self
            .app
            .db()
            .read(move |tx| platform::events::range(tx, organization, 0, 10_000))
            .await
            .expect("events");
        events.into_iter().map(|event| event.action).collect()
    }

    /// Ends the test: every ledger must be consistent, and no job may be left over or have failed.
    async fn finish(self) {
        let left = self
            .app
            .db()
            .read(|tx| jobs::list(tx, 100))
            .await
            .expect("jobs are listed")
            .into_iter()
            .filter(|job| job.state == jobs::JobState::Failed || job.run_at <= self.app.clock().now())
            .filter(|job| job.attempts > 0)
            .collect::<Vec<_>>();
        assert!(left.is_empty(), "the test left jobs behind: {left:?}");
        self.check_ledgers().await;
        self.app.drain();
        self.app.db().close(Duration::from_secs(5)).await;
        self.database.remove().await;
    }

    async fn check_ledgers(&self) {
        self.app
            .db()
            .read(|tx| {
                for organization in platform::principals::organizations(tx, "", 1000)? {
                    let (size, root) = platform::events::proofs::head(tx, organization.id)?;
                    let mut frontier = ledger::Frontier::new();
                    for event in platform::events::range(tx, organization.id, 0, 1_000_000)? {
                        assert_eq!(
                            event.entry()?.leaf_hash(),
                            event.leaf(),
                            "{} {}",
                            organization.slug,
                            event.sequence
                        );
                        frontier.append(event.leaf());
                    }
                    assert_eq!(
                        (frontier.size(), frontier.root()),
                        (size, root),
                        "ledger of {}",
                        organization.slug
                    );
                }
                Ok::<_, platform::db::DbError>(())
            })
            .await
            .expect("ledgers are readable");
    }
}

/// Whether a consumer has nothing left; for tests that run the real loop.
pub async fn caught_up(kit: &Kit, name: &'static str) -> bool {
    feed::caught_up(kit.app.db(), name).await.expect("the feed is readable")
}
