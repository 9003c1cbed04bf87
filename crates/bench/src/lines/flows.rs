//! Line 4: people who are signed in here go to a product: the code with PKCE, its tokens, and one refresh. Counted by whole
//! flows; each is three requests and three transactions, which share their syncs with those of others.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::ctx::Actor;
use serde_json::Value;
use users::products::{self, Settings};

use super::{absent, check, skipped_when_quick, started};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::{Connection, Response, encode};
use crate::load;
use crate::peers::{KEYCLOAK_AUTHORIZE, KEYCLOAK_TOKENS, Keycloak};
use crate::product::Server;
use crate::realm::{CLIENT, REDIRECT};
use crate::report::{Bound, Row, number, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size, wrong};
use crate::setup::Setup;

/// Flows at once.
const WORKERS: usize = 16;
const CALLBACK: &str = "https://rp.example/callback";
/// People whom Keycloak has signed in; more would only take longer to sign in.
const KEYCLOAK_PEOPLE: u64 = 200;
const WARM_UP_JAVA: Duration = Duration::from_secs(30);

/// A product at a provider, and the browsers of the people who use it.
struct Product {
    url: String,
    authorize: &'static str,
    tokens: &'static str,
    /// With which status the browser is sent on.
    sends: u16,
    id: String,
    /// Empty where the product has no secret.
    authorization: String,
    redirect: &'static str,
    cookies: Vec<String>,
}

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let users = if setup.quick { 2_000 } else { 20_000 };
    let size = Size { organizations: 10, users, first: users / 10, passwords: false };
    let seeded = seed::installation(setup.work(), "flows", size, OWASP)?;
    let mut ours = seed::runtime()?.block_on(register(&seeded, users))?;
    let server = Server::start(setup, &seeded.data, OWASP)?;
    ours.url.clone_from(&server.url);
    ours.run(Duration::from_secs(1))?;
    let java = (!setup.quick).then(|| keycloak(setup));
    let mut commits = Vec::new();
    let mut subjects = vec![
        Subject::new("SQLite, one row a transaction", || setup.sqlite_transactions()),
        Subject::new("ours", || {
            let before = server.commits()?;
            let outcome = ours.run(setup.round)?;
            commits.push((server.commits()? - before) / outcome.delays.count().max(1) as f64);
            Ok(outcome.per_second())
        }),
    ];
    if let Some(java) = &java {
        subjects.push(Subject::new("Keycloak", move || Ok(started(java)?.1.run(setup.round)?.per_second())));
    }
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let (limit, rate) = (median(&figures[0]), median(&figures[1]));
    let left_out = || skipped_when_quick(setup).unwrap_or_else(|| absent("no round was run"));
    let theirs = figures.get(2).map_or_else(left_out, median);
    let mut checks = vec![
        check("flows/s", rate.clone(), Bound::AtLeast(2_000.0)),
        check("commits, each one sync, a flow", median(&Ok(commits)), Bound::AtMost(1.0)),
    ];
    if !setup.quick {
        checks.push(check("× Keycloak", ratio(&rate, &theirs), Bound::Shown));
    }
    Ok(vec![Row {
        line: "4",
        operation: format!("code with PKCE, tokens, one refresh; {} people", number(users as f64)),
        checks,
        ours: Some(rate),
        peer: Some(("Keycloak".to_owned(), theirs)),
        limit: Some(("SQLite, one row a transaction".to_owned(), limit)),
        unit: "/s",
    }])
}

/// A product for everybody, and everybody signed in.
async fn register(seeded: &Seeded, users: u64) -> Result<Product> {
    let app = seed::open(&seeded.data, OWASP).await?;
    let cookies = seed::sign_in(&app, users).await?;
    let settings = Settings {
        name: "Notebooks".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        everyone: true,
        asks_consent: false,
        ..Settings::default()
    };
    let ctx = app.ctx(Actor::Operator);
    let at = ctx.clone();
    let made = app.db().write(&ctx, move |tx| products::create(&at, tx, &settings)).await?;
    let (product, secret) = made.value;
    let secret = secret.ok_or_else(|| wrong("a product", "it has no secret"))?;
    seed::work_off(&app).await?;
    app.db().close(Duration::from_secs(60)).await;
    Ok(Product {
        url: String::new(),
        authorize: "/oauth/authorize",
        tokens: "/oauth/token",
        sends: 303,
        authorization: format!("Basic {}", STANDARD.encode(format!("{}:{}", product.id, secret.text()))),
        id: product.id.to_string(),
        redirect: CALLBACK,
        cookies,
    })
}

