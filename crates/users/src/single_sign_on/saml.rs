//! SAML 2.0 as a service provider. The protocol is the crate `saml`, which verifies and reads; here are the connection's
//! key, its addresses, and what an answer means: an [`Identity`] that ends in [`super::arrival`] like every other.
//!
//! - **An answer belongs to one request**: its `InResponseTo` follows from the state that travels as RelayState, by a key of the
//!   installation. A sign-in that begins at the provider is taken where the connection says so, and never for an answer.
//! - **An assertion counts once**, kept by its hash until it would be refused for its age.
//! - **The browser's cookie is not sent with a form of another site**: the answer is verified where the form arrives, kept for
//!   two minutes under the state, and taken up by the browser that asked, which comes by an address of ours.
//! - The provider's keys are those of its metadata. Ours is one RSA key for each connection, sealed in the store; a second one
//!   while one takes the other's place (`own_key`).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::db::DbError;
use platform::outbound::Request;
use platform::time::{MINUTE, Timestamp};
use platform::{App, Ctx};
use saml::metadata::{Binding, Endpoint, IdentityProvider, Reading, ServiceProvider};
use saml::redirect::{self, Direction};
use saml::request::AuthnRequest;
use saml::{DecryptionKey, Demands, Expected, Flow, Login, SigningKey, names};
use serde_json::{Map, Value};

use super::arrival::Identity;
use super::oidc::{Finding, LEEWAY, Place, Trouble, finding};
use super::{Connection, ConnectionId, Saml, requests};
use crate::accounts::join;
use crate::tokens::LinkToken;

pub(crate) mod answers;
mod logout;

pub(crate) use logout::{Asked, answer_address, read_answer, read_request, sign_out_address};

/// Between the form of the provider and the browser that takes its answer up.
pub(crate) const KEPT: std::time::Duration = std::time::Duration::from_secs(2 * MINUTE.as_secs());
const METADATA_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The name under which the NameID stands among the claims.
pub const NAME_ID: &str = "NameID";

fn address(app: &App, id: ConnectionId, part: &str) -> String {
    join(&app.config().public_url, &format!("/saml/{id}/{part}"))
}

/// Our entity id for a connection, which is where its metadata is.
pub(crate) fn entity_id(app: &App, id: ConnectionId) -> String {
    address(app, id, "metadata")
}

pub(crate) fn acs(app: &App, id: ConnectionId) -> String {
    address(app, id, "acs")
}

pub(crate) fn slo(app: &App, id: ConnectionId) -> String {
    address(app, id, "slo")
}

fn time(at: Timestamp) -> saml::Time {
    saml::Time(at.micros())
}

fn skew() -> i64 {
    i64::try_from(LEEWAY.as_secs()).unwrap_or(60)
}

fn trouble(field: &str, detail: impl Into<String>) -> Trouble {
    Trouble::new(Place::Answer, field, detail)
}

/// A refusal of the crate, with its reason where the field stands.
fn refused(error: &saml::Error) -> Trouble {
    trouble(error.reason(), error.to_string())
}

/// A new key for a connection: its private half in Base64, to be sealed, and its certificate.
pub(crate) struct OwnKey {
    pub private: String,
    pub certificate: String,
}

/// Takes a moment of a core: nothing for a transaction, nor for a thread that others wait for.
pub(crate) async fn new_key(app: &App, now: Timestamp) -> Result<OwnKey, DbError> {
    let provider = app.provider_name();
    tokio::task::spawn_blocking(move || make_key(&provider, now)).await.unwrap_or(Err(DbError::Panicked))
}

fn make_key(provider: &str, now: Timestamp) -> Result<OwnKey, DbError> {
    let failed = |what: &dyn std::fmt::Display| DbError::Check(format!("a key for a connection: {what}"));
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|error| failed(&error))?;
    let pkcs8 = pair.as_der().map_err(|error| failed(&error))?;
    let signer = rcgen::KeyPair::try_from(pkcs8.as_ref()).map_err(|error| failed(&error))?;
    let mut parameters = rcgen::CertificateParams::default();
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, provider);
    parameters.distinguished_name = name;
    // Its holder decides when it changes; nothing is verified by these dates.
    let year = i32::from(year_of(now));
    parameters.not_before = rcgen::date_time_ymd(year, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(year + 10, 1, 1);
    let certificate = parameters.self_signed(&signer).map_err(|error| failed(&error))?;
    Ok(OwnKey { private: STANDARD.encode(pkcs8.as_ref()), certificate: STANDARD.encode(certificate.der()) })
}

