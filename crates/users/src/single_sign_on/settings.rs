//! What an admin says about a connection: pure types that page, API and protocol read alike.
//!
//! [`Settings`] is how the provider is spoken to and differs by kind; [`Mapping`] is what its words mean here, the same
//! for every kind.

use platform::access::Role;
use platform::db::DbError;
use platform::ids::GroupId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

mod saml;

pub use saml::{Other, Saml, SamlEndpoint};

const TEXT_BYTES_MAX: usize = 500;
const RULES_MAX: usize = 200;
const DOMAINS_MAX: usize = 200;
const SCOPES_MAX: usize = 20;
/// Groups of one person that are looked at.
const GROUPS_MAX: usize = 2000;

/// What is not acceptable: the member's name and a sentence with the cure.
pub type Wrong = (&'static str, String);

/// How a connection speaks to its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// OpenID Connect: code with PKCE.
    Oidc,
    /// SAML 2.0: requests by redirect, answers by form.
    Saml,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Saml => "saml",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Oidc, Self::Saml].into_iter().find(|kind| kind.as_str() == text)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Oidc => "OpenID Connect",
            Self::Saml => "SAML 2.0",
        }
    }
}

/// The part that differs by kind, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    Oidc(Oidc),
    Saml(Saml),
}

impl Settings {
    /// Of an OpenID provider.
    pub fn oidc(&self) -> Option<&Oidc> {
        match self {
            Self::Oidc(oidc) => Some(oidc),
            Self::Saml(_) => None,
        }
    }

    /// Of a SAML identity provider.
    pub fn saml(&self) -> Option<&Saml> {
        match self {
            Self::Oidc(_) => None,
            Self::Saml(saml) => Some(saml),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Oidc(_) => Kind::Oidc,
            Self::Saml(_) => Kind::Saml,
        }
    }

    /// Who the provider is: one half of the key of every link.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Oidc(oidc) => &oidc.issuer,
            Self::Saml(saml) => &saml.entity_id,
        }
    }

    pub(crate) fn read(kind: Kind, text: &str) -> Result<Self, DbError> {
        let unreadable = |_| DbError::Check("stored settings of a connection are not readable".to_owned());
        match kind {
            Kind::Oidc => serde_json::from_str(text).map(Self::Oidc).map_err(unreadable),
            Kind::Saml => serde_json::from_str(text).map(Self::Saml).map_err(unreadable),
        }
    }

    pub(crate) fn text(&self) -> Result<String, DbError> {
        let written = match self {
            Self::Oidc(oidc) => serde_json::to_string(oidc),
            Self::Saml(saml) => serde_json::to_string(saml),
        };
        written.map_err(|error| DbError::Check(error.to_string()))
    }

    /// What somebody wrote into a form, with our keys as they stand now: those change by steps of their own
    /// ([`super::own_key`]), perhaps while the form was open.
    pub(super) fn with_our_keys_of(&self, now: &Self) -> Self {
        match (self, now) {
            (Self::Saml(form), Self::Saml(now)) => Self::Saml(Saml {
                own_certificate: now.own_certificate.clone(),
                other_certificate: now.other_certificate.clone(),
                ..form.clone()
            }),
            _ => self.clone(),
        }
    }

    /// Signing out here leads on to the provider's sign-out.
    pub fn sign_out_upstream(&self) -> bool {
        match self {
            Self::Oidc(oidc) => oidc.sign_out_upstream,
            Self::Saml(saml) => saml.sign_out_upstream,
        }
    }

    pub fn check(&self) -> Vec<Wrong> {
        match self {
            Self::Oidc(oidc) => oidc.check(),
            Self::Saml(saml) => saml.check(),
        }
    }
}

/// How we prove ourselves to the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientProof {
    /// The secret in the `Authorization` header.
    #[default]
    SecretBasic,
    /// The secret in the form.
    SecretPost,
    /// The provider gave no secret; PKCE alone binds the code.
    None,
}

impl ClientProof {
    pub const ALL: [Self; 3] = [Self::SecretBasic, Self::SecretPost, Self::None];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretBasic => "secret_basic",
            Self::SecretPost => "secret_post",
            Self::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// As `token_endpoint_auth_methods_supported` calls it.
    pub fn method(self) -> &'static str {
        match self {
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::None => "none",
        }
    }
}

