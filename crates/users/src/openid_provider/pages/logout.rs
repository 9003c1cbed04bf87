//! `/oauth/logout`: a product asks to sign somebody out (RP-Initiated Logout 1.0).

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use platform::App;
use platform::ids::Id;
use platform::web::browser::{self, SESSION_COOKIE};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::Shell;
use platform::web::{self, Access, Problem, navigation};
use url::Url;

use super::{DonePage, hop, on_page, session_of};
use crate::openid_provider::answer::Refusal;
use crate::openid_provider::request::{self, Params};
use crate::openid_provider::{issuer, keys, product};
use crate::products::{Product, ProductId};
use crate::sessions::{self, SessionId};

const LOGOUT: &str = "/oauth/logout";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(LOGOUT, "oauth.logout", Openness::Public, logout_get))
        .add(
            routes::post(LOGOUT, "oauth.logout_post", Openness::Public, logout_post)
                .plain()
                .records_nothing("leads to the page that does it"),
        )
        .add(
            routes::post("/oauth/logout/confirm", "oauth.logout_confirm", Openness::SignedIn, logout_confirm)
                .records("session."),
        )
}

#[derive(Template)]
#[template(path = "openid_provider/logout.html")]
struct LogoutPage {
    shell: Shell,
    email: String,
    client: String,
    address: String,
    state: String,
}

/// What a product asked at sign-out.
struct Leaving {
    client: Option<Product>,
    /// Where to go afterwards: an address that the product has registered, letter for letter.
    address: Option<String>,
    state: String,
    /// The session that the hint is of, and whose it is.
    hinted: Option<(String, String)>,
}

async fn leaving(app: &App, access: &Access, params: &Params) -> Result<Leaving, Problem> {
    let published = keys::ring(app, access.ctx.now).await?.public();
    let bad_hint = || on_page(&Refusal::request("`id_token_hint` is no ID token that was issued here"));
    let hint = match params.get("id_token_hint") {
        Some(hint) => Some(request::id_token_hint(hint, &issuer(app), &published).ok_or_else(bad_hint)?),
        None => None,
    };
    let named = match (params.get("client_id"), &hint) {
        (Some(id), Some((audiences, _, _))) if !audiences.iter().any(|one| one == id) => {
            return Err(bad_hint());
        }
        (Some(id), _) => Some(id.to_owned()),
        (None, Some((audiences, _, _))) => audiences.first().cloned(),
        (None, None) => None,
    };
    let client = match named.and_then(|id| id.parse::<ProductId>().ok()) {
        Some(id) => product(app, id).await?.map(|known| known.product.clone()),
        None => None,
    };
    let address = params.get("post_logout_redirect_uri").map(str::to_owned);
    if let Some(address) = &address {
        let registered = client.as_ref().is_some_and(|client| client.settings.logout_uris.contains(address));
        if !registered {
            let why = "`post_logout_redirect_uri` is not one that this product has registered; send `id_token_hint` or `client_id` with it";
            return Err(on_page(&Refusal::request(why)));
        }
    }
    Ok(Leaving {
        client,
        address,
        state: params.get("state").unwrap_or_default().to_owned(),
        hinted: hint.map(|(_, subject, session)| (subject, session)),
    })
}

async fn logout_get(State(app): State<App>, access: Access, RawQuery(query): RawQuery) -> web::Result {
    let params = Params::parse(query.unwrap_or_default().as_bytes()).map_err(|refusal| on_page(&refusal))?;
    let leaving = leaving(&app, &access, &params).await?;
    let Some(session) = session_of(&access) else {
        return left(&app, &access, &leaving, web::see_other);
    };
    // Only the very product that this session signed in to may end it without a question.
    let sure = leaving.hinted.as_ref().is_some_and(|(_, sid)| *sid == session.uuid().to_string());
    if sure {
        end_session(&app, &access, session).await?;
        let mut response = left(&app, &access, &leaving, web::see_other)?;
        browser::clear_cookie(&mut response, SESSION_COOKIE);
        return Ok(response);
    }
    web::html(&LogoutPage {
        shell: navigation::public_shell(&app, &access, "Sign out"),
        email: access.principal()?.email.clone(),
        client: leaving.client.map(|client| client.id.to_string()).unwrap_or_default(),
        address: leaving.address.unwrap_or_default(),
        state: leaving.state,
    })
}

async fn logout_post(State(app): State<App>, access: Access, body: Bytes) -> web::Result {
    let params = Params::parse(&body).map_err(|refusal| on_page(&refusal))?;
    leaving(&app, &access, &params).await?;
    web::see_other(&format!("{LOGOUT}?{}", String::from_utf8_lossy(&body)))
}

/// Where somebody who is signed out goes: to the product, or to a page that says so.
fn left(app: &App, access: &Access, leaving: &Leaving, go: impl Fn(&str) -> web::Result) -> web::Result {
    let Some(address) = &leaving.address else {
        let shell = navigation::public_shell(app, access, "Signed out");
        return web::html(&DonePage { shell, words: "You are signed out." });
    };
    let mut url = Url::parse(address).map_err(|_| Problem::internal())?;
    if !leaving.state.is_empty() {
        url.query_pairs_mut().append_pair("state", &leaving.state);
    }
    go(url.as_str())
}

async fn end_session(app: &App, access: &Access, session: SessionId) -> Result<(), Problem> {
    let (account, ctx) = (access.account()?, access.ctx.clone());
    app.db()
        .write(&access.ctx, move |tx| sessions::revoke(&ctx, tx, account, session))
        .await
        .map_err(Problem::from)?;
    Ok(())
}

async fn logout_confirm(State(app): State<App>, access: Access, body: Bytes) -> web::Result {
    let params = Params::parse(&body).map_err(|refusal| on_page(&refusal))?;
    let leaving = leaving(&app, &access, &params).await?;
    let session = session_of(&access).ok_or_else(Problem::sign_in)?;
    end_session(&app, &access, session).await?;
    let name = leaving.client.as_ref().map(|client| client.settings.name.clone()).unwrap_or_default();
    let mut response = left(&app, &access, &leaving, |address| hop(&app, &access, &name, address))?;
    browser::clear_cookie(&mut response, SESSION_COOKIE);
    Ok(response.into_response())
}
