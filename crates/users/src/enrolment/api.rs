//! Enrolment as JSON.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::web::extract::{Json, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::Serialize;

use super::{Missing, Standing};

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PeopleRead);
    Routes::new()
        .add(
            routes::get("/api/v1/organizations/{organization}/enrolment", "enrolment.show", read, show)
                .summary("How many managed accounts have a factor beside the password")
                .gives::<EnrolmentStanding>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/enrolment/missing",
                "enrolment.missing",
                read,
                missing,
            )
            .summary("Managed accounts without a factor, by address")
            .paged()
            .gives::<Page<MissingView>>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EnrolmentStanding {
    managed: u64,
    enrolled: u64,
    missing: u64,
}

impl From<Standing> for EnrolmentStanding {
    fn from(found: Standing) -> Self {
        Self { managed: found.managed, enrolled: found.enrolled, missing: found.missing() }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MissingView {
    id: String,
    email: String,
    name: String,
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::standing(tx, organization)).await?;
    Ok(Json(EnrolmentStanding::from(found)).into_response())
}

/// One page of those without a factor.
pub(crate) async fn page_of(
    app: &App,
    access: &Access,
    query: &PageQuery,
) -> Result<(Standing, Page<Missing>), Problem> {
    let organization = access.organization_id()?;
    let (after, limit) = (query.after()?, query.limit()?);
    let (standing, found) = app
        .db()
        .read(move |tx| {
            let standing = super::standing(tx, organization)?;
            Ok::<_, DbError>((standing, super::missing(tx, organization, &after, limit + 1)?))
        })
        .await?;
    Ok((standing, Page::of(found, limit, |one| one.email.clone())))
}

async fn missing(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let (_, page) = page_of(&app, &access, &query).await?;
    let view = |one: Missing| MissingView { id: one.account.to_string(), email: one.email, name: one.name };
    let page = Page { items: page.items.into_iter().map(view).collect(), next_cursor: page.next_cursor };
    Ok(Json(page).into_response())
}
