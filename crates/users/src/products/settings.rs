//! What a product may do, as its registrar writes it: a pure type, read, checked and stored in one place.

use platform::db::{DbError, Row, Value};
use platform::params;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Product;
use crate::names::Name;

const URIS_MAX: usize = 20;
const URI_BYTES_MAX: usize = 500;
const SCOPES_MAX: usize = 50;

/// How a product proves that it is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// `client_secret_basic` or `client_secret_post`.
    Secret,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
    /// It cannot keep a secret: an app on a device, or in a browser.
    None,
}

impl Authentication {
    pub const ALL: [Self; 3] = [Self::Secret, Self::PrivateKeyJwt, Self::None];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// What a product may ask tokens for. There is no implicit grant and no password grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    DeviceCode,
}

impl GrantType {
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::DeviceCode];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "device_code",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// Scopes with a meaning of ours; all others are the product's own words.
pub const IDENTITY_SCOPES: [&str; 7] =
    ["openid", "profile", "email", "offline_access", "roles", "groups", "organizations"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    pub authentication: Authentication,
    pub jwks: String,
    pub redirect_uris: Vec<String>,
    pub logout_uris: Vec<String>,
    pub backchannel_logout_uri: String,
    pub grant_types: Vec<GrantType>,
    pub scopes: Vec<String>,
    pub audiences: Vec<String>,
    pub resource: String,
    pub everyone: bool,
    pub asks_consent: bool,
    pub requires_dpop: bool,
    pub requires_par: bool,
    pub id_token_algorithm: jose::Algorithm,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            authentication: Authentication::Secret,
            jwks: String::new(),
            redirect_uris: Vec::new(),
            logout_uris: Vec::new(),
            backchannel_logout_uri: String::new(),
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: IDENTITY_SCOPES.map(str::to_owned).to_vec(),
            audiences: Vec::new(),
            resource: String::new(),
            everyone: false,
            asks_consent: true,
            requires_dpop: false,
            requires_par: false,
            id_token_algorithm: jose::Algorithm::Es256,
        }
    }
}

/// What is not acceptable: the member's name and a sentence with the cure.
pub type Wrong = (&'static str, String);

impl Settings {
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if let Err(error) = Name::parse(&self.name) {
            wrong.push(("name", error.to_string()));
        }
        self.check_addresses(&mut wrong);
        self.check_grants(&mut wrong);
        if self.scopes.len() > SCOPES_MAX {
            wrong.push(("scopes", format!("up to {SCOPES_MAX} scopes")));
        }
        for scope in self.scopes.iter().filter(|scope| !scope_token(scope)) {
            wrong.push((
                "scopes",
                format!("`{scope}` is no scope: up to 64 printable characters without spaces"),
            ));
        }
        for audience in self.audiences.iter().chain(Some(&self.resource).filter(|own| !own.is_empty())) {
            if let Err(why) = resource(audience) {
                wrong.push(("audiences", format!("`{audience}`: {why}")));
            }
        }
        wrong
    }

    fn check_addresses(&self, wrong: &mut Vec<Wrong>) {
        for (name, uris) in [("redirect_uris", &self.redirect_uris), ("logout_uris", &self.logout_uris)] {
            if uris.len() > URIS_MAX {
                wrong.push((name, format!("up to {URIS_MAX} addresses")));
            }
            for uri in uris {
                if let Err(why) = address(uri, self.authentication == Authentication::None) {
                    wrong.push((name, format!("`{uri}`: {why}")));
                }
            }
        }
        let back = &self.backchannel_logout_uri;
        if !back.is_empty()
            && let Err(why) = address(back, false)
        {
            wrong.push(("backchannel_logout_uri", why.to_owned()));
        }
    }

    fn check_grants(&self, wrong: &mut Vec<Wrong>) {
        if self.grant_types.is_empty() {
            wrong.push(("grant_types", "choose at least one way to get tokens".to_owned()));
        }
        if self.allows(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            wrong.push((
                "redirect_uris",
                "say where answers go, or let nobody sign in (take `authorization_code` away)".to_owned(),
            ));
        }
        if self.allows(GrantType::ClientCredentials) && self.authentication == Authentication::None {
            let why = "a product that cannot prove itself gets no tokens of its own";
            wrong.push(("grant_types", why.to_owned()));
        }
        match (self.authentication, jose::JwkSet::parse(self.jwks.as_bytes())) {
            (Authentication::PrivateKeyJwt, Ok(set)) if set.keys.is_empty() => {
                wrong.push(("jwks", "it holds no key for ES256, EdDSA or RS256".to_owned()));
            }
            (Authentication::PrivateKeyJwt, Err(error)) => {
                wrong.push(("jwks", format!("it must be a JWK set of public keys: {error}")));
            }
            _ => {}
        }
    }
}

