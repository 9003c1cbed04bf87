//! JSON side of a cell's history.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::routes::{self, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::Entry;
use crate::matrix::api::{READ, row_of};

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::get(
            "/api/v1/organizations/{organization}/matrix/{row}/history",
            "matrix.history",
            READ,
            show,
        )
        .summary("The course of a row's cells, newest first, as known now or then")
        .query("known", "by what was known then (RFC 3339); now when not said")
        .gives::<HistoryView>(200),
    )
}

/// One stretch in which a cell said the same.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EntryView {
    pub id: &'static str,
    pub side: &'static str,
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Absent: still so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    pub known_from: Timestamp,
    pub reason: String,
    /// The action of the event that led here; absent when time did, or it was the first look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<String>,
    /// That event's place in its ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl EntryView {
    pub(crate) fn new(entry: &Entry) -> Self {
        Self {
            id: entry.row.id,
            side: entry.side.as_str(),
            state: entry.cell.state().as_str(),
            from: entry.from,
            to: entry.to,
            known_from: entry.known_from,
            reason: entry.cell.reason.clone(),
            caused_by: entry.cause.as_ref().map(|cause| cause.action.clone()),
            sequence: entry.cause.as_ref().and_then(|cause| cause.sequence),
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HistoryView {
    pub entries: Vec<EntryView>,
}

#[derive(Debug, Deserialize)]
struct Known {
    known: Option<String>,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Query<Known>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    let (organization, now) = (access.organization()?.clone(), access.ctx.now);
    let known = match asked.known.as_deref() {
        None | Some("") => now,
        Some(text) => Timestamp::parse_rfc3339(text).ok_or_else(|| {
            Problem::invalid("`known` is not a time").field("known", "not an RFC 3339 time")
        })?,
    };
    let entries = app
        .db()
        .read(move |tx| {
            let mut entries = Vec::new();
            for (side, _) in row.cells() {
                entries.extend(super::timeline(tx, &organization, row, side, known, 500)?);
            }
            Ok::<_, Problem>(entries)
        })
        .await?;
    Ok(Json(HistoryView { entries: entries.iter().map(EntryView::new).collect() }).into_response())
}
