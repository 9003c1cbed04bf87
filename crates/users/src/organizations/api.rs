//! JSON side of organizations.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::ids::{OrganizationId, Slug};
use platform::principals::{self, MembershipState, Organization, OrganizationKind, OrganizationState};
use platform::time::Timestamp;
use platform::web::extract::Json;
use platform::web::guard::conditional;
use platform::web::pagination::Page;
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{FOUNDED_PER_DAY_MAX, Founding};
use crate::names::Name;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get("/api/v1/organizations", "organization.list", Openness::SignedIn, list)
                .summary("Organizations that the caller is a member of")
                .gives::<Page<MineView>>(200),
        )
        .add(
            routes::post("/api/v1/organizations", "organization.create", Openness::SignedIn, create)
                .summary("Found an organization and become its owner")
                .takes::<NewOrganization>()
                .gives::<OrganizationView>(201)
                .records("organization."),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}",
                "organization.show",
                Openness::Organization(Permission::OrganizationRead),
                show,
            )
            .summary("One organization")
            .gives::<OrganizationView>(200),
        )
        .add(
            routes::patch(
                "/api/v1/organizations/{organization}",
                "organization.update",
                Openness::Organization(Permission::OrganizationManage),
                update,
            )
            .summary("Rename an organization; honours `If-Match`")
            .takes::<OrganizationChange>()
            .gives::<OrganizationView>(200)
            .records("organization."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct OrganizationView {
    #[schema(value_type = String, example = "0197a1c0-0000-7000-8000-000000000000")]
    pub id: OrganizationId,
    pub slug: String,
    pub name: String,
    /// `provider` or `customer`.
    #[schema(value_type = String)]
    pub kind: OrganizationKind,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id,
            slug: organization.slug,
            name: organization.name,
            kind: organization.kind,
            created_at: organization.created_at,
        }
    }
}

/// An organization and what the caller is in it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct MineView {
    #[serde(flatten)]
    pub organization: OrganizationView,
    #[schema(value_type = String)]
    pub role: Role,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    #[schema(example = "Harbor Logistics")]
    pub name: String,
    /// Made of the name when not said.
    #[serde(default)]
    #[schema(example = "harbor")]
    pub slug: Option<String>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationChange {
    pub name: String,
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    let account = access.account()?;
    let found = app.db().read(move |tx| principals::memberships_of(tx, account)).await?;
    let mut items: Vec<MineView> = found
        .into_iter()
        .filter(|(organization, membership)| {
            organization.state == OrganizationState::Active && membership.state == MembershipState::Active
        })
        .map(|(organization, membership)| MineView {
            organization: organization.into(),
            role: membership.role,
        })
        .collect();
    items.sort_by(|a, b| a.organization.slug.cmp(&b.organization.slug));
    Ok(Json(Page { items, next_cursor: None }).into_response())
}

async fn create(
    State(app): State<App>,
    access: Access,
    Json(new): Json<NewOrganization>,
) -> platform::web::Result {
    let organization = found(&app, &access, &new.name, new.slug.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(OrganizationView::from(organization))).into_response())
}

/// Founds an organization for the caller; used by the form as well.
pub(super) async fn found(
    app: &App,
    access: &Access,
    name: &str,
    slug: Option<&str>,
) -> Result<Organization, Problem> {
    let account = access.person_or_operator()?;
    let name = Name::parse(name).map_err(|error| Problem::invalid(&error).field("name", &error))?;
    let slug = match slug.map(str::trim).filter(|slug| !slug.is_empty()) {
        Some(text) => {
            Some(Slug::parse(text).map_err(|error| Problem::invalid(&error).field("slug", &error))?)
        }
        None => None,
    };
    let ctx = access.ctx.clone();
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            let slug = match &slug {
                Some(slug) => slug.clone(),
                None => super::suggest_slug(tx, name.as_str())?.ok_or_else(no_slug)?,
            };
            Ok::<_, Problem>(super::create(&ctx, tx, account, &name, &slug)?)
        })
        .await?;
    let taken = |why: &str| Problem::conflict(why).field("slug", why).cure("choose another short name");
    match done.value {
        Founding::Done(organization) => Ok(organization),
        Founding::SlugTaken => Err(taken("this short name is taken")),
        Founding::SlugReserved => Err(taken("this short name is reserved")),
        Founding::NoSuchAccount => Err(Problem::not_found("account")),
        Founding::TooMany => Err(Problem::too_many(3600)
            .detail(format!("one account founds up to {FOUNDED_PER_DAY_MAX} organizations a day"))),
    }
}

fn no_slug() -> Problem {
    let why = "no short name can be made of this name";
    Problem::invalid(why).field("slug", why).cure("send `slug`")
}

async fn show(access: Access) -> platform::web::Result {
    Ok(Json(OrganizationView::from(access.organization()?.clone())).into_response())
}

async fn update(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(change): Json<OrganizationChange>,
) -> platform::web::Result {
    let name = Name::parse(&change.name).map_err(|error| Problem::invalid(&error).field("name", &error))?;
    let organization = access.organization_id()?;
    let if_match = conditional::if_match(&headers);
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            super::lock(tx, organization)?;
            if let Some(now) = principals::organization(tx, organization)? {
                conditional::check_if_match(if_match.as_deref(), &OrganizationView::from(now))?;
            }
            Ok::<_, Problem>(super::rename(tx, organization, &name)?)
        })
        .await?;
    let renamed = done.value.ok_or_else(|| Problem::not_found("organization"))?;
    Ok(Json(OrganizationView::from(renamed)).into_response())
}
