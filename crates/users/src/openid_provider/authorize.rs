//! What becomes of an authorization request: a code, a question to the person, or a refusal.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, Id};
use platform::params;
use platform::principals;
use platform::time::Timestamp;

use super::answer::Refusal;
use super::grants::{self, Details, Person};
use super::request::{Params, Request, ToKeep};
use super::{WAITING_LIFETIME, seconds, sql};
use crate::factors::Level;
use crate::products::{self, Product, ProductId};
use crate::sessions::{SessionId, provider_id};
use crate::tokens::LinkToken;

/// How somebody signed in, as a product is told (`auth_time`, `amr`, `acr`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    pub account: AccountId,
    pub session: SessionId,
    pub at: Timestamp,
    pub amr: Vec<String>,
    pub level: Level,
}

/// `acr` of a rung of the ladder of proofs.
pub fn acr(level: Level) -> String {
    format!("urn:bailiwick:level:{}", level.as_str())
}

/// The live session, read from the store; `None` too when a policy asks for more than it has proved.
pub fn signed_in(tx: &mut ReadTx, session: SessionId, now: Timestamp) -> Result<Option<SignedIn>, DbError> {
    let Some(row) = tx.first(&sql::SESSION, params![session, now])? else { return Ok(None) };
    let amr = row.get::<String>(1)?.split_whitespace().map(str::to_owned).collect();
    let level = Level::from_rank(row.get(2)?);
    Ok(Some(SignedIn { account: row.get(0)?, session, at: row.get(3)?, amr, level }))
}

/// Asks again, in the write that gives access: whoever ends the sessions and grants of the account has done so before, or
/// waits and ends what is begun here, too.
pub fn still_signed_in(tx: &mut Tx, person: &SignedIn, now: Timestamp) -> Result<Option<SignedIn>, DbError> {
    principals::account_for_update(tx, person.account)?;
    Ok(signed_in(tx, person.session, now)?.filter(|found| found.account == person.account))
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    SignIn,
    /// Who is there may use the product, by an organization whose policy asks for a stronger proof.
    Prove,
    Consent,
    Issue,
    Refuse(Refusal),
}

/// Decides from what is asked and who is there. `since` is when the request was made, where a person has been asked since:
/// what they did after it counts as the answer to `prompt`. `agreed`: they have just consented.
pub fn decide(
    tx: &mut ReadTx,
    product: &Product,
    request: &Request,
    person: Option<&SignedIn>,
    since: Option<Timestamp>,
    agreed: bool,
    now: Timestamp,
) -> Result<Next, DbError> {
    let Some(person) = person.filter(|person| !must_sign_in(request, person, since, now)) else {
        return Ok(if request.prompt.none {
            Next::Refuse(Refusal::new("login_required", "nobody is signed in as this request wants it"))
        } else {
            Next::SignIn
        });
    };
    if !products::standing_at(tx, product, person.account, person.level, now)?.allowed {
        if products::standing(tx, product, person.account)?.allowed {
            let why = "the organization that gives access asks for a stronger proof than this session has";
            let refused = Refusal::new("interaction_required", why);
            return Ok(if request.prompt.none { Next::Refuse(refused) } else { Next::Prove });
        }
        let why = "this person may not use this product: their organization has not been given access";
        return Ok(Next::Refuse(Refusal::new("access_denied", why)));
    }
    let asks = request.prompt.consent || !consented(tx, product, person.account, &request.scopes)?;
    if agreed || !asks {
        return Ok(Next::Issue);
    }
    Ok(if request.prompt.none {
        Next::Refuse(Refusal::new("consent_required", "the person has not agreed to this yet"))
    } else {
        Next::Consent
    })
}

fn must_sign_in(request: &Request, person: &SignedIn, since: Option<Timestamp>, now: Timestamp) -> bool {
    let other = request.expects.as_ref().is_some_and(|expected| *expected != person.account.to_string());
    let fresh = since.is_some_and(|since| person.at >= since);
    let old = request.max_age.is_some_and(|seconds| now.since(person.at).as_secs() > seconds);
    other || (!fresh && (request.prompt.login || old))
}

