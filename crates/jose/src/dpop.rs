//! DPoP proofs (RFC 9449): a request signed by the key that its access token is bound to.

use serde_json::Value;

use crate::{Error, Jwk, Token, sha256};

const TYPE: &str = "dpop+jwt";
const ID_MAX: usize = 256;
/// How far ahead a client's clock may be.
const LEEWAY: i64 = 30;

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub method: &'a str,
    /// The request's address, without query and fragment.
    pub uri: &'a str,
    pub now: i64,
    pub age_max: i64,
    /// The access token that comes with the request, where one does.
    pub access_token: Option<&'a str>,
}

/// A proof that holds. The caller refuses a `jti` that this key has used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of the key: `jkt`.
    pub thumbprint: String,
    pub id: String,
    pub made_at: i64,
}

/// Reads and verifies the value of a `DPoP` header.
pub fn verify(text: &str, expected: &Expected<'_>) -> Result<Proof, Error> {
    let token = Token::parse(text)?.of_type(TYPE)?;
    let key = token.header.member("jwk").and_then(Value::as_object).ok_or(Error::Json("jwk"))?;
    let key = Jwk { id: None, ..Jwk::from_object(key)? };
    let claims = token.verify(std::slice::from_ref(&key))?;
    if claims.text("htm")? != expected.method {
        return Err(Error::Unexpected("htm"));
    }
    if !same_place(claims.text("htu")?, expected.uri) {
        return Err(Error::Unexpected("htu"));
    }
    claims.check_made(expected.now, LEEWAY, expected.age_max)?;
    if let Some(access_token) = expected.access_token
        && claims.text("ath")? != sha256(access_token)
    {
        return Err(Error::Unexpected("ath"));
    }
    let id = claims.text("jti")?;
    if id.is_empty() || id.len() > ID_MAX {
        return Err(Error::Claim("jti"));
    }
    Ok(Proof { thumbprint: key.thumbprint(), id: id.to_owned(), made_at: claims.time("iat")? })
}

/// Two addresses alike but for query, fragment, the case of scheme and host, and a default port (RFC 9449 §4.3).
fn same_place(one: &str, other: &str) -> bool {
    match (place(one), place(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn place(uri: &str) -> Option<(String, String, &str)> {
    let bare = uri.split(['?', '#']).next()?;
    let (scheme, rest) = bare.split_once("://")?;
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let host = host.strip_suffix(port).map(str::to_owned).unwrap_or(host);
    Some((scheme, host, path))
}