fn year_of(now: Timestamp) -> i16 {
    let at = jiff::Timestamp::from_microsecond(now.micros()).unwrap_or_default();
    jiff::tz::TimeZone::UTC.to_datetime(at).year()
}

/// What stands between private keys in the secret of a connection.
pub(super) const BETWEEN_KEYS: &str = " ";

fn lost() -> DbError {
    DbError::Check("the key of a connection is missing".to_owned())
}

/// Our private keys for a connection in Base64, the one that signs first.
pub(super) fn private_keys(app: &App, connection: &Connection) -> Result<Vec<String>, DbError> {
    let secret = connection.secret(app.keyring())?.ok_or_else(lost)?;
    let text = std::str::from_utf8(secret.expose()).map_err(|_| lost())?;
    Ok(text.split(BETWEEN_KEYS).map(str::to_owned).collect())
}

fn signing_key(app: &App, connection: &Connection) -> Result<SigningKey, DbError> {
    let keys = private_keys(app, connection)?;
    let pkcs8 = STANDARD.decode(keys.first().ok_or_else(lost)?).map_err(|_| lost())?;
    SigningKey::from_pkcs8(&pkcs8).map_err(|error| DbError::Check(error.to_string()))
}

/// The ID of the request that goes with a state.
pub(super) fn request_id(app: &App, state: &LinkToken) -> String {
    format!("_{}", requests::saml_id(app, state))
}

/// How somebody is sent on to a provider.
pub(crate) enum Onward {
    Address(String),
    /// By a form that the browser sends there (bindings §3.5).
    Form(Handover),
}

/// A signed message for a provider, and where it goes.
pub(crate) struct Handover {
    pub action: String,
    /// The value of `SAMLRequest`.
    pub message: String,
    pub relay_state: String,
}

/// Sends somebody on to prove themselves to the provider.
pub(crate) fn sign_on(
    app: &App,
    connection: &Connection,
    settings: &Saml,
    state: &LinkToken,
    fresh: bool,
    now: Timestamp,
) -> Result<Onward, Trouble> {
    let place = |detail: String| Trouble::new(Place::Discovery, "metadata", detail);
    let to =
        settings.sign_on_endpoint().ok_or_else(|| place("it has no address to sign in at".to_owned()))?;
    let key = signing_key(app, connection).map_err(|error| place(error.to_string()))?;
    let (id, issuer, acs) = (request_id(app, state), entity_id(app, connection.id), acs(app, connection.id));
    let request = AuthnRequest {
        id: &id,
        issued: time(now),
        destination: &to.location,
        issuer: &issuer,
        acs: &acs,
        name_id_format: settings.name_id_format.as_deref(),
        force_authn: fresh,
        is_passive: false,
        contexts: &[],
    };
    let (xml, relay_state) = (request.to_xml(), state.text());
    if to.takes_redirects() {
        return redirect::address(&to.location, Direction::Request, &xml, Some(&relay_state), &key)
            .map(Onward::Address)
            .map_err(|error| place(error.to_string()));
    }
    let certificate = der(&settings.own_certificate).map_err(|error| place(error.to_string()))?;
    let message = saml::post::encode(&xml, &key, &certificate).map_err(|error| place(error.to_string()))?;
    Ok(Onward::Form(Handover { action: to.location.clone(), message, relay_state }))
}

fn der(certificate: &str) -> Result<Vec<u8>, DbError> {
    STANDARD.decode(certificate).map_err(|_| DbError::Check("the certificate of a connection".to_owned()))
}

