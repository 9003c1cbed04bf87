//! JSON side of audit streams.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::access::Permission;
use platform::db::{Commit, DbError, Tx};
use platform::events::{self, proofs};
use platform::outbound::{check_authority, check_url, dial};
use platform::time::Timestamp;
use platform::web::extract::{Json, Path};
use platform::web::pagination::Page;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{
    Creation, Done, FORMATS, Kind, NewStream, STREAMS_MAX, Start, Stream, StreamId, sending, signing,
};
use crate::audit_log::api::{EventView, source};
use crate::audit_log::formats::Format;
use crate::names::Name;

const READ: Openness = Openness::Organization(Permission::AuditRead);
const MANAGE: Openness = Openness::Organization(Permission::AuditManage);
const AUTHORITIES_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/audit/streams";
    const ONE: &str = "/api/v1/organizations/{organization}/audit/streams/{stream}";
    const RECORDS: &str = "audit_stream.";
    Routes::new()
        .add(
            routes::get(LIST, "audit_stream.list", READ, list)
                .summary("Where the audit log is streamed to, and how far each stream has come")
                .gives::<Page<StreamView>>(200),
        )
        .add(
            routes::post(LIST, "audit_stream.create", MANAGE, create)
                .recent()
                .summary("Stream the audit log to a receiver; the secret of a webhook is in this answer only")
                .takes::<NewStreamBody>()
                .gives::<CreatedView>(201)
                .records(RECORDS),
        )
        .add(routes::get(ONE, "audit_stream.show", READ, show).summary("One stream").gives::<StreamView>(200))
        .add(
            routes::delete(ONE, "audit_stream.delete", MANAGE, delete)
                .summary("End a stream; its secret is forgotten")
                .gives_nothing(204)
                .records(RECORDS),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/audit/streams/{stream}/test",
                "audit_stream.test",
                MANAGE,
                test,
            )
            .summary("Send the newest event once more, now, and say what the receiver answered")
            .limit(Limit::Heavy)
            .gives::<TestView>(200)
            .records(RECORDS),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/audit/streams/{stream}/pause",
                "audit_stream.pause",
                MANAGE,
                pause,
            )
            .summary("Send nothing more until it is resumed; nothing is lost")
            .gives_nothing(204)
            .records(RECORDS),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/audit/streams/{stream}/resume",
                "audit_stream.resume",
                MANAGE,
                resume,
            )
            .summary("Go on with the first event that was not acknowledged")
            .gives_nothing(204)
            .records(RECORDS),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/audit/streams/{stream}/secret",
                "audit_stream.rotate",
                MANAGE,
                rotate,
            )
            .recent()
            .summary("A new secret for a webhook; the one before signs beside it for 24 hours")
            .gives::<SecretView>(201)
            .records(RECORDS),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AuditStream)]
pub struct StreamView {
    #[schema(value_type = String)]
    pub id: StreamId,
    pub name: String,
    pub kind: Kind,
    /// A URL, or `host:port`.
    pub target: String,
    /// Only authorities that were given vouch for the receiver.
    pub own_authorities: bool,
    /// `jsonl`, `ocsf` or `cef`.
    pub format: &'static str,
    pub state: super::State,
    /// The receiver acknowledged something in the last 24 hours and does not fail.
    pub live: bool,
    /// The first event that was not acknowledged yet.
    pub next_sequence: u64,
    /// Events that wait.
    pub waiting: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// In a row, since the last acknowledgement.
    pub failures: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    /// Why the last try failed; null when it did not.
    pub failure: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try_at: Option<Timestamp>,
    /// Until then the secret before signs, too.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub overlap_until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl StreamView {
    pub(super) fn new(stream: Stream, size: u64, now: Timestamp) -> Self {
        let fails = stream.failures > 0 || stream.state == super::State::Halted;
        Self {
            live: stream.is_live(now),
            id: stream.id,
            name: stream.name,
            kind: stream.kind,
            target: sending::masked(&stream.target),
            own_authorities: stream.authorities.is_some(),
            format: stream.format.as_str(),
            state: stream.state,
            next_sequence: stream.next,
            waiting: size.saturating_sub(stream.next),
            acknowledged_at: stream.acknowledged_at,
            failures: stream.failures,
            failing_since: stream.failing_since,
            failure: Some(stream.failure).filter(|words| fails && !words.is_empty()),
            next_try_at: (stream.failures > 0).then_some(stream.next_try_at),
            overlap_until: stream.overlap_until.filter(|until| now < *until),
            created_at: stream.created_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AuditStreamCreated)]
pub struct CreatedView {
    #[serde(flatten)]
    pub stream: StreamView,
    /// What the receiver checks `webhook-signature` with; null for syslog. Not shown again.
    pub secret: Option<String>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AuditStreamSecret)]
