//! Tokens that the provider signed: ID tokens (OpenID Connect Core 1.0 §3.1.3.7) and logout tokens (Back-Channel
//! Logout 1.0 §2.6).

use aws_lc_rs::digest;
use jose::{Algorithm, Claims, Error, Expected, Jwk, Nonce, Token};
use platform::App;
use platform::time::Timestamp;
use serde_json::Value;

use super::{Metadata, Oidc, Place, Trouble, keys, leeway, seconds};
use crate::single_sign_on::{Connection, ConnectionId};

/// How long ago an ID token may have been made; it comes straight from the provider.
const ID_TOKEN_AGE_MAX: i64 = 600;
const LOGOUT_TOKEN_AGE_MAX: i64 = 300;
/// OpenID Connect Core 1.0 §2.
const SUBJECT_BYTES_MAX: usize = 255;
const SESSION_BYTES_MAX: usize = 255;
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What an ID token must be for.
pub(super) struct Wanted<'a> {
    pub nonce: &'a str,
    pub access_token: Option<&'a str>,
}

/// The claim or header that an error of the verifier is about.
fn trouble(place: Place, error: &Error) -> Trouble {
    let field = match error {
        Error::Claim(name) | Error::Unexpected(name) | Error::Early(name) => name,
        Error::Expired => "exp",
        Error::Old => "iat",
        Error::None | Error::Algorithm | Error::OtherAlgorithm => "alg",
        Error::NoKey => "kid",
        Error::Type(_) => "typ",
        Error::Critical => "crit",
        _ => "",
    };
    let cure = match error {
        Error::Unexpected("aud") => ": is the client id right?",
        Error::Unexpected("iss") => ": does the provider call itself as its configuration says?",
        Error::Expired | Error::Old | Error::Early(_) => ": do the clocks agree?",
        _ => "",
    };
    Trouble::new(place, field, format!("{error}{cure}"))
}

/// The one algorithm that the connection takes, which the token must be signed with.
fn pinned(place: Place, settings: &Oidc, token: &Token<'_>) -> Result<Algorithm, Trouble> {
    let pinned = settings.algorithm().ok_or_else(|| Trouble::new(place, "alg", "no algorithm is chosen"))?;
    if token.header.algorithm != pinned {
        let detail = format!(
            "it is signed with {}, and the connection takes {} alone",
            token.header.algorithm.as_str(),
            pinned.as_str()
        );
        return Err(Trouble::new(place, "alg", detail));
    }
    Ok(pinned)
}

/// The claims of a token that one of the provider's keys signed with the connection's algorithm.
async fn verified(
    app: &App,
    place: Place,
    settings: &Oidc,
    metadata: &Metadata,
    token: Token<'_>,
    now: Timestamp,
) -> Result<Claims, Trouble> {
    let pinned = pinned(place, settings, &token)?;
    let (looked, set) = keys::keys_of(app, metadata, now).await?;
    match token.verify(&of_algorithm(&set.keys, pinned)) {
        Ok(claims) => Ok(claims),
        // A new key, or keys without ids of which one is new.
        Err(error @ (Error::NoKey | Error::Signature)) => {
            match keys::keys_again(app, metadata, looked, now).await? {
                Some(set) => {
                    token.verify(&of_algorithm(&set.keys, pinned)).map_err(|error| trouble(place, &error))
                }
                None => Err(trouble(place, &error)),
            }
        }
        Err(error) => Err(trouble(place, &error)),
    }
}

fn of_algorithm(keys: &[Jwk], algorithm: Algorithm) -> Vec<Jwk> {
    keys.iter().filter(|key| key.algorithm() == algorithm).cloned().collect()
}