/// An OpenID provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    pub client_proof: ClientProof,
    /// The one algorithm that ID tokens may be signed with.
    pub algorithm: String,
    pub scopes: Vec<String>,
    /// Signing out here leads on to the provider's sign-out.
    pub sign_out_upstream: bool,
}

impl Oidc {
    pub fn algorithm(&self) -> Option<jose::Algorithm> {
        jose::Algorithm::parse(&self.algorithm).ok()
    }

    fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if let Some(why) = wrong_issuer(&self.issuer) {
            wrong.push(("issuer", why.to_owned()));
        }
        if self.client_id.is_empty()
            || self.client_id.len() > TEXT_BYTES_MAX
            || self.client_id.chars().any(char::is_control)
        {
            wrong.push(("client_id", "the client id that the provider gave is needed".to_owned()));
        }
        if self.algorithm().is_none() {
            wrong
                .push(("algorithm", "choose ES256, EdDSA or RS256: what the provider signs with".to_owned()));
        }
        let scope = |text: &String| {
            !text.is_empty()
                && text.len() <= 100
                && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        if self.scopes.len() > SCOPES_MAX || !self.scopes.iter().all(scope) {
            wrong.push(("scopes", "scopes are up to 20 words such as `email`".to_owned()));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            wrong.push(("scopes", "`openid` is needed: without it there is no ID token".to_owned()));
        }
        wrong
    }
}

/// The issuer is compared letter for letter, so only what can be an issuer is taken.
pub(super) fn wrong_issuer(text: &str) -> Option<&'static str> {
    const SHAPE: &str = "write the issuer as the provider does, such as https://login.example.com/realm";
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Some(SHAPE);
    }
    let Ok(url) = Url::parse(text) else { return Some(SHAPE) };
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Some(SHAPE);
    }
    if url.query().is_some() || url.fragment().is_some() || text.ends_with(['?', '#']) {
        return Some("an issuer has neither `?` nor `#`: leave them out");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("an issuer has no user name: leave it out");
    }
    None
}

/// What a sign-in at the provider is worth against a policy that asks for a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofTrust {
    /// One proof, whatever the provider says.
    Any,
    /// Two where the provider says so (`amr` holds `mfa`).
    #[default]
    Told,
    /// Two always: the provider asks everybody for a second factor.
    Mfa,
}

impl ProofTrust {
    pub const ALL: [Self; 3] = [Self::Any, Self::Told, Self::Mfa];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Told => "told",
            Self::Mfa => "mfa",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// People of this group of the provider get this role here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// The provider's word.
    #[schema(example = "platform-admins")]
    pub value: String,
    /// `admin`, `auditor` or `member`. Owners are made by owners.
    #[schema(value_type = String, example = "admin")]
    pub role: Role,
}

/// People of this group of the provider are in this group here, and others are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// The provider's word.
    #[schema(example = "engineering")]
    pub value: String,
    #[schema(value_type = String)]
    pub group: GroupId,
}

/// What the provider's words mean here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ConnectionMapping)]
pub struct Mapping {
    /// Where the address stands; `a.b` looks into an object.
    pub email_claim: String,
    pub name_claim: String,
    pub groups_claim: String,
    /// Who has a group named here gets its role, the highest of several; the others become members.
    pub roles: Vec<RoleRule>,
    pub groups: Vec<GroupRule>,
    /// Only addresses at these domains; empty: at every verified one. For a social provider: the domains whose mailboxes
    /// it runs, where it may make accounts.
    pub domains: Vec<String>,
    /// Makes an account for somebody who has none yet.
    pub creates_accounts: bool,
    /// The provider does not say which addresses it has verified, and vouches for all of them.
    pub vouches_for_addresses: bool,
    pub proof: ProofTrust,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            email_claim: "email".to_owned(),
            name_claim: "name".to_owned(),
            groups_claim: "groups".to_owned(),
            roles: Vec::new(),
            groups: Vec::new(),
            domains: Vec::new(),
            creates_accounts: true,
            vouches_for_addresses: false,
            proof: ProofTrust::Told,
        }
    }
}

