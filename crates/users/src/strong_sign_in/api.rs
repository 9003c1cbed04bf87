//! Strong sign-in as JSON.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::web::extract::{Json, Query};
use platform::web::pagination::{self, Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::Serialize;

use super::{Open, Standing};

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/strong-sign-in";
    const OPEN: &str = "/api/v1/organizations/{organization}/strong-sign-in/open";
    let read = Openness::Organization(Permission::PeopleRead);
    Routes::new()
        .add(
            routes::get(ONE, "strong_sign_in.show", read, show)
                .summary("How many managed accounts are bound to single sign-on or a second factor, and enrolled")
                .gives::<StandingView>(200),
        )
        .add(
            routes::get(OPEN, "strong_sign_in.open", read, open)
                .summary("Managed accounts that are not, with why, by address. A page may be short and have a next one")
                .paged()
                .gives::<Page<OpenView>>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = StrongSignIn)]
pub(crate) struct StandingView {
    managed: u64,
    by_single_sign_on: u64,
    by_factor: u64,
    /// No policy asks them for single sign-on or a second factor.
    exempt: u64,
    /// Let off by an open break-glass.
    lifted: u64,
    /// Bound, and without what they are bound to.
    not_enrolled: u64,
}

impl From<Standing> for StandingView {
    fn from(found: Standing) -> Self {
        let Standing { managed, by_single_sign_on, by_factor, exempt, lifted, not_enrolled } = found;
        Self { managed, by_single_sign_on, by_factor, exempt, lifted, not_enrolled }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = StrongSignInGap)]
pub(crate) struct OpenView {
    id: String,
    email: String,
    name: String,
    /// `exempt`, `lifted`, `not_linked` or `no_factor`.
    #[schema(example = "exempt")]
    gap: String,
    why: String,
}

impl From<Open> for OpenView {
    fn from(one: Open) -> Self {
        Self {
            id: one.account.to_string(),
            email: one.email,
            name: one.name,
            gap: one.gap.as_str().to_owned(),
            why: one.gap.words(),
        }
    }
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let found = app.db().read(move |tx| super::standing(tx, organization, now)).await?;
    Ok(Json(StandingView::from(found)).into_response())
}

/// One page of those who are not under strong sign-in, and how all stand.
pub(super) async fn page_of(
    app: &App,
    access: &Access,
    query: &PageQuery,
) -> Result<(Standing, Page<Open>), Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let (after, limit) = (query.after()?, query.limit()?);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (standing, (items, next)) = app
        .db()
        .read(move |tx| {
            let standing = super::standing(tx, organization, now)?;
            Ok::<_, DbError>((standing, super::open(tx, organization, &after, now, limit)?))
        })
        .await?;
    Ok((standing, Page { items, next_cursor: next.map(|next| pagination::cursor(&next)) }))
}

async fn open(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let (_, page) = page_of(&app, &access, &query).await?;
    Ok(Json(page.map(OpenView::from)).into_response())
}
