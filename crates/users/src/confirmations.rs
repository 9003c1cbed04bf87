//! Confirmations: proving once more who one is, in a running session, before an act that changes credentials or
//! policies ([`platform::web::routes::Route::recent`]).
//!
//! What counts is what the account can do: with a factor, a passkey or the password with a code; without one, the
//! password.

use std::time::Duration;

use platform::db::{Commit, DbError};
use platform::ids::AccountId;
use platform::principals;
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

/// Confirms; wrong tries count as those of a sign-in.
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
            let subject = Subject { email: person.email.clone(), network };
            let mut wait = throttles::refuses(tx, &subject, Some(account), now)?;
            if wait.is_none() {
                wait = throttles::refuses_second(tx, account, now)?;
            }
            let phc = store::find(tx, account)?.map(|stored| stored.phc);
            Ok::<_, DbError>(Some((person, subject, wait, phc, factors::has_any(tx, account)?)))
        })
        .await?;
    let Some((person, subject, wait, phc, has_factor)) = found else { return Ok(Confirmed::Wrong) };
    if let Some(wait) = wait {
        return Ok(Confirmed::Throttled(wait));
    }
    let by_passkey = matches!(asked.factor, Some(Given::Passkey { .. }));
    let password_right = match (asked.password, phc) {
        (Some(password), Some(phc)) => app.service::<PasswordPool>().verify(password, &phc).await?,
        _ => false,
    };
    let (inner, at) = (app.clone(), ctx.clone());
    let written = app
        .db()
        .write(ctx, move |tx| {
            // A wrong password uses no code up.
            let method = match &asked.factor {
                Some(given) if has_factor && (by_passkey || password_right) => {
                    second_step::judge(&inner, &at, tx, &person, given)?
                }
                _ => (password_right && !has_factor).then_some(Method::Password),
            };
            let Some(method) = method else {
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
