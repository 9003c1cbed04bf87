//! `/account/apps`: the products one is signed in to, and how to end that.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::web::extract::Path;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{self, Access, browser};

use super::grants::{self, SignedInApp};
use crate::products::ProductId;

pub(crate) const PATH: &str = "/account/apps";

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(PATH, "app.page", Openness::SignedIn, show)).add(
        routes::post("/account/apps/{product}/revoke", "app.revoke_page", Openness::SignedIn, revoke)
            .records("product."),
    )
}

#[derive(Template)]
#[template(path = "openid_provider/apps.html")]
struct AppsPage {
    shell: Shell,
    apps: Vec<SignedInApp>,
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let (account, now) = (access.account()?, access.ctx.now);
    let apps = app.db().read(move |tx| grants::apps_of(tx, account, now)).await?;
    web::html(&AppsPage { shell: navigation::shell(&app, &access, NavConsole::Account, "Apps", PATH), apps })
}

async fn revoke(State(app): State<App>, access: Access, Path(product): Path<ProductId>) -> web::Result {
    super::api::leave(&app, &access, product).await?;
    browser::see_other_with(PATH, Tone::Good, "Signed out there. It must ask you again.")
}