/// What the provider reads of us. Public.
pub(crate) fn metadata(app: &App, connection: &Connection, settings: &Saml) -> Result<String, DbError> {
    let other = settings.other_certificate.as_ref().map(|other| other.certificate.as_str());
    let certificates = std::iter::once(settings.own_certificate.as_str())
        .chain(other)
        .map(der)
        .collect::<Result<Vec<_>, _>>()?;
    let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let (entity_id, acs, slo) =
        (entity_id(app, connection.id), acs(app, connection.id), slo(app, connection.id));
    let sign_out = [Binding::Redirect, Binding::Post].map(|binding| Endpoint {
        binding,
        location: slo.clone(),
        response_location: None,
    });
    let formats = [settings.name_id_format.as_deref().unwrap_or(names::PERSISTENT)];
    let ours = ServiceProvider {
        id: "_metadata",
        entity_id: &entity_id,
        acs: &acs,
        single_logout: &sign_out,
        signing: &certificates,
        encryption: &certificates,
        name_id_formats: &formats,
        valid_until: None,
    };
    Ok(ours.to_xml())
}

/// Reads a provider's metadata, which an admin gave.
pub(crate) fn read_metadata(
    app: &App,
    xml: &[u8],
    entity: Option<&str>,
    now: Timestamp,
) -> Result<IdentityProvider, Trouble> {
    let reading =
        Reading { entity_id: entity, now: time(now), allow_http: app.config().outbound_allow_loopback };
    IdentityProvider::parse(xml, &reading)
        .map_err(|error| Trouble::new(Place::Discovery, error.reason(), error.to_string()))
}

/// Fetches metadata through the guarded client.
pub(crate) async fn fetch_metadata(app: &App, address: &str) -> Result<Vec<u8>, Trouble> {
    let mut request = Request::get(address.to_owned());
    request.bytes_max = METADATA_BYTES_MAX;
    let answer = super::oidc::fetch_whole(app, Place::Discovery, "metadata_url", request).await?;
    match answer.status.as_u16() {
        200 => Ok(answer.body.to_vec()),
        other => Err(Trouble::new(Place::Discovery, "metadata_url", format!("`{address}` answers {other}"))),
    }
}

const ENDS_SOON: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

/// What can be seen without a person: the metadata as it is kept, and as its address answers now.
pub(crate) async fn probe(app: &App, connection: &Connection, now: Timestamp) -> Vec<Finding> {
    let Some(settings) = connection.settings.saml() else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(url) = &settings.metadata_url {
        found.push(match fetch_metadata(app, url).await {
            Err(trouble) => finding("bad", "metadata", &trouble.field, trouble.detail),
            Ok(xml) => match read_metadata(app, &xml, Some(&settings.entity_id), now) {
                Err(trouble) => finding("bad", "metadata", &trouble.field, trouble.detail),
                Ok(_) => finding(
                    "good",
                    "metadata",
                    "metadata_url",
                    "the provider's metadata is there, and is of this provider",
                ),
            },
        });
    }
    if let Some(end) = settings.valid_until {
        let verdict = if end <= now { "bad" } else { "good" };
        found.push(finding(
            verdict,
            "metadata",
            "validUntil",
            format!("the metadata counts until {}", end.minute_words()),
        ));
    }
    for certificate in settings.trusted() {
        let end = Timestamp::from_micros(certificate.not_after.0);
        let print = certificate.fingerprint();
        let short = print.get(..16).unwrap_or_default();
        // A provider may sign on with a certificate that has ended; most change it before.
        let (verdict, words) = match (end <= now, end <= now.plus(ENDS_SOON)) {
            (true, _) => ("warn", "ended"),
            (false, true) => ("warn", "ends soon,"),
            (false, false) => ("good", "ends"),
        };
        found.push(finding(
            verdict,
            "keys",
            "certificate",
            format!("{short}… {words} on {}", end.day_words()),
        ));
    }
    if let Some(end) = settings.sha1_until {
        let words = if end <= now { "the exception for SHA-1 is over" } else { "SHA-1 is taken" };
        found.push(finding("warn", "settings", "sha1_until", format!("{words} ({})", end.day_words())));
    }
    if settings.unsolicited {
        let why = "sign-ins that begin at the provider are taken: anybody can lead a browser into an account that way";
        found.push(finding("warn", "settings", "unsolicited", why));
    }
    found
}

/// What a form of the provider said, verified.
pub(crate) struct Accepted {
    pub identity: Identity,
    /// Of the assertion, for one use.
    pub message: Vec<u8>,
    pub until: Timestamp,
}

