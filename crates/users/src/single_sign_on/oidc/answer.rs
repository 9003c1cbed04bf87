//! The provider's answer: from the query of the redirect to somebody vouched for.

use serde::Deserialize;

use super::exchange;
use super::id_token::{self, Wanted};
use super::{
    App, Connection, Failure, LinkToken, Metadata, Oidc, Place, Timestamp, Trouble, requests, shown,
};
use crate::single_sign_on::arrival::Identity;

/// What stands in the address that the browser comes back to.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Answer {
    #[serde(default)]
    pub state: String,
    pub code: Option<String>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

fn trouble(field: &str, detail: impl Into<String>) -> Trouble {
    Trouble::new(Place::Answer, field, detail)
}

/// Checks an answer whose state was found, and changes its code into an identity.
pub(crate) async fn finish(
    app: &App,
    connection: &Connection,
    state: &LinkToken,
    answer: &Answer,
    now: Timestamp,
) -> Result<Identity, Failure> {
    let settings = super::settings_of(connection, Place::Answer)?;
    let metadata = super::metadata_of(app, &settings.issuer, now).await?;
    check_issuer(&metadata, answer)?;
    let code = match (&answer.code, &answer.error) {
        (Some(code), None) => code,
        (_, Some(error)) => return Err(refused(error, answer.error_description.as_deref()).into()),
        (None, None) => return Err(trouble("code", "it is missing").into()),
    };
    let verifier = requests::verifier(app, state);
    let tokens = exchange::tokens(app, connection, settings, &metadata, code, &verifier).await?;
    let nonce = requests::nonce(app, state);
    let wanted = Wanted { nonce: &nonce, access_token: tokens.access_token.as_deref() };
    let claims = id_token::id_token(app, settings, &metadata, &tokens.id_token, &wanted, now).await?;
    let mut identity = identity_of(settings, &claims);
    complete(app, connection, &metadata, tokens.access_token.as_deref(), &mut identity).await?;
    Ok(identity)
}

fn identity_of(settings: &Oidc, claims: &jose::Claims) -> Identity {
    Identity {
        issuer: settings.issuer.clone(),
        subject: claims.text("sub").unwrap_or_default().to_owned(),
        session: id_token::session(claims),
        proved_at: id_token::proved_at(claims),
        two_proofs: id_token::two_proofs(claims),
        claims: claims.members().clone(),
    }
}

/// Whom an ID token vouches for, by keys that are at hand: for a drill, whose provider has no address to ask.
pub(crate) fn vouched(
    app: &App,
    settings: &Oidc,
    keys: &[jose::Jwk],
    state: &LinkToken,
    id_token: &str,
    now: Timestamp,
) -> Result<Identity, Trouble> {
    let nonce = requests::nonce(app, state);
    let wanted = Wanted { nonce: &nonce, access_token: None };
    let claims = id_token::id_token_by(keys, settings, id_token, &wanted, now)?;
    Ok(identity_of(settings, &claims))
}

/// RFC 9207 §2.4: an answer of another provider than the one that was asked is nobody's.
fn check_issuer(metadata: &Metadata, answer: &Answer) -> Result<(), Trouble> {
    match &answer.iss {
        Some(said) if *said == metadata.issuer => Ok(()),
        Some(_) => Err(trouble("iss", "it names another provider than the one that was asked")),
        None if metadata.says_issuer => {
            Err(trouble("iss", "it is missing, and the provider announces that it is always there"))
        }
        None => Ok(()),
    }
}

fn refused(error: &str, description: Option<&str>) -> Trouble {
    let said = description.map(|words| format!(" (“{}”)", shown(words))).unwrap_or_default();
    let words = match error {
        "access_denied" => "you, or the provider's admins, did not allow it",
        "login_required" | "interaction_required" => "it wants you to sign in there first",
        "invalid_scope" => "it does not know one of the scopes of the connection",
        "unauthorized_client" | "invalid_request" => {
            "it does not accept the request: is the redirect address registered?"
        }
        _ => "it did not sign you in",
    };
    trouble("error", format!("the provider says `{}`{said}: {words}", shown(error)))
}

/// Asks userinfo for what the mapping needs and the ID token does not hold. What the ID token says stands.
async fn complete(
    app: &App,
    connection: &Connection,
    metadata: &Metadata,
    access_token: Option<&str>,
    identity: &mut Identity,
) -> Result<(), Trouble> {
    let (Some(address), Some(token)) = (&metadata.userinfo_endpoint, access_token) else { return Ok(()) };
    if !connection.mapping.lacks(&identity.claims) {
        return Ok(());
    }
    let more = exchange::userinfo(app, address, token, &identity.subject).await?;
    let email_here = identity.claims.contains_key("email");
    for (name, value) in more {
        // Whether an address is verified is said where the address is said.
        if name == "email_verified" && email_here {
            continue;
        }
        identity.claims.entry(name).or_insert(value);
    }
    Ok(())
}
