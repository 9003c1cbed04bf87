//! Sign-ins on their way: what was asked of a provider, kept here until its answer comes back.
//!
//! The `state` that travels is 256 random bits; the store keeps their SHA-256. The answer counts once, within
//! [`LIFETIME`], for the connection that was asked, in the browser that asked (its cookie). The nonce and the PKCE verifier
//! follow from the state by a key of the installation, so that no secret waits in the store.

use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::AccountId;
use platform::params;
use platform::time::{MINUTE, Timestamp};
use platform::web::browser;
use platform::{App, Ctx};

use super::{ConnectionId, sql};
use crate::tokens::LinkToken;

pub const LIFETIME: Duration = Duration::from_secs(10 * MINUTE.as_secs());
/// Marks the browser that asks; two tabs share it.
pub(crate) const COOKIE: &str = "__Host-bailiwick-sso";

/// What the answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    SignIn,
    /// Somebody who is signed in adds this way in to their account.
    Connect,
    /// An admin tries the connection; nobody is signed in by it.
    Test,
}

impl Intent {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Connect => "connect",
            Self::Test => "test",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::SignIn, Self::Connect, Self::Test].into_iter().find(|intent| intent.as_str() == text)
    }
}

/// What is to be asked.
#[derive(Clone, Debug)]
pub struct Asking {
    pub connection: ConnectionId,
    pub intent: Intent,
    /// Who connects or tests.
    pub account: Option<AccountId>,
    /// The provider is to ask the person anew, however it knows them.
    pub fresh: bool,
    pub next: String,
}

/// What was asked, found again by its state.
#[derive(Clone, Debug)]
pub struct Asked {
    pub intent: Intent,
    pub account: Option<AccountId>,
    pub fresh: bool,
    pub next: String,
    pub at: Timestamp,
}

/// This browser's mark, or a new one that has to be set.
pub(crate) fn mark(ctx: &Ctx, headers: &HeaderMap) -> (LinkToken, bool) {
    let known = browser::cookie(headers, COOKIE).and_then(|text| LinkToken::parse(text).ok());
    match known {
        Some(mark) => (mark, false),
        None => (LinkToken::generate(&mut |bytes| ctx.fill(bytes)), true),
    }
}

/// Notes what is asked; gives the state.
pub fn begin(ctx: &Ctx, tx: &mut Tx, asking: &Asking, mark: &LinkToken) -> Result<LinkToken, DbError> {
    let state = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    let row = params![
        state.hash(),
        asking.connection,
        mark.hash(),
        asking.intent.as_str(),
        asking.account,
        asking.fresh,
        asking.next.as_str(),
        ctx.now,
        ctx.now.plus(LIFETIME)
    ];
    tx.execute(&sql::INSERT_REQUEST, row)?;
    Ok(state)
}

/// What was asked with a state, which stays as it is. `None`: unknown, used, too old, or another connection's.
pub(crate) fn peek(
    tx: &mut ReadTx,
    connection: ConnectionId,
    state: &LinkToken,
    now: Timestamp,
) -> Result<Option<Asked>, DbError> {
    let found = find(tx, state, now)?;
    match found {
        Some(row) if row.get::<ConnectionId>(0)? == connection => Ok(Some(asked(&row)?)),
        _ => Ok(None),
    }
}

/// What stands for a request where a sign-in began at the provider.
pub(crate) fn unasked(now: Timestamp) -> Asked {
    Asked { intent: Intent::SignIn, account: None, fresh: false, next: String::new(), at: now }
}

/// Uses a state up. `None`: unknown, used, too old, another connection's, or of another browser; all the same to whoever
/// asks.
pub fn take(
    tx: &mut Tx,
    connection: ConnectionId,
    state: &LinkToken,
    mark: Option<&LinkToken>,
    now: Timestamp,
) -> Result<Option<Asked>, DbError> {
    let Some(row) = find(tx, state, now)? else { return Ok(None) };
    let browser: [u8; 32] = row.get(1)?;
    let fits = row.get::<ConnectionId>(0)? == connection && mark.is_some_and(|mark| mark.matches(&browser));
    // A stranger's try does not use it up: its owner may still come.
    if !fits || tx.execute(&sql::USE_REQUEST, params![state.hash(), now])? != 1 {
        return Ok(None);
    }
    Ok(Some(asked(&row)?))
}

fn asked(row: &platform::db::Row) -> Result<Asked, DbError> {
    Ok(Asked {
        intent: row.parse(2, Intent::parse)?,
        account: row.get(3)?,
        fresh: row.get(4)?,
        next: row.get(5)?,
        at: row.get(6)?,
    })
}

fn find(tx: &mut ReadTx, state: &LinkToken, now: Timestamp) -> Result<Option<platform::db::Row>, DbError> {
    tx.first(&sql::REQUEST, params![state.hash(), now])
}

fn derived(app: &App, what: &str, state: &LinkToken) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &app.keyring().derive("single sign-on request"));
    let message = [what.as_bytes(), b"|", state.hash().as_slice()].concat();
    jose::encode(hmac::sign(&key, &message))
}

pub(crate) fn nonce(app: &App, state: &LinkToken) -> String {
    derived(app, "nonce", state)
}

/// What a SAML answer must name (`InResponseTo`).
pub(crate) fn saml_id(app: &App, state: &LinkToken) -> String {
    derived(app, "saml", state)
}

/// As [`saml_id`], of a request to sign somebody out.
pub(crate) fn saml_sign_out_id(app: &App, state: &LinkToken) -> String {
    derived(app, "saml sign-out", state)
}

/// 43 characters: 256 bits (RFC 7636 §4.1).
pub(crate) fn verifier(app: &App, state: &LinkToken) -> String {
    derived(app, "verifier", state)
}
