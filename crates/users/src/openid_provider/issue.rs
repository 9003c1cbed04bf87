//! What is issued: access tokens (RFC 9068), ID tokens, logout tokens, and the claims about a person.

use jose::SigningKey;
use platform::Ctx;
use platform::db::{DbError, ReadTx};
use platform::ids::AccountId;
use platform::principals::{self, MembershipState, OrganizationState};
use serde_json::{Map, Value, json};

use super::grants::Grant;
use super::{ACCESS_LIFETIME, ID_TOKEN_LIFETIME, authorize, seconds};
use crate::products::{Product, Standing};

/// What is said about a person to one product, now.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub organizations: Vec<Value>,
}

/// Reads roles, groups and organizations as far as the scopes ask. Where access rules name organizations only those are
/// shown: a product of one organization learns nothing of a person's others.
pub fn about(
    tx: &mut ReadTx,
    product: &Product,
    account: AccountId,
    standing: &Standing,
    scopes: &[String],
) -> Result<About, DbError> {
    let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
    let mut about = About::default();
    if has("roles") {
        about.roles.clone_from(&standing.roles);
    }
    if !has("groups") && !has("organizations") {
        return Ok(about);
    }
    let shows_all = product.settings.everyone && standing.organizations.is_empty();
    for (organization, membership) in principals::memberships_of(tx, account)? {
        let live =
            membership.state == MembershipState::Active && organization.state == OrganizationState::Active;
        if !live || !(shows_all || standing.organizations.contains(&organization.id)) {
            continue;
        }
        if has("organizations") {
            about.organizations.push(json!({
                "id": organization.id,
                "slug": organization.slug,
                "name": organization.name,
                "role": membership.role.as_str(),
            }));
        }
        if has("groups") {
            for group in principals::groups_of(tx, organization.id, account)? {
                about.groups.push(format!("{}/{}", organization.slug, group.name));
            }
        }
    }
    Ok(about)
}

/// All claims about a person that these scopes and single requests allow.
pub fn person_claims(grant: &Grant, about: &About, single: &[String]) -> Map<String, Value> {
    let mut claims = Map::new();
    let has = |scope: &str| grant.details.has(scope);
    let asked = |name: &str| single.iter().any(|one| one == name);
    if has("profile") || asked("name") {
        claims.insert("name".into(), json!(grant.name));
    }
    if has("profile") || asked("preferred_username") {
        claims.insert("preferred_username".into(), json!(grant.email));
    }
    if has("email") || asked("email") {
        claims.insert("email".into(), json!(grant.email));
    }
    if has("email") || asked("email_verified") {
        // An account is active only once its address is proved.
        claims.insert("email_verified".into(), json!(true));
    }
    for (scope, value) in [
        ("roles", json!(about.roles)),
        ("groups", json!(about.groups)),
        ("organizations", json!(about.organizations)),
    ] {
        if has(scope) {
            claims.insert(scope.into(), value);
        }
    }
    claims
}

/// What an access token is for.
pub struct Access<'a> {
    pub product: &'a Product,
    pub scopes: &'a [String],
    pub resources: &'a [String],
    /// `None`: the product itself.
    pub grant: Option<(&'a Grant, &'a About)>,
    pub jkt: Option<&'a str>,
}

/// The resources that a token is for: those asked, else all of the product's, and userinfo with `openid`.
fn audience(issuer: &str, access: &Access<'_>) -> Value {
    let asked =
        if access.resources.is_empty() { &access.product.settings.audiences } else { access.resources };
    let mut audience: Vec<&str> = asked.iter().map(String::as_str).collect();
    let openid = access.scopes.iter().any(|scope| scope == "openid");
    if openid || audience.is_empty() {
        audience.push(issuer);
    }
    match audience.as_slice() {
        [one] => json!(one),
        many => json!(many),
    }
}

pub fn access_token(
    ctx: &Ctx,
    key: &SigningKey,
    issuer: &str,
    access: &Access<'_>,
) -> Result<String, jose::Error> {
    let now = seconds(ctx.now);
    let client = access.product.id.to_string();
    let subject = access.grant.map_or_else(|| client.clone(), |(grant, _)| grant.account.to_string());
    let mut claims = json!({
        "iss": issuer,
        "sub": subject,
        "aud": audience(issuer, access),
        "client_id": client,
        "iat": now,
        "exp": now + i64::try_from(ACCESS_LIFETIME.as_secs()).unwrap_or(0),
        "jti": jose::encode(ctx.random_bytes::<16>()),
        "scope": access.scopes.join(" "),
    });
    if let Some(jkt) = access.jkt {
        claims["cnf"] = json!({ "jkt": jkt });
    }
    if let Some((grant, about)) = access.grant {
        claims["gid"] = json!(grant.id);
        claims["auth_time"] = json!(grant.details.auth_time);
        claims["acr"] = json!(authorize::acr(grant.details.level));
        claims["amr"] = json!(grant.details.amr);
        if grant.details.has("roles") {
            claims["roles"] = json!(about.roles);
        }
        if grant.details.has("groups") {
            claims["groups"] = json!(about.groups);
        }
    }
    key.sign("at+jwt", claims.to_string().as_bytes())
}

/// The ID token of a grant; `access_token` is the one issued with it.
pub fn id_token(
    ctx: &Ctx,
    key: &SigningKey,
    issuer: &str,
    grant: &Grant,
    about: &About,
    access_token: &str,
) -> Result<String, jose::Error> {
    let now = seconds(ctx.now);
    let details = &grant.details;
    let mut claims = json!({
        "iss": issuer,
        "sub": grant.account,
        "aud": grant.product,
        "iat": now,
        "exp": now + i64::try_from(ID_TOKEN_LIFETIME.as_secs()).unwrap_or(0),
        "auth_time": details.auth_time,
        "acr": authorize::acr(details.level),
        "amr": details.amr,
        "sid": details.sid,
        "at_hash": half_hash(key, access_token),
    });
    if let Some(nonce) = &details.nonce {
        claims["nonce"] = json!(nonce);
    }
    // Who reads only the ID token gets what tells rights apart; the rest of a person stands in userinfo.
    let asked = &details.claims_id_token;
    for (name, value) in person_claims(grant, about, asked) {
        let rights = matches!(name.as_str(), "roles" | "groups" | "organizations");
        if rights || asked.contains(&name) {
            claims[name] = value;
        }
    }
    key.sign("JWT", claims.to_string().as_bytes())
}

/// OpenID Connect Core §3.1.3.6: half of the hash that the signature uses; Ed25519 uses SHA-512.
fn half_hash(key: &SigningKey, text: &str) -> String {
    let algorithm = match key.algorithm() {
        jose::Algorithm::EdDsa => &aws_lc_rs::digest::SHA512,
        jose::Algorithm::Es256 | jose::Algorithm::Rs256 => &aws_lc_rs::digest::SHA256,
    };
    let hash = aws_lc_rs::digest::digest(algorithm, text.as_bytes());
    let bytes = hash.as_ref();
    jose::encode(&bytes[..bytes.len() / 2])
}