/// Verifies the form of a sign-in. `asked`: by which state it was asked for, and whether anew; `None`: nobody asked here.
pub(crate) fn accept(
    app: &App,
    connection: &Connection,
    settings: &Saml,
    form: &str,
    asked: Option<(&LinkToken, &requests::Asked)>,
    now: Timestamp,
) -> Result<Accepted, Trouble> {
    let id = asked.map(|(state, _)| request_id(app, state));
    let flow = match &id {
        Some(id) => Flow::Requested { id },
        None if settings.unsolicited => Flow::Unsolicited,
        None => {
            return Err(trouble(
                "unsolicited",
                "this connection takes no sign-ins that begin at the provider",
            ));
        }
    };
    if settings.valid_until.is_some_and(|end| end <= now) {
        return Err(Trouble::new(
            Place::Discovery,
            "validUntil",
            "the provider's metadata has expired: give it anew",
        ));
    }
    let keys: Vec<DecryptionKey> = private_keys(app, connection)
        .unwrap_or_default()
        .iter()
        .filter_map(|text| DecryptionKey::from_pkcs8(&STANDARD.decode(text).ok()?).ok())
        .collect();
    let (audience, acs, certificates) =
        (entity_id(app, connection.id), acs(app, connection.id), settings.trusted());
    let expected = Expected {
        issuer: &settings.entity_id,
        audience: &audience,
        acs: &acs,
        flow,
        authenticated_after: asked.filter(|(_, asked)| asked.fresh).map(|(_, asked)| time(asked.at)),
        certificates: &certificates,
        decryption: &keys,
        demands: Demands {
            signed_response: settings.signed_response,
            signed_assertion: settings.signed_assertion,
        },
        sha1: settings.sha1(),
        now: time(now),
        skew_seconds: skew(),
    };
    let xml = saml::post::decode(form).map_err(|error| refused(&error))?;
    #[cfg(test)]
    if super::tests::drill::unchecked(app) {
        return Ok(super::tests::drill::believe(settings, &xml, now));
    }
    let login = saml::response::verify(&xml, &expected).map_err(|error| refused(&error))?;
    let text = format!("assertion|{}|{}", connection.id, login.remember.assertion);
    Ok(Accepted {
        identity: identity(connection, settings, &login)?,
        message: digest(&SHA256, text.as_bytes()).as_ref().to_vec(),
        until: Timestamp::from_micros(login.remember.until.0),
    })
}

/// Contexts that say that there were two proofs: REFEDS, Entra ID, and the standard's own.
const TWO_PROOFS: [&str; 4] = [
    "https://refeds.org/profile/mfa",
    "http://schemas.microsoft.com/claims/multipleauthn",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
];

fn identity(connection: &Connection, settings: &Saml, login: &Login) -> Result<Identity, Trouble> {
    if login.name_id.format.as_deref() == Some(names::TRANSIENT) {
        let why =
            "it is transient, another one each time: set the provider to a persistent one, or to the address";
        return Err(trouble("NameID", why));
    }
    // What must be one value is one, whoever else would choose among several.
    for claim in [&connection.mapping.email_claim, &connection.mapping.name_claim] {
        if login.attributes.one(claim).is_err() {
            return Err(trouble(claim, "it has several values, and must have one"));
        }
    }
    let mut claims = Map::new();
    for attribute in login.attributes.iter() {
        let value = match attribute.values.as_slice() {
            [one] => Value::from(one.as_str()),
            several => Value::from(several.to_vec()),
        };
        claims.insert(attribute.name.clone(), value);
    }
    // Nobody's attribute passes for the verified word of an OpenID provider, nor for the NameID.
    claims.remove("email_verified");
    claims.insert(NAME_ID.to_owned(), Value::from(login.name_id.value.as_str()));
    Ok(Identity {
        issuer: settings.entity_id.clone(),
        subject: login.name_id.value.clone(),
        session: login.session_index.clone(),
        name: Some(logout::written(&login.name_id)),
        proved_at: Some(Timestamp::from_micros(login.authenticated.0)),
        two_proofs: login.context.as_deref().is_some_and(|context| TWO_PROOFS.contains(&context)),
        claims,
    })
}

/// A name for a message of ours.
fn message_id(ctx: &Ctx) -> String {
    let mut bytes = [0; 20];
    ctx.fill(&mut bytes);
    format!("_{}", hex::encode(bytes))
}
