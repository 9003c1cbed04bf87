//! The conversation with the authority: account, order, proofs, certificate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body_util::BodyExt;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use zeroize::Zeroizing;

use super::{ALPN, Obtained, PURPOSE, sql};
use crate::app::App;
use crate::config::{Acme, AcmeChallenge};
use crate::ctx::Ctx;
use crate::db::DbError;
use crate::outbound;
use crate::params;
use crate::web::tls::Validity;

/// Largest answer of an authority that is read; a chain is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const REQUEST_MAX: Duration = Duration::from_secs(20);
const POLL: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(40));

/// Asks for a certificate; the error is a sentence for the operator.
pub(super) async fn order(app: &App, acme: &Acme, ctx: &Ctx) -> Result<Obtained, String> {
    let account = account(app, acme, ctx).await?;
    let identifiers: Vec<Identifier> =
        acme.domains.iter().map(|name| Identifier::Dns(name.clone())).collect();
    let ordered = account.new_order(&NewOrder::new(&identifiers)).await;
    if let Err(error) = &ordered
        && is_unknown_account(error)
    {
        forget_account(app, acme).await?;
    }
    let mut order = ordered.map_err(|error| words(&error))?;
    prove(app, acme, ctx, &mut order).await?;
    match order.poll_ready(&POLL).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) | Err(instant_acme::Error::Api(_)) => return Err(why_invalid(&mut order).await),
        Err(error) => return Err(words(&error)),
    }
    let key = rcgen::KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params =
        rcgen::CertificateParams::new(acme.domains.clone()).map_err(|error| error.to_string())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(|error| error.to_string())?;
    order.finalize_csr(request.der()).await.map_err(|error| words(&error))?;
    let chain_pem = order.poll_certificate(&POLL).await.map_err(|error| words(&error))?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    check(chain_pem, key_pem)
}

/// What came must be usable before it replaces what is used.
fn check(chain_pem: String, key_pem: Zeroizing<String>) -> Result<Obtained, String> {
    let trial = crate::web::tls::usable(chain_pem.as_bytes(), key_pem.as_bytes());
    let validity: Validity = trial.map_err(|error| format!("the authority's certificate: {error}"))?;
    Ok(Obtained { chain_pem, key_pem, validity })
}

async fn account(app: &App, acme: &Acme, ctx: &Ctx) -> Result<Account, String> {
    let builder = Account::builder_with_http(Box::new(Client::new(acme)?));
    let directory = acme.directory.to_string();
    let row = directory.clone();
    let stored: Option<Vec<u8>> = app
        .db()
        .read(move |tx| tx.scalar(&sql::ACCOUNT, params![row.as_str()]))
        .await
        .map_err(|error: DbError| error.to_string())?;
    if let Some(sealed) = stored {
        let opened = app.keyring().open(PURPOSE, directory.as_bytes(), &sealed);
        let opened = opened.map_err(|error| format!("the account's key: {error}"))?;
        let credentials: AccountCredentials =
            serde_json::from_slice(opened.expose()).map_err(|error| error.to_string())?;
        return builder.from_credentials(credentials).await.map_err(|error| words(&error));
    }
    let contact = format!("mailto:{}", acme.contact);
    let new = NewAccount { contact: &[&contact], terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) =
        builder.create(&new, directory.clone(), None).await.map_err(|error| words(&error))?;
    let plain = Zeroizing::new(serde_json::to_vec(&credentials).map_err(|error| error.to_string())?);
    let sealed = app
        .keyring()
        .seal(PURPOSE, directory.as_bytes(), &plain, ctx.random())
        .map_err(|error| error.to_string())?;
    let now = ctx.now;
    app.db()
        .housekeeping(move |tx| {
            tx.execute(&sql::ACCOUNT_SET, params![directory.as_str(), sealed.clone(), now]).map(drop)
        })
        .await
        .map_err(|error: DbError| error.to_string())?;
    Ok(account)
}

/// The authority has closed the account, or is another one behind the same address.
fn is_unknown_account(error: &instant_acme::Error) -> bool {
    let instant_acme::Error::Api(problem) = error else { return false };
    problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":accountDoesNotExist"))
}

/// The next try makes a new one.
async fn forget_account(app: &App, acme: &Acme) -> Result<(), String> {
    let directory = acme.directory.to_string();
    app.db()
        .housekeeping(move |tx| tx.execute(&sql::ACCOUNT_FORGET, params![directory.as_str()]).map(drop))
        .await
        .map_err(|error: DbError| error.to_string())
}

