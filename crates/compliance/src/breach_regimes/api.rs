//! Breach regimes as JSON.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::Json;
use platform::web::guard::conditional::{check_if_match, if_match};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Choice, Chosen, Regime};

pub(crate) fn routes() -> Routes {
    const PATH: &str = "/api/v1/organizations/{organization}/breach-regimes";
    let read = Openness::Organization(Permission::ContactsRead);
    let manage = Openness::Organization(Permission::ContactsManage);
    Routes::new()
        .add(
            routes::get(PATH, "breach_regimes.get", read, get)
                .summary("Under which rules the organization must report a breach")
                .gives::<RegimesView>(200),
        )
        .add(
            routes::put(PATH, "breach_regimes.choose", manage, put)
                .summary("Choose them, or say why none applies; honours `If-Match`")
                .records("breach_regimes.")
                .takes::<NewRegimes>()
                .gives::<RegimesView>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RegimesView {
    regimes: Vec<RegimeView>,
    /// Why none applies; empty otherwise.
    reason: String,
    /// `null`: nobody has chosen.
    #[schema(value_type = Option<String>, format = DateTime)]
    chosen_at: Option<Timestamp>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RegimeView {
    code: Regime,
    label: &'static str,
    clock: &'static str,
    source: &'static str,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRegimes {
    #[serde(default)]
    regimes: Vec<Regime>,
    /// Why none applies; only with no regimes.
    #[serde(default)]
    reason: String,
}

fn view(choice: Option<&Choice>) -> RegimesView {
    let view = |regime: &Regime| RegimeView {
        code: *regime,
        label: regime.label(),
        clock: regime.clock(),
        source: regime.source(),
    };
    RegimesView {
        regimes: choice.map(|choice| choice.regimes.iter().map(view).collect()).unwrap_or_default(),
        reason: choice.map(|choice| choice.reason.clone()).unwrap_or_default(),
        chosen_at: choice.map(|choice| choice.chosen_at),
    }
}

async fn get(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let choice = app.db().read(move |tx| super::chosen(tx, id)).await?;
    Ok(Json(view(choice.as_ref())).into_response())
}

async fn put(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(new): Json<NewRegimes>,
) -> web::Result {
    let (id, ctx, tag) = (access.organization_id()?, access.ctx.clone(), if_match(&headers));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let before = super::chosen(tx, id)?;
            check_if_match(tag.as_deref(), &view(before.as_ref()))?;
            Ok::<_, Problem>(super::choose(&ctx, tx, id, &new.regimes, &new.reason)?)
        })
        .await?;
    match written.value {
        Chosen::Done(choice) => Ok(Json(view(Some(&choice))).into_response()),
        Chosen::Refused(member, why) => {
            Err(Problem::invalid("the choice is not complete").field(format!("/{member}"), why))
        }
    }
}
