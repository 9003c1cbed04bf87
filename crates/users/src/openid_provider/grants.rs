//! Grants: one sign-in of a person at a product, and the family of tokens that lives and dies with it.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::ids::AccountId;
use platform::params;
use platform::principals::AccountState;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CODE_LIFETIME, GRANT_LIFETIME, GrantId, REFRESH_LIFETIME, sql};
use crate::factors::Level;
use crate::policies;
use crate::products::{self, Product, ProductId, Standing};
use crate::sessions::{SessionId, provider_id};
use crate::tokens::LinkToken;

/// What was asked and how the person had signed in; fixed for the life of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    pub redirect_uri: String,
    pub scopes: Vec<String>,
    pub nonce: Option<String>,
    /// PKCE, S256.
    pub challenge: String,
    pub resources: Vec<String>,
    /// Seconds since 1970.
    pub auth_time: i64,
    /// The rung of the ladder that the sign-in reached.
    pub level: Level,
    pub amr: Vec<String>,
    /// The session, as products know it.
    pub sid: String,
    /// The thumbprint of the key that codes and refresh tokens are bound to.
    pub jkt: Option<String>,
    pub claims_userinfo: Vec<String>,
    pub claims_id_token: Vec<String>,
}

impl Details {
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|one| one == scope)
    }
}

#[derive(Clone, Debug)]
pub struct Grant {
    pub id: GrantId,
    pub product: ProductId,
    pub account: AccountId,
    pub details: Details,
    pub email: String,
    pub name: String,
    pub expires_at: Timestamp,
    offline: bool,
    revoked: bool,
    account_active: bool,
    session_live: bool,
    code_expires_at: Option<Timestamp>,
    code_used: bool,
}

/// Why a grant gives nothing any more; the word stands in logs and in tests, never in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    Revoked,
    Expired,
    Account,
    Session,
    /// A policy asks for a higher rung than its sign-in reached.
    Policy,
    Access,
}

fn read_grant(row: &Row) -> Result<Grant, DbError> {
    let details: String = row.get(4)?;
    let details = serde_json::from_str(&details)
        .map_err(|error| DbError::Other { statement: "oauth_grants.details", message: error.to_string() })?;
    Ok(Grant {
        id: row.get(0)?,
        product: row.get(1)?,
        account: row.get(2)?,
        offline: row.get::<i64>(3)? != 0,
        details,
        expires_at: row.get(5)?,
        revoked: row.get::<Option<Timestamp>>(6)?.is_some(),
        account_active: row.parse(7, AccountState::parse)? == AccountState::Active,
        email: row.get(8)?,
        name: row.get(9)?,
        session_live: row.get::<i64>(10)? != 0,
        code_expires_at: row.get(11)?,
        code_used: row.get::<Option<Timestamp>>(12)?.is_some(),
    })
}

pub fn find(tx: &mut ReadTx, id: GrantId, now: Timestamp) -> Result<Option<Grant>, DbError> {
    tx.first(&sql::GRANT, params![id, now])?.as_ref().map(read_grant).transpose()
}

/// Whether everything a grant stands on still holds, and what its person is to the product now.
pub fn living(
    tx: &mut ReadTx,
    product: &Product,
    grant: &Grant,
    now: Timestamp,
) -> Result<Result<Standing, Dead>, DbError> {
    if grant.revoked {
        return Ok(Err(Dead::Revoked));
    }
    if grant.expires_at <= now {
        return Ok(Err(Dead::Expired));
    }
    if !grant.account_active {
        return Ok(Err(Dead::Account));
    }
    // A session that was cleaned away is no live one either.
    if !grant.offline && !grant.session_live {
        return Ok(Err(Dead::Session));
    }
    let proved = grant.details.level;
    if proved < policies::session_factor(tx, grant.account, now)? {
        return Ok(Err(Dead::Policy));
    }
    let standing = products::standing_at(tx, product, grant.account, proved, now)?;
    Ok(if standing.allowed { Ok(standing) } else { Err(Dead::Access) })
}

/// Who signs in, in which session.
#[derive(Clone, Debug)]
pub struct Person {
    pub account: AccountId,
    pub session: SessionId,
}

