//! Time as Bailiwick stores and compares it: UTC microseconds, read from a [`Clock`] that a test can advance.
//!
//! Nothing else in the workspace may ask the operating system what time it is (`clippy.toml` forbids it): a rule
//! gets `now` from its [`Ctx`](crate::ctx::Ctx), so that the same inputs give the same outcome on every node.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);

/// A point in time: microseconds since 1970-01-01T00:00:00Z, the form of every time column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const EPOCH: Timestamp = Timestamp(0);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(duration)))
    }

    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(duration)))
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with microseconds cut to what is needed, e.g. `2026-11-23T19:14:59Z`.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.to_string(),
            Err(_) => format!("{}us", self.0),
        }
    }

    /// Reads an RFC 3339 time; `None` when it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Self(time.as_microsecond()))
    }

    /// `23 Nov 2026` in UTC, for sentences that people read.
    pub fn day_words(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.strftime("%-d %b %Y").to_string(),
            Err(_) => self.rfc3339(),
        }
    }

    /// `23 Nov 2026, 19:14 UTC`.
    pub fn minute_words(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            Err(_) => self.rfc3339(),
        }
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
    }
}

/// Where `now` comes from.
#[derive(Clone)]
pub enum Clock {
    System,
    /// Starts where it is told and moves only when advanced (`--test-clock`, tests, the demo's year of history).
    Virtual(Arc<VirtualClock>),
}

pub struct VirtualClock {
    micros: AtomicI64,
    moved: watch::Sender<i64>,
}

impl Clock {
    pub fn virtual_at(start: Timestamp) -> Self {
        let (moved, _) = watch::channel(start.micros());
        Self::Virtual(Arc::new(VirtualClock { micros: AtomicI64::new(start.micros()), moved }))
    }

    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(jiff_now()),
            Self::Virtual(clock) => Timestamp(clock.micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a virtual clock forward and wakes whoever sleeps on it. `false` on the system clock.
    pub fn advance(&self, by: Duration) -> bool {
        match self {
            Self::System => false,
            Self::Virtual(clock) => {
                let now = clock.micros.fetch_add(micros_of(by), Ordering::SeqCst) + micros_of(by);
                clock.moved.send_replace(now);
                true
            }
        }
    }

    /// Sleeps until `deadline` on this clock, or until `poll` real time has passed, whichever is first.
    pub async fn sleep_until(&self, deadline: Timestamp, poll: Duration) {
        match self {
            Self::System => {
                let wait = deadline.since(self.now()).min(poll);
                tokio::time::sleep(wait).await;
            }
            Self::Virtual(clock) => {
                let mut moved = clock.moved.subscribe();
                let reached = moved.wait_for(|now| *now >= deadline.micros());
                let _ = tokio::time::timeout(poll, reached).await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
fn jiff_now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_round_trips() {
        let time = Timestamp::from_micros(1_795_461_299_123_456);
        assert_eq!(Timestamp::parse_rfc3339(&time.rfc3339()), Some(time));
    }

    #[test]
    fn since_never_goes_below_zero() {
        assert_eq!(Timestamp::from_micros(1).since(Timestamp::from_micros(5)), Duration::ZERO);
    }

    #[test]
    fn a_virtual_clock_moves_only_when_advanced() {
        let clock = Clock::virtual_at(Timestamp::from_micros(10));
        assert_eq!(clock.now().micros(), 10);
        assert!(clock.advance(SECOND));
        assert_eq!(clock.now().micros(), 1_000_010);
        assert!(!Clock::System.advance(SECOND));
    }
}
