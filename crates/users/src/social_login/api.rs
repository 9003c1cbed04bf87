//! Social login as JSON.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::Serialize;

use super::{Decision, Provider, User};
use crate::policies::Social;

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/social-login";
    const USERS: &str = "/api/v1/organizations/{organization}/social-login/users";
    Routes::new()
        .add(
            routes::get(ALL, "social_login.show", Openness::Organization(Permission::PoliciesRead), show)
                .summary("The social providers installed here, and what each policy says of them")
                .gives::<SocialLoginView>(200),
        )
        .add(
            routes::get(USERS, "social_login.users", Openness::Organization(Permission::PeopleRead), users)
                .summary("Members who sign in with an account of a social provider, by address")
                .paged()
                .gives::<Page<UserView>>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SocialDecision)]
pub(crate) struct DecisionView {
    /// Null: nobody has decided the default policy.
    policy: Option<String>,
    name: String,
    social_login: Social,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SocialProvider)]
pub(crate) struct ProviderView {
    #[schema(example = "google")]
    name: String,
    label: String,
    users: u64,
    policies: Vec<DecisionView>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SocialLogin)]
pub(crate) struct SocialLoginView {
    providers: Vec<ProviderView>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SocialUser)]
pub(crate) struct UserView {
    id: String,
    email: String,
    name: String,
    provider: String,
    #[schema(value_type = String, format = DateTime)]
    used_at: Timestamp,
}

impl From<Provider> for ProviderView {
    fn from(one: Provider) -> Self {
        let policies = one.policies.into_iter().map(|decision| {
            let Decision { id, policy, social, .. } = decision;
            DecisionView { policy: id.map(|id| id.to_string()), name: policy, social_login: social }
        });
        Self { name: one.name, label: one.label, users: one.users, policies: policies.collect() }
    }
}

impl From<User> for UserView {
    fn from(one: User) -> Self {
        let User { account, email, name, provider, used_at } = one;
        Self { id: account.to_string(), email, name, provider, used_at }
    }
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::providers(tx, organization)).await?;
    let providers = found.into_iter().map(ProviderView::from).collect();
    Ok(Json(SocialLoginView { providers }).into_response())
}

pub(super) async fn page_of(app: &App, access: &Access, query: &PageQuery) -> Result<Page<User>, Problem> {
    let organization = access.organization_id()?;
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| super::users(tx, organization, &after, limit + 1)).await?;
    Ok(Page::of(found, limit, User::key))
}

async fn users(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    Ok(Json(page_of(&app, &access, &query).await?.map(UserView::from)).into_response())
}
