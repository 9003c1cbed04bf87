//! A certificate that the program obtains and renews by itself: ACME (RFC 8555) with `tls-alpn-01` (RFC 8737) or
//! `http-01`.
//!
//! What it promises:
//! - The account's key and the certificate's key are sealed in the store; every node of an installation uses the same
//!   certificate, and answers the authority's questions whichever node they reach.
//! - Renewal at two thirds of the certificate's life. A failure is kept with its reason, shown to the provider, recorded in
//!   its ledger, and tried again after 1, 4, 16, 64 minutes … up to 12 hours, since authorities count failures.
//! - A failure changes nothing about the certificate in force.
//!
//! `order` talks to the authority, `due` decides when, `follow` puts what the store holds into use.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::ClientHello;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::app::App;
use crate::config::Acme;
use crate::ctx::{Actor, Ctx};
use crate::db::{Commit, DbError, ReadTx, Tx};
use crate::events::Event;
use crate::ids::OrganizationId;
use crate::jobs::{self, JobFuture, JobKind, NewJob, Schedule};
use crate::params;
use crate::principals;
use crate::time::{MINUTE, Timestamp};
use crate::web::tls::{Tls, Validity, warn_of_name};

mod holdings;
mod order;
mod sql;
#[cfg(test)]
mod tests;

/// The protocol by which an authority looks (RFC 8737 §3).
const ALPN: &[u8] = b"acme-tls/1";
const PURPOSE: &str = "acme";
const RENEW: &str = "acme.renew";
/// Shorter than the lease of a job.
const ORDER_MAX: Duration = Duration::from_secs(100);
/// How often the store is asked whether another node has renewed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const WAIT_FIRST: Duration = MINUTE;
const WAIT_MAX: Duration = Duration::from_secs(12 * 3600);

pub const JOBS: &[JobKind] = &[JobKind { name: RENEW, attempts_max: 1, run }];
pub const SCHEDULES: &[Schedule] = &[Schedule { kind: RENEW, every: MINUTE }];

/// What the store knows of the certificate, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub validity: Option<Validity>,
    /// Since the last success.
    pub failures: u32,
    pub last_error: Option<String>,
    /// When it is renewed, or tried again.
    pub next_try_at: Timestamp,
}

struct Stored {
    standing: Standing,
    chain: Option<String>,
    sealed_key: Option<Vec<u8>>,
    changed_at: Timestamp,
}

/// The row's name, and part of what the key is sealed to.
fn names(acme: &Acme) -> String {
    acme.domains.join(" ")
}

fn find(tx: &mut ReadTx, names: &str) -> Result<Option<Stored>, DbError> {
    let Some(row) = tx.first(&sql::FIND, params![names])? else { return Ok(None) };
    let (from, to): (Option<Timestamp>, Option<Timestamp>) = (row.get(2)?, row.get(3)?);
    let standing = Standing {
        validity: from.zip(to).map(|(not_before, not_after)| Validity { not_before, not_after }),
        failures: row.get(4)?,
        last_error: row.get(5)?,
        next_try_at: row.get(6)?,
    };
    Ok(Some(Stored { standing, chain: row.get(0)?, sealed_key: row.get(1)?, changed_at: row.get(7)? }))
}

/// `None` before the first try, or without ACME.
pub async fn standing(app: &App) -> Result<Option<Standing>, DbError> {
    let Some(acme) = &app.config().acme else { return Ok(None) };
    let names = names(acme);
    app.db().read(move |tx| Ok(find(tx, &names)?.map(|stored| stored.standing))).await
}

/// Whether it is time to ask for a certificate.
fn due(standing: Option<&Standing>, now: Timestamp) -> bool {
    standing.is_none_or(|standing| standing.next_try_at <= now)
}

/// At two thirds of its life.
fn renew_at(validity: Validity) -> Timestamp {
    validity.not_before.plus(validity.not_after.since(validity.not_before) * 2 / 3)
}

/// After so many failures in a row.
fn wait(failures: u32) -> Duration {
    WAIT_FIRST.saturating_mul(4_u32.saturating_pow(failures.saturating_sub(1))).min(WAIT_MAX)
}