fn consented(
    tx: &mut ReadTx,
    product: &Product,
    account: AccountId,
    scopes: &[String],
) -> Result<bool, DbError> {
    if !product.settings.asks_consent {
        return Ok(true);
    }
    let given: Option<String> = tx.scalar(&sql::CONSENT, params![account, product.id])?;
    let Some(given) = given else { return Ok(false) };
    let given: Vec<&str> = given.split(' ').collect();
    Ok(scopes.iter().all(|scope| given.contains(&scope.as_str())))
}

/// Remembers what somebody agreed to, beside what they had agreed to before.
pub fn consent(
    ctx: &Ctx,
    tx: &mut Tx,
    product: ProductId,
    account: AccountId,
    scopes: &[String],
) -> Result<(), DbError> {
    let before: Option<String> = tx.scalar(&sql::CONSENT, params![account, product])?;
    let mut all: Vec<&str> = before.iter().flat_map(|text| text.split(' ')).collect();
    all.extend(scopes.iter().map(String::as_str));
    all.sort_unstable();
    all.dedup();
    let words = all.join(" ");
    tx.execute(&sql::SET_CONSENT, params![account, product, words.trim(), ctx.now])?;
    let event = Event::new(provider_id(tx)?, "product.consented")
        .target("account", account)
        .with("product", product)
        .with("scopes", scopes.join(" "));
    let _recorded = tx.record(event);
    Ok(())
}

/// Begins the grant and gives its code; `None` when the session has ended since it was read.
pub fn issue(
    ctx: &Ctx,
    tx: &mut Tx,
    product: &Product,
    request: &Request,
    person: &SignedIn,
) -> Result<Commit<Option<LinkToken>>, DbError> {
    let Some(person) = still_signed_in(tx, person, ctx.now)? else { return Ok(Commit::unchanged(None)) };
    let details = details(request, &person);
    let whose = Person { account: person.account, session: person.session };
    Ok(grants::begin(ctx, tx, product, &whose, &details, true)?.map(|(_, code)| Some(code)))
}

pub fn details(request: &Request, person: &SignedIn) -> Details {
    Details {
        redirect_uri: request.redirect_uri.clone(),
        scopes: request.scopes.clone(),
        nonce: request.nonce.clone(),
        challenge: request.challenge.clone(),
        resources: request.resources.clone(),
        auth_time: seconds(person.at),
        level: person.level,
        amr: person.amr.clone(),
        sid: person.session.uuid().to_string(),
        jkt: request.jkt.clone(),
        claims_userinfo: request.claims_userinfo.clone(),
        claims_id_token: request.claims_id_token.clone(),
    }
}

// ---- requests that are kept -----------------------------------------------------------------------------------

/// A request kept in the store.
pub struct Kept {
    pub product: ProductId,
    pub params: Params,
    pub at: Timestamp,
}

/// Keeps a request; `kind` is `pushed` or `waiting`.
pub fn keep(
    ctx: &Ctx,
    tx: &mut Tx,
    product: ProductId,
    kind: &'static str,
    params: &ToKeep,
) -> Result<LinkToken, DbError> {
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let text = serde_json::to_string(params).map_err(|error| DbError::Other {
        statement: "oauth_requests.parameters",
        message: error.to_string(),
    })?;
    let lifetime = if kind == "pushed" { super::PUSHED_LIFETIME } else { WAITING_LIFETIME };
    tx.execute(
        &sql::INSERT_REQUEST,
        params![token.hash(), product, kind, text, ctx.now, ctx.now.plus(lifetime)],
    )?;
    Ok(token)
}

pub fn kept(
    tx: &mut ReadTx,
    token: &LinkToken,
    kind: &'static str,
    now: Timestamp,
) -> Result<Option<Kept>, DbError> {
    let Some(row) = tx.first(&sql::REQUEST, params![token.hash(), kind, now])? else { return Ok(None) };
    let params = serde_json::from_str(&row.get::<String>(1)?).map_err(|error| DbError::Other {
        statement: "oauth_requests.parameters",
        message: error.to_string(),
    })?;
    Ok(Some(Kept { product: row.get(0)?, params, at: row.get(2)? }))
}

/// Uses a kept request up; `false` when somebody was faster.
pub fn use_kept(tx: &mut Tx, token: &LinkToken, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&sql::USE_REQUEST, params![token.hash(), now])? == 1)
}
