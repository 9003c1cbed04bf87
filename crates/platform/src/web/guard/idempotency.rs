//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first one's answer.
//!
//! The key belongs to its principal and to one request (method, path, body): used for another one it is refused. While
//! the first request still runs, a repeat is told to wait. Answers are kept for a day.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::app::App;
use crate::db::DbError;
use crate::jobs::{JobFuture, JobKind, Run, Schedule};
use crate::params;
use crate::web::{Access, Problem};

const KEY_BYTES_MAX: usize = 128;
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const KEPT: Duration = Duration::from_secs(86_400);
/// A request that has not answered after this is taken to have died with its node.
const ABANDONED: Duration = Duration::from_secs(120);

crate::statements! {
    BEGIN: Housekeeping =
        "insert into idempotency_keys (principal, key, request_hash, created_at) values ($1, $2, $3, $4)
         on conflict (principal, key) do update set request_hash = excluded.request_hash, status = null,
           created_at = excluded.created_at
         where idempotency_keys.created_at < $5 or (idempotency_keys.status is null and idempotency_keys.created_at < $6)";
    FIND: Platform =
        "select request_hash, status, content_type, body from idempotency_keys where principal = $1 and key = $2";
    END: Housekeeping =
        "update idempotency_keys set status = $3, content_type = $4, body = $5 where principal = $1 and key = $2";
    FORGET: Housekeeping = "delete from idempotency_keys where created_at < $1";
    ABANDON: Housekeeping = "delete from idempotency_keys where principal = $1 and key = $2";
}

enum Begin {
    First,
    Running,
    OtherRequest,
    Answered(u16, String, Vec<u8>),
}

pub(super) async fn answer<F, R>(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    body: Bytes,
    run: R,
) -> Result<Response, Problem>
where
    R: FnOnce(Bytes) -> F,
    F: Future<Output = Response>,
{
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(run(body).await);
    };
    let Some(principal) = &access.principal else {
        return Ok(run(body).await);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| {
            !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .ok_or_else(|| Problem::malformed("`Idempotency-Key` takes 1 to 128 visible ASCII characters"))?
        .to_owned();
    let who = format!("{}:{}", principal.actor.kind(), principal.actor.id());
    let hash = request_hash(access, &body);
    match begin(app, &who, &key, hash).await? {
        Begin::First => {}
        Begin::Running => {
            return Err(
                Problem::conflict("the first request with this `Idempotency-Key` still runs").retry_after(1)
            );
        }
        Begin::OtherRequest => {
            return Err(Problem::invalid("this `Idempotency-Key` was used for another request")
                .cure("use a new key for a new request"));
        }
        Begin::Answered(status, content_type, body) => return Ok(replay(status, &content_type, body)),
    }
    let response = run(body).await;
    remember(app, who, key, response).await
}

fn request_hash(access: &Access, body: &[u8]) -> Vec<u8> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(access.route.method.as_str().as_bytes());
    hash.update(b" ");
    hash.update(access.path.as_bytes());
    hash.update(b"\n");
    hash.update(body);
    hash.finish().as_ref().to_vec()
}

async fn begin(app: &App, who: &str, key: &str, hash: Vec<u8>) -> Result<Begin, Problem> {
    let (who, key, now) = (who.to_owned(), key.to_owned(), app.clock().now());
    app.db()
        .housekeeping(move |tx| {
            let mine =
                params![who.as_str(), key.as_str(), hash.clone(), now, now.minus(KEPT), now.minus(ABANDONED)];
            if tx.execute(&BEGIN, mine)? == 1 {
                return Ok::<_, Problem>(Begin::First);
            }
            let Some(row) = tx.first(&FIND, params![who.as_str(), key.as_str()])? else {
                return Ok(Begin::First);
            };
            if row.get::<Vec<u8>>(0)? != hash {
                return Ok(Begin::OtherRequest);
            }
            let status: Option<u16> = row.get(1)?;
            Ok(match status {
                None => Begin::Running,
                Some(status) => Begin::Answered(
                    status,
                    row.get::<Option<String>>(2)?.unwrap_or_default(),
                    row.get::<Option<Vec<u8>>>(3)?.unwrap_or_default(),
                ),
            })
        })
        .await
}

async fn remember(app: &App, who: String, key: String, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await.map_err(|_| Problem::internal())?;
    let status = parts.status;
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let kept = bytes.to_vec();
    // What failed on our side may be tried again under the same key; an answer that must not be stored (it carries a
    // secret that is shown once) is not stored here either.
    let secret = parts.headers.get(header::CACHE_CONTROL).is_some_and(|value| value == "no-store");
    let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || secret;
    app.db()
        .housekeeping(move |tx| {
            if again {
                tx.execute(&ABANDON, params![who.as_str(), key.as_str()])?;
            } else {
                let row =
                    params![who.as_str(), key.as_str(), status.as_u16(), content_type.as_str(), kept.clone()];
                tx.execute(&END, row)?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replay(status: u16, content_type: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

const CLEAN: &str = "idempotency.clean";

/// Forgets answers that are older than a day.
pub const JOBS: &[JobKind] = &[JobKind { name: CLEAN, attempts_max: 3, run: clean }];
pub const SCHEDULES: &[Schedule] = &[Schedule { kind: CLEAN, every: KEPT }];

fn clean(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let before = run.ctx.now.minus(KEPT);
        app.db().housekeeping(move |tx| tx.execute(&FORGET, params![before])).await?;
        Ok(())
    })
}
