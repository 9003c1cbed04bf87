//! `/o/{organization}/strong-sign-in`: which managed accounts are not under it, with where each is mended.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Pager, Shell};
use platform::web::{self, Access};

use super::{Gap, Open, Standing, api};
use crate::people::pages::pager;

pub(crate) const PATH: &str = "/o/{organization}/strong-sign-in";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PeopleRead);
    Routes::new().add(routes::get(PATH, "strong_sign_in.page", read, show))
}

/// Somebody with what mends it.
struct Line {
    name: String,
    email: String,
    person: String,
    why: String,
    cure: &'static str,
    href: String,
}

impl Line {
    fn of(one: Open, slug: &str) -> Self {
        let person = format!("/o/{slug}/people/{}", one.account);
        let (cure, href) = match one.gap {
            Gap::Exempt => {
                let asked: String = url::form_urlencoded::byte_serialize(one.email.as_bytes()).collect();
                ("See which policy", format!("/o/{slug}/policies/explain?account={asked}"))
            }
            Gap::Lifted => ("See the break-glass", format!("/o/{slug}/break-glass")),
            Gap::NotLinked => ("See the connections", format!("/o/{slug}/connections")),
            Gap::NoFactor(_) => ("See their factors", person.clone()),
        };
        Self { name: one.name, email: one.email, person, why: one.gap.words(), cure, href }
    }
}

#[derive(Template)]
#[template(path = "strong_sign_in/show.html")]
struct StrongPage {
    shell: Shell,
    slug: String,
    standing: Standing,
    strong: u64,
    people: Vec<Line>,
    more: bool,
    pager: Pager,
}

async fn show(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let (standing, page) = api::page_of(&app, &access, &query).await?;
    let slug = access.organization()?.slug.clone();
    web::html(&StrongPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Strong sign-in", PATH),
        strong: standing.strong(),
        standing,
        more: page.next_cursor.is_some(),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/strong-sign-in")),
        people: page.items.into_iter().map(|one| Line::of(one, &slug)).collect(),
        slug,
    })
}