pub struct SecretView {
    /// Not shown again.
    pub secret: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AuditStreamTest)]
pub struct TestView {
    pub worked: bool,
    /// What the receiver said, or why it was not reached.
    pub words: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAuditStream)]
pub struct NewStreamBody {
    #[schema(example = "SIEM")]
    pub name: String,
    /// `webhook` or `syslog`.
    #[schema(example = "webhook")]
    pub kind: String,
    /// A webhook's URL, or `host:port` of a syslog receiver (TLS, usually port 6514).
    #[schema(example = "https://siem.harbor.example/audit")]
    pub target: String,
    /// Syslog: the only authorities that may vouch for the receiver (PEM); the public ones when not said.
    #[serde(default)]
    pub authorities: String,
    /// `jsonl`, `ocsf` or `cef`.
    #[schema(example = "jsonl")]
    pub format: String,
    /// `now`, `start`, or the number of the first event to send; `now` when not said.
    #[serde(default)]
    #[schema(example = "now")]
    pub from: String,
    /// Sends nothing until it is resumed.
    #[serde(default)]
    pub paused: bool,
}

fn wrong(field: &str, why: impl ToString) -> Problem {
    let why = why.to_string();
    Problem::invalid(&why).field(field, why)
}

fn read_body(app: &App, body: &NewStreamBody) -> Result<NewStream, Problem> {
    let name = Name::parse(&body.name).map_err(|error| wrong("name", error))?;
    let kind = Kind::parse(&body.kind).ok_or_else(|| wrong("kind", "choose `webhook` or `syslog`"))?;
    let format = Format::parse(&body.format).filter(|format| FORMATS.contains(format));
    let format = format.ok_or_else(|| wrong("format", "choose `jsonl`, `ocsf` or `cef`"))?;
    let loopback = app.config().outbound_allow_loopback;
    let target = body.target.trim().to_owned();
    let authorities = Some(body.authorities.trim().to_owned()).filter(|text| !text.is_empty());
    match kind {
        Kind::Webhook => {
            check_url(&target, loopback).map_err(|refusal| wrong("target", refusal))?;
            if authorities.is_some() {
                return Err(wrong("authorities", "they are for syslog: leave them out"));
            }
        }
        Kind::Syslog => {
            let port = target.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                return Err(wrong("target", "write `host:port`, for example `siem.harbor.example:6514`"));
            }
            check_authority(&target, loopback).map_err(|refusal| wrong("target", refusal))?;
        }
    }
    if let Some(pem) = &authorities {
        if pem.len() > AUTHORITIES_BYTES_MAX {
            return Err(wrong("authorities", "too long: leave out what does not vouch for the receiver"));
        }
        dial::authorities(pem).map_err(|why| wrong("authorities", why))?;
    }
    let from = match body.from.trim() {
        "" | "now" => Start::Now,
        "start" => Start::Sequence(0),
        number => Start::Sequence(
            number.parse().map_err(|_| wrong("from", "write `now`, `start` or the number of an event"))?,
        ),
    };
    Ok(NewStream { name, kind, target, authorities, format, from, paused: body.paused })
}

/// Makes a stream; with the secret as receivers take it.
pub(super) async fn make(
    app: &App,
    access: &Access,
    body: &NewStreamBody,
) -> Result<(Stream, Option<String>), Problem> {
    let new = read_body(app, body)?;
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::create(&inside, &ctx, tx, organization, &new)).await?;
    match done.value {
        Creation::Done(stream, secret) => Ok((*stream, secret.map(|secret| signing::shown(&secret)))),
        Creation::NameTaken => Err(Problem::conflict("a stream has this name already")
            .field("name", "taken")
            .cure("choose another name")),
        Creation::TooMany => {
            Err(Problem::conflict(format!("an organization has at most {STREAMS_MAX} streams"))
                .cure("delete one first"))
        }
        Creation::Beyond(size) => Err(wrong("from", format!("the log has {size} events"))),
    }
}

