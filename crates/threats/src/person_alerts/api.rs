//! JSON side of what an organization sees of alerts.

use axum::extract::State as AppState;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{PersonAlert, PersonAlertId, Wanted};
use crate::alerts::api::{before, unknown};
use crate::alerts::{Outcome, State, Verdict};

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/alerts";
    Routes::new().add(
        routes::get(LIST, "person_alert.list", Openness::Organization(Permission::PeopleRead), list)
            .summary("People of the organization in alerts of the provider, the newest first")
            .paged()
            .query("state", "open, acknowledged, resolved, or live for all but resolved ones")
            .query("outcome", "failed, known or entered: how far somebody got")
            .gives::<Page<PersonAlertView>>(200),
    )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = PersonAlert)]
struct PersonAlertView {
    #[schema(value_type = String)]
    id: PersonAlertId,
    /// The address of the account that was tried.
    #[schema(example = "ann@harbor.example")]
    account: String,
    /// The detector that raised the alert.
    #[schema(example = "guessing-many-accounts")]
    kind: String,
    /// How far somebody got.
    outcome: Outcome,
    /// Where all tries came from; null: from several networks, or the account is not managed by the organization.
    #[schema(example = "203.0.113.7")]
    network: Option<String>,
    /// From how many networks.
    networks: u64,
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// Where the provider stands with the alert.
    state: State,
    /// What the provider says it was; null while it is not resolved.
    verdict: Option<Verdict>,
}

impl From<PersonAlert> for PersonAlertView {
    fn from(one: PersonAlert) -> Self {
        Self {
            id: one.id,
            account: one.email,
            kind: one.kind,
            outcome: one.outcome,
            network: Some(one.network).filter(|network| !network.is_empty()),
            networks: one.networks,
            first_seen: one.first_at,
            last_seen: one.last_at,
            state: one.state,
            verdict: one.verdict,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub outcome: Option<String>,
}

impl ListQuery {
    /// `state` where none is said.
    pub fn wanted(&self, state: &str) -> Result<Wanted, Problem> {
        let wanted = Wanted {
            state: self.state.clone().unwrap_or_else(|| state.to_owned()),
            outcome: self.outcome.clone().unwrap_or_default(),
        };
        if !matches!(wanted.state.as_str(), "" | "live") && State::parse(&wanted.state).is_none() {
            return Err(unknown("state", &wanted.state));
        }
        if !wanted.outcome.is_empty() && Outcome::parse(&wanted.outcome).is_none() {
            return Err(unknown("outcome", &wanted.outcome));
        }
        Ok(wanted)
    }
}

pub(crate) async fn page(
    app: &App,
    access: &Access,
    wanted: Wanted,
    query: &PageQuery,
) -> Result<Page<PersonAlert>, Problem> {
    let (organization, limit, before) = (access.organization_id()?, query.limit()?, before(query)?);
    let found = app.db().read(move |tx| super::list(tx, organization, &wanted, before, limit + 1)).await?;
    Ok(Page::of(found, limit, |one| one.id.to_string()))
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<ListQuery>,
) -> platform::web::Result {
    let found = page(&app, &access, asked.wanted("")?, &query).await?;
    Ok(Json(found.map(PersonAlertView::from)).into_response())
}
