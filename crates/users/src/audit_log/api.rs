//! JSON side of the audit log.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::{DbError, ReadTx};
use platform::events::{StoredEvent, proofs, search, signing};
use platform::ids::OrganizationId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery, cursor};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::filters::{self, Asked, FilterQuery};
use super::formats::{Format, Source};
use super::{Redaction, SignedHead, download, export};

const READ: Openness = Openness::Organization(Permission::AuditRead);

pub(crate) fn routes() -> Routes {
    const EVENTS: &str = "/api/v1/organizations/{organization}/audit/events";
    const ONE: &str = "/api/v1/organizations/{organization}/audit/events/{sequence}";
    const PROOF: &str = "/api/v1/organizations/{organization}/audit/events/{sequence}/proof";
    const REDACT: &str = "/api/v1/organizations/{organization}/audit/events/{sequence}/redact";
    Routes::new()
        .add(
            filters::described(routes::get(EVENTS, "audit.list", READ, list).paged())
                .summary("Events of an organization, the newest first, with filters")
                .gives::<Page<EventView>>(200),
        )
        .add(routes::get(ONE, "audit.show", READ, show).summary("One event").gives::<EventView>(200))
        .add(
            routes::get(PROOF, "audit.proof", READ, proof)
                .summary("Proof that an event stands in the ledger (RFC 6962), with the signed checkpoint")
                .gives::<ProofView>(200),
        )
        .add(
            routes::post(
                REDACT,
                "audit.redact",
                Openness::Organization(Permission::OrganizationManage),
                redact,
            )
            .summary("Erase one personal field of an event for good; proofs stay valid")
            .takes::<RedactBody>()
            .gives_nothing(204)
            .records("event."),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/audit/checkpoint",
                "audit.checkpoint",
                READ,
                checkpoint,
            )
            .summary("The signed head of the ledger (C2SP tlog-checkpoint)")
            .gives::<CheckpointView>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/audit/consistency",
                "audit.consistency",
                READ,
                consistency,
            )
            .summary("Proof that the ledger only grew between two sizes (RFC 6962)")
            .query_integer("from", "the earlier size")
            .required()
            .query_integer("to", "the later size; the size now when not said")
            .gives::<ConsistencyView>(200),
        )
        .add(
            routes::get("/api/v1/organizations/{organization}/audit/export", "audit.export", READ, ledger)
                .summary("The whole ledger as a file that `bailiwick verify` checks offline")
                .limit(Limit::Heavy)
                .gives_nothing(200),
        )
        .add(
            filters::described(routes::get(
                "/api/v1/organizations/{organization}/audit/download",
                "audit.download",
                READ,
                events_file,
            ))
            .query("format", "`jsonl`, `csv`, `ocsf` or `cef`; `jsonl` when not said")
            .summary("Events that fit the filters as a file for other programs, the newest first")
            .limit(Limit::Heavy)
            .gives_nothing(200),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Party {
    /// `account`, `api_token`, `system`, `operator` …
    pub kind: String,
    pub id: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct EventView {
    pub sequence: u64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[schema(example = "member.added")]
    pub action: String,
    pub actor: Party,
    pub target: Party,
    pub details: BTreeMap<String, String>,
    /// Null where the value was redacted.
    pub personal: BTreeMap<String, Option<String>>,
    /// Hex of the RFC 6962 leaf hash.
    pub leaf_hash: String,
}

impl From<StoredEvent> for EventView {
    fn from(event: StoredEvent) -> Self {
        Self {
            leaf_hash: hex::encode(event.leaf()),
            sequence: event.sequence,
            at: event.at,
            action: event.action,
            actor: Party { kind: event.actor_kind, id: event.actor_id },
            target: Party { kind: event.target_kind, id: event.target_id },
            details: event.public,
            personal: event.personal,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct CheckpointView {
    pub origin: String,
    pub size: u64,
    /// Hex.
    pub root_hash: String,
    /// The signed note; while a rotation of the key overlaps, signed by the key before, too.
    pub checkpoint: String,
    /// The key that signs now, in C2SP `vkey` form.
    pub verify_key: String,
}

impl From<SignedHead> for CheckpointView {
    fn from(head: SignedHead) -> Self {
        Self {
            origin: head.origin,
            size: head.size,
            root_hash: hex::encode(head.root),
            checkpoint: head.checkpoint,
            verify_key: head.verify_key,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ProofView {
    pub sequence: u64,
    /// Hex.
    pub leaf_hash: String,
    /// What the leaf hash is of (after the byte 0), hex: lets anybody check that the proof is about this event.
    pub leaf: String,
    /// Hex, from the leaf upwards.
    pub audit_path: Vec<String>,
    pub head: CheckpointView,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ConsistencyView {
    pub from: u64,
    pub to: u64,
    /// Hex.
    pub proof: Vec<String>,
    /// The head that is signed now.
    pub head: CheckpointView,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactBody {
    #[schema(example = "email")]
    pub field: String,
}

/// The sequence in a list's cursor.
pub(super) fn before(query: &PageQuery) -> Result<Option<u64>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong =
        || Problem::invalid("`cursor` is not one that this list gave").field("cursor", "not readable");
    let sequence: u64 = text.parse().map_err(|_| wrong())?;
    if sequence > ledger::tree::SIZE_MAX { Err(wrong()) } else { Ok(Some(sequence)) }
}

/// A stretch of the log that fits what is asked.
pub(super) fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    asked: Asked,
    (before, limit): (Option<u64>, u32),
) -> Result<search::Found, DbError> {
    match asked.resolve(tx)? {
        Some(filter) => search::search(tx, organization, &filter, before, limit),
        None => Ok(search::Found { events: Vec::new(), next: None, read: 0 }),
    }
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<FilterQuery>,
) -> platform::web::Result {
    let (organization, asked) = (access.organization_id()?, asked.read()?);
    let page = (before(&query)?, query.limit()?);
    let found = app.db().read(move |tx| find(tx, organization, asked, page)).await?;
    let items = found.events.into_iter().map(EventView::from).collect();
    Ok(Json(Page { items, next_cursor: found.next.map(|next| cursor(&next.to_string())) }).into_response())
}

fn no_event() -> Problem {
    Problem::not_found("event")
}

/// Sequences beyond what a ledger can hold name nothing.
fn in_range(sequence: u64) -> Result<u64, Problem> {
    if sequence < ledger::tree::SIZE_MAX { Ok(sequence) } else { Err(no_event()) }
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, sequence)): Path<(String, u64)>,
) -> platform::web::Result {
    let (organization, sequence) = (access.organization_id()?, in_range(sequence)?);
    let found = app.db().read(move |tx| super::get(tx, organization, sequence)).await?;
    Ok(Json(EventView::from(found.ok_or_else(no_event)?)).into_response())
}

fn hexed(hashes: &[ledger::Hash]) -> Vec<String> {
    hashes.iter().map(hex::encode).collect()
}

async fn proof(
    State(app): State<App>,
    access: Access,
    Path((_, sequence)): Path<(String, u64)>,
) -> platform::web::Result {
    let (organization, sequence) = (access.organization_id()?, in_range(sequence)?);
    let inside = app.clone();
    let view = app
        .db()
        .read(move |tx| {
            let event = super::get(tx, organization, sequence)?.ok_or_else(no_event)?;
            let head = super::sign_head(&inside, tx, organization)?;
            let path = proofs::inclusion(tx, organization, sequence, head.size)?;
            Ok::<_, Problem>(ProofView {
                sequence,
                leaf_hash: hex::encode(event.leaf()),
                leaf: hex::encode(event.entry()?.leaf_bytes()),
                audit_path: hexed(&path),
                head: head.into(),
            })
        })
        .await?;
    Ok(Json(view).into_response())
}

async fn checkpoint(State(app): State<App>, access: Access) -> platform::web::Result {
    let organization = access.organization_id()?;
    let inside = app.clone();
    let head = app.db().read(move |tx| super::sign_head(&inside, tx, organization)).await?;
    Ok(Json(CheckpointView::from(head)).into_response())
}

#[derive(Debug, Deserialize)]
struct Sizes {
    from: u64,
    #[serde(default)]
    to: Option<u64>,
}

async fn consistency(
    State(app): State<App>,
    access: Access,
    Query(sizes): Query<Sizes>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let inside = app.clone();
    let view = app
        .db()
        .read(move |tx| {
            let head = super::sign_head(&inside, tx, organization)?;
            let (from, to) = (sizes.from, sizes.to.unwrap_or(head.size));
            if from > to || to > head.size {
                let why = format!(
                    "`from` and `to` are sizes of the ledger, up to {}, and `from` comes first",
                    head.size
                );
                return Err(Problem::invalid(why));
            }
            let path = proofs::consistency(tx, organization, from, to)?;
            Ok(ConsistencyView { from, to, proof: hexed(&path), head: head.into() })
        })
        .await?;
    Ok(Json(view).into_response())
}

pub(super) async fn ledger(State(app): State<App>, access: Access) -> platform::web::Result {
    let organization = access.organization()?.clone();
    let (id, now, keyring) = (organization.id, access.ctx.now, app.keyring().clone());
    let signing = move |tx: &mut ReadTx| Ok((proofs::head(tx, id)?, signing::signers(tx, &keyring, now)?));
    let ((size, _), signers) = app.db().read::<_, DbError, _>(signing).await?;
    Ok(export::answer(export::Export {
        app,
        organization: id,
        slug: organization.slug,
        size,
        signers,
        at: access.ctx.now,
    }))
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FormatQuery {
    #[serde(default)]
    pub format: String,
}

impl FormatQuery {
    fn read(&self) -> Result<Format, Problem> {
        if self.format.is_empty() {
            return Ok(Format::Jsonl);
        }
        Format::parse(&self.format).ok_or_else(|| {
            Problem::invalid("`format` is `jsonl`, `csv`, `ocsf` or `cef`").field("format", "no such format")
        })
    }
}

/// What lines of an organization's events carry of their origin.
pub(crate) fn source(app: &App, organization: OrganizationId, slug: &str) -> Source {
    let public = app.config().public_origin();
    let host = public.split_once("://").map_or(public.as_str(), |(_, host)| host);
    Source { organization: organization.to_string(), slug: slug.to_owned(), host: host.to_owned() }
}

pub(super) async fn events_file(
    State(app): State<App>,
    access: Access,
    Query(wanted): Query<FormatQuery>,
    Query(asked): Query<FilterQuery>,
) -> platform::web::Result {
    let (format, asked) = (wanted.read()?, asked.read()?);
    let organization = access.organization()?;
    let source = source(&app, organization.id, &organization.slug);
    Ok(download::answer(app, organization.id, source, format, asked))
}

pub(super) async fn erase(app: &App, access: &Access, sequence: u64, field: String) -> Result<(), Problem> {
    let (organization, sequence) = (access.organization_id()?, in_range(sequence)?);
    let done =
        app.db().write(&access.ctx, move |tx| super::redact(tx, organization, sequence, &field)).await?;
    match done.value {
        Redaction::Done => Ok(()),
        Redaction::NoSuchEvent => Err(no_event()),
        Redaction::NoSuchField => {
            Err(Problem::invalid("the event has no such personal field, or it is redacted already")
                .field("field", "not there"))
        }
    }
}

async fn redact(
    State(app): State<App>,
    access: Access,
    Path((_, sequence)): Path<(String, u64)>,
    Json(body): Json<RedactBody>,
) -> platform::web::Result {
    erase(&app, &access, sequence, body.field).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
