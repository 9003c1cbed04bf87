//! The running program: what handlers and jobs hold. Cheap to clone.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use tokio::sync::watch;

use crate::area::Area;
use crate::config::Config;
use crate::ctx::{Actor, Ctx, Random};
use crate::db::{Db, DbError};
use crate::evidence::{DrillSource, EvidenceSource};
use crate::jobs::{JobKind, Schedule};
use crate::secrets::Keyring;
use crate::time::Clock;
use crate::web::Authenticate;

/// What the setting `provider_name` says when nobody has set it.
const DEFAULT_PROVIDER_NAME: &str = "Bailiwick";

#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

/// What an [`App`] is made of.
pub struct AppParts {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub random: Random,
    pub keyring: Keyring,
    pub areas: Vec<&'static Area>,
    pub authenticate: Arc<dyn Authenticate>,
}

struct Inner {
    parts: AppParts,
    services: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    draining: watch::Sender<bool>,
    /// The provider organization's name, once it is known.
    provider: RwLock<Option<String>>,
}

/// Adds services of the areas (password pool, mailer, resolvers) before the app starts.
pub struct AppBuilder {
    parts: AppParts,
    services: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl AppBuilder {
    pub fn new(parts: AppParts) -> Self {
        Self { parts, services: HashMap::new() }
    }

    #[must_use]
    pub fn service<T: Send + Sync + 'static>(mut self, service: T) -> Self {
        self.services.insert(TypeId::of::<T>(), Arc::new(service));
        self
    }

    pub fn build(self) -> App {
        let (draining, _) = watch::channel(false);
        App {
            inner: Arc::new(Inner {
                parts: self.parts,
                services: self.services,
                draining,
                provider: RwLock::new(None),
            }),
        }
    }
}

impl App {
    /// Tells apps of one process apart (tests run several).
    pub fn instance(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    pub fn config(&self) -> &Config {
        &self.inner.parts.config
    }

    /// The provider's name on pages and in mails: the setting `provider_name`, or else its organization's name.
    pub fn provider_name(&self) -> String {
        let set = &self.config().provider_name;
        let learned = self.inner.provider.read().ok().and_then(|name| name.clone());
        learned.filter(|_| set == DEFAULT_PROVIDER_NAME).unwrap_or_else(|| set.clone())
    }

    /// Reads the provider organization's name from the store: at the start, and after set-up.
    pub async fn learn_provider(&self) -> Result<(), DbError> {
        let found = self.db().read(crate::principals::provider).await?;
        if let Ok(mut name) = self.inner.provider.write() {
            *name = found.map(|provider| provider.name);
        }
        Ok(())
    }

    pub fn db(&self) -> &Db {
        &self.inner.parts.db
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.parts.clock
    }

    pub fn random(&self) -> &Random {
        &self.inner.parts.random
    }

    pub fn keyring(&self) -> &Keyring {
        &self.inner.parts.keyring
    }

    pub fn areas(&self) -> &[&'static Area] {
        &self.inner.parts.areas
    }

    pub fn authenticate(&self) -> &Arc<dyn Authenticate> {
        &self.inner.parts.authenticate
    }

    /// A context for work that the program starts itself.
    pub fn ctx(&self, actor: Actor) -> Ctx {
        Ctx::new(actor, self.clock(), self.random())
    }

    /// A service added at start, `None` when this program runs without it.
    pub fn find_service<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.inner.services.get(&TypeId::of::<T>()).and_then(|service| service.clone().downcast().ok())
    }

    /// A service that every program adds at start.
    #[expect(
        clippy::expect_used,
        reason = "a missing service is a bug of the program's start, found by every test"
    )]
    pub fn service<T: Send + Sync + 'static>(&self) -> Arc<T> {
        self.find_service().expect("the service is added when the app is built")
    }

    pub fn job_kind(&self, name: &str) -> Option<&'static JobKind> {
        let own = crate::mail::JOBS.iter().chain(crate::events::anchor::JOBS);
        let own = own.chain(crate::web::guard::idempotency::JOBS).chain(crate::acme::JOBS);
        let own = own.chain(crate::secrets::rotation::JOBS).chain(crate::events::signing::JOBS);
        self.areas().iter().flat_map(|area| area.jobs).chain(own).find(|kind| kind.name == name)
    }

    pub fn schedules(&self) -> Vec<Schedule> {
        let own = crate::mail::SCHEDULES.iter().chain(crate::events::anchor::SCHEDULES);
        let own = own.chain(crate::web::guard::idempotency::SCHEDULES);
        let acme = crate::acme::SCHEDULES.iter().filter(|_| self.config().acme.is_some());
        let own = own.chain(acme);
        self.areas().iter().flat_map(|area| area.schedules).chain(own).copied().collect()
    }

    pub fn evidence(&self) -> impl Iterator<Item = &'static EvidenceSource> + '_ {
        self.areas().iter().flat_map(|area| area.evidence)
    }

    pub fn drills(&self) -> impl Iterator<Item = &'static DrillSource> + '_ {
        self.areas().iter().flat_map(|area| area.drills)
    }

    /// Asks everything that runs beside the server to end.
    pub fn drain(&self) {
        self.inner.draining.send_replace(true);
    }

    pub fn draining(&self) -> bool {
        *self.inner.draining.borrow()
    }

    /// Resolves when the drain begins.
    pub async fn drained(&self) {
        let mut draining = self.inner.draining.subscribe();
        let _ = draining.wait_for(|draining| *draining).await;
    }
}