fn run(app: App, run: crate::jobs::Run) -> JobFuture {
    Box::pin(async move {
        let Some(acme) = app.config().acme.clone() else { return Ok(()) };
        let before = standing(&app).await?;
        if !due(before.as_ref(), run.ctx.now) {
            return Ok(());
        }
        let ordered = tokio::time::timeout(ORDER_MAX, order::order(&app, &acme, &run.ctx)).await;
        let ended = run.ctx.now.minus(Duration::from_secs(3600));
        app.db().housekeeping(move |tx| tx.execute(&sql::CHALLENGES_END, params![ended])).await?;
        match ordered.unwrap_or_else(|_| Err(format!("the authority did not finish within {ORDER_MAX:?}"))) {
            Ok(obtained) => obtained_new(&app, &acme, &run.ctx, obtained).await?,
            Err(problem) => failed(&app, &acme, &run.ctx, before, &problem).await?,
        }
        Ok(())
    })
}

/// What an order gives.
struct Obtained {
    chain_pem: String,
    key_pem: Zeroizing<String>,
    validity: Validity,
}

async fn obtained_new(app: &App, acme: &Acme, ctx: &Ctx, obtained: Obtained) -> Result<(), DbError> {
    let names = names(acme);
    let sealed = app
        .keyring()
        .seal(PURPOSE, names.as_bytes(), obtained.key_pem.as_bytes(), ctx.random())
        .map_err(|error| DbError::Other { statement: "acme::seal", message: error.to_string() })?;
    let (now, validity) = (ctx.now, obtained.validity);
    // By the authority's clock; a clock of ours that runs ahead must not ask again at once.
    let next = renew_at(validity).max(now.plus(MINUTE));
    tracing::info!(names, not_after = %validity.not_after.rfc3339(), "a certificate was obtained");
    let told = (names.clone(), validity.not_after.rfc3339());
    let event = move |provider| {
        let (names, not_after) = &told;
        Event::new(provider, "certificate.obtained").target("certificate", names).with("not_after", not_after)
    };
    record(app, ctx, event, move |tx| {
        let chain = obtained.chain_pem.as_str();
        let (from, to) = (validity.not_before, validity.not_after);
        let row = params![names.as_str(), chain, sealed.clone(), from, to, next, now];
        tx.execute(&sql::OBTAINED, row).map(drop)
    })
    .await
}

async fn failed(
    app: &App,
    acme: &Acme,
    ctx: &Ctx,
    before: Option<Standing>,
    problem: &str,
) -> Result<(), DbError> {
    let failures = before.map_or(0, |standing| standing.failures).saturating_add(1);
    let (names, now, next) = (names(acme), ctx.now, ctx.now.plus(wait(failures)));
    let problem: String = problem.chars().take(1000).collect();
    tracing::error!(names, problem, failures, next = %next.rfc3339(), "no certificate was obtained");
    metrics::counter!("bailiwick_acme_failures_total").increment(1);
    let told = (names.clone(), problem.clone());
    let event = move |provider| {
        let (names, reason) = &told;
        let event = Event::new(provider, "certificate.failed").target("certificate", names);
        event.with("failures", failures).with("reason", reason)
    };
    record(app, ctx, event, move |tx| {
        tx.execute(&sql::FAILED, params![names.as_str(), failures, problem.as_str(), next, now]).map(drop)
    })
    .await
}

/// Writes, and records the event in the provider's ledger when there is a provider yet.
async fn record<E, W>(app: &App, ctx: &Ctx, event: E, write: W) -> Result<(), DbError>
where
    E: Fn(OrganizationId) -> Event + Send + Sync + 'static,
    W: Fn(&mut Tx) -> Result<(), DbError> + Send + Sync + 'static,
{
    let write = Arc::new(write);
    let rule = write.clone();
    let recorded = app
        .db()
        .write::<_, DbError, _>(ctx, move |tx| {
            let Some(provider) = principals::provider(tx)? else { return Ok(Commit::unchanged(false)) };
            rule(tx)?;
            let recorded = tx.record(event(provider.id));
            Ok(Commit::changed(true, recorded))
        })
        .await?;
    if recorded.value {
        return Ok(());
    }
    app.db().housekeeping(move |tx| write(tx)).await
}

