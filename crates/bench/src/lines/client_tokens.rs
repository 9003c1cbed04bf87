//! Line 2: tokens that products get for themselves, each an ES256 JWT, over connections that stay open.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::ctx::Actor;
use users::products::{self, GrantType, Settings};

use super::{absent, check, skipped_when_quick, started};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::Connection;
use crate::load;
use crate::peers::{KEYCLOAK_TOKENS, Keycloak, Peer, oidc_client};
use crate::product::Server;
use crate::realm::machine_authorization;
use crate::report::{Bound, Row, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size, wrong};
use crate::setup::Setup;

const CLIENTS: usize = 1_000;
/// Connections at once.
const WORKERS: usize = 16;
const PATH: &str = "/oauth/token";
const WARM_UP: Duration = Duration::from_secs(2);
/// The Java compiler needs its time.
const WARM_UP_JAVA: Duration = Duration::from_secs(30);

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let size = Size { organizations: 1, users: 10, first: 10, passwords: false };
    let seeded = seed::installation(setup.work(), "client-tokens", size, OWASP)?;
    let clients = seed::runtime()?.block_on(register(&seeded))?;
    let server = Server::start(setup, &seeded.data, OWASP)?;
    let node = Peer::oidc_provider(setup, CLIENTS, "jwt");
    let java = (!setup.quick).then(|| Keycloak::start_with(setup, 1, CLIENTS, OWASP));
    let node_clients: Vec<String> = (0..CLIENTS).map(oidc_client).collect();
    let machines: &Vec<String> = &(0..CLIENTS).map(machine_authorization).collect();
    if let Ok(node) = &node {
        tokens(&node.url, "/token", &node_clients, WARM_UP)?;
    }
    if let Some(Ok(java)) = &java {
        tokens(&java.url, KEYCLOAK_TOKENS, machines, WARM_UP_JAVA)?;
    }
    let mut subjects = vec![
        Subject::new("ES256 alone", || setup.es256()),
        Subject::new("ours", || tokens(&server.url, PATH, &clients, setup.round)),
        Subject::new("oidc-provider", || tokens(&started(&node)?.url, "/token", &node_clients, setup.round)),
    ];
    if let Some(java) = &java {
        subjects.push(Subject::new("Keycloak", move || {
            tokens(&started(java)?.url, KEYCLOAK_TOKENS, machines, setup.round)
        }));
    }
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [limit, ours, node] = [0, 1, 2].map(|index| median(&figures[index]));
    let left_out = || skipped_when_quick(setup).unwrap_or_else(|| absent("no round was run"));
    let java = figures.get(3).map_or_else(left_out, median);
    let keycloak = check("× Keycloak", ratio(&ours, &java), Bound::AtLeast(50.0));
    let beside_java = Row {
        line: "2",
        operation: "… beside Keycloak".to_owned(),
        checks: if setup.quick { Vec::new() } else { vec![keycloak] },
        ours: Some(ours.clone()),
        peer: Some(("Keycloak".to_owned(), java)),
        limit: None,
        unit: "/s",
    };
    let row = Row {
        line: "2",
        operation: "client credentials → ES256 JWT, 1,000 clients".to_owned(),
        checks: vec![
            check("tokens/s", ours.clone(), Bound::AtLeast(25_000.0)),
            check("of the limit", ratio(&ours, &limit), Bound::AtLeast(0.35)),
            check("× oidc-provider", ratio(&ours, &node), Bound::AtLeast(4.0)),
        ],
        ours: Some(ours),
        peer: Some(("oidc-provider".to_owned(), node)),
        limit: Some(("ES256 alone".to_owned(), limit)),
        unit: "/s",
    };
    Ok(vec![row, beside_java])
}

fn tokens(url: &str, path: &str, clients: &[String], lasting: Duration) -> Result<f64> {
    let outcome = load::closed(WORKERS, lasting, |_| {
        let mut connection = Connection::new(url);
        Box::new(move |number| token(&mut connection, path, &clients[number as usize % clients.len()]))
    })?;
    Ok(outcome.per_second())
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
    app.db().close(Duration::from_secs(30)).await;
    Ok(headers)
}

fn token(connection: &mut Connection, path: &str, authorization: &str) -> Result<()> {
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", authorization)];
    let answer = connection.send("POST", path, &headers, b"grant_type=client_credentials")?;
    let answer = answer.expect(path, 200)?;
    // Three parts: a signed token, not an opaque word.
    if answer.text().split("\"access_token\":\"").nth(1).is_some_and(|rest| rest.split('.').count() >= 3) {
        return Ok(());
    }
    Err(BenchError::Answer { what: path.to_owned(), got: answer.text(), expected: "a JWT".to_owned() })
}
