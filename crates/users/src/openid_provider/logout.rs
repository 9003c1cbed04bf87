//! Sign-out: the product asks us (RP-Initiated Logout 1.0), we tell the products (Back-Channel Logout 1.0).
//!
//! Whenever a session ends by an act (here, at a product, on another device, by a new password) each product that was signed
//! in to from it and has an address for that is told by a job, through the guarded client. Grants that are not for
//! offline use are dead with the session itself: nothing waits for that job.

use platform::db::{DbError, Tx};
use platform::ids::{AccountId, Id};
use platform::jobs::{self, JobError, JobFuture, NewJob, Run};
use platform::outbound::{Outbound, Request};
use platform::time::MINUTE;
use platform::{App, Ctx, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{issuer, keys, product, seconds, sql};
use crate::products::ProductId;
use crate::sessions::SessionId;

pub(crate) const TELL: &str = "oauth.backchannel_logout";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Ended {
    product: ProductId,
    account: AccountId,
    session: SessionId,
}

fn tell(ctx: &Ctx, tx: &mut Tx, ended: &[Ended]) -> Result<(), DbError> {
    if ended.is_empty() {
        return Ok(());
    }
    let job = NewJob { kind: TELL, organization: None, unique_key: None, run_at: ctx.now };
    jobs::enqueue_many(ctx, tx, &job, ended)
}

/// A session has ended in this transaction.
pub(crate) fn session_ended(ctx: &Ctx, tx: &mut Tx, session: SessionId) -> Result<(), DbError> {
    let ended = tx.list(&sql::TO_TELL, params![session], |row| {
        Ok(Ended { product: row.get(0)?, account: row.get(1)?, session })
    })?;
    tell(ctx, tx, &ended)
}

/// Sessions of this account have ended in this transaction.
pub(crate) fn sessions_ended(ctx: &Ctx, tx: &mut Tx, account: AccountId) -> Result<(), DbError> {
    let ended = tx.list(&sql::TO_TELL_OF_ACCOUNT, params![account, ctx.now], |row| {
        Ok(Ended { product: row.get(0)?, account, session: row.get(1)? })
    })?;
    tell(ctx, tx, &ended)
}

pub(crate) fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let ended: Ended = run.payload()?;
        let Some(known) = product(&app, ended.product).await? else { return Ok(()) };
        let settings = &known.product.settings;
        if settings.backchannel_logout_uri.is_empty() || !known.product.active {
            return Ok(());
        }
        let client = app.find_service::<Outbound>();
        let client = client.ok_or_else(|| JobError::permanent("this program has no client for requests"))?;
        let token = logout_token(&app, &run.ctx, settings.id_token_algorithm, &ended).await?;
        let body = format!("logout_token={token}");
        let mut request = Request::post(settings.backchannel_logout_uri.clone(), body);
        request.bytes_max = ANSWER_BYTES_MAX;
        let form = http_form();
        request.headers.insert(axum::http::header::CONTENT_TYPE, form);
        let answer = client.fetch(request).await.map_err(|error| match error.retryable() {
            true => JobError::retry(error),
            false => JobError::permanent(error),
        })?;
        match answer.status.as_u16() {
            200..=299 => Ok(()),
            // The product says that it could not: it has the token and will not like it better (§2.8).
            400 => Err(JobError::permanent("the product refused the logout token")),
            status => Err(JobError::retry(format!("the product answered {status}"))),
        }
    })
}

fn http_form() -> axum::http::HeaderValue {
    axum::http::HeaderValue::from_static("application/x-www-form-urlencoded")
}

async fn logout_token(
    app: &App,
    ctx: &Ctx,
    algorithm: jose::Algorithm,
    ended: &Ended,
) -> Result<String, JobError> {
    let key =
        keys::signer(app, ctx, algorithm).await.map_err(|refusal| JobError::retry(refusal.description))?;
    let now = seconds(ctx.now);
    let claims = json!({
        "iss": issuer(app),
        "sub": ended.account,
        "aud": ended.product,
        "iat": now,
        "exp": now + i64::try_from(MINUTE.as_secs() * 2).unwrap_or(0),
        "jti": jose::encode(ctx.random_bytes::<16>()),
        "sid": ended.session.uuid().to_string(),
        "events": { EVENT: {} },
    });
    key.sign("logout+jwt", claims.to_string().as_bytes()).map_err(JobError::permanent)
}
