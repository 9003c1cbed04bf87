//! Line 2: tokens that products get for themselves, each an ES256 JWT, over connections that stay open.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::ctx::Actor;
use users::products::{self, GrantType, Settings};

use super::check;
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::Connection;
use crate::load;
use crate::product::Server;
use crate::report::{Bound, Row, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size, wrong};
use crate::setup::Setup;

const CLIENTS: usize = 1_000;
/// Connections at once.
const WORKERS: usize = 16;
const PATH: &str = "/oauth/token";

pub fn measure(setup: &Setup) -> Result<Row> {
    let size = Size { organizations: 1, users: 10, first: 10, passwords: false };
    let seeded = seed::installation(setup.work(), "client-tokens", size, OWASP)?;
    let clients = seed::runtime()?.block_on(register(&seeded))?;
    let server = Server::start(setup, &seeded.data, OWASP)?;
    let clients = &clients;
    let mut subjects = vec![
        Subject::new("ES256 alone", || setup.es256()),
        Subject::new("ours", || {
            let outcome = load::closed(WORKERS, setup.round, |_| {
                let mut connection = Connection::new(&server.url);
                Box::new(move |number| token(&mut connection, &clients[number as usize % clients.len()]))
            })?;
            Ok(outcome.per_second())
        }),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let (limit, ours) = (median(&figures[0]), median(&figures[1]));
    Ok(Row {
        line: "2",
        operation: "client credentials → ES256 JWT, 1,000 clients".to_owned(),
        checks: vec![
            check("tokens/s", ours.clone(), Bound::AtLeast(25_000.0)),
            check("of the limit", ratio(&ours, &limit), Bound::AtLeast(0.35)),
        ],
        ours: Some(ours),
        peer: None,
        limit: Some(("ES256 alone".to_owned(), limit)),
        unit: "/s",
    })
}

/// The `Authorization` of a thousand products.
async fn register(seeded: &Seeded) -> Result<Vec<String>> {
    let app = seed::open(&seeded.data, OWASP).await?;
    let mut headers = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let settings = Settings {
            name: format!("Client {number}"),
            grant_types: vec![GrantType::ClientCredentials],
            scopes: vec!["records:read".to_owned()],
            ..Settings::default()
        };
        let ctx = app.ctx(Actor::Operator);
        let at = ctx.clone();
        let made = app.db().write(&ctx, move |tx| products::create(&at, tx, &settings)).await?;
        let (product, secret) = made.value;
        let secret = secret.ok_or_else(|| wrong("a product", "it has no secret"))?;
        let pair = format!("{}:{}", product.id, secret.text());
        headers.push(format!("Basic {}", STANDARD.encode(pair)));
    }
    app.db().close(std::time::Duration::from_secs(30)).await;
    Ok(headers)
}

fn token(connection: &mut Connection, authorization: &str) -> Result<()> {
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", authorization)];
    let answer = connection.send("POST", PATH, &headers, b"grant_type=client_credentials")?;
    let answer = answer.expect(PATH, 200)?;
    // Three parts: a signed token, not an opaque word.
    if answer.text().split("\"access_token\":\"").nth(1).is_some_and(|rest| rest.split('.').count() >= 3) {
        return Ok(());
    }
    Err(BenchError::Answer { what: PATH.to_owned(), got: answer.text(), expected: "a JWT".to_owned() })
}
