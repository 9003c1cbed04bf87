//! `POST /api/v1/recoveries`: asks for a link to set a new password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::web::extract::Json;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access};

use crate::accounts::api::Address;

pub(crate) fn routes() -> Routes {
    Routes::new().add(
        routes::post("/api/v1/recoveries", "recovery.create", Openness::Public, create)
            .limit(Limit::Credential)
            .records("recovery.")
            .summary("Ask for a link to set a new password; the answer tells nothing about the address")
            .takes::<Address>()
            .gives_nothing(202),
    )
}

async fn create(State(app): State<App>, access: Access, Json(body): Json<Address>) -> web::Result {
    let email = body.parse()?;
    let ctx = access.ctx.clone();
    app.db().write(&access.ctx, move |tx| super::request(&ctx, tx, &email)).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