/// Shows that every name leads here: the answer is in the store before the authority is told to look.
async fn prove(app: &App, acme: &Acme, ctx: &Ctx, order: &mut Order) -> Result<(), String> {
    let kind = match acme.challenge {
        AcmeChallenge::TlsAlpn => ChallengeType::TlsAlpn01,
        AcmeChallenge::Http => ChallengeType::Http01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| words(&error))?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => {
                return Err(format!("the authority says that a proof is {status:?}; a new order is needed"));
            }
        }
        let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| {
            "the authority does not offer this `acme_challenge`; set the other one".to_owned()
        })?;
        let name = match challenge.identifier().identifier {
            Identifier::Dns(name) => name.to_ascii_lowercase(),
            other => return Err(format!("the authority asks about {other:?}, which was not ordered")),
        };
        let (token, answer) = (challenge.token.clone(), challenge.key_authorization().as_str().to_owned());
        let now = ctx.now;
        app.db()
            .housekeeping(move |tx| {
                let row = params![token.as_str(), name.as_str(), answer.as_str(), now];
                tx.execute(&sql::CHALLENGE_SET, row).map(drop)
            })
            .await
            .map_err(|error: DbError| error.to_string())?;
        challenge.set_ready().await.map_err(|error| words(&error))?;
    }
    Ok(())
}

/// The authority's own words about the proof that failed.
async fn why_invalid(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        // What was read before the proof was looked at is old.
        let Ok(state) = authorization.refresh().await else { continue };
        let name = state.identifier().to_string();
        let told = state.challenges.iter().find_map(|challenge| challenge.error.clone());
        if let Some(problem) = told {
            return format!("{name}: {}", words(&instant_acme::Error::Api(problem)));
        }
    }
    let told = order.state().error.clone();
    let told = told.map(|problem| words(&instant_acme::Error::Api(problem)));
    told.unwrap_or_else(|| "the authority calls the order invalid and does not say why".to_owned())
}

fn words(error: &instant_acme::Error) -> String {
    match error {
        instant_acme::Error::Api(problem) => {
            let detail = problem.detail.as_deref().unwrap_or("no detail given");
            format!("the authority refused: {detail} ({})", problem.r#type.as_deref().unwrap_or("no type"))
        }
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(inner) = cause {
                text = inner.to_string();
                cause = inner.source();
            }
            format!("the authority cannot be asked: {text}")
        }
    }
}

/// A certificate that holds the digest of the answer, for the authority's eyes alone.
pub(super) fn challenge_config(name: &str, authorization: &str) -> Result<Arc<rustls::ServerConfig>, String> {
    let digest = digest::digest(&digest::SHA256, authorization.as_bytes());
    let key = rcgen::KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params =
        rcgen::CertificateParams::new(vec![name.to_owned()]).map_err(|error| error.to_string())?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest.as_ref())];
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let provider = crate::web::tls::provider();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider.key_provider.load_private_key(key).map_err(|error| error.to_string())?;
    // Not `with_single_cert`: that reads the certificate as a client would, and refuses the critical extension.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The operator's own target, so not guarded as customers' targets are: an authority may stand in a private network.
struct Client(reqwest::Client);

impl Client {
    fn new(acme: &Acme) -> Result<Self, String> {
        let tls = outbound::client_tls(acme.ca.as_deref(), "acme_ca")?;
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .https_only(true)
            .timeout(REQUEST_MAX)
            .build()
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>>;

impl HttpClient for Client {
    fn request(&self, request: http::Request<BodyWrapper<Bytes>>) -> Answer {
        let client = self.0.clone();
        Box::pin(async move {
            let other = |error: Box<dyn std::error::Error + Send + Sync>| instant_acme::Error::Other(error);
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let request =
                client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
            let mut answer = request.send().await.map_err(|error| other(error.into()))?;
            let mut kept = http::Response::builder().status(answer.status());
            if let Some(headers) = kept.headers_mut() {
                headers.clone_from(answer.headers());
            }
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(|error| other(error.into()))? {
                if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Err(other("the answer is too large".into()));
                }
                bytes.extend_from_slice(&chunk);
            }
            let kept = kept.body(http_body_util::Full::new(Bytes::from(bytes)))?;
            Ok(BytesResponse::from(kept))
        })
    }
}
