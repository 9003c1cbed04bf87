//! JSON side of the provider's view.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::principals::{self, Organization};
use platform::time::Timestamp;
use platform::web::Problem;
use platform::web::extract::{Json, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use serde::Serialize;

use super::Standing;

pub(crate) const READ: Openness = Openness::Provider(Permission::ProviderRead);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get("/api/v1/provider/overview", "overview.list", READ, list)
                .summary("Organizations with the states of their own cells; states only, no facts")
                .paged()
                .query("q", "a beginning of the slug")
                .gives::<Page<StandingView>>(200),
        )
        .add(
            routes::get("/api/v1/provider/organizations", "organization.list_all", READ, organizations)
                .summary("All organizations of this installation, by slug")
                .paged()
                .gives::<Page<ListedOrganization>>(200),
        )
}

/// How one organization stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StandingView {
    pub id: String,
    pub slug: String,
    pub name: String,
    /// Cells that wait for the organization.
    pub owes: u64,
    /// Cells of the organization that wait for the provider.
    pub waits: u64,
    pub held: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_since: Option<Timestamp>,
    /// State by row; a row that is not here has no control yet, or was not looked at.
    pub cells: BTreeMap<&'static str, &'static str>,
}

async fn list(
    State(app): State<App>,
    Query(query): Query<PageQuery>,
    access: platform::web::Access,
) -> platform::web::Result {
    let (after, limit, search, now) = (query.after()?, query.limit()?, query.search()?, access.ctx.now);
    let found = app
        .db()
        .read(move |tx| {
            let standings = super::by_name(tx, &search, &after, limit + 1)?;
            let mut out = Vec::with_capacity(standings.len());
            for standing in standings {
                let states = super::states_of(tx, standing.id, now)?;
                out.push((standing, states));
            }
            Ok::<_, Problem>(out)
        })
        .await?;
    let page = Page::of(found, limit, |(standing, _): &(Standing, _)| standing.slug.clone());
    let page = page.map(|(standing, states)| StandingView {
        id: standing.id.to_string(),
        slug: standing.slug,
        name: standing.name,
        owes: standing.owes,
        waits: standing.waits,
        held: standing.held,
        oldest_since: standing.oldest_since,
        cells: states.into_iter().map(|(row, state)| (row.id, state.as_str())).collect(),
    });
    Ok(Json(page).into_response())
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ListedOrganization {
    pub id: String,
    pub slug: String,
    pub name: String,
    /// `provider` or `customer`.
    pub kind: &'static str,
    /// `active` or `closed`.
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Organization> for ListedOrganization {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            slug: organization.slug,
            name: organization.name,
            kind: organization.kind.as_str(),
            state: organization.state.as_str(),
            created_at: organization.created_at,
        }
    }
}

async fn organizations(State(app): State<App>, Query(query): Query<PageQuery>) -> platform::web::Result {
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app
        .db()
        .read(move |tx| principals::organizations(tx, &after, limit + 1).map_err(Problem::from))
        .await?;
    let page = Page::of(found, limit, |organization: &Organization| organization.slug.clone());
    Ok(Json(page.map(ListedOrganization::from)).into_response())
}