// ---- the certificate in force -----------------------------------------------------------------------------------

/// Puts the newest certificate of the store into use, whichever node obtained it, until the app drains. SIGHUP tries
/// again at once after failures.
pub async fn follow(app: App, tls: Tls) {
    let mut used = None;
    let mut commits = app.db().commits();
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
        return;
    };
    while !app.draining() {
        if let Err(problem) = take(&app, &tls, &mut used).await {
            tracing::error!(problem, "the certificate of the store cannot be used");
        }
        tokio::select! {
            _ = commits.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = app.drained() => return,
            _ = hangup.recv() => {
                if let Err(error) = try_now(&app).await {
                    tracing::error!(%error, "cannot ask for a certificate anew");
                }
            }
        }
    }
}

/// Puts the store's certificate into use when it is another than `used`.
async fn take(app: &App, tls: &Tls, used: &mut Option<Timestamp>) -> Result<(), String> {
    let Some(acme) = &app.config().acme else { return Ok(()) };
    let wanted = names(acme);
    let row = wanted.clone();
    let found = app.db().read(move |tx| find(tx, &row)).await.map_err(|error| error.to_string())?;
    let Some(stored) = found else { return Ok(()) };
    let (Some(chain), Some(sealed)) = (stored.chain, stored.sealed_key) else { return Ok(()) };
    if *used == Some(stored.changed_at) {
        return Ok(());
    }
    // Another node may have sealed with a data key that this one has not seen.
    crate::secrets::records::refresh(app.db(), app.keyring()).await.map_err(|error| error.to_string())?;
    let key = app.keyring().open(PURPOSE, wanted.as_bytes(), &sealed).map_err(|error| error.to_string())?;
    tls.exchange(chain.as_bytes(), key.expose()).map_err(|error| error.to_string())?;
    warn_of_name(app.config(), tls);
    *used = Some(stored.changed_at);
    Ok(())
}

/// After failures: tries now instead of waiting.
async fn try_now(app: &App) -> Result<(), DbError> {
    let Some(acme) = &app.config().acme else { return Ok(()) };
    let waiting = standing(app).await?.is_some_and(|standing| standing.failures > 0);
    if !waiting {
        return Ok(());
    }
    let (names, ctx) = (names(acme), app.ctx(Actor::Operator));
    app.db()
        .housekeeping(move |tx| {
            tx.execute(&sql::TRY_NOW, params![names.as_str(), ctx.now])?;
            let job = NewJob { kind: RENEW, organization: None, unique_key: Some(RENEW), run_at: ctx.now };
            jobs::enqueue(&ctx, tx, &job, &serde_json::Value::Null)
        })
        .await
}

// ---- the authority's questions ----------------------------------------------------------------------------------

/// The name an authority asks for, when this handshake is its look at a name.
pub fn asked_by_authority(hello: &ClientHello<'_>) -> Option<String> {
    let mut offered = hello.alpn()?;
    let only = offered.next() == Some(ALPN) && offered.next().is_none();
    only.then(|| hello.server_name().unwrap_or_default().to_ascii_lowercase())
}

/// The answer to `tls-alpn-01` for `name`; `None` when nobody waits for it.
pub async fn challenge_config(app: &App, name: &str) -> Option<Arc<rustls::ServerConfig>> {
    let row = name.to_owned();
    let found =
        app.db().read(move |tx| tx.scalar::<String>(&sql::CHALLENGE_BY_NAME, params![row.as_str()])).await;
    let authorization =
        found.inspect_err(|error| tracing::error!(%error, "cannot read a challenge")).ok()??;
    let config = order::challenge_config(name, &authorization);
    config.inspect_err(|problem| tracing::error!(problem, "cannot answer a challenge")).ok()
}

/// The answer to `http-01`; `None` when nobody waits for it.
pub async fn http_answer(app: &App, token: &str) -> Option<String> {
    let token = token.to_owned();
    let found = app.db().read(move |tx| tx.scalar(&sql::CHALLENGE_BY_TOKEN, params![token.as_str()])).await;
    found.inspect_err(|error: &DbError| tracing::error!(%error, "cannot read a challenge")).ok()?
}
