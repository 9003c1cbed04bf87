//! Line 3: what is this token worth now? Asked of a hundred thousand tokens, of which one in a hundred is revoked while they
//! are asked. What counts as much as the rate: no question that began after a revocation was acknowledged may be answered
//! `active`, and no living token may be called dead.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::ctx::Actor;
use users::products::{self, GrantType, Settings};

use super::{absent, check, started};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::{Connection, encode};
use crate::load;
use crate::peers::{Peer, oidc_client};
use crate::product::{Server, missing};
use crate::report::{Bound, Figure, Row, number, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size, wrong};
use crate::setup::Setup;

const WORKERS: usize = 16;
/// One question in so many is about a token that was revoked a moment ago.
const REVOKED_ONE_IN: u64 = 20;
/// How many of the last revoked those are.
const LAST: u64 = 50;

/// Where a program gets tokens, asks about them and ends them.
struct Endpoints {
    url: String,
    issue: &'static str,
    introspect: &'static str,
    revoke: &'static str,
    authorization: String,
}

/// Tokens of one server; they are revoked in the order of their numbers.
struct Tokens {
    endpoints: Endpoints,
    texts: Vec<String>,
    /// Revocations that were sent; the next one may be in force already.
    begun: AtomicU64,
    /// Revocations that were acknowledged.
    ended: AtomicU64,
    /// Questions that began after the acknowledgement, and those among them that were answered `active`.
    asked_after: AtomicU64,
    stale: AtomicU64,
}

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let count = if setup.quick { 10_000 } else { 100_000 };
    let size = Size { organizations: 1, users: 10, first: 10, passwords: false };
    let seeded = seed::installation(setup.work(), "introspection", size, OWASP)?;
    let authorization = seed::runtime()?.block_on(register(&seeded))?;
    let server = Server::start(setup, &seeded.data, OWASP)?;
    let ours = Tokens::issue(
        Endpoints {
            url: server.url.clone(),
            issue: "/oauth/token",
            introspect: "/oauth/introspect",
            revoke: "/oauth/revoke",
            authorization,
        },
        count,
    )?;
    let peer = Peer::oidc_provider(setup, 1, "opaque");
    let theirs = peer.as_ref().map_err(|error| missing(&error.to_string())).and_then(|peer| {
        let endpoints = Endpoints {
            url: peer.url.clone(),
            issue: "/token",
            introspect: "/token/introspection",
            revoke: "/token/revocation",
            authorization: oidc_client(0),
        };
        Tokens::issue(endpoints, count)
    });
    let revocations = (count / 100 / setup.rounds as u64).max(1);
    let mut subjects = [
        Subject::new("smallest answer", || floor(&server, setup.round)),
        Subject::new("ours", || ours.ask(setup.round, revocations)),
        Subject::new("oidc-provider", || started(&theirs)?.ask(setup.round, revocations)),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [floor, rate, their_rate] = [0, 1, 2].map(|index| median(&figures[index]));
    let (stale, their_stale) =
        (ours.stale(), theirs.as_ref().map_or_else(|_| absent("see above"), Tokens::stale));
    let after = number(ours.asked_after.load(Ordering::SeqCst) as f64);
    let row = Row {
        line: "3",
        operation: format!("introspection, {} tokens, 1 % revoked meanwhile", number(count as f64)),
        checks: vec![
            check("/s", rate.clone(), Bound::AtLeast(40_000.0)),
            check("of the limit", ratio(&rate, &floor), Bound::Shown),
            check("× oidc-provider", ratio(&rate, &their_rate), Bound::Shown),
        ],
        ours: Some(rate),
        peer: Some(("oidc-provider".to_owned(), their_rate)),
        limit: Some(("our smallest answer".to_owned(), floor)),
        unit: "/s",
    };
    let truth = Row {
        line: "3",
        operation: format!("… `active` after the revocation was acknowledged, of {after} questions"),
        checks: vec![check("stale", stale.clone(), Bound::AtMost(0.0))],
        ours: Some(stale),
        peer: Some(("oidc-provider".to_owned(), their_stale)),
        limit: None,
        unit: "stale",
    };
    Ok(vec![row, truth])
}

/// The `Authorization` of a product that gets tokens for itself.
async fn register(seeded: &Seeded) -> Result<String> {
    let app = seed::open(&seeded.data, OWASP).await?;
    let settings = Settings {
        name: "Importer".to_owned(),
        grant_types: vec![GrantType::ClientCredentials],
        scopes: vec!["records:read".to_owned()],
        ..Settings::default()
    };
    let ctx = app.ctx(Actor::Operator);
    let at = ctx.clone();
    let made = app.db().write(&ctx, move |tx| products::create(&at, tx, &settings)).await?;
    let (product, secret) = made.value;
    let secret = secret.ok_or_else(|| wrong("a product", "it has no secret"))?;
    app.db().close(Duration::from_secs(30)).await;
    Ok(format!("Basic {}", STANDARD.encode(format!("{}:{}", product.id, secret.text()))))
}

