//! The steps of a new key of ours over the API.

use axum::extract::State as AppState;
use axum::response::IntoResponse;
use platform::App;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Routes};
use platform::web::{self, Access, Problem};
use serde::Deserialize;

use super::super::own_key::{self, Rolled, Step};
use super::super::saml;
use super::{Connection, ConnectionId, ConnectionView, MANAGE};

pub(super) fn routes() -> Routes {
    Routes::new().add(
        routes::post(
            "/api/v1/organizations/{organization}/connections/{connection}/own-key",
            "connection.own_key",
            MANAGE,
            roll_over,
        )
        .recent()
        .summary("Change our own key of a SAML connection, in three steps: publish a new one, sign with it, retire the old one")
        .takes::<OwnKeyBody>()
        .gives::<ConnectionView>(200)
        .records("connection."),
    )
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RollOwnKey)]
pub struct OwnKeyBody {
    /// `prepare`, `switch` or `retire`.
    #[schema(example = "prepare")]
    pub step: String,
}

pub(in super::super) async fn roll(
    app: &App,
    access: &Access,
    id: ConnectionId,
    step: &str,
) -> Result<Connection, Problem> {
    let step = Step::parse(step).ok_or_else(|| {
        let why = format!("`{step}` is no step: use `prepare`, `switch` or `retire`");
        Problem::invalid(&why).field("step", why)
    })?;
    // Made for every step, since only the transaction knows whether it is needed: a moment, once in years.
    let key = saml::new_key(app, access.ctx.now).await?;
    let (organization, ctx, inside) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| own_key::roll(&inside, &ctx, tx, organization, id, (step, &key)))
        .await?;
    match done.value {
        Rolled::Done(connection) => Ok(*connection),
        Rolled::NoSuchConnection => Err(Problem::not_found("connection")),
        Rolled::NotSaml => {
            Err(Problem::conflict("this connection speaks OpenID Connect, where we hold no key")
                .cure("give it a new client secret instead"))
        }
        Rolled::NotNow => Err(Problem::conflict(match step {
            Step::Prepare => "a second key is published already",
            Step::Switch => "there is no new key to sign with",
            Step::Retire => "there is one key alone, and it signs",
        })
        .cure(match step {
            Step::Prepare => "sign with it, or retire it",
            Step::Switch | Step::Retire => "prepare a new one first",
        })),
    }
}

async fn roll_over(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ConnectionId)>,
    Json(body): Json<OwnKeyBody>,
) -> web::Result {
    let rolled = roll(&app, &access, id, &body.step).await?;
    Ok(Json(ConnectionView::new(&app, rolled)).into_response())
}
