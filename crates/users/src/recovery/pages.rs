//! `/recover` and the page behind the mailed link.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell};
use platform::web::{self, Access, Problem, navigation};
use serde::Deserialize;

use super::Recovered;
use crate::accounts::email::EmailAddress;
use crate::accounts::pages::{MailSentPage, add_refusals};
use crate::accounts::prepare_password;
use crate::links::{self, Link, Purpose};
use crate::login::pages::{entered, link_dead};
use crate::passwords::Password;
use crate::tokens::LinkToken;

pub(crate) fn routes() -> Routes {
    let public = Openness::Public;
    Routes::new()
        .add(routes::get("/recover", "recovery.show", public, show))
        .add(
            routes::post("/recover", "recovery.request", public, request)
                .limit(Limit::Credential)
                .records("recovery."),
        )
        .add(
            routes::get("/recover/{token}", "recovery.show_finish", public, show_finish)
                .limit(Limit::Credential),
        )
        .add(
            routes::post("/recover/{token}", "recovery.finish", public, finish)
                .limit(Limit::Credential)
                .records("password."),
        )
}

#[derive(Template)]
#[template(path = "recovery/request.html")]
struct RequestPage {
    shell: Shell,
    email: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "recovery/finish.html")]
struct FinishPage {
    shell: Shell,
    email: String,
    errors: FieldErrors,
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let shell = navigation::public_shell(&app, &access, "Set a new password");
    web::html(&RequestPage { shell, email: String::new(), errors: FieldErrors::default() })
}

#[derive(Deserialize)]
struct RequestForm {
    email: String,
}

async fn request(State(app): State<App>, access: Access, Form(form): Form<RequestForm>) -> web::Result {
    let email = match EmailAddress::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let shell = navigation::public_shell(&app, &access, "Set a new password");
            let errors = FieldErrors::default().with("email", error.to_string());
            let page = RequestPage { shell, email: form.email, errors };
            return web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let (ctx, address) = (access.ctx.clone(), email.clone());
    app.db().write(&access.ctx, move |tx| super::request(&ctx, tx, &address)).await?;
    let shell = navigation::public_shell(&app, &access, "Look into your mail");
    web::html(&MailSentPage { shell, email: email.key().to_owned(), what: "to set a new password" })
}

async fn find(app: &App, access: &Access, token: &LinkToken) -> Result<Link, Problem> {
    let (token, now) = (token.clone(), access.ctx.now);
    app.db().read(move |tx| links::find(tx, Purpose::Recovery, &token, now)).await?.ok_or_else(link_dead)
}

async fn show_finish(State(app): State<App>, access: Access, Path(token): Path<String>) -> web::Result {
    let token = LinkToken::parse(&token).map_err(|_| link_dead())?;
    let link = find(&app, &access, &token).await?;
    let shell = navigation::public_shell(&app, &access, "Set a new password");
    web::html(&FinishPage { shell, email: link.email, errors: FieldErrors::default() })
}

#[derive(Deserialize)]
struct FinishForm {
    password: String,
}

async fn finish(
    State(app): State<App>,
    access: Access,
    Path(token): Path<String>,
    Form(form): Form<FinishForm>,
) -> web::Result {
    let token = LinkToken::parse(&token).map_err(|_| link_dead())?;
    let link = find(&app, &access, &token).await?;
    let password = Password::new(form.password);
    let phc = match prepare_password(&app, &access.ctx, link.account, &link.email, password).await? {
        Ok(phc) => phc,
        Err(refusals) => {
            let mut errors = FieldErrors::default();
            add_refusals(&mut errors, &refusals);
            let shell = navigation::public_shell(&app, &access, "Set a new password");
            let page = FinishPage { shell, email: link.email, errors };
            return web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let written =
        app.db().write(&access.ctx, move |tx| super::finish(&inner, &ctx, tx, &token, &phc)).await?;
    match written.value {
        Recovered::Done { entered: found, .. } => entered(&app, &access, &found, "/").await,
        Recovered::SingleSignOn => Err(crate::policies::admit::single_sign_on_problem()),
        Recovered::LinkDead => Err(link_dead()),
    }
}