/// RFC 6749 §3.3.
fn scope_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Where answers may go: https, or this machine, or (apps) an own scheme in reverse domain form (RFC 8252 §7.1).
fn address(text: &str, of_app: bool) -> Result<(), &'static str> {
    if text.len() > URI_BYTES_MAX || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("an address has up to 500 characters and no spaces");
    }
    let url = Url::parse(text)
        .map_err(|_| "it is no address: write it whole, such as `https://app.example/callback`")?;
    if url.fragment().is_some() {
        return Err("an address has no `#` part");
    }
    if text.contains('*') {
        return Err("addresses are compared letter for letter: write each one, without `*`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address holds no user name or password");
    }
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("it must begin with `https://` (`http://` is for this machine alone)"),
        scheme if of_app && scheme.contains('.') => Ok(()),
        _ => Err("it must begin with `https://`; apps may use a scheme such as `com.example.app:`"),
    }
}

/// RFC 8707 §2: an absolute URI without a fragment.
fn resource(text: &str) -> Result<(), &'static str> {
    let wrong = "a resource is an address such as `https://api.example`, without `#`";
    let url = Url::parse(text).map_err(|_| wrong)?;
    if text.len() > URI_BYTES_MAX || url.fragment().is_some() || text.contains(char::is_whitespace) {
        return Err(wrong);
    }
    Ok(())
}

pub(super) fn words(grants: &[GrantType]) -> String {
    grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" ")
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Columns 1 to 15 of a product.
pub(super) fn read(row: &Row) -> Result<Settings, DbError> {
    let list = |column: usize| row.get::<String>(column).map(|text| lines(&text));
    let flag = |column: usize| row.get::<i64>(column).map(|value| value != 0);
    Ok(Settings {
        name: row.get(1)?,
        authentication: row.parse(2, Authentication::parse)?,
        jwks: row.get(3)?,
        redirect_uris: list(4)?,
        logout_uris: list(5)?,
        backchannel_logout_uri: row.get(6)?,
        grant_types: list(7)?.iter().filter_map(|text| GrantType::parse(text)).collect(),
        scopes: list(8)?,
        audiences: list(9)?,
        resource: row.get(10)?,
        everyone: flag(11)?,
        asks_consent: flag(12)?,
        requires_dpop: flag(13)?,
        requires_par: flag(14)?,
        id_token_algorithm: row.parse(15, |text| jose::Algorithm::parse(text).ok())?,
    })
}

/// All columns, in the order of the insert.
pub(super) fn row(product: &Product, now: Timestamp) -> Vec<Value> {
    let settings = &product.settings;
    let grants: Vec<&str> = settings.grant_types.iter().map(|grant| grant.as_str()).collect();
    params![
        product.id,
        settings.name.as_str(),
        settings.authentication.as_str(),
        settings.jwks.as_str(),
        settings.redirect_uris.join("\n"),
        settings.logout_uris.join("\n"),
        settings.backchannel_logout_uri.as_str(),
        grants.join("\n"),
        settings.scopes.join("\n"),
        settings.audiences.join("\n"),
        settings.resource.as_str(),
        i64::from(settings.everyone),
        i64::from(settings.asks_consent),
        i64::from(settings.requires_dpop),
        i64::from(settings.requires_par),
        settings.id_token_algorithm.as_str(),
        "active",
        now
    ]
    .to_vec()
}
