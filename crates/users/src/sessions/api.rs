//! One's own sessions as JSON.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::db::DbError;
use platform::ids::Id;
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::Serialize;

use super::{Session, SessionId};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get("/api/v1/account/sessions", "session.list", Openness::SignedIn, list)
                .summary("Where you are signed in")
                .gives::<Vec<SessionView>>(200),
        )
        .add(
            routes::delete(
                "/api/v1/account/sessions/{session}",
                "session.revoke",
                Openness::SignedIn,
                revoke,
            )
            .summary("Sign one device out")
            .records("session.")
            .gives_nothing(204),
        )
        .add(
            routes::delete("/api/v1/account/sessions", "session.revoke_all", Openness::SignedIn, revoke_all)
                .summary("Sign all other devices out")
                .records("session.")
                .gives_nothing(204),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SessionView {
    pub id: String,
    /// Whether this is the session that asks.
    pub current: bool,
    pub method: String,
    /// Authentication method references (RFC 8176).
    pub amr: Vec<String>,
    /// What it reached on the ladder of factors.
    pub level: crate::factors::Level,
    /// RFC 3339: the last proof.
    pub auth_time: String,
    pub network: String,
    pub user_agent: String,
    /// RFC 3339.
    pub created_at: String,
    pub last_seen_at: String,
    pub expires_at: String,
}

pub(crate) fn view(session: Session, current: Option<SessionId>) -> SessionView {
    SessionView {
        id: session.id.to_string(),
        current: current == Some(session.id),
        method: session.method,
        amr: session.amr.split_whitespace().map(str::to_owned).collect(),
        level: session.level,
        auth_time: session.auth_time.rfc3339(),
        network: session.network,
        user_agent: session.user_agent,
        created_at: session.created_at.rfc3339(),
        last_seen_at: session.last_seen_at.rfc3339(),
        expires_at: session.expires_at.rfc3339(),
    }
}

/// The session that asks.
pub(crate) fn current(access: &Access) -> Option<SessionId> {
    access.principal.as_ref().and_then(|principal| principal.session).map(SessionId::from_uuid)
}

/// Ends the session that this browser had before it signed in anew: one cookie, one session.
pub(crate) async fn replaced(app: &App, access: &Access) -> Result<(), DbError> {
    let Some(principal) = &access.principal else { return Ok(()) };
    let (Some(account), Some(id)) = (principal.account, current(access)) else { return Ok(()) };
    let ctx = access.ctx.clone();
    app.db().write(&access.ctx, move |tx| super::revoke(&ctx, tx, account, id)).await?;
    Ok(())
}

async fn list(State(app): State<App>, access: Access) -> web::Result {
    let (account, now) = (access.account()?, access.ctx.now);
    let found = app.db().read(move |tx| super::list(tx, account, now)).await?;
    let views: Vec<SessionView> = found.into_iter().map(|session| view(session, current(&access))).collect();
    Ok(Json(views).into_response())
}

async fn revoke(State(app): State<App>, access: Access, Path(id): Path<SessionId>) -> web::Result {
    let (account, ctx) = (access.account()?, access.ctx.clone());
    let written = app.db().write(&access.ctx, move |tx| super::revoke(&ctx, tx, account, id)).await?;
    if !written.value {
        return Err(Problem::not_found("session"));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn revoke_all(State(app): State<App>, access: Access) -> web::Result {
    let (account, ctx, keep) = (access.account()?, access.ctx.clone(), current(&access));
    app.db()
        .write(&access.ctx, move |tx| super::revoke_all(&ctx, tx, account, keep, super::SIGNED_OUT))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
