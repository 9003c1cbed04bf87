//! Line 5: signing in with a passkey alone: the question, the authenticator's answer, a durable session. The authenticators
//! are software, the ones that the tests judge the program with.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::params;
use serde_json::Value;
use testkit::authenticator::Authenticator;

use super::{absent, check};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::{Connection, Cookies};
use crate::load;
use crate::product::{Server, missing};
use crate::report::{Bound, Row, number, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size};
use crate::setup::Setup;

const WORKERS: usize = 16;
/// It takes OpenSSL, which `deny.toml` keeps out of this workspace.
const NO_PEER: &str = "webauthn-rs stands on openssl-sys, which deny.toml bans";

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let users = if setup.quick { 2_000 } else { 20_000 };
    let size = Size { organizations: 10, users, first: users / 10, passwords: false };
    let seeded = seed::installation(setup.work(), "passkeys", size, OWASP)?;
    let mut held = enrol(&seeded)?;
    let server = Server::start(setup, &seeded.data, OWASP)?;
    // Browsers offer passkeys at `localhost`, and the server's default address is that.
    let origin = server.url.replace("127.0.0.1", "localhost");
    for one in &mut held {
        one.origin.clone_from(&origin);
    }
    let count = held.len();
    let mut shares: Vec<Mutex<Vec<Authenticator>>> = Vec::new();
    while !held.is_empty() {
        let rest = held.split_off(held.len().min(count.div_ceil(WORKERS)));
        shares.push(Mutex::new(std::mem::replace(&mut held, rest)));
    }
    let before = sessions(&seeded.database())?;
    let mut signed_in = 0;
    let mut subjects = [
        Subject::new("ES256 verified", || setup.es256_verify()),
        Subject::new("ours", || {
            let outcome = sign_ins(&server, &shares, setup.round)?;
            signed_in += outcome.delays.count();
            Ok(outcome.per_second())
        }),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let kept = sessions(&seeded.database())? - before;
    if kept < signed_in {
        return Err(BenchError::Answer {
            what: "sessions in the store".to_owned(),
            got: kept.to_string(),
            expected: format!("at least {signed_in}"),
        });
    }
    let (limit, rate) = (median(&figures[0]), median(&figures[1]));
    Ok(vec![Row {
        line: "5",
        operation: format!("passkey assertion → session, {} credentials", number(users as f64)),
        checks: vec![
            check("/s", rate.clone(), Bound::AtLeast(3_000.0)),
            check("of the limit", ratio(&rate, &limit), Bound::Shown),
        ],
        ours: Some(rate),
        peer: Some(("webauthn-rs alone".to_owned(), absent(NO_PEER))),
        limit: Some(("ES256 verified, alone".to_owned(), limit)),
        unit: "/s",
    }])
}

/// A passkey for everybody, written as adding one leaves it: the ceremony of adding is not what is measured.
fn enrol(seeded: &Seeded) -> Result<Vec<Authenticator>> {
    let mut store = rusqlite::Connection::open(seeded.database())?;
    let accounts: Vec<(Vec<u8>, i64)> = store
        .prepare("select id, created_at from accounts order by id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let transaction = store.transaction()?;
    let mut held = Vec::with_capacity(accounts.len());
    for (account, created_at) in accounts {
        let mut one = Authenticator::new("http://localhost");
        one.user_handle.clone_from(&account);
        transaction
            .prepare_cached(
                "insert into passkeys (id, account_id, credential_id, name, public_key, sign_count, aaguid, attested,
                   synced, created_at)
                 values (?1, ?2, ?3, 'Passkey', ?4, 0, ?5, 0, 0, ?6)",
            )?
            .execute(params![
                &one.credential_id[..16],
                account,
                one.credential_id,
                one.cose(),
                one.aaguid,
                created_at
            ])?;
        held.push(one);
    }
    transaction.commit()?;
    Ok(held)
}

fn sign_ins(
    server: &Server,
    shares: &[Mutex<Vec<Authenticator>>],
    lasting: Duration,
) -> Result<load::Outcome> {
    load::closed(shares.len(), lasting, |worker| {
        let mut connection = Connection::new(&server.url);
        let share = &shares[worker % shares.len()];
        let mut next = 0;
        Box::new(move |_| {
            let mut share = share.lock().unwrap_or_else(PoisonError::into_inner);
            let who = next % share.len();
            next += 1;
            sign_in(&mut connection, &mut share[who])
        })
    })
}

fn sign_in(connection: &mut Connection, authenticator: &mut Authenticator) -> Result<()> {
    const ASK: &str = "/api/v1/passkey-options";
    const ANSWER: &str = "/api/v1/sessions/passkey";
    let json = ("Content-Type", "application/json");
    let asked = connection.send("POST", ASK, &[json], b"{}")?.expect(ASK, 200)?;
    let options: Value = serde_json::from_slice(&asked.body)?;
    if !options["challenge"].is_string() {
        return Err(missing("a question without a challenge"));
    }
    let mut cookies = Cookies::default();
    cookies.keep(&asked);
    let body = authenticator.get(&options).to_string();
    let headers = [json, ("Cookie", &cookies.line())];
    let answer = connection.send("POST", ANSWER, &headers, body.as_bytes())?.expect(ANSWER, 201)?;
    cookies.keep(&answer);
    if cookies.line().contains(platform::web::browser::SESSION_COOKIE) {
        return Ok(());
    }
    Err(BenchError::Answer {
        what: ANSWER.to_owned(),
        got: "no session".to_owned(),
        expected: "its cookie".to_owned(),
    })
}

fn sessions(database: &Path) -> Result<u64> {
    let store = rusqlite::Connection::open(database)?;
    let count: i64 = store.query_row("select count(*) from sessions", [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
