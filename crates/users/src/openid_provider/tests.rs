//! What these tests share: a product, a person in a browser, and the way from one to the other.

use std::collections::BTreeMap;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jose::{Claims, JwkSet, Token};
use platform::db::DbError;
use serde_json::Value;
use testkit::{Answer, Client, Kit};

use crate::kit;
use crate::products::{self, ProductId, Settings};

mod conformance;
mod disabled;
mod flows;
mod logout;
mod races;
mod security;

pub(crate) const CALLBACK: &str = "https://rp.example/callback";
pub(crate) const AFTER: &str = "https://rp.example/signed-out";
pub(crate) const MARA: &str = "mara@harbor-logistics.dev";
pub(crate) const VERIFIER: &str = "seven-grey-herons-over-the-weir-seven-grey-herons";
const FORM: &str = "application/x-www-form-urlencoded";

/// A product as its developer holds it.
#[derive(Clone)]
pub(crate) struct Rp {
    pub id: ProductId,
    pub secret: Option<String>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        name: "Notebooks".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        logout_uris: vec![AFTER.to_owned()],
        everyone: true,
        asks_consent: false,
        ..Settings::default()
    }
}

pub(crate) async fn register(kit: &Kit, settings: Settings) -> Rp {
    assert_eq!(settings.check(), Vec::new());
    kit.organization("northwind").await;
    let ctx = kit.ctx();
    let at = ctx.clone();
    let made = kit.app.db().write(&ctx, move |tx| products::create(&at, tx, &settings));
    let (product, secret) = made.await.expect("a product").value;
    Rp { id: product.id, secret: secret.map(|secret| secret.text()) }
}

/// Two databases, real sign-in, one product for everyone, Mara in her browser.
pub(crate) async fn world<F>(test: F)
where
    F: AsyncFn(&Kit, Rp, Client),
{
    world_with(settings(), test).await;
}

pub(crate) async fn world_with<F>(settings: Settings, test: F)
where
    F: AsyncFn(&Kit, Rp, Client),
{
    testkit::both_with(
        async |kit: &Kit| {
            let rp = register(kit, settings.clone()).await;
            let browser = kit::sign_up(kit, MARA).await;
            test(kit, rp, browser).await;
        },
        kit::real_sign_in,
    )
    .await;
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Rp {
    /// The address of an authorization request; `more` replaces what is usual, an empty value takes it away.
    pub fn request(&self, more: &[(&str, &str)]) -> String {
        format!(
            "/oauth/authorize?{}",
            encode(&self.parameters(more).iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>())
        )
    }

    pub fn parameters<'a>(&self, more: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
        let mut all: Vec<(&str, String)> = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.id.to_string()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("scope", "openid".to_owned()),
            ("state", "state-1".to_owned()),
            ("nonce", "nonce-1".to_owned()),
            ("code_challenge", jose::sha256(VERIFIER)),
            ("code_challenge_method", "S256".to_owned()),
        ];
        for (name, value) in more {
            all.retain(|(known, _)| known != name);
            if !value.is_empty() {
                all.push((name, (*value).to_owned()));
            }
        }
        all
    }

    fn basic(&self) -> Option<String> {
        let secret = self.secret.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{}:{secret}", self.id))))
    }

    /// A request of the product's server.
    pub async fn post(&self, kit: &Kit, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut client = kit.client();
        let mut fields = fields.to_vec();
        let id = self.id.to_string();
        match self.basic() {
            Some(basic) => client = client.with_header("authorization", &basic),
            None => fields.push(("client_id", &id)),
        }
        send_form(&mut client, path, &fields).await
    }

    pub async fn redeem(&self, kit: &Kit, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post(kit, "/oauth/token", &fields).await
    }

    pub async fn refresh(&self, kit: &Kit, token: &str) -> Answer {
        self.post(kit, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn introspect(&self, kit: &Kit, token: &str) -> Value {
        self.post(kit, "/oauth/introspect", &[("token", token)]).await.expect(200).json()
    }

    /// From the request to tokens, with nothing asked on the way.
    pub async fn sign_in(&self, kit: &Kit, browser: &mut Client, more: &[(&str, &str)]) -> Tokens {
        let landed = landed(browser, &self.request(more)).await;
        let code = landed.get("code").unwrap_or_else(|| panic!("no code: {landed:?}"));
        Tokens(self.redeem(kit, code).await.expect(200).json())
    }
}

pub(crate) struct Tokens(pub Value);

impl Tokens {
    pub fn get(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.0))
    }
}

pub(crate) async fn send_form(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    client.send(Method::POST, path, Some(FORM), encode(fields).into_bytes()).await
}

/// Follows a browser from `path` until it leaves for the product or stands before a page.
pub(crate) async fn follow(
    browser: &mut Client,
    path: &str,
) -> Result<BTreeMap<String, String>, (String, Answer)> {
    let mut at = path.to_owned();
    for _ in 0..6 {
        let answer = browser.get(&at).await;
        if answer.status.as_u16() == 303 {
            let to = answer.location().to_owned();
            if to.starts_with("https://") {
                return Ok(parameters(&to));
            }
            at = to;
            continue;
        }
        return match hop_of(&answer) {
            Some(to) => Ok(parameters(&to)),
            None => Err((at, answer)),
        };
    }
    panic!("goes in circles: {at}");
}

/// Where the page that moves on by itself moves.
pub(crate) fn hop_of(answer: &Answer) -> Option<String> {
    let text = answer.text();
    let rest = text.split("http-equiv=\"refresh\" content=\"0; url=").nth(1)?;
    Some(rest.split('"').next()?.replace("&#38;", "&").replace("&amp;", "&"))
}

pub(crate) fn parameters(address: &str) -> BTreeMap<String, String> {
    let url = url::Url::parse(address).expect("an address");
    assert!(address.starts_with(CALLBACK), "{address}");
    url.query_pairs().into_owned().collect()
}

/// As [`follow`], and the browser must have left for the product.
pub(crate) async fn landed(browser: &mut Client, path: &str) -> BTreeMap<String, String> {
    match follow(browser, path).await {
        Ok(parameters) => parameters,
        Err((at, answer)) => panic!("stays at {at}: {} {}", answer.status, answer.text()),
    }
}

/// As [`follow`], and the browser must stand before a page.
pub(crate) async fn page(browser: &mut Client, path: &str) -> (String, Answer) {
    match follow(browser, path).await {
        Ok(parameters) => panic!("leaves with {parameters:?}"),
        Err(page) => page,
    }
}

/// What a token says, verified with the published keys.
pub(crate) async fn claims(kit: &Kit, token: &str) -> Claims {
    let set = kit.client().get("/oauth/jwks").await.expect(200);
    let keys = JwkSet::parse(&set.body).expect("keys");
    Token::parse(token).expect("a token").verify(&keys.keys).expect("signed by a published key")
}

pub(crate) async fn userinfo(kit: &Kit, token: &str) -> Answer {
    kit.client().with_header("authorization", &format!("Bearer {token}")).get("/oauth/userinfo").await
}

/// Writes as the operator; for states that no page makes yet.
pub(crate) async fn force<F>(kit: &Kit, change: F)
where
    F: Fn(&mut platform::db::Tx) -> Result<(), DbError> + Send + Sync + 'static,
{
    let provider = kit.organization("northwind").await;
    let ctx = kit.ctx();
    let done = kit.app.db().write(&ctx, move |tx| {
        change(tx)?;
        let recorded = tx.record(platform::events::Event::new(provider, "test.forced"));
        Ok::<_, DbError>(platform::db::Commit::changed((), recorded))
    });
    done.await.expect("forced");
}