/// Keycloak with people signed in, and warm.
fn keycloak(setup: &Setup) -> Result<(Keycloak, Product)> {
    let server = Keycloak::start(setup, KEYCLOAK_PEOPLE, OWASP)?;
    let product = Product {
        url: server.url.clone(),
        authorize: KEYCLOAK_AUTHORIZE,
        tokens: KEYCLOAK_TOKENS,
        sends: 302,
        id: CLIENT.to_owned(),
        authorization: String::new(),
        redirect: REDIRECT,
        cookies: server.sign_in(4, KEYCLOAK_PEOPLE)?,
    };
    product.run(WARM_UP_JAVA)?;
    Ok((server, product))
}

impl Product {
    fn run(&self, lasting: Duration) -> Result<load::Outcome> {
        load::closed(WORKERS, lasting, |_| {
            // The person's browser and the product's server.
            let (mut browser, mut backend) = (Connection::new(&self.url), Connection::new(&self.url));
            Box::new(move |number| self.flow(&mut browser, &mut backend, number))
        })
    }

    fn flow(&self, browser: &mut Connection, backend: &mut Connection, number: u64) -> Result<()> {
        let verifier = format!("{number:048}");
        let path = format!(
            "{}?response_type=code&client_id={}&redirect_uri={}&scope=openid&state=s{number}&nonce=n{number}\
             &code_challenge={}&code_challenge_method=S256",
            self.authorize,
            self.id,
            encode(self.redirect),
            jose::sha256(&verifier),
        );
        let cookie = &self.cookies[number as usize % self.cookies.len()];
        let answer = browser.get(&path, &[("Cookie", cookie)])?.expect(self.authorize, self.sends)?;
        let code = self.code(&answer, number)?;
        let first = self.ask(
            backend,
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", self.redirect),
                ("code_verifier", &verifier),
            ],
        )?;
        let refresh = first["refresh_token"].as_str().unwrap_or_default();
        if refresh.is_empty() || !first["id_token"].is_string() {
            return Err(self.wrong("tokens without a refresh token or ID token"));
        }
        let second = self.ask(backend, &[("grant_type", "refresh_token"), ("refresh_token", refresh)])?;
        if second["access_token"].is_string() && second["access_token"] != first["access_token"] {
            return Ok(());
        }
        Err(self.wrong("a refresh without a new access token"))
    }

    /// The code in the address that the browser is sent to, which must be the product's own with its state.
    fn code(&self, answer: &Response, number: u64) -> Result<String> {
        let place = answer.header("location").unwrap_or_default();
        let query = place.strip_prefix(self.redirect).and_then(|rest| rest.strip_prefix('?'));
        let value = |name: &str| {
            let pairs = query.unwrap_or_default().split('&');
            pairs
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        match (value("code"), value("state")) {
            (Some(code), Some(state)) if state == format!("s{number}") => Ok(code.to_owned()),
            _ => Err(self.wrong(&format!("a browser sent to `{place}`"))),
        }
    }

    fn ask(&self, backend: &mut Connection, fields: &[(&str, &str)]) -> Result<Value> {
        let mut fields = fields.to_vec();
        if self.authorization.is_empty() {
            fields.push(("client_id", &self.id));
        }
        let answer = backend.post_form(self.tokens, &[("Authorization", &self.authorization)], &fields)?;
        Ok(serde_json::from_slice(&answer.expect(self.tokens, 200)?.body)?)
    }

    fn wrong(&self, got: &str) -> BenchError {
        BenchError::Answer {
            what: format!("a sign-in through {}", self.authorize),
            got: got.to_owned(),
            expected: "a code and its tokens".to_owned(),
        }
    }
}
