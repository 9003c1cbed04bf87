//! Single-use links: set-up, sign-up, recovery, operator's sign-in links.
//!
//! A link is for one purpose and one address, works once and until it expires; the store keeps only the SHA-256 of its
//! token. Opening the page does not use it up (mail scanners open links): the form behind it does.

use std::time::Duration;

use platform::Ctx;
use platform::db::{DbError, ReadTx, Tx};
use platform::ids::AccountId;
use platform::params;
use platform::time::{DAY, HOUR, Timestamp};

use crate::tokens::LinkToken;

mod sql;
#[cfg(test)]
mod tests;

/// How long the row of a link stays behind the end of its life, with the address that it was for.
const KEPT: Duration = Duration::from_secs(30 * DAY.as_secs());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Makes the provider and its first owner.
    SetUp,
    /// Proves an address and makes its account.
    SignUp,
    /// Sets a new password.
    Recovery,
    /// Signs in once; made by somebody with a shell on the server.
    SignIn,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set_up",
            Self::SignUp => "sign_up",
            Self::Recovery => "recovery",
            Self::SignIn => "sign_in",
        }
    }

    /// How long a link of this purpose works.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::SetUp => 7 * DAY,
            Self::SignUp => DAY,
            Self::Recovery => HOUR,
            Self::SignIn => DAY,
        }
    }
}

/// A link as found by its token.
#[derive(Clone, Debug)]
pub struct Link {
    pub account: Option<AccountId>,
    pub email: String,
    pub expires_at: Timestamp,
}

/// Makes a link and gives its token, the only copy. The rule that calls this records the event.
pub fn create(
    ctx: &Ctx,
    tx: &mut Tx,
    purpose: Purpose,
    account: Option<AccountId>,
    email: &str,
) -> Result<LinkToken, DbError> {
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes));
    tx.execute(
        &sql::INSERT,
        params![token.hash(), purpose.as_str(), account, email, ctx.now, ctx.now.plus(purpose.lifetime())],
    )?;
    Ok(token)
}

/// Looks without using it up: for the page that the link opens.
pub fn find(
    tx: &mut ReadTx,
    purpose: Purpose,
    token: &LinkToken,
    now: Timestamp,
) -> Result<Option<Link>, DbError> {
    let row = tx.first(&sql::FIND, params![token.hash(), purpose.as_str(), now])?;
    row.map(|row| Ok(Link { account: row.get(0)?, email: row.get(1)?, expires_at: row.get(2)? })).transpose()
}

/// Uses the link up; `None` when it is unknown, for something else, expired or used.
pub fn consume(
    tx: &mut Tx,
    purpose: Purpose,
    token: &LinkToken,
    now: Timestamp,
) -> Result<Option<Link>, DbError> {
    // The update decides: of two requests at once only one changes the row.
    if tx.execute(&sql::CONSUME, params![token.hash(), purpose.as_str(), now])? != 1 {
        return Ok(None);
    }
    let row = tx.first(&sql::FIND_USED, params![token.hash()])?;
    row.map(|row| Ok(Link { account: row.get(0)?, email: row.get(1)?, expires_at: row.get(2)? })).transpose()
}

/// Makes every open link of this purpose for this address useless.
pub fn revoke(tx: &mut Tx, purpose: Purpose, email: &str, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&sql::REVOKE, params![email, purpose.as_str(), now])
}

/// Links of this purpose made for this address since `since`: bounds how many mails somebody can cause.
pub fn made_since(tx: &mut ReadTx, purpose: Purpose, email: &str, since: Timestamp) -> Result<u64, DbError> {
    Ok(tx.scalar(&sql::MADE_SINCE, params![email, purpose.as_str(), since])?.unwrap_or(0))
}

/// Forgets links whose life is long over, used or not.
pub(crate) fn clean(tx: &mut Tx, now: Timestamp) -> Result<(), DbError> {
    tx.execute(&sql::CLEAN, params![now.minus(KEPT)])?;
    Ok(())
}
