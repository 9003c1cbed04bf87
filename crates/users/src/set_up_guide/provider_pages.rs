//! The provider's view of guided set-up: how far each organization is, those first that need help.

use askama::Template;
use axum::extract::State as AppState;
use platform::App;
use platform::access::Permission;
use platform::web::Access;
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{NavItem, Pager, Shell};

use super::api::{self, StateQuery};
use super::{Listed, Step, Tally, tally};
use crate::people::pages::pager;

pub(crate) const PATH: &str = "/provider/set-ups";

pub(crate) fn routes() -> Routes {
    let read = Openness::Provider(Permission::ProviderRead);
    Routes::new().add(routes::get(PATH, "set_up_guide.list_page", read, list))
}

#[derive(Template)]
#[template(path = "set_up_guide/list.html")]
struct ListPage {
    shell: Shell,
    tally: Tally,
    tabs: Vec<NavItem>,
    state: &'static str,
    q: String,
    lines: Vec<Listed>,
    pager: Pager,
}

impl ListPage {
    fn next(&self, line: &Listed) -> &'static str {
        line.progress.next.map_or("nothing is left", Step::label)
    }
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    let page = api::page(&app, &query, &asked).await?;
    let finished = asked.finished()?;
    let tally = app.db().read(tally).await?;
    let q = query.q.clone().unwrap_or_default();
    let state = if finished { "finished" } else { "under_way" };
    let base = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", state)
        .append_pair("q", &q)
        .finish();
    let tab = |label: &str, one: &str, count: u64| {
        NavItem::new(label, format!("{PATH}?state={one}"))
            .current(one == state && q.is_empty())
            .count(u32::try_from(count).unwrap_or(u32::MAX))
    };
    platform::web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Set-ups", PATH),
        tabs: vec![
            tab("Under way", "under_way", tally.under_way),
            tab("Finished", "finished", tally.finished),
        ],
        tally,
        state,
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("{PATH}?{base}")),
        q,
        lines: page.items,
    })
}
