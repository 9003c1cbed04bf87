//! The page of search, and the list that the command palette shows while somebody types.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::Shell;
use platform::web::{self, Access};

use super::api::{SearchQuery, look};
use super::{Asked, Hit};

pub(super) fn routes() -> Routes {
    let provider = Openness::Provider(Permission::ProviderRead);
    Routes::new()
        .add(routes::get("/o/{organization}/search", "search.page", Openness::Member, here))
        .add(routes::get("/o/{organization}/search/hits", "search.hits", Openness::Member, hits_here))
        .add(routes::get("/provider/search", "search.provider_page", provider, of_provider))
        .add(routes::get("/provider/search/hits", "search.provider_hits", provider, hits_of_provider))
}

#[derive(Template)]
#[template(path = "system/search/page.html")]
struct SearchPage {
    shell: Shell,
    action: String,
    q: String,
    hits: Vec<Hit>,
}

async fn page(app: &App, access: &Access, console: NavConsole, query: &SearchQuery) -> web::Result {
    let asked = Asked::parse(&query.q)?;
    let hits = look(app, access, console, &asked).await?;
    let shell = navigation::shell(app, access, console, "Search", "");
    web::html(&SearchPage { action: shell.search_page.clone(), shell, q: asked.text, hits })
}

/// The palette lists the pages by itself, so they are left out here.
#[derive(Template)]
#[template(path = "system/search/hits.html")]
struct Hits {
    hits: Vec<Hit>,
}

async fn hits(app: &App, access: &Access, console: NavConsole, query: &SearchQuery) -> web::Result {
    let mut hits = look(app, access, console, &Asked::parse(&query.q)?).await?;
    hits.retain(|hit| hit.kind != "page");
    web::html(&Hits { hits })
}

async fn here(State(app): State<App>, access: Access, Query(query): Query<SearchQuery>) -> web::Result {
    page(&app, &access, NavConsole::Organization, &query).await
}

async fn hits_here(State(app): State<App>, access: Access, Query(query): Query<SearchQuery>) -> web::Result {
    hits(&app, &access, NavConsole::Organization, &query).await
}

async fn of_provider(
    State(app): State<App>,
    access: Access,
    Query(query): Query<SearchQuery>,
) -> web::Result {
    page(&app, &access, NavConsole::Provider, &query).await
}

async fn hits_of_provider(
    State(app): State<App>,
    access: Access,
    Query(query): Query<SearchQuery>,
) -> web::Result {
    hits(&app, &access, NavConsole::Provider, &query).await
}
