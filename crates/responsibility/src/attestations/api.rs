//! JSON side of attestations and accepted risks.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{DeclarationId, Kind, NewDeclaration, Outcome};
use crate::matrix::api::{row_of, side_of};

pub(crate) const MANAGE: Openness = Openness::Organization(Permission::ResponsibilitiesManage);

pub(crate) fn routes() -> Routes {
    const ATTEST: &str = "/api/v1/organizations/{organization}/attestations";
    const ACCEPT: &str = "/api/v1/organizations/{organization}/acceptances";
    const REVOKE: &str = "/api/v1/organizations/{organization}/declarations/{declaration}";
    Routes::new()
        .add(
            routes::post(ATTEST, "attestation.create", MANAGE, attest)
                .summary("Vouch for a duty that no program can see, where the row allows it. Takes a person, not a token")
                .takes::<NewDeclarationBody>()
                .gives::<DeclaredView>(201)
                .records("responsibility.attested"),
        )
        .add(
            routes::post(ACCEPT, "acceptance.create", MANAGE, accept)
                .summary("Accept the risk of a duty that is not held. Takes a person, not a token")
                .takes::<NewDeclarationBody>()
                .gives::<DeclaredView>(201)
                .records("responsibility.risk_accepted"),
        )
        .add(
            routes::delete(REVOKE, "declaration.revoke", MANAGE, revoke)
                .summary("Take an attestation or an accepted risk back")
                .gives_nothing(204)
                .records("responsibility."),
        )
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeclarationBody {
    #[schema(example = "USR-C1")]
    pub row: String,
    /// `customer` when not said; `provider` only in the provider's own organization.
    #[serde(default)]
    pub side: Option<String>,
    #[schema(example = "the domain moves to another registrar until March")]
    pub reason: String,
    /// At most 366 days ahead.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeclaredView {
    pub id: String,
}

async fn attest(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewDeclarationBody>,
) -> platform::web::Result {
    declare(&app, &access, Kind::Attestation, body).await
}

async fn accept(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewDeclarationBody>,
) -> platform::web::Result {
    declare(&app, &access, Kind::Acceptance, body).await
}

async fn declare(app: &App, access: &Access, kind: Kind, body: NewDeclarationBody) -> platform::web::Result {
    let row = row_of(&body.row)
        .map_err(|_| Problem::invalid("`row` is no row of the matrix").field("/row", "unknown"))?;
    let side = side_of(body.side.as_deref())?;
    let new = NewDeclaration { kind, row, side, reason: body.reason, until: body.until };
    match perform(app, access, new).await? {
        Outcome::Done(id) => {
            Ok((StatusCode::CREATED, Json(DeclaredView { id: id.to_string() })).into_response())
        }
        Outcome::Refused(refusal) => Err(Problem::invalid(refusal)),
    }
}

pub(crate) async fn perform(app: &App, access: &Access, new: NewDeclaration) -> Result<Outcome, Problem> {
    let (organization, account) = (access.organization_id()?, access.account()?);
    let (ctx, inner) = (access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::declare(&inner, &ctx, tx, organization, account, &new))
        .await?;
    Ok(done.value)
}

pub(crate) async fn take_back(app: &App, access: &Access, id: DeclarationId) -> Result<Kind, Problem> {
    let organization = access.organization_id()?;
    let (ctx, inner) = (access.ctx.clone(), app.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::revoke(&inner, &ctx, tx, organization, id)).await?;
    done.value.ok_or_else(|| Problem::not_found("declaration that stands"))
}

async fn revoke(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, DeclarationId)>,
) -> platform::web::Result {
    take_back(&app, &access, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