/// What the connections and the server's HTTP side carry when there is nothing to do.
fn floor(server: &Server, lasting: Duration) -> Result<f64> {
    let outcome = load::closed(WORKERS, lasting, |_| {
        let mut connection = Connection::new(&server.url);
        Box::new(move |_| connection.get("/healthz", &[])?.expect("/healthz", 200).map(drop))
    })?;
    Ok(outcome.per_second())
}

impl Endpoints {
    fn post(&self, connection: &mut Connection, path: &str, body: &str) -> Result<String> {
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let headers = [form, ("Authorization", self.authorization.as_str())];
        let answer = connection.send("POST", path, &headers, body.as_bytes())?.expect(path, 200)?;
        Ok(answer.text())
    }

    fn is_active(&self, connection: &mut Connection, token: &str) -> Result<bool> {
        let answer = self.post(connection, self.introspect, &format!("token={}", encode(token)))?;
        match (answer.contains("\"active\":true"), answer.contains("\"active\":false")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(self.wrong(&answer, "whether it is active")),
        }
    }

    fn wrong(&self, got: &str, expected: &str) -> BenchError {
        BenchError::Answer {
            what: self.introspect.to_owned(),
            got: got.to_owned(),
            expected: expected.to_owned(),
        }
    }
}

impl Tokens {
    fn issue(endpoints: Endpoints, count: u64) -> Result<Self> {
        let texts = Mutex::new(Vec::new());
        let (kept, at) = (&texts, &endpoints);
        load::each(WORKERS, count, |_| {
            let mut connection = Connection::new(&at.url);
            Box::new(move |_| {
                let answer = at.post(&mut connection, at.issue, "grant_type=client_credentials")?;
                let answer: serde_json::Value = serde_json::from_str(&answer)?;
                let token = answer["access_token"].as_str().ok_or_else(|| missing("no access token came"))?;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(token.to_owned());
                Ok(())
            })
        })?;
        let texts = texts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let [begun, ended, asked_after, stale] = [const { AtomicU64::new(0) }; 4];
        Ok(Self { endpoints, texts, begun, ended, asked_after, stale })
    }

    fn stale(&self) -> Figure {
        if self.asked_after.load(Ordering::SeqCst) == 0 {
            return absent("nobody asked about a revoked token");
        }
        Ok(self.stale.load(Ordering::SeqCst) as f64)
    }

    /// Asks for `lasting`, and revokes so many meanwhile.
    fn ask(&self, lasting: Duration, revocations: u64) -> Result<f64> {
        let per_second = revocations as f64 / lasting.as_secs_f64();
        std::thread::scope(|scope| {
            let revoker = scope.spawn(move || {
                load::open(per_second, 1, lasting, |_| {
                    let mut connection = Connection::new(&self.endpoints.url);
                    Box::new(move |_| self.revoke_next(&mut connection))
                })
            });
            let asked = load::closed(WORKERS, lasting, |_| {
                let mut connection = Connection::new(&self.endpoints.url);
                Box::new(move |number| self.ask_one(&mut connection, number))
            });
            match revoker.join() {
                Ok(revoked) => drop(revoked?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            Ok(asked?.per_second())
        })
    }

    /// Revokes one more, and asks about it at once.
    fn revoke_next(&self, connection: &mut Connection) -> Result<()> {
        let next = self.begun.fetch_add(1, Ordering::SeqCst);
        let token = self.text(next);
        let body = format!("token={}", encode(token));
        self.endpoints.post(connection, self.endpoints.revoke, &body)?;
        self.ended.store(next + 1, Ordering::SeqCst);
        self.judge(connection, next)
    }

    fn ask_one(&self, connection: &mut Connection, number: u64) -> Result<()> {
        let ended = self.ended.load(Ordering::SeqCst);
        let which = if ended > 0 && number.is_multiple_of(REVOKED_ONE_IN) {
            ended - 1 - (number / REVOKED_ONE_IN) % ended.min(LAST)
        } else {
            // Spread over all of them: no two neighbours after each other.
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.texts.len() as u64
        };
        self.judge(connection, which)
    }

    fn judge(&self, connection: &mut Connection, which: u64) -> Result<()> {
        let is_revoked = which < self.ended.load(Ordering::SeqCst);
        let active = self.endpoints.is_active(connection, self.text(which))?;
        if is_revoked {
            self.asked_after.fetch_add(1, Ordering::Relaxed);
            self.stale.fetch_add(u64::from(active), Ordering::Relaxed);
            return Ok(());
        }
        if !active && which >= self.begun.load(Ordering::SeqCst) {
            return Err(self.endpoints.wrong("a living token is called dead", "active"));
        }
        Ok(())
    }

    fn text(&self, which: u64) -> &str {
        &self.texts[which as usize % self.texts.len()]
    }
}