/// A secret must not stay in a cache.
fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn create(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewStreamBody>,
) -> platform::web::Result {
    let (stream, secret) = make(&app, &access, &body).await?;
    let stream = view_of(&app, &access, stream.id).await?;
    Ok(unstored((StatusCode::CREATED, Json(CreatedView { stream, secret })).into_response()))
}

/// All streams, with the size of the log.
pub(super) async fn all(app: &App, access: &Access) -> Result<Vec<StreamView>, Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let found = app.db().read(move |tx| {
        let (size, _) = proofs::head(tx, organization)?;
        let streams = super::list(tx, organization)?;
        Ok::<_, Problem>(streams.into_iter().map(|one| StreamView::new(one, size, now)).collect())
    });
    found.await
}

pub(super) async fn view_of(app: &App, access: &Access, id: StreamId) -> Result<StreamView, Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let found = app.db().read(move |tx| {
        let (size, _) = proofs::head(tx, organization)?;
        let stream = super::get(tx, organization, id)?.ok_or_else(no_stream)?;
        Ok::<_, Problem>(StreamView::new(stream, size, now))
    });
    found.await
}

fn no_stream() -> Problem {
    Problem::not_found("stream")
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    Ok(Json(Page { items: all(&app, &access).await?, next_cursor: None }).into_response())
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    Ok(Json(view_of(&app, &access, id).await?).into_response())
}

/// Sends the newest event once more, outside of the stream's order, and records that somebody tried.
pub(super) async fn try_out(app: &App, access: &Access, id: StreamId) -> Result<TestView, Problem> {
    let organization = access.organization()?.clone();
    let org = organization.id;
    let read = move |tx: &mut platform::db::ReadTx| {
        let stream = super::get(tx, org, id)?.ok_or_else(no_stream)?;
        let newest = events::list(tx, org, None, 1)?;
        Ok::<_, Problem>((stream, newest))
    };
    let (stream, newest) = app.db().read(read).await?;
    let source = source(app, org, &organization.slug);
    let events: Vec<EventView> = newest.into_iter().map(EventView::from).collect();
    let message = format!("test_{}", hex::encode(access.ctx.random_bytes::<16>()));
    let sent = sending::send(app, &stream, &source, &events, (&message, access.ctx.now)).await;
    let (worked, words) = match sent {
        Ok(words) => (true, words),
        Err(failure) => (false, failure.words),
    };
    let write = move |tx: &mut Tx| -> Result<Commit<()>, DbError> { super::record_test(tx, &stream, worked) };
    app.db().write(&access.ctx, write).await?;
    Ok(TestView { worked, words })
}

async fn test(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    Ok(Json(try_out(&app, &access, id).await?).into_response())
}

fn done<T>(done: Done<T>, nothing: &str) -> Result<T, Problem> {
    match done {
        Done::Yes(value) => Ok(value),
        Done::NoSuchStream => Err(no_stream()),
        Done::NothingToDo => Err(Problem::conflict(nothing)),
    }
}

pub(super) async fn run(app: &App, access: &Access, id: StreamId, running: bool) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let write = move |tx: &mut Tx| super::set_running(&ctx, tx, organization, id, running);
    let written = app.db().write::<_, DbError, _>(&access.ctx, write).await?;
    done(written.value, if running { "the stream is active already" } else { "the stream is paused already" })
}

async fn pause(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    run(&app, &access, id, false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn resume(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    run(&app, &access, id, true).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn renew(app: &App, access: &Access, id: StreamId) -> Result<String, Problem> {
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let write = move |tx: &mut Tx| super::rotate(&inside, &ctx, tx, organization, id);
    let written = app.db().write::<_, DbError, _>(&access.ctx, write).await?;
    done(written.value, "a syslog stream has no secret").map(|secret| signing::shown(&secret))
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    let secret = renew(&app, &access, id).await?;
    Ok(unstored((StatusCode::CREATED, Json(SecretView { secret })).into_response()))
}

pub(super) async fn end(app: &App, access: &Access, id: StreamId) -> Result<(), Problem> {
    let organization = access.organization_id()?;
    let write = move |tx: &mut Tx| super::delete(tx, organization, id);
    let written = app.db().write::<_, DbError, _>(&access.ctx, write).await?;
    done(written.value, "nothing to delete")
}

async fn delete(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    end(&app, &access, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
