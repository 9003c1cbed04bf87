//! The list of people as a CSV file, streamed page by page: no reader of the store waits for a slow client.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use platform::App;
use platform::db::DbError;
use platform::ids::OrganizationId;

use super::{Filter, Found, Person, Place as Behind};

const PAGE: u32 = 1000;
const HEAD: &[&str] =
    &["email", "name", "role", "state", "account_state", "source", "managed", "joined_at", "id"];

/// Keeps a spreadsheet from running a cell as a formula (CSV injection, CWE-1236).
pub(crate) fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn line(writer: &mut csv::Writer<Vec<u8>>, person: &Person) -> Result<(), csv::Error> {
    writer.write_record([
        cell(&person.email),
        cell(&person.name),
        person.role.as_str().to_owned(),
        person.state.as_str().to_owned(),
        person.account_state.as_str().to_owned(),
        person.source.as_str().to_owned(),
        if person.managed { "yes" } else { "no" }.to_owned(),
        person.joined_at.rfc3339(),
        person.account.to_string(),
    ])
}

fn chunk(people: &[Found], first: bool) -> std::io::Result<Bytes> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if first {
        writer.write_record(HEAD)?;
    }
    for found in people {
        line(&mut writer, &found.person)?;
    }
    let bytes = writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(Bytes::from(bytes))
}

/// Where the export stands: behind whom; `None` at the end.
struct Place {
    app: App,
    organization: OrganizationId,
    filter: Filter,
    after: Option<Behind>,
    first: bool,
}

async fn next(mut place: Place) -> std::io::Result<Option<(Bytes, Place)>> {
    let Some(after) = place.after.take() else { return Ok(None) };
    let (organization, filter) = (place.organization, place.filter.clone());
    let people: Vec<Found> =
        place.app.db().read(move |tx| super::list(tx, organization, &filter, &after, PAGE)).await.map_err(
            |error: DbError| {
                tracing::error!(%error, "an export of people broke off");
                std::io::Error::other("the store failed")
            },
        )?;
    let full = people.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
    if full {
        place.after = people.last().map(Found::place);
    }
    let bytes = chunk(&people, place.first)?;
    place.first = false;
    Ok(Some((bytes, place)))
}

/// `people-SLUG.csv`.
pub(super) fn answer(app: App, organization: OrganizationId, slug: &str, filter: Filter) -> Response {
    let start = Place { app, organization, filter, after: Some(Behind::default()), first: true };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"people-{slug}.csv\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Body::from_stream(stream::try_unfold(start, next))).into_response()
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn formulas_are_defused() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1"] {
            assert_eq!(cell(bad), format!("'{bad}"));
        }
        assert_eq!(cell("ann@harbor.example"), "ann@harbor.example");
    }
}