/// Reads and checks an ID token.
pub(super) async fn id_token(
    app: &App,
    settings: &Oidc,
    metadata: &Metadata,
    text: &str,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<Claims, Trouble> {
    let place = Place::IdToken;
    let token = Token::parse(text).map_err(|error| trouble(place, &error))?;
    let algorithm = token.header.algorithm;
    let claims = verified(app, place, settings, metadata, token, now).await?;
    checked(claims, algorithm, settings, wanted, now)
}

/// As [`id_token`], with the provider's keys at hand.
pub(super) fn id_token_by(
    keys: &[Jwk],
    settings: &Oidc,
    text: &str,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<Claims, Trouble> {
    let place = Place::IdToken;
    let token = Token::parse(text).map_err(|error| trouble(place, &error))?;
    let pinned = pinned(place, settings, &token)?;
    let claims = token.verify(&of_algorithm(keys, pinned)).map_err(|error| trouble(place, &error))?;
    checked(claims, pinned, settings, wanted, now)
}

/// What an ID token that is the provider's must say.
fn checked(
    claims: Claims,
    algorithm: Algorithm,
    settings: &Oidc,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<Claims, Trouble> {
    let place = Place::IdToken;
    claims
        .check(&Expected {
            issuer: &settings.issuer,
            audience: &[settings.client_id.as_str()],
            now: seconds(now),
            leeway: leeway(),
            age_max: ID_TOKEN_AGE_MAX,
            nonce: Nonce::Is(wanted.nonce),
        })
        .map_err(|error| trouble(place, &error))?;
    check_party(&claims, settings)?;
    subject(place, &claims)?;
    check_access_token(&claims, algorithm, wanted.access_token)?;
    Ok(claims)
}

/// A token for several parties must say that it was made for us.
fn check_party(claims: &Claims, settings: &Oidc) -> Result<(), Trouble> {
    let wrong = |detail: &str| Err(Trouble::new(Place::IdToken, "azp", detail));
    match claims.get("azp") {
        Some(Value::String(party)) if *party == settings.client_id => Ok(()),
        Some(_) => wrong("it names another party"),
        None if claims.audiences().len() > 1 => wrong("it is missing, and the token is for several parties"),
        None => Ok(()),
    }
}

fn subject(place: Place, claims: &Claims) -> Result<String, Trouble> {
    let text = claims.text("sub").map_err(|error| trouble(place, &error))?;
    if text.is_empty() || text.len() > SUBJECT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Trouble::new(
            place,
            "sub",
            "it is empty, longer than 255 bytes or holds control characters",
        ));
    }
    Ok(text.to_owned())
}

/// `at_hash`, where it is there, must be that of the access token (§3.1.3.6).
fn check_access_token(claims: &Claims, algorithm: Algorithm, token: Option<&str>) -> Result<(), Trouble> {
    let (Some(said), Some(token)) = (claims.get("at_hash"), token) else { return Ok(()) };
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 => &digest::SHA256,
        Algorithm::EdDsa => &digest::SHA512,
    };
    let whole = digest::digest(hash, token.as_bytes());
    let half = &whole.as_ref()[..whole.as_ref().len() / 2];
    if said.as_str() == Some(jose::encode(half).as_str()) {
        return Ok(());
    }
    Err(Trouble::new(Place::IdToken, "at_hash", "it is not that of the access token"))
}

/// When the person proved themselves there, where it says so.
pub(super) fn proved_at(claims: &Claims) -> Option<Timestamp> {
    let seconds = claims.time("auth_time").ok()?;
    Some(Timestamp::from_micros(seconds.checked_mul(1_000_000)?))
}

/// Whether the provider says that there were two proofs (RFC 8176).
pub(super) fn two_proofs(claims: &Claims) -> bool {
    let methods = claims.get("amr").and_then(Value::as_array);
    methods.is_some_and(|all| all.iter().any(|one| one.as_str() == Some("mfa")))
}

pub(super) fn session(claims: &Claims) -> Option<String> {
    let text = claims.get("sid").and_then(Value::as_str)?;
    (!text.is_empty() && text.len() <= SESSION_BYTES_MAX).then(|| text.to_owned())
}

/// The provider says that somebody has signed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogoutToken {
    id: String,
    pub subject: Option<String>,
    pub session: Option<String>,
    pub expires_at: Timestamp,
}

impl LogoutToken {
    /// What is remembered so that it counts once.
    pub fn message_hash(&self, connection: ConnectionId) -> Vec<u8> {
        let text = format!("logout|{connection}|{}", self.id);
        digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
    }
}

/// Reads and checks a logout token.
pub(crate) async fn logout_token(
    app: &App,
    connection: &Connection,
    text: &str,
    now: Timestamp,
) -> Result<LogoutToken, Trouble> {
    let place = Place::LogoutToken;
    let settings = super::settings_of(connection, place)?;
    let token = Token::parse(text)
        .and_then(|token| token.of_type_or_none("logout+jwt"))
        .map_err(|error| trouble(place, &error))?;
    let metadata = super::metadata_of(app, &settings.issuer, now).await?;
    let claims = verified(app, place, settings, &metadata, token, now).await?;
    claims
        .check(&Expected {
            issuer: &settings.issuer,
            audience: &[settings.client_id.as_str()],
            now: seconds(now),
            leeway: leeway(),
            age_max: LOGOUT_TOKEN_AGE_MAX,
            nonce: Nonce::Forbidden,
        })
        .map_err(|error| trouble(place, &error))?;
    let events = claims.get("events").and_then(Value::as_object);
    if !events.is_some_and(|events| events.get(LOGOUT_EVENT).is_some_and(Value::is_object)) {
        return Err(Trouble::new(place, "events", "it does not say that somebody signed out"));
    }
    let id = claims.text("jti").map_err(|error| trouble(place, &error))?.to_owned();
    let subject = match claims.get("sub") {
        Some(_) => Some(subject(place, &claims)?),
        None => None,
    };
    let session = session(&claims);
    if subject.is_none() && session.is_none() {
        return Err(Trouble::new(place, "sub", "neither it nor `sid` is there: who signed out?"));
    }
    let expires = claims.time("exp").map_err(|error| trouble(place, &error))?;
    let expires_at = Timestamp::from_micros(expires.saturating_mul(1_000_000));
    Ok(LogoutToken { id, subject, session, expires_at })
}
