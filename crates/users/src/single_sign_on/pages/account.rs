//! `/account/sign-in-methods`: the providers that can sign somebody in, connected and ended by themselves.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use platform::App;
use platform::web::extract::Path;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{self, Access, Problem, browser};

use super::super::api::{self, OwnLinkView};
use super::super::requests::{Asking, Intent};
use super::super::{Connection, ConnectionId, realm};
use super::sign_in::lead;
use crate::accounts::email::EmailAddress;

pub(crate) const PATH: &str = "/account/sign-in-methods";

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(PATH, "account.sign_in_methods", Openness::SignedIn, show))
        .add(
            routes::post(
                "/account/sign-in-methods/{connection}/connect",
                "account.connect_form",
                Openness::SignedIn,
                connect,
            )
            .recent()
            .limit(Limit::Credential)
            .records_nothing("the provider is asked; what comes of it is recorded"),
        )
        .add(
            routes::post(
                "/account/sign-in-methods/{connection}/disconnect",
                "account.disconnect_form",
                Openness::SignedIn,
                disconnect,
            )
            .recent()
            .records("single_sign_on."),
        )
}

struct Offer {
    id: ConnectionId,
    label: String,
}

#[derive(Template)]
#[template(path = "single_sign_on/account.html")]
struct MethodsPage {
    shell: Shell,
    links: Vec<OwnLinkView>,
    offers: Vec<Offer>,
}

/// Connections that this person may connect: social ones, and those for addresses like theirs.
async fn offered(app: &App, access: &Access) -> Result<Vec<Connection>, Problem> {
    let address = EmailAddress::parse(&access.principal()?.email).ok();
    app.db()
        .read(move |tx| {
            let mut all = match &address {
                Some(address) => realm::connections_for(tx, address)?,
                None => Vec::new(),
            };
            all.extend(super::super::social(tx)?);
            Ok(all)
        })
        .await
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let links = api::own(&app, &access).await?;
    let mut offers = offered(&app, &access).await?;
    offers.retain(|one| links.iter().all(|link| link.connection != one.id));
    web::html(&MethodsPage {
        shell: navigation::shell(&app, &access, NavConsole::Account, "Sign-in methods", PATH),
        offers: offers.into_iter().map(|one| Offer { id: one.id, label: one.name }).collect(),
        links,
    })
}

async fn connect(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Path(id): Path<ConnectionId>,
) -> web::Result {
    let offers = offered(&app, &access).await?;
    let connection =
        offers.into_iter().find(|one| one.id == id).ok_or_else(|| Problem::not_found("connection"))?;
    let asking = Asking {
        connection: id,
        intent: Intent::Connect,
        account: Some(access.account()?),
        fresh: false,
        next: PATH.to_owned(),
    };
    let hint = access.principal()?.email.clone();
    lead(&app, &access, &headers, &connection, asking, &hint).await
}

async fn disconnect(State(app): State<App>, access: Access, Path(id): Path<ConnectionId>) -> web::Result {
    match api::disconnect(&app, &access, id).await {
        Ok(()) => browser::see_other_with(PATH, Tone::Good, "That provider does not sign you in any more."),
        Err(problem) if problem.status == axum::http::StatusCode::CONFLICT => {
            let words = "It is the only way into your account: set a password or add a passkey first.";
            browser::see_other_with(PATH, Tone::Bad, words)
        }
        Err(problem) => Err(problem),
    }
}
