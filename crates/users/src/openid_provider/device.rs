//! The device flow (RFC 8628): a device without a keyboard shows a short code, its person types it here.

use std::time::Duration;

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::params;
use platform::time::{SECOND, Timestamp};

use super::answer::Refusal;
use super::authorize::{self, SignedIn};
use super::grants::{self, Details, Person, Use};
use super::request::{Params, scopes};
use super::{DEVICE_LIFETIME, GrantId, sql};
use crate::products::{self, Product, ProductId};
use crate::tokens::{LinkToken, TokenHash};

/// How long a device waits between two questions; each that comes too early adds as much.
pub const INTERVAL: Duration = Duration::from_secs(5 * SECOND.as_secs());
/// No vowels: no words; nothing that looks like another letter.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// What a device is given.
pub struct Begun {
    pub device_code: LinkToken,
    /// `BDWP-HQPK`
    pub user_code: String,
}

/// 8 of 20 letters: 2^34 codes, of which few live at once, each for minutes, behind the limit for credentials.
fn user_code(ctx: &Ctx) -> String {
    let mut code = String::with_capacity(LENGTH);
    while code.len() < LENGTH {
        let [byte] = ctx.random_bytes::<1>();
        // 240 is the largest multiple of 20 in a byte: beyond it the letters would not be even.
        if byte < 240 {
            code.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        }
    }
    code
}

pub fn spaced(code: &str) -> String {
    match code.split_at_checked(LENGTH / 2) {
        Some((one, other)) => format!("{one}-{other}"),
        None => code.to_owned(),
    }
}

/// As typed by a person: case and marks do not matter.
pub fn typed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).take(LENGTH + 1).collect()
}

pub fn begin(ctx: &Ctx, tx: &mut Tx, product: &Product, params: &Params) -> Result<Begun, DbError> {
    let details =
        Details { scopes: scopes(product, params.get("scope").unwrap_or_default()), ..Details::default() };
    let text = serde_json::to_string(&details).map_err(|error| DbError::Other {
        statement: "oauth_device_codes.details",
        message: error.to_string(),
    })?;
    let device_code = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    loop {
        let code = user_code(ctx);
        let row = params![
            device_code.hash(),
            code.as_str(),
            product.id,
            text.as_str(),
            ctx.now,
            ctx.now.plus(DEVICE_LIFETIME),
            u64::try_from(INTERVAL.as_micros()).unwrap_or(u64::MAX),
        ];
        if tx.execute(&sql::INSERT_DEVICE, row)? == 1 {
            return Ok(Begun { device_code, user_code: spaced(&code) });
        }
    }
}

/// A device that waits for its person.
pub struct Waiting {
    pub hash: TokenHash,
    pub product: Product,
    pub scopes: Vec<String>,
}

pub fn waiting(tx: &mut ReadTx, code: &str, now: Timestamp) -> Result<Option<Waiting>, DbError> {
    let Some(row) = tx.first(&sql::DEVICE_BY_USER_CODE, params![code, now])? else { return Ok(None) };
    let details: Details = serde_json::from_str(&row.get::<String>(2)?).map_err(|error| DbError::Other {
        statement: "oauth_device_codes.details",
        message: error.to_string(),
    })?;
    let product = products::get(tx, row.get(1)?)?.filter(|product| product.active);
    Ok(match product {
        Some(product) => Some(Waiting { hash: row.get(0)?, product, scopes: details.scopes }),
        None => None,
    })
}

#[derive(Debug, PartialEq, Eq)]
pub enum Decided {
    Allowed,
    Denied,
    /// Unknown, too old, or decided already.
    Gone,
    /// This person may not use the product.
    NotAllowed,
    /// The session has ended since it was read.
    SignedOut,
}

