//! `/o/{organization}/enrolment`: who has no factor yet.

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

use super::{Missing, Standing, api};
use crate::people::pages::pager;

pub(crate) const PATH: &str = "/o/{organization}/enrolment";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PeopleRead);
    Routes::new().add(routes::get(PATH, "enrolment.page", read, show))
}

#[derive(Template)]
#[template(path = "enrolment/enrolment.html")]
struct EnrolmentPage {
    shell: Shell,
    slug: String,
    standing: Standing,
    people: Vec<Missing>,
    pager: Pager,
}

async fn show(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let (standing, page) = api::page_of(&app, &access, &query).await?;
    let slug = access.organization()?.slug.clone();
    web::html(&EnrolmentPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Enrolment", PATH),
        standing,
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/enrolment")),
        people: page.items,
        slug,
    })
}
