//! Line 1: a password sign-in from the request to the cookie, with its session and audit event on disk.

use std::path::Path;
use std::time::Duration;

use super::{absent, check, skipped_when_quick};
use crate::error::{BenchError, Result};
use crate::hashing::{HashCost, PASSWORD};
use crate::http::Connection;
use crate::load;
use crate::peers::Keycloak;
use crate::product::Server;
use crate::report::{Bound, Row, number, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size};
use crate::setup::Setup;

pub const USERS: u64 = 10_000;
pub const ORGANIZATIONS: u64 = 100;
/// Log-ins at once: enough to keep one core busy through the waits for the disk.
const WORKERS: usize = 4;
const WARM_UP: Duration = Duration::from_secs(40);
/// Token traffic beside the storm: requests a second, and connections that carry them.
const TOKEN_RATE: f64 = 100.0;
const TOKEN_WORKERS: usize = 8;

/// Ten thousand people in a hundred organizations, all with a password.
pub fn size() -> Size {
    Size { organizations: ORGANIZATIONS, users: USERS, first: USERS / ORGANIZATIONS, passwords: true }
}

pub fn measure(setup: &Setup, line: &'static str, cost: HashCost) -> Result<Row> {
    let seeded = seed::installation(setup.work(), &format!("login-{line}"), size(), cost)?;
    let server = Server::start(setup, &seeded.data, cost)?;
    let keycloak = if setup.quick { None } else { Some(Keycloak::start(setup, USERS, cost)?) };
    logins(&server, Duration::from_secs(1))?;
    let mut signed_in = 0;
    let counted = sessions(&seeded.database())?;
    let mut subjects = vec![
        Subject::new(format!("Argon2id {}", cost.label), || setup.argon2(cost)),
        Subject::new("ours", || {
            let outcome = logins(&server, setup.round)?;
            signed_in += outcome.delays.count();
            Ok(outcome.per_second())
        }),
    ];
    if let Some(keycloak) = &keycloak {
        // The Java compiler needs its time: unmeasured load first, as for every peer that has one.
        keycloak.form_logins(WORKERS, WARM_UP / 2)?;
        keycloak.grant_logins(WORKERS, WARM_UP / 2)?;
        subjects.push(Subject::new("Keycloak, form", || keycloak.form_logins(WORKERS, setup.round)));
        subjects.push(Subject::new("Keycloak, direct grant", || keycloak.grant_logins(WORKERS, setup.round)));
    }
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    expect_sessions(&seeded.database(), counted + signed_in)?;
    let mut beside = [Subject::new("token traffic beside our log-ins, p99 ms", || {
        token_delay(&server, &seeded, setup.round)
    })];
    let token_figures = interleave(setup.rounds, &mut beside, || setup.look_around());
    let (limit, ours) = (median(&figures[0]), median(&figures[1]));
    // The peer's better way counts.
    let (way, peer) = match (figures.get(2).map(median), figures.get(3).map(median)) {
        (Some(Ok(form)), Some(Ok(grant))) if grant > form => ("direct grant", Ok(grant)),
        (Some(form), _) => ("form", form),
        (None, _) => ("form", skipped_when_quick(setup).unwrap_or_else(|| absent("no round was run"))),
    };
    let mut checks = vec![
        check("of the limit", ratio(&ours, &limit), Bound::AtLeast(0.85)),
        check("p99 ms of token traffic meanwhile", median(&token_figures[0]), Bound::AtMost(20.0)),
    ];
    if !setup.quick {
        checks.push(check("× Keycloak", ratio(&ours, &peer), Bound::AtLeast(5.0)));
    }
    Ok(Row {
        line,
        operation: format!(
            "password log-in end to end, Argon2id {}, {} users",
            cost.label,
            number(USERS as f64)
        ),
        checks,
        ours: Some(ours),
        peer: Some((format!("Keycloak ({way})"), peer)),
        limit: Some(("hash alone".to_owned(), limit)),
        unit: "/s",
    })
}

fn logins(server: &Server, lasting: Duration) -> Result<load::Outcome> {
    load::closed(WORKERS, lasting, |_| {
        let mut connection = Connection::new(&server.url);
        Box::new(move |number| login(&mut connection, &seed::email(number % USERS)))
    })
}

pub fn login(connection: &mut Connection, email: &str) -> Result<()> {
    let body = serde_json::json!({ "email": email, "password": PASSWORD }).to_string();
    let json = [("Content-Type", "application/json")];
    let answer = connection.send("POST", "/api/v1/sessions", &json, body.as_bytes())?;
    let answer = answer.expect("POST /api/v1/sessions", 201)?;
    if answer
        .header("set-cookie")
        .is_some_and(|cookie| cookie.starts_with(platform::web::browser::SESSION_COOKIE))
    {
        return Ok(());
    }
    Err(BenchError::Answer {
        what: "POST /api/v1/sessions".to_owned(),
        got: "no session".to_owned(),
        expected: "its cookie".to_owned(),
    })
}

/// The delay of token traffic, counted from when each request was due, while log-ins fill the core.
fn token_delay(server: &Server, seeded: &Seeded, lasting: Duration) -> Result<f64> {
    let tokens = &seeded.tokens;
    std::thread::scope(|scope| {
        let storm = scope.spawn(|| logins(server, lasting));
        let traffic = load::open(TOKEN_RATE, TOKEN_WORKERS, lasting, |_| {
            let mut connection = Connection::new(&server.url);
            Box::new(move |number| {
                let Some((slug, token)) = tokens.get(number as usize % tokens.len().max(1)) else {
                    return Err(crate::product::missing("no API tokens were made"));
                };
                let authorization = format!("Bearer {token}");
                let path = format!("/api/v1/organizations/{slug}");
                connection.get(&path, &[("Authorization", &authorization)])?.expect(&path, 200).map(drop)
            })
        });
        match storm.join() {
            Ok(storm) => drop(storm?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(traffic?.delays.percentile_ms(0.99))
    })
}

/// Every acknowledged log-in has its session in the store.
fn expect_sessions(database: &Path, expected: u64) -> Result<()> {
    let kept = sessions(database)?;
    if kept >= expected {
        return Ok(());
    }
    Err(BenchError::Answer {
        what: "sessions in the store".to_owned(),
        got: kept.to_string(),
        expected: format!("at least {expected}"),
    })
}

fn sessions(database: &Path) -> Result<u64> {
    let store = rusqlite::Connection::open(database)?;
    let count: i64 = store.query_row("select count(*) from sessions", [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
