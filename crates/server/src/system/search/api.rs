//! Search as JSON.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::web::extract::{Json, Query};
use platform::web::navigation::NavConsole;
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Asked, Hit, Scope};

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get("/api/v1/organizations/{organization}/search", "search.find", Openness::Member, here)
                .summary("Pages, rows, people, groups and domains that the caller may open")
                .query(
                    "q",
                    "the beginning of an address, a name or a last name, a row's id, words of a title",
                )
                .gives::<Found>(200),
        )
        .add(
            routes::get(
                "/api/v1/provider/search",
                "search.find_provider",
                Openness::Provider(Permission::ProviderRead),
                provider,
            )
            .summary("Pages and rows of the provider's console, and organizations")
            .query("q", "the beginning of an organization's name, a row's id, words of a title")
            .gives::<Found>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Found {
    /// A few of each kind; more letters find fewer.
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    #[serde(default)]
    pub q: String,
}

/// Looks in one console.
pub(super) async fn look(
    app: &App,
    access: &Access,
    console: NavConsole,
    asked: &Asked,
) -> Result<Vec<Hit>, Problem> {
    let (scope, asked) = (Scope::of(app, access, console)?, asked.clone());
    Ok(app.db().read(move |tx| super::find(tx, &scope, &asked)).await?)
}

async fn answer(app: &App, access: &Access, console: NavConsole, query: &SearchQuery) -> web::Result {
    let hits = look(app, access, console, &Asked::parse(&query.q)?).await?;
    Ok(Json(Found { hits }).into_response())
}

async fn here(State(app): State<App>, access: Access, Query(query): Query<SearchQuery>) -> web::Result {
    answer(&app, &access, NavConsole::Organization, &query).await
}

async fn provider(State(app): State<App>, access: Access, Query(query): Query<SearchQuery>) -> web::Result {
    answer(&app, &access, NavConsole::Provider, &query).await
}
