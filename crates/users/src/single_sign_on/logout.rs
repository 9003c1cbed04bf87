//! Sign-out between here and a provider: ours leads on to the provider's (RP-Initiated Logout 1.0), and the provider tells
//! us of its own (Back-Channel Logout 1.0).
//!
//! No ID token is kept for the hint that RP-initiated logout may carry: the client id says who asks.

use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::params;
use platform::time::Timestamp;
use platform::{App, Ctx};
use url::Url;

use super::oidc::{self, LogoutToken, Trouble};
use super::{Connection, ConnectionId, Oidc, Settings, saml, sql};
use crate::accounts::join;
use crate::sessions::{self, SessionId, Upstream};

/// Ends the live sessions that were made through a connection, all or those of one subject or one session there; gives how
/// many. The caller records.
pub(crate) fn end_sessions(
    ctx: &Ctx,
    tx: &mut Tx,
    connection: ConnectionId,
    subject: Option<&str>,
    session: Option<&str>,
) -> Result<u64, DbError> {
    let found = tx.list(&sql::SESSIONS, params![connection, ctx.now, subject, session], |row| {
        Ok((row.get::<SessionId>(0)?, row.get(1)?))
    })?;
    let mut ended = 0;
    for (id, account) in found {
        ended += u64::from(sessions::revoke_with_grants(ctx, tx, account, id)?);
    }
    Ok(ended)
}

/// How a logout token was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedOut {
    Done {
        sessions: u64,
    },
    /// The same token came before.
    Again,
}

/// The provider says that somebody has signed out there.
pub(crate) fn take(
    ctx: &Ctx,
    tx: &mut Tx,
    connection: &Connection,
    token: &LogoutToken,
) -> Result<Commit<LoggedOut>, DbError> {
    let until = token.expires_at.plus(oidc::LEEWAY);
    if tx.execute(&sql::INSERT_MESSAGE, params![token.message_hash(connection.id), until])? != 1 {
        return Ok(Commit::unchanged(LoggedOut::Again));
    }
    let (subject, session) = (token.subject.as_deref(), token.session.as_deref());
    let sessions = end_sessions(ctx, tx, connection.id, subject, session)?;
    let event = Event::new(connection.organization, "single_sign_on.logged_out")
        .target("connection", connection.id)
        .with("sessions", sessions)
        .personal("subject", subject.unwrap_or_default());
    let recorded = tx.record(event);
    Ok(Commit::changed(LoggedOut::Done { sessions }, recorded))
}

/// As [`take`], for a request of a SAML provider.
pub(crate) fn take_saml(
    ctx: &Ctx,
    tx: &mut Tx,
    connection: &Connection,
    asked: &saml::Asked,
) -> Result<Commit<LoggedOut>, DbError> {
    if tx.execute(&sql::INSERT_MESSAGE, params![asked.message.clone(), asked.until])? != 1 {
        return Ok(Commit::unchanged(LoggedOut::Again));
    }
    let subject = Some(asked.subject.as_str());
    let mut sessions = 0;
    if asked.sessions.is_empty() {
        sessions = end_sessions(ctx, tx, connection.id, subject, None)?;
    }
    for session in &asked.sessions {
        sessions += end_sessions(ctx, tx, connection.id, subject, Some(session))?;
    }
    let event = Event::new(connection.organization, "single_sign_on.logged_out")
        .target("connection", connection.id)
        .with("sessions", sessions)
        .personal("subject", &asked.subject);
    let recorded = tx.record(event);
    Ok(Commit::changed(LoggedOut::Done { sessions }, recorded))
}

/// Where to go on to after signing out here, if the connection is set so and the provider has an address for it.
pub(crate) async fn upstream_address(
    app: &App,
    ctx: &Ctx,
    connection: &Connection,
    upstream: &Upstream,
) -> Option<String> {
    if !connection.settings.sign_out_upstream() || !connection.active {
        return None;
    }
    match &connection.settings {
        Settings::Oidc(settings) => end_session_address(app, settings, ctx.now).await,
        Settings::Saml(settings) => saml::sign_out_address(app, ctx, connection, settings, upstream)
            .inspect_err(|trouble| tracing::warn!(%trouble, "no sign-out at a provider"))
            .ok()?,
    }
}

async fn end_session_address(app: &App, settings: &Oidc, now: Timestamp) -> Option<String> {
    let metadata = oidc::metadata_of(app, &settings.issuer, now).await;
    let metadata = metadata
        .inspect_err(|trouble: &Trouble| tracing::info!(%trouble, "no sign-out at a provider"))
        .ok()?;
    let mut url = Url::parse(metadata.end_session_endpoint.as_deref()?).ok()?;
    url.query_pairs_mut()
        .append_pair("client_id", &settings.client_id)
        .append_pair("post_logout_redirect_uri", &after(app));
    Some(url.to_string())
}

/// Where the provider sends people after signing out there.
pub(crate) fn after(app: &App) -> String {
    join(&app.config().public_url, "/sign-in")
}
