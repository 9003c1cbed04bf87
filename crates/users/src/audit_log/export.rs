//! A whole ledger as a file (`bailiwick verify FILE` checks it offline), streamed page by page: no reader of the store
//! waits for a slow client. The log only grows, so pages read one after the other are one state.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use platform::App;
use platform::db::DbError;
use platform::events::{self, StoredEvent};
use platform::ids::{Id, OrganizationId};
use platform::time::Timestamp;
use tokio::sync::mpsc;

const PAGE: u32 = 512;
/// Pages that wait for a client that reads slowly.
const AHEAD: usize = 2;

/// What the writer wrote and the client has not got yet.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) struct Export {
    pub app: App,
    pub organization: OrganizationId,
    pub slug: String,
    pub size: u64,
    pub signers: ledger::Signers,
    pub at: Timestamp,
}

type Chunk = std::io::Result<Bytes>;

/// `audit-SLUG.jsonl`.
pub(super) fn answer(export: Export) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"audit-{}.jsonl\"", export.slug)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let (sender, receiver) = mpsc::channel::<Chunk>(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = write(&export, &sender).await {
            tracing::warn!(%error, "an export of a ledger broke off");
            // The client sees a broken transfer instead of a short file.
            let _ = sender.send(Err(error)).await;
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (headers, Body::from_stream(chunks)).into_response()
}

async fn write(export: &Export, sender: &mpsc::Sender<Chunk>) -> std::io::Result<()> {
    let gone = |_| std::io::Error::other("the client went away");
    let failed = |error: DbError| std::io::Error::other(error.to_string());
    let organization = export.organization;
    let buffer = Buffer::default();
    let header = ledger::ExportHeader {
        organization: organization.bytes(),
        slug: export.slug.clone(),
        origin: super::origin(&export.app, organization),
        exported_at_us: export.at.micros(),
    };
    let mut writer = ledger::ExportWriter::signed_by(buffer.clone(), &header, &export.signers)?;
    let mut next = 0;
    while next < export.size {
        let page: Vec<StoredEvent> = export
            .app
            .db()
            .read(move |tx| events::range(tx, organization, next, PAGE))
            .await
            .map_err(failed)?;
        if page.is_empty() {
            return Err(std::io::Error::other("the ledger is shorter than its head says"));
        }
        for event in page.into_iter().filter(|event| event.sequence < export.size) {
            writer.entry(&event.entry().map_err(failed)?)?;
            next = event.sequence + 1;
        }
        sender.send(Ok(buffer.take())).await.map_err(gone)?;
    }
    writer.finish()?;
    sender.send(Ok(buffer.take())).await.map_err(gone)
}
