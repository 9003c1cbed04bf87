//! Events that fit a filter as a file, newest first, streamed page by page: no reader of the store waits for a slow
//! client, and neither end holds the whole. New events do not enter: the first page fixes where it begins.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use platform::App;
use platform::db::DbError;
use platform::events::search;
use platform::ids::OrganizationId;

use super::api::{self, EventView};
use super::filters::Asked;
use super::formats::{self, Format, Source};

const PAGE: u32 = 500;

/// Where a download stands: below which sequence it goes on; `None` at its end.
struct Place {
    app: App,
    organization: OrganizationId,
    source: Source,
    format: Format,
    asked: Asked,
    below: Option<Option<u64>>,
    first: bool,
}

async fn next(mut place: Place) -> std::io::Result<Option<(Bytes, Place)>> {
    let Some(below) = place.below.take() else { return Ok(None) };
    let (organization, asked) = (place.organization, place.asked.clone());
    let found: search::Found =
        place.app.db().read(move |tx| api::find(tx, organization, asked, (below, PAGE))).await.map_err(
            |error: DbError| {
                tracing::error!(%error, "a download of events broke off");
                std::io::Error::other("the store failed")
            },
        )?;
    let mut text = if place.first { place.format.head().to_owned() } else { String::new() };
    for event in found.events {
        text.push_str(&formats::line(place.format, &place.source, &EventView::from(event)));
    }
    place.first = false;
    place.below = found.next.map(Some);
    Ok(Some((Bytes::from(text), place)))
}

/// `audit-SLUG.EXTENSION`.
pub(super) fn answer(
    app: App,
    organization: OrganizationId,
    source: Source,
    format: Format,
    asked: Asked,
) -> Response {
    let name = format!("attachment; filename=\"audit-{}.{}\"", source.slug, format.extension());
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let start = Place { app, organization, source, format, asked, below: Some(None), first: true };
    (headers, Body::from_stream(stream::try_unfold(start, next))).into_response()
}
