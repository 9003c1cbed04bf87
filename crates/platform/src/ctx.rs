//! Who asks, when, why and from where: the first argument of every rule.
//!
//! A rule reads time and randomness from here and nowhere else, which makes it deterministic: the same `Ctx` and the
//! same stored state give the same outcome.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rand_chacha::rand_core::{RngCore, SeedableRng};
use uuid::Uuid;

use crate::ids::{AccountId, Id, OrganizationId, RequestId};
use crate::time::{Clock, Timestamp};

/// Source of random bytes: the operating system's, or a seeded stream for tests and the demo.
#[derive(Clone)]
pub enum Random {
    System,
    Seeded(Arc<Mutex<rand_chacha::ChaCha20Rng>>),
}

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(rand_chacha::ChaCha20Rng::seed_from_u64(seed))))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::System => {
                // aws-lc-rs only fails here when the operating system has no entropy source at all; going on with
                // predictable bytes would be worse than stopping.
                #[expect(clippy::expect_used, reason = "no safe way to go on without randomness")]
                aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
            }
            Self::Seeded(rng) => match rng.lock() {
                Ok(mut rng) => rng.fill_bytes(bytes),
                Err(poisoned) => poisoned.into_inner().fill_bytes(bytes),
            },
        }
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Who acts. Stands in every event of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who has not signed in.
    Anonymous,
    /// A person with a session.
    Account(AccountId),
    /// An API token, acting with the rights it was given, in one organization.
    ApiToken { token: Uuid, organization: OrganizationId },
    /// Bailiwick itself: a job or the feed, by name.
    System(&'static str),
    /// Somebody with a shell on the server (`bailiwick … --data DIR`).
    Operator,
}

impl Actor {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Account(_) => "account",
            Self::ApiToken { .. } => "api_token",
            Self::System(_) => "system",
            Self::Operator => "operator",
        }
    }

    pub fn id(&self) -> String {
        match self {
            Self::Anonymous | Self::Operator => String::new(),
            Self::Account(id) => id.to_string(),
            Self::ApiToken { token, .. } => token.to_string(),
            Self::System(name) => (*name).to_owned(),
        }
    }

    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account(id) => Some(*id),
            _ => None,
        }
    }
}

/// Where a request came from; personal data, so it stands only in redactable fields of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
}

#[derive(Clone)]
pub struct Ctx {
    pub actor: Actor,
    pub now: Timestamp,
    pub request: RequestId,
    pub origin: Origin,
    random: Random,
}

impl Ctx {
    pub fn new(actor: Actor, clock: &Clock, random: &Random) -> Self {
        let now = clock.now();
        Self {
            actor,
            now,
            request: RequestId::from_uuid(uuid_v7(now, random.bytes())),
            origin: Origin::default(),
            random: random.clone(),
        }
    }

    #[must_use]
    pub fn from_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    #[must_use]
    pub fn acting_as(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// A new id (UUIDv7 of this context's time).
    pub fn id<T: Id>(&self) -> T {
        T::from_uuid(uuid_v7(self.now, self.random.bytes()))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        self.random.bytes()
    }

    pub fn random(&self) -> &Random {
        &self.random
    }
}

/// UUIDv7 (RFC 9562 §5.7) from milliseconds and 10 random bytes.
fn uuid_v7(now: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;

    #[test]
    fn a_seed_repeats_ids_and_two_draws_differ() {
        let make = || {
            let clock = Clock::virtual_at(Timestamp::from_micros(1_700_000_000_000_000));
            let ctx = Ctx::new(Actor::Operator, &clock, &Random::seeded(7));
            (ctx.id::<AccountId>(), ctx.id::<AccountId>())
        };
        assert_eq!(make(), make());
        assert_ne!(make().0, make().1);
        assert_eq!(make().0.uuid().get_version_num(), 7);
    }
}