/// The person's answer.
pub fn decide(
    ctx: &Ctx,
    tx: &mut Tx,
    code: &str,
    person: &SignedIn,
    allow: bool,
) -> Result<Commit<Decided>, DbError> {
    let Some(person) = authorize::still_signed_in(tx, person, ctx.now)? else {
        return Ok(Commit::unchanged(Decided::SignedOut));
    };
    let Some(found) = waiting(tx, code, ctx.now)? else { return Ok(Commit::unchanged(Decided::Gone)) };
    if !products::standing_at(tx, &found.product, person.account, person.level, ctx.now)?.allowed {
        return Ok(Commit::unchanged(Decided::NotAllowed));
    }
    if !allow {
        tx.execute(&sql::DECIDE_DEVICE, params![found.hash, "denied", None::<GrantId>])?;
        let provider = crate::sessions::provider_id(tx)?;
        let denied = platform::events::Event::new(provider, "product.device_denied")
            .target("account", person.account)
            .with("product", found.product.id);
        let recorded = tx.record(denied);
        return Ok(Commit::changed(Decided::Denied, recorded));
    }
    let details = Details {
        scopes: found.scopes.clone(),
        auth_time: super::seconds(person.at),
        level: person.level,
        amr: person.amr,
        sid: platform::ids::Id::uuid(person.session).to_string(),
        ..Details::default()
    };
    authorize::consent(ctx, tx, found.product.id, person.account, &found.scopes)?;
    let whose = Person { account: person.account, session: person.session };
    let begun = grants::begin(ctx, tx, &found.product, &whose, &details, false)?;
    let grant = begun.value().0;
    if tx.execute(&sql::DECIDE_DEVICE, params![found.hash, "allowed", grant])? != 1 {
        return Ok(Commit::unchanged(Decided::Gone));
    }
    Ok(begun.map(|_| Decided::Allowed))
}

/// A device asks; the grant, once its person has allowed it. The code is used up with that.
pub fn poll(
    tx: &mut Tx,
    code: &LinkToken,
    product: ProductId,
    now: Timestamp,
) -> Result<Result<GrantId, Refusal>, DbError> {
    let unknown = || Refusal::grant("the device code is unknown or was used");
    let Some(row) = tx.first(&sql::DEVICE, params![code.hash()])? else { return Ok(Err(unknown())) };
    if row.get::<ProductId>(0)? != product {
        return Ok(Err(unknown()));
    }
    let (state, grant): (String, Option<GrantId>) = (row.get(1)?, row.get(2)?);
    if row.get::<Timestamp>(3)? <= now {
        return Ok(Err(Refusal::new("expired_token", "nobody allowed it in time: begin again")));
    }
    match (state.as_str(), grant) {
        ("allowed", Some(grant)) => {
            if tx.execute(&sql::USE_DEVICE, params![code.hash()])? == 1 {
                Ok(Ok(grant))
            } else {
                Ok(Err(unknown()))
            }
        }
        ("denied", _) => Ok(Err(Refusal::new("access_denied", "the person said no"))),
        ("waiting", _) => {
            let interval = Duration::from_micros(row.get(5)?);
            let early = row.get::<Option<Timestamp>>(4)?.is_some_and(|last| now.since(last) < interval);
            let next = if early { interval + INTERVAL } else { interval };
            let micros = u64::try_from(next.as_micros()).unwrap_or(u64::MAX);
            tx.execute(&sql::POLL_DEVICE, params![code.hash(), now, micros])?;
            Ok(Err(if early {
                Refusal::new("slow_down", format!("ask every {} s", next.as_secs()))
            } else {
                Refusal::new("authorization_pending", "the person has not answered yet")
            }))
        }
        _ => Ok(Err(unknown())),
    }
}

pub fn redeem(tx: &mut Tx, product: &Product, grant: GrantId, now: Timestamp) -> Result<Use, DbError> {
    let Some(grant) = grants::find(tx, grant, now)? else { return Ok(Use::Refused("unknown")) };
    Ok(match grants::living(tx, product, &grant, now)? {
        Ok(standing) => Use::Good(Box::new(grant), standing),
        Err(_) => Use::Refused("ended"),
    })
}
