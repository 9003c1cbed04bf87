//! `/account/sessions`: where one is signed in, and how to end that.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::time::Timestamp;
use platform::web::extract::Path;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{self, Access, browser};

use super::SessionId;
use super::api::current;

pub(crate) const PATH: &str = "/account/sessions";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(PATH, "session.page", Openness::SignedIn, show))
        .add(
            routes::post(
                "/account/sessions/{session}/revoke",
                "session.revoke_page",
                Openness::SignedIn,
                revoke,
            )
            .records("session."),
        )
        .add(
            routes::post(
                "/account/sessions/revoke-all",
                "session.revoke_all_page",
                Openness::SignedIn,
                revoke_all,
            )
            .records("session."),
        )
}

struct Line {
    id: String,
    device: String,
    network: String,
    current: bool,
    created_at: Timestamp,
    last_seen_at: Timestamp,
}

#[derive(Template)]
#[template(path = "sessions/list.html")]
struct SessionsPage {
    shell: Shell,
    sessions: Vec<Line>,
    others: usize,
}

/// A browser and system in words, from its user agent; the agent itself when it is a stranger.
pub(crate) fn device_words(agent: &str) -> String {
    let find = |names: &[(&'static str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, words)| *words)
    };
    let browser = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if agent.is_empty() => "Unknown device".to_owned(),
        _ => agent.chars().take(40).collect(),
    }
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let (account, now, here) = (access.account()?, access.ctx.now, current(&access));
    let found = app.db().read(move |tx| super::list(tx, account, now)).await?;
    let sessions: Vec<Line> = found
        .into_iter()
        .map(|session| Line {
            current: here == Some(session.id),
            id: session.id.to_string(),
            device: device_words(&session.user_agent),
            network: session.network,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
        })
        .collect();
    let others = sessions.iter().filter(|session| !session.current).count();
    let shell = navigation::shell(&app, &access, NavConsole::Account, "Devices", PATH);
    web::html(&SessionsPage { shell, sessions, others })
}

async fn revoke(State(app): State<App>, access: Access, Path(id): Path<SessionId>) -> web::Result {
    let (account, ctx) = (access.account()?, access.ctx.clone());
    let written = app.db().write(&access.ctx, move |tx| super::revoke(&ctx, tx, account, id)).await?;
    let (tone, message) = if written.value {
        (Tone::Good, "Signed out there.")
    } else {
        (Tone::Info, "That session had ended already.")
    };
    browser::see_other_with(PATH, tone, message)
}

async fn revoke_all(State(app): State<App>, access: Access) -> web::Result {
    let (account, ctx, keep) = (access.account()?, access.ctx.clone(), current(&access));
    let written = app
        .db()
        .write(&access.ctx, move |tx| super::revoke_all(&ctx, tx, account, keep, super::SIGNED_OUT))
        .await?;
    let message = match written.value {
        0 => "You are signed in only here.".to_owned(),
        1 => "Signed out on one other device.".to_owned(),
        count => format!("Signed out on {count} other devices."),
    };
    browser::see_other_with(PATH, Tone::Good, &message)
}