/// Begins a grant. With `by_code` its code is given back, and the store keeps only the code's hash.
pub fn begin(
    ctx: &Ctx,
    tx: &mut Tx,
    product: &Product,
    person: &Person,
    details: &Details,
    by_code: bool,
) -> Result<Commit<(GrantId, LinkToken)>, DbError> {
    let (id, code): (GrantId, _) = (ctx.id(), LinkToken::generate(&mut |bytes| ctx.fill(bytes)));
    let text = serde_json::to_string(details)
        .map_err(|error| DbError::Other { statement: "oauth_grants.details", message: error.to_string() })?;
    tx.execute(
        &sql::INSERT_GRANT,
        params![
            id,
            product.id,
            person.account,
            person.session,
            i64::from(details.has("offline_access")),
            text,
            by_code.then(|| code.hash()),
            by_code.then(|| ctx.now.plus(CODE_LIFETIME)),
            ctx.now,
            ctx.now.plus(GRANT_LIFETIME),
        ],
    )?;
    let begun = Event::new(provider_id(tx)?, "product.signed_in")
        .target("account", person.account)
        .with("product", product.id)
        .with("product_name", &product.settings.name)
        .with("grant", id)
        .with("scopes", details.scopes.join(" "))
        .with("by", if by_code { "code" } else { "device" });
    let recorded = tx.record(begun);
    Ok(Commit::changed((id, code), recorded))
}

