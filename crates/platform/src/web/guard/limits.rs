//! Rate limits: a token bucket per caller and class of route, announced in `RateLimit` headers
//! (draft-ietf-httpapi-ratelimit-headers).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex};

use axum::http::{HeaderMap, HeaderValue};

use crate::app::App;
use crate::time::Timestamp;
use crate::web::Problem;
use crate::web::access::Principal;
use crate::web::routes::{Limit, RouteInfo};

/// Requests per minute, and how many may come at once.
struct Rate {
    name: &'static str,
    per_minute: u32,
    burst: u32,
}

fn rate(app: &App, limit: Limit) -> Option<Rate> {
    let scale = app.config().rate_limit_percent;
    if scale == 0 {
        return None;
    }
    let (name, per_minute, burst) = match limit {
        Limit::None => return None,
        Limit::Read => ("read", 1200, 300),
        Limit::Write => ("write", 300, 100),
        Limit::Credential => ("credential", 60, 30),
        Limit::Heavy => ("heavy", 12, 6),
    };
    let scaled = |value: u32| (u64::from(value) * u64::from(scale) / 100).clamp(1, u64::from(u32::MAX));
    Some(Rate {
        name,
        per_minute: u32::try_from(scaled(per_minute)).unwrap_or(u32::MAX),
        burst: u32::try_from(scaled(burst)).unwrap_or(u32::MAX),
    })
}

/// How a caller stands after this request.
pub struct Standing {
    name: &'static str,
    burst: u32,
    remaining: u32,
    per_minute: u32,
}

impl Standing {
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let policy = format!("\"{}\";q={};w=60", self.name, self.per_minute);
        let limit = format!("\"{}\";r={};t={}", self.name, self.remaining, self.seconds_until_full());
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    fn seconds_until_full(&self) -> u32 {
        (self.burst - self.remaining.min(self.burst)) * 60 / self.per_minute.max(1)
    }
}

struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// Callers kept at most; beyond it, full buckets are forgotten first.
const CALLERS_MAX: usize = 200_000;

/// The app of this process, the class of route, and the caller.
type Caller = (usize, &'static str, String);

static BUCKETS: LazyLock<Mutex<HashMap<Caller, Bucket>>> = LazyLock::new(Mutex::default);

/// Takes one token of the caller's bucket. The caller is the principal, or else its network (IPv6: the /64).
pub(super) fn check(
    app: &App,
    info: &RouteInfo,
    ip: Option<IpAddr>,
    principal: Option<&Principal>,
) -> Result<Option<Standing>, Problem> {
    let Some(rate) = rate(app, info.limit) else { return Ok(None) };
    // Tries of secrets count per network even when signed in: a session must not buy more guesses.
    let caller = match principal {
        Some(principal) if info.limit != Limit::Credential => principal.actor.id(),
        _ => network(ip),
    };
    let now = app.clock().now();
    let Ok(mut buckets) = BUCKETS.lock() else { return Ok(None) };
    if buckets.len() >= CALLERS_MAX {
        buckets.retain(|_, bucket| now.since(bucket.at).as_secs() < 120);
    }
    let bucket = buckets
        .entry((app.instance(), rate.name, caller))
        .or_insert(Bucket { tokens: f64::from(rate.burst), at: now });
    let refill = now.since(bucket.at).as_secs_f64() * f64::from(rate.per_minute) / 60.0;
    bucket.tokens = (bucket.tokens + refill).min(f64::from(rate.burst));
    bucket.at = now;
    if bucket.tokens < 1.0 {
        let wait = (1.0 - bucket.tokens) * 60.0 / f64::from(rate.per_minute);
        metrics::counter!("bailiwick_rate_limited_total", "class" => rate.name).increment(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few seconds, rounded up"
        )]
        return Err(Problem::too_many(wait.ceil().max(1.0) as u64));
    }
    bucket.tokens -= 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the burst")]
    let remaining = bucket.tokens as u32;
    Ok(Some(Standing { name: rate.name, burst: rate.burst, remaining, per_minute: rate.per_minute }))
}

/// An IPv4 address, or the /64 of an IPv6 address: what one subscriber has.
pub fn network(ip: Option<IpAddr>) -> String {
    match ip {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let [a, b, c, d, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
    }
}
