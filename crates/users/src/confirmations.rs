//! Confirmations: proving once more who one is, in a running session, before an act that changes credentials or
//! policies ([`platform::web::routes::Route::recent`]).
//!
//! What counts is what the account can do: with a factor, a passkey or the password with a code; without one, the
//! password.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::ids::AccountId;
use platform::principals::{self, Account};
use platform::time::Timestamp;
use platform::web::guard::limits::network;
use platform::{App, Ctx};

use crate::factors;
use crate::login::Error;
use crate::passwords::{Password, PasswordPool, store};
use crate::second_step::{self, Given};
use crate::sessions::{self, Method, SessionId};
use crate::throttles::{self, Subject};

pub(crate) mod api;
pub(crate) mod pages;
#[cfg(test)]
mod tests;

/// What somebody proves in a running session.
#[derive(Clone, Default)]
pub struct Asked {
    pub password: Option<Password>,
    pub factor: Option<Given>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Confirmed {
    Done,
    Wrong,
    Throttled(Duration),
}

/// Why this try is not looked at: too many were wrong.
fn waits(
    tx: &mut ReadTx,
    subject: &Subject,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<Duration>, DbError> {
    let wait = throttles::refuses(tx, subject, Some(account), now)?;
    if wait.is_some() { Ok(wait) } else { throttles::refuses_second(tx, account, now) }
}

/// Confirms; wrong tries count as those of a sign-in. They are asked about again once the account is held: of tries that
/// come at once no more are judged than of tries that come in turn.
pub async fn confirm(
    app: &App,
    ctx: &Ctx,
    account: AccountId,
    session: SessionId,
    asked: Asked,
) -> Result<Confirmed, Error> {
    let now = ctx.now;
    let network = network(ctx.origin.ip);
    let found = app
        .db()
        .read(move |tx| {
            let Some(person) = principals::account(tx, account)? else { return Ok(None) };
            let subject = Subject { email: person.email, network };
            let wait = waits(tx, &subject, account, now)?;
            let phc = store::find(tx, account)?.map(|stored| stored.phc);
            Ok::<_, DbError>(Some((subject, wait, phc)))
        })
        .await?;
    let Some((subject, wait, phc)) = found else { return Ok(Confirmed::Wrong) };
    if let Some(wait) = wait {
        return Ok(Confirmed::Throttled(wait));
    }
    // The hash that the password fits.
    let fits = match (asked.password, phc) {
        (Some(password), Some(phc)) => {
            app.service::<PasswordPool>().verify(password, &phc).await?.then_some(phc)
        }
        _ => None,
    };
    let (inner, at) = (app.clone(), ctx.clone());
    let written = app
        .db()
        .write(ctx, move |tx| {
            let Some(person) = principals::account_for_update(tx, account)? else {
                return Ok(Commit::unchanged(Confirmed::Wrong));
            };
            if let Some(wait) = waits(tx, &subject, account, at.now)? {
                return Ok(Commit::unchanged(Confirmed::Throttled(wait)));
            }
            let Some(method) = proof(&inner, &at, tx, &person, fits.as_deref(), asked.factor.as_ref())?
            else {
                throttles::failed(tx, &subject, at.now)?;
                let told = "Somebody in one of your sessions failed to confirm that it is you";
                let recorded = second_step::failed(&inner, &at, tx, &person, told)?;
                return Ok::<_, DbError>(Commit::changed(Confirmed::Wrong, recorded));
            };
            let proved = sessions::proved(&at, tx, &person, session, method)?;
            Ok(proved.map(|done| if done { Confirmed::Done } else { Confirmed::Wrong }))
        })
        .await?;
    Ok(written.value)
}

/// What was proved: the password, where it is still the one that `fits`, and the factor of an account that has one. A
/// wrong password uses no code up.
fn proof(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    person: &Account,
    fits: Option<&str>,
    factor: Option<&Given>,
) -> Result<Option<Method>, DbError> {
    let kept = store::find(tx, person.id)?.map(|stored| stored.phc);
    let password_right = fits.is_some() && fits == kept.as_deref();
    let by_passkey = matches!(factor, Some(Given::Passkey { .. }));
    let has_factor = factors::has_any(tx, person.id)?;
    match factor {
        Some(given) if has_factor && (by_passkey || password_right) => {
            second_step::judge(app, ctx, tx, person, given)
        }
        _ => Ok((password_right && !has_factor).then_some(Method::Password)),
    }
}