/// How the try to use a code or refresh token ended.
pub enum Use {
    Good(Box<Grant>, Standing),
    /// It was used before: the whole family must end.
    Twice(GrantId),
    /// Unknown, old, of another product, or with a proof that does not fit: one answer for all.
    Refused(&'static str),
}

/// Uses a code up. `verifier` is PKCE's; `jkt` the key of the request's proof.
pub fn use_code(
    tx: &mut Tx,
    product: &Product,
    code: &LinkToken,
    redirect_uri: &str,
    verifier: &str,
    jkt: Option<&str>,
    now: Timestamp,
) -> Result<Use, DbError> {
    let Some(row) = tx.first(&sql::GRANT_OF_CODE, params![code.hash(), now])? else {
        return Ok(Use::Refused("unknown"));
    };
    let grant = read_grant(&row)?;
    if grant.product != product.id {
        return Ok(Use::Refused("of another product"));
    }
    if grant.code_used {
        return Ok(Use::Twice(grant.id));
    }
    let fits =
        subtle::ConstantTimeEq::ct_eq(jose::sha256(verifier).as_bytes(), grant.details.challenge.as_bytes());
    let bound = grant.details.jkt.as_deref().is_none_or(|wanted| jkt == Some(wanted));
    if !bool::from(fits) || grant.details.redirect_uri != redirect_uri || !bound {
        return Ok(Use::Refused("does not fit its request"));
    }
    if grant.code_expires_at.is_none_or(|end| end <= now) {
        return Ok(Use::Refused("too old"));
    }
    let standing = match living(tx, product, &grant, now)? {
        Ok(standing) => standing,
        Err(_) => return Ok(Use::Refused("ended")),
    };
    if tx.execute(&sql::USE_CODE, params![grant.id, now])? != 1 {
        return Ok(Use::Twice(grant.id));
    }
    Ok(Use::Good(Box::new(grant), standing))
}

/// Gives a grant a new refresh token; with `jkt` it works only with proofs of that key.
pub fn add_refresh(ctx: &Ctx, tx: &mut Tx, grant: &Grant, jkt: Option<&str>) -> Result<LinkToken, DbError> {
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let end = ctx.now.plus(REFRESH_LIFETIME).min(grant.expires_at);
    tx.execute(&sql::INSERT_REFRESH, params![token.hash(), grant.id, jkt, ctx.now, end])?;
    Ok(token)
}

/// Uses a refresh token up. A key it is bound to must have signed the request's proof.
pub fn use_refresh(
    tx: &mut Tx,
    product: &Product,
    token: &LinkToken,
    jkt: Option<&str>,
    now: Timestamp,
) -> Result<Use, DbError> {
    let Some(row) = tx.first(&sql::REFRESH, params![token.hash()])? else {
        return Ok(Use::Refused("unknown"));
    };
    let (id, end, used): (GrantId, Timestamp, Option<Timestamp>) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let Some(grant) = find(tx, id, now)?.filter(|grant| grant.product == product.id) else {
        return Ok(Use::Refused("of another product"));
    };
    if used.is_some() {
        return Ok(Use::Twice(id));
    }
    if end <= now {
        return Ok(Use::Refused("too old"));
    }
    if row.get::<Option<String>>(3)?.is_some_and(|wanted| jkt != Some(wanted.as_str())) {
        return Ok(Use::Refused("bound to another key"));
    }
    let standing = match living(tx, product, &grant, now)? {
        Ok(standing) => standing,
        Err(_) => return Ok(Use::Refused("ended")),
    };
    if tx.execute(&sql::USE_REFRESH, params![token.hash(), now])? != 1 {
        return Ok(Use::Twice(id));
    }
    Ok(Use::Good(Box::new(grant), standing))
}

/// The grant of a refresh token that would still work; looks, uses nothing.
pub fn of_refresh(
    tx: &mut ReadTx,
    token: &LinkToken,
    now: Timestamp,
) -> Result<Option<(Grant, Timestamp)>, DbError> {
    let Some(row) = tx.first(&sql::REFRESH, params![token.hash()])? else { return Ok(None) };
    let (id, end, used): (GrantId, Timestamp, Option<Timestamp>) = (row.get(0)?, row.get(1)?, row.get(2)?);
    if used.is_some() || end <= now {
        return Ok(None);
    }
    Ok(find(tx, id, now)?.map(|grant| (grant, end)))
}

// ---- ends -----------------------------------------------------------------------------------------------------

/// Ends a grant with everything issued from it; `false` when it had ended.
pub fn end(tx: &mut Tx, id: GrantId, reason: &'static str, now: Timestamp) -> Result<Commit<bool>, DbError> {
    if tx.execute(&sql::END_GRANT, params![id, now])? != 1 {
        return Ok(Commit::unchanged(false));
    }
    let provider = provider_id(tx)?;
    let event = Event::new(provider, "product.grant_ended").target("grant", id).with("reason", reason);
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Ends all grants of a product. The caller records why.
pub(crate) fn end_all_of_product(tx: &mut Tx, product: ProductId, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::END_OF_PRODUCT, params![product, now])
}

/// Ends all grants that came from a session, for offline use too. The caller records why.
pub(crate) fn end_all_of_session(
    tx: &mut Tx,
    session: crate::sessions::SessionId,
    now: Timestamp,
) -> Result<u64, DbError> {
    tx.execute(&sql::END_OF_SESSION, params![session, now])
}

/// Ends all grants of an account, for offline use too: its password was changed, it was taken over or retired.
pub(crate) fn end_all_of_account(
    tx: &mut Tx,
    account: AccountId,
    reason: &'static str,
    now: Timestamp,
) -> Result<u64, DbError> {
    let count = tx.execute(&sql::END_OF_ACCOUNT, params![account, now])?;
    if count > 0 {
        let provider = provider_id(tx)?;
        let event = Event::new(provider, "product.grants_ended")
            .target("account", account)
            .with("grants", count)
            .with("reason", reason);
        let _recorded = tx.record(event);
    }
    Ok(count)
}

/// Ends what an account holds of a product, and forgets its consent.
pub fn end_at(
    tx: &mut Tx,
    account: AccountId,
    product: ProductId,
    now: Timestamp,
) -> Result<Commit<bool>, DbError> {
    let ended = tx.execute(&sql::END_OF_ACCOUNT_AT, params![product, account, now])?;
    let consents = tx.execute(&sql::DELETE_CONSENT, params![account, product])?;
    if ended + consents == 0 {
        return Ok(Commit::unchanged(false));
    }
    let provider = provider_id(tx)?;
    let event = Event::new(provider, "product.grants_ended")
        .target("account", account)
        .with("product", product)
        .with("grants", ended)
        .with("reason", "by_the_person");
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// Ends the grants at a product of whoever may not use it any more. The caller records why.
pub(crate) fn end_unallowed(tx: &mut Tx, product: ProductId, now: Timestamp) -> Result<u64, DbError> {
    let Some(found) = products::get(tx, product)? else { return Ok(0) };
    let mut ended = 0;
    for account in tx.list(&sql::HOLDERS, params![product, now], |row| row.get::<AccountId>(0))? {
        if !products::standing(tx, &found, account)?.allowed {
            ended += tx.execute(&sql::END_OF_ACCOUNT_AT, params![product, account, now])?;
        }
    }
    Ok(ended)
}

/// Ends what an account holds of products it may not use any more: it was suspended in or left an organization. So it
/// stays ended when it comes back. The caller records why.
pub(crate) fn end_unallowed_of(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<u64, DbError> {
    let mut ended = 0;
    for id in tx.list(&sql::HELD, params![account, now], |row| row.get::<ProductId>(0))? {
        let Some(product) = products::get(tx, id)? else { continue };
        if !products::standing(tx, &product, account)?.allowed {
            ended += tx.execute(&sql::END_OF_ACCOUNT_AT, params![id, account, now])?;
        }
    }
    Ok(ended)
}

/// A product somebody signed in to.
pub struct SignedInApp {
    pub product: ProductId,
    pub name: String,
    pub last_at: Timestamp,
    pub offline: bool,
    pub scopes: String,
}

pub fn apps_of(tx: &mut ReadTx, account: AccountId, now: Timestamp) -> Result<Vec<SignedInApp>, DbError> {
    let mut found = tx.list(&sql::APPS, params![account, now], |row| {
        Ok(SignedInApp {
            product: row.get(0)?,
            name: row.get(1)?,
            last_at: row.get(2)?,
            offline: row.get::<i64>(3)? != 0,
            scopes: String::new(),
        })
    })?;
    for app in &mut found {
        let consent: Option<String> = tx.scalar(&sql::CONSENT, params![account, app.product])?;
        app.scopes = consent.unwrap_or_default();
    }
    Ok(found)
}