/// What the provider says of somebody, read through the mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    pub email: Option<String>,
    /// `None`: it does not say.
    pub email_verified: Option<bool>,
    pub name: Option<String>,
    pub groups: Vec<String>,
}

/// A claim by its name, or by the names on the way to it. A name that holds dots itself (`https://example.com/groups`)
/// is looked for whole first.
fn claim<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    let mut steps = path.split('.');
    let mut at = claims.get(steps.next()?)?;
    for step in steps {
        at = at.as_object()?.get(step)?;
    }
    Some(at)
}

/// One text, or the first of a list, as SAML attributes come.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

impl Mapping {
    pub(crate) fn read_stored(text: &str) -> Result<Self, DbError> {
        let unreadable = |_| DbError::Check("a stored mapping of a connection is not readable".to_owned());
        serde_json::from_str(text).map_err(unreadable)
    }

    pub(crate) fn text(&self) -> Result<String, DbError> {
        serde_json::to_string(self).map_err(|error| DbError::Check(error.to_string()))
    }

    pub fn who(&self, claims: &Map<String, Value>) -> Who {
        let groups = match claim(claims, &self.groups_claim) {
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).take(GROUPS_MAX).map(str::to_owned).collect()
            }
            Some(Value::String(one)) => vec![one.clone()],
            _ => Vec::new(),
        };
        // It speaks of the claim `email`, and says nothing of an address that stands elsewhere.
        let said = claims.get("email_verified").filter(|_| self.email_claim == "email");
        // Some providers write booleans as text.
        let verified = match said {
            Some(Value::Bool(yes)) => Some(*yes),
            Some(Value::String(text)) => Some(text == "true"),
            Some(_) => Some(false),
            None => None,
        };
        Who {
            email: claim(claims, &self.email_claim).and_then(text_of),
            email_verified: verified,
            name: claim(claims, &self.name_claim).and_then(text_of),
            groups,
        }
    }

    /// Whether anything of this mapping needs a claim that `claims` does not hold.
    pub(crate) fn lacks(&self, claims: &Map<String, Value>) -> bool {
        let wants_groups = !self.roles.is_empty() || !self.groups.is_empty();
        claim(claims, &self.email_claim).is_none()
            || claim(claims, &self.name_claim).is_none()
            || (wants_groups && claim(claims, &self.groups_claim).is_none())
    }

    /// The role that these groups give; `None` when the mapping gives no roles at all.
    pub fn role_for(&self, groups: &[String]) -> Option<Role> {
        if self.roles.is_empty() {
            return None;
        }
        let rank = |role: Role| Role::ALL.iter().position(|one| *one == role).unwrap_or(usize::MAX);
        let given = self.roles.iter().filter(|rule| groups.contains(&rule.value)).map(|rule| rule.role);
        Some(given.min_by_key(|role| rank(*role)).unwrap_or(Role::Member))
    }

    /// Whether an address at this domain may come through the connection at all.
    pub fn takes_domain(&self, domain: &str) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|one| one == domain)
    }

    pub fn check(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let name = |text: &str| {
            !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
        };
        for (member, claim) in [
            ("email_claim", &self.email_claim),
            ("name_claim", &self.name_claim),
            ("groups_claim", &self.groups_claim),
        ] {
            if !name(claim) {
                wrong.push((member, "write the name of a claim, such as `email`".to_owned()));
            }
        }
        if self.roles.len() > RULES_MAX || !self.roles.iter().all(|rule| name(&rule.value)) {
            wrong.push(("roles", "up to 200 rules, each with the provider's word".to_owned()));
        }
        if self.roles.iter().any(|rule| rule.role == Role::Owner) {
            wrong.push(("roles", "owners are made by owners: map to `admin` at most".to_owned()));
        }
        if self.groups.len() > RULES_MAX || !self.groups.iter().all(|rule| name(&rule.value)) {
            wrong.push(("groups", "up to 200 rules, each with the provider's word".to_owned()));
        }
        if self.domains.len() > DOMAINS_MAX {
            wrong.push(("domains", "a connection names up to 200 domains".to_owned()));
        }
        if !self.domains.iter().all(|one| plain_domain(one)) {
            wrong.push(("domains", "write domains in lower case, such as `example.com`".to_owned()));
        }
        wrong
    }
}

fn plain_domain(text: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}
